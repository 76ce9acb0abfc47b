//! What goes into the store and comes out of it.

pub use belfry_protocol::frame::Heads;
use belfry_protocol::inbox::ChangedTo;
use belfry_protocol::preferences::Preferences;
use belfry_protocol::user::UserProfile;
use belfry_protocol::webhook::{WebhookDisabled, WebhookEvent};
use belfry_protocol::{
    Action, AlertId, Audience, DoNotDisturb, Epoch, ItemState, Level, Seq, Severity, Stream, UserId,
    WebhookId,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMs(pub i64);

/// How to open a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which engine, and where.
    pub engine: EngineOptions,
    /// Publishes and changes that may wait for the writer; beyond it callers get [`StoreError::Overloaded`].
    pub writer_queue_max: usize,
    /// Reading connections.
    pub readers: usize,
    /// Most items of one user's inbox; the oldest read ones, then the oldest, are removed beyond it.
    pub inbox_items_max: u32,
    /// Most alerts for everyone that are active at once.
    pub announcements_max: u32,
    /// Most events that wait for one endpoint; beyond it the oldest are dropped.
    pub webhook_queue_max: u32,
    /// How long a statement waits for a file that another process has locked before it is `Unavailable`.
    pub busy_timeout: Duration,
}

/// Which engine, and where.
#[derive(Debug, Clone)]
pub enum EngineOptions {
    /// A file (its directory is created), WAL, `synchronous=FULL`.
    Sqlite(PathBuf),
    /// A server that every node of a cluster uses.
    Postgres(crate::PostgresOptions),
}

/// Why a store does not open. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Written by a newer version.
    #[error(
        "the store at `{path}` has schema {found}, this version knows {known}: start the newer version, or restore a backup made by this one"
    )]
    NewerSchema {
        /// The file.
        path: String,
        /// Its schema.
        found: u32,
        /// The newest this version knows.
        known: u32,
    },
    /// Another process is using it.
    #[error(
        "the store at `{path}` is in use by another process: stop it, or give this one its own `data_dir`"
    )]
    InUse {
        /// The file.
        path: String,
    },
    /// The file or its directory cannot be used.
    #[error("the store at `{path}` cannot be opened: {reason}")]
    Unusable {
        /// The file.
        path: String,
        /// What the system said, and the remedy.
        reason: String,
    },
}

/// Why the store did not do it: each variant is what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Disk full, file locked or read-only, I/O fault: nothing was stored, it may work later.
    #[error("the store cannot be used right now: {reason}")]
    Unavailable {
        /// What the system said.
        reason: String,
    },
    /// The writer's queue is full: nothing was stored, try again soon.
    #[error("the store has too much to do")]
    Overloaded,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// A fault of ours: log it.
    #[error("the store made a mistake: {0}")]
    Internal(String),
}

/// Why an alert was not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// See there.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No such group.
    #[error("there is no such group")]
    GroupUnknown,
    /// The idempotency key was used with another body.
    #[error("the idempotency key was used with another body")]
    IdempotencyMismatch,
    /// The first call with this key is still running after two seconds.
    #[error("the first call with this idempotency key is still running")]
    IdempotencyInProgress,
}

/// What an alert says, the same for every recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The kind.
    pub kind: String,
    /// The payload's JSON, as posted.
    pub data: Box<str>,
    /// Heading.
    pub title: String,
    /// Text.
    pub body: Option<String>,
    /// Where a click leads.
    pub link: Option<String>,
    /// A picture.
    pub image: Option<String>,
    /// What can be done about it.
    pub actions: Vec<Action>,
    /// How much it matters.
    pub severity: Severity,
    /// What preferences are set on.
    pub category: String,
    /// What belongs together.
    pub thread: Option<String>,
    /// Replaces the newest unread item with this key.
    pub collapse_key: Option<String>,
    /// When it was accepted.
    pub created_at: UnixMs,
    /// When it stops to matter.
    pub expires_at: Option<UnixMs>,
    /// The publisher asked for no noise.
    pub quiet: bool,
    /// Passes do-not-disturb.
    pub breaks_through: bool,
    /// The ladder's JSON where it is not the kind's own.
    pub ladder: Option<Box<str>>,
}

