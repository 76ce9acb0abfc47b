//! Every task has a kind: the kind says what its end means and whether a shutdown waits for it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// Accepts connections.
    Accept,
    /// Serves one HTTP connection.
    Connection,
    /// One live session.
    Session,
    /// Expands fan-outs.
    Fanout,
    /// Marks expired items, applies retention, forgets idempotency keys.
    Sweep,
    /// Watches the kinds folder.
    KindsWatch,
    /// Fetches verification keys.
    KeysRefresh,
    /// Writes a backup.
    Backup,
    /// Answers one batch.
    Batch,
}

impl TaskKind {
    /// All of them.
    pub const ALL: [TaskKind; 9] = [
        Self::Accept,
        Self::Connection,
        Self::Session,
        Self::Fanout,
        Self::Sweep,
        Self::KindsWatch,
        Self::KeysRefresh,
        Self::Backup,
        Self::Batch,
    ];

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Connection => "connection",
            Self::Session => "session",
            Self::Fanout => "fanout",
            Self::Sweep => "sweep",
            Self::KindsWatch => "kinds_watch",
            Self::KeysRefresh => "keys_refresh",
            Self::Backup => "backup",
            Self::Batch => "batch",
        }
    }
}

/// Spawns tasks, counts them and ends them.
#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    running: Arc<[AtomicI64; TaskKind::ALL.len()]>,
}

/// Counts a task down when it ends, also when it panics.
struct Running(Arc<[AtomicI64; TaskKind::ALL.len()]>, TaskKind);

impl Drop for Running {
    fn drop(&mut self) {
        self.0[self.1 as usize].fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Self {
        Self {
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            running: Arc::new(std::array::from_fn(|_| AtomicI64::new(0))),
        }
    }

    /// Runs a task to its end.
    #[expect(clippy::disallowed_methods, reason = "this is the door that names them")]
    pub fn spawn<F>(&self, kind: TaskKind, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // Counted here, not in the task, so that a drain cannot miss one that was only just spawned.
        self.running[kind as usize].fetch_add(1, Ordering::Relaxed);
        let running = Running(Arc::clone(&self.running), kind);
        let tracked = self.tracker.track_future(async move {
            let _running = running;
            task.await;
        });
        tokio::spawn(tracked);
    }

    /// Cancelled once the process should end: tasks that loop watch it.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// How many tasks of this kind run.
    pub fn running(&self, kind: TaskKind) -> i64 {
        self.running[kind as usize].load(Ordering::Relaxed)
    }

    /// Tells every task to end and waits until they have.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}
