//! The fallback of one notification: opened, claimed, decided.
//!
//! A delivery's row is read, changed in memory and written back by [`save`], which also keeps the counts; so no rule
//! is written twice as SQL. What ends one because of its notification stands in `cancellation`.

use crate::cancellation::{self, end};
use crate::delivery_codes as codes;
use crate::error::Sql;
use crate::legs;
use crate::memory::lock;
use crate::settle::settle_user;
use crate::shared::{DueTimes, Shared};
use crate::state::{level_code, level_from};
use crate::txn::{Txn, meta};
use crate::users;
use crate::{
    AfterStep, ClaimedDelivery, Decision, Deferred, LegRef, NewDelivery, Store, StoreError, UnixMs, Verdict,
};
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::{AlertId, Channel, Level, Seq, UserId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// How many replaced notifications are looked at for a delivery to take over from.
const REPLACED_MAX: usize = 16;

/// A delivery's row, but for what never changes and only callers see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) key: i64,
    pub(crate) user_key: i64,
    pub(crate) seq: u64,
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
}

/// What [`read`] reads, of a table named `d`.
pub(crate) const COLUMNS: &str = "d.delivery_key, d.user_key, d.seq, d.alert_key, d.state, d.step, d.last_failed, \
     d.stop_at, d.wait_ms, d.until_level, d.due_at, d.claim_at, d.lease_token, d.deferred, d.suppressed, d.generation, \
     d.open_legs, d.reason, d.dead_step, d.dead_channel, d.ended_at";

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
    }

    /// Nobody is to claim it.
    fn unclaim(&mut self) {
        self.claim_at = None;
        self.token = None;
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
             generation = ?13, open_legs = ?14, reason = ?15, dead_step = ?16, dead_channel = ?17, ended_at = ?18 \
             WHERE delivery_key = ?1",
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
        ])?;
    count(txn, Some(before), Some(after));
    Ok(())
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
    if let Some(one) = after.filter(|one| one.is_active()) {
        tally.inactive_users.remove(&one.user_key);
        txn.state.active_users.insert(one.user_key);
    }
}

