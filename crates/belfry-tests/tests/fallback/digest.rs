//! Many alerts in one mail.

use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_tests::House;
use belfry_tests::house::alert;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn forty_deals_are_one_mail_without_what_was_read_meanwhile() {
    let house = House::start().await;
    house.settle("ann", 1).await;
    let ladder = json!([{"channel": "email", "digest": "4s"}]);
    let mut ids = Vec::new();
    for number in 0..40 {
        let answer =
            house.publish(&alert("ann", &format!("Deal {number}"), &ladder)).await.expect(202).json();
        ids.push(answer["id"].as_str().expect("a 202 has an id").to_owned());
    }
    house
        .until(&ids[39], "ann", "the last one in the digest", |row| {
            row.reason.as_deref() == Some("gathered for a digest")
        })
        .await;
    assert_eq!(house.mail.calls().len(), 0, "the window is open");
    let read: Vec<&str> = [3, 4, 17, 39].into_iter().map(|number: usize| ids[number].as_str()).collect();
    house.change("ann", &read, "read").await;
    house.at_rest().await;

    let mails = house.mail.calls();
    assert_eq!(mails.len(), 1, "{:?}", house.mail.titles());
    let told: Vec<&str> = mails[0].notice.items.iter().map(|item| item.title.as_str()).collect();
    let unread = (0..40).filter(|number| ![3, 4, 17, 39].contains(number));
    let expected: Vec<String> = unread.map(|number| format!("Deal {number}")).collect();
    assert_eq!(told, expected, "oldest first");
    assert_eq!(house.push.calls().len(), 0);
    for id in &ids {
        let outcome = house.outcome(id, "ann").await.expect("there is a delivery");
        let expected = match read.contains(&id.as_str()) {
            true => (DeliveryState::Confirmed, vec![]),
            false => (DeliveryState::Sent, vec![LegState::Accepted]),
        };
        assert_eq!(outcome, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_person_and_each_category_has_a_digest_of_its_own() {
    let house = House::start().await;
    let ladder = json!([{"channel": "email", "digest": "2s"}]);
    for user in ["ann", "bob"] {
        house.settle(user, 0).await;
        for number in 0..6 {
            let mut body = alert(user, &format!("{user} {number}"), &ladder);
            body["category"] = json!(if number < 3 { "deals" } else { "orders" });
            house.publish(&body).await.expect(202);
        }
    }
    house.at_rest().await;
    let mut mails: Vec<(String, String, usize)> = house
        .mail
        .calls()
        .into_iter()
        .map(|call| (call.notice.user.to_string(), call.notice.category.clone(), call.notice.items.len()))
        .collect();
    mails.sort();
    let mail = |user: &str, category: &str| (user.to_owned(), category.to_owned(), 3);
    assert_eq!(
        mails,
        [mail("ann", "deals"), mail("ann", "orders"), mail("bob", "deals"), mail("bob", "orders"),]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_of_which_all_was_read_is_not_sent() {
    let house = House::start().await;
    house.settle("ann", 0).await;
    let ladder = json!([{"channel": "email", "digest": "2s"}]);
    let mut ids = Vec::new();
    for number in 0..3 {
        let answer =
            house.publish(&alert("ann", &format!("Deal {number}"), &ladder)).await.expect(202).json();
        ids.push(answer["id"].as_str().expect("a 202 has an id").to_owned());
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    house.change("ann", &ids, "read").await;
    house.at_rest().await;
    assert_eq!(house.mail.calls().len(), 0);
}
