//! The truth: alerts, inboxes, users and groups.
//!
//! Everything live is a hint that may be lost; what stands here is not. Rows are the store's own types and never
//! go on a wire.

mod alert_keys;
mod alerts;
mod announcements;
mod attempts;
mod backup;
mod cancellation;
mod changes;
mod checkpoint;
mod dead_letters;
mod decisions;
mod deliveries;
mod delivery_codes;
mod delivery_rows;
mod delivery_types;
mod devices;
mod engine;
mod expiry;
mod fanouts;
mod group_commit;
mod groups;
mod heads;
mod held;
mod idempotency;
mod import;
mod inbox;
mod inner;
mod ladder_fanouts;
mod leg_claims;
mod legs;
mod memory;
mod nodes;
mod notifications;
mod postgres_options;
mod postgres_schema;
mod preferences;
mod presence;
mod publishing;
mod ranges;
mod reach;
mod readers;
mod receipts;
mod recipients;
mod recovery;
mod retention;
mod revoked_keys;
mod schema;
mod sendings;
mod settle;
mod shared;
mod shared_commit;
mod signing_keys;
mod sql;
mod state;
mod told_levels;
mod traces;
mod txn;
mod types;
mod users;
mod watch;
mod webhook_events;
mod webhooks;
mod writer;

pub use backup::backup_file;
pub use delivery_types::*;
pub use devices::{DeviceAnswer, DeviceError, DeviceMove, DeviceRow, MoveDirection, NewDevice, Registered};
pub use heads::UserHead;
pub use import::{ImportProgress, Imported, import_file};
pub use nodes::{Incarnation, NodeRow, NodeWrite, TakenOver};
pub use postgres_options::PostgresOptions;
pub use presence::{Elsewhere, PresenceWrite};
pub use reach::Recipient;
pub use schema::sqlite_version;
pub use types::*;

use belfry_protocol::device::PushAddress;
use belfry_protocol::preferences::Preferences;
use belfry_protocol::user::UserProfile;
use belfry_protocol::{AlertId, DoNotDisturb, GroupId, KeyId, StateChange, UserId};
use inbox::Snapshot;
use inner::Inner;
use std::path::Path;
use std::sync::Arc;

/// The schema that this version gives an engine.
pub fn schema_of(engine: &EngineOptions) -> u32 {
    match engine {
        EngineOptions::Sqlite(_) => schema::schema_version(),
        EngineOptions::Postgres(_) => postgres_schema::known_version(),
    }
}

