//! What goes over the socket, `belfry.v1`: JSON text frames `{type, data, timestamp}` and further fields.

use crate::alert::{Action, Severity};
use crate::cursor::Cursor;
use crate::do_not_disturb::DoNotDisturbState;
use crate::error_code::ErrorCode;
use crate::id::{AlertId, ConnectionId, Seq, UserId};
use crate::inbox::{Ack, ChangedTo, ItemState};
use crate::level::Stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Frame types of the server. The list is closed: later ones begin with `belfry.`.
pub const SERVER_TYPES: &[&str] = &[
    "connection-established",
    "settings-changed",
    "inbox-changed",
    "catch-up",
    "reset",
    "ping",
    "pong",
    "going-away",
    "error",
];

/// Frame types of the client.
pub const CLIENT_TYPES: &[&str] = &[
    "ping",
    "pong",
    "resume",
    "ack",
    "seen",
    "read",
    "unread",
    "archive",
    "unarchive",
    "acted",
    "authenticate",
    "presence",
];

/// Whether an application's kind may not have this name.
pub fn is_reserved_kind(name: &str) -> bool {
    name.starts_with("belfry.") || SERVER_TYPES.contains(&name) || CLIENT_TYPES.contains(&name)
}

/// A frame of the server that is no alert.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ServerFrame {
    /// First frame, always.
    ConnectionEstablished {
        /// The facts of this connection.
        data: ConnectionEstablished,
        /// When it was sent.
        #[cfg_attr(test, ts(type = "string"))]
        #[schema(value_type = String, format = DateTime)]
        timestamp: Timestamp,
    },
    /// Do-not-disturb or preferences changed on any device.
    SettingsChanged {
        /// The settings as they are now.
        data: SettingsChanged,
        /// When it was sent.
        #[cfg_attr(test, ts(type = "string"))]
        #[schema(value_type = String, format = DateTime)]
        timestamp: Timestamp,
    },
    /// Items changed on any device.
    InboxChanged {
        /// Which stream the change is numbered in: `user`, or `all` where an announcement left for everyone.
        stream: Stream,
        /// The change's number.
        seq: Seq,
        /// What changed.
        data: InboxChanged,
        /// When it was sent.
        #[cfg_attr(test, ts(type = "string"))]
        #[schema(value_type = String, format = DateTime)]
        timestamp: Timestamp,
    },
    /// Answer to a resume.
    CatchUp {
        /// What was missed.
        data: CatchUp,
        /// When it was sent.
        #[cfg_attr(test, ts(type = "string"))]
        #[schema(value_type = String, format = DateTime)]
        timestamp: Timestamp,
    },
    /// The client's position means nothing here: start from this page.
    Reset {
        /// The newest page.
        data: Reset,
        /// When it was sent.
        #[cfg_attr(test, ts(type = "string"))]
        #[schema(value_type = String, format = DateTime)]
        timestamp: Timestamp,
    },
    /// Heartbeat.
    Ping {
        /// Where the streams stand.
        data: PingData,
        /// When it was sent.
        #[cfg_attr(test, ts(type = "string"))]
        #[schema(value_type = String, format = DateTime)]
        timestamp: Timestamp,
    },
    /// Answer to a client's `ping`.
    Pong {
        /// The ping's own data.
        #[cfg_attr(test, ts(type = "unknown"))]
        #[schema(value_type = serde_json::Value)]
        data: Box<RawValue>,
        /// When it was sent.
        #[cfg_attr(test, ts(type = "string"))]
        #[schema(value_type = String, format = DateTime)]
        timestamp: Timestamp,
    },
    /// The server is about to close.
    GoingAway {
        /// When to come back.
        data: GoingAway,
        /// When it was sent.
        #[cfg_attr(test, ts(type = "string"))]
        #[schema(value_type = String, format = DateTime)]
        timestamp: Timestamp,
    },
    /// A frame or a connection was refused.
    Error {
        /// Why.
        data: ErrorMessageData,
        /// When it was sent.
        #[cfg_attr(test, ts(type = "string"))]
        #[schema(value_type = String, format = DateTime)]
        timestamp: Timestamp,
    },
}

