//! Firebase Cloud Messaging with Google's token service: checks who signs, what a message may hold, and answers
//! anything on demand.

use super::http2::{Act, Asked, Authority, Http2};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

/// The Firebase project.
pub const PROJECT: &str = "shop-1234";
const EMAIL: &str = "push@shop-1234.iam.gserviceaccount.example";
const KEY_ID: &str = "0123456789abcdef0123456789abcdef01234567";
/// How long an access token holds, in seconds.
pub const TOKEN_SECONDS: i64 = 3599;

/// A message that was read.
#[derive(Debug, Clone)]
pub struct Message {
    /// On which connection, from 0.
    pub connection: usize,
    /// Token or installation id.
    pub target: String,
    /// Whether nothing would be sent.
    pub validate_only: bool,
    /// The access token it came with.
    pub access_token: String,
    /// The message.
    pub message: Value,
}

type Script = Box<dyn Fn(&Message) -> Option<Act> + Send>;

#[derive(Default)]
struct State {
    /// Registration tokens and installation ids.
    devices: HashSet<String>,
    next: HashMap<String, VecDeque<Act>>,
    script: Option<Script>,
    /// Each of these answers one request for an access token.
    next_grants: VecDeque<Act>,
    grants_asked: usize,
    /// Access tokens with their ends.
    access_tokens: HashMap<String, i64>,
    read: Vec<Message>,
    taken: Vec<Message>,
    now: Option<Timestamp>,
}

struct Shared {
    state: Mutex<State>,
    key: DecodingKey,
    token_url: watch::Sender<String>,
    /// No access token is given out while this is `true`.
    grants_held: watch::Sender<bool>,
    /// No message is answered while this is `true`.
    held: watch::Sender<bool>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics with it")
    }
}

/// FCM and the token service on one port.
pub struct Fcm {
    /// The line.
    pub server: Http2,
    authority: Authority,
    key_pem: String,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Fcm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fcm({:?})", self.server)
    }
}

impl Fcm {
    /// Starts; it knows no device.
    pub async fn start() -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key can be made");
        let key = DecodingKey::from_rsa_pem(pair.public_key_pem().as_bytes()).expect("is a key");
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            key,
            token_url: watch::channel(String::new()).0,
            grants_held: watch::channel(false).0,
            held: watch::channel(false).0,
        });
        let authority = Authority::default();
        let served = Arc::clone(&shared);
        let server = Http2::start(&authority, move |asked| answer(Arc::clone(&served), asked)).await;
        shared.token_url.send_replace(format!("{}/token", server.url()));
        Self { server, authority, key_pem: pair.serialize_pem(), shared }
    }

    /// For `fcm.ca_file`.
    pub fn ca_file(&self) -> PathBuf {
        self.authority.ca_file()
    }

    /// For `fcm.base_url`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// For `fcm.service_account`.
    pub fn service_account(&self) -> String {
        let account = json!({
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": KEY_ID,
            "private_key": self.key_pem,
            "client_email": EMAIL,
            "token_uri": *self.shared.token_url.borrow(),
        });
        account.to_string()
    }

    /// Gives the service a clock of its own, that stands.
    pub fn set_now(&self, now: Timestamp) {
        self.shared.state().now = Some(now);
    }

    /// A phone registers.
    pub fn add_device(&self, number: u32) -> String {
        let token = format!("fcm-token-of-a-phone:APA91b{number:08x}");
        self.shared.state().devices.insert(token.clone());
        token
    }

    /// The next message to this target is answered so; several wait in line.
    pub fn answer_next(&self, target: &str, act: Act) {
        self.shared.state().next.entry(target.to_owned()).or_default().push_back(act);
    }

    /// Decides about every message before FCM's own checks.
    pub fn script(&self, script: impl Fn(&Message) -> Option<Act> + Send + 'static) {
        self.shared.state().script = Some(Box::new(script));
    }

    /// The next request for an access token is answered so.
    pub fn answer_next_grant(&self, act: Act) {
        self.shared.state().next_grants.push_back(act);
    }

    /// No access token given out so far is accepted any more.
    pub fn revoke_access_tokens(&self) {
        self.shared.state().access_tokens.clear();
    }

    /// Gives out no access token until [`Fcm::release`].
    pub fn hold_grants(&self) {
        self.shared.grants_held.send_replace(true);
    }

    /// Reads messages, and answers none until [`Fcm::release`].
    pub fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    /// Answers everything that waits.
    pub fn release(&self) {
        self.shared.grants_held.send_replace(false);
        self.shared.held.send_replace(false);
    }

    /// How often an access token was asked for.
    pub fn grants_asked(&self) -> usize {
        self.shared.state().grants_asked
    }

    /// Every message that was read, in order.
    pub fn read(&self) -> Vec<Message> {
        self.shared.state().read.clone()
    }

    /// Those that were taken, in order.
    pub fn taken(&self) -> Vec<Message> {
        self.shared.state().taken.clone()
    }
}

