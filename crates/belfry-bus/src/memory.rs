//! Nodes of one process: for tests, and for a server that holds several.

use crate::error::BusError;
use crate::landing::{Broken, Landing};
use crate::link::{Link, PAYLOAD_MAX_BYTES, Reader};
use crate::options::{BusOptions, Tuning};
use crate::packing::{Packet, Packing};
use crate::subject::Subject;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// What nodes of one process share: each of them connects to a clone.
#[derive(Debug, Clone, Default)]
pub struct MemoryBus {
    members: Arc<Mutex<Members>>,
    /// Queues, probes, waits of who connects to this clone.
    pub tuning: Tuning,
}

#[derive(Debug, Default)]
struct Members {
    landings: Vec<Weak<Landing>>,
    cut: bool,
}

impl MemoryBus {
    /// A bus without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts every link, and every try to come back, until it is called with `false`.
    pub fn set_cut(&self, cut: bool) {
        let mut members = self.lock();
        members.cut = cut;
        if cut {
            for landing in members.landings.drain(..).filter_map(|landing| landing.upgrade()) {
                landing.end("the memory bus was cut");
            }
        }
    }

    pub(crate) fn open(&self) -> Result<Link, BusError> {
        let mut members = self.lock();
        if members.cut {
            let blame = crate::link::blame(&BusOptions::Memory(self.clone()));
            return Err(blame.unreachable("the memory bus is cut"));
        }
        let landing = Arc::new(Landing::default());
        members.landings.retain(|landing| landing.strong_count() > 0);
        members.landings.push(Arc::downgrade(&landing));
        Ok(Link {
            writer: crate::link::Writer::Memory(Writer { members: Arc::clone(&self.members) }),
            reader: Reader::Landing(landing),
            packing: Packing::PerSubject { max_bytes: PAYLOAD_MAX_BYTES },
            probed: vec![Subject::All],
        })
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        lock(&self.members)
    }
}

fn lock(members: &Mutex<Members>) -> MutexGuard<'_, Members> {
    // A list of members is whole after every statement, also where a thread died.
    members.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands payloads to every member, the sender among them.
#[derive(Debug)]
pub(crate) struct Writer {
    members: Arc<Mutex<Members>>,
}

impl Writer {
    pub(crate) fn publish(&self, packets: Vec<Packet>) -> Result<(), Broken> {
        let members = lock(&self.members);
        if members.cut {
            return Err(Broken("the memory bus was cut".to_owned()));
        }
        let landings: Vec<Arc<Landing>> = members.landings.iter().filter_map(Weak::upgrade).collect();
        for packet in packets {
            for landing in &landings {
                landing.payload(packet.payload.clone());
            }
        }
        Ok(())
    }
}
