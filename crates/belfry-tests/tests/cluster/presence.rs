//! Who is absent is known over all nodes.

use belfry_tests::house::{alert, delivery};
use belfry_tests::shared::there_is_a_server;
use belfry_tests::{Cluster, eventually};
use serde_json::{Value, json};
use std::time::Duration;

fn ladder(wait: &str) -> Value {
    json!([{"channel": "live", "wait": wait, "until": "displayed"}, {"channel": "push"}])
}

/// Publishes at a node; gives back the id.
async fn publish(cluster: &Cluster, node: usize, title: &str, wait: &str) -> String {
    let answer = cluster[node].publish(&alert("ann", title, &ladder(wait))).await.expect(202).json();
    answer["id"].as_str().expect("an id").to_owned()
}

/// Until no node watches anything: what is not a delivery by then never will be.
async fn watched_out(cluster: &Cluster) {
    eventually("the end of every live step", || async {
        (0..2).all(|node| cluster[node].services().watch.is_empty()).then_some(())
    })
    .await;
}

async fn until_seen(cluster: &Cluster, connections: u32) {
    eventually("word of her at the other node", || async {
        (cluster.connections_seen_by(0, "ann").await == connections).then_some(())
    })
    .await;
}

async fn until_pushed(cluster: &Cluster, titles: &[&str]) {
    eventually("the push", || async { (cluster.push.titles() == titles).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_at_another_node_has_the_live_step_there() {
    if !there_is_a_server() {
        return;
    }
    let cluster = Cluster::start(2).await;
    cluster.settle("ann").await;
    let mut page = cluster[1].socket("ann").await;
    until_seen(&cluster, 1).await;
    let id = publish(&cluster, 0, "Shown there", "2s").await;
    assert_eq!(page.next_alert().await["title"], "Shown there");
    page.send(json!({"type": "ack", "data": {"ids": [id], "level": "displayed"}})).await;
    watched_out(&cluster).await;
    assert!(delivery(&cluster[0], &id, "ann").await.is_none(), "the good day leaves no delivery");
    assert_eq!(cluster.push.titles(), [""; 0]);

    let began = belfry_server::clock::now();
    publish(&cluster, 0, "Not shown", "1s").await;
    until_pushed(&cluster, &["Not shown"]).await;
    let after = cluster.push.calls()[0].at.duration_since(began.at).unsigned_abs();
    assert!(after >= Duration::from_secs(1), "the page had its time: {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_at_no_node_gets_the_push_at_once() {
    if !there_is_a_server() {
        return;
    }
    let cluster = Cluster::start(2).await;
    cluster.settle("ann").await;
    let began = belfry_server::clock::now();
    publish(&cluster, 1, "Away", "8s").await;
    until_pushed(&cluster, &["Away"]).await;
    let after = cluster.push.calls()[0].at.duration_since(began.at).unsigned_abs();
    assert!(after < Duration::from_secs(4), "nobody waits for whom nobody has: {after:?}");
    watched_out(&cluster).await;
    assert_eq!(cluster.push.titles(), ["Away"], "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_lands_at_another_node_rings_no_phone() {
    if !there_is_a_server() {
        return;
    }
    let cluster = Cluster::with(2, |config| config.live.linger = Duration::from_secs(3)).await;
    cluster.settle("ann").await;
    let page = cluster[1].socket("ann").await;
    until_seen(&cluster, 1).await;
    page.close().await;
    until_seen(&cluster, 0).await;
    let id = publish(&cluster, 0, "While she reloads", "500ms").await;
    eventually("a look that finds her on the way back", || async {
        let next_look = cluster[0].services().watch.next_look();
        next_look.filter(|at| *at > belfry_server::clock::now().instant + Duration::from_secs(1))
    })
    .await;
    let mut page = cluster[0].socket("ann").await;
    let ack = json!({"ids": [id], "level": "displayed"});
    page.send(json!({"type": "ack", "data": ack})).await;
    watched_out(&cluster).await;
    assert_eq!(cluster.push.titles(), [""; 0]);
    assert!(delivery(&cluster[0], &id, "ann").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_another_node_and_stays_away_gets_the_push_after_the_linger() {
    if !there_is_a_server() {
        return;
    }
    let linger = Duration::from_millis(1_500);
    let cluster = Cluster::with(2, |config| config.live.linger = linger).await;
    cluster.settle("ann").await;
    let page = cluster[1].socket("ann").await;
    until_seen(&cluster, 1).await;
    let left = belfry_server::clock::now();
    page.close().await;
    until_seen(&cluster, 0).await;
    publish(&cluster, 0, "Too late", "200ms").await;
    until_pushed(&cluster, &["Too late"]).await;
    let after = cluster.push.calls()[0].at.duration_since(left.at).unsigned_abs();
    assert!(after >= linger, "she could still have come back: {after:?}");
    watched_out(&cluster).await;
    assert_eq!(cluster.push.titles(), ["Too late"], "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_the_background_of_another_node_keeps_no_phone_silent() {
    if !there_is_a_server() {
        return;
    }
    let cluster =
        Cluster::with(2, |config| config.live.heartbeat_interval = Duration::from_millis(300)).await;
    cluster.settle("ann").await;
    let mut page = cluster[1].socket("ann").await;
    page.send(json!({"type": "presence", "data": {"visible": false}})).await;
    let user = "ann".parse().expect("is an id");
    eventually("word of the hidden page", || async {
        let services = cluster[0].services();
        let presence = services.presences(&[&user], belfry_server::clock::now()).await.ok()?;
        matches!(presence[0], belfry_server::hub::Presence::Open { visible: false, .. }).then_some(())
    })
    .await;
    let began = belfry_server::clock::now();
    publish(&cluster, 0, "Behind", "8s").await;
    until_pushed(&cluster, &["Behind"]).await;
    let after = cluster.push.calls()[0].at.duration_since(began.at).unsigned_abs();
    assert!(after < Duration::from_secs(4), "nobody waits for a hidden page: {after:?}");
}
