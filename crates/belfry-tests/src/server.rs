//! The real server in this process, on its own port and directory.

use crate::caller::Caller;
use crate::deadline::eventually;
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

/// A server for one test. It is a [`Caller`] of itself.
pub struct TestServer {
    caller: Caller,
    server: Option<Server>,
    config: Config,
    dir: Option<TempDir>,
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
        let mut server = Self::on(dir.path(), change).await;
        server.dir = Some(dir);
        server
    }

    /// A server whose data lies in this directory, which stays.
    pub async fn on(data_dir: &Path, change: impl FnOnce(&mut Config)) -> Self {
        let mut caller = Caller::new("");
        let mut config = config(&caller, data_dir.to_owned());
        change(&mut config);
        let server = start(config.clone()).await;
        caller.url = format!("http://{}{}", server.local_addr(), config.server.base_path);
        Self { caller, server: Some(server), config, dir: None }
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
        let address = self.address();
        self.stop().await;
        self.config.server.listen = address;
        self.server = Some(start(self.config.clone()).await);
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
            let left = server.app().services().store.gauges().fanouts;
            assert_eq!(left, 0, "a fan-out was left neither done nor waiting for a chunk");
        }
    }
}

async fn start(config: Config) -> Server {
    Box::pin(Server::start(config)).await.expect("the server starts")
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
