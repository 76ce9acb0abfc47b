use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{CloseFrame, Error, Limits, Outgoing, SendError};

/// What driving a connection brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A whole text message.
    Text(String),
    /// A whole binary message.
    Binary(Bytes),
    /// The peer pinged; its pong is written or queued already (the latest one only, if several wait).
    Ping(Bytes),
    /// The peer's pong, asked for or not.
    Pong(Bytes),
    /// The peer closes, or answers our close. Our own close frame is queued already: drive on until `Closed`.
    Close(CloseFrame),
    /// Frames had to wait and all of them are with the socket now: there is room for the next ones.
    Drained,
    /// Both sides are done and the socket's write half is shut down: drop the connection. Repeats if driven on.
    Closed,
}

/// Where a frame went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The socket took all of it; no [`Event::Drained`] will follow.
    Written,
    /// Some or all of it waits in the queue; [`Event::Drained`] will follow.
    Queued,
}

/// One WebSocket, server side, after its handshake.
#[derive(Debug)]
pub struct Connection<S> {
    io: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection whose handshake was just answered.
    pub fn new(_io: S, _limits: Limits) -> Self {
        unimplemented!()
    }

    /// As [`Connection::new`], with bytes that the HTTP parser read beyond the handshake.
    pub fn with_read_bytes(_io: S, _limits: Limits, _read: &[u8]) -> Self {
        unimplemented!()
    }

    /// Writes what waits, reads what came, and returns the next event. Cancel-safe: dropping the future loses nothing.
    ///
    /// After [`Error::Violation`] the connection reads nothing more: call [`Connection::close`] with the code
    /// of your choice and drive on until [`Event::Closed`] (without a close, the same error comes again).
    /// After [`Error::Gone`] every call fails.
    pub async fn drive(&mut self) -> Result<Event, Error> {
        unimplemented!()
    }

    /// [`Connection::drive`] as one poll. The waker of the last call is woken when the socket can go on,
    /// also after a [`Connection::send`] or [`Connection::try_flush`] from elsewhere.
    pub fn poll_drive(&mut self, _cx: &mut Context<'_>) -> Poll<Result<Event, Error>> {
        unimplemented!()
    }

    /// Writes a frame at once as far as the socket takes it, without waiting; the rest is queued.
    ///
    /// Refused whole, with nothing written or queued, when the queue has no room. An empty queue takes any frame,
    /// however large. If the socket fails, the next [`Connection::drive`] says so.
    pub fn send(&mut self, _message: &Outgoing) -> Result<Sent, SendError> {
        unimplemented!()
    }

    /// Queues a frame without touching the socket, to send several in one write; same limits as [`Connection::send`].
    pub fn push(&mut self, _message: &Outgoing) -> Result<(), SendError> {
        unimplemented!()
    }

    /// Writes what waits as far as the socket takes it, without waiting; says whether nothing waits any more.
    pub fn try_flush(&mut self) -> bool {
        unimplemented!()
    }

    /// Begins the close handshake: queues a close frame after what waits, whatever the limits.
    ///
    /// The reason is cut to 123 bytes; a code that must not be sent (1005, 1006, …) is left out. Sending is over
    /// from here on; messages of the peer still arrive until it answers. A second close changes nothing.
    pub fn close(&mut self, _code: u16, _reason: &str) {
        unimplemented!()
    }

    /// Drops the frames that wait and of which no byte was written, so that a close is not stuck behind them.
    pub fn discard_queue(&mut self) {
        unimplemented!()
    }

    /// Whether a close frame was queued, sent or received, or the peer broke the protocol.
    pub fn is_closing(&self) -> bool {
        unimplemented!()
    }

    /// How many bytes wait for the socket.
    pub fn queued_bytes(&self) -> usize {
        unimplemented!()
    }

    /// How many bytes the peer sent so far: if it grows, the peer lives.
    pub fn bytes_read(&self) -> u64 {
        unimplemented!()
    }

    /// How many bytes the socket took so far: if it stands still while bytes wait, the peer does not read.
    pub fn bytes_written(&self) -> u64 {
        unimplemented!()
    }

    /// How much heap this connection holds now, shared bodies not counted; 0 when idle.
    pub fn heap_bytes(&self) -> usize {
        unimplemented!()
    }

    /// The socket underneath.
    pub fn get_ref(&self) -> &S {
        &self.io
    }
}
