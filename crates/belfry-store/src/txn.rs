//! One transaction of the writer: what it changes stands aside from the memory until COMMIT.

use crate::alerts::Inserts;
use crate::announcements;
use crate::cancellation::end_what_is_satisfied;
use crate::delivery_rows;
use crate::idempotency::{IdempotencyKey, Remembered};
pub(crate) use crate::memory::Work;
use crate::memory::{AllState, Core, Memory, Receipts};
use crate::shared::DueTimes;
use crate::sql::{Connection, OptionalExtension, Sql, params};
use crate::users;
use crate::webhook_events;
use belfry_protocol::UserId;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What is given to memory after COMMIT.
pub(crate) struct Effects {
    pub(crate) work: HashMap<UserId, Work>,
    pub(crate) all: Option<Arc<AllState>>,
    pub(crate) idempotency: HashMap<IdempotencyKey, Remembered>,
    pub(crate) newest_key: i64,
    pub(crate) merged_to: i64,
    pub(crate) published: u64,
    pub(crate) fanouts: i64,
    pub(crate) store_epoch: Option<u32>,
    /// Receipt ranges that were written to items: (user, up to).
    pub(crate) spilled: Vec<(UserId, u64)>,
    /// Keys that memory need not hold any longer, with their alerts.
    pub(crate) merged_keys: Vec<(IdempotencyKey, i64)>,
    pub(crate) deliveries: DeliveryTally,
    /// Where a delivery or a leg was touched: when the next one can be claimed.
    pub(crate) due: Option<DueTimes>,
    pub(crate) watched_to: i64,
    /// The latest moment that an operation of this transaction named.
    pub(crate) now: i64,
    /// Endpoints or their events were touched.
    pub(crate) webhooks_touched: bool,
    /// Then: when the first event can be claimed.
    pub(crate) webhooks_due: Option<i64>,
}

/// How the counts of deliveries change.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeliveryTally {
    /// Some row of a delivery or a leg was written.
    pub(crate) touched: bool,
    pub(crate) active: i64,
    pub(crate) held: i64,
    pub(crate) dead_letters: i64,
    /// Pending ones.
    pub(crate) legs: i64,
    /// Ladders of alerts for everyone that are not through.
    pub(crate) ladders: i64,
    /// Deliveries that ended, by the code of their state.
    pub(crate) ended: [u32; 9],
    /// Users who were found to have no active delivery left.
    pub(crate) inactive_users: HashSet<i64>,
}

/// What the writer keeps between transactions.
#[derive(Default)]
pub(crate) struct WriterState {
    /// Idempotency keys that stand in their alerts' rows only.
    pub(crate) recent_keys: HashMap<IdempotencyKey, Remembered>,
    /// Users with a tail.
    pub(crate) unsettled: std::collections::HashSet<UserId>,
    pub(crate) unsettled_rows: usize,
    /// Not later than the first expiry in any tail.
    pub(crate) first_expiry: Option<i64>,
    /// Everything in the log up to this key is merged, but for users' tails above their settled head.
    pub(crate) merged_to: i64,
    /// Highest key in the log.
    pub(crate) newest_key: i64,
    pub(crate) retention: crate::retention::Walk,
    /// Keys of all users with active deliveries, and of some others.
    pub(crate) active_users: HashSet<i64>,
    /// How far the watch has come.
    pub(crate) watched_to: i64,
    /// The latest moment that an operation named.
    pub(crate) now: i64,
    /// Endpoints for status webhooks; `None`: they are to be read.
    pub(crate) endpoints: Option<Vec<crate::webhooks::Endpoint>>,
}

struct Undo {
    work: HashMap<UserId, Option<Work>>,
    all: Option<Arc<AllState>>,
    keys: Vec<IdempotencyKey>,
    published: u64,
    fanouts: i64,
    merged_to: i64,
    spilled: usize,
    merged_keys: usize,
    deliveries: DeliveryTally,
    watched_to: i64,
}

/// Most users locked with one statement.
const LOCKED_AT_ONCE: usize = 500;

impl Limits {
    /// Of a store's options.
    pub(crate) fn of(options: &crate::Options) -> Self {
        Self {
            inbox_items_max: options.inbox_items_max,
            announcements_max: options.announcements_max,
            webhook_queue_max: options.webhook_queue_max,
        }
    }
}

/// What happens where another transaction has a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    /// It is waited for.
    Awaited,
    /// The user is left out.
    Skipped,
}

