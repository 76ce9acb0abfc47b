//! The parts of a store, and the operations that need more than one of them.

use crate::alert_keys::AlertKeys;
use crate::checkpoint::Checkpointer;
use crate::delivery_codes::delivery_code;
use crate::engine::Engine;
use crate::idempotency::{IdempotencyKey, key_of};
use crate::inbox::{Filter, Snapshot};
use crate::memory::{Core, Memory, View, lock};
use crate::readers::Readers;
use crate::receipts::Pending;
use crate::shared::{Counters, Shared};
use crate::sql::Connection;
use crate::txn::{Limits, meta};
use crate::writer::Weight;
use crate::writer::Writer;
use crate::*;
use belfry_protocol::Seq;
use belfry_protocol::delivery::DeliveryState;
use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a repeated call waits for the first one.
const TWIN_WAIT: Duration = Duration::from_secs(2);

/// The parts of a store.
pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
    /// Of a file.
    checkpointer: Option<Arc<Checkpointer>>,
    keys: AlertKeys,
    /// Idempotency keys of calls that wait for their commit.
    in_flight: Mutex<HashMap<IdempotencyKey, usize>>,
    /// Of a file; given up with the last of the store.
    lock: Mutex<Option<File>>,
}

impl Inner {
    /// Opens, migrates, recovers and starts the threads.
    pub(crate) async fn open(options: Options, now: UnixMs) -> Result<Self, OpenError> {
        let (name, opening) = match options.engine.clone() {
            EngineOptions::Sqlite(path) => {
                let name = path.display().to_string();
                (name, tokio::task::spawn_blocking(move || Self::open_file(path, options, now)))
            }
            EngineOptions::Postgres(server) => {
                let name = server.place();
                (name, tokio::task::spawn_blocking(move || Self::open_server(server, options, now)))
            }
        };
        opening.await.unwrap_or_else(|error| {
            Err(OpenError::Unusable { path: name, reason: format!("opening failed: {error}") })
        })
    }

    fn open_file(path: PathBuf, options: Options, now: UnixMs) -> Result<Self, OpenError> {
        let unusable = |reason: String| OpenError::Unusable { path: path.display().to_string(), reason };
        let lock = schema::take_lock(&path)?;
        let conn = Connection::Sqlite(schema::open_and_migrate(&path, options.busy_timeout)?);
        let limits = Limits::of(&options);
        let newest_key = recovery::recover(&conn, limits, now.0)
            .map_err(|error| unusable(format!("{error}; restore a backup if the disk is in order")))?;
        let mut this = Self::start((Engine::Sqlite(path.clone()), options), conn, newest_key)
            .map_err(|error| unusable(error.to_string()))?;
        this.lock = Mutex::new(Some(lock));
        Ok(this)
    }

    fn open_server(server: PostgresOptions, options: Options, now: UnixMs) -> Result<Self, OpenError> {
        let place = server.place();
        let unusable = |reason: String| OpenError::Unusable { path: place.clone(), reason };
        let engine = Engine::Postgres(server.clone());
        postgres_schema::migrate(&server)?;
        let begin = || -> sql::Sql<_> {
            let conn = engine.connect_writer(options.busy_timeout)?;
            let (newest_key, start) = recovery::begin_shared(&conn, now.0)?;
            Ok((conn, newest_key, start))
        };
        let (conn, newest_key, start) = begin().map_err(|error| unusable(error.to_string()))?;
        let mut this =
            Self::start((engine, options), conn, newest_key).map_err(|error| unusable(error.to_string()))?;
        this.keys = AlertKeys::of_node(start, newest_key);
        Ok(this)
    }

