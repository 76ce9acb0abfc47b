//! FCM against a service that checks what Google checks.

use crate::logged::Logged;
use crate::notices::{notice, now};
use belfry_channels::{Action, Address, Channel, Fcm, FcmOptions, Notice, Receipt, RetryScope, SendError};
use belfry_tests::fakes::fcm::{self, PROJECT, TOKEN_SECONDS, bad_request, error};
use belfry_tests::fakes::http2::{Act, Manners};
use belfry_tests::{eventually, within};
use futures_util::future::{join, join_all};
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

fn options(fake: &fcm::Fcm) -> FcmOptions {
    FcmOptions {
        base_url: fake.url(),
        ca_file: Some(fake.ca_file()),
        ..FcmOptions::new(fake.service_account().into())
    }
}

async fn wired() -> (fcm::Fcm, Fcm) {
    let fake = fcm::Fcm::start().await;
    fake.set_now(now());
    let channel = Fcm::new(options(&fake)).expect("the options can be used");
    (fake, channel)
}

async fn send_at(channel: &Fcm, n: i64, token: &str, at: Timestamp) -> Result<Receipt, SendError> {
    let address = Address::FcmToken(token.to_owned());
    within("an answer", channel.send(&notice(n), &address, at)).await
}

async fn send(channel: &Fcm, n: i64, token: &str) -> Result<Receipt, SendError> {
    send_at(channel, n, token, now()).await
}

/// One notice to each of so many devices, all at once.
async fn send_to_all(fake: &fcm::Fcm, channel: &Fcm, devices: u32) -> Vec<Result<Receipt, SendError>> {
    let tokens: Vec<String> = (0..devices).map(|n| fake.add_device(n)).collect();
    join_all(tokens.iter().map(|token| send(channel, 1, token))).await
}

#[tokio::test]
async fn a_message_goes_to_a_token_and_to_an_installation_id() {
    let (fake, channel) = wired().await;
    let (token, id) = (fake.add_device(1), fake.add_device(2));
    let notice = Notice { expires_at: Some(now() + 10.minutes()), ..notice(1) };
    let receipt = channel.send(&notice, &Address::FcmToken(token.clone()), now()).await.expect("is taken");
    channel.send(&notice, &Address::FcmInstallation(id.clone()), now()).await.expect("is taken");
    let taken = fake.taken();
    assert_eq!(taken.len(), 2);
    assert!(receipt.provider_id.is_some_and(|name| name.starts_with("projects/shop-1234/messages/")));
    let message = &taken[0].message;
    assert_eq!((&message["token"], message.get("fid")), (&Value::from(token), None));
    assert_eq!(message["android"]["notification"]["tag"], "tag-1");
    assert_eq!(message["android"]["ttl"], "600s");
    assert_eq!(message["android"]["priority"], "HIGH");
    let belfry: Value =
        serde_json::from_str(message["data"]["belfry"].as_str().expect("text")).expect("JSON");
    assert_eq!((&belfry["user"], &belfry["id"]), (&"ann".into(), &notice.alert.to_string().into()));
    assert_eq!((&taken[1].message["fid"], taken[1].message.get("token")), (&Value::from(id), None));
}

#[tokio::test]
async fn a_notice_without_end_lives_28_days_and_one_that_ended_is_not_sent() {
    let (fake, channel) = wired().await;
    let address = Address::FcmToken(fake.add_device(1));
    channel.send(&notice(1), &address, now()).await.expect("is taken");
    assert_eq!(fake.taken()[0].message["android"]["ttl"], "2419200s");
    let ended = Notice { expires_at: Some(now()), ..notice(2) };
    let error = channel.send(&ended, &address, now()).await.expect_err("is over");
    assert_eq!((error.action, error.reason.as_str(), fake.read().len()), (Action::Rejected, "expired", 1));
}

#[tokio::test]
async fn what_is_too_large_is_cut_before_it_goes_out() {
    let (fake, channel) = wired().await;
    let address = Address::FcmToken(fake.add_device(1));
    let huge = Notice {
        body: Some("Größe \"42\" ".repeat(800)),
        data: Some(format!("{{\"list\":[{}]}}", "\"a\",".repeat(900) + "1")),
        ..notice(1)
    };
    channel.send(&huge, &address, now()).await.expect("is taken");
    let message = &fake.taken()[0].message;
    assert_eq!(message["data"].get("data"), None);
    assert!(message["notification"]["body"].as_str().is_some_and(|body| body.ends_with('…')));
    assert_eq!(message["data"]["link"], "https://shop.example.com/orders/7");
}

