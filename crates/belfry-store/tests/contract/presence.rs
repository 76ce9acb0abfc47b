//! Who is where, as other nodes see it.

use crate::harness::*;
use belfry_store::*;
use std::time::Duration;

const HERE: Incarnation = Incarnation(1);
const THERE: Incarnation = Incarnation(2);

async fn enter(it: &TestStore, incarnation: Incarnation, now: UnixMs) {
    let node = NodeWrite {
        incarnation,
        name: "node".to_owned(),
        lease: Duration::from_secs(30),
        watched_to: None,
        stats: String::new(),
    };
    it.store.join_node(node, now).await.unwrap();
}

fn open(name: &str, connections: u32) -> PresenceWrite {
    PresenceWrite { user: user(name), connections, visible: true, ago: Duration::ZERO, lost: false }
}

async fn elsewhere(it: &TestStore, names: &[&str], now: UnixMs) -> Vec<Elsewhere> {
    let mut found =
        it.store.elsewhere(names.iter().map(|name| user(name)).collect(), HERE, now).await.unwrap();
    // The clock that all nodes go by may be read a little differently each time.
    let rounded = |ago: &mut Option<Duration>| {
        *ago = ago.map(|ago| Duration::from_secs(ago.as_secs_f64().round() as u64))
    };
    for one in &mut found {
        rounded(&mut one.since_ago);
        rounded(&mut one.left_ago);
        rounded(&mut one.lost_ago);
    }
    found
}

fn seconds(count: u64) -> Option<Duration> {
    Some(Duration::from_secs(count))
}

contract! {
    async fn people_at_other_nodes_are_seen_and_those_here_are_not(it: TestStore) {
        enter(&it, HERE, NOW).await;
        enter(&it, THERE, NOW).await;
        let ann = PresenceWrite { ago: Duration::from_secs(4), visible: false, ..open("ann", 2) };
        assert_eq!(it.store.write_presence(THERE, vec![open("bob", 1), ann], NOW).await, Ok(true));
        assert_eq!(it.store.write_presence(HERE, vec![open("ann", 1), open("cid", 1)], NOW).await, Ok(true));
        let found = elsewhere(&it, &["ann", "bob", "cid", "nobody"], after(1_000)).await;
        let ann = Elsewhere { connections: 2, since_ago: seconds(5), ..Elsewhere::default() };
        let bob = Elsewhere { connections: 1, visible: true, since_ago: seconds(1), ..Elsewhere::default() };
        assert_eq!(found, [ann, bob, Elsewhere::default(), Elsewhere::default()]);
    }

    async fn who_left_is_known_until_it_is_swept(it: TestStore) {
        enter(&it, THERE, NOW).await;
        it.store.write_presence(THERE, vec![open("ann", 1), open("bob", 1)], NOW).await.unwrap();
        let ann = PresenceWrite { connections: 0, ago: Duration::from_secs(2), ..open("ann", 0) };
        let bob = PresenceWrite { connections: 0, lost: true, ..open("bob", 0) };
        it.store.write_presence(THERE, vec![ann, bob], after(10_000)).await.unwrap();
        let left = Elsewhere { left_ago: seconds(3), ..Elsewhere::default() };
        let lost = Elsewhere { lost_ago: seconds(1), ..Elsewhere::default() };
        assert_eq!(elsewhere(&it, &["ann", "bob"], after(11_000)).await, [left, lost]);
        assert_eq!(it.store.sweep_presence(Duration::from_millis(2_500), 10, after(11_000)).await, Ok(1));
        assert_eq!(elsewhere(&it, &["ann", "bob"], after(11_000)).await, [Elsewhere::default(), lost]);
        it.store.write_presence(THERE, vec![open("bob", 1)], after(12_000)).await.unwrap();
        assert_eq!(elsewhere(&it, &["bob"], after(12_000)).await[0].connections, 1, "and back again");
    }

    async fn a_node_whose_lease_has_ended_holds_nobody(it: TestStore) {
        enter(&it, HERE, after(20_000)).await;
        enter(&it, THERE, NOW).await;
        it.store.write_presence(THERE, vec![open("ann", 1)], NOW).await.unwrap();
        assert_eq!(elsewhere(&it, &["ann"], after(29_000)).await[0].connections, 1);
        let gone = Elsewhere { lost_ago: seconds(5), ..Elsewhere::default() };
        assert_eq!(elsewhere(&it, &["ann"], after(35_000)).await, [gone], "nobody took it over yet");
        let taken = it.store.take_over(HERE, after(36_000)).await.unwrap().unwrap();
        assert_eq!(taken.sessions, 1);
        assert_eq!(elsewhere(&it, &["ann"], after(35_000)).await, [gone], "it counts from the end of the lease");
    }

    async fn a_node_that_was_taken_over_writes_nothing(it: TestStore) {
        enter(&it, HERE, after(20_000)).await;
        enter(&it, THERE, NOW).await;
        it.store.take_over(HERE, after(31_000)).await.unwrap().unwrap();
        assert_eq!(it.store.write_presence(THERE, vec![open("ann", 1)], after(32_000)).await, Ok(false));
        assert_eq!(elsewhere(&it, &["ann"], after(32_000)).await, [Elsewhere::default()]);
    }

    async fn many_people_are_asked_for_at_once(it: TestStore) {
        enter(&it, THERE, NOW).await;
        let names: Vec<String> = (0..1_200).map(|number| format!("user-{number:04}")).collect();
        let rows = names.iter().step_by(2).map(|name| open(name, 1)).collect();
        it.store.write_presence(THERE, rows, NOW).await.unwrap();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = elsewhere(&it, &names, NOW).await;
        let open: Vec<u32> = found.iter().map(|one| one.connections).collect();
        let expected: Vec<u32> = (0..1_200).map(|number| u32::from(number % 2 == 0)).collect();
        assert_eq!(open, expected);
    }
}
