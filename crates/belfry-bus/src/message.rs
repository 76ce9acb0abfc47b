//! What is carried.

use crate::subject::Subject;
use bytes::Bytes;
use std::fmt;

/// The longest head; see [`Message::head`].
pub const HEAD_MAX_BYTES: usize = 4 * 1024;

/// The longest body; a longer one is left out, its head goes.
pub const BODY_MAX_BYTES: usize = 64 * 1024;

/// A hint, opaque to the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What is always carried; at most [`HEAD_MAX_BYTES`].
    pub head: Bytes,
    /// The ready frame, so that the receiver need not read the store. Left out where it does not fit: above
    /// [`BODY_MAX_BYTES`], or above what the engine takes at once.
    pub body: Option<Bytes>,
}

impl Message {
    /// A message without a body.
    pub fn of_head(head: impl Into<Bytes>) -> Self {
        Self { head: head.into(), body: None }
    }

    /// A message with a body.
    pub fn new(head: impl Into<Bytes>, body: impl Into<Bytes>) -> Self {
        Self { head: head.into(), body: Some(body.into()) }
    }

    /// Head and body together.
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.body.as_ref().map_or(0, Bytes::len)
    }
}

/// Which node sent something: the incarnation of a node, so that a restart is another one. Two nodes with one tag
/// would not hear each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeTag(pub u64);

impl fmt::Display for NodeTag {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

/// What comes in. Between [`Event::Lost`] and [`Event::Back`] there are no messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message of another node.
    Message {
        /// What it is about.
        subject: Subject,
        /// Who sent it.
        from: NodeTag,
        /// What it says.
        message: Message,
    },
    /// Hints are being missed: the connection or the subscription is gone, or the receiver was too slow.
    Lost,
    /// The subscription is confirmed again: what was missed must be read from the store now.
    Back,
}
