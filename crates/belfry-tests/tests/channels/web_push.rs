//! Web Push against a push service with browsers behind it.

use belfry_channels::{
    Action, Address, Channel, GuardOptions, Notice, Receipt, RetryScope, SendError, VapidKey, WebPush,
    WebPushOptions,
};
use belfry_protocol::{AlertId, Severity, UserId};
use belfry_tests::fakes::web_push::{Act, FakeWebPush, Subscription};
use belfry_tests::within;
use jiff::{SignedDuration, Timestamp};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde_json::json;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const NOW: &str = "2026-11-23T14:00:00Z";

fn now() -> Timestamp {
    NOW.parse().expect("is sound")
}

pub(crate) fn notice() -> Notice {
    Notice {
        alert: AlertId::from_parts(1, 7),
        user: UserId::new("ann").expect("is sound"),
        kind: "order-shipped".to_owned(),
        category: "orders".to_owned(),
        severity: Severity::Critical,
        title: "Größe 42 ist unterwegs".to_owned(),
        body: Some("Zwei Pakete".to_owned()),
        html: None,
        link: Some("https://shop.example/orders/77".to_owned()),
        image: None,
        actions: Vec::new(),
        data: Some(r#"{"order":77}"#.to_owned()),
        thread: Some("order-77".to_owned()),
        tag: "b3JkZXItNzc".to_owned(),
        unread: 3,
        quiet: false,
        expires_at: None,
        created_at: now(),
        locale: Some("de".to_owned()),
        time_zone: None,
        receipt_url: Some("https://shop.example/v1/receipts/signed".to_owned()),
        unsubscribe_url: None,
        items: Vec::new(),
    }
}

fn options(fake: &FakeWebPush) -> WebPushOptions {
    WebPushOptions {
        subject: Some("mailto:push@shop.example".to_owned()),
        ttl: Duration::from_secs(86_400),
        guard: GuardOptions { private_hosts: vec![fake.authority()], ..GuardOptions::default() },
        ca_file: Some(fake.ca_file()),
        ..WebPushOptions::new(VapidKey::generate().private_key())
    }
}

/// A push service, and a channel that may go to it.
struct Wired {
    fake: FakeWebPush,
    push: WebPush,
    browser: Subscription,
}

async fn wired_with(change: impl FnOnce(WebPushOptions) -> WebPushOptions) -> Wired {
    let fake = FakeWebPush::start().await;
    fake.set_now(now());
    let push = WebPush::new(change(options(&fake))).expect("is sound");
    let browser = fake.subscribe(push.key().public_key());
    Wired { fake, push, browser }
}

async fn wired() -> Wired {
    wired_with(|options| options).await
}

impl Wired {
    async fn send(&self) -> Result<Receipt, SendError> {
        self.send_to(&self.browser.address(None)).await
    }

    async fn send_to(&self, address: &Address) -> Result<Receipt, SendError> {
        within("an outcome", self.push.send(&notice(), address, now())).await
    }

    async fn refused(&self, act: Act) -> SendError {
        self.fake.once(act);
        self.send().await.expect_err("is refused")
    }
}

#[tokio::test]
async fn a_browser_reads_what_was_sent_and_its_push_service_knows_who_sent_it() {
    let wired = wired().await;
    let receipt = wired.send().await.unwrap();
    assert_eq!(receipt.said, "201");
    let push = wired.fake.push_to(&wired.browser).await;
    assert_eq!(
        push.payload,
        json!({
            "web_push": 8030,
            "notification": {
                "title": "Größe 42 ist unterwegs",
                "body": "Zwei Pakete",
                "navigate": "https://shop.example/orders/77",
                "lang": "de",
                "dir": "ltr",
                "tag": "b3JkZXItNzc",
                "silent": false,
                "requireInteraction": true,
                "timestamp": now().as_millisecond(),
                "data": { "order": 77 },
            },
            "app_badge": 3,
            "belfry": {
                "id": notice().alert.to_string(),
                "user": "ann",
                "receipt": "https://shop.example/v1/receipts/signed",
            },
        })
    );
    assert_eq!(
        (push.ttl, push.urgency.as_deref(), push.topic.as_deref()),
        (86_400, Some("high"), Some("b3JkZXItNzc"))
    );
    assert_eq!(push.claims.aud, format!("https://{}", wired.fake.authority()));
    assert_eq!(push.claims.sub.as_deref(), Some("mailto:push@shop.example"));
    assert_eq!(push.server_key, wired.push.key().public_key());
    assert_eq!(push.version, reqwest::Version::HTTP_2);
    assert_eq!(wired.fake.violations(), [""; 0]);
}

#[tokio::test]
async fn many_pushes_share_one_connection_and_one_token() {
    let wired = wired().await;
    wired.send().await.unwrap();
    let browsers: Vec<_> =
        (0..50).map(|_| wired.fake.subscribe(wired.push.key().public_key()).address(None)).collect();
    let sent = futures_util::future::join_all(browsers.iter().map(|address| wired.send_to(address))).await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    assert_eq!(wired.fake.pushes().len(), 51);
    assert_eq!((wired.fake.connections(), wired.fake.different_tokens()), (1, 1));
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_not_every_hour() {
    let wired = wired().await;
    let address = wired.browser.address(None);
    for hour in 0..24 {
        let now = now() + SignedDuration::from_hours(hour);
        wired.fake.set_now(now);
        within("an outcome", wired.push.send(&notice(), &address, now)).await.unwrap();
    }
    assert_eq!(wired.fake.different_tokens(), 3);
    assert_eq!(wired.fake.violations(), [""; 0]);
}

#[tokio::test]
async fn old_subscriptions_go_on_with_their_old_key() {
    let old = VapidKey::generate();
    let wired =
        wired_with(|options| WebPushOptions { old_private_keys: vec![old.private_key()], ..options }).await;
    let browser = wired.fake.subscribe(old.public_key());
    wired.send_to(&browser.address(Some(old.id()))).await.unwrap();
    assert_eq!(wired.fake.push_to(&browser).await.server_key, old.public_key());
    // With any other key it is no use any more, and the browser makes a new one.
    let error = wired.send_to(&browser.address(None)).await.unwrap_err();
    assert_eq!(
        (error.action, error.reason.as_str(), error.gone_at),
        (Action::Gone, "vapid-key-mismatch", Some(now()))
    );
}

#[tokio::test]
async fn every_answer_leads_to_its_action() {
    use Action::{Gone, Misconfigured, Refused, Rejected, Retry};
    let apple = |reason: &str| json!({ "reason": reason }).to_string();
    let mozilla = |errno: u64| json!({ "errno": errno, "message": "what it says" }).to_string();
    let google = "the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions.";
    for (status, body, action, reason) in [
        (404, String::new(), Gone, "gone"),
        (410, mozilla(106), Gone, "gone"),
        (400, apple("VapidPkHashMismatch"), Gone, "vapid-key-mismatch"),
        (403, google.to_owned(), Gone, "vapid-key-mismatch"),
        (401, mozilla(109), Misconfigured, "vapid-refused"),
        (403, apple("BadJwtToken"), Misconfigured, "vapid-refused"),
        (400, apple("BadWebPushTopic"), Rejected, "bad-request"),
        (400, mozilla(110), Rejected, "bad-request"),
        (406, String::new(), Retry, "throttled"),
        (429, String::new(), Retry, "throttled"),
        (500, String::new(), Retry, "unavailable"),
        (502, "<html>".to_owned(), Retry, "unavailable"),
        (503, mozilla(201), Retry, "unavailable"),
        (307, String::new(), Refused, "redirect"),
    ] {
        let wired = wired().await;
        let error = wired.refused(Act::status(status, body.clone())).await;
        assert_eq!(
            (error.action, error.reason.as_str(), error.status),
            (action, reason, Some(status)),
            "{status} {body}"
        );
        assert_eq!((wired.fake.requests(), wired.fake.pushes().len()), (1, 0), "{status} {body}");
        assert_eq!(error.gone_at.is_some(), action == Gone);
    }
}

#[tokio::test]
async fn a_refusal_after_the_same_token_was_taken_stops_nobody_else() {
    let wired = wired().await;
    wired.send().await.unwrap();
    let error = wired.refused(Act::status(401, "")).await;
    assert_eq!((error.action, error.alarm), (Action::Refused, true));
    wired.send().await.unwrap();
}

#[tokio::test]
async fn a_browser_that_unsubscribed_is_gone() {
    let wired = wired().await;
    wired.fake.unsubscribe(&wired.browser);
    let error = wired.send().await.unwrap_err();
    assert_eq!((error.action, error.status), (Action::Gone, Some(410)));
    assert_eq!(error.said, "410 No such subscription (errno 106)");
}

#[tokio::test]
async fn what_is_too_large_is_sent_once_more_as_id_and_title() {
    let wired = wired().await;
    wired.fake.once(Act::status(413, ""));
    wired.send().await.unwrap();
    let pushes = wired.fake.pushes();
    let [push] = pushes.as_slice() else { panic!("{pushes:?}") };
    assert_eq!(push.payload["belfry"]["id"], notice().alert.to_string());
    assert_eq!(push.payload["notification"]["title"], notice().title);
    assert!(push.payload["notification"]["body"].is_null() && push.payload["notification"]["data"].is_null());
    assert_eq!((wired.fake.requests(), push.topic.as_deref()), (2, Some("b3JkZXItNzc")));

    wired.fake.once(Act::status(413, ""));
    let error = wired.refused(Act::status(413, "")).await;
    assert_eq!(
        (error.action, error.reason.as_str(), wired.fake.requests()),
        (Action::Rejected, "too-large", 4)
    );
}

#[tokio::test]
async fn a_notice_of_any_size_fits() {
    let wired = wired().await;
    let huge = Notice {
        title: "t".repeat(4_000),
        body: Some("ß".repeat(50_000)),
        data: Some(json!({ "text": "d".repeat(16_000) }).to_string()),
        ..notice()
    };
    let address = wired.browser.address(None);
    within("an outcome", wired.push.send(&huge, &address, now())).await.unwrap();
    assert!(wired.fake.push_to(&wired.browser).await.payload_bytes <= 2_048);
}

#[tokio::test]
async fn a_push_service_that_says_at_once_is_asked_again_at_once() {
    let wired = wired().await;
    let again = || Act::status(503, json!({ "errno": 202 }).to_string());
    wired.fake.once(again());
    wired.send().await.unwrap();
    assert_eq!((wired.fake.requests(), wired.fake.pushes().len()), (2, 1));
    wired.fake.once(again());
    let error = wired.refused(again()).await;
    assert_eq!((error.action, wired.fake.requests()), (Action::Retry, 4));
}

#[tokio::test]
async fn a_push_service_that_asks_to_wait_is_waited_for_and_another_is_not() {
    let other = FakeWebPush::start().await;
    other.set_now(now());
    let mut hosts = vec![other.authority()];
    let folder = tempfile::tempdir().unwrap();
    let both = folder.path().join("ca.pem");
    let wired = wired_with(|options| {
        let cas = [options.ca_file.clone().unwrap(), other.ca_file()];
        let pem: Vec<String> = cas.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        std::fs::write(&both, pem.concat()).unwrap();
        hosts.extend(options.guard.private_hosts.clone());
        let guard = GuardOptions { private_hosts: hosts, ..options.guard.clone() };
        WebPushOptions { guard, ca_file: Some(both.clone()), ..options }
    })
    .await;
    let error = wired.refused(Act::wait(429, 30)).await;
    assert_eq!(
        (error.action, error.retry_after, error.scope),
        (Action::Retry, Some(Duration::from_secs(30)), RetryScope::Address)
    );
    let second = wired.fake.subscribe(wired.push.key().public_key()).address(None);
    let error = wired.send_to(&second).await.unwrap_err();
    assert_eq!((error.action, error.reason.as_str(), wired.fake.requests()), (Action::Retry, "held", 1));
    assert_eq!(error.retry_after, Some(Duration::from_secs(30)));
    let elsewhere = other.subscribe(wired.push.key().public_key()).address(None);
    wired.send_to(&elsewhere).await.unwrap();
    let later = now() + SignedDuration::from_secs(30);
    within("an outcome", wired.push.send(&notice(), &second, later)).await.unwrap();
}

#[tokio::test]
async fn silence_ends_the_call_and_is_tried_again_later() {
    let wired = wired_with(|options| WebPushOptions { timeout: Duration::from_millis(400), ..options }).await;
    for act in [Act::TakeAndHang, Act::Hang] {
        let error = wired.refused(act).await;
        assert_eq!((error.action, error.reason.as_str()), (Action::Retry, "timeout"));
    }
    assert_eq!((wired.fake.requests(), wired.fake.pushes().len()), (2, 1));
}

#[tokio::test]
async fn nobody_listening_is_an_outage_and_deletes_nothing() {
    let wired = wired().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = Address::WebPush {
        endpoint: format!("https://{free}/push/1"),
        p256dh: wired.browser.p256dh.clone(),
        auth: wired.browser.auth.clone(),
        vapid_key_id: None,
    };
    let guard = GuardOptions { private_hosts: vec![free.to_string()], ..GuardOptions::default() };
    let push = WebPush::new(WebPushOptions { guard, ..options(&wired.fake) }).unwrap();
    let error = within("an outcome", push.send(&notice(), &gone, now())).await.unwrap_err();
    assert_eq!((error.action, error.reason.as_str()), (Action::Retry, "unreachable"));
    // It concerns this push service alone, which is left in peace for a while.
    assert_eq!(error.scope, RetryScope::Address);
    let error = within("an outcome", push.send(&notice(), &gone, now())).await.unwrap_err();
    assert_eq!((error.reason.as_str(), error.retry_after), ("held", Some(Duration::from_secs(10))));
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_no_push_service() {
    let (wired, other) = (wired().await, FakeWebPush::start().await);
    let push =
        WebPush::new(WebPushOptions { ca_file: Some(other.ca_file()), ..options(&wired.fake) }).unwrap();
    let browser = wired.fake.subscribe(push.key().public_key()).address(None);
    let error = within("an outcome", push.send(&notice(), &browser, now())).await.unwrap_err();
    assert_eq!((error.action, error.reason.as_str()), (Action::Misconfigured, "certificate"));
    assert_eq!(wired.fake.requests(), 0);
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let (wired, inside) = (wired().await, FakeWebPush::start().await);
    for status in [301, 302, 303, 307, 308] {
        let error =
            wired.refused(Act::redirect(status, format!("https://{}/push/x", inside.authority()))).await;
        assert_eq!((error.action, error.reason.as_str()), (Action::Refused, "redirect"), "{status}");
    }
    assert_eq!((inside.connections(), inside.requests()), (0, 0));
}

/// Answers one list after the other, the last one for ever.
struct Scripted(Mutex<Vec<Vec<IpAddr>>>);

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let ips = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().expect("is sound")).collect();
        Arc::new(Self(Mutex::new(answers.iter().map(ips).collect())))
    }
}

