//! One alert in one inbox: how it comes in, and how it leaves.

use crate::Notified;
use crate::alerts;
use crate::memory::TailItem;
use crate::settle::{insert, settle_user};
use crate::sql::{OptionalExtension, Sql, params};
use crate::state::{Gone, counts};
use crate::txn::Txn;
use belfry_protocol::{AlertId, Seq, UserId};
use std::sync::Arc;

/// What an inbox needs to know of a new alert.
#[derive(Debug, Clone)]
pub(crate) struct Arriving {
    pub(crate) alert_key: i64,
    pub(crate) expires_at: Option<i64>,
    pub(crate) collapse_key: Option<Arc<str>>,
    /// Straight into its place: the log does not show it again at a restart.
    pub(crate) settled: bool,
}

/// Gives an alert its number in an inbox. Where it takes the place of another one, or is to be settled, the row is
/// written here; else the log's row, that the caller writes, is the notification.
pub(crate) fn notify(txn: &mut Txn<'_>, user: &UserId, arriving: &Arriving, now: i64) -> Sql<Notified> {
    txn.user_or_new(user, now)?;
    let replaced = match &arriving.collapse_key {
        Some(key) => find_collapsible(txn, user, key, now)?,
        None => None,
    };
    // Where several nodes write, nobody's memory has the end of a log.
    let in_place = arriving.settled || replaced.is_some() || txn.conn.is_shared();
    if in_place {
        settle_user(txn, user)?;
    }
    let conn = txn.conn;
    let work = txn.held(user);
    let seq = work.core.head + 1;
    let item = TailItem {
        seq,
        alert_key: arriving.alert_key,
        expires_at: arriving.expires_at,
        collapse_key: arriving.collapse_key.clone(),
    };
    let mut replaced_id = None;
    if let Some((old_seq, old_key)) = replaced {
        leave(txn, user, old_seq, Gone::Replaced, seq)?;
        replaced_id = Some(alerts::id_of(conn, old_key)?);
    }
    let work = txn.held(user);
    if in_place {
        insert(conn, work, &item)?;
    } else {
        work.appended.push(item);
    }
    work.core.head = seq;
    work.core.unread += 1;
    Ok(Notified { user: user.clone(), seq: Seq(seq), unread: work.core.unread, replaced: replaced_id })
}

/// The newest unread item with this key that is not over: (seq, alert key).
fn find_collapsible(txn: &mut Txn<'_>, user: &UserId, key: &str, now: i64) -> Sql<Option<(u64, i64)>> {
    let matches = |item: &&TailItem| {
        item.collapse_key.as_deref() == Some(key) && item.expires_at.is_none_or(|expires_at| expires_at > now)
    };
    let memory = txn.memory;
    let conn = txn.conn;
    let work = txn.held(user);
    let found = work.appended.iter().rev().find(matches).map(|item| (item.seq, item.alert_key));
    let found = found.or_else(|| {
        if work.settled {
            return None;
        }
        memory.with_tail(user, |tail| tail.iter().rev().find(matches).map(|item| (item.seq, item.alert_key)))
    });
    if found.is_some() {
        return Ok(found);
    }
    conn.prepare_cached(
        "SELECT seq, alert_key FROM notifications INDEXED BY notifications_collapse \
         WHERE user_key = ?1 AND collapse_key = ?2 AND collapse_key IS NOT NULL AND gone = 0 AND flags & 2 = 0 \
         AND (expires_at IS NULL OR expires_at > ?3) ORDER BY seq DESC LIMIT 1",
    )?
    .query_row(params![work.core.key, key, now], |row| Ok((row.get::<_, i64>(0)? as u64, row.get(1)?)))
    .optional()
}

/// Takes a settled item out of the list. `false`: it was out of it already. The caller has settled the user and
/// moves the head to `version`.
pub(crate) fn leave(txn: &mut Txn<'_>, user: &UserId, seq: u64, gone: Gone, version: u64) -> Sql<bool> {
    let conn = txn.conn;
    let work = txn.held(user);
    let flags: Option<u8> = conn
        .prepare_cached(
            "UPDATE notifications SET gone = ?3, version = ?4 WHERE user_key = ?1 AND seq = ?2 AND gone = 0 \
             RETURNING flags",
        )?
        .query_row(params![work.core.key, seq as i64, gone.code(), version as i64], |row| row.get(0))
        .optional()?;
    let Some(flags) = flags else {
        return Ok(false);
    };
    work.reached = true;
    work.core.items = work.core.items.saturating_sub(1);
    work.core.gone_items += 1;
    if counts(flags) {
        work.core.unread = work.core.unread.saturating_sub(1);
    }
    work.dirty = true;
    Ok(true)
}

/// Takes items of one user out of the list with one number; `None`: all were out of it already.
pub(crate) fn leave_together(
    txn: &mut Txn<'_>,
    user: &UserId,
    items: &[(u64, AlertId)],
    gone: Gone,
) -> Sql<Option<crate::UserChange>> {
    if txn.user(user)?.is_none() {
        return Ok(None);
    }
    settle_user(txn, user)?;
    let version = txn.held(user).core.head + 1;
    let mut ids = Vec::with_capacity(items.len());
    for (seq, id) in items {
        if leave(txn, user, *seq, gone, version)? {
            ids.push(*id);
        }
    }
    if ids.is_empty() {
        return Ok(None);
    }
    let work = txn.held(user);
    work.core.head = version;
    Ok(Some(crate::UserChange {
        user: user.clone(),
        seq: Seq(version),
        unread: work.core.unread,
        ids,
        to: gone.to(),
    }))
}
