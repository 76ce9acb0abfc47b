//! What has to be true when everything is well again.

use crate::chaos::{Delivered, Promise};
use crate::cluster_chaos::crowd::{DEVICES, device};
use crate::night_chaos::audit::{Kill, Taken};
use std::collections::{BTreeMap, BTreeSet};

/// A person's list as the house shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inbox {
    /// All items, but alerts for everyone.
    pub items: Vec<Listed>,
    /// How many of those there are; nobody reads them.
    pub announcements: u64,
    /// The number of the last alert or change.
    pub head: u64,
    /// How many it says are unread, at each node.
    pub unread: Vec<u64>,
    /// The same at each device.
    pub shown: Vec<Option<u64>>,
}

/// One item of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Its number.
    pub seq: u64,
    /// The number of its last change.
    pub version: u64,
    /// Whether it was read.
    pub read: bool,
}

/// Every alert that was promised is on every device of its person, once and in order, and nothing is that is not stored
/// once.
pub fn screens(promises: &[Promise], delivered: &BTreeMap<String, Delivered>) -> Vec<String> {
    let on = |place: usize| {
        promises.iter().map(move |promise| {
            let user = device(&promise.user, place);
            Promise { user, ..promise.clone() }
        })
    };
    let promised: Vec<Promise> = (0..DEVICES).flat_map(on).collect();
    crate::chaos::audit(&promised, delivered)
}

/// A person's list holds what was promised and nothing else, as read as they left it; numbers were given out without a
/// gap; and everybody counts the same.
pub fn list(user: &str, inbox: &Inbox, promises: &[Promise], reads: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    let promised: BTreeMap<&str, u64> =
        promises.iter().filter(|one| one.user == user).map(|one| (one.id.as_str(), one.seq)).collect();
    let listed: BTreeMap<&str, u64> = inbox.items.iter().map(|item| (item.id.as_str(), item.seq)).collect();
    if promised != listed {
        let (missing, foreign) = (
            promised.iter().filter(|(id, seq)| listed.get(*id) != Some(seq)).count(),
            listed.iter().filter(|(id, seq)| promised.get(*id) != Some(seq)).count(),
        );
        faults.push(format!(
            "{user}: {missing} promised alerts are not in the list, {foreign} in it were not promised"
        ));
    }
    let read: BTreeSet<&str> =
        inbox.items.iter().filter(|item| item.read).map(|item| item.id.as_str()).collect();
    if read != reads.iter().map(String::as_str).collect() {
        faults.push(format!("{user}: {} items are read, and {} were", read.len(), reads.len()));
    }
    // Each item changes once at most, so every number is an item's birth or its one change.
    let numbers: BTreeSet<u64> = inbox.items.iter().flat_map(|item| [item.seq, item.version]).collect();
    if !numbers.iter().copied().eq(1..=inbox.head) {
        faults.push(format!("{user}: of the numbers up to {} there are {}", inbox.head, numbers.len()));
    }
    let expected = inbox.announcements + (promised.len() - reads.len().min(promised.len())) as u64;
    if inbox.unread.iter().any(|unread| *unread != expected) {
        faults.push(format!("{user}: {expected} are unread, and nodes say {:?}", inbox.unread));
    }
    // A device that was told of nothing shows nothing.
    if inbox.shown.iter().any(|shown| shown.unwrap_or(0) != expected) {
        faults.push(format!("{user}: {expected} are unread, and devices show {:?}", inbox.shown));
    }
    faults
}

