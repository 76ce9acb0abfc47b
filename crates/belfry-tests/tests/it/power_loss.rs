//! The power is cut: what was answered `202` was synced, with the names of the files it stands in.
//!
//! The binary runs above a shim that notes what it writes and syncs. Each moment of that journal can be the cut: of
//! every file only synced bytes are left, and of the rest what chance lets survive, torn at sectors.

use belfry_store::{EngineOptions, Options, Store, UnixMs};
use belfry_tests::shim::{self, Journal, ShimFiles, Syncs, Unsynced};
use belfry_tests::{Caller, Process, TestServer};
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tempfile::TempDir;

const USERS: [&str; 3] = ["ann", "bob", "cy"];
const IN_FLIGHT: u64 = 24;
/// Of the text in each alert, so that the log grows beyond a checkpoint.
const TEXT_BYTES: usize = 2_000;
/// Cuts of one journal.
const CUTS: usize = 8;

/// An answered publish.
#[derive(Debug, Clone)]
struct Promise {
    user: String,
    id: String,
    seq: u64,
    number: u64,
    /// How long the journal was when the answer was here: a cut at or after this keeps the alert.
    journal: u64,
}

/// A run of the binary, and what it promised.
struct Run {
    journal: Journal,
    promises: Vec<Promise>,
    /// Where each user stood before the first alert.
    start: BTreeMap<&'static str, String>,
    _dir: TempDir,
}

/// The shim, where this machine has what it takes.
fn shim() -> Option<&'static Path> {
    shim::library().map_err(shim::skipped).ok()
}

fn alert(user: &str, number: u64) -> Value {
    let text = format!("{number} ").repeat(TEXT_BYTES / format!("{number} ").len());
    json!({"to": {"user": user}, "kind": "numbered", "title": "A number", "data": {"n": number, "text": text}})
}

/// Publishes with many in flight until told to stop or until the server is gone.
async fn publish(
    caller: &Caller,
    journal: &Path,
    next: &AtomicU64,
    count: u64,
    acked: &RefCell<Vec<Promise>>,
) {
    let last = next.load(Ordering::Relaxed) + count;
    let one = || async {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= last {
                return;
            }
            let user = USERS[(number % 3) as usize];
            let request = caller.as_back_end(Method::POST, "/v1/alerts").json(&alert(user, number));
            let Ok(response) = request.send().await else { return };
            if response.status() != 202 {
                panic!("a publish was answered {}", response.status());
            }
            let Ok(answer) = response.json::<Value>().await else { return };
            let journal = std::fs::metadata(journal).expect("the journal is there").len();
            let promise = Promise {
                user: user.to_owned(),
                id: answer["id"].as_str().expect("an id").to_owned(),
                seq: answer["notifications"][0]["seq"].as_u64().expect("a seq"),
                number,
                journal,
            };
            acked.borrow_mut().push(promise);
        }
    };
    join_all((0..IN_FLIGHT).map(|_| one())).await;
}

