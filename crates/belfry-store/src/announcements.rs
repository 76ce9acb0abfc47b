//! Alerts for everyone: one row each, numbered in the stream `all`; what a person does with one is a sparse mark.

use crate::alerts::{self, Placement};
use crate::ladder_fanouts;
use crate::memory::{AllState, Announcement, Core, Mark, Memory};
use crate::sql::{Connection, OptionalExtension, Sql, params};
use crate::state::{self, Gone, counts};
use crate::told_levels;
use crate::txn::{Txn, meta, set_meta};
use crate::{AllChange, NewAlert, Published};
use belfry_protocol::{AlertId, Level, Seq, StateChange, UserId};
use std::sync::Arc;

/// Reads the active announcements at the start.
pub(crate) fn load(conn: &Connection) -> Sql<AllState> {
    let head = meta(conn, "all_head")?.unwrap_or(0) as u64;
    let sql = format!(
        "SELECT n.all_seq, n.latecomers, l.alert_key IS NOT NULL, {} FROM announcements n \
         JOIN alerts a ON a.alert_key = n.alert_key \
         LEFT JOIN ladder_fanouts l ON l.alert_key = n.alert_key WHERE n.gone = 0 ORDER BY n.all_seq",
        alerts::CONTENT_COLUMNS
    );
    let mut select = conn.prepare_cached(&sql)?;
    let rows = select.query_map([], |row| {
        let (id, content) = alerts::content_at(row, 3)?;
        let all_seq = row.get::<_, i64>(0)? as u64;
        Ok(Arc::new(Announcement { all_seq, id, latecomers: row.get(1)?, has_ladder: row.get(2)?, content }))
    })?;
    Ok(AllState { head, active: rows.collect::<Sql<_>>()? })
}

/// Where other nodes change the stream: makes memory know it as it is on disk now. Every change has a number of its own,
/// so the same head is the same stream.
pub(crate) fn refresh(conn: &Connection, memory: &Memory) -> Sql<()> {
    if !conn.is_shared() {
        return Ok(());
    }
    let head = meta(conn, "all_head")?.unwrap_or(0) as u64;
    if head != memory.all().head {
        memory.set_newer_all(load(conn)?);
    }
    Ok(())
}

/// The next number of the stream.
fn next_seq(txn: &mut Txn<'_>) -> Sql<u64> {
    let seq = txn.all().head + 1;
    set_meta(txn.conn, "all_head", seq as i64)?;
    txn.all_mut().head = seq;
    Ok(seq)
}

/// Stores an alert for everyone. Where too many are active the oldest leaves first, with a number of its own; where
/// an active one has the same collapse key the new one takes its place, with the one number.
pub(crate) fn publish(txn: &mut Txn<'_>, alert: &NewAlert, now: i64) -> Sql<Published> {
    txn.lock_all()?;
    let collapse_key = alert.content.collapse_key.as_deref();
    let replaced = collapse_key.and_then(|key| {
        let all = txn.all();
        let same = |one: &&Arc<Announcement>| {
            one.content.collapse_key.as_deref() == Some(key)
                && one.content.expires_at.is_none_or(|expires_at| expires_at.0 > now)
        };
        all.active.iter().rev().find(same).map(Arc::clone)
    });
    let mut all_removed = None;
    if replaced.is_none() && txn.all().active.len() >= txn.limits.announcements_max.max(1) as usize {
        let oldest = txn.all().active[0].all_seq;
        all_removed = leave(txn, &[oldest], Gone::Removed)?;
    }
    let all_seq = next_seq(txn)?;
    if let Some(old) = &replaced {
        take_out(txn, old.all_seq, Gone::Replaced, all_seq)?;
    }
    alerts::insert(txn, alert, Placement { seq: Some(all_seq), ..Placement::default() })?;
    txn.conn
        .prepare_cached(
            "INSERT INTO announcements (all_seq, version, alert_key, expires_at, collapse_key, latecomers) \
             VALUES (?1, ?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            all_seq as i64,
            alert.id.key(),
            alert.content.expires_at.map(|at| at.0),
            collapse_key,
            alert.latecomers
        ])?;
    ladder_fanouts::begin(txn, alert, all_seq)?;
    let announcement = Announcement {
        all_seq,
        id: alert.id,
        latecomers: alert.latecomers,
        has_ladder: alert.ladder_of_all.is_some(),
        content: Arc::clone(&alert.content),
    };
    txn.all_mut().active.push(Arc::new(announcement));
    Ok(Published {
        id: alert.id,
        replayed: false,
        recipients: None,
        notifications: Vec::new(),
        all_seq: Some(Seq(all_seq)),
        all_replaced: replaced.map(|one| one.id),
        all_removed,
        fanout: false,
    })
}

