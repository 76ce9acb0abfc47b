//! One test per row.

use super::*;

fn judged(stage: Stage, code: u16, text: &str) -> SendError {
    Reply { code, text: text.to_owned() }.judge(stage)
}

/// What the caller sees of a row.
fn row(stage: Stage, code: u16, text: &str) -> (String, Action, RetryScope, bool) {
    let error = judged(stage, code, text);
    assert_eq!(error.status, Some(code));
    assert_eq!(error.gone_at, None);
    (error.reason, error.action, error.scope, error.alarm)
}

fn outcome(
    reason: &str,
    action: Action,
    scope: RetryScope,
    alarm: bool,
) -> (String, Action, RetryScope, bool) {
    (reason.to_owned(), action, scope, alarm)
}

#[test]
fn refused_credentials_pause_the_channel() {
    let paused = outcome("credentials_refused", Misconfigured, WholeServer, true);
    assert_eq!(row(Stage::Auth, 535, "5.7.8 Error: authentication failed"), paused);
    assert_eq!(row(Stage::Sender, 530, "5.7.0 Authentication required"), paused);
    assert_eq!(row(Stage::Recipient, 530, "5.7.0 Must issue a STARTTLS command first"), paused);
    assert_eq!(row(Stage::Auth, 534, "5.7.9 Please log in with your browser"), paused);
    assert_eq!(row(Stage::Auth, 538, "Encryption required"), paused);
}

#[test]
fn an_authentication_that_is_down_pauses_the_channel() {
    let paused = outcome("authentication_unavailable", Misconfigured, WholeServer, true);
    assert_eq!(row(Stage::Auth, 454, "4.7.0 Temporary authentication failure"), paused);
    assert_eq!(row(Stage::Tls, 454, "4.7.0 TLS not available due to local problem"), paused);
}

#[test]
fn a_server_that_closes_is_asked_again_later() {
    let later = outcome("closing", Retry, WholeServer, false);
    for stage in [Stage::Greeting, Stage::Sender, Stage::Recipient, Stage::Body] {
        assert_eq!(row(stage, 421, "4.3.2 System not accepting network messages"), later);
    }
}

#[test]
fn a_server_that_is_not_ready_holds_everything_back() {
    let later = outcome("unavailable", Retry, WholeServer, false);
    assert_eq!(row(Stage::Greeting, 450, "busy"), later);
    assert_eq!(row(Stage::Auth, 432, "4.7.12 A password transition is needed"), later);
    assert_eq!(row(Stage::Sender, 451, "4.3.0 Temporary lookup failure"), later);
    assert_eq!(row(Stage::Sender, 452, "4.3.1 Insufficient system storage"), later);
}

#[test]
fn a_server_that_refuses_us_pauses_the_channel() {
    let paused = outcome("server_refuses_us", Misconfigured, WholeServer, true);
    assert_eq!(row(Stage::Greeting, 554, "5.7.1 Your address is blocked"), paused);
    assert_eq!(row(Stage::Tls, 502, "5.5.1 Not implemented"), paused);
}

#[test]
fn a_login_that_is_refused_for_another_reason_pauses_the_channel() {
    let paused = outcome("authentication_refused", Misconfigured, WholeServer, true);
    assert_eq!(row(Stage::Auth, 504, "5.5.4 Unrecognized authentication type"), paused);
}

#[test]
fn a_sender_that_is_refused_says_nothing_about_the_recipient() {
    let paused = outcome("sender_refused", Misconfigured, WholeServer, true);
    assert_eq!(row(Stage::Sender, 553, "5.1.8 Sender address rejected: Domain not found"), paused);
    assert_eq!(row(Stage::Recipient, 550, "5.1.8 <a@b>: Sender address rejected"), paused);
    assert_eq!(row(Stage::Sender, 501, "5.1.7 Bad sender address syntax"), paused);
    assert_eq!(row(Stage::Sender, 550, "not one of ours"), paused);
    assert_eq!(row(Stage::Sender, 551, "not one of ours"), paused);
    assert_eq!(row(Stage::Sender, 550, "5.1.1 unknown"), paused, "even with a code that is about mailboxes");
}

