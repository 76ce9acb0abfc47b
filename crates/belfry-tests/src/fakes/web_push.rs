//! A browser's push service together with its browsers: it makes subscriptions, checks who sends (RFC 8292), and
//! decrypts what is sent as the browser would (RFC 8291).

mod browser;
mod vapid;

pub use super::answer::Act;
pub use browser::Subscription;
pub use vapid::Claims;

use super::https::Https;
use crate::eventually;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use belfry_channels::Address;
use http::{HeaderMap, Method};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Largest body that every push service takes.
const BODY_BYTES_MAX: usize = 4_096;

/// A push that was taken.
#[derive(Debug, Clone)]
pub struct Push {
    /// For which subscription.
    pub subscription: String,
    /// `TTL`.
    pub ttl: u64,
    /// `Urgency`.
    pub urgency: Option<String>,
    /// `Topic`.
    pub topic: Option<String>,
    /// What the browser reads.
    pub payload: Value,
    /// How long that is.
    pub payload_bytes: usize,
    /// The sender's token.
    pub token: String,
    /// What it says.
    pub claims: Claims,
    /// The sender's public key, base64url.
    pub server_key: String,
    /// Which HTTP was spoken.
    pub version: http::Version,
}

type Script = Box<dyn Fn(&str) -> Option<Act> + Send>;

#[derive(Default)]
struct Records {
    subscriptions: HashMap<String, Subscription>,
    pushes: Vec<Push>,
    /// Paths of every request, taken or not.
    requests: Vec<String>,
    /// Tokens of every request.
    tokens: Vec<String>,
    once: Vec<Act>,
    always: HashMap<String, Act>,
    script: Option<Script>,
    violations: Vec<String>,
    /// `None`: the real one.
    now: Option<Timestamp>,
    made: usize,
}

/// A running push service; it ends when it is dropped.
#[derive(Debug)]
pub struct FakeWebPush {
    https: Https,
    records: Shared,
}

#[derive(Clone)]
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

impl FakeWebPush {
    /// Starts on a free port of loopback.
    pub async fn start() -> Self {
        let records = Shared(Arc::default());
        let shared = records.clone();
        let https = Https::start(|port| {
            let origin = format!("https://127.0.0.1:{port}");
            Router::new().fallback(move |request: Request| handle(request, shared.clone(), origin.clone()))
        })
        .await;
        Self { https, records }
    }

    /// `127.0.0.1:PORT`, for the list of hosts that may be private.
    pub fn authority(&self) -> String {
        self.https.authority()
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.https.port()
    }

