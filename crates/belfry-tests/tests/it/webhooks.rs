//! Status webhooks: endpoints are told what became of alerts, signed, and again until they took it.

use belfry_protocol::Provider;
use belfry_tests::fakes::webhook::{Act, FakeWebhook, Hook};
use belfry_tests::house::{alert, fcm_phone};
use belfry_tests::recorder::Recorder;
use belfry_tests::{TestServer, eventually};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// A server whose people are away, with a push service, and an application that listens.
async fn wired() -> (TestServer, FakeWebhook) {
    let fake = FakeWebhook::start(&[]).await;
    let push = Recorder::new(Provider::Fcm);
    let server = TestServer::with_channels(vec![push], |config| {
        config.live.linger_after_start = Duration::ZERO;
        config.status_webhooks.private_hosts = vec![fake.authority()];
        config.status_webhooks.ca_file = Some(fake.ca_file());
    })
    .await;
    (server, fake)
}

async fn put(server: &TestServer, id: &str, body: &Value, status: u16) -> Value {
    server.call(Method::PUT, &format!("/v1/webhooks/{id}"), body).await.expect(status).json()
}

/// Makes an endpoint, and lets the application know its secret.
async fn make(server: &TestServer, fake: &FakeWebhook, events: &[&str]) {
    let made = put(server, "crm", &json!({"url": fake.url(), "events": events}), 201).await;
    fake.know(made["secret"].as_str().expect("it is shown once"));
}

async fn get(server: &TestServer) -> Value {
    server.get("/v1/webhooks/crm").await.expect(200).json()
}

async fn publish(server: &TestServer, body: &Value) -> String {
    let answer = server.call(Method::POST, "/v1/alerts", body).await.expect(202).json();
    answer["id"].as_str().expect("an id").to_owned()
}

