//! All live sessions of this node by user. What it hands out are hints: a session that cannot keep up is marked
//! lagging and reads the store, so no queue grows and no alert is lost.

use crate::clock::Now;
use crate::cluster::presence::Changes;
use crate::quiet::Loudness;
use belfry_protocol::inbox::ChangedTo;
use belfry_protocol::{AlertId, CloseCode, ConnectionId, Cursor, Seq, Stream, UserId};
use belfry_store::{Heads, Settings, UnixMs, UserHead};
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Shards of the registry; more than there are cores, so that locks are rarely shared.
const SHARDS: usize = 64;
/// Most users whose last pong is remembered.
const PONGED_USERS_MAX: usize = 100_000;
/// Most users of one shard whose leaving is remembered.
const LEFT_USERS_MAX: usize = 4_096;
/// How long it is remembered: longer than anybody lingers.
const LEFT_KEPT: Duration = Duration::from_secs(600);
/// Sessions that a broadcast visits before it lets others run.
const BROADCAST_STRIDE: usize = 64;

/// An alert ready to be sent: encoded once, shared by all its receivers.
#[derive(Debug)]
pub struct LiveAlert {
    /// The alert.
    pub id: AlertId,
    /// Its frame's JSON without the tail and the last brace.
    pub body: Bytes,
    /// What decides whether it makes noise.
    pub loudness: Loudness,
}

/// A change of items ready to be sent.
#[derive(Debug)]
pub struct LiveChange {
    /// Which items, by id.
    pub ids: Vec<AlertId>,
    /// Or all of them up to here.
    pub up_to: Option<Cursor>,
    /// What became of them.
    pub to: ChangedTo,
}

/// What a session is told.
#[derive(Debug, Clone)]
pub enum Signal {
    /// An alert of the user's own stream.
    Alert {
        /// The alert.
        alert: Arc<LiveAlert>,
        /// Its number.
        seq: Seq,
        /// The user's part of the unread count.
        unread: u32,
        /// What it takes the place of.
        replaces: Option<AlertId>,
    },
    /// An alert for everyone.
    Announcement {
        /// The alert.
        alert: Arc<LiveAlert>,
        /// Its number in `all`.
        seq: Seq,
        /// What it takes the place of.
        replaces: Option<AlertId>,
    },
    /// Items changed.
    Changed {
        /// What changed.
        change: Arc<LiveChange>,
        /// The change's number in the user's stream.
        seq: Seq,
        /// The user's part of the unread count.
        unread: u32,
        /// The change touched alerts for everyone, so their part of the count is to be read again.
        touches_all: bool,
    },
    /// Announcements left for everyone.
    AllChanged {
        /// What changed.
        change: Arc<LiveChange>,
        /// The change's number in `all`.
        seq: Seq,
    },
    /// Do-not-disturb or preferences changed.
    Settings(Arc<Settings>),
    /// The stream goes up to here, though what came in it is not told: read the store.
    Expect(Stream, Seq),
    /// Where the user stands in the store, read for everybody who is connected.
    Heads(Arc<UserHead>),
    /// Close with this code, after an `error` frame that says why.
    Close(CloseCode, Cow<'static, str>),
    /// Tokens issued at or before this are refused from now on.
    Revoked(UnixMs),
    /// Tokens of the signing key with this name are refused from now on.
    KeyRevoked(Arc<str>),
    /// A cookie token was renewed over HTTP: the session lives until then.
    Renewed {
        /// The new token's end.
        expires_at: Option<UnixMs>,
        /// When it was issued.
        issued_at: Option<UnixMs>,
        /// The name of the key that signed it.
        kid: Option<Arc<str>>,
    },
    /// The server is going away: tell the client when to come back, close at `close_at`.
    Drain {
        /// For the client, already jittered.
        reconnect_after_ms: u32,
        /// When to close.
        close_at: Instant,
    },
}

impl Signal {
    fn bytes(&self) -> usize {
        match self {
            Self::Alert { alert, .. } | Self::Announcement { alert, .. } => alert.body.len(),
            Self::Changed { change, .. } | Self::AllChanged { change, .. } => {
                change.ids.len() * size_of::<AlertId>()
            }
            _ => 0,
        }
    }

