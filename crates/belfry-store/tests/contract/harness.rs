//! A store of its own for each test, and short words for what tests do with it.

use belfry_protocol::{AlertId, Audience, GroupId, ItemState, Seq, Severity, StateChange, UserId};
use belfry_store::*;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// The engines there are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// How much of a long walk is taken: a server is asked over a wire, so that a step costs several times as much.
    pub(crate) fn share_of(self, steps: usize) -> usize {
        match self {
            Self::Sqlite => steps,
            Self::Postgres => steps / 5,
        }
    }

    /// Receipts that nothing waits for are remembered in memory, where there is one.
    pub(crate) fn remembers(self) -> bool {
        matches!(self, Self::Sqlite)
    }
}

/// Names the server on which each test makes a database of its own.
const SERVER: &str = "BELFRY_TEST_POSTGRES";

/// Whether a server was named. Where every engine has to be there a missing one is a fault.
pub(crate) fn there_is_a_server() -> bool {
    let there = std::env::var(SERVER).is_ok();
    assert!(
        there || std::env::var("BELFRY_TEST_ALL").is_err(),
        "`{SERVER}` names no server: run this with `cargo xtask services -- …`"
    );
    tell_where_missing(there);
    there
}

#[expect(clippy::print_stderr, reason = "whoever runs the tests is to know")]
fn tell_where_missing(there: bool) {
    if !there {
        eprintln!("left out: `{SERVER}` names no server");
    }
}

/// A database of its own, gone with the test.
pub(crate) struct Database {
    server: String,
    name: String,
}

impl Database {
    fn new() -> Self {
        let server = std::env::var(SERVER).unwrap();
        let name = format!("t{:032x}", fastrand::u128(..));
        let this = Self { server, name };
        this.on_server(&format!("CREATE DATABASE {}", this.name));
        this
    }

    fn url(&self) -> String {
        let (rest, _) = self.server.rsplit_once('/').unwrap();
        format!("{rest}/{}", self.name)
    }

