//! Whatever ends a ladder ends it at once: nothing more goes out.

use belfry_channels::{Action, SendError};
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_server::clock;
use belfry_tests::house::alert;
use belfry_tests::recorder::rejects;
use belfry_tests::{House, eventually};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// Push, then mail an hour later unless somebody saw it.
fn patient_ladder() -> Value {
    json!([
        {"channel": "live", "wait": "1s", "until": "displayed"},
        {"channel": "push", "wait": "1h", "until": "seen"},
        {"channel": "email"},
    ])
}

async fn pushed(house: &House, title: &str) -> String {
    let before = house.push.calls().len();
    let answer = house.publish(&alert("ann", title, &patient_ladder())).await.expect(202).json();
    let id = answer["id"].as_str().expect("a 202 has an id").to_owned();
    house
        .until(&id, "ann", "the push", |row| {
            row.state == DeliveryState::Waiting && row.legs.iter().any(|leg| leg.state == LegState::Accepted)
        })
        .await;
    assert_eq!(house.push.calls().len(), before + 1);
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_archived_or_acted_on_after_the_push_gets_no_mail() {
    let house = House::start().await;
    house.settle("ann", 1).await;
    for state in ["seen", "read", "archived", "acted"] {
        let id = pushed(&house, state).await;
        house.change("ann", &[&id], state).await;
        house.at_rest().await;
        let (ended, legs) = house.outcome(&id, "ann").await.expect("there is a delivery");
        assert_eq!((ended, legs), (DeliveryState::Confirmed, vec![LegState::Accepted]), "{state}");
    }
    assert_eq!((house.push.calls().len(), house.mail.calls().len()), (4, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_below_the_one_that_is_asked_for_ends_nothing() {
    let house = House::start().await;
    house.settle("ann", 1).await;
    let id = pushed(&house, "Seen is asked for").await;
    let ack = json!({"ids": [id], "level": "displayed"});
    house.user_call("ann", Method::POST, "/v1/acks", &ack).await.expect(204);
    house.services().store.flush().await.expect("the store takes receipts");
    let (state, _) = house.outcome(&id, "ann").await.expect("there is a delivery");
    assert_eq!(state, DeliveryState::Waiting);
    house.change("ann", &[&id], "seen").await;
    house.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_back_after_the_push_gets_no_mail() {
    let house = House::start().await;
    house.settle("ann", 1).await;
    let id = pushed(&house, "Taken back").await;
    let request = house.as_back_end(Method::DELETE, &format!("/v1/alerts/{id}"));
    assert!(house.send(request).await.status < 300);
    house.at_rest().await;
    let (state, legs) = house.outcome(&id, "ann").await.expect("there is a delivery");
    assert_eq!((state, legs), (DeliveryState::Recalled, vec![LegState::Accepted]));
    assert_eq!(house.mail.calls().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ack_between_two_attempts_is_the_last_that_is_heard_of_it() {
    let house = House::start().await;
    house.settle("ann", 2).await;
    house.push.answer(|_, _| Err(SendError::new(Action::Retry, "503", "later")));
    let id = house.alert("ann", 1).await;
    house
        .until(&id, "ann", "the first attempts", |row| {
            row.legs.len() == 2 && row.legs.iter().all(|leg| leg.attempts.len() == 1)
        })
        .await;
    let ack = json!({"ids": [id], "level": "displayed"});
    house.user_call("ann", Method::POST, "/v1/acks", &ack).await.expect(204);
    house.at_rest().await;
    let ended = house.outcome(&id, "ann").await.expect("there is a delivery");
    assert_eq!(ended, (DeliveryState::Confirmed, vec![LegState::Cancelled; 2]));
    assert_eq!((house.push.calls().len(), house.mail.calls().len()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ack_while_the_call_is_under_way_keeps_the_next_step_from_running() {
    let house = House::start().await;
    house.settle("ann", 1).await;
    house.push.hold();
    house.push.answer(|_, _| rejects());
    let id = house.alert("ann", 1).await;
    eventually("the call", || async { (house.push.calls().len() == 1).then_some(()) }).await;
    let ack = json!({"ids": [id], "level": "displayed"});
    house.user_call("ann", Method::POST, "/v1/acks", &ack).await.expect(204);
    house.until(&id, "ann", "the end of the ladder", |row| row.state == DeliveryState::Confirmed).await;
    house.push.let_go();
    house
        .until(&id, "ann", "the attempt in the trace", |row| {
            row.legs.len() == 1 && row.legs[0].attempts.len() == 1
        })
        .await;
    house.at_rest().await;
    assert_eq!((house.push.calls().len(), house.mail.calls().len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_cannot_be_tried_again_in_time_is_followed_by_the_mail_at_once() {
    let house = House::start().await;
    house.settle("ann", 1).await;
    house.push.answer(|_, _| Err(SendError::new(Action::Retry, "503", "later")));
    let mut body = alert("ann", "Soon over", &patient_ladder());
    body["expires_at"] = json!(clock::now().at + Duration::from_secs(6));
    let answer = house.publish(&body).await.expect(202).json();
    let id = answer["id"].as_str().expect("a 202 has an id");
    house.at_rest().await;
    let outcome = house.outcome(id, "ann").await;
    assert_eq!(outcome, Some((DeliveryState::Sent, vec![LegState::Expired, LegState::Accepted])));
    assert_eq!((house.push.calls().len(), house.mail.calls().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_before_its_next_step_ends_there() {
    let house = House::start().await;
    house.settle("ann", 1).await;
    let ladder = json!([{"channel": "push", "wait": "3s", "until": "seen"}, {"channel": "email"}]);
    let mut body = alert("ann", "Soon over", &ladder);
    body["expires_at"] = json!(clock::now().at + Duration::from_secs(2));
    let answer = house.publish(&body).await.expect(202).json();
    let id = answer["id"].as_str().expect("a 202 has an id");
    house.at_rest().await;
    let outcome = house.outcome(id, "ann").await;
    assert_eq!(outcome, Some((DeliveryState::Expired, vec![LegState::Accepted])));
    assert_eq!((house.push.calls().len(), house.mail.calls().len()), (1, 0));
}