    fn start((engine, options): (Engine, Options), conn: Connection, newest_key: i64) -> sql::Sql<Self> {
        let store_epoch = meta(&conn, "store_epoch")?.unwrap_or(0) as u32;
        let (all, unfinished) = (announcements::load(&conn)?, fanouts::unfinished(&conn)?);
        let shared = Arc::new(Shared {
            engine,
            clock_ahead: AtomicI64::new(0),
            memory: match conn.is_shared() {
                true => Memory::of_node(store_epoch, all),
                false => Memory::new(store_epoch, all),
            },
            pending: Pending::default(),
            webhooks_changed: tokio::sync::Notify::new(),
            counters: Counters { fanouts: AtomicI64::new(unfinished), ..Counters::default() },
            options,
        });
        let threads = || -> std::io::Result<_> {
            let readers =
                Readers::start(&shared.engine, shared.options.readers, shared.options.busy_timeout)?;
            let checkpointer = match &shared.engine {
                Engine::Sqlite(_) => Some(Arc::new(Checkpointer::start(Arc::clone(&shared))?)),
                Engine::Postgres(_) => None,
            };
            let writer = Writer::start(Arc::clone(&shared), conn, newest_key, checkpointer.clone())?;
            Ok((readers, checkpointer, writer))
        };
        let (readers, checkpointer, writer) =
            threads().map_err(|error| sql::Error::Unreachable(error.to_string()))?;
        Ok(Self {
            shared,
            writer,
            readers,
            checkpointer,
            keys: AlertKeys::of_one_process(newest_key),
            in_flight: Mutex::default(),
            lock: Mutex::new(None),
        })
    }

    /// See [`Store::next_alert_id`].
    pub(crate) fn next_alert_id(&self, now: UnixMs) -> AlertId {
        AlertId::from_parts(self.keys.next(now), uuid::Uuid::new_v4().as_u128() as u64)
    }

    /// See [`Store::publish`].
    pub(crate) async fn publish(&self, alert: NewAlert, now: UnixMs) -> Result<Published, PublishError> {
        let key = alert.idempotency.as_ref().map(key_of);
        let bytes = 256 + alerts::content_bytes(&alert.content);
        let users = match &alert.audience {
            belfry_protocol::Audience::User(user) => Some(vec![user.clone()]),
            belfry_protocol::Audience::Users(users) if users.len() <= publishing::AT_ONCE_MAX => {
                Some(users.clone())
            }
            _ => None,
        };
        let weight = Weight { bytes, users, key: key.clone() };
        let Some(key) = key else {
            let answered = self.writer.submit(weight, move |txn| publishing::publish(txn, &alert, now.0))?;
            return answered.await.map_err(|_| StoreError::Closed)??;
        };
        let flight = InFlight::begin(&self.in_flight, key);
        let answered = self.writer.submit(weight, move |txn| publishing::publish(txn, &alert, now.0))?;
        if !flight.twin {
            return answered.await.map_err(|_| StoreError::Closed)??;
        }
        // It stands behind the first one in the queue. If the caller is not told in time, the replay is simply lost.
        match tokio::time::timeout(TWIN_WAIT, answered).await {
            Ok(answer) => answer.map_err(|_| StoreError::Closed)??,
            Err(_) => Err(PublishError::IdempotencyInProgress),
        }
    }

    /// A user at t0 and a snapshot after it. `None`: there is no such user.
    pub(crate) async fn read_user<T: Send + 'static>(
        &self,
        user: &UserId,
        body: impl FnOnce(&Snapshot<'_>) -> sql::Sql<T> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        self.read_view(user, move |_, snapshot| body(snapshot)).await
    }

    async fn read_view<T: Send + 'static>(
        &self,
        user: &UserId,
        body: impl FnOnce(&View, &Snapshot<'_>) -> sql::Sql<T> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        let warm = self.shared.memory.view(user);
        let all_before = self.shared.memory.all();
        let (shared, user) = (Arc::clone(&self.shared), user.clone());
        let read = move |conn: &Connection| {
            let view = match warm {
                Ok(view) => view,
                Err(generation) => match load(conn, &shared.memory, &user, generation)? {
                    Some(view) => view,
                    None => return Ok(None),
                },
            };
            // Of a file what stood before the user was looked at; of a server what the snapshot found.
            let all = if conn.is_shared() { shared.memory.all() } else { all_before };
            let snapshot = Snapshot::new(conn, &view, &all)?;
            body(&view, &snapshot).map(Some)
        };
        self.readers.read(read).await
    }

