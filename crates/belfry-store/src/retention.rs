//! Retention: what is old leaves, unread items with a change, read ones silently; what nobody needs is deleted.
//!
//! An alert goes through two stages. *Trim*, when its category's time is over: read items are deleted, unread ones
//! leave as `Removed` and stay as a stub that a returning client is told of. *Purge*, [`STUBS_KEPT_MS`] later:
//! whatever is left of the alert goes, and its row with it. Both walk the alerts by key, which is by age, so neither
//! needs an index; how far they came stands in memory, and a restart walks once more and finds little to do.

use crate::alerts::{self, AlertHead, Form};
use crate::announcements;
use crate::fanouts::recipients_after;
use crate::notifications::leave;
use crate::settle::settle_user;
use crate::sql::{OptionalExtension, Sql, params};
use crate::state::{Gone, counts};
use crate::txn::Txn;
use crate::users;
use crate::{RetentionPolicy, Swept, UserChange};
use belfry_protocol::{AlertId, Seq, UserId};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// How long stubs of removed items stay, for clients that come back.
const STUBS_KEPT_MS: i64 = 30 * 24 * 3_600_000;
/// Alerts looked at with one commit.
const HEADS_PER_STEP: u32 = 500;
/// Fewest stubs of a user that are kept: with more changes than this a client is given a new list anyway.
const GONE_ITEMS_MIN: u32 = 5_000;

/// How far retention came.
#[derive(Default)]
pub(crate) struct Walk {
    policy: Option<RetentionPolicy>,
    /// By stage and by how long alerts stay.
    reached: HashMap<(Stage, i64), Reached>,
    /// Users with too many items, found at the start and then whenever an inbox grows.
    over_limit: Option<HashSet<UserId>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    Trim,
    Purge,
}

/// Everything up to this alert is done, and of the next one all recipients up to this user.
#[derive(Debug, Clone, Default)]
struct Reached {
    alert_key: i64,
    recipient: Option<UserId>,
}

impl Walk {
    /// A user's inbox has grown over its limit.
    pub(crate) fn note_over_limit(&mut self, user: &UserId) {
        if let Some(over_limit) = &mut self.over_limit {
            over_limit.insert(user.clone());
        }
    }
}

/// How many stubs a user may have.
pub(crate) fn gone_items_max(inbox_items_max: u32) -> u32 {
    inbox_items_max.max(GONE_ITEMS_MIN)
}

/// What one call did, and may still do.
struct Budget {
    left: u32,
    changes: BTreeMap<UserId, UserChange>,
    all: Vec<crate::AllChange>,
}

/// Removes what is too old or too much, at most `limit` items.
pub(crate) fn apply(txn: &mut Txn<'_>, policy: &RetentionPolicy, now: i64, limit: u32) -> Sql<Swept> {
    txn.at(now);
    let mut walk = std::mem::take(&mut txn.state.retention);
    let result = apply_walk(txn, &mut walk, policy, now, limit);
    if result.is_err() {
        // How far it came is not to be trusted: nothing of it was committed.
        walk = Walk::default();
    }
    txn.state.retention = walk;
    result
}

