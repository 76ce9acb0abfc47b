//! What both doors, HTTP and live, stand on. `app.rs` puts it together; nothing here knows of either door.

use crate::auth::{ApiKeys, Gate, TrustedProxies};
use crate::clock::Now;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::hub::Hub;
use crate::kinds::KindsHandle;
use crate::limiter::Limiters;
use crate::live::session::SessionRules;
use crate::metrics::Metrics;
use crate::signed::Signer;
use crate::tasks::Tasks;
use crate::watch::Watch;
use crate::ways::Ways;
use crate::ways::caught::Caught;
use belfry_channels::{Poster, WebPush};
use belfry_store::Store;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::{Notify, Semaphore};

/// The house's own things, shared by every task.
pub struct Services {
    /// The truth.
    pub store: Store,
    /// Live sessions of this node.
    pub hub: Arc<Hub>,
    /// The other nodes; `None`: the store is this one's alone.
    pub cluster: Option<Arc<Cluster>>,
    /// Declared kinds.
    pub kinds: KindsHandle,
    /// Who may come in as a user.
    pub gate: Gate,
    /// Who may come in as a back end.
    pub api_keys: ApiKeys,
    /// Whose word on a client's address is believed.
    pub proxies: TrustedProxies,
    /// Signs receipts and unsubscribe links.
    pub signer: Signer,
    /// Rates.
    pub limiters: Limiters,
    /// Figures.
    pub metrics: Metrics,
    /// Tasks.
    pub tasks: Tasks,
    /// How sessions behave.
    pub rules: Arc<SessionRules>,
    /// As loaded.
    pub config: Arc<Config>,
    /// There is a fan-out to expand.
    pub fanout_wake: Notify,
    /// Notifications whose live step is running.
    pub watch: Watch,
    /// The configured providers.
    pub ways: Ways,
    /// What `belfry dev` catches instead of sending it.
    pub caught: Option<Arc<Caught>>,
    /// Of them web push once more, for its key and for subscriptions that are registered.
    pub web_push: Option<Arc<WebPush>>,
    /// There is something to send, or room to send it.
    pub escalate_wake: Notify,
    /// Calls to providers at once.
    pub sends: Arc<Semaphore>,
    /// Posts status webhooks.
    pub poster: Poster,
    /// The node is about to go: readiness says no.
    pub leaving: AtomicBool,
    /// When this node started.
    pub started: Now,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").field("node", &self.config.server.node).finish_non_exhaustive()
    }
}

/// Who is at the other end of a connection, before any proxy is believed. Absent where another listener serves us.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);
