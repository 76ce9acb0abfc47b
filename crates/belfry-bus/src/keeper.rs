//! The task that keeps one link: opens it, confirms it, serves it, notices its end, opens the next.

use crate::bus::Shared;
use crate::error::BusError;
use crate::hearer::{Hearer, Losing, own_echoes};
use crate::landing::{Broken, Heard};
use crate::link::{self, Link};
use crate::message::NodeTag;
use crate::options::BusOptions;
use crate::packing::Packer;
use crate::probe::{Duty, Probe};
use crate::speaker::{End, Speaker};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use tokio::time::{Instant, sleep, timeout};

/// Keeps one link after the other.
pub(crate) struct Keeper {
    options: BusOptions,
    node: NodeTag,
    shared: Arc<Shared>,
    packer: Packer,
    dice: fastrand::Rng,
    /// For tests: loses what comes in.
    losing: Option<Losing>,
}

impl Keeper {
    /// The first link, confirmed.
    pub(crate) async fn connect(
        options: BusOptions,
        node: NodeTag,
        shared: Arc<Shared>,
    ) -> Result<(Self, Link), BusError> {
        link::check(&options)?;
        let losing = options.tuning().lose.map(Losing::new);
        let packer = Packer::new(node);
        let mut keeper = Self { options, node, shared, packer, dice: fastrand::Rng::new(), losing };
        let link = keeper.open().await?;
        keeper.shared.connected.store(true, Ordering::Release);
        Ok((keeper, link))
    }

    /// Runs until the bus is closed.
    pub(crate) async fn run(mut self, mut link: Link) {
        // Whatever ends this task, nobody waits for it in vain.
        let shared = Arc::clone(&self.shared);
        let _ended = Ended(Arc::clone(&shared));
        let address = link::blame(&self.options);
        let mut failures = 0;
        loop {
            let since = Instant::now();
            let End::Broken(Broken(reason)) = self.serve(&mut link).await else { return };
            drop(link);
            shared.connected.store(false, Ordering::Release);
            shared.counters.losses.add(1);
            shared.inbox.lose();
            tracing::warn!(
                bus.engine = %address.engine,
                bus.address = %address.address,
                "lost the bus on {}: {reason}; hints are missed until it is back",
                address.engine
            );
            if since.elapsed() >= self.options.tuning().reconnect.stable_after {
                failures = 0;
            }
            let Some(next) = self.reopen(&mut failures).await else { return };
            link = next;
            shared.connected.store(true, Ordering::Release);
            shared.counters.reconnects.add(1);
            shared.inbox.regain();
            tracing::info!(
                bus.engine = %address.engine,
                bus.address = %address.address,
                "the bus on {} is back",
                address.engine
            );
        }
    }

    /// The next link, after as many tries as it takes; `None`: the bus was closed meanwhile.
    async fn reopen(&mut self, failures: &mut u32) -> Option<Link> {
        let closing = self.shared.closing.clone();
        loop {
            *failures = failures.saturating_add(1);
            let wait = self.options.tuning().reconnect.delay(*failures, self.dice.f64());
            let attempt = async {
                sleep(wait).await;
                self.open().await
            };
            let opened = tokio::select! {
                biased;
                () = closing.cancelled() => return None,
                opened = attempt => opened,
            };
            match opened {
                Ok(link) => return Some(link),
                Err(error) if link::may_pass(&error) => {
                    tracing::debug!(bus.failures = *failures, "{error}");
                }
                // Somebody has to act: this may not drown among debug lines.
                Err(error) => tracing::warn!(bus.failures = *failures, "{error}"),
            }
        }
    }

    /// A link whose subscription is confirmed: a probe went through every server and came back.
    async fn open(&mut self) -> Result<Link, BusError> {
        let mut link = Link::open(&self.options).await?;
        match timeout(link::connect_timeout(&self.options), self.confirm(&mut link)).await {
            Ok(Ok(())) => Ok(link),
            Ok(Err(Broken(reason))) => Err(link::blame(&self.options).unreachable(reason)),
            Err(_) => Err(link::silent(&self.options)),
        }
    }

    async fn confirm(&mut self, link: &mut Link) -> Result<(), Broken> {
        let mut probe = self.probe(link);
        let Duty::Send(echoes) = probe.on_time(Instant::now()) else {
            unreachable!("a new probe is due at once")
        };
        let packets = Link::probes(&link.probed, &mut self.packer, &echoes);
        link.writer.publish(packets).await?;
        loop {
            // Messages that come now are older than the reading of the store that follows: they are not needed.
            let Heard::Payload(payload) = link.reader.next().await? else { continue };
            for echo in own_echoes(payload, self.node) {
                if probe.came_back(echo) {
                    return Ok(());
                }
            }
        }
    }

    fn probe(&self, link: &Link) -> Probe {
        let tuning = self.options.tuning();
        let targets =
            u16::try_from(link.probed.len()).expect("a link has fewer servers than a cluster slots");
        Probe::new(tuning.probe_every, tuning.probe_within, targets, Instant::now())
    }

    /// Moves messages both ways until the link breaks or the bus is closed.
    async fn serve(&mut self, link: &mut Link) -> End {
        let probe = Mutex::new(self.probe(link));
        let hearer =
            Hearer { node: self.node, shared: &self.shared, probe: &probe, losing: &mut self.losing };
        let speaker = Speaker {
            shared: &self.shared,
            packer: &mut self.packer,
            probe: &probe,
            write_timeout: self.options.tuning().probe_within,
            writer: &mut link.writer,
            packing: link.packing,
            probed: &link.probed,
        };
        tokio::select! {
            broken = hearer.run(&mut link.reader) => End::Broken(broken),
            end = speaker.run() => end,
        }
    }
}

/// Says that the task has ended, also when it panicked.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.connected.store(false, Ordering::Release);
        self.0.closing.cancel();
        self.0.inbox.end();
        self.0.closed.cancel();
    }
}
