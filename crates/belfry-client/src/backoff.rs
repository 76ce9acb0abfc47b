//! How long to wait before the next try.

use std::time::Duration;

/// A ladder of waits with full jitter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    /// The most that is waited after the first failure, the second, …; the last one stays.
    pub ladder: Vec<Duration>,
    /// After so many failures in a row the state is *offline*.
    pub offline_after: u32,
    /// The most that is waited between two tries while *offline*.
    pub probe: Duration,
    /// A connection that lived so long puts the ladder back to its start.
    pub stable_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            ladder: [1, 2, 5, 10, 30].map(Duration::from_secs).to_vec(),
            offline_after: 10,
            probe: Duration::from_secs(60),
            stable_after: Duration::from_secs(30),
        }
    }
}

impl Backoff {
    /// The wait after this many failures in a row (from 1); `roll` is uniform over 0 ≤ roll < 1.
    pub fn delay(&self, failures: u32, roll: f64) -> Duration {
        let most = if failures >= self.offline_after {
            self.probe
        } else {
            let rung = (failures.max(1) as usize - 1).min(self.ladder.len().saturating_sub(1));
            self.ladder.get(rung).copied().unwrap_or(self.probe)
        };
        most.mul_f64(roll.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_climbs_one_rung_until_offline() {
        let backoff = Backoff::default();
        let most: Vec<u64> = (1..=12).map(|failures| backoff.delay(failures, 1.0).as_secs()).collect();
        assert_eq!(most, [1, 2, 5, 10, 30, 30, 30, 30, 30, 60, 60, 60]);
        assert_eq!(backoff.delay(3, 0.5), Duration::from_millis(2_500));
        assert_eq!(backoff.delay(3, 0.0), Duration::ZERO);
    }

    #[test]
    fn an_empty_ladder_probes() {
        let backoff = Backoff { ladder: Vec::new(), ..Backoff::default() };
        assert_eq!(backoff.delay(1, 1.0), backoff.probe);
    }
}
