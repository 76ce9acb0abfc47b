//! The writer's thread: it takes what waits, makes one transaction of it, and answers when that is on disk.

use crate::StoreError;
use crate::cancellation::end_what_is_satisfied;
use crate::checkpoint::{self, Checkpointer};
use crate::delivery_rows;
use crate::memory::lock;
use crate::receipts::Taken;
use crate::settle::{SETTLE_ROWS, SETTLE_SLICE, Settling, settle_all};
use crate::shared::{Shared, monotonic};
use crate::sql::{Connection, Sql};
use crate::txn::{DeliveryTally, Effects, Limits, Txn, Work, WriterState};
use crate::webhook_events;
use crate::writer::{Call, Job, Message};
use belfry_protocol::UserId;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Most jobs of one commit.
const GROUP_JOBS_MAX: usize = 256;
/// Most bytes of one commit.
const GROUP_BYTES_MAX: usize = 1024 * 1024;
/// Longest time a group is built.
const GROUP_BUILD_MAX: Duration = Duration::from_millis(2);
/// How old receipts get before they ride on a commit, or make one.
pub(crate) const RECEIPTS_AGE: Duration = Duration::from_millis(100);
/// How long it is quiet before the log's end is merged.
const QUIET: Duration = Duration::from_secs(1);
/// Rounds that write the most receipts that can wait.
const FLUSH_ROUNDS_MAX: usize = 40;
/// How soon a failed chore is tried again.
const CHORE_RETRY: Duration = Duration::from_secs(1);

/// Lets each commit say how long the log is.
fn watch_log(conn: &mut Connection, shared: &Arc<Shared>) -> Sql<()> {
    let Connection::Sqlite(conn) = conn else {
        return Ok(());
    };
    let shared = Arc::clone(shared);
    conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
        shared.counters.wal_pages.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }))?;
    Ok(())
}

/// The writer on its thread.
pub(crate) struct Running {
    pub(crate) shared: Arc<Shared>,
    pub(crate) limits: Limits,
    pub(crate) conn: Option<Connection>,
    pub(crate) state: WriterState,
    settling: Settling,
    /// Of a file.
    checkpointer: Option<Arc<Checkpointer>>,
    pub(crate) receipts_due: Option<Instant>,
    quiet_at: Option<Instant>,
    /// When to look at what other nodes did.
    refresh_at: Option<Instant>,
    turn: usize,
    pages_max: Option<u32>,
}

/// What goes along with a group's jobs.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Chores {
    receipts: bool,
    settle_rows: Option<usize>,
}

impl Running {
    /// With a connection that is open, migrated and recovered.
    pub(crate) fn new(
        shared: Arc<Shared>,
        mut conn: Connection,
        newest_key: i64,
        checkpointer: Option<Arc<Checkpointer>>,
    ) -> Sql<Self> {
        watch_log(&mut conn, &shared)?;
        let active_users = delivery_rows::load(&conn, &shared)?;
        shared.counters.webhooks_due.store(webhook_events::first_due(&conn)?, Ordering::Release);
        let watched_to = shared.counters.watched_to.load(Ordering::Acquire);
        Ok(Self {
            limits: Limits::of(&shared.options),
            refresh_at: shared.engine.is_shared().then(monotonic),
            shared,
            conn: Some(conn),
            state: WriterState {
                merged_to: newest_key,
                newest_key,
                active_users,
                watched_to,
                ..WriterState::default()
            },
            settling: Settling::default(),
            checkpointer,
            receipts_due: None,
            quiet_at: None,
            turn: 0,
            pages_max: None,
        })
    }

