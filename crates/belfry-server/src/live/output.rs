//! What a session asks its edge to do, and what the edge brings back from the store.

use belfry_protocol::frame::LiveTail;
use belfry_protocol::{CloseCode, Cursor, StateChange};
use belfry_store::{AckRow, ChangedRow, Heads, InboxRows, ItemsPage, PageLimit, Selection, Standing};
use bytes::Bytes;

/// One thing to do; in order.
#[derive(Debug)]
pub enum Output {
    /// Send a frame of this session's own.
    Frame {
        /// Its JSON.
        json: Bytes,
        /// What was sent before it, where the store can tell it again; `None`: it must not be lost.
        before: Option<Heads>,
        /// Where the client stands once it has applied it; `None`: where it stood.
        after: Option<Heads>,
    },
    /// Send an alert.
    Alert {
        /// The part all receivers share.
        body: Bytes,
        /// This session's part.
        tail: LiveTail,
        /// Ask for a receipt by a WebSocket ping with these positions.
        receipt: Option<Heads>,
        /// What was sent before it.
        before: Heads,
        /// Where the client stands once it has applied it.
        after: Heads,
    },
    /// Send a WebSocket ping as heartbeat, with these positions.
    Ping(Heads),
    /// Send an SSE comment as heartbeat.
    Comment,
    /// Drop the hints that wait in the hub: a read that follows covers them.
    ForgetHints,
    /// Read the store; a new read takes the place of one under way.
    Read(Read),
    /// Do this for the client, then tell the session.
    Operate(Op),
    /// Record a receipt.
    Acknowledge(AckRow),
    /// A naive client's browser has everything up to here.
    Ponged(Heads),
    /// The page is visible, or not.
    Visible(bool),
    /// Close once everything before is sent.
    Close(CloseCode),
}

/// What to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Heads and counts as they are now.
    Standing,
    /// How many items lie between.
    Count {
        /// Exclusive.
        after: Heads,
        /// Inclusive.
        to: Heads,
        /// Count no further.
        limit: u32,
    },
    /// Items at or below `since` that changed since.
    Changed {
        /// Where the client stands.
        since: Heads,
        /// The backlog's end.
        to: Heads,
        /// Most rows.
        limit: u32,
    },
    /// Items above `after`.
    Items {
        /// Where the client stands.
        after: Heads,
        /// The backlog's end.
        to: Heads,
        /// The page's size.
        limit: PageLimit,
    },
    /// The newest page of the inbox.
    FirstPage,
    /// Give the user a new epoch part, then read where they stand.
    RenewEpoch,
}

/// What was read.
#[derive(Debug)]
pub enum ReadResult {
    /// For [`Read::Standing`].
    Standing(Standing),
    /// For [`Read::RenewEpoch`].
    Renewed(Standing),
    /// For [`Read::Count`].
    Count(u32),
    /// For [`Read::Changed`].
    Changed(Vec<ChangedRow>),
    /// For [`Read::Items`].
    Items(ItemsPage),
    /// For [`Read::FirstPage`].
    FirstPage(InboxRows),
    /// The store could not be read.
    Failed,
}

/// What a client wants done.
#[derive(Clone, PartialEq, Eq)]
pub enum Op {
    /// Change items.
    Change {
        /// Which ones.
        selection: Selection,
        /// The same as the client wrote it, for the other devices.
        up_to: Option<Cursor>,
        /// How.
        change: StateChange,
    },
    /// Verify a fresh token.
    Authenticate(String),
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Change { selection, change, .. } => write!(f, "Change({selection:?}, {change:?})"),
            Self::Authenticate(_) => f.write_str("Authenticate(redacted)"),
        }
    }
}
