//! `kill -9` of the real binary under load, and what it promised.

use belfry_tests::chaos::{self, ChaosOptions};

#[tokio::test(flavor = "multi_thread")]
async fn every_202_reaches_a_resuming_client_exactly_once_in_order_over_twenty_kills() {
    let options = ChaosOptions { alerts: 3_000, in_flight: 32, rounds: 20, seed: fastrand::u64(..) };
    let report = Box::pin(chaos::run(options)).await;
    println!("seed {}: {report}", options.seed);
    assert!(report.faults.is_empty(), "seed {}: {report}", options.seed);
    assert!(report.accepted > options.alerts / 2, "most publishes were answered: {report}");
    assert_eq!(report.kills, options.rounds);
}
