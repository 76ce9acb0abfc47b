//! Receipts: noted in memory at once, written by the writer with the next commit that is due.

use crate::alerts::{self, Form};
use crate::announcements;
use crate::memory::{Memory, Noted, lock};
use crate::ranges::Ranges;
use crate::settle::settle_user;
use crate::sql::{Sql, params};
use crate::state;
use crate::told_levels::{self, Rising};
use crate::txn::Txn;
use crate::{AckRow, StoreError};
use belfry_protocol::{AlertId, Level, Stream, UserId};
use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

/// Most receipts (users with ranges, and named alerts) that wait for the disk.
const PENDING_MAX: usize = 65_536;
/// Named alerts written with one commit.
const NAMED_PER_FLUSH: usize = 2_000;

/// A receipt that memory cannot hold beside its user.
#[derive(Debug, Clone)]
enum Named {
    /// These alerts reached this level.
    Ids { ids: Vec<AlertId>, level: Level },
    /// A range of a user who was not warm.
    Range { stream: Stream, after: u64, up_to: u64 },
    /// A range of the user's stream that is more than received.
    Displayed { after: u64, up_to: u64 },
}

/// A receipt with its user and moment.
#[derive(Debug, Clone)]
struct Waiting {
    user: UserId,
    what: Named,
    now: i64,
}

/// What waits for the disk.
#[derive(Default)]
pub(crate) struct Pending {
    queue: Mutex<Queue>,
    count: AtomicUsize,
    /// The latest moment of a receipt.
    latest: AtomicI64,
}

#[derive(Default)]
struct Queue {
    /// Users whose ranges in memory are newer than on disk.
    dirty: Vec<UserId>,
    named: VecDeque<Waiting>,
}

/// What one flush took, so that a failed transaction can give it back.
#[derive(Default)]
pub(crate) struct Taken {
    dirty: Vec<UserId>,
    named: Vec<Waiting>,
}

impl Pending {
    /// How many wait.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Notes a receipt. `true`: it is the first one that waits, so the writer has to be told.
    pub(crate) fn note(
        &self,
        memory: &Memory,
        user: &UserId,
        ack: AckRow,
        now: i64,
    ) -> Result<bool, StoreError> {
        self.latest.fetch_max(now, Ordering::Relaxed);
        let what = match ack {
            // Where nobody is kept warm there is no place for a receipt that nothing waits for.
            AckRow::Range { stream: Stream::All, after, up_to, level: Level::Received }
                if memory.is_shared() && memory.all().awaited(after.0, up_to.0).next().is_none() =>
            {
                return Ok(false);
            }
            AckRow::Range { stream, after, up_to, level: Level::Received } => {
                match memory.note_range(user, stream == Stream::All, after.0, up_to.0) {
                    Noted::Known => return Ok(false),
                    Noted::Full => return Err(StoreError::Overloaded),
                    Noted::Dirty => {
                        // It stands in memory already, so it is kept whatever the queue holds: it is one per user.
                        let first = self.count.fetch_add(1, Ordering::Relaxed) == 0;
                        lock(&self.queue).dirty.push(user.clone());
                        return Ok(first);
                    }
                    Noted::Cold => Named::Range { stream, after: after.0, up_to: up_to.0 },
                }
            }
            AckRow::Range { stream, after, up_to, .. } => {
                let received = AckRow::Range { stream, after, up_to, level: Level::Received };
                let first = self.note(memory, user, received, now)?;
                if stream == Stream::All {
                    let ids: Vec<AlertId> =
                        memory.all().awaited(after.0, up_to.0).map(|one| one.id).collect();
                    let displayed = Named::Ids { ids, level: Level::Displayed };
                    return Ok((displayed.weight() > 0 && self.push(user, displayed, now)?) || first);
                }
                // Clamped to the head of this moment; that of a user who is not warm does not move until the flush.
                let head = memory.core(user).map_or(up_to.0, |core| core.head);
                let named = Named::Displayed { after: after.0, up_to: up_to.0.min(head) };
                return Ok(self.push(user, named, now)? || first);
            }
            AckRow::Ids { ids, .. } if ids.is_empty() => return Ok(false),
            AckRow::Ids { ids, level } => Named::Ids { ids, level },
        };
        self.push(user, what, now)
    }

    fn push(&self, user: &UserId, what: Named, now: i64) -> Result<bool, StoreError> {
        let weight = what.weight();
        if self.count() + weight > PENDING_MAX {
            return Err(StoreError::Overloaded);
        }
        // Counted first, so that a flush never takes away more than was added.
        let first = self.count.fetch_add(weight, Ordering::Relaxed) == 0;
        lock(&self.queue).named.push_back(Waiting { user: user.clone(), what, now });
        Ok(first)
    }

