//! The ladder of an alert for everyone. The row is written with the alert and says when the first step beyond the live
//! one is due. Then it walks the users in chunks with commits of their own, in the order of their keys, and opens
//! deliveries for those who have not answered. Where the alert leaves everyone's list meanwhile, the same row walks
//! the deliveries that were opened and ends them.

use crate::cancellation::{self, end};
use crate::deliveries::open_of_all;
use crate::delivery_rows::{self, COLUMNS, Delivery, read};
use crate::ranges::Ranges;
use crate::sql::{Connection, OptionalExtension, Sql, params};
use crate::state::{READ, level_code, level_from};
use crate::txn::{Busy, Txn};
use crate::{
    Content, LadderChunk, LadderPlace, LadderReach, NewAlert, NewDelivery, Store, StoreError, UnixMs, alerts,
    users,
};
use belfry_protocol::{AlertId, Level, Seq, UserId};
use std::sync::Arc;

/// Deliveries opened or ended with one commit.
const CHUNK_DELIVERIES: usize = 200;
/// Users looked at for one chunk: most of them answered, or cannot be reached.
const CHUNK_LOOKED_AT: usize = 2_000;

const OPENS: u8 = 0;
const ENDS: u8 = 1;
const DONE: u8 = 2;

impl Store {
    /// The next users of the ladder of an alert for everyone, the one that has been due longest: those who were there
    /// before the alert, have not answered, and have an address by one of these ways. `None`: none is due.
    pub async fn ladder_chunk(
        &self,
        reach: LadderReach,
        now: UnixMs,
    ) -> Result<Option<LadderChunk>, StoreError> {
        if self.inner.shared.due().ladders.is_none_or(|at| at > now.0) {
            return Ok(None);
        }
        self.inner.readers.read(move |conn| next_chunk(conn, reach, now.0)).await
    }

    /// Opens the deliveries of a chunk and moves on behind it, in one transaction that looks at each once more and at
    /// what became of the alert. Answers how many were opened; none, where another node was faster.
    pub async fn advance_ladder(
        &self,
        place: LadderPlace,
        new: Vec<NewDelivery>,
        now: UnixMs,
    ) -> Result<u32, StoreError> {
        let users = new.iter().map(|one| one.user.clone()).collect();
        let advance = move |txn: &mut Txn<'_>| {
            txn.at(now.0);
            advance(txn, &place, &new, now.0)
        };
        self.inner.writer.write_after_receipts(users, advance).await
    }
}

/// Stores the promise beside its alert.
pub(crate) fn begin(txn: &mut Txn<'_>, alert: &NewAlert, all_seq: u64) -> Sql<()> {
    let Some(ladder) = &alert.ladder_of_all else {
        return Ok(());
    };
    txn.conn
        .prepare_cached(
            "INSERT INTO ladder_fanouts (alert_key, all_seq, ladder, step, stop_at, due_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            alert.id.key(),
            all_seq as i64,
            &*ladder.ladder,
            ladder.step,
            level_code(ladder.stop_at),
            ladder.due_at.0
        ])?;
    counted(txn, 1);
    Ok(())
}

fn counted(txn: &mut Txn<'_>, by: i64) {
    txn.effects.deliveries.touched = true;
    txn.effects.deliveries.ladders += by;
}

/// How many are not done.
pub(crate) fn unfinished(conn: &Connection) -> Sql<i64> {
    conn.query_row("SELECT count(*) FROM ladder_fanouts WHERE state < 2", [], |row| row.get(0))
}

/// When the first one is due.
pub(crate) fn first_due(conn: &Connection) -> Sql<Option<i64>> {
    conn.prepare_cached("SELECT min(due_at) FROM ladder_fanouts WHERE state < 2")?
        .query_row([], |row| row.get(0))
}

