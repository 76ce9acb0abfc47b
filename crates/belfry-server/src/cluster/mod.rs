//! Several nodes as one house: what was committed at one is told at all of them, who is connected where is known, and
//! what a dead node watched is taken up by another. The store is the truth; all of this may be late and nothing is lost.

pub mod crowd;
pub mod heads;
pub mod hint;
pub mod incoming;
pub mod membership;
pub mod outgoing;
pub mod presence;
pub mod stats;

use crate::config::Config;
use belfry_bus::{Bus, BusGauges, Subject};
use belfry_store::Incarnation;
use hint::Hint;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// This node's part in its cluster.
#[derive(Debug)]
pub struct Cluster {
    incarnation: AtomicI64,
    /// It came up, or it is still being sought.
    bus: OnceLock<Bus>,
    has_bus: bool,
    /// Hints are being missed.
    deaf: AtomicBool,
    back_at: Mutex<Option<Instant>>,
    /// Who came or went and is to be written.
    pub changes: Arc<presence::Changes>,
    /// Whose heads are to be read.
    pub wanted: heads::Wanted,
    /// What other nodes said of users with many connections.
    pub crowds: crowd::Crowds,
    /// Others took this node for dead: it has to enter anew.
    pub(crate) rejoin: Notify,
}

impl Cluster {
    /// A node that has not entered yet; `None`: its store is its own.
    pub fn of(config: &Config) -> Option<Self> {
        config.shares_its_store().then(|| Self {
            incarnation: AtomicI64::new(draw().0),
            bus: OnceLock::new(),
            has_bus: config.bus_options().is_some(),
            deaf: AtomicBool::new(false),
            back_at: Mutex::default(),
            changes: Arc::new(presence::Changes::new(config.cluster.presence_queue_max as usize)),
            wanted: heads::Wanted::default(),
            crowds: crowd::Crowds::default(),
            rejoin: Notify::new(),
        })
    }

    /// Which run of this node the store knows.
    pub fn incarnation(&self) -> Incarnation {
        Incarnation(self.incarnation.load(Ordering::Acquire))
    }

    /// Leaves a hint for the other nodes; never waits.
    pub(crate) fn send(&self, subject: Subject, hint: &Hint) {
        if let Some(bus) = self.bus.get() {
            bus.send(subject, hint.encode());
        }
    }

    /// Whether there is anybody to tell.
    pub(crate) fn tells(&self) -> bool {
        self.bus.get().is_some()
    }

    /// Where the bus stands; `None`: there is none.
    pub fn bus_gauges(&self) -> Option<BusGauges> {
        self.has_bus.then(|| self.bus.get().map(Bus::gauges).unwrap_or_default())
    }

    /// Whether hints come in; `None`: there is no bus.
    pub fn hears(&self) -> Option<bool> {
        self.has_bus.then(|| self.bus.get().is_some_and(Bus::is_connected) && !self.is_deaf())
    }

    /// Whether hints are being missed.
    pub fn is_deaf(&self) -> bool {
        self.deaf.load(Ordering::Acquire)
    }

    /// When the bus came back last.
    pub fn back_at(&self) -> Option<Instant> {
        *self.back_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number that no other run of any node has.
fn draw() -> Incarnation {
    Incarnation(uuid::Uuid::new_v4().as_u128() as i64 & i64::MAX)
}
