//! Merging the log into the inboxes. Publishing only appends; the notifications of a user go into their place, with
//! the user's head and counts, when an operation needs them or in a batch of many users.
//!
//! What stands where, at any commit: a user's row holds `head` and `unread` as of the last merge. A row of the log
//! (an alert with one recipient, or a row of `recipients`) whose seq lies above that head is in the log only. So a
//! crash at any point needs no marker: what is above the head is merged at the next start, in seq order.
//! `meta.merged_to` only bounds which part of the log a start has to look at.

use crate::memory::{Memory, TailItem};
use crate::sql::{Connection, Sql, Statement};
use crate::txn::{Txn, Work, WriterState};
use belfry_protocol::UserId;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Rows of the log that start a merge.
pub(crate) const SETTLE_ROWS: usize = 8_192;
/// Rows merged with one commit while others wait.
pub(crate) const SETTLE_SLICE: usize = 256;
/// Rows of one statement: opening the table and its indexes costs more than a row.
const ROWS_PER_INSERT: usize = 16;
/// How far `merged_to` stays behind the newest alert: publishes that took their id earlier than they commit.
const MERGED_MARGIN_MS: i64 = 2_000;

/// Puts a user's tail into the inbox, as a part of this transaction. Afterwards memory holds no tail of this user.
pub(crate) fn settle_user(txn: &mut Txn<'_>, user: &UserId) -> Sql<()> {
    let mut rows = Vec::new();
    take_tail(txn, user, &mut rows)?;
    write(txn.conn, &rows)
}

/// Puts one unread notification into its place.
pub(crate) fn insert(conn: &Connection, work: &mut Work, item: &TailItem) -> Sql<()> {
    write(conn, &[place(work, item.clone())])
}

/// A notification on its way to its place.
struct Placed {
    user_key: i64,
    item: TailItem,
    late: bool,
}

fn place(work: &mut Work, item: TailItem) -> Placed {
    let late = item.alert_key < work.core.newest_alert;
    work.core.items += 1;
    work.core.newest_alert = work.core.newest_alert.max(item.alert_key);
    work.dirty = true;
    Placed { user_key: work.core.key, item, late }
}

/// Takes a user's tail; the caller writes the rows before anybody looks.
fn take_tail(txn: &mut Txn<'_>, user: &UserId, rows: &mut Vec<Placed>) -> Sql<()> {
    let Some(work) = txn.user(user)? else {
        return Ok(());
    };
    let settled = std::mem::replace(&mut work.settled, true);
    let appended = std::mem::take(&mut work.appended);
    let tail = if settled { Vec::new() } else { txn.memory.tail(user) };
    let work = txn.held(user);
    rows.extend(tail.into_iter().chain(appended).map(|item| place(work, item)));
    Ok(())
}

fn write(conn: &Connection, rows: &[Placed]) -> Sql<()> {
    let (many, few) = rows.as_chunks::<ROWS_PER_INSERT>();
    if !many.is_empty() {
        let mut insert = conn.prepare_cached(&INSERT_MANY)?;
        for rows in many {
            write_with(&mut insert, rows)?;
        }
    }
    if !few.is_empty() {
        let mut insert = conn.prepare_cached(&INSERT_ONE)?;
        for row in few {
            write_with(&mut insert, std::slice::from_ref(row))?;
        }
    }
    Ok(())
}

fn write_with(insert: &mut Statement<'_>, rows: &[Placed]) -> Sql<()> {
    for (number, row) in rows.iter().enumerate() {
        let first = number * 6;
        insert.bind(first + 1, row.user_key)?;
        insert.bind(first + 2, row.item.seq as i64)?;
        insert.bind(first + 3, row.item.alert_key)?;
        insert.bind(first + 4, row.late)?;
        insert.bind(first + 5, row.item.expires_at)?;
        insert.bind(first + 6, row.item.collapse_key.as_deref())?;
    }
    insert.send_bound()?;
    Ok(())
}

static INSERT_ONE: LazyLock<String> = LazyLock::new(|| insert_sql(1));
static INSERT_MANY: LazyLock<String> = LazyLock::new(|| insert_sql(ROWS_PER_INSERT));

