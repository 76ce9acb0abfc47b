//! The way in: credential, limits, registration, the user's row, and only then the upgrade.
//!
//! A client that offers `belfry.v1` gets its refusal as an accepted upgrade, an `error` frame and a close code,
//! because browsers hide the status of a failed upgrade and would retry a bad token for ever.

use super::drive::{self, Drive};
use super::session::{Opening, Session, Speaks};
use super::socket::Socket;
use super::sse;
use super::transport::{Parcel, Transport};
use crate::auth::{Asking, Identity, Place, Source};
use crate::clock::{self, Now};
use crate::hub::{Handle, HandleLimits, Registration, SessionKind, TooMany};
use crate::metrics::Counter;
use crate::refusal::{Answer, Refusal};
use crate::services::{Peer, Services};
use crate::tasks::TaskKind;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use belfry_protocol::frame::ErrorMessageData;
use belfry_protocol::{
    BEARER_SUBPROTOCOL_PREFIX, CloseCode, ConnectionId, ErrorCode, SUBPROTOCOL, ServerFrame,
};
use belfry_store::Connected;
use belfry_websocket::{Handshake, Limits};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a refused client may take to read why.
const REFUSAL_GOODBYE: Duration = Duration::from_secs(2);
/// How long a client may take to read the answer to its upgrade.
const UPGRADE: Duration = Duration::from_secs(10);
/// What an evicted naive client is told to wait.
const TOO_MANY_RETRY: Duration = Duration::from_secs(60);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Why nobody gets in, as HTTP and as a close.
struct NoEntry {
    close: CloseCode,
    code: ErrorCode,
    detail: String,
    retry_after: Option<Duration>,
}

impl NoEntry {
    fn new(close: CloseCode, code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { close, code, detail: detail.into(), retry_after: None }
    }

    fn into_http(self) -> Refusal {
        let refusal = Refusal::new(self.code, self.detail);
        match self.retry_after {
            Some(after) => refusal.retry_after(after),
            None => refusal,
        }
    }

    fn frame(&self, now: Now) -> Vec<u8> {
        let retry_after_ms =
            self.retry_after.map(|after| u32::try_from(after.as_millis()).unwrap_or(u32::MAX));
        let data =
            ErrorMessageData { retry_after_ms, ..ErrorMessageData::new(self.code, self.detail.clone()) };
        let frame = ServerFrame::Error { data, timestamp: now.at };
        serde_json::to_vec(&frame).expect("every frame has a JSON form")
    }
}

impl From<&crate::auth::Refusal> for NoEntry {
    fn from(refusal: &crate::auth::Refusal) -> Self {
        Self {
            retry_after: refusal.retry_after(),
            ..Self::new(refusal.close_code(), refusal.error_code(), refusal.to_string())
        }
    }
}

/// Somebody who may come in: in the hub already, so that nothing committed from here on is missed.
struct Entry {
    identity: Identity,
    registration: Registration,
    connected: Connected,
}

/// Facts of a request that asks for a live connection.
struct Asked {
    headers: HeaderMap,
    method: http::Method,
    query: Option<String>,
    place: Place,
    kind: SessionKind,
    peer: Option<Peer>,
}

