//! A delivery's row. It is read, changed in memory and written back by [`save`], which also keeps the counts; so no rule
//! is written twice as SQL.

use crate::delivery_codes as codes;
use crate::memory::lock;
use crate::shared::{DueTimes, Shared};
use crate::sql::{Connection, OptionalExtension, Row, Sql, params};
use crate::state::{level_code, level_from};
use crate::txn::{Busy, Txn, meta};
use crate::users;
use crate::{AfterStep, Deferred};
use belfry_protocol::delivery::DeliveryState;
use belfry_protocol::{AlertId, Channel, Level, UserId};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A delivery's row, but for what never changes and only callers see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) key: i64,
    pub(crate) user_key: i64,
    pub(crate) seq: u64,
    /// `seq` is a number of `all`.
    pub(crate) of_all: bool,
    pub(crate) alert_key: i64,
    pub(crate) state: DeliveryState,
    pub(crate) step: u32,
    pub(crate) last_failed: bool,
    pub(crate) stop_at: Level,
    pub(crate) after: AfterStep,
    pub(crate) due_at: i64,
    /// When it is due or its lease ends.
    pub(crate) claim_at: Option<i64>,
    pub(crate) token: Option<i64>,
    pub(crate) deferred: Deferred,
    pub(crate) suppressed: bool,
    pub(crate) generation: u32,
    pub(crate) open_legs: u32,
    pub(crate) reason: Option<String>,
    /// Of a dead letter: the step that failed last, and its channel.
    pub(crate) dead: Option<(u32, Channel)>,
    pub(crate) ended_at: Option<i64>,
    /// Leases that ran out since it was last decided about.
    pub(crate) lapsed: u32,
}

/// What [`read`] reads, of a table named `d`.
pub(crate) const COLUMNS: &str = "d.delivery_key, d.user_key, d.seq, d.alert_key, d.state, d.step, d.last_failed, \
     d.stop_at, d.wait_ms, d.until_level, d.due_at, d.claim_at, d.lease_token, d.deferred, d.suppressed, d.generation, \
     d.open_legs, d.reason, d.dead_step, d.dead_channel, d.ended_at, d.of_all, \
     d.lapsed";

/// Reads [`COLUMNS`].
pub(crate) fn read(row: &Row<'_>) -> Sql<Delivery> {
    let until: Option<u8> = row.get(9)?;
    let dead_channel: Option<u8> = row.get(19)?;
    Ok(Delivery {
        key: row.get(0)?,
        user_key: row.get(1)?,
        seq: row.get::<_, i64>(2)? as u64,
        alert_key: row.get(3)?,
        state: codes::delivery_state(row.get(4)?),
        step: row.get(5)?,
        last_failed: row.get(6)?,
        stop_at: level_from(row.get(7)?).unwrap_or(Level::Received),
        after: AfterStep {
            wait_ms: row.get::<_, Option<i64>>(8)?.map(|wait| wait as u64),
            until: until.and_then(level_from),
        },
        due_at: row.get(10)?,
        claim_at: row.get(11)?,
        token: row.get(12)?,
        deferred: codes::deferred(row.get(13)?),
        suppressed: row.get(14)?,
        generation: row.get(15)?,
        open_legs: row.get(16)?,
        reason: row.get(17)?,
        dead: row.get::<_, Option<u32>>(18)?.zip(dead_channel.map(codes::channel)),
        ended_at: row.get(20)?,
        of_all: row.get(21)?,
        lapsed: row.get(22)?,
    })
}

impl Delivery {
    /// Something is still to be decided or sent.
    pub(crate) fn is_active(&self) -> bool {
        self.ended_at.is_none() || self.open_legs > 0
    }

    /// Nobody has it, and it can be claimed from then on.
    pub(crate) fn wait_until(&mut self, due_at: i64) {
        self.state = DeliveryState::Waiting;
        self.due_at = due_at;
        self.release();
    }

    /// Whoever had it has it no longer.
    pub(crate) fn release(&mut self) {
        self.claim_at = Some(self.due_at);
        self.token = None;
        self.lapsed = 0;
    }

    /// Nobody is to claim it.
    pub(crate) fn unclaim(&mut self) {
        self.claim_at = None;
        self.token = None;
        self.lapsed = 0;
    }

    /// It has reached its end.
    pub(crate) fn finish(&mut self, state: DeliveryState, reason: &str, now: i64) {
        self.state = state;
        self.reason = (!reason.is_empty()).then(|| reason.to_owned());
        self.deferred = Deferred::No;
        self.ended_at = Some(now);
        self.unclaim();
    }

