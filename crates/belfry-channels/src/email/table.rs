//! What a mail server's answer means: the table, as data.

use crate::outcome::shorten;
use crate::{Action, RetryScope, SendError};

/// What we were doing when the answer came. The same reply means something else for the sender than for the recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waiting for one of our connections to be free, or for the TCP connection.
    Connect,
    /// The server's greeting and `EHLO`.
    Greeting,
    /// `STARTTLS` and the handshake.
    Tls,
    /// `AUTH`.
    Auth,
    /// `MAIL FROM`.
    Sender,
    /// `RCPT TO`.
    Recipient,
    /// `DATA`, before the mail itself.
    Data,
    /// The mail is on its way: whether it was taken is known only from the answer.
    Body,
}

/// What a row looks at.
#[derive(Debug, Clone, Copy)]
enum When {
    /// One of these reply codes.
    Code(&'static [u16]),
    /// An enhanced code (RFC 3463) that is one of these, or begins with one that ends in a dot.
    Enhanced(&'static [&'static str]),
    /// The first digit of the reply code.
    Class(u16),
}

/// One row of the table; the first one that fits holds.
#[derive(Debug)]
struct Row {
    reason: &'static str,
    /// Empty: all.
    stages: &'static [Stage],
    when: When,
    action: Action,
    scope: RetryScope,
    alarm: bool,
}

use Action::{Gone, Misconfigured, Refused, Rejected, Retry};
use RetryScope::{Address as ThisAddress, Provider as WholeServer};
use When::{Class, Code, Enhanced};

const ANY: &[Stage] = &[];
/// Nothing was said about the notice or the address yet.
const SET_UP: &[Stage] = &[Stage::Greeting, Stage::Tls, Stage::Auth, Stage::Sender];

const fn row(reason: &'static str, stages: &'static [Stage], when: When, action: Action) -> Row {
    let alarm = matches!(action, Misconfigured);
    let scope = if alarm { WholeServer } else { ThisAddress };
    Row { reason, stages, when, action, scope, alarm }
}

impl Row {
    const fn alarm(self) -> Self {
        Self { alarm: true, ..self }
    }

    const fn whole_server(self) -> Self {
        Self { scope: WholeServer, ..self }
    }
}

const TABLE: &[Row] = &[
    // Our credentials and settings come first: no such answer says anything about an address.
    row("credentials_refused", ANY, Code(&[530, 534, 535, 538]), Misconfigured),
    row("authentication_unavailable", ANY, Code(&[454]), Misconfigured),
    row("closing", ANY, Code(&[421]), Retry).whole_server(),
    row("unavailable", SET_UP, Class(4), Retry).whole_server(),
    // A server that greets with a refusal refuses us, not a mail.
    row("server_refuses_us", &[Stage::Greeting, Stage::Tls], Class(5), Misconfigured),
    row("authentication_refused", &[Stage::Auth], Class(5), Misconfigured),
    // Some servers judge the sender only at the recipient.
    row("sender_refused", ANY, Enhanced(&["5.1.7", "5.1.8"]), Misconfigured),
    row("mailbox_full", ANY, Enhanced(&["4.2.2", "5.2.2"]), Retry),
    row("policy", ANY, Enhanced(&["5.7."]), Rejected).alarm(),
    row("too_big", ANY, Enhanced(&["5.3.4", "5.2.3"]), Rejected),
    row("too_big", ANY, Code(&[552]), Rejected),
    row("sender_refused", &[Stage::Sender], Code(&[501, 550, 551, 553]), Misconfigured),
    row("address_gone", &[Stage::Recipient, Stage::Data, Stage::Body], Enhanced(&["5.1.", "5.2.1"]), Gone),
    row("refused", ANY, Code(&[554]), Rejected).alarm(),
    // Without an enhanced code nobody can tell a dead mailbox from a relay that does not want us: keep the address.
    row("refused_without_reason", ANY, Code(&[550, 551, 553]), Rejected).alarm(),
    row("later", ANY, Class(4), Retry),
    row("not_understood", ANY, Class(5), Rejected).alarm(),
];

/// An answer in numbers and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// All lines in one, the enhanced code first where there is one.
    pub(super) text: String,
}

impl Reply {
    fn enhanced(&self) -> Option<&str> {
        let word = self.text.split_whitespace().next()?;
        let mut parts = word.split('.');
        let number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        let class = parts.next()?;
        // The class of both codes is the same, or the text only looks like a code.
        let fits = number(class)
            && class.parse() == Ok(self.code / 100)
            && parts.next().is_some_and(number)
            && parts.next().is_some_and(number);
        (fits && parts.next().is_none()).then_some(word)
    }

    /// What it means at this stage.
    pub(super) fn judge(&self, stage: Stage) -> SendError {
        let row = TABLE.iter().find(|row| row.fits(self, stage));
        let said = shorten(&without_addresses(&format!("{} {}", self.code, self.text)));
        let error = match row {
            Some(row) => SendError {
                scope: row.scope,
                alarm: row.alarm,
                ..SendError::new(row.action, row.reason, said)
            },
            // Neither 4yz nor 5yz where one of them was due: the server and we have lost each other.
            None => Trouble::Nonsense.judge(said),
        };
        error.with_status(self.code)
    }
}

