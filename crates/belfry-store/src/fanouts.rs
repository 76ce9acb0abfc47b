//! Audiences of more than one transaction: the promise is a row, its users follow in chunks with commits of their own.

use crate::alerts::{self, Placement};
use crate::groups;
use crate::notifications::{Arriving, leave_together, notify};
use crate::publishing::record_recipient;
use crate::sql::{Connection, OptionalExtension, Sql, params, unreadable};
use crate::state::Gone;
use crate::txn::Txn;
use crate::users;
use crate::{Expanded, NewAlert, Published};
use belfry_protocol::{AlertId, UserId};
use std::collections::HashSet;

/// Users of one chunk.
pub(crate) const CHUNK_USERS: usize = 200;

/// Stores the alert and the promise. `users`: sorted; `None`: the group as it is when each chunk is written.
pub(crate) fn begin(
    txn: &mut Txn<'_>,
    alert: &NewAlert,
    users: Option<&[UserId]>,
    count: u32,
) -> Sql<Published> {
    let alert_key = alert.id.key();
    alerts::insert(txn, alert, Placement { recipients: Some(count), ..Placement::default() })?;
    txn.conn.prepare_cached("INSERT INTO fanouts (alert_key) VALUES (?1)")?.execute([alert_key])?;
    for (chunk, users) in users.unwrap_or_default().chunks(CHUNK_USERS).enumerate() {
        let users =
            serde_json::to_string(users).map_err(|error| crate::sql::Error::Unreadable(error.to_string()))?;
        txn.conn
            .prepare_cached("INSERT INTO fanout_users (alert_key, chunk, users) VALUES (?1, ?2, ?3)")?
            .execute(params![alert_key, chunk as i64, users])?;
    }
    txn.effects.fanouts += 1;
    Ok(Published {
        id: alert.id,
        replayed: false,
        recipients: Some(count),
        notifications: Vec::new(),
        all_seq: None,
        all_replaced: None,
        all_removed: None,
        fanout: true,
    })
}

/// Whether an alert was fanned out.
pub(crate) fn exists(conn: &Connection, alert_key: i64) -> Sql<bool> {
    conn.prepare_cached("SELECT 1 FROM fanouts WHERE alert_key = ?1")?.exists([alert_key])
}

/// How many are unfinished.
pub(crate) fn unfinished(conn: &Connection) -> Sql<i64> {
    conn.query_row("SELECT count(*) FROM fanouts WHERE done = 0", [], |row| row.get(0))
}

/// Turns a fan-out into its recall, or makes a recall for an alert whose recipients are too many for one transaction.
/// What was not expanded by now never will be.
pub(crate) fn recall(txn: &mut Txn<'_>, alert_key: i64) -> Sql<()> {
    let conn = txn.conn;
    let was_unfinished = conn
        .prepare_cached("SELECT 1 FROM fanouts WHERE alert_key = ?1 AND done = 0")?
        .exists([alert_key])?;
    conn.prepare_cached("UPDATE fanouts SET recalling = 1, done = 0, cursor = '' WHERE alert_key = ?1")?
        .execute([alert_key])?;
    conn.prepare_cached("DELETE FROM fanout_users WHERE alert_key = ?1")?.execute([alert_key])?;
    if !was_unfinished {
        txn.effects.fanouts += 1;
    }
    Ok(())
}

/// Writes the next chunk of the oldest unfinished fan-out.
pub(crate) fn expand(txn: &mut Txn<'_>, now: i64) -> Sql<Option<Expanded>> {
    txn.at(now);
    let next: Option<(i64, bool, String)> = txn
        .conn
        .prepare_cached(&format!(
            "SELECT alert_key, recalling, cursor FROM fanouts WHERE done = 0 ORDER BY alert_key LIMIT 1{}",
            txn.conn.for_update_of_free()
        ))?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((alert_key, recalling, cursor)) = next else {
        return Ok(None);
    };
    let Some((id, content)) = alerts::content(txn.conn, alert_key)? else {
        return finish_orphan(txn, alert_key).map(|()| None);
    };
    let mut expanded = Expanded { id, content, notified: Vec::new(), changes: Vec::new(), done: false };
    if recalling {
        recall_chunk(txn, &mut expanded, &cursor)?;
    } else {
        notify_chunk(txn, &mut expanded, &cursor, now)?;
    }
    if expanded.done {
        txn.conn.prepare_cached("UPDATE fanouts SET done = 1 WHERE alert_key = ?1")?.execute([alert_key])?;
        txn.effects.fanouts -= 1;
    }
    Ok(Some(expanded))
}

fn finish_orphan(txn: &mut Txn<'_>, alert_key: i64) -> Sql<()> {
    txn.conn.prepare_cached("DELETE FROM fanouts WHERE alert_key = ?1")?.execute([alert_key])?;
    txn.effects.fanouts -= 1;
    Ok(())
}

