//! The fallback of one notification: opened, claimed, forgotten. What is decided about it stands in `decisions`, and
//! what ends one because of its notification in `cancellation`.

use crate::cancellation::{self, end};
use crate::delivery_codes as codes;
use crate::delivery_rows::{
    self, COLUMNS, Delivery, LAPSED, LAPSES_MAX, active_of, count, find_of, lease_end, new_token, read, save,
};
use crate::legs;
use crate::settle::settle_user;
use crate::sql::{Connection, OptionalExtension, Sql, params};
use crate::state::level_code;
use crate::txn::{Busy, Txn};
use crate::users;
use crate::{AfterStep, ClaimedDelivery, Deferred, NewDelivery, Store, StoreError, UnixMs};
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::{Provider, Seq};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How many replaced notifications are looked at for a delivery to take over from.
const REPLACED_MAX: usize = 16;

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
        let now = self.inner.shared.by_common_clock(now);
        if self.inner.shared.due().deliveries.is_none_or(|at| at > now.0) {
            return Ok(Vec::new());
        }
        let claim = move |txn: &mut Txn<'_>| claim(txn, now.0, limit, lease_end(now.0, lease));
        self.inner.writer.write_after_receipts(Vec::new(), claim).await
    }

    /// The earliest moment at which a delivery or a leg can be claimed, ends of leases included.
    pub async fn next_due(&self) -> Result<Option<UnixMs>, StoreError> {
        self.next_due_without(&[]).await
    }

    /// Like [`Store::next_due`], without legs of these providers.
    #[expect(clippy::unused_async, reason = "an engine that several nodes share has to be asked")]
    pub async fn next_due_without(&self, without: &[Provider]) -> Result<Option<UnixMs>, StoreError> {
        if self.inner.shared.counters.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        Ok(self.inner.shared.due().without(without).map(UnixMs))
    }
}

fn open(txn: &mut Txn<'_>, new: &[NewDelivery], watched_to: Option<i64>, now: i64) -> Sql<u32> {
    txn.at(now);
    txn.lock_users(new.iter().map(|one| &one.user))?;
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
    let delivery = delivery_of(new, (user_key, false));
    match cancellation::outcome(txn, &new.user, &delivery)? {
        None => insert(txn, new, delivery, now),
        Some(_) => Ok(false),
    }
}

/// Opens the delivery of an alert for everyone. Its person is only looked at: a walk past everybody leaves memory to
/// those who are there.
pub(crate) fn open_of_all(txn: &mut Txn<'_>, new: &NewDelivery, now: i64) -> Sql<bool> {
    let Some(core) = txn.core(&new.user)?.filter(|core| core.all_from < new.seq.0) else {
        return Ok(false);
    };
    let delivery = delivery_of(new, (core.key, true));
    match cancellation::outcome_for(txn, (&new.user, &core), &delivery)? {
        None => insert(txn, new, delivery, now),
        Some(_) => Ok(false),
    }
}

fn delivery_of(new: &NewDelivery, (user_key, of_all): (i64, bool)) -> Delivery {
    Delivery {
        key: 0,
        user_key,
        seq: new.seq.0,
        of_all,
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
        lapsed: 0,
    }
}