/// When something can be claimed, as this transaction leaves it.
pub(crate) fn due_times(conn: &Connection) -> Sql<DueTimes> {
    let first = "SELECT min(claim_at) FROM deliveries WHERE claim_at IS NOT NULL";
    let mut due = DueTimes {
        deliveries: conn.prepare_cached(first)?.query_row([], |row| row.get(0))?,
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
    counters.watched_to.store(meta(conn, "watched_to")?.unwrap_or(0), Ordering::Release);
    *lock(&counters.due) = due_times(conn)?;
    conn.prepare("SELECT DISTINCT user_key FROM deliveries WHERE ended_at IS NULL OR open_legs > 0")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// A token that no one else has.
pub(crate) fn new_token() -> i64 {
    (uuid::Uuid::new_v4().as_u128() as u64 >> 1) as i64
}

/// The end of a lease.
pub(crate) fn lease_end(now: i64, lease: Duration) -> i64 {
    now.saturating_add(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
}

impl Store {
    /// Opens deliveries in one transaction, and moves `watched_to` where given, never back. Each is looked at again
    /// there: nothing is opened for a notification that is gone, expired, read, at a level of at least `stop_at`, or
    /// that has a delivery already. Answers how many were opened.
    pub async fn open_deliveries(
        &self,
        new: Vec<NewDelivery>,
        watched_to: Option<i64>,
        now: UnixMs,
    ) -> Result<u32, StoreError> {
        let users = new.iter().map(|one| one.user.clone()).collect();
        self.inner.writer.write_after_receipts(users, move |txn| open(txn, &new, watched_to, now.0)).await
    }

    /// Takes deliveries that are due, oldest first; of the last user all that are due, even above the limit. When this
    /// returns the claim is on disk.
    pub async fn claim_deliveries(
        &self,
        now: UnixMs,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<ClaimedDelivery>, StoreError> {
        if !self.inner.shared.due().deliveries.is_some_and(|at| at <= now.0) {
            return Ok(Vec::new());
        }
        let claim = move |txn: &mut Txn<'_>| claim(txn, now.0, limit, lease_end(now.0, lease));
        self.inner.writer.write_after_receipts(Vec::new(), claim).await
    }

    /// What the dispatcher decided, all in one transaction. `None` per decision: a token is not the caller's any more,
    /// or one of its deliveries has ended meanwhile; nothing is to be sent, and what is left of it is due at once.
    /// A `Begin` is answered with its legs in order, without those that are final.
    pub async fn decide(
        &self,
        decisions: Vec<Decision>,
        now: UnixMs,
        lease: Duration,
    ) -> Result<Vec<Option<Vec<LegRef>>>, StoreError> {
        let decide = move |txn: &mut Txn<'_>| {
            cancellation::end_what_is_satisfied(txn)?;
            let leased_until = lease_end(now.0, lease);
            decisions.iter().map(|one| decide(txn, one, now.0, leased_until)).collect()
        };
        self.inner.writer.write_after_receipts(Vec::new(), decide).await
    }

    /// The earliest moment at which a delivery or a leg can be claimed, ends of leases included.
    #[expect(clippy::unused_async, reason = "an engine with a server has to ask it")]
    pub async fn next_due(&self) -> Result<Option<UnixMs>, StoreError> {
        self.next_due_without_sync(&[])
    }

    /// Like [`Store::next_due`], without legs of these providers.
    #[expect(clippy::unused_async, reason = "an engine with a server has to ask it")]
    pub async fn next_due_without(
        &self,
        without: &[belfry_protocol::Provider],
    ) -> Result<Option<UnixMs>, StoreError> {
        self.next_due_without_sync(without)
    }

    fn next_due_without_sync(
        &self,
        without: &[belfry_protocol::Provider],
    ) -> Result<Option<UnixMs>, StoreError> {
        if self.inner.shared.counters.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        Ok(self.inner.shared.due().without(without).map(UnixMs))
    }
}

fn open(txn: &mut Txn<'_>, new: &[NewDelivery], watched_to: Option<i64>, now: i64) -> Sql<u32> {
    txn.at(now);
    let mut opened = 0;
    for one in new {
        opened += u32::from(open_one(txn, one, now)?);
    }
    if let Some(to) = watched_to {
        crate::watch::move_to(txn, to)?;
    }
    Ok(opened)
}

fn open_one(txn: &mut Txn<'_>, new: &NewDelivery, now: i64) -> Sql<bool> {
    if txn.user(&new.user)?.is_none() {
        return Ok(false);
    }
    // From here on its notification stands in its place until it is deleted together with the delivery.
    settle_user(txn, &new.user)?;
    let user_key = txn.held(&new.user).core.key;
    let mut delivery = Delivery {
        key: 0,
        user_key,
        seq: new.seq.0,
        alert_key: new.id.key(),
        state: DeliveryState::Waiting,
        step: new.step,
        last_failed: new.last_failed,
        stop_at: new.stop_at,
        after: AfterStep::default(),
        due_at: new.due_at.0,
        claim_at: None,
        token: None,
        deferred: Deferred::No,
        suppressed: false,
        generation: 0,
        open_legs: 0,
        reason: None,
        dead: None,
        ended_at: None,
    };
    let needless = cancellation::outcome(txn, &new.user, &delivery)?.is_some()
        || cancellation::over(txn.conn, &delivery, now)?.is_some();
    if needless || find_of(txn.conn, delivery.alert_key, user_key)?.is_some() {
        return Ok(false);
    }
    let inherited = inherited(txn.conn, &delivery)?;
    if let Some((due_at, _)) = &inherited {
        delivery.due_at = delivery.due_at.min(*due_at);
    }
    delivery.wait_until(delivery.due_at);
    txn.conn
        .prepare_cached(
            "INSERT INTO deliveries (user_key, seq, alert_key, state, step, last_failed, stop_at, ladder, due_at, \
             claim_at, inherited_tag, opened_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            user_key,
            delivery.seq as i64,
            delivery.alert_key,
            codes::delivery_code(delivery.state),
            delivery.step,
            delivery.last_failed,
            level_code(delivery.stop_at),
            &*new.ladder,
            delivery.due_at,
            delivery.claim_at,
            inherited.and_then(|(_, tag)| tag),
            now
        ])?;
    count(txn, None, Some(&delivery));
    Ok(true)
}

/// What a notification takes over from the one that it replaced: when that one was due, and the tag of its push.
fn inherited(conn: &Connection, delivery: &Delivery) -> Sql<Option<(i64, Option<String>)>> {
    let mut seq = delivery.seq;
    for _ in 0..REPLACED_MAX {
        // The one that was replaced left with the number of the one that replaced it.
        let replaced: Option<(i64, i64)> = conn
            .prepare_cached(
                "SELECT seq, alert_key FROM notifications INDEXED BY notifications_changed \
                 WHERE user_key = ?1 AND version = ?2 AND version > seq AND gone = 3",
            )?
            .query_row([delivery.user_key, seq as i64], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((replaced_seq, alert_key)) = replaced else {
            return Ok(None);
        };
        if let Some(old) = find_of(conn, alert_key, delivery.user_key)? {
            let handed_on: Option<String> = conn
                .prepare_cached("SELECT inherited_tag FROM deliveries WHERE delivery_key = ?1")?
                .query_row([old.key], |row| row.get(0))?;
            let tag = legs::pushed_tag(conn, old.key)?.or(handed_on);
            return Ok(Some((old.due_at, tag)));
        }
        seq = replaced_seq as u64;
    }
    Ok(None)
}

fn claim(txn: &mut Txn<'_>, now: i64, limit: u32, leased_until: i64) -> Sql<Vec<ClaimedDelivery>> {
    cancellation::end_what_is_satisfied(txn)?;
    let mut due: Vec<Delivery> = txn
        .conn
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM deliveries d WHERE d.claim_at IS NOT NULL AND d.claim_at <= ?1 \
             ORDER BY d.claim_at, d.user_key LIMIT ?2"
        ))?
        .query_map(params![now, limit], read)?
        .collect::<Sql<_>>()?;
    if due.len() == limit as usize
        && let Some(last) = due.last().map(|one| one.user_key)
    {
        let rest: Vec<Delivery> = txn
            .conn
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM deliveries d WHERE d.user_key = ?1 \
                 AND (d.ended_at IS NULL OR d.open_legs > 0) AND d.claim_at <= ?2 ORDER BY d.claim_at, d.seq"
            ))?
            .query_map([last, now], read)?
            .collect::<Sql<_>>()?;
        due.retain(|one| one.user_key != last);
        due.extend(rest);
    }
    let mut claimed = Vec::with_capacity(due.len());
    for before in due {
        let mut after = before.clone();
        after.token = Some(new_token());
        after.claim_at = Some(leased_until);
        if let Some(one) = to_caller(txn, &after)? {
            save(txn, &before, &after)?;
            claimed.push(one);
        } else {
            end(txn, &before, DeliveryState::Recalled, "its alert is gone", now)?;
        }
    }
    Ok(claimed)
}