impl Row {
    fn fits(&self, reply: &Reply, stage: Stage) -> bool {
        let at_this_stage = self.stages.is_empty() || self.stages.contains(&stage);
        at_this_stage
            && match self.when {
                Code(codes) => codes.contains(&reply.code),
                Class(class) => reply.code / 100 == class,
                Enhanced(codes) => reply.enhanced().is_some_and(|found| {
                    codes
                        .iter()
                        .any(|code| found == *code || (code.ends_with('.') && found.starts_with(code)))
                }),
            }
    }
}

/// What can go wrong without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No connection.
    Unreachable,
    /// The handshake failed: a certificate, a protocol.
    Tls,
    /// The server offers no `STARTTLS`, and without it nothing is sent.
    NoStartTls,
    /// The server offers none of the ways to log in that we know.
    NoLogin,
    /// The part before the `@` is not ASCII, and the server has no `SMTPUTF8`.
    NoUnicode,
    /// The time is up.
    Timeout,
    /// The time is up, and the mail may have been taken.
    TimeoutAfterData,
    /// The connection ended.
    Closed,
    /// The connection ended, and the mail may have been taken.
    ClosedAfterData,
    /// What came is no SMTP.
    Nonsense,
    /// It is no e-mail address.
    NoAddress,
    /// The notice cannot be made into a mail.
    Unbuildable,
    /// Its time is over.
    Expired,
}

/// One row: no answer, and what it means.
type TroubleRow = (Trouble, &'static str, Action, RetryScope, Alarm);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alarm {
    Raised,
    Silent,
}

/// A mail whose fate is unknown is sent again with the same `Message-ID`, so that receivers can tell.
const TROUBLES: &[TroubleRow] = &[
    (Trouble::Unreachable, "unreachable", Retry, WholeServer, Alarm::Silent),
    (Trouble::Tls, "tls", Retry, WholeServer, Alarm::Raised),
    (Trouble::NoStartTls, "no_starttls", Misconfigured, WholeServer, Alarm::Raised),
    (Trouble::NoLogin, "no_login", Misconfigured, WholeServer, Alarm::Raised),
    (Trouble::NoUnicode, "no_smtputf8", Refused, ThisAddress, Alarm::Silent),
    (Trouble::Timeout, "timeout", Retry, WholeServer, Alarm::Silent),
    (Trouble::TimeoutAfterData, "timeout_after_data", Retry, ThisAddress, Alarm::Silent),
    (Trouble::Closed, "closed", Retry, WholeServer, Alarm::Silent),
    (Trouble::ClosedAfterData, "closed_after_data", Retry, ThisAddress, Alarm::Silent),
    (Trouble::Nonsense, "nonsense", Retry, WholeServer, Alarm::Silent),
    (Trouble::NoAddress, "no_address", Refused, ThisAddress, Alarm::Silent),
    (Trouble::Unbuildable, "unbuildable", Rejected, ThisAddress, Alarm::Raised),
    (Trouble::Expired, "expired", Rejected, ThisAddress, Alarm::Silent),
];

impl Trouble {
    /// What it means.
    pub(super) fn judge(self, said: impl AsRef<str>) -> SendError {
        let row = TROUBLES.iter().find(|(trouble, ..)| *trouble == self);
        let (_, reason, action, scope, alarm) =
            *row.expect("every trouble has its row, a test looks for each");
        let said = without_addresses(said.as_ref());
        SendError { scope, alarm: alarm == Alarm::Raised, ..SendError::new(action, reason, said) }
    }

    /// The time is up at this stage.
    pub(super) fn timeout(stage: Stage) -> Self {
        if stage == Stage::Body { Self::TimeoutAfterData } else { Self::Timeout }
    }

    /// The connection ended at this stage.
    pub(super) fn closed(stage: Stage) -> Self {
        if stage == Stage::Body { Self::ClosedAfterData } else { Self::Closed }
    }
}

/// Servers repeat the address they refuse; what is kept shows its first letter and its domain.
fn without_addresses(said: &str) -> String {
    let part = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let mut kept = String::with_capacity(said.len());
    let mut rest = said;
    while let Some(at) = rest.find('@') {
        let (before, after) = rest.split_at(at);
        let local = before.char_indices().rev().take_while(|(_, c)| part(*c)).last();
        match local {
            Some((start, first)) => {
                kept.push_str(&before[..start]);
                kept.push(first);
                kept.push('…');
            }
            // `"ann b"@example.com`: hide everything back to the space before the quote.
            None => match before.rfind('<').or_else(|| before.rfind(char::is_whitespace)) {
                Some(start) => {
                    kept.push_str(&before[..=start]);
                    kept.push('…');
                }
                None => kept.push('…'),
            },
        }
        kept.push('@');
        rest = &after[1..];
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests;
