//! A connection to PostgreSQL for a thread of its own.
//!
//! The store's threads ask and wait, as with a file; what they need not wait for they only send, and the server works
//! through it while the thread goes on. Answers come in the order of the questions, so a statement sees all that was
//! sent before it.

use super::column::Value;
use super::dialect::for_postgres;
use super::{Error, Sql};
use crate::postgres_options::PostgresOptions;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Row, Statement};

/// Statements that may be under way without an answer; more would fill the buffers of both sides.
const SENT_MAX: usize = 1_024;
/// How long an answer may take. Above the server's own limit for a statement: where that one speaks, it says why.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// What a session is limited to: a node that stops in the middle of a transaction must not hold its locks for long. All
/// others wait for them, and renew no lease meanwhile, so it is a fraction of a sensible lease.
const SESSION: &str = "SET statement_timeout = '15s'; SET lock_timeout = '10s'; \
     SET idle_in_transaction_session_timeout = '3s'; SET client_min_messages = 'warning'; \
     SET default_transaction_isolation = 'read committed'";

type Sent = Pin<Box<dyn Future<Output = Result<u64, tokio_postgres::Error>> + Send>>;

/// A connection.
pub(crate) struct Postgres {
    client: Arc<Client>,
    statements: RefCell<HashMap<String, Statement>>,
    sent: RefCell<Vec<Sent>>,
    /// The last field: the connection's task lives in it.
    runtime: Runtime,
}

impl Postgres {
    /// Connects; call it on a thread that may wait.
    pub(crate) fn connect(options: &PostgresOptions) -> Sql<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::Unreachable(error.to_string()))?;
        let client = runtime.block_on(options.connect())?;
        let this = Self {
            client: Arc::new(client),
            statements: RefCell::default(),
            sent: RefCell::default(),
            runtime,
        };
        this.wait(this.client.batch_execute(SESSION))?;
        Ok(this)
    }

    fn wait<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Sql<T> {
        let answered = self.runtime.block_on(async { tokio::time::timeout(ANSWER_WAIT, answer).await });
        match answered {
            Ok(answer) => answer.map_err(|error| self.first_fault(error.into())),
            Err(_) => Err(Error::Unreachable("PostgreSQL gave no answer in time".to_owned())),
        }
    }

    /// A failed statement makes all that follow fail; the first one says why.
    fn first_fault(&self, error: Error) -> Error {
        let sent = std::mem::take(&mut *self.sent.borrow_mut());
        let all = async {
            for answer in sent {
                answer.await?;
            }
            Ok::<_, tokio_postgres::Error>(())
        };
        match self.runtime.block_on(async { tokio::time::timeout(ANSWER_WAIT, all).await }) {
            Ok(Err(first)) => first.into(),
            _ => error,
        }
    }

    /// Prepares a statement, once.
    pub(crate) fn prepare(&self, sql: &str) -> Sql<Statement> {
        if let Some(found) = self.statements.borrow().get(sql) {
            return Ok(found.clone());
        }
        let text = for_postgres(sql);
        let prepared = self.wait(self.client.prepare(&text)).inspect_err(|error| {
            tracing::debug!(error = %error, "PostgreSQL did not prepare `{text}`");
        })?;
        self.statements.borrow_mut().insert(sql.to_owned(), prepared.clone());
        Ok(prepared)
    }

    /// Sends a statement and does not wait for its answer.
    pub(crate) fn send(&self, prepared: &Statement, values: Vec<Value>) -> Sql<()> {
        let (client, prepared) = (Arc::clone(&self.client), prepared.clone());
        self.begin_to_send(Box::pin(async move { client.execute_raw(&prepared, values).await }))
    }

    /// The same for a word without parameters.
    pub(crate) fn send_simple(&self, word: &'static str) -> Sql<()> {
        let client = Arc::clone(&self.client);
        self.begin_to_send(Box::pin(async move { client.batch_execute(word).await.map(|()| 0) }))
    }

    /// The first look at a request puts it into the connection's queue.
    fn begin_to_send(&self, mut request: Sent) -> Sql<()> {
        let begun = {
            let _inside = self.runtime.enter();
            request.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        };
        match begun {
            Poll::Ready(answer) => answer.map(drop).map_err(|error| self.first_fault(error.into())),
            Poll::Pending => {
                self.sent.borrow_mut().push(request);
                if self.sent.borrow().len() >= SENT_MAX { self.flush() } else { Ok(()) }
            }
        }
    }

    /// Waits for the answers of all that was sent.
    fn flush(&self) -> Sql<()> {
        let sent = std::mem::take(&mut *self.sent.borrow_mut());
        self.wait(async {
            for answer in sent {
                answer.await?;
            }
            Ok(())
        })
    }

    /// Runs a statement; answers how many rows it touched.
    pub(crate) fn execute(&self, prepared: &Statement, values: Vec<Value>) -> Sql<usize> {
        Ok(self.wait(self.client.execute_raw(prepared, values))? as usize)
    }

    /// All rows of a statement.
    pub(crate) fn query(&self, prepared: &Statement, values: Vec<Value>) -> Sql<Vec<Row>> {
        use futures_util::TryStreamExt;
        self.wait(async { self.client.query_raw(prepared, values).await?.try_collect().await })
    }

    /// Ends the transaction.
    pub(crate) fn commit(&self) -> Sql<()> {
        self.send_simple("COMMIT")?;
        self.flush()
    }

    /// Takes the transaction back. `false`: the connection is of no use any more.
    pub(crate) fn rollback(&self) -> bool {
        // What was sent has an answer before this one's.
        let rolled_back = self.wait(self.client.batch_execute("ROLLBACK")).is_ok();
        self.sent.borrow_mut().clear();
        rolled_back && !self.client.is_closed()
    }
}
