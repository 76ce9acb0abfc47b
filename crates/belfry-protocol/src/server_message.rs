//! How a client reads what the server sends.

use crate::frame::{
    CatchUp, ConnectionEstablished, ErrorMessageData, FrameError, GoingAway, InboxChanged, Item, PingData,
    Reset, SERVER_TYPES, ServerFrame, SettingsChanged,
};
use crate::id::Seq;
use crate::level::Stream;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// What a server's text is.
#[derive(Debug, Clone)]
pub enum ServerMessage {
    /// A frame of the protocol.
    Frame(Box<ServerFrame>),
    /// A live alert.
    Alert(Box<Item>),
    /// A type this version does not know: ignored.
    Unknown,
}

/// The names every frame has, and the two by which an alert is told from what is not known.
#[derive(Deserialize)]
struct Names {
    r#type: String,
    #[serde(default)]
    id: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    seq: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Plain<T> {
    data: T,
    timestamp: Timestamp,
}

#[derive(Deserialize)]
struct Numbered<T> {
    stream: Stream,
    seq: Seq,
    data: T,
    timestamp: Timestamp,
}

fn names(text: &str) -> Result<Names, FrameError> {
    read(text)
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, FrameError> {
    serde_json::from_str(text).map_err(|error| FrameError(error.to_string()))
}

impl ServerMessage {
    /// Parses a server's text. Unknown types and unknown fields are no errors.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        let names = names(text)?;
        if SERVER_TYPES.contains(&names.r#type.as_str()) {
            return Ok(Self::Frame(Box::new(frame(&names.r#type, text)?)));
        }
        if names.r#type.starts_with("belfry.") || names.id.is_none() || names.seq.is_none() {
            return Ok(Self::Unknown);
        }
        Ok(Self::Alert(Box::new(read(text)?)))
    }
}

fn frame(name: &str, text: &str) -> Result<ServerFrame, FrameError> {
    Ok(match name {
        "connection-established" => {
            let Plain::<ConnectionEstablished> { data, timestamp } = read(text)?;
            ServerFrame::ConnectionEstablished { data, timestamp }
        }
        "settings-changed" => {
            let Plain::<SettingsChanged> { data, timestamp } = read(text)?;
            ServerFrame::SettingsChanged { data, timestamp }
        }
        "inbox-changed" => {
            let Numbered::<InboxChanged> { stream, seq, data, timestamp } = read(text)?;
            ServerFrame::InboxChanged { stream, seq, data, timestamp }
        }
        "catch-up" => {
            let Plain::<CatchUp> { data, timestamp } = read(text)?;
            ServerFrame::CatchUp { data, timestamp }
        }
        "reset" => {
            let Plain::<Reset> { data, timestamp } = read(text)?;
            ServerFrame::Reset { data, timestamp }
        }
        "ping" => {
            let Plain::<PingData> { data, timestamp } = read(text)?;
            ServerFrame::Ping { data, timestamp }
        }
        "pong" => {
            let Plain::<Box<RawValue>> { data, timestamp } = read(text)?;
            ServerFrame::Pong { data, timestamp }
        }
        "going-away" => {
            let Plain::<GoingAway> { data, timestamp } = read(text)?;
            ServerFrame::GoingAway { data, timestamp }
        }
        "error" => {
            let Plain::<ErrorMessageData> { data, timestamp } = read(text)?;
            ServerFrame::Error { data, timestamp }
        }
        other => return Err(FrameError(format!("`{other}` is no frame type of the server"))),
    })
}

/// Written by hand: the derived form of a tagged enum buffers its content, and raw JSON cannot be taken from a buffer.
impl<'de> Deserialize<'de> for ServerFrame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        names(raw.get()).and_then(|names| frame(&names.r#type, raw.get())).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_alerts_and_the_unknown_are_told_apart() {
        let pong = r#"{"type":"pong","data":{"n": 1},"timestamp":"2026-01-02T03:04:05Z","later":true}"#;
        let Ok(ServerMessage::Frame(frame)) = ServerMessage::parse(pong) else { panic!("a pong is a frame") };
        assert!(matches!(*frame, ServerFrame::Pong { data, .. } if data.get() == r#"{"n": 1}"#));
        for unknown in [
            r#"{"type":"belfry.later","data":{},"timestamp":"2026-01-02T03:04:05Z","id":1,"seq":1}"#,
            r#"{"type":"later","data":{},"timestamp":"2026-01-02T03:04:05Z"}"#,
        ] {
            assert!(matches!(ServerMessage::parse(unknown), Ok(ServerMessage::Unknown)), "{unknown}");
        }
        assert!(ServerMessage::parse(r#"{"type":"ping","data":{}}"#).is_err());
        assert!(ServerMessage::parse("[]").is_err());
    }
}
