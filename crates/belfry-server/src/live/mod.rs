//! The living room: sockets and event streams, each a pure session with an edge around it.

pub mod drain;
pub mod drive;
pub mod handshake;
mod inbound;
pub mod output;
pub mod session;
mod socket;
mod sse;
mod transport;

use crate::services::Services;
use axum::Router;
use axum::routing::get;
use std::sync::Arc;

/// The routes that stay open.
pub fn router() -> Router<Arc<Services>> {
    Router::new()
        .route("/ws", get(handshake::open_socket))
        .route("/ws/alerts", get(handshake::open_socket))
        .route("/v1/events", get(handshake::open_events))
}