/// What was taken twice although its answer went back: then a node died, or stood still, before it had written it down,
/// and its lease, of which no call takes the last twenty seconds, was over.
pub fn taken_twice(taken: &[Taken], kills: &[Kill], lease_left_min: i64) -> Vec<String> {
    let mut by_address: BTreeMap<(&str, &str), Vec<&Taken>> = BTreeMap::new();
    for one in taken {
        by_address.entry((&one.user, &one.device)).or_default().push(one);
    }
    let mut faults = Vec::new();
    for ((user, device), all) in by_address {
        for pair in all.windows(2).filter(|pair| pair[0].answered) {
            let (first, second) = (pair[0].at, pair[1].at);
            if second - first < lease_left_min {
                faults.push(format!("{user} {device}: taken again after {} ms", second - first));
            }
            if !kills.iter().any(|kill| kill.at >= first && kill.at <= second) {
                faults.push(format!("{user} {device}: taken again, and no node had died"));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise(seq: u64, id: &str) -> Promise {
        Promise { user: "ann".to_owned(), seq, id: id.to_owned(), number: seq }
    }

    fn item(id: &str, seq: u64, version: u64) -> Listed {
        Listed { id: id.to_owned(), seq, version, read: version > seq }
    }

    /// Two alerts, of which the first was read: numbers 1, 2 and 3.
    fn well() -> Inbox {
        Inbox {
            items: vec![item("b", 2, 2), item("a", 1, 3)],
            announcements: 0,
            head: 3,
            unread: vec![1, 1],
            shown: vec![Some(1), Some(1)],
        }
    }

    #[test]
    fn alerts_for_everyone_count_as_unread() {
        let three = Inbox { announcements: 2, unread: vec![3, 3], shown: vec![Some(3), Some(3)], ..well() };
        assert_eq!(found(&three), 0);
        assert_eq!(found(&Inbox { announcements: 2, ..well() }), 2, "nodes and devices left them out");
    }

    fn found(inbox: &Inbox) -> usize {
        list("ann", inbox, &[promise(1, "a"), promise(2, "b")], &["a".to_owned()].into()).len()
    }

    #[test]
    fn a_list_in_order_has_no_fault_and_each_disorder_is_found() {
        assert_eq!(found(&well()), 0);
        assert_eq!(found(&Inbox { unread: vec![1, 2], ..well() }), 1, "a node counts otherwise");
        assert_eq!(found(&Inbox { shown: vec![None, Some(1)], ..well() }), 1, "a device counts otherwise");
        assert_eq!(found(&Inbox { head: 4, ..well() }), 1, "a gap");
        let lost = Inbox { items: vec![item("a", 1, 3)], ..well() };
        assert_eq!(found(&lost), 2, "lost, and so a gap");
        let doubled = Inbox { items: vec![item("c", 4, 4), item("b", 2, 2), item("a", 1, 3)], ..well() };
        assert_eq!(found(&Inbox { head: 4, ..doubled }), 1, "one that nobody promised");
        let forgotten = Inbox { items: vec![item("b", 2, 2), item("a", 1, 1)], head: 2, ..well() };
        assert_eq!(found(&forgotten), 1, "it was read");
    }

    #[test]
    fn an_alert_has_to_be_on_both_devices() {
        let alert = |seq: u64, id: &str| (seq, id.to_owned(), seq);
        let on = |alerts: &[(u64, String, u64)]| Delivered { alerts: alerts.to_vec(), resets: 0 };
        let both = [alert(1, "a")];
        let delivered: BTreeMap<_, _> = [(device("ann", 0), on(&both)), (device("ann", 1), on(&both))].into();
        assert_eq!(screens(&[promise(1, "a")], &delivered), Vec::<String>::new());
        let one: BTreeMap<_, _> = [(device("ann", 0), on(&both)), (device("ann", 1), on(&[]))].into();
        assert_eq!(screens(&[promise(1, "a")], &one).len(), 1);
    }

    #[test]
    fn what_is_taken_twice_needs_a_dead_node_and_the_end_of_its_lease() {
        let at = |at: i64, answered| Taken {
            user: "ann".to_owned(),
            device: "phone".to_owned(),
            tag: "t".to_owned(),
            at,
            kills: 0,
            answered,
        };
        let kill = |at| Kill { at, ..Kill::default() };
        let found = |taken: &[Taken], kills: &[Kill]| taken_twice(taken, kills, 20_000).len();
        assert_eq!(found(&[at(0, true)], &[]), 0);
        assert_eq!(found(&[at(0, true), at(60_000, true)], &[kill(10)]), 0);
        assert_eq!(found(&[at(0, true), at(60_000, true)], &[]), 1, "nobody died");
        assert_eq!(found(&[at(0, true), at(60_000, true)], &[kill(70_000)]), 1, "they died later");
        assert_eq!(found(&[at(0, true), at(500, true)], &[kill(10)]), 1, "too early");
        assert_eq!(found(&[at(0, false), at(500, true)], &[]), 0, "the answer was lost");
    }
}
