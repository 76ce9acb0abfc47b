//! How far alerts get, told to endpoints: once per notification and level, with what records it, and to nobody who did
//! not ask.

use crate::harness::*;
use belfry_protocol::webhook::WebhookEvent;
use belfry_protocol::{AlertId, Level, Seq, StateChange, Stream, WebhookId};
use belfry_store::*;
use serde_json::Value;
use std::time::Duration;

const LEVELS: [WebhookEvent; 3] = [WebhookEvent::Received, WebhookEvent::Seen, WebhookEvent::Read];

async fn put(it: &TestStore, id: &str, events: &[WebhookEvent]) {
    let new = NewWebhook {
        url: "https://app.example.com/hooks".to_owned(),
        events: events.to_vec(),
        enabled: true,
        secret: "whsec_one".to_owned(),
    };
    it.store.put_webhook(&WebhookId::new(id).unwrap(), new, NOW).await.unwrap().unwrap();
}

/// What is told since the last call, as `what user:alert`, in order.
async fn told(it: &TestStore) -> Vec<String> {
    it.store.flush().await.unwrap();
    let claimed = it.store.claim_webhook_events(after(60_000), 1_000, Duration::from_secs(60), vec![]).await;
    let mut told = Vec::new();
    for one in claimed.unwrap() {
        let say = |event: &ClaimedWebhookEvent| {
            let body: Value = serde_json::from_str(&event.body).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            assert_eq!(
                (&body["data"]["kind"], &body["data"]["category"]),
                (&"deal-notification".into(), &"deals".into())
            );
            format!(
                "{} {}:{}",
                text(&body["type"]),
                text(&body["data"]["user"]),
                text(&body["data"]["alert"])
            )
        };
        told.extend(one.events.iter().map(say));
        let taken = |event: &ClaimedWebhookEvent| WebhookOutcome {
            key: event.key,
            token: event.token,
            then: WebhookThen::Taken,
        };
        let outcomes = one.events.iter().map(taken).collect();
        it.store.record_webhook_events(one.key, outcomes, after(60_000)).await.unwrap();
    }
    told
}

fn said(what: &str, name: &str, ids: &[AlertId]) -> Vec<String> {
    ids.iter().map(|id| format!("alert.{what} {name}:{id}")).collect()
}

fn range(stream: Stream, after: u64, up_to: u64, level: Level) -> AckRow {
    AckRow::Range { stream, after: Seq(after), up_to: Seq(up_to), level }
}

async fn ack(it: &TestStore, name: &str, ack: AckRow) {
    it.store.acknowledge(&user(name), ack, NOW).unwrap();
    it.store.flush().await.unwrap();
}

async fn three(it: &TestStore, name: &str) -> [AlertId; 3] {
    [it.tell(name).await.id, it.tell(name).await.id, it.tell(name).await.id]
}

