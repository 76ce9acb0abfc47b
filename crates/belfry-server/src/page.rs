//! The page of `belfry dev`.

use crate::services::Services;
use axum::Router;
use std::sync::Arc;

/// Routes of the page.
pub fn router() -> Router<Arc<Services>> {
    Router::new()
}
