//! APNs against a service that speaks its HTTP/2.

use crate::logged::Logged;
use crate::notices::{notice, now};
use belfry_channels::{
    Action, Address, Apns, ApnsEnvironment, ApnsOptions, Channel, Notice, Receipt, SendError,
};
use belfry_tests::fakes::apns::{self, Environment, KEY_ID, Push, TEAM_ID, TOPIC, gone, reason};
use belfry_tests::fakes::http2::{Act, Manners};
use belfry_tests::{eventually, within};
use futures_util::future::{join, join_all};
use jiff::{SignedDuration, Timestamp, ToSpan};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn options(fake: &apns::Apns) -> ApnsOptions {
    ApnsOptions {
        production_url: fake.production.url(),
        sandbox_url: fake.sandbox.url(),
        ca_file: Some(fake.ca_file()),
        ..ApnsOptions::new(fake.key().into(), KEY_ID, TEAM_ID, TOPIC)
    }
}

async fn wired() -> (apns::Apns, Apns) {
    let fake = apns::Apns::start().await;
    fake.set_now(now());
    let channel = Apns::new(options(&fake)).expect("the options can be used");
    (fake, channel)
}

fn address(token: &str) -> Address {
    Address::Apns { token: token.to_owned(), environment: ApnsEnvironment::Production, topic: None }
}

async fn send(channel: &Apns, n: i64, token: &str) -> Result<Receipt, SendError> {
    within("an answer", channel.send(&notice(n), &address(token), now())).await
}

/// One notice to each of so many devices, all at once, while `meanwhile` runs.
async fn send_to_all(
    fake: &apns::Apns,
    channel: &Apns,
    devices: u32,
    meanwhile: impl Future<Output = ()>,
) -> Vec<Result<Receipt, SendError>> {
    let tokens: Vec<String> = (0..devices).map(|n| fake.add_device(Environment::Production, n)).collect();
    let sends = join_all(tokens.iter().map(|token| send(channel, 1, token)));
    join(sends, meanwhile).await.0
}

/// What was read, by device.
fn by_token(pushes: Vec<Push>) -> BTreeMap<String, Vec<Push>> {
    let mut sorted: BTreeMap<String, Vec<Push>> = BTreeMap::new();
    for push in pushes {
        sorted.entry(push.token.clone()).or_default().push(push);
    }
    sorted
}

/// Each device was sent to with one id and one collapse id, and took it exactly once.
fn assert_each_once(fake: &apns::Apns, devices: usize) {
    for (token, pushes) in by_token(fake.read()) {
        let ids: BTreeSet<&str> = pushes.iter().map(|push| push.header("apns-id")).collect();
        let collapse: BTreeSet<&str> = pushes.iter().map(|push| push.header("apns-collapse-id")).collect();
        assert_eq!((ids.len(), collapse.len()), (1, 1), "{token}");
    }
    let taken = by_token(fake.taken());
    assert_eq!(taken.len(), devices);
    assert!(taken.values().all(|pushes| pushes.len() == 1), "{taken:?}");
}

#[tokio::test]
async fn a_push_carries_all_that_apple_asks_for() {
    let (fake, channel) = wired().await;
    let token = fake.add_device(Environment::Production, 1);
    let notice = Notice { expires_at: Some(now() + 10.minutes()), ..notice(1) };
    let receipt = channel.send(&notice, &address(&token), now()).await.expect("is taken");
    let [push] = &fake.taken()[..] else { panic!("not one: {:?}", fake.taken()) };
    assert_eq!(receipt.provider_id.as_deref(), Some(push.header("apns-id")));
    assert_eq!(receipt.moved_to, None);
    assert_eq!(push.header("apns-topic"), TOPIC);
    assert_eq!(push.header("apns-push-type"), "alert");
    assert_eq!(push.header("apns-priority"), "10");
    assert_eq!(push.header("apns-collapse-id"), "tag-1");
    assert_eq!(push.header("apns-expiration"), (now().as_second() + 600).to_string());
    let aps = &push.payload["aps"];
    assert_eq!((&aps["thread-id"], &aps["badge"]), (&"orders".into(), &3.into()));
    assert_eq!(push.payload["belfry"]["receipt"], "https://alerts.example.com/v1/receipts/abc");
    assert_eq!(push.payload["data"]["order"], 7);
    assert_eq!(fake.sandbox.counts().connections, 0);
}

