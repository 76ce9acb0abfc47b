//! A reader of server-sent events (WHATWG HTML, 9.2) over plain HTTP.

use crate::deadline::within;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde_json::Value;

/// Most bytes of one event before the reader gives up.
const EVENT_BYTES_MAX: usize = 4 << 20;

/// One event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerEvent {
    /// Its `id:`, a cursor.
    pub id: Option<String>,
    /// Its `retry:`.
    pub retry: Option<u64>,
    /// Its `data:` as JSON.
    pub data: Option<Value>,
    /// It holds a comment.
    pub comment: bool,
}

/// An open event stream.
pub struct Events {
    /// The status of the answer.
    pub status: u16,
    /// The content type of the answer.
    pub content_type: String,
    body: BoxStream<'static, reqwest::Result<Bytes>>,
    buffer: Vec<u8>,
    /// The `id:` of the last event that had one.
    pub last_id: Option<String>,
}

impl Events {
    /// Sends the request and reads the head of the answer.
    pub async fn open(request: reqwest::RequestBuilder) -> Self {
        let request = request.header("accept", "text/event-stream");
        let response = within("the event stream", request.send()).await.expect("the server answers");
        let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        Self {
            status: response.status().as_u16(),
            content_type: content_type.unwrap_or_default().to_owned(),
            body: response.bytes_stream().boxed(),
            buffer: Vec::new(),
            last_id: None,
        }
    }

    /// The next event; `None`: the stream ended.
    pub async fn next(&mut self) -> Option<ServerEvent> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let text = self.buffer.drain(..end + 2).collect::<Vec<u8>>();
                let event = parse(&String::from_utf8(text).expect("events are UTF-8"));
                if event.id.is_some() {
                    self.last_id.clone_from(&event.id);
                }
                return Some(event);
            }
            assert!(self.buffer.len() < EVENT_BYTES_MAX, "an event has no end");
            let chunk = within("an event", self.body.next()).await?.ok()?;
            self.buffer.extend_from_slice(&chunk);
        }
    }

    /// The next frame.
    pub async fn next_frame(&mut self) -> Value {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if let Some(data) = event.data {
                return data;
            }
        }
    }

    /// The next frame of this type.
    pub async fn next_of_type(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next_frame().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// The next alert.
    pub async fn next_alert(&mut self) -> Value {
        loop {
            let frame = self.next_frame().await;
            if frame["id"].is_string() {
                return frame;
            }
        }
    }
}

fn parse(text: &str) -> ServerEvent {
    let (mut event, mut data) = (ServerEvent::default(), Vec::new());
    for line in text.lines() {
        match line.split_once(':') {
            Some(("", _)) => event.comment = true,
            Some(("id", value)) => event.id = Some(value.trim_start().to_owned()),
            Some(("retry", value)) => event.retry = value.trim().parse().ok(),
            Some(("data", value)) => data.push(value.strip_prefix(' ').unwrap_or(value).to_owned()),
            _ => {}
        }
    }
    if !data.is_empty() {
        let data = data.join("\n");
        event.data = Some(serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error} in {data}")));
    }
    event
}