impl Asked {
    fn parameter(&self, name: &str) -> Option<String> {
        let query = self.query.as_deref().unwrap_or_default();
        let url = reqwest::Url::parse(&format!("http://localhost/?{query}")).ok()?;
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

async fn enter(services: &Arc<Services>, asked: &Asked, now: Now) -> Result<(Entry, Source), NoEntry> {
    if services.hub.is_draining() {
        return Err(draining());
    }
    let counts = services.hub.counts();
    if counts.websocket + counts.sse >= services.config.limits.connections_max {
        services.metrics.count(Counter::ConnectionsRefused);
        let detail = "this node holds as many connections as it may (`limits.connections_max`)";
        return Err(NoEntry {
            retry_after: Some(Duration::from_secs(5)),
            ..NoEntry::new(CloseCode::RateLimited, ErrorCode::Overloaded, detail)
        });
    }
    admit(services, asked, now)?;
    let asking = Asking {
        method: &asked.method,
        headers: &asked.headers,
        query: asked.query.as_deref(),
        place: asked.place,
    };
    let (identity, source) = services.gate.user(asking, now).await.map_err(|refusal| {
        services.metrics.count(Counter::AuthRefused);
        NoEntry::from(&refusal)
    })?;
    let registration = register(services, &identity, asked.kind, now)?;
    // Looked at once more now that the drain would find us in the hub: else it could pass us by, and wait for ever.
    if services.hub.is_draining() {
        return Err(draining());
    }
    // Registered before the read: an alert committed in between waits in the hub and is merged by its number.
    let connected = services.store.connect(&identity.user, now.unix_ms()).await.map_err(|error| {
        services.metrics.count(Counter::StoreFailures);
        // The store says it once; here it would be a line for everybody who comes.
        tracing::debug!(error = %error, "a connection waits for the store");
        NoEntry {
            retry_after: Some(Duration::from_secs(1)),
            ..NoEntry::new(
                CloseCode::GoingAway,
                ErrorCode::StoreUnavailable,
                "the store cannot be read right now",
            )
        }
    })?;
    services.gate.check_revoked(&identity, connected.revoke_before).map_err(|refusal| {
        services.metrics.count(Counter::AuthRefused);
        NoEntry::from(&refusal)
    })?;
    services.metrics.count(Counter::SessionsOpened);
    Ok((Entry { identity, registration, connected }, source))
}

fn draining() -> NoEntry {
    let detail = "the server is shutting down: another node or the restarted one answers";
    NoEntry {
        retry_after: Some(Duration::from_secs(1)),
        ..NoEntry::new(CloseCode::GoingAway, ErrorCode::Draining, detail)
    }
}

/// Before any work on the token: a storm is turned away for little.
fn admit(services: &Services, asked: &Asked, now: Now) -> Result<(), NoEntry> {
    let limiters = &services.limiters;
    let address = asked.peer.and_then(|peer| services.proxies.limit_key(peer.0, &asked.headers));
    let of_address =
        address.map_or(Ok(()), |address| limiters.connections_per_address.take(&address, 1.0, now.instant));
    of_address.and_then(|()| limiters.connections.take(&(), 1.0, now.instant)).map_err(|after| {
        services.metrics.count(Counter::RateLimited);
        NoEntry {
            // Spread, or everybody refused now would come back at the same moment.
            retry_after: Some(after + Duration::from_secs_f64(fastrand::f64() * 2.0)),
            ..NoEntry::new(
                CloseCode::RateLimited,
                ErrorCode::RateLimited,
                "too many new connections right now",
            )
        }
    })
}

fn register(
    services: &Arc<Services>,
    identity: &Identity,
    kind: SessionKind,
    now: Now,
) -> Result<Registration, NoEntry> {
    let id = ConnectionId(uuid::Uuid::new_v4());
    let handle = Handle::new(id, identity.user.clone(), kind, HandleLimits::default(), now.instant);
    services.hub.register(Arc::new(handle), now.instant).map_err(|TooMany| {
        services.metrics.count(Counter::RateLimited);
        let detail =
            "this user has too many connections, and older ones were replaced several times within a minute";
        NoEntry {
            retry_after: Some(TOO_MANY_RETRY),
            ..NoEntry::new(CloseCode::RateLimited, ErrorCode::TooManyConnections, detail)
        }
    })
}

fn session(services: &Services, entry: &Entry, speaks: Speaks, asked: &Asked, now: Now) -> Box<Session> {
    let cursor = asked.parameter("cursor").or_else(|| {
        let last = asked.headers.get(LAST_EVENT_ID)?.to_str().ok()?;
        (asked.place == Place::Events && !last.is_empty()).then(|| last.to_owned())
    });
    let opening = Opening {
        id: entry.registration.handle.id,
        user: entry.identity.user.clone(),
        speaks,
        cursor,
        max: asked.parameter("max").and_then(|max| max.parse().ok()),
        ponged: services.hub.ponged(&entry.identity.user),
        token_expires_at: Some(entry.identity.expires_at),
        token_issued_at: entry.identity.issued_at,
        token_kid: entry.identity.kid.clone(),
        jitter: fastrand::f64(),
    };
    Box::new(Session::open(opening, entry.connected.clone(), Arc::clone(&services.rules), now))
}

// ---- WebSocket

/// `GET /ws` and `/ws/alerts`.
pub async fn open_socket(State(services): State<Arc<Services>>, mut request: Request<Body>) -> Answer {
    let now = clock::now();
    let handshake = match Handshake::check(request.method(), request.version(), request.headers()) {
        Ok(handshake) => handshake,
        Err(error) => {
            let mut answer = Refusal::new(ErrorCode::UpgradeRequired, error.to_string()).into_response();
            *answer.status_mut() = error.status();
            answer.headers_mut().extend(error.headers());
            return answer;
        }
    };
    let speaks = if handshake.offers(SUBPROTOCOL) { Speaks::V1 } else { Speaks::Naive };
    if speaks == Speaks::Naive && offers_unknown_version(&handshake) {
        let detail = "none of the offered versions is supported: offer `belfry.v1`";
        return Refusal::new(ErrorCode::VersionNotSupported, detail).into_response();
    }
    let on_upgrade = hyper::upgrade::on(&mut request);
    let asked = Asked {
        headers: std::mem::take(request.headers_mut()),
        method: request.method().clone(),
        query: request.uri().query().map(str::to_owned),
        place: Place::Socket,
        kind: SessionKind { speaks_v1: speaks == Speaks::V1, websocket: true },
        peer: request.extensions().get().copied(),
    };
    match enter(&services, &asked, now).await {
        Ok((entry, _)) => {
            let session = session(&services, &entry, speaks, &asked, now);
            let tasks = services.tasks.clone();
            tasks.spawn(TaskKind::Session, serve_socket(services, on_upgrade, session, entry.registration));
        }
        Err(no) if speaks == Speaks::V1 => {
            let tasks = services.tasks.clone();
            tasks.spawn(TaskKind::Session, refuse_socket(services, on_upgrade, no));
        }
        Err(no) => return no.into_http().into_response(),
    }
    handshake.response((speaks == Speaks::V1).then_some(SUBPROTOCOL))
}

/// A client that names only versions of ours that do not exist yet would wait for frames it does not understand.
fn offers_unknown_version(handshake: &Handshake) -> bool {
    handshake
        .protocols
        .iter()
        .any(|protocol| protocol.starts_with("belfry.") && !protocol.starts_with(BEARER_SUBPROTOCOL_PREFIX))
}

fn limits(services: &Services) -> Limits {
    Limits {
        inbound_message_bytes_max: services.config.limits.inbound_message_bytes_max,
        send_queue_bytes_max: services.config.limits.send_queue_bytes_max,
        ..Limits::default()
    }
}

async fn serve_socket(
    services: Arc<Services>,
    on_upgrade: OnUpgrade,
    session: Box<Session>,
    registration: Registration,
) {
    // The client left before the upgrade, or does not take its answer: there is nobody to serve.
    let Ok(Ok(upgraded)) = tokio::time::timeout(UPGRADE, on_upgrade).await else { return };
    let limits = limits(&services);
    // The bare socket where there is one: hyper's buffers go with its wrapper.
    match hyper_util::server::conn::auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => {
            let socket = parts.io.into_inner();
            bound_kernel_queue(&socket);
            let transport = Socket::new(socket, limits, &parts.read_buf);
            // It would hold hyper's buffer of 8 KiB for as long as the socket lives.
            drop(parts.read_buf);
            Box::pin(drive::run(Drive { transport, session, registration, services })).await;
        }
        Err(upgraded) => {
            let transport = Socket::new(TokioIo::new(upgraded), limits, &[]);
            Box::pin(drive::run(Drive { transport, session, registration, services })).await;
        }
    }
}

/// Unsent bytes stay with us, where they can be dropped, instead of going stale in megabytes of kernel buffer; and
/// a peer that vanished is noticed although there is always something unsent.
fn bound_kernel_queue(socket: &TcpStream) {
    let socket = socket2::SockRef::from(socket);
    #[cfg(target_os = "linux")]
    {
        let _ = socket.set_tcp_user_timeout(Some(Duration::from_secs(60)));
        let _ = socket.set_tcp_notsent_lowat(16 * 1024);
    }
    let _ = socket.set_tcp_nodelay(true);
}

async fn refuse_socket(services: Arc<Services>, on_upgrade: OnUpgrade, no: NoEntry) {
    let Ok(Ok(upgraded)) = tokio::time::timeout(REFUSAL_GOODBYE, on_upgrade).await else { return };
    let mut transport = Socket::new(TokioIo::new(upgraded), limits(&services), &[]);
    let frame = no.frame(clock::now());
    let _ = transport.send(Parcel { body: frame.into(), tail: Vec::new(), receipt: None, cursor: None });
    services.metrics.closed(no.close.number());
    transport.finish(no.close.number(), no.close.slug(), REFUSAL_GOODBYE).await;
}

// ---- server-sent events

/// `GET /v1/events`.
pub async fn open_events(State(services): State<Arc<Services>>, request: Request<Body>) -> Answer {
    let now = clock::now();
    let (parts, _) = request.into_parts();
    let mut asked = Asked {
        headers: parts.headers,
        method: parts.method,
        query: parts.uri.query().map(str::to_owned),
        place: Place::Events,
        kind: SessionKind { speaks_v1: false, websocket: false },
        peer: parts.extensions.get().copied(),
    };
    // An SDK reads the stream by `fetch`: it can say what it speaks, set a header, and see a status.
    let v1 = asked.parameter("protocol").as_deref() == Some(SUBPROTOCOL)
        || asked.headers.contains_key(http::header::AUTHORIZATION);
    asked.kind.speaks_v1 = v1;
    let speaks = if v1 { Speaks::V1Events } else { Speaks::NaiveEvents };
    let retry = services.config.live.sse_retry;
    match enter(&services, &asked, now).await {
        Ok((entry, _)) => {
            let session = session(&services, &entry, speaks, &asked, now);
            let (events, body) = sse::events(services.config.limits.send_queue_bytes_max, retry);
            let tasks = services.tasks.clone();
            let drive = Drive { transport: events, session, registration: entry.registration, services };
            tasks.spawn(TaskKind::Session, async move { Box::pin(drive::run(drive)).await });
            event_stream(Body::new(body))
        }
        Err(no) if v1 || !accepts_events(&asked.headers) => no.into_http().into_response(),
        Err(no) => event_stream(Body::from(sse::refusal(&no.frame(now), no.retry_after.unwrap_or(retry)))),
    }
}

fn accepts_events(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/event-stream"))
}

fn event_stream(body: Body) -> Answer {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would hold events back until its buffer is full.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}
