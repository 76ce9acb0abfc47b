//! Quiet hours and do-not-disturb in a whole house. The arithmetic over the changes of the clocks stands beside the
//! policy.

use belfry_protocol::delivery::DeliveryState;
use belfry_server::clock;
use belfry_tests::House;
use belfry_tests::house::alert;
use http::Method;
use jiff::{ToSpan, Zoned};
use serde_json::{Value, json};
use std::time::Duration;

const ZONES: [&str; 3] = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"];

fn ladder() -> Value {
    json!([{"channel": "push"}, {"channel": "email", "only_if": "failed"}])
}

/// Quiet hours that began an hour ago and end in two, and their end.
fn a_night_around_now(zone: &str) -> (Value, Zoned) {
    let now = clock::now().at.in_tz(zone).expect("the zone is known");
    let (from, to) = (&now - 1.hour(), &now + 2.hours());
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let window = json!({
        "days": days,
        "from": from.strftime("%H:%M").to_string(),
        "to": to.strftime("%H:%M").to_string(),
    });
    let to = to.with().second(0).subsec_nanosecond(0).build().expect("a whole minute");
    (json!({"until": null, "schedule": [window], "time_zone": zone}), to)
}

async fn set(house: &House, user: &str, setting: &Value) {
    house.user_call(user, Method::PUT, "/v1/do-not-disturb", setting).await.expect(200);
}

async fn publish(house: &House, user: &str, title: &str) -> String {
    let answer = house.publish(&alert(user, title, &ladder())).await.expect(202).json();
    answer["id"].as_str().expect("a 202 has an id").to_owned()
}

async fn until_held(house: &House, id: &str, user: &str) -> belfry_store::DeliveryTraceRow {
    let what = "a delivery that waits for the end of quiet hours";
    house
        .until(id, user, what, |row| {
            row.state == DeliveryState::Waiting && row.reason.as_deref() == Some("quiet hours")
        })
        .await;
    belfry_tests::house::delivery(house, id, user).await.expect("there is a delivery")
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_hours_hold_back_until_their_end_in_each_zone_and_critical_passes() {
    let house = House::start().await;
    for (number, zone) in ZONES.into_iter().enumerate() {
        let user = format!("user-{number}");
        house.settle(&user, 1).await;
        let (night, end) = a_night_around_now(zone);
        set(&house, &user, &night).await;
        let mut critical = alert(&user, "Critical", &ladder());
        critical["severity"] = json!("critical");
        house.publish(&critical).await.expect(202);
        let id = publish(&house, &user, "Deal").await;
        let held = until_held(&house, &id, &user).await;
        let due = held.due_at.expect("it is due some time");
        assert_eq!(due.0, end.timestamp().as_millisecond(), "{zone}");
        assert_eq!(held.legs.len(), 0);
    }
    belfry_tests::eventually("the critical ones", || async { (house.push.calls().len() == 3).then_some(()) })
        .await;
    assert_eq!(house.push.titles(), ["Critical"; 3]);
    assert_eq!(house.mail.calls().len(), 0, "quiet hours are no failure");

    for number in 0..3 {
        set(&house, &format!("user-{number}"), &json!({})).await;
    }
    house.at_rest().await;
    assert_eq!(house.push.titles()[3..], ["Deal"; 3], "who ends the night early does not wait for its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_that_waited_go_out_oldest_first_and_many_as_one() {
    let house = House::start().await;
    for (user, count) in [("few", 3), ("many", 7)] {
        house.settle(user, 1).await;
        set(&house, user, &a_night_around_now("Europe/Berlin").0).await;
        let mut ids = Vec::new();
        for number in 0..count {
            let id = publish(&house, user, &format!("{user} {number}")).await;
            until_held(&house, &id, user).await;
            ids.push(id);
        }
        if user == "many" {
            house.change(user, &[&ids[2]], "read").await;
        }
        set(&house, user, &json!({})).await;
        house.at_rest().await;
        for (number, id) in ids.iter().enumerate() {
            let (state, legs) = house.outcome(id, user).await.expect("there is a delivery");
            let read = user == "many" && number == 2;
            assert_eq!(
                state,
                if read { DeliveryState::Confirmed } else { DeliveryState::Sent },
                "{user} {number}"
            );
            assert_eq!(legs.len(), usize::from(!read), "{user} {number}");
        }
    }
    let calls = house.push.calls();
    let (few, many): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call.notice.user.as_str() == "few");
    let few: Vec<&str> = few.iter().map(|call| call.notice.title.as_str()).collect();
    assert_eq!(few, ["few 0", "few 1", "few 2"]);
    assert_eq!(many.len(), 1, "one push for all");
    let told: Vec<&str> = many[0].notice.items.iter().map(|item| item.title.as_str()).collect();
    assert_eq!(told, ["many 0", "many 1", "many 3", "many 4", "many 5", "many 6"], "without what was read");
}

#[tokio::test(flavor = "multi_thread")]
async fn do_not_disturb_by_hand_ends_by_itself() {
    let house = House::start().await;
    house.settle("ann", 1).await;
    let until = clock::now().at + Duration::from_secs(2);
    set(&house, "ann", &json!({"until": until})).await;
    let mut critical = alert("ann", "Critical", &ladder());
    critical["severity"] = json!("critical");
    house.publish(&critical).await.expect(202);
    house.at_rest().await;
    let calls = house.push.calls();
    assert_eq!(calls.len(), 1);
    assert!(calls[0].at >= until, "by hand holds critical back too: {} {until}", calls[0].at);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_in_the_night_never_goes_out() {
    let house = House::start().await;
    house.settle("ann", 1).await;
    set(&house, "ann", &a_night_around_now("Europe/Berlin").0).await;
    let mut body = alert("ann", "Breakfast", &ladder());
    body["expires_at"] = json!(clock::now().at + Duration::from_secs(2));
    let answer = house.publish(&body).await.expect(202).json();
    let id = answer["id"].as_str().expect("a 202 has an id");
    until_held(&house, id, "ann").await;
    house.at_rest().await;
    assert_eq!(house.outcome(id, "ann").await, Some((DeliveryState::Expired, vec![])));
    assert_eq!((house.push.calls().len(), house.mail.calls().len()), (0, 0));
}
