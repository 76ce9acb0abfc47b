//! The rules of deliveries and legs said once more, in plain memory and without leases of anything but numbers.

use crate::harness::NOW;
use crate::nights::LEASE_MS;
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_store::{AfterStep, Deferred};
use std::collections::{BTreeMap, BTreeSet};

/// Leases that may run out one after the other.
pub(crate) const LAPSES_MAX: u32 = 5;

/// received 1, displayed 2, seen 3, read 4, acted 5.
pub(crate) type LevelCode = u8;

#[derive(Debug, Clone)]
pub(crate) struct Notification {
    pub(crate) name: &'static str,
    pub(crate) seq: u64,
    pub(crate) level: LevelCode,
    pub(crate) read: bool,
    /// Out of the list, and how that ends its delivery.
    pub(crate) gone: Option<DeliveryState>,
    pub(crate) expires_at: Option<i64>,
    pub(crate) collapse_key: Option<&'static str>,
    /// The one that it replaced.
    pub(crate) replaced: Option<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// In the order in which they were opened.
    pub(crate) order: usize,
    pub(crate) state: DeliveryState,
    pub(crate) step: u32,
    pub(crate) last_failed: bool,
    pub(crate) stop_at: LevelCode,
    pub(crate) after: AfterStep,
    pub(crate) due_at: i64,
    pub(crate) claim_at: Option<i64>,
    pub(crate) token: Option<i64>,
    pub(crate) deferred: Deferred,
    pub(crate) generation: u32,
    /// Leases that ran out since it was last decided about.
    pub(crate) lapsed: u32,
    /// Every end it reached, replays between them.
    pub(crate) ends: Vec<(u32, DeliveryState)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Leg {
    /// Notifications that it serves with their steps, its own first.
    pub(crate) serves: Vec<(usize, u32)>,
    pub(crate) state: LegState,
    pub(crate) token: Option<i64>,
    pub(crate) next_at: i64,
    pub(crate) claim_at: Option<i64>,
    pub(crate) changed: bool,
    pub(crate) tries: u32,
    /// Leases that ran out since an answer came.
    pub(crate) lapsed: u32,
    pub(crate) deadline_at: i64,
    /// When the provider accepted it: the token of the call, and the end of its lease.
    pub(crate) accepted: Vec<(i64, i64)>,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) now: i64,
    pub(crate) notifications: Vec<Notification>,
    pub(crate) deliveries: BTreeMap<usize, Delivery>,
    pub(crate) legs: BTreeMap<i64, Leg>,
    /// Deliveries of which something is left, and pending legs, as of the last look.
    pub(crate) active: BTreeSet<usize>,
    pub(crate) pending: BTreeSet<i64>,
}

pub(crate) fn is_end(state: DeliveryState) -> bool {
    !matches!(state, DeliveryState::Waiting | DeliveryState::Sending | DeliveryState::Held)
}

impl Delivery {
    pub(crate) fn wait_until(&mut self, due_at: i64) {
        self.state = DeliveryState::Waiting;
        self.due_at = due_at;
        self.release();
    }

    pub(crate) fn release(&mut self) {
        self.claim_at = Some(self.due_at);
        self.token = None;
        self.lapsed = 0;
    }

    pub(crate) fn end(&mut self, state: DeliveryState) {
        assert!(!is_end(self.state), "an end stays: {self:?} → {state:?}");
        self.state = state;
        self.claim_at = None;
        self.token = None;
        self.lapsed = 0;
        self.ends.push((self.generation, state));
    }
}

impl Model {
    pub(crate) fn new() -> Self {
        Self { now: NOW.0, ..Self::default() }
    }

    /// How the delivery of a notification has to end because of it.
    pub(crate) fn outcome(&self, at: usize, stop_at: LevelCode) -> Option<DeliveryState> {
        let one = &self.notifications[at];
        match one.gone {
            Some(state) => Some(state),
            None => (one.read || one.level >= stop_at).then_some(DeliveryState::Confirmed),
        }
    }