/// An alert to store.
#[derive(Debug, Clone)]
pub struct NewAlert {
    /// From [`crate::Store::next_alert_id`].
    pub id: AlertId,
    /// Whom it is for.
    pub audience: Audience,
    /// What it says.
    pub content: Arc<Content>,
    /// For everyone: users who are made later see it too, as long as it is active.
    pub latecomers: bool,
    /// For everyone: how its ladder goes on after the live step; `None`: it ends there.
    pub ladder_of_all: Option<crate::LadderOfAll>,
    /// Makes repeating the call harmless.
    pub idempotency: Option<Idempotency>,
}

/// Makes repeating a call harmless: unique per API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Name of the API key.
    pub api_key: String,
    /// The caller's key.
    pub key: String,
    /// SHA-256 of the raw body.
    pub body_hash: [u8; 32],
}

/// What was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The alert's id; the first call's where this one was a repetition.
    pub id: AlertId,
    /// The first call's answer, given again: nothing was stored and nothing is to be sent.
    pub replayed: bool,
    /// `None`: everyone.
    pub recipients: Option<u32>,
    /// One entry per recipient up to 256, in order of user id; empty for a fan-out and for everyone. A replay lists at
    /// most 100.
    pub notifications: Vec<Notified>,
    /// For everyone: the number in `all`.
    pub all_seq: Option<Seq>,
    /// For everyone with a collapse key: the announcement it took the place of.
    pub all_replaced: Option<AlertId>,
    /// For everyone, where too many were active: the oldest left before this one came, with a number of its own.
    pub all_removed: Option<AllChange>,
    /// A fan-out was made: wake whoever calls `expand_fanout`.
    pub fanout: bool,
}

/// An alert in one inbox, just stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notified {
    /// Whose.
    pub user: UserId,
    /// Its number.
    pub seq: Seq,
    /// The user's own part of the unread count at this seq.
    pub unread: u32,
    /// The item it took the place of.
    pub replaced: Option<AlertId>,
}

/// A chunk of a fan-out.
#[derive(Debug, Clone)]
pub struct Expanded {
    /// The alert.
    pub id: AlertId,
    /// What it says.
    pub content: Arc<Content>,
    /// New notifications.
    pub notified: Vec<Notified>,
    /// Items that were recalled.
    pub changes: Vec<UserChange>,
    /// Nothing is left of this fan-out.
    pub done: bool,
}

/// Items of one user changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserChange {
    /// Whose.
    pub user: UserId,
    /// The change's number.
    pub seq: Seq,
    /// The user's own part of the unread count after it.
    pub unread: u32,
    /// Which items.
    pub ids: Vec<AlertId>,
    /// What became of them.
    pub to: ChangedTo,
}

/// Announcements left for everyone: a change in the stream `all`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllChange {
    /// The change's number in `all`.
    pub seq: Seq,
    /// Which ones.
    pub ids: Vec<AlertId>,
    /// What became of them.
    pub to: ChangedTo,
}

/// What a recall did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recalled {
    /// Items that left an inbox; empty where a fan-out does it.
    pub changes: Vec<UserChange>,
    /// The announcement left.
    pub all: Option<AllChange>,
    /// A fan-out was made.
    pub fanout: bool,
}

/// What a sweep did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// Items that left an inbox.
    pub changes: Vec<UserChange>,
    /// Announcements that left.
    pub all: Vec<AllChange>,
    /// There is more to do at once.
    pub more: bool,
}

/// Unread items, in two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unread {
    /// Of the user's own stream.
    pub user: u32,
    /// Of the alerts for everyone.
    pub all: u32,
}

impl Unread {
    /// What a person sees.
    pub fn total(self) -> u32 {
        self.user.saturating_add(self.all)
    }
}

/// Where a user stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The numbering.
    pub epoch: Epoch,
    /// Both heads.
    pub head: Heads,
    /// Unread at these heads.
    pub unread: Unread,
}

/// What a new connection needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// Where the user stands.
    pub standing: Standing,
    /// The highest confirmed number of each stream.
    pub received: Heads,
    /// Do-not-disturb, locale and time zone.
    pub settings: Settings,
    /// Tokens issued at or before this are refused.
    pub revoke_before: Option<UnixMs>,
}

/// A user's settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// As the user set it.
    pub do_not_disturb: DoNotDisturb,
    /// From the profile.
    pub time_zone: Option<String>,
    /// From the profile.
    pub locale: Option<String>,
    /// Rises with each change.
    pub rev: u64,
}

/// An item the client already has, changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangedRow {
    /// Which one.
    pub id: AlertId,
    /// Its stream.
    pub stream: Stream,
    /// Seq of its last change. For an announcement that a person marked: in the user's stream.
    pub version: Seq,
    /// What it is now.
    pub now: ItemNow,
}

