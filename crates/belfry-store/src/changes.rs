//! A person's changes: seen, read, archived … They take one number of the user's stream, however many items they are
//! about.

use crate::alerts::{self, Form};
use crate::announcements::{self, MarkStep};
use crate::settle::settle_user;
use crate::sql::{OptionalExtension, Sql, params};
use crate::state;
use crate::told_levels::{self, Rising};
use crate::txn::Txn;
use crate::{Heads, Selection, StateChanged, Unread};
use belfry_protocol::{AlertId, Seq, StateChange, UserId};

/// What a change found to do.
#[derive(Default)]
struct Found {
    /// Items of the user's stream that were written, and what the unread count has to gain and lose.
    changed: bool,
    gained: u32,
    lost: u32,
}

/// Changes items. What is foreign, unknown or out of the list stays as it is.
pub(crate) fn change(
    txn: &mut Txn<'_>,
    user: &UserId,
    selection: &Selection,
    change: StateChange,
    now: i64,
) -> Sql<StateChanged> {
    txn.at(now);
    txn.user_or_new(user, now)?;
    settle_user(txn, user)?;
    let step = MarkStep { version: txn.held(user).core.head + 1, now };
    let found = match selection {
        Selection::Ids(ids) => change_ids(txn, user, ids, change, step)?,
        Selection::UpTo(heads) => change_up_to(txn, user, *heads, change, step)?,
    };
    let all = txn.all();
    let work = txn.held(user);
    if found.changed {
        work.reached = true;
        work.core.head = step.version;
        work.core.unread = (work.core.unread + found.gained).saturating_sub(found.lost);
        work.dirty = true;
    }
    Ok(StateChanged {
        seq: Seq(work.core.head),
        unread: Unread { user: work.core.unread, all: work.core.unread_all(&all) },
        changed: found.changed,
    })
}

fn change_ids(
    txn: &mut Txn<'_>,
    user: &UserId,
    ids: &[AlertId],
    change: StateChange,
    step: MarkStep,
) -> Sql<Found> {
    let user_key = txn.held(user).core.key;
    let mut found = Found::default();
    for id in ids {
        let Some(head) = alerts::head_of(txn.conn, *id)? else {
            continue;
        };
        if head.form == Form::Everyone {
            let all = txn.all();
            let core = &txn.held(user).core;
            let Some(one) = head.seq.and_then(|all_seq| core.announcement(&all, all_seq)) else {
                continue;
            };
            let flags = core.mark(one.all_seq).flags;
            if state::changed(flags, change) != flags {
                announcements::set_mark(txn, user, one.all_seq, change, step)?;
                found.changed = true;
            }
        } else if let Some(seq) = alerts::seq_for(txn.conn, &head, user, user_key)? {
            change_item(txn, user, seq, change, step, &mut found)?;
        }
    }
    Ok(found)
}

fn change_item(
    txn: &mut Txn<'_>,
    user: &UserId,
    seq: u64,
    change: StateChange,
    step: MarkStep,
    found: &mut Found,
) -> Sql<()> {
    let user_key = txn.held(user).core.key;
    let flags: Option<u8> = txn
        .conn
        .prepare_cached("SELECT flags FROM notifications WHERE user_key = ?1 AND seq = ?2 AND gone = 0")?
        .query_row(params![user_key, seq as i64], |row| row.get(0))
        .optional()?;
    let Some(before) = flags else {
        return Ok(());
    };
    let after = state::changed(before, change);
    if after == before {
        return Ok(());
    }
    let level = state::level_of(change);
    if let Some(level) = level {
        told_levels::rising(txn, user, Rising::one(seq, level), step.now)?;
    }
    txn.conn
        .prepare_cached(
            "UPDATE notifications SET flags = ?3, version = ?4, level = CASE WHEN level < ?5 THEN ?5 ELSE level END \
             WHERE user_key = ?1 AND seq = ?2",
        )?
        .execute(params![
            user_key,
            seq as i64,
            after,
            step.version as i64,
            level.map_or(0, state::level_code)
        ])?;
    if let Some(level) = level {
        let column = state::level_column(level);
        txn.conn
            .prepare_cached(&format!(
                "UPDATE notifications SET {column} = coalesce({column}, ?3) WHERE user_key = ?1 AND seq = ?2"
            ))?
            .execute(params![user_key, seq as i64, step.now])?;
    }
    found.changed = true;
    found.gained += u32::from(!state::counts(before) && state::counts(after));
    found.lost += u32::from(state::counts(before) && !state::counts(after));
    Ok(())
}

