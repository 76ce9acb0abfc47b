//! A gentle end: clients are told when to come back, spread over a window, so that a deploy makes no herd.

use crate::clock;
use crate::hub::Signal;
use crate::services::Services;
use std::time::Duration;

/// Between two looks whether everybody has left.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Tells every session to go, closes them spread over `window`, and waits until they have left or `timeout` is over.
pub async fn drain(services: &Services, window: Duration, timeout: Duration) {
    let began = clock::now().instant;
    services
        .hub
        .broadcast_here(|_| {
            // The window to close in, and as long again at most until the client knocks.
            let close_after = window.mul_f64(fastrand::f64());
            let knock_after = window.mul_f64(fastrand::f64());
            Signal::Drain {
                reconnect_after_ms: u32::try_from(knock_after.as_millis()).unwrap_or(u32::MAX),
                close_at: began + close_after,
            }
        })
        .await;
    let empty = async {
        loop {
            let counts = services.hub.counts();
            if counts.websocket == 0 && counts.sse == 0 {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    if tokio::time::timeout(timeout, empty).await.is_err() {
        tracing::warn!("some clients did not leave within the drain; they are cut and resume elsewhere");
    }
}