/// The alert has left everyone's list: what was opened ends, and nothing more is opened.
pub(crate) fn leave(txn: &mut Txn<'_>, alert_key: i64) -> Sql<()> {
    let row: Option<(u8, u32)> = txn
        .conn
        .prepare_cached("SELECT state, opened FROM ladder_fanouts WHERE alert_key = ?1")?
        .query_row([alert_key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((before, opened)) = row else {
        return Ok(());
    };
    let state = if opened > 0 { ENDS } else { DONE };
    let due_at = txn.now();
    txn.conn
        .prepare_cached(
            "UPDATE ladder_fanouts SET state = ?2, cursor = 0, due_at = CASE WHEN due_at > ?3 THEN ?3 ELSE due_at END WHERE alert_key = ?1",
        )?
        .execute(params![alert_key, state, due_at])?;
    counted(txn, i64::from(state < DONE) - i64::from(before < DONE));
    Ok(())
}

/// Forgets the row of an alert that is deleted.
pub(crate) fn forget(txn: &mut Txn<'_>, alert_key: i64) -> Sql<()> {
    let state: Option<u8> = txn
        .conn
        .prepare_cached("DELETE FROM ladder_fanouts WHERE alert_key = ?1 RETURNING state")?
        .query_row([alert_key], |row| row.get(0))
        .optional()?;
    if state.is_some_and(|state| state < DONE) {
        counted(txn, -1);
    }
    Ok(())
}

/// A row as it stands.
struct Walk {
    alert_key: i64,
    all_seq: u64,
    ladder: Box<str>,
    step: u32,
    stop_at: Level,
    state: u8,
    cursor: i64,
}

fn next_chunk(conn: &Connection, reach: LadderReach, now: i64) -> Sql<Option<LadderChunk>> {
    let walk = conn
        .prepare_cached(
            "SELECT alert_key, all_seq, ladder, step, stop_at, state, cursor FROM ladder_fanouts \
             WHERE state < 2 AND due_at <= ?1 ORDER BY due_at, alert_key LIMIT 1",
        )?
        .query_row([now], |row| {
            Ok(Walk {
                alert_key: row.get(0)?,
                all_seq: row.get::<_, i64>(1)? as u64,
                ladder: row.get(2)?,
                step: row.get(3)?,
                stop_at: level_from(row.get(4)?).unwrap_or(Level::Received),
                state: row.get(5)?,
                cursor: row.get(6)?,
            })
        })
        .optional()?;
    let Some(walk) = walk else {
        return Ok(None);
    };
    let Some((id, content)) = alerts::content(conn, walk.alert_key)? else {
        return Ok(None);
    };
    if walk.state == ENDS {
        return Ok(Some(chunk(walk, (id, content), Vec::new(), (i64::MAX, false))));
    }
    let (users, to) = candidates(conn, &walk, reach)?;
    Ok(Some(chunk(walk, (id, content), users, to)))
}

fn chunk(
    walk: Walk,
    (id, content): (AlertId, Arc<Content>),
    users: Vec<UserId>,
    (to, more): (i64, bool),
) -> LadderChunk {
    LadderChunk {
        place: LadderPlace { id, from: walk.cursor, to, more },
        all_seq: Seq(walk.all_seq),
        content,
        ladder: walk.ladder,
        step: walk.step,
        stop_at: walk.stop_at,
        users,
    }
}

/// The users behind the cursor that may need a delivery, the key of the last one looked at, and whether there are more.
fn candidates(conn: &Connection, walk: &Walk, reach: LadderReach) -> Sql<(Vec<UserId>, (i64, bool))> {
    let mut select = conn.prepare_cached(
        "SELECT u.user_key, u.id, u.received_all, u.all_read_up_to, m.flags, m.level, \
         u.email IS NOT NULL AND u.email_suppressed IS NULL, \
         EXISTS (SELECT 1 FROM devices d WHERE d.user_key = u.user_key) \
         FROM users u LEFT JOIN marks m ON m.user_key = u.user_key AND m.all_seq = ?2 \
         WHERE u.user_key > ?1 AND u.all_from < ?2 ORDER BY u.user_key LIMIT ?3",
    )?;
    let mut rows = select.query(params![walk.cursor, walk.all_seq as i64, CHUNK_LOOKED_AT as i64])?;
    let (mut users, mut to, mut looked_at) = (Vec::new(), walk.cursor, 0);
    while let Some(row) = rows.next()? {
        looked_at += 1;
        to = row.get(0)?;
        let received = Ranges::from_blob(row.get_ref(2)?.as_blob_or_null()?).contains(walk.all_seq);
        let read_up_to = row.get::<_, i64>(3)? as u64;
        let (flags, level): (Option<u8>, Option<u8>) = (row.get(4)?, row.get(5)?);
        let read = flags.map_or(walk.all_seq <= read_up_to, |flags| flags & READ != 0);
        let answered = read || level.unwrap_or(0).max(u8::from(received)) >= level_code(walk.stop_at);
        let (mail, device): (bool, bool) = (row.get(6)?, row.get(7)?);
        if !answered && (reach.anybody || (reach.email && mail) || (reach.push && device)) {
            users.push(users::id_at(&row, 1)?);
        }
        if users.len() == CHUNK_DELIVERIES {
            return Ok((users, (to, true)));
        }
    }
    Ok((users, (to, looked_at == CHUNK_LOOKED_AT)))
}

fn advance(txn: &mut Txn<'_>, place: &LadderPlace, new: &[NewDelivery], now: i64) -> Sql<u32> {
    let alert_key = place.id.key();
    let row: Option<(u8, i64)> = txn
        .conn
        .prepare_cached(&format!(
            "SELECT state, cursor FROM ladder_fanouts WHERE alert_key = ?1{}",
            txn.conn.for_update()
        ))?
        .query_row([alert_key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match row {
        Some((OPENS, cursor)) if cursor == place.from => {
            txn.lock_users(new.iter().map(|one| &one.user))?;
            let mut opened = 0;
            for one in new {
                opened += u32::from(open_of_all(txn, one, now)?);
            }
            let state = if place.more { OPENS } else { DONE };
            move_to(txn, alert_key, (state, place.to, opened))?;
            Ok(opened)
        }
        Some((ENDS, cursor)) => end_chunk(txn, alert_key, cursor, now).map(|()| 0),
        _ => Ok(0),
    }
}

fn move_to(txn: &mut Txn<'_>, alert_key: i64, (state, cursor, opened): (u8, i64, u32)) -> Sql<()> {
    txn.conn
        .prepare_cached(
            "UPDATE ladder_fanouts SET state = ?2, cursor = ?3, opened = opened + ?4 WHERE alert_key = ?1",
        )?
        .execute(params![alert_key, state, cursor, opened])?;
    counted(txn, -i64::from(state == DONE));
    Ok(())
}

/// Ends the next deliveries of an alert that has left everyone's list.
fn end_chunk(txn: &mut Txn<'_>, alert_key: i64, cursor: i64, now: i64) -> Sql<()> {
    let active: Vec<Delivery> = txn
        .conn
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM deliveries d WHERE d.alert_key = ?1 AND d.user_key > ?2 \
             AND (d.ended_at IS NULL OR d.open_legs > 0) ORDER BY d.user_key LIMIT ?3"
        ))?
        .query_map(params![alert_key, cursor, CHUNK_DELIVERIES as i64], read)?
        .collect::<Sql<_>>()?;
    txn.own(&active.iter().map(|one| one.user_key).collect::<Vec<_>>(), Busy::Awaited)?;
    for delivery in &active {
        // As it is now that its user is this transaction's own.
        let Some(delivery) = delivery_rows::find(txn.conn, delivery.key)?.filter(Delivery::is_active) else {
            continue;
        };
        if let Some((state, reason)) = cancellation::over(txn.conn, &delivery, now)? {
            end(txn, &delivery, state, reason, now)?;
        }
    }
    let last = active.last().map_or(cursor, |one| one.user_key);
    let state = if active.len() < CHUNK_DELIVERIES { DONE } else { ENDS };
    move_to(txn, alert_key, (state, last, 0))
}
