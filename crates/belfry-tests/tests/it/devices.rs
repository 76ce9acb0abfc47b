//! Devices: registered by their users, moved with their address, reported from without another credential.

use belfry_protocol::device::DEVICES_PER_USER_MAX;
use belfry_protocol::{AlertId, DeviceId, UserId};
use belfry_server::clock;
use belfry_store::UnixMs;
use belfry_tests::caller::{Answer, numbered};
use belfry_tests::{TestServer, eventually};
use http::Method;
use serde_json::{Value, json};

fn phone(token: &str) -> Value {
    json!({"provider": "fcm", "token": token, "locale": "de", "time_zone": "Europe/Berlin", "app_version": "4.2.1"})
}

fn browser(endpoint: &str) -> Value {
    json!({
        "provider": "webpush",
        "endpoint": endpoint,
        "keys": {
            "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "auth": "BTBZMqHH6r4Tts7J_aSIgg"
        }
    })
}

async fn register(server: &TestServer, user: &str, id: &str, body: &Value) -> Answer {
    server.user_call(user, Method::PUT, &format!("/v1/devices/{id}"), body).await
}

async fn ids(server: &TestServer, user: &str) -> Vec<String> {
    let answer = server.user_get(user, "/v1/devices").await.expect(200).json();
    let devices = answer["devices"].as_array().expect("a list").clone();
    devices.iter().map(|device| device["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_registered_listed_without_its_secret_and_forgotten() {
    let server = TestServer::start().await;
    let answer =
        register(&server, "ann", "phone%2F1", &phone("secret-token-0123456789")).await.expect(200).json();
    assert_eq!((&answer["id"], &answer["provider"]), (&json!("phone/1"), &json!("fcm")));
    assert_eq!(answer["address"], "…456789");
    assert_eq!((&answer["accepted_at"], &answer["failure"]), (&Value::Null, &Value::Null));
    assert_eq!((&answer["locale"], &answer["time_zone"]), (&json!("de"), &json!("Europe/Berlin")));
    register(&server, "ann", "browser", &browser("https://push.example.net/wpush/secret-of-ann"))
        .await
        .expect(200);
    let list = server.user_get("ann", "/v1/devices").await.expect(200);
    assert!(!list.text.contains("secret"), "{}", list.text);
    assert_eq!(ids(&server, "ann").await, ["browser", "phone/1"]);
    assert_eq!(ids(&server, "bob").await, [] as [&str; 0]);
    let forget =
        |user: &'static str| server.send(server.as_user(user, Method::DELETE, "/v1/devices/browser"));
    forget("bob").await.expect_problem(404, "device-unknown");
    forget("ann").await.expect(204);
    forget("ann").await.expect_problem(404, "device-unknown");
    assert_eq!(ids(&server, "ann").await, ["phone/1"]);
    // What is stored of a person, they may have.
    let export = server.get("/v1/users/ann/export").await.expect(200).lines();
    assert_eq!(export[0]["user"]["devices"][0]["address"]["token"], "secret-token-0123456789");
    server.send(server.as_back_end(Method::DELETE, "/v1/users/ann")).await.expect(204);
    assert_eq!(ids(&server, "ann").await, [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_follows_whoever_registers_it_and_support_sees_the_move() {
    let server = TestServer::start().await;
    let shared = phone("the-familys-phone-token");
    register(&server, "ann", "phone", &shared).await.expect(200);
    register(&server, "bob", "kitchen", &shared).await.expect(200);
    assert_eq!((ids(&server, "ann").await, ids(&server, "bob").await), (vec![], vec!["kitchen".to_owned()]));
    let of_ann = server.get("/v1/users/ann/devices").await.expect(200).json();
    assert_eq!(of_ann["devices"], json!([]));
    let moved = &of_ann["moves"][0];
    assert_eq!(
        (&moved["device"], &moved["direction"], &moved["user"]),
        (&json!("phone"), &json!("went"), &json!("bob"))
    );
    let of_bob = server.get("/v1/users/bob/devices").await.expect(200).json();
    assert_eq!(
        (&of_bob["devices"][0]["id"], &of_bob["moves"][0]["direction"]),
        (&json!("kitchen"), &json!("came"))
    );
    server.get("/v1/users/nobody/devices").await.expect_problem(404, "user-unknown");
    let delete = |path: &'static str| server.send(server.as_back_end(Method::DELETE, path));
    delete("/v1/users/ann/devices/kitchen").await.expect_problem(404, "device-unknown");
    delete("/v1/users/bob/devices/kitchen").await.expect(204);
    assert_eq!(ids(&server, "bob").await, [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_devices_are_refused_with_a_pointer_and_the_limit_is_said() {
    let server = TestServer::start().await;
    for (body, pointer) in [
        (json!({"provider": "fcm"}), "/token"),
        (json!({"provider": "fcm", "token": "a", "colour": 1}), "/colour"),
        (json!({"provider": "fcm", "token": "a", "endpoint": "https://push.example.net/"}), "/endpoint"),
        (json!({"provider": "pigeon", "token": "a"}), "/provider"),
        (json!({"provider": "fcm", "token": "a", "time_zone": "Berlin"}), "/time_zone"),
        (browser("http://push.example.net/a"), "/endpoint"),
        (browser("https://user:secret@push.example.net/a"), "/endpoint"),
    ] {
        let answer = register(&server, "ann", "phone", &body).await.expect_problem(422, "field-invalid");
        assert_eq!(answer.pointers(), [pointer], "{body}");
        assert!(!answer.text.contains("secret"), "{}", answer.text);
    }
    register(&server, "ann", "a%00b", &phone("a")).await.expect_problem(400, "id-invalid");
    let api_key = server.as_back_end(Method::PUT, "/v1/devices/phone").json(&phone("a"));
    server.send(api_key).await.expect_problem(401, "unauthorized");
    for n in 0..DEVICES_PER_USER_MAX {
        register(&server, "ann", &format!("device-{n}"), &phone(&format!("token-{n}"))).await.expect(200);
    }
    register(&server, "ann", "more", &phone("more")).await.expect_problem(422, "too-many-devices");
    register(&server, "ann", "device-7", &phone("renewed")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_web_push_says_so() {
    let server = TestServer::start().await;
    server.user_get("ann", "/v1/web-push/key").await.expect_problem(404, "provider-not-configured");
    server.get("/v1/web-push/key").await.expect_problem(401, "unauthorized");
}

// ---- receipts

fn receipt(server: &TestServer, alert: &str, expires_at: Option<UnixMs>) -> String {
    let alert: AlertId = alert.parse().expect("is an id");
    let (ann, phone) = (UserId::new("ann").expect("is one"), DeviceId::new("phone").expect("is one"));
    server.services().signer.receipt_token(alert, &ann, &phone, expires_at, clock::now().unix_ms())
}

async fn give(server: &TestServer, receipt: &str, body: &Value) -> Answer {
    server.send(server.http.post(server.at(&format!("/v1/receipts/{receipt}"))).json(body)).await
}

async fn level(server: &TestServer, alert: &str) -> Value {
    let trace = server.get(&format!("/v1/alerts/{alert}")).await.expect(200).json();
    trace["deliveries"]
        .as_array()
        .or(trace["recipients"].as_array())
        .map_or(trace.clone(), |all| all[0].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_raises_the_level_of_its_alert_alone() {
    let server = TestServer::start().await;
    let (alert, other) = (server.alert("ann", 1).await, server.alert("ann", 2).await);
    let token = receipt(&server, &alert, None);
    for (level_name, repeat) in [("received", 2), ("displayed", 2), ("received", 1)] {
        for _ in 0..repeat {
            give(&server, &token, &json!({"level": level_name})).await.expect(204);
        }
    }
    eventually("the level is displayed", || async {
        let trace = level(&server, &alert).await.to_string();
        trace.contains("displayed").then_some(())
    })
    .await;
    let untouched = level(&server, &other).await.to_string();
    assert!(!untouched.contains("displayed"), "{untouched}");
    assert_eq!(server.unread("ann").await, 2, "a receipt is no reading");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_says_acted_is_told_to_every_tab() {
    let server = TestServer::start().await;
    let mut tab = server.socket("ann").await;
    let alert = server.alert("ann", 1).await;
    tab.next_alert().await;
    let token = receipt(&server, &alert, None);
    give(&server, &token, &json!({"level": "acted"})).await.expect(204);
    let changed = tab.next_of_type("inbox-changed").await;
    assert_eq!(changed["data"]["changes"], json!([{"ids": [alert], "state": "acted"}]));
    give(&server, &token, &json!({"level": "acted"})).await.expect(204);
    tab.assert_silent().await;
    // After the person was erased an old push makes nobody anew.
    server.send(server.as_back_end(Method::DELETE, "/v1/users/ann")).await.expect(204);
    for level in ["received", "acted"] {
        give(&server, &token, &json!({"level": level})).await.expect(204);
    }
    server.services().store.flush().await.expect("flushes");
    server.get("/v1/users/ann").await.expect_problem(404, "user-unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_or_expired_receipt_and_a_wrong_body_are_refused() {
    let server = TestServer::start().await;
    let alert = server.alert("ann", 1).await;
    let token = receipt(&server, &alert, None);
    let body = json!({"level": "displayed"});
    let expired = receipt(&server, &alert, Some(UnixMs(clock::now().unix_ms().0 - 1)));
    let answer = give(&server, &expired, &body).await.expect_problem(403, "signature-invalid");
    assert!(answer.text.contains("expired"), "{}", answer.text);
    let unsubscribe =
        server.services().signer.unsubscribe_token(&UserId::new("ann").expect("is one"), "deals");
    for forged in [&token[..token.len() - 4], &format!("A{}", &token[1..]), "x", unsubscribe.as_str()] {
        let answer = give(&server, forged, &body).await.expect_problem(403, "signature-invalid");
        assert!(!answer.text.contains(forged) || forged == "x", "a receipt is not repeated");
    }
    for level in ["seen", "read", "nonsense"] {
        let answer =
            give(&server, &token, &json!({"level": level})).await.expect_problem(422, "field-invalid");
        assert_eq!(answer.pointers(), ["/level"]);
    }
    let text = server.http.post(server.at(&format!("/v1/receipts/{token}"))).body("{}");
    server.send(text).await.expect_problem(415, "content-type-unsupported");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_any_origin_may_give_a_receipt_and_nothing_else() {
    let server = TestServer::start().await;
    let alert = server.alert("ann", 1).await;
    let token = receipt(&server, &alert, None);
    let preflight = |path: String| {
        let request = server.http.request(Method::OPTIONS, server.at(&path));
        let asks = request.header("Access-Control-Request-Method", "POST");
        server.send(asks.header("Origin", "https://somewhere.example"))
    };
    let answer = preflight(format!("/v1/receipts/{token}")).await.expect(204);
    assert_eq!(answer.header("access-control-allow-origin"), "https://somewhere.example");
    assert!(answer.header("access-control-allow-methods").contains("POST"));
    assert!(answer.header("access-control-allow-headers").contains("content-type"));
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    let elsewhere = preflight("/v1/acks".to_owned()).await;
    assert_eq!(elsewhere.header("access-control-allow-origin"), "");
    let request =
        server.http.post(server.at(&format!("/v1/receipts/{token}"))).json(&json!({"level": "received"}));
    let answer = server.send(request.header("Origin", "https://somewhere.example")).await.expect(204);
    assert_eq!(answer.header("access-control-allow-origin"), "https://somewhere.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_have_a_rate_of_their_own_and_a_restart_keeps_them_good() {
    let mut server = TestServer::with(|config| {
        config.limits.requests_per_second_per_user = 1;
        config.limits.requests_burst_per_user = 3;
    })
    .await;
    let answer = server.publish(&numbered("ann", 1)).await.expect(202).json();
    let token = receipt(&server, answer["id"].as_str().expect("an id"), None);
    let mut refused = None;
    for _ in 0..20 {
        let answer = give(&server, &token, &json!({"level": "received"})).await;
        if answer.status != 204 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("20 at once are too many").expect_problem(429, "rate-limited");
    assert_ne!(refused.header("retry-after"), "");
    server.user_get("ann", "/v1/inbox/unread-count").await.expect(200);
    server.restart().await;
    give(&server, &token, &json!({"level": "received"})).await.expect(204);
}
