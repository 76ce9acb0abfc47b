//! One connection to an engine, subscribed.

use crate::error::{Blame, BusError, Engine, Trouble};
use crate::landing::{Broken, Heard, Landing};
use crate::options::{BusOptions, Common};
use crate::packing::{Packer, Packet, Packing};
use crate::probe::Echo;
use crate::server_url::listed;
use crate::subject::{Subject, is_prefix};
use crate::{memory, nats, postgres, redis};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;

/// Longer payloads are not made for brokers: they would hold up what comes behind.
pub(crate) const PAYLOAD_MAX_BYTES: usize = 128 * 1024;

/// A subscribed connection. It is never repaired: when it breaks, the next one is opened.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) writer: Writer,
    pub(crate) reader: Reader,
    pub(crate) packing: Packing,
    /// The subject through which each server behind the link is probed.
    pub(crate) probed: Vec<Subject>,
}

/// The end that sends.
#[derive(Debug)]
pub(crate) enum Writer {
    Memory(memory::Writer),
    Postgres(postgres::Writer),
    Redis(redis::Writer),
    Nats(nats::Writer),
}

/// The end that hears.
#[derive(Debug)]
pub(crate) enum Reader {
    Landing(Arc<Landing>),
    Nats(nats::Reader),
}

impl Link {
    /// Connects and subscribes; the subscription is yet to be confirmed.
    pub(crate) async fn open(options: &BusOptions) -> Result<Self, BusError> {
        let timeout = connect_timeout(options).saturating_mul(ways(options));
        // On the heap: a client's handshake is large, and every future that connects would hold its size for ever.
        let opening = async {
            match options {
                BusOptions::Memory(bus) => bus.open(),
                BusOptions::Postgres(options) => Box::pin(postgres::open(options)).await,
                BusOptions::Redis(options) => Box::pin(redis::open(options)).await,
                BusOptions::Nats(options) => Box::pin(nats::open(options)).await,
            }
        };
        match tokio::time::timeout(timeout, opening).await {
            Ok(result) => result,
            Err(_) => Err(blame(options).unreachable(format_args!("no answer within {timeout:?}"))),
        }
    }

    /// The packets that ask the servers for an echo.
    pub(crate) fn probes(probed: &[Subject], packer: &mut Packer, echoes: &[Echo]) -> Vec<Packet> {
        let packet = |echo: &Echo| {
            let mut draft = packer.draft();
            draft.probe(*echo);
            Packet { subject: probed[usize::from(echo.target)], payload: draft.seal() }
        };
        echoes.iter().map(packet).collect()
    }
}

impl Writer {
    /// Sends packets, in this order. An error means that the link is over.
    pub(crate) async fn publish(&mut self, packets: Vec<Packet>) -> Result<(), Broken> {
        match self {
            Self::Memory(writer) => writer.publish(packets),
            Self::Postgres(writer) => writer.publish(packets).await,
            Self::Redis(writer) => writer.publish(packets).await,
            Self::Nats(writer) => writer.publish(packets).await,
        }
    }
}

impl Reader {
    /// The next thing heard.
    pub(crate) async fn next(&mut self) -> Result<Heard, Broken> {
        match self {
            Self::Landing(landing) => landing.next().await,
            Self::Nats(reader) => reader.next().await,
        }
    }
}

/// Ends a task when the link is dropped.
#[derive(Debug)]
pub(crate) struct EndsWithLink(pub(crate) AbortHandle);

impl Drop for EndsWithLink {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How many addresses may be tried before one answers.
fn ways(options: &BusOptions) -> u32 {
    let ways = match options {
        BusOptions::Memory(_) => 1,
        BusOptions::Postgres(options) => 1 + options.url.secret().matches(',').count(),
        // A sentinel is asked, and then there is the server it names.
        BusOptions::Redis(options) => options.urls.len() * if options.sentinel.is_some() { 2 } else { 1 },
        BusOptions::Nats(options) => options.urls.len(),
    };
    u32::try_from(ways.max(1)).unwrap_or(u32::MAX)
}

/// How long one try at one address may take.
pub(crate) fn connect_timeout(options: &BusOptions) -> Duration {
    common(options).map_or(Common::default().connect_timeout, |common| common.connect_timeout)
}

/// Refuses options that can never work, before anything is tried.
pub(crate) fn check(options: &BusOptions) -> Result<(), BusError> {
    let blame = blame(options);
    if blame.address.is_empty() {
        return Err(blame.misconfigured("there is no address", "name at least one server"));
    }
    match common(options) {
        Some(common) if !is_prefix(&common.prefix) => Err(blame.misconfigured(
            format_args!("`{}` cannot begin a subject", common.prefix),
            "use letters, digits, `_` and `-`, at most 32 of them",
        )),
        _ => Ok(()),
    }
}

/// Who is to blame, and where.
pub(crate) fn blame(options: &BusOptions) -> Blame {
    let (engine, address) = match options {
        BusOptions::Memory(_) => (Engine::Memory, "this process".to_owned()),
        BusOptions::Postgres(options) => (Engine::Postgres, options.url.to_string()),
        BusOptions::Redis(options) => (Engine::Redis, listed(&options.urls)),
        BusOptions::Nats(options) => (Engine::Nats, listed(&options.urls)),
    };
    Blame { engine, address }
}

/// Connected, and deaf: what is known to cause it.
pub(crate) fn silent(options: &BusOptions) -> BusError {
    blame(options).silent(match options {
        BusOptions::Memory(_) => "it was cut",
        BusOptions::Postgres(_) => {
            "connect to PostgreSQL itself or to a pooler in session mode: in transaction mode LISTEN hears nothing"
        }
        BusOptions::Redis(_) => "check that this user may both publish and subscribe to the prefix (`&PREFIX.*`)",
        BusOptions::Nats(_) => "check that this user may both publish and subscribe to `PREFIX.>`",
    })
}

fn common(options: &BusOptions) -> Option<&Common> {
    match options {
        BusOptions::Memory(_) => None,
        BusOptions::Postgres(options) => Some(&options.common),
        BusOptions::Redis(options) => Some(&options.common),
        BusOptions::Nats(options) => Some(&options.common),
    }
}

/// Whether trying the same again can help.
pub(crate) fn may_pass(error: &BusError) -> bool {
    matches!(error.trouble, Trouble::Unreachable | Trouble::Silent)
}
