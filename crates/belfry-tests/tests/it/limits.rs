//! Limits: what one client, one user or a storm costs, and how each is told.

use belfry_tests::{Opening, Received, Socket, TestServer, eventually, numbered, within};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn at_the_limit_the_connection_hidden_longest_gives_way() {
    let server = TestServer::with(|config| config.limits.connections_per_user = 3).await;
    let mut first = server.socket("ann").await;
    let mut second = server.socket("ann").await;
    let mut third = server.socket("ann").await;
    second.send(json!({"type": "presence", "data": {"visible": false}})).await;
    second.settle().await;
    let mut fourth = server.socket("ann").await;
    assert_eq!(second.closed().await, (Some("replaced".to_owned()), 4305));
    let mut other = server.socket("bob").await;
    server.alert("ann", 1).await;
    for socket in [&mut first, &mut third, &mut fourth] {
        assert_eq!(socket.next_alert().await["seq"], 1);
    }
    other.assert_silent().await;
    server.until_connections(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn naive_clients_that_chase_each_other_are_stopped() {
    let server = TestServer::with(|config| config.limits.connections_per_user = 1).await;
    let mut sockets = vec![server.naive("ann").await];
    for _ in 0..3 {
        sockets.push(server.naive("ann").await);
    }
    let opening = || Opening::naive(&server.url).bearer(&server.token("ann"));
    let (status, problem) = Socket::try_open(opening()).await.err().expect("the fourth newcomer is refused");
    assert_eq!((status, &problem["code"]), (429, &json!("too-many-connections")));
    server.alert("ann", 1).await;
    assert_eq!(sockets.last_mut().expect("is open").next_alert().await["seq"], 1, "the last one stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_talks_too_much_is_warned_then_closed() {
    let server = TestServer::with(|config| {
        config.limits.inbound_frames_per_second = 1;
        config.limits.inbound_frames_burst = 5;
    })
    .await;
    let mut socket = server.socket("ann").await;
    for _ in 0..40 {
        if !socket.try_send(json!({"type": "ping"})).await {
            break;
        }
    }
    let (code, number) = socket.closed().await;
    assert_eq!((code.as_deref(), number), (Some("rate-limited"), 4004));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_over_the_limit_close_with_4003() {
    let server = TestServer::start().await;
    let mut socket = server.socket("ann").await;
    socket.send_text(format!(r#"{{"type":"ping","data":"{}"}}"#, "x".repeat(16_000))).await;
    assert_eq!(socket.next_of_type("pong").await["data"].as_str().map(str::len), Some(16_000));
    socket.send_text(format!(r#"{{"type":"ping","data":"{}"}}"#, "x".repeat(17_000))).await;
    assert_eq!(socket.closed().await.1, 4003);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_frame_closes_with_4003() {
    let server = TestServer::start().await;
    let mut stream = within("a connection", TcpStream::connect(server.address())).await.expect("connects");
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {}\r\n\r\n",
        server.address(),
        server.token("ann")
    );
    stream.write_all(request.as_bytes()).await.expect("is sent");
    // An unmasked text frame, which RFC 6455 (5.1) forbids a client.
    stream.write_all(&[0x81, 0x02, b'h', b'i']).await.expect("is sent");
    let mut bytes = Vec::new();
    let read = within("the end", stream.read_to_end(&mut bytes)).await;
    let close = [0x0f, 0xa3]; // 4003
    assert!(bytes.windows(2).any(|pair| pair == close), "{read:?}: {} bytes without the close", bytes.len());
    server.until_connections(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_answers_nothing_is_closed_with_4001() {
    let server = TestServer::with(|config| {
        config.live.heartbeat_interval = Duration::from_millis(200);
        config.live.heartbeat_timeout = Duration::from_millis(200);
    })
    .await;
    // It speaks JSON and answers no ping; its library answers only control pings, of which there are none.
    let mut silent = server.socket("ann").await;
    let mut naive = server.naive("ann").await;
    // The naive one lives by the control pongs of its library while somebody reads from it.
    let ((), frame) = tokio::join!(
        async {
            assert_eq!(silent.closed().await, (Some("heartbeat-missed".to_owned()), 4001));
            server.alert("ann", 1).await;
        },
        naive.next_alert()
    );
    assert_eq!(frame["seq"], 1);
    server.until_connections(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_takes_no_byte_is_closed_and_resumes_whole() {
    let server = TestServer::with(|config| {
        config.live.stalled_after = Duration::from_millis(500);
    })
    .await;
    let opening = Opening::v1(&server.url).bearer(&server.token("ann")).receive_buffer(4096);
    let mut stalled = Socket::open(opening).await;
    stalled.send(json!({"type": "resume", "data": {}})).await;
    let mut reader = server.socket("ann").await;
    let body = "x".repeat(4000);
    for number in 1..=600 {
        let mut alert = numbered("ann", number);
        alert["body"] = json!(body);
        server.publish(&alert).await.expect(202);
        assert_eq!(reader.next_alert().await["seq"], number, "others are not held up");
    }
    server.until_connections(1).await;
    let mut last = 0;
    let end = loop {
        match stalled.next().await {
            Received::Frame(frame) => last = frame["seq"].as_u64().unwrap_or(last),
            end => break end,
        }
    };
    assert!(matches!(end, Received::Closed(4002, _) | Received::Cut), "{end:?}");
    assert!(last < 600, "the socket cannot have taken everything");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_node_and_a_storm_turn_newcomers_away() {
    let server = TestServer::with(|config| config.limits.connections_max = 2).await;
    let _held = [server.socket("ann").await, server.socket("bob").await];
    let mut refused = Socket::open(Opening::v1(&server.url).bearer(&server.token("eve"))).await;
    assert_eq!(refused.closed().await, (Some("overloaded".to_owned()), 4004));
    let naive = Opening::naive(&server.url).bearer(&server.token("eve"));
    let (status, problem) = Socket::try_open(naive).await.err().expect("is refused");
    assert_eq!((status, &problem["code"]), (503, &json!("overloaded")));

    let server = TestServer::with(|config| config.limits.connections_per_second = 2).await;
    let mut refusals = Vec::new();
    for _ in 0..6 {
        let opening = Opening::naive(&server.url).bearer(&server.token("ann"));
        refusals.extend(Socket::try_open(opening).await.err());
    }
    assert!(!refusals.is_empty());
    assert!(
        refusals.iter().all(|(status, problem)| *status == 429 && problem["code"] == "rate-limited"),
        "{refusals:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_never_end_and_floods_of_requests_are_cut() {
    let server = TestServer::with(|config| {
        config.server.header_timeout = Duration::from_millis(300);
        config.limits.requests_per_second_per_user = 1;
        config.limits.requests_burst_per_user = 3;
    })
    .await;
    let mut slow = within("a connection", TcpStream::connect(server.address())).await.expect("connects");
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n").await.expect("is sent");
    let mut bytes = Vec::new();
    within("the server to hang up", slow.read_to_end(&mut bytes)).await.ok();

    let mut statuses = Vec::new();
    for _ in 0..10 {
        let answer = server.user_get("ann", "/v1/inbox/unread-count").await;
        if answer.status == 429 {
            assert!(!answer.header("retry-after").is_empty());
        }
        statuses.push(answer.status);
    }
    assert!(statuses.starts_with(&[200]) && statuses.contains(&429), "{statuses:?}");
    server.user_get("bob", "/v1/inbox/unread-count").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_count_what_is_there() {
    let server = TestServer::start().await;
    let mut ann = server.socket("ann").await;
    let _bob = server.socket("bob").await;
    let _events = server.events("ann").await;
    server.alert("ann", 1).await;
    ann.next_alert().await;
    let stats = eventually("the statistics", || async {
        let stats: Value = server.get("/v1/stats").await.expect(200).json();
        (stats["connections"] == 3).then_some(stats)
    })
    .await;
    assert_eq!(
        (&stats["users"], &stats["nodes"][0]["websocket"], &stats["nodes"][0]["sse"]),
        (&json!(2), &json!(2), &json!(1))
    );
    let kind = numbered("ann", 1)["kind"].as_str().map(str::to_owned).expect("has a kind");
    assert_eq!(stats["kinds"][&kind]["accepted"], 1);
    let metrics = server.send(server.as_back_end(Method::GET, "/metrics")).await.expect(200).text;
    assert!(metrics.contains("belfry_connections_websocket 2"), "{metrics}");
    assert!(metrics.contains("belfry_alerts_accepted_total 1"), "{metrics}");
}
