//! What happens next with a delivery: pure, everything it looks at is an argument.

use crate::arm::WATCHED_AT_MOST;
use crate::hub::Presence;
use crate::kinds::{Ladder, LadderStep};
use belfry_protocol::delivery::DeliveryState;
use belfry_protocol::ladder::OnlyIf;
use belfry_protocol::{Channel, Level};
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// Deferred pushes of one person beyond which they go out as one.
pub const COLLAPSE_ABOVE: usize = 3;

/// The time has come and nothing was confirmed: whether somebody who came back meanwhile gets the time that the live
/// step gives. A session that opened after the alert was published had it for less than that.
pub fn look_again(
    step: &LadderStep,
    presence: Presence,
    published: Instant,
    now: Instant,
) -> Option<Duration> {
    let Presence::Open { visible, since } = presence else { return None };
    if since <= published || (!visible && step.until.is_none_or(|until| until >= Level::Displayed)) {
        return None;
    }
    (since + step.wait.min(WATCHED_AT_MOST)).checked_duration_since(now).filter(|wait| !wait.is_zero())
}

/// A delivery that is due, and what is known of its person.
pub struct Due<'a> {
    /// The ways out.
    pub ladder: &'a Ladder,
    /// The step to run.
    pub step: u32,
    /// The step before it was not sent.
    pub last_failed: bool,
    /// A step before it was suppressed by the person's preferences.
    pub suppressed: bool,
    /// It has waited for its digest, or with others for room.
    pub gathered: bool,
    /// When it stops to matter.
    pub expires_at: Option<Timestamp>,
    /// Do-not-disturb and quiet hours hold push and e-mail back until then.
    pub held_until: Option<Timestamp>,
    /// Enough went out by this step's channel lately: it waits until then.
    pub throttled_until: &'a dyn Fn(&LadderStep) -> Option<Timestamp>,
    /// What stands in the way of a channel for this person; `None`: nothing.
    pub obstacle: &'a dyn Fn(Channel) -> Option<Obstacle>,
}

/// Why a step is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The server has no way to do it.
    NotConfigured,
    /// The person has no address for it.
    NoAddress,
    /// The mail server said that there is no such mailbox.
    Bounced,
    /// The person does not want this category by this channel.
    Unwanted,
}

impl Obstacle {
    /// As the trace and dead letters name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotConfigured => "not-configured",
            Self::NoAddress => "no-address",
            Self::Bounced => "address-bounced",
            Self::Unwanted => "unwanted",
        }
    }
}

/// A step that was passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// Which.
    pub step: u32,
    /// Its way out.
    pub channel: Channel,
    /// Why.
    pub why: Obstacle,
}

/// What to do with a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Steps that could not be sent on the way, for the trace.
    pub skipped: Vec<Skipped>,
    /// The last step that was looked at before was not sent.
    pub last_failed: bool,
    /// What to do.
    pub next: Next,
}

/// What to do with a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Send this step to all its addresses.
    Send {
        /// Which.
        step: u32,
    },
    /// Look again then.
    Wait {
        /// The step to run then.
        step: u32,
        /// When.
        until: Timestamp,
        /// Why.
        why: Waiting,
    },
    /// The ladder has ended.
    Stop {
        /// How.
        state: DeliveryState,
        /// Why.
        reason: &'static str,
    },
}

/// Why a delivery waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The person wants no noise.
    QuietHours,
    /// It is gathered with others.
    Digest,
    /// A live step further down has its time.
    Live,
    /// Enough went out lately.
    Throttle,
}

/// What happens next.
pub fn next_step(due: &Due<'_>, now: Timestamp) -> Decision {
    let mut decision =
        Decision { skipped: Vec::new(), last_failed: due.last_failed, next: stop(DeliveryState::Sent, "") };
    decision.next = walk(due, now, &mut decision);
    decision
}

fn stop(state: DeliveryState, reason: &'static str) -> Next {
    Next::Stop { state, reason }
}

fn walk(due: &Due<'_>, now: Timestamp, decision: &mut Decision) -> Next {
    if due.expires_at.is_some_and(|at| at <= now) {
        return stop(DeliveryState::Expired, "its time was over");
    }
    let mut suppressed = due.suppressed;
    let steps = (due.step..).zip(due.ladder.steps().iter().skip(due.step as usize));
    for (number, step) in steps {
        if step.only_if == Some(OnlyIf::Failed) && !decision.last_failed {
            continue;
        }
        if step.channel == Channel::Live {
            // What is live was sent when it was published; here it only takes its time.
            decision.last_failed = false;
            let Some(until) = later(now, step.wait) else { continue };
            return Next::Wait { step: number + 1, until, why: Waiting::Live };
        }
        if let Some(why) = (due.obstacle)(step.channel) {
            suppressed |= why == Obstacle::Unwanted;
            decision.last_failed = true;
            decision.skipped.push(Skipped { step: number, channel: step.channel, why });
            continue;
        }
        return send_or_wait(due, number, step, now);
    }
    match (decision.last_failed, suppressed) {
        (false, _) => stop(DeliveryState::Sent, "no further step applies"),
        (true, true) => stop(DeliveryState::Suppressed, "the person's preferences kept it in"),
        (true, false) => stop(DeliveryState::DeadLettered, ""),
    }
}

fn send_or_wait(due: &Due<'_>, number: u32, step: &LadderStep, now: Timestamp) -> Next {
    let disturbs = matches!(step.channel, Channel::Push | Channel::Email);
    let before_expiry = |at: Timestamp| due.expires_at.map_or(at, |expires_at| at.min(expires_at));
    if let Some(until) = due.held_until.filter(|until| disturbs && *until > now) {
        return Next::Wait { step: number, until: before_expiry(until), why: Waiting::QuietHours };
    }
    match step.digest.and_then(|window| later(now, window)) {
        Some(until) if !due.gathered => {
            Next::Wait { step: number, until: before_expiry(until), why: Waiting::Digest }
        }
        _ => match (due.throttled_until)(step) {
            Some(until) => Next::Wait { step: number, until: before_expiry(until), why: Waiting::Throttle },
            None => Next::Send { step: number },
        },
    }
}

fn later(now: Timestamp, wait: Duration) -> Option<Timestamp> {
    (!wait.is_zero()).then(|| now.saturating_add(wait).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod nights;
#[cfg(test)]
mod tests;