    pub(crate) fn over(&self, at: usize) -> bool {
        self.notifications[at].expires_at.is_some_and(|expires_at| expires_at <= self.now)
    }

    pub(crate) fn open_legs(&self, at: usize) -> Vec<i64> {
        let waits =
            |leg: &Leg| leg.state == LegState::Pending && leg.serves.iter().any(|served| served.0 == at);
        self.pending.iter().filter(|key| waits(&self.legs[key])).copied().collect()
    }

    pub(crate) fn drop_legs(&mut self, at: usize, to: LegState) {
        for key in self.open_legs(at) {
            let leg = self.legs.get_mut(&key).unwrap();
            if leg.serves.len() == 1 {
                (leg.state, leg.token, leg.claim_at) = (to, None, None);
            } else {
                leg.serves.retain(|served| served.0 != at);
                leg.changed = leg.token.is_some();
            }
        }
    }

    /// Whether a provider has it, whatever a later step could not do.
    pub(crate) fn was_sent(&self, at: usize) -> bool {
        let serves = |leg: &&Leg| leg.serves.iter().any(|served| served.0 == at);
        self.legs.values().filter(serves).any(|leg| leg.state == LegState::Accepted)
    }

    pub(crate) fn end(&mut self, at: usize, state: DeliveryState) {
        let delivery = self.deliveries.get_mut(&at).unwrap();
        if !is_end(delivery.state) {
            delivery.end(state);
        }
        self.drop_legs(
            at,
            if state == DeliveryState::Expired { LegState::Expired } else { LegState::Cancelled },
        );
    }

    /// After anything happened: no delivery is left that its notification has made needless.
    pub(crate) fn settle(&mut self) {
        self.pending.retain(|key| self.legs[key].state == LegState::Pending);
        for at in self.active.clone() {
            let delivery = &self.deliveries[&at];
            if is_end(delivery.state) && self.open_legs(at).is_empty() {
                self.active.remove(&at);
                continue;
            }
            if let Some(state) = self.outcome(at, delivery.stop_at) {
                self.end(at, state);
            }
        }
    }

    pub(crate) fn open(&mut self, at: usize, due_at: i64) -> bool {
        if self.outcome(at, 2).is_some() || self.over(at) || self.deliveries.contains_key(&at) {
            return false;
        }
        let mut inherited = self.notifications[at].replaced;
        while let Some(replaced) = inherited
            && !self.deliveries.contains_key(&replaced)
        {
            inherited = self.notifications[replaced].replaced;
        }
        let due_at = inherited.map_or(due_at, |replaced| due_at.min(self.deliveries[&replaced].due_at));
        let delivery = Delivery {
            order: self.deliveries.len(),
            state: DeliveryState::Waiting,
            step: 1,
            last_failed: true,
            stop_at: 2,
            after: AfterStep::default(),
            due_at,
            claim_at: Some(due_at),
            token: None,
            deferred: Deferred::No,
            generation: 0,
            lapsed: 0,
            ends: Vec::new(),
        };
        self.deliveries.insert(at, delivery);
        self.active.insert(at);
        true
    }

    pub(crate) fn claimable(&self) -> Vec<usize> {
        let due = |one: &Delivery| one.claim_at.is_some_and(|claim_at| claim_at <= self.now);
        self.active.iter().filter(|at| due(&self.deliveries[at])).copied().collect()
    }

    /// Whether all of a decision are the caller's; else those that are go back.
    pub(crate) fn held_by_caller(&mut self, asked: &[(usize, i64)], to_send: bool) -> bool {
        let mut held = Vec::new();
        for (at, token) in asked {
            let delivery = &self.deliveries[at];
            if delivery.state != DeliveryState::Waiting || delivery.token != Some(*token) {
                continue;
            }
            if to_send && self.over(*at) {
                self.end(*at, DeliveryState::Expired);
            } else {
                held.push(*at);
            }
        }
        if held.len() == asked.len() {
            return true;
        }
        for at in held {
            self.deliveries.get_mut(&at).unwrap().release();
        }
        false
    }