fn take_out(txn: &mut Txn<'_>, all_seq: u64, gone: Gone, version: u64) -> Sql<Option<AlertId>> {
    let Some(found) = txn.all().find(all_seq).map(|one| one.id) else {
        return Ok(None);
    };
    txn.conn
        .prepare_cached("UPDATE announcements SET gone = ?2, version = ?3 WHERE all_seq = ?1 AND gone = 0")?
        .execute(params![all_seq as i64, gone.code(), version as i64])?;
    txn.all_mut().active.retain(|one| one.all_seq != all_seq);
    ladder_fanouts::leave(txn, found.key())?;
    Ok(Some(found))
}

/// Takes active announcements out of everyone's list with one number.
pub(crate) fn leave(txn: &mut Txn<'_>, all_seqs: &[u64], gone: Gone) -> Sql<Option<AllChange>> {
    txn.lock_all()?;
    if all_seqs.iter().all(|seq| txn.all().find(*seq).is_none()) {
        return Ok(None);
    }
    let version = next_seq(txn)?;
    let mut ids = Vec::new();
    for seq in all_seqs {
        ids.extend(take_out(txn, *seq, gone, version)?);
    }
    Ok(Some(AllChange { seq: Seq(version), ids, to: gone.to() }))
}

/// Takes out what is over.
pub(crate) fn expire(txn: &mut Txn<'_>, now: i64) -> Sql<Option<AllChange>> {
    txn.refresh_all()?;
    let all = txn.all();
    let over = all.active.iter().filter(|one| one.content.expires_at.is_some_and(|at| at.0 <= now));
    let over: Vec<u64> = over.map(|one| one.all_seq).collect();
    leave(txn, &over, Gone::Expired)
}

/// What a user did with one announcement is now this. `version`: the number in the user's stream.
pub(crate) fn set_mark(
    txn: &mut Txn<'_>,
    user: &UserId,
    all_seq: u64,
    change: StateChange,
    step: MarkStep,
) -> Sql<()> {
    let before = txn.held(user).core.mark(all_seq);
    let level = state::level_of(change);
    if let Some(level) = level {
        told_levels::announcement_rising(txn, user, all_seq, (before.level, level), step.now)?;
    }
    let conn = txn.conn;
    let work = txn.held(user);
    let mark = Mark {
        flags: state::changed(before.flags, change),
        level: before.level.max(level.map_or(0, state::level_code)),
        version: step.version,
    };
    conn.prepare_cached(
        "INSERT INTO marks (user_key, all_seq, version, flags, level) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (user_key, all_seq) DO UPDATE SET version = excluded.version, flags = excluded.flags, \
         level = excluded.level",
    )?
    .execute(params![work.core.key, all_seq as i64, mark.version as i64, mark.flags, mark.level])?;
    if let Some(level) = level {
        let column = state::level_column(level);
        conn.prepare_cached(&format!(
            "UPDATE marks SET {column} = coalesce({column}, ?3) WHERE user_key = ?1 AND all_seq = ?2"
        ))?
        .execute(params![work.core.key, all_seq as i64, step.now])?;
    }
    Arc::make_mut(&mut work.core.marks).insert(all_seq, mark);
    Ok(())
}

/// With which number, and when, a mark is set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MarkStep {
    pub(crate) version: u64,
    pub(crate) now: i64,
}

