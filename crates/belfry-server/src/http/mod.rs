//! The front door: what back ends, users and operators call.

mod alerts;
mod batch;
pub(crate) mod body;
mod caller;
mod dead_letters;
mod deliveries;
mod devices;
mod documents;
mod front;
mod groups;
mod inbox;
mod operate;
mod preferences;
mod providers;
mod query;
mod receipts;
mod sdk;
mod unsubscribe;
mod users;
mod web_push;
mod webhooks;

pub use alerts::{create_alert, read_new_alert};
pub use front::{create_alert_first, front};
pub use operate::metrics_text;

use crate::services::Services;
use axum::Router;
use axum::routing::{delete, get, post, put};
use std::sync::Arc;

/// The path that is handled before the router.
pub const CREATE_ALERT: &str = "/v1/alerts";

/// The routes that answer and are done.
pub fn router() -> Router<Arc<Services>> {
    Router::new()
        .route(CREATE_ALERT, post(alerts::create_alert_route))
        .route("/v1/alerts/batch", post(batch::create_alerts))
        .route("/v1/alerts/{id}", get(alerts::read_alert).delete(alerts::recall_alert))
        .route("/v1/users/{id}", put(users::put_user).get(users::read_user).delete(users::delete_user))
        .route("/v1/users/{id}/export", get(users::export_user))
        .route("/v1/users/{id}/disconnect", post(users::disconnect_user))
        .route("/v1/users/{id}/devices", get(devices::list_user_devices))
        .route("/v1/users/{id}/devices/{device_id}", delete(devices::delete_user_device))
        .route("/v1/groups/{id}", put(groups::put_group).get(groups::read_group).delete(groups::delete_group))
        .route("/v1/groups/{id}/members", post(groups::add_members).delete(groups::remove_members))
        .route("/v1/dead-letters", get(dead_letters::list))
        .route("/v1/dead-letters/replay", post(dead_letters::replay))
        .route("/v1/deliveries/resume", post(deliveries::resume))
        .route("/v1/providers", get(providers::list))
        .route("/v1/providers/{provider}/resume", post(providers::resume))
        .route("/v1/webhooks", get(webhooks::list_webhooks))
        .route(
            "/v1/webhooks/{id}",
            put(webhooks::put_webhook).get(webhooks::read_webhook).delete(webhooks::delete_webhook),
        )
        .route("/v1/webhooks/{id}/rotate", post(webhooks::rotate_webhook))
        .route("/v1/webhooks/{id}/test", post(webhooks::test_webhook))
        .route("/v1/stats", get(operate::stats))
        .route("/v1/backup", post(operate::backup))
        .route("/v1/revoked-keys", get(operate::revoked_keys))
        .route("/v1/revoked-keys/{id}", put(operate::revoke_key).delete(operate::restore_key))
        .route("/v1/inbox", get(inbox::read_inbox))
        .route("/v1/inbox/state", post(inbox::change_state))
        .route("/v1/inbox/unread-count", get(inbox::unread_count))
        .route("/v1/acks", post(inbox::acknowledge))
        .route("/v1/do-not-disturb", get(inbox::read_do_not_disturb).put(inbox::put_do_not_disturb))
        .route("/v1/preferences", get(preferences::read_preferences).put(preferences::put_preferences))
        .route("/v1/devices", get(devices::list_devices))
        .route("/v1/devices/{device_id}", put(devices::put_device).delete(devices::delete_device))
        .route("/v1/web-push/key", get(web_push::read_key))
        .route(receipts::RECEIPTS, post(receipts::give_receipt))
        .route("/u/{signed}", get(unsubscribe::show).post(unsubscribe::unsubscribe))
        .route("/v1/connections/{id}/authenticate", post(inbox::authenticate_connection))
        .route("/v1/openapi.json", get(documents::openapi))
        .route("/docs/errors/{code}", get(documents::error_page))
        .route(sdk::SDK, get(sdk::read_file))
        .route("/healthz", get(operate::health))
        .route("/readyz", get(operate::ready))
        .route("/metrics", get(operate::metrics))
        .fallback(front::not_found)
        .method_not_allowed_fallback(front::method_not_allowed)
}
