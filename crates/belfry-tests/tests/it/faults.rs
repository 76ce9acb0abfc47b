//! The disk says no: publishing is refused with a promise to come back, what is open stays open, and it heals.

use belfry_tests::shim::{self, ShimFiles};
use belfry_tests::{Answer, Caller, Process, Socket, TestServer, eventually};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// `EROFS`.
const READ_ONLY: &str = "write 30";
/// `EIO`.
const SYNC_FAILS: &str = "sync 5";

/// Alerts of a test, and those that were answered `202`.
struct Ledger<'a> {
    caller: &'a Caller,
    next: u64,
    accepted: Vec<String>,
}

impl<'a> Ledger<'a> {
    fn new(caller: &'a Caller) -> Self {
        Self { caller, next: 1, accepted: Vec::new() }
    }

    /// Publishes an alert with this much text.
    async fn publish(&mut self, text_bytes: usize) -> Answer {
        let data = json!({"n": self.next, "text": "x".repeat(text_bytes)});
        self.next += 1;
        let alert = json!({"to": {"user": "ann"}, "kind": "numbered", "title": "A number", "data": data});
        let answer = self.caller.publish(&alert).await;
        if answer.status == 202 {
            self.accepted.push(answer.json()["id"].as_str().expect("an id").to_owned());
        }
        answer
    }

    async fn publish_accepted(&mut self) {
        self.publish(10).await.expect(202);
    }

    /// While the fault lasts: refused with a time to come back, not ready, and everything else goes on.
    async fn assert_refused(&mut self, socket: &mut Socket) {
        for _ in 0..3 {
            assert_unavailable(&self.publish(10).await);
        }
        assert_unavailable(&self.caller.get("/readyz").await);
        self.caller.get("/healthz").await.expect(200);
        let frames = socket.settle().await;
        assert!(frames.is_empty(), "nothing was accepted, there came {frames:?}");
        self.assert_inbox().await;
    }

    /// The inbox holds what was accepted, once and in order, and nothing else.
    async fn assert_inbox(&self) {
        let items = self.caller.inbox("ann").await;
        let mut ids: Vec<&str> = items.iter().map(|item| item["id"].as_str().expect("an id")).collect();
        ids.reverse();
        assert_eq!(ids, self.accepted);
        let mut seqs: Vec<u64> = items.iter().map(|item| item["seq"].as_u64().expect("a seq")).collect();
        seqs.reverse();
        assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "{seqs:?}");
    }

    /// After the fault: it is ready by itself, takes alerts, and the open socket gets them.
    async fn assert_healed(&mut self, socket: &mut Socket) {
        eventually("readiness", || async { (self.caller.get("/readyz").await.status == 200).then_some(()) })
            .await;
        self.publish_accepted().await;
        self.publish_accepted().await;
        let newest = &self.accepted[self.accepted.len() - 2..];
        let frames = socket.settle().await;
        assert_eq!(ids(&frames), newest, "the socket that stayed open gets what is new");
        self.assert_inbox().await;
    }
}

fn ids(frames: &[Value]) -> Vec<&str> {
    frames.iter().filter_map(|frame| frame["id"].as_str()).collect()
}

#[track_caller]
fn assert_unavailable(answer: &Answer) {
    let answer = answer.clone().expect_problem(503, "store-unavailable");
    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
}

