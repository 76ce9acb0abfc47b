//! Tells the application's endpoints what became of alerts: claims events from the store, posts them signed, and writes
//! down what came of it. One task per endpoint at a time, so a slow one holds up nobody else.

use crate::clock;
use crate::metrics::Counter;
use crate::services::Services;
use crate::tasks::TaskKind;
use belfry_channels::standard_webhooks::SigningSecret;
use belfry_channels::{Action, Receipt, SendError};
use belfry_store::{ClaimedWebhook, ClaimedWebhookEvent, UnixMs, WebhookOutcome, WebhookThen};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long a claim holds: longer than a call may take, with time to spare.
const LEASE: Duration = Duration::from_secs(60);
/// After a failure of the store, before the next try.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The longest that nobody looks.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(5);
/// The waits between the tries of one event, as standardwebhooks.com proposes them; after the last one it is dropped.
const WAITS: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// How much longer a wait may get, so that what failed together does not come back together.
const JITTER: f64 = 0.2;
/// The longest that an endpoint's own wish is followed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(86_400);

/// Endpoints that are being called.
#[derive(Debug, Default)]
struct Busy {
    endpoints: Mutex<BTreeSet<i64>>,
    /// One has been served.
    served: Notify,
}

impl Busy {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes an endpoint free again, also when its task panics.
struct Serving(Arc<Busy>, i64);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
        self.0.served.notify_one();
    }
}

