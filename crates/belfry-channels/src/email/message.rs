//! The mail itself: headers and both parts.

use super::language::Language;
use super::layout::{self, one_line, unsubscribe};
use crate::{Address, Notice};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use belfry_protocol::Severity;
use jiff::Timestamp;
use lettre::Message;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};

/// Characters of a subject; longer ones are cut where a list of mails would.
const SUBJECT_CHARACTERS_MAX: usize = 200;
/// Characters of an unsubscribe URL that one header line can hold.
const URL_CHARACTERS_MAX: usize = 900;
/// Characters of a thread's name that stand in a header as they are.
const THREAD_CHARACTERS_MAX: usize = 64;

/// Who a mail is from.
#[derive(Debug, Clone)]
pub struct Sender {
    /// `From`; its name stands at the foot of the layout too.
    pub from: Mailbox,
    /// Where answers go; `None`: to `from`.
    pub reply_to: Option<Mailbox>,
    /// Where bounces go; `None`: to `from`.
    pub return_path: Option<lettre::Address>,
    /// Right half of message ids; `None`: the domain of `from`.
    pub message_id_domain: Option<String>,
}

impl Sender {
    /// From this mailbox, everything else as usual.
    pub fn new(from: Mailbox) -> Self {
        Self { from, reply_to: None, return_path: None, message_id_domain: None }
    }

    /// Whom the mail server tells of a bounce.
    pub(super) fn envelope_from(&self) -> &lettre::Address {
        self.return_path.as_ref().unwrap_or(&self.from.email)
    }

    fn domain(&self) -> &str {
        self.message_id_domain.as_deref().unwrap_or(self.from.email.domain())
    }
}

/// Why no mail could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// No mail can be sent to it.
    #[error("it is no e-mail address")]
    NoAddress,
    /// The notice cannot be made into a mail.
    #[error("{0}")]
    Unbuildable(String),
}

/// Reads `ann@example.com` or `Ann <ann@example.com>`; on failure a plain sentence.
pub fn parse_mailbox(text: &str) -> Result<Mailbox, String> {
    text.trim().parse().map_err(|_| {
        format!("`{text}` is no mailbox; write \"alerts@example.com\" or \"Shop <alerts@example.com>\"")
    })
}

/// The mail that a notice becomes. The same notice makes the same `Message-ID`, however often it is sent.
pub fn build(
    notice: &Notice,
    address: &Address,
    sender: &Sender,
    now: Timestamp,
) -> Result<Message, BuildError> {
    let to = recipient(address)?;
    let unbuildable = |error: &dyn std::fmt::Display| BuildError::Unbuildable(error.to_string());
    let language = Language::of(notice.locale.as_deref());
    let parts = layout::render(notice, &language, sender.from.name.as_deref())
        .map_err(|error| unbuildable(&error))?;
    let envelope = Envelope::new(Some(sender.envelope_from().clone()), vec![to.email.clone()])
        .map_err(|error| unbuildable(&error))?;
    let domain = sender.domain();
    let mut mail = Message::builder()
        .envelope(envelope)
        .from(sender.from.clone())
        .to(to)
        .subject(subject(&notice.title))
        .date(now.into())
        .message_id(Some(format!("<{}@{domain}>", atom(&notice.tag))));
    if let Some(reply_to) = &sender.reply_to {
        mail = mail.reply_to(reply_to.clone());
    }
    if let Some(thread) = &notice.thread {
        let id = format!("<{}@{domain}>", atom(thread));
        mail = mail.in_reply_to(id.clone()).references(id);
    }
    for (name, value) in plain_headers(notice, &language) {
        // Encoded already: everything here is ASCII, and a URL that is folded or encoded is broken for some readers
        // and for the relay's signature.
        mail = mail.raw_header(HeaderValue::dangerous_new_pre_encoded(
            HeaderName::new_from_ascii_str(name),
            value.clone(),
            value,
        ));
    }
    let alternatives = MultiPart::alternative()
        .singlepart(SinglePart::plain(parts.text))
        .singlepart(SinglePart::html(parts.html));
    mail.multipart(alternatives).map_err(|error| unbuildable(&error))
}

/// What a reader of the mail sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// One line.
    pub subject: String,
    /// For readers of plain text.
    pub text: String,
    /// For all others.
    pub html: String,
}

/// The texts of the mail that a notice becomes. `brand` stands at the foot of the layout.
pub fn preview(notice: &Notice, brand: &str) -> Result<Preview, BuildError> {
    let language = Language::of(notice.locale.as_deref());
    let parts = layout::render(notice, &language, Some(brand))
        .map_err(|error| BuildError::Unbuildable(error.to_string()))?;
    Ok(Preview { subject: subject(&notice.title), text: parts.text, html: parts.html })
}

/// `{n} new alerts` in this language, or in English where the layout does not speak it: the heading of a digest.
pub fn new_alerts(locale: Option<&str>, n: usize) -> String {
    Language::of(locale).new_alerts(n)
}

fn plain_headers(notice: &Notice, language: &Language) -> Vec<(&'static str, String)> {
    let mut headers = vec![("Auto-Submitted", "auto-generated".to_owned())];
    if let Some(tag) = &language.tag {
        headers.push(("Content-Language", tag.clone()));
    }
    if notice.severity == Severity::Critical {
        headers.push(("Importance", "high".to_owned()));
    }
    let unsubscribe = unsubscribe(notice).filter(|url| {
        url.len() <= URL_CHARACTERS_MAX && url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'>')
    });
    if let Some(url) = unsubscribe {
        headers.push(("List-Unsubscribe", format!("<{url}>")));
        // One click is for https only.
        if url.starts_with("https:") {
            headers.push(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
        }
    }
    headers
}

fn recipient(address: &Address) -> Result<Mailbox, BuildError> {
    let Address::Email { address, name } = address else { return Err(BuildError::NoAddress) };
    let (local, domain) = address.trim().rsplit_once('@').ok_or(BuildError::NoAddress)?;
    // Mail servers know the names of domains in ASCII; what is before the `@` only its own server may rewrite.
    let domain = match domain.is_ascii() {
        true => domain.to_owned(),
        false => {
            let url = reqwest::Url::parse(&format!("http://{domain}/")).map_err(|_| BuildError::NoAddress)?;
            url.host_str().ok_or(BuildError::NoAddress)?.to_owned()
        }
    };
    let email = lettre::Address::new(local, domain).map_err(|_| BuildError::NoAddress)?;
    let name = name.as_deref().map(one_line).filter(|name| !name.is_empty());
    Ok(Mailbox::new(name, email))
}

/// A title as one line, without anything that could begin another header.
fn subject(title: &str) -> String {
    let line = one_line(title);
    match line.char_indices().nth(SUBJECT_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

/// The left half of a message id: the text itself where it may stand there, else its hash.
fn atom(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let stands = !text.is_empty()
        && text.len() <= THREAD_CHARACTERS_MAX
        && text.chars().all(plain)
        && !text.starts_with('.')
        && !text.ends_with('.')
        && !text.contains("..");
    if stands {
        return text.to_owned();
    }
    let hash = digest(&SHA256, text.as_bytes());
    let start = hash.as_ref().get(..18).unwrap_or_default();
    format!("h.{}", BASE64_URL_SAFE_NO_PAD.encode(start))
}

#[cfg(test)]
mod tests;
