//! Hints are lost, and nothing is missing: the read of the heads makes it good.

use belfry_bus::{BusOptions, MemoryBus};
use belfry_server::metrics::Counter;
use belfry_tests::cluster::losing;
use belfry_tests::shared::there_is_a_server;
use belfry_tests::{Cluster, Received, Socket, eventually};
use serde_json::Value;
use std::time::Duration;

/// The titles of the next alerts, however they come, until there are so many.
async fn titles(socket: &mut Socket, count: usize) -> Vec<String> {
    let mut titles = Vec::new();
    let title = |item: &Value| item["title"].as_str().unwrap_or_default().to_owned();
    while titles.len() < count {
        match socket.next().await {
            Received::Frame(frame) if frame["type"] == "catch-up" => {
                titles.extend(frame["data"]["items"].as_array().into_iter().flatten().map(title));
            }
            Received::Frame(frame) if frame["id"].is_string() => titles.push(title(&frame)),
            Received::Frame(_) => {}
            end => panic!("{end:?} after {titles:?}"),
        }
    }
    titles
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_bus_loses_arrives_with_the_next_read_of_the_heads() {
    if !there_is_a_server() {
        return;
    }
    let cluster = Cluster::with(2, |config| {
        config.live.heartbeat_interval = Duration::from_millis(700);
        config.bus_options = losing(config, 0.3, 7);
    })
    .await;
    let mut there = cluster[1].socket("ann").await;
    for number in 1..=40 {
        cluster[0].alert("ann", number).await;
    }
    let expected: Vec<String> = (1..=40).map(|number| format!("Number {number}")).collect();
    assert_eq!(titles(&mut there, 40).await, expected, "each once, in their order");
    // The last one before a silence has no successor that would show its loss.
    for number in 41..=44 {
        cluster[0].alert("ann", number).await;
        assert_eq!(titles(&mut there, 1).await, [format!("Number {number}")]);
    }
    assert!(cluster.counted(1, Counter::HintsHeard) < 44, "the test loses some");
}

fn on_one_bus(bus: &MemoryBus, without: Duration) -> impl Fn(&mut belfry_server::config::Config) + use<> {
    let bus = bus.clone();
    move |config| {
        config.bus_options = Some(BusOptions::Memory(bus.clone()));
        config.cluster.heads_interval_without_bus = without;
    }
}

async fn until_deaf(cluster: &Cluster, deaf: bool) {
    eventually("word of the bus", || async {
        let hears =
            |node: usize| cluster[node].services().cluster.as_ref().and_then(|cluster| cluster.hears());
        (hears(0) == Some(!deaf) && hears(1) == Some(!deaf)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_the_bus_was_away_arrives_when_it_is_back() {
    if !there_is_a_server() {
        return;
    }
    let bus = MemoryBus::new();
    let cluster = Cluster::with(2, on_one_bus(&bus, Duration::from_secs(3_600))).await;
    let mut here = cluster[0].socket("ann").await;
    let mut there = cluster[1].socket("ann").await;
    bus.set_cut(true);
    until_deaf(&cluster, true).await;
    cluster[0].alert("ann", 1).await;
    assert_eq!(titles(&mut here, 1).await, ["Number 1"], "at the node where it was committed nothing waits");
    there.assert_silent().await;
    bus.set_cut(false);
    assert_eq!(titles(&mut there, 1).await, ["Number 1"]);
    until_deaf(&cluster, false).await;
    cluster[0].alert("ann", 2).await;
    assert_eq!(titles(&mut there, 1).await, ["Number 2"]);
    assert_eq!(titles(&mut here, 1).await, ["Number 2"]);
    let stats = cluster[1].get("/v1/stats").await.expect(200).json();
    assert_eq!(stats["nodes"][1]["bus"], "connected", "{stats}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_bus_is_away_heads_are_read_more_often() {
    if !there_is_a_server() {
        return;
    }
    let bus = MemoryBus::new();
    let cluster = Cluster::with(2, on_one_bus(&bus, Duration::from_millis(200))).await;
    let mut there = cluster[1].socket("ann").await;
    bus.set_cut(true);
    until_deaf(&cluster, true).await;
    cluster[0].alert("ann", 1).await;
    assert_eq!(titles(&mut there, 1).await, ["Number 1"]);
    assert!(cluster.counted(1, Counter::SessionsBehind) > 0);
    let body = serde_json::json!({"revoke_before": "2099-01-01T00:00:00Z"});
    cluster[0].call(http::Method::POST, "/v1/users/ann/disconnect", &body).await.expect(200);
    assert_eq!(there.next_of_type("error").await["data"]["code"], "token-revoked", "orders are read as well");
}
