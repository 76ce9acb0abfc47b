//! The half of a link's service that hears: other nodes' messages, and the own probes coming back.

use crate::bus::Shared;
use crate::envelope::{self, Item};
use crate::inbox::Arrival;
use crate::landing::{Broken, Heard};
use crate::link::Reader;
use crate::message::NodeTag;
use crate::options::Lose;
use crate::probe::{Echo, Probe};
use bytes::Bytes;
use std::sync::{Mutex, PoisonError};

/// After so many payloads the sending half gets its turn.
const TURN: u32 = 64;

/// Takes what comes in.
pub(crate) struct Hearer<'a> {
    pub(crate) node: NodeTag,
    pub(crate) shared: &'a Shared,
    pub(crate) probe: &'a Mutex<Probe>,
    pub(crate) losing: &'a mut Option<Losing>,
}

/// Loses messages at random, for tests.
#[derive(Debug)]
pub(crate) struct Losing {
    share: f64,
    dice: fastrand::Rng,
}

impl Losing {
    pub(crate) fn new(lose: Lose) -> Self {
        Self { share: lose.share, dice: fastrand::Rng::with_seed(lose.seed) }
    }

    fn hits(&mut self) -> bool {
        self.dice.f64() < self.share
    }
}

impl Hearer<'_> {
    pub(crate) async fn run(mut self, reader: &mut Reader) -> Broken {
        let mut heard = 0;
        loop {
            match reader.next().await {
                Ok(Heard::Payload(payload)) => self.payload(payload),
                Ok(Heard::Gap) => self.shared.inbox.gap(),
                Err(broken) => return broken,
            }
            heard += 1;
            if heard == TURN {
                heard = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    fn payload(&mut self, payload: Bytes) {
        let Ok(envelope) = envelope::read(payload) else {
            self.shared.counters.garbled.add(1);
            return;
        };
        let own = envelope.from == self.node;
        for item in envelope.items {
            match item {
                Item::Probe(echo) if own => {
                    let mut probe = self.probe.lock().unwrap_or_else(PoisonError::into_inner);
                    probe.came_back(echo);
                }
                Item::Message(subject, message) if !own => {
                    if self.losing.as_mut().is_some_and(Losing::hits) {
                        continue;
                    }
                    self.shared.counters.received.add(1);
                    if self.shared.inbox.message(subject, envelope.from, message) == Arrival::Overflowed {
                        self.shared.counters.overflowed.add(1);
                    }
                }
                Item::Probe(_) | Item::Message(..) => {}
            }
        }
    }
}

/// The probes of this node in a payload.
pub(crate) fn own_echoes(payload: Bytes, node: NodeTag) -> Vec<Echo> {
    let Some(envelope) = envelope::read(payload).ok().filter(|envelope| envelope.from == node) else {
        return Vec::new();
    };
    let echo = |item| match item {
        Item::Probe(echo) => Some(echo),
        Item::Message(..) => None,
    };
    envelope.items.into_iter().filter_map(echo).collect()
}
