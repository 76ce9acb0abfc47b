//! What could not be sent is kept, and sent again when somebody asks for it.

use belfry_channels::Receipt;
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_server::clock;
use belfry_store::{DeadLetterQuery, Replay};
use belfry_tests::House;
use belfry_tests::recorder::rejects;

async fn replay(house: &House, filter: DeadLetterQuery) -> u32 {
    let store = &house.services().store;
    let now = clock::now().unix_ms();
    let (replayed, more) = store.replay(Replay::Filter(filter), 100, now).await.expect("the store answers");
    assert!(!more);
    house.services().escalate_wake.notify_one();
    replayed
}

fn of_kind(kind: &str) -> DeadLetterQuery {
    DeadLetterQuery { kind: Some(kind.to_owned()), ..DeadLetterQuery::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_is_replayed_by_filter_arrives_once() {
    let house = House::start().await;
    house.settle("ann", 1).await;
    house.settle("bob", 1).await;
    house.push.answer(|_, _| rejects());
    house.mail.answer(|_, _| rejects());
    let ann = house.alert("ann", 1).await;
    let bob = house.alert("bob", 2).await;
    house.at_rest().await;
    for (id, user) in [(&ann, "ann"), (&bob, "bob")] {
        let outcome = house.outcome(id, user).await.expect("there is a delivery");
        assert_eq!(outcome, (DeliveryState::DeadLettered, vec![LegState::Failed; 2]));
    }
    assert_eq!((house.push.calls().len(), house.mail.calls().len()), (2, 2));

    house.push.answer(|_, _| Ok(Receipt::default()));
    assert_eq!(replay(&house, of_kind("another")).await, 0);
    let filter = DeadLetterQuery { user: Some("ann".parse().expect("is an id")), ..of_kind("numbered") };
    assert_eq!(replay(&house, filter.clone()).await, 1);
    assert_eq!(replay(&house, filter.clone()).await, 0, "it is on its way");
    house.at_rest().await;
    assert_eq!(house.push.titles()[2..], ["Number 1"]);
    assert_eq!(house.mail.calls().len(), 2);
    assert_eq!(replay(&house, filter).await, 0, "it arrived");
    let (state, _) = house.outcome(&ann, "ann").await.expect("there is a delivery");
    assert_eq!(state, DeliveryState::Sent);
    let (state, _) = house.outcome(&bob, "bob").await.expect("there is a delivery");
    assert_eq!(state, DeliveryState::DeadLettered, "nobody asked for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_was_read_meanwhile_is_not_sent_again() {
    let house = House::start().await;
    let id = house.alert("ann", 1).await;
    house.at_rest().await;
    assert_eq!(house.outcome(&id, "ann").await.map(|outcome| outcome.0), Some(DeliveryState::DeadLettered));
    house.settle("ann", 1).await;
    house.change("ann", &[&id], "read").await;
    assert_eq!(replay(&house, of_kind("numbered")).await, 0);
    house.at_rest().await;
    assert_eq!((house.push.calls().len(), house.mail.calls().len()), (0, 0));
}
