//! Figures of all nodes, from whichever is asked.

use belfry_tests::shared::there_is_a_server;
use belfry_tests::{Cluster, eventually};
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn every_node_knows_the_figures_of_all() {
    if !there_is_a_server() {
        return;
    }
    let mut cluster = Cluster::with(2, |config| config.cluster.lease = Duration::from_millis(900)).await;
    let _here = cluster[0].socket("ann").await;
    let _there = [cluster[1].socket("ann").await, cluster[1].socket("bob").await];
    cluster[1].alert("ann", 1).await;
    eventually("the other node's figures", || async {
        let stats = cluster[0].get("/v1/stats").await.expect(200).json();
        let nodes: Vec<_> = stats["nodes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|node| (node["node"].clone(), node["websocket"].clone(), node["users"].clone()))
            .collect();
        let expected = [(json!("node-0"), json!(1), json!(1)), (json!("node-1"), json!(2), json!(2))];
        let whole = stats["connections"] == 3 && stats["kinds"]["numbered"]["accepted"] == 1;
        (nodes == expected && whole).then_some(())
    })
    .await;
    let user = cluster[0].get("/v1/users/ann").await.expect(200).json();
    assert_eq!(user["connections"], 2, "over all nodes");
    let metrics = cluster[0].get("/metrics").await.expect(200).text;
    for line in ["belfry_bus_connected 1", "belfry_presence_queue 0", "belfry_presence_written_total"] {
        assert!(metrics.contains(line), "{line}");
    }
    drop(_there);
    cluster.node(1).stop().await;
    eventually("the figures without it", || async {
        let stats = cluster[0].get("/v1/stats").await.expect(200).json();
        (stats["nodes"].as_array().map(Vec::len) == Some(1)).then_some(())
    })
    .await;
}
