//! Whether what is sent still comes back.

use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// One probe through one server: what comes back is what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Echo {
    pub(crate) serial: u32,
    /// Which of the servers that a link talks to.
    pub(crate) target: u16,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Duty {
    /// Nothing before [`Probe::due`].
    Wait,
    /// Send these.
    Send(Vec<Echo>),
    /// A probe did not come back in time: the link looks well and is not.
    Silent,
}

/// Sends a probe now and then and waits for it.
#[derive(Debug)]
pub(crate) struct Probe {
    every: Duration,
    within: Duration,
    targets: u16,
    serial: u32,
    missing: BTreeSet<u16>,
    due: Instant,
}

impl Probe {
    /// Due at once: a subscription is confirmed by its first probe.
    pub(crate) fn new(every: Duration, within: Duration, targets: u16, now: Instant) -> Self {
        Self { every, within, targets, serial: 0, missing: BTreeSet::new(), due: now }
    }

    /// When [`Probe::on_time`] has something to say.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    pub(crate) fn on_time(&mut self, now: Instant) -> Duty {
        if now < self.due {
            return Duty::Wait;
        }
        if !self.missing.is_empty() {
            return Duty::Silent;
        }
        self.serial = self.serial.wrapping_add(1);
        self.missing = (0..self.targets).collect();
        self.due = now + self.within;
        Duty::Send(self.missing.iter().map(|target| Echo { serial: self.serial, target: *target }).collect())
    }

    /// A probe of this node came back. `true`: it was the last one that was waited for.
    pub(crate) fn came_back(&mut self, echo: Echo, now: Instant) -> bool {
        if echo.serial != self.serial || !self.missing.remove(&echo.target) || !self.missing.is_empty() {
            return false;
        }
        self.due = now + self.every;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(5);
    const WITHIN: Duration = Duration::from_secs(3);

    fn probe(targets: u16) -> (Probe, Instant) {
        let now = Instant::now();
        (Probe::new(EVERY, WITHIN, targets, now), now)
    }

    #[test]
    fn an_answered_probe_is_followed_by_the_next_after_a_while() {
        let (mut probe, now) = probe(1);
        let first = Echo { serial: 1, target: 0 };
        assert_eq!(probe.on_time(now), Duty::Send(vec![first]));
        assert!(probe.came_back(first, now + WITHIN / 2));
        assert_eq!(probe.due(), now + WITHIN / 2 + EVERY);
        assert_eq!(probe.on_time(now + WITHIN), Duty::Wait);
        assert_eq!(probe.on_time(probe.due()), Duty::Send(vec![Echo { serial: 2, target: 0 }]));
    }

    #[test]
    fn silence_is_noticed_at_the_deadline_and_not_before() {
        let (mut probe, now) = probe(1);
        probe.on_time(now);
        assert_eq!(probe.on_time(now + WITHIN - Duration::from_nanos(1)), Duty::Wait);
        assert_eq!(probe.on_time(now + WITHIN), Duty::Silent);
    }

    #[test]
    fn one_silent_server_among_many_is_silence() {
        let (mut probe, now) = probe(3);
        probe.on_time(now);
        assert!(!probe.came_back(Echo { serial: 1, target: 0 }, now));
        assert!(!probe.came_back(Echo { serial: 1, target: 2 }, now));
        assert!(!probe.came_back(Echo { serial: 1, target: 2 }, now), "the same one again");
        assert_eq!(probe.on_time(now + WITHIN), Duty::Silent);
    }

    #[test]
    fn a_late_echo_of_an_older_probe_proves_nothing() {
        let (mut probe, now) = probe(1);
        probe.on_time(now);
        probe.came_back(Echo { serial: 1, target: 0 }, now);
        let later = probe.due();
        probe.on_time(later);
        assert!(!probe.came_back(Echo { serial: 1, target: 0 }, later));
        assert_eq!(probe.on_time(later + WITHIN), Duty::Silent);
    }
}
