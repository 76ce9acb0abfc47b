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
    /// Users with at least one open connection; who is connected to several nodes counts at each.
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
    /// Whether it hears the other nodes; absent where there is no bus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub bus: Option<BusState>,
    /// How old these figures are: 0 for the node that answers, up to a third of `cluster.lease` for the others.
    #[serde(default)]
    #[cfg_attr(test, ts(type = "number"))]
    pub seconds_ago: u64,
}

/// Whether a node hears the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum BusState {
    /// It does.
    Connected,
    /// What others commit comes late.
    Lost,
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