/// An item's present state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemNow {
    /// In the list.
    Here(ItemState),
    /// Out of the list.
    Left(ChangedTo),
}

/// A full item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRow {
    /// The alert.
    pub id: AlertId,
    /// Its stream.
    pub stream: Stream,
    /// Its number.
    pub seq: Seq,
    /// Seq of its last change; its own where nothing changed.
    pub version: Seq,
    /// Its present state.
    pub state: ItemState,
    /// How far it got.
    pub level: Option<Level>,
    /// What it says.
    pub content: Arc<Content>,
}

/// Where a page ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit {
    /// Most items.
    pub items: u32,
    /// The page ends after the item that reaches this many bytes of content.
    pub bytes: usize,
}

/// A page of a catch-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemsPage {
    /// The items.
    pub items: Vec<ItemRow>,
    /// Up to where this page is complete: `after` of the next.
    pub reached: Heads,
    /// There is more below `to`.
    pub more: bool,
}

/// A receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AckRow {
    /// `after < seq <= up_to` is received, or displayed.
    Range {
        /// In which stream.
        stream: Stream,
        /// Exclusive.
        after: Seq,
        /// Inclusive.
        up_to: Seq,
        /// `Received`, or `Displayed` for a client that cannot name what it shows; nothing higher.
        level: Level,
    },
    /// These alerts reached this level.
    Ids {
        /// Which ones.
        ids: Vec<AlertId>,
        /// How far.
        level: Level,
    },
}

/// Which items a person changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// These.
    Ids(Vec<AlertId>),
    /// All up to these positions.
    UpTo(Heads),
}

/// What a state change did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChanged {
    /// The change's number; the head where nothing changed.
    pub seq: Seq,
    /// Unread after it.
    pub unread: Unread,
    /// Whether anything changed: if not, there is nothing to tell other devices.
    pub changed: bool,
}

/// Which page of an inbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InboxQuery {
    /// Most items.
    pub limit: u32,
    /// Only alerts with a key below this one ([`AlertId::key`]).
    pub before: Option<i64>,
    /// Only unread, or only read.
    pub unread: Option<bool>,
    /// Only archived ones; else archived ones are left out.
    pub archived: bool,
    /// Only this category.
    pub category: Option<String>,
    /// Only this kind.
    pub kind: Option<String>,
}

/// A page of an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRows {
    /// Newest first.
    pub items: Vec<ItemRow>,
    /// For `before` of the next page.
    pub next: Option<i64>,
    /// Up to where the list is complete, and the counts there.
    pub standing: Standing,
}

/// How long items stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// Unless the category says otherwise.
    pub default: Duration,
    /// Per category.
    pub categories: Vec<(String, Duration)>,
}

/// One alert, for the back end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertDetail {
    /// The id.
    pub id: AlertId,
    /// Whom it is for; the list of users as posted, at most 100.
    pub audience: Audience,
    /// What it says.
    pub content: Arc<Content>,
    /// How many; `None`: everyone.
    pub recipients: Option<u32>,
    /// How many of them have it in their inbox by now.
    pub expanded: Option<u32>,
    /// When it was taken back.
    pub recalled_at: Option<UnixMs>,
}

/// Where an alert stands with one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientRow {
    /// Who.
    pub user: UserId,
    /// Its stream.
    pub stream: Stream,
    /// Its number there.
    pub seq: Seq,
    /// What it is now.
    pub now: ItemNow,
    /// How far it got.
    pub level: Option<Level>,
    /// When each level was first recorded, as far as it is known.
    pub level_times: Vec<(Level, UnixMs)>,
}

/// One user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// The id.
    pub id: UserId,
    /// What the application told.
    pub profile: UserProfile,
    /// First sight.
    pub created_at: UnixMs,
    /// Tokens issued at or before this are refused.
    pub revoke_before: Option<UnixMs>,
    /// Where the user stands.
    pub standing: Standing,
}

/// Everything stored about a user: one page of items, and the row itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserExport {
    /// The row.
    pub user: UserRow,
    /// The settings.
    pub settings: Settings,
    /// The groups they are in.
    pub groups: Vec<String>,
    /// What they want by which way.
    pub preferences: Preferences,
    /// Where a push goes.
    pub devices: Vec<crate::DeviceRow>,
    /// Items, newest first, archived and left ones too.
    pub items: Vec<ItemRow>,
    /// What became of those of the page outside the house.
    pub deliveries: Vec<(AlertId, crate::DeliveryTraceRow)>,
    /// For `before` of the next page.
    pub next: Option<i64>,
}