/// An open transaction.
pub(crate) struct Txn<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) memory: &'a Memory,
    pub(crate) state: &'a mut WriterState,
    pub(crate) limits: Limits,
    pub(crate) effects: Effects,
    pub(crate) inserts: Inserts<'a>,
    undo: Option<Undo>,
    /// Users whose rows this transaction has locked, where others could have them.
    owned: HashSet<i64>,
    /// Users of whom it is known that there are none.
    absent: HashSet<UserId>,
    /// Memory knows the stream for everyone as it was when this transaction first asked.
    knows_all: bool,
    /// Idempotency keys that were looked for, and what was found.
    pub(crate) looked_up: HashMap<IdempotencyKey, Option<i64>>,
}

/// Limits that operations ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) inbox_items_max: u32,
    pub(crate) announcements_max: u32,
    pub(crate) webhook_queue_max: u32,
}

impl<'a> Txn<'a> {
    /// Around an open SQLite transaction.
    pub(crate) fn new(
        conn: &'a Connection,
        memory: &'a Memory,
        state: &'a mut WriterState,
        limits: Limits,
    ) -> Self {
        let effects = Effects {
            work: HashMap::new(),
            all: None,
            idempotency: HashMap::new(),
            newest_key: state.newest_key,
            merged_to: state.merged_to,
            published: 0,
            fanouts: 0,
            store_epoch: None,
            spilled: Vec::new(),
            merged_keys: Vec::new(),
            deliveries: DeliveryTally::default(),
            due: None,
            watched_to: state.watched_to,
            now: state.now,
            webhooks_touched: false,
            webhooks_due: None,
        };
        Self {
            conn,
            memory,
            state,
            limits,
            effects,
            inserts: Inserts::default(),
            undo: None,
            owned: HashSet::new(),
            absent: HashSet::new(),
            knows_all: false,
            looked_up: HashMap::new(),
        }
    }

    /// Ends what is satisfied by now, writes what was kept back, and commits. Answers what memory has to learn.
    pub(crate) fn commit(mut self) -> Sql<Effects> {
        end_what_is_satisfied(&mut self)?;
        if self.effects.deliveries.touched {
            self.effects.due = Some(delivery_rows::due_times(self.conn)?);
        }
        if self.effects.webhooks_touched {
            self.effects.webhooks_due = Some(webhook_events::first_due(self.conn)?);
        }
        self.write_users()?;
        self.conn.commit()?;
        Ok(self.effects)
    }

    /// Runs `body` so that its fault takes back what it did and nothing else. Faults of the disk are not contained:
    /// they fail the whole transaction.
    pub(crate) fn savepoint<T>(&mut self, body: impl FnOnce(&mut Self) -> Sql<T>) -> Sql<T> {
        // Where several nodes write, the whole transaction is taken back, and its jobs run again one by one.
        if self.undo.is_some() || self.conn.is_shared() {
            return body(self);
        }
        self.conn.prepare_cached("SAVEPOINT job")?.execute([])?;
        self.undo = Some(Undo {
            work: HashMap::new(),
            all: self.effects.all.clone(),
            keys: Vec::new(),
            published: self.effects.published,
            fanouts: self.effects.fanouts,
            merged_to: self.effects.merged_to,
            spilled: self.effects.spilled.len(),
            merged_keys: self.effects.merged_keys.len(),
            deliveries: self.effects.deliveries.clone(),
            watched_to: self.effects.watched_to,
        });
        let result = body(self);
        let undo = self.undo.take();
        match result {
            Err(error) if !error.is_outage() => {
                self.conn.prepare_cached("ROLLBACK TO job")?.execute([])?;
                self.conn.prepare_cached("RELEASE job")?.execute([])?;
                if let Some(undo) = undo {
                    self.take_back(undo);
                }
                Err(error)
            }
            Err(error) => Err(error),
            Ok(value) => {
                self.conn.prepare_cached("RELEASE job")?.execute([])?;
                Ok(value)
            }
        }
    }

    fn take_back(&mut self, undo: Undo) {
        for (user, work) in undo.work {
            match work {
                Some(work) => self.effects.work.insert(user, work),
                None => self.effects.work.remove(&user),
            };
        }
        for key in undo.keys {
            self.effects.idempotency.remove(&key);
        }
        self.effects.all = undo.all;
        self.effects.published = undo.published;
        self.effects.fanouts = undo.fanouts;
        self.effects.merged_to = undo.merged_to;
        self.effects.spilled.truncate(undo.spilled);
        self.effects.merged_keys.truncate(undo.merged_keys);
        self.effects.deliveries = undo.deliveries;
        self.effects.watched_to = undo.watched_to;
        self.state.endpoints = None;
    }

    /// An operation of this transaction happens at this moment.
    pub(crate) fn at(&mut self, now: i64) {
        self.effects.now = self.effects.now.max(now);
    }

    /// The latest moment that an operation named, here or before.
    pub(crate) fn now(&self) -> i64 {
        self.effects.now
    }

