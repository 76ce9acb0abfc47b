//! The two ends a node holds.

use crate::error::BusError;
use crate::gauges::{BusGauges, Counters};
use crate::inbox::Inbox;
use crate::keeper::Keeper;
use crate::message::{BODY_MAX_BYTES, Event, HEAD_MAX_BYTES, Message, NodeTag};
use crate::options::BusOptions;
use crate::outbox::Outbox;
use crate::subject::Subject;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The end that sends. Cheap to clone; the connection ends with [`Bus::close`] or with the last clone.
#[derive(Debug, Clone)]
pub struct Bus {
    shared: Arc<Shared>,
    /// Held for its end.
    _alive: Arc<DropGuard>,
}

/// The end that receives.
#[derive(Debug)]
pub struct Incoming {
    shared: Arc<Shared>,
}

/// What both ends share with the task that keeps the link.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) outbox: Outbox,
    pub(crate) inbox: Inbox,
    pub(crate) counters: Counters,
    pub(crate) connected: AtomicBool,
    /// Asks the task to end.
    pub(crate) closing: CancellationToken,
    /// It has ended.
    pub(crate) closed: CancellationToken,
}

impl Bus {
    /// Connects, subscribes to every subject and returns when that is confirmed: what another node sends from now
    /// on comes in. One try, within the connect timeout; once there was a connection, it is sought again for ever.
    pub async fn connect(options: BusOptions, node: NodeTag) -> Result<(Self, Incoming), BusError> {
        let tuning = options.tuning();
        let closing = CancellationToken::new();
        let shared = Arc::new(Shared {
            outbox: Outbox::new(tuning.outgoing),
            inbox: Inbox::new(tuning.incoming),
            counters: Counters::default(),
            connected: AtomicBool::new(false),
            closing: closing.clone(),
            closed: CancellationToken::new(),
        });
        let (keeper, link) = Keeper::connect(options, node, Arc::clone(&shared)).await?;
        #[expect(clippy::disallowed_methods, reason = "the bus's one task: it ends with the bus")]
        tokio::spawn(keeper.run(link));
        let alive = Arc::new(closing.drop_guard());
        Ok((Self { shared: Arc::clone(&shared), _alive: alive }, Incoming { shared }))
    }

    /// Leaves a message for the other nodes, and never waits. `false`: it was dropped and counted, because there
    /// was no room, its head is too long, or the bus is closed.
    pub fn send(&self, subject: Subject, mut message: Message) -> bool {
        let sendable =
            subject.exists() && message.head.len() <= HEAD_MAX_BYTES && !self.shared.closing.is_cancelled();
        if message.body.as_ref().is_some_and(|body| body.len() > BODY_MAX_BYTES) {
            message.body = None;
            self.shared.counters.bodies_left_out.add(1);
        }
        let left = sendable && self.shared.outbox.push(subject, message);
        if !left {
            self.shared.counters.dropped.add(1);
        }
        left
    }

    /// Whether the link stands and its subscription is confirmed.
    pub fn is_connected(&self) -> bool {
        self.shared.connected.load(Ordering::Acquire)
    }

    /// Where it stands.
    pub fn gauges(&self) -> BusGauges {
        let Shared { outbox, inbox, counters, .. } = &*self.shared;
        let (outgoing_messages, outgoing_bytes) = outbox.size();
        let (incoming_messages, incoming_bytes) = inbox.size();
        BusGauges {
            outgoing_messages,
            outgoing_bytes,
            incoming_messages,
            incoming_bytes,
            sent: counters.sent.get(),
            received: counters.received.get(),
            dropped: counters.dropped.get(),
            bodies_left_out: counters.bodies_left_out.get(),
            overflowed: counters.overflowed.get(),
            garbled: counters.garbled.get(),
            losses: counters.losses.get(),
            reconnects: counters.reconnects.get(),
        }
    }

    /// Sends what waits, for a second at most, and ends. [`Incoming::next`] then hands out what is left, and `None`.
    pub async fn close(&self) {
        self.shared.closing.cancel();
        self.shared.closed.cancelled().await;
    }
}

impl Incoming {
    /// The next event; `None` once the bus is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        self.shared.inbox.next().await
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.shared.inbox.abandon();
    }
}
