//! How long to wait before the next try.

use std::time::Duration;

/// Waits that double, with jitter: each is between a half and the whole of what its rung allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    /// The most that is waited after the first failure.
    pub first: Duration,
    /// The most that is ever waited.
    pub most: Duration,
    /// A connection that lived so long puts the waits back to the first.
    pub stable_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            most: Duration::from_secs(10),
            stable_after: Duration::from_secs(30),
        }
    }
}

impl Backoff {
    /// The wait after this many failures in a row (from 1); `roll` is uniform over 0 ≤ roll < 1.
    pub fn delay(&self, failures: u32, roll: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let rung = self.first.saturating_mul(doubled).min(self.most);
        rung.mul_f64(0.5 + roll.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most() {
        let backoff = Backoff::default();
        let most: Vec<u128> =
            [1, 2, 3, 4, 7, 8, 1_000].map(|failures| backoff.delay(failures, 1.0).as_millis()).to_vec();
        assert_eq!(most, [200, 400, 800, 1_600, 10_000, 10_000, 10_000]);
    }

    #[test]
    fn nodes_that_fell_together_do_not_come_back_together() {
        let backoff = Backoff::default();
        assert_eq!(backoff.delay(1, 0.0), Duration::from_millis(100));
        assert_eq!(backoff.delay(1, 0.5), Duration::from_millis(150));
        assert_eq!(backoff.delay(0, 0.0), backoff.delay(1, 0.0));
    }
}