/// Data of `connection-established`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ConnectionEstablished {
    /// This connection.
    pub connection_id: ConnectionId,
    /// Whose it is.
    pub user_id: UserId,
    /// Where the streams stand; not yet what the client has.
    pub head: Cursor,
    /// Unread items.
    pub unread: u32,
    /// Whether it is quiet.
    pub do_not_disturb: DoNotDisturbState,
    /// Which preferences are in force: as in `settings-changed`.
    #[serde(default)]
    #[cfg_attr(test, ts(type = "number"))]
    #[schema(required = true)]
    pub preferences_rev: u64,
    /// How often to expect a frame.
    pub heartbeat: Heartbeat,
    /// How receipts are given on this connection.
    pub ack: AckMode,
    /// When the token expires; `null`: never.
    #[cfg_attr(test, ts(type = "string | null"))]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub token_expires_at: Option<Timestamp>,
    /// Who answers.
    pub server: ServerInfo,
}

/// How often the server sends a `ping`, and how long it waits for life after one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Heartbeat {
    /// Between two pings, in milliseconds.
    pub interval_ms: u32,
    /// From a ping to the close, in milliseconds.
    pub timeout_ms: u32,
}

/// How receipts are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum AckMode {
    /// The client sends `ack` frames (SSE: `POST /v1/acks`).
    Frames,
    /// WebSocket pongs stand for receipts, as far as they prove anything.
    Ping,
}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ServerInfo {
    /// The node's name.
    pub node: String,
    /// Its version.
    pub version: String,
}

/// Data of `settings-changed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SettingsChanged {
    /// Whether it is quiet.
    pub do_not_disturb: DoNotDisturbState,
    /// Rises with each change of the preferences and of what else decides about noise: fetch `GET /v1/preferences`
    /// again.
    #[cfg_attr(test, ts(type = "number"))]
    pub preferences_rev: u64,
}

/// Data of `inbox-changed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct InboxChanged {
    /// What changed.
    pub changes: Vec<Change>,
    /// The user's unread count after it.
    pub unread: u32,
}

/// One change of one or many items; exactly one of `ids` and `up_to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Change {
    /// These items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub ids: Option<Vec<AlertId>>,
    /// All items up to this cursor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub up_to: Option<Cursor>,
    /// What became of them.
    pub state: ChangedTo,
}

/// Data of `catch-up`. Holes inside are legal; the cursor moves only with `items`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct CatchUp {
    /// Items at or below the client's cursor that changed since: their present state.
    pub changes: Vec<ChangedItem>,
    /// Newer items, in order of their seq, at their present state.
    pub items: Vec<Item>,
    /// The stretch this frame covers.
    pub covers: Covers,
    /// The user's unread count.
    pub unread: u32,
    /// Whether another `catch-up` follows.
    pub more: bool,
}

/// A stretch of both streams: `after` exclusive, `to` inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Covers {
    /// Exclusive.
    pub after: Cursor,
    /// Inclusive: the client's cursor once it has applied the frame.
    pub to: Cursor,
}

/// The present state of an item the client already has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ChangedItem {
    /// Which one.
    pub id: AlertId,
    /// Seq of its last change; an item is replaced only by a higher version.
    pub version: Seq,
    /// Its state; missing where it left the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub state: Option<ItemState>,
    /// Why it left the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub left: Option<ChangedTo>,
}

/// Data of `reset`: forget the list and start from here.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Reset {
    /// The client's cursor once it has applied the frame.
    pub cursor: Cursor,
    /// The user's unread count.
    pub unread: u32,
    /// The newest items, newest first.
    pub items: Vec<Item>,
    /// For `before` of `GET /v1/inbox`; `null` where this is all.
    #[schema(required = true)]
    pub next: Option<String>,
    /// Why the position meant nothing.
    pub reason: ResetReason,
}

/// Why a client's position meant nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum ResetReason {
    /// The cursor cannot be read.
    CursorUnreadable,
    /// The cursor belongs to another numbering.
    EpochForeign,
    /// The cursor is above the head.
    AboveHead,
    /// More is missing than the client's `max`.
    TooMuch,
}

/// Data of the server's `ping`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PingData {
    /// The last positions sent on this connection.
    pub heads: Heads,
    /// The user's unread count.
    pub unread: u32,
}

