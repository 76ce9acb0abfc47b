//! Status webhooks: what endpoints are told is written with what happened, and claimed like everything that is sent.

use crate::harness::*;
use crate::nights::*;
use belfry_protocol::delivery::DeliveryState;
use belfry_protocol::webhook::{WebhookDisabled, WebhookEvent};
use belfry_protocol::{Audience, WebhookId};
use belfry_store::*;
use serde_json::Value;

const DAY_MS: i64 = 24 * 3_600_000;

fn name(name: &str) -> WebhookId {
    WebhookId::new(name).unwrap()
}

fn endpoint(events: &[WebhookEvent]) -> NewWebhook {
    NewWebhook {
        url: "https://app.example.com/hooks".to_owned(),
        events: events.to_vec(),
        enabled: true,
        secret: "whsec_one".to_owned(),
    }
}

async fn put(it: &TestStore, id: &str, events: &[WebhookEvent]) -> WebhookRow {
    it.store.put_webhook(&name(id), endpoint(events), NOW).await.unwrap().unwrap().0
}

async fn row(it: &TestStore, id: &str) -> WebhookRow {
    it.store.webhook(&name(id)).await.unwrap().unwrap()
}

async fn claim(it: &TestStore, now: UnixMs) -> Vec<ClaimedWebhook> {
    it.store.claim_webhook_events(now, 100, LEASE, Vec::new()).await.unwrap()
}

fn bodies(claimed: &[ClaimedWebhook]) -> Vec<Value> {
    claimed
        .iter()
        .flat_map(|one| &one.events)
        .map(|event| serde_json::from_str(&event.body).unwrap())
        .collect()
}

async fn record(it: &TestStore, claimed: &ClaimedWebhook, then: WebhookThen, now: UnixMs) -> WebhookRecorded {
    let outcome = |event: &ClaimedWebhookEvent| WebhookOutcome { key: event.key, token: event.token, then };
    let outcomes = claimed.events.iter().map(outcome).collect();
    it.store.record_webhook_events(claimed.key, outcomes, now).await.unwrap()
}

fn rows_in_the_file(it: &TestStore) -> i64 {
    it.count("webhook_events")
}

