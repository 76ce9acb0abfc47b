//! Legs and attempts: retries, leases, deadlines, and answers that come too late.

use crate::harness::*;
use crate::nights::*;
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::{Audience, Channel, Level, Provider, StateChange};
use belfry_store::*;

fn lease(leg: &ClaimedLeg) -> LegRef {
    LegRef { key: leg.key, token: leg.token }
}

contract! {
    async fn a_retry_waits_for_its_time_and_counts_while_a_hold_does_not(it: TestStore) {
        let id = it.open("ann").await;
        let legs = it.begin(&["phone"], UNTIL_SEEN, NOW).await;
        it.record(legs[0], Then::Retry { next_at: after(100) }, after(1)).await;
        assert_eq!(it.next_due().await, Some(100));
        assert_eq!(it.claim_legs(after(99)).await, []);
        let leg = it.claim_legs(after(100)).await.remove(0);
        assert_eq!((leg.tries, leg.step, leg.provider), (1, 1, Provider::Fcm));
        assert_eq!((leg.address.as_str(), leg.tag.as_str()), ("address of phone", "tag-phone"));
        assert_eq!((leg.device.as_deref(), leg.deadline_at), (Some("phone"), after(24 * 3_600_000)));
        assert_eq!(leg.delivery.content.title, "A deal");
        it.record(lease(&leg), Then::Hold { next_at: after(200) }, after(101)).await;
        let leg = it.claim_legs(after(200)).await.remove(0);
        assert_eq!(leg.tries, 1);
        it.record(lease(&leg), accepted(), after(201)).await;
        let trace = it.trace(id, "ann").await;
        assert_eq!(trace.legs[0].provider_id.as_deref(), Some("provider-7"));
        let outcomes: Vec<_> = trace.legs[0].attempts.iter().map(|one| (one.outcome.as_str(), one.at)).collect();
        assert_eq!(outcomes, [("UNAVAILABLE", after(1)), ("UNAVAILABLE", after(101)), ("accepted", after(201))]);
        assert_eq!(trace.state, DeliveryState::Waiting);
    }

    async fn a_leg_is_taken_over_when_its_lease_runs_out_and_the_first_answer_is_late(it: TestStore) {
        let id = it.open("ann").await;
        let legs = it.begin(&["phone"], UNTIL_SEEN, NOW).await;
        assert_eq!(it.claim_legs(after(LEASE_MS - 1)).await, []);
        let again = it.claim_legs(after(LEASE_MS)).await.remove(0);
        assert!(!it.wanted(legs[0]).await && it.wanted(lease(&again)).await);
        assert!(!it.record(legs[0], accepted(), after(LEASE_MS + 1)).await);
        assert_eq!(it.state(id, "ann").await, DeliveryState::Sending, "nothing else moved");
        assert!(it.record(lease(&again), failed("BAD"), after(LEASE_MS + 2)).await);
        let trace = it.trace(id, "ann").await;
        let late: Vec<_> = trace.legs[0].attempts.iter().map(|one| one.late).collect();
        assert_eq!((late, trace.legs[0].state), (vec![true, false], LegState::Failed));
        assert!(!it.record(lease(&again), accepted(), after(LEASE_MS + 3)).await, "an end is an end");
        assert_eq!(it.leg_states(id, "ann").await, [LegState::Failed]);
    }

    async fn a_leg_whose_lease_runs_out_each_time_is_given_up(it: TestStore) {
        let id = it.open("ann").await;
        it.begin(&["phone"], LAST, NOW).await;
        let mut now = 0;
        for round in 1..=4 {
            now += LEASE_MS;
            assert_eq!(it.claim_legs(after(now)).await.len(), 1, "{round}");
        }
        now += LEASE_MS;
        assert_eq!(it.claim_legs(after(now)).await, [], "whoever takes it is struck down by it");
        let leg = it.trace(id, "ann").await.legs.remove(0);
        assert_eq!((leg.state, leg.reason.as_deref()), (LegState::Failed, Some("lease-ran-out")));
        assert_eq!(it.store.gauges().pending_legs, 0);
        // The ladder goes on; where nothing is left this is the reason of the dead letter.
        let claimed = it.claim_one(after(now)).await;
        assert_eq!((claimed.step, claimed.last_failed), (2, true));
        it.decide(to_end(&claimed, DeliveryState::DeadLettered, ""), after(now)).await.unwrap();
        let page = it.store.dead_letters(DeadLetterQuery::default(), None, 10).await.unwrap();
        assert_eq!((page.rows[0].id, page.rows[0].reason.as_str()), (id, "lease-ran-out"));
    }

    async fn an_answer_begins_the_count_of_lapses_anew(it: TestStore) {
        it.open("ann").await;
        it.begin(&["phone"], LAST, NOW).await;
        let mut now = 0;
        for round in 0..3 {
            let mut last = None;
            for _ in 0..4 {
                now += LEASE_MS;
                last = it.claim_legs(after(now)).await.pop();
            }
            let leg = last.unwrap();
            assert!(it.record(lease(&leg), Then::Hold { next_at: after(now + 1) }, after(now)).await, "{round}");
            assert_eq!(it.claim_legs(after(now + 1)).await.len(), 1, "a hold is an answer, too");
        }
    }

    async fn a_delivery_that_nobody_gets_decided_is_given_up_with_its_step(it: TestStore) {
        let id = it.open("ann").await;
        for round in 0..5 {
            assert_eq!(it.claim(after(round * LEASE_MS)).await.len(), 1, "{round}");
        }
        assert_eq!(it.claim(after(5 * LEASE_MS)).await, []);
        let page = it.store.dead_letters(DeadLetterQuery::default(), None, 10).await.unwrap();
        let row = &page.rows[0];
        assert_eq!((row.id, row.step, row.channel, row.reason.as_str()), (id, 1, Channel::Push, "lease-ran-out"));
        // Replayed it has all its chances again.
        assert_eq!(it.store.replay(Replay::Ids(vec![row.key]), 10, after(5 * LEASE_MS)).await, Ok((1, false)));
        assert_eq!(it.claim(after(5 * LEASE_MS)).await.len(), 1);
    }

    async fn legs_of_paused_providers_stay_where_they_are(it: TestStore) {
        it.open("ann").await;
        let claimed = it.claim_one(NOW).await;
        let web = NewLeg { provider: Some(Provider::WebPush), ..leg(1, "laptop") };
        it.decide(to_begin(&claimed, vec![leg(1, "phone"), web], UNTIL_SEEN), NOW).await.unwrap();
        let now = after(LEASE_MS);
        let free = it.store.claim_legs(now, 100, LEASE, &[Provider::Fcm]).await.unwrap();
        assert_eq!(free.iter().map(|leg| leg.provider).collect::<Vec<_>>(), [Provider::WebPush]);
        let all = [Provider::Fcm, Provider::WebPush];
        assert_eq!(it.store.claim_legs(after(9 * LEASE_MS), 100, LEASE, &all).await, Ok(vec![]));
        assert_eq!(it.next_due().await, Some(LEASE_MS));
        let without = it.store.next_due_without(&[Provider::Fcm]).await;
        assert_eq!(without, Ok(Some(after(2 * LEASE_MS))));
        assert_eq!(it.store.claim_legs(now, 1, LEASE, &[]).await.unwrap()[0].provider, Provider::Fcm);
    }

    async fn nothing_begins_after_the_deadline(it: TestStore) {
        let id = it.open("ann").await;
        let claimed = it.claim_one(NOW).await;
        let soon = NewLeg { deadline_at: after(100_000), ..leg(1, "phone") };
        let legs = it.decide(to_begin(&claimed, vec![soon.clone(), soon], UNTIL_SEEN), NOW).await.unwrap();
        // The next try would come too late.
        it.record(legs[0], Then::Retry { next_at: after(100_000) }, after(1)).await;
        it.record(legs[1], Then::Retry { next_at: after(99_999) }, after(1)).await;
        assert_eq!(it.leg_states(id, "ann").await, [LegState::Expired, LegState::Pending]);
        assert_eq!(it.claim_legs(after(100_000)).await, []);
        assert_eq!(it.leg_states(id, "ann").await, [LegState::Expired, LegState::Expired]);
        let next = it.claim_one(after(100_000)).await;
        assert_eq!((next.step, next.last_failed), (2, true));
    }

    async fn the_last_twenty_attempts_are_kept(it: TestStore) {
        let id = it.open("ann").await;
        let mut leg = it.begin(&["phone"], UNTIL_SEEN, NOW).await[0];
        for round in 1..=30 {
            it.record(leg, Then::Retry { next_at: after(round) }, after(round)).await;
            leg = lease(&it.claim_legs(after(round)).await[0]);
        }
        let attempts = it.trace(id, "ann").await.legs[0].attempts.clone();
        assert_eq!((attempts.len(), attempts[0].at, attempts[19].at), (20, after(11), after(30)));
    }

    async fn legs_that_are_left_go_on_after_the_ladder_and_an_answer_still_stops_them(it: TestStore) {
        let id = it.open("ann").await;
        let legs = it.begin(&["phone", "tablet"], LAST, NOW).await;
        it.record(legs[0], accepted(), after(1)).await;
        it.record(legs[1], Then::Retry { next_at: after(50) }, after(1)).await;
        assert_eq!(it.state(id, "ann").await, DeliveryState::Sent);
        assert_eq!(it.store.gauges().deliveries, 1);
        it.mark("ann", &[id], StateChange::Read).await;
        assert_eq!(it.state(id, "ann").await, DeliveryState::Sent, "an end stays");
        assert_eq!(it.leg_states(id, "ann").await, [LegState::Accepted, LegState::Cancelled]);
        assert_eq!((it.claim_legs(after(50)).await, it.next_due().await), (vec![], None));
        assert_eq!((it.store.gauges().deliveries, it.store.gauges().pending_legs), (0, 0));
    }

    async fn a_shared_leg_goes_on_for_those_that_still_want_it(it: TestStore) {
        let (one, two, three) = (it.open("ann").await, it.open("ann").await, it.open("ann").await);
        let claimed = it.claim(NOW).await;
        let member = |at: usize| Member { key: claimed[at].key, token: claimed[at].token, step: 1, after: LAST };
        let begin = Decision { with: vec![member(1), member(2)], ..to_begin(&claimed[0], vec![leg(1, "phone")], LAST) };
        let legs = it.decide(begin, NOW).await.unwrap();
        assert!(it.wanted(legs[0]).await);
        // Its own delivery is not needed any more: what was to be sent has to be put together anew.
        it.mark("ann", &[one], StateChange::Read).await;
        assert!(!it.wanted(legs[0]).await);
        assert!(!it.wanted(legs[0]).await);
        let leg = it.claim_legs(NOW).await.remove(0);
        assert_eq!((leg.delivery.id, leg.with.len(), leg.with[0].id), (two, 1, three));
        assert!(it.wanted(lease(&leg)).await);
        it.mark("ann", &[three], StateChange::Seen).await;
        // A call that is out already is not begun a second time.
        assert_eq!(it.claim_legs(after(LEASE_MS - 1)).await, []);
        assert!(it.record(lease(&leg), accepted(), after(10)).await);
        assert_eq!(it.state(two, "ann").await, DeliveryState::Sent);
        for id in [one, three] {
            assert_eq!(it.state(id, "ann").await, DeliveryState::Confirmed);
            assert_eq!(it.leg_states(id, "ann").await, [LegState::Cancelled]);
        }
        assert_eq!((it.store.gauges().deliveries, it.store.gauges().pending_legs), (0, 0));
    }

    async fn a_shared_leg_ends_with_the_last_that_wants_it(it: TestStore) {
        let ids = [it.open("ann").await, it.open("ann").await];
        let claimed = it.claim(NOW).await;
        let with = vec![Member { key: claimed[1].key, token: claimed[1].token, step: 1, after: LAST }];
        let legs = it.decide(Decision { with, ..to_begin(&claimed[0], vec![leg(1, "phone")], LAST) }, NOW).await.unwrap();
        it.mark("ann", &ids, StateChange::Read).await;
        assert!(!it.wanted(legs[0]).await);
        assert_eq!(it.claim_legs(after(LEASE_MS)).await, []);
        assert!(!it.record(legs[0], accepted(), after(1)).await);
        assert_eq!(it.store.gauges().pending_legs, 0);
    }

    async fn a_recall_of_very_many_stops_calls_before_its_chunk_comes_by(it: TestStore) {
        let many: Vec<_> = (0..300).map(|number| user(&format!("u{number:03}"))).collect();
        let published = it.publish(Audience::Users(many), content()).await;
        it.expand_all().await;
        for name in ["u250", "u260", "u270"] {
            let new = delivery(name, belfry_protocol::Seq(1), published.id, NOW);
            it.store.open_deliveries(vec![new], None, NOW).await.unwrap();
        }
        let claimed = it.claim(NOW).await;
        let begin = |at: usize| to_begin(&claimed[at], vec![leg(1, "phone")], LAST);
        let one = it.decide(begin(0), NOW).await.unwrap()[0];
        let two = it.decide(begin(1), NOW).await.unwrap()[0];
        it.store.recall(published.id, NOW).await.unwrap();
        assert!(!it.wanted(one).await);
        assert_eq!(it.decide(begin(2), NOW).await, None);
        assert_eq!(it.claim_legs(after(LEASE_MS)).await, []);
        assert!(!it.record(two, accepted(), NOW).await);
        for name in ["u250", "u260", "u270"] {
            assert_eq!(it.state(published.id, name).await, DeliveryState::Recalled);
        }
        let new = delivery("u280", belfry_protocol::Seq(1), published.id, NOW);
        assert_eq!(it.store.open_deliveries(vec![new], None, NOW).await, Ok(0));
    }

    async fn a_lower_level_after_a_step_may_be_reached_already(it: TestStore) {
        let id = it.open("ann").await;
        it.ack("ann", &[id], Level::Received);
        let then = AfterStep { wait_ms: Some(1_000), until: Some(Level::Received) };
        let legs = it.begin(&["phone"], then, NOW).await;
        it.record(legs[0], accepted(), after(1)).await;
        assert_eq!(it.state(id, "ann").await, DeliveryState::Confirmed);
        assert_eq!(it.next_due().await, None);
    }
}
