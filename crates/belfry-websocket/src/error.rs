use std::io;

/// Why driving a connection stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The peer broke RFC 6455 or a limit: close with a code, then go on driving until [`crate::Event::Closed`].
    #[error("the peer broke the WebSocket protocol: {0}")]
    Violation(#[from] Violation),
    /// The socket is gone without a close frame: drop the connection.
    #[error("the socket is gone")]
    Gone(#[source] io::Error),
}

impl Error {
    /// The close code RFC 6455 gives for this error; none where nobody is left to be told.
    pub fn close_code(&self) -> Option<u16> {
        match self {
            Self::Violation(violation) => Some(violation.close_code()),
            Self::Gone(_) => None,
        }
    }
}

/// What a peer did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Violation {
    /// A client's frame was not masked.
    #[error("frame is not masked")]
    Unmasked,
    /// A reserved bit was set although no extension was negotiated.
    #[error("reserved bit is set")]
    ReservedBits,
    /// The opcode is none of those RFC 6455 defines.
    #[error("reserved opcode")]
    ReservedOpcode,
    /// A ping, pong or close came in fragments.
    #[error("control frame is fragmented")]
    FragmentedControl,
    /// A ping, pong or close carries more than 125 bytes.
    #[error("control frame is longer than 125 bytes")]
    ControlTooLong,
    /// The length was written with more bytes than it needs.
    #[error("payload length is not minimally encoded")]
    LengthNotMinimal,
    /// The highest bit of a 64-bit length was set.
    #[error("payload length has its highest bit set")]
    LengthOverflow,
    /// A continuation came although no message was begun.
    #[error("continuation without a message")]
    UnexpectedContinuation,
    /// A new message came before the last one's final fragment.
    #[error("new message inside a fragmented one")]
    ExpectedContinuation,
    /// A text message is not UTF-8.
    #[error("text is not UTF-8")]
    InvalidUtf8,
    /// A message is larger than [`crate::Limits::inbound_message_bytes_max`].
    #[error("message is too big")]
    MessageTooBig,
    /// A close frame's payload is one byte long, so it holds half a code.
    #[error("close frame holds half a code")]
    CloseTooShort,
    /// A close frame carries a code that must not be sent.
    #[error("close code must not be sent")]
    InvalidCloseCode,
    /// A close frame's reason is not UTF-8.
    #[error("close reason is not UTF-8")]
    InvalidCloseReason,
}

impl Violation {
    /// The close code RFC 6455 gives: 1002, 1007 or 1009.
    pub fn close_code(self) -> u16 {
        match self {
            Self::InvalidUtf8 | Self::InvalidCloseReason => 1007,
            Self::MessageTooBig => 1009,
            Self::Unmasked
            | Self::ReservedBits
            | Self::ReservedOpcode
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::LengthNotMinimal
            | Self::LengthOverflow
            | Self::UnexpectedContinuation
            | Self::ExpectedContinuation
            | Self::CloseTooShort
            | Self::InvalidCloseCode => 1002,
        }
    }
}

/// Why a frame was not taken; nothing of it was sent or queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The queue is at its limit: the session lags; wait for [`crate::Event::Drained`] and re-read.
    #[error("the send queue is full")]
    QueueFull,
    /// The connection is closing or gone: stop sending.
    #[error("the connection is closing")]
    Closing,
}
