//! What the ladder of an alert for everyone costs where nobody answered, and where everybody did: how long the writer
//! is held per chunk, and how much the file grows.
//!
//! `cargo run --release -p belfry-store --example ladder_walk [users]`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring program"
)]

use belfry_protocol::{Audience, GroupId, Level, Seq, Severity, Stream, UserId};
use belfry_store::*;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LADDER: &str = r#"[{"channel":"live","wait":"5s","until":"received"},{"channel":"push"}]"#;
const REACH: LadderReach = LadderReach { push: true, email: true, anybody: true };
const NOW: UnixMs = UnixMs(1_790_000_000_000);

fn name(number: usize) -> UserId {
    UserId::new(format!("user-{number:07}")).unwrap()
}

async fn tell_everyone(store: &Store) -> Published {
    let content = Content {
        kind: "outage".to_owned(),
        data: "{}".into(),
        title: "We are down".to_owned(),
        body: None,
        link: None,
        image: None,
        actions: Vec::new(),
        severity: Severity::Warning,
        category: "service".to_owned(),
        thread: None,
        collapse_key: None,
        created_at: NOW,
        expires_at: None,
        quiet: false,
        breaks_through: false,
        ladder: None,
    };
    let ladder = LadderOfAll { ladder: LADDER.into(), step: 1, stop_at: Level::Received, due_at: NOW };
    let alert = NewAlert {
        id: store.next_alert_id(NOW),
        audience: Audience::Everyone(true),
        content: Arc::new(content),
        latecomers: false,
        ladder_of_all: Some(ladder),
        idempotency: None,
    };
    store.publish(alert, NOW).await.unwrap()
}

/// Walks to the end. How long each look and each commit took, and how many deliveries were opened.
async fn walk(store: &Store) -> (Vec<Duration>, Vec<Duration>, u32) {
    let (mut looks, mut commits, mut opened) = (Vec::new(), Vec::new(), 0);
    loop {
        let began = Instant::now();
        let Some(chunk) = store.ladder_chunk(REACH, NOW).await.unwrap() else {
            return (looks, commits, opened);
        };
        looks.push(began.elapsed());
        let one = |user: UserId| NewDelivery {
            user,
            seq: chunk.all_seq,
            id: chunk.place.id,
            step: chunk.step,
            last_failed: true,
            stop_at: chunk.stop_at,
            ladder: chunk.ladder.clone(),
            due_at: NOW,
        };
        let new = chunk.users.into_iter().map(one).collect();
        let began = Instant::now();
        opened += store.advance_ladder(chunk.place, new, NOW).await.unwrap();
        commits.push(began.elapsed());
    }
}

/// What this process has had of the processors, which does not depend on what else they do.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    println!("  {what:<8} {:>6} times  p50 {:>7.2} ms  p99 {:>7.2} ms", times.len(), at(0.5), at(0.99));
}

#[tokio::main]
async fn main() {
    let users = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("belfry.db");
    let options = Options {
        engine: EngineOptions::Sqlite(path.clone()),
        writer_queue_max: 8_192,
        readers: 2,
        inbox_items_max: 10_000,
        announcements_max: 1_000,
        webhook_queue_max: 10_000,
        busy_timeout: Duration::from_secs(1),
    };
    let store = Store::open(options.clone(), NOW).await.unwrap();
    let group = GroupId::new("all").unwrap();
    store.put_group(&group, Vec::new(), NOW).await.unwrap();
    for page in (0..users).collect::<Vec<_>>().chunks(1_000) {
        store.add_members(&group, page.iter().map(|number| name(*number)).collect(), NOW).await.unwrap();
    }
    store.close().await.unwrap();
    let bytes = || std::fs::metadata(&path).unwrap().len();
    let before = bytes();
    let store = Store::open(options.clone(), NOW).await.unwrap();

    tell_everyone(&store).await;
    let (began, cpu_before) = (Instant::now(), cpu());
    let (looks, commits, opened) = walk(&store).await;
    let used = cpu().saturating_sub(cpu_before).as_secs_f64() * 1e6;
    println!(
        "{:.1} µs of processor time per delivery, looks and commits together",
        used / f64::from(opened.max(1))
    );
    println!("nobody of {users} answered: {opened} deliveries in {:.1} s", began.elapsed().as_secs_f64());
    print("look", looks);
    print("commit", commits);
    store.close().await.unwrap();
    println!("  {} bytes per delivery", bytes().saturating_sub(before) / u64::from(opened.max(1)));

    let store = Store::open(options, NOW).await.unwrap();
    let told = tell_everyone(&store).await;
    let seq = told.all_seq.unwrap();
    for number in 0..users {
        let row =
            AckRow::Range { stream: Stream::All, after: Seq(seq.0 - 1), up_to: seq, level: Level::Received };
        while let Err(StoreError::Overloaded) = store.acknowledge(&name(number), row.clone(), NOW) {
            store.flush().await.unwrap();
        }
    }
    let began = Instant::now();
    store.flush().await.unwrap();
    println!("everybody answered: the last receipts took {:.1} s", began.elapsed().as_secs_f64());
    let (looks, commits, opened) = walk(&store).await;
    assert_eq!(opened, 0);
    print("look", looks);
    print("commit", commits);
}
