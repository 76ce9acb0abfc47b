//! Web Push: browsers, by way of whichever push service their maker runs (RFC 8030, 8291 and 8292).

mod encrypt;
mod payload;
mod table;
mod vapid;

pub use encrypt::BadKeys;
pub use vapid::{VapidKey, check_subject};

use crate::guard::{Guard, GuardOptions, KNOWN_PUSH_SERVICES, Refusal, Trust};
use crate::http_client::{
    Answer, CALL_DEADLINE, Connector, Failure, SetupError, Versions, exchange, timed_out, without_secrets,
};
use crate::{Action, Address, Channel, Notice, Receipt, RetryScope, SendError};
use belfry_protocol::Severity;
use belfry_protocol::device::Provider;
use encrypt::BrowserKeys;
use futures_util::future::{BoxFuture, join_all};
use http::HeaderValue;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, Url};
use secrecy::SecretString;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use table::Means;
use vapid::Vapid;

const TTL: HeaderName = HeaderName::from_static("ttl");
const URGENCY: HeaderName = HeaderName::from_static("urgency");
const TOPIC: HeaderName = HeaderName::from_static("topic");
const TOPIC_CHARACTERS_MAX: usize = 32;
/// Four weeks: the longest that all push services take.
const TTL_LONGEST: Duration = Duration::from_secs(28 * 86_400);
/// One subscription may be what is throttled, so the others wait for no longer than this at once.
const HOLD_MAX: SignedDuration = SignedDuration::from_mins(10);
/// A push service to which no connection came about is left alone for so long.
const HELD_UNREACHABLE: Duration = Duration::from_secs(10);
/// Push services that are waited for at once; more only where every host is allowed.
const HOLDS_MAX: usize = 1_024;

/// How pushes go to browsers.
#[derive(Debug, Clone)]
pub struct WebPushOptions {
    /// The key that new subscriptions are made with: 32 bytes as base64url, or PEM.
    pub private_key: SecretString,
    /// Earlier ones, for subscriptions that were made with them.
    pub old_private_keys: Vec<SecretString>,
    /// Whom a push service writes to when something is wrong: `mailto:` or `https:`.
    pub subject: Option<String>,
    /// How long a push service keeps trying, where the notice does not expire earlier.
    pub ttl: Duration,
    /// Where a click leads when the notice has no link.
    pub default_link: Option<String>,
    /// Which hosts may be push services, beside the known ones.
    pub guard: GuardOptions,
    /// Trusted instead of the certificates that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// Push services that [`Channel::check`] tries to reach.
    pub probe_urls: Vec<String>,
    /// How long one call may take in all, with a second try.
    pub timeout: Duration,
}

impl WebPushOptions {
    /// What is usual, with this key.
    pub fn new(private_key: SecretString) -> Self {
        Self {
            private_key,
            old_private_keys: Vec::new(),
            subject: None,
            ttl: TTL_LONGEST,
            default_link: None,
            guard: GuardOptions::default(),
            ca_file: None,
            probe_urls: Vec::new(),
            timeout: CALL_DEADLINE,
        }
    }
}

/// The channel to browsers.
#[derive(Debug)]
pub struct WebPush {
    client: Client,
    guard: Guard,
    vapid: Vapid,
    ttl: Duration,
    default_link: Option<String>,
    probe_urls: Vec<String>,
    timeout: Duration,
    /// Push services that asked to wait, and until when.
    holds: Mutex<HashMap<String, Timestamp>>,
}

/// Why a subscription is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSubscription {
    /// Its endpoint may not be called.
    #[error("the endpoint cannot be used: {0}")]
    Endpoint(#[from] Refusal),
    /// Nothing can be encrypted for it.
    #[error(transparent)]
    Keys(#[from] BadKeys),
    /// It was made with a key that this server does not have.
    #[error("it was made with another server's key: subscribe again with the key of `GET /v1/web-push/key`")]
    UnknownKey,
}

/// Everything about one subscription that stays the same over two tries.
struct Target<'a> {
    url: Url,
    origin: String,
    trust: Trust,
    keys: BrowserKeys,
    key: &'a VapidKey,
    /// What must not be repeated: the endpoint, and the part of it that alone gives it away.
    secrets: [String; 2],
}

impl WebPush {
    /// Checks the settings.
    pub fn new(options: WebPushOptions) -> Result<Self, SetupError> {
        let bad = |key| {
            SetupError::new(
                key,
                "it is no private key: it needs 32 bytes as base64url, or PEM; `belfry vapid` makes one",
            )
        };
        let mut keys =
            vec![VapidKey::parse(&options.private_key).ok_or_else(|| bad("web_push.private_key"))?];
        for old in &options.old_private_keys {
            keys.push(VapidKey::parse(old).ok_or_else(|| bad("web_push.old_private_keys"))?);
        }
        let mut guard = options.guard;
        guard.hosts.extend(KNOWN_PUSH_SERVICES.iter().map(|host| (*host).to_owned()));
        let guard = Guard::new(&guard, "web_push.allowed_hosts", "web_push.private_hosts")?;
        let connector =
            Connector::new("web_push.ca_file", options.ca_file.as_deref(), Versions::Negotiated, &[])?;
        Ok(Self {
            client: connector.finish(guard.restrict(connector.builder()))?,
            guard,
            vapid: Vapid::new(keys, options.subject)?,
            ttl: options.ttl,
            default_link: options.default_link,
            probe_urls: options.probe_urls,
            timeout: options.timeout,
            holds: Mutex::default(),
        })
    }

