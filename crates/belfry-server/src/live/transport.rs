//! What carries a session: a WebSocket or an event stream.

use super::session::Traffic;
use belfry_protocol::Cursor;
use belfry_store::Heads;
use bytes::Bytes;
use std::future::Future;
use std::time::Duration;

/// The transport's queue is full: nothing of the frame was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// One frame on its way.
#[derive(Debug)]
pub struct Parcel {
    /// The part that many sessions share.
    pub body: Bytes,
    /// This session's end of it.
    pub tail: Vec<u8>,
    /// Ask for a receipt in the same write.
    pub receipt: Option<Heads>,
    /// Where the client stands once it has applied it, if it moves.
    pub cursor: Option<Cursor>,
}

/// What comes from the client's side.
#[derive(Debug)]
pub enum Incoming {
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary,
    /// A pong.
    Pong(Bytes),
    /// Everything that waited was taken.
    Drained,
    /// Something was heard that tells nothing more.
    Life,
    /// The client broke the protocol.
    Violation(String),
    /// The client is gone, or said goodbye and was answered.
    Gone,
}

/// A way to one client.
pub trait Transport: Send {
    /// Sends or queues a frame whole, or refuses it whole.
    fn send(&mut self, parcel: Parcel) -> Result<(), Refused>;
    /// Sends a heartbeat that needs no frame.
    fn heartbeat(&mut self, heads: Heads);
    /// What moved so far.
    fn traffic(&self) -> Traffic;
    /// Waits for the client. Cancel-safe.
    fn incoming(&mut self) -> impl Future<Output = Incoming> + Send;
    /// Says goodbye with this code and waits at most this long for the answer.
    fn finish(&mut self, code: u16, reason: &str, wait: Duration) -> impl Future<Output = ()> + Send;
}
