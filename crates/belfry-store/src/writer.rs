//! The way to the one thread that writes: a bounded queue, and an answer when what was asked is on disk.

use crate::StoreError;
use crate::checkpoint::Checkpointer;
use crate::group_commit::Running;
use crate::idempotency::IdempotencyKey;
use crate::memory::lock;
use crate::shared::Shared;
use crate::sql::{Connection, Sql};
use crate::txn::Txn;
use belfry_protocol::UserId;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Something to do in a transaction, with somebody who waits for the answer.
pub(crate) trait Job: Send {
    /// How much of a group it takes.
    fn bytes(&self) -> usize;
    /// Whom it touches and nobody else; `None`: that shows when it runs.
    fn users(&self) -> Option<&[UserId]>;
    /// The idempotency key that it looks for.
    fn key(&self) -> Option<&IdempotencyKey>;
    /// Receipts of users with active deliveries, and of these users, are to be written before it runs, however short
    /// they have waited.
    fn after_receipts_of(&self) -> Option<&[UserId]>;
    /// `Err`: nothing of the transaction can stand. It may run again in another one.
    fn run(&mut self, txn: &mut Txn<'_>) -> Sql<()>;
    /// After COMMIT, or after the transaction failed.
    fn answer(self: Box<Self>, failure: Option<&StoreError>);
}

/// What is known of a job before it runs.
pub(crate) struct Weight {
    /// How much of a group it takes.
    pub(crate) bytes: usize,
    /// See [`Job::users`].
    pub(crate) users: Option<Vec<UserId>>,
    /// See [`Job::key`].
    pub(crate) key: Option<IdempotencyKey>,
}

impl Default for Weight {
    fn default() -> Self {
        Self { bytes: 256, users: None, key: None }
    }
}

/// A closure with somebody who waits for its answer.
pub(crate) struct Call<T, F> {
    bytes: usize,
    users: Option<Vec<UserId>>,
    key: Option<IdempotencyKey>,
    after_receipts_of: Option<Vec<UserId>>,
    body: F,
    outcome: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Call<T, F> {
    /// The call, and where its answer comes.
    pub(crate) fn new(bytes: usize, body: F) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (answer, answered) = oneshot::channel();
        (
            Self { bytes, users: None, key: None, after_receipts_of: None, body, outcome: None, answer },
            answered,
        )
    }
}

impl<T: Send, F: Fn(&mut Txn<'_>) -> Sql<T> + Send> Job for Call<T, F> {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn users(&self) -> Option<&[UserId]> {
        self.users.as_deref()
    }

    fn key(&self) -> Option<&IdempotencyKey> {
        self.key.as_ref()
    }

    fn after_receipts_of(&self) -> Option<&[UserId]> {
        self.after_receipts_of.as_deref()
    }

    fn run(&mut self, txn: &mut Txn<'_>) -> Sql<()> {
        match (self.body)(txn) {
            Ok(value) => self.outcome = Some(Ok(value)),
            // Where several nodes write there are no savepoints.
            Err(error) if error.is_outage() || txn.conn.is_shared() => return Err(error),
            Err(error) => {
                tracing::error!(error = %error, "a write failed");
                self.outcome = Some(Err(error.for_caller()));
            }
        }
        Ok(())
    }

    fn answer(self: Box<Self>, failure: Option<&StoreError>) {
        let outcome = match (failure, self.outcome) {
            (Some(failure), _) => Err(failure.clone()),
            (None, Some(outcome)) => outcome,
            (None, None) => Err(StoreError::Internal("a write gave no answer".to_owned())),
        };
        // The caller may have gone.
        let _ = self.answer.send(outcome);
    }
}