/// A position in each stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Heads {
    /// In the user's own stream.
    pub user: Seq,
    /// In the stream of alerts for everyone.
    pub all: Seq,
}

/// Data of `going-away`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct GoingAway {
    /// When to reconnect; already jittered for this connection.
    pub reconnect_after_ms: u32,
}

/// Data of `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ErrorMessageData {
    /// Stable; compare this one.
    pub code: ErrorCode,
    /// What went wrong this time, and the remedy.
    pub message: String,
    /// When to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub retry_after_ms: Option<u32>,
    /// The code's page.
    pub docs: String,
}

impl ErrorMessageData {
    /// The data for this code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None, docs: code.docs_url() }
    }
}

/// An alert on the wire: live (without `version` and `state`), and as an item of `catch-up`, `reset` and inbox.
///
/// The field order matters: everything before `seq` is the same for every receiver and encoded once
/// ([`AlertBody`]), what follows is a short tail per session ([`LiveTail`]) or per item ([`ItemTail`]).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Item {
    /// The kind.
    pub r#type: String,
    /// The kind's own payload.
    #[cfg_attr(test, ts(type = "Record<string, unknown>"))]
    #[schema(value_type = Object)]
    pub data: Box<RawValue>,
    /// When it was accepted.
    #[cfg_attr(test, ts(type = "string"))]
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// The alert's id.
    pub id: AlertId,
    /// Which stream `seq` counts in.
    pub stream: Stream,
    /// Heading.
    pub title: String,
    /// Text below the heading.
    #[schema(required = true)]
    pub body: Option<String>,
    /// How much it matters.
    pub severity: Severity,
    /// What preferences are set on.
    pub category: String,
    /// Where a click leads.
    #[schema(required = true)]
    pub link: Option<String>,
    /// A picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub image: Option<String>,
    /// Up to three things a person can do about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<Action>>"))]
    pub actions: Vec<Action>,
    /// Alerts of one thread belong together.
    #[schema(required = true)]
    pub thread: Option<String>,
    /// When it stops to matter.
    #[cfg_attr(test, ts(type = "string | null"))]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// Its number in the stream.
    pub seq: Seq,
    /// Live frames: ids collapsed by this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<AlertId>>"))]
    pub replaces: Vec<AlertId>,
    /// Items: seq of the last change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub version: Option<Seq>,
    /// Items: the present state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub state: Option<ItemState>,
    /// Live frames: the user's unread count, counting this alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub unread: Option<u32>,
    /// Badge yes, toast and sound no.
    #[serde(default)]
    pub quiet: bool,
}

/// The part of an alert frame that all receivers share, borrowed from wherever the alert lives.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the same fields as `Item`, which describes them")]
pub struct AlertBody<'a> {
    pub r#type: &'a str,
    pub data: &'a RawValue,
    pub timestamp: Timestamp,
    pub id: AlertId,
    pub stream: Stream,
    pub title: &'a str,
    pub body: Option<&'a str>,
    pub severity: Severity,
    pub category: &'a str,
    pub link: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<&'a str>,
    #[serde(skip_serializing_if = "<[Action]>::is_empty")]
    pub actions: &'a [Action],
    pub thread: Option<&'a str>,
    pub expires_at: Option<Timestamp>,
}

impl AlertBody<'_> {
    /// The JSON of the shared part without its last brace, so that a tail can follow.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("every field has a JSON form");
        bytes.pop();
        bytes
    }
}

/// The end of a live alert frame, made per session: begins with a comma and closes the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveTail {
    /// Its number in the stream.
    pub seq: Seq,
    /// The alert collapsed by this one.
    pub replaces: Option<AlertId>,
    /// The user's unread count.
    pub unread: u32,
    /// Badge yes, toast no.
    pub quiet: bool,
}

impl LiveTail {
    /// Appends the tail's JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        use std::io::Write;
        let Self { seq, unread, quiet, .. } = self;
        let done = match self.replaces {
            None => write!(out, ",\"seq\":{seq},\"unread\":{unread},\"quiet\":{quiet}}}"),
            Some(id) => {
                write!(out, ",\"seq\":{seq},\"replaces\":[\"{id}\"],\"unread\":{unread},\"quiet\":{quiet}}}")
            }
        };
        done.expect("a Vec takes every byte");
    }
}

