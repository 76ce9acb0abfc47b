//! `deploy/nginx/belfry.conf`: one origin for an application and Belfry.

use crate::neighbours::application;
use belfry_tests::nginx::Nginx;
use belfry_tests::{Events, Opening, Socket, TestServer, numbered};
use http::Method;
use serde_json::json;
use std::time::Duration;

/// In front of one server and an application; `http` stands before the shipped file, in the same block.
async fn start(server: &TestServer, application: u16, http: &str) -> Option<Nginx> {
    let nodes = [
        ("127.0.0.1:8787", server.address().to_string()),
        ("127.0.0.1:3000", format!("127.0.0.1:{application}")),
    ];
    Nginx::start("nginx/belfry.conf", &nodes, http).await
}

#[tokio::test]
async fn one_origin_serves_the_application_and_belfry() {
    let origin = "https://app.example.com";
    let server = TestServer::with(|config| config.auth.allowed_origins = vec![origin.to_owned()]).await;
    let Some(nginx) = start(&server, application().await, "").await else { return };
    let token = server.token("ann");

    let page =
        server.send(server.http.get(format!("{}/deals", nginx.url)).header("cookie", "accessToken=x")).await;
    assert!(page.expect(200).text.contains("the application, cookie Some(\"accessToken=x\")"));
    server.send(server.http.get(format!("{}/v1/inbox", nginx.url)).bearer_auth(&token)).await.expect(200);
    let sdk = server.send(server.http.get(format!("{}/sdk/nothing.js", nginx.url))).await;
    sdk.expect_problem(404, "not-found");

    for path in ["/ws", "/ws/alerts"] {
        let opening = Opening::v1(&nginx.url).path(path).origin(origin).cookie(&token);
        let mut socket = Socket::open(opening).await;
        socket.next_of_type("connection-established").await;
        socket.send(json!({"type": "resume", "data": {"cursor": null}})).await;
        socket.settle().await;
        let id = server.alert("ann", 1).await;
        assert_eq!(socket.next_alert().await["id"], id);
        socket.close().await;
    }
    let refused =
        Socket::try_open(Opening::naive(&nginx.url).origin("https://elsewhere.example").cookie(&token)).await;
    assert_eq!(refused.err().map(|(status, _)| status), Some(403), "the origin reaches the server");
}

#[tokio::test]
async fn events_and_batches_stream_through_it() {
    let server = TestServer::start().await;
    let Some(nginx) = start(&server, application().await, "").await else { return };
    let url = format!("{}/v1/events?protocol=belfry.v1", nginx.url);
    let mut events = Events::open(server.http.get(url).bearer_auth(server.token("ann"))).await;
    events.next_of_type("connection-established").await;
    let lines: String = (1..=200).map(|number| format!("{}\n", numbered("ann", number))).collect();
    let batch = server
        .http
        .request(Method::POST, format!("{}/v1/alerts/batch", nginx.url))
        .bearer_auth(&server.api_key)
        .header("content-type", "application/x-ndjson")
        .body(lines);
    assert_eq!(server.send(batch).await.expect(200).lines().len(), 200);
    events.next_of_type("numbered").await;
}

#[tokio::test]
async fn a_token_in_the_query_is_in_no_log_and_the_client_keeps_its_address() {
    let mut server = TestServer::with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a net")];
        config.limits.connections_per_second_per_address = 1;
    })
    .await;
    let Some(nginx) = start(&server, application().await, "").await else { return };
    let token = server.token("ann");
    let from =
        |address: &str| Opening::naive(&nginx.url).query("token", &token).header("x-forwarded-for", address);
    // nginx appends the peer it sees; who is trusted is passed over, so the next one counts.
    Socket::open(from("192.0.2.1")).await.close().await;
    Socket::open(from("192.0.2.2")).await.close().await;
    let refused = Socket::try_open(from("192.0.2.2")).await.err().map(|(status, _)| status);
    assert!(matches!(refused, Some(429 | 503)), "the limit counts the client's address: {refused:?}");
    server.stop().await;
    // Where the server is away, nginx complains: not with the token either.
    let away = reqwest::get(format!("{}/ws?token={token}", nginx.url)).await.expect("nginx answers");
    assert_eq!(away.status().as_u16(), 502);
    let logs = nginx.logs();
    assert!(logs.contains("/ws"), "it did log: {logs}");
    assert!(!logs.contains(&token), "{logs}");
}

#[tokio::test]
async fn k15_an_idle_connection_outlives_the_proxys_patience() {
    // The default's proportions in a fraction of its time: 60 s of patience, a word every 30.
    let patience = "proxy_read_timeout 1s; proxy_send_timeout 1s;";
    let server = TestServer::with(|config| config.live.heartbeat_interval = Duration::from_millis(500)).await;
    let Some(nginx) = start(&server, application().await, patience).await else { return };
    let mut socket = Socket::open(Opening::v1(&nginx.url).bearer(&server.token("ann"))).await;
    for _ in 0..6 {
        let ping = socket.next_of_type("ping").await;
        socket.send(json!({"type": "pong", "data": ping["data"]})).await;
    }
    socket.close().await;

    let silent = TestServer::with(|config| config.live.heartbeat_interval = Duration::from_secs(30)).await;
    let Some(nginx) = start(&silent, application().await, patience).await else { return };
    let mut socket = Socket::open(Opening::naive(&nginx.url).bearer(&silent.token("ann"))).await;
    socket.next_of_type("connection-established").await;
    assert_eq!(
        socket.next().await,
        belfry_tests::socket::Received::Cut,
        "a silent server is cut: the test can fail"
    );
}
