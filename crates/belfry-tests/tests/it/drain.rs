//! The gentle end: readiness first, then everybody is told, then exit 0, and nothing accepted is lost.

use belfry_tests::{Opening, Process, Received, Socket, eventually, numbered};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_loses_nothing_that_was_accepted() {
    let mut process =
        Process::start(&[("BELFRY__DRAIN__READY_WAIT", "700ms"), ("BELFRY__DRAIN__WINDOW", "500ms")]);
    let caller = process.caller();
    let mut sockets = Vec::new();
    for _ in 0..10 {
        sockets.push(caller.socket("ann").await);
    }
    let mut events = caller.events("ann").await;

    // Load until the server is gone; what was answered 202 is noted.
    let stop = Arc::new(AtomicBool::new(false));
    let mut publishers = Vec::new();
    for worker in 0..4u64 {
        let (caller, stop) = (process.caller(), Arc::clone(&stop));
        publishers.push(tokio::spawn(async move {
            let mut accepted = Vec::new();
            for number in 0..100_000u64 {
                let request = caller.as_back_end(http::Method::POST, "/v1/alerts");
                let sent = request.json(&numbered("ann", worker * 1_000_000 + number)).send().await;
                let Ok(response) = sent else { break };
                if response.status() == 202
                    && let Ok(answer) = response.json::<Value>().await
                {
                    accepted.push(answer["id"].as_str().unwrap_or_default().to_owned());
                }
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
            accepted
        }));
    }
    sockets[0].next_alert().await;
    process.terminate();
    eventually("readiness to say no", || async { (caller.get("/readyz").await.status == 503).then_some(()) })
        .await;
    caller.get("/healthz").await.expect(200);

    let mut told = Vec::new();
    for socket in &mut sockets {
        loop {
            match socket.next().await {
                Received::Frame(frame) if frame["type"] == "going-away" => {
                    told.push(frame["data"]["reconnect_after_ms"].as_u64().expect("a number"));
                }
                Received::Frame(_) => {}
                Received::Closed(code, _) => {
                    assert_eq!(code, 4000);
                    break;
                }
                Received::Cut => panic!("a socket was cut without a close"),
            }
        }
    }
    assert_eq!(told.len(), sockets.len(), "everybody is told");
    assert!(told.iter().collect::<BTreeSet<_>>().len() > 1, "the return is spread: {told:?}");
    while events.next().await.is_some() {}
    let status = process.ended().await;
    assert_eq!(status.code(), Some(0), "{}", process.output());
    stop.store(true, Ordering::Relaxed);
    let mut accepted = Vec::new();
    for publisher in publishers {
        accepted.extend(publisher.await.expect("the publisher ends"));
    }
    assert!(!accepted.is_empty());

    process.restart();
    let caller = process.caller();
    let stored: BTreeSet<String> =
        caller.inbox("ann").await.iter().filter_map(|item| item["id"].as_str().map(str::to_owned)).collect();
    let lost: Vec<_> = accepted.iter().filter(|id| !stored.contains(*id)).collect();
    assert!(lost.is_empty(), "{} of {} accepted alerts are lost", lost.len(), accepted.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn newcomers_are_sent_elsewhere_during_the_drain() {
    let server =
        belfry_tests::TestServer::with(|config| config.drain.window = std::time::Duration::from_secs(2))
            .await;
    let mut held = server.socket("ann").await;
    let app = Arc::clone(server.services());
    app.hub.start_draining();
    let (status, problem) = Socket::try_open(Opening::naive(&server.url).bearer(&server.token("bob")))
        .await
        .err()
        .expect("is refused");
    assert_eq!((status, problem["code"].as_str()), (503, Some("draining")));
    let mut refused = Socket::open(Opening::v1(&server.url).bearer(&server.token("bob"))).await;
    assert_eq!(refused.closed().await, (Some("draining".to_owned()), 4000));
    server.alert("ann", 1).await;
    assert_eq!(held.next_alert().await["seq"], 1, "who is here is served to the end");
}
