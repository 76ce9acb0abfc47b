//! A deploy: `belfry-chaos --rolling` does the same with thousands.

use belfry_tests::rolling::{self, RollingOptions};
use belfry_tests::shim::skipped;
use std::time::Duration;

const WINDOW: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_loses_nothing_and_makes_no_herd() {
    let options = RollingOptions {
        connections: 500,
        people: 10,
        per_second: 20.0,
        window: WINDOW,
        settle: Duration::from_secs(30),
    };
    let Some(report) = Box::pin(rolling::run(options, |line| println!("{line}"))).await else {
        assert!(std::env::var("BELFRY_TEST_ALL").is_err(), "an engine is not installed");
        return skipped("PostgreSQL or Redis is not installed");
    };
    println!("{report}");
    assert_eq!(report.faults, Vec::<String>::new());
    assert_eq!(report.given_up, 0, "one more try is enough for every publish");
    assert_eq!(report.restarts.len(), 3);
    for restart in &report.restarts {
        // Closes and returns are spread over the window each, so the top of the hill is where they overlap.
        let most = restart.had as f64 / WINDOW.as_secs_f64();
        assert!(
            restart.had > 50 && (restart.peak() as f64) <= 1.3 * most,
            "{restart:?}: at most {most} a second"
        );
    }
    assert!(report.accepted > 50 && report.announced >= 3, "{report}");
}