#[tokio::test]
async fn every_reason_leads_to_its_action() {
    let (fake, channel) = wired().await;
    let token = fake.add_device(Environment::Production, 1);
    let table = [
        (400, "DeviceTokenNotForTopic", Action::Refused, true),
        (400, "BadTopic", Action::Misconfigured, true),
        (400, "MissingTopic", Action::Misconfigured, true),
        (400, "TopicDisallowed", Action::Misconfigured, true),
        (400, "PayloadEmpty", Action::Rejected, true),
        (400, "BadPriority", Action::Rejected, true),
        (400, "BadExpirationDate", Action::Rejected, true),
        (400, "BadCollapseId", Action::Rejected, true),
        (400, "BadMessageId", Action::Rejected, true),
        (400, "InvalidPushType", Action::Rejected, true),
        (400, "DuplicateHeaders", Action::Rejected, true),
        (403, "InvalidProviderToken", Action::Misconfigured, true),
        (403, "MissingProviderToken", Action::Misconfigured, true),
        (403, "Forbidden", Action::Misconfigured, true),
        (403, "BadCertificate", Action::Misconfigured, true),
        (403, "BadCertificateEnvironment", Action::Misconfigured, true),
        (403, "BadEnvironmentKeyInToken", Action::Misconfigured, true),
        (403, "UnrelatedKeyIdInToken", Action::Misconfigured, true),
        (404, "BadPath", Action::Rejected, true),
        (405, "MethodNotAllowed", Action::Rejected, true),
        (410, "Unregistered", Action::Gone, false),
        (410, "ExpiredToken", Action::Gone, false),
        (429, "TooManyRequests", Action::Retry, false),
        (429, "TooManyProviderTokenUpdates", Action::Retry, true),
        (500, "InternalServerError", Action::Retry, false),
        (503, "ServiceUnavailable", Action::Retry, false),
        (503, "Shutdown", Action::Retry, false),
    ];
    for (status, word, action, alarm) in table {
        let before = fake.read().len();
        fake.answer_next(&token, reason(status, word));
        let error = send(&channel, 1, &token).await.expect_err(word);
        assert_eq!((error.action, error.alarm, error.status), (action, alarm, Some(status)), "{word}");
        assert_eq!(error.reason, word);
        assert!(!error.said.contains(&token), "{word}");
        assert_eq!(fake.read().len(), before + 1, "{word} was tried again at once");
    }
    send(&channel, 1, &token).await.expect("nothing of it stays");
}

#[tokio::test]
async fn what_answers_without_a_reason_deletes_nothing() {
    let (fake, channel) = wired().await;
    let token = fake.add_device(Environment::Production, 1);
    for status in [400, 404, 410] {
        fake.answer_next(&token, Act::answer(status, "<html>a proxy</html>"));
        let error = send(&channel, 1, &token).await.expect_err("is refused");
        assert_eq!((error.action, error.alarm), (Action::Misconfigured, true), "{status}");
    }
}

#[tokio::test]
async fn what_is_gone_is_gone_since_the_moment_that_apple_names() {
    let (fake, channel) = wired().await;
    let token = fake.add_device(Environment::Production, 1);
    let since = now() - 3.hours();
    fake.answer_next(&token, gone("Unregistered", since));
    let error = send(&channel, 1, &token).await.expect_err("is gone");
    assert_eq!((error.action, error.gone_at), (Action::Gone, Some(since)));
}