    /// Until the store is closed or forgotten.
    pub(crate) fn run(mut self, receiver: &Receiver<Message>) {
        loop {
            let message = match self.wait() {
                None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => receiver.recv_timeout(wait),
            };
            match message {
                Ok(message) => {
                    if self.take(message, receiver) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.idle(),
                Err(RecvTimeoutError::Disconnected) => {
                    // Every handle is gone: nobody waits for the answer, so a failure is only logged.
                    if let Err(error) = self.end() {
                        tracing::warn!(error = %error, "the store could not be closed in order");
                    }
                    return;
                }
            }
        }
    }

    /// How long nothing has to be done; `None`: until a message comes.
    fn wait(&self) -> Option<Duration> {
        if self.settling.is_running() {
            return Some(Duration::ZERO);
        }
        let next = [self.receipts_due, self.quiet_at, self.refresh_at].into_iter().flatten().min()?;
        Some(next.saturating_duration_since(monotonic()))
    }

    /// Handles a message and what waits behind it. `true`: the end.
    fn take(&mut self, first: Message, receiver: &Receiver<Message>) -> bool {
        let began = monotonic();
        let mut jobs: Vec<Box<dyn Job>> = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(message) = next.take() {
            self.shared.counters.writer_queue.fetch_sub(1, Ordering::Relaxed);
            match message {
                Message::Job(job) => {
                    bytes += job.bytes();
                    jobs.push(job);
                }
                Message::Wake => {
                    self.receipts_due.get_or_insert(began + RECEIPTS_AGE);
                }
                Message::Flush(answer) => {
                    self.group(std::mem::take(&mut jobs));
                    // The caller may have gone.
                    let _ = answer.send(self.flush());
                    bytes = 0;
                }
                Message::LimitPages(pages, answer) => {
                    self.group(std::mem::take(&mut jobs));
                    self.pages_max = pages;
                    self.conn = None;
                    let _ = answer.send(Ok(()));
                }
                Message::Close(answer) => {
                    self.group(jobs);
                    let _ = answer.send(self.end());
                    return true;
                }
            }
            let full = jobs.len() >= GROUP_JOBS_MAX
                || bytes >= GROUP_BYTES_MAX
                || (jobs.len() % 16 == 15 && began.elapsed() > GROUP_BUILD_MAX);
            if !full {
                next = receiver.try_recv().ok();
            }
        }
        self.group(jobs);
        false
    }

    /// One commit for these jobs, with the chores that are due.
    fn group(&mut self, jobs: Vec<Box<dyn Job>>) {
        if jobs.is_empty() {
            return;
        }
        let receipts = self.receipts_due.is_some_and(|due| due <= monotonic());
        if self.state.unsettled_rows.max(self.state.recent_keys.len()) >= SETTLE_ROWS {
            self.begin_settling();
        }
        // Where publishing is faster than merging, slices grow until they are even.
        let rows = SETTLE_SLICE.max(self.state.unsettled_rows / 32);
        let settle_rows = self.settling.is_running().then_some(rows);
        // Its error went to those who wait.
        let _ = self.commit(jobs, Chores { receipts, settle_rows });
        self.refresh_if_due();
        self.quiet_at = (self.state.unsettled_rows > 0 || !self.state.recent_keys.is_empty())
            .then(|| monotonic() + QUIET);
        if self.receipts_due.is_none() && self.shared.pending.count() > 0 {
            // The call to wake found the queue full.
            self.receipts_due = Some(monotonic() + RECEIPTS_AGE);
        }
        self.turn = self.turn.wrapping_add(1);
        self.shared.memory.evict(self.turn);
    }

    fn begin_settling(&mut self) {
        let memory = &self.shared.memory;
        self.settling.begin(memory, &self.state);
    }

    fn refresh_if_due(&mut self) {
        if self.refresh_at.is_some_and(|at| at <= monotonic()) {
            let again = self.refresh();
            self.refresh_at = Some(monotonic() + again);
        }
    }

    /// A timer ran out: receipts, or the end of the log after a quiet second.
    fn idle(&mut self) {
        self.refresh_if_due();
        let now = monotonic();
        let receipts = self.receipts_due.is_some_and(|due| due <= now);
        if self.quiet_at.is_some_and(|at| at <= now) {
            self.quiet_at = None;
            self.begin_settling();
        }
        let settle_rows = self.settling.is_running().then_some(SETTLE_SLICE * 4);
        if (receipts || settle_rows.is_some())
            && self.commit(Vec::new(), Chores { receipts, settle_rows }).is_err()
        {
            self.quiet_at = Some(now + CHORE_RETRY);
            self.receipts_due = self.receipts_due.map(|_| now + CHORE_RETRY);
        }
    }

    /// Writes all receipts that wait.
    fn flush(&mut self) -> Result<(), StoreError> {
        self.shared.pending.take_ahead(&self.shared.memory);
        // A bounded number of rounds: what comes in meanwhile was not given before.
        for _ in 0..FLUSH_ROUNDS_MAX {
            if self.shared.pending.count() == 0 {
                break;
            }
            self.commit(Vec::new(), Chores { receipts: true, settle_rows: None })?;
        }
        Ok(())
    }

    /// Writes and merges everything, and copies the log into the file.
    fn end(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        let (all, mut answered) = Call::new(0, settle_all);
        self.commit(vec![Box::new(all)], Chores { receipts: false, settle_rows: None })?;
        answered.try_recv().unwrap_or(Err(StoreError::Closed))?;
        if let Some(conn) = self.conn.as_ref().and_then(Connection::sqlite)
            && let Err(error) = checkpoint::truncate(&self.shared, conn)
        {
            tracing::debug!(error = %error, "the write-ahead log stays, the next start copies it");
        }
        Ok(())
    }

    /// Runs one transaction and answers its jobs.
    fn commit(&mut self, mut jobs: Vec<Box<dyn Job>>, chores: Chores) -> Result<(), StoreError> {
        if self.shared.engine.is_shared() {
            return self.commit_shared(jobs, chores.receipts);
        }
        let mut taken = Taken::default();
        let result = catch_unwind(AssertUnwindSafe(|| self.attempt(&mut jobs, chores, &mut taken)));
        // A lock that somebody else holds says nothing against the connection.
        let locked = matches!(&result, Ok(Err(error)) if error.is_locked());
        let result = match result {
            Ok(result) => result.map_err(|error| error.for_caller()),
            Err(_) => Err(StoreError::Internal("a write panicked".to_owned())),
        };
        match &result {
            Ok(()) => {
                self.shared.pending.done(&taken);
                if chores.receipts || self.shared.pending.count() == 0 {
                    let more = self.shared.pending.count() > 0;
                    self.receipts_due = more.then(|| monotonic() + RECEIPTS_AGE);
                }
                self.shared.is_well();
                if let Some(checkpointer) = &self.checkpointer {
                    checkpointer.committed(&self.shared);
                }
            }
            Err(error) => {
                self.shared.pending.give_back(&self.shared.memory, taken);
                self.failed(error, locked);
            }
        }
        for job in jobs {
            job.answer(result.as_ref().err());
        }
        if let Some(conn) = self.conn.as_ref().and_then(Connection::sqlite) {
            checkpoint::restart_if_large(&self.shared, conn);
        }
        result
    }

    fn attempt(
        &mut self,
        jobs: &mut [Box<dyn Job>],
        chores: Chores,
        taken: &mut Taken,
    ) -> Result<(), crate::sql::Error> {
        if self.conn.is_none() {
            let mut conn = self.shared.engine.connect_writer(self.shared.options.busy_timeout)?;
            watch_log(&mut conn, &self.shared)?;
            if let (Some(pages), Some(conn)) = (self.pages_max, conn.sqlite()) {
                conn.pragma_update(None, "max_page_count", pages)?;
            }
            self.conn = Some(conn);
        }
        let conn = self.conn.as_ref().expect("it was just made");
        conn.begin()?;
        let mut txn = Txn::new(conn, &self.shared.memory, &mut self.state, self.limits);
        let pending = &self.shared.pending;
        let first = jobs.iter().any(|job| job.after_receipts_of().is_some());
        if first {
            let named: HashSet<UserId> =
                jobs.iter().filter_map(|job| job.after_receipts_of()).flatten().cloned().collect();
            contain("receipts", txn.savepoint(|txn| pending.flush(txn, taken, Some(&named))))?;
            end_what_is_satisfied(&mut txn)?;
        }
        for job in jobs {
            job.run(&mut txn)?;
        }
        if chores.receipts && !first {
            contain("receipts", txn.savepoint(|txn| pending.flush(txn, taken, None)))?;
        }
        if let Some(rows) = chores.settle_rows {
            let settling = &mut self.settling;
            let settled = txn.savepoint(|txn| settling.slice(txn, rows));
            if settled.is_err() {
                settling.abandon();
            }
            contain("merging", settled)?;
        }
        let effects = txn.commit()?;
        self.apply(effects);
        Ok(())
    }

    /// After a failed transaction: nothing of it stands, and memory never saw it.
    fn failed(&mut self, error: &StoreError, locked: bool) {
        self.settling.abandon();
        self.state.retention = crate::retention::Walk::default();
        self.state.endpoints = None;
        if !self.shared.counters.unhealthy.swap(true, Ordering::Relaxed) {
            tracing::error!(error = %error, "the store cannot write; it goes on trying");
        }
        let Some(conn) = &self.conn else {
            return;
        };
        let rolled_back = conn.rollback();
        if !(rolled_back && locked) {
            self.conn = None;
        }
    }

    /// After COMMIT: memory learns what is true now.
    pub(crate) fn apply(&mut self, effects: Effects) {
        let memory = &self.shared.memory;
        if let Some(all) = effects.all {
            memory.set_all(all);
        }
        if let Some(epoch) = effects.store_epoch {
            memory.set_store_epoch(epoch);
        }
        for (user, work) in effects.work {
            self.apply_user(user, work);
        }
        self.apply_deliveries(&effects.deliveries);
        let memory = &self.shared.memory;
        let counters = &self.shared.counters;
        if self.state.unsettled_rows == 0 {
            self.state.first_expiry = None;
        }
        for (user, up_to) in effects.spilled {
            memory.with_receipts(&user, |receipts| receipts.user.forget_up_to(up_to));
        }
        if !self.shared.engine.is_shared() {
            self.state.recent_keys.extend(effects.idempotency);
        }
        for (key, alert_key) in effects.merged_keys {
            if self.state.recent_keys.get(&key).is_some_and(|one| one.alert_key == alert_key) {
                self.state.recent_keys.remove(&key);
            }
        }
        if let Some(due) = effects.due {
            *lock(&counters.due) = due;
        }
        if let Some(due) = effects.webhooks_due {
            counters.webhooks_due.store(due, Ordering::Release);
            self.shared.webhooks_changed.notify_one();
        }
        self.state.now = effects.now;
        self.state.watched_to = effects.watched_to;
        counters.watched_to.store(effects.watched_to, Ordering::Release);
        self.state.merged_to = effects.merged_to;
        self.state.newest_key = effects.newest_key;
        counters.commits.fetch_add(1, Ordering::Relaxed);
        counters.published.fetch_add(effects.published, Ordering::Relaxed);
        counters.fanouts.fetch_add(effects.fanouts, Ordering::Relaxed);
        counters.unsettled.store(self.state.unsettled_rows as u64, Ordering::Relaxed);
    }

    fn apply_deliveries(&mut self, tally: &DeliveryTally) {
        for user_key in &tally.inactive_users {
            self.state.active_users.remove(user_key);
        }
        let counters = &self.shared.counters;
        counters.deliveries.fetch_add(tally.active, Ordering::Relaxed);
        counters.held.fetch_add(tally.held, Ordering::Relaxed);
        counters.dead_letters.fetch_add(tally.dead_letters, Ordering::Relaxed);
        counters.legs.fetch_add(tally.legs, Ordering::Relaxed);
        counters.ladders.fetch_add(tally.ladders, Ordering::Relaxed);
        for (counter, ended) in counters.ended.iter().zip(tally.ended) {
            counter.fetch_add(u64::from(ended), Ordering::Relaxed);
        }
    }

    fn apply_user(&mut self, user: UserId, work: Work) {
        let memory = &self.shared.memory;
        if work.erased {
            let rows = memory.with_tail(&user, <[_]>::len);
            self.state.unsettled_rows -= rows;
            self.state.unsettled.remove(&user);
            memory.forget(&user);
            return;
        }
        if work.core.items > self.limits.inbox_items_max
            || work.core.gone_items > crate::retention::gone_items_max(self.limits.inbox_items_max)
        {
            self.state.retention.note_over_limit(&user);
        }
        for expires_at in work.appended.iter().filter_map(|item| item.expires_at) {
            self.state.first_expiry =
                Some(self.state.first_expiry.map_or(expires_at, |at| at.min(expires_at)));
        }
        if self.shared.engine.is_shared() {
            // Others change it as well: nobody is kept warm.
            return;
        }
        let new = work.appended.len();
        let (before, after) = memory.commit(&user, work);
        self.state.unsettled_rows = self.state.unsettled_rows + after - before;
        if after == 0 {
            if before > 0 {
                self.state.unsettled.remove(&user);
            }
        } else if after == new {
            // Nothing of an older tail is left, so it was not in the set, or for other rows.
            self.state.unsettled.insert(user);
        }
    }
}

/// A chore's own fault is logged and does not fail those who ride along; a fault of the disk does.
fn contain(chore: &str, result: Sql<()>) -> Sql<()> {
    match result {
        Err(error) if !error.is_outage() => {
            tracing::error!(error = %error, "a chore of the store failed: {chore}");
            Ok(())
        }
        other => other,
    }
}
