//! What operators see and hold: statistics, keys and their scopes, newcomers during a drain, broken clients.

use belfry_server::config::{ApiKeyOptions, ApiKeySecret, Scope};
use belfry_tests::{Opening, Socket, TestServer, eventually, numbered, within};
use http::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_needed_and_have_scopes() {
    let server = TestServer::with(|config| {
        config.api_keys.push(ApiKeyOptions {
            name: "publisher".into(),
            scopes: vec![Scope::Publish],
            secret: ApiKeySecret::Plain(SecretString::from("bk_0123456789abcdef0123456789abcdef")),
        });
        config.limits.publishes_per_second_per_key = 5;
    })
    .await;
    let bare = || {
        server
            .http
            .post(server.at("/v1/alerts"))
            .header("content-type", "application/json")
            .body(json!({"to": {"user": "ann"}, "kind": "k"}).to_string())
    };
    let answer = server.send(bare()).await.expect_problem(401, "unauthorized");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    server.send(bare().bearer_auth("bk_wrong")).await.expect_problem(401, "unauthorized");
    server.send(bare().bearer_auth(server.token("ann"))).await.expect_problem(401, "unauthorized");
    let publisher = "bk_0123456789abcdef0123456789abcdef";
    server
        .send(server.http.get(server.at("/v1/stats")).bearer_auth(publisher))
        .await
        .expect_problem(403, "forbidden");
    server
        .send(server.http.get(server.at("/metrics")).bearer_auth(publisher))
        .await
        .expect_problem(403, "forbidden");
    let mut refused = None;
    for _ in 0..20 {
        let answer = server.send(bare().bearer_auth(publisher)).await;
        if answer.status != 202 {
            refused = Some(answer);
            break;
        }
    }
    let answer = refused.expect("the rate is five a second").expect_problem(429, "rate-limited");
    assert!(
        answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1),
        "{:?}",
        answer.headers
    );
    server.publish(&json!({"to": {"user": "ann"}, "kind": "k"})).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn newcomers_are_sent_elsewhere_during_the_drain() {
    let server =
        belfry_tests::TestServer::with(|config| config.drain.window = std::time::Duration::from_secs(2))
            .await;
    let mut held = server.socket("ann").await;
    let app = Arc::clone(server.services());
    app.hub.start_draining();
    let (status, problem) = Socket::try_open(Opening::naive(&server.url).bearer(&server.token("bob")))
        .await
        .expect_err("is refused");
    assert_eq!((status, problem["code"].as_str()), (503, Some("draining")));
    let mut refused = Socket::open(Opening::v1(&server.url).bearer(&server.token("bob"))).await;
    assert_eq!(refused.closed().await, (Some("draining".to_owned()), 4000));
    server.alert("ann", 1).await;
    assert_eq!(held.next_alert().await["seq"], 1, "who is here is served to the end");
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
