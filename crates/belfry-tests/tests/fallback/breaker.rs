//! A wave of "gone": addresses are kept beyond a share of them, and people are reached another way.

use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_tests::House;
use belfry_tests::recorder::{accepts, gone};

async fn devices_left(house: &House, users: &[String]) -> usize {
    let mut left = 0;
    for user in users {
        let user = user.parse().expect("is an id");
        left += house.services().store.devices(&user).await.expect("the store answers").len();
    }
    left
}

fn keeps_gone(house: &House) -> bool {
    house.services().ways.status(belfry_server::clock::now().instant)[0].keeps_gone
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_of_gone_addresses_stops_deleting_and_everybody_gets_a_mail() {
    let house = House::with(|config| config.fallback.gone_min = 10).await;
    let users: Vec<String> = (0..60).map(|number| format!("user-{number}")).collect();
    for user in &users {
        house.settle(user, 1).await;
    }
    house.push.answer(|_, _| gone());
    let mut ids = Vec::new();
    for (number, user) in users.iter().enumerate() {
        ids.push(house.alert(user, number as u64).await);
    }
    house.at_rest().await;
    assert_eq!(devices_left(&house, &users).await, 60 - 9, "the tenth opens the breaker");
    assert!(keeps_gone(&house));
    assert_eq!((house.push.calls().len(), house.mail.calls().len()), (60, 60));
    for (user, id) in users.iter().zip(&ids) {
        let outcome = (DeliveryState::Sent, vec![LegState::Failed, LegState::Accepted]);
        assert_eq!(house.outcome(id, user).await, Some(outcome), "{user}");
    }

    // It was a mistake of the provider's, and those who were kept are reached again.
    house.push.answer(|_, _| accepts());
    for user in &users {
        house.alert(user, 1_000).await;
    }
    house.at_rest().await;
    assert_eq!((house.push.calls().len(), house.mail.calls().len()), (60 + 51, 60 + 9));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_few_who_leave_every_day_are_forgotten() {
    let house = House::with(|config| config.fallback.gone_min = 10).await;
    let users: Vec<String> = (0..60).map(|number| format!("user-{number}")).collect();
    for user in &users {
        house.settle(user, 1).await;
    }
    house.push.answer(|notice, _| match notice.user.as_str() {
        "user-7" | "user-13" => gone(),
        _ => accepts(),
    });
    for (number, user) in users.iter().enumerate() {
        house.alert(user, number as u64).await;
    }
    house.at_rest().await;
    assert_eq!(devices_left(&house, &users).await, 58);
    assert!(!keeps_gone(&house));
    assert_eq!(house.mail.calls().len(), 2);
}