/// Posts what is due until the node stops.
pub async fn run(services: Arc<Services>) {
    let stop = services.tasks.stopping().clone();
    let busy = Arc::new(Busy::default());
    while !stop.is_cancelled() {
        let wait = match round(&services, &busy).await {
            Ok(()) => until_next(&services, &busy),
            Err(error) => {
                tracing::warn!(error = %error, "status webhooks wait for the store");
                RETRY_AFTER
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = services.store.webhooks_changed() => {}
            () = busy.served.notified() => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn round(services: &Arc<Services>, busy: &Arc<Busy>) -> Result<(), belfry_store::StoreError> {
    let without: Vec<i64> = busy.lock().iter().copied().collect();
    let limit = services.config.status_webhooks.in_flight_max;
    let now = clock::now().unix_ms();
    for claimed in services.store.claim_webhook_events(now, limit, LEASE, without).await? {
        busy.lock().insert(claimed.key);
        let serving = Serving(Arc::clone(busy), claimed.key);
        let serve = serve(Arc::clone(services), claimed);
        services.tasks.spawn(TaskKind::Send, async move {
            serve.await;
            drop(serving);
        });
    }
    Ok(())
}

fn until_next(services: &Services, busy: &Busy) -> Duration {
    let due = services.store.webhooks_due().map(|due| due.0.saturating_sub(clock::now().unix_ms().0));
    match due {
        // What is due waits for an endpoint that is being called: its end wakes us.
        Some(ms) if ms <= 0 && !busy.lock().is_empty() => LOOK_AT_LEAST_EVERY,
        Some(ms) => Duration::from_millis(u64::try_from(ms).unwrap_or(0)).min(LOOK_AT_LEAST_EVERY),
        None => LOOK_AT_LEAST_EVERY,
    }
}

/// Posts the claimed events of one endpoint, all at once.
async fn serve(services: Arc<Services>, claimed: ClaimedWebhook) {
    let secrets: Vec<SigningSecret> =
        claimed.secrets.iter().filter_map(|text| SigningSecret::parse(&text.clone().into()).ok()).collect();
    let calls = claimed.events.iter().map(|event| call(&services, &claimed, event, &secrets));
    let outcomes = tokio::select! {
        outcomes = futures_util::future::join_all(calls) => outcomes,
        // What is not known to be taken comes again when its lease ends.
        () = services.tasks.cut().cancelled() => return,
    };
    match services.store.record_webhook_events(claimed.key, outcomes, clock::now().unix_ms()).await {
        Ok(recorded) => {
            if let Some(reason) = recorded.disabled {
                services.metrics.count(Counter::WebhooksDisabled);
                tracing::error!(
                    webhook.id = claimed.id,
                    ?reason,
                    "a webhook endpoint is disabled: what waits for it stays until it is enabled again with \
                     `PUT /v1/webhooks/{{id}}`"
                );
            }
        }
        Err(error) => {
            tracing::warn!(error = %error, "what was posted is posted again: it could not be written down")
        }
    }
}

async fn call(
    services: &Services,
    claimed: &ClaimedWebhook,
    event: &ClaimedWebhookEvent,
    secrets: &[SigningSecret],
) -> WebhookOutcome {
    let now = clock::now();
    let body = event.body.clone().into_bytes();
    let answer = services.poster.post(&claimed.url, &event.id, body, secrets, now.at).await;
    let then = conclude(&answer, event.tries, clock::now().unix_ms(), fastrand::f64());
    services.metrics.count(match then {
        WebhookThen::Taken => Counter::WebhookEventsTaken,
        WebhookThen::Retry { .. } | WebhookThen::Gone => Counter::WebhookCallsFailed,
        WebhookThen::GiveUp => Counter::WebhookEventsDropped,
    });
    if let Err(error) = &answer {
        tracing::debug!(
            webhook.id = claimed.id,
            reason = error.reason,
            status = error.status,
            "a webhook was not taken"
        );
    }
    WebhookOutcome { key: event.key, token: event.token, then }
}

/// What becomes of an event that failed `tries` times before. `jitter` is between 0 and 1.
fn conclude(answer: &Result<Receipt, SendError>, tries: u32, now: UnixMs, jitter: f64) -> WebhookThen {
    let error = match answer {
        Ok(_) => return WebhookThen::Taken,
        Err(error) if error.action == Action::Gone => return WebhookThen::Gone,
        Err(error) => error,
    };
    let Some(seconds) = WAITS.get(tries as usize) else {
        return WebhookThen::GiveUp;
    };
    let wished = error.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
    let wait = Duration::from_secs(*seconds).max(wished).mul_f64(1.0 + JITTER * jitter);
    WebhookThen::Retry {
        next_at: UnixMs(now.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(action: Action, retry_after: Option<u64>) -> Result<Receipt, SendError> {
        let error = SendError::new(action, "unavailable", "503");
        Err(SendError { retry_after: retry_after.map(Duration::from_secs), ..error })
    }

    fn wait(answer: &Result<Receipt, SendError>, tries: u32, jitter: f64) -> Option<i64> {
        match conclude(answer, tries, UnixMs(1_000), jitter) {
            WebhookThen::Retry { next_at } => Some((next_at.0 - 1_000) / 1_000),
            _ => None,
        }
    }

    #[test]
    fn what_fails_is_repeated_for_three_days_and_then_dropped() {
        let answer = failed(Action::Retry, None);
        let waits: Vec<i64> = (0..9).filter_map(|tries| wait(&answer, tries, 0.0)).collect();
        assert_eq!(waits, [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]);
        assert_eq!(conclude(&answer, 9, UnixMs(0), 0.0), WebhookThen::GiveUp);
        assert_eq!(wait(&answer, 1, 1.0), Some(360), "a fifth longer at most");
        // The endpoint may be mended meanwhile, whatever it says now.
        for action in [Action::Misconfigured, Action::Rejected, Action::Refused] {
            assert_eq!(wait(&failed(action, None), 0, 0.0), Some(5), "{action:?}");
        }
    }

    #[test]
    fn an_endpoint_that_asks_for_time_gets_it_within_reason() {
        assert_eq!(wait(&failed(Action::Retry, Some(60)), 0, 0.0), Some(60));
        assert_eq!(wait(&failed(Action::Retry, Some(60)), 1, 0.0), Some(300));
        assert_eq!(wait(&failed(Action::Retry, Some(u64::MAX)), 0, 0.0), Some(86_400));
    }

    #[test]
    fn what_is_taken_is_done_and_what_is_gone_is_not_called_again() {
        assert_eq!(conclude(&Ok(Receipt::default()), 9, UnixMs(0), 0.0), WebhookThen::Taken);
        assert_eq!(conclude(&failed(Action::Gone, None), 0, UnixMs(0), 0.0), WebhookThen::Gone);
    }
}
