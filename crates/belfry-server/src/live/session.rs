//! One live connection as a state machine: no I/O, no clock, no async. Signals, frames, pages of the store and
//! ticks come in; outputs leave. The order that loses nothing: registered with the hub first, then the heads are
//! read, then the backlog, then what waited in the hub, merged by seq.

mod backlog;
mod client;
mod hints;
#[cfg(test)]
mod tests;
mod time;

use super::inbound::Patience;
use super::output::{Op, Output, Read, ReadResult};
use crate::clock::Now;
use crate::hub::{LiveAlert, LiveChange, Signal};
use crate::limiter::Rate;
use crate::quiet;
use crate::wire::{self, CatchUpFrame, ResetFrame};
use belfry_protocol::frame::{
    AckMode, Change, ConnectionEstablished, Covers, Echo, ErrorMessageData, GoingAway, Heartbeat,
    InboxChanged, LiveTail, ParsedFrame, PingData, ResetReason, Resume, ServerInfo, SettingsChanged,
};
use belfry_protocol::inbox::Ack;
use belfry_protocol::{
    AlertId, ClientFrame, CloseCode, ConnectionId, Cursor, ErrorCode, Level, Seq, ServerFrame, StateChange,
    Stream, UserId,
};
use belfry_store::{
    AckRow, ChangedRow, Connected, Heads, InboxRows, ItemsPage, PageLimit, Settings, Standing, UnixMs,
    Unread, UserHead,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// WebSocket with `belfry.v1`.
    V1,
    /// WebSocket that knows `{type, data, timestamp}` only.
    Naive,
    /// SSE read by an SDK.
    V1Events,
    /// SSE read by a plain `EventSource`.
    NaiveEvents,
}

impl Speaks {
    fn v1(self) -> bool {
        matches!(self, Self::V1 | Self::V1Events)
    }

    fn events(self) -> bool {
        matches!(self, Self::V1Events | Self::NaiveEvents)
    }
}

/// Times and sizes of all sessions.
#[derive(Debug, Clone)]
pub struct SessionRules {
    /// Between two heartbeats.
    pub heartbeat_interval: Duration,
    /// From a heartbeat to the close.
    pub heartbeat_timeout: Duration,
    /// How long a `belfry.v1` client may take to say `resume`.
    pub resume_wait: Duration,
    /// How long a socket may take no byte.
    pub stalled_after: Duration,
    /// How long a hint ahead of its predecessor waits before the store is read.
    pub reorder_wait: Duration,
    /// Size of a catch-up page.
    pub page: PageLimit,
    /// More changed items than this reset the client's list.
    pub changed_items_max: u32,
    /// Most alerts a naive client is caught up with.
    pub naive_backlog_items: u32,
    /// Oldest alert a naive client is caught up with.
    pub naive_backlog_age: Duration,
    /// Pongs of naive clients count as receipts.
    pub trust_pong: bool,
    /// Inbound frames.
    pub inbound: Rate,
    /// Most changes of one frame.
    pub changes_per_frame: usize,
    /// Each session reads where it stands with its heartbeat; else the node does it for all of them.
    pub reads_at_heartbeat: bool,
    /// This node.
    pub server: ServerInfo,
}

/// Most frames that wait for their predecessor.
const AHEAD_MAX: usize = 64;
/// Most operations of a client that wait for the store.
const OPS_MAX: usize = 32;
/// How recently a naive client must have spoken for its pong to be a receipt.
const NAIVE_ALIVE: Duration = Duration::from_secs(60);

#[derive(Debug)]
enum Phase {
    /// Nothing but the first frame was sent; hints wait in the hub.
    AwaitingResume { until: Instant },
    /// Reading the backlog; hints wait in the hub.
    CatchingUp(Box<Backlog>),
    /// Hints are sent as they come.
    Live,
    /// A close was ordered.
    Closing,
}

#[derive(Debug)]
struct Backlog {
    /// Where the client stands.
    after: Heads,
    /// Where the backlog ends; known once the standing was read.
    to: Option<Heads>,
    /// The client wants a reset beyond this many items.
    max: Option<u32>,
    /// Changes not sent yet.
    changes: VecDeque<ChangedRow>,
    changes_read: bool,
    /// A page was sent and waits for the socket before the next is read.
    waits_for_socket: bool,
    /// A reset is under way: why, and whether the alerts are streamed all the same.
    reset: Option<(ResetReason, bool)>,
}