    /// Whether this order says all that the other one says.
    fn supersedes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Revoked(before), Self::Revoked(other)) => before >= other,
            (Self::KeyRevoked(key), Self::KeyRevoked(other)) => key == other,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }

    /// Whether the store can tell it again.
    fn is_hint(&self) -> bool {
        matches!(
            self,
            Self::Alert { .. }
                | Self::Announcement { .. }
                | Self::Changed { .. }
                | Self::AllChanged { .. }
                | Self::Expect(..)
        )
    }
}

/// How much may wait for one session.
#[derive(Debug, Clone, Copy)]
pub struct HandleLimits {
    /// Signals.
    pub signals_max: usize,
    /// Bytes of the bodies they share.
    pub bytes_max: usize,
}

impl Default for HandleLimits {
    fn default() -> Self {
        Self { signals_max: 256, bytes_max: 256 * 1024 }
    }
}

/// One session as others see it.
#[derive(Debug)]
pub struct Handle {
    /// The connection's id.
    pub id: ConnectionId,
    /// Whose it is.
    pub user: UserId,
    /// It speaks `belfry.v1`.
    pub speaks_v1: bool,
    /// Over WebSocket, else over SSE.
    pub websocket: bool,
    /// When it opened.
    pub opened_at: Instant,
    waiting: Mutex<Waiting>,
    wake: Notify,
    limits: HandleLimits,
    /// Visible pages are evicted last. Milliseconds after `opened_at` since which it is hidden; -1: visible.
    hidden_since_ms: AtomicI64,
    lagged: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    signals: VecDeque<Signal>,
    bytes: usize,
    lagging: bool,
}

/// What waited for a session.
#[derive(Debug)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// The next signal.
    Signal(Signal),
    /// Hints were dropped: read the store.
    Lagging,
}

