//! E-mail against a mail server.

use belfry_channels::email::{Smtp, SmtpOptions, SmtpTls};
use belfry_channels::{Action, Address, Channel, DigestItem, Notice, Receipt, RetryScope, SendError};
use belfry_protocol::{AlertId, Severity, UserId};
use belfry_tests::fakes::smtp::{Act, FakeSmtp, Line, Setup, Step};
use belfry_tests::{eventually, within};
use jiff::{Timestamp, ToSpan};
use std::time::Duration;
use tempfile::TempDir;

/// A server, and a channel that leads to it.
struct Wired {
    fake: FakeSmtp,
    smtp: Smtp,
    _dir: TempDir,
}

pub(super) fn now() -> Timestamp {
    "2026-11-23T14:00:00Z".parse().expect("a time")
}

fn options(fake: &FakeSmtp, dir: &TempDir) -> SmtpOptions {
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, fake.ca_pem()).expect("is written");
    SmtpOptions {
        port: Some(fake.port()),
        ca_file: Some(ca_file),
        username: Some("belfry".to_owned()),
        password: Some("open sesame".into()),
        hello_name: Some("node-1.shop.example".to_owned()),
        ..SmtpOptions::new("127.0.0.1", "Shop <alerts@shop.example>")
    }
}

async fn wired_with(setup: Setup, change: impl FnOnce(SmtpOptions) -> SmtpOptions) -> Wired {
    let (fake, dir) = (FakeSmtp::start(setup).await, tempfile::tempdir().expect("a temporary directory"));
    let smtp = Smtp::new(&change(options(&fake, &dir))).expect("the options can be used");
    Wired { fake, smtp, _dir: dir }
}

async fn wired() -> Wired {
    wired_with(Setup::default(), |options| options).await
}

/// A short deadline, for what never answers.
async fn hurried() -> Wired {
    wired_with(Setup::default(), |options| SmtpOptions { timeout: Duration::from_millis(400), ..options })
        .await
}

pub(super) fn notice() -> Notice {
    Notice {
        alert: AlertId::from_parts(1, 7),
        user: UserId::new("ann").expect("an id"),
        kind: "order-shipped".to_owned(),
        category: "orders".to_owned(),
        severity: Severity::Info,
        title: "Größe 42 ist unterwegs".to_owned(),
        body: Some("Zwei Pakete.\n.\n..dots".to_owned()),
        html: None,
        link: Some("https://shop.example/orders/77".to_owned()),
        image: None,
        actions: Vec::new(),
        data: None,
        thread: Some("order-77".to_owned()),
        tag: "dGFn".to_owned(),
        unread: 1,
        quiet: false,
        expires_at: None,
        created_at: now(),
        locale: Some("de".to_owned()),
        time_zone: Some("Europe/Berlin".to_owned()),
        receipt_url: None,
        unsubscribe_url: Some("https://shop.example/u/signed".to_owned()),
        items: Vec::new(),
    }
}

pub(super) fn to(address: &str) -> Address {
    Address::Email { address: address.to_owned(), name: Some("Ann".to_owned()) }
}

impl Wired {
    async fn send_at(&self, address: &str, now: Timestamp) -> Result<Receipt, SendError> {
        within("an outcome", self.smtp.send(&notice(), &to(address), now)).await
    }

    async fn send(&self) -> Result<Receipt, SendError> {
        self.send_at("ann@example.com", now()).await
    }

    async fn fails(&self) -> SendError {
        self.send().await.expect_err("it is refused")
    }

    /// What comes of this answer at this step, on a fresh connection.
    async fn fails_after(&self, step: Step, act: Act) -> SendError {
        self.fake.once(step, act);
        self.fails().await
    }
}

impl Drop for Wired {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.fake.violations(), Vec::<String>::new());
        }
    }
}