impl Backlog {
    fn from(after: Heads) -> Self {
        Self {
            after,
            to: None,
            max: None,
            changes: VecDeque::new(),
            changes_read: false,
            waits_for_socket: false,
            reset: None,
        }
    }
}

/// One live connection.
#[derive(Debug)]
pub struct Session {
    rules: Arc<SessionRules>,
    speaks: Speaks,
    id: ConnectionId,
    user: UserId,
    settings: Arc<Settings>,
    standing: Standing,
    /// Everything up to here was sent on this connection, or was there before it.
    sent: Heads,
    unread: Unread,
    /// The `all` part of `unread` is exact at this number.
    unread_all_at: Seq,
    phase: Phase,
    /// Frames ahead of their predecessor, and when the oldest came.
    ahead: BTreeMap<(Stream, Seq), Signal>,
    ahead_since: Option<Instant>,
    /// The store is known to be here; hints that are lost on the way are noticed by it.
    known: Heads,
    /// Naive: everything from where this connection started up to here was confirmed by pongs.
    receipted: Heads,
    /// A signal that waits for a fresh count.
    held: Option<Signal>,
    /// A client that found a hole asked again while the store was being read.
    asked: Option<Resume>,
    reading: bool,
    ops: VecDeque<Op>,
    operating: bool,
    token_expires_at: Option<UnixMs>,
    token_issued_at: Option<UnixMs>,
    token_kid: Option<Arc<str>>,
    /// Of the revocations told so far: a token that was verified before one may come in after it.
    revoked_before: Option<UnixMs>,
    next_ping_at: Instant,
    /// A heartbeat went out and nothing was heard since.
    ping_sent_at: Option<Instant>,
    heard_bytes: u64,
    taken_bytes: u64,
    taken_at: Instant,
    spoke_at: Option<Instant>,
    patience: Patience,
    refused_frames: u32,
    close_at: Option<Instant>,
    out: Vec<Output>,
}

/// How the session was opened.
#[derive(Debug)]
pub struct Opening {
    /// The connection's id.
    pub id: ConnectionId,
    /// Whose it is.
    pub user: UserId,
    /// What the client speaks.
    pub speaks: Speaks,
    /// `?cursor=` or `Last-Event-ID`.
    pub cursor: Option<String>,
    /// `?max=`: beyond this many missing items a `reset` comes instead.
    pub max: Option<u32>,
    /// What the hub remembers of this user's last pongs.
    pub ponged: Heads,
    /// When the token ends.
    pub token_expires_at: Option<UnixMs>,
    /// When the token was issued.
    pub token_issued_at: Option<UnixMs>,
    /// The name of the key that signed it.
    pub token_kid: Option<Arc<str>>,
    /// 0 to 1: spreads the first heartbeat.
    pub jitter: f64,
}

/// What the transport says of itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traffic {
    /// Bytes the client sent so far.
    pub heard: u64,
    /// Bytes the socket took so far.
    pub taken: u64,
    /// Bytes that wait for the socket.
    pub queued: usize,
}

impl Session {
    /// A session after its registration with the hub and the read of the user's row, in this order.
    pub fn open(opening: Opening, connected: Connected, rules: Arc<SessionRules>, now: Now) -> Self {
        let standing = connected.standing;
        let first_ping = rules.heartbeat_interval.mul_f64(opening.jitter.clamp(0.05, 1.0));
        let mut session = Self {
            speaks: opening.speaks,
            id: opening.id,
            user: opening.user,
            settings: Arc::new(connected.settings),
            standing,
            sent: standing.head,
            unread: standing.unread,
            unread_all_at: standing.head.all,
            phase: Phase::AwaitingResume { until: now.instant + rules.resume_wait },
            ahead: BTreeMap::new(),
            ahead_since: None,
            known: standing.head,
            receipted: standing.head,
            held: None,
            asked: None,
            reading: false,
            ops: VecDeque::new(),
            operating: false,
            token_expires_at: opening.token_expires_at,
            token_issued_at: opening.token_issued_at,
            token_kid: opening.token_kid,
            revoked_before: None,
            next_ping_at: now.instant + first_ping,
            ping_sent_at: None,
            heard_bytes: 0,
            taken_bytes: 0,
            taken_at: now.instant,
            spoke_at: None,
            patience: Patience::full(rules.inbound, now.instant),
            refused_frames: 0,
            close_at: None,
            out: Vec::new(),
            rules,
        };
        // An event stream without a position starts at the head; a socket's client is told the head, but has nothing yet.
        session.send_established(opening.cursor.is_none() && opening.speaks.events(), now);
        match (opening.cursor, opening.speaks) {
            (Some(cursor), _) => session.resume(Resume { cursor: Some(cursor), max: opening.max }, now),
            (None, Speaks::V1) => {}
            (None, Speaks::Naive) => session.catch_up_naive(connected.received, opening.ponged),
            (None, Speaks::V1Events | Speaks::NaiveEvents) => session.phase = Phase::Live,
        }
        session.receipted = session.sent;
        session
    }

