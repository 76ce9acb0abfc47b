//! The ladder of an alert for everyone, where its kind says that it goes on after the live step: the users are walked
//! in chunks, and deliveries are opened for those who have not answered.

use crate::arm::{back_by, elapsed, read_ladder};
use crate::clock::Now;
use crate::escalate::policy;
use crate::hub::Presence;
use crate::kinds::{Ladder, LadderStep};
use crate::services::Services;
use crate::watch::Linger;
use belfry_protocol::{Channel, Provider, UserId};
use belfry_store::{LadderChunk, LadderReach, NewDelivery, StoreError, UnixMs};
use std::time::{Duration, Instant};

/// Goes one chunk further with what is due. `true`: there was something.
pub async fn walk(services: &Services, now: Now) -> Result<bool, StoreError> {
    let reach = configured(services);
    let Some(chunk) = services.store.ladder_chunk(reach, now.unix_ms()).await? else { return Ok(false) };
    let ladder = read_ladder(&chunk.ladder).unwrap_or_default();
    let kinds = services.kinds.snapshot();
    let published = elapsed(chunk.content.created_at, now);
    let moment = Moment { published, linger: services.linger(&chunk.content, &kinds), now: now.instant };
    let rest = ladder.steps().get(chunk.step as usize..).unwrap_or_default();
    let useless = !rest.iter().any(|step| reaches(reach, step.channel));
    let new = match useless {
        // Today's alert does not go out when somebody configures its way tomorrow.
        true => Vec::new(),
        false => {
            let users: Vec<&UserId> = chunk.users.iter().collect();
            let presences = services.presences(&users, now).await?;
            deliveries(&chunk, &presences, &ladder, moment, now)
        }
    };
    services.store.advance_ladder(chunk.place, new, now.unix_ms()).await?;
    Ok(true)
}

/// The ways that this server has.
fn configured(services: &Services) -> LadderReach {
    let ways = &services.ways;
    LadderReach {
        push: [Provider::Fcm, Provider::Apns, Provider::WebPush].into_iter().any(|one| ways.has(one)),
        email: ways.has(Provider::Smtp),
        anybody: ways.has(Provider::Webhook),
    }
}

fn reaches(reach: LadderReach, channel: Channel) -> bool {
    match channel {
        Channel::Live => false,
        Channel::Push => reach.push,
        Channel::Email => reach.email,
        Channel::Webhook => reach.anybody,
    }
}

fn deliveries(
    chunk: &LadderChunk,
    presences: &[Presence],
    ladder: &Ladder,
    moment: Moment,
    now: Now,
) -> Vec<NewDelivery> {
    let first = ladder.steps().first().filter(|step| step.channel == Channel::Live);
    let one = |(user, presence): (&UserId, &Presence)| {
        let entry = first.map(|step| enter(step, *presence, moment)).unwrap_or_default();
        let wait = i64::try_from(entry.wait.as_millis()).unwrap_or(i64::MAX);
        NewDelivery {
            user: user.clone(),
            seq: chunk.all_seq,
            id: chunk.place.id,
            step: chunk.step,
            last_failed: entry.live_failed,
            stop_at: chunk.stop_at,
            ladder: chunk.ladder.clone(),
            due_at: UnixMs(now.unix_ms().0.saturating_add(wait)),
        }
    };
    chunk.users.iter().zip(presences).map(one).collect()
}

/// When the walk comes by.
#[derive(Debug, Clone, Copy)]
struct Moment {
    published: Instant,
    linger: Linger,
    now: Instant,
}

/// How somebody's delivery begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Entry {
    wait: Duration,
    live_failed: bool,
}

/// How the delivery of somebody begins who has not answered: who may be on the way back, or has just come back, gets
/// the time that everybody had. Pure.
fn enter(live: &LadderStep, presence: Presence, moment: Moment) -> Entry {
    let Moment { published, linger, now } = moment;
    match presence {
        Presence::Open { .. } => {
            let wait = policy::look_again(live, presence, published, now).unwrap_or_default();
            Entry { wait, live_failed: false }
        }
        Presence::Left(_) | Presence::Lost(_) | Presence::Away => {
            Entry { wait: back_by(presence, linger, now).unwrap_or_default(), live_failed: true }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn who_may_be_on_the_way_back_gets_the_time_that_everybody_had() {
        let start = crate::clock::now().instant;
        let linger = Linger { after_close: 15 * SECOND, after_start: Duration::ZERO, settled: start };
        let published = start + 100 * SECOND;
        let moment = Moment { published, linger, now: published + 5 * SECOND };
        let live = Ladder::default().steps()[0];
        let enter = |presence| {
            let Entry { wait, live_failed } = enter(&live, presence, moment);
            (wait, live_failed)
        };
        let open = |visible, since| enter(Presence::Open { visible, since });
        assert_eq!(open(true, start), (Duration::ZERO, false), "it was there and did not answer");
        assert_eq!(open(true, published + 4 * SECOND), (4 * SECOND, false), "it has just come back");
        assert_eq!(open(false, published + 4 * SECOND), (Duration::ZERO, false), "nobody looks at it");
        assert_eq!(enter(Presence::Left(published + SECOND)), (11 * SECOND, true), "perhaps a reload");
        assert_eq!(enter(Presence::Left(start)), (Duration::ZERO, true));
        assert_eq!(enter(Presence::Away), (Duration::ZERO, true));
    }

    #[test]
    fn nobody_is_absent_from_a_server_that_has_just_started() {
        let start = crate::clock::now().instant;
        let linger = Linger { after_close: 15 * SECOND, after_start: 60 * SECOND, settled: start };
        let moment = Moment { published: start, linger, now: start + 5 * SECOND };
        let entry = enter(&Ladder::default().steps()[0], Presence::Away, moment);
        assert_eq!(entry, Entry { wait: 55 * SECOND, live_failed: true });
    }
}
