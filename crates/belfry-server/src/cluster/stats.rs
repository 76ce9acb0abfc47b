//! Figures of all nodes: each writes its own down with its lease, whoever is asked adds them up.

use crate::clock::Now;
use crate::services::Services;
use belfry_protocol::stats::{BusState, KindStats, NodeStats};
use belfry_store::StoreError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a node writes of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Posted {
    node: NodeStats,
    kinds: BTreeMap<String, KindStats>,
}

/// Figures of the whole house.
#[derive(Debug, Default)]
pub struct Totals {
    /// Each node, by name.
    pub nodes: Vec<NodeStats>,
    /// All of them together.
    pub kinds: BTreeMap<String, KindStats>,
}

/// This node's own figures.
pub fn own(services: &Services, now: Now) -> NodeStats {
    let hub = services.hub.counts();
    let hears = services.cluster.as_ref().and_then(|cluster| cluster.hears());
    NodeStats {
        node: services.config.server.node.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: now.instant.saturating_duration_since(services.started.instant).as_secs(),
        websocket: hub.websocket,
        sse: hub.sse,
        users: hub.users,
        draining: services.hub.is_draining(),
        bus: hears.map(|hears| if hears { BusState::Connected } else { BusState::Lost }),
        seconds_ago: 0,
    }
}

/// The same as the store keeps it.
pub(super) fn posted(services: &Services, now: Now) -> String {
    let posted = Posted { node: own(services, now), kinds: services.metrics.kinds(now.instant) };
    serde_json::to_string(&posted).expect("figures have a JSON form")
}

impl Services {
    /// Figures of all nodes that are alive; this one's are of this moment.
    pub async fn totals(&self, now: Now) -> Result<Totals, StoreError> {
        let mut totals = Totals { nodes: vec![own(self, now)], kinds: self.metrics.kinds(now.instant) };
        let Some(cluster) = &self.cluster else { return Ok(totals) };
        for row in self.store.nodes(now.unix_ms()).await? {
            if !row.alive || row.incarnation == cluster.incarnation() {
                continue;
            }
            // A node of another version may write what this one cannot read: it is left out rather than made up.
            let Ok(posted) = serde_json::from_str::<Posted>(&row.stats) else { continue };
            totals.nodes.push(NodeStats { seconds_ago: row.written_ago.as_secs(), ..posted.node });
            for (kind, more) in posted.kinds {
                let all = totals.kinds.entry(kind).or_default();
                all.accepted += more.accepted;
                all.per_second += more.per_second;
                all.sent += more.sent;
            }
        }
        totals.nodes.sort_by(|one, other| one.node.cmp(&other.node));
        Ok(totals)
    }
}