impl Handle {
    /// A session that is not registered yet.
    pub fn new(
        id: ConnectionId,
        user: UserId,
        kind: SessionKind,
        limits: HandleLimits,
        now: Instant,
    ) -> Self {
        Self {
            id,
            user,
            speaks_v1: kind.speaks_v1,
            websocket: kind.websocket,
            opened_at: now,
            waiting: Mutex::default(),
            wake: Notify::new(),
            limits,
            hidden_since_ms: AtomicI64::new(if kind.speaks_v1 { -1 } else { 0 }),
            lagged: AtomicU64::new(0),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a signal. Beyond the limits hints are dropped and the session is lagging; orders always stay.
    pub fn signal(&self, signal: Signal) {
        {
            let mut waiting = self.waiting();
            if signal.is_hint() {
                if waiting.lagging {
                    return;
                }
                let bytes = signal.bytes();
                if waiting.signals.len() >= self.limits.signals_max
                    || waiting.bytes + bytes > self.limits.bytes_max
                {
                    waiting.signals.retain(|waiting| !waiting.is_hint());
                    waiting.signals.shrink_to_fit();
                    waiting.bytes = 0;
                    waiting.lagging = true;
                    self.lagged.fetch_add(1, Ordering::Relaxed);
                } else {
                    waiting.bytes += bytes;
                    waiting.signals.push_back(signal);
                }
            } else {
                // At most one of each sort waits, however long the session is busy elsewhere.
                waiting.signals.retain(|waiting| waiting.is_hint() || !signal.supersedes(waiting));
                waiting.signals.push_back(signal);
            }
        }
        self.wake.notify_one();
    }

    /// Takes the next signal.
    pub fn next(&self) -> Next {
        let mut waiting = self.waiting();
        if let Some(signal) = waiting.signals.pop_front() {
            waiting.bytes -= signal.bytes();
            if waiting.signals.is_empty() {
                waiting.signals = VecDeque::new();
            }
            return Next::Signal(signal);
        }
        if std::mem::take(&mut waiting.lagging) {
            return Next::Lagging;
        }
        Next::Nothing
    }

    /// Takes the next order, past hints that wait: a close is not held up by a socket that takes nothing.
    pub fn next_order(&self) -> Option<Signal> {
        let mut waiting = self.waiting();
        let index = waiting.signals.iter().position(|signal| !signal.is_hint())?;
        waiting.signals.remove(index)
    }

    /// Drops waiting hints: the session reads the store anyway and sees everything committed before now.
    pub fn forget_hints(&self) {
        let mut waiting = self.waiting();
        waiting.signals.retain(|waiting| !waiting.is_hint());
        waiting.bytes = 0;
        waiting.lagging = false;
    }

    /// Hints were lost on their way: the session reads the store.
    fn missed_hints(&self) {
        self.forget_hints();
        self.waiting().lagging = true;
        self.lagged.fetch_add(1, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Waits until something was left.
    pub async fn signalled(&self) {
        self.wake.notified().await;
    }

    /// The page became visible or hidden.
    pub fn set_visible(&self, visible: bool, now: Instant) {
        let since = if visible {
            -1
        } else {
            i64::try_from(now.saturating_duration_since(self.opened_at).as_millis()).unwrap_or(i64::MAX)
        };
        let was = self.hidden_since_ms.load(Ordering::Relaxed);
        if visible || was < 0 {
            self.hidden_since_ms.store(since, Ordering::Relaxed);
        }
    }

    /// Visible ones come last, then those hidden shortest; sessions that never say are as old as they are.
    fn eviction_order(&self) -> (bool, Instant) {
        let hidden = self.hidden_since_ms.load(Ordering::Relaxed);
        let since = u64::try_from(hidden).map(Duration::from_millis).unwrap_or_default();
        (hidden < 0, self.opened_at + since)
    }

    /// Its page is visible, or it is a client that never says.
    fn may_be_seen(&self) -> bool {
        !self.speaks_v1 || self.hidden_since_ms.load(Ordering::Relaxed) < 0
    }

    /// How often hints were dropped.
    pub fn lagged(&self) -> u64 {
        self.lagged.load(Ordering::Relaxed)
    }
}

/// What a session speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionKind {
    /// `belfry.v1`.
    pub speaks_v1: bool,
    /// WebSocket, else SSE.
    pub websocket: bool,
}

#[derive(Debug, Default)]
struct Sessions {
    open: Vec<Arc<Handle>>,
    evicted_at: Vec<Instant>,
}

#[derive(Debug, Default)]
struct Shard {
    users: HashMap<UserId, Sessions>,
    /// When the last session of a user ended, for as long as that matters.
    left: HashMap<UserId, Instant>,
}

impl Shard {
    fn note_left(&mut self, user: &UserId, now: Instant) {
        if self.left.len() >= LEFT_USERS_MAX {
            self.left.retain(|_, at| now.saturating_duration_since(*at) < LEFT_KEPT);
        }
        if self.left.len() < LEFT_USERS_MAX {
            self.left.insert(user.clone(), now);
        }
    }
}

/// Whether a person is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// A session is open.
    Open {
        /// One of them may be seen: its page is visible, or it never says.
        visible: bool,
        /// When the newest opened.
        since: Instant,
    },
    /// The last session ended at this moment.
    Left(Instant),
    /// A node took the last session away with it at this moment.
    Lost(Instant),
    /// No session is known of.
    Away,
}

impl Presence {
    /// Whether a session is open.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Open { .. })
    }
}

/// All live sessions of this node.
#[derive(Debug)]
pub struct Hub {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    per_user_max: usize,
    websocket: AtomicU32,
    sse: AtomicU32,
    users: AtomicU32,
    evicted: AtomicU64,
    draining: AtomicBool,
    /// What carries hints is away.
    deaf: AtomicBool,
    ponged: Mutex<HashMap<UserId, Heads>>,
    /// Where other nodes are to know who comes and goes.
    changes: Option<Arc<Changes>>,
}

/// The user keeps coming back with clients that do not know that they were replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

/// What a session is told that gives way.
const REPLACED: &str = "a newer connection of this user took this one's place";
/// Evictions within a minute after which a naive newcomer is refused instead.
const EVICTIONS_PER_MINUTE_MAX: usize = 3;

impl Hub {
    /// An empty hub. `changes` hears of everybody who comes or goes.
    pub fn new(per_user_max: usize, changes: Option<Arc<Changes>>) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            per_user_max: per_user_max.max(1),
            websocket: AtomicU32::new(0),
            sse: AtomicU32::new(0),
            users: AtomicU32::new(0),
            evicted: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
            ponged: Mutex::default(),
            changes,
        }
    }

    fn changed(&self, user: &UserId) {
        if let Some(changes) = &self.changes {
            changes.note(user);
        }
    }

    fn shard(&self, user: &UserId) -> MutexGuard<'_, Shard> {
        let index = self.hasher.hash_one(user.as_str()) as usize % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a session; from now on it gets every hint. At the limit the oldest one that is not visible gives way.
    pub fn register(self: &Arc<Self>, handle: Arc<Handle>, now: Instant) -> Result<Registration, TooMany> {
        let mut shard = self.shard(&handle.user);
        let sessions = shard.users.entry(handle.user.clone()).or_default();
        if sessions.open.is_empty() {
            self.users.fetch_add(1, Ordering::Relaxed);
        }
        if sessions.open.len() >= self.per_user_max {
            sessions.evicted_at.retain(|at| now.saturating_duration_since(*at).as_secs() < 60);
            if !handle.speaks_v1 && sessions.evicted_at.len() >= EVICTIONS_PER_MINUTE_MAX {
                return Err(TooMany);
            }
            if sessions.evicted_at.len() >= EVICTIONS_PER_MINUTE_MAX {
                sessions.evicted_at.remove(0);
            }
            sessions.evicted_at.push(now);
            let oldest = sessions.open.iter().enumerate().min_by_key(|(_, open)| open.eviction_order());
            if let Some((index, _)) = oldest {
                let oldest = sessions.open.swap_remove(index);
                self.count(&oldest, -1);
                self.evicted.fetch_add(1, Ordering::Relaxed);
                oldest.signal(Signal::Close(CloseCode::Replaced, REPLACED.into()));
            }
        }
        self.count(&handle, 1);
        sessions.open.push(Arc::clone(&handle));
        shard.left.remove(&handle.user);
        self.changed(&handle.user);
        Ok(Registration { hub: Arc::clone(self), handle })
    }

    fn count(&self, handle: &Handle, by: i32) {
        let counter = if handle.websocket { &self.websocket } else { &self.sse };
        counter.fetch_add(by as u32, Ordering::Relaxed);
    }

    fn remove(&self, handle: &Arc<Handle>, now: Instant) {
        let mut shard = self.shard(&handle.user);
        let Some(sessions) = shard.users.get_mut(&handle.user) else { return };
        if let Some(index) = sessions.open.iter().position(|open| Arc::ptr_eq(open, handle)) {
            sessions.open.swap_remove(index);
            self.count(handle, -1);
            self.changed(&handle.user);
        }
        if sessions.open.is_empty() {
            shard.users.remove(&handle.user);
            shard.note_left(&handle.user, now);
            self.users.fetch_sub(1, Ordering::Relaxed);
            if shard.users.len() * 4 < shard.users.capacity() {
                shard.users.shrink_to_fit();
            }
        }
    }

    /// Leaves a signal for every session of a user at this node; says how many there are.
    pub fn signal_here(&self, user: &UserId, signal: &Signal) -> u32 {
        let shard = self.shard(user);
        let Some(sessions) = shard.users.get(user) else { return 0 };
        if !self.loses(signal) {
            for handle in &sessions.open {
                handle.signal(signal.clone());
            }
        }
        sessions.open.len() as u32
    }

    /// Leaves a signal for one connection of a user; `false`: this node has no such connection.
    pub fn signal_connection_here(&self, user: &UserId, id: ConnectionId, signal: Signal) -> bool {
        let shard = self.shard(user);
        let handle =
            shard.users.get(user).and_then(|sessions| sessions.open.iter().find(|open| open.id == id));
        handle.map(|handle| handle.signal(signal)).is_some()
    }

    /// Leaves a signal for every session of this node; lets others run in between. Says how many there were.
    pub async fn broadcast_here(&self, mut signal: impl FnMut(&Handle) -> Signal) -> u32 {
        let mut count: u32 = 0;
        for index in 0..SHARDS {
            let handles: Vec<Arc<Handle>> = {
                let shard = self.shards[index].lock().unwrap_or_else(PoisonError::into_inner);
                shard.users.values().flat_map(|sessions| sessions.open.iter().cloned()).collect()
            };
            for (nth, handle) in handles.iter().enumerate() {
                let signal = signal(handle);
                if !self.loses(&signal) {
                    handle.signal(signal);
                }
                count += 1;
                if nth % BROADCAST_STRIDE == BROADCAST_STRIDE - 1 {
                    tokio::task::yield_now().await;
                }
            }
        }
        count
    }

    fn loses(&self, signal: &Signal) -> bool {
        self.deaf.load(Ordering::Relaxed) && signal.is_hint()
    }

    /// What carries hints is away: until it is back they reach nobody, and nothing else changes. Orders still do.
    pub fn hints_are_away(&self) {
        self.deaf.store(true, Ordering::Relaxed);
    }

    /// It is back: every session reads the store, so whatever was lost meanwhile arrives now.
    pub fn hints_are_back(&self) {
        self.deaf.store(false, Ordering::Relaxed);
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.users.values().flat_map(|sessions| &sessions.open).for_each(|handle| handle.missed_hints());
        }
    }

    /// Open sessions of a user.
    pub fn connections_of(&self, user: &UserId) -> u32 {
        self.shard(user).users.get(user).map_or(0, |sessions| sessions.open.len() as u32)
    }

    /// Users with an open session, shard by shard: what grows meanwhile is held by nobody's lock.
    pub fn users(&self) -> impl Iterator<Item = Vec<UserId>> + '_ {
        self.shards.iter().map(|shard| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.users.keys().cloned().collect()
        })
    }

    /// A user's sessions in the eyes of other nodes, which weigh them against their own.
    pub fn seats(&self, user: &UserId, now: Now) -> Vec<Seat> {
        let shard = self.shard(user);
        let Some(sessions) = shard.users.get(user) else { return Vec::new() };
        let seat = |open: &Arc<Handle>| {
            let (visible, since) = open.eviction_order();
            let ago = i64::try_from(now.instant.saturating_duration_since(since).as_millis()).unwrap_or(0);
            Seat { connection: open.id, visible, since: UnixMs(now.unix_ms().0.saturating_sub(ago)) }
        };
        sessions.open.iter().map(seat).collect()
    }

    /// These sessions of a user give way to newer ones.
    pub fn evict(&self, user: &UserId, connections: &[ConnectionId]) {
        let mut shard = self.shard(user);
        let Some(sessions) = shard.users.get_mut(user) else { return };
        let (gone, stay): (Vec<_>, Vec<_>) =
            std::mem::take(&mut sessions.open).into_iter().partition(|open| connections.contains(&open.id));
        sessions.open = stay;
        // The session that made it one too many is among those that stay, wherever it is: nobody is away.
        for handle in gone {
            self.count(&handle, -1);
            self.evicted.fetch_add(1, Ordering::Relaxed);
            handle.signal(Signal::Close(CloseCode::Replaced, REPLACED.into()));
        }
        if sessions.open.is_empty() {
            shard.users.remove(user);
            self.users.fetch_sub(1, Ordering::Relaxed);
        }
        self.changed(user);
    }

    /// Whether a user is there, as this node sees it.
    pub fn presence(&self, user: &UserId) -> Presence {
        let shard = self.shard(user);
        let Some(sessions) = shard.users.get(user) else {
            return shard.left.get(user).map_or(Presence::Away, |at| Presence::Left(*at));
        };
        match sessions.open.iter().map(|open| open.opened_at).max() {
            Some(since) => {
                Presence::Open { visible: sessions.open.iter().any(|open| open.may_be_seen()), since }
            }
            None => Presence::Away,
        }
    }

    /// A naive client's pong: the browser has these frames. Kept in memory only, to spare it a repetition.
    pub fn remember_pong(&self, user: &UserId, heads: Heads) {
        let mut ponged = self.ponged.lock().unwrap_or_else(PoisonError::into_inner);
        if ponged.len() >= PONGED_USERS_MAX && !ponged.contains_key(user) {
            ponged.clear();
        }
        let known = ponged.entry(user.clone()).or_default();
        known.user = known.user.max(heads.user);
        known.all = known.all.max(heads.all);
    }

    /// What the last pongs of this user's naive clients said.
    pub fn ponged(&self, user: &UserId) -> Heads {
        let ponged = self.ponged.lock().unwrap_or_else(PoisonError::into_inner);
        ponged.get(user).copied().unwrap_or_default()
    }

    /// Forgets what was remembered of an erased user.
    pub fn forget(&self, user: &UserId) {
        self.ponged.lock().unwrap_or_else(PoisonError::into_inner).remove(user);
    }

    /// Counts.
    pub fn counts(&self) -> HubCounts {
        HubCounts {
            websocket: self.websocket.load(Ordering::Relaxed),
            sse: self.sse.load(Ordering::Relaxed),
            users: self.users.load(Ordering::Relaxed),
            evicted: self.evicted.load(Ordering::Relaxed),
        }
    }

    /// The node is draining: new sessions are told to go elsewhere.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the node is draining.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

