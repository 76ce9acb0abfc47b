//! The ladder of an alert for everyone: who gets a delivery of it, once, and what stops the rest.

use crate::harness::*;
use crate::nights::*;
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::device::PushAddress;
use belfry_protocol::user::UserProfile;
use belfry_protocol::{AlertId, Audience, Level, Seq, StateChange, Stream, UserId};
use belfry_store::*;

const BY_ALL: LadderReach = LadderReach { push: true, email: true, anybody: true };
const FIVE_SECONDS: i64 = 5_000;

fn of_all(due_at: UnixMs) -> Option<LadderOfAll> {
    Some(LadderOfAll { ladder: LADDER.into(), step: 1, stop_at: Level::Displayed, due_at })
}

fn name(number: usize) -> String {
    format!("user-{number:04}")
}

impl TestStore {
    async fn people(&self, count: usize) {
        for number in 0..count {
            self.store.connect(&user(&name(number)), NOW).await.unwrap();
        }
    }

    async fn tell_all_by_ladder(&self, content: Content) -> Published {
        let alert = NewAlert {
            ladder_of_all: of_all(after(FIVE_SECONDS)),
            ..self.alert(Audience::Everyone(true), content)
        };
        self.store.publish(alert, NOW).await.unwrap()
    }

    async fn chunk(&self, now: UnixMs) -> Option<LadderChunk> {
        self.store.ladder_chunk(BY_ALL, now).await.unwrap()
    }

    async fn advance(&self, chunk: &LadderChunk, now: UnixMs) -> u32 {
        self.store.advance_ladder(chunk.place.clone(), new_of(chunk, now), now).await.unwrap()
    }

    /// Walks to the end. Who got a delivery, in the order of the walk.
    async fn walk(&self, now: UnixMs) -> Vec<UserId> {
        let mut reached = Vec::new();
        while let Some(chunk) = self.chunk(now).await {
            self.advance(&chunk, now).await;
            reached.extend(chunk.users);
        }
        reached
    }

    fn receive_all(&self, name: &str, after: u64, up_to: u64, level: Level) {
        let row = AckRow::Range { stream: Stream::All, after: Seq(after), up_to: Seq(up_to), level };
        self.store.acknowledge(&user(name), row, NOW).unwrap();
    }

    async fn delivered(&self, id: AlertId, count: usize) -> Vec<String> {
        let users: Vec<UserId> = (0..count).map(|number| user(&name(number))).collect();
        let found = self.store.deliveries_of(id, &users).await.unwrap();
        found.into_iter().map(|one| one.0.to_string()).collect()
    }
}

fn new_of(chunk: &LadderChunk, now: UnixMs) -> Vec<NewDelivery> {
    let one = |user: &UserId| NewDelivery {
        user: user.clone(),
        seq: chunk.all_seq,
        id: chunk.place.id,
        step: chunk.step,
        last_failed: false,
        stop_at: chunk.stop_at,
        ladder: chunk.ladder.clone(),
        due_at: now,
    };
    chunk.users.iter().map(one).collect()
}