    /// A leg of its step was accepted, the first one.
    pub(crate) fn sent(&mut self, now: i64) {
        self.last_failed = false;
        match self.after.wait_ms {
            Some(wait) => {
                self.stop_at = self.after.until.unwrap_or(self.stop_at);
                self.step += 1;
                self.wait_until(now.saturating_add(i64::try_from(wait).unwrap_or(i64::MAX)));
            }
            None => self.finish(DeliveryState::Sent, "", now),
        }
    }

    /// Its step has come to nothing: the next one is due.
    pub(crate) fn failed(&mut self, now: i64) {
        self.last_failed = true;
        self.step += 1;
        self.wait_until(now);
    }
}

/// A delivery, by key.
pub(crate) fn find(conn: &Connection, key: i64) -> Sql<Option<Delivery>> {
    conn.prepare_cached(&format!("SELECT {COLUMNS} FROM deliveries d WHERE d.delivery_key = ?1"))?
        .query_row([key], read)
        .optional()
}

/// Makes everything of the users of these deliveries this transaction's own.
pub(crate) fn own(txn: &mut Txn<'_>, delivery_keys: &[i64]) -> Sql<()> {
    own_by(txn, "SELECT DISTINCT user_key FROM deliveries WHERE delivery_key = ANY(?1)", delivery_keys)
}

/// The same for the users of legs.
pub(crate) fn own_of_legs(txn: &mut Txn<'_>, leg_keys: &[i64]) -> Sql<()> {
    let sql = "SELECT DISTINCT d.user_key FROM legs l JOIN deliveries d ON d.delivery_key = l.delivery_key \
         WHERE l.leg_key = ANY(?1)";
    own_by(txn, sql, leg_keys)
}

/// Whose each of these legs is.
pub(crate) fn owners_of_legs(conn: &Connection, leg_keys: Vec<i64>) -> Sql<HashMap<i64, i64>> {
    let sql = "SELECT l.leg_key, d.user_key FROM legs l JOIN deliveries d ON d.delivery_key = l.delivery_key \
         WHERE l.leg_key = ANY(?1)";
    let owners = conn.prepare_cached(sql)?.query_listed([leg_keys], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(owners.into_iter().collect())
}

fn own_by(txn: &mut Txn<'_>, owners: &str, keys: &[i64]) -> Sql<()> {
    if !txn.conn.is_shared() || keys.is_empty() {
        return Ok(());
    }
    let users: Vec<i64> = txn.conn.prepare_cached(owners)?.query_listed([keys.to_vec()], |row| row.get(0))?;
    txn.own(&users, Busy::Awaited).map(drop)
}

/// Of these users those with active deliveries, where several nodes open them.
pub(crate) fn active_among(conn: &Connection, user_keys: Vec<i64>) -> Sql<HashSet<i64>> {
    let sql = "SELECT DISTINCT user_key FROM deliveries \
         WHERE user_key = ANY(?1) AND (ended_at IS NULL OR open_legs > 0)";
    Ok(conn.prepare_cached(sql)?.query_listed([user_keys], |row| row.get(0))?.into_iter().collect())
}

/// The delivery of an alert for one user.
pub(crate) fn find_of(conn: &Connection, alert_key: i64, user_key: i64) -> Sql<Option<Delivery>> {
    conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM deliveries d WHERE d.alert_key = ?1 AND d.user_key = ?2"
    ))?
    .query_row([alert_key, user_key], read)
    .optional()
}

/// Writes what has changed.
pub(crate) fn save(txn: &mut Txn<'_>, before: &Delivery, after: &Delivery) -> Sql<()> {
    if before == after {
        return Ok(());
    }
    txn.conn
        .prepare_cached(
            "UPDATE deliveries SET state = ?2, step = ?3, last_failed = ?4, stop_at = ?5, wait_ms = ?6, \
             until_level = ?7, due_at = ?8, claim_at = ?9, lease_token = ?10, deferred = ?11, suppressed = ?12, \
             generation = ?13, open_legs = ?14, reason = ?15, dead_step = ?16, dead_channel = ?17, ended_at = ?18, \
             lapsed = ?19 WHERE delivery_key = ?1",
        )?
        .execute(params![
            after.key,
            codes::delivery_code(after.state),
            after.step,
            after.last_failed,
            level_code(after.stop_at),
            after.after.wait_ms.map(|wait| i64::try_from(wait).unwrap_or(i64::MAX)),
            after.after.until.map(level_code),
            after.due_at,
            after.claim_at,
            after.token,
            codes::deferred_code(after.deferred),
            after.suppressed,
            after.generation,
            after.open_legs,
            after.reason,
            after.dead.map(|dead| dead.0),
            after.dead.map(|dead| codes::channel_code(dead.1)),
            after.ended_at,
            after.lapsed,
        ])?;
    count(txn, Some(before), Some(after));
    crate::webhook_events::delivery_saved(txn, before, after)
}

