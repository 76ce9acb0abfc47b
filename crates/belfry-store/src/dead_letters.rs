//! Deliveries that could not be made: listed with their reason, and sent again.

use crate::cancellation;
use crate::delivery_codes as codes;
use crate::delivery_rows::{self, COLUMNS, Delivery, save};
use crate::legs;
use crate::sql::{Connection, Listed, Sql};
use crate::txn::{Busy, Txn};
use crate::users;
use crate::{DeadLetterPage, DeadLetterQuery, DeadLetterRow, Deferred, Replay, Store, StoreError, UnixMs};
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::{Channel, Step, UserId};
use rusqlite::types::Value;

impl Store {
    /// A page of dead letters in the order in which their deliveries were opened.
    pub async fn dead_letters(
        &self,
        filter: DeadLetterQuery,
        after: Option<i64>,
        limit: u32,
    ) -> Result<DeadLetterPage, StoreError> {
        self.inner.readers.read(move |conn| page(conn, &filter, after, limit)).await
    }

    /// Sends dead letters again, at most `limit`: how many are on their way, and whether more match. Those whose
    /// notification is gone, expired, read or confirmed meanwhile end as such and are not sent.
    pub async fn replay(&self, which: Replay, limit: u32, now: UnixMs) -> Result<(u32, bool), StoreError> {
        let replay = move |txn: &mut Txn<'_>| {
            txn.at(now.0);
            replay(txn, &which, limit.max(1), now.0)
        };
        self.inner.writer.write_after_receipts(Vec::new(), replay).await
    }
}

/// The condition of a filter on `d` and its alert `a`, with its parameters.
fn condition(filter: &DeadLetterQuery, conn: &Connection) -> Sql<Option<(String, Vec<Value>)>> {
    let (mut sql, mut values) = ("d.state = 8".to_owned(), Vec::new());
    let mut and = |text: &str, value: Value| {
        values.push(value);
        sql.push_str(&format!(" AND {text} ?{}", values.len()));
    };
    if let Some(user) = &filter.user {
        let Some(user_key) = user_key(conn, user)? else {
            return Ok(None);
        };
        and("d.user_key =", user_key.into());
    }
    if let Some(alert) = &filter.alert {
        and("d.alert_key =", alert.key().into());
    }
    if let Some(kind) = &filter.kind {
        and("a.kind =", kind.clone().into());
    }
    if let Some(category) = &filter.category {
        and("a.category =", category.clone().into());
    }
    if let Some(channel) = filter.channel {
        and("d.dead_channel =", i64::from(codes::channel_code(channel)).into());
    }
    if let Some(reason) = &filter.reason {
        and("d.reason =", reason.clone().into());
    }
    if let Some(since) = filter.since {
        and("d.ended_at >=", since.0.into());
    }
    if let Some(until) = filter.until {
        and("d.ended_at <", until.0.into());
    }
    Ok(Some((sql, values)))
}

fn user_key(conn: &Connection, user: &UserId) -> Sql<Option<i64>> {
    use crate::sql::OptionalExtension;
    conn.prepare_cached("SELECT user_key FROM users WHERE id = ?1")?
        .query_row([user.as_str()], |row| row.get(0))
        .optional()
}

/// The next dead letters that match, in order of their keys.
fn matching(
    conn: &Connection,
    filter: &DeadLetterQuery,
    after: i64,
    limit: u32,
) -> Sql<Vec<(Delivery, String, String)>> {
    let Some((sql, mut values)) = condition(filter, conn)? else {
        return Ok(Vec::new());
    };
    values.push(after.into());
    values.push(i64::from(limit).into());
    let sql = format!(
        "SELECT {COLUMNS}, a.kind, a.category FROM deliveries d CROSS JOIN alerts a ON a.alert_key = d.alert_key \
         WHERE {sql} AND d.delivery_key > ?{} ORDER BY d.delivery_key LIMIT ?{}",
        values.len() - 1,
        values.len()
    );
    conn.prepare_cached(&sql)?
        .query_map(Listed(values), |row| Ok((delivery_rows::read(row)?, row.get(23)?, row.get(24)?)))?
        .collect()
}

