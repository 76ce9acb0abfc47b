//! How fast the subscriber talks: a server ignores frames above its limit, so they are held back here.

use std::time::Duration;

/// The most that a subscriber sends. Keep it below the server's `limits.inbound_frames_per_second` and
/// `limits.inbound_frames_burst`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameRate {
    /// Steady rate; 0: no limit.
    pub per_second: f64,
    /// So many at once after a pause.
    pub burst: f64,
}

impl Default for FrameRate {
    fn default() -> Self {
        Self { per_second: 8.0, burst: 40.0 }
    }
}

/// Confirmations go out even where the application uses up the rate, but then only so often.
const RECEIPTS_AT_LEAST_EVERY: Duration = Duration::from_millis(500);

/// A bucket of frames. Confirmations, which can be put together, leave half of it to what the application says.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: FrameRate,
    tokens: f64,
    filled_at: Duration,
    receipts_at: Option<Duration>,
}

impl Pace {
    pub(crate) fn new(rate: FrameRate) -> Self {
        let rate = FrameRate { burst: rate.burst.max(1.0), ..rate };
        Self { rate, tokens: rate.burst, filled_at: Duration::ZERO, receipts_at: None }
    }

    /// A frame goes out; what cannot wait may leave a debt.
    pub(crate) fn spend(&mut self, now: Duration) {
        self.fill(now);
        self.tokens -= 1.0;
    }

    /// Confirmations go out.
    pub(crate) fn confirmed(&mut self, now: Duration) {
        self.receipts_at = Some(now);
    }

    /// The server says that it was too much.
    pub(crate) fn exhaust(&mut self, now: Duration) {
        self.fill(now);
        self.tokens = self.tokens.min(0.0);
    }

    /// When a frame of the application may go out.
    pub(crate) fn frame_at(&self) -> Duration {
        self.reaches(1.0)
    }

    /// When confirmations may go out.
    pub(crate) fn receipts_at(&self) -> Duration {
        let spare = self.reaches((self.rate.burst / 2.0).max(1.0));
        let at_least = self.receipts_at.unwrap_or_default() + RECEIPTS_AT_LEAST_EVERY;
        spare.min(at_least.max(self.reaches(1.0)))
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.filled_at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate.per_second).min(self.rate.burst);
        self.filled_at = now;
    }

    fn reaches(&self, tokens: f64) -> Duration {
        if self.rate.per_second <= 0.0 || self.tokens >= tokens {
            return Duration::ZERO;
        }
        self.filled_at + Duration::from_secs_f64((tokens - self.tokens) / self.rate.per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_goes_at_once_and_then_one_by_one() {
        let mut pace = Pace::new(FrameRate { per_second: 10.0, burst: 4.0 });
        for _ in 0..4 {
            assert_eq!(pace.frame_at(), Duration::ZERO);
            pace.spend(ms(1_000));
        }
        assert_eq!(pace.frame_at(), ms(1_100));
        pace.spend(ms(1_100));
        assert_eq!(pace.frame_at(), ms(1_200));
        pace.exhaust(ms(9_000));
        assert_eq!(pace.frame_at(), ms(9_100));
    }

    #[test]
    fn confirmations_leave_half_to_the_application_but_never_starve() {
        let mut pace = Pace::new(FrameRate { per_second: 10.0, burst: 20.0 });
        for _ in 0..10 {
            assert_eq!(pace.receipts_at(), Duration::ZERO);
            pace.spend(ms(0));
            pace.confirmed(ms(0));
        }
        assert_eq!(pace.receipts_at(), Duration::ZERO);
        pace.spend(ms(0));
        assert_eq!((pace.frame_at(), pace.receipts_at()), (Duration::ZERO, ms(100)));
        for _ in 0..9 {
            pace.spend(ms(0));
        }
        assert_eq!((pace.frame_at(), pace.receipts_at()), (ms(100), ms(500)));
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        let mut pace = Pace::new(FrameRate { per_second: 0.0, burst: 0.0 });
        (0..1_000).for_each(|_| pace.spend(ms(0)));
        assert_eq!((pace.frame_at(), pace.receipts_at()), (Duration::ZERO, Duration::ZERO));
    }
}
