//! An application's endpoint that checks signatures as standardwebhooks.com describes it.

pub use super::answer::Act;

use super::https::Https;
use crate::eventually;
use aws_lc_rs::hmac;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How old or how far ahead a signature may be, in seconds.
const TOLERANCE: i64 = 300;

/// A webhook whose signature fits.
#[derive(Debug, Clone)]
pub struct Hook {
    /// `webhook-id`: the same for every try.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp: i64,
    /// How many signatures it has.
    pub signatures: usize,
    /// What it says.
    pub body: Value,
    /// Where it was sent.
    pub path: String,
}

#[derive(Default)]
struct Records {
    secrets: Vec<String>,
    hooks: Vec<Hook>,
    requests: usize,
    once: Vec<Act>,
    always: Option<Act>,
    violations: Vec<String>,
    now: Option<Timestamp>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Records>>);

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Records")
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running endpoint; it ends when it is dropped.
#[derive(Debug)]
pub struct FakeWebhook {
    https: Https,
    records: Shared,
}

impl FakeWebhook {
    /// Starts on a free port of loopback; a signature with any of these secrets (`whsec_…`) fits.
    pub async fn start(secrets: &[&str]) -> Self {
        let records = Shared::default();
        records.lock().secrets = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        let shared = records.clone();
        let https =
            Https::start(|_| Router::new().fallback(move |request: Request| handle(request, shared.clone())))
                .await;
        Self { https, records }
    }

    /// A signature with this secret fits, too.
    pub fn know(&self, secret: &str) {
        self.records.lock().secrets.push(secret.to_owned());
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("https://{}/hooks/belfry", self.https.authority())
    }

    /// `127.0.0.1:PORT`, for the list of hosts that may be private.
    pub fn authority(&self) -> String {
        self.https.authority()
    }

    /// The authority that signed its certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.https.ca_file()
    }

    /// Answers the next request so; several of them are used one after the other.
    pub fn once(&self, act: Act) {
        self.records.lock().once.push(act);
    }

    /// Answers every request so, until told otherwise.
    pub fn always(&self, act: Option<Act>) {
        self.records.lock().always = act;
    }

    /// What time it is for signatures; without this the real one.
    pub fn set_now(&self, now: Timestamp) {
        self.records.lock().now = Some(now);
    }

    /// All webhooks that were taken, in order.
    pub fn hooks(&self) -> Vec<Hook> {
        self.records.lock().hooks.clone()
    }

    /// The first webhook that fits, as soon as it is there.
    pub async fn hook(&self, fits: impl Fn(&Hook) -> bool) -> Hook {
        eventually("a webhook", || async { self.hooks().into_iter().find(|hook| fits(hook)) }).await
    }

    /// How many requests came, taken or not.
    pub fn requests(&self) -> usize {
        self.records.lock().requests
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.https.connections()
    }

    /// What the sender did that no sender may do.
    pub fn violations(&self) -> Vec<String> {
        self.records.lock().violations.clone()
    }
}

async fn handle(request: Request, records: Shared) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1024 * 1024).await.unwrap_or_default();
    let act = {
        let mut records = records.lock();
        records.requests += 1;
        let scripted = match records.once.is_empty() {
            false => Some(records.once.remove(0)),
            true => records.always.clone(),
        };
        let looked = match head.method == http::Method::POST {
            true => look(&records, &head.headers, &body, head.uri.path()),
            false => Err("it is no POST"),
        };
        match looked {
            Ok(hook) => {
                let act = scripted.unwrap_or_else(|| Act::status(204, ""));
                if act.takes() {
                    records.hooks.push(hook);
                }
                act
            }
            // Somebody who only looks whether the endpoint is there.
            Err(_) if head.method == http::Method::HEAD => Act::status(405, ""),
            Err(problem) => {
                records.violations.push(problem.to_owned());
                scripted.unwrap_or_else(|| Act::status(401, problem))
            }
        }
    };
    act.respond().await
}

fn look(records: &Records, headers: &HeaderMap, body: &[u8], path: &str) -> Result<Hook, &'static str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let id = text("webhook-id").ok_or("no webhook-id")?;
    let timestamp: i64 =
        text("webhook-timestamp").and_then(|text| text.parse().ok()).ok_or("no webhook-timestamp")?;
    let signatures = text("webhook-signature").ok_or("no webhook-signature")?;
    let now = records.now.unwrap_or_else(|| belfry_server::clock::now().at);
    if (now.as_second() - timestamp).abs() > TOLERANCE {
        return Err("the signature is too old or from the future");
    }
    let message = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    let fits = |signature: &str, secret: &String| {
        let key = secret.strip_prefix("whsec_").and_then(|key| STANDARD.decode(key).ok());
        let signature = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
        let (Some(key), Some(signature)) = (key, signature) else { return false };
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), &message, &signature).is_ok()
    };
    let mut all = signatures.split(' ');
    if !all.any(|signature| records.secrets.iter().any(|secret| fits(signature, secret))) {
        return Err("no signature fits");
    }
    if text("content-type") != Some("application/json") {
        return Err("it is no JSON");
    }
    let body = serde_json::from_slice(body).map_err(|_| "it is no JSON")?;
    let signatures = signatures.split(' ').count();
    Ok(Hook { id: id.to_owned(), timestamp, signatures, body, path: path.to_owned() })
}