fn change_up_to(
    txn: &mut Txn<'_>,
    user: &UserId,
    up_to: Heads,
    change: StateChange,
    step: MarkStep,
) -> Sql<Found> {
    let mut found = Found::default();
    let core = &txn.held(user).core;
    // The commonest call finds nothing unread: then no row is looked at.
    let nothing_to_read = change == StateChange::Read && core.unread == 0;
    if !nothing_to_read {
        change_items_up_to(txn, user, up_to.user.0, change, step, &mut found)?;
    }
    let all = txn.all();
    let core = &txn.held(user).core;
    let within: Vec<u64> = core
        .announcements(&all, 0)
        .map(|one| one.all_seq)
        .take_while(|all_seq| *all_seq <= up_to.all.0)
        .filter(|all_seq| {
            let flags = core.mark(*all_seq).flags;
            state::changed(flags, change) != flags
        })
        .collect();
    if within.is_empty() {
        return Ok(found);
    }
    found.changed = true;
    if change == StateChange::Read {
        announcements::read_up_to(txn, user, up_to.all.0.min(all.head), step)?;
    } else {
        for all_seq in within {
            announcements::set_mark(txn, user, all_seq, change, step)?;
        }
    }
    Ok(found)
}

fn change_items_up_to(
    txn: &mut Txn<'_>,
    user: &UserId,
    up_to: u64,
    change: StateChange,
    step: MarkStep,
    found: &mut Found,
) -> Sql<()> {
    let user_key = txn.held(user).core.key;
    let level = state::level_of(change);
    if let Some(level) = level {
        // Whatever in the list has not reached the level is changed.
        told_levels::rising(txn, user, Rising { after: 0, up_to, to: level, gone: false }, step.now)?;
    }
    let up_to = i64::try_from(up_to).unwrap_or(i64::MAX);
    let (applies, becomes) = state::changed_sql(change);
    let (rows, unread): (u32, u32) = txn
        .conn
        .prepare_cached(&format!(
            "SELECT count(*), coalesce(sum(CASE WHEN flags & 2 = 0 THEN 1 ELSE 0 END), 0) FROM notifications \
             WHERE user_key = ?1 AND seq <= ?2 AND gone = 0 AND {applies}"
        ))?
        .query_row(params![user_key, up_to], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if rows == 0 {
        return Ok(());
    }
    // Without a level of its own a change keeps a time that is already there.
    let column = level.map_or("seen_at", state::level_column);
    let time = level.map(|_| step.now);
    txn.conn
        .prepare_cached(&format!(
            "UPDATE notifications SET flags = {becomes}, version = ?3, level = CASE WHEN level < ?4 THEN ?4 ELSE level END, \
             {column} = coalesce({column}, ?5) WHERE user_key = ?1 AND seq <= ?2 AND gone = 0 AND {applies}"
        ))?
        .execute(params![user_key, up_to, step.version as i64, level.map_or(0, state::level_code), time])?;
    found.changed = true;
    match change {
        StateChange::Unread => found.gained += rows,
        StateChange::Read | StateChange::Archived | StateChange::Acted => found.lost += unread,
        StateChange::Seen | StateChange::Unarchived => {}
    }
    Ok(())
}
