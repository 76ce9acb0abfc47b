//! The limit of connections per user over all nodes. Each node keeps to it alone; together they may be over it. Who
//! sees that in the presence table asks the others for theirs, and then each closes those of its own that are among
//! the ones to go: all of them weigh the same list.

use crate::clock;
use crate::cluster::hint::{Hint, SEATS_MAX};
use crate::hub::Seat;
use crate::services::Services;
use belfry_bus::{NodeTag, Subject};
use belfry_protocol::{ConnectionId, UserId};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a node said counts for so long.
const SAID_FOR: Duration = Duration::from_secs(5);
/// Most users of whom something is kept; beyond it the rest waits for the next connection.
const USERS_MAX: usize = 10_000;

/// What one node said of a user's connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    seats: Vec<Seat>,
    more: u32,
    at: Instant,
}

/// What other nodes said of users with many connections.
#[derive(Debug, Default)]
pub struct Crowds(Mutex<HashMap<UserId, HashMap<u64, Said>>>);

impl Crowds {
    /// Keeps what a node said; gives back what all of them said lately.
    fn note(&self, user: &UserId, from: NodeTag, said: Said) -> Vec<Said> {
        let now = said.at;
        let fresh = |said: &Said| now.saturating_duration_since(said.at) < SAID_FOR;
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= USERS_MAX {
            users.retain(|_, nodes| nodes.values().any(fresh));
        }
        if users.len() >= USERS_MAX && !users.contains_key(user) {
            return Vec::new();
        }
        let nodes = users.entry(user.clone()).or_default();
        nodes.insert(from.0, said);
        nodes.retain(|_, said| fresh(said));
        nodes.values().cloned().collect()
    }
}

/// Which of the own connections are to go when all nodes together may have so many: hidden ones first, those that are
/// idle longest first. Pure; every node that knows the same comes to the same.
pub fn excess(own: &[Seat], others: &[Said], limit: usize) -> Vec<ConnectionId> {
    let more: u32 = others.iter().map(|said| said.more).sum();
    let mut all: Vec<Seat> = own.iter().chain(others.iter().flat_map(|said| &said.seats)).copied().collect();
    let over = (all.len() + more as usize).saturating_sub(limit);
    all.sort_unstable_by_key(|seat| (seat.visible, seat.since, seat.connection.0));
    let goes = all.into_iter().take(over).map(|seat| seat.connection);
    goes.filter(|connection| own.iter().any(|seat| seat.connection == *connection)).collect()
}

impl Services {
    /// The presence table says that a user has more connections than they may: the nodes that have them are asked.
    pub(crate) fn ask_crowd(&self, user: &UserId) {
        self.say_crowd(user, true);
    }

    /// Another node says which it has.
    pub(crate) fn hear_crowd(&self, from: NodeTag, user: UserId, seats: Vec<Seat>, more: u32, asks: bool) {
        let Some(cluster) = &self.cluster else { return };
        let now = clock::now();
        let others = cluster.crowds.note(&user, from, Said { seats, more, at: now.instant });
        let own = self.hub.seats(&user, now);
        if own.is_empty() {
            return;
        }
        if asks {
            self.say_crowd(&user, false);
        }
        let gone = excess(&own, &others, self.config.limits.connections_per_user as usize);
        if !gone.is_empty() {
            self.hub.evict(&user, &gone);
        }
    }

    fn say_crowd(&self, user: &UserId, asks: bool) {
        let Some(cluster) = &self.cluster else { return };
        let mut seats = self.hub.seats(user, clock::now());
        seats.sort_unstable_by_key(|seat| (seat.visible, seat.since, seat.connection.0));
        let more = u32::try_from(seats.len().saturating_sub(SEATS_MAX)).unwrap_or(u32::MAX);
        seats.truncate(SEATS_MAX);
        cluster.send(Subject::of_user(user.as_str()), &Hint::Crowd { user: user.clone(), seats, more, asks });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use belfry_store::UnixMs;

    fn seat(number: u128, visible: bool, since: i64) -> Seat {
        Seat { connection: ConnectionId(uuid::Uuid::from_u128(number)), visible, since: UnixMs(since) }
    }

    fn said(seats: &[Seat], more: u32) -> Said {
        Said { seats: seats.to_vec(), more, at: clock::now().instant }
    }

    #[test]
    fn the_nodes_agree_on_who_goes_and_each_closes_its_own() {
        let here = [seat(1, false, 50), seat(2, true, 10)];
        let there = [seat(3, false, 40), seat(4, true, 20)];
        let gone = |limit| {
            let one = excess(&here, &[said(&there, 0)], limit);
            let other = excess(&there, &[said(&here, 0)], limit);
            (
                one.iter().map(|c| c.0.as_u128()).collect::<Vec<_>>(),
                other.iter().map(|c| c.0.as_u128()).collect::<Vec<_>>(),
            )
        };
        assert_eq!(gone(4), (vec![], vec![]));
        assert_eq!(gone(3), (vec![], vec![3]), "hidden longest");
        assert_eq!(gone(2), (vec![1], vec![3]), "all that are hidden");
        assert_eq!(gone(1), (vec![1, 2], vec![3]), "then the oldest, wherever it is");
    }

    #[test]
    fn a_node_that_knows_too_little_closes_too_few() {
        let here = [seat(1, false, 50), seat(2, true, 10)];
        assert_eq!(excess(&here, &[], 2), []);
        assert_eq!(excess(&here, &[said(&[], 1)], 2).len(), 1, "one more than is named");
    }

    #[test]
    fn what_was_said_long_ago_does_not_count() {
        let (crowds, now) = (Crowds::default(), clock::now().instant);
        let ann = UserId::new("ann").expect("is an id");
        let at =
            |seconds| Said { seats: vec![seat(1, true, 1)], more: 0, at: now + Duration::from_secs(seconds) };
        assert_eq!(crowds.note(&ann, NodeTag(1), at(0)).len(), 1);
        assert_eq!(crowds.note(&ann, NodeTag(2), at(1)).len(), 2);
        assert_eq!(crowds.note(&ann, NodeTag(2), at(5)).len(), 1, "the first node's word is old");
    }
}
