//! What can be seen of a bus from outside.

use std::sync::atomic::{AtomicU64, Ordering};

/// Where a bus stands. Counters begin with the connection; they count messages unless they say otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BusGauges {
    /// Waiting to go out.
    pub outgoing_messages: usize,
    /// Bytes of those.
    pub outgoing_bytes: usize,
    /// Waiting for the receiver.
    pub incoming_messages: usize,
    /// Bytes of those.
    pub incoming_bytes: usize,
    /// Given to the engine.
    pub sent: u64,
    /// Received from other nodes.
    pub received: u64,
    /// Dropped before they went out: no room, too long, or the link broke under them.
    pub dropped: u64,
    /// Sent without their body, because it did not fit.
    pub bodies_left_out: u64,
    /// Dropped because the receiver was too slow; it was told.
    pub overflowed: u64,
    /// Payloads nobody could read: of another version, or of another program.
    pub garbled: u64,
    /// How often the link was lost.
    pub losses: u64,
    /// How often it came back.
    pub reconnects: u64,
}

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) sent: Counter,
    pub(crate) received: Counter,
    pub(crate) dropped: Counter,
    pub(crate) bodies_left_out: Counter,
    pub(crate) overflowed: Counter,
    pub(crate) garbled: Counter,
    pub(crate) losses: Counter,
    pub(crate) reconnects: Counter,
}

/// A number that grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
