//! What callers, writer and readers of one store share.

use crate::Options;
use crate::UnixMs;
use crate::engine::Engine;
use crate::memory::{Memory, lock};
use crate::receipts::Pending;
use belfry_protocol::Provider;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

/// What callers, writer and readers of one store share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    /// How far the clock of the engine is ahead of this machine's, in milliseconds.
    pub(crate) clock_ahead: AtomicI64,
    pub(crate) options: Options,
    pub(crate) memory: Memory,
    pub(crate) pending: Pending,
    pub(crate) counters: Counters,
    /// Endpoints for status webhooks or their events have changed.
    pub(crate) webhooks_changed: tokio::sync::Notify,
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
    /// Deliveries of which something is left to be decided or sent.
    pub(crate) deliveries: AtomicI64,
    pub(crate) held: AtomicI64,
    pub(crate) dead_letters: AtomicI64,
    /// Deliveries that ended since the start, by the code of their state.
    pub(crate) ended: [AtomicU64; 9],
    /// Pending ones.
    pub(crate) legs: AtomicI64,
    /// Ladders of alerts for everyone that are not through.
    pub(crate) ladders: AtomicI64,
    /// How far the watch has come.
    pub(crate) watched_to: AtomicI64,
    pub(crate) due: Mutex<DueTimes>,
    /// When the first event for an endpoint can be claimed.
    pub(crate) webhooks_due: AtomicI64,
    pub(crate) unhealthy: AtomicBool,
    pub(crate) closed: AtomicBool,
}

/// When the first delivery, ladder for everyone, and leg of each provider can be claimed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DueTimes {
    pub(crate) deliveries: Option<i64>,
    /// The ladder of an alert for everyone.
    pub(crate) ladders: Option<i64>,
    /// In the order of [`Provider::ALL`].
    pub(crate) legs: [Option<i64>; Provider::ALL.len()],
}

impl DueTimes {
    /// Of one provider's legs.
    pub(crate) fn leg(&self, provider: Provider) -> Option<i64> {
        self.legs[usize::from(crate::delivery_codes::provider_code(provider))]
    }

    /// The earliest, without legs of these providers.
    pub(crate) fn without(&self, providers: &[Provider]) -> Option<i64> {
        let legs = Provider::ALL.into_iter().filter(|one| !providers.contains(one));
        legs.filter_map(|one| self.leg(one)).chain(self.deliveries).chain(self.ladders).min()
    }
}

impl Shared {
    /// A moment of this machine's clock, by the one that all nodes go by.
    pub(crate) fn by_common_clock(&self, now: UnixMs) -> UnixMs {
        UnixMs(now.0.saturating_add(self.clock_ahead.load(Ordering::Relaxed)))
    }

    /// It worked. Where it did not before, that is said, as the loss was.
    pub(crate) fn is_well(&self) {
        let unhealthy = &self.counters.unhealthy;
        if unhealthy.load(Ordering::Relaxed) && unhealthy.swap(false, Ordering::Relaxed) {
            tracing::info!("the store is back");
        }
    }

    /// When something can be claimed.
    pub(crate) fn due(&self) -> DueTimes {
        *lock(&self.counters.due)
    }
}

/// The monotonic clock, for ticks and deadlines of the store's own threads. Nothing that is stored depends on it.
#[expect(clippy::disallowed_methods, reason = "the edge: the writer's ticks")]
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}
