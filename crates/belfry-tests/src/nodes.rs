//! Several real binaries on one PostgreSQL and one bus, each with cables of its own to both, so that all of it can be
//! hurt: a process, an engine, the way between.

use crate::cable::Cable;
use crate::caller::Caller;
use crate::engines::{Engine, Kind, free_port};
use crate::process::Process;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

/// One node and its cables.
pub struct Node {
    /// The binary.
    pub process: Process,
    /// To PostgreSQL.
    pub store: Cable,
    /// To the bus.
    pub bus: Cable,
}

/// Several nodes and what they share.
pub struct Nodes {
    /// They go first: none of them should see its engines end.
    pub nodes: Vec<Node>,
    /// PostgreSQL.
    pub store: Engine,
    /// Redis or NATS; `None`: it is PostgreSQL as well.
    pub bus: Option<Engine>,
    caller: Caller,
}

impl Nodes {
    /// The engines, and so many addresses for nodes that are not started yet; `None`: an engine is not on this machine.
    pub async fn prepare(bus: Kind) -> Option<Self> {
        let store = Engine::start(Kind::Postgres).await?;
        let bus = match bus {
            Kind::Postgres => None,
            Kind::Redis | Kind::Nats => Some(Engine::start(bus).await?),
        };
        Some(Self { nodes: Vec::new(), store, bus, caller: Caller::new("") })
    }

    /// Starts so many nodes; `settings` are the same for all.
    pub async fn start(&mut self, count: usize, settings: &[(String, String)]) {
        for number in 0..count {
            let store = Cable::to(vec![self.store.address]).await;
            let engine = self.bus.as_ref().unwrap_or(&self.store);
            let bus = Cable::to(vec![engine.address]).await;
            let mut all: BTreeMap<String, String> = [
                ("BELFRY_DATABASE_URL", self.store.url_at(store.address)),
                ("BELFRY_BUS_URL", engine.url_at(bus.address)),
                ("BELFRY__SERVER__NODE", name(number)),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
            all.extend(settings.iter().cloned());
            let caller = self.caller.calling(format!("http://127.0.0.1:{}", free_port()));
            self.nodes.push(Node { process: Process::node(caller, all), store, bus });
        }
    }

    /// A way to all nodes for one client: its first connection goes to this node, each later one to the next that
    /// listens. The caller knows everybody's secrets.
    pub async fn way(&self, first: usize) -> (Cable, Caller) {
        let mut addresses: Vec<SocketAddr> = self.nodes.iter().map(|node| address(&node.process)).collect();
        let first = first % addresses.len();
        addresses.rotate_left(first);
        let cable = Cable::to(addresses).await;
        let caller = self.caller.calling(format!("http://{}", cable.address));
        (cable, caller)
    }

    /// Where each node listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| address(&node.process)).collect()
    }
}

/// What a node is called.
pub fn name(number: usize) -> String {
    format!("node-{number}")
}

fn address(process: &Process) -> SocketAddr {
    let port = process.url.rsplit(':').next().and_then(|port| port.parse().ok());
    SocketAddr::from((Ipv4Addr::LOCALHOST, port.expect("a node's address ends with its port")))
}