/// The store: cheap to clone, shared by the whole node. When the last clone goes without [`Store::close`], what was
/// acknowledged is written and the threads end.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl Store {
    /// Opens (and where needed creates and migrates) the store. Refuses a newer schema and a file that another
    /// process has open as its store.
    pub async fn open(options: Options, now: UnixMs) -> Result<Self, OpenError> {
        Inner::open(options, now).await.map(|inner| Self { inner: Arc::new(inner) })
    }

    /// The next alert id: keys rise strictly within the process and after everything stored.
    pub fn next_alert_id(&self, now: UnixMs) -> AlertId {
        self.inner.next_alert_id(now)
    }

    // ---- publishing

    /// Stores an alert: when this returns `Ok` it is synced to disk. Up to 256 recipients get their notification in
    /// the same transaction; for more the promise is a fan-out row, expanded by [`Store::expand_fanout`].
    /// `Everyone` is one row. Concurrent calls share a commit; one bad publish does not fail its neighbours.
    pub async fn publish(&self, alert: NewAlert, now: UnixMs) -> Result<Published, PublishError> {
        self.inner.publish(alert, now).await
    }

    /// Writes the next chunk (at most 200 users) of the oldest unfinished fan-out: notifications of a large
    /// audience, or the recall of one. `None`: nothing to do.
    pub async fn expand_fanout(&self, now: UnixMs) -> Result<Option<Expanded>, StoreError> {
        self.inner.writer.write(move |txn| fanouts::expand(txn, now.0)).await
    }

    /// Takes an alert back. Unknown: `None`. Recalled before: the same answer without changes.
    pub async fn recall(&self, id: AlertId, now: UnixMs) -> Result<Option<Recalled>, StoreError> {
        self.inner.writer.write(move |txn| fanouts::recall_alert(txn, id, now.0)).await
    }

    // ---- one user's live connection

    /// The user's row, made at first sight. Announcements up to then do not exist for them, but the newest 100
    /// active ones that are for latecomers.
    pub async fn connect(&self, user: &UserId, now: UnixMs) -> Result<Connected, StoreError> {
        self.inner.connect(user, now).await
    }

    /// Items at or below `since` whose version is above it, at their present state; at most `limit` (callers ask for
    /// one more than they take, to see that there are too many).
    pub async fn changed_since(
        &self,
        user: &UserId,
        since: Heads,
        to: Heads,
        limit: u32,
    ) -> Result<Vec<ChangedRow>, StoreError> {
        let _ = to;
        let read =
            self.inner.read_user(user, move |snapshot: &Snapshot<'_>| snapshot.changed_since(since, limit));
        Ok(read.await?.unwrap_or_default())
    }

    /// Items above `after` up to `to` at their present state: the user's stream in seq order, then `all` in seq order.
    /// Items that left the list are holes.
    pub async fn items_after(
        &self,
        user: &UserId,
        after: Heads,
        to: Heads,
        limit: PageLimit,
    ) -> Result<ItemsPage, StoreError> {
        let read =
            self.inner.read_user(user, move |snapshot: &Snapshot<'_>| snapshot.items_after(after, to, limit));
        Ok(read.await?.unwrap_or(ItemsPage { items: Vec::new(), reached: to, more: false }))
    }

    /// How many items lie above `after` up to `to`, counted at most to `limit`.
    pub async fn count_after(
        &self,
        user: &UserId,
        after: Heads,
        to: Heads,
        limit: u32,
    ) -> Result<u32, StoreError> {
        let read =
            self.inner.read_user(user, move |snapshot: &Snapshot<'_>| snapshot.count_after(after, to, limit));
        Ok(read.await?.unwrap_or(0))
    }

    /// Head and unread of a user as they are now (memory where it is warm).
    pub async fn standing(&self, user: &UserId) -> Result<Standing, StoreError> {
        self.inner.standing(user).await
    }

    /// A cursor above the head was seen: gives the user a new epoch part.
    pub async fn renew_user_epoch(&self, user: &UserId, now: UnixMs) -> Result<Standing, StoreError> {
        let id = user.clone();
        let core = self.inner.writer.write(move |txn| users::renew_epoch(txn, &id, now.0)).await?;
        Ok(self.inner.shared.memory.standing(&core))
    }

    /// Records receipts. Returns at once: they are coalesced per user and ride on the next commit or a tick of at most
    /// 200 ms; a crash may lose the last tick. A range is clamped to the head.
    pub fn acknowledge(&self, user: &UserId, ack: AckRow, now: UnixMs) -> Result<(), StoreError> {
        self.inner.acknowledge(user, ack, now)
    }

    /// Waits until every receipt given before is on disk (tests, drain).
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.inner.writer.flush().await
    }

    // ---- inbox

    /// A page, newest alert id first, of both streams.
    pub async fn inbox(&self, user: &UserId, query: InboxQuery) -> Result<InboxRows, StoreError> {
        self.inner.inbox(user, query).await
    }

    /// Changes the state of items. Ids that are not the user's, or that left the list, change nothing.
    pub async fn change_state(
        &self,
        user: &UserId,
        selection: Selection,
        change: StateChange,
        now: UnixMs,
    ) -> Result<StateChanged, StoreError> {
        let user = user.clone();
        self.inner
            .writer
            .write_for(vec![user.clone()], move |txn| changes::change(txn, &user, &selection, change, now.0))
            .await
    }

    /// Marks items as expired whose time is over, for at most `limit` items; one seq per user and sweep.
    pub async fn sweep_expired(&self, now: UnixMs, limit: u32) -> Result<Swept, StoreError> {
        self.inner.writer.write(move |txn| expiry::sweep(txn, now.0, limit)).await
    }

    /// Removes what is older than its category's retention, at most `limit` items. Only unread ones make a change.
    pub async fn apply_retention(
        &self,
        policy: &RetentionPolicy,
        now: UnixMs,
        limit: u32,
    ) -> Result<Swept, StoreError> {
        let policy = policy.clone();
        self.inner.writer.write(move |txn| retention::apply(txn, &policy, now.0, limit)).await
    }

    /// Forgets idempotency keys that are older than `before`.
    pub async fn expire_idempotency_keys(&self, before: UnixMs) -> Result<u32, StoreError> {
        let mut forgotten: u32 = 0;
        loop {
            let (step, more) = self.inner.writer.write(move |txn| idempotency::expire(txn, before.0)).await?;
            forgotten = forgotten.saturating_add(step);
            if !more {
                return Ok(forgotten);
            }
        }
    }

    // ---- alerts, for the back end

    /// One alert.
    pub async fn alert(&self, id: AlertId) -> Result<Option<AlertDetail>, StoreError> {
        self.inner.readers.read(move |conn| alerts::detail(conn, id)).await
    }

    /// Where an alert stands with its recipients, in order of user id. For an alert to everyone
    /// only those who did something with it, or to whom its ladder went.
    pub async fn alert_recipients(
        &self,
        id: AlertId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<RecipientRow>, StoreError> {
        let after = after.cloned();
        self.inner.readers.read(move |conn| recipients::page(conn, id, after.as_ref(), limit)).await
    }

    // ---- users and groups

    /// Sets a user's profile, making the user where it is new.
    pub async fn put_user(
        &self,
        user: &UserId,
        profile: UserProfile,
        now: UnixMs,
    ) -> Result<UserRow, StoreError> {
        let id = user.clone();
        let core = self
            .inner
            .writer
            .write_for(vec![id.clone()], move |txn| users::put(txn, &id, profile.clone(), now.0))
            .await?;
        Ok(users::row(user, &core, self.inner.shared.memory.standing(&core)))
    }
    /// One user.
    pub async fn user(&self, user: &UserId) -> Result<Option<UserRow>, StoreError> {
        let core = self.inner.find_core(user).await?;
        Ok(core.map(|core| users::row(user, &core, self.inner.shared.memory.standing(&core))))
    }
    /// Erases everything of a user. `false`: there was none.
    pub async fn delete_user(&self, user: &UserId) -> Result<bool, StoreError> {
        let user = user.clone();
        self.inner.writer.write(move |txn| users::erase(txn, &user)).await
    }
    /// Everything stored about a user, as pages of JSON lines are made from it.
    pub async fn export_user(
        &self,
        user: &UserId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Option<UserExport>, StoreError> {
        self.inner.export_user(user, before, limit).await
    }
    /// Refuses tokens issued at or before this moment; never moves back.
    pub async fn revoke_before(&self, user: &UserId, before: UnixMs, now: UnixMs) -> Result<(), StoreError> {
        let user = user.clone();
        self.inner.writer.write(move |txn| users::revoke_before(txn, &user, before, now.0)).await
    }
    /// Refuses tokens of this signing key; answers when it was revoked first.
    pub async fn revoke_key(&self, key: &KeyId, now: UnixMs) -> Result<UnixMs, StoreError> {
        let key = key.clone();
        self.inner.writer.write(move |txn| revoked_keys::revoke(txn, &key, now.0)).await
    }
    /// Takes the revocation of a key back. `false`: there was none.
    pub async fn restore_key(&self, key: &KeyId) -> Result<bool, StoreError> {
        let key = key.clone();
        self.inner.writer.write(move |txn| revoked_keys::restore(txn, &key)).await
    }
    /// The revoked keys in order of their ids, and since when.
    pub async fn revoked_keys(&self) -> Result<Vec<(KeyId, UnixMs)>, StoreError> {
        self.inner.readers.read(revoked_keys::all).await
    }
    /// Sets do-not-disturb; answers the state and its new revision.
    pub async fn set_do_not_disturb(
        &self,
        user: &UserId,
        setting: DoNotDisturb,
        now: UnixMs,
    ) -> Result<Settings, StoreError> {
        let user = user.clone();
        self.inner
            .writer
            .write_for(vec![user.clone()], move |txn| {
                users::set_do_not_disturb(txn, &user, setting.clone(), now.0)
            })
            .await
    }
    /// The user's settings.
    pub async fn settings(&self, user: &UserId, now: UnixMs) -> Result<Settings, StoreError> {
        Ok(self.inner.core(user, now).await?.profile.settings())
    }

    // ---- how a person can be reached

    /// Registers a device, making the user where it is new. An address that another device has, of this user or of
    /// another, moves here. A user has at most 20 devices.
    pub async fn put_device(
        &self,
        user: &UserId,
        device: NewDevice,
        now: UnixMs,
    ) -> Result<Registered, DeviceError> {
        let user = user.clone();
        let put = self.inner.writer.write(move |txn| devices::put(txn, &user, &device, now.0)).await?;
        put.ok_or(DeviceError::TooMany)
    }
    /// A user's devices, in order of their ids.
    pub async fn devices(&self, user: &UserId) -> Result<Vec<DeviceRow>, StoreError> {
        let user = user.clone();
        self.inner.readers.read(move |conn| devices::list(conn, &user)).await
    }
    /// The last addresses that came to a user from other people or went to them, newest first.
    pub async fn device_moves(&self, user: &UserId) -> Result<Vec<DeviceMove>, StoreError> {
        let user = user.clone();
        self.inner.readers.read(move |conn| devices::moves(conn, &user)).await
    }
    /// Forgets a device. `false`: there was none.
    pub async fn delete_device(&self, user: &UserId, device: &str) -> Result<bool, StoreError> {
        self.forget_address(user, device, None).await
    }
    /// Forgets a device whose address is gone. `false`: there is none, or it was registered after that moment: then
    /// what the provider said is about an older address.
    pub async fn forget_address(
        &self,
        user: &UserId,
        device: &str,
        unless_registered_after: Option<UnixMs>,
    ) -> Result<bool, StoreError> {
        let (user, device) = (user.clone(), device.to_owned());
        let body =
            move |txn: &mut txn::Txn<'_>| devices::delete(txn.conn, &user, &device, unless_registered_after);
        self.inner.writer.write(body).await
    }
    /// Notes what a provider said to a push.
    pub async fn device_answered(
        &self,
        user: &UserId,
        device: &str,
        answer: DeviceAnswer,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let (user, device) = (user.clone(), device.to_owned());
        let body = move |txn: &mut txn::Txn<'_>| devices::answered(txn.conn, &user, &device, &answer, now.0);
        self.inner.writer.write(body).await
    }
    /// Notes that a provider knows a device's address by other facts; another address changes nothing.
    pub async fn correct_address(
        &self,
        user: &UserId,
        device: &str,
        address: PushAddress,
    ) -> Result<(), StoreError> {
        let (user, device) = (user.clone(), device.to_owned());
        let body = move |txn: &mut txn::Txn<'_>| devices::correct(txn.conn, &user, &device, &address);
        self.inner.writer.write(body).await
    }
    /// Keeps mail from an address, until [`Store::put_user`] gives one again. `false`: it is not the user's any more.
    pub async fn suppress_email(
        &self,
        user: &UserId,
        address: &str,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let (user, address, reason) = (user.clone(), address.to_owned(), reason.to_owned());
        let body = move |txn: &mut txn::Txn<'_>| preferences::suppress_email(txn, &user, &address, &reason);
        self.inner.writer.write(body).await
    }
    /// What a user wants by which way.
    pub async fn preferences(&self, user: &UserId, now: UnixMs) -> Result<Preferences, StoreError> {
        Ok(self.inner.core(user, now).await?.profile.preferences().clone())
    }
    /// Replaces a user's preferences; answers the settings with their new revision.
    pub async fn set_preferences(
        &self,
        user: &UserId,
        preferences: Preferences,
        now: UnixMs,
    ) -> Result<Settings, StoreError> {
        let user = user.clone();
        self.inner
            .writer
            .write_for(vec![user.clone()], move |txn| {
                preferences::set(txn, &user, preferences.clone(), now.0)
            })
            .await
    }
    /// Turns e-mail off for one category. `None`: it is off already, or there is no such user.
    pub async fn unsubscribe(
        &self,
        user: &UserId,
        category: &str,
        now: UnixMs,
    ) -> Result<Option<Settings>, StoreError> {
        let (user, category) = (user.clone(), category.to_owned());
        self.inner.writer.write(move |txn| preferences::unsubscribe(txn, &user, &category, now.0)).await
    }
    /// These people with everything a delivery asks of them, in this order and each once; those who are not known are
    /// left out.
    pub async fn recipients(&self, users: &[UserId]) -> Result<Vec<Recipient>, StoreError> {
        reach::recipients(&self.inner, users).await
    }
    /// The signing key of this name, the same on every node: the offered one where there was none before.
    pub async fn signing_key(
        &self,
        name: &str,
        offered: [u8; 32],
        now: UnixMs,
    ) -> Result<[u8; 32], StoreError> {
        let name = name.to_owned();
        self.inner.writer.write(move |txn| signing_keys::get_or_keep(txn.conn, &name, offered, now.0)).await
    }

    /// Replaces a group's members (at most 10,000 in a call), making the group where it is new.
    pub async fn put_group(
        &self,
        group: &GroupId,
        members: Vec<UserId>,
        now: UnixMs,
    ) -> Result<u32, StoreError> {
        let group = group.clone();
        self.inner.writer.write(move |txn| groups::put(txn, &group, members.clone(), now.0)).await
    }
    /// Adds members; answers the count. `None`: no such group.
    pub async fn add_members(
        &self,
        group: &GroupId,
        members: Vec<UserId>,
        now: UnixMs,
    ) -> Result<Option<u32>, StoreError> {
        let group = group.clone();
        self.inner.writer.write(move |txn| groups::add(txn, &group, members.clone(), now.0)).await
    }
    /// Removes members; answers the count. `None`: no such group.
    pub async fn remove_members(
        &self,
        group: &GroupId,
        members: Vec<UserId>,
        now: UnixMs,
    ) -> Result<Option<u32>, StoreError> {
        let _ = now;
        let group = group.clone();
        self.inner.writer.write(move |txn| groups::remove(txn, &group, &members)).await
    }
    /// A page of members in order of their ids.
    pub async fn group(
        &self,
        group: &GroupId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Option<GroupRow>, StoreError> {
        let (group, after) = (group.clone(), after.cloned());
        self.inner.readers.read(move |conn| groups::page(conn, &group, after.as_ref(), limit)).await
    }
    /// Deletes a group. `false`: there was none.
    pub async fn delete_group(&self, group: &GroupId) -> Result<bool, StoreError> {
        let group = group.clone();
        self.inner.writer.write(move |txn| groups::delete(txn, &group)).await
    }

    // ---- operation

    /// The store's part of the epoch.
    pub fn store_epoch(&self) -> u32 {
        self.inner.shared.memory.store_epoch()
    }
    /// Gives the store a new epoch: every client resets, and from the next start on deliveries that were armed before
    /// are held.
    pub async fn new_epoch(&self) -> Result<u32, StoreError> {
        let epoch = users::random_u32();
        self.inner
            .writer
            .write(move |txn| {
                txn.effects.store_epoch = Some(epoch);
                // A copy of an earlier day: what was armed in it may have gone out since.
                txn::set_meta(txn.conn, "restored", 1)?;
                txn::set_meta(txn.conn, "store_epoch", i64::from(epoch))
            })
            .await?;
        Ok(epoch)
    }
    /// Writes a copy that already holds a new epoch and says that it was restored. `progress(done_pages, all_pages)`.
    pub async fn backup(
        &self,
        to: &Path,
        progress: impl Fn(u64, u64) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.inner.backup(to, progress).await
    }
    /// Whether a commit goes through right now.
    pub async fn check_writable(&self) -> Result<(), StoreError> {
        self.inner.writer.write(|txn| txn::touch_meta(txn.conn, "checked")).await
    }
    /// For tests: as if the disk were full once the file has this many pages; `None`: as it is.
    #[doc(hidden)]
    pub async fn limit_pages(&self, pages: Option<u32>) -> Result<(), StoreError> {
        self.inner.writer.limit_pages(pages).await
    }
    /// Sizes and depths for metrics; never blocks.
    pub fn gauges(&self) -> StoreGauges {
        self.inner.gauges()
    }
    /// Flushes receipts, settles what is only in the log, checkpoints and closes. Later calls answer `Closed`.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}
