//! `kill -9` in a night of bad providers.

use belfry_tests::night_chaos::{self, NightOptions};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_no_push_and_repeats_none_beyond_a_kill() {
    let options = NightOptions {
        people: 50,
        kills: 2,
        life: Duration::from_millis(1_500),
        skip_waits: true,
        settle: Duration::from_secs(40),
        seed: fastrand::u64(..),
    };
    let report = Box::pin(night_chaos::run(options)).await;
    assert!(report.faults.is_empty(), "seed {}: {report}", options.seed);
    assert_eq!(report.addresses, 150);
    // A tenth of the phones is gone.
    assert!((100..150).contains(&report.accepted), "{report}");
    assert!(report.calls > report.accepted, "{report}");
}
