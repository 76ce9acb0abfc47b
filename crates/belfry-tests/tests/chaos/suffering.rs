//! Every kind of fault once, under load, on Redis. `cargo xtask chaos --cluster` does the same for longer, and elsewhere.

use belfry_tests::cluster_chaos::{self, ClusterOptions};
use belfry_tests::engines::Kind;
use belfry_tests::shim::skipped;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_promised_is_kept_whatever_nodes_and_engines_suffer() {
    let options = ClusterOptions {
        nodes: 3,
        bus: Kind::Redis,
        lease: Duration::from_secs(3),
        over: None,
        people: 8,
        away: 20,
        per_second: 20.0,
        hush: false,
        settle: Duration::from_secs(80),
        seed: 7,
        logs: None,
    };
    let Some(report) = Box::pin(cluster_chaos::run(options, |line| println!("{line}"))).await else {
        assert!(std::env::var("BELFRY_TEST_ALL").is_err(), "an engine is not installed");
        return skipped("PostgreSQL or Redis is not installed");
    };
    println!("{report}");
    assert_eq!(report.faults, Vec::<String>::new());
    assert!(report.accepted > 100 && report.taken >= 20 && report.harm == 14, "it did something: {report}");
}