contract! {
    async fn without_an_endpoint_that_wants_it_nothing_is_written(it: TestStore) {
        it.tell("ann").await;
        put(&it, "crm", &[WebhookEvent::DeadLettered]).await;
        it.tell("ann").await;
        let disabled = NewWebhook { enabled: false, ..endpoint(&WebhookEvent::ALL) };
        it.store.put_webhook(&name("off"), disabled, NOW).await.unwrap();
        it.tell("ann").await;
        assert_eq!(rows_in_the_file(&it), 0);
        assert_eq!(it.store.webhooks_due(), None);
        put(&it, "off", &[WebhookEvent::Accepted]).await;
        it.tell("ann").await;
        assert_eq!(rows_in_the_file(&it), 1);
    }

    async fn an_accepted_alert_is_told_to_each_endpoint_once(it: TestStore) {
        put(&it, "crm", &[WebhookEvent::Accepted]).await;
        put(&it, "log", &[WebhookEvent::Accepted, WebhookEvent::Sent]).await;
        let one = it.tell("ann").await;
        let all = it.tell_all().await;
        let claimed = claim(&it, after(5)).await;
        assert_eq!(claimed.len(), 2);
        for each in &claimed {
            let told = bodies(std::slice::from_ref(each));
            assert_eq!(told.len(), 2);
            assert_eq!(told[0]["type"], "alert.accepted");
            assert_eq!(told[0]["data"]["alert"], one.id.to_string());
            assert_eq!(told[0]["data"]["user"], "ann");
            assert_eq!((&told[0]["data"]["kind"], &told[0]["data"]["category"]), (&"deal-notification".into(), &"deals".into()));
            assert_eq!(told[1]["data"]["alert"], all.id.to_string());
            assert_eq!(told[1]["data"].get("user"), None, "an alert for everyone names nobody");
        }
        let (mine, yours) = (&claimed[0].events[0].id, &claimed[1].events[0].id);
        assert!(mine != yours && mine.starts_with("evt_") && !mine.contains('.'));
    }

    async fn a_repeated_call_is_told_once(it: TestStore) {
        put(&it, "crm", &[WebhookEvent::Accepted]).await;
        let key = Idempotency { api_key: "shop".to_owned(), key: "k".to_owned(), body_hash: [0; 32] };
        for _ in 0..2 {
            let alert = it.alert(Audience::User(user("ann")), content());
            it.store.publish(NewAlert { idempotency: Some(key.clone()), ..alert }, NOW).await.unwrap();
        }
        assert_eq!(rows_in_the_file(&it), 1);
    }

    async fn how_a_delivery_goes_is_told(it: TestStore) {
        put(&it, "crm", &WebhookEvent::ALL[1..]).await;
        let id = it.open("ann").await;
        let legs = it.begin(&["phone", "tablet"], LAST, NOW).await;
        it.record(legs[0], accepted(), after(7)).await;
        it.record(legs[1], failed("UNREGISTERED"), after(8)).await;
        let dead = it.open("bob").await;
        let claimed = it.claim_one(after(9)).await;
        it.decide(to_end(&claimed, DeliveryState::DeadLettered, "no address"), after(9)).await;
        let kept_in = it.open("cid").await;
        let claimed = it.claim_one(after(9)).await;
        it.decide(to_end(&claimed, DeliveryState::Suppressed, "not wanted"), after(9)).await;
        it.open("dan").await;
        let claimed = it.claim_one(after(9)).await;
        it.decide(to_end(&claimed, DeliveryState::Expired, "its time was over"), after(9)).await;
        let told = bodies(&claim(&it, after(9)).await);
        let said = |field: &str| -> Vec<String> {
            told.iter().map(|body| body["data"][field].as_str().unwrap_or("-").to_owned()).collect()
        };
        let types: Vec<&str> = told.iter().map(|body| body["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["alert.sent", "alert.failed", "alert.dead_lettered", "alert.suppressed", "alert.expired"]);
        assert_eq!(said("user"), ["ann", "ann", "bob", "cid", "dan"]);
        let ids = [id, id, dead, kept_in].map(|id| id.to_string());
        assert_eq!(said("alert")[..4], ids);
        assert_eq!((said("channel")[..2].to_vec(), said("provider")[..2].to_vec()), (vec!["push".to_owned(); 2], vec!["fcm".to_owned(); 2]));
        assert_eq!(said("reason"), ["-", "UNREGISTERED", "no address", "not wanted", "its time was over"]);
    }

    async fn what_waits_outlives_a_crash_and_a_claim_whose_holder_died(it: TestStore) {
        put(&it, "crm", &[WebhookEvent::Accepted]).await;
        it.tell("ann").await;
        let it = it.as_after_a_crash().await;
        assert_eq!(it.store.webhooks_due(), Some(NOW));
        let first = claim(&it, after(1)).await;
        assert_eq!(first[0].events.len(), 1);
        assert!(claim(&it, after(2)).await.is_empty(), "it is leased");
        let later = UnixMs(after(2).0 + i64::try_from(LEASE.as_millis()).unwrap());
        let it = it.as_after_a_crash().await;
        let second = claim(&it, later).await;
        assert_eq!(second[0].events[0].id, first[0].events[0].id, "its id is the same for every try");
        // Whoever lost the lease changes nothing.
        record(&it, &first[0], WebhookThen::Taken, later).await;
        assert_eq!(row(&it, "crm").await.waiting, 1);
        record(&it, &second[0], WebhookThen::Taken, later).await;
        assert_eq!((row(&it, "crm").await.waiting, it.store.webhooks_due()), (0, None));
    }

    async fn a_failed_call_is_repeated_when_it_is_due_and_dropped_after_the_last(it: TestStore) {
        put(&it, "crm", &[WebhookEvent::Accepted]).await;
        it.tell("ann").await;
        let first = claim(&it, after(1)).await;
        record(&it, &first[0], WebhookThen::Retry { next_at: after(5_000) }, after(10)).await;
        assert_eq!(it.store.webhooks_due(), Some(after(5_000)));
        assert!(claim(&it, after(4_999)).await.is_empty());
        let second = claim(&it, after(5_000)).await;
        assert_eq!((second[0].events[0].tries, row(&it, "crm").await.failing_since), (1, Some(after(10))));
        record(&it, &second[0], WebhookThen::GiveUp, after(5_001)).await;
        let row = row(&it, "crm").await;
        assert_eq!((row.waiting, row.dropped, row.enabled), (0, 1, true));
    }

    async fn an_endpoint_that_is_gone_is_disabled_and_goes_on_when_it_is_enabled(it: TestStore) {
        put(&it, "crm", &[WebhookEvent::Accepted]).await;
        it.tell("ann").await;
        let first = claim(&it, after(1)).await;
        let recorded = record(&it, &first[0], WebhookThen::Gone, after(10)).await;
        assert_eq!(recorded.disabled, Some(WebhookDisabled::Gone));
        let disabled = row(&it, "crm").await;
        assert_eq!((disabled.enabled, disabled.disabled_reason, disabled.waiting), (false, Some(WebhookDisabled::Gone), 1));
        it.tell("ann").await;
        assert_eq!((it.store.webhooks_due(), rows_in_the_file(&it)), (None, 1));
        let enabled = put(&it, "crm", &[WebhookEvent::Accepted]).await;
        assert_eq!((enabled.enabled, enabled.disabled_reason, enabled.failing_since), (true, None, None));
        assert_eq!(claim(&it, after(20)).await[0].events.len(), 1);
    }

    async fn five_days_of_nothing_but_failures_disable(it: TestStore) {
        put(&it, "crm", &[WebhookEvent::Accepted]).await;
        it.tell("ann").await;
        let retry = |at: UnixMs| WebhookThen::Retry { next_at: at };
        let first = claim(&it, NOW).await;
        assert_eq!(record(&it, &first[0], retry(after(2 * DAY_MS)), NOW).await.disabled, None);
        let second = claim(&it, after(2 * DAY_MS)).await;
        let failing = record(&it, &second[0], retry(after(5 * DAY_MS)), after(2 * DAY_MS)).await;
        assert_eq!((failing.disabled, row(&it, "crm").await.failing_since), (None, Some(NOW)));
        let third = claim(&it, after(5 * DAY_MS)).await;
        let failing = record(&it, &third[0], retry(after(6 * DAY_MS)), after(5 * DAY_MS)).await;
        assert_eq!(failing.disabled, Some(WebhookDisabled::Failing));
        assert!(!row(&it, "crm").await.enabled);
    }

    async fn one_call_that_is_taken_begins_the_five_days_anew(it: TestStore) {
        put(&it, "crm", &[WebhookEvent::Accepted]).await;
        it.tell("ann").await;
        let first = claim(&it, NOW).await;
        record(&it, &first[0], WebhookThen::Retry { next_at: after(DAY_MS) }, NOW).await;
        let second = claim(&it, after(DAY_MS)).await;
        record(&it, &second[0], WebhookThen::Taken, after(DAY_MS)).await;
        assert_eq!(row(&it, "crm").await.failing_since, None);
    }

    async fn a_new_secret_signs_beside_the_old_one_for_a_while(it: TestStore) {
        put(&it, "crm", &[WebhookEvent::Accepted]).await;
        assert_eq!(it.store.rotate_webhook(&name("none"), "whsec_two", after(DAY_MS)).await, Ok(None));
        it.store.rotate_webhook(&name("crm"), "whsec_two", after(DAY_MS)).await.unwrap().unwrap();
        it.tell("ann").await;
        assert_eq!(claim(&it, after(1)).await[0].secrets, ["whsec_two", "whsec_one"]);
        it.tell("ann").await;
        assert_eq!(claim(&it, after(DAY_MS)).await[0].secrets, ["whsec_two"]);
        // A change of the rest leaves the secret alone.
        put(&it, "crm", &[WebhookEvent::Accepted]).await;
        it.tell("ann").await;
        assert_eq!(claim(&it, after(2 * DAY_MS)).await[0].secrets, ["whsec_two"]);
    }

    async fn there_are_twenty_endpoints_at_most_and_deleting_one_drops_what_waits(it: TestStore) {
        for number in 0..20 {
            put(&it, &format!("hook-{number:02}"), &[WebhookEvent::Accepted]).await;
        }
        let more = it.store.put_webhook(&name("more"), endpoint(&[WebhookEvent::Sent]), NOW).await;
        assert_eq!(more, Ok(None));
        it.tell("ann").await;
        assert_eq!(rows_in_the_file(&it), 20);
        assert_eq!(it.store.delete_webhook(&name("hook-00")).await, Ok(true));
        assert_eq!(it.store.delete_webhook(&name("hook-00")).await, Ok(false));
        assert_eq!((rows_in_the_file(&it), it.store.webhooks().await.unwrap().len()), (19, 19));
        put(&it, "more", &[WebhookEvent::Sent]).await;
    }

    async fn what_names_an_erased_person_is_told_to_nobody(it: TestStore) {
        put(&it, "crm", &[WebhookEvent::Accepted]).await;
        it.tell("ann").await;
        it.tell("bob").await;
        it.store.delete_user(&user("ann")).await.unwrap();
        let told = bodies(&claim(&it, after(1)).await);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["data"]["user"], "bob");
    }

    async fn an_endpoint_that_is_busy_is_left_alone_and_a_test_is_queued(it: TestStore) {
        put(&it, "crm", &[WebhookEvent::Sent]).await;
        assert_eq!(it.store.test_webhook(&name("none"), NOW).await, Ok(None));
        let id = it.store.test_webhook(&name("crm"), NOW).await.unwrap().unwrap();
        let key = {
            let claimed = claim(&it, NOW).await;
            assert_eq!((&claimed[0].events[0].id, &bodies(&claimed)[0]["type"]), (&id, &"webhook.test".into()));
            claimed[0].key
        };
        it.store.test_webhook(&name("crm"), NOW).await.unwrap();
        assert!(it.store.claim_webhook_events(NOW, 100, LEASE, vec![key]).await.unwrap().is_empty());
        assert_eq!(it.store.claim_webhook_events(NOW, 100, LEASE, vec![]).await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_too_many_wait_the_oldest_go() {
    let it = TestStore::with(Engine::Sqlite, |options| options.webhook_queue_max = 3).await;
    put(&it, "crm", &[WebhookEvent::Accepted]).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(it.tell("ann").await.id.to_string());
    }
    let told: Vec<String> = bodies(&claim(&it, after(1)).await)
        .iter()
        .map(|body| body["data"]["alert"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, ids[2..]);
    let row = row(&it, "crm").await;
    assert_eq!((row.waiting, row.dropped), (3, 2));
}