    /// A user as committed, from memory where warm.
    async fn find_view(&self, user: &UserId) -> Result<Option<View>, StoreError> {
        let generation = match self.shared.memory.view(user) {
            Ok(view) => return Ok(Some(view)),
            Err(generation) => generation,
        };
        let (shared, user) = (Arc::clone(&self.shared), user.clone());
        self.readers.read(move |conn| load(conn, &shared.memory, &user, generation)).await
    }

    /// Like [`Inner::find_view`], without a copy of the tail.
    pub(crate) async fn find_core(&self, user: &UserId) -> Result<Option<Core>, StoreError> {
        match self.shared.memory.core(user) {
            Some(core) => Ok(Some(core)),
            None => Ok(self.find_view(user).await?.map(|view| view.core)),
        }
    }

    /// A user, made at first sight.
    pub(crate) async fn core(&self, user: &UserId, now: UnixMs) -> Result<Core, StoreError> {
        if let Some(core) = self.find_core(user).await? {
            return Ok(core);
        }
        let user = user.clone();
        self.writer
            .write_for(vec![user.clone()], move |txn| Ok(txn.user_or_new(&user, now.0)?.core.clone()))
            .await
    }

    /// See [`Store::connect`].
    pub(crate) async fn connect(&self, user: &UserId, now: UnixMs) -> Result<Connected, StoreError> {
        let view = match self.find_view(user).await? {
            Some(view) => view,
            None => View {
                core: self.core(user, now).await?,
                tail: Vec::new(),
                received: ranges::Ranges::default(),
                received_all: ranges::Ranges::default(),
            },
        };
        Ok(Connected {
            standing: self.shared.memory.standing(&view.core),
            received: Heads { user: Seq(view.received.highest()), all: Seq(view.received_all.highest()) },
            settings: view.core.profile.settings(),
            revoke_before: view.core.profile.revoke_before.map(UnixMs),
        })
    }

    /// See [`Store::standing`].
    pub(crate) async fn standing(&self, user: &UserId) -> Result<Standing, StoreError> {
        let core = match self.find_core(user).await? {
            Some(core) => core,
            None => return Ok(self.nobody()),
        };
        Ok(self.shared.memory.standing(&core))
    }

    /// Where somebody stands whom nobody has seen yet.
    fn nobody(&self) -> Standing {
        let epoch = belfry_protocol::Epoch { store: self.shared.memory.store_epoch(), user: 0 };
        let head = Heads { user: Seq::ZERO, all: Seq(self.shared.memory.all().head) };
        Standing { epoch, head, unread: Unread::default() }
    }

    /// See [`Store::acknowledge`].
    pub(crate) fn acknowledge(&self, user: &UserId, ack: AckRow, now: UnixMs) -> Result<(), StoreError> {
        if self.shared.counters.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        if self.shared.pending.note(&self.shared.memory, user, ack, now.0)? {
            self.writer.wake();
        }
        Ok(())
    }

    /// See [`Store::inbox`].
    pub(crate) async fn inbox(&self, user: &UserId, query: InboxQuery) -> Result<InboxRows, StoreError> {
        let filter = Filter {
            before: query.before,
            unread: query.unread,
            archived: Some(query.archived),
            gone: false,
            category: query.category,
            kind: query.kind,
        };
        let shared = Arc::clone(&self.shared);
        let read = self.read_view(user, move |view, snapshot| {
            let (items, next) = snapshot.list(&filter, query.limit)?;
            let standing = snapshot.standing(shared.memory.store_epoch(), &view.core);
            Ok(InboxRows { items, next, standing })
        });
        let rows = read.await?;
        Ok(rows.unwrap_or_else(|| InboxRows { items: Vec::new(), next: None, standing: self.nobody() }))
    }

