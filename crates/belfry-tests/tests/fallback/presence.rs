//! Who counts as there: a reload, a restart and a page in the background.

use belfry_server::clock;
use belfry_tests::house::alert;
use belfry_tests::{Caller, House, Socket, eventually};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// A ladder whose live step takes little time, so that a test sees its end.
fn short_ladder() -> Value {
    json!([
        {"channel": "live", "wait": "300ms", "until": "displayed"},
        {"channel": "push"},
        {"channel": "email", "only_if": "failed"},
    ])
}

async fn publish(caller: &Caller, title: &str) -> String {
    let answer = caller.publish(&alert("ann", title, &short_ladder())).await.expect(202).json();
    answer["id"].as_str().expect("a 202 has an id").to_owned()
}

async fn displayed(caller: &Caller, id: &str) {
    let ack = json!({"ids": [id], "level": "displayed"});
    caller.user_call("ann", Method::POST, "/v1/acks", &ack).await.expect(204);
}

/// The cursor of a page that has everything up to now.
async fn cursor(caller: &Caller) -> String {
    let page = caller.user_get("ann", "/v1/inbox?limit=1").await.expect(200).json();
    page["complete_to"].as_str().expect("a page has a cursor").to_owned()
}

async fn caught_up(socket: &mut Socket) -> Vec<String> {
    let frame = socket.next_of_type("catch-up").await;
    let items = frame["data"]["items"].as_array().expect("a catch-up has items");
    items.iter().map(|item| item["title"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn until_gone(house: &House) {
    eventually("the end of the connection", || async {
        let user = "ann".parse().expect("is an id");
        (house.services().hub.connections_of(&user) == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reloading_the_page_rings_no_phone() {
    let house = House::with(|config| config.live.linger = Duration::from_secs(3)).await;
    house.settle("ann", 1).await;
    let page = house.socket("ann").await;
    let cursor = cursor(&house).await;
    page.close().await;
    until_gone(&house).await;
    let id = publish(&house, "While she reloads").await;
    let mut page = house.resume("ann", &cursor).await;
    assert_eq!(caught_up(&mut page).await, ["While she reloads"]);
    displayed(&house, &id).await;
    house.at_rest().await;
    assert_eq!((house.push.titles(), house.mail.titles()), (vec![], vec![]));
    assert_eq!(house.outcome(&id, "ann").await, None, "the good day leaves no delivery");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blink_of_what_carries_hints_rings_no_phone() {
    let house = House::with(|config| config.live.linger = Duration::from_millis(1)).await;
    house.settle("ann", 1).await;
    let mut page = house.socket("ann").await;
    let hub = &house.services().hub;
    let ladder = json!([{"channel": "live", "wait": "3s", "until": "displayed"}, {"channel": "push"}]);
    hub.hints_are_away();
    let answer = house.publish(&alert("ann", "In the blink", &ladder)).await.expect(202).json();
    page.assert_silent().await;
    hub.hints_are_back();
    assert_eq!(caught_up(&mut page).await, ["In the blink"]);
    let id = answer["id"].as_str().expect("a 202 has an id");
    displayed(&house, id).await;
    house.at_rest().await;
    assert_eq!(house.push.titles(), [""; 0], "who is connected is not away because nothing reached them");
    page.assert_silent().await;

    hub.hints_are_away();
    publish(&house, "In a long silence").await;
    house.at_rest().await;
    assert_eq!(
        house.push.titles(),
        ["In a long silence"],
        "what nobody confirmed goes out: the test can fail"
    );
    hub.hints_are_back();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_closed_the_page_and_stays_away_gets_the_push_after_the_linger() {
    let linger = Duration::from_millis(1_200);
    let house = House::with(|config| config.live.linger = linger).await;
    house.settle("ann", 1).await;
    let page = house.socket("ann").await;
    let closed = clock::now();
    page.close().await;
    until_gone(&house).await;
    publish(&house, "Too late").await;
    house.at_rest().await;
    assert_eq!(house.push.titles(), ["Too late"]);
    let after = house.push.calls()[0].at.duration_since(closed.at).unsigned_abs();
    assert!(after >= linger, "she could still have come back: {after:?}");
    assert_eq!(house.mail.titles(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_in_time_has_the_whole_live_step_to_look_at_it() {
    let house = House::with(|config| config.live.linger = Duration::from_millis(1_500)).await;
    house.settle("ann", 1).await;
    let page = house.socket("ann").await;
    let cursor = cursor(&house).await;
    page.close().await;
    until_gone(&house).await;
    let ladder = json!([{"channel": "live", "wait": "2s", "until": "displayed"}, {"channel": "push"}]);
    house.publish(&alert("ann", "Look at me", &ladder)).await.expect(202);
    let back = clock::now();
    let mut page = house.resume("ann", &cursor).await;
    assert_eq!(caught_up(&mut page).await, ["Look at me"]);
    house.at_rest().await;
    assert_eq!(house.push.titles(), ["Look at me"], "she never looked");
    let after = house.push.calls()[0].at.duration_since(back.at).unsigned_abs();
    assert!(after >= Duration::from_secs(2), "the live step had its time: {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_node_rings_no_phone_while_people_come_back() {
    let mut house = House::with(|config| config.live.linger_after_start = Duration::from_secs(4)).await;
    house.settle("ann", 1).await;
    let mut page = house.socket("ann").await;
    let cursor = cursor(&house).await;
    let before = publish(&house, "Before the restart").await;
    page.next_alert().await;
    house.restart().await;
    drop(page);
    let after = publish(&house, "After the restart").await;
    let mut page = house.resume("ann", &cursor).await;
    assert_eq!(caught_up(&mut page).await, ["Before the restart", "After the restart"]);
    displayed(&house, &before).await;
    displayed(&house, &after).await;
    house.at_rest().await;
    assert_eq!((house.push.titles(), house.mail.titles()), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_comes_back_for_after_a_restart_goes_out_once() {
    let mut house = House::with(|config| config.live.linger_after_start = Duration::from_millis(800)).await;
    house.settle("ann", 1).await;
    let page = house.socket("ann").await;
    let id = publish(&house, "Before the restart").await;
    house.restart().await;
    drop(page);
    house.at_rest().await;
    assert_eq!(house.push.titles(), ["Before the restart"]);
    house.restart().await;
    house.at_rest().await;
    assert_eq!(house.push.titles(), ["Before the restart"], "the second start looks at nothing again");
    let (state, _) = house.outcome(&id, "ann").await.expect("there is a delivery");
    assert_eq!(state, belfry_protocol::delivery::DeliveryState::Sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_the_background_does_not_keep_the_phone_silent() {
    let house = House::start().await;
    house.settle("ann", 1).await;
    let mut page = house.socket("ann").await;
    page.send(json!({"type": "presence", "data": {"visible": false}})).await;
    page.settle().await;
    let published = clock::now();
    let id = house.alert("ann", 1).await;
    let frame = page.next_alert().await;
    let received = json!({"stream": "user", "after": 0, "up_to": frame["seq"], "level": "received"});
    page.send(json!({"type": "ack", "data": received})).await;
    house.at_rest().await;
    assert_eq!(house.push.titles(), ["Number 1"]);
    let after = house.push.calls()[0].at.duration_since(published.at).unsigned_abs();
    assert!(after < Duration::from_secs(3), "nobody waits for a hidden page: {after:?}");
    assert!(house.outcome(&id, "ann").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_the_background_is_enough_where_received_is() {
    let house = House::start().await;
    house.settle("ann", 1).await;
    let mut page = house.socket("ann").await;
    page.send(json!({"type": "presence", "data": {"visible": false}})).await;
    page.settle().await;
    let ladder = json!([{"channel": "live", "wait": "1s", "until": "received"}, {"channel": "push"}]);
    house.publish(&alert("ann", "For the machine", &ladder)).await.expect(202);
    let frame = page.next_alert().await;
    let received = json!({"stream": "user", "after": 0, "up_to": frame["seq"], "level": "received"});
    page.send(json!({"type": "ack", "data": received})).await;
    house.at_rest().await;
    assert_eq!(house.push.titles(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_showed_it_keeps_the_phone_silent_and_a_forgotten_one_does_not() {
    let house = House::start().await;
    house.settle("ann", 1).await;
    let mut page = house.socket("ann").await;
    page.send(json!({"type": "presence", "data": {"visible": true, "focused": true}})).await;
    page.settle().await;
    let ladder = json!([{"channel": "live", "wait": "1s", "until": "displayed"}, {"channel": "push"}]);
    let answer = house.publish(&alert("ann", "Shown", &ladder)).await.expect(202).json();
    page.next_alert().await;
    page.send(json!({"type": "ack", "data": {"ids": [answer["id"]], "level": "displayed"}})).await;
    house.at_rest().await;
    assert_eq!(house.push.titles(), [""; 0]);

    house.publish(&alert("ann", "Not shown", &ladder)).await.expect(202);
    page.next_alert().await;
    house.at_rest().await;
    assert_eq!(house.push.titles(), ["Not shown"], "the page is open, and nobody sits before it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_client_that_is_alive_keeps_the_phone_silent() {
    let house = House::with(|config| config.live.trust_pong = true).await;
    house.settle("ann", 1).await;
    let mut page = house.naive("ann").await;
    let ladder = json!([{"channel": "live", "wait": "1s", "until": "displayed"}, {"channel": "push"}]);
    house.publish(&alert("ann", "Plain", &ladder)).await.expect(202);
    assert_eq!(page.next_frame().await["type"], "deal");
    // Its library answers pings for as long as somebody reads.
    let mut reading = tokio::task::JoinSet::new();
    reading.spawn(async move { page.closed().await });
    house.at_rest().await;
    assert_eq!(house.push.titles(), [""; 0]);
    reading.abort_all();
}