    fn send_established(&mut self, starts_here: bool, now: Now) {
        let data = ConnectionEstablished {
            connection_id: self.id,
            user_id: self.user.clone(),
            head: wire::cursor(self.standing.epoch, self.standing.head),
            unread: self.unread.total(),
            do_not_disturb: quiet::state(&self.settings, now.at),
            preferences_rev: self.settings.rev,
            heartbeat: Heartbeat {
                interval_ms: millis(self.rules.heartbeat_interval),
                timeout_ms: millis(self.rules.heartbeat_timeout),
            },
            ack: if self.speaks == Speaks::Naive { AckMode::Ping } else { AckMode::Frames },
            token_expires_at: self.token_expires_at.map(crate::clock::timestamp),
            server: self.rules.server.clone(),
        };
        let json = encode(&ServerFrame::ConnectionEstablished { data, timestamp: now.at });
        self.out.push(Output::Frame { json, before: None, after: starts_here.then_some(self.sent) });
    }

    /// What is to be done, in order.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    /// Whether the next signal may be taken from the hub; else it waits there.
    pub fn wants_signals(&self) -> bool {
        matches!(self.phase, Phase::Live) && self.held.is_none() && !self.reading
    }

    /// Everything up to here was sent on this connection, or was there before it.
    pub fn sent(&self) -> Heads {
        self.sent
    }

    /// How many frames of the client were refused since the last call.
    pub fn take_refused(&mut self) -> u64 {
        u64::from(std::mem::take(&mut self.refused_frames))
    }

    /// Whether a close was ordered.
    pub fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing)
    }

    /// A position in this user's numbering: the `id:` of an event.
    pub fn cursor_at(&self, heads: Heads) -> Cursor {
        wire::cursor(self.standing.epoch, heads)
    }

    // ---- saying no

    fn error(&mut self, code: ErrorCode, message: &str, retry_after: Option<Duration>, now: Now) {
        let retry_after_ms = retry_after.map(millis);
        let data = ErrorMessageData { retry_after_ms, ..ErrorMessageData::new(code, message) };
        self.frame(&ServerFrame::Error { data, timestamp: now.at });
    }

    /// Says why, then closes.
    pub fn refuse(&mut self, close: CloseCode, code: ErrorCode, message: &str, now: Now) {
        if self.is_closing() {
            return;
        }
        self.error(code, message, None, now);
        self.out.push(Output::Close(close));
        self.phase = Phase::Closing;
    }

    fn frame(&mut self, frame: &ServerFrame) {
        self.out.push(Output::Frame { json: encode(frame), before: None, after: None });
    }
}

fn encode(frame: &ServerFrame) -> bytes::Bytes {
    serde_json::to_vec(frame).expect("every frame has a JSON form").into()
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

fn position(heads: &mut Heads, stream: Stream) -> &mut Seq {
    match stream {
        Stream::User => &mut heads.user,
        Stream::All => &mut heads.all,
    }
}

/// The payload of a receipt ping: what was sent on this connection.
pub fn receipt_text(heads: Heads) -> String {
    format!("u{}.a{}", heads.user, heads.all)
}

fn parse_receipt(payload: &[u8]) -> Option<Heads> {
    let text = std::str::from_utf8(payload).ok()?;
    let (user, all) = text.strip_prefix('u')?.split_once(".a")?;
    Some(Heads { user: Seq(user.parse().ok()?), all: Seq(all.parse().ok()?) })
}