    /// A user's core, to look at only.
    pub(crate) fn core(&self, user: &UserId) -> Sql<Option<Core>> {
        if let Some(work) = self.effects.work.get(user) {
            return Ok((!work.erased).then(|| work.core.clone()));
        }
        match self.memory.core(user) {
            Some(core) => Ok(Some(core)),
            None => Ok(users::load(self.conn, user)?.map(|found| found.0)),
        }
    }

    /// Locks these users and takes them in hand, all at once and in the one order that everybody keeps to: so no two
    /// transactions wait for each other. Where nobody else writes there is nothing to do.
    pub(crate) fn lock_users<'u>(&mut self, users: impl IntoIterator<Item = &'u UserId>) -> Sql<()> {
        if !self.conn.is_shared() {
            return Ok(());
        }
        let in_hand = |user: &&UserId| !self.effects.work.contains_key(*user) && !self.absent.contains(*user);
        let mut wanted: Vec<&UserId> = users.into_iter().filter(in_hand).collect();
        wanted.sort_unstable();
        wanted.dedup();
        for chunk in wanted.chunks(LOCKED_AT_ONCE) {
            let found = users::load_locked(self.conn, chunk)?;
            for (user, core, receipts) in found {
                self.owned.insert(core.key);
                self.effects.work.insert(user, Work::of(core, receipts));
            }
            let missing = chunk.iter().filter(|user| !self.effects.work.contains_key(**user));
            self.absent.extend(missing.map(|user| (*user).clone()));
        }
        Ok(())
    }

    /// Makes everything of these users this transaction's own, before it looks at their deliveries: whoever has a user's
    /// row may change what hangs on it. `skip`: those that another transaction has are left out. Answers whose it is.
    pub(crate) fn own(&mut self, user_keys: &[i64], skip: Busy) -> Sql<HashSet<i64>> {
        if !self.conn.is_shared() {
            return Ok(user_keys.iter().copied().collect());
        }
        let mut wanted: Vec<i64> =
            user_keys.iter().copied().filter(|key| !self.owned.contains(key)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        for chunk in wanted.chunks(LOCKED_AT_ONCE) {
            self.owned.extend(users::lock_keys(self.conn, chunk, skip == Busy::Skipped)?);
        }
        Ok(user_keys.iter().copied().filter(|key| self.owned.contains(key)).collect())
    }

    /// The stream of alerts for everyone as it is now on disk, and nobody else changes it before this transaction ends.
    pub(crate) fn lock_all(&mut self) -> Sql<()> {
        if self.conn.is_shared() {
            let lock = "SELECT value FROM meta WHERE name = 'all_head' FOR UPDATE";
            self.conn.prepare_cached(lock)?.query_row([], |row| row.get::<_, i64>(0)).optional()?;
            self.knows_all = false;
            self.refresh_all()?;
        }
        Ok(())
    }

    /// The stream of alerts for everyone as it is now on disk.
    pub(crate) fn refresh_all(&mut self) -> Sql<()> {
        if self.conn.is_shared() && self.effects.all.is_none() && !self.knows_all {
            announcements::refresh(self.conn, self.memory)?;
            self.knows_all = true;
        }
        Ok(())
    }

    /// Whether a number of the stream of a user that this transaction has in hand was confirmed, on disk or not.
    pub(crate) fn received(&self, user: &UserId, seq: u64) -> bool {
        let Some(work) = self.effects.work.get(user) else {
            return false;
        };
        let in_memory =
            || self.memory.with_receipts(user, |receipts| receipts.user.contains(seq)).unwrap_or(false);
        work.receipts.user.contains(seq) || (!work.made && in_memory())
    }

    /// Whether somebody confirmed an alert for everyone, on disk or not. Nobody is taken in hand for it.
    pub(crate) fn received_of_all(&self, user: &UserId, all_seq: u64) -> Sql<bool> {
        let work = self.effects.work.get(user);
        if work.is_some_and(|work| work.receipts.all.contains(all_seq)) {
            return Ok(true);
        }
        if work.is_some_and(|work| work.made) {
            return Ok(false);
        }
        match self.memory.with_receipts(user, |receipts| receipts.all.contains(all_seq)) {
            Some(received) => Ok(received),
            None => users::received_of_all(self.conn, user, all_seq),
        }
    }

    /// A user, for change. `None`: there is none.
    pub(crate) fn user(&mut self, user: &UserId) -> Sql<Option<&mut Work>> {
        self.keep_for_undo(user);
        if !self.effects.work.contains_key(user) {
            if self.conn.is_shared() {
                self.lock_users([user])?;
                return Ok(self.effects.work.get_mut(user).filter(|work| !work.erased));
            }
            let found = match self.memory.core(user) {
                Some(core) => Some((core, Receipts::default())),
                None => users::load(self.conn, user)?,
            };
            let Some((core, receipts)) = found else {
                return Ok(None);
            };
            self.effects.work.insert(user.clone(), Work::of(core, receipts));
        }
        Ok(self.effects.work.get_mut(user).filter(|work| !work.erased))
    }

    /// A user, for change, made where it is new.
    pub(crate) fn user_or_new(&mut self, user: &UserId, now: i64) -> Sql<&mut Work> {
        if self.user(user)?.is_none() {
            self.refresh_all()?;
            match users::make(self.conn, user, &self.all(), now)? {
                Some(core) => {
                    self.owned.insert(core.key);
                    // Whatever tail memory holds under this id belongs to an erased user.
                    let work = Work { settled: true, made: true, ..Work::of(core, Receipts::default()) };
                    self.effects.work.insert(user.clone(), work);
                }
                None => {
                    self.absent.remove(user);
                    self.lock_users([user])?;
                }
            }
        }
        self.effects.work.get_mut(user).ok_or(crate::sql::Error::NoRows)
    }

    /// A user that this transaction already has in hand.
    pub(crate) fn held(&mut self, user: &UserId) -> &mut Work {
        self.effects.work.get_mut(user).expect("callers asked for this user before")
    }

    fn keep_for_undo(&mut self, user: &UserId) {
        if let Some(undo) = &mut self.undo
            && !undo.work.contains_key(user)
        {
            undo.work.insert(user.clone(), self.effects.work.get(user).cloned());
        }
    }

    /// The stream of alerts for everyone as this transaction sees it.
    pub(crate) fn all(&self) -> Arc<AllState> {
        self.effects.all.clone().unwrap_or_else(|| self.memory.all())
    }

    /// For change.
    pub(crate) fn all_mut(&mut self) -> &mut AllState {
        let memory = self.memory;
        Arc::make_mut(self.effects.all.get_or_insert_with(|| memory.all()))
    }

    /// Remembers an idempotency key that stands in its alert's row.
    pub(crate) fn remember(&mut self, key: IdempotencyKey, remembered: Remembered) {
        if let Some(undo) = &mut self.undo {
            undo.keys.push(key.clone());
        }
        self.effects.idempotency.insert(key, remembered);
    }

    /// An alert went into the log. Where its key is not above what counts as merged, less counts as merged.
    pub(crate) fn logged(&mut self, alert_key: i64) -> Sql<()> {
        self.effects.newest_key = self.effects.newest_key.max(alert_key);
        if alert_key <= self.effects.merged_to {
            self.set_merged_to(alert_key - 1)?;
        }
        Ok(())
    }

    /// Says from where on a restart reads the log.
    pub(crate) fn set_merged_to(&mut self, key: i64) -> Sql<()> {
        set_meta(self.conn, "merged_to", key)?;
        self.effects.merged_to = key;
        Ok(())
    }

    /// Writes head and counts of every user that was settled or changed, once per transaction.
    pub(crate) fn write_users(&mut self) -> Sql<()> {
        let mut dirty: Vec<&Core> = self
            .effects
            .work
            .values()
            .filter(|work| work.dirty && !work.erased)
            .map(|work| &work.core)
            .collect();
        dirty.sort_unstable_by_key(|core| core.key);
        let mut update = self.conn.prepare_cached(
            "UPDATE users SET head = ?2, unread = ?3, items = ?4, gone_items = ?5, newest_alert = ?6 \
             WHERE user_key = ?1",
        )?;
        for core in dirty {
            update.send(params![
                core.key,
                core.head as i64,
                core.unread,
                core.items,
                core.gone_items,
                core.newest_alert
            ])?;
        }
        Ok(())
    }
}

/// Writes a number of the store.
pub(crate) fn set_meta(conn: &Connection, name: &str, value: i64) -> Sql<()> {
    let mut set = conn.prepare_cached(
        "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )?;
    set.send(params![name, value])
}

/// Reads a number of the store.
pub(crate) fn meta(conn: &Connection, name: &str) -> Sql<Option<i64>> {
    use crate::sql::OptionalExtension;
    conn.prepare_cached("SELECT value FROM meta WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

/// Counts a number of the store up: a write that means nothing but that writing works.
pub(crate) fn touch_meta(conn: &Connection, name: &str) -> Sql<()> {
    conn.prepare_cached(
        "INSERT INTO meta (name, value) VALUES (?1, 1) ON CONFLICT (name) DO UPDATE SET value = meta.value + 1",
    )?
    .execute([name])?;
    Ok(())
}