/// The end of an item in `catch-up`, `reset` and the inbox: begins with a comma and closes the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemTail {
    /// Its number in the stream.
    pub seq: Seq,
    /// Seq of its last change.
    pub version: Seq,
    /// Its present state.
    pub state: ItemState,
    /// Badge yes, toast no.
    pub quiet: bool,
}

impl ItemTail {
    /// Appends the tail's JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        use std::io::Write;
        let ItemState { seen, read, archived, acted } = self.state;
        write!(
            out,
            ",\"seq\":{},\"version\":{},\"state\":{{\"seen\":{seen},\"read\":{read},\"archived\":{archived},\"acted\":{acted}}},\"quiet\":{}}}",
            self.seq, self.version, self.quiet
        )
        .expect("a Vec takes every byte");
    }
}

/// A frame of the client: `{type, data}`; unknown types are harmless.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", content = "data", rename_all = "kebab-case")]
pub enum ClientFrame {
    /// Asks for a `pong` with the same data.
    Ping(Echo),
    /// Answers a `ping`.
    Pong(Echo),
    /// Where the client stands; the server answers `catch-up` or `reset`, then sends live.
    Resume(Resume),
    /// Receipts.
    Ack(Ack),
    /// These items were on screen for a second.
    Seen(Selection),
    /// These items were opened or marked.
    Read(Selection),
    /// These items are unread again.
    Unread(Selection),
    /// These items leave the list.
    Archive(Selection),
    /// These items come back into the list.
    Unarchive(Selection),
    /// The action of these items was used.
    Acted(Selection),
    /// A fresh token of the same user.
    Authenticate(Authenticate),
    /// Whether the page is visible and focused; decides only which connection gives way at the limit.
    Presence(Presence),
}

/// Any JSON, sent back as it came.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "unknown"))]
#[serde(transparent)]
#[schema(value_type = serde_json::Value)]
pub struct Echo(pub Option<Box<RawValue>>);

/// Data of `resume`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(default)]
pub struct Resume {
    /// The cursor, as text: one that cannot be read is answered by `reset`, never refused. `null`: live only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional = nullable))]
    pub cursor: Option<String>,
    /// When more than this many items are missing, answer `reset` with the newest page instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional = nullable))]
    pub max: Option<u32>,
}

/// Which items: exactly one of `ids` (at most 1,000) and `up_to`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(default)]
pub struct Selection {
    /// These items.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional = nullable))]
    #[schema(max_items = 1000)]
    pub ids: Option<Vec<AlertId>>,
    /// All items up to this cursor.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional = nullable))]
    pub up_to: Option<Cursor>,
}

/// Data of `authenticate`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Authenticate {
    /// The token.
    pub token: String,
}

impl std::fmt::Debug for Authenticate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authenticate(redacted)")
    }
}

/// Data of `presence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Presence {
    /// The page is visible.
    pub visible: bool,
    /// The page has the focus.
    #[serde(default)]
    pub focused: bool,
}

/// What became of a client's text.
#[derive(Debug, Clone)]
pub enum ParsedFrame {
    /// A frame to act on.
    Known(ClientFrame),
    /// A type this version does not know: ignored.
    Unknown,
}

impl ClientFrame {
    /// Parses a client's text. The error's text names the field; the socket stays open.
    pub fn parse(text: &str) -> Result<ParsedFrame, FrameError> {
        #[derive(Deserialize)]
        struct Envelope<'a> {
            #[serde(borrow)]
            r#type: std::borrow::Cow<'a, str>,
            #[serde(borrow, default)]
            data: Option<&'a RawValue>,
        }
        let envelope: Envelope<'_> =
            serde_json::from_str(text).map_err(|error| FrameError(error.to_string()))?;
        let data = envelope.data.map_or("null", RawValue::get);
        fn field<'a, T: Deserialize<'a>>(data: &'a str) -> Result<T, FrameError> {
            serde_json::from_str(data).map_err(|error| FrameError(format!("`data`: {error}")))
        }
        let frame = match envelope.r#type.as_ref() {
            "ping" => Self::Ping(field(data)?),
            "pong" => Self::Pong(field(data)?),
            "resume" => Self::Resume(field::<Option<Resume>>(data)?.unwrap_or_default()),
            "ack" => Self::Ack(field(data)?),
            "seen" => Self::Seen(field(data)?),
            "read" => Self::Read(field(data)?),
            "unread" => Self::Unread(field(data)?),
            "archive" => Self::Archive(field(data)?),
            "unarchive" => Self::Unarchive(field(data)?),
            "acted" => Self::Acted(field(data)?),
            "authenticate" => Self::Authenticate(field(data)?),
            "presence" => Self::Presence(field(data)?),
            _ => return Ok(ParsedFrame::Unknown),
        };
        Ok(ParsedFrame::Known(frame))
    }
}

