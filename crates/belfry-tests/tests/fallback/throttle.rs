//! How often a person is disturbed: a few, then one for all that came after.

use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_tests::House;
use belfry_tests::house::{alert, time_passes};
use serde_json::{Value, json};
use std::time::Duration;

const WAITS: &str = "throttled: at most 3 per 10m";

fn ladder(throttle: &str) -> Value {
    json!([{"channel": "push", "throttle": throttle}])
}

/// Publishes so many and waits until each of them went out or waits.
async fn publish(house: &House, user: &str, titles: &[String]) -> Vec<String> {
    let mut ids = Vec::new();
    for title in titles {
        let answer = house.publish(&alert(user, title, &ladder("3 per 10m"))).await.expect(202).json();
        let id = answer["id"].as_str().expect("a 202 has an id").to_owned();
        house
            .until(&id, user, "a push or its turn", |row| {
                row.state == DeliveryState::Sent || row.reason.as_deref() == Some(WAITS)
            })
            .await;
        ids.push(id);
    }
    ids
}

fn titles(user: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{user} {number}")).collect()
}

/// The window goes by while the server is down.
async fn until_there_is_room(house: &mut House) {
    let window = Duration::from_secs(600);
    house
        .restart_after(|data_dir| {
            time_passes(data_dir, window);
            let by = window.as_millis();
            belfry_tests::shared::execute(
                data_dir,
                &format!("UPDATE legs SET created_at = created_at - {by}"),
            );
        })
        .await;
    house.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_pushes_in_a_minute_are_three_and_one_for_the_rest_without_what_was_read() {
    let mut house = House::start().await;
    for user in ["ann", "bob"] {
        house.settle(user, 1).await;
    }
    let ids = publish(&house, "ann", &titles("ann", 0..10)).await;
    publish(&house, "bob", &titles("bob", 0..2)).await;
    let expected = [titles("ann", 0..3), titles("bob", 0..2)].concat();
    assert_eq!(house.push.titles(), expected, "another one's are their own");
    house.change("ann", &[&ids[5]], "read").await;

    until_there_is_room(&mut house).await;
    let calls = house.push.calls();
    assert_eq!(calls.len(), 6, "{:?}", house.push.titles());
    let told: Vec<&str> = calls[5].notice.items.iter().map(|item| item.title.as_str()).collect();
    assert_eq!(told, ["ann 3", "ann 4", "ann 6", "ann 7", "ann 8", "ann 9"], "oldest first, as one");
    for (number, id) in ids.iter().enumerate() {
        let expected = match number {
            5 => (DeliveryState::Confirmed, vec![]),
            _ => (DeliveryState::Sent, vec![LegState::Accepted]),
        };
        assert_eq!(house.outcome(id, "ann").await, Some(expected), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_nothing_of_what_went_out() {
    let mut house = House::start().await;
    house.settle("ann", 2).await;
    publish(&house, "ann", &titles("ann", 0..3)).await;
    house.restart().await;
    let ids = publish(&house, "ann", &titles("ann", 3..5)).await;
    assert_eq!(house.push.calls().len(), 6, "three, on two phones each");
    for id in &ids {
        assert_eq!(house.outcome(id, "ann").await, Some((DeliveryState::Waiting, vec![])));
    }
    until_there_is_room(&mut house).await;
    assert_eq!(house.push.calls().len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_critical_and_other_categories_and_channels_pass() {
    let house = House::start().await;
    house.settle("ann", 1).await;
    publish(&house, "ann", &titles("ann", 0..4)).await;
    let mut critical = alert("ann", "Fire", &ladder("3 per 10m"));
    critical["severity"] = json!("critical");
    let mut other = alert("ann", "Order", &ladder("3 per 10m"));
    other["category"] = json!("orders");
    let mail = alert("ann", "By mail", &json!([{"channel": "email", "throttle": "3 per 10m"}]));
    for (body, goes) in [(critical, true), (other, true), (mail, true)] {
        let answer = house.publish(&body).await.expect(202).json();
        let id = answer["id"].as_str().expect("a 202 has an id").to_owned();
        house.until(&id, "ann", "an end", |row| (row.state == DeliveryState::Sent) == goes).await;
    }
    let expected = [titles("ann", 0..3), vec!["Fire".to_owned(), "Order".to_owned()]].concat();
    assert_eq!(house.push.titles(), expected);
    assert_eq!(house.mail.titles(), ["By mail"]);
}
