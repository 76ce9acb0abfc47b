//! What every request passes: the host check of `belfry dev`, CORS, a deadline, a log line without secrets, a count.

use super::receipts::RECEIPTS;
use super::sdk::SDK;
use crate::auth::{Loopback, Origins};
use crate::clock;
use crate::config::Mode;
use crate::refusal::{Answer, Refusal};
use crate::services::Services;
use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::middleware::Next;
use axum::response::IntoResponse;
use belfry_protocol::ErrorCode;
use http::header::HOST;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use std::sync::{Arc, LazyLock};
use tracing::Instrument;

/// Names a request in the log and in its answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Pages of any origin, none of them with cookies.
static ANY_ORIGIN: LazyLock<Origins> =
    LazyLock::new(|| Origins::new(&["*"], Loopback::Listed).expect("`*` is a list of origins"));

/// Around every route.
pub async fn front(State(services): State<Arc<Services>>, request: Request<Body>, next: Next) -> Answer {
    let began = clock::now();
    if let Err(refusal) = check_host(&services, &request) {
        return refusal.into_response();
    }
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    // Behind a base path the route has that before it.
    let is_for_all = route.ends_with(RECEIPTS) || route.ends_with(SDK);
    let origins = if is_for_all { &*ANY_ORIGIN } else { services.gate.origins() };
    if let Some(headers) = origins.preflight(request.method(), request.headers()) {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        *answer.headers_mut() = headers;
        return answer;
    }
    let cors = origins.cors(request.headers());
    let method = request.method().clone();
    let id = uuid::Uuid::new_v4().to_string();
    let span = tracing::info_span!("request", request.id = id);
    let mut answer = match tokio::time::timeout(
        services.config.server.request_timeout,
        next.run(request).instrument(span),
    )
    .await
    {
        Ok(answer) => answer,
        Err(_) => Refusal::new(ErrorCode::Overloaded, "the answer took longer than `server.request_timeout`")
            .into_response(),
    };
    answer.headers_mut().extend(cors);
    if let Ok(value) = HeaderValue::from_str(&id) {
        answer.headers_mut().insert(REQUEST_ID, value);
    }
    let status = answer.status().as_u16();
    services.metrics.answered(&method, &route, status);
    let duration_ms = clock::now().instant.saturating_duration_since(began.instant).as_secs_f64() * 1e3;
    // The route's pattern, never path or query: they hold user ids and tokens.
    tracing::debug!(request.id = id, http.method = %method, http.route = route, http.status = status, duration_ms, "answered `{method} {route}` with {status}");
    answer
}

/// The same around the busiest path, which does without the router: what costs something is done for refusals only.
/// Its body has a deadline of its own, and the store answers or refuses by itself.
pub async fn create_alert_first(services: &Arc<Services>, route: &str, request: Request<Body>) -> Answer {
    if let Err(refusal) = check_host(services, &request) {
        return refusal.into_response();
    }
    let cors = services.gate.origins().cors(request.headers());
    let mut answer = super::create_alert(services, request).await;
    answer.headers_mut().extend(cors);
    let status = answer.status();
    if status == StatusCode::ACCEPTED {
        services.metrics.answered_create(route);
        return answer;
    }
    let id = uuid::Uuid::new_v4().to_string();
    if let Ok(value) = HeaderValue::from_str(&id) {
        answer.headers_mut().insert(REQUEST_ID, value);
    }
    let status = status.as_u16();
    services.metrics.answered(&Method::POST, route, status);
    tracing::debug!(
        request.id = id,
        http.method = "POST",
        http.route = route,
        http.status = status,
        "answered `POST {route}` with {status}"
    );
    answer
}

fn check_host(services: &Services, request: &Request<Body>) -> Result<(), Refusal> {
    if services.config.mode == Mode::Dev && !is_loopback(request) {
        let detail = "the `Host` header is no loopback name: `belfry dev` answers on this machine only";
        return Err(Refusal::new(ErrorCode::HostNotAllowed, detail));
    }
    Ok(())
}

fn is_loopback(request: &Request<Body>) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let authority = host.or_else(|| request.uri().host()).map(str::parse::<http::uri::Authority>);
    // The header has the port behind the name.
    matches!(authority, Some(Ok(authority)) if crate::auth::is_loopback_host(authority.host()))
}

/// No such path.
pub(super) async fn not_found() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "there is nothing at this path: see `/v1/openapi.json`")
}

/// The path knows other methods.
pub(super) async fn method_not_allowed() -> Refusal {
    Refusal::new(ErrorCode::MethodNotAllowed, "this path does not know the method: see the `Allow` header")
}
