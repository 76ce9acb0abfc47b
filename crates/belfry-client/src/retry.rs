//! When a request is repeated.

use std::time::Duration;

/// How a publisher repeats what failed for the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in all; 1 never repeats.
    pub attempts: u32,
    /// The most that is waited after the first failure; it doubles with each one.
    pub first: Duration,
    /// The most that is ever waited; a longer `Retry-After` ends the tries.
    pub most: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 6, first: Duration::from_millis(200), most: Duration::from_secs(30) }
    }
}

impl RetryPolicy {
    /// The wait after `failures` (from 1), or `None` when it is time to give up. `roll` is uniform over 0 ≤ roll < 1.
    pub(crate) fn delay(&self, failures: u32, retry_after: Option<Duration>, roll: f64) -> Option<Duration> {
        if failures >= self.attempts || retry_after.is_some_and(|hint| hint > self.most) {
            return None;
        }
        let doubled = self.first.saturating_mul(1 << (failures.max(1) - 1).min(16)).min(self.most);
        // The server's hint is the least; the jitter on top keeps all clients from coming back at once.
        Some(retry_after.unwrap_or_default() + doubled.mul_f64(roll.clamp(0.0, 1.0)))
    }
}

/// Whether a status means "not now" rather than "no".
pub(crate) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 409 | 425 | 429 | 502 | 503 | 504)
}

/// Reads `Retry-After` in its seconds form.
pub(crate) fn retry_after(value: Option<&str>) -> Option<Duration> {
    value?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_with_full_jitter_and_end() {
        let policy = RetryPolicy { attempts: 4, ..RetryPolicy::default() };
        let waits: Vec<_> = (1..=4).map(|failures| policy.delay(failures, None, 0.5)).collect();
        let ms = |n| Some(Duration::from_millis(n));
        assert_eq!(waits, [ms(100), ms(200), ms(400), None]);
    }

    #[test]
    fn the_servers_hint_is_the_least_and_too_long_a_hint_ends_it() {
        let policy = RetryPolicy::default();
        let hint = Duration::from_secs(2);
        assert_eq!(policy.delay(1, Some(hint), 0.0), Some(hint));
        assert_eq!(policy.delay(1, Some(Duration::from_secs(31)), 0.0), None);
    }
}
