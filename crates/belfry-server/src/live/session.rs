//! One live connection as a state machine: no I/O, no clock, no async. Signals, frames, pages of the store and
//! ticks come in; outputs leave. The order that loses nothing: registered with the hub first, then the heads are
//! read, then the backlog, then what waited in the hub, merged by seq.

use super::inbound::{Bucket, Rate};
use super::output::{Op, Output, Read, ReadResult};
use crate::clock::Now;
use crate::hub::{LiveAlert, LiveChange, Signal};
use crate::quiet;
use crate::wire::{self, CatchUpFrame, ResetFrame};
use belfry_protocol::frame::{
    AckMode, Change, ConnectionEstablished, Covers, Echo, ErrorMessageData, GoingAway, Heartbeat,
    InboxChanged, LiveTail, ParsedFrame, PingData, ResetReason, Resume, ServerInfo, SettingsChanged,
};
use belfry_protocol::inbox::Ack;
use belfry_protocol::{
    AlertId, ClientFrame, CloseCode, ConnectionId, Cursor, ErrorCode, Seq, ServerFrame, StateChange, Stream,
    UserId,
};
use belfry_store::{
    AckRow, ChangedRow, Connected, Heads, InboxRows, ItemsPage, PageLimit, Settings, Standing, UnixMs, Unread,
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
    CatchingUp(Backlog),
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
    /// Naive: everything from where this connection started up to here was confirmed by pongs.
    receipted: Heads,
    /// A signal that waits for a fresh count.
    held: Option<Signal>,
    reading: bool,
    ops: VecDeque<Op>,
    operating: bool,
    token_expires_at: Option<UnixMs>,
    token_issued_at: Option<UnixMs>,
    next_ping_at: Instant,
    /// A heartbeat went out and nothing was heard since.
    ping_sent_at: Option<Instant>,
    heard_bytes: u64,
    taken_bytes: u64,
    taken_at: Instant,
    spoke_at: Option<Instant>,
    bucket: Bucket,
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
            receipted: standing.head,
            held: None,
            reading: false,
            ops: VecDeque::new(),
            operating: false,
            token_expires_at: opening.token_expires_at,
            token_issued_at: opening.token_issued_at,
            next_ping_at: now.instant + first_ping,
            ping_sent_at: None,
            heard_bytes: 0,
            taken_bytes: 0,
            taken_at: now.instant,
            spoke_at: None,
            bucket: Bucket::full(rules.inbound, now.instant),
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

    /// Whether a close was ordered.
    pub fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing)
    }

    /// A position in this user's numbering: the `id:` of an event.
    pub fn cursor_at(&self, heads: Heads) -> Cursor {
        wire::cursor(self.standing.epoch, heads)
    }

    // ---- resume and catch-up

    fn resume(&mut self, resume: Resume, now: Now) {
        let Some(text) = resume.cursor else {
            self.go_live(now);
            return;
        };
        let Ok(cursor) = text.parse::<Cursor>() else {
            self.reset(ResetReason::CursorUnreadable);
            return;
        };
        if cursor.epoch != self.standing.epoch {
            self.reset(ResetReason::EpochForeign);
            return;
        }
        let after = Heads { user: cursor.user, all: cursor.all };
        self.sent = after;
        self.begin_backlog(Backlog { max: resume.max, ..Backlog::from(after) });
    }

    fn begin_backlog(&mut self, backlog: Backlog) {
        self.ahead.clear();
        self.ahead_since = None;
        self.held = None;
        self.phase = Phase::CatchingUp(backlog);
        // Everything committed before this read is in the backlog, so older hints tell nothing new.
        self.out.push(Output::ForgetHints);
        self.read(Read::Standing);
    }

    /// Hints were dropped, or one is missing: read everything after what was sent.
    pub fn lag(&mut self, sent: Heads) {
        if matches!(self.phase, Phase::Live) {
            self.sent = sent;
            self.begin_backlog(Backlog::from(sent));
        }
    }

    /// The hub dropped hints of this session.
    pub fn on_lagging(&mut self) {
        self.lag(self.sent);
    }

    fn catch_up_naive(&mut self, received: Heads, ponged: Heads) {
        let head = self.standing.head;
        let floor = |head: Seq| Seq(head.0.saturating_sub(u64::from(self.rules.naive_backlog_items)));
        let after = Heads {
            user: received.user.max(ponged.user).max(floor(head.user)).min(head.user),
            all: received.all.max(ponged.all).max(floor(head.all)).min(head.all),
        };
        self.sent = after;
        self.begin_backlog(Backlog::from(after));
    }

    fn reset(&mut self, reason: ResetReason) {
        if !self.speaks.v1() {
            // A plain client has no list to reset: it goes on with what comes from now on.
            self.sent = self.standing.head;
            self.phase = Phase::Live;
            return;
        }
        self.begin_reset(Backlog::from(self.standing.head), reason, false);
    }

    fn begin_reset(&mut self, backlog: Backlog, reason: ResetReason, stream_on: bool) {
        let renew = reason == ResetReason::AboveHead;
        self.ahead.clear();
        self.ahead_since = None;
        self.held = None;
        self.phase = Phase::CatchingUp(Backlog { reset: Some((reason, stream_on)), ..backlog });
        self.read(if renew { Read::RenewEpoch } else { Read::FirstPage });
    }

    fn go_live(&mut self, now: Now) {
        self.phase = Phase::Live;
        self.taken_at = now.instant;
    }

    fn read(&mut self, read: Read) {
        self.reading = true;
        self.out.push(Output::Read(read));
    }

    /// The store answered a read.
    pub fn on_read(&mut self, result: ReadResult, now: Now) {
        self.reading = false;
        if self.is_closing() {
            return;
        }
        match result {
            ReadResult::Standing(standing) => self.on_standing(standing, now),
            ReadResult::Renewed(standing) => {
                self.standing = standing;
                self.read(Read::FirstPage);
            }
            ReadResult::Count(count) => self.on_count(count),
            ReadResult::Changed(rows) => self.on_changed_rows(rows, now),
            ReadResult::Items(page) => self.on_items(&page, now),
            ReadResult::FirstPage(page) => self.on_first_page(&page, now),
            ReadResult::Failed => {
                // The store is out for the moment: the client comes back by itself and resumes.
                self.refuse(
                    CloseCode::GoingAway,
                    ErrorCode::StoreUnavailable,
                    "the store cannot be read right now",
                    now,
                );
            }
        }
    }

    fn on_standing(&mut self, standing: Standing, now: Now) {
        if standing.epoch != self.standing.epoch {
            self.standing = standing;
            self.reset(ResetReason::EpochForeign);
            return;
        }
        self.standing = standing;
        self.unread = standing.unread;
        self.unread_all_at = standing.head.all;
        let Phase::CatchingUp(backlog) = &mut self.phase else {
            self.release_held(now);
            return;
        };
        let head = standing.head;
        if backlog.after.user > head.user || backlog.after.all > head.all {
            self.reset(ResetReason::AboveHead);
            return;
        }
        backlog.to = Some(head);
        let after = backlog.after;
        match (self.speaks.v1(), backlog.max) {
            (true, Some(max)) => self.read(Read::Count { after, to: head, limit: max.saturating_add(1) }),
            (true, None) => self.read_changed(after, head),
            (false, _) => self.read(Read::Items { after, to: head, limit: self.rules.page }),
        }
    }

    fn read_changed(&mut self, since: Heads, to: Heads) {
        self.read(Read::Changed { since, to, limit: self.rules.changed_items_max.saturating_add(1) });
    }

    fn on_count(&mut self, count: u32) {
        let Phase::CatchingUp(backlog) = &mut self.phase else { return };
        let (after, Some(to)) = (backlog.after, backlog.to) else { return };
        if backlog.max.is_some_and(|max| count > max) {
            self.begin_reset(Backlog::from(to), ResetReason::TooMuch, false);
        } else {
            self.read_changed(after, to);
        }
    }

    fn on_changed_rows(&mut self, rows: Vec<ChangedRow>, now: Now) {
        let Phase::CatchingUp(backlog) = &mut self.phase else { return };
        if rows.len() > self.rules.changed_items_max as usize {
            // The list starts over from its newest page; the alerts themselves are streamed all the same.
            let after = backlog.after;
            let to = backlog.to;
            self.begin_reset(Backlog { to, ..Backlog::from(after) }, ResetReason::TooMuch, true);
            return;
        }
        backlog.changes = rows.into();
        backlog.changes_read = true;
        self.continue_backlog(now);
    }

    /// Sends a frame of changes, or reads the next page of items.
    fn continue_backlog(&mut self, now: Now) {
        let Phase::CatchingUp(backlog) = &mut self.phase else { return };
        let Some(to) = backlog.to else { return };
        let after = backlog.after;
        if backlog.changes.len() > self.rules.changes_per_frame {
            let changes: Vec<ChangedRow> = backlog.changes.drain(..self.rules.changes_per_frame).collect();
            backlog.waits_for_socket = true;
            self.sent = after;
            self.send_catch_up(&changes, &[], (after, after), true, now);
        } else {
            self.read(Read::Items { after, to, limit: self.rules.page });
        }
    }

    fn on_items(&mut self, page: &ItemsPage, now: Now) {
        if !self.speaks.v1() {
            self.on_items_naive(page, now);
            return;
        }
        let Phase::CatchingUp(backlog) = &mut self.phase else { return };
        let after = std::mem::replace(&mut backlog.after, page.reached);
        let changes: Vec<ChangedRow> = std::mem::take(&mut backlog.changes).into();
        backlog.waits_for_socket = page.more;
        self.sent = page.reached;
        self.send_catch_up(&changes, &page.items, (after, page.reached), page.more, now);
        if !page.more {
            self.go_live(now);
        }
    }

    fn on_items_naive(&mut self, page: &ItemsPage, now: Now) {
        let oldest =
            now.unix_ms().0 - i64::try_from(self.rules.naive_backlog_age.as_millis()).unwrap_or(i64::MAX);
        for row in &page.items {
            let before = self.sent;
            *position(&mut self.sent, row.stream) = row.seq;
            if row.state.read || row.state.archived || row.content.created_at.0 < oldest {
                continue;
            }
            let body = wire::alert_body(row.id, row.stream, &row.content).into();
            let quiet = quiet::is_quiet(&self.settings, wire::loudness(&row.content), now.at);
            self.send_alert(
                body,
                LiveTail { seq: row.seq, replaces: None, unread: self.unread.total(), quiet },
                before,
            );
        }
        self.sent = page.reached;
        let Phase::CatchingUp(backlog) = &mut self.phase else { return };
        backlog.after = page.reached;
        backlog.waits_for_socket = page.more;
        if !page.more {
            self.go_live(now);
        }
    }

    fn send_catch_up(
        &mut self,
        changes: &[ChangedRow],
        items: &[belfry_store::ItemRow],
        (after, to): (Heads, Heads),
        more: bool,
        now: Now,
    ) {
        let covers = Covers {
            after: wire::cursor(self.standing.epoch, after),
            to: wire::cursor(self.standing.epoch, to),
        };
        let frame = CatchUpFrame { changes, items, covers, unread: self.unread.total(), more };
        let bytes = wire::catch_up(&frame, &self.settings, now.at);
        self.out.push(Output::Frame { json: bytes.into(), before: None, after: Some(self.sent) });
    }

    fn on_first_page(&mut self, page: &InboxRows, now: Now) {
        let Phase::CatchingUp(backlog) = &mut self.phase else { return };
        let Some((reason, stream_on)) = backlog.reset.take() else { return };
        self.standing = page.standing;
        self.unread = page.standing.unread;
        self.unread_all_at = page.standing.head.all;
        let at = if stream_on { backlog.after } else { page.standing.head };
        backlog.changes_read = true;
        let frame =
            ResetFrame { cursor: wire::cursor(page.standing.epoch, at), unread: self.unread.total(), reason };
        let bytes = wire::reset(frame, &page.items, page.next, &self.settings, now.at);
        self.sent = at;
        if stream_on {
            backlog.waits_for_socket = true;
        } else {
            self.go_live(now);
        }
        self.out.push(Output::Frame { json: bytes.into(), before: None, after: Some(self.sent) });
    }

    /// The socket took everything: the next page may follow.
    pub fn on_drained(&mut self, now: Now) {
        self.taken_at = now.instant;
        if let Phase::CatchingUp(backlog) = &mut self.phase
            && std::mem::take(&mut backlog.waits_for_socket)
        {
            if self.speaks.v1() {
                self.continue_backlog(now);
            } else if let (after, Some(to)) = (backlog.after, backlog.to) {
                self.read(Read::Items { after, to, limit: self.rules.page });
            }
        }
    }

    /// Whether a page waits for the socket to be empty.
    pub fn waits_for_socket(&self) -> bool {
        matches!(&self.phase, Phase::CatchingUp(backlog) if backlog.waits_for_socket)
    }

    // ---- live

    /// A signal of the hub; call only while [`Session::wants_signals`], or for orders.
    pub fn on_signal(&mut self, signal: Signal, now: Now) {
        if self.is_closing() {
            return;
        }
        let (stream, seq) = match &signal {
            Signal::Alert { seq, .. } | Signal::Changed { seq, .. } => (Stream::User, *seq),
            Signal::Announcement { seq, .. } | Signal::AllChanged { seq, .. } => (Stream::All, *seq),
            _ => return self.on_order(signal, now),
        };
        let sent = *position(&mut self.sent, stream);
        if seq <= sent {
            return;
        }
        if seq == sent.next() {
            self.send_in_order(signal, now);
            self.release_ahead(now);
        } else {
            self.ahead.insert((stream, seq), signal);
            self.ahead_since.get_or_insert(now.instant);
            if self.ahead.len() > AHEAD_MAX {
                self.lag(self.sent);
            }
        }
    }

    fn release_ahead(&mut self, now: Now) {
        while self.held.is_none() {
            let next = [(Stream::User, self.sent.user.next()), (Stream::All, self.sent.all.next())]
                .into_iter()
                .find_map(|key| self.ahead.remove(&key));
            let Some(signal) = next else { break };
            self.send_in_order(signal, now);
        }
        let sent = self.sent;
        self.ahead
            .retain(|(stream, seq), _| *seq > if *stream == Stream::User { sent.user } else { sent.all });
        if self.ahead.is_empty() {
            self.ahead_since = None;
        }
    }

    /// Sends the successor of what was sent last, or holds it until the count is known.
    fn send_in_order(&mut self, signal: Signal, now: Now) {
        let needs_count = match &signal {
            Signal::Announcement { replaces, .. } => replaces.is_some(),
            Signal::AllChanged { .. } => true,
            Signal::Changed { touches_all, .. } => *touches_all,
            _ => false,
        };
        if needs_count {
            self.held = Some(signal);
            self.read(Read::Standing);
        } else {
            self.send_signal(signal, now);
        }
    }

    fn release_held(&mut self, now: Now) {
        if let Some(signal) = self.held.take() {
            self.send_signal(signal, now);
            self.release_ahead(now);
        }
    }

    fn send_signal(&mut self, signal: Signal, now: Now) {
        let before = self.sent;
        match signal {
            Signal::Alert { alert, seq, unread, replaces } => {
                self.sent.user = seq;
                self.unread.user = unread;
                self.send_live(&alert, seq, replaces, before, now);
            }
            Signal::Announcement { alert, seq, replaces } => {
                self.sent.all = seq;
                if seq > self.unread_all_at {
                    self.unread.all += 1;
                    self.unread_all_at = seq;
                }
                self.send_live(&alert, seq, replaces, before, now);
            }
            Signal::Changed { change, seq, unread, touches_all } => {
                self.sent.user = seq;
                if !touches_all {
                    self.unread.user = unread;
                }
                self.send_changed(Stream::User, seq, &change, before, now);
            }
            Signal::AllChanged { change, seq } => {
                self.sent.all = seq;
                self.send_changed(Stream::All, seq, &change, before, now);
            }
            _ => {}
        }
    }

    fn send_live(&mut self, alert: &LiveAlert, seq: Seq, replaces: Option<AlertId>, before: Heads, now: Now) {
        let quiet = quiet::is_quiet(&self.settings, alert.loudness, now.at);
        self.send_alert(
            alert.body.clone(),
            LiveTail { seq, replaces, unread: self.unread.total(), quiet },
            before,
        );
    }

    fn send_alert(&mut self, body: bytes::Bytes, tail: LiveTail, before: Heads) {
        let receipt = (self.speaks == Speaks::Naive).then_some(self.sent);
        self.out.push(Output::Alert { body, tail, receipt, before, after: self.sent });
    }

    fn send_changed(&mut self, stream: Stream, seq: Seq, change: &LiveChange, before: Heads, now: Now) {
        if !self.speaks.v1() {
            return;
        }
        let ids = change.up_to.is_none().then(|| change.ids.clone());
        let change = Change { ids, up_to: change.up_to, state: change.to };
        let data = InboxChanged { changes: vec![change], unread: self.unread.total() };
        let frame = ServerFrame::InboxChanged { stream, seq, data, timestamp: now.at };
        self.out.push(Output::Frame { json: encode(&frame), before: Some(before), after: Some(self.sent) });
    }

    fn on_order(&mut self, signal: Signal, now: Now) {
        match signal {
            Signal::Settings(settings) => {
                self.settings = settings;
                if self.speaks.v1() {
                    let data = SettingsChanged {
                        do_not_disturb: quiet::state(&self.settings, now.at),
                        preferences_rev: self.settings.rev,
                    };
                    self.frame(&ServerFrame::SettingsChanged { data, timestamp: now.at });
                }
            }
            Signal::Close(code, why) => self.refuse(code, ErrorCode::of_close(code), why, now),
            Signal::Revoked(before) => {
                if crate::auth::is_revoked(self.token_issued_at, Some(before)) {
                    self.refuse(
                        CloseCode::TokenRevoked,
                        ErrorCode::TokenRevoked,
                        "the token was revoked: sign in again",
                        now,
                    );
                }
            }
            Signal::Renewed { expires_at, issued_at } => self.renew(expires_at, issued_at),
            Signal::Drain { reconnect_after_ms, close_at } => {
                let data = GoingAway { reconnect_after_ms };
                self.frame(&ServerFrame::GoingAway { data, timestamp: now.at });
                self.close_at = Some(close_at);
            }
            Signal::Alert { .. }
            | Signal::Announcement { .. }
            | Signal::Changed { .. }
            | Signal::AllChanged { .. } => {}
        }
    }

    // ---- what the client says

    /// A text frame of the client.
    pub fn on_text(&mut self, text: &str, now: Now) {
        if self.is_closing() {
            return;
        }
        match self.bucket.take(now.instant) {
            super::inbound::Verdict::Pass => {}
            super::inbound::Verdict::Refuse { retry_after, first } => {
                if first {
                    self.error(
                        ErrorCode::RateLimited,
                        "too many frames: this one was ignored",
                        Some(retry_after),
                        now,
                    );
                }
                return;
            }
            super::inbound::Verdict::Close => {
                self.refuse(CloseCode::RateLimited, ErrorCode::RateLimited, "far too many frames", now);
                return;
            }
        }
        self.spoke_at = Some(now.instant);
        match ClientFrame::parse(text) {
            Ok(ParsedFrame::Known(frame)) => self.on_frame(frame, now),
            Ok(ParsedFrame::Unknown) => {}
            Err(error) => self.error(ErrorCode::FrameInvalid, &error.0, None, now),
        }
    }

    /// A binary frame of the client: nothing of this protocol.
    pub fn on_binary(&mut self, now: Now) {
        self.error(ErrorCode::FrameInvalid, "frames are JSON text, this one was binary", None, now);
    }

    fn on_frame(&mut self, frame: ClientFrame, now: Now) {
        match frame {
            ClientFrame::Ping(Echo(data)) => {
                let data = data.unwrap_or_else(|| serde_json::value::RawValue::NULL.to_owned());
                self.frame(&ServerFrame::Pong { data, timestamp: now.at });
            }
            ClientFrame::Pong(_) => {}
            ClientFrame::Resume(resume) => {
                if matches!(self.phase, Phase::AwaitingResume { .. }) {
                    self.resume(resume, now);
                } else if self.wants_signals() && resume.cursor.is_some() {
                    // The client found a hole of its own: it says where it stands.
                    self.resume(resume, now);
                }
            }
            ClientFrame::Ack(ack) => self.on_ack(ack, now),
            ClientFrame::Seen(items) => self.change(items, StateChange::Seen, now),
            ClientFrame::Read(items) => self.change(items, StateChange::Read, now),
            ClientFrame::Unread(items) => self.change(items, StateChange::Unread, now),
            ClientFrame::Archive(items) => self.change(items, StateChange::Archived, now),
            ClientFrame::Unarchive(items) => self.change(items, StateChange::Unarchived, now),
            ClientFrame::Acted(items) => self.change(items, StateChange::Acted, now),
            ClientFrame::Authenticate(authenticate) => {
                self.operate(Op::Authenticate(authenticate.token), now)
            }
            ClientFrame::Presence(presence) => self.out.push(Output::Visible(presence.visible)),
        }
    }

    fn on_ack(&mut self, ack: Ack, now: Now) {
        match wire::ack_row(ack, Some(self.sent)) {
            Ok(row) => self.out.push(Output::Acknowledge(row)),
            Err(message) => self.error(ErrorCode::FieldInvalid, message, None, now),
        }
    }

    fn change(&mut self, items: belfry_protocol::frame::Selection, change: StateChange, now: Now) {
        match wire::selection(items.ids, items.up_to, self.standing.epoch) {
            Ok((selection, up_to)) => self.operate(Op::Change { selection, up_to, change }, now),
            Err(message) => self.error(ErrorCode::FieldInvalid, message, None, now),
        }
    }

    fn operate(&mut self, op: Op, now: Now) {
        if self.ops.len() >= OPS_MAX {
            self.error(
                ErrorCode::RateLimited,
                "too many changes at once: this one was ignored",
                Some(Duration::from_secs(1)),
                now,
            );
            return;
        }
        self.ops.push_back(op);
        self.next_op();
    }

    fn next_op(&mut self) {
        if !self.operating
            && let Some(op) = self.ops.pop_front()
        {
            self.operating = true;
            self.out.push(Output::Operate(op));
        }
    }

    /// An operation is done; `Err`: tell the client why not.
    pub fn on_operated(&mut self, result: Result<(), ErrorMessageData>, now: Now) {
        self.operating = false;
        if let Err(data) = result
            && !self.is_closing()
        {
            self.frame(&ServerFrame::Error { data, timestamp: now.at });
        }
        self.next_op();
    }

    /// A fresh token of the same user was verified.
    pub fn renew(&mut self, expires_at: Option<UnixMs>, issued_at: Option<UnixMs>) {
        self.token_expires_at = expires_at;
        self.token_issued_at = issued_at;
    }

    /// A pong of a naive client, with the payload of our last ping.
    pub fn on_pong(&mut self, payload: &[u8], now: Now) {
        if self.speaks != Speaks::Naive {
            return;
        }
        let Some(heads) = parse_receipt(payload) else { return };
        let heads = Heads { user: heads.user.min(self.sent.user), all: heads.all.min(self.sent.all) };
        self.out.push(Output::Ponged(heads));
        let spoke = self.spoke_at.is_some_and(|at| now.instant.saturating_duration_since(at) < NAIVE_ALIVE);
        if spoke || self.rules.trust_pong {
            let from = self.receipted;
            for (stream, after, up_to) in
                [(Stream::User, from.user, heads.user), (Stream::All, from.all, heads.all)]
            {
                if up_to > after {
                    self.out.push(Output::Acknowledge(AckRow::Range { stream, after, up_to }));
                }
            }
            self.receipted = Heads { user: from.user.max(heads.user), all: from.all.max(heads.all) };
        }
    }

    // ---- time

    /// Something is due, or the transport moved on.
    pub fn on_tick(&mut self, traffic: Traffic, now: Now) {
        if self.is_closing() {
            return;
        }
        self.note_traffic(traffic, now);
        if let Phase::AwaitingResume { until } = self.phase
            && now.instant >= until
        {
            self.go_live(now);
        }
        if self.ahead_since.is_some_and(|since| now.instant >= since + self.rules.reorder_wait)
            && !self.reading
        {
            self.lag(self.sent);
        }
        if self.close_at.is_some_and(|at| now.instant >= at) {
            return self.refuse(
                CloseCode::GoingAway,
                ErrorCode::Draining,
                "the server is shutting down",
                now,
            );
        }
        if self.token_expires_at.is_some_and(|at| now.unix_ms() >= at) {
            return self.refuse(
                CloseCode::TokenExpired,
                ErrorCode::TokenExpired,
                "the token has expired: get a fresh one",
                now,
            );
        }
        if traffic.queued > 0 && now.instant >= self.taken_at + self.rules.stalled_after {
            return self.refuse(
                CloseCode::Lagging,
                ErrorCode::Lagging,
                "the socket took no byte for too long",
                now,
            );
        }
        self.heartbeat(now);
    }

    fn note_traffic(&mut self, traffic: Traffic, now: Now) {
        if traffic.heard != self.heard_bytes {
            self.heard_bytes = traffic.heard;
            self.ping_sent_at = None;
        }
        if traffic.taken != self.taken_bytes || traffic.queued == 0 {
            self.taken_bytes = traffic.taken;
            self.taken_at = now.instant;
        }
    }

    fn heartbeat(&mut self, now: Now) {
        if self.ping_sent_at.is_some_and(|at| now.instant >= at + self.rules.heartbeat_timeout) {
            self.refuse(
                CloseCode::HeartbeatMissed,
                ErrorCode::HeartbeatMissed,
                "nothing was heard after a heartbeat",
                now,
            );
            return;
        }
        if now.instant < self.next_ping_at {
            return;
        }
        self.next_ping_at = now.instant + self.rules.heartbeat_interval;
        match self.speaks {
            Speaks::Naive => self.out.push(Output::Ping(self.sent)),
            Speaks::V1 | Speaks::V1Events => {
                let data = PingData { heads: self.sent, unread: self.unread.total() };
                self.frame(&ServerFrame::Ping { data, timestamp: now.at });
            }
            Speaks::NaiveEvents => self.out.push(Output::Comment),
        }
        // An event stream has no way back: only its socket shows that it is dead.
        if !self.speaks.events() {
            self.ping_sent_at.get_or_insert(now.instant);
        }
    }

    /// When [`Session::on_tick`] is due at the latest.
    pub fn deadline(&self, queued: usize, now: Now) -> Instant {
        let token = self.token_expires_at.map(|at| {
            now.instant + Duration::from_millis(u64::try_from(at.0 - now.unix_ms().0).unwrap_or(0))
        });
        let resume = match self.phase {
            Phase::AwaitingResume { until } => Some(until),
            _ => None,
        };
        let ahead = self.ahead_since.filter(|_| !self.reading).map(|since| since + self.rules.reorder_wait);
        let silent = self.ping_sent_at.map(|at| at + self.rules.heartbeat_timeout);
        let stalled = (queued > 0).then(|| self.taken_at + self.rules.stalled_after);
        [token, resume, ahead, silent, stalled, self.close_at]
            .into_iter()
            .flatten()
            .fold(self.next_ping_at, Instant::min)
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

#[cfg(test)]
mod tests;
