//! Nodes on one bus, and short words for what tests do with them.

use belfry_bus::*;
use std::future::Future;
use std::time::Duration;

pub(crate) use belfry_bus::Engine;

/// How long anything may take on a loaded machine before a test calls it missing.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A bus of a test's own: a memory bus, or a prefix on a server.
pub(crate) struct Ground {
    pub(crate) engine: Engine,
    pub(crate) memory: MemoryBus,
    pub(crate) address: String,
    pub(crate) prefix: String,
}

/// One node.
pub(crate) struct Node {
    pub(crate) bus: Bus,
    pub(crate) incoming: Incoming,
}

impl Ground {
    /// `None`: this engine is not here.
    pub(crate) fn new(engine: Engine) -> Option<Self> {
        let address = match engine {
            Engine::Memory => String::new(),
            Engine::Postgres => address("BELFRY_TEST_POSTGRES")?,
            Engine::Redis => address("BELFRY_TEST_REDIS")?,
            Engine::Nats => address("BELFRY_TEST_NATS")?,
        };
        Some(Self { engine, memory: MemoryBus::new(), address, prefix: fresh_prefix() })
    }

    /// Options for this ground: quick to notice, quick to come back.
    pub(crate) fn options(&self) -> BusOptions {
        self.options_at(&self.address)
    }

    pub(crate) fn options_at(&self, address: &str) -> BusOptions {
        let mut options = match self.engine {
            Engine::Memory => BusOptions::Memory(self.memory.clone()),
            Engine::Postgres => BusOptions::Postgres(PostgresOptions::new(address)),
            Engine::Redis => BusOptions::Redis(RedisOptions::new([address])),
            Engine::Nats => BusOptions::Nats(NatsOptions::new([address])),
        };
        quick(&mut options, &self.prefix);
        options
    }

    pub(crate) async fn join(&self, tag: u64) -> Node {
        Node::join(self.options(), tag).await
    }
}

impl Node {
    pub(crate) async fn join(options: BusOptions, tag: u64) -> Self {
        let (bus, incoming) = within("a connection", Bus::connect(options, NodeTag(tag))).await.unwrap();
        Self { bus, incoming }
    }

    #[track_caller]
    pub(crate) fn send(&self, subject: Subject, text: &str) {
        assert!(self.bus.send(subject, Message::of_head(text.to_owned())), "there was no room");
    }

    pub(crate) async fn next(&mut self) -> Event {
        within("an event", self.incoming.next()).await.expect("the bus is open")
    }

    /// The next event, which is a message: its head as text.
    pub(crate) async fn heard(&mut self) -> String {
        match self.next().await {
            Event::Message { message, .. } => String::from_utf8(message.head.to_vec()).unwrap(),
            event => panic!("no message but {event:?}"),
        }
    }
}

/// Where a server is; `None` after a line that says that its engine is left out.
pub(crate) fn address(variable: &str) -> Option<String> {
    match std::env::var(variable) {
        Ok(address) if !address.is_empty() => Some(address),
        _ => {
            left_out(&format!("{variable} is not set"));
            None
        }
    }
}

/// Says that something is left out, or fails where nothing may be.
#[expect(clippy::print_stdout, reason = "whoever runs the tests has to see what did not run")]
pub(crate) fn left_out(why: &str) {
    let all = |variable: &str| std::env::var(variable).is_ok_and(|value| !value.is_empty() && value != "0");
    assert!(!all("CI") && !all("BELFRY_TEST_ALL"), "{why}, and nothing may be left out here");
    println!("left out: {why}");
}

pub(crate) fn fresh_prefix() -> String {
    format!("test-{:016x}", fastrand::u64(..))
}

pub(crate) fn quick(options: &mut BusOptions, prefix: &str) {
    if let Some(common) = options.common_mut() {
        prefix.clone_into(&mut common.prefix);
    }
    let tuning = options.tuning_mut();
    tuning.probe_every = Duration::from_millis(200);
    tuning.probe_within = Duration::from_secs(2);
    tuning.reconnect.first = Duration::from_millis(20);
    tuning.reconnect.most = Duration::from_millis(200);
}

/// The future's output, or a panic that says what did not come in time.
#[track_caller]
pub(crate) fn within<T>(what: &str, future: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(DEADLINE, future).await {
            Ok(output) => output,
            Err(_) => panic!("{caller}: {what} did not come within {DEADLINE:?}"),
        }
    }
}

/// Looks until the condition holds, or panics at the deadline.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    within(what, async {
        while !holds() {
            // Between two looks; the deadline is above.
            tokio::time::sleep(LOOK_EVERY).await;
        }
    })
    .await;
}

/// Asks until the answer is yes, or panics at the deadline.
pub(crate) async fn until_told(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    within(what, async {
        while !holds().await {
            // Between two questions; the deadline is above.
            tokio::time::sleep(LOOK_EVERY).await;
        }
    })
    .await;
}
