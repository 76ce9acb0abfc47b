//! The keys of new alerts: they rise within a process, and no two nodes give the same one.

use crate::UnixMs;
use belfry_protocol::AlertId;
use std::sync::atomic::{AtomicI64, Ordering};

/// Keys of one millisecond.
const KEYS_PER_MS: i64 = 1 << 15;
/// Of these each node has so many for itself, so that 256 nodes share a millisecond.
const KEYS_PER_NODE: i64 = 1 << 7;

/// Gives keys.
#[derive(Debug)]
pub(crate) struct AlertKeys {
    newest: AtomicI64,
    /// The first key of this node in each millisecond; `None`: it has all of them.
    first: Option<i64>,
}

impl AlertKeys {
    /// Nobody else gives any.
    pub(crate) fn of_one_process(newest: i64) -> Self {
        Self { newest: AtomicI64::new(newest), first: None }
    }

    /// Of one node among several; `start` numbers the starts of nodes. Two that run at once and whose starts are a
    /// multiple of 256 apart share their keys: then the second alert of the two is refused, as if the store had been away.
    pub(crate) fn of_node(start: i64, newest: i64) -> Self {
        let first = start.rem_euclid(KEYS_PER_MS / KEYS_PER_NODE) * KEYS_PER_NODE;
        Self { newest: AtomicI64::new(newest), first: Some(first) }
    }

    /// The next key.
    pub(crate) fn next(&self, now: UnixMs) -> i64 {
        let at_least = AlertId::first_key_at(now.0.max(0));
        let rise = |newest: i64| after(newest, at_least, self.first);
        let before =
            self.newest.fetch_update(Ordering::AcqRel, Ordering::Acquire, |newest| Some(rise(newest)));
        rise(before.unwrap_or_else(|newest| newest))
    }
}

/// The first key above `newest`, not before a moment, that is this node's.
fn after(newest: i64, at_least: i64, first: Option<i64>) -> i64 {
    let next = at_least.max(newest + 1);
    let Some(first) = first else { return next };
    let (ms, place) = (next.div_euclid(KEYS_PER_MS), next.rem_euclid(KEYS_PER_MS));
    if place < first {
        ms * KEYS_PER_MS + first
    } else if place < first + KEYS_PER_NODE {
        next
    } else {
        (ms + 1) * KEYS_PER_MS + first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_rise_and_those_of_two_nodes_differ() {
        let nodes = [AlertKeys::of_node(1, 0), AlertKeys::of_node(2, 0), AlertKeys::of_node(255, 0)];
        let mut seen = std::collections::HashSet::new();
        for node in &nodes {
            let mut last = 0;
            for _ in 0..1_000 {
                let key = node.next(UnixMs(1_790_000_000_000));
                assert!(key > last && seen.insert(key), "{key}");
                last = key;
            }
        }
    }

    #[test]
    fn a_full_millisecond_goes_over_into_the_next_one() {
        let first = 3 * KEYS_PER_NODE;
        let newest = 10 * KEYS_PER_MS + first + KEYS_PER_NODE - 1;
        assert_eq!(after(newest, 0, Some(first)), 11 * KEYS_PER_MS + first);
        assert_eq!(after(newest, 0, None), newest + 1);
        assert_eq!(after(0, 10 * KEYS_PER_MS, Some(first)), 10 * KEYS_PER_MS + first);
    }

    #[test]
    fn a_node_goes_on_above_what_it_found() {
        let newest = AlertId::first_key_at(1_790_000_000_000) + 20_000;
        assert!(AlertKeys::of_node(1, newest).next(UnixMs(1_700_000_000_000)) > newest);
        assert_eq!(AlertKeys::of_one_process(newest).next(UnixMs(0)), newest + 1);
    }
}
