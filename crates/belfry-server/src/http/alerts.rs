//! `POST /v1/alerts`, `GET` and `DELETE /v1/alerts/{id}`.

use super::body::{self, BodyLimit};
use super::caller::{PathAlert, Publisher, back_end};
use super::deliveries;
use super::query::Query;
use crate::auth::Scope;
use crate::clock::{self, Now};
use crate::metrics::Counter;
use crate::publish::{Accepted, Posted};
use crate::refusal::{Answer, Refusal};
use crate::services::Services;
use crate::tasks::TaskKind;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use belfry_protocol::alert::KEY_BYTES_MAX;
use belfry_protocol::trace::{AlertTrace, LevelTime, RecipientTrace, TRACE_RECIPIENTS_MAX};
use belfry_protocol::{Audience, ErrorCode, NewAlert, Problem, UserId};
use belfry_store::{AlertDetail, DeliveryTraceRow, Idempotency, ItemNow, RecipientRow};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::Arc;

/// The header that makes repeating a call harmless.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is the first call's.
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Stores an alert and answers `202` once it is on disk. Called before the router, for it is the busiest path.
pub async fn create_alert(services: &Arc<Services>, request: Request<Body>) -> Answer {
    match try_create(services, request).await {
        Ok(accepted) => accepted_answer(&accepted),
        Err(refusal) => refusal.into_response(),
    }
}

/// The same as a route, where the whole router is mounted into another application.
pub(super) async fn create_alert_route(
    State(services): State<Arc<Services>>,
    request: Request<Body>,
) -> Answer {
    create_alert(&services, request).await
}

async fn try_create(services: &Arc<Services>, request: Request<Body>) -> Result<Accepted, Refusal> {
    let now = clock::now();
    let (parts, body) = request.into_parts();
    let back_end = back_end(services, &parts.headers, Scope::Publish)?;
    admit(services, &back_end.name, 1.0)?;
    body::demand_json(&parts.headers)?;
    let within = services.config.server.request_timeout;
    let bytes = body::read_within(body, users_limit(services), within).await?;
    let alert = read_new_alert(&bytes)?;
    check_size(services, &alert, bytes.len())?;
    let header = idempotency_header(&parts.headers)?;
    let idempotency = idempotency(&back_end.name, header, &alert, &bytes)?;
    Ok(publish(services, Posted { alert, idempotency }, now).await?)
}

/// Publishes, also when the caller hangs up in the middle: what is on disk reaches the sessions.
pub(super) async fn publish(services: &Arc<Services>, posted: Posted, now: Now) -> Result<Accepted, Problem> {
    let publishing = Arc::clone(services);
    let work = async move { publishing.publish(posted, now).await };
    services.tasks.see_through(TaskKind::Change, work).await
}

/// Reads the body of `POST /v1/alerts`.
pub fn read_new_alert(bytes: &[u8]) -> Result<NewAlert, Refusal> {
    body::parse(bytes)
}

/// Counts alerts against the key's rate.
pub(super) fn admit(services: &Services, api_key: &str, alerts: f64) -> Result<(), Refusal> {
    let now = clock::now().instant;
    services.limiters.publishes.take(&api_key.to_owned(), alerts, now).map_err(|after| {
        services.metrics.count(Counter::RateLimited);
        let detail = "too many alerts of this API key (`limits.publishes_per_second_per_key`)";
        Refusal::new(ErrorCode::RateLimited, detail).retry_after(after)
    })
}

fn users_limit(services: &Services) -> BodyLimit {
    BodyLimit { bytes_max: services.config.limits.body_users_bytes_max, key: "limits.body_users_bytes_max" }
}

/// Only a list of users may make a body as large as that.
pub(super) fn check_size(services: &Services, alert: &NewAlert, bytes: usize) -> Result<(), Refusal> {
    let bytes_max = services.config.limits.body_bytes_max;
    if bytes <= bytes_max || matches!(alert.to, Audience::Users(_)) {
        return Ok(());
    }
    Err(body::too_large(BodyLimit { bytes_max, key: "limits.body_bytes_max" }))
}

/// The key of the header.
pub(super) fn idempotency_header(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().unwrap_or_default().trim();
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        let detail =
            format!("the header `Idempotency-Key` must have 1 to {KEY_BYTES_MAX} visible ASCII characters");
        return Err(Refusal::new(ErrorCode::FieldInvalid, detail));
    }
    Ok(Some(key.to_owned()))
}

