//! `/v1/webhooks`: endpoints of the application that are told what became of alerts.

use super::body::{self, BodyLimit};
use super::caller::{Manager, PathWebhook};
use crate::clock;
use crate::refusal::{Answer, Refusal};
use crate::services::Services;
use crate::tasks::TaskKind;
use axum::body::Body;
use axum::extract::State;
use belfry_channels::Refusal as Refused;
use belfry_channels::standard_webhooks::SigningSecret;
use belfry_protocol::ErrorCode;
use belfry_protocol::webhook::{WEBHOOKS_MAX, Webhook, WebhookBody, WebhookTest, Webhooks};
use belfry_store::{NewWebhook, UnixMs, WebhookRow};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;

/// How long the old secret signs beside the new one.
const OLD_SECRET_SIGNS_MS: i64 = 24 * 3_600_000;

fn shown(row: WebhookRow, secret: Option<SecretString>) -> Webhook {
    Webhook {
        id: row.id,
        url: row.url,
        events: row.events,
        enabled: row.enabled,
        disabled_reason: row.disabled_reason,
        failing_since: row.failing_since.map(clock::timestamp),
        waiting: row.waiting,
        dropped: row.dropped,
        created_at: clock::timestamp(row.created_at),
        secret: secret.map(|secret| secret.expose_secret().to_owned()),
    }
}

fn unknown() -> Refusal {
    Refusal::new(ErrorCode::WebhookUnknown, "no endpoint has this name: see `GET /v1/webhooks`")
}

/// All endpoints.
pub(super) async fn list_webhooks(
    State(services): State<Arc<Services>>,
    _: Manager,
) -> Result<Answer, Refusal> {
    let rows = services.store.webhooks().await.map_err(|error| services.store_problem(&error))?;
    let webhooks = rows.into_iter().map(|row| shown(row, None)).collect();
    Ok(body::answer(StatusCode::OK, &Webhooks { webhooks }))
}

/// One endpoint.
pub(super) async fn read_webhook(
    State(services): State<Arc<Services>>,
    _: Manager,
    PathWebhook(id): PathWebhook,
) -> Result<Answer, Refusal> {
    let row = services.store.webhook(&id).await.map_err(|error| services.store_problem(&error))?;
    Ok(body::answer(StatusCode::OK, &shown(row.ok_or_else(unknown)?, None)))
}

/// Makes or changes an endpoint.
pub(super) async fn put_webhook(
    State(services): State<Arc<Services>>,
    _: Manager,
    PathWebhook(id): PathWebhook,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refusal> {
    let limit = BodyLimit { bytes_max: services.config.limits.body_bytes_max, key: "limits.body_bytes_max" };
    let wanted: WebhookBody = body::json(&headers, body, limit).await?;
    check(&services, &wanted)?;
    let secret = SigningSecret::generate();
    let new = NewWebhook {
        url: wanted.url,
        events: wanted.events,
        enabled: wanted.enabled,
        secret: secret.expose_secret().to_owned(),
    };
    let putting = Arc::clone(&services);
    let work = async move { putting.store.put_webhook(&id, new, clock::now().unix_ms()).await };
    let put = services.tasks.see_through(TaskKind::Change, work).await;
    match put.map_err(|error| services.store_problem(&error))? {
        Some((row, true)) => Ok(body::answer(StatusCode::CREATED, &shown(row, Some(secret)))),
        Some((row, false)) => Ok(body::answer(StatusCode::OK, &shown(row, None))),
        None => Err(Refusal::new(
            ErrorCode::TooManyWebhooks,
            format!("there are {WEBHOOKS_MAX} endpoints, and no more are allowed: delete one first"),
        )),
    }
}

fn check(services: &Services, wanted: &WebhookBody) -> Result<(), Refusal> {
    let fault = |pointer: &str, detail: String| {
        Refusal::new(ErrorCode::FieldInvalid, format!("{pointer}: {detail}")).at(pointer, detail)
    };
    if wanted.events.is_empty() {
        return Err(fault("/events", "name at least one".to_owned()));
    }
    services.poster.check_endpoint(&wanted.url).map_err(|refused| match refused {
        Refused::NotListed => fault("/url", "it is not on the port 443".to_owned()),
        other => fault("/url", other.to_string()),
    })
}

/// Forgets an endpoint.
pub(super) async fn delete_webhook(
    State(services): State<Arc<Services>>,
    _: Manager,
    PathWebhook(id): PathWebhook,
) -> Result<Answer, Refusal> {
    match services.store.delete_webhook(&id).await.map_err(|error| services.store_problem(&error))? {
        true => Ok(body::no_content()),
        false => Err(unknown()),
    }
}

/// Gives an endpoint a new secret.
pub(super) async fn rotate_webhook(
    State(services): State<Arc<Services>>,
    _: Manager,
    PathWebhook(id): PathWebhook,
) -> Result<Answer, Refusal> {
    let secret = SigningSecret::generate();
    let old_until = UnixMs(clock::now().unix_ms().0 + OLD_SECRET_SIGNS_MS);
    let rotated = services.store.rotate_webhook(&id, secret.expose_secret(), old_until).await;
    let row = rotated.map_err(|error| services.store_problem(&error))?.ok_or_else(unknown)?;
    Ok(body::answer(StatusCode::OK, &shown(row, Some(secret))))
}

/// Sends a test event.
pub(super) async fn test_webhook(
    State(services): State<Arc<Services>>,
    _: Manager,
    PathWebhook(id): PathWebhook,
) -> Result<Answer, Refusal> {
    let queued = services.store.test_webhook(&id, clock::now().unix_ms()).await;
    let webhook_id = queued.map_err(|error| services.store_problem(&error))?.ok_or_else(unknown)?;
    Ok(body::answer(StatusCode::ACCEPTED, &WebhookTest { webhook_id }))
}
