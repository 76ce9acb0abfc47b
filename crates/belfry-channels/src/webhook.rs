//! Signed JSON to the application's own endpoint.

use crate::guard::{Guard, GuardOptions, Refusal};
use crate::http_client::{
    Answer, CALL_DEADLINE, Connector, Failure, SetupError, Versions, exchange, timed_out,
};
use crate::standard_webhooks::{self, SigningSecret};
use crate::{Action, Address, Channel, DigestItem, Notice, Receipt, RetryScope, SendError};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use belfry_protocol::device::Provider;
use belfry_protocol::{AlertId, Severity};
use futures_util::future::BoxFuture;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use reqwest::{Client, Url};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::value::RawValue;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// What an endpoint's answer means: the first row that fits counts.
#[derive(Debug)]
struct Row {
    reason: &'static str,
    statuses: RangeInclusive<u16>,
    /// `None`: it has it.
    fails: Option<Action>,
    /// Somebody has to look at it, though it may work again.
    alarm: bool,
    scope: RetryScope,
}

const fn row(reason: &'static str, statuses: RangeInclusive<u16>, fails: Option<Action>) -> Row {
    Row { reason, statuses, fails, alarm: false, scope: RetryScope::Address }
}

static TABLE: &[Row] = &[
    row("accepted", 200..=299, None),
    // What is signed for one place is not carried to another.
    row("redirect", 300..=399, Some(Action::Misconfigured)),
    row("unauthorized", 401..=401, Some(Action::Misconfigured)),
    row("unauthorized", 403..=403, Some(Action::Misconfigured)),
    // Between two versions of an application its routes may be missing.
    Row { alarm: true, ..row("not-found", 404..=405, Some(Action::Retry)) },
    row("timeout", 408..=408, Some(Action::Retry)),
    // The specification's word for "never again".
    Row { alarm: true, ..row("gone", 410..=410, Some(Action::Gone)) },
    row("too-early", 425..=425, Some(Action::Retry)),
    Row { scope: RetryScope::Provider, ..row("throttled", 429..=429, Some(Action::Retry)) },
    row("bad-request", 400..=499, Some(Action::Rejected)),
    Row { scope: RetryScope::Provider, ..row("unavailable", 500..=599, Some(Action::Retry)) },
    row("unknown-answer", 0..=u16::MAX, Some(Action::Retry)),
];

fn find(status: u16) -> &'static Row {
    TABLE.iter().find(|row| row.statuses.contains(&status)).expect("the last row fits every answer")
}

/// Posts signed bodies to endpoints that the guard lets through.
#[derive(Debug)]
pub struct Poster {
    client: Client,
    guard: Guard,
}

impl Poster {
    /// Checks the settings. `ca_file`: trusted instead of the certificates that the system trusts.
    pub fn new(guard: Guard, ca_file_key: &'static str, ca_file: Option<&Path>) -> Result<Self, SetupError> {
        let connector = Connector::new(ca_file_key, ca_file, Versions::Negotiated, &[])?;
        Ok(Self { client: connector.finish(guard.restrict(connector.builder()))?, guard })
    }

    /// Whether this URL may be called: for the moment when it is registered.
    pub fn check_endpoint(&self, url: &str) -> Result<(), Refusal> {
        self.guard.check_endpoint(url).map(|_| ())
    }

    /// Posts a JSON body, signed with every secret. `id` is the same for every try, so that the receiver can tell a
    /// repeated one.
    pub async fn post(
        &self,
        url: &str,
        id: &str,
        body: Vec<u8>,
        secrets: &[SigningSecret],
        now: Timestamp,
    ) -> Result<Receipt, SendError> {
        let refused =
            |refusal: Refusal| SendError::new(Action::Refused, refusal.as_str(), refusal.to_string());
        let (url, _) = self.guard.check_endpoint(url).map_err(refused)?;
        let headers = standard_webhooks::headers(id, &body, secrets, now)
            .ok_or_else(|| SendError::new(Action::Rejected, "bad-id", "its id cannot stand in a header"))?;
        let json = HeaderValue::from_static("application/json");
        let request = self.client.post(url).headers(headers).header(CONTENT_TYPE, json).body(body);
        match tokio::time::timeout(CALL_DEADLINE, exchange(request, now)).await {
            Ok(answer) => conclude(&answer.map_err(Failure::into_error)?, now),
            Err(_) => Err(timed_out()),
        }
    }
}

fn conclude(answer: &Answer, now: Timestamp) -> Result<Receipt, SendError> {
    let row = find(answer.status);
    // Its body is not repeated: it may hold what was posted to it.
    let said = answer.status.to_string();
    let Some(action) = row.fails else {
        return Ok(Receipt { provider_id: None, said, moved_to: None });
    };
    let error = SendError::new(action, row.reason, said).with_status(answer.status);
    let error = error.with_wait(answer.retry_after, row.scope);
    Err(SendError {
        alarm: error.alarm || row.alarm,
        gone_at: (action == Action::Gone).then_some(now),
        ..error
    })
}