/// Written by hand: the derived form buffers `data` where `type` comes later, and raw JSON cannot be taken from a buffer.
impl<'de> Deserialize<'de> for ClientFrame {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match Self::parse(raw.get()).map_err(D::Error::custom)? {
            ParsedFrame::Known(frame) => Ok(frame),
            ParsedFrame::Unknown => Err(D::Error::custom("no frame type of the client")),
        }
    }
}

/// A client's text is no frame: what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FrameError(pub String);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(title: &str) -> Vec<u8> {
        AlertBody {
            r#type: "deal-notification",
            data: &RawValue::from_string(r#"{"deals":[],  "message":"two spaces stay"}"#.to_owned())
                .expect("is JSON"),
            timestamp: "2026-01-02T03:04:05Z".parse().expect("is a time"),
            id: AlertId::from_parts(1, 2),
            stream: Stream::User,
            title,
            body: None,
            severity: Severity::Info,
            category: "deals",
            link: Some("/deals"),
            image: None,
            actions: &[],
            thread: None,
            expires_at: None,
        }
        .encode()
    }

    proptest! {
        #[test]
        fn body_and_live_tail_make_one_object(seq in 1u64..1 << 53, unread: u32, quiet: bool, title in ".*", replaces: bool) {
            let mut bytes = body(&title);
            let replaces = replaces.then(|| AlertId::from_parts(5, 6));
            LiveTail { seq: Seq(seq), replaces, unread, quiet }.write(&mut bytes);
            let item: Item = serde_json::from_slice(&bytes).expect("is an item");
            prop_assert_eq!(item.seq, Seq(seq));
            prop_assert_eq!(item.unread, Some(unread));
            prop_assert_eq!(item.quiet, quiet);
            prop_assert_eq!(item.title, title);
            prop_assert_eq!(item.replaces, Vec::from_iter(replaces));
            prop_assert_eq!(item.data.get(), r#"{"deals":[],  "message":"two spaces stay"}"#);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = ClientFrame::parse(&text);
        }
    }

    #[test]
    fn body_and_item_tail_make_one_object() {
        let mut bytes = body("t");
        let state = ItemState { read: true, ..ItemState::default() };
        ItemTail { seq: Seq(4), version: Seq(9), state, quiet: false }.write(&mut bytes);
        let item: Item = serde_json::from_slice(&bytes).expect("is an item");
        assert_eq!((item.version, item.state), (Some(Seq(9)), Some(state)));
    }

    #[test]
    fn unknown_client_types_are_harmless_and_bad_fields_are_named() {
        assert!(matches!(ClientFrame::parse(r#"{"type":"chat","data":1}"#), Ok(ParsedFrame::Unknown)));
        assert!(matches!(
            ClientFrame::parse(r#"{"type":"ping"}"#),
            Ok(ParsedFrame::Known(ClientFrame::Ping(Echo(None))))
        ));
        let error =
            ClientFrame::parse(r#"{"type":"presence","data":{"visible":1}}"#).expect_err("1 is no bool");
        assert!(error.0.starts_with("`data`: invalid type"), "{error}");
        assert!(ClientFrame::parse("[]").is_err());
    }

    #[test]
    fn kinds_may_not_take_the_protocols_names() {
        assert!(is_reserved_kind("catch-up") && is_reserved_kind("ack") && is_reserved_kind("belfry.later"));
        assert!(!is_reserved_kind("system-message"));
    }
}