#[test]
fn a_full_mailbox_is_tried_again() {
    let later = outcome("mailbox_full", Retry, ThisAddress, false);
    assert_eq!(row(Stage::Recipient, 552, "5.2.2 Mailbox full"), later);
    assert_eq!(row(Stage::Body, 452, "4.2.2 Over quota"), later);
}

#[test]
fn policy_gives_up_and_raises_the_alarm_but_keeps_the_address() {
    let refused = outcome("policy", Rejected, ThisAddress, true);
    assert_eq!(row(Stage::Recipient, 550, "5.7.1 Relaying denied"), refused);
    assert_eq!(row(Stage::Body, 550, "5.7.26 Unauthenticated mail is not accepted"), refused);
    assert_eq!(row(Stage::Body, 554, "5.7.1 Message rejected as spam"), refused);
    assert_eq!(row(Stage::Sender, 553, "5.7.1 Sender address rejected: not owned by user"), refused);
}

#[test]
fn a_mail_that_is_too_big_is_given_up() {
    let refused = outcome("too_big", Rejected, ThisAddress, false);
    assert_eq!(row(Stage::Sender, 552, "5.3.4 Message size exceeds fixed limit"), refused);
    assert_eq!(row(Stage::Body, 554, "5.3.4 Message too big for system"), refused);
    assert_eq!(row(Stage::Body, 550, "5.2.3 Message length exceeds administrative limit"), refused);
    assert_eq!(row(Stage::Body, 552, "too much mail data"), refused);
}

#[test]
fn a_mailbox_that_is_not_there_is_gone() {
    let gone = outcome("address_gone", Gone, ThisAddress, false);
    assert_eq!(row(Stage::Recipient, 550, "5.1.1 <ann@example.com>: User unknown"), gone);
    assert_eq!(row(Stage::Recipient, 550, "5.1.2 Host unknown"), gone);
    assert_eq!(row(Stage::Recipient, 553, "5.1.3 Bad recipient address syntax"), gone);
    assert_eq!(row(Stage::Recipient, 551, "5.1.6 Mailbox has moved"), gone);
    assert_eq!(row(Stage::Recipient, 556, "5.1.10 Recipient address has null MX"), gone);
    assert_eq!(row(Stage::Recipient, 550, "5.2.1 The account is disabled"), gone);
    assert_eq!(row(Stage::Body, 550, "5.1.1 User unknown"), gone, "some servers say so only after the mail");
}

#[test]
fn a_554_gives_up_and_raises_the_alarm() {
    let refused = outcome("refused", Rejected, ThisAddress, true);
    assert_eq!(row(Stage::Body, 554, "Transaction failed"), refused);
    assert_eq!(row(Stage::Sender, 554, "5.5.0 no"), refused);
}

#[test]
fn a_refusal_without_a_reason_keeps_the_address() {
    let refused = outcome("refused_without_reason", Rejected, ThisAddress, true);
    for code in [550, 551, 553] {
        assert_eq!(row(Stage::Recipient, code, "relay not permitted"), refused);
    }
    assert_eq!(row(Stage::Recipient, 550, "4.1.1 does not fit the code"), refused);
    assert_eq!(row(Stage::Recipient, 550, "5.1.1.1 is an address"), refused);
}

#[test]
fn what_is_temporary_is_tried_again() {
    let later = outcome("later", Retry, ThisAddress, false);
    assert_eq!(row(Stage::Recipient, 450, "4.7.1 Greylisted, try again"), later);
    assert_eq!(row(Stage::Recipient, 451, "4.7.1 Greylisted, try again"), later);
    assert_eq!(row(Stage::Recipient, 452, "4.5.3 Too many recipients"), later);
    assert_eq!(row(Stage::Body, 451, "4.3.0 Queue file write error"), later);
    assert_eq!(row(Stage::Recipient, 450, "4.1.1 not yet known"), later, "4yz never deletes");
}

#[test]
fn what_the_server_does_not_understand_is_given_up_with_an_alarm() {
    let refused = outcome("not_understood", Rejected, ThisAddress, true);
    assert_eq!(row(Stage::Data, 503, "5.5.1 Bad sequence of commands"), refused);
    assert_eq!(row(Stage::Recipient, 501, "Syntax error"), refused);
}

