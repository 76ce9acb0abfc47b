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
    /// When the last one went out.
    sent: Option<Instant>,
    due: Instant,
}

impl Probe {
    /// Due at once: a subscription is confirmed by its first probe.
    pub(crate) fn new(every: Duration, within: Duration, targets: u16, now: Instant) -> Self {
        Self { every, within, targets, serial: 0, missing: BTreeSet::new(), sent: None, due: now }
    }

    /// When to call [`Probe::on_time`]. An echo never makes it earlier: whoever sleeps until then misses nothing.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    pub(crate) fn on_time(&mut self, now: Instant) -> Duty {
        if now < self.due {
            return Duty::Wait;
        }
        match self.sent {
            Some(sent) if !self.missing.is_empty() && now < sent + self.within => {
                self.due = sent + self.within;
                Duty::Wait
            }
            Some(_) if !self.missing.is_empty() => Duty::Silent,
            _ => Duty::Send(self.next(now)),
        }
    }

    fn next(&mut self, now: Instant) -> Vec<Echo> {
        self.serial = self.serial.wrapping_add(1);
        self.missing = (0..self.targets).collect();
        self.sent = Some(now);
        self.due = now + self.every.min(self.within);
        self.missing.iter().map(|target| Echo { serial: self.serial, target: *target }).collect()
    }

    /// A probe of this node came back. `true`: it was the last one that was waited for.
    pub(crate) fn came_back(&mut self, echo: Echo) -> bool {
        let awaited = echo.serial == self.serial && self.missing.remove(&echo.target);
        if !awaited || !self.missing.is_empty() {
            return false;
        }
        let rested = self.sent.map_or(self.due, |sent| sent + self.every);
        self.due = self.due.max(rested);
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
        assert!(probe.came_back(first));
        assert_eq!(probe.due(), now + EVERY);
        assert_eq!(probe.on_time(now + WITHIN), Duty::Wait);
        assert_eq!(probe.on_time(now + EVERY), Duty::Send(vec![Echo { serial: 2, target: 0 }]));
    }

    #[test]
    fn silence_is_noticed_at_the_deadline_and_not_before() {
        let (mut probe, now) = probe(1);
        probe.on_time(now);
        assert_eq!(probe.on_time(now + WITHIN - Duration::from_nanos(1)), Duty::Wait);
        assert_eq!(probe.on_time(now + WITHIN), Duty::Silent);
    }

    #[test]
    fn who_sleeps_until_it_is_due_keeps_the_beat_whichever_is_longer() {
        for (every, within) in [(EVERY, WITHIN), (WITHIN, EVERY), (EVERY, EVERY)] {
            let mut now = Instant::now();
            let mut probe = Probe::new(every, within, 1, now);
            let mut sent = Vec::new();
            while sent.len() < 3 {
                if let Duty::Send(echoes) = probe.on_time(now) {
                    sent.push(now);
                    let asleep_until = probe.due();
                    assert!(probe.came_back(echoes[0]));
                    assert!(probe.due() >= asleep_until);
                    now = asleep_until;
                } else {
                    now = probe.due();
                }
            }
            assert_eq!([sent[1] - sent[0], sent[2] - sent[1]], [every, every], "{every:?} {within:?}");
        }
    }

    #[test]
    fn where_probes_are_frequent_silence_is_still_noticed_at_its_deadline() {
        let now = Instant::now();
        let mut probe = Probe::new(WITHIN / 10, WITHIN, 1, now);
        probe.on_time(now);
        assert_eq!(probe.on_time(probe.due()), Duty::Wait);
        assert_eq!(probe.due(), now + WITHIN);
        assert_eq!(probe.on_time(probe.due()), Duty::Silent);
    }

    #[test]
    fn one_silent_server_among_many_is_silence() {
        let (mut probe, now) = probe(3);
        probe.on_time(now);
        assert!(!probe.came_back(Echo { serial: 1, target: 0 }));
        assert!(!probe.came_back(Echo { serial: 1, target: 2 }));
        assert!(!probe.came_back(Echo { serial: 1, target: 2 }), "the same one again");
        assert_eq!(probe.on_time(now + WITHIN), Duty::Silent);
    }

    #[test]
    fn a_late_echo_of_an_older_probe_proves_nothing() {
        let (mut probe, now) = probe(1);
        probe.on_time(now);
        probe.came_back(Echo { serial: 1, target: 0 });
        let later = probe.due();
        probe.on_time(later);
        assert!(!probe.came_back(Echo { serial: 1, target: 0 }));
        assert_eq!(probe.on_time(later + WITHIN), Duty::Silent);
    }
}
