//! Copying the write-ahead log into the file, beside the writer.
//!
//! An automatic checkpoint would run inside somebody's commit. A passive one beside a busy writer never comes to the
//! log's end, so the log never starts anew: above a size, and when nearly all is copied, the writer itself does the
//! rest, and the next commit begins at the log's front again.

use crate::memory::lock;
use crate::schema::{PAGE_BYTES, connect_writer};
use crate::shared::Shared;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, DEFAULT_NAME};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Pages of new log that start a passive checkpoint: 4 MiB.
const PASSIVE_PAGES: u64 = 4 * 1024 * 1024 / PAGE_BYTES;
/// Pages of log above which the writer waits for a restarting checkpoint: 64 MiB.
const RESTART_PAGES: u64 = 64 * 1024 * 1024 / PAGE_BYTES;
/// What may be left to copy for that: 1 MiB, which is a stall of a few milliseconds.
const RESTART_REST_PAGES: u64 = 1024 * 1024 / PAGE_BYTES;
/// How long the writer waits for readers of the old log.
const RESTART_WAIT: Duration = Duration::from_millis(20);

/// The thread that checkpoints.
pub(crate) struct Checkpointer {
    thread: Mutex<Option<JoinHandle<()>>>,
    handle: std::thread::Thread,
    stop: Arc<AtomicBool>,
}

impl Checkpointer {
    /// Starts the thread.
    pub(crate) fn start(shared: Arc<Shared>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || run(&shared, &stopped))?;
        let handle = thread.thread().clone();
        Ok(Self { thread: Mutex::new(Some(thread)), handle, stop })
    }

    /// After a commit: wakes the thread if there is enough to copy.
    pub(crate) fn committed(&self, shared: &Shared) {
        let pages = shared.counters.wal_pages.load(Ordering::Relaxed);
        let copied = shared.counters.wal_copied.load(Ordering::Relaxed);
        if pages < copied {
            // The log began anew.
            shared.counters.wal_copied.store(0, Ordering::Relaxed);
        } else if pages - copied >= if pages < RESTART_PAGES { PASSIVE_PAGES } else { RESTART_REST_PAGES } {
            self.handle.unpark();
        }
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.handle.unpark();
        if let Some(thread) = lock(&self.thread).take() {
            // It has no answer to give.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, stop: &AtomicBool) {
    let mut conn: Option<Connection> = None;
    loop {
        std::thread::park();
        if stop.load(Ordering::Acquire) {
            return;
        }
        let Some(path) = shared.engine.file() else { continue };
        if conn.is_none() {
            conn = connect_writer(path, shared.options.busy_timeout).ok();
        }
        let result = conn.as_ref().map(|conn| conn.wal_checkpoint_v2(DEFAULT_NAME, CheckpointMode::PASSIVE));
        match result {
            Some(Ok((_, copied))) => {
                shared.counters.wal_copied.store(u64::try_from(copied).unwrap_or(0), Ordering::Relaxed);
            }
            Some(Err(error)) => {
                tracing::warn!(error = %error, "the write-ahead log could not be copied, it will be tried again");
                conn = None;
            }
            None => {}
        }
    }
}

/// Between two transactions of the writer: where the log is large and nearly all of it copied, copies the rest, so
/// that the log begins anew. The larger it is, the longer the stall that is worth it.
pub(crate) fn restart_if_large(shared: &Shared, conn: &Connection) {
    let pages = shared.counters.wal_pages.load(Ordering::Relaxed);
    let rest = pages.saturating_sub(shared.counters.wal_copied.load(Ordering::Relaxed));
    let worth_it = rest <= RESTART_REST_PAGES * (pages / RESTART_PAGES).pow(2);
    if pages < RESTART_PAGES || !worth_it {
        return;
    }
    let done = conn.busy_timeout(RESTART_WAIT).and_then(|()| copy_all(shared, conn, CheckpointMode::RESTART));
    if let Err(error) = &done {
        tracing::debug!(error = %error, "the write-ahead log is still being read, it will begin anew later");
        // Not again before the other thread has been through it once more.
        shared.counters.wal_copied.store(0, Ordering::Relaxed);
    }
    if let Err(error) = conn.busy_timeout(shared.options.busy_timeout) {
        tracing::warn!(error = %error, "the busy time-out could not be set back");
    }
}

/// Copies everything and truncates the log.
pub(crate) fn truncate(shared: &Shared, conn: &Connection) -> rusqlite::Result<()> {
    copy_all(shared, conn, CheckpointMode::TRUNCATE)
}

fn copy_all(shared: &Shared, conn: &Connection, mode: CheckpointMode) -> rusqlite::Result<()> {
    conn.wal_checkpoint_v2(DEFAULT_NAME, mode)?;
    shared.counters.wal_pages.store(0, Ordering::Relaxed);
    shared.counters.wal_copied.store(0, Ordering::Relaxed);
    Ok(())
}
