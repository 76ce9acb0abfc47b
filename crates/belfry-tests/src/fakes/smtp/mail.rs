//! A mail that was taken.

use mail_parser::{Message, MessageParser};

/// A mail that was taken.
#[derive(Debug, Clone)]
pub struct ReceivedMail {
    /// Where bounces go.
    pub from: String,
    /// To whom it was delivered.
    pub to: Vec<String>,
    /// As whom the client had logged in.
    pub user: Option<String>,
    /// Whether it came through TLS.
    pub encrypted: bool,
    /// The mail itself, without the dots that SMTP doubled.
    pub raw: Vec<u8>,
    /// On which connection it came, from 0.
    pub connection: usize,
}

impl ReceivedMail {
    /// What a mail program sees.
    fn parsed(&self) -> Message<'_> {
        MessageParser::default().parse(&self.raw).expect("it is a mail")
    }

    /// A header as it stands, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let raw = self.parsed().header_raw(name)?.replace("\r\n", "");
        Some(raw.trim().to_owned())
    }

    /// The subject, decoded.
    pub fn subject(&self) -> Option<String> {
        self.parsed().subject().map(str::to_owned)
    }

    /// Its id, without angle brackets.
    pub fn message_id(&self) -> Option<String> {
        self.parsed().message_id().map(str::to_owned)
    }

    /// The text part, decoded, with lines that end in `\n`.
    pub fn text(&self) -> Option<String> {
        self.part("text/plain")
    }

    /// The HTML part, decoded.
    pub fn html(&self) -> Option<String> {
        self.part("text/html")
    }

    /// The types of all parts, in order.
    pub fn types(&self) -> Vec<String> {
        use mail_parser::MimeHeaders;
        let mail = self.parsed();
        let named = |part: &mail_parser::MessagePart<'_>| {
            let of = part.content_type()?;
            Some(format!("{}/{}", of.ctype(), of.subtype()?))
        };
        mail.parts.iter().filter_map(named).collect()
    }

    fn part(&self, wanted: &str) -> Option<String> {
        let index = self.types().iter().position(|of| of == wanted)?;
        let mail = self.parsed();
        Some(mail.parts.get(index)?.text_contents()?.replace("\r\n", "\n"))
    }
}
