//! How fast a client may talk: a bucket of frames that refills steadily.

use crate::limiter::Rate;
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

/// One client's bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    rate: Rate,
    tokens: f64,
    filled_at: Instant,
    refused: u32,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn full(rate: Rate, now: Instant) -> Self {
        Self { rate, tokens: rate.burst, filled_at: now, refused: 0 }
    }

    /// Takes one frame's worth.
    pub(super) fn take(&mut self, now: Instant) -> Verdict {
        if self.rate.per_second <= 0.0 {
            return Verdict::Pass;
        }
        let elapsed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.rate.per_second).min(self.rate.burst.max(1.0));
        self.filled_at = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            self.refused = 0;
            return Verdict::Pass;
        }
        self.refused += 1;
        if f64::from(self.refused) > self.rate.burst.max(1.0) {
            return Verdict::Close;
        }
        let retry_after = Duration::from_secs_f64((1.0 - self.tokens) / self.rate.per_second);
        Verdict::Refuse { retry_after, first: self.refused == 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_steady_rate_then_the_close() {
        let start = crate::clock::now().instant;
        let mut bucket = Bucket::full(Rate { per_second: 10.0, burst: 3.0 }, start);
        for _ in 0..3 {
            assert_eq!(bucket.take(start), Verdict::Pass);
        }
        assert!(matches!(bucket.take(start), Verdict::Refuse { first: true, .. }));
        assert!(matches!(bucket.take(start), Verdict::Refuse { first: false, .. }));
        assert_eq!(bucket.take(start + Duration::from_millis(100)), Verdict::Pass);
        for _ in 0..3 {
            assert!(matches!(bucket.take(start + Duration::from_millis(100)), Verdict::Refuse { .. }));
        }
        assert_eq!(bucket.take(start + Duration::from_millis(100)), Verdict::Close);
    }

    #[test]
    fn rate_zero_is_no_limit() {
        let start = crate::clock::now().instant;
        let mut bucket = Bucket::full(Rate { per_second: 0.0, burst: 0.0 }, start);
        assert!((0..10_000).all(|_| bucket.take(start) == Verdict::Pass));
    }
}