    /// Runs a statement beside the store, and reads the number it gives, if it gives one.
    fn run(url: &str, sql: &str) -> Option<i64> {
        Self::ask(url, sql).first().and_then(|row| row.get(0))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the connection's own task, on a runtime of this call alone"
    )]
    fn ask(url: &str, sql: &str) -> Vec<tokio_postgres::Row> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            client.query(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        })
    }

    fn on_server(&self, sql: &str) {
        let (url, sql) = (self.server.clone(), sql.to_owned());
        std::thread::spawn(move || Self::run(&url, &sql)).join().unwrap();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.on_server(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// A store, and where it lives.
pub(crate) struct TestStore {
    pub(crate) store: Store,
    pub(crate) options: Options,
    pub(crate) engine: Engine,
    pub(crate) directory: Arc<TempDir>,
    pub(crate) database: Option<Arc<Database>>,
}

/// When tests happen.
pub(crate) const NOW: UnixMs = UnixMs(1_790_000_000_000);

pub(crate) fn after(ms: i64) -> UnixMs {
    UnixMs(NOW.0 + ms)
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(crate) fn group(name: &str) -> GroupId {
    GroupId::new(name).unwrap()
}

pub(crate) fn heads(user: u64, all: u64) -> Heads {
    Heads { user: Seq(user), all: Seq(all) }
}

pub(crate) fn content() -> Content {
    Content {
        kind: "deal-notification".to_owned(),
        data: r#"{"price": 12}"#.into(),
        title: "A deal".to_owned(),
        body: Some("Twelve".to_owned()),
        link: Some("/deals/1".to_owned()),
        image: None,
        actions: vec![belfry_protocol::Action { id: "buy".into(), label: "Buy".into(), link: None }],
        severity: Severity::Info,
        category: "deals".to_owned(),
        thread: None,
        collapse_key: None,
        created_at: NOW,
        expires_at: None,
        quiet: false,
        breaks_through: false,
        ladder: None,
    }
}

pub(crate) fn everything() -> PageLimit {
    PageLimit { items: 100_000, bytes: usize::MAX }
}

fn options_at(directory: &TempDir, database: Option<&Database>) -> Options {
    let engine = match database {
        None => EngineOptions::Sqlite(directory.path().join("data").join("belfry.db")),
        Some(database) => EngineOptions::Postgres(PostgresOptions {
            url: database.url(),
            ca_file: None,
            connect_timeout: Duration::from_secs(5),
        }),
    };
    Options {
        engine,
        writer_queue_max: 1_024,
        readers: 2,
        inbox_items_max: 10_000,
        announcements_max: 1_000,
        webhook_queue_max: 1_000,
        busy_timeout: Duration::from_millis(100),
    }
}

pub(crate) fn file_options(directory: &TempDir) -> Options {
    options_at(directory, None)
}

impl TestStore {
    pub(crate) async fn new(engine: Engine) -> Self {
        Self::with(engine, |_| ()).await
    }

    pub(crate) async fn with(engine: Engine, change: impl FnOnce(&mut Options)) -> Self {
        let directory = Arc::new(TempDir::new().unwrap());
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(Arc::new(Database::new())),
        };
        let mut options = options_at(&directory, database.as_deref());
        change(&mut options);
        let store = Store::open(options.clone(), NOW).await.unwrap();
        Self { store, options, engine, directory, database }
    }

    pub(crate) fn path(&self) -> PathBuf {
        let EngineOptions::Sqlite(path) = &self.options.engine else { panic!("it has no file") };
        path.clone()
    }

    /// Does something to what the store has on disk, beside it; answers the number that comes of it, if one does.
    pub(crate) fn beside(&self, sql: &str) -> Option<i64> {
        match &self.database {
            None => {
                let conn = rusqlite::Connection::open(self.path()).unwrap();
                let mut statement = conn.prepare(sql).unwrap();
                let mut rows = statement.query([]).unwrap();
                rows.next().unwrap().map(|row| row.get(0).unwrap())
            }
            Some(database) => {
                let (url, sql) = (database.url(), sql.to_owned());
                std::thread::spawn(move || Database::run(&url, &sql)).join().unwrap()
            }
        }
    }

    /// What the server says to a question about a text.
    pub(crate) fn text_beside(&self, sql: &str) -> String {
        let (url, sql) = (self.database.as_ref().unwrap().url(), sql.to_owned());
        std::thread::spawn(move || Database::ask(&url, &sql)[0].get(0)).join().unwrap()
    }

    /// Changes a setting of the whole database, for connections that begin from now on.
    pub(crate) fn set_of_database(&self, setting: &str) {
        let database = self.database.as_ref().unwrap();
        database.on_server(&format!("ALTER DATABASE {} SET {setting}", database.name));
    }

    pub(crate) fn count(&self, table: &str) -> i64 {
        self.beside(&format!("SELECT count(*) FROM {table}")).unwrap()
    }

    /// What a second process would find had the first one been killed now.
    pub(crate) async fn as_after_a_crash(&self) -> Self {
        let directory = Arc::new(TempDir::new().unwrap());
        let database = self.database.clone();
        let mut options = options_at(&directory, database.as_deref());
        options.inbox_items_max = self.options.inbox_items_max;
        if database.is_some() {
            // What was answered is there for everybody, whatever became of who wrote it.
            let store = Store::open(options.clone(), NOW).await.unwrap();
            return Self { store, options, engine: self.engine, directory, database };
        }
        let EngineOptions::Sqlite(path) = &options.engine else { unreachable!() };
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // The file first: what is only in the log by then is in the log's copy.
        std::fs::copy(self.path(), path).unwrap();
        let log = |path: &std::path::Path| PathBuf::from(format!("{}-wal", path.display()));
        std::fs::copy(log(&self.path()), log(path)).unwrap();
        let store = Store::open(options.clone(), NOW).await.unwrap();
        Self { store, options, engine: self.engine, directory, database }
    }

    /// Closes in order and opens again.
    pub(crate) async fn reopened(self) -> Self {
        self.store.close().await.unwrap();
        let store = Store::open(self.options.clone(), NOW).await.unwrap();
        Self { store, ..self }
    }

    pub(crate) fn alert(&self, audience: Audience, content: Content) -> NewAlert {
        NewAlert {
            id: self.store.next_alert_id(content.created_at),
            audience,
            content: Arc::new(content),
            latecomers: false,
            ladder_of_all: None,
            idempotency: None,
        }
    }

    pub(crate) async fn publish(&self, audience: Audience, content: Content) -> Published {
        let now = content.created_at;
        self.store.publish(self.alert(audience, content), now).await.unwrap()
    }

    /// A plain alert for one user.
    pub(crate) async fn tell(&self, name: &str) -> Published {
        self.publish(Audience::User(user(name)), content()).await
    }

    pub(crate) async fn tell_all(&self) -> Published {
        self.publish(Audience::Everyone(true), content()).await
    }

    /// An alert for everyone, and for those who come later.
    pub(crate) async fn tell_all_to_come(&self, content: Content) -> Published {
        let now = content.created_at;
        let alert = NewAlert { latecomers: true, ..self.alert(Audience::Everyone(true), content) };
        self.store.publish(alert, now).await.unwrap()
    }

    pub(crate) async fn mark(&self, name: &str, ids: &[AlertId], change: StateChange) -> StateChanged {
        self.store.change_state(&user(name), Selection::Ids(ids.to_vec()), change, NOW).await.unwrap()
    }

    pub(crate) async fn standing(&self, name: &str) -> Standing {
        self.store.standing(&user(name)).await.unwrap()
    }

    /// (id, seq, state) of everything in the list that is not archived, newest first.
    pub(crate) async fn list(&self, name: &str) -> Vec<(AlertId, Seq, ItemState)> {
        let query = InboxQuery { limit: 100_000, ..InboxQuery::default() };
        let rows = self.store.inbox(&user(name), query).await.unwrap();
        rows.items.into_iter().map(|item| (item.id, item.seq, item.state)).collect()
    }

    pub(crate) async fn ids(&self, name: &str) -> Vec<AlertId> {
        self.list(name).await.into_iter().map(|item| item.0).collect()
    }

    /// Everything from the beginning, as a catch-up.
    pub(crate) async fn all_items(&self, name: &str) -> Vec<ItemRow> {
        let to = self.standing(name).await.head;
        self.store.items_after(&user(name), heads(0, 0), to, everything()).await.unwrap().items
    }

    /// Expands every fan-out.
    pub(crate) async fn expand_all(&self) -> Vec<Expanded> {
        let mut all = Vec::new();
        while let Some(expanded) = self.store.expand_fanout(NOW).await.unwrap() {
            all.push(expanded);
        }
        all
    }
}
