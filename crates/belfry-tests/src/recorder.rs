//! A way out of the house that writes down what it is given: for tests whose subject is what goes out and when, not how
//! a provider is spoken to.

use belfry_channels::{Action, Address, Channel, Notice, Receipt, SendError};
use belfry_protocol::Provider;
use futures_util::future::{BoxFuture, FutureExt};
use jiff::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What it is told to answer.
pub type Answer = Result<Receipt, SendError>;

type Answering = Arc<dyn Fn(&Notice, &Address) -> Answer + Send + Sync>;

/// A call that came.
#[derive(Debug, Clone)]
pub struct Call {
    /// What was to be sent.
    pub notice: Notice,
    /// Where it was to go.
    pub address: Address,
    /// When it came.
    pub at: Timestamp,
}

/// A way out of the house that writes down what it is given.
pub struct Recorder {
    provider: Provider,
    answering: Mutex<Answering>,
    calls: Mutex<Vec<Call>>,
    open: watch::Sender<bool>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// The provider takes it.
pub fn accepts() -> Answer {
    Ok(Receipt::default())
}

/// The provider refuses it for good, and the address stays.
pub fn rejects() -> Answer {
    Err(SendError::new(Action::Rejected, "PAYLOAD", "it says no"))
}

/// The address is no more.
pub fn gone() -> Answer {
    Err(SendError::new(Action::Gone, "UNREGISTERED", "there is no such device"))
}

/// Our credentials are refused.
pub fn misconfigured() -> Answer {
    Err(SendError::new(Action::Misconfigured, "THIRD_PARTY_AUTH_ERROR", "who are you?"))
}

impl Recorder {
    /// A provider that takes everything.
    pub fn new(provider: Provider) -> Arc<Self> {
        Arc::new(Self {
            provider,
            answering: Mutex::new(Arc::new(|_, _| accepts())),
            calls: Mutex::default(),
            open: watch::Sender::new(true),
        })
    }

    /// From now on it answers so.
    pub fn answer(&self, answering: impl Fn(&Notice, &Address) -> Answer + Send + Sync + 'static) {
        *self.answering.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(answering);
    }

    /// Calls that come from now on are written down and hang until [`Recorder::let_go`].
    pub fn hold(&self) {
        self.open.send_replace(false);
    }

    /// Calls that hang are answered, and those that come later at once.
    pub fn let_go(&self) {
        self.open.send_replace(true);
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came so far, in its order.
    pub fn calls(&self) -> Vec<Call> {
        self.locked().clone()
    }

    /// The titles of what came so far, in their order.
    pub fn titles(&self) -> Vec<String> {
        self.locked().iter().map(|call| call.notice.title.clone()).collect()
    }
}

impl Channel for Recorder {
    fn provider(&self) -> Provider {
        self.provider
    }

    fn send<'a>(
        &'a self,
        notice: &'a Notice,
        address: &'a Address,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Receipt, SendError>> {
        self.locked().push(Call { notice: notice.clone(), address: address.clone(), at: now });
        async move {
            // The sender lives as long as this recorder, so waiting ends with the gate alone.
            let _ = self.open.subscribe().wait_for(|open| *open).await;
            let answering = Arc::clone(&self.answering.lock().unwrap_or_else(PoisonError::into_inner));
            answering(notice, address)
        }
        .boxed()
    }

    fn check(&self, _: Timestamp) -> BoxFuture<'_, Result<String, SendError>> {
        std::future::ready(Ok("it writes down what it is given".to_owned())).boxed()
    }
}
