//! Webhooks against an application that checks their signatures.

use crate::web_push::notice;
use belfry_channels::standard_webhooks::SigningSecret;
use belfry_channels::{
    Action, Channel, Guard, GuardOptions, Notice, Poster, Receipt, RetryScope, SendError, Webhook,
    WebhookOptions,
};
use belfry_tests::fakes::webhook::{Act, FakeWebhook};
use belfry_tests::within;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::time::Duration;

fn now() -> Timestamp {
    "2026-11-23T14:00:00Z".parse().expect("is sound")
}

struct Wired {
    fake: FakeWebhook,
    webhook: Webhook,
}

/// An application that knows the first secret, and a channel that signs with all of them.
async fn wired_with(known: &SecretString, signing: &[&SecretString]) -> Wired {
    let fake = FakeWebhook::start(&[known.expose_secret()]).await;
    fake.set_now(now());
    let options = WebhookOptions {
        url: fake.url(),
        secret: signing[0].clone(),
        old_secrets: signing[1..].iter().map(|secret| (*secret).clone()).collect(),
        ca_file: Some(fake.ca_file()),
    };
    let webhook = Webhook::new(&options).expect("is sound");
    Wired { fake, webhook }
}

async fn wired() -> Wired {
    let secret = SigningSecret::generate();
    wired_with(&secret, &[&secret]).await
}

impl Wired {
    async fn send(&self) -> Result<Receipt, SendError> {
        self.send_notice(&notice()).await
    }

    async fn send_notice(&self, notice: &Notice) -> Result<Receipt, SendError> {
        within("an outcome", self.webhook.send(notice, &self.webhook.address(), now())).await
    }
}

#[tokio::test]
async fn the_application_gets_the_notice_and_can_tell_who_sent_it() {
    let wired = wired().await;
    assert_eq!(wired.send().await.unwrap().said, "204");
    let hook = wired.fake.hook(|_| true).await;
    assert_eq!(hook.timestamp, now().as_second());
    assert_eq!((hook.signatures, hook.path.as_str()), (1, "/hooks/belfry"));
    assert_eq!(hook.body["type"], "alert.notice");
    assert_eq!(hook.body["timestamp"], "2026-11-23T14:00:00Z");
    let data = &hook.body["data"];
    assert_eq!(data["id"], notice().alert.to_string());
    assert_eq!(
        (&data["user"], &data["kind"], &data["severity"]),
        (&json!("ann"), &json!("order-shipped"), &json!("critical"))
    );
    assert_eq!((&data["title"], &data["data"]), (&json!("Größe 42 ist unterwegs"), &json!({ "order": 77 })));
    assert_eq!(wired.fake.violations(), [""; 0]);
}

#[tokio::test]
async fn a_second_try_has_the_same_id_and_another_notice_another() {
    let wired = wired().await;
    wired.fake.once(Act::status(503, ""));
    assert_eq!(wired.send().await.unwrap_err().action, Action::Retry);
    wired.send().await.unwrap();
    wired.send().await.unwrap();
    wired.send_notice(&Notice { user: "ben".parse().unwrap(), ..notice() }).await.unwrap();
    let ids: Vec<String> = wired.fake.hooks().into_iter().map(|hook| hook.id).collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

#[tokio::test]
async fn a_secret_can_be_changed_without_a_moment_in_which_nothing_fits() {
    let (old, new) = (SigningSecret::generate(), SigningSecret::generate());
    for known in [&old, &new] {
        let wired = wired_with(known, &[&new, &old]).await;
        wired.send().await.unwrap();
        assert_eq!(wired.fake.hook(|_| true).await.signatures, 2);
    }
    let wired = wired_with(&old, &[&new]).await;
    let error = wired.send().await.unwrap_err();
    assert_eq!(
        (error.action, error.reason.as_str(), error.alarm),
        (Action::Misconfigured, "unauthorized", true)
    );
    assert_eq!(wired.fake.violations(), ["no signature fits"]);
}

#[tokio::test]
async fn every_answer_leads_to_its_action() {
    use Action::{Gone, Misconfigured, Rejected, Retry};
    for (status, action) in [
        (301, Misconfigured),
        (403, Misconfigured),
        (404, Retry),
        (410, Gone),
        (422, Rejected),
        (429, Retry),
        (500, Retry),
    ] {
        let wired = wired().await;
        wired.fake.once(Act::status(status, "a secret"));
        let error = wired.send().await.unwrap_err();
        assert_eq!((error.action, error.status), (action, Some(status)));
        assert_eq!(error.said, status.to_string(), "its body may repeat what was posted");
        assert_eq!(wired.fake.hooks().len(), 0);
    }
    let wired = wired().await;
    wired.fake.once(Act::wait(429, 7));
    let error = wired.send().await.unwrap_err();
    assert_eq!((error.retry_after, error.scope), (Some(Duration::from_secs(7)), RetryScope::Provider));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (wired, elsewhere) = (wired().await, wired().await);
    wired.fake.once(Act::redirect(307, elsewhere.fake.url()));
    let error = wired.send().await.unwrap_err();
    assert_eq!((error.action, error.reason.as_str()), (Action::Misconfigured, "redirect"));
    assert_eq!(elsewhere.fake.connections(), 0);
}

#[tokio::test]
async fn an_endpoint_that_somebody_else_registered_cannot_lead_inside() {
    let fake = FakeWebhook::start(&[]).await;
    let guard = |private_hosts| {
        let options = GuardOptions { hosts: vec!["*".to_owned()], private_hosts, resolver: None };
        Guard::new(&options, "webhooks.allowed_hosts", "webhooks.private_hosts").unwrap()
    };
    let ca_file = fake.ca_file();
    let secrets = [SigningSecret::parse(&SigningSecret::generate()).unwrap()];
    let post = async |poster: &Poster| {
        within("an outcome", poster.post(&fake.url(), "evt_1", b"{}".to_vec(), &secrets, now())).await
    };
    let poster = Poster::new(guard(Vec::new()), "webhooks.ca_file", Some(&ca_file)).unwrap();
    assert!(poster.check_endpoint(&fake.url()).is_err());
    let error = post(&poster).await.unwrap_err();
    assert_eq!((error.action, error.reason.as_str(), fake.connections()), (Action::Refused, "not-public", 0));
    // The same, listed: it is the list that decides.
    let poster = Poster::new(guard(vec![fake.authority()]), "webhooks.ca_file", Some(&ca_file)).unwrap();
    fake.once(Act::status(204, ""));
    post(&poster).await.unwrap();
    assert_eq!(fake.requests(), 1);
}

#[tokio::test]
async fn the_doctor_looks_whether_the_endpoint_is_there_and_posts_nothing() {
    let wired = wired().await;
    let found = within("an outcome", wired.webhook.check(now())).await.unwrap();
    assert_eq!(found, "127.0.0.1 answers; 1 signatures");
    assert_eq!((wired.fake.hooks().len(), wired.fake.violations().len()), (0, 0));
}
