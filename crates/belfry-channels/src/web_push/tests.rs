use super::*;

pub(crate) fn notice() -> Notice {
    Notice { title: "A deal".to_owned(), tag: "deal-7".to_owned(), ..crate::notice::tests::notice() }
}

fn options() -> WebPushOptions {
    WebPushOptions {
        subject: Some("mailto:push@example.com".to_owned()),
        ..WebPushOptions::new(VapidKey::generate().private_key())
    }
}

/// Certificates of the system are not looked at in these tests.
fn web_push(options: WebPushOptions) -> WebPush {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    std::fs::write(&ca_file, certificate.pem()).unwrap();
    WebPush::new(WebPushOptions { ca_file: Some(ca_file), ..options }).unwrap()
}

const P256DH: &str =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
const ENDPOINT: &str = "https://updates.push.services.mozilla.com/wpush/v2/gAAAAABsecret";

fn subscription(endpoint: &str) -> Address {
    Address::WebPush {
        endpoint: endpoint.to_owned(),
        p256dh: P256DH.to_owned(),
        auth: AUTH.to_owned(),
        vapid_key_id: None,
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-02T10:00:00Z")
}

fn answer(status: u16, retry_after: Option<u64>, body: &str) -> Answer {
    Answer {
        status,
        headers: http::HeaderMap::new(),
        retry_after: retry_after.map(Duration::from_secs),
        body: body.as_bytes().to_vec(),
    }
}

fn conclude(push: &WebPush, endpoint: &str, answer: &Answer) -> Result<Receipt, SendError> {
    let address = subscription(endpoint);
    let target = push.target(&address, now()).unwrap();
    push.vapid.authorization(target.key, &target.origin, now());
    push.conclude(&target, answer, now())
}

#[test]
fn a_tag_is_a_topic_where_push_services_take_it_as_one() {
    assert_eq!(topic("deal-7_A").unwrap(), "deal-7_A");
    assert!(topic(&"x".repeat(32)).is_some());
    for bad in ["", &"x".repeat(33), "a b", "a.b", "a/b", "ä"] {
        assert_eq!(topic(bad), None, "{bad}");
    }
}

#[test]
fn critical_is_urgent_and_quiet_is_not() {
    let of = |severity, quiet| urgency(&Notice { severity, quiet, ..notice() });
    assert_eq!(of(Severity::Critical, true), "high");
    assert_eq!(of(Severity::Warning, false), "normal");
    assert_eq!(of(Severity::Info, false), "normal");
    assert_eq!(of(Severity::Info, true), "low");
}

#[test]
fn a_subscription_that_no_push_can_reach_is_refused_when_it_is_registered() {
    let old = VapidKey::generate();
    let push = web_push(WebPushOptions { old_private_keys: vec![old.private_key()], ..options() });
    let check =
        |endpoint: &str, p256dh: &str, id: Option<&str>| push.check_subscription(endpoint, p256dh, AUTH, id);
    assert_eq!(check(ENDPOINT, P256DH, None), Ok(()));
    assert_eq!(check(ENDPOINT, P256DH, Some(old.id())), Ok(()));
    assert_eq!(check(ENDPOINT, P256DH, Some(push.key().id())), Ok(()));
    assert_eq!(check(ENDPOINT, P256DH, Some("other")), Err(BadSubscription::UnknownKey));
    assert_eq!(check(ENDPOINT, "BC", None), Err(BadSubscription::Keys(BadKeys::PublicKey)));
    assert_eq!(check("https://10.0.0.1/x", P256DH, None), Err(BadSubscription::Endpoint(Refusal::NotPublic)));
    assert_eq!(
        check("https://example.com/x", P256DH, None),
        Err(BadSubscription::Endpoint(Refusal::NotListed))
    );
}

#[tokio::test]
async fn what_needs_no_push_service_is_answered_without_one() {
    let push = web_push(options());
    let send =
        async |notice: &Notice, address: &Address| push.send(notice, address, now()).await.unwrap_err();
    let error = send(&notice(), &Address::FcmToken("token".to_owned())).await;
    assert_eq!((error.action, error.reason.as_str()), (Action::Rejected, "wrong-address"));
    let error = send(&notice(), &subscription("https://169.254.169.254/x")).await;
    assert_eq!((error.action, error.reason.as_str()), (Action::Refused, "not-public"));
    let expired = Notice { expires_at: Some(now()), ..notice() };
    assert_eq!(send(&expired, &subscription(ENDPOINT)).await.reason, "expired");
    let bad = Address::WebPush {
        endpoint: ENDPOINT.to_owned(),
        p256dh: "x".to_owned(),
        auth: AUTH.to_owned(),
        vapid_key_id: None,
    };
    let error = send(&notice(), &bad).await;
    assert_eq!((error.action, error.reason.as_str(), error.gone_at), (Action::Gone, "bad-keys", Some(now())));
    let other = Address::WebPush {
        endpoint: ENDPOINT.to_owned(),
        p256dh: P256DH.to_owned(),
        auth: AUTH.to_owned(),
        vapid_key_id: Some("gone".to_owned()),
    };
    let error = send(&notice(), &other).await;
    assert_eq!(
        (error.action, error.reason.as_str(), error.alarm),
        (Action::Refused, "unknown-vapid-key", true)
    );
}

#[test]
fn doubts_about_our_token_stop_the_channel_only_where_they_can_be_true() {
    let refusal = answer(403, None, r#"{"reason":"BadJwtToken"}"#);
    let stranger = GuardOptions { hosts: vec!["*".to_owned()], ..GuardOptions::default() };
    let push = web_push(WebPushOptions { guard: stranger, ..options() });
    let first = conclude(&push, ENDPOINT, &refusal).unwrap_err();
    assert_eq!((first.action, first.alarm), (Action::Misconfigured, true));
    // The same token was taken: then it is this subscription.
    conclude(&push, ENDPOINT, &answer(201, None, "")).unwrap();
    let second = conclude(&push, ENDPOINT, &refusal).unwrap_err();
    assert_eq!((second.action, second.alarm), (Action::Refused, true));
    // Anybody can register a push service of their own here.
    let stranger = conclude(&push, "https://push.example.net/x", &refusal).unwrap_err();
    assert_eq!((stranger.action, stranger.alarm), (Action::Refused, true));
    let named = GuardOptions { hosts: vec!["push.example.net".to_owned()], ..GuardOptions::default() };
    let push = web_push(WebPushOptions { guard: named, ..options() });
    assert_eq!(
        conclude(&push, "https://push.example.net/x", &refusal).unwrap_err().action,
        Action::Misconfigured
    );
}

#[test]
fn a_push_service_that_asks_to_wait_is_left_alone_and_the_others_are_not() {
    let push = web_push(options());
    let error = conclude(&push, ENDPOINT, &answer(429, Some(30), "")).unwrap_err();
    assert_eq!(
        (error.action, error.retry_after, error.scope),
        (Action::Retry, Some(Duration::from_secs(30)), RetryScope::Address)
    );
    let origin = "https://updates.push.services.mozilla.com";
    assert_eq!(push.hold(origin, at("2026-11-02T10:00:10Z")), Some(Duration::from_secs(20)));
    assert_eq!(push.hold("https://fcm.googleapis.com", now()), None);
    assert_eq!(push.hold(origin, at("2026-11-02T10:00:30Z")), None);
    // One subscription may be what is throttled: an hour for all of them would be too much.
    let error = conclude(&push, ENDPOINT, &answer(429, Some(3_600), "")).unwrap_err();
    assert_eq!(error.retry_after, Some(Duration::from_secs(3_600)));
    assert_eq!(push.hold(origin, now()), Some(Duration::from_secs(600)));
    // The clock was set back.
    assert_eq!(push.hold(origin, at("2026-11-01T10:00:00Z")), Some(Duration::from_secs(600)));
    assert_eq!(push.hold(origin, at("2026-11-02T10:10:00Z")), None);
}

#[test]
fn gone_is_gone_as_of_now_and_nothing_secret_is_repeated() {
    let push = web_push(options());
    let body = format!(r#"{{"errno":106,"message":"no {ENDPOINT}, gAAAAABsecret"}}"#);
    let error = conclude(&push, ENDPOINT, &answer(410, None, &body)).unwrap_err();
    assert_eq!((error.action, error.gone_at, error.status), (Action::Gone, Some(now()), Some(410)));
    assert_eq!(error.said, "410 no …, … (errno 106)");
}

#[test]
fn settings_that_cannot_work_are_told_by_their_key() {
    let key = |options: WebPushOptions| WebPush::new(options).map(|_| ()).unwrap_err().key;
    assert_eq!(
        key(WebPushOptions { private_key: "x".to_owned().into(), ..options() }),
        "web_push.private_key"
    );
    let old = vec!["x".to_owned().into()];
    assert_eq!(key(WebPushOptions { old_private_keys: old, ..options() }), "web_push.old_private_keys");
    let guard = GuardOptions { hosts: vec!["*.com".to_owned()], ..GuardOptions::default() };
    assert_eq!(key(WebPushOptions { guard, ..options() }), "web_push.allowed_hosts");
    let ca_file = Some("/nowhere.pem".into());
    assert_eq!(key(WebPushOptions { ca_file, ..options() }), "web_push.ca_file");
}
