//! Redis Cluster: three shards, and what happens when slots or shards move.

use crate::harness::*;
use crate::redis_sentinel::ask;
use crate::servers::{Server, free_port};
use belfry_bus::*;
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, cmd};

struct Cluster {
    servers: Vec<Server>,
    connections: Vec<MultiplexedConnection>,
    prefix: String,
}

const SHARDS: [(u16, u16); 3] = [(0, 5_460), (5_461, 10_922), (10_923, 16_383)];

impl Cluster {
    async fn start() -> Option<Self> {
        let (mut servers, mut connections, mut gates) = (Vec::new(), Vec::new(), Vec::new());
        for (first, last) in SHARDS {
            let gate = free_port();
            // A shard that is down for a moment is not yet failed, so that tests say what happens when.
            let cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", "15000"];
            let port = ["--cluster-port", &gate.to_string()].map(str::to_owned);
            let more: Vec<&str> = cluster.into_iter().chain(port.iter().map(String::as_str)).collect();
            let server = Server::redis(&more).await?;
            let mut connection = ask(server.port).await;
            let range =
                cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(first).arg(last).exec_async(&mut connection).await;
            range.unwrap();
            servers.push(server);
            connections.push(connection);
            gates.push(gate);
        }
        for index in [1, 2] {
            let meet = cmd("CLUSTER")
                .arg("MEET")
                .arg("127.0.0.1")
                .arg(servers[index].port)
                .arg(gates[index])
                .exec_async(&mut connections[0])
                .await;
            meet.unwrap();
        }
        let mut cluster = Self { servers, connections, prefix: fresh_prefix() };
        cluster.is_whole().await;
        Some(cluster)
    }

    async fn is_whole(&mut self) {
        for connection in &mut self.connections {
            until_told("a whole cluster", async || {
                let info: String = cmd("CLUSTER").arg("INFO").query_async(connection).await.unwrap();
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            })
            .await;
        }
    }

    async fn asked<T: FromRedisValue>(&mut self, shard: usize, words: &[&str]) -> T {
        cmd("CLUSTER").arg(words).query_async(&mut self.connections[shard]).await.unwrap()
    }

    /// Through any one of its nodes.
    async fn join(&self, entrance: usize, tag: u64) -> Node {
        let url = format!("redis://127.0.0.1:{}", self.servers[entrance].port);
        let mut options = BusOptions::Redis(RedisOptions::new([url]));
        quick(&mut options, &self.prefix);
        Node::join(options, tag).await
    }
}

async fn every_subject_is_heard(one: &Node, other: &mut Node) {
    let mut subjects: Vec<Subject> = (0..PARTITIONS).map(Subject::Partition).chain([Subject::All]).collect();
    for subject in &subjects {
        one.send(*subject, "here");
    }
    let mut heard = Vec::new();
    for _ in &subjects {
        let Event::Message { subject, .. } = other.next().await else { panic!("lost") };
        heard.push(subject);
    }
    heard.sort();
    subjects.sort();
    assert_eq!(heard, subjects);
}

#[tokio::test]
async fn every_subject_of_a_cluster_is_heard_whatever_its_shard() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let (one, mut other) = (cluster.join(0, 1).await, cluster.join(2, 2).await);
    every_subject_is_heard(&one, &mut other).await;
    // Sharded: each server has its part, and repeats nothing to the others.
    let mut subscribed = Vec::new();
    for connection in &mut cluster.connections {
        let channels: Vec<String> = cmd("PUBSUB").arg("SHARDCHANNELS").query_async(connection).await.unwrap();
        subscribed.push(channels.len());
    }
    assert_eq!(subscribed.iter().sum::<usize>(), usize::from(PARTITIONS) + 1);
    assert!(subscribed.iter().all(|count| *count > 200), "{subscribed:?}");
    let info: String = cluster.asked(0, &["INFO"]).await;
    assert!(!info.contains("messages_publish"), "{info}");
}

#[tokio::test]
async fn a_slot_that_moves_takes_its_subjects_along() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let (one, mut other) = (cluster.join(0, 1).await, cluster.join(0, 2).await);
    let subject = format!("{}.all", cluster.prefix);
    let slot: u16 = cluster.asked(0, &["KEYSLOT", &subject]).await;
    let from = SHARDS.iter().position(|(first, last)| (first..=last).contains(&&slot)).unwrap();
    let to = (from + 1) % SHARDS.len();
    let id: String = cluster.asked(to, &["MYID"]).await;
    for shard in [to, from, (from + 2) % SHARDS.len()] {
        let _: String = cluster.asked(shard, &["SETSLOT", &slot.to_string(), "NODE", &id]).await;
    }
    let (mut one, mut lost) = (one, 0);
    for node in [&mut one, &mut other] {
        // While the servers still tell each other, a link may be opened in vain.
        loop {
            match node.next().await {
                Event::Lost => lost += 1,
                Event::Back if node.bus.is_connected() => break,
                event => panic!("{event:?}"),
            }
        }
    }
    assert!(lost >= 2, "both were told");
    one.send(Subject::All, "from its new place");
    assert_eq!(other.heard().await, "from its new place");
    every_subject_is_heard(&one, &mut other).await;
}

#[tokio::test]
async fn a_shard_that_was_killed_comes_back() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let (mut one, mut other) = (cluster.join(0, 1).await, cluster.join(0, 2).await);
    cluster.servers[2].kill();
    assert_eq!((one.next().await, other.next().await), (Event::Lost, Event::Lost));
    cluster.servers[2].start_again().await;
    cluster.connections[2] = ask(cluster.servers[2].port).await;
    assert_eq!((one.next().await, other.next().await), (Event::Back, Event::Back));
    every_subject_is_heard(&one, &mut other).await;
}

#[tokio::test]
async fn one_silent_shard_is_noticed() {
    let Some(cluster) = Cluster::start().await else { return };
    let mut node = cluster.join(0, 1).await;
    cluster.servers[1].pause();
    assert_eq!(node.next().await, Event::Lost);
    cluster.servers[1].go_on();
    assert_eq!(node.next().await, Event::Back);
}
