//! A server that ran on a file goes on on PostgreSQL, and a client that comes back notices nothing.

use belfry_tests::caller::numbered;
use belfry_tests::process::{Process, binary};
use belfry_tests::shared::{Shared, there_is_a_server};
use http::Method;
use serde_json::json;
use std::process::{Command, Output};

fn migrate(from: &std::path::Path, environment: &[(String, String)]) -> Output {
    let mut command = Command::new(binary());
    command.args(["migrate", "--from"]).arg(from).envs(environment.iter().cloned()).env("NO_COLOR", "1");
    command.output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it prints text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_that_moves_into_postgresql_keeps_its_numbers() {
    if !there_is_a_server() {
        return;
    }
    let mut old = Process::start(&[]);
    for number in 0..30 {
        assert_eq!(old.call(Method::POST, "/v1/alerts", &numbered("ann", number)).await.status, 202);
    }
    let profile = json!({"email": "ann@example.com", "locale": "de"});
    assert_eq!(old.call(Method::PUT, "/v1/users/ann", &profile).await.status, 200);
    let (before, kept) = (old.inbox("ann").await, old.user_get("ann", "/v1/inbox").await.json());
    let file = old.data_dir().join("belfry.db");
    let shared = Shared::new();
    let refused = migrate(&file, &shared.environment());
    assert_eq!(refused.status.code(), Some(1), "its server still runs");
    assert!(text(&refused.stderr).contains("in use by another process"), "{}", text(&refused.stderr));
    old.terminate();
    assert!(old.ended().await.success());
    let moved = migrate(&file, &shared.environment());
    assert!(moved.status.success(), "{}", text(&moved.stderr));
    assert!(text(&moved.stdout).contains("are in PostgreSQL"), "{}", text(&moved.stdout));

    let environment = shared.environment();
    let settings: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut new = Process::start(&settings);
    assert_eq!(new.inbox("ann").await, before);
    let page = new.user_get("ann", "/v1/inbox").await.json();
    assert_eq!(page["complete_to"], kept["complete_to"], "a cursor stays one");
    let next = new.call(Method::POST, "/v1/alerts", &numbered("ann", 30)).await;
    assert_eq!(next.json()["notifications"][0]["seq"], 31);
    let again = migrate(&file, &shared.environment());
    assert!(text(&again.stderr).contains("holds a store already"), "{}", text(&again.stderr));
    new.terminate();
    assert!(new.ended().await.success());
}
