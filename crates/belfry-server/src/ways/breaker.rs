//! The mass-prune breaker: a wave of "gone" answers is a fault of ours or the provider's more often than a thousand
//! people leaving at once, so beyond a share addresses are kept and the alarm is raised. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What opens the breaker.
#[derive(Debug, Clone, Copy)]
pub struct BreakerRules {
    /// How far back answers count.
    pub window: Duration,
    /// The share of "gone" answers, between 0 and 1, beyond which it opens.
    pub share: f64,
    /// Fewer "gone" answers than this never open it.
    pub gone_min: u32,
}

/// Counts one provider's answers.
#[derive(Debug)]
pub struct Breaker {
    rules: BreakerRules,
    /// Answers and "gone" ones by slice of the window, oldest first.
    slices: VecDeque<Slice>,
}

#[derive(Debug, Clone, Copy)]
struct Slice {
    began: Instant,
    answers: u32,
    gone: u32,
}

/// Slices of a window.
const SLICES: u32 = 12;

impl Breaker {
    /// Closed.
    pub fn new(rules: BreakerRules) -> Self {
        Self { rules, slices: VecDeque::new() }
    }

    /// Notes an answer. `true`: addresses that are gone may be deleted.
    pub fn note(&mut self, gone: bool, now: Instant) -> bool {
        let slice_length = self.rules.window / SLICES;
        if self.slices.back().is_none_or(|slice| now.saturating_duration_since(slice.began) >= slice_length) {
            self.slices.push_back(Slice { began: now, answers: 0, gone: 0 });
        }
        if let Some(slice) = self.slices.back_mut() {
            slice.answers = slice.answers.saturating_add(1);
            slice.gone = slice.gone.saturating_add(u32::from(gone));
        }
        !self.is_open(now)
    }

    /// Whether deleting has stopped.
    pub fn is_open(&mut self, now: Instant) -> bool {
        let window = self.rules.window;
        while self.slices.front().is_some_and(|slice| now.saturating_duration_since(slice.began) >= window) {
            self.slices.pop_front();
        }
        let (answers, gone) = self.slices.iter().fold((0u32, 0u32), |(answers, gone), slice| {
            (answers.saturating_add(slice.answers), gone.saturating_add(slice.gone))
        });
        gone >= self.rules.gone_min && f64::from(gone) > f64::from(answers) * self.rules.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: BreakerRules = BreakerRules { window: Duration::from_secs(600), share: 0.05, gone_min: 10 };

    fn start() -> Instant {
        crate::clock::now().instant
    }

    #[test]
    fn a_wave_of_gone_answers_opens_it() {
        let (mut breaker, now) = (Breaker::new(RULES), start());
        let deleted = (0..1_000).filter(|_| breaker.note(true, now)).count();
        assert_eq!(deleted, 9);
    }

    #[test]
    fn a_few_leave_every_day() {
        let (mut breaker, now) = (Breaker::new(RULES), start());
        for _ in 0..1_000 {
            for answer in 0..50 {
                assert!(breaker.note(answer == 0, now) || answer != 0);
            }
        }
        assert!(!breaker.is_open(now));
    }

    #[test]
    fn small_numbers_prove_nothing() {
        let (mut breaker, now) = (Breaker::new(RULES), start());
        for _ in 0..9 {
            assert!(breaker.note(true, now));
        }
    }

    #[test]
    fn it_closes_when_the_wave_has_passed() {
        let (mut breaker, now) = (Breaker::new(RULES), start());
        for _ in 0..100 {
            breaker.note(true, now);
        }
        assert!(breaker.is_open(now));
        assert!(breaker.is_open(now + Duration::from_secs(599)));
        assert!(!breaker.is_open(now + Duration::from_secs(600)));
    }
}
