//! `/v1/web-push`: what a page needs to subscribe.

use super::body;
use super::caller::Person;
use crate::refusal::{Answer, Refusal};
use crate::services::Services;
use axum::extract::State;
use belfry_protocol::ErrorCode;
use belfry_protocol::device::WebPushKey;
use http::StatusCode;
use std::sync::Arc;

/// The key that subscriptions are made with.
pub(super) async fn read_key(State(services): State<Arc<Services>>, _: Person) -> Result<Answer, Refusal> {
    let key = present_key(&services).ok_or_else(|| {
        Refusal::new(ErrorCode::ProviderNotConfigured, "web push is not configured on this server")
    })?;
    Ok(body::answer(StatusCode::OK, &key))
}

/// The present key; `None`: this server sends no web push.
fn present_key(_services: &Services) -> Option<WebPushKey> {
    None
}
