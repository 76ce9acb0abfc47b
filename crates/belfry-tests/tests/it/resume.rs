//! Coming back: what was missed, once, in order, and a reset where the position means nothing.

use belfry_tests::{Events, Received, TestServer, within};
use http::Method;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn numbers(items: &Value) -> Vec<u64> {
    let items = items.as_array().expect("a list of items");
    items.iter().map(|item| item["data"]["n"].as_u64().expect("a numbered alert")).collect()
}

/// The user's cursor as the server has it now.
async fn head(server: &TestServer, user: &str) -> String {
    let page = server.user_get(user, "/v1/inbox?limit=1").await.expect(200).json();
    page["complete_to"].as_str().expect("a cursor").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_comes_as_changes_then_items_then_live() {
    let server = TestServer::start().await;
    let mut ids = Vec::new();
    for number in 1..=4 {
        ids.push(server.alert("ann", number).await);
    }
    let cursor = head(&server, "ann").await;
    server.change("ann", &[&ids[0]], "read").await;
    server.change("ann", &[&ids[1]], "archived").await;
    let path = format!("/v1/alerts/{}", ids[2]);
    server.send(server.as_back_end(Method::DELETE, &path)).await.expect(204);
    for number in 5..=6 {
        ids.push(server.alert("ann", number).await);
    }
    server.change("ann", &[&ids[5]], "read").await;

    let mut socket = server.resume("ann", &cursor).await;
    let frame = socket.next_of_type("catch-up").await;
    let data = &frame["data"];
    let changes: BTreeMap<&str, &Value> = data["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .map(|change| (change["id"].as_str().expect("an id"), change))
        .collect();
    assert_eq!(changes.len(), 3, "{data}");
    assert_eq!(changes[ids[0].as_str()]["state"]["read"], true);
    assert_eq!(changes[ids[1].as_str()]["state"]["archived"], true);
    assert_eq!(changes[ids[2].as_str()]["left"], "recalled");
    assert_eq!(numbers(&data["items"]), [5, 6]);
    assert_eq!(data["items"][1]["state"]["read"], true, "items come at their present state");
    assert_eq!(data["covers"], json!({"after": cursor, "to": head(&server, "ann").await}));
    assert_eq!((&data["unread"], &data["more"]), (&json!(2), &json!(false)));
    server.alert("ann", 7).await;
    assert_eq!(socket.next_frame().await["data"]["n"], 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_missed_nothing_is_told_so() {
    let server = TestServer::start().await;
    server.alert("ann", 1).await;
    let cursor = head(&server, "ann").await;
    let mut socket = server.resume("ann", &cursor).await;
    let data = &socket.next_frame().await["data"];
    assert_eq!((&data["changes"], &data["items"], &data["more"]), (&json!([]), &json!([]), &json!(false)));
    assert_eq!(data["covers"], json!({"after": cursor, "to": cursor}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_absence_comes_in_pages_without_gap_or_double() {
    let server = TestServer::with(|config| config.live.catch_up_page_items = 7).await;
    let cursor = head(&server, "ann").await;
    let lines: Vec<String> =
        (1..=40).map(|number| belfry_tests::caller::numbered("ann", number).to_string()).collect();
    let batch = server.as_back_end(Method::POST, "/v1/alerts/batch");
    let batch = batch.header("content-type", "application/x-ndjson").body(lines.join("\n"));
    server.send(batch).await.expect(200);
    server
        .publish(&json!({"to": {"everyone": true}, "kind": "numbered", "data": {"n": 41}}))
        .await
        .expect(202);

    let mut socket = server.resume("ann", &cursor).await;
    let (mut seen, mut at, mut pages) = (Vec::new(), cursor, 0);
    loop {
        let frame = socket.next_of_type("catch-up").await;
        let data = &frame["data"];
        assert_eq!(data["covers"]["after"], at, "each page begins where the last one ended");
        at = data["covers"]["to"].as_str().expect("a cursor").to_owned();
        seen.extend(numbers(&data["items"]));
        pages += 1;
        if data["more"] == false {
            break;
        }
    }
    assert_eq!(seen, (1..=41).collect::<Vec<u64>>());
    assert!(pages >= 6, "{pages} pages");
    assert_eq!(at, head(&server, "ann").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_means_nothing_gets_a_reset_with_the_newest_page() {
    let server = TestServer::start().await;
    for number in 1..=3 {
        server.alert("ann", number).await;
    }
    let cursor = head(&server, "ann").await;
    let epoch = cursor.split('.').next().expect("an epoch");
    for (bad, reason) in [
        ("nonsense".to_owned(), "cursor-unreadable"),
        (String::new(), "cursor-unreadable"),
        ("0123456789abcdef.1.0".to_owned(), "epoch-foreign"),
        (format!("{epoch}.99.0"), "above-head"),
    ] {
        let mut socket = server.resume("ann", &bad).await;
        let frame = socket.next_frame().await;
        assert_eq!((&frame["type"], &frame["data"]["reason"]), (&json!("reset"), &json!(reason)), "{bad}");
        let data = &frame["data"];
        assert_eq!(numbers(&data["items"]), [3, 2, 1], "newest first");
        assert_eq!((&data["unread"], &data["next"]), (&json!(3), &Value::Null));
        assert_eq!(data["cursor"], head(&server, "ann").await, "{bad}");
    }
    assert_ne!(
        head(&server, "ann").await.split('.').next(),
        Some(epoch),
        "a cursor above the head gave the user a new numbering"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_wants_at_most_so_much_gets_a_reset_beyond_it() {
    let server = TestServer::start().await;
    let cursor = head(&server, "ann").await;
    for number in 1..=3 {
        server.alert("ann", number).await;
    }
    for (max, expected) in [(3, "catch-up"), (2, "reset")] {
        let mut socket = server.resume("ann", "unused").await;
        socket.next_of_type("reset").await;
        socket.send(json!({"type": "resume", "data": {"cursor": cursor, "max": max}})).await;
        let frame = socket.next_frame().await;
        assert_eq!(frame["type"], expected, "at most {max}");
        if expected == "reset" {
            assert_eq!(frame["data"]["reason"], "too-much");
        }
        server.alert("ann", 4).await;
        assert_eq!(socket.next_alert().await["data"]["n"], 4);
        server.send(server.as_back_end(Method::DELETE, "/v1/groups/none")).await;
        if max == 3 {
            // The next round wants three again: the fourth is taken back.
            let id = server.inbox("ann").await[0]["id"].as_str().expect("an id").to_owned();
            server.send(server.as_back_end(Method::DELETE, &format!("/v1/alerts/{id}"))).await.expect(204);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_client_gets_what_it_has_not_confirmed_and_nothing_it_has() {
    let server = TestServer::with(|config| {
        config.live.trust_pong = true;
        config.live.naive_backlog_items = 5;
    })
    .await;
    for number in 1..=8 {
        server.alert("ann", number).await;
    }
    let mut naive = server.naive("ann").await;
    for number in 4..=8 {
        assert_eq!(naive.next_alert().await["data"]["n"], number, "the newest five");
    }
    naive.assert_silent().await;
    naive.close().await;
    // The pongs of the library underneath confirmed what was sent.
    server.alert("ann", 9).await;
    let mut again = server.naive("ann").await;
    assert_eq!(again.next_alert().await["data"]["n"], 9);
    again.assert_silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_continues_after_the_last_event_id() {
    let server = TestServer::start().await;
    let mut events = server.events("ann").await;
    for number in 1..=3 {
        server.alert("ann", number).await;
        assert_eq!(events.next_alert().await["data"]["n"], number);
    }
    let last = events.last_id.clone().expect("alerts have ids");
    drop(events);
    for number in 4..=5 {
        server.alert("ann", number).await;
    }
    let request = server.as_user("ann", Method::GET, "/v1/events").header("last-event-id", &last);
    let mut events = Events::open(request).await;
    assert_eq!(events.next_frame().await["type"], "connection-established");
    assert_eq!(numbers(&events.next_of_type("catch-up").await["data"]["items"]), [4, 5]);
    assert_eq!(events.last_id, Some(head(&server, "ann").await));

    // A plain EventSource gets plain alerts.
    let url = server.at(&format!("/v1/events?token={}", server.token("ann")));
    let mut plain = Events::open(server.http.get(url).header("last-event-id", &last)).await;
    for number in 4..=5 {
        assert_eq!(plain.next_alert().await["data"]["n"], number);
    }
    assert_eq!(plain.last_id, Some(head(&server, "ann").await));
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_of_an_event_stream_come_by_http() {
    let server = TestServer::start().await;
    let mut events = server.events("ann").await;
    let id = server.alert("ann", 1).await;
    let alert = events.next_alert().await;
    let ack = json!({"stream": "user", "after": 0, "up_to": alert["seq"], "level": "received"});
    server.user_call("ann", Method::POST, "/v1/acks", &ack).await.expect(204);
    let ack = json!({"ids": [id], "level": "displayed"});
    server.user_call("ann", Method::POST, "/v1/acks", &ack).await.expect(204);
    server.services().store.flush().await.expect("the store takes receipts");
    let trace = server.get(&format!("/v1/alerts/{id}")).await.expect(200).json();
    assert_eq!(trace["trace"][0]["level"], "displayed", "{trace}");
}

/// What one client has: its cursor, and the numbers of the alerts it was given, in order.
struct Client {
    cursor: String,
    seen: Vec<u64>,
}

impl Client {
    fn take(&mut self, frame: &Value) {
        let epoch = self.cursor.split('.').next().expect("an epoch").to_owned();
        match frame["type"].as_str() {
            Some("catch-up") => {
                assert_eq!(frame["data"]["covers"]["after"], self.cursor);
                self.seen.extend(numbers(&frame["data"]["items"]));
                self.cursor = frame["data"]["covers"]["to"].as_str().expect("a cursor").to_owned();
            }
            Some("numbered") => {
                let seq = frame["seq"].as_u64().expect("a seq");
                assert_eq!(seq, self.user_seq() + 1, "live frames are adjacent");
                self.seen.push(frame["data"]["n"].as_u64().expect("a number"));
                self.cursor = format!("{epoch}.{seq}.0");
            }
            Some("ping" | "connection-established") => {}
            _ => panic!("unexpected {frame}"),
        }
    }

    fn user_seq(&self) -> u64 {
        self.cursor.split('.').nth(1).and_then(|seq| seq.parse().ok()).expect("a seq")
    }
}

/// Publishes while a client comes and goes; every accepted alert is seen exactly once, in order of seq.
async fn publish_while_reconnecting(stays: Vec<u8>) {
    let server = TestServer::with(|config| config.live.catch_up_page_items = 3).await;
    let mut client = Client { cursor: head(&server, "ann").await, seen: Vec::new() };
    let caller = (*server).clone();
    let mut publisher = tokio::task::JoinSet::new();
    let total = 20 + 4 * stays.len() as u64;
    publisher.spawn(async move {
        for number in 1..=total {
            caller.alert("ann", number).await;
        }
    });
    for frames in stays {
        let mut socket = server.resume("ann", &client.cursor).await;
        for _ in 0..frames {
            // The last stay reads what is left: one that finds nothing to read is over.
            if client.user_seq() == total {
                break;
            }
            match socket.next().await {
                Received::Frame(frame) => client.take(&frame),
                end => panic!("the socket ended: {end:?}"),
            }
        }
    }
    let mut socket = server.resume("ann", &client.cursor).await;
    while client.user_seq() < total {
        client.take(&socket.next_frame().await);
    }
    within("the publisher's end", publisher.join_next()).await.expect("one task").expect("it published");
    assert_eq!(client.seen, (1..=total).collect::<Vec<_>>());
}

#[test]
fn live_frames_during_a_catch_up_merge_in_order_without_doubles() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 8, failure_persistence: None, ..Config::default() });
    let stays = proptest::collection::vec(0_u8..12, 1..8);
    runner
        .run(&stays, |stays| {
            runtime.block_on(publish_while_reconnecting(stays));
            Ok(())
        })
        .unwrap();
}
