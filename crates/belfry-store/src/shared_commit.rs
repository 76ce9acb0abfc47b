//! Commits where several nodes write. What names its users beforehand shares a transaction, as in a file: their rows are
//! locked first, in the one order. The rest has a transaction each. There are no savepoints: whatever goes wrong takes
//! the whole transaction back, and its jobs run again one by one, so that one bad job fails nobody else.

use crate::announcements;
use crate::delivery_rows;
use crate::group_commit::Running;
use crate::idempotency::{self, IdempotencyKey};
use crate::receipts::Taken;
use crate::shared::monotonic;
use crate::sql::{Connection, Error, Sql};
use crate::txn::{Txn, meta};
use crate::webhook_events;
use crate::writer::Job;
use crate::{StoreError, UnixMs};
use belfry_protocol::UserId;
use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

/// How often a job is tried when other transactions come in between.
const TRIES_MAX: usize = 5;
/// How often a node looks at what the others did: counts, and when something is due.
const REFRESH_EVERY: Duration = Duration::from_secs(1);
/// A look that takes long is taken less often: at most one part in so many of the time goes into it.
const REFRESH_SHARE: u32 = 20;

/// What two clocks may differ by and still count as the same.
const CLOCKS_AGREE_MS: i64 = 500;

/// A job that is tried, and has no answer yet.
type Waiting = Box<dyn Job>;

impl Running {
    /// The counterpart of a commit on a file: several transactions, each answered when it is on disk.
    pub(crate) fn commit_shared(&mut self, jobs: Vec<Waiting>, receipts: bool) -> Result<(), StoreError> {
        if receipts || jobs.iter().any(|job| job.after_receipts_of().is_some()) {
            let written = self.write_receipts(&jobs);
            if let Err(error) = written {
                self.answer_all(jobs, &error);
                return Err(error);
            }
        }
        let (together, alone): (Vec<Waiting>, Vec<Waiting>) =
            jobs.into_iter().partition(|job| job.users().is_some());
        let mut result =
            if together.len() > 1 { self.run_together(together) } else { self.run_each(together) };
        result = result.and(self.run_each(alone));
        result
    }

    fn write_receipts(&mut self, jobs: &[Waiting]) -> Result<(), StoreError> {
        let named: HashSet<UserId> =
            jobs.iter().filter_map(|job| job.after_receipts_of()).flatten().cloned().collect();
        let shared = std::sync::Arc::clone(&self.shared);
        let mut tries = 0;
        loop {
            let mut taken = Taken::default();
            let written = self
                .transaction((&[], Vec::new()), |txn| shared.pending.flush(txn, &mut taken, Some(&named)));
            match written {
                Ok(()) => {
                    shared.pending.done(&taken);
                    let more = shared.pending.count() > 0;
                    self.receipts_due = more.then(|| monotonic() + crate::group_commit::RECEIPTS_AGE);
                    return Ok(());
                }
                Err(error) => {
                    tries += 1;
                    if error.is_conflict() && tries < TRIES_MAX {
                        shared.pending.give_back(&shared.memory, taken);
                        continue;
                    }
                    if error.is_outage() || error.is_conflict() {
                        shared.pending.give_back(&shared.memory, taken);
                    } else {
                        // Receipts that can never be written would hold up everything behind them.
                        shared.pending.done(&taken);
                    }
                    return self.told(error);
                }
            }
        }
    }

    fn run_together(&mut self, mut jobs: Vec<Waiting>) -> Result<(), StoreError> {
        let users: Vec<UserId> = jobs.iter().filter_map(|job| job.users()).flatten().cloned().collect();
        let keys: Vec<IdempotencyKey> = jobs.iter().filter_map(|job| job.key()).cloned().collect();
        let done = self.transaction((&users, keys), |txn| jobs.iter_mut().try_for_each(|job| job.run(txn)));
        match done {
            Ok(()) => {
                jobs.into_iter().for_each(|job| job.answer(None));
                Ok(())
            }
            Err(error) if error.is_outage() => {
                let result = self.told(error);
                if let Err(error) = &result {
                    self.answer_all(jobs, error);
                }
                result
            }
            Err(_) => self.run_each(jobs),
        }
    }

    fn run_each(&mut self, jobs: Vec<Waiting>) -> Result<(), StoreError> {
        let mut result = Ok(());
        for mut job in jobs {
            let users = job.users().unwrap_or_default().to_vec();
            let mut tries = 0;
            let done = loop {
                tries += 1;
                match self.transaction((&users, Vec::new()), |txn| job.run(txn)) {
                    Err(error) if error.is_conflict() && tries < TRIES_MAX => {}
                    done => break done,
                }
            };
            match done.or_else(|error| self.told(error)) {
                Ok(()) => job.answer(None),
                Err(error) => {
                    job.answer(Some(&error));
                    result = Err(error);
                }
            }
        }
        result
    }

