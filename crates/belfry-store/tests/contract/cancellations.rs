//! An answer ends what it satisfies, in the transaction that records it, whenever it comes.

use crate::harness::*;
use crate::nights::*;
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::{AlertId, Audience, Level, Seq, StateChange, Stream};
use belfry_store::*;

/// What may come in between.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Displayed,
    DisplayedRange,
    Seen,
    Read,
    Archived,
    Acted,
    Recalled,
    Expired,
    Replaced,
    Removed,
}

const ANSWERS: [Answer; 10] = [
    Answer::Displayed,
    Answer::DisplayedRange,
    Answer::Seen,
    Answer::Read,
    Answer::Archived,
    Answer::Acted,
    Answer::Recalled,
    Answer::Expired,
    Answer::Replaced,
    Answer::Removed,
];

fn keyed() -> Content {
    Content { collapse_key: Some("k".into()), expires_at: Some(after(10_000)), ..content() }
}

/// Gives the answer, and says how the delivery has to end.
async fn give(it: &TestStore, id: AlertId, seq: Seq, answer: Answer) -> DeliveryState {
    match answer {
        Answer::Displayed => it.ack("ann", &[id], Level::Displayed),
        Answer::DisplayedRange => {
            let row = AckRow::Range {
                stream: Stream::User,
                after: Seq(seq.0 - 1),
                up_to: seq,
                level: Level::Displayed,
            };
            it.store.acknowledge(&user("ann"), row, NOW).unwrap();
        }
        Answer::Seen => {
            it.mark("ann", &[id], StateChange::Seen).await;
        }
        Answer::Read => {
            let up_to = Selection::UpTo(it.standing("ann").await.head);
            it.store.change_state(&user("ann"), up_to, StateChange::Read, NOW).await.unwrap();
        }
        Answer::Archived => {
            it.mark("ann", &[id], StateChange::Archived).await;
        }
        Answer::Acted => {
            it.mark("ann", &[id], StateChange::Acted).await;
        }
        Answer::Recalled => drop(it.store.recall(id, NOW).await.unwrap()),
        Answer::Expired => drop(it.store.sweep_expired(after(10_000), 100).await.unwrap()),
        Answer::Replaced => drop(it.publish(Audience::User(user("ann")), keyed()).await),
        Answer::Removed => {
            let policy = RetentionPolicy { default: std::time::Duration::ZERO, categories: vec![] };
            it.store.apply_retention(&policy, after(1_000), 100).await.unwrap();
        }
    }
    match answer {
        Answer::Recalled | Answer::Replaced | Answer::Removed => DeliveryState::Recalled,
        Answer::Expired => DeliveryState::Expired,
        _ => DeliveryState::Confirmed,
    }
}

