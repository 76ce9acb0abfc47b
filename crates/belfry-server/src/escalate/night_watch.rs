//! From notifications whose live step is over to deliveries: what was confirmed in time leaves no trace but its row.

use crate::arm::{Elsewhere, begin_elsewhere};
use crate::clock::{self, Now};
use crate::escalate::policy;
use crate::services::Services;
use crate::watch::Watched;
use belfry_protocol::{Seq, UserId};
use belfry_store::{NewDelivery, Reached, StoreError, UnixMs};
use std::sync::Arc;
use std::time::Duration;

/// Most notifications looked at together.
const LOOKED_AT_TOGETHER: usize = 512;
/// How often the mark is written where nothing else is.
const MARK_EVERY: Duration = Duration::from_secs(5);
/// The same where no provider is configured: an alert of today is not to go out when one is, tomorrow.
const MARK_EVERY_IDLE: Duration = Duration::from_secs(60);
/// Rows of the log read at once.
const REREAD_ROWS: u32 = 500;
/// After a failure of the store, before the next try.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Looks at what is watched when its time has come, until the node stops.
pub async fn run(services: Arc<Services>) {
    let stop = services.tasks.stopping().clone();
    let mark_every = if services.ways.is_empty() { MARK_EVERY_IDLE } else { MARK_EVERY };
    let mut mark_at = clock::now().instant + mark_every;
    while !stop.is_cancelled() {
        if let Some(missed) = services.watch.take_missed()
            && let Err(error) = reread(&services, missed.key().saturating_sub(1)).await
        {
            tracing::warn!(error = %error, "what is not watched yet is read from the log again later");
            services.watch.missed(missed.key());
        }
        let now = clock::now();
        let look_at = services.watch.next_look().map_or(mark_at, |at| at.min(mark_at));
        if look_at > now.instant {
            tokio::select! {
                () = tokio::time::sleep_until(look_at.into()) => {}
                () = services.watch.woken() => continue,
                () = stop.cancelled() => break,
            }
        }
        let now = clock::now();
        let mark = now.instant >= mark_at;
        if mark {
            mark_at = now.instant + mark_every;
        }
        if let Err(error) = look(&services, mark, now).await {
            tracing::warn!(error = %error, "the night watch waits for the store");
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }
    // What was watched and is not answered is read again by the next start; what was answered need not be.
    let _ = look(&services, true, clock::now()).await;
}

/// Watches what stands in the log above `after`.
async fn reread(services: &Services, after: i64) -> Result<(), StoreError> {
    if services.ways.is_empty() {
        return Ok(());
    }
    let mut after = after;
    loop {
        let page = services.store.unwatched(after, REREAD_ROWS).await?;
        let now = clock::now();
        for row in &page.rows {
            services.arm(row.id, &row.content, std::iter::once((&row.user, row.seq)), now);
        }
        match page.next {
            Some(next) => after = next,
            None => return Ok(()),
        }
    }
}

/// One look: what was answered is forgotten, what was not becomes a delivery.
async fn look(services: &Services, mark: bool, now: Now) -> Result<(), StoreError> {
    let taken = services.watch.take(now.instant, LOOKED_AT_TOGETHER);
    if taken.is_empty() && !mark {
        return Ok(());
    }
    let result = open(services, &taken, mark, now).await;
    if result.is_err() {
        for watched in &taken {
            services.watch.add(watched.clone(), now.instant + RETRY_AFTER);
        }
    }
    services.watch.looked_at(&taken);
    result
}

async fn open(services: &Services, taken: &[Watched], mark: bool, now: Now) -> Result<(), StoreError> {
    let asked: Vec<(UserId, Seq)> = taken.iter().map(|one| (one.user.clone(), one.seq)).collect();
    let reached = if asked.is_empty() { Vec::new() } else { services.store.levels(asked).await? };
    let wanted: Vec<&Watched> = taken
        .iter()
        .zip(reached)
        .filter(|(watched, reached)| wants_more(watched, *reached))
        .map(|(watched, _)| watched)
        .collect();
    let users: Vec<&UserId> = wanted.iter().map(|watched| &watched.user).collect();
    let presences = if users.is_empty() { Vec::new() } else { services.presences(&users, now).await? };
    let mut unanswered = Vec::new();
    for (watched, presence) in wanted.into_iter().zip(presences) {
        if watched.elsewhere {
            match begin_elsewhere(watched, presence, now.instant) {
                Elsewhere::Nothing => {}
                Elsewhere::Later(watched, look_at) => services.watch.add(watched, look_at),
                Elsewhere::Now(watched) => unanswered.push(delivery(&watched, now)),
            }
            continue;
        }
        let first = &watched.alert.ladder.steps()[0];
        match policy::look_again(first, presence, watched.alert.published, now.instant) {
            Some(wait) if watched.next_step > 0 => {
                let due = now.instant + wait;
                services.watch.add(Watched { due, live_failed: false, ..watched.clone() }, due);
            }
            _ => unanswered.push(delivery(watched, now)),
        }
    }
    // The mark stays below what this look holds; the next one moves it.
    // Of several nodes each has a mark of its own, which goes with its lease.
    let mark = mark && services.cluster.is_none() && services.store.gauges().fanouts == 0;
    let watched_to = mark.then(|| services.watch.mark());
    let moves = watched_to.is_some_and(|to| to > services.store.watched_to());
    if unanswered.is_empty() && !moves {
        return Ok(());
    }
    let opened =
        services.store.open_deliveries(unanswered, watched_to.filter(|_| moves), now.unix_ms()).await?;
    if opened > 0 {
        services.escalate_wake.notify_one();
    }
    Ok(())
}

fn wants_more(watched: &Watched, reached: Option<Reached>) -> bool {
    reached.is_some_and(|reached| !reached.read && reached.level.is_none_or(|level| level < watched.stop_at))
}

fn delivery(watched: &Watched, now: Now) -> NewDelivery {
    let wait = watched.due.saturating_duration_since(now.instant);
    let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    let ladder = serde_json::to_string(&watched.alert.ladder.to_protocol());
    NewDelivery {
        user: watched.user.clone(),
        seq: watched.seq,
        id: watched.alert.id,
        step: watched.next_step,
        last_failed: watched.live_failed,
        stop_at: watched.stop_at,
        ladder: ladder.expect("a list of steps is JSON").into(),
        due_at: UnixMs(now.unix_ms().0.saturating_add(wait)),
    }
}
