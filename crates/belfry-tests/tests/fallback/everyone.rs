//! Alerts for everyone whose kind says that their ladder goes on after the live step.

use belfry_protocol::UserId;
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::preferences::{ChannelChoices, Preferences};
use belfry_server::clock;
use belfry_server::config::Config;
use belfry_tests::house::fcm_phone;
use belfry_tests::{House, eventually};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tempfile::TempDir;

const KINDS: &str = r#"
category = "service"
[[ladder]]
channel = "live"
wait = "1s"
until = "displayed"
[[ladder]]
channel = "push"
[[ladder]]
channel = "email"
only_if = "failed"
"#;

/// A house with two kinds of the same ladder: `outage` goes to everyone by all of it, `notice` says nothing of that.
async fn house(change: impl FnOnce(&mut Config)) -> (House, TempDir) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (name, first) in [("outage", "everyone = \"ladder\"\n"), ("notice", "")] {
        let text = format!("kind = \"{name}\"\n{first}{KINDS}");
        std::fs::write(dir.path().join(format!("{name}.toml")), text).expect("the kind's file");
    }
    let house = House::with(|config| {
        config.kinds.dir = Some(dir.path().to_owned());
        change(config);
    })
    .await;
    (house, dir)
}

async fn tell_everyone(house: &House, kind: &str, title: &str) -> String {
    let body = json!({"to": {"everyone": true}, "kind": kind, "title": title});
    let answer = house.publish(&body).await.expect(202).json();
    assert_eq!(answer["recipients"], Value::Null, "it stays one row");
    answer["id"].as_str().expect("a 202 has an id").to_owned()
}

async fn displayed(house: &House, user: &str, id: &str) {
    let ack = json!({"ids": [id], "level": "displayed"});
    house.user_call(user, Method::POST, "/v1/acks", &ack).await.expect(204);
}

/// The trace of each person of whom anything is known.
async fn trace(house: &House, id: &str) -> Vec<(String, Value, Value)> {
    let alert = house.get(&format!("/v1/alerts/{id}")).await.expect(200).json();
    let rows = alert["trace"].as_array().expect("a trace").iter();
    let row = |row: &Value| {
        let user = row["user"].as_str().expect("a user").to_owned();
        (user, row["level"].clone(), row["delivery"]["state"].clone())
    };
    rows.map(row).collect()
}

fn pushed(house: &House) -> Vec<String> {
    let mut users: Vec<String> =
        house.push.calls().into_iter().map(|call| call.notice.user.to_string()).collect();
    users.sort();
    users
}