fn notify_chunk(txn: &mut Txn<'_>, expanded: &mut Expanded, cursor: &str, now: i64) -> Sql<()> {
    let alert_key = expanded.id.key();
    let users = next_users(txn.conn, alert_key, cursor)?;
    let Some(last) = users.last().cloned() else {
        expanded.done = true;
        return Ok(());
    };
    let arriving = Arriving {
        alert_key,
        expires_at: expanded.content.expires_at.map(|at| at.0),
        collapse_key: expanded.content.collapse_key.as_deref().map(std::sync::Arc::from),
        // The log is read from young alerts only; a late chunk of an old one has to stand in its place at once.
        settled: true,
    };
    txn.lock_users(&users)?;
    let known: HashSet<String> = txn
        .conn
        .prepare_cached(
            "SELECT user_id FROM recipients WHERE alert_key = ?1 AND user_id >= ?2 AND user_id <= ?3",
        )?
        .query_map(params![alert_key, users[0].as_str(), last.as_str()], |row| row.get(0))?
        .collect::<Sql<_>>()?;
    for user in &users {
        if !known.contains(user.as_str()) {
            let notified = notify(txn, user, &arriving, now)?;
            record_recipient(txn, alert_key, user, notified.seq)?;
            expanded.notified.push(notified);
        }
    }
    txn.conn
        .prepare_cached("UPDATE fanouts SET cursor = ?2, expanded = expanded + ?3 WHERE alert_key = ?1")?
        .execute(params![alert_key, last.as_str(), expanded.notified.len() as u32])?;
    expanded.done = next_users(txn.conn, alert_key, last.as_str())?.is_empty();
    Ok(())
}

/// The users after the cursor: of the posted list's next chunk, or of the group.
fn next_users(conn: &Connection, alert_key: i64, cursor: &str) -> Sql<Vec<UserId>> {
    let group: Option<String> = conn
        .prepare_cached("SELECT audience FROM alerts WHERE alert_key = ?1 AND audience_form = 2")?
        .query_row([alert_key], |row| row.get(0))
        .optional()?;
    if let Some(group) = group {
        let group = belfry_protocol::GroupId::new(group).map_err(|error| unreadable(0, error))?;
        return match groups::find(conn, &group)? {
            Some((group_key, _)) => groups::members(conn, group_key, cursor, CHUNK_USERS as u32),
            None => Ok(Vec::new()),
        };
    }
    // Chunks that are done are gone, so the first one is the next.
    loop {
        let chunk: Option<(i64, String)> = conn
            .prepare_cached(
                "SELECT chunk, users FROM fanout_users WHERE alert_key = ?1 ORDER BY chunk LIMIT 1",
            )?
            .query_row([alert_key], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((chunk, users)) = chunk else {
            return Ok(Vec::new());
        };
        let users: Vec<UserId> = serde_json::from_str(&users).map_err(|error| unreadable(1, error))?;
        if users.last().is_some_and(|last| last.as_str() > cursor) {
            return Ok(users);
        }
        conn.prepare_cached("DELETE FROM fanout_users WHERE alert_key = ?1 AND chunk = ?2")?
            .execute(params![alert_key, chunk])?;
    }
}

fn recall_chunk(txn: &mut Txn<'_>, expanded: &mut Expanded, cursor: &str) -> Sql<()> {
    let alert_key = expanded.id.key();
    let recipients = recipients_after(txn.conn, alert_key, cursor, CHUNK_USERS)?;
    expanded.done = recipients.len() < CHUNK_USERS;
    let Some((last, _)) = recipients.last().cloned() else {
        return Ok(());
    };
    txn.lock_users(recipients.iter().map(|one| &one.0))?;
    for (user, seq) in recipients {
        let change = leave_together(txn, &user, &[(seq, expanded.id)], Gone::Recalled)?;
        expanded.changes.extend(change);
    }
    txn.conn
        .prepare_cached("UPDATE fanouts SET cursor = ?2 WHERE alert_key = ?1")?
        .execute(params![alert_key, last.as_str()])?;
    Ok(())
}

/// The next recipients of an alert, with their numbers.
pub(crate) fn recipients_after(
    conn: &Connection,
    alert_key: i64,
    after: &str,
    limit: usize,
) -> Sql<Vec<(UserId, u64)>> {
    conn.prepare_cached(
        "SELECT user_id, seq FROM recipients WHERE alert_key = ?1 AND user_id > ?2 ORDER BY user_id LIMIT ?3",
    )?
    .query_map(params![alert_key, after, limit as i64], |row| {
        Ok((users::id_at(row, 0)?, row.get::<_, i64>(1)? as u64))
    })?
    .collect()
}

/// Takes an alert back. `None`: unknown.
pub(crate) fn recall_alert(txn: &mut Txn<'_>, id: AlertId, now: i64) -> Sql<Option<crate::Recalled>> {
    txn.at(now);
    let Some(head) = alerts::head_of(txn.conn, id)? else {
        return Ok(None);
    };
    let mut recalled = crate::Recalled::default();
    if head.recalled_at.is_some() {
        return Ok(Some(recalled));
    }
    let key = id.key();
    alerts::set_recalled(txn.conn, key, now)?;
    if head.form == alerts::Form::Everyone {
        recalled.all = match head.seq {
            Some(all_seq) => crate::announcements::leave(txn, &[all_seq], Gone::Recalled)?,
            None => None,
        };
    } else if let (Some(user_key), Some(seq)) = (head.user_key, head.seq) {
        if let Some(user) = users::id_of(txn.conn, user_key)? {
            recalled.changes.extend(leave_together(txn, &user, &[(seq, id)], Gone::Recalled)?);
        }
    } else if exists(txn.conn, key)? {
        recall(txn, key)?;
        recalled.fanout = true;
    } else {
        for (user, seq) in recipients_after(txn.conn, key, "", crate::publishing::AT_ONCE_MAX)? {
            recalled.changes.extend(leave_together(txn, &user, &[(seq, id)], Gone::Recalled)?);
        }
    }
    Ok(Some(recalled))
}
