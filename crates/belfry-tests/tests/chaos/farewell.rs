//! A node is told to end while its store gives no answer.

use belfry_tests::engines::Kind;
use belfry_tests::nodes::Nodes;
use belfry_tests::shim::skipped;
use std::time::Duration;
use tokio::task::JoinSet;

/// More than there are connections to read with, so that most of them wait.
const READS: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_ends_within_its_time_although_its_store_is_silent() {
    let Some(mut nodes) = Nodes::prepare(Kind::Redis).await else {
        return skipped("PostgreSQL or Redis is not installed");
    };
    let settings = [("BELFRY__DRAIN__TIMEOUT", "3s")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    nodes.start(1, &settings).await;
    let node = &mut nodes.nodes[0];
    let page = node.process.socket("ann").await;
    node.store.freeze();
    let mut readers = JoinSet::new();
    for _ in 0..READS {
        readers.spawn(node.process.as_user("ann", http::Method::GET, "/v1/inbox").send());
    }
    let asked = || async { node.process.get("/metrics").await.text.contains("belfry_").then_some(()) };
    belfry_tests::eventually("a node that still answers of itself", asked).await;
    node.process.terminate();
    let status = node.process.ended_within(Duration::from_secs(8)).await;
    assert_eq!(status.code(), Some(1), "{}", node.process.output());
    assert!(node.process.output().contains("not everything was closed within `drain.timeout`"));
    drop(page);
}
