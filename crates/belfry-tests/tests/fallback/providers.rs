//! The whole way out, with providers that speak their real protocols.

use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_server::clock;
use belfry_tests::fakes::{answer, apns, fcm};
use belfry_tests::house::{at_rest, delivery, time_passes};
use belfry_tests::providers::Addresses;
use belfry_tests::{Providers, TestServer};
use serde_json::{Value, json};
use std::time::Duration;

const PUBLIC: &str = "https://alerts.example.com";

async fn house() -> (Providers, TestServer, Addresses) {
    let providers = Providers::start().await;
    let server = TestServer::fallback(&providers, |config| {
        config.fallback.public_url = PUBLIC.to_owned();
        config.fallback.app_url = "https://app.example.com".to_owned();
    })
    .await;
    let addresses = providers.settle(&server.services().store, "ann", 1).await;
    (providers, server, addresses)
}

fn taken(providers: &Providers) -> [usize; 4] {
    [
        providers.fcm.taken().len(),
        providers.apns.taken().len(),
        providers.web_push.pushes().len(),
        providers.smtp.mails().len(),
    ]
}

/// Every push service refuses the notice itself.
fn refuse(providers: &Providers) {
    providers.fcm.script(|_| Some(fcm::bad_request("message.data", "no")));
    providers.apns.script(|_| Some(apns::reason(400, "PayloadEmpty")));
    providers.web_push.script(|_| Some(answer::Act::status(400, "no")));
}

