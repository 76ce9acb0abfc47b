//! Redis behind sentinels: the bus follows the primary.

use crate::harness::*;
use crate::servers::Server;
use belfry_bus::*;
use redis::aio::MultiplexedConnection;

fn options(url: String, primary: Option<&str>, prefix: &str) -> BusOptions {
    let mut redis = RedisOptions::new([url]);
    redis.sentinel =
        primary.map(|primary| Sentinel { primary: primary.to_owned(), username: None, password: None });
    let mut options = BusOptions::Redis(redis);
    quick(&mut options, prefix);
    options
}

pub(crate) async fn ask(port: u16) -> MultiplexedConnection {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    within("a connection", client.get_multiplexed_async_connection()).await.unwrap()
}

/// A server and a replica that follows it.
async fn pair() -> Option<(Server, Server)> {
    let primary = Server::redis(&["--repl-diskless-sync-delay", "0"]).await?;
    let replica = Server::redis(&["--replicaof", &format!("127.0.0.1 {}", primary.port)]).await?;
    let mut connection = ask(primary.port).await;
    until_told("the replica", async || {
        let info: String = redis::cmd("INFO").arg("replication").query_async(&mut connection).await.unwrap();
        info.contains("state=online")
    })
    .await;
    Some((primary, replica))
}

#[tokio::test]
async fn the_bus_follows_the_primary_that_sentinels_choose() {
    let Some((mut primary, _replica)) = pair().await else { return };
    let Some(sentinel) = Server::sentinel(primary.port).await else { return };
    let (url, prefix) = (format!("redis://127.0.0.1:{}", sentinel.port), fresh_prefix());
    let mut one = Node::join(options(url.clone(), Some("main"), &prefix), 1).await;
    let mut other = Node::join(options(url, Some("main"), &prefix), 2).await;
    let mut connection = ask(sentinel.port).await;
    until_told("the sentinel's knowledge of the replica", async || {
        let asking = redis::cmd("SENTINEL").arg("REPLICAS").arg("main").query_async(&mut connection).await;
        let known: Vec<redis::Value> = asking.unwrap();
        !known.is_empty()
    })
    .await;
    one.send(Subject::All, "before");
    assert_eq!(other.heard().await, "before");
    primary.kill();
    assert_eq!((one.next().await, other.next().await), (Event::Lost, Event::Lost));
    assert_eq!((one.next().await, other.next().await), (Event::Back, Event::Back));
    one.send(Subject::Partition(1), "after");
    assert_eq!(other.heard().await, "after");
}

#[tokio::test]
async fn a_replica_is_no_bus_and_the_next_address_is_tried() {
    let Some((primary, replica)) = pair().await else { return };
    let [replica, primary] = [replica.port, primary.port].map(|port| format!("redis://127.0.0.1:{port}"));
    let error = Bus::connect(options(replica.clone(), None, "x"), NodeTag(1)).await.expect_err("a replica");
    assert!(error.to_string().contains("name the primary"), "{error}");
    let mut both = RedisOptions::new([replica, primary]);
    both.common.prefix = fresh_prefix();
    Node::join(BusOptions::Redis(both), 1).await;
}

#[tokio::test]
async fn sentinels_without_that_primary_say_so() {
    let Some(primary) = Server::redis(&[]).await else { return };
    let Some(sentinel) = Server::sentinel(primary.port).await else { return };
    let url = format!("redis://127.0.0.1:{}", sentinel.port);
    let unknown = options(url.clone(), Some("other"), "x");
    let error = Bus::connect(unknown, NodeTag(1)).await.expect_err("an unknown name");
    assert_eq!(error.trouble, Trouble::Misconfigured);
    assert!(error.to_string().contains("`other`"), "{error}");
    let error = Bus::connect(options(url, None, "x"), NodeTag(1)).await.expect_err("a sentinel");
    assert_eq!(error.trouble, Trouble::Misconfigured);
    assert!(error.to_string().contains("this is a sentinel"), "{error}");
}