fn apply_walk(
    txn: &mut Txn<'_>,
    walk: &mut Walk,
    policy: &RetentionPolicy,
    now: i64,
    limit: u32,
) -> Sql<Swept> {
    if walk.policy.as_ref() != Some(policy) {
        walk.policy = Some(policy.clone());
        walk.reached.clear();
    }
    let mut budget = Budget { left: limit.max(1), changes: BTreeMap::new(), all: Vec::new() };
    let mut more = trim_inboxes(txn, walk, &mut budget)?;
    for stage in [Stage::Trim, Stage::Purge] {
        for stays in durations(policy) {
            if !more {
                let mut reached = walk.reached.remove(&(stage, stays)).unwrap_or_default();
                more = step(txn, policy, (stage, stays), &mut reached, now, &mut budget)?;
                walk.reached.insert((stage, stays), reached);
            }
        }
    }
    Ok(Swept { changes: budget.changes.into_values().collect(), all: budget.all, more })
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn stays(policy: &RetentionPolicy, category: &str) -> i64 {
    let own = policy.categories.iter().find(|one| one.0 == category);
    millis(own.map_or(policy.default, |one| one.1))
}

fn durations(policy: &RetentionPolicy) -> Vec<i64> {
    let mut all: Vec<i64> = policy.categories.iter().map(|one| millis(one.1)).collect();
    all.push(millis(policy.default));
    all.sort_unstable();
    all.dedup();
    all
}

/// Looks at the next alerts of one stage and one duration. `true`: there is more.
fn step(
    txn: &mut Txn<'_>,
    policy: &RetentionPolicy,
    (stage, duration): (Stage, i64),
    reached: &mut Reached,
    now: i64,
    budget: &mut Budget,
) -> Sql<bool> {
    let age = if stage == Stage::Trim { duration } else { duration.saturating_add(STUBS_KEPT_MS) };
    let oldest_kept = AlertId::first_key_at(now.saturating_sub(age).max(0));
    let heads = alerts::heads_between(txn.conn, reached.alert_key, oldest_kept, HEADS_PER_STEP)?;
    let full = heads.len() as u32 == HEADS_PER_STEP;
    for head in heads {
        if stays(policy, &head.category) == duration {
            if budget.left == 0 {
                return Ok(true);
            }
            let done = match stage {
                Stage::Trim => trim(txn, &head, reached, budget)?,
                Stage::Purge => purge(txn, &head, budget)?,
            };
            if !done {
                return Ok(true);
            }
        }
        *reached = Reached { alert_key: head.id.key(), recipient: None };
    }
    Ok(full)
}

/// First stage of one alert. `false`: there are recipients left to do.
fn trim(txn: &mut Txn<'_>, head: &AlertHead, reached: &mut Reached, budget: &mut Budget) -> Sql<bool> {
    if head.form == Form::Everyone {
        if let Some(all_seq) = head.seq {
            budget.all.extend(announcements::leave(txn, &[all_seq], Gone::Removed)?);
        }
        budget.left -= 1;
        return Ok(true);
    }
    if let (Some(user_key), Some(seq)) = (head.user_key, head.seq) {
        budget.left -= 1;
        if let Some(user) = users::id_of(txn.conn, user_key)? {
            remove_item(txn, &user, (seq, head.id), budget)?;
        }
        return Ok(true);
    }
    let after = reached.recipient.clone();
    let after = after.as_ref().map_or("", UserId::as_str);
    let chunk = budget.left.min(256) as usize;
    let recipients = recipients_after(txn.conn, head.id.key(), after, chunk)?;
    let done = recipients.len() < chunk;
    budget.left -= recipients.len() as u32;
    for (user, seq) in recipients {
        remove_item(txn, &user, (seq, head.id), budget)?;
        reached.recipient = Some(user);
    }
    Ok(done)
}

/// Removes one item of one user: an unread one with a change, a read one silently.
fn remove_item(txn: &mut Txn<'_>, user: &UserId, (seq, id): (u64, AlertId), budget: &mut Budget) -> Sql<()> {
    if txn.user(user)?.is_none() {
        return Ok(());
    }
    settle_user(txn, user)?;
    let user_key = txn.held(user).core.key;
    let flags: Option<u8> = txn
        .conn
        .prepare_cached("SELECT flags FROM notifications WHERE user_key = ?1 AND seq = ?2 AND gone = 0")?
        .query_row(params![user_key, seq as i64], |row| row.get(0))
        .optional()?;
    match flags {
        None => Ok(()),
        Some(flags) if counts(flags) => {
            // One number per user and call.
            let version = match budget.changes.get(user) {
                Some(change) => change.seq.0,
                None => txn.held(user).core.head + 1,
            };
            leave(txn, user, seq, Gone::Removed, version)?;
            let work = txn.held(user);
            work.core.head = version;
            let unread = work.core.unread;
            let change = budget.changes.entry(user.clone()).or_insert_with(|| UserChange {
                user: user.clone(),
                seq: Seq(version),
                unread,
                ids: Vec::new(),
                to: Gone::Removed.to(),
            });
            change.unread = unread;
            change.ids.push(id);
            Ok(())
        }
        Some(_) => delete_item(txn, user, seq, id.key()),
    }
}

/// Deletes a settled row, and the alert where it was this user's alone.
fn delete_item(txn: &mut Txn<'_>, user: &UserId, seq: u64, alert_key: i64) -> Sql<()> {
    let user_key = txn.held(user).core.key;
    crate::deliveries::forget_of(txn, alert_key, user_key)?;
    let conn = txn.conn;
    let work = txn.held(user);
    let gone: Option<bool> = conn
        .prepare_cached("DELETE FROM notifications WHERE user_key = ?1 AND seq = ?2 RETURNING gone <> 0")?
        .query_row(params![user_key, seq as i64], |row| row.get(0))
        .optional()?;
    match gone {
        Some(true) => work.core.gone_items = work.core.gone_items.saturating_sub(1),
        Some(false) => work.core.items = work.core.items.saturating_sub(1),
        None => {}
    }
    work.dirty = true;
    let single = alerts::head_of_key(conn, alert_key)?.is_some_and(|head| head.user_key == Some(user_key));
    if single {
        return alerts::delete(txn, alert_key);
    }
    conn.prepare_cached("DELETE FROM recipients WHERE alert_key = ?1 AND user_id = ?2")?
        .execute(params![alert_key, user.as_str()])?;
    Ok(())
}

/// Second stage of one alert. `false`: there are recipients left to do.
fn purge(txn: &mut Txn<'_>, head: &AlertHead, budget: &mut Budget) -> Sql<bool> {
    let alert_key = head.id.key();
    if head.form == Form::Everyone {
        if let Some(all_seq) = head.seq {
            // Where trimming has not come by yet, the list loses it here.
            budget.all.extend(announcements::leave(txn, &[all_seq], Gone::Removed)?);
            if !purge_of_all(txn, (all_seq, alert_key), budget)? {
                return Ok(false);
            }
            announcements::delete(txn.conn, all_seq)?;
        }
        budget.left -= 1;
        alerts::delete(txn, alert_key)?;
        return Ok(true);
    }
    let mut recipients = Vec::new();
    if let (Some(user_key), Some(seq)) = (head.user_key, head.seq) {
        recipients.extend(users::id_of(txn.conn, user_key)?.map(|user| (user, seq)));
    } else {
        let chunk = budget.left.min(256) as usize;
        recipients = recipients_after(txn.conn, alert_key, "", chunk)?;
        if recipients.len() == chunk {
            purge_items(txn, &recipients, head.id, budget)?;
            budget.left -= chunk as u32;
            return Ok(false);
        }
    }
    budget.left = budget.left.saturating_sub(recipients.len().max(1) as u32);
    purge_items(txn, &recipients, head.id, budget)?;
    alerts::delete(txn, alert_key)?;
    Ok(true)
}

/// Forgets marks and deliveries of an alert for everyone: there may be as many as users. `false`: some are left.
fn purge_of_all(txn: &mut Txn<'_>, (all_seq, alert_key): (u64, i64), budget: &mut Budget) -> Sql<bool> {
    let marks = announcements::delete_marks(txn.conn, all_seq, budget.left)?;
    budget.left -= marks;
    let deliveries = crate::deliveries::forget_some(txn, alert_key, budget.left)?;
    budget.left -= deliveries;
    Ok(budget.left > 0)
}

fn purge_items(txn: &mut Txn<'_>, recipients: &[(UserId, u64)], id: AlertId, budget: &mut Budget) -> Sql<()> {
    for (user, seq) in recipients {
        // An item that came after the alert was trimmed has to leave with a change first.
        remove_item(txn, user, (*seq, id), budget)?;
        if txn.user(user)?.is_some() {
            delete_item(txn, user, *seq, id.key())?;
        }
    }
    Ok(())
}

/// Brings inboxes back to their limit. `true`: there is more.
fn trim_inboxes(txn: &mut Txn<'_>, walk: &mut Walk, budget: &mut Budget) -> Sql<bool> {
    let items_max = txn.limits.inbox_items_max;
    let gone_max = gone_items_max(items_max);
    if walk.over_limit.is_none() {
        walk.over_limit = Some(users::over_limit(txn.conn, items_max, gone_max)?.into_iter().collect());
    }
    let over_limit = walk.over_limit.as_mut().expect("it was just set");
    while let Some(user) = over_limit.iter().next().cloned() {
        if budget.left == 0 {
            return Ok(true);
        }
        if trim_inbox(txn, &user, (items_max, gone_max), budget)? {
            over_limit.remove(&user);
        }
    }
    Ok(false)
}

/// `true`: the user's inbox is within its limits.
fn trim_inbox(
    txn: &mut Txn<'_>,
    user: &UserId,
    (items_max, gone_max): (u32, u32),
    budget: &mut Budget,
) -> Sql<bool> {
    if txn.user(user)?.is_none() {
        return Ok(true);
    }
    settle_user(txn, user)?;
    let core = &txn.held(user).core;
    let (user_key, excess) = (core.key, core.items.saturating_sub(items_max).min(budget.left));
    let mut oldest = oldest_items(txn, user_key, "flags & 2 <> 0", excess)?;
    let unread = excess - oldest.len() as u32;
    oldest.extend(oldest_items(txn, user_key, "flags & 2 = 0", unread)?);
    budget.left -= oldest.len() as u32;
    for item in oldest {
        remove_item(txn, user, item, budget)?;
    }
    let core = &txn.held(user).core;
    let stubs = core.gone_items.saturating_sub(gone_max).min(budget.left);
    // By version: whoever missed these has missed so many that a new list comes instead.
    let stubs: Vec<(u64, i64)> = txn
        .conn
        .prepare_cached(
            "SELECT seq, alert_key FROM notifications INDEXED BY notifications_changed \
             WHERE user_key = ?1 AND version > seq AND gone <> 0 ORDER BY version LIMIT ?2",
        )?
        .query_map(params![user_key, stubs], |row| Ok((row.get::<_, i64>(0)? as u64, row.get(1)?)))?
        .collect::<Sql<_>>()?;
    budget.left -= stubs.len() as u32;
    for (seq, alert_key) in stubs {
        delete_item(txn, user, seq, alert_key)?;
    }
    let core = &txn.held(user).core;
    Ok(core.items <= items_max && core.gone_items <= gone_max)
}

fn oldest_items(txn: &Txn<'_>, user_key: i64, which: &str, limit: u32) -> Sql<Vec<(u64, AlertId)>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    txn.conn
        .prepare_cached(&format!(
            "SELECT n.seq, a.alert_key, a.id_tail FROM notifications n CROSS JOIN alerts a \
             ON a.alert_key = n.alert_key WHERE n.user_key = ?1 AND n.gone = 0 AND n.{which} ORDER BY n.seq LIMIT ?2"
        ))?
        .query_map(params![user_key, limit], |row| {
            Ok((row.get::<_, i64>(0)? as u64, alerts::id_at(row, 1)?))
        })?
        .collect()
}