/// The person's device has a say: the address in a push, as the server is reached here.
fn here(server: &TestServer, public: &str) -> String {
    let path = public.strip_prefix(PUBLIC).unwrap_or_else(|| panic!("`{public}` leads elsewhere"));
    server.at(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_absent_has_the_push_on_each_device_within_a_second() {
    let (providers, server, _) = house().await;
    let published = clock::now();
    let id = server.alert("ann", 1).await;
    at_rest(&server).await;
    assert_eq!(taken(&providers), [1, 1, 1, 0], "one per device, and no mail");
    let row = delivery(&server, &id, "ann").await.expect("there is a delivery");
    assert_eq!(row.state, DeliveryState::Sent);
    let tag = providers.web_push.pushes()[0].topic.clone().expect("a push has a topic");
    let apple = &providers.apns.taken()[0];
    assert_eq!(apple.header("apns-collapse-id"), tag);
    assert_eq!(providers.fcm.taken()[0].message["android"]["notification"]["tag"], tag);
    assert_eq!(apple.payload["aps"]["alert"]["title"], "Number 1");
    for leg in &row.legs {
        assert_eq!(leg.state, LegState::Accepted);
        let after = leg.ended_at.expect("it ended").0 - published.unix_ms().0;
        assert!(after < 1_000, "{:?} had it after {after} ms", leg.provider);
    }
    assert_eq!(providers.web_push.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_all_refuse_is_followed_by_one_mail() {
    let (providers, server, _) = house().await;
    refuse(&providers);
    let id = server.alert("ann", 1).await;
    at_rest(&server).await;
    assert_eq!(taken(&providers), [0, 0, 0, 1]);
    let mail = providers.smtp.mail_to("ann@example.com").await;
    assert_eq!(mail.subject().as_deref(), Some("Number 1"));
    let row = delivery(&server, &id, "ann").await.expect("there is a delivery");
    assert_eq!(row.state, DeliveryState::Sent);
    assert_eq!(providers.smtp.violations(), [""; 0]);
    assert!(row.legs.iter().all(|leg| leg.attempts.len() == 1), "{:?}", row.legs);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_reports_that_it_showed_the_push_and_no_mail_follows() {
    let (providers, server, _) = house().await;
    let ladder = json!([{"channel": "push", "wait": "1h", "until": "displayed"}, {"channel": "email"}]);
    let body = json!({"to": {"user": "ann"}, "kind": "deal", "title": "Milk", "data": {}, "ladder": ladder});
    let answer = server.publish(&body).await.expect(202).json();
    let id = answer["id"].as_str().expect("a 202 has an id");
    let pushed = belfry_tests::eventually("the push", || async {
        let pushes = providers.web_push.pushes();
        let row = delivery(&server, id, "ann").await?;
        (row.state == DeliveryState::Waiting).then(|| pushes.into_iter().next()).flatten()
    });
    let payload: Value = pushed.await.payload;
    let find = |value: &Value| value["belfry"]["receipt"].as_str().map(str::to_owned);
    let receipt =
        find(&payload["data"]).or_else(|| find(&payload["notification"]["data"])).or_else(|| find(&payload));
    let receipt = receipt.unwrap_or_else(|| panic!("no receipt in {payload}"));
    let url = here(&server, &receipt);
    let report = server.http.post(url).json(&json!({"level": "displayed"}));
    assert!(server.send(report).await.status < 300);
    at_rest(&server).await;
    let row = delivery(&server, id, "ann").await.expect("there is a delivery");
    assert_eq!(row.state, DeliveryState::Confirmed);
    assert_eq!(taken(&providers)[3], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_in_a_mail_ends_the_mails_of_its_category_by_post_alone() {
    let (providers, server, _) = house().await;
    let publish = async |number: usize| {
        let ladder = json!([{"channel": "email"}]);
        let title = format!("Deal {number}");
        let body = json!({
            "to": {"user": "ann"}, "kind": "deal", "category": "deals", "title": title, "data": {}, "ladder": ladder,
        });
        let answer = server.publish(&body).await.expect(202).json();
        at_rest(&server).await;
        answer["id"].as_str().expect("a 202 has an id").to_owned()
    };
    publish(1).await;
    let mail = providers.smtp.mail_to("ann@example.com").await;
    let header = mail.header("List-Unsubscribe").expect("a mail can be ended");
    let link = header.split(['<', '>']).find(|part| part.starts_with(PUBLIC)).expect("there is a link");
    assert!(mail.header("List-Unsubscribe-Post").is_some());
    let url = here(&server, link);

    server.send(server.http.get(&url)).await.expect(200);
    publish(2).await;
    assert_eq!(taken(&providers)[3], 2, "looking at the page ends nothing");

    let forged = format!("{}A", &url[..url.len() - 1]);
    let form = |url: &str| {
        let request = server.http.post(url).header("Content-Type", "application/x-www-form-urlencoded");
        request.body("List-Unsubscribe=One-Click")
    };
    if forged != url {
        assert!(server.send(form(&forged)).await.status >= 400, "a forged link");
    }
    publish(3).await;
    assert_eq!(taken(&providers)[3], 3);

    server.send(form(&url)).await.expect(200);
    let id = publish(4).await;
    assert_eq!(taken(&providers)[3], 3, "no further mail");
    let row = delivery(&server, &id, "ann").await.expect("there is a delivery");
    assert_eq!((row.state, row.legs[0].state), (DeliveryState::Suppressed, LegState::Suppressed));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_every_provider_is_down_nothing_is_deleted_and_everything_arrives_once() {
    let (providers, mut server, _) = house().await;
    for number in 2..=6 {
        providers.settle(&server.services().store, &format!("user-{number}"), number).await;
    }
    let people: Vec<String> =
        std::iter::once("ann".to_owned()).chain((2..=6).map(|number| format!("user-{number}"))).collect();
    providers.fcm.script(|_| Some(fcm::error(503, "UNAVAILABLE", "down", Some("UNAVAILABLE"))));
    providers.apns.script(|_| Some(apns::reason(503, "ServiceUnavailable")));
    providers.web_push.script(|_| Some(answer::Act::status(503, "")));
    let mut ids = Vec::new();
    for (number, user) in people.iter().enumerate() {
        ids.push(server.alert(user, number as u64).await);
    }
    for turn in 1..=2 {
        belfry_tests::eventually("an attempt on each leg", || async {
            for (user, id) in people.iter().zip(&ids) {
                let row = delivery(&server, id, user).await?;
                let tried = row.legs.iter().all(|leg| leg.attempts.len() >= turn);
                if row.legs.len() != 3 || !tried {
                    return None;
                }
            }
            Some(())
        })
        .await;
        server.restart_after(|data_dir| time_passes(data_dir, Duration::from_secs(60))).await;
    }
    assert_eq!(taken(&providers), [0; 4]);
    for user in &people {
        let devices = server.user_get(user, "/v1/devices").await.expect(200).json();
        assert_eq!(devices["devices"].as_array().map(Vec::len), Some(3), "{devices}");
    }

    providers.fcm.script(|_| None);
    providers.apns.script(|_| None);
    providers.web_push.script(|_| None);
    for _ in 0..2 {
        server.restart_after(|data_dir| time_passes(data_dir, Duration::from_secs(3_600))).await;
    }
    at_rest(&server).await;
    assert_eq!(taken(&providers), [6, 6, 6, 0], "each once, and nobody was written a mail");
}
