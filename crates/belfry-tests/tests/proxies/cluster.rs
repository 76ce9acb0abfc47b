//! `deploy/nginx/cluster.conf`: several nodes, one of which is gone.

use crate::neighbours::Fainting;
use belfry_tests::engines::free_port;
use belfry_tests::nginx::Nginx;
use belfry_tests::{Opening, Socket, TestServer, numbered};
use reqwest::StatusCode;

/// In this order, which is also the order in which nginx asks them at first.
pub(crate) async fn nginx(nodes: [String; 3]) -> Option<Nginx> {
    let shipped = ["10.0.0.11:8787", "10.0.0.12:8787", "10.0.0.13:8787"];
    let nodes: Vec<(&str, String)> = shipped.into_iter().zip(nodes).collect();
    Nginx::start("nginx/cluster.conf", &nodes, "").await
}

fn nobody() -> String {
    format!("127.0.0.1:{}", free_port())
}

#[tokio::test]
async fn nobody_notices_nodes_that_are_gone() {
    let server = TestServer::start().await;
    let Some(nginx) = nginx([nobody(), server.address().to_string(), nobody()]).await else { return };
    let token = server.token("ann");
    for number in 1..=6 {
        server.send(server.http.get(format!("{}/v1/inbox", nginx.url)).bearer_auth(&token)).await.expect(200);
        Socket::open(Opening::naive(&nginx.url).bearer(&token)).await.close().await;
        // No node has read it, so nothing is done twice, also without a key.
        let alert = server.http.post(format!("{}/v1/alerts", nginx.url)).bearer_auth(&server.api_key);
        server.send(alert.json(&numbered("ann", number))).await.expect(202);
    }
    let count = server.http.get(server.at("/v1/inbox/unread-count")).bearer_auth(&token);
    assert_eq!(server.send(count).await.expect(200).json()["unread"], 6);
}

#[tokio::test]
async fn an_alert_that_a_node_may_have_stored_is_repeated_only_with_its_key() {
    let server = TestServer::start().await;
    for (key, expected) in [(None, StatusCode::BAD_GATEWAY), (Some("deal-1"), StatusCode::ACCEPTED)] {
        let fainting = Fainting::start().await;
        let nodes = [fainting.address.to_string(), server.address().to_string(), nobody()];
        let Some(nginx) = nginx(nodes).await else { return };
        let mut alert = server.http.post(format!("{}/v1/alerts", nginx.url)).bearer_auth(&server.api_key);
        if let Some(key) = key {
            alert = alert.header("idempotency-key", key);
        }
        let answer = alert.json(&numbered("ann", 1)).send().await.expect("nginx answers");
        assert_eq!(answer.status(), expected, "with the key {key:?}");
        assert_eq!(fainting.read(), 1, "it was asked first, and once");
    }
    let count = server.http.get(server.at("/v1/inbox/unread-count")).bearer_auth(server.token("ann"));
    assert_eq!(server.send(count).await.expect(200).json()["unread"], 1, "the one with the key");
}

#[tokio::test]
async fn a_read_is_repeated_and_an_answer_is_not() {
    let server = TestServer::start().await;
    let fainting = Fainting::start().await;
    let nodes = [fainting.address.to_string(), server.address().to_string(), nobody()];
    let Some(nginx) = nginx(nodes).await else { return };
    let read = server.http.get(format!("{}/v1/inbox", nginx.url)).bearer_auth(server.token("ann"));
    server.send(read).await.expect(200);
    assert_eq!(fainting.read(), 1, "it was asked first");
    let refused = server.http.post(format!("{}/v1/alerts", nginx.url)).header("idempotency-key", "deal-1");
    server.send(refused.json(&numbered("ann", 1))).await.expect_problem(401, "unauthorized");
}
