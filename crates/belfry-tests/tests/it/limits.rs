//! Everything has a limit, and going over it costs only the one who did.

use belfry_server::config::Config;
use belfry_tests::caller::numbered;
use belfry_tests::{Opening, Received, Socket, TestServer, within};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncReadExt;

async fn server(change: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::with(change).await
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_limit_per_user_the_oldest_hidden_connection_gives_way() {
    let server = server(|config| config.limits.connections_per_user = 3).await;
    let mut oldest = server.socket("ann").await;
    let mut hidden = server.socket("ann").await;
    let mut visible = server.socket("ann").await;
    let mut other = server.socket("bob").await;
    hidden.send(json!({"type": "presence", "data": {"visible": false, "focused": false}})).await;
    hidden.settle().await;
    let mut newest = server.socket("ann").await;
    assert_eq!(hidden.closed().await, (Some("replaced".to_owned()), 4305));
    let mut newer = server.socket("ann").await;
    assert_eq!(oldest.closed().await, (Some("replaced".to_owned()), 4305), "all visible: the oldest");
    for socket in [&mut visible, &mut newest, &mut newer, &mut other] {
        socket.assert_silent().await;
    }
    server.until_connections(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_clients_that_chase_each_other_are_stopped_after_three_evictions() {
    let server = server(|config| config.limits.connections_per_user = 2).await;
    let mut sockets = Vec::new();
    for _ in 0..5 {
        sockets.push(server.naive("ann").await);
    }
    for evicted in &mut sockets[..3] {
        assert_eq!(evicted.closed().await.1, 4305);
    }
    let token = server.token("ann");
    let (status, problem) = Socket::try_open(Opening::naive(&server.url).bearer(&token)).await.unwrap_err();
    assert_eq!((status, &problem["code"]), (429, &json!("too-many-connections")), "{problem}");
    let request = server.http.get(server.at("/v1/events")).bearer_auth(&token);
    // One that knows what 4305 means always gets in.
    assert_eq!(server.http.execute(request.build().unwrap()).await.unwrap().status(), 200);
    server.socket("ann").await;
    server.naive("bob").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_node_says_so() {
    let server = server(|config| config.limits.connections_max = 2).await;
    let _open = (server.socket("ann").await, server.naive("bob").await);
    let token = server.token("cat");
    let (status, problem) = Socket::try_open(Opening::naive(&server.url).bearer(&token)).await.unwrap_err();
    assert_eq!((status, &problem["code"]), (503, &json!("overloaded")), "{problem}");
    let mut refused = Socket::open(Opening::v1(&server.url).bearer(&token)).await;
    let frame = refused.next_frame().await;
    assert_eq!(frame["data"]["code"], "overloaded");
    assert!(frame["data"]["retry_after_ms"].as_u64().is_some_and(|wait| wait > 0), "{frame}");
    assert_eq!(refused.closed().await.1, 4004);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_connections_is_turned_away_before_any_work_on_tokens() {
    let server = server(|config| config.limits.connections_per_second = 2).await;
    let (mut admitted, mut refused) = (0, 0);
    for _ in 0..20 {
        match Socket::try_open(Opening::naive(&server.url).bearer("not even a token")).await {
            Err((401, _)) => admitted += 1,
            Err((429, problem)) => {
                assert_eq!(problem["code"], "rate-limited");
                refused += 1;
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    assert!(admitted >= 2 && refused >= 10, "{admitted} were looked at, {refused} turned away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_talks_too_fast_is_warned_then_closed() {
    let server = server(|config| {
        config.limits.inbound_frames_burst = 5;
        config.limits.inbound_frames_per_second = 1;
    })
    .await;
    let mut socket = Socket::open(Opening::v1(&server.url).bearer(&server.token("ann"))).await;
    socket.next_of_type("connection-established").await;
    for number in 0..6 {
        socket.send(json!({"type": "ping", "data": number})).await;
    }
    for number in 0..5 {
        assert_eq!(socket.next_of_type("pong").await["data"], number);
    }
    let error = socket.next_of_type("error").await;
    assert_eq!(error["data"]["code"], "rate-limited");
    assert!(error["data"]["retry_after_ms"].as_u64().is_some_and(|wait| wait <= 1_000), "{error}");
    for _ in 0..12 {
        if !socket.try_send(json!({"type": "ping"})).await {
            break;
        }
    }
    assert_eq!(socket.closed().await, (Some("rate-limited".to_owned()), 4004));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_at_the_limit_passes_and_one_byte_more_closes() {
    let server = TestServer::start().await;
    let limit = server.services().config.limits.inbound_message_bytes_max;
    let sized = |bytes: usize| {
        let frame = |filler: usize| format!(r#"{{"type":"ping","data":"{}"}}"#, "x".repeat(filler));
        frame(bytes - frame(0).len())
    };
    let mut socket = server.socket("ann").await;
    socket.send_text(sized(limit)).await;
    socket.next_of_type("pong").await;
    socket.send_text(sized(limit + 1)).await;
    assert_eq!(socket.closed().await.1, 4003);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_not_heard_is_closed_and_one_that_answers_stays() {
    let server = server(|config| {
        config.live.heartbeat_interval = Duration::from_millis(400);
        config.live.heartbeat_timeout = Duration::from_secs(2);
    })
    .await;
    let mut silent = server.socket("ann").await;
    let mut naive = server.naive("bob").await;
    let mut answering = server.socket("cat").await;
    assert_eq!(
        silent_close(&mut silent, &mut answering, &mut naive).await,
        (Some("heartbeat-missed".to_owned()), 4001)
    );
    for _ in 0..4 {
        let ping = answering.next_of_type("ping").await;
        assert!(ping["data"]["heads"].is_object() && ping["data"]["unread"].is_u64(), "{ping}");
        answering.send(json!({"type": "pong"})).await;
        // The library underneath answers control pings whenever the socket is read.
        naive.assert_silent().await;
    }
}

/// Reads the silent one to its end while the others answer: a control ping is answered when the socket is read.
async fn silent_close(
    silent: &mut Socket,
    answering: &mut Socket,
    naive: &mut Socket,
) -> (Option<String>, u16) {
    let answer = async {
        loop {
            answering.next_of_type("ping").await;
            answering.send(json!({"type": "pong"})).await;
        }
    };
    tokio::select! {
        closed = silent.closed() => closed,
        () = answer => unreachable!("it answers for ever"),
        received = naive.next() => panic!("nothing was expected, there came {received:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_takes_no_byte_is_given_up_and_its_client_resumes() {
    let server = server(|config| config.live.stalled_after = Duration::from_millis(500)).await;
    let opening = Opening::v1(&server.url).bearer(&server.token("ann")).receive_buffer(4_096);
    let mut stalled = Socket::open(opening).await;
    stalled.next_of_type("connection-established").await;
    stalled.send(json!({"type": "resume", "data": {}})).await;
    stalled.settle().await;
    let page = server.user_get("ann", "/v1/inbox").await.expect(200).json();
    let cursor = page["complete_to"].as_str().expect("a cursor").to_owned();
    let filler = "x".repeat(15_000);
    for n in 1..=60 {
        let alert = json!({"to": {"user": "ann"}, "kind": "big", "data": {"n": n, "filler": filler}});
        server.publish(&alert).await.expect(202);
    }
    server.until_connections(0).await;
    drop(stalled);
    let mut again = server.resume("ann", &cursor).await;
    let mut seen: Vec<u64> = Vec::new();
    while seen.len() < 60 {
        let frame = again.next_of_type("catch-up").await;
        let items = frame["data"]["items"].as_array().expect("items").clone();
        seen.extend(items.iter().filter_map(|item| item["data"]["n"].as_u64()));
    }
    assert_eq!(seen, (1..=60).collect::<Vec<_>>());
}

async fn post(server: &TestServer, path: &str, content_type: &str, body: String) -> belfry_tests::Answer {
    server.send(server.as_back_end(Method::POST, path).header("content-type", content_type).body(body)).await
}

/// An alert whose JSON has exactly so many bytes.
fn sized(bytes: usize) -> String {
    let alert = |filler: usize| format!(r#"{{"to":{{"user":"ann"}},"kind":"k"{}}}"#, " ".repeat(filler));
    alert(bytes - alert(0).len())
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_taken_up_to_their_limit() {
    let server = TestServer::start().await;
    let limits = server.services().config.limits.clone();
    let json_type = "application/json";
    post(&server, "/v1/alerts", json_type, sized(limits.body_bytes_max)).await.expect(202);
    let answer = post(&server, "/v1/alerts", json_type, sized(limits.body_bytes_max + 1)).await;
    let problem = answer.expect_problem(413, "body-too-large").json();
    assert!(
        problem["detail"].as_str().is_some_and(|detail| detail.contains("limits.body_bytes_max")),
        "{problem}"
    );

    let users: Vec<String> = (0..10_000).map(|number| format!("user-{number:05}")).collect();
    let answer = server.publish(&json!({"to": {"users": users}, "kind": "k"})).await.expect(202);
    assert_eq!(answer.json()["recipients"], 10_000);
    let users: Vec<String> = (0..10_001).map(|number| format!("user-{number:05}")).collect();
    let answer = server.publish(&json!({"to": {"users": users}, "kind": "k"})).await;
    assert_eq!(answer.expect_problem(422, "field-invalid").pointers(), ["/to/users"]);
    let huge = sized(limits.body_users_bytes_max + 1);
    post(&server, "/v1/alerts", json_type, huge).await.expect_problem(413, "body-too-large");

    let data =
        |bytes: usize| json!({"to": {"user": "ann"}, "kind": "k", "data": {"x": "y".repeat(bytes - 8)}});
    server.publish(&data(16 * 1024)).await.expect(202);
    let answer = server.publish(&data(16 * 1024 + 1)).await;
    assert_eq!(answer.expect_problem(422, "field-invalid").pointers(), ["/data"]);
    let ids: Vec<Value> = (0..1_001).map(|_| json!(uuid::Uuid::now_v7())).collect();
    let body = json!({"ids": ids, "state": "read"});
    let answer = server.user_call("ann", Method::POST, "/v1/inbox/state", &body).await;
    assert_eq!(answer.expect_problem(422, "field-invalid").pointers(), ["/ids"]);
    belfry_tests::eventually("the end of the fan-out", || async {
        (server.services().store.gauges().fanouts == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_limits_of_lines_and_bytes_and_each_line_its_own() {
    let server = server(|config| {
        config.limits.batch_lines_max = 3;
        config.limits.batch_bytes_max = 200_000;
    })
    .await;
    let line_max = server.services().config.limits.body_bytes_max;
    let ndjson = "application/x-ndjson";
    let lines = |lines: &[usize]| lines.iter().map(|bytes| sized(*bytes)).collect::<Vec<_>>().join("\n");
    let path = "/v1/alerts/batch";
    let results =
        post(&server, path, ndjson, lines(&[100, line_max + 1, line_max])).await.expect(200).lines();
    let statuses: Vec<u64> = results.iter().filter_map(|line| line["status"].as_u64()).collect();
    assert_eq!(statuses, [202, 413, 202]);
    assert_eq!(results[1]["problem"]["code"], "body-too-large");
    post(&server, path, ndjson, lines(&[100; 4])).await.expect_problem(413, "batch-too-large");
    let bytes = lines(&[line_max, line_max, line_max, 10_000]);
    assert!(bytes.len() > 200_000);
    post(&server, path, ndjson, bytes).await.expect_problem(413, "body-too-large");
    assert_eq!(server.inbox("ann").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn rates_answer_429_with_the_time_to_wait() {
    let server = server(|config| {
        config.limits.publishes_per_second_per_key = 2;
        config.limits.requests_per_second_per_user = 1;
        config.limits.requests_burst_per_user = 2;
    })
    .await;
    let mut answers = Vec::new();
    for number in 0..8 {
        answers.push(server.publish(&numbered("ann", number)).await);
    }
    assert_eq!(answers[0].status, 202);
    let refused = answers.into_iter().find(|answer| answer.status != 202).expect("one is too many");
    assert_ne!(refused.expect_problem(429, "rate-limited").header("retry-after"), "");
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(server.user_get("ann", "/v1/inbox").await);
    }
    assert_eq!(answers[0].status, 200);
    let refused = answers.into_iter().find(|answer| answer.status != 200).expect("one is too many");
    assert_ne!(refused.expect_problem(429, "rate-limited").header("retry-after"), "");
    server.user_get("bob", "/v1/inbox").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_sends_no_head_is_closed() {
    let server = server(|config| config.server.header_timeout = Duration::from_millis(200)).await;
    let mut idle = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let mut half = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut half, b"GET /healthz HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    let mut rest = Vec::new();
    // An answer may come first; what counts is the end.
    let _ = within("the end of the half request", half.read_to_end(&mut rest)).await;
    let _ = within("the end of the idle connection", idle.read_to_end(&mut rest)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_never_confirms_what_was_not_sent() {
    let server = TestServer::start().await;
    let mut socket = server.socket("ann").await;
    let ack = json!({"stream": "user", "after": 0, "up_to": (1_u64 << 53) - 1, "level": "received"});
    socket.send(json!({"type": "ack", "data": ack})).await;
    socket.settle().await;
    server.user_call("ann", Method::POST, "/v1/acks", &ack).await.expect(204);
    drop(socket);
    server.until_connections(0).await;
    let id = server.alert("ann", 1).await;
    server.services().store.flush().await.unwrap();
    let trace = server.get(&format!("/v1/alerts/{id}")).await.expect(200).json();
    assert_eq!(trace["trace"][0]["level"], Value::Null, "{trace}");
    let mut naive = server.naive("ann").await;
    assert!(matches!(naive.next().await, Received::Frame(frame) if frame["id"] == id.as_str()));
}
