//! What endpoints are still to be told: written in the transaction of what happened, so neither is there without the
//! other. Where no enabled endpoint wants an event, nothing is written.

use crate::alerts::id_at;
use crate::delivery_rows::{Delivery, lease_end, new_token};
use crate::legs::Leg;
use crate::sql::{Connection, OptionalExtension, Sql, params};
use crate::txn::Txn;
use crate::webhooks::{Endpoint, bit, changed, endpoints};
use crate::{
    ClaimedWebhook, ClaimedWebhookEvent, Store, StoreError, UnixMs, WebhookOutcome, WebhookRecorded,
    WebhookThen,
};
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::webhook::{StatusData, StatusEvent, StatusType, WebhookDisabled, WebhookEvent};
use belfry_protocol::{AlertId, Channel, Provider, UserId, WebhookId};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long an endpoint may fail before it is disabled.
const FAILING_MAX_MS: i64 = 5 * 24 * 3_600_000;
/// No event waits.
pub(crate) const NEVER: i64 = i64::MAX;

impl Store {
    /// When the first event can be claimed; `None`: none waits for an enabled endpoint.
    pub fn webhooks_due(&self) -> Option<UnixMs> {
        let at = self.inner.shared.counters.webhooks_due.load(Ordering::Acquire);
        (at != NEVER).then_some(UnixMs(at))
    }

    /// Returns when events or endpoints have changed since the last call.
    pub async fn webhooks_changed(&self) {
        self.inner.shared.webhooks_changed.notified().await;
    }

    /// Events that are due, at most `limit` of each endpoint, without these endpoints. When this returns the claim is on
    /// disk.
    pub async fn claim_webhook_events(
        &self,
        now: UnixMs,
        limit: u32,
        lease: Duration,
        without: Vec<i64>,
    ) -> Result<Vec<ClaimedWebhook>, StoreError> {
        if self.webhooks_due().is_none_or(|at| at > now) {
            return Ok(Vec::new());
        }
        let now = self.inner.shared.by_common_clock(now);
        let claim = move |txn: &mut Txn<'_>| claim(txn, now.0, (limit, lease_end(now.0, lease)), &without);
        self.inner.writer.write(claim).await
    }

    /// Writes what calls to one endpoint came to. Events that are not the caller's any more stay as they are.
    pub async fn record_webhook_events(
        &self,
        endpoint: i64,
        outcomes: Vec<WebhookOutcome>,
        now: UnixMs,
    ) -> Result<WebhookRecorded, StoreError> {
        self.inner.writer.write(move |txn| record(txn, endpoint, &outcomes, now.0)).await
    }

    /// Puts a test event into the queue of one endpoint: its `webhook-id`. `None`: there is no such endpoint.
    pub async fn test_webhook(&self, id: &WebhookId, now: UnixMs) -> Result<Option<String>, StoreError> {
        let id = id.clone();
        let test = move |txn: &mut Txn<'_>| {
            let key: Option<i64> = txn
                .conn
                .prepare_cached("SELECT webhook_key FROM webhooks WHERE id = ?1")?
                .query_row([id.as_str()], |row| row.get(0))
                .optional()?;
            let Some(key) = key else {
                return Ok(None);
            };
            let event = StatusEvent::at(StatusType::Test, now.0, StatusData::default());
            put(txn, &[key], &event, None, now.0).map(|mut ids| ids.pop())
        };
        self.inner.writer.write(test).await
    }
}

/// Whether somebody wants to be told of this.
pub(crate) fn wanted(txn: &mut Txn<'_>, event: WebhookEvent) -> Sql<bool> {
    Ok(endpoints(txn)?.iter().any(|one| one.enabled && one.events & bit(event) != 0))
}

/// Something happened: a row for each endpoint that wants to be told.
pub(crate) fn note(
    txn: &mut Txn<'_>,
    event: WebhookEvent,
    (data, user_key): (StatusData, Option<i64>),
    now: i64,
) -> Sql<()> {
    let wants = |one: &&Endpoint| one.enabled && one.events & bit(event) != 0;
    let keys: Vec<i64> = endpoints(txn)?.iter().filter(wants).map(|one| one.key).collect();
    put(txn, &keys, &StatusEvent::at(event.type_name(), now, data), user_key, now).map(drop)
}

