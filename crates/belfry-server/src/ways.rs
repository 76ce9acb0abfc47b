//! The configured providers, and how each of them is: well, paused because it refuses our credentials, or held because
//! it asked for time.

pub mod breaker;
pub mod caught;

use crate::clock::Now;
use belfry_channels::{Action, Channel, Receipt, RetryScope, SendError};
use belfry_protocol::Provider;
use breaker::{Breaker, BreakerRules};
use jiff::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a provider is left alone that asked for time without saying how long.
const HELD_FOR: Duration = Duration::from_secs(10);
/// The longest that a provider's wish is followed for everything that goes its way.
const HELD_AT_MOST: Duration = Duration::from_secs(3_600);

/// How providers are treated.
#[derive(Debug, Clone, Copy)]
pub struct WayRules {
    /// How often a paused one is tried.
    pub probe_every: Duration,
    /// When pruning stops.
    pub breaker: BreakerRules,
}

/// The configured providers.
#[derive(Debug, Default)]
pub struct Ways {
    ways: Vec<Way>,
}

#[derive(Debug)]
struct Way {
    channel: Arc<dyn Channel>,
    probe_every: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    paused: Option<Paused>,
    held_until: Option<Instant>,
    breaker: Breaker,
}

#[derive(Debug)]
struct Paused {
    since: Timestamp,
    reason: String,
    probe_at: Instant,
}

/// How a provider is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayStatus {
    /// Which.
    pub provider: Provider,
    /// Since when it is paused, and what it said.
    pub paused: Option<(Timestamp, String)>,
    /// It asked for time.
    pub held: bool,
    /// Addresses that it calls gone are kept: there are too many of them.
    pub keeps_gone: bool,
}

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Yes.
    Go,
    /// Not before so long.
    Wait(Duration),
}

impl Ways {
    /// These providers; of two for the same the first counts.
    pub fn new(channels: Vec<Arc<dyn Channel>>, rules: WayRules) -> Self {
        let way = |channel| Way {
            channel,
            probe_every: rules.probe_every,
            state: Mutex::new(State { paused: None, held_until: None, breaker: Breaker::new(rules.breaker) }),
        };
        Self { ways: channels.into_iter().map(way).collect() }
    }

    /// Whether there is none: then nothing is watched.
    pub fn is_empty(&self) -> bool {
        self.ways.is_empty()
    }

    /// Whether alerts can go out this way.
    pub fn has(&self, provider: Provider) -> bool {
        self.find(provider).is_some()
    }

    /// The way to a provider.
    pub fn channel(&self, provider: Provider) -> Option<Arc<dyn Channel>> {
        self.find(provider).map(|way| Arc::clone(&way.channel))
    }

    fn find(&self, provider: Provider) -> Option<&Way> {
        self.ways.iter().find(|way| way.channel.provider() == provider)
    }

    /// Providers to which no call may be made now.
    pub fn closed(&self, now: Instant) -> Vec<Provider> {
        let closed = self.ways.iter().filter(|way| way.state().wait(now).is_some());
        closed.map(|way| way.channel.provider()).collect()
    }

    /// Asks whether a call may be made. Of a paused provider one call passes at a time, to see whether it is well again.
    pub fn pass(&self, provider: Provider, now: Instant) -> Pass {
        let Some(way) = self.find(provider) else { return Pass::Go };
        let mut state = way.state();
        if let Some(wait) = state.wait(now) {
            return Pass::Wait(wait);
        }
        if let Some(paused) = &mut state.paused {
            paused.probe_at = now + way.probe_every;
        }
        Pass::Go
    }

    /// Notes what a provider said. `true`: an address that is gone may be deleted.
    pub fn answered(&self, provider: Provider, answer: &Result<Receipt, SendError>, now: Now) -> bool {
        let Some(way) = self.find(provider) else { return true };
        let mut state = way.state();
        match answer {
            Ok(_) => {
                if state.paused.take().is_some() {
                    tracing::info!(provider = provider.as_str(), "the provider is well again");
                }
            }
            Err(error) if error.action == Action::Misconfigured => {
                let probe_at = now.instant + way.probe_every;
                match &mut state.paused {
                    Some(paused) => paused.probe_at = probe_at,
                    None => {
                        tracing::error!(
                            provider = provider.as_str(),
                            reason = error.reason,
                            status = error.status,
                            "the provider refuses our credentials or settings: it is paused, what waits for it stays; \
                             `belfry doctor` says more"
                        );
                        state.paused = Some(Paused { since: now.at, reason: error.reason.clone(), probe_at });
                    }
                }
            }
            Err(error) if error.action == Action::Retry && error.scope == RetryScope::Provider => {
                let wait = error.retry_after.unwrap_or(HELD_FOR).min(HELD_AT_MOST);
                state.held_until = Some(now.instant + wait);
            }
            Err(error) if error.alarm => {
                tracing::error!(
                    provider = provider.as_str(),
                    reason = error.reason,
                    status = error.status,
                    "the provider refused a notice for a reason that somebody should look at"
                );
            }
            Err(_) => {}
        }
        let counted = answer.is_ok() || matches!(answer, Err(error) if error.action != Action::Retry);
        let was_open = state.breaker.is_open(now.instant);
        if !counted {
            return !was_open;
        }
        let gone = matches!(answer, Err(error) if error.action == Action::Gone);
        let may_delete = state.breaker.note(gone, now.instant);
        if !may_delete && !was_open {
            tracing::error!(
                provider = provider.as_str(),
                "too many of the provider's answers say that an address is gone: addresses are kept from now on; \
                 look whether the credentials belong to the app that registered them"
            );
        }
        may_delete
    }