#[tokio::test(flavor = "multi_thread")]
async fn the_push_goes_to_those_who_did_not_answer_once() {
    let (house, _kinds) = house(|_| ()).await;
    for user in ["absent", "idle", "reader", "unsubscribed"] {
        house.settle(user, 1).await;
    }
    house.settle("by-mail", 0).await;
    house.user_get("without-address", "/v1/inbox").await.expect(200);
    let no = ChannelChoices { push: Some(false), email: Some(false) };
    let preferences =
        Preferences { categories: [("service".to_owned(), no)].into(), ..Preferences::default() };
    let unsubscribed: UserId = "unsubscribed".parse().expect("is an id");
    let now = clock::now().unix_ms();
    house.services().store.set_preferences(&unsubscribed, preferences, now).await.expect("is stored");
    let (mut reader, mut idle) = (house.socket("reader").await, house.socket("idle").await);

    let notice = tell_everyone(&house, "notice", "Maintenance").await;
    let outage = tell_everyone(&house, "outage", "We are down").await;
    for socket in [&mut reader, &mut idle] {
        assert_eq!(socket.next_alert().await["id"], *notice);
        assert_eq!(socket.next_alert().await["id"], *outage);
    }
    displayed(&house, "reader", &outage).await;
    house.settle("latecomer", 1).await;
    house.at_rest().await;

    assert_eq!(pushed(&house), ["absent", "idle"], "{:?}", house.push.titles());
    assert_eq!(house.push.titles(), ["We are down"; 2], "the other kind goes live only");
    assert_eq!(house.mail.titles(), ["We are down"], "who has no phone gets the mail");
    assert_eq!(house.mail.calls()[0].notice.user.as_str(), "by-mail");
    let row = |user: &str, level: Value, state: Value| (user.to_owned(), level, state);
    assert_eq!(
        trace(&house, &outage).await,
        [
            row("absent", Value::Null, json!("sent")),
            row("by-mail", Value::Null, json!("sent")),
            row("idle", Value::Null, json!("sent")),
            row("reader", json!("displayed"), Value::Null),
            row("unsubscribed", Value::Null, json!("suppressed")),
        ],
    );
    assert_eq!(trace(&house, &notice).await, []);
    let legs = house.outcome(&outage, "unsubscribed").await.expect("there is a delivery").1;
    assert_eq!(legs, [LegState::Suppressed, LegState::Suppressed]);
    let gauges = house.services().store.gauges();
    assert_eq!((gauges.dead_letters, gauges.ladder_fanouts), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_hours_hold_it_back_and_reading_meanwhile_keeps_it_in() {
    let (house, _kinds) = house(|_| ()).await;
    let night = json!({"until": clock::now().at + Duration::from_secs(3_600)});
    for user in ["asleep", "awake-soon"] {
        house.settle(user, 1).await;
        house.user_call(user, Method::PUT, "/v1/do-not-disturb", &night).await.expect(200);
    }
    let id = tell_everyone(&house, "outage", "We are down").await;
    for user in ["asleep", "awake-soon"] {
        house
            .until(&id, user, "a delivery that waits", |row| row.reason.as_deref() == Some("quiet hours"))
            .await;
    }
    house.change("awake-soon", &[&id], "read").await;
    for user in ["asleep", "awake-soon"] {
        house.user_call(user, Method::PUT, "/v1/do-not-disturb", &json!({})).await.expect(200);
    }
    house.at_rest().await;
    assert_eq!(pushed(&house), ["asleep"]);
    assert_eq!(house.outcome(&id, "awake-soon").await, Some((DeliveryState::Confirmed, vec![])));
}

async fn crowd(house: &House, count: usize) -> Vec<String> {
    let names: Vec<String> = (0..count).map(|number| format!("user-{number:03}")).collect();
    for name in &names {
        fcm_phone(&house.services().store, name, "phone").await;
    }
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recall_in_the_middle_keeps_the_rest_in() {
    let (house, _kinds) = house(|config| config.fallback.sends_in_flight_max = 8).await;
    let names = crowd(&house, 450).await;
    house.push.hold();
    let id = tell_everyone(&house, "outage", "We are down").await;
    eventually("the first pushes", || async { (house.push.calls().len() >= 8).then_some(()) }).await;
    house.send(house.as_back_end(Method::DELETE, &format!("/v1/alerts/{id}"))).await.expect(204);
    house.push.let_go();
    house.at_rest().await;
    assert_eq!(pushed(&house).len(), 8, "what was on its way when it was taken back, and nothing after it");
    let mut opened = 0;
    for name in &names {
        if let Some((state, legs)) = house.outcome(&id, name).await {
            opened += 1;
            assert!(matches!(state, DeliveryState::Recalled | DeliveryState::Sent), "{name}: {state:?}");
            assert_eq!(state == DeliveryState::Sent, legs.contains(&LegState::Accepted), "{name}: {legs:?}");
        }
    }
    assert_eq!(opened, 200, "the second chunk waits for the first, and never comes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_goes_on_where_it_was() {
    if !belfry_tests::shared::on_a_file() {
        return;
    }
    let (mut house, _kinds) = house(|config| config.fallback.sends_in_flight_max = 4).await;
    let names = crowd(&house, 450).await;
    tell_everyone(&house, "outage", "We are down").await;
    eventually("the first pushes", || async { (house.push.calls().len() >= 20).then_some(()) }).await;
    let mut state = (9, 0);
    house
        .restart_after(|data_dir| {
            let file = rusqlite::Connection::open(data_dir.join("belfry.db")).expect("the file is there");
            let sql = "SELECT state, opened FROM ladder_fanouts";
            state = file.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).expect("one ladder");
        })
        .await;
    assert!(state.0 == 0 && state.1 < 450, "it is in the middle: {state:?}");
    house.at_rest().await;
    let reached: BTreeSet<String> = pushed(&house).into_iter().collect();
    assert_eq!(reached, names.into_iter().collect::<BTreeSet<_>>());
    assert_eq!(house.push.calls().len(), 450, "each once");
}
