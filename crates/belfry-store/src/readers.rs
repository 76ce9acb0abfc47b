//! Reading connections, each with a thread of its own.

use crate::StoreError;
use crate::engine::Engine;
use crate::memory::lock;
use crate::sql::{Connection, Sql};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Reads that may wait; beyond it callers get [`StoreError::Overloaded`].
const QUEUE_MAX: usize = 1_024;

type Job = Box<dyn FnOnce(&mut ReadConnection) + Send>;

/// The pool.
pub(crate) struct Readers {
    queue: Mutex<Option<SyncSender<Job>>>,
    /// Nothing that still waits is read any more.
    stopping: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct ReadConnection {
    engine: Engine,
    busy_timeout: Duration,
    conn: Option<Connection>,
}

impl ReadConnection {
    fn transaction<T>(&mut self, body: impl FnOnce(&Connection) -> Sql<T>) -> Result<T, StoreError> {
        let result = catch_unwind(AssertUnwindSafe(|| self.attempt(body)));
        let result = match result {
            Ok(result) => result.map_err(|error| (error.is_outage(), error.for_caller())),
            Err(_) => Err((true, StoreError::Internal("a read panicked".to_owned()))),
        };
        result.map_err(|(reconnect, error)| {
            if reconnect {
                self.conn = None;
            }
            error
        })
    }

    fn attempt<T>(&mut self, body: impl FnOnce(&Connection) -> Sql<T>) -> Sql<T> {
        if self.conn.is_none() {
            self.conn = Some(self.engine.connect_reader(self.busy_timeout)?);
        }
        let conn = self.conn.as_ref().expect("it was just made");
        // One snapshot for all statements of a read.
        conn.begin_read()?;
        match body(conn) {
            Ok(value) => conn.end_read().map(|()| value),
            Err(error) => {
                if !conn.rollback() {
                    self.conn = None;
                }
                Err(error)
            }
        }
    }
}

impl Readers {
    /// Starts the threads.
    pub(crate) fn start(engine: &Engine, count: usize, busy_timeout: Duration) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel::<Job>(QUEUE_MAX);
        let (receiver, stopping) = (Arc::new(Mutex::new(receiver)), Arc::new(AtomicBool::new(false)));
        let mut threads = Vec::new();
        for number in 0..count.max(1) {
            let (receiver, stopping) = (Arc::clone(&receiver), Arc::clone(&stopping));
            let mut connection = ReadConnection { engine: engine.clone(), busy_timeout, conn: None };
            let thread = std::thread::Builder::new()
                .name(format!("store-reader-{number}"))
                .spawn(move || run(&receiver, &stopping, &mut connection))?;
            threads.push(thread);
        }
        Ok(Self { queue: Mutex::new(Some(sender)), stopping, threads: Mutex::new(threads) })
    }

    /// Runs `body` in a read transaction. It stays short: pages, never whole tables.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        body: impl FnOnce(&Connection) -> Sql<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // The caller may have gone.
            let _ = answer.send(connection.transaction(body));
        });
        let queue = lock(&self.queue).clone().ok_or(StoreError::Closed)?;
        match queue.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(StoreError::Overloaded),
            Err(TrySendError::Disconnected(_)) => return Err(StoreError::Closed),
        }
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Ends the threads with the read that each is about. Whoever waits behind it is told that the store is closed:
    /// a store that has become slow must not keep a process alive that is to end.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        drop(lock(&self.queue).take());
        for thread in lock(&self.threads).drain(..) {
            // A reader catches its panics.
            let _ = thread.join();
        }
    }
}

fn run(receiver: &Mutex<Receiver<Job>>, stopping: &AtomicBool, connection: &mut ReadConnection) {
    loop {
        let job = lock(receiver).recv();
        match job {
            Ok(_) if stopping.load(Ordering::Acquire) => {}
            Ok(job) => job(connection),
            Err(_) => return,
        }
    }
}
