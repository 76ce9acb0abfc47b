//! Several nodes of one house, in this process: one store, one bus, one push service that writes down what it is given.

use crate::house::{fcm_phone, mailbox};
use crate::recorder::Recorder;
use crate::server::TestServer;
use crate::shared::Shared;
use belfry_bus::{BusOptions, Lose};
use belfry_protocol::Provider;
use belfry_server::config::Config;
use belfry_server::metrics::Counter;
use std::collections::HashMap;
use std::ops::Index;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Several nodes of one house.
pub struct Cluster {
    nodes: Vec<TestServer>,
    /// Runtimes of nodes that can be killed, by the node's number.
    mortal: HashMap<usize, Runtime>,
    /// What they share; it goes last.
    pub shared: Arc<Shared>,
    /// Every push goes here, whichever node sends it.
    pub push: Arc<Recorder>,
    /// Every mail goes here.
    pub mail: Arc<Recorder>,
}

impl Index<usize> for Cluster {
    type Output = TestServer;

    fn index(&self, node: usize) -> &TestServer {
        &self.nodes[node]
    }
}

impl Cluster {
    /// So many nodes that have been up for long: who is connected to none of them is away.
    pub async fn start(count: usize) -> Self {
        Self::with(count, |_| ()).await
    }

    /// The same with other settings.
    pub async fn with(count: usize, change: impl Fn(&mut Config)) -> Self {
        let (push, mail) = (Recorder::new(Provider::Fcm), Recorder::new(Provider::Smtp));
        let mut this = Self { nodes: Vec::new(), mortal: HashMap::new(), shared: Shared::new(), push, mail };
        for _ in 0..count {
            this.add(&change).await;
        }
        this
    }

    /// One more node.
    pub async fn add(&mut self, change: impl Fn(&mut Config)) {
        let node = Box::pin(self.make(&change)).await;
        self.nodes.push(node);
    }

    /// One more node, in a runtime of its own: what [`Cluster::kill`] ends in the middle of whatever it does.
    pub async fn add_mortal(&mut self, change: impl Fn(&mut Config)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let node = runtime.spawn(self.make(&change)).await.expect("the node starts");
        self.mortal.insert(self.nodes.len(), runtime);
        self.nodes.push(node);
    }

    /// Ends a node without any leave: no drain, no last write, no word to anybody.
    pub fn kill(&mut self, node: usize) {
        let runtime = self.mortal.remove(&node).expect("it was added as one that can be killed");
        runtime.shutdown_background();
        self.nodes[node].forget();
    }

    fn make(&self, change: &dyn Fn(&mut Config)) -> impl Future<Output = TestServer> + use<> {
        let number = self.nodes.len();
        let channels: [Arc<dyn belfry_channels::Channel>; 2] = [self.push.clone(), self.mail.clone()];
        // One secret and one key for all: a token that one node takes is taken by every one.
        let like = self.nodes.first().map(|first| (**first).clone());
        TestServer::node(&self.shared, channels.to_vec(), like, &|config| {
            config.server.node = format!("node-{number}");
            config.live.linger_after_start = Duration::ZERO;
            config.cluster.presence_every = Duration::from_millis(20);
            change(config);
        })
    }

    /// Gives a person a mailbox and a phone.
    pub async fn settle(&self, user: &str) {
        mailbox(&self[0], user).await;
        fcm_phone(&self[0].services().store, user, "phone").await;
    }

    /// A node, to stop it.
    pub fn node(&mut self, node: usize) -> &mut TestServer {
        &mut self.nodes[node]
    }

    /// What a node counted.
    pub fn counted(&self, node: usize, counter: Counter) -> u64 {
        self[node].services().metrics.counted(counter)
    }

    /// Whether a person is there, as a node sees it that they are not connected to.
    pub async fn connections_seen_by(&self, node: usize, user: &str) -> u32 {
        let user = user.parse().expect("a test's user id is valid");
        let services = self[node].services();
        let now = belfry_server::clock::now();
        services.connections_elsewhere(&user, now).await.expect("the store answers")
    }
}

/// A bus of which a share of all hints is lost.
pub fn losing(config: &Config, share: f64, seed: u64) -> Option<BusOptions> {
    let mut options = config.bus_options()?;
    options.tuning_mut().lose = Some(Lose { share, seed });
    Some(options)
}