#[tokio::test]
async fn every_error_body_leads_to_its_action() {
    let (fake, channel) = wired().await;
    let token = fake.add_device(1);
    let invalid = "The registration token is not a valid FCM registration token";
    let table = [
        (
            error(404, "NOT_FOUND", "Requested entity was not found.", Some("UNREGISTERED")),
            Action::Gone,
            "UNREGISTERED",
        ),
        (
            error(404, "NOT_FOUND", "Requested entity was not found.", None),
            Action::Misconfigured,
            "not-found",
        ),
        (Act::answer(404, "<html>Not Found</html>"), Action::Misconfigured, "not-found"),
        (error(400, "INVALID_ARGUMENT", invalid, Some("INVALID_ARGUMENT")), Action::Gone, "invalid-token"),
        (bad_request("message.data[0].value", "Invalid value"), Action::Rejected, "bad-request"),
        (
            error(400, "INVALID_ARGUMENT", "Something", Some("INVALID_ARGUMENT")),
            Action::Rejected,
            "INVALID_ARGUMENT",
        ),
        (
            error(401, "UNAUTHENTICATED", "Auth error", Some("THIRD_PARTY_AUTH_ERROR")),
            Action::Misconfigured,
            "THIRD_PARTY_AUTH_ERROR",
        ),
        (
            error(403, "PERMISSION_DENIED", "SenderId mismatch", Some("SENDER_ID_MISMATCH")),
            Action::Refused,
            "SENDER_ID_MISMATCH",
        ),
        (
            error(403, "PERMISSION_DENIED", "The caller does not have permission", None),
            Action::Misconfigured,
            "PERMISSION_DENIED",
        ),
        (
            error(429, "RESOURCE_EXHAUSTED", "Quota exceeded", Some("QUOTA_EXCEEDED")),
            Action::Retry,
            "QUOTA_EXCEEDED",
        ),
        (error(500, "INTERNAL", "Internal error encountered.", Some("INTERNAL")), Action::Retry, "INTERNAL"),
        (
            error(503, "UNAVAILABLE", "The service is currently unavailable.", Some("UNAVAILABLE")),
            Action::Retry,
            "UNAVAILABLE",
        ),
        (Act::answer(502, "<html>Bad Gateway</html>"), Action::Retry, "server-error"),
        (
            Act::answer(302, "").with("location", "https://elsewhere.example.com/"),
            Action::Misconfigured,
            "not-fcm",
        ),
        (Act::answer(200, "<html>Sign in to the hotel</html>"), Action::Misconfigured, "not-fcm"),
    ];
    for (act, action, reason) in table {
        let before = fake.read().len();
        let alarm = action == Action::Misconfigured || action == Action::Rejected;
        fake.answer_next(&token, act);
        let error = send(&channel, 1, &token).await.expect_err(reason);
        assert_eq!((error.action, error.reason.as_str(), error.alarm), (action, reason, alarm));
        assert!(!error.said.contains(&token), "{reason}");
        assert_eq!(fake.read().len(), before + 1, "{reason} was tried again at once");
    }
    send(&channel, 1, &token).await.expect("nothing of it stays");
}

#[tokio::test]
async fn a_quota_waits_as_long_as_google_says_and_a_minute_at_least() {
    let (fake, channel) = wired().await;
    let token = fake.add_device(1);
    for (retry_after, wait) in [(None, 60), (Some(5), 60), (Some(300), 300), (Some(90_000), 3600)] {
        let quota = error(429, "RESOURCE_EXHAUSTED", "Quota exceeded", Some("QUOTA_EXCEEDED"));
        fake.answer_next(
            &token,
            retry_after.map_or(quota.clone(), |seconds| quota.with("retry-after", seconds)),
        );
        let error = send(&channel, 1, &token).await.expect_err("is too much");
        assert_eq!((error.retry_after, error.scope), (Some(Duration::from_secs(wait)), RetryScope::Provider));
    }
}

