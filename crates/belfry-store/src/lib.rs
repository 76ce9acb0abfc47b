//! The truth: alerts, inboxes, users and groups.
//!
//! Everything live is a hint that may be lost; what stands here is not. Rows are the store's own types and never
//! go on a wire.

mod types;

pub use types::*;

use belfry_protocol::{AlertId, Audience, Cursor, DoNotDisturb, GroupId, Level, Seq, StateChange, Stream, UserId};
use belfry_protocol::user::UserProfile;
use std::path::Path;

/// The store: cheap to clone, shared by the whole node.
#[derive(Clone)]
pub struct Store {}

#[expect(clippy::unused_async, unused_variables, reason = "the contract, before its implementation")]
impl Store {
    /// Opens (and where needed creates and migrates) the store. Refuses a newer schema and a file that another
    /// process has open as its store.
    pub async fn open(options: Options, now: UnixMs) -> Result<Self, OpenError> { unimplemented!() }

    /// The next alert id: keys rise strictly within the process and after everything stored.
    pub fn next_alert_id(&self, now: UnixMs) -> AlertId { unimplemented!() }

    // ---- publishing

    /// Stores an alert: when this returns `Ok` it is synced to disk. Up to 256 recipients get their notification in
    /// the same transaction; for more the promise is a fan-out row, expanded by [`Store::expand_fanout`].
    /// `Everyone` is one row. Concurrent calls share a commit; one bad publish does not fail its neighbours.
    pub async fn publish(&self, alert: NewAlert, now: UnixMs) -> Result<Published, PublishError> { unimplemented!() }

    /// Writes the next chunk (at most 200 users) of the oldest unfinished fan-out: notifications of a large
    /// audience, or the recall of one. `None`: nothing to do.
    pub async fn expand_fanout(&self, now: UnixMs) -> Result<Option<Expanded>, StoreError> { unimplemented!() }

    /// Takes an alert back. Unknown: `None`. Recalled before: the same answer without changes.
    pub async fn recall(&self, id: AlertId, now: UnixMs) -> Result<Option<Recalled>, StoreError> { unimplemented!() }

    // ---- one user's live connection

    /// The user's row, made at first sight (`all_from` = present head of `all`).
    pub async fn connect(&self, user: &UserId, now: UnixMs) -> Result<Connected, StoreError> { unimplemented!() }

    /// Items at or below `since` whose version is above it, at their present state; at most `limit` (callers ask for
    /// one more than they take, to see that there are too many).
    pub async fn changed_since(&self, user: &UserId, since: Heads, to: Heads, limit: u32) -> Result<Vec<ChangedRow>, StoreError> { unimplemented!() }

    /// Items above `after` up to `to` at their present state: the user's stream in seq order, then `all` in seq order.
    /// Items that left the list are holes.
    pub async fn items_after(&self, user: &UserId, after: Heads, to: Heads, limit: PageLimit) -> Result<ItemsPage, StoreError> { unimplemented!() }

    /// How many items lie above `after` up to `to`, counted at most to `limit`.
    pub async fn count_after(&self, user: &UserId, after: Heads, to: Heads, limit: u32) -> Result<u32, StoreError> { unimplemented!() }

    /// Head and unread of a user as they are now (memory where it is warm).
    pub async fn standing(&self, user: &UserId) -> Result<Standing, StoreError> { unimplemented!() }

    /// A cursor above the head was seen: gives the user a new epoch part.
    pub async fn renew_user_epoch(&self, user: &UserId, now: UnixMs) -> Result<Standing, StoreError> { unimplemented!() }

    /// Records receipts. Returns at once: they are coalesced per user and ride on the next commit or a tick of at most
    /// 200 ms; a crash may lose the last tick. A range is clamped to the head.
    pub fn acknowledge(&self, user: &UserId, ack: AckRow, now: UnixMs) -> Result<(), StoreError> { unimplemented!() }

    /// Waits until every receipt given before is on disk (tests, drain).
    pub async fn flush(&self) -> Result<(), StoreError> { unimplemented!() }

    // ---- inbox

    /// A page, newest alert id first, of both streams.
    pub async fn inbox(&self, user: &UserId, query: InboxQuery) -> Result<InboxRows, StoreError> { unimplemented!() }

    /// Changes the state of items. Ids that are not the user's, or that left the list, change nothing.
    pub async fn change_state(&self, user: &UserId, selection: Selection, change: StateChange, now: UnixMs) -> Result<StateChanged, StoreError> { unimplemented!() }

