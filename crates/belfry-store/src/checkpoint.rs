//! Copying the write-ahead log into the file, beside the writer.
//!
//! An automatic checkpoint would run inside somebody's commit. A passive one beside a busy writer never comes to the
//! log's end, so the log never starts anew: above a size, and when nearly all is copied, the writer itself does the
//! rest and truncates.

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
/// Pages of log that make the writer wait for a truncating checkpoint: 64 MiB.
const TRUNCATE_PAGES: u64 = 64 * 1024 * 1024 / PAGE_BYTES;
/// How long the writer waits for readers of the old log.
const TRUNCATE_WAIT: Duration = Duration::from_millis(100);

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
        } else if pages - copied >= PASSIVE_PAGES {
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
        if conn.is_none() {
            conn = connect_writer(&shared.path, shared.options.busy_timeout).ok();
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

/// Between two transactions of the writer: where the log is large and nearly all of it copied, copies the rest and
/// truncates it.
pub(crate) fn truncate_if_large(shared: &Shared, conn: &Connection) {
    let pages = shared.counters.wal_pages.load(Ordering::Relaxed);
    let copied = shared.counters.wal_copied.load(Ordering::Relaxed);
    if pages < TRUNCATE_PAGES || pages.saturating_sub(copied) > PASSIVE_PAGES {
        return;
    }
    let done = conn.busy_timeout(TRUNCATE_WAIT).and_then(|()| truncate(shared, conn));
    if let Err(error) = done.and_then(|()| conn.busy_timeout(shared.options.busy_timeout)) {
        tracing::debug!(error = %error, "the write-ahead log is still being read, it will be truncated later");
        // Not again before the log has grown by as much.
        shared.counters.wal_copied.store(0, Ordering::Relaxed);
    }
}

/// Copies everything and truncates the log.
pub(crate) fn truncate(shared: &Shared, conn: &Connection) -> crate::error::Sql<()> {
    conn.wal_checkpoint_v2(DEFAULT_NAME, CheckpointMode::TRUNCATE)?;
    shared.counters.wal_pages.store(0, Ordering::Relaxed);
    shared.counters.wal_copied.store(0, Ordering::Relaxed);
    Ok(())
}
