//! Every task has a kind: the kind says what its end means and whether a shutdown waits for it.

use futures_util::FutureExt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long tasks that were cut may take to unwind.
const AFTER_THE_CUT: Duration = Duration::from_secs(1);

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
    /// Stores something and tells the sessions, although its caller has gone.
    Change,
    /// Watches what nobody confirmed yet, and decides what goes out.
    Escalate,
    /// Calls a provider.
    Send,
    /// Tells endpoints what became of alerts.
    StatusWebhooks,
    /// Keeps this node in its cluster.
    Cluster,
}

impl TaskKind {
    /// All of them.
    pub const ALL: [TaskKind; 13] = [
        Self::Accept,
        Self::Connection,
        Self::Session,
        Self::Fanout,
        Self::Sweep,
        Self::KindsWatch,
        Self::KeysRefresh,
        Self::Backup,
        Self::Change,
        Self::Escalate,
        Self::Send,
        Self::StatusWebhooks,
        Self::Cluster,
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
            Self::Change => "change",
            Self::Escalate => "escalate",
            Self::Send => "send",
            Self::StatusWebhooks => "status_webhooks",
            Self::Cluster => "cluster",
        }
    }
}

/// Spawns tasks, counts them and ends them.
#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    cut: CancellationToken,
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
            cut: CancellationToken::new(),
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
        // A combinator, for an async block would hold the task twice: as it was captured and as it is awaited.
        let tracked = self.tracker.track_future(task.map(move |()| drop(running)));
        tokio::spawn(tracked);
    }

    /// Work that a caller waits for, but that goes on when the caller goes away in the middle: what was committed is
    /// then still handed to the sessions.
    pub fn see_through<F>(&self, kind: TaskKind, work: F) -> SeeThrough<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        SeeThrough { work: Some(Box::pin(work)), tasks: self.clone(), kind }
    }

    /// Cancelled once the process should end: tasks that loop watch it.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// Cancelled when the time to end is over: a task that waits for somebody outside watches it.
    pub fn cut(&self) -> &CancellationToken {
        &self.cut
    }

    /// How many tasks of this kind run.
    pub fn running(&self, kind: TaskKind) -> i64 {
        self.running[kind as usize].load(Ordering::Relaxed)
    }

    /// Tells every task to end and waits until they have. Who is not done by then is cut; `false`: somebody goes on
    /// even so.
    pub async fn stop(&self, by: Instant) -> bool {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout_at(by.into(), self.tracker.wait()).await.is_ok() {
            return true;
        }
        self.cut.cancel();
        tokio::time::timeout(AFTER_THE_CUT, self.tracker.wait()).await.is_ok()
    }
}

/// See [`Tasks::see_through`].
pub struct SeeThrough<T: Send + 'static> {
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    tasks: Tasks,
    kind: TaskKind,
}

impl<T: Send + 'static> Future for SeeThrough<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let work = self.work.as_mut().expect("a future is not polled after it was ready");
        let result = std::task::ready!(work.as_mut().poll(cx));
        self.work = None;
        Poll::Ready(result)
    }
}

impl<T: Send + 'static> Drop for SeeThrough<T> {
    fn drop(&mut self) {
        // Without a runtime the process is ending, and what was committed is told by the next one.
        if let Some(work) = self.work.take()
            && tokio::runtime::Handle::try_current().is_ok()
        {
            self.tasks.spawn(self.kind, async move {
                work.await;
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use tokio::sync::Notify;

    #[tokio::test]
    async fn work_goes_on_when_its_caller_has_gone() {
        let (tasks, go, done) = (Tasks::new(), Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (waits, says) = (Arc::clone(&go), Arc::clone(&done));
        let mut work = tasks.see_through(TaskKind::Change, async move {
            waits.notified().await;
            says.store(true, Ordering::Release);
        });
        assert!(futures_util::poll!(&mut work).is_pending());
        drop(work);
        assert_eq!(tasks.running(TaskKind::Change), 1);
        go.notify_one();
        assert!(tasks.stop(crate::clock::now().instant + Duration::from_secs(60)).await);
        assert!(done.load(Ordering::Acquire));
        assert_eq!(tasks.running(TaskKind::Change), 0);
    }

    #[tokio::test]
    async fn who_waits_for_somebody_outside_is_cut_when_the_time_is_over() {
        let tasks = Tasks::new();
        let cut = tasks.cut().clone();
        tasks.spawn(TaskKind::Connection, async move { cut.cancelled().await });
        assert!(tasks.stop(crate::clock::now().instant).await);
        assert_eq!(tasks.running(TaskKind::Connection), 0);
    }
}