/// Reads everything up to a number: one column, and a mark only where one stands in the way.
pub(crate) fn read_up_to(txn: &mut Txn<'_>, user: &UserId, up_to: u64, step: MarkStep) -> Sql<()> {
    let all = txn.all();
    let core = &txn.held(user).core;
    let unread = |core: &Core, seq: u64| counts(core.mark(seq).flags);
    let marked: Vec<u64> =
        core.marks.range(..=up_to).map(|(seq, _)| *seq).filter(|seq| unread(core, *seq)).collect();
    for all_seq in marked {
        if all.find(all_seq).is_some() {
            set_mark(txn, user, all_seq, StateChange::Read, step)?;
        }
    }
    let core = &txn.held(user).core;
    let untouched = |one: &&Arc<Announcement>| !core.marks.contains_key(&one.all_seq);
    let newly: Vec<u64> = core
        .announcements(&all, core.all_read_up_to)
        .take_while(|one| one.all_seq <= up_to)
        .filter(untouched)
        .map(|one| one.all_seq)
        .collect();
    for all_seq in newly {
        told_levels::announcement_rising(txn, user, all_seq, (0, Level::Read), step.now)?;
    }
    let conn = txn.conn;
    let work = txn.held(user);
    if up_to > work.core.all_read_up_to {
        work.core.all_read_up_to = up_to;
        work.core.all_read_version = step.version;
        conn.prepare_cached(
            "UPDATE users SET all_read_up_to = ?2, all_read_version = ?3 WHERE user_key = ?1",
        )?
        .execute(params![work.core.key, up_to as i64, step.version as i64])?;
    }
    Ok(())
}

/// Raises the level of an announcement. A row is made only where a ladder waits for the level: any other alert for
/// everyone stays one row until somebody does something with it.
pub(crate) fn raise_level(txn: &mut Txn<'_>, user: &UserId, all_seq: u64, level: Level, now: i64) -> Sql<()> {
    let conn = txn.conn;
    let all = txn.all();
    let core = &txn.held(user).core;
    let awaited = core.announcement(&all, all_seq).is_some_and(|one| one.has_ladder);
    if !awaited && !core.marks.contains_key(&all_seq) {
        return Ok(());
    }
    let before = core.mark(all_seq);
    told_levels::announcement_rising(txn, user, all_seq, (before.level, level), now)?;
    let work = txn.held(user);
    let mark = Mark { level: before.level.max(state::level_code(level)), ..before };
    if Arc::make_mut(&mut work.core.marks).insert(all_seq, mark) == Some(mark) && level == Level::Received {
        return Ok(());
    }
    conn.prepare_cached(
        "INSERT INTO marks (user_key, all_seq, version, flags, level) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (user_key, all_seq) DO UPDATE SET level = CASE WHEN marks.level < excluded.level THEN excluded.level ELSE marks.level END",
    )?
    .execute(params![work.core.key, all_seq as i64, mark.version as i64, mark.flags, mark.level])?;
    if level == Level::Received {
        return Ok(());
    }
    let column = state::level_column(level);
    conn.prepare_cached(&format!(
        "UPDATE marks SET {column} = coalesce({column}, ?3) WHERE user_key = ?1 AND all_seq = ?2"
    ))?
    .execute(params![work.core.key, all_seq as i64, now])?;
    Ok(())
}

/// Why an announcement is out of the list, if it is.
pub(crate) fn gone(conn: &Connection, all_seq: u64) -> Sql<Option<Gone>> {
    let code: Option<u8> = conn
        .prepare_cached("SELECT gone FROM announcements WHERE all_seq = ?1")?
        .query_row([all_seq as i64], |row| row.get(0))
        .optional()?;
    Ok(match code {
        Some(code) => Gone::from_code(code),
        None => Some(Gone::Removed),
    })
}

/// Removes marks of an announcement, at most so many. Answers how many.
pub(crate) fn delete_marks(conn: &Connection, all_seq: u64, limit: u32) -> Sql<u32> {
    let deleted = conn
        .prepare_cached(
            "DELETE FROM marks WHERE all_seq = ?1 AND user_key IN \
             (SELECT user_key FROM marks WHERE all_seq = ?1 ORDER BY user_key LIMIT ?2)",
        )?
        .execute(params![all_seq as i64, limit])?;
    Ok(deleted as u32)
}

/// Removes an announcement's row.
pub(crate) fn delete(conn: &Connection, all_seq: u64) -> Sql<()> {
    conn.prepare_cached("DELETE FROM announcements WHERE all_seq = ?1")?.execute([all_seq as i64])?;
    Ok(())
}
