//! Reads the server's frames, forgivingly: what this version does not know is skipped, never fatal.
//!
//! `belfry_protocol::ServerMessage` is the strict reading. A subscriber has to live with servers of later versions: one
//! item with, say, a severity unknown here must neither cost the page it came in nor stop the stream for ever.

use crate::event::Refusal;
use belfry_protocol::frame::{
    ChangedItem, ConnectionEstablished, Covers, GoingAway, InboxChanged, PingData, Reset, SERVER_TYPES,
    SettingsChanged,
};
use belfry_protocol::{ErrorCode, Item, Seq, Stream};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::time::Duration;

/// A frame of the server.
#[derive(Debug, Clone)]
pub enum Incoming {
    /// First frame: who we are, and when the server said so.
    Established(Box<ConnectionEstablished>, Timestamp),
    /// An alert, live.
    Alert(Box<Item>),
    /// Something with a place in a stream that cannot be read.
    Unreadable(Unreadable),
    /// Items changed.
    InboxChanged {
        /// Which stream the change is numbered in.
        stream: Stream,
        /// Its number.
        seq: Seq,
        /// What changed.
        data: InboxChanged,
    },
    /// What was missed.
    CatchUp(CatchUp),
    /// Start over.
    Reset(Box<Reset>),
    /// Settings changed.
    Settings(Box<SettingsChanged>),
    /// Heartbeat, and its data as it came.
    Ping(Option<PingData>, Option<Box<RawValue>>),
    /// Answer to our own ping.
    Pong,
    /// The server is about to close.
    GoingAway(Duration),
    /// A refusal.
    Error(Refusal),
    /// A type of a later version.
    Unknown,
    /// No frame at all.
    Garbage(String),
}

/// A `catch-up`.
#[derive(Debug, Clone)]
pub struct CatchUp {
    /// Items the client has, changed since.
    pub changes: Vec<ChangedItem>,
    /// Newer items.
    pub items: Vec<Result<Item, Unreadable>>,
    /// The stretch it covers.
    pub covers: Covers,
    /// The user's unread count.
    pub unread: u32,
    /// Whether another one follows.
    pub more: bool,
}

/// An alert or a change that cannot be read, but whose place is known, so that the stream goes on behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// In which stream.
    pub stream: Stream,
    /// Its number.
    pub seq: Seq,
    /// What is wrong with it.
    pub why: String,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    timestamp: Option<Timestamp>,
    #[serde(default)]
    stream: Option<Stream>,
    #[serde(default)]
    seq: Option<Seq>,
}

#[derive(Deserialize)]
struct Place {
    stream: Stream,
    seq: Seq,
}

#[derive(Deserialize)]
struct CatchUpData<'a> {
    #[serde(borrow, default)]
    changes: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    items: Vec<&'a RawValue>,
    covers: Covers,
    unread: u32,
    #[serde(default)]
    more: bool,
}

#[derive(Deserialize)]
struct ErrorData {
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    retry_after_ms: Option<u32>,
}

/// Reads one text frame.
pub fn parse(text: &str) -> Incoming {
    // Our server writes the type first: an alert, the commonest frame by far, is then read in one go.
    let peeked =
        text.strip_prefix("{\"type\":\"").and_then(|rest| rest.split_once('"')).map(|(name, _)| name);
    if let Some(name) = peeked
        && !name.contains('\\')
        && !SERVER_TYPES.contains(&name)
        && !name.starts_with("belfry.")
    {
        return alert(text);
    }
    match serde_json::from_str(text) {
        Ok(envelope) => frame(envelope, text).unwrap_or_else(|error| Incoming::Garbage(error.to_string())),
        Err(error) => Incoming::Garbage(error.to_string()),
    }
}

fn alert(text: &str) -> Incoming {
    match item(text) {
        Ok(item) => Incoming::Alert(Box::new(item)),
        Err(Some(unreadable)) => Incoming::Unreadable(unreadable),
        // Not an alert then, but a frame of a later version.
        Err(None) => Incoming::Unknown,
    }
}

/// An item, or its place where only that can be read.
fn item(text: &str) -> Result<Item, Option<Unreadable>> {
    serde_json::from_str(text).map_err(|error| {
        let Place { stream, seq } = serde_json::from_str(text).ok()?;
        Some(Unreadable { stream, seq, why: error.to_string() })
    })
}

fn frame(envelope: Envelope<'_>, text: &str) -> Result<Incoming, serde_json::Error> {
    let data = envelope.data.map_or("null", RawValue::get);
    Ok(match envelope.r#type.as_ref() {
        "connection-established" => Incoming::Established(
            Box::new(serde_json::from_str(data)?),
            envelope.timestamp.unwrap_or(Timestamp::UNIX_EPOCH),
        ),
        "settings-changed" => Incoming::Settings(Box::new(serde_json::from_str(data)?)),
        "inbox-changed" => {
            let (stream, Some(seq)) = (envelope.stream.unwrap_or(Stream::User), envelope.seq) else {
                return Ok(Incoming::Garbage("`inbox-changed` without `seq`".to_owned()));
            };
            match serde_json::from_str(data) {
                Ok(data) => Incoming::InboxChanged { stream, seq, data },
                Err(error) => Incoming::Unreadable(Unreadable { stream, seq, why: error.to_string() }),
            }
        }
        "catch-up" => Incoming::CatchUp(catch_up(serde_json::from_str(data)?)),
        "reset" => Incoming::Reset(Box::new(serde_json::from_str(data)?)),
        "ping" => Incoming::Ping(serde_json::from_str(data).ok(), envelope.data.map(ToOwned::to_owned)),
        "pong" => Incoming::Pong,
        "going-away" => {
            let GoingAway { reconnect_after_ms } = serde_json::from_str(data)?;
            Incoming::GoingAway(Duration::from_millis(reconnect_after_ms.into()))
        }
        "error" => Incoming::Error(refusal(serde_json::from_str(data)?)),
        name if name.starts_with("belfry.") => Incoming::Unknown,
        _ => alert(text),
    })
}