    /// Takes up what is in memory only, so that it is written too.
    pub(crate) fn take_ahead(&self, memory: &Memory) {
        let ahead = memory.take_ahead();
        self.count.fetch_add(ahead.len(), Ordering::Relaxed);
        lock(&self.queue).dirty.extend(ahead);
    }

    /// The receipts of one flush: a bounded number of the oldest, and all that `wanted` says.
    fn take(&self, wanted: impl Fn(&UserId) -> bool) -> Taken {
        let mut queue = lock(&self.queue);
        let mut taken = Taken { dirty: std::mem::take(&mut queue.dirty), named: Vec::new() };
        let mut weight = 0;
        while weight < NAMED_PER_FLUSH
            && let Some(waiting) = queue.named.pop_front()
        {
            weight += waiting.what.weight();
            taken.named.push(waiting);
        }
        if !queue.named.is_empty() {
            let (more, rest): (Vec<_>, VecDeque<_>) =
                std::mem::take(&mut queue.named).into_iter().fold(Default::default(), |mut both, one| {
                    if wanted(&one.user) {
                        both.0.push(one)
                    } else {
                        both.1.push_back(one)
                    }
                    both
                });
            taken.named.extend(more);
            queue.named = rest;
        }
        taken
    }

    /// After COMMIT.
    pub(crate) fn done(&self, taken: &Taken) {
        self.count.fetch_sub(taken.weight(), Ordering::Relaxed);
    }

    /// After a failed transaction.
    pub(crate) fn give_back(&self, memory: &Memory, taken: Taken) {
        let mut queue = lock(&self.queue);
        for user in taken.dirty {
            let again = memory.with_receipts(&user, |receipts| !std::mem::replace(&mut receipts.dirty, true));
            if again == Some(true) {
                queue.dirty.push(user);
            } else {
                // It was erased, or noted again meanwhile: then it is counted twice.
                self.count.fetch_sub(1, Ordering::Relaxed);
            }
        }
        for waiting in taken.named.into_iter().rev() {
            queue.named.push_front(waiting);
        }
    }

    /// Writes what waits, as a part of this transaction. `users`: all that waits for these and for those with active
    /// deliveries, however much it is.
    pub(crate) fn flush(
        &self,
        txn: &mut Txn<'_>,
        taken: &mut Taken,
        users: Option<&HashSet<UserId>>,
    ) -> Sql<()> {
        let active = |user: &UserId| {
            // Of one who is not warm it is not known here.
            txn.memory.key(user).is_none_or(|key| txn.state.active_users.contains(&key))
        };
        *taken = self.take(|user| users.is_some_and(|users| users.contains(user) || active(user)));
        txn.at(self.latest.load(Ordering::Relaxed));
        txn.lock_users(taken.named.iter().map(|waiting| &waiting.user).chain(&taken.dirty))?;
        let mut ranges = Vec::with_capacity(taken.dirty.len());
        for user in &taken.dirty {
            // From here on a new receipt makes the user dirty again.
            let copy = txn.memory.with_receipts(user, |receipts| {
                receipts.dirty = false;
                receipts.all_ahead = false;
                (receipts.user.clone(), receipts.all.clone())
            });
            if let Some((user_ranges, all_ranges)) = copy {
                ranges.push((user, user_ranges, all_ranges));
            }
        }
        for (user, user_ranges, all_ranges) in ranges {
            write_ranges(txn, user, user_ranges, all_ranges)?;
        }
        for waiting in &taken.named {
            match &waiting.what {
                Named::Ids { ids, level } => raise(txn, &waiting.user, ids, *level, waiting.now)?,
                Named::Range { stream, after, up_to } => {
                    cold_range(txn, &waiting.user, *stream, *after, *up_to)?;
                }
                Named::Displayed { after, up_to } => {
                    displayed_range(txn, &waiting.user, (*after, *up_to), waiting.now)?;
                }
            }
        }
        Ok(())
    }
}

impl Named {
    fn weight(&self) -> usize {
        match self {
            Named::Ids { ids, .. } => ids.len(),
            Named::Range { .. } | Named::Displayed { .. } => 1,
        }
    }
}

impl Taken {
    fn weight(&self) -> usize {
        self.dirty.len() + self.named.iter().map(|waiting| waiting.what.weight()).sum::<usize>()
    }
}