/// A delivery as the dispatcher sees it. `None`: its alert or its user is gone.
pub(crate) fn to_caller(txn: &mut Txn<'_>, delivery: &Delivery) -> Sql<Option<ClaimedDelivery>> {
    let Some((id, content)) = crate::alerts::content(txn.conn, delivery.alert_key)? else {
        return Ok(None);
    };
    let Some(user) = users::id_of(txn.conn, delivery.user_key)? else {
        return Ok(None);
    };
    let Some(core) = txn.core(&user)? else {
        return Ok(None);
    };
    let unread = core.unread + core.unread_all(&txn.all());
    let row = txn
        .conn
        .prepare_cached("SELECT ladder, opened_at, inherited_tag FROM deliveries WHERE delivery_key = ?1")?
        .query_row([delivery.key], |row| Ok((row.get::<_, Box<str>>(0)?, row.get(1)?, row.get(2)?)))?;
    let (ladder, opened_at, inherited_tag) = row;
    Ok(Some(ClaimedDelivery {
        key: delivery.key,
        token: delivery.token.unwrap_or(0),
        user,
        seq: Seq(delivery.seq),
        id,
        step: delivery.step,
        last_failed: delivery.last_failed,
        stop_at: delivery.stop_at,
        deferred: delivery.deferred,
        ladder,
        opened_at: UnixMs(opened_at),
        due_at: UnixMs(delivery.due_at),
        generation: delivery.generation,
        content,
        suppressed: delivery.suppressed,
        inherited_tag,
        unread,
    }))
}