/// What goes through the queue.
pub(crate) enum Message {
    /// Something to write.
    Job(Box<dyn Job>),
    /// Receipts wait.
    Wake,
    /// Write all receipts.
    Flush(oneshot::Sender<Result<(), StoreError>>),
    /// Refuse to grow the file beyond this.
    LimitPages(Option<u32>, oneshot::Sender<Result<(), StoreError>>),
    /// Write and merge everything, then end.
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// The queue to the writer, and its thread.
pub(crate) struct Writer {
    queue: RwLock<Option<SyncSender<Message>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    shared: Arc<Shared>,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(
        shared: Arc<Shared>,
        conn: Connection,
        newest_key: i64,
        checkpointer: Option<Arc<Checkpointer>>,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(shared.options.writer_queue_max.max(1));
        let running = Running::new(Arc::clone(&shared), conn, newest_key, checkpointer)
            .map_err(std::io::Error::other)?;
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || running.run(&receiver))?;
        Ok(Self { queue: RwLock::new(Some(sender)), thread: Mutex::new(Some(thread)), shared })
    }

    fn queue(&self) -> Result<SyncSender<Message>, StoreError> {
        self.queue.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(StoreError::Closed)
    }

    fn send(&self, message: Message) -> Result<(), StoreError> {
        let queue = self.queue()?;
        self.shared.counters.writer_queue.fetch_add(1, Ordering::Relaxed);
        queue.try_send(message).map_err(|error| {
            self.shared.counters.writer_queue.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => StoreError::Overloaded,
                TrySendError::Disconnected(_) => StoreError::Closed,
            }
        })
    }

    /// Queues `body`; the receiver gets its answer when it is on disk.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        Weight { bytes, users, key }: Weight,
        body: impl Fn(&mut Txn<'_>) -> Sql<T> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, StoreError>>, StoreError> {
        let (mut call, answered) = Call::new(bytes, body);
        call.users = users;
        call.key = key;
        self.send(Message::Job(Box::new(call)))?;
        Ok(answered)
    }

    /// Runs `body` in a transaction of the writer; a fault of its own takes back what it did and nothing else.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        body: impl Fn(&mut Txn<'_>) -> Sql<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let answered = self.submit(Weight::default(), move |txn| txn.savepoint(&body))?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Like [`Writer::write`] for what touches these users and nobody else, so that it can share a transaction with
    /// what others do, also where several nodes write.
    pub(crate) async fn write_for<T: Send + 'static>(
        &self,
        users: Vec<UserId>,
        body: impl Fn(&mut Txn<'_>) -> Sql<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let answered =
            self.submit(Weight { users: Some(users), ..Weight::default() }, move |txn| txn.savepoint(&body))?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Like [`Writer::write`], in a transaction that first writes the receipts which wait for users with active
    /// deliveries, and for these users.
    pub(crate) async fn write_after_receipts<T: Send + 'static>(
        &self,
        users: Vec<UserId>,
        body: impl Fn(&mut Txn<'_>) -> Sql<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (mut call, answered) = Call::new(1_024, move |txn: &mut Txn<'_>| txn.savepoint(&body));
        call.after_receipts_of = Some(users);
        self.send(Message::Job(Box::new(call)))?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Says that receipts wait. Where the queue is full the writer is busy and looks by itself.
    pub(crate) fn wake(&self) {
        let _ = self.send(Message::Wake);
    }

    /// Waits until the receipts given before are on disk.
    pub(crate) async fn flush(&self) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::Flush(answer))?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// As if the disk were full beyond this.
    pub(crate) async fn limit_pages(&self, pages: Option<u32>) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::LimitPages(pages, answer))?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Writes everything, merges, checkpoints and ends.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.write().unwrap_or_else(PoisonError::into_inner).take();
        let mut message = Message::Close(answer);
        let queue = queue.ok_or(StoreError::Closed)?;
        self.shared.counters.writer_queue.fetch_add(1, Ordering::Relaxed);
        // The queue may be full; nobody else can send any more, so it empties.
        loop {
            match queue.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) => {
                    message = back;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(TrySendError::Disconnected(_)) => return Err(StoreError::Closed),
            }
        }
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Ends the thread; without [`Writer::close`] before, it writes what it can.
    pub(crate) fn stop(&self) {
        drop(self.queue.write().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = lock(&self.thread).take() {
            // The writer catches its panics.
            let _ = thread.join();
        }
    }
}