/// An error as FCM writes it; `code` is the `errorCode` of its `FcmError`.
pub fn error(status: u16, rpc_status: &str, message: &str, code: Option<&str>) -> Act {
    let detail =
        |code| json!({ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code });
    let details: Vec<Value> = code.into_iter().map(detail).collect();
    fault(status, rpc_status, message, &details)
}

/// A `google.rpc.BadRequest` about one field.
pub fn bad_request(field: &str, description: &str) -> Act {
    let violations = json!([{ "field": field, "description": description }]);
    let detail =
        json!({ "@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations });
    fault(400, "INVALID_ARGUMENT", &format!("Invalid value at '{field}'"), &[detail])
}

fn fault(status: u16, rpc_status: &str, message: &str, details: &[Value]) -> Act {
    let error = json!({ "code": status, "message": message, "status": rpc_status, "details": details });
    Act::answer(status, json!({ "error": error }).to_string()).with("content-type", "application/json")
}

async fn answer(shared: Arc<Shared>, asked: Asked) -> Act {
    let now = shared.state().now.unwrap_or_else(|| belfry_server::clock::now().at).as_second();
    match asked.path.as_str() {
        "/token" => {
            let act = {
                let mut state = shared.state();
                state.grants_asked += 1;
                state.next_grants.pop_front()
            };
            // The sender lives as long as what is borrowed from.
            let _ = shared.grants_held.subscribe().wait_for(|held| !held).await;
            act.unwrap_or_else(|| grant(&shared, &asked, now))
        }
        path if path == format!("/v1/projects/{PROJECT}/messages:send") => send(shared, asked, now).await,
        _ => Act::answer(404, "<html><title>Error 404 (Not Found)!!1</title></html>"),
    }
}

/// RFC 7523: the assertion has to be signed by the service account, for us, and now.
fn grant(shared: &Shared, asked: &Asked, now: i64) -> Act {
    let refused = |description: &str| {
        Act::answer(400, json!({ "error": "invalid_grant", "error_description": description }).to_string())
    };
    let form = reqwest::Url::parse(&format!("http://form/?{}", String::from_utf8_lossy(&asked.body)));
    let form: HashMap<String, String> =
        form.map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default();
    if form.get("grant_type").map(String::as_str) != Some("urn:ietf:params:oauth:grant-type:jwt-bearer") {
        return Act::answer(400, json!({ "error": "unsupported_grant_type" }).to_string());
    }
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[&*shared.token_url.borrow()]);
    validation.set_issuer(&[EMAIL]);
    validation.validate_exp = false;
    let assertion = form.get("assertion").map(String::as_str).unwrap_or_default();
    let Ok(decoded) = jsonwebtoken::decode::<Value>(assertion, &shared.key, &validation) else {
        return refused("Invalid JWT Signature.");
    };
    let (iat, exp) = (decoded.claims["iat"].as_i64(), decoded.claims["exp"].as_i64());
    let (Some(iat), Some(exp)) = (iat, exp) else { return refused("Invalid JWT: no times") };
    if (now - iat).abs() > 300 || exp <= now || exp - iat > 3600 {
        return refused(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.",
        );
    }
    let scope = "https://www.googleapis.com/auth/firebase.messaging";
    if decoded.claims["scope"] != scope || decoded.header.kid.as_deref() != Some(KEY_ID) {
        return refused("Invalid OAuth scope or ID token audience provided.");
    }
    let mut state = shared.state();
    let token = format!("ya29.{}", state.grants_asked);
    state.access_tokens.insert(token.clone(), now + TOKEN_SECONDS);
    let granted = json!({ "access_token": token, "expires_in": TOKEN_SECONDS, "token_type": "Bearer" });
    Act::answer(200, granted.to_string())
}

async fn send(shared: Arc<Shared>, asked: Asked, now: i64) -> Act {
    let authorization = asked.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let access_token = authorization.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let named = ["token", "fid", "topic"].into_iter().filter_map(|name| body["message"][name].as_str());
    let targets: Vec<&str> = named.collect();
    let message = Message {
        connection: asked.connection,
        target: targets.first().copied().unwrap_or_default().to_owned(),
        validate_only: body["validate_only"].as_bool() == Some(true),
        access_token: access_token.to_owned(),
        message: body["message"].clone(),
    };
    let act = {
        let mut state = shared.state();
        state.read.push(message.clone());
        let scripted = state.script.as_ref().and_then(|script| script(&message));
        let next = state.next.get_mut(&message.target).and_then(VecDeque::pop_front);
        next.or(scripted).unwrap_or_else(|| look(&state, &message, targets.len(), now))
    };
    // The sender lives as long as what is borrowed from.
    let _ = shared.held.subscribe().wait_for(|held| !held).await;
    let taken = match &act {
        Act::Answer { status, .. } => *status == 200 && !message.validate_only,
        Act::TakeAndHang | Act::TakeAndReset => true,
        Act::Refuse | Act::Reset | Act::Hang => false,
    };
    if taken {
        shared.state().taken.push(message);
    }
    act
}

/// What FCM says of this message.
fn look(state: &State, message: &Message, targets: usize, now: i64) -> Act {
    if state.access_tokens.get(&message.access_token).is_none_or(|end| *end <= now) {
        let said = "Request had invalid authentication credentials.";
        return error(401, "UNAUTHENTICATED", said, None);
    }
    if let Some((field, description)) = fault_of(&message.message, targets) {
        return bad_request(field, description);
    }
    let topic = message.message["topic"].is_string();
    if !topic && !state.devices.contains(&message.target) {
        return error(404, "NOT_FOUND", "Requested entity was not found.", Some("UNREGISTERED"));
    }
    let name = format!("projects/{PROJECT}/messages/0:{}", state.read.len());
    Act::answer(200, json!({ "name": name }).to_string())
}

/// What FCM would not take of a message.
fn fault_of(message: &Value, targets: usize) -> Option<(&'static str, &'static str)> {
    if targets != 1 {
        return Some(("message", "Exactly one of token, fid, topic or condition is required"));
    }
    for (name, value) in message["data"].as_object().into_iter().flatten() {
        let reserved = ["from", "message_type"].contains(&name.as_str());
        if reserved || name.starts_with("google") || name.starts_with("gcm") {
            return Some(("message.data", "Invalid data payload key"));
        }
        if !value.is_string() {
            return Some(("message.data[0].value", "Invalid value (TYPE_STRING)"));
        }
    }
    let parts = json!([message["notification"], message["data"]]);
    if parts.to_string().len() > 4096 {
        return Some(("message", "Android message is too big"));
    }
    let time_to_live = message["android"]["ttl"].as_str();
    let seconds =
        time_to_live.and_then(|text| text.strip_suffix('s')).and_then(|text| text.parse::<u32>().ok());
    if time_to_live.is_some() && seconds.is_none_or(|seconds| seconds > 2_419_200) {
        return Some(("message.android.ttl", "Invalid value"));
    }
    None
}