    /// The key that browsers subscribe with.
    pub fn key(&self) -> &VapidKey {
        self.vapid.present()
    }

    /// Whether pushes could go to this subscription: for the moment when it is registered.
    pub fn check_subscription(
        &self,
        endpoint: &str,
        p256dh: &str,
        auth: &str,
        vapid_key_id: Option<&str>,
    ) -> Result<(), BadSubscription> {
        self.guard.check_endpoint(endpoint)?;
        BrowserKeys::parse(p256dh, auth)?;
        self.vapid.key(vapid_key_id).map(|_| ()).ok_or(BadSubscription::UnknownKey)
    }

    /// What one subscription needs; the errors are those that no push service has to be asked for.
    fn target(&self, address: &Address, now: Timestamp) -> Result<Target<'_>, SendError> {
        let Address::WebPush { endpoint, p256dh, auth, vapid_key_id } = address else {
            return Err(SendError::new(Action::Rejected, "wrong-address", "it is no browser's subscription"));
        };
        let refused =
            |refusal: Refusal| SendError::new(Action::Refused, refusal.as_str(), refusal.to_string());
        let (url, trust) = self.guard.check_endpoint(endpoint).map_err(refused)?;
        let keys = BrowserKeys::parse(p256dh, auth).map_err(|bad| SendError {
            gone_at: Some(now),
            ..SendError::new(Action::Gone, "bad-keys", bad.to_string())
        })?;
        let key = self.vapid.key(vapid_key_id.as_deref()).ok_or_else(|| SendError {
            alarm: true,
            ..SendError::new(
                Action::Refused,
                "unknown-vapid-key",
                "it was made with a key pair that is not configured any more: put that into `web_push.old_private_keys`",
            )
        })?;
        let tail = url.path().rsplit('/').next().unwrap_or_default().to_owned();
        let origin = url.origin().ascii_serialization();
        Ok(Target { secrets: [endpoint.clone(), tail], origin, url, trust, keys, key })
    }

    async fn deliver(
        &self,
        notice: &Notice,
        address: &Address,
        now: Timestamp,
    ) -> Result<Receipt, SendError> {
        let target = self.target(address, now)?;
        let ttl = notice
            .time_to_live(now, self.ttl)
            .ok_or_else(|| SendError::new(Action::Rejected, "expired", "it expired before it was sent"))?;
        if let Some(left) = self.hold(&target.origin, now) {
            let held =
                SendError::new(Action::Retry, "held", "its push service asked to wait, or did not answer");
            return Err(held.with_wait(Some(left), RetryScope::Address));
        }
        let too_large =
            || SendError::new(Action::Rejected, "too-large", "not even its title fits into a push");
        let whole = payload::whole(notice, self.default_link.as_deref()).ok_or_else(too_large)?;
        let answer = self.call(&target, notice, &whole, ttl, now).await?;
        let second = match table::find(answer.status, &answer.body).means {
            Means::Shrink => payload::short(notice, self.default_link.as_deref()).ok_or_else(too_large)?,
            Means::Again => whole,
            _ => return self.conclude(&target, &answer, now),
        };
        let answer = self.call(&target, notice, &second, ttl, now).await?;
        self.conclude(&target, &answer, now)
    }

    async fn call(
        &self,
        target: &Target<'_>,
        notice: &Notice,
        payload: &[u8],
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Answer, SendError> {
        let body = target.keys.encrypt(payload).map_err(|bad| SendError {
            gone_at: Some(now),
            ..SendError::new(Action::Gone, "bad-keys", bad.to_string())
        })?;
        let mut request = self
            .client
            .post(target.url.clone())
            .header(AUTHORIZATION, self.vapid.authorization(target.key, &target.origin, now))
            .header(CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"))
            .header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
            .header(TTL, ttl.as_secs())
            .header(URGENCY, HeaderValue::from_static(urgency(notice)))
            .body(body);
        if let Some(topic) = topic(&notice.tag) {
            request = request.header(TOPIC, topic);
        }
        let failed = |failure: Failure| {
            if matches!(failure, Failure::Unreachable(_)) {
                self.put_on_hold(&target.origin, HELD_UNREACHABLE, now);
            }
            let error = failure.into_error();
            // A stranger's certificate must not stop everybody's pushes.
            let stranger = target.trust == Trust::Anybody && error.action == Action::Misconfigured;
            let action = if stranger { Action::Refused } else { error.action };
            // Who waits with it was decided here, by its origin; other push services have nothing to do with it.
            SendError { action, alarm: error.alarm && !stranger, scope: RetryScope::Address, ..error }
        };
        exchange(request, now).await.map_err(failed)
    }

    /// What an answer means for the caller.
    fn conclude(&self, target: &Target<'_>, answer: &Answer, now: Timestamp) -> Result<Receipt, SendError> {
        let row = table::find(answer.status, &answer.body);
        let said = table::words(answer.status, &answer.body);
        let said = without_secrets(&said, &target.secrets.each_ref().map(String::as_str));
        let error = |action| {
            let error = SendError::new(action, row.reason, &said).with_status(answer.status);
            error.with_wait(answer.retry_after, RetryScope::Address)
        };
        match row.means {
            Means::Accepted => {
                self.vapid.was_accepted(target.key, &target.origin);
                let id = answer.headers.get("apns-id").and_then(|id| id.to_str().ok());
                // `Location` is not it: with that URL anybody could take the push back.
                Ok(Receipt {
                    provider_id: id.map(str::to_owned),
                    said: answer.status.to_string(),
                    moved_to: None,
                })
            }
            Means::Fail(Action::Gone) => Err(SendError { gone_at: Some(now), ..error(Action::Gone) }),
            Means::Fail(action) => {
                if let Some(wait) = answer.retry_after.filter(|_| row.holds) {
                    self.put_on_hold(&target.origin, wait, now);
                }
                Err(error(action))
            }
            Means::Shrink => Err(error(Action::Rejected)),
            Means::Again => Err(error(Action::Retry)),
            Means::Credentials => {
                let is_good = self.vapid.was_refused(target.key, &target.origin, now);
                match is_good || target.trust == Trust::Anybody {
                    true => Err(SendError { alarm: true, ..error(Action::Refused) }),
                    false => Err(error(Action::Misconfigured)),
                }
            }
        }
    }

    /// How long this push service is still to be left alone.
    fn hold(&self, origin: &str, now: Timestamp) -> Option<Duration> {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        let left = holds.get(origin)?.duration_since(now);
        // A clock that was set back must not make it longer.
        match Duration::try_from(left.min(HOLD_MAX)) {
            Ok(left) if !left.is_zero() => Some(left),
            _ => {
                holds.remove(origin);
                None
            }
        }
    }

    fn put_on_hold(&self, origin: &str, wait: Duration, now: Timestamp) {
        let wait = SignedDuration::try_from(wait).unwrap_or(HOLD_MAX).min(HOLD_MAX);
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        if holds.len() >= HOLDS_MAX {
            holds.retain(|_, until| *until > now);
        }
        if holds.len() < HOLDS_MAX {
            holds.insert(origin.to_owned(), now.saturating_add(wait).unwrap_or(now));
        }
    }

    /// Whether push services can be reached at all; nothing is sent to them.
    async fn probe(&self, now: Timestamp) -> Result<String, SendError> {
        let keys = match self.vapid.keys() {
            1 => format!("key {}", self.key().id()),
            keys => format!("key {} and {} older", self.key().id(), keys - 1),
        };
        let reached = join_all(self.probe_urls.iter().map(async |url| {
            let host =
                Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
            let call = match self.guard.check_endpoint(url) {
                Ok((url, _)) => {
                    exchange(self.client.get(url), now).await.map(|_| ()).map_err(Failure::into_error)
                }
                Err(refusal) => {
                    Err(SendError::new(Action::Misconfigured, refusal.as_str(), refusal.to_string()))
                }
            };
            (host, call)
        }))
        .await;
        let mut missing: Vec<(String, SendError)> =
            reached.into_iter().filter_map(|(host, call)| Some((host, call.err()?))).collect();
        if let Some((host, error)) = missing.pop() {
            let mut hosts: Vec<String> = missing.into_iter().map(|(host, _)| host).collect();
            hosts.push(host);
            let said = format!("{} cannot be reached: {}", hosts.join(", "), error.said);
            return Err(SendError { said, ..error });
        }
        Ok(match self.probe_urls.len() {
            0 => keys,
            count => format!("{keys}; {count} push services can be reached"),
        })
    }
}

fn urgency(notice: &Notice) -> &'static str {
    match notice.severity {
        Severity::Critical => "high",
        Severity::Info if notice.quiet => "low",
        Severity::Info | Severity::Warning => "normal",
    }
}

/// The tag where it can be a topic; without one an earlier push stays beside this one.
fn topic(tag: &str) -> Option<HeaderValue> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let good = (1..=TOPIC_CHARACTERS_MAX).contains(&tag.len()) && tag.bytes().all(plain);
    HeaderValue::from_str(tag).ok().filter(|_| good)
}

impl Channel for WebPush {
    fn provider(&self) -> Provider {
        Provider::WebPush
    }

    fn send<'a>(
        &'a self,
        notice: &'a Notice,
        address: &'a Address,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            match tokio::time::timeout(self.timeout, self.deliver(notice, address, now)).await {
                Ok(ended) => ended,
                Err(_) => Err(timed_out()),
            }
        })
    }

    fn check(&self, now: Timestamp) -> BoxFuture<'_, Result<String, SendError>> {
        Box::pin(async move {
            match tokio::time::timeout(self.timeout, self.probe(now)).await {
                Ok(ended) => ended,
                Err(_) => Err(timed_out()),
            }
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
