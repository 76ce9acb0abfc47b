//! Verification keys that an identity provider publishes (JWKS, RFC 7517).

use super::SettingError;
use super::keys::{Jwk, SET_KEYS_MAX, VerificationKey};
use super::origin::is_loopback_host;
use crate::clock::Now;
use aws_lc_rs::digest::{SHA256, digest};
use reqwest::{Client, Url, redirect};
use serde::Deserialize;
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::sync::watch;

const KEY: &str = "auth.jwks_url";
/// Largest answer.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// What a fetch may take beyond its own time-out before nobody waits for it any more.
const GRACE: Duration = Duration::from_secs(2);

/// Whether keys may be fetched without TLS from another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlainHttp {
    /// Only from loopback addresses.
    #[default]
    LoopbackOnly,
    /// From anywhere: whoever can change the answer can sign in as anybody.
    Allowed,
}

/// Where and how often keys are fetched.
#[derive(Debug, Clone)]
pub struct JwksOptions {
    /// The set's address.
    pub url: String,
    /// How old the keys may get.
    pub refresh: Duration,
    /// Shortest time between two fetches, however many unknown `kid`s appear.
    pub cooldown: Duration,
    /// How long a fetch may take.
    pub timeout: Duration,
    /// Whether `http:` is allowed.
    pub plain_http: PlainHttp,
}

impl JwksOptions {
    /// The defaults for an address.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            refresh: Duration::from_secs(300),
            cooldown: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
            plain_http: PlainHttp::LoopbackOnly,
        }
    }
}