/// The deliveries of a decision that are the caller's, and whether all of them are.
fn held_by_caller(txn: &mut Txn<'_>, decision: &Decision, now: i64) -> Sql<(Vec<Delivery>, bool)> {
    let named = std::iter::once((decision.key, decision.token));
    let named = named.chain(decision.with.iter().map(|member| (member.key, member.token)));
    let mut held = Vec::with_capacity(1 + decision.with.len());
    let mut all = true;
    for (key, token) in named {
        let found = find(txn.conn, key)?;
        match found.filter(|one| one.state == DeliveryState::Waiting && one.token == Some(token)) {
            Some(one) if !matches!(decision.verdict, Verdict::Begin { .. }) => held.push(one),
            Some(one) => match cancellation::over(txn.conn, &one, now)? {
                None => held.push(one),
                // No sweep and no chunk of a recall has come by yet.
                Some((state, reason)) => {
                    end(txn, &one, state, reason, now)?;
                    all = false;
                }
            },
            None => all = false,
        }
    }
    Ok((held, all))
}

fn decide(txn: &mut Txn<'_>, decision: &Decision, now: i64, leased_until: i64) -> Sql<Option<Vec<LegRef>>> {
    txn.at(now);
    let (held, all) = held_by_caller(txn, decision, now)?;
    if !all {
        for before in &held {
            let mut after = before.clone();
            after.release();
            save(txn, before, &after)?;
        }
        return Ok(None);
    }
    let mut refs = Vec::new();
    for note in decision.notes.iter().filter(|note| note.state != LegState::Pending) {
        legs::insert_note(txn, decision.key, note, now)?;
    }
    let suppressed = decision.notes.iter().any(|note| note.state == LegState::Suppressed);
    let mut changed = held.clone();
    changed[0].suppressed |= suppressed;
    match &decision.verdict {
        Verdict::Begin { step, legs, after } => {
            changed[0].step = *step;
            changed[0].after = *after;
            for (one, member) in changed[1..].iter_mut().zip(&decision.with) {
                one.step = member.step;
                one.after = member.after;
            }
            refs = legs::begin(txn, &changed, legs, (now, leased_until))?;
            for one in &mut changed {
                one.open_legs += refs.len() as u32;
                one.deferred = Deferred::No;
                one.reason = None;
                one.state = DeliveryState::Sending;
                one.unclaim();
                if refs.is_empty() {
                    one.failed(now);
                }
            }
        }
        Verdict::Defer { step, last_failed, due_at, deferred, reason } => {
            for one in &mut changed {
                let due_at = match deferred {
                    Deferred::Digest => {
                        open_digest(txn.conn, one, now)?.map_or(due_at.0, |at| at.min(due_at.0))
                    }
                    Deferred::No | Deferred::QuietHours => due_at.0,
                };
                one.step = *step;
                one.last_failed = *last_failed;
                one.deferred = *deferred;
                one.reason = (!reason.is_empty()).then(|| reason.clone());
                one.wait_until(due_at);
            }
        }
        Verdict::End { state, reason } => {
            for (before, after) in held.iter().zip(&changed) {
                save(txn, before, after)?;
                end_by_verdict(txn, after, *state, reason, now)?;
            }
            return Ok(Some(refs));
        }
    }
    for (before, after) in held.iter().zip(&changed) {
        save(txn, before, after)?;
    }
    Ok(Some(refs))
}