fn is(kind: &'static str) -> impl Fn(&Hook) -> bool {
    move |hook| hook.body["type"] == kind
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_told_what_became_of_an_alert() {
    let (server, fake) = wired().await;
    make(&server, &fake, &["accepted", "sent", "failed", "dead_lettered"]).await;
    fcm_phone(&server.services().store, "ann", "phone").await;
    let push = json!([{"channel": "push"}]);
    let sent = publish(&server, &alert("ann", "A deal", &push)).await;
    let hook = fake.hook(is("alert.accepted")).await;
    assert_eq!(hook.body["data"], json!({"alert": sent, "user": "ann", "kind": "deal", "category": "deal"}));
    let hook = fake.hook(is("alert.sent")).await;
    assert_eq!(
        hook.body["data"],
        json!({"alert": sent, "user": "ann", "kind": "deal", "category": "deal", "channel": "push", "provider": "fcm"})
    );
    assert!(hook.body["timestamp"].is_string() && hook.id.starts_with("evt_"));
    let lost = publish(&server, &alert("bob", "A deal", &push)).await;
    let hook = fake.hook(is("alert.dead_lettered")).await;
    assert_eq!((&hook.body["data"]["alert"], &hook.body["data"]["user"]), (&json!(lost), &json!("bob")));
    assert!(hook.body["data"]["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
    assert_eq!(fake.violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn how_far_an_alert_gets_with_its_person_is_told_once() {
    let (server, fake) = wired().await;
    make(&server, &fake, &["received", "seen", "read"]).await;
    let (mut here, mut there) = (server.socket("ann").await, server.socket("ann").await);
    let id = server.alert("ann", 1).await;
    for socket in [&mut here, &mut there] {
        let seq = socket.next_alert().await["seq"].clone();
        let receipt = json!({"stream": "user", "after": 0, "up_to": seq, "level": "received"});
        socket.send(json!({"type": "ack", "data": receipt})).await;
    }
    let hook = fake.hook(is("alert.received")).await;
    assert_eq!((&hook.body["data"]["alert"], &hook.body["data"]["user"]), (&json!(id), &json!("ann")));
    here.send(json!({"type": "seen", "data": {"ids": [id]}})).await;
    fake.hook(is("alert.seen")).await;
    for verb in ["read", "unread", "read"] {
        here.send(json!({"type": verb, "data": {"ids": [id]}})).await;
        while there.next_of_type("inbox-changed").await["data"]["changes"][0]["state"] != verb {}
    }
    fake.hook(is("alert.read")).await;
    // What bob reads without a receipt was received and seen as well; it comes after all that ann's devices said.
    let mut bob = server.socket("bob").await;
    let other = server.alert("bob", 1).await;
    bob.send(json!({"type": "read", "data": {"ids": [other]}})).await;
    fake.hook(|hook| hook.body["type"] == "alert.read" && hook.body["data"]["user"] == "bob").await;
    eventually("an empty queue", || async { (get(&server).await["waiting"] == 0).then_some(()) }).await;
    let mut told: Vec<String> = fake
        .hooks()
        .iter()
        .map(|hook| format!("{} {}", hook.body["data"]["user"], hook.body["type"]).replace('"', ""))
        .collect();
    told.sort();
    let each = |name: &str| ["read", "received", "seen"].map(|what| format!("{name} alert.{what}"));
    assert_eq!(told, [each("ann"), each("bob")].concat());
    assert_eq!(fake.violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_taken_comes_again_with_the_same_id_also_after_a_restart() {
    let (mut server, fake) = wired().await;
    make(&server, &fake, &["accepted"]).await;
    fake.once(Act::status(503, "not now"));
    publish(&server, &json!({"to": {"user": "ann"}, "kind": "deal", "title": "A deal"})).await;
    let failing = eventually("a failed call that is written down", || async {
        let row = get(&server).await;
        row["failing_since"].is_string().then_some(row)
    })
    .await;
    assert_eq!((&failing["waiting"], fake.requests(), fake.hooks().len()), (&json!(1), 1, 0));
    server.restart().await;
    let hook = fake.hook(|_| true).await;
    assert_eq!(fake.requests(), 2);
    let row = eventually("an empty queue", || async {
        let row = get(&server).await;
        (row["waiting"] == 0).then_some(row)
    })
    .await;
    assert_eq!(row["failing_since"], Value::Null);
    assert_eq!(hook.body["type"], "alert.accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_secret_signs_beside_the_old_one() {
    let (server, fake) = wired().await;
    make(&server, &fake, &["sent"]).await;
    let rotated = server.call(Method::POST, "/v1/webhooks/crm/rotate", &json!({})).await.expect(200).json();
    let test = server.call(Method::POST, "/v1/webhooks/crm/test", &json!({})).await.expect(202).json();
    // The application knows the old one only, as yet.
    let hook = fake.hook(is("webhook.test")).await;
    assert_eq!((hook.signatures, json!(hook.id)), (2, test["webhook_id"].clone()));
    assert!(rotated["secret"].as_str().is_some_and(|secret| secret.starts_with("whsec_")));
    assert_eq!(get(&server).await.get("secret"), None, "it is shown once");
    assert_eq!(fake.violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_says_410_is_left_alone_until_it_is_enabled_again() {
    let (server, fake) = wired().await;
    make(&server, &fake, &["accepted"]).await;
    fake.once(Act::status(410, ""));
    let alert = json!({"to": {"user": "ann"}, "kind": "deal", "title": "A deal"});
    let id = publish(&server, &alert).await;
    let row = eventually("a disabled endpoint", || async {
        let row = get(&server).await;
        (row["enabled"] == false).then_some(row)
    })
    .await;
    assert_eq!((&row["disabled_reason"], &row["waiting"]), (&json!("gone"), &json!(1)));
    publish(&server, &alert).await;
    assert_eq!((fake.requests(), &get(&server).await["waiting"]), (1, &json!(1)));
    let enabled = put(&server, "crm", &json!({"url": fake.url(), "events": ["accepted"]}), 200).await;
    assert_eq!((&enabled["enabled"], &enabled["disabled_reason"]), (&json!(true), &Value::Null));
    assert_eq!(fake.hook(|_| true).await.body["data"]["alert"], id);
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_made_listed_and_deleted_and_bad_ones_refused() {
    let (server, fake) = wired().await;
    let refused = async |body: &Value, pointer: &str| {
        let answer = server.call(Method::PUT, "/v1/webhooks/crm", body).await;
        assert_eq!(answer.expect_problem(422, "field-invalid").pointers(), [pointer], "{body}");
    };
    for url in ["http://app.example.com/hook", "https://127.0.0.1/hook", "https://10.0.0.7/hook", "nonsense"]
    {
        refused(&json!({"url": url, "events": ["sent"]}), "/url").await;
    }
    refused(&json!({"url": fake.url(), "events": []}), "/events").await;
    refused(&json!({"url": fake.url(), "events": ["eaten"]}), "/events/0").await;
    for (method, path) in [
        (Method::GET, "/v1/webhooks/crm"),
        (Method::DELETE, "/v1/webhooks/crm"),
        (Method::POST, "/v1/webhooks/crm/rotate"),
        (Method::POST, "/v1/webhooks/crm/test"),
    ] {
        server.call(method, path, &json!({})).await.expect_problem(404, "webhook-unknown");
    }
    make(&server, &fake, &["sent", "accepted"]).await;
    let all = server.get("/v1/webhooks").await.expect(200).json();
    assert_eq!(all["webhooks"][0]["events"], json!(["accepted", "sent"]));
    assert_eq!(all["webhooks"].as_array().map(Vec::len), Some(1));
    for number in 1..20 {
        put(&server, &format!("hook-{number}"), &json!({"url": fake.url(), "events": ["sent"]}), 201).await;
    }
    let more = json!({"url": fake.url(), "events": ["sent"]});
    server.call(Method::PUT, "/v1/webhooks/more", &more).await.expect_problem(422, "too-many-webhooks");
    server.call(Method::DELETE, "/v1/webhooks/crm", &json!({})).await.expect(204);
    put(&server, "more", &more, 201).await;
    server.user_get("ann", "/v1/webhooks").await.expect_problem(401, "unauthorized");
}
