//! What nobody confirmed: who is absent, what goes out and what does not, against the real server.

mod absent;
mod breaker;
mod confirmed;
mod digest;
mod outage;
mod preferences;
mod presence;
mod quiet;
mod replay;

use std::path::Path;
use std::time::Duration;

/// Lets a stopped server's nights and retries be so much nearer, as if it had been down for as long.
fn time_passes(data_dir: &Path, by: Duration) {
    let file = rusqlite::Connection::open(data_dir.join("belfry.db")).expect("the file is there");
    let by = i64::try_from(by.as_millis()).expect("a test does not wait for ages");
    for sql in [
        "UPDATE deliveries SET due_at = due_at - ?1, claim_at = claim_at - ?1",
        "UPDATE legs SET next_at = next_at - ?1, claim_at = claim_at - ?1",
    ] {
        file.execute(sql, [by]).expect("nobody else has the file");
    }
}
