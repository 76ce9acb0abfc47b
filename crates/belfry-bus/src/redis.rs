//! Redis: the same connection subscribes and publishes (RESP3), one per server that takes writes.
//!
//! One server: `PSUBSCRIBE PREFIX.*`. A pattern is one round trip and one entry in the server, where 1,024 channels
//! would be 1,024 of both after every reconnect; PUBLISH walks through all patterns of a server, and this is one.
//! A cluster repeats what is published that way on every node, so there it is SSUBSCRIBE and SPUBLISH, by slot.

use crate::error::{Blame, BusError, Trouble, chain, distrusts};
use crate::landing::{Broken, Landing};
use crate::link::{self, Link, PAYLOAD_MAX_BYTES, Reader, blame};
use crate::options::{BusOptions, RedisOptions};
use crate::packing::{Packet, Packing};
use crate::redis_cluster::{self, Shards};
use crate::redis_sentinel;
use crate::subject::Subject;
use crate::tls;
use ::redis::aio::{MultiplexedConnection, SendError};
use ::redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, IntoConnectionInfo, ProtocolVersion, PushInfo,
    PushKind, RedisError, ServerErrorKind, TlsCertificates, Value, cmd, from_redis_value, pipe,
};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;

/// Publishes to one server or to the shards of a cluster.
pub(crate) struct Writer {
    route: Route,
    prefix: String,
}

enum Route {
    One(Box<MultiplexedConnection>),
    Shards(Shards),
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Writer").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// What a server says of itself.
struct Nature {
    mode: String,
    /// A sentinel names none.
    role: Option<String>,
}

/// Opens connections that all land at the same place.
pub(crate) struct Dialler<'a> {
    pub(crate) options: &'a RedisOptions,
    pub(crate) blame: Blame,
    pub(crate) landing: Arc<Landing>,
    authority: Option<Vec<u8>>,
}

/// A link to the first address that leads to a primary or a cluster.
pub(crate) async fn open(options: &RedisOptions) -> Result<Link, BusError> {
    tls::ensure_provider();
    let dialler = Dialler::new(options).await?;
    let mut last = None;
    for entrance in dialler.entrances()? {
        match dialler.enter(entrance).await {
            Ok(link) => return Ok(link),
            // Another address does not make a wrong password right, but may be the primary.
            Err(error) => last = Some(error),
        }
    }
    Err(last
        .unwrap_or_else(|| dialler.blame.misconfigured("there is no address", "name at least one server")))
}

impl<'a> Dialler<'a> {
    async fn new(options: &'a RedisOptions) -> Result<Self, BusError> {
        let blame = blame(&BusOptions::Redis(options.clone()));
        let authority = match &options.common.ca_file {
            None => None,
            Some(path) => Some(tokio::fs::read(path).await.map_err(|error| {
                blame.misconfigured(
                    format_args!("`{}` cannot be read: {error}", path.display()),
                    "name a file of certificates in PEM as `ca_file`",
                )
            })?),
        };
        Ok(Self { options, blame, landing: Arc::new(Landing::default()), authority })
    }

    fn entrances(&self) -> Result<Vec<ConnectionInfo>, BusError> {
        let read = |url: &crate::ServerUrl| {
            let info = url.secret().into_connection_info().map_err(|error| self.unlike_an_address(&error))?;
            let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
            Ok(info.set_redis_settings(settings))
        };
        self.options.urls.iter().map(read).collect()
    }

    fn unlike_an_address(&self, error: &RedisError) -> BusError {
        self.blame.misconfigured(
            format_args!("an address cannot be read: {error}"),
            "write it as redis://USER:PASSWORD@HOST:PORT, or rediss:// for TLS",
        )
    }

    async fn enter(&self, entrance: ConnectionInfo) -> Result<Link, BusError> {
        let server = match &self.options.sentinel {
            None => entrance,
            Some(sentinel) => redis_sentinel::primary(self, entrance, sentinel).await?,
        };
        let mut connection = self.dial(server.clone()).await?;
        let nature = self.nature(&mut connection).await?;
        match (nature.mode.as_str(), nature.role.as_deref()) {
            ("cluster", _) => redis_cluster::open(self, &mut connection, &server).await,
            ("sentinel", _) => Err(self
                .blame
                .misconfigured("this is a sentinel", "name the primary that the sentinels watch")),
            (_, Some("master")) => self.subscribe(connection).await,
            (_, role) => Err(self.blame.error(
                Trouble::Unreachable,
                format_args!(
                    "this server is a {}: what is published there stays there",
                    role.unwrap_or("stranger")
                ),
                "name the primary, or the sentinels that know it",
            )),
        }
    }

