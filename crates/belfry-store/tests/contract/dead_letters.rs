//! Dead letters and what a restored store holds back.

use crate::harness::*;
use crate::nights::*;
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::{AlertId, Audience, Channel, StateChange};
use belfry_store::*;

async fn bury(it: &TestStore, name: &str, content: Content, reason: &str, now: UnixMs) -> AlertId {
    let published = it.publish(Audience::User(user(name)), content).await;
    it.open_for(&published, name).await;
    let claimed = it.claim_one(now).await;
    let notes = vec![note(2, LegState::Failed, "no-address")];
    let end = Decision { notes, ..to_end(&claimed, DeliveryState::DeadLettered, reason) };
    it.decide(end, now).await.unwrap();
    published.id
}

async fn listed(it: &TestStore, filter: DeadLetterQuery) -> Vec<AlertId> {
    let page = it.store.dead_letters(filter, None, 100).await.unwrap();
    assert_eq!(page.next, None);
    page.rows.iter().map(|row| row.id).collect()
}

fn all() -> DeadLetterQuery {
    DeadLetterQuery::default()
}

contract! {
    async fn dead_letters_are_listed_by_page_and_by_filter(it: TestStore) {
        let alarm = Content { kind: "alarm".into(), category: "security".into(), ..content() };
        let one = bury(&it, "ann", content(), "first", after(1)).await;
        let two = bury(&it, "bob", alarm, "", after(2)).await;
        let three = bury(&it, "ann", content(), "third", after(3)).await;
        assert_eq!(it.store.gauges().dead_letters, 3);
        let page = it.store.dead_letters(all(), None, 2).await.unwrap();
        assert_eq!(page.rows.iter().map(|row| row.id).collect::<Vec<_>>(), [one, two]);
        let row = &page.rows[1];
        assert_eq!((row.user.as_str(), row.kind.as_str(), row.category.as_str()), ("bob", "alarm", "security"));
        assert_eq!((row.step, row.channel, row.reason.as_str(), row.at), (2, Channel::Email, "no-address", after(2)));
        let last = it.store.dead_letters(all(), page.next, 2).await.unwrap();
        assert_eq!((last.rows.len(), last.rows[0].id, last.next), (1, three, None));
        let ann = Some(user("ann"));
        assert_eq!(listed(&it, DeadLetterQuery { user: ann, ..all() }).await, [one, three]);
        assert_eq!(listed(&it, DeadLetterQuery { user: Some(user("nobody")), ..all() }).await, []);
        assert_eq!(listed(&it, DeadLetterQuery { alert: Some(two), ..all() }).await, [two]);
        assert_eq!(listed(&it, DeadLetterQuery { kind: Some("alarm".into()), ..all() }).await, [two]);
        assert_eq!(listed(&it, DeadLetterQuery { category: Some("deals".into()), ..all() }).await, [one, three]);
        assert_eq!(listed(&it, DeadLetterQuery { reason: Some("third".into()), ..all() }).await, [three]);
        assert_eq!(listed(&it, DeadLetterQuery { channel: Some(Channel::Push), ..all() }).await, []);
        let within = DeadLetterQuery { since: Some(after(2)), until: Some(after(3)), ..all() };
        assert_eq!(listed(&it, within).await, [two]);
    }

    async fn a_replayed_dead_letter_goes_out_once(it: TestStore) {
        let id = bury(&it, "ann", content(), "", NOW).await;
        let other = bury(&it, "ann", content(), "kept", NOW).await;
        let filter = Replay::Filter(DeadLetterQuery { reason: Some("no-address".into()), ..all() });
        assert_eq!(it.store.replay(filter.clone(), 100, after(10)).await, Ok((1, false)));
        assert_eq!(it.store.replay(filter, 100, after(10)).await, Ok((0, false)), "twice is once");
        assert_eq!(it.store.gauges().dead_letters, 1);
        let claimed = it.claim_one(after(10)).await;
        assert_eq!((claimed.id, claimed.step, claimed.last_failed, claimed.generation), (id, 1, false, 1));
        assert_eq!((claimed.due_at, claimed.suppressed), (after(10), false));
        let legs = it.decide(to_begin(&claimed, vec![leg(1, "phone")], LAST), after(10)).await.unwrap();
        it.record(legs[0], accepted(), after(11)).await;
        let trace = it.trace(id, "ann").await;
        assert_eq!((trace.state, trace.generation, trace.legs.len()), (DeliveryState::Sent, 1, 2));
        assert_eq!(listed(&it, all()).await, [other]);
    }

    async fn what_was_answered_or_is_over_meanwhile_is_not_replayed(it: TestStore) {
        let expiring = Content { expires_at: Some(after(100)), ..content() };
        let ids = [
            bury(&it, "ann", content(), "", NOW).await,
            bury(&it, "ann", content(), "", NOW).await,
            bury(&it, "ann", content(), "", NOW).await,
            bury(&it, "ann", expiring, "", NOW).await,
            bury(&it, "ann", content(), "", NOW).await,
        ];
        it.mark("ann", &ids[..1], StateChange::Read).await;
        it.store.recall(ids[1], NOW).await.unwrap();
        it.ack("ann", &ids[2..3], belfry_protocol::Level::Displayed);
        let mut keys: Vec<_> = it.store.dead_letters(all(), None, 9).await.unwrap().rows.iter().map(|row| row.key).collect();
        keys.extend([keys[4], 4_711]);
        assert_eq!(it.store.replay(Replay::Ids(keys), 100, after(100)).await, Ok((1, false)));
        let mut states = Vec::new();
        for id in ids {
            states.push(it.state(id, "ann").await);
        }
        use DeliveryState::*;
        assert_eq!(states, [Confirmed, Recalled, Confirmed, Expired, Waiting]);
        assert_eq!(listed(&it, all()).await, []);
    }

    async fn a_replay_stops_at_its_limit_and_says_so(it: TestStore) {
        for _ in 0..5 {
            bury(&it, "ann", content(), "", NOW).await;
        }
        let replay = || it.store.replay(Replay::Filter(all()), 2, after(1));
        assert_eq!(replay().await, Ok((2, true)));
        assert_eq!(replay().await, Ok((2, true)));
        assert_eq!(replay().await, Ok((1, false)));
        assert_eq!(replay().await, Ok((0, false)));
        assert_eq!(it.claim(after(1)).await.len(), 5);
    }

    async fn what_one_step_sent_is_no_dead_letter_when_the_next_one_fails(it: TestStore) {
        let id = it.open("ann").await;
        let legs = it.begin(&["phone", "tablet"], UNTIL_SEEN, NOW).await;
        it.record(legs[0], accepted(), after(1)).await;
        let claimed = it.claim_one(after(1 + TEN_MINUTES)).await;
        it.decide(to_end(&claimed, DeliveryState::DeadLettered, "x"), after(TEN_MINUTES)).await.unwrap();
        assert_eq!(it.state(id, "ann").await, DeliveryState::Sent);
        assert_eq!(listed(&it, all()).await, []);
        assert_eq!(it.store.replay(Replay::Filter(all()), 9, after(TEN_MINUTES)).await, Ok((0, false)));
        assert_eq!(it.leg_states(id, "ann").await, [LegState::Accepted, LegState::Pending]);
    }
}