fn insert_sql(rows: usize) -> String {
    let row = |number: usize| {
        let at = |column: usize| number * 6 + column;
        format!("(?{}, ?{}, ?{}, ?{}, ?{}, ?{}, ?{})", at(1), at(2), at(2), at(3), at(4), at(5), at(6))
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!(
        "INSERT INTO notifications (user_key, seq, version, alert_key, late, expires_at, collapse_key) VALUES {}",
        rows.join(", ")
    )
}

/// A merge of everything that was unsettled when it began, in slices between publishes.
#[derive(Default)]
pub(crate) struct Settling {
    /// Users still to do, the next one last.
    users: Vec<UserId>,
    keys: Vec<(crate::idempotency::IdempotencyKey, i64)>,
    running: bool,
}

impl Settling {
    /// Whether a merge is under way.
    pub(crate) fn is_running(&self) -> bool {
        self.running
    }

    /// Begins, if nothing is under way. Users go in the order of their keys, so neighbours share pages.
    pub(crate) fn begin(&mut self, memory: &Memory, state: &WriterState) {
        if self.running {
            return;
        }
        let mut users = Vec::with_capacity(state.unsettled.len());
        for user in &state.unsettled {
            users.push((memory.key(user).unwrap_or(i64::MAX), user.clone()));
        }
        users.sort_unstable_by_key(|one| std::cmp::Reverse(one.0));
        self.users = users.into_iter().map(|(_, user)| user).collect();
        let mut keys: Vec<_> =
            state.recent_keys.iter().map(|(key, one)| (key.clone(), one.alert_key)).collect();
        keys.sort_unstable_by(|a, b| b.cmp(a));
        self.keys = keys;
        self.running = true;
    }

    /// Merges about `rows` rows; the last slice moves `merged_to`.
    pub(crate) fn slice(&mut self, txn: &mut Txn<'_>, rows: usize) -> Sql<()> {
        let mut taken = Vec::new();
        while taken.len() < rows
            && let Some(user) = self.users.pop()
        {
            take_tail(txn, &user, &mut taken)?;
        }
        write(txn.conn, &taken)?;
        let mut left = rows.saturating_sub(taken.len());
        while left > 0
            && let Some((key, alert_key)) = self.keys.pop()
        {
            crate::idempotency::merge(txn, key, alert_key)?;
            left -= 1;
        }
        if self.users.is_empty() && self.keys.is_empty() {
            self.running = false;
            finish(txn)?;
        }
        Ok(())
    }

    /// After a failed transaction: the next one begins anew from what memory still holds as unsettled.
    pub(crate) fn abandon(&mut self) {
        *self = Self::default();
    }
}

/// Merges everything, whatever it takes.
pub(crate) fn settle_all(txn: &mut Txn<'_>) -> Sql<()> {
    // A part of it may belong to users that only this transaction touched.
    for user in txn.effects.work.keys().cloned().collect::<Vec<_>>() {
        settle_user(txn, &user)?;
    }
    let mut settling = Settling::default();
    settling.begin(txn.memory, txn.state);
    while settling.is_running() {
        settling.slice(txn, usize::MAX)?;
    }
    Ok(())
}

/// Moves `merged_to` up to what is still only in the log.
fn finish(txn: &mut Txn<'_>) -> Sql<()> {
    let newest = txn.effects.newest_key;
    let mut bound = newest - (MERGED_MARGIN_MS << 15);
    let mut hold = |key: i64| bound = bound.min(key - 1);
    for user in &txn.state.unsettled {
        if txn.effects.work.get(user).is_none_or(|work| !work.settled) {
            txn.memory.with_tail(user, |tail| tail.iter().for_each(|item| hold(item.alert_key)));
        }
    }
    for work in txn.effects.work.values() {
        work.appended.iter().for_each(|item| hold(item.alert_key));
    }
    let merged: HashMap<_, _> = txn.effects.merged_keys.iter().map(|(key, alert)| (key, *alert)).collect();
    for (key, one) in txn.state.recent_keys.iter().chain(&txn.effects.idempotency) {
        if merged.get(key) != Some(&one.alert_key) {
            hold(one.alert_key);
        }
    }
    if bound > txn.effects.merged_to {
        txn.set_merged_to(bound)?;
    }
    Ok(())
}
