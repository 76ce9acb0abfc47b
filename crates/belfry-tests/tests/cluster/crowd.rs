//! How many connections one person may have, over all nodes.

use belfry_tests::shared::there_is_a_server;
use belfry_tests::{Cluster, Received, Socket, eventually};
use serde_json::json;

async fn closed(mut socket: Socket) -> u16 {
    loop {
        match socket.next().await {
            Received::Closed(code, _) => return code,
            Received::Frame(_) => {}
            Received::Cut => panic!("it was cut"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_limit_the_one_that_is_hidden_longest_goes_wherever_it_is() {
    if !there_is_a_server() {
        return;
    }
    let cluster = Cluster::with(2, |config| config.limits.connections_per_user = 3).await;
    let mut oldest = cluster[0].socket("ann").await;
    let mut hidden = cluster[0].socket("ann").await;
    hidden.send(json!({"type": "presence", "data": {"visible": false}})).await;
    hidden.settle().await;
    let mut third = cluster[1].socket("ann").await;
    eventually("word of them at the other node", || async {
        let seen = (cluster.connections_seen_by(0, "ann").await, cluster.connections_seen_by(1, "ann").await);
        (seen == (1, 2)).then_some(())
    })
    .await;
    oldest.assert_silent().await;

    let mut fourth = cluster[1].socket("ann").await;
    assert_eq!(closed(hidden).await, 4305);
    eventually("three that stay", || async {
        let seen = (cluster.connections_seen_by(0, "ann").await, cluster.connections_seen_by(1, "ann").await);
        (seen == (2, 1)).then_some(())
    })
    .await;
    cluster[0].alert("ann", 1).await;
    for socket in [&mut oldest, &mut third, &mut fourth] {
        assert_eq!(socket.next_alert().await["title"], "Number 1", "the others stay");
    }

    let _fifth = cluster[1].socket("ann").await;
    assert_eq!(closed(oldest).await, 4305, "then the oldest");
}
