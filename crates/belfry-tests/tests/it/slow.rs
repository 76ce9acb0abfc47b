//! A subscriber that stops reading costs others nothing and the server little, and loses nothing itself.

use belfry_tests::{Opening, Process, Socket, within};
use http::Method;
use serde_json::{Value, json};

/// Published before anybody listens, so that the store's caches and the log have their size.
const WARM: u64 = 1_800;
const ALERTS: u64 = 3_600;
const SLOW: u64 = 16;
const FILLER_BYTES: usize = 4_000;

fn resident_bytes(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).expect("Linux has /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("every process has a size");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") * 1024
}

fn numbers_of(frame: &Value) -> Vec<u64> {
    match frame["type"].as_str() {
        Some("catch-up") => {
            let items = frame["data"]["items"].as_array().expect("items");
            items.iter().filter_map(|item| item["data"]["n"].as_u64()).collect()
        }
        Some("big") => frame["data"]["n"].as_u64().into_iter().collect(),
        Some("ping") => Vec::new(),
        _ => panic!("unexpected {frame}"),
    }
}

async fn read_all(mut socket: Socket, upto: u64) -> Vec<u64> {
    let mut seen = Vec::new();
    while seen.last() != Some(&upto) {
        seen.extend(numbers_of(&socket.next_frame().await));
    }
    seen
}

async fn publish(process: &Process, numbers: std::ops::RangeInclusive<u64>) {
    let filler = "x".repeat(FILLER_BYTES);
    let line = |n| {
        json!({"to": {"users": ["ann", "bob"]}, "kind": "big", "data": {"n": n, "filler": filler}})
            .to_string()
    };
    let lines: Vec<String> = numbers.map(line).collect();
    let request = process.as_back_end(Method::POST, "/v1/alerts/batch");
    let request = request.header("content-type", "application/x-ndjson").body(lines.join("\n"));
    let results = process.send(request).await.expect(200).lines();
    assert!(results.iter().all(|result| result["status"] == 202), "{:?}", results.first());
}

async fn publish_all(process: &Process, first: u64, last: u64) {
    for first in (first..=last).step_by(600) {
        publish(process, first..=(first + 599).min(last)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_stops_reading_harms_nobody_and_misses_nothing() {
    let process = Process::start(&[]);
    // What the same alerts cost without anybody who is slow; the first ones also pay for the start.
    publish_all(&process, 1, WARM / 3).await;
    let started = resident_bytes(&process);
    publish_all(&process, WARM / 3 + 1, WARM).await;
    let usual = resident_bytes(&process).saturating_sub(started) * 3 / 2;
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        let opening = Opening::v1(&process.url).bearer(&process.token("ann")).receive_buffer(4_096);
        let mut socket = Socket::open(opening).await;
        socket.next_of_type("connection-established").await;
        socket.send(json!({"type": "resume", "data": {}})).await;
        socket.settle().await;
        slow.push(socket);
    }
    let same_user = process.socket("ann").await;
    let other_user = process.socket("bob").await;
    let before = resident_bytes(&process);

    let readers = [same_user, other_user].map(|socket| {
        let mut reading = tokio::task::JoinSet::new();
        reading.spawn(read_all(socket, ALERTS));
        reading
    });
    publish_all(&process, WARM + 1, ALERTS).await;
    let expected: Vec<u64> = (WARM + 1..=ALERTS).collect();
    for mut reading in readers {
        let seen =
            within("everything for the others", reading.join_next()).await.expect("one").expect("it reads");
        assert_eq!(seen, expected, "the others have everything, once, in order");
    }
    let grown = resident_bytes(&process).saturating_sub(before);
    let owed = SLOW * (ALERTS - WARM) * FILLER_BYTES as u64;
    println!(
        "the server owes {} KiB and grew by {} KiB, {} KiB are usual",
        owed >> 10,
        grown >> 10,
        usual >> 10
    );
    assert!(grown < usual + owed / 3, "the server grew by {grown} bytes, {usual} are usual, {owed} are owed");

    for socket in slow {
        assert_eq!(read_all(socket, ALERTS).await, expected, "who was slow has everything, once, in order");
    }
}