#[test]
fn each_row_is_reached() {
    let reached = [
        (Stage::Auth, 535, ""),
        (Stage::Auth, 454, ""),
        (Stage::Data, 421, ""),
        (Stage::Sender, 451, ""),
        (Stage::Greeting, 554, ""),
        (Stage::Auth, 504, ""),
        (Stage::Recipient, 550, "5.1.8"),
        (Stage::Body, 552, "5.2.2"),
        (Stage::Body, 550, "5.7.1"),
        (Stage::Body, 554, "5.3.4"),
        (Stage::Body, 552, ""),
        (Stage::Sender, 550, ""),
        (Stage::Recipient, 550, "5.1.1"),
        (Stage::Body, 554, ""),
        (Stage::Recipient, 550, ""),
        (Stage::Body, 451, ""),
        (Stage::Data, 503, ""),
    ];
    let found = reached.map(|(stage, code, text)| {
        let reply = Reply { code, text: text.to_owned() };
        TABLE.iter().position(|row| row.fits(&reply, stage)).expect("a row")
    });
    assert_eq!(found.to_vec(), (0..TABLE.len()).collect::<Vec<_>>());
}

#[test]
fn trouble_without_an_answer_has_one_row_each() {
    use Trouble as T;
    let rows = [
        (T::Unreachable, outcome("unreachable", Retry, WholeServer, false)),
        (T::Tls, outcome("tls", Retry, WholeServer, true)),
        (T::NoStartTls, outcome("no_starttls", Misconfigured, WholeServer, true)),
        (T::NoLogin, outcome("no_login", Misconfigured, WholeServer, true)),
        (T::NoUnicode, outcome("no_smtputf8", Refused, ThisAddress, false)),
        (T::Timeout, outcome("timeout", Retry, WholeServer, false)),
        (T::TimeoutAfterData, outcome("timeout_after_data", Retry, ThisAddress, false)),
        (T::Closed, outcome("closed", Retry, WholeServer, false)),
        (T::ClosedAfterData, outcome("closed_after_data", Retry, ThisAddress, false)),
        (T::Nonsense, outcome("nonsense", Retry, WholeServer, false)),
        (T::NoAddress, outcome("no_address", Refused, ThisAddress, false)),
        (T::Unbuildable, outcome("unbuildable", Rejected, ThisAddress, true)),
        (T::Expired, outcome("expired", Rejected, ThisAddress, false)),
    ];
    assert_eq!(rows.len(), TROUBLES.len());
    for (trouble, expected) in rows {
        let error = trouble.judge("why");
        assert_eq!((error.reason, error.action, error.scope, error.alarm), expected);
        assert_eq!(error.status, None);
    }
}

#[test]
fn only_a_mail_on_its_way_is_of_unknown_fate() {
    assert_eq!(Trouble::timeout(Stage::Data), Trouble::Timeout);
    assert_eq!(Trouble::timeout(Stage::Body), Trouble::TimeoutAfterData);
    assert_eq!(Trouble::closed(Stage::Recipient), Trouble::Closed);
    assert_eq!(Trouble::closed(Stage::Body), Trouble::ClosedAfterData);
}

#[test]
fn a_code_that_is_no_refusal_is_nonsense() {
    assert_eq!(judged(Stage::Recipient, 354, "go ahead").reason, "nonsense");
}

#[test]
fn what_the_server_said_is_kept_without_addresses() {
    let error = judged(Stage::Recipient, 550, "5.1.1 <ann.miller@example.com>: unknown\r\n in table");
    assert_eq!(error.said, "550 5.1.1 <a…@example.com>: unknown in table");
    assert_eq!(without_addresses("to=<\"ann b\"@example.com> no"), "to=<…@example.com> no");
    assert_eq!(without_addresses("@ home, a@b and zoë@ü.example"), "…@ home, a…@b and z…@ü.example");
    assert_eq!(judged(Stage::Body, 554, &"x".repeat(2000)).said.chars().count(), 301);
}