/// A session as other nodes see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// Which.
    pub connection: ConnectionId,
    /// Its page is visible.
    pub visible: bool,
    /// Since when it is idle: hidden, or open where it never says.
    pub since: UnixMs,
}

/// Counts of the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HubCounts {
    /// Open WebSocket sessions.
    pub websocket: u32,
    /// Open SSE sessions.
    pub sse: u32,
    /// Users with one of them.
    pub users: u32,
    /// Sessions that gave way at the limit since the start.
    pub evicted: u64,
}

/// A session's place in the hub; leaves it when dropped.
#[derive(Debug)]
pub struct Registration {
    hub: Arc<Hub>,
    /// The session.
    pub handle: Arc<Handle>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.hub.remove(&self.handle, crate::clock::now().instant);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle(limits: HandleLimits) -> Handle {
        let kind = SessionKind { speaks_v1: true, websocket: true };
        let user = UserId::new("ann").expect("is an id");
        Handle::new(ConnectionId(uuid::Uuid::nil()), user, kind, limits, crate::clock::now().instant)
    }

    fn hint(seq: u64) -> Signal {
        let change = Arc::new(LiveChange { ids: vec![], up_to: None, to: ChangedTo::Read });
        Signal::Changed { change, seq: Seq(seq), unread: 0, touches_all: false }
    }