#[tokio::test]
async fn a_token_of_the_other_environment_is_found_there_and_the_address_corrected() {
    let (fake, channel) = wired().await;
    let token = fake.add_device(Environment::Sandbox, 1);
    let receipt = send(&channel, 1, &token).await.expect("is taken by the sandbox");
    let corrected =
        Address::Apns { token: token.clone(), environment: ApnsEnvironment::Sandbox, topic: None };
    assert_eq!(receipt.moved_to, Some(corrected));
    let read = fake.read();
    assert_eq!(read.len(), 2);
    assert_eq!(read[0].header("apns-id"), read[1].header("apns-id"));
}

#[tokio::test]
async fn a_token_that_neither_environment_knows_is_gone_after_one_try_in_each() {
    let (fake, channel) = wired().await;
    let error = send(&channel, 1, &"0f".repeat(32)).await.expect_err("nobody has it");
    assert_eq!((error.action, error.reason.as_str()), (Action::Gone, "BadDeviceToken"));
    let environments: Vec<Environment> = fake.read().iter().map(|push| push.environment).collect();
    assert_eq!(environments, [Environment::Production, Environment::Sandbox]);
}

#[tokio::test]
async fn an_outage_of_the_other_environment_deletes_no_token() {
    let (fake, channel) = wired().await;
    fake.script(|push| (push.environment == Environment::Sandbox).then(|| reason(503, "ServiceUnavailable")));
    let error = send(&channel, 1, &"0f".repeat(32)).await.expect_err("is not decided");
    assert_eq!(error.action, Action::Retry);
}

#[tokio::test]
async fn what_is_no_hexadecimal_never_reaches_apple() {
    let (fake, channel) = wired().await;
    for token in ["", "../../3/device/aa", "xyz"] {
        let error = send(&channel, 1, token).await.expect_err("is no token");
        assert_eq!(error.action, Action::Gone, "{token}");
    }
    assert!(fake.read().is_empty());
}

#[tokio::test]
async fn what_is_too_large_is_shortened_and_sent_once_more() {
    let (fake, channel) = wired().await;
    let token = fake.add_device(Environment::Production, 1);
    let long = Notice { body: Some("b".repeat(3500)), ..notice(1) };
    fake.answer_next(&token, reason(413, "PayloadTooLarge"));
    channel.send(&long, &address(&token), now()).await.expect("the shorter one is taken");
    let read = fake.read();
    assert_eq!(read.len(), 2);
    assert!(read[0].bytes <= 4096 && read[1].bytes <= 2048, "{} {}", read[0].bytes, read[1].bytes);
    assert_eq!(read[1].payload["belfry"]["link"], "https://shop.example.com/orders/7");

    fake.answer_next(&token, reason(413, "PayloadTooLarge"));
    fake.answer_next(&token, reason(413, "PayloadTooLarge"));
    let error = channel.send(&long, &address(&token), now()).await.expect_err("twice is enough");
    assert_eq!(error.action, Action::Rejected);
    assert_eq!(fake.read().len(), 4);
}

#[tokio::test]
async fn go_away_in_the_middle_loses_nothing_and_doubles_nothing() {
    let (fake, channel) = wired().await;
    fake.production.behave(Manners { go_away_at: Some(8), ..Manners::default() });
    fake.hold();
    let go_away_in_flight = async {
        // The first connection's eight are in flight, unanswered, while the others come back on new connections.
        eventually("all to be read", || async { (fake.read().len() == 20).then_some(()) }).await;
        assert!(fake.taken().is_empty());
        fake.release();
    };
    let answers = send_to_all(&fake, &channel, 20, go_away_in_flight).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let counts = fake.production.counts();
    assert_eq!((counts.connections, counts.go_aways), (3, 2), "{counts:?}");
    assert!(counts.unread > 0, "{counts:?}");
    assert_each_once(&fake, 20);
}

