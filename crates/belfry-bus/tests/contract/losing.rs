//! What happens when the bus is gone, and when it is back.

use crate::harness::*;
use crate::proxy::Proxy;
use crate::servers::Server;
use belfry_bus::*;

/// Two nodes that can talk again, the second one through what was broken.
async fn they_hear_each_other(one: &mut Node, other: &mut Node) {
    one.send(Subject::Partition(9), "to the other");
    assert_eq!(other.heard().await, "to the other");
    other.send(Subject::All, "to the one");
    assert_eq!(one.heard().await, "to the one");
}

contract! {
    on [Postgres Redis Nats]

    async fn a_cut_link_is_told_and_comes_back(ground: Ground) {
        let (proxy, address) = Proxy::before(&ground.address).await;
        let (mut one, mut other) = (ground.join(1).await, Node::join(ground.options_at(&address), 2).await);
        they_hear_each_other(&mut one, &mut other).await;
        proxy.cut();
        assert_eq!(other.next().await, Event::Lost);
        assert!(!other.bus.is_connected());
        one.send(Subject::All, "missed");
        until("it is out", || one.bus.gauges().outgoing_messages == 0 && one.bus.gauges().sent == 2).await;
        proxy.resume();
        assert_eq!(other.next().await, Event::Back);
        assert!(other.bus.is_connected());
        they_hear_each_other(&mut one, &mut other).await;
        let gauges = other.bus.gauges();
        assert_eq!((gauges.losses, gauges.reconnects), (1, 1));
        assert_eq!(one.bus.gauges().losses, 0, "the other node's link was well all the time");
    }

    async fn a_link_that_falls_silent_is_noticed(ground: Ground) {
        let (proxy, address) = Proxy::before(&ground.address).await;
        let (mut one, mut other) = (ground.join(1).await, Node::join(ground.options_at(&address), 2).await);
        they_hear_each_other(&mut one, &mut other).await;
        proxy.freeze();
        assert_eq!(other.next().await, Event::Lost);
        proxy.resume();
        assert_eq!(other.next().await, Event::Back);
        they_hear_each_other(&mut one, &mut other).await;
    }

    async fn what_was_left_while_the_link_was_gone_goes_out_afterwards(ground: Ground) {
        let (proxy, address) = Proxy::before(&ground.address).await;
        let (mut one, mut other) = (ground.join(1).await, Node::join(ground.options_at(&address), 2).await);
        proxy.cut();
        assert_eq!(other.next().await, Event::Lost);
        other.send(Subject::Partition(4), "late, and welcome to who was there all the time");
        proxy.resume();
        assert_eq!(one.heard().await, "late, and welcome to who was there all the time");
    }

    async fn closing_does_not_wait_for_a_link_that_is_gone(ground: Ground) {
        let (proxy, address) = Proxy::before(&ground.address).await;
        let mut other = Node::join(ground.options_at(&address), 2).await;
        proxy.cut();
        assert_eq!(other.next().await, Event::Lost);
        other.send(Subject::All, "never");
        within("the end", other.bus.close()).await;
        assert_eq!(within("the end", other.incoming.next()).await, None);
    }
}

contract! {
    on [Memory]

    async fn a_cut_memory_bus_loses_and_comes_back(ground: Ground) {
        let (mut one, mut other) = (ground.join(1).await, ground.join(2).await);
        they_hear_each_other(&mut one, &mut other).await;
        ground.memory.set_cut(true);
        assert_eq!((one.next().await, other.next().await), (Event::Lost, Event::Lost));
        assert!(Bus::connect(ground.options(), NodeTag(3)).await.is_err());
        ground.memory.set_cut(false);
        assert_eq!((one.next().await, other.next().await), (Event::Back, Event::Back));
        they_hear_each_other(&mut one, &mut other).await;
    }
}

async fn survives_a_restart(mut server: Server, ground: Ground) {
    let (mut one, mut other) = (ground.join(1).await, ground.join(2).await);
    they_hear_each_other(&mut one, &mut other).await;
    for _ in 0..2 {
        server.kill();
        assert_eq!((one.next().await, other.next().await), (Event::Lost, Event::Lost));
        server.start_again().await;
        assert_eq!((one.next().await, other.next().await), (Event::Back, Event::Back));
        they_hear_each_other(&mut one, &mut other).await;
    }
}

fn ground_at(engine: Engine, address: String) -> Ground {
    Ground { engine, memory: MemoryBus::new(), address, prefix: fresh_prefix() }
}

#[tokio::test]
async fn redis_may_be_killed() {
    let Some(server) = Server::redis(&[]).await else { return };
    let address = format!("redis://127.0.0.1:{}", server.port);
    survives_a_restart(server, ground_at(Engine::Redis, address)).await;
}

#[tokio::test]
async fn nats_may_be_killed() {
    let Some(server) = Server::nats(&[]).await else { return };
    let address = format!("nats://127.0.0.1:{}", server.port);
    survives_a_restart(server, ground_at(Engine::Nats, address)).await;
}

/// What notifies is well, so only what does not come back tells that nobody listens any more.
#[tokio::test]
async fn a_silent_listener_of_postgres_is_noticed() {
    let Some(ground) = Ground::new(Engine::Postgres) else { return };
    let (proxy, address) = Proxy::before(&ground.address).await;
    let (mut one, mut other) = (ground.join(1).await, Node::join(ground.options_at(&address), 2).await);
    proxy.freeze_first();
    other.send(Subject::All, "still going out");
    assert_eq!(one.heard().await, "still going out");
    assert_eq!(other.next().await, Event::Lost);
    assert_eq!(other.next().await, Event::Back, "the next connections are others");
    they_hear_each_other(&mut one, &mut other).await;
}

#[tokio::test]
async fn postgres_may_end_its_sessions() {
    let Some(ground) = Ground::new(Engine::Postgres) else { return };
    let (mut one, mut other) = (ground.join(1).await, ground.join(2).await);
    let (client, connection) = tokio_postgres::connect(&ground.address, tokio_postgres::NoTls).await.unwrap();
    let mut driving = tokio::task::JoinSet::new();
    driving.spawn(connection);
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1";
    let named = format!("belfry bus {}", ground.prefix);
    let ended: i64 = client.query_one(end, &[&named]).await.unwrap().get(0);
    assert_eq!(ended, 4, "a node has two sessions");
    assert_eq!((one.next().await, other.next().await), (Event::Lost, Event::Lost));
    assert_eq!((one.next().await, other.next().await), (Event::Back, Event::Back));
    they_hear_each_other(&mut one, &mut other).await;
}