/// How notices go to the application's endpoint.
#[derive(Debug, Clone)]
pub struct WebhookOptions {
    /// Where to; the operator's own, so it may be private and speak plain http.
    pub url: String,
    /// Signs.
    pub secret: SecretString,
    /// Sign as well, until every receiver knows the new one.
    pub old_secrets: Vec<SecretString>,
    /// Trusted instead of the certificates that the system trusts.
    pub ca_file: Option<PathBuf>,
}

/// The channel to the application's endpoint.
#[derive(Debug)]
pub struct Webhook {
    poster: Poster,
    url: Url,
    secrets: Vec<SigningSecret>,
}

impl Webhook {
    /// Checks the settings.
    pub fn new(options: &WebhookOptions) -> Result<Self, SetupError> {
        let problem = |text: &str| SetupError::new("webhook.url", text);
        let url = Url::parse(&options.url).map_err(|_| problem("it is no absolute URL"))?;
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(problem("it is no absolute URL"));
        };
        let guard = GuardOptions { private_hosts: vec![format!("{host}:{port}")], ..GuardOptions::default() };
        let guard = Guard::new(&guard, "webhook.url", "webhook.url")?;
        guard.check_endpoint(&options.url).map_err(|refusal| problem(&refusal.to_string()))?;
        let mut secrets = Vec::new();
        let keys = std::iter::once("webhook.secret").chain(std::iter::repeat("webhook.old_secrets"));
        for (text, key) in std::iter::once(&options.secret).chain(&options.old_secrets).zip(keys) {
            secrets.push(SigningSecret::parse(text).map_err(|bad| SetupError::new(key, bad.to_string()))?);
        }
        let poster = Poster::new(guard, "webhook.ca_file", options.ca_file.as_deref())?;
        Ok(Self { poster, url, secrets })
    }

    /// The configured address.
    pub fn address(&self) -> Address {
        Address::Webhook { url: self.url.to_string() }
    }

    async fn deliver(
        &self,
        notice: &Notice,
        address: &Address,
        now: Timestamp,
    ) -> Result<Receipt, SendError> {
        let Address::Webhook { url } = address else {
            return Err(SendError::new(Action::Rejected, "wrong-address", "it is no endpoint"));
        };
        if notice.time_to_live(now, std::time::Duration::MAX).is_none() {
            return Err(SendError::new(Action::Rejected, "expired", "it expired before it was sent"));
        }
        let body = serde_json::to_vec(&Event::of(notice)).expect("a notice has a JSON form");
        self.poster.post(url, &id(notice), body, &self.secrets, now).await
    }

    /// The endpoint is asked with a method that changes nothing; whatever it answers, it is there.
    async fn probe(&self, now: Timestamp) -> Result<String, SendError> {
        let host = self.url.host_str().unwrap_or_default();
        match exchange(self.poster.client.head(self.url.clone()), now).await {
            Ok(_) => Ok(format!("{host} answers; {} signatures", self.secrets.len())),
            Err(failure) => {
                let error = failure.into_error();
                Err(SendError { said: format!("{host} cannot be reached: {}", error.said), ..error })
            }
        }
    }
}

/// The same for every try of one notice to one person, and different for everything else.
fn id(notice: &Notice) -> String {
    let what = format!("{}\0{}\0{}", notice.user, notice.tag, notice.items.len());
    let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, what.as_bytes()));
    format!("{}_{}", notice.alert, &hash[..16])
}

#[derive(Serialize)]
struct Event<'a> {
    r#type: &'static str,
    timestamp: Timestamp,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    id: AlertId,
    user: &'a str,
    kind: &'a str,
    category: &'a str,
    severity: Severity,
    title: &'a str,
    body: Option<&'a str>,
    link: Option<&'a str>,
    image: Option<&'a str>,
    actions: &'a [belfry_protocol::Action],
    data: Option<&'a RawValue>,
    thread: Option<&'a str>,
    tag: &'a str,
    unread: u32,
    quiet: bool,
    expires_at: Option<Timestamp>,
    created_at: Timestamp,
    locale: Option<&'a str>,
    receipt_url: Option<&'a str>,
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    id: AlertId,
    title: &'a str,
    body: Option<&'a str>,
    link: Option<&'a str>,
    created_at: Timestamp,
}

