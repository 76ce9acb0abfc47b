//! How a node reaches the others.

use crate::backoff::Backoff;
use crate::memory::MemoryBus;
use crate::server_url::ServerUrl;
use secrecy::SecretString;
use std::path::PathBuf;
use std::time::Duration;

/// Which engine carries the hints, and where it is.
#[derive(Debug, Clone)]
pub enum BusOptions {
    /// Nodes of one process.
    Memory(MemoryBus),
    /// LISTEN and NOTIFY.
    Postgres(PostgresOptions),
    /// Publish and subscribe; sharded where the server is a cluster.
    Redis(RedisOptions),
    /// Core NATS: subjects, no streams.
    Nats(NatsOptions),
}

/// How PostgreSQL is reached. Two connections per node, and they must be sessions: a pooler that hands connections
/// out per transaction swallows what is listened for.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database`; several hosts may be named, the one that takes writes is
    /// used. `sslmode=require` encrypts; the certificate is then always verified.
    pub url: ServerUrl,
    /// What all engines share.
    pub common: Common,
}

/// How Redis is reached, version 6 or newer; a cluster must be 7 or newer.
///
/// Its user needs the channels `&PREFIX.*` and the commands `+hello +psubscribe +publish`; in a cluster
/// `+hello +cluster|slots +ssubscribe +spublish`.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// `redis://user:password@host:port`, or `rediss://` with TLS. Several: the nodes of a cluster, the sentinels,
    /// or servers that are tried in this order until one is a primary.
    pub urls: Vec<ServerUrl>,
    /// Set where the addresses are those of sentinels.
    pub sentinel: Option<Sentinel>,
    /// What all engines share.
    pub common: Common,
}

/// What sentinels are asked for, and how the server is entered that they name. They are asked again before every
/// connection.
#[derive(Debug, Clone)]
pub struct Sentinel {
    /// The name of the watched primary, as in the sentinels' configuration.
    pub primary: String,
    /// The user of the primary.
    pub username: Option<String>,
    /// The password of the primary; those in the addresses are for the sentinels.
    pub password: Option<SecretString>,
}

/// How NATS is reached. Its user needs the permissions to publish and to subscribe to `PREFIX.>`.
#[derive(Debug, Clone)]
pub struct NatsOptions {
    /// `nats://user:password@host:port`, or `tls://`. Several: the servers of a cluster, each one that may be entered;
    /// the credentials of the first serve for all.
    pub urls: Vec<ServerUrl>,
    /// A credentials file, as written by `nsc`.
    pub credentials_file: Option<PathBuf>,
    /// What all engines share.
    pub common: Common,
}

/// What the options of all servers share.
#[derive(Debug, Clone)]
pub struct Common {
    /// What every subject begins with: installations that share a server have different ones. Letters, digits,
    /// `_` and `-`, at most 32.
    pub prefix: String,
    /// Certificates to trust instead of the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// How long a try at one address may take, and then the confirmation of the subscription.
    pub connect_timeout: Duration,
    /// Queues, probes, waits.
    pub tuning: Tuning,
}

/// Queues, probes, waits.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// What may wait to go out; what comes on top is dropped.
    pub outgoing: QueueLimits,
    /// What may wait for the receiver; above it there is a gap, and the receiver is told.
    pub incoming: QueueLimits,
    /// How often a probe goes out.
    pub probe_every: Duration,
    /// When a probe that did not come back means that the link is dead. Also how long one write may take.
    pub probe_within: Duration,
    /// The waits between tries to come back.
    pub reconnect: Backoff,
    /// For tests of what stands on the bus.
    #[doc(hidden)]
    pub lose: Option<Lose>,
}

/// The most that waits in a queue. Each message counts 64 bytes beside its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// In messages.
    pub messages: usize,
    /// In bytes.
    pub bytes: usize,
}

/// Drops a share of what comes in, at random, always the same with the same seed.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lose {
    /// From 0, nothing, to 1, everything.
    pub share: f64,
    /// What the dice begin with.
    pub seed: u64,
}

impl PostgresOptions {
    /// Everything else at its default.
    pub fn new(url: impl Into<ServerUrl>) -> Self {
        Self { url: url.into(), common: Common::default() }
    }
}

impl RedisOptions {
    /// Everything else at its default.
    pub fn new(urls: impl IntoIterator<Item = impl Into<ServerUrl>>) -> Self {
        let urls = urls.into_iter().map(Into::into).collect();
        Self { urls, sentinel: None, common: Common::default() }
    }
}

impl NatsOptions {
    /// Everything else at its default.
    pub fn new(urls: impl IntoIterator<Item = impl Into<ServerUrl>>) -> Self {
        let urls = urls.into_iter().map(Into::into).collect();
        Self { urls, credentials_file: None, common: Common::default() }
    }
}

impl Default for Common {
    fn default() -> Self {
        Self {
            prefix: "belfry".to_owned(),
            ca_file: None,
            connect_timeout: Duration::from_secs(5),
            tuning: Tuning::default(),
        }
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            outgoing: QueueLimits { messages: 16_384, bytes: 16 * 1024 * 1024 },
            incoming: QueueLimits { messages: 65_536, bytes: 32 * 1024 * 1024 },
            probe_every: Duration::from_secs(5),
            probe_within: Duration::from_secs(5),
            reconnect: Backoff::default(),
            lose: None,
        }
    }
}

impl BusOptions {
    /// Queues, probes and waits, of whichever engine.
    pub fn tuning(&self) -> &Tuning {
        match self {
            Self::Memory(bus) => &bus.tuning,
            Self::Postgres(options) => &options.common.tuning,
            Self::Redis(options) => &options.common.tuning,
            Self::Nats(options) => &options.common.tuning,
        }
    }

    /// The same, to change them.
    pub fn tuning_mut(&mut self) -> &mut Tuning {
        match self {
            Self::Memory(bus) => &mut bus.tuning,
            Self::Postgres(options) => &mut options.common.tuning,
            Self::Redis(options) => &mut options.common.tuning,
            Self::Nats(options) => &mut options.common.tuning,
        }
    }

    /// What the options of servers share; memory has none of it.
    pub fn common_mut(&mut self) -> Option<&mut Common> {
        match self {
            Self::Memory(_) => None,
            Self::Postgres(options) => Some(&mut options.common),
            Self::Redis(options) => Some(&mut options.common),
            Self::Nats(options) => Some(&mut options.common),
        }
    }
}