/// Why the keys could not be fetched; the next refresh tries again.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// No connection, no TLS, no answer in time, or it broke off.
    #[error("the key set's address does not answer: {0}")]
    Unreachable(#[source] reqwest::Error),
    /// An answer that is not 200; redirects are not followed.
    #[error("the key set's address answered with status {0}")]
    Status(u16),
    /// More than [`BODY_BYTES_MAX`].
    #[error("the key set is larger than 1 MiB")]
    TooLarge,
    /// No JSON of the right shape, or too many keys.
    #[error("the answer is no key set: {0}")]
    Malformed(&'static str),
    /// Not one key that can check signatures.
    #[error("the key set holds no key that can check signatures")]
    NoUsableKey,
}

/// A fetched set.
pub(super) struct KeySet {
    pub(super) keys: Vec<VerificationKey>,
    /// Of the answer, to see whether anything changed.
    pub(super) fingerprint: [u8; 32],
}

/// The source of published keys. One task fetches ([`super::Verifier::keep_keys_fresh`]); everybody else states a
/// wish and waits, so that there is never more than one fetch, and none that a disconnecting caller could break off.
pub(super) struct Jwks {
    client: Client,
    url: Url,
    options: JwksOptions,
    /// The number of the fetch that somebody waits for.
    wish: watch::Sender<u64>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    started: u64,
    finished: u64,
    started_at: Option<Instant>,
    last_succeeded: bool,
    loaded: bool,
}

impl Jwks {
    /// Checks the settings.
    pub(super) fn new(options: JwksOptions) -> Result<Self, SettingError> {
        let url: Url = options.url.parse().map_err(|error| {
            SettingError::new(KEY, format!("the address of the key set is not valid: {error}"))
        })?;
        let is_loopback = url.host_str().is_some_and(is_loopback_host);
        match (url.scheme(), options.plain_http) {
            ("https", _) | ("http", PlainHttp::Allowed) => {}
            ("http", PlainHttp::LoopbackOnly) if is_loopback => {}
            _ => {
                return Err(SettingError::new(
                    KEY,
                    "the address of the key set must begin with https: whoever can change the answer on its way can sign in as anybody",
                ));
            }
        }
        // Belongs to the process; a second installation changes nothing.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut client = Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(options.timeout)
            .user_agent(concat!("belfry/", env!("CARGO_PKG_VERSION")));
        if is_loopback {
            client = client.no_proxy();
        }
        if url.scheme() == "http" {
            // No TLS will be spoken, so a machine without root certificates is no obstacle.
            client = client.tls_certs_only([]);
        }
        let client = client.build().map_err(|error| {
            SettingError::new(KEY, format!("no HTTPS client can be made for the key set: {error}"))
        })?;
        Ok(Self {
            client,
            url,
            options,
            wish: watch::channel(0).0,
            progress: watch::channel(Progress::default()).0,
        })
    }

    /// Fetches the set.
    pub(super) async fn fetch(&self) -> Result<KeySet, JwksError> {
        let unreachable = |error: reqwest::Error| JwksError::Unreachable(error.without_url());
        let mut response = self.client.get(self.url.clone()).send().await.map_err(unreachable)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(JwksError::Status(response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(JwksError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let keys = parse(&body)?;
        Ok(KeySet {
            keys,
            fingerprint: digest(&SHA256, &body).as_ref().try_into().expect("SHA-256 has 32 bytes"),
        })
    }

    /// A fetch begins.
    pub(super) fn started(&self, now: Now) {
        self.progress.send_modify(|progress| {
            progress.started += 1;
            progress.started_at = Some(now.instant);
        });
    }

    /// The fetch is over.
    pub(super) fn finished(&self, succeeded: bool) {
        self.progress.send_modify(|progress| {
            progress.finished = progress.started;
            progress.last_succeeded = succeeded;
            progress.loaded |= succeeded;
        });
    }

    /// Whether any set was ever fetched.
    pub(super) fn is_loaded(&self) -> bool {
        self.progress.borrow().loaded
    }

    /// Registers the task that fetches.
    pub(super) fn listen(&self) -> watch::Receiver<u64> {
        self.wish.subscribe()
    }

    /// Waits until a fetch is due: at once for the first one, then by age, sooner after a failure or for a wish.
    pub(super) async fn due(&self, wishes: &mut watch::Receiver<u64>) {
        let progress = *self.progress.borrow();
        if progress.finished == 0 {
            return;
        }
        let pause = if progress.last_succeeded { self.options.refresh } else { self.options.cooldown };
        // Nodes that started together should not fetch together for ever.
        let pause = pause.mul_f64(0.9 + 0.2 * fastrand::f64());
        tokio::select! {
            () = tokio::time::sleep(pause.min(self.options.refresh)) => {}
            // The sender lives in `self`, so it cannot be gone.
            _ = wishes.wait_for(|wish| *wish > progress.finished) => {}
        }
    }

    /// Waits for keys newer than those at hand: a fetch under way, or a new one unless the last is too recent.
    pub(super) async fn newer(&self, now: Now) {
        let mut progress = self.progress.subscribe();
        let seen = *progress.borrow_and_update();
        let age = seen.started_at.map(|at| now.instant.saturating_duration_since(at));
        let patience = self.options.timeout + GRACE;
        let is_under_way = seen.started > seen.finished && age.is_some_and(|age| age < patience);
        if !is_under_way {
            let is_too_soon = age.is_some_and(|age| age < self.options.cooldown);
            if is_too_soon || self.wish.receiver_count() == 0 {
                return;
            }
            self.wish.send_modify(|wish| *wish = (*wish).max(seen.finished + 1));
        }
        // Whether it succeeded or nobody answered in time, the caller looks at the keys that are there then.
        let _ = tokio::time::timeout(patience, progress.wait_for(|p| p.finished > seen.finished)).await;
    }
}

/// Reads a set; keys that cannot check signatures are left out.
pub(super) fn parse(body: &[u8]) -> Result<Vec<VerificationKey>, JwksError> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set =
        serde_json::from_slice(body).map_err(|_| JwksError::Malformed("no JSON object with `keys`"))?;
    if set.keys.len() > SET_KEYS_MAX {
        return Err(JwksError::Malformed("more than 64 keys"));
    }
    let read = |value| serde_json::from_value::<Jwk>(value).ok();
    let keys: Vec<_> =
        set.keys.into_iter().filter_map(|value| VerificationKey::from_jwk(&read(value)?)).collect();
    if keys.is_empty() { Err(JwksError::NoUsableKey) } else { Ok(keys) }
}
