//! Two NATS servers that know each other.

use crate::harness::*;
use crate::servers::{Server, free_port};
use belfry_bus::*;

/// Two servers with a route between them.
async fn pair() -> Option<[Server; 2]> {
    let routes = [free_port(), free_port()].map(|port| format!("nats://127.0.0.1:{port}"));
    let server = async |own: usize| {
        let route = &routes[1 - own];
        Server::nats(&["--cluster", &routes[own], "--routes", route, "--cluster_name", "belfry"]).await
    };
    Some([server(0).await?, server(1).await?])
}

fn options(servers: &[&Server], prefix: &str) -> BusOptions {
    let urls = servers.iter().map(|server| format!("nats://127.0.0.1:{}", server.port));
    let mut options = BusOptions::Nats(NatsOptions::new(urls));
    quick(&mut options, prefix);
    options
}

/// The servers tell each other who listens, a moment later than they told the node: until then what is sent across
/// may be lost, so it is sent again.
async fn it_comes_across(one: &Node, other: &mut Node) {
    until_told("a message across the route", async || {
        one.send(Subject::Partition(1), "across");
        let moment = std::time::Duration::from_millis(50);
        tokio::time::timeout(moment, other.incoming.next()).await.is_ok_and(|event| match event {
            Some(Event::Message { message, .. }) => message.head == "across",
            other => panic!("{other:?}"),
        })
    })
    .await;
}

#[tokio::test]
async fn nodes_on_different_servers_hear_each_other() {
    let Some([first, second]) = pair().await else { return };
    let prefix = fresh_prefix();
    let mut one = Node::join(options(&[&first], &prefix), 1).await;
    let mut other = Node::join(options(&[&second], &prefix), 2).await;
    it_comes_across(&one, &mut other).await;
    it_comes_across(&other, &mut one).await;
}

#[tokio::test]
async fn a_node_whose_server_died_goes_to_the_other() {
    let Some([mut first, mut second]) = pair().await else { return };
    let prefix = fresh_prefix();
    second.kill();
    let mut moving = Node::join(options(&[&first, &second], &prefix), 1).await;
    second.start_again().await;
    first.kill();
    assert_eq!((moving.next().await, moving.next().await), (Event::Lost, Event::Back));
    let mut steady = Node::join(options(&[&second], &prefix), 2).await;
    moving.send(Subject::All, "here");
    assert_eq!(steady.heard().await, "here");
    steady.send(Subject::All, "well met");
    assert_eq!(moving.heard().await, "well met");
}
