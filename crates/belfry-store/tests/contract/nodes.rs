//! Leases of nodes, and what becomes of a node that did not renew its own.

use crate::harness::*;
use belfry_store::*;
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(30);

fn node(incarnation: i64, watched_to: Option<i64>) -> NodeWrite {
    NodeWrite {
        incarnation: Incarnation(incarnation),
        name: format!("node-{incarnation}"),
        lease: LEASE,
        watched_to,
        stats: format!("{{\"n\":{incarnation}}}"),
    }
}

async fn alive(it: &TestStore, now: UnixMs) -> Vec<(i64, bool)> {
    let nodes = it.store.nodes(now).await.unwrap();
    nodes.iter().map(|node| (node.incarnation.0, node.alive)).collect()
}

contract! {
    async fn a_node_lives_for_as_long_as_it_renews(it: TestStore) {
        it.store.join_node(node(1, Some(5)), NOW).await.unwrap();
        it.store.join_node(node(2, Some(5)), NOW).await.unwrap();
        assert_eq!(it.store.renew_node(node(1, None), after(20_000)).await, Ok(true));
        assert_eq!(alive(&it, after(29_500)).await, [(1, true), (2, true)]);
        assert_eq!(alive(&it, after(30_500)).await, [(1, true), (2, false)]);
        let nodes = it.store.nodes(after(21_000)).await.unwrap();
        assert_eq!((nodes[0].written_ago.as_secs_f64().round(), nodes[0].started_at.0 / 1_000), (1.0, NOW.0 / 1_000));
        assert_eq!((nodes[0].stats.as_str(), nodes[0].name.as_str()), ("{\"n\":1}", "node-1"));
        assert_eq!(it.store.renew_node(node(3, None), NOW).await, Ok(false), "it never entered");
    }

    async fn what_a_dead_node_left_is_taken_over_once(it: TestStore) {
        for number in 1..=3 {
            it.store.join_node(node(number, Some(number * 100)), NOW).await.unwrap();
        }
        let later = after(25_000);
        for number in 2..=3 {
            it.store.renew_node(node(number, None), later).await.unwrap();
        }
        assert_eq!(it.store.take_over(Incarnation(2), later).await, Ok(None), "everybody lives");
        let dead = after(30_500);
        let (two, three) = tokio::join!(
            it.store.take_over(Incarnation(2), dead),
            it.store.take_over(Incarnation(3), dead),
        );
        let taken: Vec<TakenOver> = [two.unwrap(), three.unwrap()].into_iter().flatten().collect();
        let expected =
            TakenOver { incarnation: Incarnation(1), name: "node-1".to_owned(), watched_to: 100, sessions: 0 };
        assert_eq!(taken, [expected]);
        assert_eq!(it.store.renew_node(node(1, None), dead).await, Ok(false), "it is told that it was taken for dead");
        assert_eq!(alive(&it, dead).await, [(2, true), (3, true)]);
    }

    async fn the_duty_of_a_dead_node_outlives_the_one_that_took_it(it: TestStore) {
        it.store.join_node(node(1, Some(100)), NOW).await.unwrap();
        it.store.join_node(node(2, Some(900)), after(20_000)).await.unwrap();
        it.store.join_node(node(3, Some(900)), after(40_000)).await.unwrap();
        let first = it.store.take_over(Incarnation(2), after(40_000)).await.unwrap().unwrap();
        assert_eq!(first.watched_to, 100);
        let second = it.store.take_over(Incarnation(3), after(60_000)).await.unwrap().unwrap();
        assert_eq!((second.incarnation, second.watched_to), (Incarnation(2), 100), "it died before it looked");
    }

    async fn a_node_whose_own_lease_ended_takes_nobody_over(it: TestStore) {
        it.store.join_node(node(1, None), NOW).await.unwrap();
        it.store.join_node(node(2, None), NOW).await.unwrap();
        let late = after(60_000);
        assert_eq!(it.store.take_over(Incarnation(2), late).await, Ok(None));
        assert_eq!(alive(&it, late).await, [(1, false), (2, false)]);
        it.store.renew_node(node(2, None), late).await.unwrap();
        assert!(it.store.take_over(Incarnation(2), late).await.unwrap().is_some());
    }

    async fn who_leaves_keeps_nobody_waiting(it: TestStore) {
        it.store.join_node(node(1, Some(5)), NOW).await.unwrap();
        it.store.join_node(node(2, Some(5)), NOW).await.unwrap();
        it.store.leave_node(Incarnation(1), Some(77), after(1)).await.unwrap();
        let taken = it.store.take_over(Incarnation(2), after(1)).await.unwrap().unwrap();
        assert_eq!((taken.incarnation, taken.watched_to), (Incarnation(1), 77));
    }
}
