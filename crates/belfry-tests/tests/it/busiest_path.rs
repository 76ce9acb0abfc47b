//! `POST /v1/alerts` does without the router, and is no exception to anything for it.

use belfry_server::config::Mode;
use belfry_tests::{TestServer, numbered, within};
use http::Method;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_checked_in_dev() {
    let server = TestServer::with(|config| config.mode = Mode::Dev).await;
    let posted = |host: &str| {
        let request = server.as_back_end(Method::POST, "/v1/alerts").header("host", host);
        server.send(request.json(&numbered("ann", 1)))
    };
    posted("rebound.example").await.expect_problem(403, "host-not-allowed");
    posted("localhost").await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_are_allowed_may_read_its_answer_and_it_is_counted() {
    const PAGE: &str = "https://app.example.com";
    let server = TestServer::with(|config| config.auth.allowed_origins = vec![PAGE.to_owned()]).await;
    for (body, status) in [(numbered("ann", 1), 202), (json!({}), 400), (numbered("ann", 2), 202)] {
        let request = server.as_back_end(Method::POST, "/v1/alerts").header("origin", PAGE);
        let answer = server.send(request.json(&body)).await;
        assert_eq!(answer.header("access-control-allow-origin"), PAGE, "{answer:?}");
        assert!(if status == 202 { answer.status == 202 } else { answer.status >= 400 }, "{answer:?}");
    }
    let metrics = server.get("/metrics").await.expect(200).text;
    let line = "belfry_http_requests_total{method=\"POST\",route=\"/v1/alerts\",status=\"202\"} 2";
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_has_a_deadline() {
    let server = TestServer::with(|config| config.server.request_timeout = Duration::from_millis(200)).await;
    let mut slow = TcpStream::connect(server.address()).await.expect("it listens");
    let head = format!(
        "POST /v1/alerts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{",
        server.api_key
    );
    slow.write_all(head.as_bytes()).await.expect("is sent");
    let mut answer = [0; 12];
    within("the refusal", slow.read_exact(&mut answer)).await.expect("an answer comes");
    assert_eq!(&answer, b"HTTP/1.1 503");
}