/// The binary from an empty disk over a gentle end and a start to `kill -9` in the middle of publishing.
async fn run(library: &Path, rng: &mut fastrand::Rng) -> Run {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (disk, journal) = (dir.path().join("disk"), dir.path().join("journal"));
    std::fs::create_dir(&disk).expect("a new directory");
    let files = ShimFiles { journal: Some(&journal), ..ShimFiles::default() };
    let settings = shim::settings(library, &disk, files);
    let home = tempfile::tempdir().expect("a temporary directory");
    // The server makes its folder itself: the folder's own name has to be synced as well.
    let mut process = Process::on(home, disk.join("data"), &settings);
    let caller = process.caller();
    let mut start = BTreeMap::new();
    for user in USERS {
        let page = caller.user_get(user, "/v1/inbox?limit=1").await.expect(200).json();
        start.insert(user, page["complete_to"].as_str().expect("a cursor").to_owned());
    }
    let (next, acked) = (AtomicU64::new(1), RefCell::new(Vec::new()));
    publish(&caller, &journal, &next, 300, &acked).await;
    process.terminate();
    assert!(process.ended().await.success(), "{}", process.output());
    process.restart();
    let caller = process.caller();
    let kill_at = acked.borrow().len() + rng.usize(1_500..2_500);
    let killed = AtomicBool::new(false);
    let kill = async {
        while acked.borrow().len() < kill_at {
            // Between two looks at the count.
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        process.kill();
        killed.store(true, Ordering::Relaxed);
    };
    tokio::join!(kill, publish(&caller, &journal, &next, 1_000_000, &acked));
    assert!(killed.load(Ordering::Relaxed));
    let journal = Journal::read(&journal, &disk);
    Run { journal, promises: acked.into_inner(), start, _dir: dir }
}

impl Run {
    /// What was promised before this moment.
    fn promised(&self, moment: u64) -> impl Iterator<Item = &Promise> {
        self.promises.iter().filter(move |promise| promise.journal <= moment)
    }

    /// Moments to cut at: by chance after the first promise, right after promises, and at the end.
    fn moments(&self, rng: &mut fastrand::Rng) -> Vec<u64> {
        let (first, end) = (self.promises[0].journal, self.journal.end());
        let mut moments: Vec<u64> = (0..CUTS / 2).map(|_| rng.u64(first..end)).collect();
        moments.extend((0..CUTS / 2 - 1).map(|_| self.promises[rng.usize(..self.promises.len())].journal));
        moments.push(end);
        moments
    }
}

/// Everything a user gets who resumes at a cursor.
async fn resumed(server: &TestServer, user: &str, cursor: &str, story: &str) -> Vec<Value> {
    let mut socket = server.resume(user, cursor).await;
    let mut items = Vec::new();
    loop {
        let frame = socket.next_frame().await;
        assert_eq!(frame["type"], "catch-up", "{story}: {user} starts anew, the store is not the one it was");
        items.extend(frame["data"]["items"].as_array().expect("items").iter().cloned());
        if frame["data"]["more"] == false {
            return items;
        }
    }
}

async fn assert_kept(run: &Run, moment: u64, data_dir: &Path, story: &str) {
    let mut server = TestServer::on(data_dir, |_| ()).await;
    for user in USERS {
        let items = resumed(&server, user, &run.start[user], story).await;
        let seqs: Vec<u64> = items.iter().map(|item| item["seq"].as_u64().expect("a seq")).collect();
        assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "{story}: {user} got {seqs:?}");
        let ids: HashSet<&str> = items.iter().filter_map(|item| item["id"].as_str()).collect();
        assert_eq!(ids.len(), items.len(), "{story}: {user} got an alert twice");
        for promise in run.promised(moment).filter(|promise| promise.user == user) {
            let Some(item) = items.get(promise.seq as usize - 1) else {
                panic!("{story}: {promise:?} is lost, {user} has {} alerts", items.len());
            };
            assert_eq!(item["id"], promise.id.as_str(), "{story}: another alert stands at {promise:?}");
            assert_eq!(item["data"], alert(user, promise.number)["data"], "{story}: {promise:?}");
        }
    }
    // It goes on: the next alert stands right behind.
    server.alert("ann", 1_000_000).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_202_survives_a_power_cut_at_any_moment() {
    if !belfry_tests::shared::on_a_file() {
        return;
    }
    let Some(library) = shim() else { return };
    let seed = fastrand::u64(..);
    let mut rng = fastrand::Rng::with_seed(seed);
    let run = run(library, &mut rng).await;
    assert!(run.journal.writes_to(".db") > 100, "the log was copied into the file while publishing went on");
    for (number, moment) in run.moments(&mut rng).into_iter().enumerate() {
        let unsynced = if number % 3 == 0 { Unsynced::Lost } else { Unsynced::ByChance(rng.u64(..)) };
        let story = format!("seed {seed}, cut at byte {moment} of the journal, {unsynced:?}");
        let disk = tempfile::tempdir().expect("a temporary directory");
        run.journal.cut(moment, Syncs::Kept, unsynced, disk.path());
        assert_kept(&run, moment, &disk.path().join("data"), &story).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_ignores_syncs_is_seen_to_lose_what_was_promised() {
    if !belfry_tests::shared::on_a_file() {
        return;
    }
    let Some(library) = shim() else { return };
    let mut rng = fastrand::Rng::new();
    let run = run(library, &mut rng).await;
    for syncs in [Syncs::NoneKept, Syncs::LogsDropped, Syncs::DirectoriesDropped] {
        let moment = run.journal.end();
        let disk = tempfile::tempdir().expect("a temporary directory");
        run.journal.cut(moment, syncs, Unsynced::Lost, disk.path());
        let lost = lost(&run, moment, disk.path().join("data")).await;
        assert!(lost > 0, "with {syncs:?} nothing is lost: the shim proves nothing");
    }
}

/// How many promises the store at this place does not keep; all of them where it does not open.
async fn lost(run: &Run, moment: u64, data_dir: PathBuf) -> usize {
    let path = data_dir.join("belfry.db");
    let options = Options {
        engine: EngineOptions::Sqlite(path),
        writer_queue_max: 64,
        readers: 1,
        inbox_items_max: 100_000,
        announcements_max: 100,
        webhook_queue_max: 10_000,
        busy_timeout: std::time::Duration::from_secs(1),
    };
    let promised: Vec<&Promise> = run.promised(moment).collect();
    let Ok(store) = Store::open(options, UnixMs(0)).await else { return promised.len() };
    let mut lost = 0;
    for promise in promised {
        let id = promise.id.parse().expect("an alert id");
        if !matches!(store.alert(id).await, Ok(Some(_))) {
            lost += 1;
        }
    }
    // It may be too broken to end in order.
    let _ = store.close().await;
    lost
}
