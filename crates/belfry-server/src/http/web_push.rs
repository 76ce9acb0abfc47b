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
    let web_push = services.web_push.as_ref().ok_or_else(|| {
        Refusal::new(ErrorCode::ProviderNotConfigured, "web push is not configured on this server")
    })?;
    let key = web_push.key();
    let key = WebPushKey { key: key.public_key().to_owned(), id: key.id().to_owned() };
    Ok(body::answer(StatusCode::OK, &key))
}