/// Which call this repeats, if any: the field wins over the header, and both must not differ.
pub(super) fn idempotency(
    api_key: &str,
    header: Option<String>,
    alert: &NewAlert,
    raw: &[u8],
) -> Result<Option<Idempotency>, Refusal> {
    let key = match (header, alert.idempotency_key.clone()) {
        (Some(header), Some(field)) if header != field => {
            let detail = "differs from the header `Idempotency-Key`: send one of them";
            return Err(Refusal::new(ErrorCode::FieldInvalid, detail).at("/idempotency_key", detail));
        }
        (header, field) => field.or(header),
    };
    Ok(key.map(|key| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, raw);
        let body_hash = digest.as_ref().try_into().expect("SHA-256 has 32 bytes");
        Idempotency { api_key: api_key.to_owned(), key, body_hash }
    }))
}

fn accepted_answer(accepted: &Accepted) -> Answer {
    let mut answer = body::answer(StatusCode::ACCEPTED, &accepted.answer);
    if accepted.replayed {
        answer.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    answer
}

/// The alert and where it stands with each recipient.
pub(super) async fn read_alert(
    State(services): State<Arc<Services>>,
    _: Publisher,
    PathAlert(id): PathAlert,
    mut query: Query,
) -> Result<Answer, Refusal> {
    let limit = query.limit(100, TRACE_RECIPIENTS_MAX)?;
    let after: Option<UserId> = query.parsed("after", "the `next` of the page before")?;
    query.finish(&["limit", "after"])?;
    let detail = services
        .store
        .alert(id)
        .await
        .map_err(|error| services.store_problem(&error))?
        .ok_or_else(unknown)?;
    let rows = services.store.alert_recipients(id, after.as_ref(), limit + 1).await;
    let rows = rows.map_err(|error| services.store_problem(&error))?;
    let mut alert = trace(detail, rows, limit as usize);
    let users: Vec<UserId> = alert.trace.iter().map(|recipient| recipient.user.clone()).collect();
    let found = services.store.deliveries_of(id, &users).await;
    let mut found: HashMap<UserId, DeliveryTraceRow> =
        found.map_err(|error| services.store_problem(&error))?.into_iter().collect();
    for recipient in &mut alert.trace {
        recipient.delivery = found.remove(&recipient.user).map(deliveries::trace);
    }
    Ok(body::answer(StatusCode::OK, &alert))
}

fn unknown() -> Refusal {
    Refusal::new(ErrorCode::AlertUnknown, "there is no alert with this id; retention may have removed it")
}

fn trace(detail: AlertDetail, mut rows: Vec<RecipientRow>, limit: usize) -> AlertTrace {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| row.user.to_string());
    let content = detail.content;
    AlertTrace {
        id: detail.id,
        to: detail.audience,
        kind: content.kind.clone(),
        data: RawValue::from_string(content.data.to_string()).unwrap_or_else(|_| RawValue::NULL.to_owned()),
        title: content.title.clone(),
        body: content.body.clone(),
        link: content.link.clone(),
        image: content.image.clone(),
        actions: content.actions.clone(),
        severity: content.severity,
        category: content.category.clone(),
        thread: content.thread.clone(),
        collapse_key: content.collapse_key.clone(),
        quiet: content.quiet,
        created_at: clock::timestamp(content.created_at),
        expires_at: content.expires_at.map(clock::timestamp),
        recalled_at: detail.recalled_at.map(clock::timestamp),
        recipients: detail.recipients,
        expanded: detail.expanded,
        trace: rows.into_iter().map(recipient).collect(),
        next,
    }
}

fn recipient(row: RecipientRow) -> RecipientTrace {
    let (state, left) = match row.now {
        ItemNow::Here(state) => (Some(state), None),
        ItemNow::Left(to) => (None, Some(to)),
    };
    let levels = row.level_times.into_iter();
    RecipientTrace {
        user: row.user,
        stream: row.stream,
        seq: row.seq,
        state,
        left,
        level: row.level,
        levels: levels.map(|(level, at)| LevelTime { level, at: clock::timestamp(at) }).collect(),
        delivery: None,
    }
}

/// Takes an alert back.
pub(super) async fn recall_alert(
    State(services): State<Arc<Services>>,
    _: Publisher,
    PathAlert(id): PathAlert,
) -> Result<Answer, Refusal> {
    let recalling = Arc::clone(&services);
    let work = async move { recalling.recall(id, clock::now()).await };
    let recalled = services
        .tasks
        .see_through(TaskKind::Change, work)
        .await
        .map_err(|error| services.store_problem(&error))?;
    recalled.map(|_| body::no_content()).ok_or_else(unknown)
}