impl<'a> Event<'a> {
    fn of(notice: &'a Notice) -> Self {
        let item = |item: &'a DigestItem| Item {
            id: item.alert,
            title: &item.title,
            body: item.body.as_deref(),
            link: item.link.as_deref(),
            created_at: item.created_at,
        };
        let data = Data {
            id: notice.alert,
            user: notice.user.as_str(),
            kind: &notice.kind,
            category: &notice.category,
            severity: notice.severity,
            title: &notice.title,
            body: notice.body.as_deref(),
            link: notice.link.as_deref(),
            image: notice.image.as_deref(),
            actions: &notice.actions,
            data: notice.data.as_deref().and_then(|data| serde_json::from_str(data).ok()),
            thread: notice.thread.as_deref(),
            tag: &notice.tag,
            unread: notice.unread,
            quiet: notice.quiet,
            expires_at: notice.expires_at,
            created_at: notice.created_at,
            locale: notice.locale.as_deref(),
            receipt_url: notice.receipt_url.as_deref(),
            items: notice.items.iter().map(item).collect(),
        };
        Self { r#type: "alert.notice", timestamp: notice.created_at, data }
    }
}

impl Channel for Webhook {
    fn provider(&self) -> Provider {
        Provider::Webhook
    }

    fn send<'a>(
        &'a self,
        notice: &'a Notice,
        address: &'a Address,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(self.deliver(notice, address, now))
    }

    fn check(&self, now: Timestamp) -> BoxFuture<'_, Result<String, SendError>> {
        Box::pin(self.probe(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web_push::tests::notice;

    #[test]
    fn every_row_means_what_it_says() {
        use Action::{Gone, Misconfigured, Rejected, Retry};
        let expected: &[(u16, &str, Option<Action>, bool)] = &[
            (204, "accepted", None, false),
            (302, "redirect", Some(Misconfigured), true),
            (401, "unauthorized", Some(Misconfigured), true),
            (403, "unauthorized", Some(Misconfigured), true),
            (404, "not-found", Some(Retry), true),
            (408, "timeout", Some(Retry), false),
            (410, "gone", Some(Gone), true),
            (425, "too-early", Some(Retry), false),
            (429, "throttled", Some(Retry), false),
            (422, "bad-request", Some(Rejected), false),
            (503, "unavailable", Some(Retry), false),
            (999, "unknown-answer", Some(Retry), false),
        ];
        assert_eq!(expected.len(), TABLE.len());
        let now = Timestamp::UNIX_EPOCH;
        for ((status, reason, fails, alarm), row) in expected.iter().zip(TABLE) {
            assert!(std::ptr::eq(find(*status), row), "{status}");
            let answer = Answer {
                status: *status,
                headers: http::HeaderMap::new(),
                retry_after: None,
                body: b"secret".to_vec(),
            };
            match conclude(&answer, now) {
                Ok(receipt) => assert_eq!((receipt.said, *fails), (status.to_string(), None)),
                Err(error) => {
                    assert_eq!(
                        (Some(error.action), error.reason.as_str(), error.alarm),
                        (*fails, *reason, *alarm),
                        "{status}"
                    );
                    assert_eq!(error.said, status.to_string());
                    assert_eq!(error.gone_at.is_some(), *fails == Some(Gone));
                }
            }
        }
    }

    #[test]
    fn an_id_is_the_same_for_every_try_and_another_for_another_notice() {
        let first = notice();
        assert_eq!(id(&first), id(&Notice { unread: 9, quiet: true, ..first.clone() }));
        let other_user = Notice { user: "ben".parse().unwrap(), ..first.clone() };
        let item = DigestItem {
            alert: first.alert,
            title: "t".to_owned(),
            body: None,
            link: None,
            created_at: first.created_at,
        };
        let digest = Notice { items: vec![item.clone(), item], ..first.clone() };
        assert_ne!(id(&first), id(&other_user));
        assert_ne!(id(&first), id(&digest));
        assert!(!id(&first).contains('.'));
    }

    #[test]
    fn settings_that_cannot_work_are_told_by_their_key() {
        let secret = SigningSecret::generate();
        let good = WebhookOptions {
            url: "http://app:3000/belfry".to_owned(),
            secret,
            old_secrets: Vec::new(),
            ca_file: None,
        };
        let key = |options: WebhookOptions| Webhook::new(&options).map(|_| ()).unwrap_err().key;
        assert_eq!(key(WebhookOptions { url: "app/belfry".to_owned(), ..good.clone() }), "webhook.url");
        assert_eq!(
            key(WebhookOptions { url: "http://a:b@app:3000/".to_owned(), ..good.clone() }),
            "webhook.url"
        );
        assert_eq!(key(WebhookOptions { secret: "x".to_owned().into(), ..good.clone() }), "webhook.secret");
        assert_eq!(
            key(WebhookOptions { old_secrets: vec!["x".to_owned().into()], ..good.clone() }),
            "webhook.old_secrets"
        );
        assert_eq!(key(WebhookOptions { ca_file: Some("/nowhere.pem".into()), ..good }), "webhook.ca_file");
    }
}