/// Keeps the counts of a delivery that was changed, made or deleted.
pub(crate) fn count(txn: &mut Txn<'_>, before: Option<&Delivery>, after: Option<&Delivery>) {
    let difference =
        |is: fn(&Delivery) -> bool| i64::from(after.is_some_and(is)) - i64::from(before.is_some_and(is));
    let tally = &mut txn.effects.deliveries;
    tally.touched = true;
    tally.active += difference(Delivery::is_active);
    tally.held += difference(|one| one.state == DeliveryState::Held);
    tally.dead_letters += difference(|one| one.state == DeliveryState::DeadLettered);
    if let Some(ended) = after.filter(|one| one.ended_at.is_some())
        && before.is_none_or(|one| one.ended_at.is_none())
    {
        tally.ended[usize::from(codes::delivery_code(ended.state))] += 1;
    }
    if let Some(one) = after.filter(|one| one.is_active()) {
        tally.inactive_users.remove(&one.user_key);
        if !txn.conn.is_shared() {
            txn.state.active_users.insert(one.user_key);
        }
    }
}

/// When something can be claimed, as this transaction leaves it.
pub(crate) fn due_times(conn: &Connection) -> Sql<DueTimes> {
    let first = "SELECT min(claim_at) FROM deliveries WHERE claim_at IS NOT NULL";
    let mut due = DueTimes {
        deliveries: conn.prepare_cached(first)?.query_row([], |row| row.get(0))?,
        ladders: crate::ladder_fanouts::first_due(conn)?,
        ..DueTimes::default()
    };
    let first = "SELECT min(claim_at) FROM legs WHERE provider = ?1 AND claim_at IS NOT NULL";
    for (code, at) in due.legs.iter_mut().enumerate() {
        *at = conn.prepare_cached(first)?.query_row([code as i64], |row| row.get(0))?;
    }
    Ok(due)
}

/// At the start: the counts, and the users with active deliveries.
pub(crate) fn load(conn: &Connection, shared: &Shared) -> Sql<HashSet<i64>> {
    let count = |counter: &AtomicI64, what: &str| -> Sql<()> {
        let number = conn.query_row(&format!("SELECT count(*) FROM {what}"), [], |row| row.get(0))?;
        counter.store(number, Ordering::Relaxed);
        Ok(())
    };
    let counters = &shared.counters;
    count(&counters.deliveries, "deliveries WHERE ended_at IS NULL OR open_legs > 0")?;
    count(&counters.held, "deliveries WHERE state = 2")?;
    count(&counters.dead_letters, "deliveries WHERE state = 8")?;
    count(&counters.legs, "legs WHERE claim_at IS NOT NULL")?;
    counters.ladders.store(crate::ladder_fanouts::unfinished(conn)?, Ordering::Relaxed);
    counters.watched_to.store(meta(conn, "watched_to")?.unwrap_or(0), Ordering::Release);
    *lock(&counters.due) = due_times(conn)?;
    if conn.is_shared() {
        // Others open them as well: who has any is asked when it matters.
        return Ok(HashSet::new());
    }
    conn.prepare_cached("SELECT DISTINCT user_key FROM deliveries WHERE ended_at IS NULL OR open_legs > 0")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// Leases of one thing that may run out one after the other: whoever takes it is struck down by it.
pub(crate) const LAPSES_MAX: u32 = 5;
/// Why it is given up then.
pub(crate) const LAPSED: &str = "lease-ran-out";

/// A token that no one else has.
pub(crate) fn new_token() -> i64 {
    (uuid::Uuid::new_v4().as_u128() as u64 >> 1) as i64
}

/// The end of a lease.
pub(crate) fn lease_end(now: i64, lease: Duration) -> i64 {
    now.saturating_add(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
}

/// A user's deliveries of which something is left to be decided or sent.
pub(crate) fn active_of(conn: &Connection, user_key: i64) -> Sql<Vec<Delivery>> {
    conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM deliveries d WHERE d.user_key = ?1 AND (d.ended_at IS NULL OR d.open_legs > 0) \
         ORDER BY d.delivery_key"
    ))?
    .query_map([user_key], read)?
    .collect()
}

/// The full id of a delivery's alert.
pub(crate) fn alert_id(conn: &Connection, key: i64) -> Sql<Option<AlertId>> {
    conn.prepare_cached(
        "SELECT a.alert_key, a.id_tail FROM deliveries d JOIN alerts a ON a.alert_key = d.alert_key \
         WHERE d.delivery_key = ?1",
    )?
    .query_row([key], |row| crate::alerts::id_at(row, 0))
    .optional()
}

/// The user of a delivery.
pub(crate) fn user_of(conn: &Connection, delivery: &Delivery) -> Sql<Option<UserId>> {
    users::id_of(conn, delivery.user_key)
}
