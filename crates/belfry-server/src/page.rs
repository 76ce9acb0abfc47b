//! The page of `belfry dev`: alerts as they arrive, and a form that publishes them. Plain files, embedded, no build step.
//!
//! Any page in the developer's browser can send requests to this machine. So what the page may do is asked for with a
//! token that stands only in the page itself, in a header that other origins cannot set unasked; the API key never
//! leaves the server, and the `Host` header was checked before (it would be foreign after a DNS rebinding).

mod sample;

use crate::auth::{Minter, NewToken};
use crate::clock;
use crate::http::body::{self, BodyLimit};
use crate::publish::Posted;
use crate::refusal::{Answer, Refusal};
use crate::services::Services;
use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::body::Body;
use axum::extract::{OriginalUri, Path, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use base64::Engine as _;
use belfry_protocol::device::PushAddress;
use belfry_protocol::user::UserProfile;
use belfry_protocol::{ErrorCode, NewAlert, UserId};
use belfry_store::{NewDevice, StoreError, UnixMs};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri};
use secrecy::ExposeSecret;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Proves that a request was made by the page this server handed out.
pub const PAGE_TOKEN: HeaderName = HeaderName::from_static("x-belfry-page-token");
/// Nothing but the server's own files, and no frame around it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// A mail brings its own style and nothing else.
const MAIL_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups; frame-ancestors 'none'",
);
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// Who the page can be.
const USERS: [&str; 2] = ["ann", "bob"];
/// How long the page's tokens are valid; the page asks for the next in time.
const TOKEN_VALID_FOR: Duration = Duration::from_secs(15 * 60);
/// Where `belfry dev` keeps the API key for shells, in the data folder.
const API_KEY_FILE: &str = "api-key";

const INDEX: &str = include_str!("page/index.html");
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The page's own files: path, type, text.
const FILES: [(&str, &str, &str); 9] = [
    ("/dev/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/dev/page.js", JAVASCRIPT, include_str!("page/page.js")),
    ("/dev/client.js", JAVASCRIPT, include_str!("page/client.js")),
    ("/dev/caught.js", JAVASCRIPT, include_str!("page/caught.js")),
    ("/dev/items.js", JAVASCRIPT, include_str!("page/items.js")),
    ("/dev/inbox.js", JAVASCRIPT, include_str!("page/inbox.js")),
    ("/dev/publish.js", JAVASCRIPT, include_str!("page/publish.js")),
    ("/dev/toasts.js", JAVASCRIPT, include_str!("page/toasts.js")),
    ("/dev/bell.svg", "image/svg+xml", include_str!("page/bell.svg")),
];

/// The secret of one start.
struct PageToken(String);