    #[test]
    fn orders_outlive_the_hints_that_are_dropped() {
        let handle = handle(HandleLimits { signals_max: 2, bytes_max: 1024 });
        for seq in 1..=2 {
            handle.signal(hint(seq));
        }
        handle.signal(Signal::Settings(Arc::default()));
        handle.signal(hint(3));
        handle.signal(hint(4));
        assert!(matches!(handle.next(), Next::Signal(Signal::Settings(_))));
        assert!(matches!(handle.next(), Next::Lagging));
        handle.signal(hint(5));
        assert!(matches!(handle.next(), Next::Signal(Signal::Changed { seq: Seq(5), .. })));
        assert!(matches!(handle.next(), Next::Nothing));
        assert_eq!(handle.lagged(), 1);
    }

    #[test]
    fn one_order_of_each_sort_waits_and_no_revocation_is_forgotten() {
        let handle = handle(HandleLimits::default());
        for round in [5, 9, 7] {
            handle.signal(Signal::Settings(Arc::default()));
            handle.signal(Signal::Revoked(UnixMs(round)));
            handle.signal(Signal::KeyRevoked(if round == 9 { "b" } else { "a" }.into()));
        }
        let orders: Vec<Signal> = std::iter::from_fn(|| handle.next_order()).collect();
        let before = |order: &Signal| if let Signal::Revoked(before) = order { Some(before.0) } else { None };
        assert_eq!(orders.iter().filter_map(before).collect::<Vec<_>>(), [9, 7]);
        let key =
            |order: &Signal| if let Signal::KeyRevoked(key) = order { Some(Arc::clone(key)) } else { None };
        assert_eq!(orders.iter().filter_map(key).collect::<Vec<_>>(), [Arc::<str>::from("b"), "a".into()]);
        assert!(matches!(handle.next(), Next::Nothing));
    }
}
