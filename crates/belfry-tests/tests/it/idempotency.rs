//! Repeating a call stores nothing twice, whatever happened in between.

use belfry_tests::caller::numbered;
use belfry_tests::{Answer, Process, TestServer, eventually};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinSet;

const REPLAYED: &str = "idempotent-replayed";

fn id(answer: &Answer) -> String {
    answer.json()["id"].as_str().expect("a 202 has an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gets_the_same_answer_and_stores_nothing_again() {
    let mut server = TestServer::start().await;
    let mut socket = server.socket("ann").await;
    let first = server.publish_once("row-1", &numbered("ann", 1)).await.expect(202);
    assert_eq!(first.header(REPLAYED), "");
    for restarted in [false, true] {
        if restarted {
            server.restart().await;
        }
        let again = server.publish_once("row-1", &numbered("ann", 1)).await.expect(202);
        assert_eq!(again.header(REPLAYED), "true");
        assert_eq!(again.json(), first.json());
        let other = server.publish_once("row-1", &numbered("ann", 2)).await;
        other.expect_problem(422, "idempotency-mismatch");
    }
    assert_eq!(server.inbox("ann").await.len(), 1);
    assert_eq!(socket.next_alert().await["seq"], 1);
    server.publish_once("row-2", &numbered("ann", 1)).await.expect(202);
    assert_eq!(server.inbox("ann").await.len(), 2, "another key is another alert");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_alert_leaves_its_key_free() {
    let server = TestServer::start().await;
    let bad = json!({"to": {"group": "later"}, "kind": "k"});
    server.publish_once("row-1", &bad).await.expect_problem(404, "group-unknown");
    server.call(Method::PUT, "/v1/groups/later", &json!({"members": ["ann"]})).await.expect(200);
    let answer = server.publish_once("row-1", &bad).await.expect(202);
    assert_eq!(answer.header(REPLAYED), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_may_stand_in_the_body_and_must_not_contradict_the_header() {
    let server = TestServer::start().await;
    let mut alert = numbered("ann", 1);
    alert["idempotency_key"] = json!("row-1");
    let first = server.publish(&alert).await.expect(202);
    let again = server.publish_once("row-1", &alert).await.expect(202);
    assert_eq!((again.header(REPLAYED), id(&again)), ("true", id(&first)));
    let other = server.publish_once("row-2", &alert).await.expect_problem(422, "field-invalid");
    assert_eq!(other.pointers(), ["/idempotency_key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_batch_is_answered_as_the_first_line_by_line() {
    let server = TestServer::start().await;
    let mut own_key = numbered("ann", 2);
    own_key["idempotency_key"] = json!("own");
    let lines =
        [numbered("ann", 1), json!({"to": {"user": ""}, "kind": "k"}), own_key.clone(), numbered("ann", 3)];
    let body = lines.map(|line| line.to_string()).join("\n");
    let send = async || {
        let request =
            server.as_back_end(Method::POST, "/v1/alerts/batch").header("idempotency-key", "batch-1");
        let request = request.header("content-type", "application/x-ndjson").body(body.clone());
        server.send(request).await.expect(200).lines()
    };
    let first = send().await;
    let told: Vec<(u64, u64)> = first
        .iter()
        .map(|line| (line["line"].as_u64().unwrap_or_default(), line["status"].as_u64().unwrap_or_default()))
        .collect();
    assert_eq!(told, [(1, 202), (2, 422), (3, 202), (4, 202)]);
    assert_eq!(send().await, first);
    let alone = server.publish_once("own", &own_key).await.expect(202);
    assert_eq!((alone.header(REPLAYED), &alone.json()["id"]), ("true", &first[2]["alert"]["id"]));
    assert_eq!(server.inbox("ann").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn twins_at_the_same_time_make_one_alert() {
    let server = TestServer::start().await;
    let mut twins = JoinSet::new();
    for _ in 0..20 {
        let caller = (*server).clone();
        twins.spawn(async move { caller.publish_once("row-1", &numbered("ann", 1)).await.expect(202) });
    }
    let answers = twins.join_all().await;
    let first = id(&answers[0]);
    assert!(answers.iter().all(|answer| id(answer) == first));
    assert_eq!(answers.iter().filter(|answer| answer.header(REPLAYED).is_empty()).count(), 1);
    assert_eq!(server.inbox("ann").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_of_a_call_that_hangs_is_told_to_come_back() {
    if !belfry_tests::shared::on_a_file() {
        return;
    }
    let server = TestServer::with(|config| config.database.busy_timeout = Duration::from_secs(9)).await;
    let lock = rusqlite::Connection::open(server.data_dir().join("belfry.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut twins = JoinSet::new();
    for _ in 0..2 {
        let caller = (*server).clone();
        twins.spawn(async move { caller.publish_once("row-1", &numbered("ann", 1)).await });
    }
    let told = twins.join_next().await.expect("the twin is answered").expect("it does not panic");
    let told = told.expect_problem(409, "idempotency-in-progress");
    assert_ne!(told.header("retry-after"), "");
    lock.execute_batch("COMMIT").unwrap();
    let first =
        twins.join_next().await.expect("the first is answered").expect("it does not panic").expect(202);
    let again = server.publish_once("row-1", &numbered("ann", 1)).await.expect(202);
    assert_eq!((again.header(REPLAYED), id(&again)), ("true", id(&first)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_commit_and_answer_makes_no_second_alert() {
    let mut process = Process::start(&[]);
    let mut expected = 0;
    for round in 0..4_u64 {
        let rows: Vec<(String, Value)> =
            (0..60).map(|row| (format!("row-{round}-{row}"), numbered("ann", round * 60 + row))).collect();
        let mut publishes = JoinSet::new();
        for (key, alert) in rows.clone() {
            let caller = process.caller();
            publishes.spawn(async move {
                let request = caller.as_back_end(Method::POST, "/v1/alerts").header("idempotency-key", &key);
                let response =
                    request.json(&alert).send().await.ok().filter(|answer| answer.status() == 202)?;
                let answer: Value = response.json().await.ok()?;
                Some((key, answer["id"].clone()))
            });
        }
        // The kill comes when some are answered and the others are anywhere on their way.
        let mut answered = BTreeMap::new();
        for _ in 0..fastrand::usize(0..20) {
            let done = publishes.join_next().await.expect("a publish").expect("it does not panic");
            answered.extend(done);
        }
        process.kill();
        while let Some(done) = publishes.join_next().await {
            answered.extend(done.expect("it does not panic"));
        }
        process.restart();
        for (key, alert) in &rows {
            let again = process.publish_once(key, alert).await.expect(202);
            if let Some(id) = answered.get(key) {
                assert_eq!(
                    (again.header(REPLAYED), &again.json()["id"]),
                    ("true", id),
                    "{key} was answered before"
                );
            }
        }
        expected += rows.len();
        let items = process.inbox("ann").await;
        let numbers: std::collections::BTreeSet<u64> =
            items.iter().filter_map(|item| item["data"]["n"].as_u64()).collect();
        assert_eq!(
            (items.len(), numbers.len()),
            (expected, expected),
            "round {round}: each row made one alert"
        );
    }
    eventually("readiness", || async { (process.get("/readyz").await.status == 200).then_some(()) }).await;
}