/// A small disk of its own.
struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    /// `None`, with a printed reason: this machine does not let us.
    fn mount(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(dir.path());
        match mount.output() {
            Ok(output) if output.status.success() => Some(Self { dir }),
            Ok(output) => {
                shim::skipped(format_args!("no tmpfs: {}", String::from_utf8_lossy(&output.stderr).trim()));
                None
            }
            Err(error) => {
                shim::skipped(format_args!("no `mount`: {error}"));
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazy: where a test failed, something may still be open.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_publishing_and_heals_when_there_is_room_again() {
    if !belfry_tests::shared::on_a_file() {
        return;
    }
    let Some(disk) = SmallDisk::mount("8m") else { return };
    let mut server = TestServer::on(&disk.path().join("data"), |_| ()).await;
    let caller = Caller::clone(&server);
    let mut ledger = Ledger::new(&caller);
    let mut socket = caller.socket("ann").await;
    for _ in 0..10 {
        ledger.publish_accepted().await;
    }
    socket.settle().await;
    let ballast = disk.path().join("ballast");
    fill(&ballast);
    // The log may still have room in its last page.
    loop {
        let answer = ledger.publish(8_000).await;
        if answer.status != 202 {
            assert_unavailable(&answer);
            break;
        }
    }
    let frames = socket.settle().await;
    assert_eq!(ids(&frames), &ledger.accepted[10..], "what was accepted came");
    ledger.assert_refused(&mut socket).await;
    std::fs::remove_file(&ballast).expect("our own file");
    ledger.assert_healed(&mut socket).await;
    server.restart().await;
    ledger.assert_inbox().await;
    server.stop().await;
}

/// Takes all room that is left, to the last byte.
fn fill(ballast: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(ballast).expect("a new file");
    for size in [65_536, 4_096, 512, 1] {
        while file.write(&vec![0; size]).is_ok_and(|written| written > 0) {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_refuses_publishing_and_heals_when_the_lock_goes() {
    if !belfry_tests::shared::on_a_file() {
        return;
    }
    let mut server =
        TestServer::with(|config| config.database.busy_timeout = Duration::from_millis(100)).await;
    let caller = Caller::clone(&server);
    let mut ledger = Ledger::new(&caller);
    let mut socket = caller.socket("ann").await;
    for _ in 0..10 {
        ledger.publish_accepted().await;
    }
    socket.settle().await;
    let other = rusqlite::Connection::open(server.data_dir().join("belfry.db")).expect("the file is there");
    other.busy_timeout(Duration::from_secs(5)).expect("a setting");
    other.execute_batch("BEGIN EXCLUSIVE").expect("the lock is free");
    ledger.assert_refused(&mut socket).await;
    other.execute_batch("ROLLBACK").expect("our own lock");
    ledger.assert_healed(&mut socket).await;
    server.restart().await;
    ledger.assert_inbox().await;
    server.stop().await;
}

/// The binary on a disk that can be told to fail.
struct FailingDisk {
    process: Process,
    fault: PathBuf,
    _dir: TempDir,
}

impl FailingDisk {
    fn start() -> Option<Self> {
        let library = shim::library().map_err(shim::skipped).ok()?;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (disk, fault) = (dir.path().join("disk"), dir.path().join("fault"));
        let files = ShimFiles { fault: Some(&fault), ..ShimFiles::default() };
        let settings = shim::settings(library, &disk, files);
        let home = tempfile::tempdir().expect("a temporary directory");
        let process = Process::on(home, disk.join("data"), &settings);
        Some(Self { process, fault, _dir: dir })
    }

    fn fail(&self, how: &str) {
        let next = self.fault.with_extension("next");
        std::fs::write(&next, how).expect("a new file");
        std::fs::rename(next, &self.fault).expect("our own file");
    }

    fn heal(&self) {
        std::fs::remove_file(&self.fault).expect("our own file");
    }
}

async fn assert_survives(how: &str) {
    let Some(mut disk) = FailingDisk::start() else { return };
    let caller = disk.process.caller();
    let mut ledger = Ledger::new(&caller);
    let mut socket = caller.socket("ann").await;
    for _ in 0..10 {
        ledger.publish_accepted().await;
    }
    socket.settle().await;
    for _ in 0..2 {
        disk.fail(how);
        ledger.assert_refused(&mut socket).await;
        disk.heal();
        ledger.assert_healed(&mut socket).await;
    }
    disk.process.kill();
    disk.process.restart();
    ledger.assert_inbox().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_refuses_publishing_and_heals_when_it_can_be_written() {
    if !belfry_tests::shared::on_a_file() {
        return;
    }
    assert_survives(READ_ONLY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_fails_refuses_publishing_and_heals() {
    if !belfry_tests::shared::on_a_file() {
        return;
    }
    assert_survives(SYNC_FAILS).await;
}