fn page(conn: &Connection, filter: &DeadLetterQuery, after: Option<i64>, limit: u32) -> Sql<DeadLetterPage> {
    let mut found = matching(conn, filter, after.unwrap_or(0), limit.saturating_add(1))?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().map(|last| last.0.key).filter(|_| more);
    let mut rows = Vec::with_capacity(found.len());
    for (delivery, kind, category) in found {
        let Some(id) = delivery_rows::alert_id(conn, delivery.key)? else {
            continue;
        };
        let Some(user) = users::id_of(conn, delivery.user_key)? else {
            continue;
        };
        let (step, channel) = dead_step(conn, &delivery)?;
        rows.push(DeadLetterRow {
            key: delivery.key,
            id,
            user,
            kind,
            category,
            step,
            channel,
            reason: delivery.reason.unwrap_or_default(),
            at: UnixMs(delivery.ended_at.unwrap_or(0)),
        });
    }
    Ok(DeadLetterPage { rows, next })
}

/// Where a dead letter failed. One without a leg failed at the step before the one it stands at.
fn dead_step(conn: &Connection, delivery: &Delivery) -> Sql<(u32, Channel)> {
    if let Some(dead) = delivery.dead {
        return Ok(dead);
    }
    let steps = ladder(conn, delivery.key)?;
    let step = delivery.step.saturating_sub(1).min(u32::try_from(steps.len()).unwrap_or(0).saturating_sub(1));
    Ok((step, steps.get(step as usize).map_or(Channel::Push, |step| step.channel)))
}

/// A delivery's steps; none where they cannot be read.
pub(crate) fn ladder(conn: &Connection, key: i64) -> Sql<Vec<Step>> {
    let json: String = conn
        .prepare_cached("SELECT ladder FROM deliveries WHERE delivery_key = ?1")?
        .query_row([key], |row| row.get(0))?;
    Ok(serde_json::from_str(&json).unwrap_or_default())
}

fn replay(txn: &mut Txn<'_>, which: &Replay, limit: u32, now: i64) -> Sql<(u32, bool)> {
    let mut found = Vec::new();
    match which {
        Replay::Ids(keys) => {
            for key in keys {
                let dead = delivery_rows::find(txn.conn, *key)?;
                found.extend(dead.filter(|one| one.state == DeliveryState::DeadLettered));
            }
        }
        Replay::Filter(filter) => {
            let all = matching(txn.conn, filter, 0, limit.saturating_add(1))?;
            found.extend(all.into_iter().map(|one| one.0));
        }
    }
    found.sort_unstable_by_key(|one| one.key);
    found.dedup_by_key(|one| one.key);
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    txn.own(&found.iter().map(|one| one.user_key).collect::<Vec<_>>(), Busy::Awaited)?;
    let mut replayed = 0;
    for before in found {
        let now_dead = delivery_rows::find(txn.conn, before.key)?;
        let Some(before) = now_dead.filter(|one| one.state == DeliveryState::DeadLettered) else {
            continue;
        };
        replayed += u32::from(replay_one(txn, &before, now)?);
    }
    Ok((replayed, more))
}

fn replay_one(txn: &mut Txn<'_>, before: &Delivery, now: i64) -> Sql<bool> {
    let Some(user) = delivery_rows::user_of(txn.conn, before)? else {
        return Ok(false);
    };
    if txn.user(&user)?.is_none() {
        return Ok(false);
    }
    let over = match cancellation::outcome(txn, &user, before)? {
        None => cancellation::over(txn.conn, before, now)?,
        some => some,
    };
    let mut after = before.clone();
    // What is left of the last time does not mix with what begins now.
    legs::drop_pending(txn, before.key, (LegState::Cancelled, "it was replayed"), now)?;
    after.open_legs = 0;
    after.dead = None;
    if let Some((state, reason)) = over {
        after.finish(state, reason, now);
        save(txn, before, &after)?;
        return Ok(false);
    }
    let steps = ladder(txn.conn, before.key)?;
    let first = steps.iter().position(|step| step.channel != Channel::Live).unwrap_or(0);
    after.generation += 1;
    after.step = first as u32;
    after.last_failed = false;
    after.suppressed = false;
    after.deferred = Deferred::No;
    after.reason = None;
    after.ended_at = None;
    after.wait_until(now);
    save(txn, before, &after)?;
    Ok(true)
}
