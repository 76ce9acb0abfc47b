//! Three nodes behind nginx, and people whose devices it put at different ones: everybody is told everything at once, by
//! the bus.

use crate::cluster::nginx;
use belfry_server::config::BusUrl;
use belfry_server::metrics::Counter;
use belfry_tests::nginx::Nginx;
use belfry_tests::shared::there_is_a_server;
use belfry_tests::{Caller, Cluster, Opening, Socket, numbered};
use http::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::time::Duration;

const NODES: usize = 3;
/// All of them with two devices.
const PEOPLE: [&str; 4] = ["ann", "bob", "cid", "dot"];
/// How late anything may be.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Somebody's device, and the node that nginx put it at.
async fn device(nginx: &Nginx, caller: &Caller, user: &str) -> (Socket, Value) {
    let mut socket = Socket::open(Opening::v1(&nginx.url).bearer(&caller.token(user))).await;
    let established = socket.next_of_type("connection-established").await;
    socket.send(json!({"type": "resume", "data": {}})).await;
    socket.settle().await;
    (socket, established["data"]["server"]["node"].clone())
}

/// Two devices at two nodes: nginx decides, so it is asked until it decides so.
async fn devices(nginx: &Nginx, caller: &Caller, user: &str) -> [Socket; 2] {
    let (first, at) = device(nginx, caller, user).await;
    let mut kept = Vec::new();
    loop {
        let (second, other) = device(nginx, caller, user).await;
        if other != at {
            break [first, second];
        }
        // Held open meanwhile, so that nginx sees that this node has more than others.
        kept.push(second);
        assert!(kept.len() < 2 * NODES, "nginx puts everything at {at}");
    }
}

async fn at_once(socket: &mut Socket, kind: &str) -> Value {
    let frame = tokio::time::timeout(AT_ONCE, socket.next_of_type(kind)).await;
    frame.unwrap_or_else(|_| panic!("no `{kind}` within {AT_ONCE:?}"))
}

async fn call(nginx: &Nginx, caller: &Caller, method: Method, path: &str, body: &Value) -> Value {
    let answer = caller.calling(&nginx.url).call(method, path, body).await;
    assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.text);
    serde_json::from_str(&answer.text).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_at_any_node_is_on_every_device_at_once() {
    let Ok(redis) = std::env::var("BELFRY_TEST_REDIS") else { return };
    if !there_is_a_server() {
        return;
    }
    let cluster = Cluster::with(NODES, |config| {
        config.bus.url = BusUrl::Redis(vec![SecretString::from(redis.clone())]);
    })
    .await;
    let addresses = [0, 1, 2].map(|node| cluster[node].address().to_string());
    let Some(nginx) = nginx(addresses).await else { return };
    let caller = &cluster[0];
    for user in PEOPLE {
        let mut both = devices(&nginx, caller, user).await;
        let mut ids = Vec::new();
        for number in 1..=6_u64 {
            let answer = call(&nginx, caller, Method::POST, "/v1/alerts", &numbered(user, number)).await;
            ids.push(answer["id"].clone());
            for socket in &mut both {
                let frame = at_once(socket, "numbered").await;
                assert_eq!((&frame["id"], frame["unread"].as_u64()), (&answer["id"], Some(number)));
            }
        }
        let body = json!({"ids": [ids[0]], "state": "read"});
        let through = caller.calling(&nginx.url);
        through.user_call(user, Method::POST, "/v1/inbox/state", &body).await.expect(200);
        let recalled = format!("/v1/alerts/{}", ids[1].as_str().expect("an id"));
        through.send(through.as_back_end(Method::DELETE, &recalled)).await.expect(204);
        for socket in &mut both {
            assert_eq!(at_once(socket, "inbox-changed").await["data"]["changes"][0]["state"], "read");
            let recall = at_once(socket, "inbox-changed").await;
            assert_eq!(recall["data"]["changes"][0]["state"], "recalled");
            assert_eq!(recall["data"]["unread"], 4);
        }
        for node in 0..NODES {
            assert_eq!(cluster[node].unread(user).await, 4, "at node {node}");
        }
        let revoked = json!({"revoke_before": "2099-01-01T00:00:00Z"});
        let path = format!("/v1/users/{user}/disconnect");
        call(&nginx, caller, Method::POST, &path, &revoked).await;
        for socket in &mut both {
            assert_eq!(at_once(socket, "error").await["data"]["code"], "token-revoked");
        }
    }
    for node in 0..NODES {
        assert!(cluster.counted(node, Counter::HintsHeard) > 0, "node {node} was told");
        assert_eq!(
            cluster.counted(node, Counter::SessionsBehind),
            0,
            "nobody at node {node} was found behind"
        );
    }
}
