//! What nodes share: a database of its own for each test, and a bus that no other test speaks on.
//!
//! `BELFRY_TEST_STORE=postgres` puts every test server on PostgreSQL, `BELFRY_TEST_BUS` names the bus between them:
//! `postgres`, `redis` or `nats`. `cargo xtask services -- COMMAND` starts the servers and says where they are.

use belfry_server::config::{BusUrl, Config, DatabaseUrl};
use secrecy::SecretString;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Names the server on which each test makes a database of its own.
const SERVER: &str = "BELFRY_TEST_POSTGRES";

/// Whether a server was named. Where every engine has to be there a missing one is a fault.
#[expect(clippy::print_stderr, reason = "a test that was left out says so")]
pub fn there_is_a_server() -> bool {
    let there = std::env::var(SERVER).is_ok();
    assert!(
        there || std::env::var("BELFRY_TEST_ALL").is_err(),
        "`{SERVER}` names no server: run this with `cargo xtask services -- …`"
    );
    if !there {
        eprintln!("left out: `{SERVER}` names no server");
    }
    there
}

/// Whether tests that do not say otherwise run on PostgreSQL.
pub fn is_default() -> bool {
    std::env::var("BELFRY_TEST_STORE").is_ok_and(|store| store == "postgres")
}

/// Whether a test of the file and its disk has one.
pub fn on_a_file() -> bool {
    !is_default()
}

/// Runs a statement in the store of a stopped server, whichever it is.
pub fn execute(data_dir: &Path, sql: &str) {
    if is_default() {
        return Shared::of_directory(data_dir).run(sql);
    }
    let file = rusqlite::Connection::open(data_dir.join("belfry.db")).expect("the file is there");
    file.execute_batch(sql).expect("nobody else has the file");
}

/// A database and a prefix on the bus, gone with the test.
#[derive(Debug)]
pub struct Shared {
    server: String,
    name: String,
}

impl Shared {
    /// Makes a database.
    pub fn new() -> Arc<Self> {
        let server = std::env::var(SERVER).expect("a server is named");
        let this = Self { server, name: format!("t{:024x}", fastrand::u128(..) >> 32) };
        this.on_server(&format!("CREATE DATABASE {}", this.name));
        Arc::new(this)
    }

    /// The one of this data directory: a server that starts again finds what it had.
    pub fn of_directory(directory: &Path) -> Arc<Self> {
        static ALL: Mutex<Option<HashMap<PathBuf, Weak<Shared>>>> = Mutex::new(None);
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all.get_or_insert_default();
        if let Some(known) = all.get(directory).and_then(Weak::upgrade) {
            return known;
        }
        let made = Self::new();
        all.insert(directory.to_owned(), Arc::downgrade(&made));
        made
    }

    /// Where the database is.
    pub fn url(&self) -> String {
        let (rest, _) = self.server.rsplit_once('/').expect("a URL with a database");
        format!("{rest}/{}", self.name)
    }

    /// Puts a node on it.
    pub fn configure(&self, config: &mut Config) {
        config.database.url = DatabaseUrl::Postgres(SecretString::from(self.url()));
        config.bus.prefix = self.name.clone();
        config.bus.url = match std::env::var("BELFRY_TEST_BUS").as_deref() {
            Ok("redis") => BusUrl::Redis(vec![named("BELFRY_TEST_REDIS")]),
            Ok("nats") => BusUrl::Nats(vec![named("BELFRY_TEST_NATS")]),
            Ok("memory") => BusUrl::Memory,
            _ => BusUrl::Auto,
        };
    }

    /// The same as environment variables, for a node in another process.
    pub fn environment(&self) -> Vec<(String, String)> {
        let bus = match std::env::var("BELFRY_TEST_BUS").as_deref() {
            Ok("redis") => std::env::var("BELFRY_TEST_REDIS"),
            Ok("nats") => std::env::var("BELFRY_TEST_NATS"),
            _ => Ok(String::new()),
        };
        vec![
            ("BELFRY_DATABASE_URL".to_owned(), self.url()),
            ("BELFRY_BUS_URL".to_owned(), bus.expect("a server is named")),
            ("BELFRY__BUS__PREFIX".to_owned(), self.name.clone()),
        ]
    }

    /// Runs a statement in the database, beside the nodes.
    pub fn run(&self, sql: &str) {
        on(&self.url(), sql);
    }

    fn on_server(&self, sql: &str) {
        on(&self.server, sql);
    }
}

fn named(variable: &str) -> SecretString {
    SecretString::from(std::env::var(variable).expect("a server is named"))
}

/// On a thread of its own, since it is also done while a runtime is being left.
fn on(url: &str, sql: &str) {
    let (url, sql) = (url.to_owned(), sql.to_owned());
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let connected = tokio_postgres::connect(&url, tokio_postgres::NoTls).await;
            let (client, connection) = connected.expect("the server answers");
            let work = client.batch_execute(&sql);
            let done = tokio::select! {
                done = work => done,
                ended = connection => ended,
            };
            done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        });
    };
    std::thread::spawn(work).join().expect("the statement works");
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.on_server(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}
