//! Publishes per second with durable commit, beside a plain `INSERT … COMMIT` each, in one run.
//!
//! `cargo run --release -p belfry-store --example publish_rate [seconds per row] [URL of an empty PostgreSQL database]`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring program"
)]

use belfry_protocol::{Audience, Severity, UserId};
use belfry_store::*;
use std::sync::Arc;
use std::time::{Duration, Instant};

const USERS: usize = 1_000;
const DATA: &str =
    r#"{"dealId":"d-2041","title":"Espresso machine","price":129.9,"store":"Corner","url":"/deals/d-2041"}"#;

fn content(now: UnixMs) -> Arc<Content> {
    Arc::new(Content {
        kind: "deal-notification".to_owned(),
        data: DATA.into(),
        title: "Espresso machine for 129.90".to_owned(),
        body: Some("At Corner, until Sunday".to_owned()),
        link: Some("/deals/d-2041".to_owned()),
        image: None,
        actions: Vec::new(),
        severity: Severity::Info,
        category: "deals".to_owned(),
        thread: None,
        collapse_key: None,
        created_at: now,
        expires_at: None,
        quiet: false,
        breaks_through: false,
        ladder: None,
    })
}

fn now() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UnixMs(i64::try_from(since.as_millis()).unwrap())
}

fn options(directory: &std::path::Path) -> Options {
    Options {
        engine: match std::env::args().nth(2) {
            None => EngineOptions::Sqlite(directory.join("belfry.db")),
            Some(url) => EngineOptions::Postgres(PostgresOptions {
                url,
                ca_file: None,
                connect_timeout: Duration::from_secs(5),
            }),
        },
        writer_queue_max: 8_192,
        readers: 2,
        inbox_items_max: 10_000,
        announcements_max: 1_000,
        webhook_queue_max: 10_000,
        busy_timeout: Duration::from_secs(1),
    }
}

/// One after the other, each with its own commit.
fn plain(directory: &std::path::Path, time: Duration) -> Vec<Duration> {
    let conn = rusqlite::Connection::open(directory.join("plain.db")).unwrap();
    conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    conn.pragma_update(None, "synchronous", "FULL").unwrap();
    conn.execute_batch("CREATE TABLE alerts (id INTEGER PRIMARY KEY, user TEXT, title TEXT, data TEXT)")
        .unwrap();
    let mut insert = conn.prepare("INSERT INTO alerts (user, title, data) VALUES (?1, ?2, ?3)").unwrap();
    let began = Instant::now();
    let mut times = Vec::new();
    while began.elapsed() < time {
        let one = Instant::now();
        insert
            .execute((format!("user-{}", times.len() % USERS), "Espresso machine for 129.90", DATA))
            .unwrap();
        times.push(one.elapsed());
    }
    times
}

async fn in_flight(store: &Store, users: &Arc<Vec<UserId>>, count: usize, time: Duration) -> Vec<Duration> {
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..count {
        let (store, users) = (store.clone(), Arc::clone(users));
        tasks.spawn(async move {
            let mut times = Vec::new();
            let mut at = task * 7_919;
            while began.elapsed() < time {
                at += 104_729;
                let now = now();
                let alert = NewAlert {
                    id: store.next_alert_id(now),
                    audience: Audience::User(users[at % users.len()].clone()),
                    content: content(now),
                    latecomers: false,
                    ladder_of_all: None,
                    idempotency: None,
                };
                let one = Instant::now();
                store.publish(alert, now).await.unwrap();
                times.push(one.elapsed());
            }
            times
        });
    }
    let mut times = Vec::new();
    while let Some(one) = tasks.join_next().await {
        times.append(&mut one.unwrap());
    }
    times
}

fn print(what: &str, mut times: Vec<Duration>, time: Duration) {
    times.sort_unstable();
    let rate = times.len() as f64 / time.as_secs_f64();
    let at = |part: usize| times[(times.len() - 1) * part / 1_000].as_micros();
    println!(
        "{what:<44} {rate:>9.0}/s   p50 {:>6} us   p99 {:>6} us   p99.9 {:>6} us",
        at(500),
        at(990),
        at(999)
    );
}

#[tokio::main]
async fn main() {
    let seconds = std::env::args().nth(1).map_or(3.0, |text| text.parse().unwrap());
    let time = Duration::from_secs_f64(seconds);
    let directory = tempfile::TempDir::new_in(".").unwrap();
    print("plain INSERT, COMMIT each, synchronous=FULL", plain(directory.path(), time), time);
    let store = Store::open(options(directory.path()), now()).await.unwrap();
    let users: Arc<Vec<UserId>> =
        Arc::new((0..USERS).map(|number| UserId::new(format!("user-{number}")).unwrap()).collect());
    for user in users.iter() {
        store.connect(user, now()).await.unwrap();
    }
    for count in [1, 16, 64, 256] {
        let before = store.gauges();
        let times = in_flight(&store, &users, count, time).await;
        let commits = store.gauges().commits - before.commits;
        let group = times.len() as f64 / commits as f64;
        print(&format!("Store::publish, {count} in flight, {group:.1} a commit"), times, time);
    }
    print("plain INSERT again", plain(tempfile::TempDir::new_in(".").unwrap().path(), time), time);
    store.close().await.unwrap();
}
