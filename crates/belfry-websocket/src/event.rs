use bytes::Bytes;

use crate::CloseFrame;

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
    /// The socket took all of it: the next frame may follow at once.
    Written,
    /// Some or all of it waits in the queue; [`Event::Drained`] will follow.
    Queued,
}