fn put(
    txn: &mut Txn<'_>,
    keys: &[i64],
    event: &StatusEvent,
    user_key: Option<i64>,
    now: i64,
) -> Sql<Vec<String>> {
    let body =
        serde_json::to_string(event).map_err(|error| crate::sql::Error::Unreadable(error.to_string()))?;
    let mut ids = Vec::with_capacity(keys.len());
    for key in keys {
        make_room(txn, *key)?;
        let id = format!("evt_{}", uuid::Uuid::new_v4().simple());
        txn.conn
            .prepare_cached(
                "INSERT INTO webhook_events (webhook_key, user_key, webhook_id, body, next_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![key, user_key, id, body, now])?;
        counted(txn, *key, 1)?;
        ids.push(id);
    }
    txn.effects.webhooks_touched = true;
    Ok(ids)
}

/// Where too many wait the oldest go: what happens now is worth more than what nobody took for days.
fn make_room(txn: &mut Txn<'_>, key: i64) -> Sql<()> {
    let waiting = endpoints(txn)?.iter().find(|one| one.key == key).map_or(0, |one| one.waiting);
    let over = (waiting + 1).saturating_sub(txn.limits.webhook_queue_max);
    if over == 0 {
        return Ok(());
    }
    let dropped = txn
        .conn
        .prepare_cached(
            "DELETE FROM webhook_events WHERE event_key IN \
             (SELECT event_key FROM webhook_events INDEXED BY webhook_events_key WHERE webhook_key = ?1 \
             ORDER BY event_key LIMIT ?2)",
        )?
        .execute(params![key, over])?;
    drop_count(txn, key, dropped as u32)
}

fn drop_count(txn: &mut Txn<'_>, key: i64, dropped: u32) -> Sql<()> {
    txn.conn
        .prepare_cached("UPDATE webhooks SET dropped = dropped + ?2 WHERE webhook_key = ?1")?
        .execute(params![key, dropped])?;
    counted(txn, key, -i64::from(dropped))
}

fn counted(txn: &mut Txn<'_>, key: i64, by: i64) -> Sql<()> {
    if let Some(one) = endpoints(txn)?.iter_mut().find(|one| one.key == key) {
        one.waiting = u32::try_from(i64::from(one.waiting) + by).unwrap_or(0);
    }
    Ok(())
}

/// An alert is on disk.
pub(crate) fn accepted(
    txn: &mut Txn<'_>,
    (id, content): (AlertId, &crate::Content),
    user: Option<&UserId>,
    now: i64,
) -> Sql<()> {
    let user_key = user.map(|user| txn.held(user).core.key);
    let data = StatusData {
        alert: Some(id),
        user: user.cloned(),
        kind: Some(content.kind.clone()),
        category: Some(content.category.clone()),
        ..StatusData::default()
    };
    note(txn, WebhookEvent::Accepted, (data, user_key), now)
}

/// A delivery was written: perhaps it has ended just now.
pub(crate) fn delivery_saved(txn: &mut Txn<'_>, before: &Delivery, after: &Delivery) -> Sql<()> {
    let (None, Some(ended_at)) = (before.ended_at, after.ended_at) else {
        return Ok(());
    };
    let event = match after.state {
        DeliveryState::Suppressed => WebhookEvent::Suppressed,
        DeliveryState::Expired => WebhookEvent::Expired,
        DeliveryState::DeadLettered => WebhookEvent::DeadLettered,
        _ => return Ok(()),
    };
    if !wanted(txn, event)? {
        return Ok(());
    }
    let about =
        About { channel: after.dead.map(|dead| dead.1), provider: None, reason: after.reason.clone() };
    told(txn, event, after, about, ended_at)
}

/// A leg was written: perhaps it was taken just now, or never will be.
pub(crate) fn leg_saved(txn: &mut Txn<'_>, before: &Leg, after: &Leg) -> Sql<()> {
    let event = match (before.state, after.state) {
        (LegState::Pending, LegState::Accepted) => WebhookEvent::Sent,
        (LegState::Pending, LegState::Failed) => WebhookEvent::Failed,
        _ => return Ok(()),
    };
    if !wanted(txn, event)? {
        return Ok(());
    }
    for (key, _) in crate::legs::served_by(txn.conn, after)? {
        let Some(delivery) = crate::delivery_rows::find(txn.conn, key)? else {
            continue;
        };
        let about =
            About { channel: Some(after.channel), provider: after.provider, reason: after.reason.clone() };
        told(txn, event, &delivery, about, after.ended_at.unwrap_or(delivery.due_at))?;
    }
    Ok(())
}

/// How it went.
struct About {
    channel: Option<Channel>,
    provider: Option<Provider>,
    reason: Option<String>,
}

fn told(txn: &mut Txn<'_>, event: WebhookEvent, delivery: &Delivery, about: About, now: i64) -> Sql<()> {
    let alert: Option<(AlertId, String, String)> = txn
        .conn
        .prepare_cached("SELECT alert_key, id_tail, kind, category FROM alerts WHERE alert_key = ?1")?
        .query_row([delivery.alert_key], |row| Ok((id_at(row, 0)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((id, kind, category)) = alert else {
        return Ok(());
    };
    let data = StatusData {
        alert: Some(id),
        user: crate::users::id_of(txn.conn, delivery.user_key)?,
        kind: Some(kind),
        category: Some(category),
        channel: about.channel,
        provider: about.provider,
        reason: about.reason,
    };
    note(txn, event, (data, Some(delivery.user_key)), now)
}

fn claim(
    txn: &mut Txn<'_>,
    now: i64,
    (limit, leased_until): (u32, i64),
    without: &[i64],
) -> Sql<Vec<ClaimedWebhook>> {
    if txn.conn.is_shared() {
        // What others have put there counts as well.
        txn.state.endpoints = None;
    }
    let keys: Vec<i64> = endpoints(txn)?
        .iter()
        .filter(|one| one.enabled && one.waiting > 0 && !without.contains(&one.key))
        .map(|one| one.key)
        .collect();
    let mut claimed = Vec::new();
    for key in keys {
        let events = claim_of(txn, key, now, (limit, leased_until))?;
        if events.is_empty() {
            continue;
        }
        let one = txn
            .conn
            .prepare_cached(
                "SELECT id, url, secret, old_secret, old_until FROM webhooks WHERE webhook_key = ?1",
            )?
            .query_row([key], |row| {
                let until: Option<i64> = row.get(4)?;
                let old: Option<String> = row.get(3)?;
                let secrets = [Some(row.get(2)?), old.filter(|_| until.is_some_and(|until| until > now))];
                Ok(ClaimedWebhook {
                    key,
                    id: row.get(0)?,
                    url: row.get(1)?,
                    secrets: secrets.into_iter().flatten().collect(),
                    events,
                })
            })?;
        claimed.push(one);
        txn.effects.webhooks_touched = true;
    }
    Ok(claimed)
}

fn claim_of(
    txn: &Txn<'_>,
    key: i64,
    now: i64,
    (limit, leased_until): (u32, i64),
) -> Sql<Vec<ClaimedWebhookEvent>> {
    let events: Vec<ClaimedWebhookEvent> = txn
        .conn
        .prepare_cached(&format!(
            "SELECT event_key, webhook_id, body, tries FROM webhook_events WHERE webhook_key = ?1 AND next_at <= ?2 \
             ORDER BY next_at, event_key LIMIT ?3{}",
            txn.conn.for_update_of_free()
        ))?
        .query_map(params![key, now, limit], |row| {
            Ok(ClaimedWebhookEvent {
                key: row.get(0)?,
                token: new_token(),
                id: row.get(1)?,
                body: row.get(2)?,
                tries: row.get(3)?,
            })
        })?
        .collect::<Sql<_>>()?;
    for event in &events {
        txn.conn
            .prepare_cached("UPDATE webhook_events SET next_at = ?2, lease_token = ?3 WHERE event_key = ?1")?
            .execute(params![event.key, leased_until, event.token])?;
    }
    Ok(events)
}

fn record(txn: &mut Txn<'_>, endpoint: i64, outcomes: &[WebhookOutcome], now: i64) -> Sql<WebhookRecorded> {
    let (mut taken, mut failed, mut gone) = (false, false, false);
    for outcome in outcomes {
        let of = params![outcome.key, outcome.token];
        let changed = match outcome.then {
            WebhookThen::Taken | WebhookThen::GiveUp => txn
                .conn
                .prepare_cached("DELETE FROM webhook_events WHERE event_key = ?1 AND lease_token = ?2")?
                .execute(of)?,
            WebhookThen::Retry { next_at } => again(txn, outcome, (next_at.0, 1))?,
            // It is due as soon as the endpoint is enabled again.
            WebhookThen::Gone => again(txn, outcome, (now, 0))?,
        };
        if changed == 0 {
            continue;
        }
        match outcome.then {
            WebhookThen::Taken => counted(txn, endpoint, -1)?,
            WebhookThen::GiveUp => drop_count(txn, endpoint, 1)?,
            WebhookThen::Retry { .. } | WebhookThen::Gone => {}
        }
        taken |= outcome.then == WebhookThen::Taken;
        failed |= outcome.then != WebhookThen::Taken;
        gone |= outcome.then == WebhookThen::Gone;
    }
    txn.effects.webhooks_touched = true;
    let since: Option<i64> = txn
        .conn
        .prepare_cached("SELECT failing_since FROM webhooks WHERE webhook_key = ?1 AND enabled = 1")?
        .query_row([endpoint], |row| row.get(0))
        .optional()?
        .flatten();
    let failing_since = if taken { None } else { since.or(failed.then_some(now)) };
    if failing_since != since {
        txn.conn
            .prepare_cached("UPDATE webhooks SET failing_since = ?2 WHERE webhook_key = ?1 AND enabled = 1")?
            .execute(params![endpoint, failing_since])?;
    }
    let long = failing_since.is_some_and(|since| now.saturating_sub(since) >= FAILING_MAX_MS);
    let disabled =
        if gone { Some(WebhookDisabled::Gone) } else { (failed && long).then_some(WebhookDisabled::Failing) };
    match disabled {
        Some(reason) => disable(txn, endpoint, reason),
        None => Ok(WebhookRecorded { disabled: None }),
    }
}

fn again(txn: &Txn<'_>, outcome: &WebhookOutcome, (next_at, tries): (i64, u32)) -> Sql<usize> {
    txn.conn
        .prepare_cached(
            "UPDATE webhook_events SET next_at = ?3, tries = tries + ?4, lease_token = NULL \
             WHERE event_key = ?1 AND lease_token = ?2",
        )?
        .execute(params![outcome.key, outcome.token, next_at, tries])
}

fn disable(txn: &mut Txn<'_>, endpoint: i64, reason: WebhookDisabled) -> Sql<WebhookRecorded> {
    let code = match reason {
        WebhookDisabled::Gone => 0,
        WebhookDisabled::Failing => 1,
    };
    let was_enabled = txn
        .conn
        .prepare_cached(
            "UPDATE webhooks SET enabled = 0, disabled_reason = ?2 WHERE webhook_key = ?1 AND enabled = 1",
        )?
        .execute(params![endpoint, code])?;
    changed(txn);
    Ok(WebhookRecorded { disabled: (was_enabled > 0).then_some(reason) })
}

/// What names an erased person is told to nobody.
pub(crate) fn forget_user(txn: &mut Txn<'_>, user_key: i64) -> Sql<()> {
    let gone =
        txn.conn.prepare_cached("DELETE FROM webhook_events WHERE user_key = ?1")?.execute([user_key])?;
    if gone > 0 {
        changed(txn);
    }
    Ok(())
}

/// When the first event of an enabled endpoint can be claimed.
pub(crate) fn first_due(conn: &Connection) -> Sql<i64> {
    let first: Option<i64> = conn
        .prepare_cached(
            "SELECT min((SELECT min(e.next_at) FROM webhook_events e WHERE e.webhook_key = w.webhook_key)) \
             FROM webhooks w WHERE w.enabled = 1",
        )?
        .query_row([], |row| row.get(0))?;
    Ok(first.unwrap_or(NEVER))
}
