//! Deliveries: what opens one, who may decide about it, and how it goes from step to step.

use crate::harness::*;
use crate::nights::*;
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::{Audience, Channel, DoNotDisturb, Level, Seq, StateChange, Stream};
use belfry_store::*;

fn to_both() -> Audience {
    Audience::Users(vec![user("ann"), user("bob")])
}

contract! {
    async fn nothing_is_opened_for_what_was_answered_or_is_gone(it: TestStore) {
        let mut new = Vec::new();
        let mut ids = Vec::new();
        for _ in 0..9 {
            let published = it.tell("ann").await;
            new.push(delivery("ann", published.notifications[0].seq, published.id, NOW));
            ids.push(published.id);
        }
        let expiring = Content { expires_at: Some(after(10)), ..content() };
        let expired = it.publish(Audience::User(user("ann")), expiring).await;
        new.push(delivery("ann", Seq(10), expired.id, NOW));
        it.mark("ann", &ids[1..2], StateChange::Read).await;
        it.mark("ann", &ids[2..3], StateChange::Archived).await;
        it.mark("ann", &ids[3..4], StateChange::Acted).await;
        it.mark("ann", &ids[4..5], StateChange::Seen).await;
        it.store.recall(ids[5], NOW).await.unwrap();
        // A receipt that waits for the next tick counts, too.
        it.ack("ann", &ids[6..7], Level::Displayed);
        it.ack("ann", &ids[7..8], Level::Received);
        let range = AckRow::Range { stream: Stream::User, after: Seq(8), up_to: Seq(9), level: Level::Received };
        it.store.acknowledge(&user("ann"), range, NOW).unwrap();
        new[8].stop_at = Level::Received;
        // Foreign numbers and people.
        let foreign = it.tell("bob").await;
        new.push(delivery("ann", Seq(1), foreign.id, NOW));
        new.push(delivery("nobody", Seq(1), ids[0], NOW));
        new.push(delivery("ann", Seq(77), ids[0], NOW));
        assert_eq!(it.store.open_deliveries(new.clone(), None, after(10)).await, Ok(2));
        assert_eq!(it.store.open_deliveries(new, None, after(10)).await, Ok(0), "each has one at most");
        let claimed = it.claim(after(10)).await;
        let open: Vec<_> = claimed.iter().map(|one| one.id).collect();
        assert_eq!(open, [ids[0], ids[7]]);
        assert_eq!(it.store.gauges().deliveries, 2);
    }

    async fn a_claim_says_what_a_dispatcher_needs(it: TestStore) {
        it.store.connect(&user("ann"), NOW).await.unwrap();
        it.tell_all().await;
        it.tell("ann").await;
        let id = it.open("ann").await;
        let claimed = it.claim_one(after(5)).await;
        assert_eq!((claimed.user.as_str(), claimed.seq, claimed.id), ("ann", Seq(2), id));
        assert_eq!((claimed.step, claimed.last_failed, claimed.stop_at), (1, true, Level::Displayed));
        assert_eq!((claimed.deferred, claimed.generation, claimed.suppressed), (Deferred::No, 0, false));
        assert_eq!((claimed.opened_at, claimed.due_at, &*claimed.ladder), (NOW, NOW, LADDER));
        assert_eq!((&*claimed.content, claimed.unread, &claimed.inherited_tag), (&content(), 3, &None));
        assert_ne!(claimed.token, 0);
    }

    async fn the_oldest_are_claimed_first_and_of_the_last_person_all(it: TestStore) {
        let mut new = Vec::new();
        for (name, due) in [("ann", 30), ("bob", 20), ("cid", 10), ("bob", 40), ("bob", 90)] {
            let published = it.tell(name).await;
            new.push(delivery(name, published.notifications[0].seq, published.id, after(due)));
        }
        assert_eq!(it.store.open_deliveries(new, None, NOW).await, Ok(5));
        assert_eq!(it.next_due().await, Some(10));
        assert_eq!(it.store.claim_deliveries(after(9), 2, LEASE).await, Ok(vec![]));
        let who = |claimed: Vec<ClaimedDelivery>| -> Vec<(String, i64)> {
            claimed.iter().map(|one| (one.user.to_string(), one.due_at.0 - NOW.0)).collect()
        };
        let first = who(it.store.claim_deliveries(after(50), 2, LEASE).await.unwrap());
        assert_eq!(first, [("cid".to_owned(), 10), ("bob".to_owned(), 20), ("bob".to_owned(), 40)]);
        assert_eq!(it.next_due().await, Some(30));
        let second = who(it.store.claim_deliveries(after(50), 2, LEASE).await.unwrap());
        assert_eq!(second, [("ann".to_owned(), 30)]);
        assert_eq!(who(it.store.claim_deliveries(after(50), 2, LEASE).await.unwrap()), []);
        assert_eq!(it.next_due().await, Some(90));
        let lease_ends = it.claim(after(50 + LEASE_MS)).await;
        assert_eq!(lease_ends.len(), 5, "the leases are over");
    }

    async fn what_went_out_lately_is_read_from_the_legs(it: TestStore) {
        let since = |at: i64| it.store.sendings(vec![user("ann"), user("bob"), user("nobody")], after(at));
        assert_eq!(since(-1).await, Ok(vec![]));
        it.open("ann").await;
        it.begin(&["phone", "tablet"], UNTIL_SEEN, after(1)).await;
        it.publish(Audience::User(user("bob")), Content { category: "orders".to_owned(), ..content() }).await;
        let other = it.all_items("bob").await[0].id;
        it.store.open_deliveries(vec![delivery("bob", Seq(1), other, NOW)], None, NOW).await.unwrap();
        let of_bob = it.begin(&["phone"], LAST, after(2)).await;
        let sent = |name: &str, category: &str, at: i64| Sending {
            user: user(name),
            category: category.to_owned(),
            channel: Channel::Push,
            at: after(at),
        };
        let both = vec![sent("ann", "deals", 1), sent("bob", "orders", 2)];
        assert_eq!(since(0).await, Ok(both.clone()), "two phones are one sending");
        assert_eq!(since(1).await, Ok(both[1..].to_vec()), "after that moment");
        // What was refused has disturbed nobody; what was only skipped neither.
        it.record(of_bob[0], failed("REFUSED"), after(3)).await;
        let claimed = it.claim_one(after(3)).await;
        let notes = vec![note(2, LegState::Suppressed, "unwanted")];
        let skip = Decision { notes, ..to_end(&claimed, DeliveryState::Suppressed, "unwanted") };
        it.decide(skip, after(3)).await.unwrap();
        assert_eq!(since(0).await, Ok(both[..1].to_vec()));
        let legs = it.claim_legs(after(LEASE_MS + 1)).await;
        let phone = LegRef { key: legs[0].key, token: legs[0].token };
        assert!(it.record(phone, accepted(), after(LEASE_MS + 1)).await);
        let it = it.as_after_a_crash().await;
        assert_eq!(it.store.sendings(vec![user("ann")], after(0)).await, Ok(both[..1].to_vec()));
    }

    async fn only_the_holder_of_the_lease_decides(it: TestStore) {
        let id = it.open("ann").await;
        let first = it.claim_one(NOW).await;
        assert_eq!(it.claim(after(LEASE_MS - 1)).await, []);
        let second = it.claim_one(after(LEASE_MS)).await;
        assert_ne!(first.token, second.token);
        let begin = |claimed: &ClaimedDelivery| to_begin(claimed, vec![leg(1, "phone")], UNTIL_SEEN);
        assert_eq!(it.decide(begin(&first), after(LEASE_MS)).await, None);
        assert!(it.decide(begin(&second), after(LEASE_MS)).await.is_some());
        assert_eq!(it.decide(begin(&second), after(LEASE_MS)).await, None, "once");
        assert_eq!(it.leg_states(id, "ann").await, [LegState::Pending]);
    }

    async fn a_lease_that_ran_out_but_was_not_taken_over_still_counts(it: TestStore) {
        it.open("ann").await;
        let claimed = it.claim_one(NOW).await;
        let begun = it.decide(to_begin(&claimed, vec![leg(1, "phone")], LAST), after(2 * LEASE_MS)).await;
        assert!(begun.is_some());
    }

    async fn the_ladder_goes_on_after_the_first_acceptance(it: TestStore) {
        let id = it.open("ann").await;
        let legs = it.begin(&["phone", "tablet"], UNTIL_SEEN, after(1)).await;
        assert_eq!(it.state(id, "ann").await, DeliveryState::Sending);
        assert_eq!(it.next_due().await, Some(1 + LEASE_MS), "only the legs' leases");
        assert!(it.record(legs[0], accepted(), after(100)).await);
        let trace = it.trace(id, "ann").await;
        assert_eq!((trace.state, trace.step), (DeliveryState::Waiting, 2));
        assert_eq!(trace.due_at, Some(after(100 + TEN_MINUTES)));
        // The other one goes on by itself, and its acceptance moves nothing.
        assert!(it.record(legs[1], accepted(), after(5_000)).await);
        assert_eq!(it.trace(id, "ann").await.due_at, Some(after(100 + TEN_MINUTES)));
        let claimed = it.claim_one(after(100 + TEN_MINUTES)).await;
        assert_eq!((claimed.step, claimed.last_failed, claimed.stop_at), (2, false, Level::Seen));
        let mail = it.decide(to_begin(&claimed, vec![leg(2, "mail")], LAST), after(TEN_MINUTES)).await.unwrap();
        assert!(it.record(mail[0], accepted(), after(700_000)).await);
        let trace = it.trace(id, "ann").await;
        assert_eq!((trace.state, trace.ended_at), (DeliveryState::Sent, Some(after(700_000))));
        assert_eq!(it.leg_states(id, "ann").await, [LegState::Accepted; 3]);
        assert_eq!(it.next_due().await, None);
        assert_eq!((it.store.gauges().deliveries, it.store.gauges().pending_legs), (0, 0));
        let export = it.store.export_user(&user("ann"), None, 10).await.unwrap().unwrap();
        assert_eq!(export.deliveries, [(id, it.trace(id, "ann").await)]);
    }

    async fn a_step_that_failed_at_every_address_goes_on_at_once(it: TestStore) {
        let id = it.open("ann").await;
        let legs = it.begin(&["phone", "tablet"], UNTIL_SEEN, NOW).await;
        assert!(it.record(legs[0], failed("UNREGISTERED"), after(10)).await);
        assert_eq!(it.state(id, "ann").await, DeliveryState::Sending);
        assert!(it.record(legs[1], Then::Expire, after(20)).await);
        let claimed = it.claim_one(after(20)).await;
        assert_eq!((claimed.step, claimed.last_failed, claimed.stop_at), (2, true, Level::Displayed));
        let none = note(2, LegState::Failed, "no-address");
        let end = Decision { notes: vec![none], ..to_end(&claimed, DeliveryState::DeadLettered, "") };
        assert_eq!(it.decide(end, after(20)).await, Some(vec![]));
        let trace = it.trace(id, "ann").await;
        assert_eq!((trace.state, trace.reason.as_deref()), (DeliveryState::DeadLettered, Some("no-address")));
        assert_eq!(trace.legs.len(), 3);
        assert_eq!(trace.legs[0].reason.as_deref(), Some("UNREGISTERED"));
    }

    async fn a_step_without_a_leg_to_send_has_failed(it: TestStore) {
        let id = it.open("ann").await;
        let claimed = it.claim_one(NOW).await;
        let late = NewLeg { deadline_at: NOW, ..leg(1, "late") };
        let nobody = NewLeg { provider: None, ..leg(1, "nobody") };
        let refs = it.decide(to_begin(&claimed, vec![late, nobody], UNTIL_SEEN), NOW).await;
        assert_eq!(refs, Some(vec![]));
        assert_eq!(it.leg_states(id, "ann").await, [LegState::Expired, LegState::Failed]);
        let claimed = it.claim_one(NOW).await;
        assert_eq!((claimed.step, claimed.last_failed), (2, true));
    }

    async fn what_a_preference_suppressed_is_remembered(it: TestStore) {
        let id = it.open("ann").await;
        let claimed = it.claim_one(NOW).await;
        let notes = vec![note(1, LegState::Suppressed, "unwanted")];
        let defer = Decision { notes, ..to_defer(&claimed, after(50), Deferred::No) };
        assert_eq!(it.decide(defer, NOW).await, Some(vec![]));
        assert_eq!(it.claim(after(49)).await, []);
        let claimed = it.claim_one(after(50)).await;
        assert!(claimed.suppressed);
        it.decide(to_end(&claimed, DeliveryState::Suppressed, "unwanted"), after(50)).await.unwrap();
        let trace = it.trace(id, "ann").await;
        assert_eq!(trace.state, DeliveryState::Suppressed);
        assert_eq!(trace.legs[0].state, LegState::Suppressed);
        assert_eq!((trace.legs[0].channel, trace.legs[0].provider), (Channel::Push, None));
    }

    async fn quiet_hours_that_are_switched_off_let_everything_out_at_once(it: TestStore) {
        let night = 8 * 3_600_000;
        for name in ["ann", "ann", "bob"] {
            it.open(name).await;
        }
        for claimed in it.claim(NOW).await {
            let deferred = if claimed.seq == Seq(2) { Deferred::Digest } else { Deferred::QuietHours };
            it.decide(to_defer(&claimed, after(night), deferred), NOW).await.unwrap();
        }
        let off = DoNotDisturb::default();
        it.store.set_do_not_disturb(&user("ann"), off.clone(), after(1_000)).await.unwrap();
        let claimed = it.claim_one(after(1_000)).await;
        assert_eq!((claimed.user.as_str(), claimed.seq, claimed.deferred), ("ann", Seq(1), Deferred::QuietHours));
        assert_eq!(claimed.due_at, after(1_000));
        // Whoever is deciding with the old settings has to look again.
        it.store.set_do_not_disturb(&user("ann"), off, after(1_001)).await.unwrap();
        let too_late = to_defer(&claimed, after(night), Deferred::QuietHours);
        assert_eq!(it.decide(too_late, after(1_002)).await, None);
        assert_eq!(it.claim(after(1_002)).await.len(), 1);
        assert_eq!(it.claim(after(night)).await.len(), 3);
    }

    async fn the_first_one_gathered_opens_the_window_of_a_digest(it: TestStore) {
        let other = Content { category: "news".into(), ..content() };
        for made in [content(), content(), other] {
            let published = it.publish(Audience::User(user("ann")), made).await;
            it.open_for(&published, "ann").await;
        }
        let mut claimed = it.claim(NOW).await.into_iter();
        for (window, due) in [(100, 100), (900, 100), (800, 800)] {
            let one = claimed.next().unwrap();
            it.decide(to_defer(&one, after(window), Deferred::Digest), NOW).await.unwrap();
            assert_eq!(it.trace(one.id, "ann").await.due_at, Some(after(due)));
        }
        let gathered = it.claim(after(100)).await;
        assert_eq!(gathered.iter().map(|one| one.deferred).collect::<Vec<_>>(), [Deferred::Digest; 2]);
    }

    async fn another_time_zone_or_preference_makes_quiet_hours_be_looked_at_again(it: TestStore) {
        it.open("ann").await;
        let claimed = it.claim_one(NOW).await;
        it.decide(to_defer(&claimed, after(9_999), Deferred::QuietHours), NOW).await.unwrap();
        let profile = belfry_protocol::user::UserProfile {
            time_zone: Some("Europe/Vienna".to_owned()),
            ..Default::default()
        };
        it.store.put_user(&user("ann"), profile, after(5)).await.unwrap();
        let claimed = it.claim_one(after(5)).await;
        it.decide(to_defer(&claimed, after(9_999), Deferred::QuietHours), after(5)).await.unwrap();
        it.store.set_preferences(&user("ann"), Default::default(), after(6)).await.unwrap();
        assert_eq!(it.claim(after(6)).await.len(), 1);
    }

    async fn several_go_out_as_one_and_go_their_own_way_afterwards(it: TestStore) {
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(it.open("ann").await);
        }
        let claimed = it.claim(NOW).await;
        let member = |one: &ClaimedDelivery, step, after| Member { key: one.key, token: one.token, step, after };
        let with = vec![member(&claimed[1], 4, LAST), member(&claimed[2], 1, UNTIL_SEEN)];
        let begin = Decision { with, ..to_begin(&claimed[0], vec![leg(1, "phone"), leg(1, "tablet")], UNTIL_SEEN) };
        let legs = it.decide(begin, NOW).await.unwrap();
        assert_eq!(it.store.gauges().pending_legs, 2);
        let retry = it.record(legs[0], Then::Retry { next_at: after(10) }, after(1)).await;
        assert!(retry && it.record(legs[1], failed("gone"), after(2)).await);
        let again = it.claim_legs(after(10)).await.remove(0);
        assert_eq!((again.delivery.id, again.delivery.token, again.tries), (ids[0], 0, 1));
        assert_eq!(again.with.iter().map(|one| (one.id, one.step)).collect::<Vec<_>>(), [(ids[1], 4), (ids[2], 1)]);
        let leg = LegRef { key: again.key, token: again.token };
        assert!(it.record(leg, accepted(), after(20)).await);
        let traces = [it.trace(ids[0], "ann").await, it.trace(ids[1], "ann").await, it.trace(ids[2], "ann").await];
        let states = traces.each_ref().map(|one| (one.state, one.step));
        assert_eq!(states, [(DeliveryState::Waiting, 2), (DeliveryState::Sent, 4), (DeliveryState::Waiting, 2)]);
        assert_eq!(traces[0].legs[0].with, [ids[1], ids[2]]);
        assert_eq!(traces[1].legs[0].with, [ids[0], ids[2]]);
        assert_eq!(traces[1].legs.iter().map(|leg| leg.step).collect::<Vec<_>>(), [4, 4]);
        assert_eq!(traces[2].legs[0].attempts.len(), 2);
    }

    async fn one_of_several_that_ended_takes_the_decision_back(it: TestStore) {
        let (one, two) = (it.open("ann").await, it.open("ann").await);
        let claimed = it.claim(NOW).await;
        it.mark("ann", &[one], StateChange::Read).await;
        let with = vec![Member { key: claimed[0].key, token: claimed[0].token, step: 1, after: LAST }];
        let begin = Decision { with, ..to_begin(&claimed[1], vec![leg(1, "phone")], LAST) };
        assert_eq!(it.decide(begin, NOW).await, None);
        assert_eq!(it.state(one, "ann").await, DeliveryState::Confirmed);
        let again = it.claim_one(NOW).await;
        assert_eq!(again.id, two, "what is left is due at once");
    }

    async fn a_replacement_inherits_the_time_and_the_tag(it: TestStore) {
        let keyed = || Content { collapse_key: Some("price".into()), ..content() };
        let to_ann = || Audience::User(user("ann"));
        let first = it.publish(to_ann(), keyed()).await;
        it.open_for(&first, "ann").await;
        let legs = it.begin(&["phone"], UNTIL_SEEN, after(1)).await;
        it.record(legs[0], accepted(), after(2)).await;
        // Nobody opens a delivery for the second one: the third takes its place before that.
        it.publish(to_ann(), keyed()).await;
        let third = it.publish(to_ann(), keyed()).await;
        assert_eq!(it.state(first.id, "ann").await, DeliveryState::Recalled);
        let new = delivery("ann", third.notifications[0].seq, third.id, after(9_000_000));
        it.store.open_deliveries(vec![new], None, after(10)).await.unwrap();
        let claimed = it.claim_one(after(2 + TEN_MINUTES)).await;
        assert_eq!((claimed.id, claimed.due_at), (third.id, after(2 + TEN_MINUTES)));
        assert_eq!(claimed.inherited_tag.as_deref(), Some("tag-phone"));
        // It is handed on, too, where the one in between was never pushed.
        let fourth = it.publish(to_ann(), keyed()).await;
        let new = delivery("ann", fourth.notifications[0].seq, fourth.id, after(5));
        it.store.open_deliveries(vec![new], None, after(10)).await.unwrap();
        let claimed = it.claim_one(after(10)).await;
        assert_eq!((claimed.due_at, claimed.inherited_tag.as_deref()), (after(5), Some("tag-phone")));
    }

    async fn erasing_and_purging_leave_nothing(it: TestStore) {
        let both = it.publish(to_both(), content()).await;
        it.open_for(&both, "ann").await;
        it.open_for(&both, "bob").await;
        let own = it.open("ann").await;
        for claimed in it.claim(NOW).await {
            it.decide(to_begin(&claimed, vec![leg(1, "phone")], LAST), NOW).await.unwrap();
        }
        assert_eq!((it.store.gauges().deliveries, it.store.gauges().pending_legs), (3, 3));
        let of_ann = it.trace(own, "ann").await.legs[0].key;
        it.store.delete_user(&user("ann")).await.unwrap();
        assert_eq!((it.store.gauges().deliveries, it.store.gauges().pending_legs), (1, 1));
        let token = LegRef { key: of_ann, token: 1 };
        assert!(!it.record(token, accepted(), after(1)).await);
        it.tell("ann").await;
        assert_eq!(it.find_trace(both.id, "ann").await, None);
        // Retention: a month after the alert's own time is over.
        let policy = RetentionPolicy { default: std::time::Duration::from_secs(60), categories: vec![] };
        let month = 31 * 24 * 3_600_000;
        while it.store.apply_retention(&policy, after(month), 100).await.unwrap().more {}
        assert_eq!(it.find_trace(both.id, "bob").await, None);
        assert_eq!((it.store.gauges().deliveries, it.store.gauges().pending_legs), (0, 0));
        for table in ["deliveries", "legs", "leg_members", "attempts"] {
            assert_eq!(it.count(table), 0, "{table}");
        }
    }
}

