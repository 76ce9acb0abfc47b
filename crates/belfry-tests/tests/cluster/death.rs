//! A node that dies, one that leaves, and one that was only taken for dead.

use belfry_server::metrics::Counter;
use belfry_tests::house::alert;
use belfry_tests::shared::there_is_a_server;
use belfry_tests::{Cluster, eventually};
use serde_json::{Value, json};
use std::time::Duration;

fn ladder(wait: &str) -> Value {
    json!([{"channel": "live", "wait": wait, "until": "displayed"}, {"channel": "push"}])
}

async fn publish(cluster: &Cluster, node: usize, title: &str, wait: &str) {
    cluster[node].publish(&alert("ann", title, &ladder(wait))).await.expect(202);
}

async fn with_short_leases(count: usize) -> Cluster {
    Cluster::with(count, |config| config.cluster.lease = Duration::from_millis(1_500)).await
}

async fn pushed_once(cluster: &Cluster, title: &str) {
    eventually("the push", || async { (!cluster.push.titles().is_empty()).then_some(()) }).await;
    eventually("an end of what is watched", || async {
        cluster[0].services().watch.is_empty().then_some(())
    })
    .await;
    assert_eq!(cluster.push.titles(), [title]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_node_watched_goes_out_once() {
    if !there_is_a_server() {
        return;
    }
    let mut cluster = with_short_leases(1).await;
    cluster.add_mortal(|config| config.cluster.lease = Duration::from_millis(1_500)).await;
    cluster.settle("ann").await;
    let page = cluster[1].socket("ann").await;
    eventually("word of her at the other node", || async {
        (cluster.connections_seen_by(0, "ann").await == 1).then_some(())
    })
    .await;
    publish(&cluster, 1, "Watched by the dead", "4s").await;
    cluster.kill(1);
    drop(page);
    eventually("a node that takes over", || async {
        (cluster.counted(0, Counter::NodesTakenOver) == 1).then_some(())
    })
    .await;
    assert_eq!(cluster.connections_seen_by(0, "ann").await, 0, "its people are gone with it");
    pushed_once(&cluster, "Watched by the dead").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_watched_that_leaves_is_taken_up_at_once() {
    if !there_is_a_server() {
        return;
    }
    let mut cluster = Cluster::with(2, |config| config.cluster.lease = Duration::from_secs(6)).await;
    cluster.settle("ann").await;
    let page = cluster[1].socket("ann").await;
    eventually("word of her at the other node", || async {
        (cluster.connections_seen_by(0, "ann").await == 1).then_some(())
    })
    .await;
    publish(&cluster, 1, "Watched by the one that leaves", "4s").await;
    cluster.node(1).stop().await;
    drop(page);
    pushed_once(&cluster, "Watched by the one that leaves").await;
    assert_eq!(cluster.counted(0, Counter::NodesTakenOver), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_taken_for_dead_enters_anew_and_does_no_harm() {
    if !there_is_a_server() {
        return;
    }
    let cluster = with_short_leases(2).await;
    cluster.settle("ann").await;
    let mut page = cluster[1].socket("ann").await;
    let before = cluster[1].services().cluster.as_ref().map(|cluster| cluster.incarnation());
    publish(&cluster, 1, "Watched by both", "4s").await;
    assert_eq!(page.next_alert().await["title"], "Watched by both");
    // As if it were paused for longer than its lease, until the other one sees that.
    eventually("a node that takes over", || async {
        cluster.shared.run("UPDATE nodes SET lease_until = 0 WHERE name = 'node-1'");
        (cluster.counted(0, Counter::NodesTakenOver) > 0).then_some(())
    })
    .await;
    eventually("a node that enters anew", || async {
        (cluster.counted(1, Counter::NodeEnteredAnew) == 1).then_some(())
    })
    .await;
    let now = cluster[1].services().cluster.as_ref().map(|cluster| cluster.incarnation());
    assert_ne!(before, now);
    eventually("word of her", || async { (cluster.connections_seen_by(0, "ann").await == 1).then_some(()) })
        .await;
    cluster[0].alert("ann", 2).await;
    assert_eq!(page.next_alert().await["title"], "Number 2", "she is told by hints as before");
    pushed_once(&cluster, "Watched by both").await;
}
