//! A provider that has a bad day: nothing is lost, nothing is deleted, and everything goes out when it is well again.

use belfry_channels::{Action, Receipt, RetryScope, SendError};
use belfry_protocol::Provider;
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_tests::house::time_passes;
use belfry_tests::recorder::{Answer, misconfigured};
use belfry_tests::{House, eventually};
use std::collections::HashMap;
use std::time::Duration;

const USERS: usize = 20;

fn unavailable() -> Answer {
    Err(SendError::new(Action::Retry, "UNAVAILABLE", "come back later").with_status(503))
}

async fn a_full_house(change: impl FnOnce(&mut belfry_server::config::Config)) -> (House, Vec<String>) {
    let house = House::with(change).await;
    let users: Vec<String> = (0..USERS).map(|number| format!("user-{number}")).collect();
    for user in &users {
        house.settle(user, 2).await;
    }
    (house, users)
}

async fn publish_to_all(house: &House, users: &[String]) -> Vec<String> {
    let mut ids = Vec::new();
    for (number, user) in users.iter().enumerate() {
        ids.push(house.alert(user, number as u64).await);
    }
    ids
}

/// Waits until each leg was tried so often.
async fn until_tried(house: &House, users: &[String], ids: &[String], tries: usize) {
    for (user, id) in users.iter().zip(ids) {
        house
            .until(id, user, "an attempt on each leg", |row| {
                row.legs.len() == 2 && row.legs.iter().all(|leg| leg.attempts.len() == tries)
            })
            .await;
    }
}

async fn phones(house: &House, user: &str) -> usize {
    let user = user.parse().expect("is an id");
    house.services().store.devices(&user).await.expect("the store answers").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_deletes_nothing_and_everything_goes_out_once_when_it_ends() {
    let (mut house, users) = a_full_house(|_| ()).await;
    house.push.answer(|_, _| unavailable());
    let ids = publish_to_all(&house, &users).await;
    for tries in 1..=3 {
        until_tried(&house, &users, &ids, tries).await;
        let wait = Duration::from_secs(10 * 2_u64.pow(tries as u32 - 1));
        house.restart_after(|data_dir| time_passes(data_dir, wait.mul_f64(1.3))).await;
    }
    until_tried(&house, &users, &ids, 4).await;
    assert_eq!(house.push.calls().len(), 4 * 2 * USERS, "each leg once per turn");
    for user in &users {
        assert_eq!(phones(&house, user).await, 2);
    }

    house.push.answer(|_, _| Ok(Receipt::default()));
    house.restart_after(|data_dir| time_passes(data_dir, Duration::from_secs(110))).await;
    house.at_rest().await;
    let accepted = house.push.calls().split_off(4 * 2 * USERS);
    let mut times: HashMap<String, usize> = HashMap::new();
    for call in &accepted {
        *times.entry(format!("{} {}", call.notice.user, call.address.shortened())).or_default() += 1;
    }
    assert_eq!((times.len(), accepted.len()), (2 * USERS, 2 * USERS), "each address once");
    assert_eq!(house.mail.calls().len(), 0, "nothing failed for good");
    for (user, id) in users.iter().zip(&ids) {
        let sent = (DeliveryState::Sent, vec![LegState::Accepted; 2]);
        assert_eq!(house.outcome(id, user).await, Some(sent), "{user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_asks_for_time_is_left_alone_and_nothing_waits_in_vain() {
    let (mut house, users) = a_full_house(|_| ()).await;
    house.push.answer(|_, _| {
        let wait = Some(Duration::from_secs(120));
        Err(SendError::new(Action::Retry, "QUOTA_EXCEEDED", "slowly").with_wait(wait, RetryScope::Provider))
    });
    let ids = publish_to_all(&house, &users).await;
    eventually("the provider's wish", || async {
        let now = belfry_server::clock::now().instant;
        house.services().ways.status(now).iter().any(|way| way.held).then_some(())
    })
    .await;
    let heard = house.push.calls().len();
    house.alert(&users[0], 1_000).await;
    eventually("the last one's delivery", || async { (house.services().watch.is_empty()).then_some(()) })
        .await;
    assert!(heard < 2 * USERS, "what came after the wish was not sent: {heard}");
    assert_eq!(house.mail.calls().len(), 0);

    house.push.answer(|_, _| Ok(Receipt::default()));
    house.restart_after(|data_dir| time_passes(data_dir, Duration::from_secs(150))).await;
    house.at_rest().await;
    for (user, id) in users.iter().zip(&ids) {
        let sent = (DeliveryState::Sent, vec![LegState::Accepted; 2]);
        assert_eq!(house.outcome(id, user).await, Some(sent), "{user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_pause_the_way_keep_what_waits_and_burn_no_try() {
    let (house, users) =
        a_full_house(|config| config.fallback.probe_every = Duration::from_millis(700)).await;
    house.push.answer(|_, _| misconfigured());
    let ids = publish_to_all(&house, &users[..5]).await;
    eventually("the pause", || async {
        let now = belfry_server::clock::now().instant;
        house.services().ways.status(now).into_iter().find_map(|way| way.paused)
    })
    .await;
    // So many probes take place while all the others wait.
    let heard = house.push.calls().len();
    eventually("three probes", || async { (house.push.calls().len() >= heard + 3).then_some(()) }).await;
    assert!(house.push.calls().len() < heard + 10, "one at a time");
    assert_eq!(house.mail.calls().len(), 0, "a fault of ours is no reason to write mails");
    for user in &users[..5] {
        assert_eq!(phones(&house, user).await, 2);
    }

    house.push.answer(|_, _| Ok(Receipt::default()));
    house.services().ways.resume(Provider::Fcm);
    house.services().escalate_wake.notify_one();
    house.at_rest().await;
    for (user, id) in users.iter().zip(&ids) {
        let row = belfry_tests::house::delivery(&house, id, user).await.expect("there is a delivery");
        assert_eq!(row.state, DeliveryState::Sent, "{user}");
        assert!(row.legs.iter().all(|leg| leg.state == LegState::Accepted), "{user}: {:?}", row.legs);
    }
    assert_eq!(house.mail.calls().len(), 0);
}
