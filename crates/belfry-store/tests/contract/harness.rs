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
}

/// A store, and where it lives.
pub(crate) struct TestStore {
    pub(crate) store: Store,
    pub(crate) options: Options,
    pub(crate) engine: Engine,
    pub(crate) directory: Arc<TempDir>,
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

pub(crate) fn options_at(engine: Engine, directory: &TempDir) -> Options {
    let Engine::Sqlite = engine;
    Options {
        engine: EngineOptions::Sqlite(directory.path().join("data").join("belfry.db")),
        writer_queue_max: 1_024,
        readers: 2,
        inbox_items_max: 10_000,
        announcements_max: 1_000,
        webhook_queue_max: 1_000,
        busy_timeout: Duration::from_millis(100),
    }
}

impl TestStore {
    pub(crate) async fn new(engine: Engine) -> Self {
        let directory = Arc::new(TempDir::new().unwrap());
        let options = options_at(engine, &directory);
        let store = Store::open(options.clone(), NOW).await.unwrap();
        Self { store, options, engine, directory }
    }

    pub(crate) async fn with(engine: Engine, change: impl FnOnce(&mut Options)) -> Self {
        let directory = Arc::new(TempDir::new().unwrap());
        let mut options = options_at(engine, &directory);
        change(&mut options);
        let store = Store::open(options.clone(), NOW).await.unwrap();
        Self { store, options, engine, directory }
    }

    pub(crate) fn path(&self) -> PathBuf {
        let EngineOptions::Sqlite(path) = &self.options.engine;
        path.clone()
    }

    /// What a second process would find had the first one been killed now.
    pub(crate) async fn as_after_a_crash(&self) -> Self {
        let directory = Arc::new(TempDir::new().unwrap());
        let mut options = options_at(self.engine, &directory);
        options.inbox_items_max = self.options.inbox_items_max;
        let EngineOptions::Sqlite(path) = &options.engine;
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // The file first: what is only in the log by then is in the log's copy.
        std::fs::copy(self.path(), path).unwrap();
        let log = |path: &std::path::Path| PathBuf::from(format!("{}-wal", path.display()));
        std::fs::copy(log(&self.path()), log(path)).unwrap();
        let store = Store::open(options.clone(), NOW).await.unwrap();
        Self { store, options, engine: self.engine, directory }
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
