//! What callers, writer and readers of one store share.

use crate::Options;
use crate::memory::Memory;
use crate::receipts::Pending;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::time::Instant;

/// What callers, writer and readers of one store share.
pub(crate) struct Shared {
    pub(crate) path: PathBuf,
    pub(crate) options: Options,
    pub(crate) memory: Memory,
    pub(crate) pending: Pending,
    pub(crate) counters: Counters,
}

/// For metrics, and between the writer and the checkpointer.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) writer_queue: AtomicU64,
    /// Pages in the write-ahead log after the last commit.
    pub(crate) wal_pages: AtomicU64,
    /// Pages of it that are in the file too.
    pub(crate) wal_copied: AtomicU64,
    pub(crate) unsettled: AtomicU64,
    pub(crate) fanouts: AtomicI64,
    pub(crate) commits: AtomicU64,
    pub(crate) published: AtomicU64,
    pub(crate) unhealthy: AtomicBool,
    pub(crate) closed: AtomicBool,
}

/// The monotonic clock, for ticks and deadlines of the store's own threads. Nothing that is stored depends on it.
#[expect(clippy::disallowed_methods, reason = "the edge: the writer's ticks")]
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}