/// Writes a user's ranges; the lowest of too many go to the items.
fn write_ranges(txn: &mut Txn<'_>, user: &UserId, mut of_user: Ranges, mut of_all: Ranges) -> Sql<()> {
    if txn.user(user)?.is_none() {
        return Ok(());
    }
    let now = txn.now();
    told_levels::confirming(txn, user, &of_user, now)?;
    let spilled = of_user.overflow().to_vec();
    if let Some(last) = spilled.last().copied() {
        settle_user(txn, user)?;
        let user_key = txn.held(user).core.key;
        for (after, up_to) in &spilled {
            txn.conn
                .prepare_cached(
                    "UPDATE notifications SET level = 1 WHERE user_key = ?1 AND seq > ?2 AND seq <= ?3 AND level < 1",
                )?
                .execute(params![user_key, *after as i64, *up_to as i64])?;
        }
        of_user.forget_up_to(last.1);
        txn.effects.spilled.push((user.clone(), last.1));
    }
    // No rows hold receipts of announcements, so beyond the limit the oldest are forgotten.
    if let Some(last) = of_all.overflow().last().copied() {
        of_all.forget_up_to(last.1);
    }
    let work = txn.held(user);
    work.reached = true;
    let user_key = work.core.key;
    txn.conn
        .prepare_cached("UPDATE users SET received = ?2, received_all = ?3 WHERE user_key = ?1")?
        .send(params![user_key, of_user.to_blob(), of_all.to_blob()])
}

/// A range of a user who was not warm when it came: clamped to the head as it is now.
fn cold_range(txn: &mut Txn<'_>, user: &UserId, stream: Stream, after: u64, up_to: u64) -> Sql<()> {
    let all_head = txn.all().head;
    let Some((head, from_disk)) = txn.user(user)?.map(|work| (work.core.head, work.receipts.clone())) else {
        return Ok(());
    };
    let (mut of_user, mut of_all) = (from_disk.user, from_disk.all);
    txn.memory.with_receipts(user, |receipts| {
        of_user.merge(&receipts.user);
        of_all.merge(&receipts.all);
    });
    match stream {
        Stream::User => of_user.insert(after, up_to.min(head)),
        Stream::All => of_all.insert(after, up_to.min(all_head)),
    };
    let work = txn.held(user);
    work.receipts.user = of_user.clone();
    work.receipts.all = of_all.clone();
    work.merge_receipts = true;
    write_ranges(txn, user, of_user, of_all)
}

/// A range of the user's stream was displayed.
fn displayed_range(txn: &mut Txn<'_>, user: &UserId, (after, up_to): (u64, u64), now: i64) -> Sql<()> {
    if txn.user(user)?.is_none() {
        return Ok(());
    }
    settle_user(txn, user)?;
    let work = txn.held(user);
    work.reached = true;
    let (user_key, up_to) = (work.core.key, up_to.min(work.core.head));
    told_levels::rising(txn, user, Rising { after, up_to, to: Level::Displayed, gone: false }, now)?;
    txn.conn
        .prepare_cached(
            "UPDATE notifications SET level = CASE WHEN level < 2 THEN 2 ELSE level END, displayed_at = ?4 \
             WHERE user_key = ?1 AND seq > ?2 AND seq <= ?3 AND displayed_at IS NULL",
        )?
        .execute(params![user_key, i64::try_from(after).unwrap_or(i64::MAX), up_to as i64, now])?;
    Ok(())
}

/// Named alerts reached a level.
fn raise(txn: &mut Txn<'_>, user: &UserId, ids: &[AlertId], level: Level, now: i64) -> Sql<()> {
    if txn.user(user)?.is_none() {
        return Ok(());
    }
    settle_user(txn, user)?;
    let work = txn.held(user);
    work.reached = true;
    let user_key = work.core.key;
    let column = state::level_column(level);
    let sql = format!(
        "UPDATE notifications SET level = CASE WHEN level < ?3 THEN ?3 ELSE level END, {column} = coalesce({column}, ?4) \
         WHERE user_key = ?1 AND seq = ?2 AND (level < ?3 OR {column} IS NULL)"
    );
    for id in ids {
        let Some(head) = alerts::head_of(txn.conn, *id)? else {
            continue;
        };
        if head.form == Form::Everyone {
            if let Some(all_seq) = head.seq {
                announcements::raise_level(txn, user, all_seq, level, now)?;
            }
        } else if let Some(seq) = alerts::seq_for(txn.conn, &head, user, user_key)? {
            told_levels::rising(txn, user, Rising::one(seq, level), now)?;
            txn.conn.prepare_cached(&sql)?.execute(params![
                user_key,
                seq as i64,
                state::level_code(level),
                now
            ])?;
        }
    }
    Ok(())
}