impl Resolve for Scripted {
    fn resolve(&self, _: Name) -> Resolving {
        let mut answers = self.0.lock().expect("is sound");
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        let found: Vec<_> = answer.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect();
        Box::pin(async move { Ok(Box::new(found.into_iter()) as Addrs) })
    }
}

/// A push service that is named `push.example.com`, which leads where the resolver says.
async fn named(resolver: Arc<Scripted>) -> (Wired, Address) {
    let wired = wired_with(|mut options| {
        let port = options.guard.private_hosts[0].rsplit_once(':').expect("is sound").1.to_owned();
        options.guard = GuardOptions {
            hosts: vec![format!("push.example.com:{port}")],
            private_hosts: Vec::new(),
            resolver: Some(resolver),
        };
        options
    })
    .await;
    let address = Address::WebPush {
        endpoint: format!("https://push.example.com:{}/push/{}", wired.fake.port(), wired.browser.id),
        p256dh: wired.browser.p256dh.clone(),
        auth: wired.browser.auth.clone(),
        vapid_key_id: None,
    };
    (wired, address)
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_connected_to() {
    for inside in [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
    ] {
        let (wired, address) = named(Scripted::new(&[&[inside]])).await;
        let error = wired.send_to(&address).await.unwrap_err();
        assert_eq!((error.action, error.reason.as_str()), (Action::Refused, "not-public"), "{inside}");
        assert_eq!(wired.fake.connections(), 0, "{inside}");
    }
}

#[tokio::test]
async fn a_name_that_led_outside_when_it_was_registered_and_leads_inside_later_is_not_connected_to() {
    let resolver = Scripted::new(&[&["8.8.8.8"], &["127.0.0.1"]]);
    let (wired, address) = named(Arc::clone(&resolver)).await;
    let Address::WebPush { endpoint, p256dh, auth, .. } = &address else { unreachable!("it is made so") };
    wired.push.check_subscription(endpoint, p256dh, auth, None).unwrap();
    let first: Vec<_> = resolver.resolve("push.example.com".parse().unwrap()).await.unwrap().collect();
    assert!(belfry_channels::is_public(first[0].ip()));
    let error = wired.send_to(&address).await.unwrap_err();
    assert_eq!((error.action, error.reason.as_str()), (Action::Refused, "not-public"));
    assert_eq!(wired.fake.connections(), 0);
}

#[tokio::test]
async fn an_endpoint_with_an_address_inside_is_not_connected_to() {
    let wired = wired_with(|mut options| {
        options.guard = GuardOptions { hosts: vec!["*".to_owned()], ..GuardOptions::default() };
        options
    })
    .await;
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
    ] {
        for endpoint in
            [format!("https://{host}/push/1"), format!("https://{host}:{}/push/1", wired.fake.port())]
        {
            let address = Address::WebPush {
                endpoint: endpoint.clone(),
                p256dh: wired.browser.p256dh.clone(),
                auth: wired.browser.auth.clone(),
                vapid_key_id: None,
            };
            let error = wired.send_to(&address).await.unwrap_err();
            assert_eq!((error.action, error.reason.as_str()), (Action::Refused, "not-public"), "{endpoint}");
        }
    }
    assert_eq!(wired.fake.connections(), 0);
}

#[tokio::test]
async fn the_doctor_says_which_push_services_cannot_be_reached() {
    let wired = wired_with(|mut options| {
        options.probe_urls = vec![format!("https://{}/", options.guard.private_hosts[0])];
        options
    })
    .await;
    let found = within("an outcome", wired.push.check(now())).await.unwrap();
    assert_eq!(found, format!("key {}; 1 push services can be reached", wired.push.key().id()));
    assert_eq!(wired.fake.pushes().len(), 0);
    let other = FakeWebPush::start().await;
    let options = WebPushOptions {
        probe_urls: vec![format!("https://{}/", wired.fake.authority())],
        ca_file: Some(other.ca_file()),
        ..options(&wired.fake)
    };
    let error = within("an outcome", WebPush::new(options).unwrap().check(now())).await.unwrap_err();
    assert_eq!((error.action, error.reason.as_str()), (Action::Misconfigured, "certificate"));
    assert!(error.said.starts_with("127.0.0.1 cannot be reached: "), "{}", error.said);
}