fn say(text: &str) -> Act {
    Act::Say(text.to_owned())
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_meant() {
    let wired = wired().await;
    let receipt = wired.send().await.unwrap();
    assert_eq!(receipt.said, "250 2.0.0 Ok: queued as FAKE1");
    assert_eq!(receipt.provider_id.as_deref(), Some("FAKE1"));
    let mails = wired.fake.mails_to("ann@example.com");
    let [mail] = mails.as_slice() else { panic!("{mails:?}") };
    assert!(mail.encrypted);
    assert_eq!((mail.user.as_deref(), mail.from.as_str()), (Some("belfry"), "alerts@shop.example"));
    assert_eq!(mail.subject().as_deref(), Some("Größe 42 ist unterwegs"));
    assert_eq!(mail.message_id().as_deref(), Some("dGFn@shop.example"));
    assert_eq!(mail.header("In-Reply-To").as_deref(), Some("<order-77@shop.example>"));
    assert_eq!(mail.header("References").as_deref(), Some("<order-77@shop.example>"));
    assert_eq!(mail.header("Date").as_deref(), Some("Mon, 23 Nov 2026 14:00:00 +0000"));
    assert_eq!(mail.header("Auto-Submitted").as_deref(), Some("auto-generated"));
    assert_eq!(mail.header("Content-Language").as_deref(), Some("de"));
    assert_eq!(mail.header("List-Unsubscribe").as_deref(), Some("<https://shop.example/u/signed>"));
    assert_eq!(mail.header("List-Unsubscribe-Post").as_deref(), Some("List-Unsubscribe=One-Click"));
    assert_eq!(mail.types(), ["multipart/alternative", "text/plain", "text/html"]);
    let text = mail.text().unwrap();
    assert!(text.contains("Zwei Pakete.\n.\n..dots\n"), "dots at the start of a line stay: {text}");
    assert!(mail.html().unwrap().contains("..dots"));
    let hello: Vec<_> = wired.fake.heard().into_iter().filter(|heard| heard.step == Step::Ehlo).collect();
    assert!(hello.iter().all(|heard| heard.line == "EHLO node-1.shop.example"), "{hello:?}");
}

#[tokio::test]
async fn every_kind_of_line_and_login_works() {
    for (line, tls) in
        [(Line::StartTls, SmtpTls::StartTls), (Line::Tls, SmtpTls::Tls), (Line::Plain, SmtpTls::None)]
    {
        for mechanisms in ["PLAIN", "LOGIN", "CRAM-MD5 LOGIN PLAIN"] {
            let setup = Setup { line, mechanisms, ..Setup::default() };
            let wired = wired_with(setup, |options| SmtpOptions { tls, ..options }).await;
            wired.send().await.unwrap();
            let mail = wired.fake.mail_to("ann@example.com").await;
            assert_eq!(mail.encrypted, tls != SmtpTls::None);
            assert_eq!(mail.user.as_deref(), Some("belfry"));
        }
    }
}

#[tokio::test]
async fn a_digest_in_arabic_arrives_whole() {
    let wired = wired().await;
    let item = |title: &str| DigestItem {
        alert: AlertId::from_parts(2, 7),
        title: title.to_owned(),
        body: None,
        link: None,
        created_at: now(),
    };
    let items = vec![item("حليب الشوفان"), item("قهوة"), item("خبز")];
    let digest =
        Notice { title: "عروض اليوم".to_owned(), locale: Some("ar".to_owned()), items, ..notice() };
    wired.smtp.send(&digest, &to("ann@example.com"), now()).await.unwrap();
    let mail = wired.fake.mail_to("ann@example.com").await;
    assert_eq!(mail.subject().as_deref(), Some("عروض اليوم"));
    assert!(mail.html().unwrap().contains(r#"dir="rtl""#));
    assert!(mail.text().unwrap().contains("3 تنبيهات جديدة"));
}

#[tokio::test]
async fn a_connection_serves_many_mails_and_rests_between_them() {
    let wired = wired().await;
    for n in 0..5 {
        wired.send_at(&format!("user{n}@example.com"), now()).await.unwrap();
    }
    assert_eq!((wired.fake.connections(), wired.fake.mails().len()), (1, 5));
    assert_eq!(wired.fake.count(Step::Auth), 1);
    wired.send_at("ann@example.com", now() + 61.seconds()).await.unwrap();
    assert_eq!(wired.fake.connections(), 2, "one that rested too long is not used");
}

#[tokio::test]
async fn a_refused_mailbox_does_not_cost_the_connection() {
    let wired = wired().await;
    let error = wired.fails_after(Step::Rcpt, say("550 5.1.1 <ann@example.com>: User unknown")).await;
    assert_eq!(
        (error.action, error.reason.as_str(), error.status),
        (Action::Gone, "address_gone", Some(550))
    );
    assert_eq!(error.said, "550 5.1.1 <a…@example.com>: User unknown");
    wired.send_at("bob@example.com", now()).await.unwrap();
    assert_eq!(wired.fake.connections(), 1);
    assert_eq!(wired.fake.mails().len(), 1);
}

#[tokio::test]
async fn a_connection_that_died_while_resting_is_replaced() {
    for act in [say("421 4.4.2 Idle for too long"), Act::Close, Act::SayAndClose("421 4.4.2 Bye".to_owned())]
    {
        for step in [Step::Rset, Step::Mail] {
            let wired = wired().await;
            wired.send().await.unwrap();
            wired.fake.once(step, act.clone());
            wired.send_at("bob@example.com", now()).await.unwrap();
            assert_eq!((wired.fake.connections(), wired.fake.mails().len()), (2, 2), "{step:?} {act:?}");
        }
    }
}

#[tokio::test]
async fn no_more_connections_are_open_than_allowed() {
    let wired = wired_with(Setup::default(), |options| SmtpOptions { connections_max: 2, ..options }).await;
    let addresses: Vec<_> = (0..12).map(|n| format!("user{n}@example.com")).collect();
    let sent = addresses.iter().map(|address| wired.send_at(address, now()));
    for outcome in futures_util::future::join_all(sent).await {
        outcome.unwrap();
    }
    assert_eq!((wired.fake.connections(), wired.fake.mails().len()), (2, 12));
}

#[tokio::test]
async fn an_answer_means_what_the_table_says_at_every_step() {
    use Action::{Gone, Misconfigured, Rejected, Retry};
    let cases = [
        (Step::Connect, "554 5.7.1 Go away", Misconfigured, "server_refuses_us"),
        (Step::Connect, "421 4.3.2 Busy", Retry, "closing"),
        (Step::Ehlo, "450 4.3.2 Busy", Retry, "unavailable"),
        (Step::StartTls, "454 4.7.0 TLS not available", Misconfigured, "authentication_unavailable"),
        (Step::Auth, "535 5.7.8 no", Misconfigured, "credentials_refused"),
        (Step::Auth, "454 4.7.0 Temporary failure", Misconfigured, "authentication_unavailable"),
        (Step::Mail, "530 5.7.0 Authentication required", Misconfigured, "credentials_refused"),
        (Step::Mail, "550 5.1.8 Domain not found", Misconfigured, "sender_refused"),
        (Step::Mail, "552 5.3.4 Too big", Rejected, "too_big"),
        (Step::Rcpt, "450 4.7.1 Greylisted", Retry, "later"),
        (Step::Rcpt, "452 4.2.2 Full", Retry, "mailbox_full"),
        (Step::Rcpt, "550-5.1.1 There is no such\r\n550 5.1.1 mailbox", Gone, "address_gone"),
        (Step::Rcpt, "550 5.2.1 Disabled", Gone, "address_gone"),
        (Step::Rcpt, "550 5.7.1 Relaying denied", Rejected, "policy"),
        (Step::Rcpt, "550 relay not permitted", Rejected, "refused_without_reason"),
        (Step::Data, "451 4.3.0 Later", Retry, "later"),
        (Step::Data, "503 5.5.1 No", Rejected, "not_understood"),
        (Step::Dot, "421 4.3.0 Closing", Retry, "closing"),
        (Step::Dot, "451 4.7.1 Greylisted", Retry, "later"),
        (Step::Dot, "550 5.1.1 No such user", Gone, "address_gone"),
        (Step::Dot, "552 5.3.4 Too big", Rejected, "too_big"),
        (Step::Dot, "554 5.7.1 Spam", Rejected, "policy"),
        (Step::Dot, "554 Failed", Rejected, "refused"),
    ];
    for (step, answer, action, reason) in cases {
        let wired = wired().await;
        let error = wired.fails_after(step, say(answer)).await;
        assert_eq!((error.action, error.reason.as_str()), (action, reason), "{step:?} {answer}");
        assert_eq!(error.status, answer.get(..3).and_then(|code| code.parse().ok()), "{step:?} {answer}");
        assert_eq!(wired.fake.mails().len(), 0, "{step:?} {answer}");
        wired.send().await.unwrap();
        assert_eq!(wired.fake.mails().len(), 1, "the next mail goes out: {step:?} {answer}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_costs_the_deadline_and_no_more() {
    for step in [Step::Connect, Step::Ehlo, Step::StartTls, Step::Auth, Step::Mail, Step::Rcpt, Step::Data] {
        let wired = hurried().await;
        let error = wired.fails_after(step, Act::Hang).await;
        let found = (error.action, error.reason.as_str(), error.scope);
        assert_eq!(found, (Action::Retry, "timeout", RetryScope::Provider), "{step:?}");
        let closed =
            eventually("the connection is closed", || async { (wired.fake.open() == 0).then_some(()) });
        closed.await;
    }
}

#[tokio::test]
async fn a_mail_of_unknown_fate_is_repeated_with_the_same_message_id() {
    for act in [Act::TakeAndHang, Act::TakeAndClose] {
        let wired = hurried().await;
        let reason = if act == Act::TakeAndHang { "timeout_after_data" } else { "closed_after_data" };
        let error = wired.fails_after(Step::Dot, act).await;
        let found = (error.action, error.reason.as_str(), error.scope);
        assert_eq!(found, (Action::Retry, reason, RetryScope::Address));
        wired.send_at("ann@example.com", now() + 1.minutes()).await.unwrap();
        let ids: Vec<_> = wired.fake.mails().iter().map(|mail| mail.message_id()).collect();
        assert_eq!(ids, [Some("dGFn@shop.example".to_owned()), Some("dGFn@shop.example".to_owned())]);
    }
}

#[tokio::test]
async fn a_connection_that_ends_early_is_tried_again() {
    for step in [Step::Connect, Step::Ehlo, Step::Auth, Step::Mail, Step::Rcpt, Step::Data] {
        let wired = wired().await;
        let error = wired.fails_after(step, Act::Close).await;
        assert_eq!((error.action, error.reason.as_str()), (Action::Retry, "closed"), "{step:?}: {error}");
    }
    let wired = wired().await;
    let error = wired.fails_after(Step::StartTls, Act::Close).await;
    assert_eq!((error.action, error.reason.as_str()), (Action::Retry, "tls"));
}

#[tokio::test]
async fn nobody_listening_is_tried_again() {
    let wired = wired().await;
    let dir = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let smtp = Smtp::new(&SmtpOptions { port: Some(free), ..options(&wired.fake, &dir) }).unwrap();
    let error = smtp.send(&notice(), &to("ann@example.com"), now()).await.unwrap_err();
    assert_eq!((error.action, error.reason.as_str()), (Action::Retry, "unreachable"));
}

#[tokio::test]
async fn something_that_is_no_mail_server_is_tried_again() {
    let wired = wired().await;
    let error = wired.fails_after(Step::Connect, say("HTTP/1.1 400 Bad Request")).await;
    assert_eq!((error.action, error.reason.as_str()), (Action::Retry, "nonsense"));
    let error = wired.fails_after(Step::Connect, say(&"2".repeat(200_000))).await;
    assert_eq!(error.action, Action::Retry, "{error}");
}

#[tokio::test]
async fn without_encryption_nothing_is_told() {
    let wired = wired_with(Setup { line: Line::Plain, ..Setup::default() }, |options| options).await;
    let error = wired.fails().await;
    assert_eq!((error.action, error.reason.as_str()), (Action::Misconfigured, "no_starttls"));
    assert_eq!((wired.fake.count(Step::Auth), wired.fake.count(Step::Mail)), (0, 0));
}

#[tokio::test]
async fn words_put_in_before_the_handshake_are_not_believed() {
    let wired = wired().await;
    let answer = "220 2.0.0 Ready\r\n250-mail.example.com\r\n250 AUTH PLAIN";
    let error = wired.fails_after(Step::StartTls, say(answer)).await;
    assert_eq!((error.reason.as_str(), error.alarm), ("tls", true), "{error}");
    assert_eq!(wired.fake.count(Step::Auth), 0);
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_gets_no_mail_and_raises_the_alarm() {
    for (line, tls) in [(Line::StartTls, SmtpTls::StartTls), (Line::Tls, SmtpTls::Tls)] {
        let setup = Setup { line, ..Setup::default() };
        // The system's authorities do not know ours; a name that is not in the certificate is no better.
        let unknown =
            wired_with(setup.clone(), |options| SmtpOptions { tls, ca_file: None, ..options }).await;
        let other = Setup { certified: "mail.example.com", ..setup };
        let misnamed = wired_with(other, |options| SmtpOptions { tls, ..options }).await;
        for wired in [unknown, misnamed] {
            let error = wired.fails().await;
            assert_eq!(
                (error.action, error.reason.as_str(), error.alarm),
                (Action::Retry, "tls", true),
                "{error}"
            );
            assert_eq!((wired.fake.count(Step::Auth), wired.fake.count(Step::Mail)), (0, 0));
        }
    }
}

#[tokio::test]
async fn a_wrong_password_pauses_and_is_not_repeated_to_anybody() {
    let wrong = |options: SmtpOptions| SmtpOptions { password: Some("open barley".into()), ..options };
    let wired = wired_with(Setup::default(), wrong).await;
    let error = wired.fails().await;
    assert_eq!((error.action, error.alarm), (Action::Misconfigured, true));
    assert_eq!(error.scope, RetryScope::Provider);
    let echo = say("535 5.7.8 Who is belfry / open barley?");
    let error = wired.fails_after(Step::Auth, echo).await;
    assert_eq!(error.said, "535 5.7.8 Who is belfry / …?");
}

#[tokio::test]
async fn a_server_without_a_login_we_know_pauses() {
    let wired = wired_with(Setup { mechanisms: "CRAM-MD5", ..Setup::default() }, |options| options).await;
    let error = wired.fails().await;
    assert_eq!((error.action, error.reason.as_str()), (Action::Misconfigured, "no_login"));
}

#[tokio::test]
async fn an_address_beyond_ascii_needs_a_server_that_takes_it() {
    let wired = wired_with(Setup { smtp_utf8: false, ..Setup::default() }, |options| options).await;
    let error = wired.send_at("zoë@example.com", now()).await.unwrap_err();
    assert_eq!((error.action, error.reason.as_str()), (Action::Refused, "no_smtputf8"));
    wired.send_at("ann@bücher.example", now()).await.unwrap();
    assert_eq!(wired.fake.mails_to("ann@xn--bcher-kva.example").len(), 1, "domains have a name in ASCII");
    let able = self::wired().await;
    able.send_at("zoë@example.com", now()).await.unwrap();
    assert_eq!(able.fake.mails_to("zoë@example.com").len(), 1);
    let line = able.fake.heard().into_iter().find(|heard| heard.step == Step::Mail).unwrap().line;
    assert_eq!(line, "MAIL FROM:<alerts@shop.example> SMTPUTF8 BODY=8BITMIME");
}

#[tokio::test]
async fn what_is_no_mail_address_or_too_late_never_reaches_the_server() {
    let wired = wired().await;
    let error = wired.send_at("ann", now()).await.unwrap_err();
    assert_eq!((error.action, error.reason.as_str()), (Action::Refused, "no_address"));
    let late = Notice { expires_at: Some(now()), ..notice() };
    let error = wired.smtp.send(&late, &to("ann@example.com"), now()).await.unwrap_err();
    assert_eq!((error.action, error.reason.as_str()), (Action::Rejected, "expired"));
    assert_eq!(wired.fake.connections(), 0);
}

#[tokio::test]
async fn a_check_tries_login_and_sender_and_sends_nothing() {
    let wired = wired().await;
    let found = within("a finding", wired.smtp.check(now())).await.unwrap();
    let expected = "speaks STARTTLS, takes the password and lets alerts@shop.example send";
    assert_eq!(found, format!("127.0.0.1:{} {expected}", wired.fake.port()));
    wired.fake.once(Step::Mail, say("550 5.1.8 <alerts@shop.example>: not yours"));
    let error = wired.smtp.check(now()).await.unwrap_err();
    assert_eq!((error.action, error.reason.as_str()), (Action::Misconfigured, "sender_refused"));
    assert_eq!((wired.fake.count(Step::Rcpt), wired.fake.mails().len()), (0, 0));
}