#[tokio::test]
async fn fifty_sends_at_once_ask_for_one_access_token() {
    let (fake, channel) = wired().await;
    fake.hold_grants();
    let asked = async {
        eventually("the token to be asked for", || async { (fake.grants_asked() > 0).then_some(()) }).await;
        fake.release();
    };
    let (answers, ()) = join(send_to_all(&fake, &channel, 50), asked).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!((fake.grants_asked(), fake.taken().len()), (1, 50));
    // One connection for the token, one for all messages.
    assert_eq!(fake.server.counts().connections, 2);
    assert!(send_to_all(&fake, &channel, 50).await.iter().all(Result::is_ok));
    assert_eq!(fake.grants_asked(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_token_to_the_others() {
    let (fake, channel) = wired().await;
    let (first, second) = (fake.add_device(1), fake.add_device(2));
    fake.hold_grants();
    {
        let mut gone = Box::pin(send(&channel, 1, &first));
        let asked =
            eventually("the token to be asked for", || async { (fake.grants_asked() == 1).then_some(()) });
        tokio::select! {
            _ = &mut gone => panic!("there is no token yet"),
            () = asked => {}
        }
        let other = async {
            drop(gone);
            fake.release();
        };
        let (sent, ()) = join(send(&channel, 2, &second), other).await;
        sent.expect("is sent");
    }
    assert_eq!(fake.taken().len(), 1);
    // The one that all had gone from was given up.
    fake.revoke_access_tokens();
    send(&channel, 3, &first).await.expect("is sent");
}

#[tokio::test]
async fn a_token_is_renewed_five_minutes_before_it_ends() {
    let (fake, channel) = wired().await;
    let token = fake.add_device(1);
    send(&channel, 1, &token).await.expect("is sent");
    let at = |seconds| now() + SignedDuration::from_secs(TOKEN_SECONDS + seconds);
    fake.set_now(at(-301));
    send_at(&channel, 2, &token, at(-301)).await.expect("is sent");
    assert_eq!(fake.grants_asked(), 1);
    // The token service is down: the old one still holds.
    fake.set_now(at(-299));
    fake.answer_next_grant(Act::answer(503, ""));
    send_at(&channel, 3, &token, at(-299)).await.expect("is sent with the old one");
    send_at(&channel, 4, &token, at(-298)).await.expect("is sent with the old one");
    assert_eq!(fake.grants_asked(), 2, "a failure is not repeated per send");
    fake.set_now(at(-290));
    send_at(&channel, 5, &token, at(-290)).await.expect("is sent with a new one");
    send_at(&channel, 6, &token, at(100)).await.expect("is sent with the new one");
    assert_eq!(fake.grants_asked(), 3);
    let used: BTreeSet<String> = fake.taken().into_iter().map(|message| message.access_token).collect();
    assert_eq!(used.into_iter().collect::<Vec<_>>(), ["ya29.1", "ya29.3"]);
}

#[tokio::test]
async fn a_refused_access_token_is_renewed_once_for_everybody() {
    let (fake, channel) = wired().await;
    assert!(send_to_all(&fake, &channel, 1).await[0].is_ok());
    fake.revoke_access_tokens();
    let answers = send_to_all(&fake, &channel, 50).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!((fake.grants_asked(), fake.taken().len()), (2, 51));

    // Where the new one is refused as well, that is for somebody to mend.
    let token = fake.add_device(1);
    fake.script(|_| {
        Some(error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.", None))
    });
    let before = fake.read().len();
    let told = send(&channel, 1, &token).await.expect_err("is refused");
    assert_eq!(
        (told.action, told.reason.as_str(), told.alarm),
        (Action::Misconfigured, "UNAUTHENTICATED", true)
    );
    assert_eq!((fake.read().len() - before, fake.grants_asked()), (2, 3));
}

#[tokio::test]
async fn a_wrong_service_account_is_told_in_words_and_not_tried_per_send() {
    let (fake, _) = wired().await;
    let other = fcm::Fcm::start().await;
    // Somebody else's key with this account's name.
    let mut account: Value = serde_json::from_str(&fake.service_account()).expect("JSON");
    let others: Value = serde_json::from_str(&other.service_account()).expect("JSON");
    account["private_key"] = others["private_key"].clone();
    let wrong = FcmOptions { service_account: account.to_string().into(), ..options(&fake) };
    let channel = Fcm::new(wrong).expect("is a service account");
    for answer in send_to_all(&fake, &channel, 50).await {
        let told = answer.expect_err("is not the key");
        assert_eq!((told.action, told.reason.as_str()), (Action::Misconfigured, "oauth-invalid-grant"));
        assert!(told.said.contains("Invalid JWT Signature."), "{}", told.said);
    }
    assert_eq!((fake.grants_asked(), fake.read().len()), (1, 0));
    let token = fake.add_device(1);
    send_at(&channel, 1, &token, now() + 4.seconds()).await.expect_err("is remembered");
    assert_eq!(fake.grants_asked(), 1);
    send_at(&channel, 1, &token, now() + 6.seconds()).await.expect_err("is tried again");
    assert_eq!(fake.grants_asked(), 2);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_among_the_reasons_that_are_told() {
    let (fake, channel) = wired().await;
    fake.set_now(now() + 2.hours());
    let told = send(&channel, 1, &fake.add_device(1)).await.expect_err("is no reasonable time");
    assert_eq!(told.action, Action::Misconfigured);
    assert!(told.said.contains("clock is wrong"), "{}", told.said);
}

#[tokio::test]
async fn what_was_not_read_goes_out_again_and_what_may_have_been_read_does_not() {
    let (fake, channel) = wired().await;
    let token = fake.add_device(1);
    fake.answer_next(&token, Act::Refuse);
    fake.answer_next(&token, Act::Refuse);
    send(&channel, 1, &token).await.expect("is taken the third time");
    assert_eq!((fake.read().len(), fake.taken().len()), (3, 1));
    fake.answer_next(&token, Act::TakeAndReset);
    let told = send(&channel, 2, &token).await.expect_err("nobody knows");
    assert_eq!((told.action, told.reason.as_str()), (Action::Retry, "reset"));
    assert_eq!((fake.read().len(), fake.taken().len()), (4, 2));
}

#[tokio::test]
async fn go_away_in_the_middle_loses_nothing_and_doubles_nothing() {
    let (fake, channel) = wired().await;
    // The token's own connection has one stream only.
    send(&channel, 0, &fake.add_device(0)).await.expect("is taken");
    let channel = Fcm::new(options(&fake)).expect("the options can be used");
    fake.server.behave(Manners { go_away_at: Some(8), ..Manners::default() });
    let answers = send_to_all(&fake, &channel, 20).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let targets: BTreeSet<String> = fake.taken().into_iter().skip(1).map(|message| message.target).collect();
    assert_eq!((targets.len(), fake.taken().len()), (20, 21));
    assert!(fake.server.counts().go_aways >= 2, "{:?}", fake.server.counts());
}

#[tokio::test]
async fn what_never_answers_is_given_up() {
    let fake = fcm::Fcm::start().await;
    fake.set_now(now());
    let hurried = FcmOptions { timeout: Duration::from_millis(500), ..options(&fake) };
    let channel = Fcm::new(hurried).expect("the options can be used");
    let token = fake.add_device(1);
    fake.answer_next(&token, Act::TakeAndHang);
    let told = send(&channel, 1, &token).await.expect_err("no answer");
    assert_eq!((told.action, told.reason.as_str()), (Action::Retry, "timeout"));
    send(&channel, 1, &token).await.expect("the connection still works");
}

#[tokio::test]
async fn another_project_and_another_certificate_are_told() {
    let (fake, _) = wired().await;
    let token = fake.add_device(1);
    let wrong = FcmOptions { project_id: Some("other".to_owned()), ..options(&fake) };
    let told = send(&Fcm::new(wrong).expect("is an id"), 1, &token).await.expect_err("is not there");
    assert_eq!((told.action, told.reason.as_str()), (Action::Misconfigured, "not-found"));
    let other = fcm::Fcm::start().await;
    let distrustful = FcmOptions { ca_file: Some(other.ca_file()), ..options(&fake) };
    let told =
        send(&Fcm::new(distrustful).expect("can be used"), 1, &token).await.expect_err("is not trusted");
    assert_eq!((told.action, told.reason.as_str()), (Action::Misconfigured, "certificate"));
}

#[tokio::test]
async fn a_check_says_whether_the_credentials_are_good_and_sends_nothing() {
    let (fake, channel) = wired().await;
    let found = channel.check(now()).await.expect("they are good");
    assert!(found.contains(PROJECT) && found.contains("push@shop-1234"), "{found}");
    assert!(fake.read().iter().all(|message| message.validate_only));
    assert!(fake.taken().is_empty());
    fake.script(|_| Some(error(403, "PERMISSION_DENIED", "The caller does not have permission", None)));
    let told = channel.check(now()).await.expect_err("may not send");
    assert_eq!(told.action, Action::Misconfigured);
    assert!(told.said.contains("enable the Firebase Cloud Messaging API"), "{}", told.said);
}

#[tokio::test]
async fn no_token_and_no_key_is_ever_logged() {
    let logged = Logged::start();
    let (fake, channel) = wired().await;
    let token = fake.add_device(1);
    send(&channel, 1, &token).await.expect("is taken");
    fake.answer_next(&token, error(400, "INVALID_ARGUMENT", &format!("bad {token}"), None));
    let told = send(&channel, 1, &token).await.expect_err("is refused");
    logged.assert_silent_about(&[&token, "eyJ", "ya29", "PRIVATE KEY", "Two parcels"]);
    let shown = format!("{told:?} {told} {channel:?}");
    assert!(!shown.contains(&token) && !shown.contains("ya29"), "{shown}");
}