    pub(crate) fn finish_leg(&mut self, key: i64, state: LegState) {
        let now = self.now;
        let leg = self.legs.get_mut(&key).unwrap();
        (leg.state, leg.token, leg.claim_at) = (state, None, None);
        for (at, step) in leg.serves.clone() {
            let others = self.open_legs(at).into_iter();
            let others = others.filter(|key| self.legs[key].serves.contains(&(at, step))).count();
            let delivery = self.deliveries.get_mut(&at).unwrap();
            if delivery.state != DeliveryState::Sending || delivery.step != step {
                continue;
            }
            if state == LegState::Accepted {
                delivery.last_failed = false;
                match delivery.after.wait_ms {
                    None => delivery.end(DeliveryState::Sent),
                    Some(wait) => {
                        delivery.step += 1;
                        delivery.stop_at = 3;
                        delivery.wait_until(now + wait as i64);
                    }
                }
            } else if others == 0 {
                delivery.last_failed = true;
                delivery.step += 1;
                delivery.wait_until(now);
            }
        }
    }

    pub(crate) fn claimable_legs(&self) -> Vec<i64> {
        let due = |leg: &Leg| leg.claim_at.is_some_and(|claim_at| claim_at <= self.now);
        let mut due: Vec<i64> = self.pending.iter().filter(|key| due(&self.legs[key])).copied().collect();
        due.sort_by_key(|key| (self.legs[key].claim_at, *key));
        due
    }

    /// What a claim of legs leaves: `false` if the leg came to its end instead.
    pub(crate) fn claim_leg(&mut self, key: i64) -> bool {
        if self.legs[&key].state != LegState::Pending {
            return false;
        }
        for (at, _) in self.legs[&key].serves.clone() {
            if self.over(at) {
                self.end(at, DeliveryState::Expired);
            }
        }
        if self.legs[&key].state != LegState::Pending {
            return false;
        }
        if self.legs[&key].deadline_at <= self.now {
            self.finish_leg(key, LegState::Expired);
            return false;
        }
        let leg = self.legs.get_mut(&key).unwrap();
        leg.lapsed += u32::from(leg.token.is_some());
        if leg.lapsed >= LAPSES_MAX {
            self.finish_leg(key, LegState::Failed);
            return false;
        }
        let leg = self.legs.get_mut(&key).unwrap();
        leg.claim_at = Some(self.now + LEASE_MS);
        leg.changed = false;
        true
    }

    pub(crate) fn still_wanted(&mut self, key: i64, token: i64) -> bool {
        let leg = self.legs.get_mut(&key).unwrap();
        if leg.state != LegState::Pending || leg.token != Some(token) {
            return false;
        }
        if leg.changed {
            leg.changed = false;
            leg.lapsed = 0;
            leg.token = None;
            leg.claim_at = Some(leg.next_at);
            return false;
        }
        true
    }

    pub(crate) fn replay(&mut self) -> u32 {
        let mut replayed = 0;
        for at in self.deliveries.keys().copied().collect::<Vec<_>>() {
            let delivery = &self.deliveries[&at];
            if delivery.state != DeliveryState::DeadLettered {
                continue;
            }
            let over = self.outcome(at, delivery.stop_at);
            let over = over.or(self.over(at).then_some(DeliveryState::Expired));
            self.drop_legs(at, LegState::Cancelled);
            let now = self.now;
            let delivery = self.deliveries.get_mut(&at).unwrap();
            if let Some(state) = over {
                delivery.state = state;
                continue;
            }
            delivery.generation += 1;
            delivery.step = 1;
            delivery.last_failed = false;
            delivery.deferred = Deferred::No;
            delivery.wait_until(now);
            self.active.insert(at);
            replayed += 1;
        }
        replayed
    }
}