contract_of_files! {
    async fn a_crash_at_any_moment_keeps_what_was_answered(it: TestStore) {
        let id = it.open("ann").await;
        let crashed = it.as_after_a_crash().await;
        assert_eq!(crashed.claim(NOW).await.len(), 1, "opened");
        let claimed = it.claim_one(NOW).await;
        let crashed = it.as_after_a_crash().await;
        assert_eq!(crashed.claim(after(LEASE_MS - 1)).await, []);
        assert_eq!(crashed.claim(after(LEASE_MS)).await.len(), 1, "claimed, and the lease ran out");
        let legs = it.decide(to_begin(&claimed, vec![leg(1, "phone")], UNTIL_SEEN), NOW).await.unwrap();
        let crashed = it.as_after_a_crash().await;
        assert_eq!(crashed.claim(after(LEASE_MS)).await, []);
        assert_eq!(crashed.store.gauges(), StoreGauges {
            deliveries: 1,
            pending_legs: 1,
            warm_users: 0,
            healthy: true,
            ..StoreGauges::default()
        });
        let taken_over = crashed.claim_legs(after(LEASE_MS)).await;
        assert_eq!(taken_over.len(), 1);
        assert!(!crashed.record(legs[0], accepted(), after(LEASE_MS)).await, "late");
        it.record(legs[0], accepted(), after(5)).await;
        let crashed = it.as_after_a_crash().await;
        assert_eq!(crashed.trace(id, "ann").await, it.trace(id, "ann").await);
        it.mark("ann", &[id], StateChange::Read).await;
        let crashed = it.as_after_a_crash().await;
        assert_eq!(crashed.state(id, "ann").await, DeliveryState::Confirmed);
        assert_eq!(crashed.next_due().await, None);
    }
}
