//! What people do not want does not go out, and the trace says so.

use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::preferences::{ChannelChoices, Preferences};
use belfry_server::clock;
use belfry_tests::House;
use belfry_tests::house::alert;
use serde_json::json;

async fn choose(house: &House, user: &str, category: &str, push: Option<bool>, email: Option<bool>) {
    let choices = ChannelChoices { push, email };
    let preferences =
        Preferences { categories: [(category.to_owned(), choices)].into(), ..Preferences::default() };
    let user = user.parse().expect("is an id");
    let store = &house.services().store;
    store.set_preferences(&user, preferences, clock::now().unix_ms()).await.expect("is stored");
}

async fn publish(house: &House, title: &str, category: &str) -> String {
    let ladder = json!([{"channel": "push"}, {"channel": "email", "only_if": "failed"}]);
    let mut body = alert("ann", title, &ladder);
    body["category"] = json!(category);
    let answer = house.publish(&body).await.expect(202).json();
    answer["id"].as_str().expect("a 202 has an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_neither_push_nor_mail_gets_neither_and_the_trace_says_suppressed() {
    let house = House::start().await;
    house.settle("ann", 1).await;
    choose(&house, "ann", "deals", Some(false), Some(false)).await;
    let unwanted = publish(&house, "Milk", "deals").await;
    let wanted = publish(&house, "Fire", "alarms").await;
    house.at_rest().await;
    let row = belfry_tests::house::delivery(&house, &unwanted, "ann").await.expect("there is a delivery");
    assert_eq!(row.state, DeliveryState::Suppressed);
    assert_eq!(row.legs.len(), 2);
    for leg in &row.legs {
        assert_eq!((leg.state, leg.reason.as_deref()), (LegState::Suppressed, Some("unwanted")));
        assert_eq!(leg.attempts.len(), 0);
    }
    assert_eq!(house.push.titles(), ["Fire"], "the other category goes out");
    let (state, _) = house.outcome(&wanted, "ann").await.expect("there is a delivery");
    assert_eq!(state, DeliveryState::Sent);
    assert_eq!(house.mail.calls().len(), 0);
    assert_eq!(house.services().store.gauges().dead_letters, 0, "a wish is no failure");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_no_push_gets_the_mail_that_follows_it() {
    let house = House::start().await;
    house.settle("ann", 1).await;
    choose(&house, "ann", "deals", Some(false), None).await;
    let id = publish(&house, "Milk", "deals").await;
    house.at_rest().await;
    let outcome = house.outcome(&id, "ann").await;
    assert_eq!(outcome, Some((DeliveryState::Sent, vec![LegState::Suppressed, LegState::Accepted])));
    assert_eq!((house.push.calls().len(), house.mail.titles()), (0, vec!["Milk".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_that_changes_while_it_waits_counts() {
    let house = House::start().await;
    house.settle("ann", 1).await;
    let ladder = json!([{"channel": "push", "wait": "2s", "until": "seen"}, {"channel": "email"}]);
    let mut body = alert("ann", "Milk", &ladder);
    body["category"] = json!("deals");
    let answer = house.publish(&body).await.expect(202).json();
    let id = answer["id"].as_str().expect("a 202 has an id");
    house
        .until(id, "ann", "the push", |row| row.legs.iter().any(|leg| leg.state == LegState::Accepted))
        .await;
    choose(&house, "ann", "deals", None, Some(false)).await;
    house.at_rest().await;
    assert_eq!((house.push.calls().len(), house.mail.calls().len()), (1, 0));
    let (_, legs) = house.outcome(id, "ann").await.expect("there is a delivery");
    assert_eq!(legs, [LegState::Accepted, LegState::Suppressed]);
}
