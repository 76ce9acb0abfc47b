//! Who calls: a back end with an API key, or a user with their token. Parsed at the door, trusted inside.

use crate::auth::{Asking, Identity, Place, Scope};
use crate::clock;
use crate::metrics::Counter;
use crate::refusal::Refusal;
use crate::services::Services;
use axum::extract::FromRequestParts;
use belfry_protocol::{AlertId, ConnectionId, DeviceId, ErrorCode, GroupId, KeyId, UserId, WebhookId};
use belfry_store::Connected;
use http::HeaderMap;
use http::request::Parts;
use std::sync::Arc;

/// A back end: the name of its API key.
#[derive(Debug, Clone)]
pub(super) struct BackEnd {
    /// Owns idempotency keys; stands in logs.
    pub name: String,
}

/// Checks the API key of a request and that it may do this.
pub(super) fn back_end(services: &Services, headers: &HeaderMap, scope: Scope) -> Result<BackEnd, Refusal> {
    let presented = headers
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim());
    let Some(presented) = presented else {
        services.metrics.count(Counter::AuthRefused);
        return Err(Refusal::new(
            ErrorCode::Unauthorized,
            "send an API key as `Authorization: Bearer <key>`",
        ));
    };
    let Some(key) = services.api_keys.find(presented) else {
        services.metrics.count(Counter::AuthRefused);
        return Err(Refusal::new(
            ErrorCode::Unauthorized,
            "the API key is not known: compare it with `api_keys` of the configuration",
        ));
    };
    key.require(scope).map_err(|missing| Refusal::new(missing.error_code(), missing.to_string()))?;
    Ok(BackEnd { name: key.name().to_owned() })
}

/// May send alerts, read their traces and recall them.
#[derive(Debug, Clone)]
pub(super) struct Publisher(pub BackEnd);

impl FromRequestParts<Arc<Services>> for Publisher {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, services: &Arc<Services>) -> Result<Self, Refusal> {
        back_end(services, &parts.headers, Scope::Publish).map(Self)
    }
}

/// May read and change users and groups.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manager;

impl FromRequestParts<Arc<Services>> for Manager {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, services: &Arc<Services>) -> Result<Self, Refusal> {
        back_end(services, &parts.headers, Scope::Manage).map(|_| Self)
    }
}

/// May see and touch the node itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operator;

impl FromRequestParts<Arc<Services>> for Operator {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, services: &Arc<Services>) -> Result<Self, Refusal> {
        back_end(services, &parts.headers, Scope::Operate).map(|_| Self)
    }
}

/// A user, verified and not revoked.
#[derive(Debug, Clone)]
pub(super) struct Person {
    /// What the token says.
    pub identity: Identity,
    /// What the store knows.
    pub connected: Connected,
}

impl Person {
    /// Whose request this is.
    pub(super) fn user(&self) -> &UserId {
        &self.identity.user
    }
}

impl FromRequestParts<Arc<Services>> for Person {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, services: &Arc<Services>) -> Result<Self, Refusal> {
        let asking = Asking {
            method: &parts.method,
            headers: &parts.headers,
            query: parts.uri.query(),
            place: Place::Api,
        };
        person(services, asking).await
    }
}

/// Lets a user in and counts the call against their rate.
pub(super) async fn person(services: &Services, asking: Asking<'_>) -> Result<Person, Refusal> {
    let now = clock::now();
    let (identity, _) =
        services.gate.user(asking, now).await.map_err(|refusal| auth_refusal(services, &refusal))?;
    if let Err(after) = services.limiters.requests.take(&identity.user.as_str().to_owned(), 1.0, now.instant)
    {
        services.metrics.count(Counter::RateLimited);
        return Err(Refusal::new(ErrorCode::RateLimited, "too many requests of this user").retry_after(after));
    }
    let connected = services
        .store
        .connect(&identity.user, now.unix_ms())
        .await
        .map_err(|error| services.store_problem(&error))?;
    services
        .gate
        .check_revoked(&identity, connected.revoke_before)
        .map_err(|refusal| auth_refusal(services, &refusal))?;
    Ok(Person { identity, connected })
}

/// A refused credential as a problem document.
pub(super) fn auth_refusal(services: &Services, refusal: &crate::auth::Refusal) -> Refusal {
    services.metrics.count(Counter::AuthRefused);
    let answer = Refusal::new(refusal.error_code(), refusal.to_string());
    match refusal.retry_after() {
        Some(after) => answer.retry_after(after),
        None => answer,
    }
}

macro_rules! path_id {
    ($($(#[$doc:meta])* $name:ident($id:ty);)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone)]
            pub(super) struct $name(pub $id);

            impl FromRequestParts<Arc<Services>> for $name {
                type Rejection = Refusal;
                async fn from_request_parts(parts: &mut Parts, state: &Arc<Services>) -> Result<Self, Refusal> {
                    let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
                    let axum::extract::Path(text) = path.map_err(|error| Refusal::new(ErrorCode::IdInvalid, error.body_text()))?;
                    text.parse::<$id>().map(Self).map_err(|error| Refusal::new(ErrorCode::IdInvalid, error.to_string()))
                }
            }
        )*
    };
}

path_id! {
    /// The user of the path.
    PathUser(UserId);
    /// The group of the path.
    PathGroup(GroupId);
    /// The alert of the path.
    PathAlert(AlertId);
    /// The endpoint of the path.
    PathWebhook(WebhookId);
    /// The signing key of the path.
    PathKey(KeyId);
    /// The device of the path.
    PathDevice(DeviceId);
    /// The connection of the path.
    PathConnection(PathUuid);
}

/// A connection's id as text.
#[derive(Debug, Clone, Copy)]
pub(super) struct PathUuid(pub ConnectionId);

impl std::str::FromStr for PathUuid {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        uuid::Uuid::parse_str(text).map(|uuid| Self(ConnectionId(uuid)))
    }
}

/// The user and the device of the path.
#[derive(Debug, Clone)]
pub(super) struct PathUserDevice(pub UserId, pub DeviceId);

impl FromRequestParts<Arc<Services>> for PathUserDevice {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, state: &Arc<Services>) -> Result<Self, Refusal> {
        let invalid = |text: String| Refusal::new(ErrorCode::IdInvalid, text);
        let path = axum::extract::Path::<(String, String)>::from_request_parts(parts, state).await;
        let axum::extract::Path((user, device)) = path.map_err(|error| invalid(error.body_text()))?;
        let user = user.parse().map_err(|error: belfry_protocol::id::IdError| invalid(error.to_string()))?;
        let device =
            device.parse().map_err(|error: belfry_protocol::id::IdError| invalid(error.to_string()))?;
        Ok(Self(user, device))
    }
}
