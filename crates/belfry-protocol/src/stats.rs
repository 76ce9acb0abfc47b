//! What an operator asks first.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The answer to `GET /v1/stats`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Stats {
    /// Open connections on all nodes.
    pub connections: u32,
    /// Users with at least one open connection.
    pub users: u32,
    /// One entry per node.
    pub nodes: Vec<NodeStats>,
    /// Per kind.
    pub kinds: BTreeMap<String, KindStats>,
    /// Depth of each queue, in entries: `watched` (their live step is running), `deliveries` (something is left to be
    /// decided or sent), `held_deliveries`, `pending_legs`, `dead_letters`, and those of the store.
    pub queues: BTreeMap<String, u64>,
    /// For how long the oldest delivery that is due has been due, in milliseconds.
    #[cfg_attr(test, ts(type = "number"))]
    pub delivery_lag_ms: u64,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct NodeStats {
    /// Its name.
    pub node: String,
    /// Its version.
    pub version: String,
    /// Seconds since it started.
    #[cfg_attr(test, ts(type = "number"))]
    pub uptime_seconds: u64,
    /// Open WebSocket connections.
    pub websocket: u32,
    /// Open SSE connections.
    pub sse: u32,
    /// Users with at least one of them.
    pub users: u32,
    /// Whether it is draining.
    pub draining: bool,
}

/// One kind.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct KindStats {
    /// Alerts accepted since the node started.
    #[cfg_attr(test, ts(type = "number"))]
    pub accepted: u64,
    /// Alerts accepted per second over the last minute.
    pub per_second: f64,
    /// Frames sent to sessions since the node started.
    #[cfg_attr(test, ts(type = "number"))]
    pub sent: u64,
}