contract_of_files! {
    async fn a_restored_store_holds_what_was_armed_before(it: TestStore) {
        let waiting = it.open("ann").await;
        let sending = it.open("bob").await;
        let sent = it.open("cid").await;
        let unopened = it.tell("ann").await.id;
        for claimed in it.claim(NOW).await {
            let devices = if claimed.id == sent { &["a", "b"][..] } else { &["a"] };
            if claimed.id != waiting {
                let legs = devices.iter().map(|device| leg(1, device)).collect();
                let legs = it.decide(to_begin(&claimed, legs, LAST), NOW).await.unwrap();
                if claimed.id == sent {
                    it.record(legs[0], accepted(), after(1)).await;
                }
            }
        }
        let target = it.directory.path().join("copy.db");
        it.store.backup(&target, |_, _| {}).await.unwrap();
        for send in [true, false] {
            let path = it.directory.path().join(format!("copy-{send}.db"));
            std::fs::copy(&target, &path).unwrap();
            let options = Options { engine: EngineOptions::Sqlite(path), ..it.options.clone() };
            let store = Store::open(options.clone(), after(10)).await.unwrap();
            let copy = TestStore { store, options, engine: it.engine, directory: it.directory.clone(), database: None };
            // Opening it twice holds it once.
            let copy = copy.reopened().await;
            let later = after(10 * LEASE_MS);
            assert_eq!((copy.claim(later).await, copy.claim_legs(later).await), (vec![], vec![]));
            assert_eq!((copy.store.held_deliveries(), copy.store.gauges().held_deliveries), (2, 2));
            assert_eq!(copy.state(waiting, "ann").await, DeliveryState::Held);
            assert_eq!(copy.state(sending, "bob").await, DeliveryState::Held);
            assert_eq!(copy.leg_states(sent, "cid").await, [LegState::Accepted, LegState::Cancelled]);
            assert_eq!(copy.store.unwatched(copy.store.watched_to(), 9).await.unwrap().rows, []);
            assert!(copy.store.watched_to() >= unopened.key());
            // What comes now is not held, and an answer ends what is.
            let new = copy.open("dot").await;
            assert_eq!(copy.claim_one(later).await.id, new);
            copy.mark("bob", &[sending], StateChange::Read).await;
            assert_eq!(copy.state(sending, "bob").await, DeliveryState::Confirmed);
            assert_eq!(copy.store.resume_deliveries(send, later).await, Ok(1));
            assert_eq!(copy.store.held_deliveries(), 0);
            let expected = if send { DeliveryState::Waiting } else { DeliveryState::Expired };
            assert_eq!(copy.state(waiting, "ann").await, expected);
            assert_eq!(copy.claim(later).await.len(), usize::from(send));
            assert_eq!(copy.store.resume_deliveries(send, later).await, Ok(0));
        }
        assert_eq!(it.store.held_deliveries(), 0);
    }
}