#[tokio::test]
async fn a_connection_that_breaks_with_requests_in_flight_loses_nothing() {
    let (fake, channel) = wired().await;
    fake.production.behave(Manners { break_at: Some(10), ..Manners::default() });
    fake.hold();
    let tenth = fake.add_device(Environment::Production, 9);
    let last = async {
        eventually("nine to be read", || async { (fake.read().len() == 9).then_some(()) }).await;
        let second_connection = async {
            eventually("all to be read again", || async { (fake.read().len() == 19).then_some(()) }).await;
            fake.release();
        };
        let (sent, ()) = join(send(&channel, 1, &tenth), second_connection).await;
        sent.expect("is taken");
    };
    let answers = send_to_all(&fake, &channel, 9, last).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    // Nine were read twice: the first time nobody could say what became of them.
    assert_eq!(fake.read().len(), 19);
    assert_each_once(&fake, 10);
}

#[tokio::test]
async fn what_was_taken_before_the_stream_broke_is_sent_again_under_the_same_ids() {
    let (fake, channel) = wired().await;
    let token = fake.add_device(Environment::Production, 1);
    fake.answer_next(&token, Act::TakeAndReset);
    send(&channel, 1, &token).await.expect("is taken again");
    let taken = fake.taken();
    assert_eq!(taken.len(), 2);
    assert_eq!(taken[0].header("apns-id"), taken[1].header("apns-id"));
    assert_eq!(taken[0].header("apns-collapse-id"), taken[1].header("apns-collapse-id"));

    // A second time in one call is too much.
    fake.answer_next(&token, Act::Reset);
    fake.answer_next(&token, Act::Reset);
    let error = send(&channel, 2, &token).await.expect_err("breaks again");
    assert_eq!((error.action, error.reason.as_str()), (Action::Retry, "reset"));
}

#[tokio::test]
async fn the_stream_limit_is_kept_and_nothing_is_lost_by_it() {
    let (fake, channel) = wired().await;
    fake.production.behave(Manners { streams_max: Some(3), ..Manners::default() });
    fake.hold();
    let three_at_once = async {
        eventually("three to be read", || async { (fake.read().len() == 3).then_some(()) }).await;
        fake.release();
    };
    let answers = send_to_all(&fake, &channel, 40, three_at_once).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let counts = fake.production.counts();
    assert_eq!((counts.at_once_max, counts.connections), (3, 1), "{counts:?}");
    assert_each_once(&fake, 40);
}

#[tokio::test]
async fn a_thousand_sends_share_one_connection() {
    let (fake, channel) = wired().await;
    let answers = send_to_all(&fake, &channel, 1000, std::future::ready(())).await;
    let failed: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert_eq!(failed, []);
    assert_eq!(fake.production.counts().connections, 1);
    assert_each_once(&fake, 1000);
}

#[tokio::test]
async fn an_idle_timeout_is_sent_again_on_a_new_connection() {
    let (fake, channel) = wired().await;
    let token = fake.add_device(Environment::Production, 1);
    fake.answer_next(&token, reason(400, "IdleTimeout"));
    send(&channel, 1, &token).await.expect("the second is taken");
    assert_eq!(fake.production.counts().connections, 2);

    fake.answer_next(&token, reason(400, "IdleTimeout"));
    fake.answer_next(&token, reason(400, "IdleTimeout"));
    let error = send(&channel, 2, &token).await.expect_err("twice is enough");
    assert_eq!(error.action, Action::Retry);
}