fn catch_up(data: CatchUpData<'_>) -> CatchUp {
    // An item without even a place cannot be missed by its number: `covers` carries the cursor over it.
    let items = data.items.into_iter().filter_map(|raw| match item(raw.get()) {
        Ok(item) => Some(Ok(item)),
        Err(Some(unreadable)) => Some(Err(unreadable)),
        Err(None) => None,
    });
    let changes = data.changes.into_iter().filter_map(|raw| serde_json::from_str(raw.get()).ok());
    CatchUp {
        changes: changes.collect(),
        items: items.collect(),
        covers: data.covers,
        unread: data.unread,
        more: data.more,
    }
}

fn refusal(data: ErrorData) -> Refusal {
    Refusal {
        known: ErrorCode::ALL.iter().copied().find(|code| code.slug() == data.code),
        code: data.code,
        message: data.message,
        retry_after: data.retry_after_ms.map(|ms| Duration::from_millis(ms.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALERT: &str = r#"{"type":"deal","data":{"a":  1},"timestamp":"2026-01-02T03:04:05Z","id":"01941f29-7c00-7000-8000-000000000001","stream":"user","title":"t","body":null,"severity":"info","category":"deal","link":null,"thread":null,"expires_at":null,"seq":4,"unread":2,"quiet":false}"#;

    #[test]
    fn an_alert_is_read_whatever_the_order_of_its_fields() {
        let reordered = format!("{{{},\"type\":\"deal\"}}", &ALERT[15..ALERT.len() - 1]);
        for text in [ALERT, &reordered] {
            let Incoming::Alert(item) = parse(text) else { panic!("{text}") };
            assert_eq!((item.seq, item.unread, item.data.get()), (Seq(4), Some(2), r#"{"a":  1}"#));
        }
    }

    #[test]
    fn an_alert_of_a_later_version_keeps_its_place() {
        let text = ALERT.replace("\"info\"", "\"shrill\"");
        let Incoming::Unreadable(unreadable) = parse(&text) else { panic!("{text}") };
        assert_eq!((unreadable.stream, unreadable.seq), (Stream::User, Seq(4)));
    }

    #[test]
    fn one_unreadable_item_does_not_cost_the_catch_up() {
        let shrill = ALERT.replace("\"info\"", "\"shrill\"");
        let cursor = "9f1c22ab00e1d2c3.4.7";
        let text = format!(
            r#"{{"type":"catch-up","data":{{"changes":[],"items":[{ALERT},{shrill}],"covers":{{"after":"{cursor}","to":"{cursor}"}},"unread":1,"more":false}},"timestamp":"2026-01-02T03:04:05Z"}}"#
        );
        let Incoming::CatchUp(catch_up) = parse(&text) else { panic!("{text}") };
        assert!(matches!(catch_up.items.as_slice(), [Ok(_), Err(_)]));
    }

    #[test]
    fn an_error_of_a_later_version_is_still_told() {
        let text = r#"{"type":"error","data":{"code":"later","message":"m","retry_after_ms":7,"docs":"/"},"timestamp":"2026-01-02T03:04:05Z"}"#;
        let Incoming::Error(refusal) = parse(text) else { panic!("{text}") };
        assert_eq!((refusal.known, refusal.retry_after), (None, Some(Duration::from_millis(7))));
    }

    #[test]
    fn every_golden_frame_of_the_server_is_read() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../belfry-protocol/fixtures");
        let mut read = 0;
        for entry in std::fs::read_dir(folder).expect("the fixtures are there") {
            let path = entry.expect("can be listed").path();
            let name = path.file_name().expect("has a name").to_string_lossy().into_owned();
            if !name.starts_with("server.") && !name.starts_with("alert.") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("can be read");
            let frame = parse(&text);
            let fits = match &frame {
                Incoming::Garbage(_) | Incoming::Unknown | Incoming::Unreadable(_) => false,
                Incoming::Alert(_) => name.starts_with("alert."),
                Incoming::CatchUp(page) => page.items.iter().all(Result::is_ok) && !page.changes.is_empty(),
                Incoming::Error(refusal) => refusal.known.is_some(),
                _ => name.starts_with("server."),
            };
            assert!(fits, "{name}: {frame:?}");
            read += 1;
        }
        assert!(read >= 15, "{read} fixtures");
    }

    #[test]
    fn later_types_are_unknown_and_no_frames_are_garbage() {
        for text in [r#"{"type":"belfry.later","data":{}}"#, r#"{"type":"later","data":{}}"#] {
            assert!(matches!(parse(text), Incoming::Unknown), "{text}");
        }
        for text in ["", "[]", "{}", r#"{"type":1}"#, r#"{"type":"ping"#, r#"{"type":"reset","data":{}}"#] {
            assert!(matches!(parse(text), Incoming::Garbage(_)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".*", kind in "[a-z.-]{0,12}", data in ".{0,40}") {
            parse(&text);
            parse(&format!(r#"{{"type":"{kind}","data":{data}}}"#));
        }
    }
}
