//! The half of a link's service that sends: batches, and probes when they are due.

use crate::bus::Shared;
use crate::landing::Broken;
use crate::link::{Link, Writer};
use crate::message::Message;
use crate::outbox::BatchLimits;
use crate::packing::{Packer, Packet, Packing};
use crate::probe::{Duty, Probe};
use crate::subject::Subject;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// How much goes out at once.
const BATCH: BatchLimits = BatchLimits { messages: 512, bytes: 1024 * 1024 };
/// How long a close waits for what is left to send.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why moving messages ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The bus was closed.
    Closed,
    /// The link is over.
    Broken(Broken),
}

/// Sends what waits.
pub(crate) struct Speaker<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) packer: &'a mut Packer,
    pub(crate) probe: &'a Mutex<Probe>,
    /// A write that takes longer means a dead link.
    pub(crate) write_timeout: Duration,
    pub(crate) writer: &'a mut Writer,
    pub(crate) packing: Packing,
    pub(crate) probed: &'a [Subject],
}

impl Speaker<'_> {
    pub(crate) async fn run(mut self) -> End {
        match self.speak().await {
            Ok(()) => End::Closed,
            Err(broken) => End::Broken(broken),
        }
    }

    async fn speak(&mut self) -> Result<(), Broken> {
        let shared = self.shared;
        loop {
            let due = self.probe.lock().unwrap_or_else(PoisonError::into_inner).due();
            // The order matters where a batch is always ready: a probe is never held up by it.
            tokio::select! {
                biased;
                () = shared.closing.cancelled() => return self.say_the_rest().await,
                () = sleep_until(due) => self.send_probes().await?,
                batch = shared.outbox.take(BATCH) => self.send(batch).await?,
            }
        }
    }

    async fn say_the_rest(&mut self) -> Result<(), Broken> {
        let rest = async {
            loop {
                let batch = self.shared.outbox.take_waiting(BATCH);
                if batch.is_empty() {
                    return Ok(());
                }
                self.send(batch).await?;
            }
        };
        // Closed is closed; what was not said is in the store.
        timeout(LAST_WORDS, rest).await.unwrap_or(Ok(()))
    }

    async fn send_probes(&mut self) -> Result<(), Broken> {
        // It may have moved meanwhile: the probe itself knows whether it is time.
        let duty = self.probe.lock().unwrap_or_else(PoisonError::into_inner).on_time(Instant::now());
        match duty {
            Duty::Wait => Ok(()),
            Duty::Silent => Err(Broken("a probe did not come back in time".to_owned())),
            Duty::Send(echoes) => {
                let packets = Link::probes(self.probed, self.packer, &echoes);
                self.publish(packets).await
            }
        }
    }

    async fn send(&mut self, batch: Vec<(Subject, Message)>) -> Result<(), Broken> {
        let count = batch.len() as u64;
        let packed = self.packer.pack(self.packing, batch);
        self.shared.counters.bodies_left_out.add(packed.bodies_left_out);
        let published = self.publish(packed.packets).await;
        match published {
            Ok(()) => self.shared.counters.sent.add(count),
            Err(_) => self.shared.counters.dropped.add(count),
        }
        published
    }

    async fn publish(&mut self, packets: Vec<Packet>) -> Result<(), Broken> {
        match timeout(self.write_timeout, self.writer.publish(packets)).await {
            Ok(published) => published,
            Err(_) => Err(Broken(format!("a write took longer than {:?}", self.write_timeout))),
        }
    }
}