    /// Marks items as expired whose time is over, for at most `limit` items; one seq per user and sweep.
    pub async fn sweep_expired(&self, now: UnixMs, limit: u32) -> Result<Swept, StoreError> { unimplemented!() }

    /// Removes what is older than its category's retention, at most `limit` items. Only unread ones make a change.
    pub async fn apply_retention(&self, policy: &RetentionPolicy, now: UnixMs, limit: u32) -> Result<Swept, StoreError> { unimplemented!() }

    /// Forgets idempotency keys that are older than `before`.
    pub async fn expire_idempotency_keys(&self, before: UnixMs) -> Result<u32, StoreError> { unimplemented!() }

    // ---- alerts, for the back end

    /// One alert.
    pub async fn alert(&self, id: AlertId) -> Result<Option<AlertDetail>, StoreError> { unimplemented!() }

    /// Where an alert stands with its recipients, in order of user id. Only users with a mark for an alert to everyone.
    pub async fn alert_recipients(&self, id: AlertId, after: Option<&UserId>, limit: u32) -> Result<Vec<RecipientRow>, StoreError> { unimplemented!() }

    // ---- users and groups

    /// Sets a user's profile, making the user where it is new.
    pub async fn put_user(&self, user: &UserId, profile: UserProfile, now: UnixMs) -> Result<UserRow, StoreError> { unimplemented!() }
    /// One user.
    pub async fn user(&self, user: &UserId) -> Result<Option<UserRow>, StoreError> { unimplemented!() }
    /// Erases everything of a user. `false`: there was none.
    pub async fn delete_user(&self, user: &UserId) -> Result<bool, StoreError> { unimplemented!() }
    /// Everything stored about a user, as pages of JSON lines are made from it.
    pub async fn export_user(&self, user: &UserId, before: Option<i64>, limit: u32) -> Result<Option<UserExport>, StoreError> { unimplemented!() }
    /// Refuses tokens issued at or before this moment; never moves back.
    pub async fn revoke_before(&self, user: &UserId, before: UnixMs, now: UnixMs) -> Result<(), StoreError> { unimplemented!() }
    /// Sets do-not-disturb; answers the state and its new revision.
    pub async fn set_do_not_disturb(&self, user: &UserId, setting: DoNotDisturb, now: UnixMs) -> Result<Settings, StoreError> { unimplemented!() }
    /// The user's settings.
    pub async fn settings(&self, user: &UserId, now: UnixMs) -> Result<Settings, StoreError> { unimplemented!() }

    /// Replaces a group's members (at most 10,000 in a call), making the group where it is new.
    pub async fn put_group(&self, group: &GroupId, members: Vec<UserId>, now: UnixMs) -> Result<u32, StoreError> { unimplemented!() }
    /// Adds members; answers the count. `None`: no such group.
    pub async fn add_members(&self, group: &GroupId, members: Vec<UserId>, now: UnixMs) -> Result<Option<u32>, StoreError> { unimplemented!() }
    /// Removes members; answers the count. `None`: no such group.
    pub async fn remove_members(&self, group: &GroupId, members: Vec<UserId>, now: UnixMs) -> Result<Option<u32>, StoreError> { unimplemented!() }
    /// A page of members in order of their ids.
    pub async fn group(&self, group: &GroupId, after: Option<&UserId>, limit: u32) -> Result<Option<GroupRow>, StoreError> { unimplemented!() }
    /// Deletes a group. `false`: there was none.
    pub async fn delete_group(&self, group: &GroupId) -> Result<bool, StoreError> { unimplemented!() }

    // ---- operation

    /// The store's part of the epoch.
    pub fn store_epoch(&self) -> u32 { unimplemented!() }
    /// Gives the store a new epoch: every client resets.
    pub async fn new_epoch(&self) -> Result<u32, StoreError> { unimplemented!() }
    /// Writes a copy that already holds a new epoch and says that it was restored. `progress(done_pages, all_pages)`.
    pub async fn backup(&self, to: &Path, progress: impl Fn(u64, u64) + Send + 'static) -> Result<(), StoreError> { unimplemented!() }
    /// Whether a commit goes through right now.
    pub async fn check_writable(&self) -> Result<(), StoreError> { unimplemented!() }
    /// Sizes and depths for metrics; never blocks.
    pub fn gauges(&self) -> StoreGauges { unimplemented!() }
    /// Flushes receipts, settles what is only in the log, checkpoints and closes. Later calls answer `Closed`.
    pub async fn close(&self) -> Result<(), StoreError> { unimplemented!() }
}