    /// Takes a provider out of its pause. `false`: it was not paused.
    pub fn resume(&self, provider: Provider) -> bool {
        self.find(provider).is_some_and(|way| way.state().paused.take().is_some())
    }

    /// How all of them are.
    pub fn status(&self, now: Instant) -> Vec<WayStatus> {
        let status = |way: &Way| {
            let mut state = way.state();
            WayStatus {
                provider: way.channel.provider(),
                paused: state.paused.as_ref().map(|paused| (paused.since, paused.reason.clone())),
                held: state.held_until.is_some_and(|until| until > now),
                keeps_gone: state.breaker.is_open(now),
            }
        };
        self.ways.iter().map(status).collect()
    }
}

impl Way {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait(&self, now: Instant) -> Option<Duration> {
        let probe = self.paused.as_ref().map(|paused| paused.probe_at);
        let wait = probe.max(self.held_until)?.saturating_duration_since(now);
        (!wait.is_zero()).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use belfry_channels::{Address, Notice};
    use futures_util::future::{BoxFuture, FutureExt, ready};

    #[derive(Debug)]
    struct Nowhere;

    impl Channel for Nowhere {
        fn provider(&self) -> Provider {
            Provider::Fcm
        }
        fn send<'a>(
            &'a self,
            _: &'a Notice,
            _: &'a Address,
            _: Timestamp,
        ) -> BoxFuture<'a, Result<Receipt, SendError>> {
            ready(Ok(Receipt::default())).boxed()
        }
        fn check(&self, _: Timestamp) -> BoxFuture<'_, Result<String, SendError>> {
            ready(Ok(String::new())).boxed()
        }
    }

    fn ways() -> Ways {
        let breaker = BreakerRules { window: Duration::from_secs(600), share: 0.05, gone_min: 5 };
        let rules = WayRules { probe_every: Duration::from_secs(30), breaker };
        Ways::new(vec![Arc::new(Nowhere)], rules)
    }

    fn after(now: Now, seconds: u64) -> Now {
        let wait = Duration::from_secs(seconds);
        Now { at: now.at + wait, instant: now.instant + wait }
    }

    fn error(action: Action) -> Result<Receipt, SendError> {
        Err(SendError::new(action, "REASON", ""))
    }

    #[test]
    fn a_paused_provider_is_tried_by_one_call_at_a_time() {
        let (ways, now) = (ways(), crate::clock::now());
        assert_eq!(ways.pass(Provider::Fcm, now.instant), Pass::Go);
        ways.answered(Provider::Fcm, &error(Action::Misconfigured), now);
        assert_eq!(ways.closed(now.instant), [Provider::Fcm]);
        assert_eq!(ways.pass(Provider::Fcm, now.instant), Pass::Wait(Duration::from_secs(30)));
        let then = after(now, 30);
        assert_eq!(ways.pass(Provider::Fcm, then.instant), Pass::Go);
        assert!(matches!(ways.pass(Provider::Fcm, then.instant), Pass::Wait(_)), "one is enough");
        ways.answered(Provider::Fcm, &Ok(Receipt::default()), then);
        assert_eq!(ways.pass(Provider::Fcm, then.instant), Pass::Go);
        assert!(!ways.resume(Provider::Fcm));
    }

    #[test]
    fn a_person_can_end_the_pause() {
        let (ways, now) = (ways(), crate::clock::now());
        ways.answered(Provider::Fcm, &error(Action::Misconfigured), now);
        assert_eq!(ways.status(now.instant)[0].paused, Some((now.at, "REASON".to_owned())));
        assert!(ways.resume(Provider::Fcm));
        assert!(ways.closed(now.instant).is_empty());
    }

    #[test]
    fn who_asks_for_time_for_all_gets_it() {
        let (ways, now) = (ways(), crate::clock::now());
        let busy = SendError::new(Action::Retry, "QUOTA_EXCEEDED", "")
            .with_wait(Some(Duration::from_secs(60)), RetryScope::Provider);
        ways.answered(Provider::Fcm, &Err(busy), now);
        assert_eq!(ways.pass(Provider::Fcm, now.instant), Pass::Wait(Duration::from_secs(60)));
        assert_eq!(ways.pass(Provider::Fcm, after(now, 60).instant), Pass::Go);
    }

    #[test]
    fn outages_do_not_count_when_a_wave_of_gone_addresses_is_looked_for() {
        let (ways, now) = (ways(), crate::clock::now());
        for _ in 0..1_000 {
            ways.answered(Provider::Fcm, &error(Action::Retry), now);
        }
        let deleted = (0..100).filter(|_| ways.answered(Provider::Fcm, &error(Action::Gone), now)).count();
        assert_eq!(deleted, 4, "a thousand 503 do not dilute it");
        assert!(ways.status(now.instant)[0].keeps_gone);
    }
}
