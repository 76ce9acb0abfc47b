//! What is published is armed: each notification whose ladder goes beyond the live step is watched until its time has
//! come. How a ladder begins is decided here, purely, from who is there at that moment.

use crate::clock::Now;
use crate::hub::Presence;
use crate::kinds::{Everyone, Kinds, Ladder};
use crate::services::Services;
use crate::watch::{Linger, Watched, WatchedAlert};
use belfry_protocol::{AlertId, Channel, Level, Seq, Step, UserId};
use belfry_store::{Content, LadderOfAll, UnixMs};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How soon somebody who is away gets the first push: long enough for an ack that is under way.
pub const ABSENT_AFTER: Duration = Duration::from_millis(300);
/// The longest that an alert is watched in memory. A ladder that waits longer for its live step is written down then.
pub const WATCHED_AT_MOST: Duration = Duration::from_secs(60);

impl Services {
    /// Watches new notifications whose ladder goes beyond the live step.
    pub fn arm<'a>(
        &self,
        id: AlertId,
        content: &Content,
        to: impl Iterator<Item = (&'a UserId, Seq)>,
        now: Now,
    ) {
        if self.ways.is_empty() {
            return;
        }
        let kinds = self.kinds.snapshot();
        let ladder = ladder_of(content, &kinds);
        let linger = self.linger(content, &kinds);
        let published = elapsed(content.created_at, now);
        let alert = Arc::new(WatchedAlert { id, ladder, published, linger });
        for (user, seq) in to {
            let presence = self.hub.presence(user);
            let Some(begun) = begin(&alert.ladder, presence, linger, now.instant) else { continue };
            // Asking the other nodes takes time that the publisher would wait for: the watch asks for many at once.
            let elsewhere = self.cluster.is_some() && begun.next_step > 0 && !presence.is_open();
            let begun = if elsewhere { begun.not_before_asking() } else { begun };
            let watched = Watched {
                alert: Arc::clone(&alert),
                user: user.clone(),
                seq,
                stop_at: begun.stop_at,
                next_step: begun.next_step,
                live_failed: begun.live_failed,
                due: now.instant + begun.due_after,
                elsewhere,
            };
            self.watch.add(watched, now.instant + begun.look_after);
        }
    }

    /// How the ladder of an alert for everyone goes on after the live step, if its kind wants that.
    pub fn ladder_of_all(&self, content: &Content, kinds: &Kinds) -> Option<LadderOfAll> {
        let kind = kinds.find(&content.kind).ok().flatten()?;
        if kind.everyone == Everyone::Live || self.ways.is_empty() {
            return None;
        }
        begin_for_everyone(&ladder_of(content, kinds), content.created_at)
    }

    /// How long people count as there, for an alert of this kind.
    pub fn linger(&self, content: &Content, kinds: &Kinds) -> Linger {
        let live = &self.config.live;
        let own = kinds.find(&content.kind).ok().flatten().and_then(|kind| kind.linger);
        Linger {
            after_close: own.unwrap_or(live.linger),
            after_start: live.linger_after_start,
            settled: self.settled_at(),
        }
    }

    /// Since when it can be known who is there: since the start, or since hints came in again.
    fn settled_at(&self) -> Instant {
        let back_at = self.cluster.as_ref().and_then(|cluster| cluster.back_at());
        back_at.map_or(self.started.instant, |back_at| back_at.max(self.started.instant))
    }
}

/// When it was published, on the monotonic clock.
pub fn elapsed(created_at: UnixMs, now: Now) -> Instant {
    let ago = u64::try_from(now.unix_ms().0.saturating_sub(created_at.0)).unwrap_or(0);
    now.instant.checked_sub(Duration::from_millis(ago)).unwrap_or(now.instant)
}

/// The alert's own ladder, else its kind's, else the default one.
fn ladder_of(content: &Content, kinds: &Kinds) -> Ladder {
    let own = content.ladder.as_deref().and_then(read_ladder);
    own.or_else(|| kinds.find(&content.kind).ok().flatten().map(|kind| kind.ladder.clone()))
        .unwrap_or_default()
}

/// A ladder as it stands beside an alert or a delivery.
pub fn read_ladder(json: &str) -> Option<Ladder> {
    let steps: Vec<Step> = serde_json::from_str(json).ok()?;
    Ladder::from_publish(&steps).ok()
}