impl PageToken {
    fn new() -> Self {
        let mut bytes = [0u8; 32];
        aws_lc_rs::rand::fill(&mut bytes).expect("the operating system's random source does not fail");
        Self(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
    }

    fn demand(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let given = headers.get(&PAGE_TOKEN).map(HeaderValue::as_bytes).unwrap_or_default();
        aws_lc_rs::constant_time::verify_slices_are_equal(given, self.0.as_bytes()).map_err(|_| {
            let detail = "only the page of this start may do this: reload it, or use `/v1` with an API key";
            Refusal::new(ErrorCode::Forbidden, detail)
        })
    }
}

/// Routes of the page.
pub fn router() -> Router<Arc<Services>> {
    let token = Arc::new(PageToken::new());
    let embedded = Arc::clone(&token);
    let index = move |OriginalUri(original): OriginalUri| {
        let html = index(&original, &embedded);
        async move { file("text/html; charset=utf-8", html) }
    };
    let mut open = Router::new().route("/", get(index)).route("/dev/mail/{key}/{number}", get(show_mail));
    for (path, content_type, text) in FILES {
        open = open.route(path, get(move || async move { file(content_type, text) }));
    }
    let guarded = Router::new()
        .route("/dev/setup", get(setup))
        .route("/dev/token", post(make_token))
        .route("/dev/alerts", post(create_alert))
        .route("/dev/caught", get(list_caught))
        .layer(axum::middleware::from_fn(move |request: Request, next: Next| {
            let token = Arc::clone(&token);
            async move {
                match token.demand(request.headers()) {
                    Ok(()) => next.run(request).await,
                    Err(refusal) => refusal.into_response(),
                }
            }
        }));
    open.merge(guarded).layer(axum::middleware::from_fn(own_origin))
}

/// From `/base/` to the page at `/base`.
pub fn slash(base: &str) -> Router {
    let to = base.to_owned();
    Router::new().route(&format!("{base}/"), get(|| async move { Redirect::permanent(&to) }))
}

/// Other pages on this machine may call `/v1`, but not read this page and with it its token.
async fn own_origin(request: Request, next: Next) -> Answer {
    let headers = request.headers();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    let origin = headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    let own = origin
        .is_none_or(|origin| origin.split_once("://").is_some_and(|(_, host_of)| Some(host_of) == host));
    if own {
        return next.run(request).await;
    }
    let detail = "the page answers only to itself: other pages use `/v1`";
    Refusal::new(ErrorCode::OriginNotAllowed, detail).into_response()
}

/// The page, with this start's token and the path it is mounted under.
fn index(original: &Uri, token: &PageToken) -> String {
    let base = escape(original.path().trim_end_matches('/'));
    INDEX.replace("{{base}}", &base).replace("{{page_token}}", &token.0)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn file(content_type: &'static str, text: impl Into<Body>) -> Answer {
    let mut response = Response::new(text.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    // A rebuilt server has new files under the same names.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Pushes and mails that were caught, the newest first.
async fn list_caught(State(services): State<Arc<Services>>) -> Answer {
    let caught = services.caught.as_ref().map(|caught| caught.newest_first()).unwrap_or_default();
    body::answer(StatusCode::OK, &json!({ "caught": caught }))
}

/// A caught mail as its reader sees it. It may hold what a publisher wrote, so it may load and run nothing.
async fn show_mail(
    State(services): State<Arc<Services>>,
    Path((key, number)): Path<(String, u64)>,
) -> Result<Answer, Refusal> {
    let unknown = || Refusal::new(ErrorCode::NotFound, "there is no such mail: reload the page");
    let caught = services.caught.as_ref().filter(|caught| caught.key() == key).ok_or_else(unknown)?;
    let mut response = file("text/html; charset=utf-8", caught.mail(number).ok_or_else(unknown)?);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, MAIL_POLICY);
    Ok(response)
}

/// Gives the page's users a phone and a mailbox, where they have none: what is sent there is caught.
pub async fn settle_in(services: &Services) -> Result<(), StoreError> {
    let now = clock::now().unix_ms();
    for name in USERS {
        let user = UserId::new(name).expect("the names are ids");
        let known = services.store.user(&user).await?;
        if known.is_none_or(|known| known.profile.email.is_none()) {
            let email = Some(format!("{name}@example.com"));
            services.store.put_user(&user, UserProfile { email, ..UserProfile::default() }, now).await?;
        }
        if services.store.devices(&user).await?.is_empty() {
            let token = format!("the-phone-of-{name}-in-belfry-dev");
            let address = PushAddress::Fcm { token: Some(token), installation_id: None };
            let hash = digest(&SHA256, address.identity().as_bytes());
            let device = NewDevice {
                id: "phone".to_owned(),
                address_hash: hash.as_ref().try_into().expect("SHA-256 has 32 bytes"),
                address,
                locale: None,
                time_zone: None,
                app_version: None,
            };
            // A phone more or less changes nothing.
            let _ = services.store.put_device(&user, device, now).await;
        }
    }
    Ok(())
}

/// What the form needs to know. No `Value` in between: it would sort the fields of the examples.
#[derive(serde::Serialize)]
struct Setup {
    users: [&'static str; 2],
    /// Whether the kinds are the application's own.
    declared: bool,
    kinds: Vec<sample::Offer>,
    /// Where a shell finds the API key; the page itself never sees it.
    api_key_file: Option<String>,
    /// Stands in the paths of caught mails.
    mail_key: Option<String>,
}

/// What the form offers: users, kinds with an example each, and how a shell gets at the API key.
async fn setup(State(services): State<Arc<Services>>) -> Answer {
    let kinds = services.kinds.snapshot();
    let key_file = services.config.server.data_dir.join(API_KEY_FILE);
    let setup = Setup {
        users: USERS,
        declared: !kinds.is_empty(),
        kinds: sample::offers(&kinds, sample::whole_second(clock::now().at)),
        mail_key: services.caught.as_ref().map(|caught| caught.key().to_owned()),
        api_key_file: key_file.is_file().then(|| key_file.to_string_lossy().into_owned()),
    };
    body::answer(StatusCode::OK, &setup)
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    user: UserId,
}

fn limit(services: &Services) -> BodyLimit {
    BodyLimit { bytes_max: services.config.limits.body_bytes_max, key: "limits.body_bytes_max" }
}

/// A short token of one of the page's users.
async fn make_token(
    State(services): State<Arc<Services>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refusal> {
    let TokenBody { user } = body::json(&headers, body, limit(&services)).await?;
    if !USERS.contains(&user.as_str()) {
        let detail = "the page speaks for its own users only";
        return Err(Refusal::new(ErrorCode::UserUnknown, detail).at("/user", detail));
    }
    let minter = Minter::new(&services.config.verifier_options())
        .map_err(|error| Refusal::new(ErrorCode::Forbidden, error.to_string()))?;
    let issued_at = clock::now().unix_ms();
    let valid_ms = i64::try_from(TOKEN_VALID_FOR.as_millis()).expect("a constant");
    let expires_at = UnixMs(issued_at.0 + valid_ms);
    let token = minter.mint(NewToken { user, issued_at, expires_at, extra: serde_json::Map::new() });
    let answer = json!({
        "token": token.expose_secret(),
        "expires_at": clock::timestamp(expires_at),
    });
    Ok(body::answer(StatusCode::OK, &answer))
}

/// The same as `POST /v1/alerts`, for the page.
async fn create_alert(
    State(services): State<Arc<Services>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refusal> {
    let alert: NewAlert = body::json(&headers, body, limit(&services)).await?;
    let accepted = services.publish(Posted { alert, idempotency: None }, clock::now()).await?;
    Ok(body::answer(StatusCode::ACCEPTED, &accepted.answer))
}