contract! {
    async fn a_receipt_is_told_once_however_ranges_overlap(it: TestStore) {
        put(&it, "crm", &[WebhookEvent::Received]).await;
        let [one, two, three] = three(&it, "ann").await;
        it.tell("bob").await;
        ack(&it, "ann", range(Stream::User, 0, 1, Level::Received)).await;
        ack(&it, "ann", range(Stream::User, 1, 2, Level::Received)).await;
        assert_eq!(told(&it).await, said("received", "ann", &[one, two]));
        ack(&it, "ann", range(Stream::User, 0, 3, Level::Received)).await;
        ack(&it, "ann", range(Stream::User, 0, 1 << 53, Level::Displayed)).await;
        ack(&it, "ann", AckRow::Ids { ids: vec![one, three], level: Level::Received }).await;
        assert_eq!(told(&it).await, said("received", "ann", &[three]));
        let it = it.reopened().await;
        ack(&it, "ann", range(Stream::User, 0, 3, Level::Received)).await;
        it.mark("ann", &[one], StateChange::Read).await;
        assert_eq!(told(&it).await, Vec::<String>::new(), "neither a restart nor a person tells it again");
    }

    async fn a_level_that_is_passed_over_was_reached(it: TestStore) {
        put(&it, "crm", &LEVELS).await;
        let [one, two, three] = three(&it, "ann").await;
        it.mark("ann", &[one], StateChange::Acted).await;
        let all = |id: AlertId| [said("received", "ann", &[id]), said("seen", "ann", &[id]), said("read", "ann", &[id])].concat();
        assert_eq!(told(&it).await, all(one));
        ack(&it, "ann", AckRow::Ids { ids: vec![two], level: Level::Seen }).await;
        assert_eq!(told(&it).await, [said("received", "ann", &[two]), said("seen", "ann", &[two])].concat());
        it.mark("ann", &[two], StateChange::Archived).await;
        it.mark("ann", &[two], StateChange::Unarchived).await;
        it.mark("ann", &[two], StateChange::Unread).await;
        it.mark("ann", &[two], StateChange::Read).await;
        assert_eq!(told(&it).await, said("read", "ann", &[two]), "once, however often it is read");
        ack(&it, "ann", range(Stream::User, 0, 3, Level::Received)).await;
        it.mark("ann", &[three], StateChange::Seen).await;
        assert_eq!(told(&it).await, [said("received", "ann", &[three]), said("seen", "ann", &[three])].concat());
    }

    async fn one_who_asks_for_read_only_is_told_that_only(it: TestStore) {
        put(&it, "crm", &[WebhookEvent::Read]).await;
        let [one, two, three] = three(&it, "ann").await;
        ack(&it, "ann", range(Stream::User, 0, 3, Level::Received)).await;
        it.mark("ann", &[one, two], StateChange::Seen).await;
        assert_eq!((told(&it).await, it.store.webhooks_due()), (Vec::new(), None));
        it.mark("ann", &[two], StateChange::Read).await;
        assert_eq!(told(&it).await, said("read", "ann", &[two]));
        it.store.change_state(&user("ann"), Selection::UpTo(heads(9, 0)), StateChange::Read, NOW).await.unwrap();
        assert_eq!(told(&it).await, said("read", "ann", &[one, three]));
    }

    async fn of_an_alert_for_everyone_what_people_do_is_told_and_receipts_are_not(it: TestStore) {
        put(&it, "crm", &LEVELS).await;
        it.tell("ann").await;
        let ids = [it.tell_all().await.id, it.tell_all().await.id, it.tell_all().await.id];
        ack(&it, "ann", range(Stream::All, 0, 3, Level::Received)).await;
        ack(&it, "ann", AckRow::Ids { ids: ids.to_vec(), level: Level::Received }).await;
        assert_eq!(told(&it).await, Vec::<String>::new());
        it.mark("ann", &ids[..1], StateChange::Seen).await;
        it.mark("ann", &ids[..1], StateChange::Seen).await;
        assert_eq!(told(&it).await, said("seen", "ann", &ids[..1]));
        it.mark("ann", &ids[1..2], StateChange::Read).await;
        assert_eq!(told(&it).await, [said("seen", "ann", &ids[1..2]), said("read", "ann", &ids[1..2])].concat());
        let change = async || {
            let all = Selection::UpTo(heads(0, 3));
            it.store.change_state(&user("ann"), all, StateChange::Read, NOW).await.unwrap();
        };
        change().await;
        let expected = [said("read", "ann", &ids[..1]), said("seen", "ann", &ids[2..]), said("read", "ann", &ids[2..])];
        assert_eq!(told(&it).await, expected.concat());
        change().await;
        it.mark("ann", &ids, StateChange::Archived).await;
        assert_eq!(told(&it).await, Vec::<String>::new());
    }

    async fn what_left_the_list_before_a_range_came_is_not_told_as_received(it: TestStore) {
        put(&it, "crm", &LEVELS).await;
        let [one, two, three] = three(&it, "ann").await;
        it.store.recall(two, NOW).await.unwrap();
        ack(&it, "ann", range(Stream::User, 0, 3, Level::Received)).await;
        assert_eq!(told(&it).await, said("received", "ann", &[one, three]));
        // Somebody who names it has it.
        let late = it.tell("bob").await.id;
        it.store.recall(late, NOW).await.unwrap();
        ack(&it, "bob", AckRow::Ids { ids: vec![late], level: Level::Displayed }).await;
        assert_eq!(told(&it).await, said("received", "bob", &[late]));
    }

    async fn many_holes_are_told_once_when_the_lowest_go_to_the_items(it: TestStore) {
        put(&it, "crm", &LEVELS[..1]).await;
        let mut ids = Vec::new();
        for _ in 0..100 {
            ids.push(it.tell("ann").await.id);
        }
        // More holes than a user's row holds.
        for seq in (1..=99).step_by(2) {
            it.store.acknowledge(&user("ann"), range(Stream::User, seq - 1, seq, Level::Received), NOW).unwrap();
        }
        let odd: Vec<AlertId> = ids.iter().copied().step_by(2).collect();
        assert_eq!(told(&it).await, said("received", "ann", &odd));
        ack(&it, "ann", range(Stream::User, 0, 100, Level::Received)).await;
        let even: Vec<AlertId> = ids.iter().copied().skip(1).step_by(2).collect();
        assert_eq!(told(&it).await, said("received", "ann", &even));
    }

    async fn where_nobody_asks_a_receipt_writes_nothing_but_itself(it: TestStore) {
        put(&it, "crm", &[WebhookEvent::Accepted]).await;
        it.store.claim_webhook_events(NOW, 10, Duration::from_secs(60), vec![]).await.unwrap();
        let one = it.tell("ann").await.id;
        ack(&it, "ann", range(Stream::User, 0, 1, Level::Received)).await;
        let in_place = i64::from(matches!(it.engine, Engine::Postgres));
        let rows = || (it.count("webhook_events"), it.count("notifications"));
        assert_eq!(rows(), (1, in_place), "the notification stays where it is");
        it.mark("ann", &[one], StateChange::Read).await;
        assert_eq!(rows().0, 1);
        put(&it, "log", &LEVELS).await;
        it.tell("ann").await;
        ack(&it, "ann", range(Stream::User, 0, 3, Level::Received)).await;
        assert_eq!(rows(), (3, 2), "one accepted, one received");
    }
}

contract_of_files! {
    async fn a_receipt_outlives_a_crash_with_what_is_told_of_it(it: TestStore) {
        put(&it, "crm", &LEVELS).await;
        let one = it.tell("ann").await.id;
        it.store.acknowledge(&user("ann"), range(Stream::User, 0, 1, Level::Received), NOW).unwrap();
        let before = it.as_after_a_crash().await;
        assert_eq!(told(&before).await, Vec::<String>::new(), "neither is on disk");
        it.store.flush().await.unwrap();
        let crashed = it.as_after_a_crash().await;
        assert_eq!(told(&crashed).await, said("received", "ann", &[one]), "both are");
        ack(&crashed, "ann", range(Stream::User, 0, 1, Level::Received)).await;
        assert_eq!(told(&crashed).await, Vec::<String>::new());
    }
}