/// Writes it, unless its alert is over or it has one.
fn insert(txn: &mut Txn<'_>, new: &NewDelivery, mut delivery: Delivery, now: i64) -> Sql<bool> {
    let needless = cancellation::over(txn.conn, &delivery, now)?.is_some();
    if needless || find_of(txn.conn, delivery.alert_key, delivery.user_key)?.is_some() {
        return Ok(false);
    }
    let inherited = inherited(txn.conn, &delivery)?;
    if let Some((due_at, _)) = &inherited {
        delivery.due_at = delivery.due_at.min(*due_at);
    }
    delivery.wait_until(delivery.due_at);
    txn.conn
        .prepare_cached(
            "INSERT INTO deliveries (user_key, seq, of_all, alert_key, state, step, last_failed, stop_at, ladder, \
             due_at, claim_at, inherited_tag, opened_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            delivery.user_key,
            delivery.seq as i64,
            delivery.of_all,
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
        let replaced = match delivery.of_all {
            true => replaced_of_all(conn, seq)?,
            false => replaced(conn, delivery.user_key, seq)?,
        };
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

/// The notification that left with the number of the one that replaced it.
fn replaced(conn: &Connection, user_key: i64, seq: u64) -> Sql<Option<(i64, i64)>> {
    conn.prepare_cached(
        "SELECT seq, alert_key FROM notifications INDEXED BY notifications_changed \
         WHERE user_key = ?1 AND version = ?2 AND version > seq AND gone = 3",
    )?
    .query_row([user_key, seq as i64], |row| Ok((row.get(0)?, row.get(1)?)))
    .optional()
}

/// The same for an alert for everyone.
fn replaced_of_all(conn: &Connection, all_seq: u64) -> Sql<Option<(i64, i64)>> {
    conn.prepare_cached(
        "SELECT all_seq, alert_key FROM announcements WHERE version = ?1 AND version > all_seq AND gone = 3",
    )?
    .query_row([all_seq as i64], |row| Ok((row.get(0)?, row.get(1)?)))
    .optional()
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
    let due = own_free(txn, due, now)?;
    let mut claimed = Vec::with_capacity(due.len());
    for before in due {
        let mut after = before.clone();
        after.lapsed += u32::from(before.token.is_some());
        if after.lapsed >= LAPSES_MAX {
            let steps = crate::dead_letters::ladder(txn.conn, before.key)?;
            after.dead = steps.get(before.step as usize).map(|step| (before.step, step.channel));
            after.finish(DeliveryState::DeadLettered, LAPSED, now);
            save(txn, &before, &after)?;
            continue;
        }
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

/// Where several nodes claim: leaves out what belongs to users that another transaction has, and what was taken before
/// this one had its user.
fn own_free(txn: &mut Txn<'_>, due: Vec<Delivery>, now: i64) -> Sql<Vec<Delivery>> {
    if !txn.conn.is_shared() {
        return Ok(due);
    }
    let users: Vec<i64> = due.iter().map(|one| one.user_key).collect();
    let owned = txn.own(&users, Busy::Skipped)?;
    let mut free = Vec::with_capacity(due.len());
    for one in due.iter().filter(|one| owned.contains(&one.user_key)) {
        let found = delivery_rows::find(txn.conn, one.key)?;
        free.extend(found.filter(|one| one.claim_at.is_some_and(|at| at <= now)));
    }
    Ok(free)
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

/// A user's settings have changed: what waits for the end of quiet hours is due, and whoever is just deciding about a
/// delivery with the old settings has to look again.
pub(crate) fn settings_changed(txn: &mut Txn<'_>, user_key: i64, now: i64) -> Sql<()> {
    if !txn.conn.is_shared() && !txn.state.active_users.contains(&user_key) {
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

/// Forgets the delivery of an alert for one user.
pub(crate) fn forget_of(txn: &mut Txn<'_>, alert_key: i64, user_key: i64) -> Sql<()> {
    match find_of(txn.conn, alert_key, user_key)? {
        Some(delivery) => forget(txn, &delivery),
        None => Ok(()),
    }
}

/// Forgets the deliveries of an alert.
pub(crate) fn forget_alert(txn: &mut Txn<'_>, alert_key: i64) -> Sql<()> {
    forget_some(txn, alert_key, u32::MAX).map(drop)
}

/// Forgets deliveries of an alert, at most so many. Answers how many.
pub(crate) fn forget_some(txn: &mut Txn<'_>, alert_key: i64, limit: u32) -> Sql<u32> {
    let some: Vec<Delivery> = txn
        .conn
        .prepare_cached(&format!("SELECT {COLUMNS} FROM deliveries d WHERE d.alert_key = ?1 LIMIT ?2"))?
        .query_map(params![alert_key, limit], read)?
        .collect::<Sql<_>>()?;
    txn.own(&some.iter().map(|one| one.user_key).collect::<Vec<_>>(), Busy::Awaited)?;
    some.iter().try_for_each(|delivery| forget(txn, delivery))?;
    Ok(some.len() as u32)
}

/// Forgets a user's deliveries; their notifications are still there.
pub(crate) fn forget_user(txn: &mut Txn<'_>, user_key: i64) -> Sql<()> {
    let all: Vec<Delivery> = txn
        .conn
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM notifications n CROSS JOIN deliveries d \
             ON d.alert_key = n.alert_key AND d.user_key = n.user_key WHERE n.user_key = ?1 \
             UNION ALL SELECT {COLUMNS} FROM deliveries d WHERE d.user_key = ?1 AND d.of_all = 1"
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
