//! Apple's two push services: real HTTP/2, every check that Apple makes of a request, and any answer on demand.

use super::http2::{Act, Asked, Authority, Http2};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

/// The key's id.
pub const KEY_ID: &str = "ABC1234567";
/// The team's id.
pub const TEAM_ID: &str = "TEAM123456";
/// The one app of the team.
pub const TOPIC: &str = "com.example.shop";

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Environment {
    /// For apps from the store.
    Production,
    /// For apps run from Xcode.
    Sandbox,
}

/// A push that was read.
#[derive(Debug, Clone)]
pub struct Push {
    /// Where it came.
    pub environment: Environment,
    /// On which connection of that service, from 0.
    pub connection: usize,
    /// The device's token.
    pub token: String,
    /// Headers, without the provider token.
    pub headers: HashMap<String, String>,
    /// `iat` of the provider token.
    pub issued_at: Option<i64>,
    /// As it came.
    pub bytes: usize,
    /// The payload, where it is JSON.
    pub payload: Value,
}

impl Push {
    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What answers a push; `None`: Apple's usual checks.
type Script = Box<dyn Fn(&Push) -> Option<Act> + Send>;

#[derive(Default)]
struct State {
    /// Tokens with where they were made.
    devices: HashSet<(Environment, String)>,
    /// Each of these answers one push to that token.
    next: HashMap<String, VecDeque<Act>>,
    script: Option<Script>,
    read: Vec<Push>,
    taken: Vec<Push>,
    /// The clock where a test has its own.
    now: Option<Timestamp>,
    /// `iat` of the last provider token, and when it came first.
    provider_token: Option<(i64, i64)>,
}

struct Shared {
    state: Mutex<State>,
    key: DecodingKey,
    /// Nothing is answered while this is `true`.
    held: watch::Sender<bool>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics with it")
    }
}

/// Both services.
#[derive(Debug)]
pub struct Apns {
    /// For apps from the store.
    pub production: Http2,
    /// For apps run from Xcode.
    pub sandbox: Http2,
    authority: Authority,
    key_pem: String,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Apns {
    /// Starts both; they know no device.
    pub async fn start() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key can be made");
        let key = DecodingKey::from_ec_pem(pair.public_key_pem().as_bytes()).expect("is a key");
        let shared = Arc::new(Shared { state: Mutex::default(), key, held: watch::channel(false).0 });
        let authority = Authority::default();
        let serve = |environment| {
            let shared = Arc::clone(&shared);
            Http2::start(&authority, move |asked| answer(environment, Arc::clone(&shared), asked))
        };
        let production = serve(Environment::Production).await;
        let sandbox = serve(Environment::Sandbox).await;
        Self { production, sandbox, authority, key_pem: pair.serialize_pem(), shared }
    }

    /// For `apns.ca_file`.
    pub fn ca_file(&self) -> PathBuf {
        self.authority.ca_file()
    }

    /// For `apns.key`.
    pub fn key(&self) -> &str {
        &self.key_pem
    }

    /// Gives the service a clock of its own, that stands.
    pub fn set_now(&self, now: Timestamp) {
        self.shared.state().now = Some(now);
    }

    /// A phone installs the app: 64 hexadecimal digits that end with its number.
    pub fn add_device(&self, environment: Environment, number: u32) -> String {
        let token = format!("{:056x}{number:08x}", 0xb3_1f_00u32);
        self.shared.state().devices.insert((environment, token.clone()));
        token
    }

    /// The next push to this token is answered so; several wait in line.
    pub fn answer_next(&self, token: &str, act: Act) {
        self.shared.state().next.entry(token.to_owned()).or_default().push_back(act);
    }

    /// Decides about every push before Apple's own checks.
    pub fn script(&self, script: impl Fn(&Push) -> Option<Act> + Send + 'static) {
        self.shared.state().script = Some(Box::new(script));
    }

    /// Reads what comes, and answers nothing until [`Apns::release`].
    pub fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    /// Answers everything that waits.
    pub fn release(&self) {
        self.shared.held.send_replace(false);
    }

    /// Every push that was read, in order.
    pub fn read(&self) -> Vec<Push> {
        self.shared.state().read.clone()
    }

    /// Those that were taken, in order; Apple would deliver them, one per `apns-collapse-id`.
    pub fn taken(&self) -> Vec<Push> {
        self.shared.state().taken.clone()
    }
}

/// `{"reason": …}` with its status.
pub fn reason(status: u16, reason: &str) -> Act {
    Act::answer(status, json!({ "reason": reason }).to_string())
}

/// `410` with the moment since when the token is not valid.
pub fn gone(reason: &str, since: Timestamp) -> Act {
    Act::answer(410, json!({ "reason": reason, "timestamp": since.as_millisecond() }).to_string())
}

