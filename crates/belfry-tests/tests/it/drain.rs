//! SIGTERM under load: nothing accepted is lost, and everybody is told.

use belfry_server::tasks::TaskKind;
use belfry_tests::caller::numbered;
use belfry_tests::{Process, Received, eventually};
use http::Method;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_turns_readiness_first_spreads_the_goodbyes_and_loses_nothing() {
    let mut process =
        Process::start(&[("BELFRY__DRAIN__READY_WAIT", "1500ms"), ("BELFRY__DRAIN__WINDOW", "1s")]);
    process.get("/readyz").await.expect(200);
    let mut sockets = Vec::new();
    for number in 0..12 {
        sockets.push(process.socket(&format!("user-{number}")).await);
    }
    let (next, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut publishers = JoinSet::new();
    for _ in 0..8 {
        let (caller, next, stop) = (process.caller(), Arc::clone(&next), Arc::clone(&stop));
        publishers.spawn(async move {
            let mut accepted = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let request = caller.as_back_end(Method::POST, "/v1/alerts").json(&numbered("ann", number));
                match request.send().await {
                    Ok(answer) if answer.status() == 202 => {
                        if answer.json::<Value>().await.is_ok() {
                            accepted.push(number);
                        }
                    }
                    // Draining, or gone: whoever was not answered 202 was promised nothing.
                    _ => return accepted,
                }
            }
            accepted
        });
    }
    eventually("load", || async { (next.load(Ordering::Relaxed) > 100).then_some(()) }).await;
    process.terminate();

    let not_ready = eventually("readiness 503", || async {
        Some(process.get("/readyz").await).filter(|answer| answer.status != 200)
    });
    not_ready.await.expect_problem(503, "draining");
    process.get("/healthz").await.expect(200);
    let told_early = sockets[0].settle().await;
    assert!(told_early.is_empty(), "sockets live on while the load balancer looks away: {told_early:?}");

    let mut hints = BTreeSet::new();
    for socket in &mut sockets {
        let frame = socket.next_of_type("going-away").await;
        hints.insert(frame["data"]["reconnect_after_ms"].as_u64().expect("a hint"));
    }
    assert!(hints.len() > 3 && hints.iter().all(|hint| *hint <= 1_000), "the returns are spread: {hints:?}");
    for socket in &mut sockets {
        loop {
            match socket.next().await {
                Received::Frame(_) => {}
                end => {
                    assert_eq!(end, Received::Closed(4000, "going-away".to_owned()));
                    break;
                }
            }
        }
    }
    drop(sockets);
    stop.store(true, Ordering::Relaxed);
    let accepted: Vec<u64> = publishers.join_all().await.into_iter().flatten().collect();
    let status = process.ended().await;
    assert_eq!(status.code(), Some(0), "{}", process.output());
    assert!(accepted.len() > 100, "{} accepted", accepted.len());

    process.restart();
    let stored: BTreeSet<u64> =
        process.inbox("ann").await.iter().filter_map(|item| item["data"]["n"].as_u64()).collect();
    let lost: Vec<&u64> = accepted.iter().filter(|number| !stored.contains(number)).collect();
    assert!(lost.is_empty(), "accepted and lost: {lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_resumes_after_a_gentle_restart_misses_nothing() {
    let mut process = Process::start(&[]);
    let mut socket = process.socket("ann").await;
    process.alert("ann", 1).await;
    socket.next_alert().await;
    let page = process.user_get("ann", "/v1/inbox").await.expect(200).json();
    let cursor = page["complete_to"].as_str().expect("a cursor").to_owned();
    process.alert("ann", 2).await;
    process.terminate();
    while !matches!(socket.next().await, Received::Closed(4000, _)) {}
    drop(socket);
    assert!(process.ended().await.success());
    process.restart();
    let mut socket = process.resume("ann", &cursor).await;
    let items = socket.next_of_type("catch-up").await["data"]["items"].clone();
    assert_eq!(items.as_array().map(Vec::len), Some(1), "{items}");
    assert_eq!(items[0]["data"]["n"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_neither_sends_nor_reads_does_not_hold_up_the_end() {
    let mut server = belfry_tests::TestServer::with(|config| {
        config.drain.timeout = Duration::from_secs(2);
    })
    .await;
    let mut stuck = TcpStream::connect(server.address()).await.expect("it listens");
    let head = format!(
        "POST /v1/alerts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{",
        server.api_key
    );
    stuck.write_all(head.as_bytes()).await.expect("is sent");
    eventually("the connection to be served", || async {
        (server.services().tasks.running(TaskKind::Connection) == 1).then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_asks_for_nothing_is_closed() {
    let server = belfry_tests::TestServer::with(|config| {
        config.server.header_timeout = Duration::from_millis(200);
    })
    .await;
    for begin in
        ["", "PRI * HTTP/2.0", "GET /healthz HTTP/1.1\r\n", "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"]
    {
        let mut silent = TcpStream::connect(server.address()).await.expect("it listens");
        silent.write_all(begin.as_bytes()).await.expect("is sent");
        let mut answer = Vec::new();
        let ended = silent.read_to_end(&mut answer);
        belfry_tests::within("the server to close the connection", ended).await.expect("a gentle end");
        assert_eq!(answer.starts_with(b"HTTP/1.1 200"), begin.ends_with("\r\n\r\n"), "{begin:?}");
    }
}
