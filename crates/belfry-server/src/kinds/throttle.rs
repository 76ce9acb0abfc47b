//! How often a step may disturb a person: `3 per 1h`.

use super::fault::Complaint;
use super::ladder::{STEP_WAIT_MAX, split_sentence};
use crate::duration;
use std::time::Duration;

/// Most sendings that a throttle may allow.
const THROTTLE_MAX: u32 = 1_000;

/// At most so many sendings per person, category and channel within a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// How many.
    pub count: u32,
    /// Within how long.
    pub window: Duration,
}

impl std::fmt::Display for Throttle {
    /// As it is written in a kind: `3 per 1h`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} per {}", self.count, duration::print(self.window))
    }
}

impl Throttle {
    /// Reads `3 per 1h`.
    pub(super) fn parse(text: &str) -> Result<Self, Complaint> {
        let how = || "Write for example \"3 per 1h\"";
        let (count, window) = text
            .split_once(" per ")
            .ok_or_else(|| Complaint::error(format!("`{text}` does not say how many per how long"), how()))?;
        let count: u32 = count
            .trim()
            .parse()
            .ok()
            .filter(|count| (1..=THROTTLE_MAX).contains(count))
            .ok_or_else(|| {
                Complaint::error(format!("`{}` is no number from 1 to {THROTTLE_MAX}", count.trim()), how())
            })?;
        let window = duration::parse(window.trim()).map_err(|error| split_sentence(&error.to_string()))?;
        match window {
            Duration::ZERO => Err(Complaint::error("a window of 0s limits nothing", how())),
            long if long > STEP_WAIT_MAX => {
                let problem = format!("{} is too long", duration::print(long));
                Err(Complaint::error(problem, "A window is at most \"30d\""))
            }
            window => Ok(Self { count, window }),
        }
    }
}