async fn answer(environment: Environment, shared: Arc<Shared>, asked: Asked) -> Act {
    let (push, act) = {
        let mut state = shared.state();
        let (push, verdict) = look(environment, &mut state, &shared.key, &asked);
        state.read.push(push.clone());
        let scripted = state.script.as_ref().and_then(|script| script(&push));
        let next = state.next.get_mut(&push.token).and_then(VecDeque::pop_front);
        (push, next.or(scripted).unwrap_or(verdict))
    };
    let mut held = shared.held.subscribe();
    // The sender lives as long as what is borrowed from.
    let _ = held.wait_for(|held| !held).await;
    let taken = match &act {
        Act::Answer { status, .. } => *status == 200,
        Act::TakeAndHang | Act::TakeAndReset => true,
        Act::Refuse | Act::Reset | Act::Hang => false,
    };
    let id = push.header("apns-id").to_owned();
    if taken {
        shared.state().taken.push(push);
    }
    act.with("apns-id", id)
}

/// What Apple says of this request.
fn look(environment: Environment, state: &mut State, key: &DecodingKey, asked: &Asked) -> (Push, Act) {
    let text = |name: &str| asked.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = asked.path.strip_prefix("/3/device/").unwrap_or_default().to_owned();
    let headers = asked.headers.keys().filter(|name| *name != http::header::AUTHORIZATION);
    let mut push = Push {
        environment,
        connection: asked.connection,
        headers: headers.map(|name| (name.to_string(), text(name.as_str()).to_owned())).collect(),
        issued_at: None,
        bytes: asked.body.len(),
        payload: serde_json::from_slice(&asked.body).unwrap_or_default(),
        token,
    };
    let now = state.now.unwrap_or_else(|| belfry_server::clock::now().at).as_second();
    let verdict = refuse_request(asked, &push)
        .or_else(|| refuse_token(state, key, text("authorization"), now, &mut push.issued_at))
        .or_else(|| refuse_headers(&push))
        .or_else(|| refuse_device(state, &push))
        .unwrap_or_else(|| Act::answer(200, ""));
    (push, verdict)
}

fn refuse_request(asked: &Asked, push: &Push) -> Option<Act> {
    if asked.method != http::Method::POST {
        return Some(reason(405, "MethodNotAllowed"));
    }
    if push.token.is_empty() {
        return Some(reason(404, "BadPath"));
    }
    None
}

fn refuse_token(
    state: &mut State,
    key: &DecodingKey,
    authorization: &str,
    now: i64,
    issued_at: &mut Option<i64>,
) -> Option<Act> {
    let Some(token) = authorization.strip_prefix("bearer ") else {
        return Some(reason(403, "MissingProviderToken"));
    };
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_required_spec_claims(&["iss"]);
    validation.set_issuer(&[TEAM_ID]);
    validation.validate_exp = false;
    let Ok(claims) = jsonwebtoken::decode::<Value>(token, key, &validation) else {
        return Some(reason(403, "InvalidProviderToken"));
    };
    let iat = claims.claims["iat"].as_i64();
    let (Some(iat), Some(KEY_ID)) = (iat, claims.header.kid.as_deref()) else {
        return Some(reason(403, "InvalidProviderToken"));
    };
    *issued_at = Some(iat);
    if now - iat >= 3600 {
        return Some(reason(403, "ExpiredProviderToken"));
    }
    match state.provider_token {
        Some((last, _)) if last == iat => None,
        Some((_, since)) if now - since < 20 * 60 => Some(reason(429, "TooManyProviderTokenUpdates")),
        _ => {
            state.provider_token = Some((iat, now));
            None
        }
    }
}

fn refuse_headers(push: &Push) -> Option<Act> {
    let id = push.header("apns-id");
    let lower_case_uuid = id.len() == 36 && uuid::Uuid::parse_str(id).is_ok() && id.to_lowercase() == id;
    let wrong = match () {
        () if push.header("apns-topic").is_empty() => "MissingTopic",
        () if push.header("apns-topic") != TOPIC => "TopicDisallowed",
        () if push.header("apns-push-type") != "alert" => "InvalidPushType",
        () if !["10", "5", "1"].contains(&push.header("apns-priority")) => "BadPriority",
        () if push.header("apns-expiration").parse::<i64>().is_err() => "BadExpirationDate",
        () if !(1..=64).contains(&push.header("apns-collapse-id").len()) => "BadCollapseId",
        () if !lower_case_uuid => "BadMessageId",
        () => return None,
    };
    Some(reason(400, wrong))
}

fn refuse_device(state: &State, push: &Push) -> Option<Act> {
    if push.bytes > 4096 {
        return Some(reason(413, "PayloadTooLarge"));
    }
    if !push.payload["aps"]["alert"].is_object() {
        return Some(reason(400, "PayloadEmpty"));
    }
    let known = state.devices.contains(&(push.environment, push.token.clone()));
    (!known).then(|| reason(400, "BadDeviceToken"))
}
