//! How fast a client may talk, and when it is not listened to any longer.

use crate::limiter::{Bucket, Rate};
use std::time::{Duration, Instant};

/// What to do with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Take it.
    Pass,
    /// Ignore it; say so on the first of a row.
    Refuse {
        /// When the next one passes.
        retry_after: Duration,
        /// The first one refused after one that passed.
        first: bool,
    },
    /// The client does not listen: close.
    Close,
}

/// One client's patience: a bucket of frames, and how many came while it was empty.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    rate: Rate,
    bucket: Bucket,
    refused: u32,
}

impl Patience {
    /// All of it.
    pub(super) fn full(rate: Rate, now: Instant) -> Self {
        Self { rate, bucket: Bucket::full(rate, now), refused: 0 }
    }

    /// Takes one frame's worth.
    pub(super) fn take(&mut self, now: Instant) -> Verdict {
        let Err(retry_after) = self.bucket.take(self.rate, 1.0, now) else {
            self.refused = 0;
            return Verdict::Pass;
        };
        self.refused += 1;
        if f64::from(self.refused) > self.rate.burst.max(1.0) {
            return Verdict::Close;
        }
        Verdict::Refuse { retry_after, first: self.refused == 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_steady_rate_then_the_close() {
        let start = crate::clock::now().instant;
        let mut patience = Patience::full(Rate { per_second: 10.0, burst: 3.0 }, start);
        for _ in 0..3 {
            assert_eq!(patience.take(start), Verdict::Pass);
        }
        assert!(matches!(patience.take(start), Verdict::Refuse { first: true, .. }));
        assert!(matches!(patience.take(start), Verdict::Refuse { first: false, .. }));
        assert_eq!(patience.take(start + Duration::from_millis(100)), Verdict::Pass);
        for _ in 0..3 {
            assert!(matches!(patience.take(start + Duration::from_millis(100)), Verdict::Refuse { .. }));
        }
        assert_eq!(patience.take(start + Duration::from_millis(100)), Verdict::Close);
    }

    #[test]
    fn rate_zero_is_no_limit() {
        let start = crate::clock::now().instant;
        let mut patience = Patience::full(Rate { per_second: 0.0, burst: 0.0 }, start);
        assert!((0..10_000).all(|_| patience.take(start) == Verdict::Pass));
    }
}
