//! What is committed at one node is told at all of them, by the bus and not by the read of the heads, which comes once
//! in half a minute.

use belfry_server::metrics::Counter;
use belfry_tests::shared::there_is_a_server;
use belfry_tests::{Cluster, Opening, Received, Socket, numbered};
use http::Method;
use serde_json::{Value, json};

/// Nobody was found behind, so everything came as a hint.
fn came_by_the_bus(cluster: &Cluster) {
    for node in 0..2 {
        assert_eq!(cluster.counted(node, Counter::SessionsBehind), 0, "node {node}");
        assert_eq!(cluster.counted(node, Counter::HintsGarbled), 0, "node {node}");
    }
    assert!(cluster.counted(1, Counter::HintsHeard) > 0);
}

fn facts(frame: &Value) -> (Value, Value, Value) {
    (frame["id"].clone(), frame["seq"].clone(), frame["unread"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_at_two_nodes_are_told_the_same() {
    if !there_is_a_server() {
        return;
    }
    let cluster = Cluster::start(2).await;
    let mut here = cluster[0].socket("ann").await;
    let mut there = cluster[1].socket("ann").await;
    let mut others = cluster[1].socket("bob").await;

    let mut ids = Vec::new();
    for number in 1..=4 {
        ids.push(cluster[number as usize % 2].alert("ann", number).await);
        let (one, other) = (here.next_alert().await, there.next_alert().await);
        assert_eq!(facts(&one), facts(&other));
        assert_eq!(one["unread"], number);
    }
    cluster[1].change("ann", &[&ids[0]], "read").await;
    let (one, other) = (here.next_of_type("inbox-changed").await, there.next_of_type("inbox-changed").await);
    assert_eq!((&one["data"], &one["seq"]), (&other["data"], &other["seq"]));
    assert_eq!(one["data"]["unread"], 3);

    cluster[0].send(cluster[0].as_back_end(Method::DELETE, &format!("/v1/alerts/{}", ids[1]))).await;
    let (one, other) = (here.next_of_type("inbox-changed").await, there.next_of_type("inbox-changed").await);
    assert_eq!(one["data"], other["data"]);
    assert_eq!(one["data"]["changes"][0]["ids"], json!([ids[1]]));
    assert_eq!(one["data"]["unread"], 2);
    assert_eq!((cluster[0].unread("ann").await, cluster[1].unread("ann").await), (2, 2));

    let quiet = json!({"until": "2099-01-01T00:00:00Z"});
    let answer = cluster[0].user_call("ann", Method::PUT, "/v1/do-not-disturb", &quiet).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let (one, other) =
        (here.next_of_type("settings-changed").await, there.next_of_type("settings-changed").await);
    assert_eq!(one["data"], other["data"]);
    assert_eq!(one["data"]["do_not_disturb"]["active"], true);
    others.assert_silent().await;
    came_by_the_bus(&cluster);
}

#[tokio::test(flavor = "multi_thread")]
async fn announcements_and_large_alerts_come_to_every_node() {
    if !there_is_a_server() {
        return;
    }
    let cluster = Cluster::start(2).await;
    let mut here = cluster[0].socket("ann").await;
    let mut there = cluster[1].socket("bob").await;
    let all = json!({"to": {"everyone": true}, "kind": "news", "title": "For all", "data": {}});
    let id = cluster[1].publish(&all).await.expect(202).json()["id"].clone();
    for socket in [&mut here, &mut there] {
        assert_eq!(socket.next_alert().await["id"], id);
    }
    // Larger than some engines take at once: then the head alone comes, and the store is read.
    let mut large = numbered("bob", 7);
    large["data"] = json!({"text": "x".repeat(15_000)});
    cluster[0].publish(&large).await.expect(202);
    let frame = there.next().await;
    let Received::Frame(frame) = frame else { panic!("{frame:?}") };
    let title =
        if frame["type"] == "catch-up" { &frame["data"]["items"][0]["title"] } else { &frame["title"] };
    assert_eq!(title, "Number 7", "{frame}");

    let removed = format!("/v1/alerts/{}", id.as_str().expect("an id"));
    cluster[0].send(cluster[0].as_back_end(Method::DELETE, &removed)).await;
    for socket in [&mut here, &mut there] {
        let frame = socket.next_of_type("inbox-changed").await;
        assert_eq!(
            (&frame["stream"], &frame["data"]["changes"][0]["state"]),
            (&json!("all"), &json!("recalled"))
        );
    }
    came_by_the_bus(&cluster);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_sent_away_is_sent_away_everywhere() {
    if !there_is_a_server() {
        return;
    }
    let cluster = Cluster::start(2).await;
    let mut here = cluster[0].socket("ann").await;
    let mut there = cluster[1].socket("ann").await;
    let mut bob = cluster[1].socket("bob").await;
    let seen = || async { (cluster.connections_seen_by(0, "ann").await == 1).then_some(()) };
    belfry_tests::eventually("a trace of her at the other node", seen).await;

    let body = json!({"revoke_before": "2099-01-01T00:00:00Z"});
    let path = "/v1/users/ann/disconnect";
    let answer = cluster[0].call(Method::POST, path, &body).await.expect(200).json();
    assert_eq!(answer["closed"], 2, "one here, one there");
    for socket in [&mut here, &mut there] {
        assert_eq!(socket.next_of_type("error").await["data"]["code"], "token-revoked");
    }
    cluster[1].user_get("ann", "/v1/inbox").await.expect_problem(401, "token-revoked");

    let mut of_key =
        Socket::open(Opening::v1(&cluster[1].url).bearer(&cluster[1].token_of_key("cid", "stolen"))).await;
    of_key.next_of_type("connection-established").await;
    cluster[0].call(Method::PUT, "/v1/revoked-keys/stolen", &json!({})).await.expect(200);
    assert_eq!(of_key.next_of_type("error").await["data"]["code"], "token-revoked");

    cluster[0].call(Method::POST, "/v1/users/bob/disconnect", &json!({})).await.expect(200);
    bob.next_of_type("error").await;
    came_by_the_bus(&cluster);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_is_renewed_at_whichever_node_is_asked() {
    if !there_is_a_server() {
        return;
    }
    let cluster = Cluster::start(2).await;
    let opening = Opening::v1(&cluster[1].url)
        .bearer(&cluster[1].token_valid("ann", std::time::Duration::from_secs(4)));
    let mut socket = Socket::open(opening).await;
    let established = socket.next_of_type("connection-established").await;
    let id = established["data"]["connection_id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/connections/{id}/authenticate");
    let seen = || async { (cluster.connections_seen_by(0, "ann").await == 1).then_some(()) };
    belfry_tests::eventually("a trace of her at the other node", seen).await;
    cluster[0].user_call("ann", Method::POST, &path, &json!({})).await.expect(200);
    cluster[0]
        .user_call("bob", Method::POST, &path, &json!({}))
        .await
        .expect_problem(404, "connection-unknown");
    // It outlives its first token: what is sent after that is still answered.
    let later = belfry_server::clock::now().instant + std::time::Duration::from_secs(5);
    tokio::time::sleep_until(later.into()).await;
    cluster[0].alert("ann", 1).await;
    socket.next_alert().await;
}