contract! {
    async fn after_any_answer_nothing_begins(it: TestStore) {
        for answer in ANSWERS {
            let it = TestStore::new(it.engine).await;
            let published = it.publish(Audience::User(user("ann")), keyed()).await;
            let (id, seq) = (published.id, published.notifications[0].seq);
            it.open_for(&published, "ann").await;
            let claimed = it.claim_one(NOW).await;
            let expected = give(&it, id, seq, answer).await;
            let begin = to_begin(&claimed, vec![leg(1, "phone")], UNTIL_SEEN);
            assert_eq!(it.decide(begin, NOW).await, None, "{answer:?}");
            let trace = it.trace(id, "ann").await;
            assert_eq!((trace.state, trace.legs.len()), (expected, 0), "{answer:?}");
            assert!(trace.reason.is_some() && trace.ended_at.is_some());
            let crashed = it.as_after_a_crash().await;
            assert_eq!(crashed.trace(id, "ann").await, trace, "{answer:?}");
        }
    }

    async fn after_any_answer_what_has_begun_is_not_sent(it: TestStore) {
        for answer in ANSWERS {
            let it = TestStore::new(it.engine).await;
            let published = it.publish(Audience::User(user("ann")), keyed()).await;
            let (id, seq) = (published.id, published.notifications[0].seq);
            it.open_for(&published, "ann").await;
            let legs = it.begin(&["phone", "tablet"], UNTIL_SEEN, NOW).await;
            it.record(legs[1], Then::Retry { next_at: after(5) }, NOW).await;
            let expected = give(&it, id, seq, answer).await;
            assert!(!it.wanted(legs[0]).await, "{answer:?}");
            assert_eq!(it.state(id, "ann").await, expected, "{answer:?}");
            let ended = if expected == DeliveryState::Expired { LegState::Expired } else { LegState::Cancelled };
            assert_eq!(it.leg_states(id, "ann").await, [ended, ended], "{answer:?}");
            assert!(!it.record(legs[0], accepted(), after(1)).await, "too late: {answer:?}");
            assert_eq!(it.state(id, "ann").await, expected, "{answer:?}");
            assert_eq!((it.claim(after(1 << 40)).await, it.claim_legs(after(1 << 40)).await), (vec![], vec![]));
            assert_eq!((it.store.gauges().deliveries, it.store.gauges().pending_legs), (0, 0));
        }
    }

    async fn what_is_too_little_ends_nothing(it: TestStore) {
        let id = it.open("ann").await;
        let other = it.open("ann").await;
        let foreign = it.open("bob").await;
        it.ack("ann", &[id], Level::Received);
        it.mark("ann", &[other], StateChange::Read).await;
        it.ack("ann", &[foreign], Level::Displayed);
        it.store.flush().await.unwrap();
        assert_eq!(it.state(id, "ann").await, DeliveryState::Waiting);
        assert_eq!(it.state(foreign, "bob").await, DeliveryState::Waiting);
        assert_eq!(it.claim(NOW).await.len(), 2);
    }

    async fn between_two_steps_the_level_of_the_last_one_counts(it: TestStore) {
        let id = it.open("ann").await;
        let legs = it.begin(&["phone"], UNTIL_SEEN, NOW).await;
        it.record(legs[0], accepted(), after(1)).await;
        it.ack("ann", &[id], Level::Displayed);
        it.store.flush().await.unwrap();
        assert_eq!(it.state(id, "ann").await, DeliveryState::Waiting);
        it.mark("ann", &[id], StateChange::Seen).await;
        let trace = it.trace(id, "ann").await;
        assert_eq!((trace.state, trace.reason.as_deref()), (DeliveryState::Confirmed, Some("its person saw it")));
    }

    async fn unread_again_revives_nothing(it: TestStore) {
        let id = it.open("ann").await;
        it.mark("ann", &[id], StateChange::Read).await;
        it.mark("ann", &[id], StateChange::Unread).await;
        assert_eq!(it.state(id, "ann").await, DeliveryState::Confirmed);
        let new = delivery("ann", Seq(1), id, NOW);
        assert_eq!(it.store.open_deliveries(vec![new], None, NOW).await, Ok(0));
    }

    async fn a_received_range_ends_a_ladder_that_waits_for_no_more(it: TestStore) {
        for warm in [true, false] {
            let it = TestStore::new(it.engine).await;
            let published = it.tell("ann").await;
            let new = NewDelivery { stop_at: Level::Received, ..delivery("ann", Seq(1), published.id, NOW) };
            it.store.open_deliveries(vec![new], None, NOW).await.unwrap();
            let it = if warm { it } else { it.reopened().await };
            let row = AckRow::Range { stream: Stream::User, after: Seq(0), up_to: Seq(1), level: Level::Received };
            it.store.acknowledge(&user("ann"), row, NOW).unwrap();
            assert_eq!(it.claim(NOW).await, [], "{warm}");
            assert_eq!(it.state(published.id, "ann").await, DeliveryState::Confirmed);
        }
    }

    async fn what_expired_unswept_is_not_begun(it: TestStore) {
        let published = it.publish(Audience::User(user("ann")), keyed()).await;
        it.open_for(&published, "ann").await;
        let claimed = it.claim_one(after(9_999)).await;
        let begin = to_begin(&claimed, vec![leg(1, "phone")], LAST);
        assert_eq!(it.decide(begin, after(10_000)).await, None);
        assert_eq!(it.state(published.id, "ann").await, DeliveryState::Expired);
    }

    async fn very_many_receipts_that_wait_do_not_hide_one_that_counts(it: TestStore) {
        let id = it.open("ann").await;
        let mut others = Vec::new();
        for _ in 0..3 {
            others.push(it.tell("bob").await.id);
        }
        for _ in 0..2_000 {
            it.ack("bob", &others, Level::Received);
        }
        it.ack("ann", &[id], Level::Displayed);
        assert_eq!(it.claim(NOW).await, []);
        assert_eq!(it.state(id, "ann").await, DeliveryState::Confirmed);
    }

    async fn a_displayed_range_raises_what_lies_in_it(it: TestStore) {
        for _ in 0..4 {
            it.tell("ann").await;
        }
        let row = |level| AckRow::Range { stream: Stream::User, after: Seq(1), up_to: Seq(3), level };
        it.store.acknowledge(&user("ann"), row(Level::Received), after(1)).unwrap();
        it.store.acknowledge(&user("ann"), row(Level::Displayed), after(2)).unwrap();
        it.store.flush().await.unwrap();
        it.store.acknowledge(&user("ann"), row(Level::Displayed), after(3)).unwrap();
        let all = AckRow::Range { stream: Stream::All, after: Seq(0), up_to: Seq(9), level: Level::Displayed };
        it.store.acknowledge(&user("ann"), all, after(3)).unwrap();
        it.store.flush().await.unwrap();
        let displayed = Some(Level::Displayed);
        for it in [it.as_after_a_crash().await, it] {
            let items = it.all_items("ann").await;
            let levels: Vec<_> = items.iter().map(|item| item.level).collect();
            assert_eq!(levels, [None, displayed, displayed, None]);
            let rows = it.store.alert_recipients(items[1].id, None, 1).await.unwrap();
            assert!(rows[0].level_times.contains(&(Level::Displayed, after(2))), "{:?}", rows[0].level_times);
            assert_eq!(it.store.connect(&user("ann"), NOW).await.unwrap().received, heads(3, 0));
        }
    }
}