/// When the digest goes out that is being gathered for this person and category: the first one opens the window.
fn open_digest(conn: &Connection, delivery: &Delivery, now: i64) -> Sql<Option<i64>> {
    conn.prepare_cached(
        "SELECT min(d.due_at) FROM deliveries d JOIN alerts a ON a.alert_key = d.alert_key \
         WHERE d.user_key = ?1 AND (d.ended_at IS NULL OR d.open_legs > 0) AND d.deferred = 2 AND d.state = 0 \
         AND d.due_at > ?2 AND d.delivery_key <> ?3 \
         AND a.category = (SELECT category FROM alerts WHERE alert_key = ?4)",
    )?
    .query_row(params![delivery.user_key, now, delivery.key, delivery.alert_key], |row| row.get(0))
}

/// The ladder has come to its end. Legs that are still to be sent go on, unless their time is over.
fn end_by_verdict(
    txn: &mut Txn<'_>,
    before: &Delivery,
    state: DeliveryState,
    reason: &str,
    now: i64,
) -> Sql<()> {
    if matches!(state, DeliveryState::Expired | DeliveryState::Recalled | DeliveryState::Confirmed) {
        return end(txn, before, state, reason, now);
    }
    let mut after = before.clone();
    // A verdict that ends nothing is a fault of the caller: somebody has to look at it.
    let state = if codes::is_end(state) { state } else { DeliveryState::DeadLettered };
    after.finish(state, reason, now);
    if state == DeliveryState::DeadLettered {
        let last = legs::last_of(txn.conn, before.key)?;
        after.dead = last.as_ref().map(|leg| (leg.step, leg.channel)).or(after.dead);
        if after.reason.is_none() {
            after.reason = last.and_then(|leg| leg.reason);
        }
    }
    save(txn, before, &after)
}

/// A user's settings have changed: what waits for the end of quiet hours is due, and whoever is just deciding about a
/// delivery with the old settings has to look again.
pub(crate) fn settings_changed(txn: &mut Txn<'_>, user_key: i64, now: i64) -> Sql<()> {
    if !txn.state.active_users.contains(&user_key) {
        return Ok(());
    }
    for before in active_of(txn.conn, user_key)? {
        let mut after = before.clone();
        if before.state == DeliveryState::Waiting && before.deferred == Deferred::QuietHours {
            after.wait_until(now);
        } else if before.state == DeliveryState::Waiting && before.token.is_some() {
            after.release();
        }
        save(txn, &before, &after)?;
    }
    Ok(())
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

/// Forgets the delivery of an alert for one user.
pub(crate) fn forget_of(txn: &mut Txn<'_>, alert_key: i64, user_key: i64) -> Sql<()> {
    match find_of(txn.conn, alert_key, user_key)? {
        Some(delivery) => forget(txn, &delivery),
        None => Ok(()),
    }
}

/// Forgets the deliveries of an alert.
pub(crate) fn forget_alert(txn: &mut Txn<'_>, alert_key: i64) -> Sql<()> {
    let all: Vec<Delivery> = txn
        .conn
        .prepare_cached(&format!("SELECT {COLUMNS} FROM deliveries d WHERE d.alert_key = ?1"))?
        .query_map([alert_key], read)?
        .collect::<Sql<_>>()?;
    all.iter().try_for_each(|delivery| forget(txn, delivery))
}

/// Forgets a user's deliveries; their notifications are still there.
pub(crate) fn forget_user(txn: &mut Txn<'_>, user_key: i64) -> Sql<()> {
    let all: Vec<Delivery> = txn
        .conn
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM notifications n CROSS JOIN deliveries d \
             ON d.alert_key = n.alert_key AND d.user_key = n.user_key WHERE n.user_key = ?1"
        ))?
        .query_map([user_key], read)?
        .collect::<Sql<_>>()?;
    all.iter().try_for_each(|delivery| forget(txn, delivery))
}

fn forget(txn: &mut Txn<'_>, delivery: &Delivery) -> Sql<()> {
    let now = txn.now();
    legs::drop_pending(txn, delivery.key, (LegState::Cancelled, "its alert is gone"), now)?;
    legs::forget(txn, delivery.key)?;
    txn.conn.prepare_cached("DELETE FROM deliveries WHERE delivery_key = ?1")?.execute([delivery.key])?;
    count(txn, Some(delivery), None);
    Ok(())
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