contract! {
    async fn the_ladder_goes_to_those_who_did_not_answer_and_were_there_before(it: TestStore) {
        it.people(8).await;
        let id = it.tell_all_by_ladder(content()).await.id;
        it.store.connect(&user("latecomer"), NOW).await.unwrap();
        it.ack("user-0001", &[id], Level::Displayed);
        it.ack("user-0002", &[id], Level::Received);
        it.mark("user-0003", &[id], StateChange::Read).await;
        it.receive_all("user-0004", 0, 1, Level::Displayed);
        it.receive_all("user-0005", 0, 1, Level::Received);
        let up_to = Selection::UpTo(heads(0, 1));
        it.store.change_state(&user("user-0006"), up_to, StateChange::Read, NOW).await.unwrap();
        assert_eq!(it.next_due().await, Some(FIVE_SECONDS));
        assert_eq!(it.chunk(after(FIVE_SECONDS - 1)).await, None, "the live step has its time");
        it.store.flush().await.unwrap();
        let absent = ["user-0000", "user-0002", "user-0005", "user-0007"].map(user);
        assert_eq!(it.walk(after(FIVE_SECONDS)).await, absent);
        assert_eq!(it.delivered(id, 8).await, absent.map(|user| user.to_string()));
        assert_eq!(it.find_trace(id, "latecomer").await, None);
        assert_eq!((it.store.gauges().ladder_fanouts, it.store.gauges().deliveries), (0, 4));
        assert_eq!(it.chunk(after(99_999_999)).await, None);
        // The promise of one row: nobody's stream has moved but of those who marked it.
        assert_eq!(it.standing("user-0000").await.head, heads(0, 1));
        let rows = it.store.alert_recipients(id, None, 100).await.unwrap();
        let rows: Vec<_> = rows.iter().map(|row| (row.user.as_str(), row.level)).collect();
        let (received, displayed) = (Some(Level::Received), Some(Level::Displayed));
        assert_eq!(rows, [
            ("user-0000", None),
            ("user-0001", displayed),
            ("user-0002", received),
            ("user-0003", Some(Level::Read)),
            ("user-0004", displayed),
            ("user-0005", received),
            ("user-0007", None),
        ]);
        let claimed = it.claim(after(FIVE_SECONDS)).await;
        assert_eq!(claimed.iter().map(|one| (one.seq, one.id)).collect::<Vec<_>>(), [(Seq(1), id); 4]);
    }

    async fn only_who_can_be_reached_by_what_is_left_gets_a_delivery(it: TestStore) {
        it.people(4).await;
        let phone = NewDevice {
            id: "phone".to_owned(),
            address: PushAddress::Fcm { token: Some("token".to_owned()), installation_id: None },
            address_hash: [7; 32],
            locale: None,
            time_zone: None,
            app_version: None,
        };
        it.store.put_device(&user("user-0001"), phone, NOW).await.unwrap();
        for name in ["user-0002", "user-0003"] {
            let email = Some(format!("{name}@example.com"));
            it.store.put_user(&user(name), UserProfile { email, ..UserProfile::default() }, NOW).await.unwrap();
        }
        it.store.suppress_email(&user("user-0003"), "user-0003@example.com", "bounced").await.unwrap();
        it.tell_all_by_ladder(content()).await;
        let due = after(FIVE_SECONDS);
        for (push, email, anybody, expected) in [
            (true, false, false, &["user-0001"][..]),
            (false, true, false, &["user-0002"]),
            (true, true, false, &["user-0001", "user-0002"]),
            (false, false, true, &["user-0000", "user-0001", "user-0002", "user-0003"]),
            (false, false, false, &[]),
        ] {
            let chunk = it.store.ladder_chunk(LadderReach { push, email, anybody }, due).await.unwrap().unwrap();
            let reached: Vec<&str> = chunk.users.iter().map(UserId::as_str).collect();
            assert_eq!((reached.as_slice(), chunk.place.more), (expected, false));
        }
    }

    async fn a_walk_goes_on_after_a_crash_and_opens_each_once(it: TestStore) {
        it.people(450).await;
        let id = it.tell_all_by_ladder(content()).await.id;
        let due = after(FIVE_SECONDS);
        let first = it.chunk(due).await.unwrap();
        assert_eq!((first.users.len(), first.place.more), (200, true));
        assert_eq!(it.advance(&first, due).await, 200);
        assert_eq!(it.advance(&first, due).await, 0, "another node was faster");
        let second = it.chunk(due).await.unwrap();
        let it = it.as_after_a_crash().await;
        assert_eq!((it.store.gauges().ladder_fanouts, it.next_due().await), (1, Some(FIVE_SECONDS)));
        assert_eq!(it.chunk(due).await, Some(second), "as it would have gone on");
        assert_eq!(it.walk(due).await.len(), 250);
        assert_eq!(it.delivered(id, 450).await.len(), 450);
        assert_eq!(it.store.gauges().deliveries, 450);
        let it = it.reopened().await;
        assert_eq!((it.store.gauges().ladder_fanouts, it.walk(due).await), (0, vec![]));
    }

    async fn who_answers_between_the_look_and_the_write_gets_none(it: TestStore) {
        it.people(4).await;
        let id = it.tell_all_by_ladder(content()).await.id;
        let due = after(FIVE_SECONDS);
        let chunk = it.chunk(due).await.unwrap();
        assert_eq!(chunk.users.len(), 4);
        it.ack("user-0000", &[id], Level::Displayed);
        it.receive_all("user-0001", 0, 1, Level::Displayed);
        it.mark("user-0002", &[id], StateChange::Archived).await;
        assert_eq!(it.advance(&chunk, due).await, 1);
        assert_eq!(it.delivered(id, 4).await, ["user-0003"]);
    }

    async fn any_answer_cancels_what_is_left(it: TestStore) {
        it.people(5).await;
        let id = it.tell_all_by_ladder(content()).await.id;
        let due = after(FIVE_SECONDS);
        it.walk(due).await;
        let claimed = it.claim(due).await;
        let decisions = claimed.iter().map(|one| to_begin(one, vec![leg(1, "phone")], UNTIL_SEEN)).collect();
        it.store.decide(decisions, due, LEASE).await.unwrap();
        it.ack("user-0000", &[id], Level::Displayed);
        it.mark("user-0001", &[id], StateChange::Seen).await;
        it.mark("user-0002", &[id], StateChange::Read).await;
        it.receive_all("user-0003", 0, 1, Level::Received);
        it.store.flush().await.unwrap();
        for (number, ended) in [(0, true), (1, true), (2, true), (3, false), (4, false)] {
            let expected = match ended {
                true => (DeliveryState::Confirmed, vec![LegState::Cancelled]),
                false => (DeliveryState::Sending, vec![LegState::Pending]),
            };
            let who = name(number);
            assert_eq!((it.state(id, &who).await, it.leg_states(id, &who).await), expected, "{who}");
        }
    }

    async fn a_recall_in_the_middle_stops_the_rest_and_ends_what_is_under_way(it: TestStore) {
        it.people(450).await;
        let id = it.tell_all_by_ladder(content()).await.id;
        let due = after(FIVE_SECONDS);
        let chunk = it.chunk(due).await.unwrap();
        it.advance(&chunk, due).await;
        let leg_ref = {
            let one = it.store.claim_deliveries(due, 1, LEASE).await.unwrap().remove(0);
            it.decide(to_begin(&one, vec![leg(1, "phone")], UNTIL_SEEN), due).await.unwrap()[0]
        };
        let next = it.chunk(due).await.unwrap();
        it.store.recall(id, due).await.unwrap();
        assert!(!it.wanted(leg_ref).await, "before its chunk comes by");
        assert_eq!(it.advance(&next, due).await, 0, "what was read before the recall opens nothing");
        assert_eq!(it.walk(due).await, []);
        assert_eq!(it.delivered(id, 450).await.len(), 200);
        assert_eq!((it.store.gauges().deliveries, it.store.gauges().ladder_fanouts), (0, 0));
        assert_eq!(it.state(id, "user-0000").await, DeliveryState::Recalled);
        assert_eq!(it.claim(after(TEN_MINUTES)).await, []);
    }

    async fn nothing_is_opened_for_what_is_over(it: TestStore) {
        it.people(2).await;
        let due = after(FIVE_SECONDS);
        let over = it.tell_all_by_ladder(Content { expires_at: Some(due), ..content() }).await.id;
        let chunk = it.chunk(due).await.unwrap();
        assert_eq!(it.advance(&chunk, due).await, 0, "no sweep came by");
        it.store.sweep_expired(due, 10).await.unwrap();
        let recalled = it.tell_all_by_ladder(content()).await.id;
        it.store.recall(recalled, NOW).await.unwrap();
        let keyed = || Content { collapse_key: Some("k".to_owned()), ..content() };
        let replaced = it.tell_all_by_ladder(keyed()).await.id;
        let newest = it.tell_all_by_ladder(keyed()).await.id;
        assert_eq!(it.walk(due).await.len(), 2);
        for id in [over, recalled, replaced] {
            assert_eq!(it.delivered(id, 2).await, [""; 0]);
        }
        assert_eq!(it.delivered(newest, 2).await.len(), 2);
    }

    async fn the_one_that_takes_the_place_inherits_the_tag(it: TestStore) {
        it.people(1).await;
        let keyed = || Content { collapse_key: Some("k".to_owned()), ..content() };
        let due = after(FIVE_SECONDS);
        let old = it.tell_all_by_ladder(keyed()).await.id;
        it.walk(due).await;
        let legs = it.begin(&["phone"], UNTIL_SEEN, due).await;
        it.record(legs[0], accepted(), due).await;
        it.tell_all_by_ladder(keyed()).await;
        it.walk(due).await;
        assert_eq!(it.state(old, "user-0000").await, DeliveryState::Recalled);
        assert_eq!(it.claim_one(due).await.inherited_tag.as_deref(), Some("tag-phone"));
    }

    async fn receipts_for_everyone_are_written_only_where_a_ladder_waits_for_them(it: TestStore) {
        it.people(1).await;
        it.tell_all().await;
        it.store.flush().await.unwrap();
        it.receive_all("user-0000", 0, 1, Level::Displayed);
        assert_eq!(it.store.gauges().pending_receipts, 0, "nothing waits for it");
        let received = |it: TestStore| async move {
            let connected = it.store.connect(&user("user-0000"), NOW).await.unwrap();
            (it, connected.received.all.0)
        };
        let (it, known) = received(it).await;
        let kept = u64::from(it.engine.remembers());
        assert_eq!(known, kept, "in memory, where there is one, it is known all the same");
        let (crashed, known) = received(it.as_after_a_crash().await).await;
        assert_eq!(known, 0);
        drop(crashed);
        let id = it.tell_all_by_ladder(content()).await.id;
        it.receive_all("user-0000", 1, 2, Level::Received);
        assert_eq!(it.store.gauges().pending_receipts, 1);
        it.store.flush().await.unwrap();
        let (it, known) = received(it.as_after_a_crash().await).await;
        assert_eq!(known, 2, "with all before it");
        it.store.recall(id, NOW).await.unwrap();
        it.tell_all().await;
        it.receive_all("user-0000", 2, 4, Level::Received);
        assert_eq!(it.store.gauges().pending_receipts, 0, "no ladder is left");
        let (_, known) = received(it.reopened().await).await;
        assert_eq!(known, if kept == 1 { 4 } else { 2 }, "an orderly end keeps it");
    }

    async fn who_is_erased_takes_their_deliveries_along(it: TestStore) {
        it.people(2).await;
        let id = it.tell_all_by_ladder(content()).await.id;
        it.walk(after(FIVE_SECONDS)).await;
        it.store.delete_user(&user("user-0000")).await.unwrap();
        assert_eq!((it.delivered(id, 2).await, it.store.gauges().deliveries), (vec![name(1)], 1));
        assert_eq!(it.claim(after(FIVE_SECONDS)).await.len(), 1);
    }

    async fn a_restored_store_walks_nobody(it: TestStore) {
        it.people(2).await;
        it.tell_all_by_ladder(content()).await;
        it.store.new_epoch().await.unwrap();
        let it = it.reopened().await;
        assert_eq!((it.store.gauges().ladder_fanouts, it.walk(after(TEN_MINUTES)).await), (0, vec![]));
    }

    async fn retention_takes_marks_and_deliveries_in_portions(it: TestStore) {
        it.people(30).await;
        let id = it.tell_all_by_ladder(content()).await.id;
        for number in 0..10 {
            it.ack(&name(number), &[id], Level::Displayed);
        }
        it.store.flush().await.unwrap();
        assert_eq!(it.walk(after(FIVE_SECONDS)).await.len(), 20);
        let day = std::time::Duration::from_secs(24 * 3_600);
        let policy = RetentionPolicy { default: day, categories: Vec::new() };
        let later = after(40 * 24 * 3_600_000);
        let mut rounds = 0;
        while it.store.apply_retention(&policy, later, 7).await.unwrap().more {
            rounds += 1;
        }
        assert!(rounds >= 4, "{rounds}");
        assert_eq!(it.store.alert(id).await, Ok(None));
        assert_eq!((it.store.gauges().deliveries, it.store.gauges().ladder_fanouts), (0, 0));
        assert_eq!(it.walk(later).await, []);
    }
}