#[tokio::test]
async fn after_a_shutdown_the_next_push_takes_a_new_connection_but_not_one_each() {
    let (fake, channel) = wired().await;
    fake.script(|_| Some(reason(503, "Shutdown").with("retry-after", 30)));
    let answers = send_to_all(&fake, &channel, 20, std::future::ready(())).await;
    for answer in answers {
        let error = answer.expect_err("is shut down");
        assert_eq!((error.action, error.retry_after), (Action::Retry, Some(Duration::from_secs(30))));
    }
    let token = fake.add_device(Environment::Production, 1);
    for n in 2..6 {
        send(&channel, n, &token).await.expect_err("is shut down still");
    }
    fake.script(|_| None);
    send(&channel, 6, &token).await.expect("is up again");
    assert_eq!(fake.production.counts().connections, 2);
}

#[tokio::test]
async fn an_expired_provider_token_is_made_anew_once_for_everybody() {
    let (fake, channel) = wired().await;
    // Our clock is 45 minutes behind Apple's.
    fake.set_now(now() + 45.minutes());
    let answers = send_to_all(&fake, &channel, 50, std::future::ready(())).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let issued: BTreeSet<i64> = fake.read().iter().filter_map(|push| push.issued_at).collect();
    let half_past_nine = now().as_second() - 1800;
    assert_eq!(issued.into_iter().collect::<Vec<_>>(), [half_past_nine, now().as_second()]);
    assert_each_once(&fake, 50);
}

#[tokio::test]
async fn a_clock_that_is_hours_behind_is_told_and_not_tried_over_and_over() {
    let (fake, channel) = wired().await;
    fake.set_now(now() + 5.hours());
    let token = fake.add_device(Environment::Production, 1);
    let error = send(&channel, 1, &token).await.expect_err("is expired");
    assert_eq!((error.action, error.reason.as_str()), (Action::Misconfigured, "ExpiredProviderToken"));
    assert!(error.said.contains("clock"), "{}", error.said);
    assert_eq!(fake.read().len(), 2);
    send(&channel, 2, &token).await.expect_err("is expired still");
    let issued: BTreeSet<i64> = fake.read().iter().filter_map(|push| push.issued_at).collect();
    assert_eq!(issued.len(), 2, "no third token within 20 minutes");
}

#[tokio::test]
async fn too_many_updates_change_no_provider_token() {
    let (fake, channel) = wired().await;
    let token = fake.add_device(Environment::Production, 1);
    fake.answer_next(&token, reason(429, "TooManyProviderTokenUpdates"));
    let error = send(&channel, 1, &token).await.expect_err("has to wait");
    assert_eq!((error.action, error.alarm), (Action::Retry, true));
    send(&channel, 1, &token).await.expect("is taken");
    let read = fake.read();
    assert_eq!(read[0].issued_at, read[1].issued_at);
}

#[tokio::test]
async fn two_nodes_never_update_the_provider_token_too_often() {
    let (fake, first) = wired().await;
    let second = Apns::new(options(&fake)).expect("the options can be used");
    let token = fake.add_device(Environment::Production, 1);
    for minute in (0..360).step_by(7) {
        let at: Timestamp = now() + SignedDuration::from_mins(minute);
        fake.set_now(at);
        let node = if minute % 2 == 0 { &first } else { &second };
        node.send(&notice(minute), &address(&token), at).await.expect("is taken");
    }
    let issued: BTreeSet<i64> = fake.read().iter().filter_map(|push| push.issued_at).collect();
    assert_eq!(issued.len(), 13, "one for each half hour");
}

#[tokio::test]
async fn a_device_of_another_app_does_not_pause_the_others() {
    let (fake, channel) = wired().await;
    let token = fake.add_device(Environment::Production, 1);
    let own = |topic: &str| Address::Apns {
        token: token.clone(),
        environment: ApnsEnvironment::Production,
        topic: Some(topic.to_owned()),
    };
    let error = channel.send(&notice(1), &own("com.example.other"), now()).await.expect_err("is not ours");
    assert_eq!((error.action, error.reason.as_str()), (Action::Refused, "TopicDisallowed"));
    let error = channel.send(&notice(1), &own("a\r\nb"), now()).await.expect_err("is no topic");
    assert_eq!((error.action, fake.read().len()), (Action::Refused, 1));
    channel.send(&notice(1), &own(TOPIC), now()).await.expect("is ours");
}

