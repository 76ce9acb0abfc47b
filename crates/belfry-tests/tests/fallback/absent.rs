//! Nobody is there: push within a second, then mail, each once.

use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_server::clock;
use belfry_tests::House;
use belfry_tests::recorder::{gone, rejects};
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn who_is_absent_gets_the_push_within_a_second_and_no_mail() {
    let house = House::start().await;
    house.settle("ann", 2).await;
    let published = clock::now();
    let id = house.alert("ann", 1).await;
    house.at_rest().await;
    let calls = house.push.calls();
    assert_eq!(house.push.titles(), ["Number 1", "Number 1"], "one per phone");
    assert_ne!(calls[0].address, calls[1].address);
    for call in &calls {
        let after = call.at.duration_since(published.at).unsigned_abs();
        assert!(after < Duration::from_secs(1), "the push came after {after:?}");
        assert_eq!(call.notice.tag, calls[0].notice.tag);
    }
    assert_eq!(house.mail.titles(), [""; 0]);
    let sent = (DeliveryState::Sent, vec![LegState::Accepted; 2]);
    assert_eq!(house.outcome(&id, "ann").await, Some(sent));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_every_phone_refuses_is_followed_by_one_mail() {
    let house = House::start().await;
    house.settle("ann", 2).await;
    house.push.answer(|_, _| rejects());
    let id = house.alert("ann", 1).await;
    house.at_rest().await;
    assert_eq!(house.push.calls().len(), 2, "a refusal is no reason to try again");
    assert_eq!(house.mail.titles(), ["Number 1"]);
    let legs = vec![LegState::Failed, LegState::Failed, LegState::Accepted];
    assert_eq!(house.outcome(&id, "ann").await, Some((DeliveryState::Sent, legs)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_phone_that_has_it_is_enough() {
    let house = House::start().await;
    house.settle("ann", 2).await;
    house.push.answer(|_, address| match address.shortened().ends_with("hone-0") {
        true => gone(),
        false => Ok(belfry_channels::Receipt::default()),
    });
    let id = house.alert("ann", 1).await;
    house.at_rest().await;
    assert_eq!((house.push.calls().len(), house.mail.calls().len()), (2, 0));
    let (state, mut legs) = house.outcome(&id, "ann").await.expect("there is a delivery");
    legs.sort_by_key(|leg| *leg == LegState::Failed);
    assert_eq!((state, legs), (DeliveryState::Sent, vec![LegState::Accepted, LegState::Failed]));

    house.alert("ann", 2).await;
    house.at_rest().await;
    assert_eq!(house.push.calls().len(), 3, "the phone that is gone is asked no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_phone_gets_the_mail_at_once() {
    let house = House::start().await;
    house.settle("ann", 0).await;
    let published = clock::now();
    house.alert("ann", 1).await;
    house.at_rest().await;
    let calls = house.mail.calls();
    assert_eq!(calls.len(), 1);
    assert!(calls[0].at.duration_since(published.at).unsigned_abs() < Duration::from_secs(1));
    assert_eq!(house.push.calls().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_of_a_publish_to_many_gets_their_own() {
    let house = House::start().await;
    let names: Vec<String> = (0..300).map(|number| format!("user-{number}")).collect();
    for name in &names {
        belfry_tests::house::fcm_phone(&house.services().store, name, "phone").await;
    }
    let body = json!({"to": {"users": names}, "kind": "deal", "title": "Milk", "data": {}});
    house.publish(&body).await.expect(202);
    belfry_tests::eventually("the fan-out's end", || async {
        (house.services().store.gauges().fanouts == 0).then_some(())
    })
    .await;
    house.at_rest().await;
    let mut reached: Vec<String> =
        house.push.calls().into_iter().map(|call| call.notice.user.to_string()).collect();
    reached.sort();
    let mut names = names;
    names.sort();
    assert_eq!(reached, names, "each once");
}
