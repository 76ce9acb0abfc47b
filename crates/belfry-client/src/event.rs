//! What a subscriber tells its application.

use belfry_protocol::frame::{Change, ChangedItem, ConnectionEstablished, Reset, SettingsChanged};
use belfry_protocol::{AlertId, ErrorCode, Item, Seq, Stream};
use std::sync::Arc;
use std::time::Duration;

/// Something happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// An alert: each once, in order of its stream.
    Alert(Box<Item>, Origin),
    /// Items changed on any device.
    Changed(Changed),
    /// Forget the list and start from this page. Where its cursor lies below some of its items, they come again as
    /// alerts: the list started over, the alerts did not.
    Reset(Box<Reset>),
    /// The user's unread count, absolute; only when it differs from the last one told.
    Unread(u32),
    /// The connection's state.
    Connection(Connection),
    /// The server is about to close; the subscriber comes back after this time by itself.
    GoingAway(Duration),
    /// Do-not-disturb or preferences changed on any device.
    Settings(Box<SettingsChanged>),
    /// Something failed that the subscriber copes with by itself, or a frame of ours was refused.
    Error(Trouble),
}

/// How an alert came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// As it happened.
    Live,
    /// It was missed and came with a catch-up.
    CatchUp,
}

/// What became of items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// A change as it happened. It holds for items whose version is below `seq`.
    Live {
        /// Which stream `seq` counts in.
        stream: Stream,
        /// The change's number.
        seq: Seq,
        /// Which items, and what became of them.
        change: Change,
        /// With `up_to`: items that were told at a newer state already, to be left alone.
        except: Vec<AlertId>,
    },
    /// The present state of an item that changed while away.
    CatchUp(ChangedItem),
}

/// The connection's state.
#[derive(Debug, Clone, PartialEq)]
pub enum Connection {
    /// The first try.
    Connecting,
    /// The server answered and said who we are.
    Live(Arc<ConnectionEstablished>),
    /// Lost, or never made; the next try is after this time.
    Reconnecting {
        /// How many tries failed in a row.
        attempt: u32,
        /// When the next one is due.
        retry_in: Duration,
    },
    /// Too many tries failed: probing now and then.
    Offline {
        /// When the next one is due.
        retry_in: Duration,
    },
    /// Over; a person or the application has to act.
    Stopped(StopReason),
}

impl Connection {
    /// Whether alerts arrive.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Live(_))
    }
}

/// Why a subscriber stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    /// [`crate::Subscriber::close`] was called.
    #[error("closed by the application")]
    ClosedByCaller,
    /// The server closed with a code that says stop.
    #[error("the server closed with {code}: {reason}")]
    ClosedByServer {
        /// The close code, or that of the `error` frame that came before.
        code: u16,
        /// Its text.
        reason: String,
    },
    /// The handshake was refused for good.
    #[error("the server refused the connection with {status}: {detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the server said.
        detail: String,
    },
    /// The token was refused, and there is no other one.
    #[error("the server refused the token: {detail}")]
    TokenRejected {
        /// What the server said.
        detail: String,
    },
    /// The token source said that nobody is signed in.
    #[error("signed out")]
    SignedOut,
    /// The token is another user's.
    #[error("the token belongs to another user")]
    UserChanged,
}

/// Something failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The server refused a frame or the connection.
    #[error("{0}")]
    Refused(Refusal),
    /// The connection could not be made, or broke; the next try comes by itself.
    #[error("no connection: {0}")]
    Connection(String),
    /// A frame could not be read and was skipped.
    #[error("a frame could not be read: {0}")]
    Unreadable(String),
    /// The token source failed; the next try comes by itself.
    #[error("no token: {0}")]
    Token(String),
}

/// An `error` frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// Its name on the wire.
    pub code: String,
    /// The code where this version knows it.
    pub known: Option<ErrorCode>,
    /// What went wrong, and the remedy.
    pub message: String,
    /// When to try again.
    pub retry_after: Option<Duration>,
}