/// How a ladder begins for one person, seen at the moment of publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beginning {
    /// When to look whether it was confirmed.
    pub look_after: Duration,
    /// The level that ends the ladder until then.
    pub stop_at: Level,
    /// The step that runs if it was not.
    pub next_step: u32,
    /// The live step reached nobody.
    pub live_failed: bool,
    /// How long after publishing that step is due.
    pub due_after: Duration,
}

impl Beginning {
    /// How it begins where the other nodes are still to be asked: as if the person were away.
    fn not_before_asking(self) -> Self {
        Self { look_after: ABSENT_AFTER, due_after: ABSENT_AFTER, ..self }
    }
}

/// How the ladder of somebody goes on who was not at this node, now that it is known whether they are at another.
/// `Later`: it is looked at then. Times count from when it was armed. Pure.
pub fn begin_elsewhere(watched: &Watched, presence: Presence, now: Instant) -> Elsewhere {
    let armed = watched.due.checked_sub(ABSENT_AFTER).unwrap_or(watched.due);
    let Some(begun) = begin(&watched.alert.ladder, presence, watched.alert.linger, armed) else {
        return Elsewhere::Nothing;
    };
    let (live_failed, stop_at) = (begun.live_failed, begun.stop_at);
    let due = armed + begun.due_after;
    let decided = Watched { live_failed, stop_at, due, elsewhere: false, ..watched.clone() };
    match armed + begun.look_after {
        look_at if look_at > now => Elsewhere::Later(decided, look_at),
        _ => Elsewhere::Now(decided),
    }
}

/// See [`begin_elsewhere`].
#[derive(Debug, Clone)]
pub enum Elsewhere {
    /// The ladder ends with the live step.
    Nothing,
    /// The live step is still running there.
    Later(Watched, Instant),
    /// It is over.
    Now(Watched),
}

/// How a ladder begins. `None`: there is nothing to watch, because it ends with the live step.
pub fn begin(ladder: &Ladder, presence: Presence, linger: Linger, now: Instant) -> Option<Beginning> {
    let first = ladder.steps().first()?;
    if first.channel != Channel::Live {
        // Nobody asked for a live answer first; what a person reads in the very moment stops it all the same.
        return Some(Beginning {
            look_after: Duration::ZERO,
            stop_at: Level::Displayed,
            next_step: 0,
            live_failed: false,
            due_after: Duration::ZERO,
        });
    }
    ladder.steps().get(1)?;
    let stop_at = first.until.unwrap_or(Level::Received);
    let (look_after, live_failed) = match presence {
        Presence::Open { .. } if first.until.is_none() => return None,
        // No page is looked at, so waiting for one to be displayed is waiting for nothing.
        Presence::Open { visible: false, .. } if stop_at >= Level::Displayed => (ABSENT_AFTER, false),
        Presence::Open { .. } => (first.wait, false),
        Presence::Left(_) | Presence::Lost(_) | Presence::Away => match back_by(presence, linger, now) {
            Some(wait) => (first.wait.max(wait), true),
            None => (ABSENT_AFTER, true),
        },
    };
    Some(Beginning {
        look_after: look_after.min(WATCHED_AT_MOST),
        stop_at,
        next_step: 1,
        live_failed,
        due_after: look_after,
    })
}

/// How the ladder of an alert for everyone goes on after the live step. `None`: it ends with it.
pub fn begin_for_everyone(ladder: &Ladder, published: UnixMs) -> Option<LadderOfAll> {
    let first = ladder.steps().first()?;
    let (step, stop_at, wait) = match first.channel {
        Channel::Live => (1, first.until.unwrap_or(Level::Received), first.wait.max(ABSENT_AFTER)),
        _ => (0, Level::Displayed, Duration::ZERO),
    };
    ladder.steps().get(step as usize)?;
    let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    let json = serde_json::to_string(&ladder.to_protocol());
    Some(LadderOfAll {
        ladder: json.expect("a list of steps is JSON").into(),
        step,
        stop_at,
        due_at: UnixMs(published.0.saturating_add(wait)),
    })
}

/// How long somebody without a session may still be on the way back; `None`: absent.
pub fn back_by(presence: Presence, linger: Linger, now: Instant) -> Option<Duration> {
    let left = match presence {
        Presence::Left(at) => (at + linger.after_close).checked_duration_since(now),
        Presence::Lost(at) => (at + linger.after_start).checked_duration_since(now),
        Presence::Open { .. } | Presence::Away => None,
    };
    let starting = (linger.settled + linger.after_start).checked_duration_since(now);
    left.max(starting).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests;
