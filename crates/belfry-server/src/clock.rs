//! The only place that reads the clock. Everything else is given `now`.

use belfry_store::UnixMs;
use jiff::Timestamp;
use std::time::Instant;

/// One reading of both clocks: the wall clock for what is written down, the monotonic one for waiting.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Wall clock.
    pub at: Timestamp,
    /// Monotonic clock.
    pub instant: Instant,
}

impl Now {
    /// Milliseconds since 1970.
    pub fn unix_ms(self) -> UnixMs {
        UnixMs(self.at.as_millisecond())
    }
}

/// Reads both clocks.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn now() -> Now {
    // Milliseconds are what the store keeps and what a JavaScript `Date` reads.
    let at = timestamp(UnixMs(Timestamp::now().as_millisecond()));
    Now { at, instant: tokio::time::Instant::now().into_std() }
}

/// A stored moment as the protocol writes it.
pub fn timestamp(at: UnixMs) -> Timestamp {
    Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::MAX)
}