    /// See [`Store::export_user`].
    pub(crate) async fn export_user(
        &self,
        user: &UserId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Option<UserExport>, StoreError> {
        let filter = Filter { before, gone: true, ..Filter::default() };
        let (shared, id) = (Arc::clone(&self.shared), user.clone());
        let read = self.read_view(user, move |view, snapshot| {
            let (items, next) = snapshot.list(&filter, limit)?;
            let standing = snapshot.standing(shared.memory.store_epoch(), &view.core);
            Ok(UserExport {
                user: users::row(&id, &view.core, standing),
                settings: view.core.profile.settings(),
                groups: snapshot.groups()?,
                preferences: view.core.profile.preferences().clone(),
                devices: snapshot.devices()?,
                deliveries: snapshot.deliveries(&items)?,
                items,
                next,
            })
        });
        read.await
    }

    /// See [`Store::backup`].
    pub(crate) async fn backup(
        &self,
        to: &Path,
        progress: impl Fn(u64, u64) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.writer.flush().await?;
        let Some(from) = self.shared.engine.file().map(Path::to_owned) else {
            let reason =
                "this store lies in PostgreSQL: make copies of it with PostgreSQL's own tools".to_owned();
            return Err(StoreError::Unavailable { reason });
        };
        let to = to.to_owned();
        let (answer, answered) = oneshot::channel();
        let thread = std::thread::Builder::new().name("store-backup".to_owned()).spawn(move || {
            // The caller may have gone.
            let _ = answer.send(backup::backup_file(&from, &to, progress));
        });
        thread.map_err(|error| StoreError::Unavailable { reason: error.to_string() })?;
        answered.await.map_err(|_| StoreError::Internal("the backup gave no answer".to_owned()))?
    }

    /// See [`Store::gauges`].
    pub(crate) fn gauges(&self) -> StoreGauges {
        let counters = &self.shared.counters;
        let read = |value: &std::sync::atomic::AtomicU64| value.load(Ordering::Relaxed);
        let count = |value: &AtomicI64| u64::try_from(value.load(Ordering::Relaxed)).unwrap_or(0);
        StoreGauges {
            writer_queue: read(&counters.writer_queue),
            wal_bytes: read(&counters.wal_pages) * schema::PAGE_BYTES,
            unsettled: read(&counters.unsettled),
            warm_users: self.shared.memory.warm() as u64,
            pending_receipts: self.shared.pending.count() as u64,
            fanouts: count(&counters.fanouts),
            ladder_fanouts: count(&counters.ladders),
            deliveries: count(&counters.deliveries),
            held_deliveries: count(&counters.held),
            first_delivery_due: self.shared.due().deliveries.map(UnixMs),
            pending_legs: count(&counters.legs),
            dead_letters: count(&counters.dead_letters),
            ended_deliveries: DeliveryState::ALL
                .map(|state| read(&counters.ended[usize::from(delivery_code(state))])),
            commits: read(&counters.commits),
            published: read(&counters.published),
            healthy: !counters.unhealthy.load(Ordering::Relaxed),
        }
    }

    /// See [`Store::close`].
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        self.shared.counters.closed.store(true, Ordering::Release);
        let closed = self.writer.close().await;
        self.stop();
        closed
    }

    fn stop(&self) {
        self.writer.stop();
        self.readers.stop();
        if let Some(checkpointer) = &self.checkpointer {
            checkpointer.stop();
        }
        drop(lock(&self.lock).take());
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Reads a user who is not warm, and warms them.
fn load(
    conn: &crate::sql::Connection,
    memory: &Memory,
    user: &UserId,
    generation: u64,
) -> sql::Sql<Option<View>> {
    // The stream for everyone first: what is read of the user then never knows less of it.
    announcements::refresh(conn, memory)?;
    let Some((core, receipts)) = users::load(conn, user)? else {
        return Ok(None);
    };
    if !conn.is_shared() {
        memory.admit(user, &core, &receipts, generation);
    }
    Ok(Some(View { core, tail: Vec::new(), received: receipts.user, received_all: receipts.all }))
}

/// A call with an idempotency key, as long as it waits.
struct InFlight<'a> {
    all: &'a Mutex<HashMap<IdempotencyKey, usize>>,
    key: IdempotencyKey,
    twin: bool,
}

impl<'a> InFlight<'a> {
    fn begin(all: &'a Mutex<HashMap<IdempotencyKey, usize>>, key: IdempotencyKey) -> Self {
        let twin = {
            let mut flights = lock(all);
            let count = flights.entry(key.clone()).or_insert(0);
            *count += 1;
            *count > 1
        };
        Self { all, key, twin }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut flights = lock(self.all);
        if let Some(count) = flights.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                flights.remove(&self.key);
            }
        }
    }
}