#[tokio::test]
async fn what_never_answers_is_given_up_and_may_be_tried_again() {
    let fake = apns::Apns::start().await;
    fake.set_now(now());
    let hurried = ApnsOptions { timeout: Duration::from_millis(500), ..options(&fake) };
    let channel = Apns::new(hurried).expect("the options can be used");
    let token = fake.add_device(Environment::Production, 1);
    fake.answer_next(&token, Act::TakeAndHang);
    let error = send(&channel, 1, &token).await.expect_err("no answer");
    assert_eq!((error.action, error.reason.as_str()), (Action::Retry, "timeout"));
    send(&channel, 1, &token).await.expect("the connection still works");
    let ids: BTreeSet<String> = fake.taken().iter().map(|push| push.header("apns-id").to_owned()).collect();
    assert_eq!((fake.taken().len(), ids.len()), (2, 1));
}

#[tokio::test]
async fn a_service_that_is_not_there_and_a_certificate_of_somebody_else_are_told_apart() {
    let (fake, _) = wired().await;
    let token = fake.add_device(Environment::Production, 1);
    let nobody = ApnsOptions { production_url: "https://127.0.0.1:1".to_owned(), ..options(&fake) };
    let error = send(&Apns::new(nobody).expect("can be used"), 1, &token).await.expect_err("nobody is there");
    assert_eq!((error.action, error.reason.as_str()), (Action::Retry, "unreachable"));
    let other = apns::Apns::start().await;
    let distrustful = ApnsOptions { ca_file: Some(other.ca_file()), ..options(&fake) };
    let channel = Apns::new(distrustful).expect("can be used");
    let error = send(&channel, 1, &token).await.expect_err("is not trusted");
    assert_eq!((error.action, error.reason.as_str()), (Action::Misconfigured, "certificate"));
    assert!(fake.read().is_empty());
}

#[tokio::test]
async fn a_check_says_whether_the_credentials_are_good_and_sends_nothing() {
    let (fake, channel) = wired().await;
    let found = channel.check(now()).await.expect("they are good");
    assert_eq!(found, "APNs lets the key ABC1234567 of team TEAM123456 send for com.example.shop");
    let other = apns::Apns::start().await;
    let wrong_key = ApnsOptions { key: other.key().into(), ..options(&fake) };
    let error = Apns::new(wrong_key).expect("is a key").check(now()).await.expect_err("is not Apple's");
    assert_eq!((error.action, error.reason.as_str()), (Action::Misconfigured, "InvalidProviderToken"));
    assert!(error.said.contains("do not belong together"), "{}", error.said);
    let wrong_topic = ApnsOptions { topic: "com.example.other".to_owned(), ..options(&fake) };
    let error =
        Apns::new(wrong_topic).expect("is a topic").check(now()).await.expect_err("is not the team's");
    assert_eq!((error.action, error.reason.as_str()), (Action::Misconfigured, "TopicDisallowed"));
    assert!(fake.taken().is_empty());
}

#[tokio::test]
async fn no_token_and_no_key_is_ever_logged() {
    let logged = Logged::start();
    let (fake, channel) = wired().await;
    let token = fake.add_device(Environment::Production, 1);
    send(&channel, 1, &token).await.expect("is taken");
    fake.answer_next(&token, Act::Reset);
    fake.answer_next(&token, reason(400, "BadDeviceToken"));
    let error = send(&channel, 1, &token).await.expect_err("is refused");
    drop((fake, format!("{error:?} {channel:?}")));
    logged.assert_silent_about(&[&token, "eyJ", "PRIVATE KEY", "Two parcels"]);
    let shown = format!("{error:?} {error} {channel:?}");
    assert!(!shown.contains(&token) && !shown.contains("eyJ"), "{shown}");
}
