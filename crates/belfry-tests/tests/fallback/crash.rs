//! `kill -9` in a night of bad providers.

use belfry_tests::night_chaos::{self, NightOptions};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_nothing_and_repeats_only_what_it_could_not_know_of() {
    if !belfry_tests::shared::on_a_file() {
        return;
    }
    let options = NightOptions {
        people: 50,
        kills: 2,
        life: Duration::from_millis(1_500),
        skip_waits: true,
        settle: Duration::from_secs(40),
        seed: 7,
    };
    let report = Box::pin(night_chaos::run(options)).await;
    assert!(report.faults.is_empty(), "seed {}: {report}", options.seed);
    assert_eq!(report.addresses, 200);
    // A tenth of the addresses is gone.
    assert!((150..200).contains(&report.accepted), "{report}");
    assert!(report.calls > report.accepted, "{report}");
    assert!(report.after_kills > 0 && report.unanswered > 0, "nothing was tried: {report}");
}