/// A page of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// How many in all.
    pub member_count: u32,
    /// This page.
    pub members: Vec<UserId>,
    /// There are more.
    pub more: bool,
}

/// For metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreGauges {
    /// Jobs waiting for the writer.
    pub writer_queue: u64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: u64,
    /// Log rows not yet merged into inboxes.
    pub unsettled: u64,
    /// Users held in memory.
    pub warm_users: u64,
    /// Receipts waiting for the next tick.
    pub pending_receipts: u64,
    /// Unfinished fan-outs.
    pub fanouts: u64,
    /// Ladders of alerts for everyone that are not through: they wait for their step, or walk the users.
    pub ladder_fanouts: u64,
    /// Deliveries of which something is left to be decided or sent.
    pub deliveries: u64,
    /// Those of them that wait for [`crate::Store::resume_deliveries`].
    pub held_deliveries: u64,
    /// When the first delivery can be claimed: how long ago is the lag.
    pub first_delivery_due: Option<UnixMs>,
    /// Legs that wait for an attempt or have one under way.
    pub pending_legs: u64,
    /// Deliveries that could not be made.
    pub dead_letters: u64,
    /// Deliveries that ended since the start, in the order of
    /// [`DeliveryState::ALL`](belfry_protocol::delivery::DeliveryState::ALL).
    pub ended_deliveries: [u64; 9],
    /// Commits since the start.
    pub commits: u64,
    /// Publishes stored since the start.
    pub published: u64,
    /// Whether the last write succeeded.
    pub healthy: bool,
}

impl StoreGauges {
    /// For how long the oldest delivery that is due has been due, in milliseconds.
    pub fn delivery_lag_ms(&self, now: UnixMs) -> u64 {
        let due = self.first_delivery_due.map_or(now.0, |due| due.0);
        u64::try_from(now.0.saturating_sub(due)).unwrap_or(0)
    }
}

/// An endpoint for status webhooks, as it is put.
#[derive(Clone)]
pub struct NewWebhook {
    /// Where to.
    pub url: String,
    /// What it wants to be told.
    pub events: Vec<WebhookEvent>,
    /// Whether it is told anything.
    pub enabled: bool,
    /// What signs, where it is new.
    pub secret: String,
}

/// An endpoint without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRow {
    /// Its name.
    pub id: WebhookId,
    /// Where to.
    pub url: String,
    /// What it wants to be told.
    pub events: Vec<WebhookEvent>,
    /// Whether it is told anything.
    pub enabled: bool,
    /// When it was made.
    pub created_at: UnixMs,
    /// Since when every call failed.
    pub failing_since: Option<UnixMs>,
    /// Why the server disabled it.
    pub disabled_reason: Option<WebhookDisabled>,
    /// Events that were dropped.
    pub dropped: u32,
    /// Events that wait.
    pub waiting: u32,
}

/// An endpoint with events that are the caller's to send.
#[derive(Clone)]
pub struct ClaimedWebhook {
    /// Names it to [`crate::Store::record_webhook_events`].
    pub key: i64,
    /// Its name.
    pub id: String,
    /// Where to.
    pub url: String,
    /// All of them sign; the newest first.
    pub secrets: Vec<String>,
    /// What it is to be told.
    pub events: Vec<ClaimedWebhookEvent>,
}

/// An event that is the caller's to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedWebhookEvent {
    /// Which.
    pub key: i64,
    /// Whose.
    pub token: i64,
    /// `webhook-id`: the same for every try.
    pub id: String,
    /// JSON.
    pub body: String,
    /// Calls that failed before.
    pub tries: u32,
}

/// What one call to an endpoint came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookOutcome {
    /// The event.
    pub key: i64,
    /// The claim's.
    pub token: i64,
    /// What becomes of it.
    pub then: WebhookThen,
}

/// What becomes of an event after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookThen {
    /// It was taken.
    Taken,
    /// It is tried again.
    Retry {
        /// When.
        next_at: UnixMs,
    },
    /// It is dropped: this was the last try.
    GiveUp,
    /// The endpoint says that it is gone: it is disabled, and the event waits.
    Gone,
}

/// What else recording did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookRecorded {
    /// The endpoint was disabled just now.
    pub disabled: Option<WebhookDisabled>,
}