    fn answer_all(&self, jobs: Vec<Waiting>, error: &StoreError) {
        jobs.into_iter().for_each(|job| job.answer(Some(error)));
    }

    /// What a caller is told of a fault.
    fn told<T>(&self, error: Error) -> Result<T, StoreError> {
        if !error.is_outage() && !error.is_conflict() {
            tracing::error!(error = %error, "a write failed");
        }
        Err(error.for_caller())
    }

    /// One transaction. It begins with these users locked, these keys looked for, and with the alerts for everyone as they are now.
    fn transaction(
        &mut self,
        ahead: (&[UserId], Vec<IdempotencyKey>),
        body: impl FnOnce(&mut Txn<'_>) -> Sql<()>,
    ) -> Sql<()> {
        let result =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.attempt_shared(ahead, body)))
                .unwrap_or_else(|_| Err(Error::Unreadable("a write panicked".to_owned())));
        match &result {
            Ok(()) => self.shared.is_well(),
            Err(error) => {
                self.state.retention = crate::retention::Walk::default();
                self.state.endpoints = None;
                if error.is_outage() && !self.shared.counters.unhealthy.swap(true, Ordering::Relaxed) {
                    tracing::error!(error = %error, "the store cannot write; it goes on trying");
                }
                if error.is_outage() || !self.conn.as_ref().is_some_and(Connection::rollback) {
                    self.conn = None;
                }
            }
        }
        result
    }

    fn attempt_shared(
        &mut self,
        ahead: (&[UserId], Vec<IdempotencyKey>),
        body: impl FnOnce(&mut Txn<'_>) -> Sql<()>,
    ) -> Sql<()> {
        if self.conn.is_none() {
            self.connect_shared()?;
        }
        let conn = self.conn.as_ref().expect("it was just made");
        conn.begin()?;
        let mut txn = Txn::new(conn, &self.shared.memory, &mut self.state, self.limits);
        txn.refresh_all()?;
        txn.lock_users(ahead.0)?;
        idempotency::look_up(&mut txn, ahead.1)?;
        body(&mut txn)?;
        let effects = txn.commit()?;
        self.apply(effects);
        Ok(())
    }

    fn connect_shared(&mut self) -> Sql<()> {
        let conn = self.shared.engine.connect_writer(self.shared.options.busy_timeout)?;
        self.shared.clock_ahead.store(clock_ahead(&conn)?, Ordering::Relaxed);
        self.conn = Some(conn);
        Ok(())
    }

    /// Looks at what the other nodes did; answers when to look again.
    pub(crate) fn refresh(&mut self) -> Duration {
        let began = monotonic();
        let looked = (|| {
            if self.conn.is_none() {
                self.connect_shared()?;
            }
            let conn = self.conn.as_ref().expect("it was just made");
            look_around(conn, self)
        })();
        self.state.endpoints = None;
        match looked {
            Ok(()) => self.shared.is_well(),
            Err(error) => {
                if !self.shared.counters.unhealthy.swap(true, Ordering::Relaxed) {
                    tracing::error!(error = %error, "the store cannot be reached; it goes on trying");
                }
                self.conn = None;
            }
        }
        REFRESH_EVERY.max(began.elapsed() * REFRESH_SHARE)
    }
}

fn look_around(conn: &Connection, running: &Running) -> Sql<()> {
    let shared = &running.shared;
    let counters = &shared.counters;
    let watched_to = counters.watched_to.load(Ordering::Acquire);
    delivery_rows::load(conn, shared)?;
    counters.watched_to.fetch_max(watched_to, Ordering::AcqRel);
    counters.fanouts.store(crate::fanouts::unfinished(conn)?, Ordering::Relaxed);
    let webhooks_due = webhook_events::first_due(conn)?;
    if counters.webhooks_due.swap(webhooks_due, Ordering::AcqRel) > webhooks_due {
        shared.webhooks_changed.notify_one();
    }
    if let Some(epoch) = meta(conn, "store_epoch")? {
        shared.memory.set_store_epoch(epoch as u32);
    }
    announcements::refresh(conn, &shared.memory)?;
    let ahead = clock_ahead(conn)?;
    shared.clock_ahead.store(ahead, Ordering::Relaxed);
    Ok(())
}

/// How far the server's clock is ahead of this machine's, in milliseconds.
fn clock_ahead(conn: &Connection) -> Sql<i64> {
    let before = here();
    let there: i64 = conn
        .prepare_cached("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)")?
        .query_row([], |row| row.get(0))?;
    let ahead = there - (before.0 + here().0) / 2;
    // Clocks that are kept agree to a few milliseconds; below this it is the way to the server that was measured.
    Ok(if ahead.abs() < CLOCKS_AGREE_MS { 0 } else { ahead })
}

#[expect(clippy::disallowed_methods, reason = "the edge: what this machine's clock says beside the server's")]
fn here() -> UnixMs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