    /// The authority that signed its certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.https.ca_file()
    }

    /// What a browser does that is asked for pushes of the server with this public key (base64url).
    pub fn subscribe(&self, server_key: &str) -> Subscription {
        let mut records = self.records.lock();
        records.made += 1;
        let id = format!("subscription-{:06}", records.made);
        let endpoint = format!("https://{}/push/{id}", self.authority());
        let subscription = Subscription::make(id.clone(), endpoint, server_key.to_owned());
        records.subscriptions.insert(id, subscription.clone());
        subscription
    }

    /// What a browser does whose owner has enough of it.
    pub fn unsubscribe(&self, subscription: &Subscription) {
        self.records.lock().subscriptions.remove(&subscription.id);
    }

    /// Answers the next request so, whoever it is for; several of them are used one after the other.
    pub fn once(&self, act: Act) {
        self.records.lock().once.push(act);
    }

    /// Answers every request for this subscription so.
    pub fn always(&self, subscription: &Subscription, act: Act) {
        self.records.lock().always.insert(subscription.id.clone(), act);
    }

    /// Asks this with the subscription's id before each answer; `None` means the usual answer.
    pub fn script(&self, script: impl Fn(&str) -> Option<Act> + Send + 'static) {
        self.records.lock().script = Some(Box::new(script));
    }

    /// What time it is for tokens; without this the real one.
    pub fn set_now(&self, now: Timestamp) {
        self.records.lock().now = Some(now);
    }

    /// All pushes that were taken, in order.
    pub fn pushes(&self) -> Vec<Push> {
        self.records.lock().pushes.clone()
    }

    /// Pushes that were taken for this subscription, in order.
    pub fn pushes_to(&self, subscription: &Subscription) -> Vec<Push> {
        let mut pushes = self.pushes();
        pushes.retain(|push| push.subscription == subscription.id);
        pushes
    }

    /// The first push for this subscription, as soon as it is there.
    pub async fn push_to(&self, subscription: &Subscription) -> Push {
        eventually("a push", || async { self.pushes_to(subscription).into_iter().next() }).await
    }

    /// How many requests came, taken or not.
    pub fn requests(&self) -> usize {
        self.records.lock().requests.len()
    }

    /// How many different tokens were seen.
    pub fn different_tokens(&self) -> usize {
        let records = self.records.lock();
        records.tokens.iter().collect::<std::collections::HashSet<_>>().len()
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

impl Subscription {
    /// As a channel takes it.
    pub fn address(&self, vapid_key_id: Option<&str>) -> Address {
        Address::WebPush {
            endpoint: self.endpoint.clone(),
            p256dh: self.p256dh.clone(),
            auth: self.auth.clone(),
            vapid_key_id: vapid_key_id.map(str::to_owned),
        }
    }
}

/// How a push service refuses, in Mozilla's words.
fn refuse(status: u16, errno: u64, message: &str) -> Act {
    Act::status(status, json!({ "code": status, "errno": errno, "message": message }).to_string())
}

async fn handle(request: Request, records: Shared, origin: String) -> Response {
    let (head, body) = request.into_parts();
    let id = head.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    let body = read(body).await;
    let act = {
        let mut records = records.lock();
        if head.method != Method::POST {
            records.requests.push(head.uri.path().to_owned());
            Act::status(405, "")
        } else {
            records.requests.push(head.uri.path().to_owned());
            let looked = look(&records, &head, &body, &id, &origin);
            if let Some(token) = head.headers.get("authorization").and_then(|value| value.to_str().ok()) {
                records.tokens.push(token.to_owned());
            }
            let scripted = match records.once.is_empty() {
                false => Some(records.once.remove(0)),
                true => records.always.get(&id).cloned(),
            };
            let scripted = scripted.or_else(|| records.script.as_ref().and_then(|script| script(&id)));
            let (act, push) = match (scripted, looked) {
                (Some(act), Ok(push)) => (act, Some(push)),
                (Some(act), Err(_)) => (act, None),
                (None, Ok(push)) => {
                    let location = vec![("location", format!("{origin}/message/{}", records.pushes.len()))];
                    (Act::Answer { status: 201, headers: location, body: String::new() }, Some(push))
                }
                (None, Err(Refused { act, violation })) => {
                    records.violations.extend(violation);
                    (act, None)
                }
            };
            if act.takes() {
                records.pushes.extend(push);
            }
            act
        }
    };
    act.respond().await
}

async fn read(body: Body) -> Vec<u8> {
    to_bytes(body, 64 * 1024).await.map(|body| body.to_vec()).unwrap_or_default()
}

/// Why a push is not taken.
struct Refused {
    act: Act,
    /// A sender that does everything right never comes here.
    violation: Option<String>,
}

fn violation(status: u16, errno: u64, message: &str) -> Refused {
    Refused { act: refuse(status, errno, message), violation: Some(message.to_owned()) }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    // A second one makes both worthless.
    values.next().is_none().then_some(first)
}

/// Everything that a push service and then the browser look at.
fn look(
    records: &Records,
    head: &http::request::Parts,
    body: &[u8],
    id: &str,
    origin: &str,
) -> Result<Push, Refused> {
    let headers = &head.headers;
    let ttl = text(headers, "ttl").ok_or_else(|| violation(400, 111, "Missing TTL value"))?;
    let ttl = ttl.parse().map_err(|_| violation(400, 112, "Invalid TTL value"))?;
    let urgency =
        headers.contains_key("urgency").then(|| text(headers, "urgency").unwrap_or_default().to_owned());
    if urgency.as_deref().is_some_and(|word| !["very-low", "low", "normal", "high"].contains(&word)) {
        return Err(violation(400, 110, "Invalid Urgency"));
    }
    let topic = headers.contains_key("topic").then(|| text(headers, "topic").unwrap_or_default().to_owned());
    let is_topic = |topic: &String| {
        (1..=32).contains(&topic.len())
            && topic.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    if topic.as_ref().is_some_and(|topic| !is_topic(topic)) {
        return Err(violation(400, 113, "Invalid Topic"));
    }
    if body.len() > BODY_BYTES_MAX {
        return Err(violation(413, 104, "Data payload too large"));
    }
    if text(headers, "content-encoding") != Some("aes128gcm") {
        return Err(violation(400, 110, "Unknown content encoding"));
    }
    let authorization =
        text(headers, "authorization").ok_or_else(|| violation(401, 109, "Missing VAPID token"))?;
    let now = records.now.unwrap_or_else(|| belfry_server::clock::now().at);
    let vapid = vapid::check(authorization, origin, now).map_err(|problem| violation(401, 109, problem))?;
    let gone = || Refused { act: refuse(410, 106, "No such subscription"), violation: None };
    let subscription = records.subscriptions.get(id).ok_or_else(gone)?;
    if subscription.server_key != vapid.server_key {
        // Possible without a mistake: the server's key was changed.
        return Err(Refused { act: refuse(401, 109, "VAPID public key mismatch"), violation: None });
    }
    let plain = subscription.decrypt(body).map_err(|problem| violation(400, 110, problem))?;
    let payload =
        serde_json::from_slice(&plain).map_err(|_| violation(400, 110, "the payload is no JSON"))?;
    Ok(Push {
        subscription: id.to_owned(),
        ttl,
        urgency,
        topic,
        payload,
        payload_bytes: plain.len(),
        token: vapid.token,
        claims: vapid.claims,
        server_key: vapid.server_key,
        version: head.version,
    })
}