    /// A connection whose pushes land, and with whose end the link ends.
    pub(crate) async fn dial(&self, server: ConnectionInfo) -> Result<MultiplexedConnection, BusError> {
        let landing = Arc::clone(&self.landing);
        let timeout = self.options.common.connect_timeout;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(self.options.common.tuning.probe_within))
            .set_push_sender(move |push: PushInfo| {
                land(&landing, push);
                Ok::<(), SendError>(())
            });
        self.client(server)?
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|error| self.fault(&error))
    }

    /// A connection that only asks.
    pub(crate) async fn dial_to_ask(
        &self,
        server: ConnectionInfo,
    ) -> Result<MultiplexedConnection, BusError> {
        let timeout = Some(self.options.common.connect_timeout);
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(timeout).set_response_timeout(timeout);
        self.client(server)?
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|error| self.fault(&error))
    }

    fn client(&self, server: ConnectionInfo) -> Result<Client, BusError> {
        let client = match &self.authority {
            None => Client::open(server),
            Some(authority) => Client::build_with_tls(
                server,
                TlsCertificates { client_tls: None, root_cert: Some(authority.clone()) },
            ),
        };
        client.map_err(|error| self.fault(&error))
    }

    async fn nature(&self, connection: &mut MultiplexedConnection) -> Result<Nature, BusError> {
        let hello: Value = cmd("HELLO").query_async(connection).await.map_err(|error| self.fault(&error))?;
        let Value::Map(facts) = hello else { return Err(self.unlike_redis()) };
        let fact = |name: &str| {
            let (_, value) = facts.iter().find(|(key, _)| text(key).as_deref() == Some(name))?;
            text(value)
        };
        let mode = fact("mode").ok_or_else(|| self.unlike_redis())?;
        Ok(Nature { mode, role: fact("role") })
    }

    fn unlike_redis(&self) -> BusError {
        self.blame.misconfigured("it answers HELLO unlike Redis 6 or newer", "use a newer server")
    }

    async fn subscribe(&self, mut connection: MultiplexedConnection) -> Result<Link, BusError> {
        let prefix = self.options.common.prefix.clone();
        connection.psubscribe(format!("{prefix}.*")).await.map_err(|error| self.fault(&error))?;
        Ok(self.link(Route::One(Box::new(connection)), vec![Subject::All]))
    }

    pub(crate) fn sharded(&self, shards: Shards) -> Link {
        let probed = shards.probed();
        self.link(Route::Shards(shards), probed)
    }

    fn link(&self, route: Route, probed: Vec<Subject>) -> Link {
        Link {
            writer: link::Writer::Redis(Writer { route, prefix: self.options.common.prefix.clone() }),
            reader: Reader::Landing(Arc::clone(&self.landing)),
            packing: Packing::PerSubject { max_bytes: PAYLOAD_MAX_BYTES },
            probed,
        }
    }

    pub(crate) fn fault(&self, error: &RedisError) -> BusError {
        let problem = chain(error);
        match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _)
            | (ErrorKind::Server(ServerErrorKind::NoPerm), _)
            | (_, Some("WRONGPASS" | "NOAUTH" | "NOPERM")) => self.blame.refused(problem),
            (ErrorKind::RESP3NotSupported, _) => self.blame.misconfigured(problem, "use Redis 6 or newer"),
            (ErrorKind::InvalidClientConfig, _) => {
                self.blame.misconfigured(problem, "check the address and `ca_file`")
            }
            _ if distrusts(error) => self.blame.distrusted(problem),
            _ => self.blame.unreachable(problem),
        }
    }
}

impl Writer {
    pub(crate) async fn publish(&mut self, packets: Vec<Packet>) -> Result<(), Broken> {
        match &mut self.route {
            Route::One(connection) => {
                let mut pipeline = pipe();
                for packet in packets {
                    let channel = packet.subject.name(&self.prefix);
                    pipeline.cmd("PUBLISH").arg(channel).arg(&packet.payload[..]).ignore();
                }
                pipeline.exec_async(&mut **connection).await.map_err(|error| Broken(chain(&error)))
            }
            Route::Shards(shards) => shards.publish(packets, &self.prefix).await,
        }
    }
}

/// What a server sent without being asked.
fn land(landing: &Landing, push: PushInfo) {
    match push.kind {
        PushKind::Message | PushKind::PMessage | PushKind::SMessage => {
            let payload = match push.data.into_iter().next_back() {
                Some(Value::BulkString(payload)) => Bytes::from(payload),
                // Empty, it counts as garbled.
                _ => Bytes::new(),
            };
            landing.payload(payload);
        }
        PushKind::Disconnection => landing.end("the server closed the connection"),
        PushKind::Unsubscribe | PushKind::PUnsubscribe | PushKind::SUnsubscribe => {
            landing.end("the server took a subscription back");
        }
        _ => {}
    }
}

fn text(value: &Value) -> Option<String> {
    from_redis_value(value.clone()).ok()
}

/// The parts of a batch by where they go.
pub(crate) fn grouped<K: std::hash::Hash + Eq>(
    packets: Vec<Packet>,
    place: impl Fn(Subject) -> K,
) -> HashMap<K, Vec<Packet>> {
    let mut groups: HashMap<K, Vec<Packet>> = HashMap::new();
    for packet in packets {
        groups.entry(place(packet.subject)).or_default().push(packet);
    }
    groups
}
