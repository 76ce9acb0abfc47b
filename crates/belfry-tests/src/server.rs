//! The real server in this process, on its own port and directory.

use crate::caller::Caller;
use crate::deadline::eventually;
use crate::providers::Providers;
use crate::shared::{self, Shared};
use belfry_channels::Channel;
use belfry_server::clock;
use belfry_server::config::{ApiKeyOptions, ApiKeySecret, Config, Mode, Scope};
use belfry_server::listener::Server;
use belfry_server::services::Services;
use belfry_server::tasks::TaskKind;
use secrecy::SecretString;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A delivery that has been due for so long was forgotten.
const OVERDUE_AFTER_MS: i64 = 5_000;

/// A server for one test. It is a [`Caller`] of itself.
pub struct TestServer {
    caller: Caller,
    server: Option<Server>,
    config: Config,
    channels: Option<Vec<Arc<dyn Channel>>>,
    dir: Option<TempDir>,
    /// Gone last, when no node has it open any more.
    shared: Option<Arc<Shared>>,
}

impl Deref for TestServer {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl TestServer {
    /// A server with the settings of a test: everything as by default, but rates that no test trips over by chance.
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// A server with other settings.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut server = Box::pin(Self::on(dir.path(), change)).await;
        server.dir = Some(dir);
        server
    }

    /// A server that knows every provider, up for so long that who is not connected is away.
    pub async fn fallback(providers: &Providers, change: impl FnOnce(&mut Config)) -> Self {
        let started = Self::with(|config| {
            providers.configure(config);
            change(config);
        });
        Box::pin(started).await
    }

    /// A server whose data lies in this directory, which stays.
    pub async fn on(data_dir: &Path, change: impl FnOnce(&mut Config)) -> Self {
        Box::pin(Self::build(data_dir, None, change)).await
    }

    /// A server whose ways out of the house are these, also after a restart.
    pub async fn with_channels(channels: Vec<Arc<dyn Channel>>, change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut server = Self::build(dir.path(), Some(channels), change).await;
        server.dir = Some(dir);
        server
    }

    async fn build(
        data_dir: &Path,
        channels: Option<Vec<Arc<dyn Channel>>>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let caller = Caller::new("");
        let shared = shared::is_default().then(|| Shared::of_directory(data_dir));
        let mut config = config(&caller, data_dir.to_owned());
        if let Some(shared) = &shared {
            shared.configure(&mut config);
        }
        change(&mut config);
        let mut server = Self::run(caller, config, channels).await;
        server.shared = shared;
        server
    }

    /// One node of several that share a store; `like`: whose secrets it takes.
    pub fn node(
        shared: &Arc<Shared>,
        channels: Vec<Arc<dyn Channel>>,
        like: Option<Caller>,
        change: &dyn Fn(&mut Config),
    ) -> impl Future<Output = Self> + use<> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let caller = like.unwrap_or_else(|| Caller::new(""));
        let mut config = config(&caller, dir.path().to_owned());
        shared.configure(&mut config);
        change(&mut config);
        let shared = Arc::clone(shared);
        async move {
            let mut server = Self::run(caller, config, Some(channels)).await;
            (server.dir, server.shared) = (Some(dir), Some(shared));
            server
        }
    }

    async fn run(mut caller: Caller, config: Config, channels: Option<Vec<Arc<dyn Channel>>>) -> Self {
        let server = start(config.clone(), channels.clone()).await;
        caller.url = format!("http://{}{}", server.local_addr(), config.server.base_path);
        Self { caller, server: Some(server), config, channels, dir: None, shared: None }
    }

    /// What both doors stand on.
    pub fn services(&self) -> &Arc<Services> {
        self.running().app().services()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.running().local_addr()
    }

    /// Where its data lies.
    pub fn data_dir(&self) -> &Path {
        &self.config.server.data_dir
    }

    fn running(&self) -> &Server {
        self.server.as_ref().expect("the server runs until it is stopped")
    }

    /// Ends gently and starts again on the same data and port.
    pub async fn restart(&mut self) {
        self.restart_after(|_| ()).await;
    }

    /// The same; in between something is done to its data.
    pub async fn restart_after(&mut self, between: impl FnOnce(&Path)) {
        self.config.server.listen = self.address();
        self.stop().await;
        between(&self.config.server.data_dir);
        self.server = Some(start(self.config.clone(), self.channels.clone()).await);
    }

    /// Changes the settings for the next start.
    pub fn configure(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
    }

    /// Ends gently and checks that no task is left.
    pub async fn stop(&mut self) {
        let server = self.server.take().expect("the server runs until it is stopped");
        let services = Arc::clone(server.app().services());
        Box::pin(server.shutdown()).await.expect("the server ends gently");
        let running: Vec<_> =
            TaskKind::ALL.into_iter().filter(|kind| services.tasks.running(*kind) != 0).collect();
        assert!(running.is_empty(), "tasks outlive the server: {running:?}");
    }

    /// It was killed: nothing of it is to be ended or looked at.
    pub fn forget(&mut self) {
        drop(self.server.take());
    }

    /// Waits until the server holds exactly so many live connections.
    pub async fn until_connections(&self, count: u32) {
        eventually(&format!("{count} live connections"), || async {
            let counts = self.services().hub.counts();
            (counts.websocket + counts.sse == count).then_some(())
        })
        .await;
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let Some(server) = &self.server else { return };
        if !std::thread::panicking() {
            let gauges = server.app().services().store.gauges();
            assert_eq!(gauges.fanouts, 0, "a fan-out was left neither done nor waiting for a chunk");
            let late_after = clock::now().unix_ms().0 - OVERDUE_AFTER_MS;
            let overdue = gauges.first_delivery_due.filter(|due| due.0 < late_after);
            assert_eq!(overdue, None, "a delivery is due and nobody takes it: {gauges:?}");
        }
    }
}

async fn start(config: Config, channels: Option<Vec<Arc<dyn Channel>>>) -> Server {
    let server = match channels {
        Some(channels) => Box::pin(Server::start_with(config, channels)).await,
        None => Box::pin(Server::start(config)).await,
    };
    server.expect("the server starts")
}

fn config(caller: &Caller, data_dir: PathBuf) -> Config {
    let mut config = Config { mode: Mode::Serve, ..Config::default() };
    config.server.listen = "127.0.0.1:0".parse().expect("the address is a constant");
    config.server.data_dir = data_dir;
    config.auth.jwt_secret = Some(SecretString::from(caller.secret.clone()));
    config.api_keys = vec![ApiKeyOptions {
        name: "tests".to_owned(),
        scopes: Scope::ALL.to_vec(),
        secret: ApiKeySecret::Plain(SecretString::from(caller.api_key.clone())),
    }];
    config.limits.requests_per_second_per_user = 100_000;
    config.limits.requests_burst_per_user = 100_000;
    config.limits.connections_per_second = 100_000;
    config.drain.window = Duration::from_millis(50);
    config
}
