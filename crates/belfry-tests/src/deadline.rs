//! Waiting for a condition with a deadline, never for a time.

use std::future::Future;
use std::time::Duration;

/// How long anything may take on a loaded machine before a test calls it missing.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The future's output, or a panic that says what did not come in time.
#[track_caller]
pub fn within<T>(what: &str, future: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(DEADLINE, future).await {
            Ok(output) => output,
            Err(_) => panic!("{caller}: {what} did not come within {DEADLINE:?}"),
        }
    }
}

/// Looks until the condition gives something, or panics at the deadline.
pub async fn eventually<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    within(what, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            // Between two looks; the deadline is above.
            tokio::time::sleep(LOOK_EVERY).await;
        }
    })
    .await
}
