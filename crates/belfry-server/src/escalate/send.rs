//! One call on one leg, and what became of it.

use crate::clock;
use crate::escalate::compose;
use crate::escalate::retry::{Again, again};
use crate::services::Services;
use crate::tasks::TaskKind;
use crate::ways::Pass;
use belfry_channels::{Action, Address, Notice, Receipt, SendError};
use belfry_protocol::{Channel, DeviceId, Provider};
use belfry_store::{AttemptRow, ClaimedLeg, DeviceAnswer, DeviceRow, LegRef, StoreError, Then, UnixMs};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest that a call takes.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// No call begins with less of its lease left.
const LEASE_LEFT_MIN: Duration = Duration::from_secs(20);
/// After a failure of the store, before what is known is written again.
const RECORD_AGAIN: Duration = Duration::from_millis(500);

/// A leg that is about to be sent.
#[derive(Debug)]
pub struct Outgoing {
    /// The leg, with the lease's token.
    pub leg: LegRef,
    /// The device it goes to.
    pub device: Option<String>,
    /// Attempts before this one.
    pub tries: u32,
    /// No attempt begins after it.
    pub deadline: UnixMs,
    /// When the lease ends.
    pub leased_until: Instant,
    /// Where it goes.
    pub address: Address,
    /// What is sent.
    pub notice: Arc<Notice>,
}

/// Adds what only this server can vouch for: where a device reports that it has it, and where a mail's reader ends it.
pub fn signed(services: &Services, notice: Notice, channel: Channel, device: Option<&DeviceRow>) -> Notice {
    let base = services.config.fallback.public_url.trim_end_matches('/');
    if base.is_empty() {
        return notice;
    }
    let device = device.filter(|_| channel == Channel::Push);
    let receipt_url = device.and_then(|device| DeviceId::new(device.id.as_str()).ok()).map(|device| {
        let expires_at = notice.expires_at.map(|at| UnixMs(at.as_millisecond()));
        let now = clock::now().unix_ms();
        let token = services.signer.receipt_token(notice.alert, &notice.user, &device, expires_at, now);
        format!("{base}/v1/receipts/{token}")
    });
    let kinds = services.kinds.snapshot();
    let mutable = kinds.find(&notice.kind).ok().flatten().is_none_or(|kind| kind.mutable);
    let unsubscribe_url = (channel == Channel::Email && mutable).then(|| {
        let token = services.signer.unsubscribe_token(&notice.user, &notice.category);
        format!("{base}/u/{token}")
    });
    Notice { receipt_url, unsubscribe_url, ..notice }
}

/// What is filed of a leg whose address is no more.
pub fn failed(services: &Services, leg: &ClaimedLeg, reason: &str) -> AttemptRow {
    AttemptRow {
        leg: LegRef { key: leg.key, token: leg.token },
        node: services.config.server.node.clone(),
        outcome: reason.to_owned(),
        status: None,
        said: String::new(),
        then: Then::Fail { reason: reason.to_owned() },
    }
}

/// Sends in a task of its own, once there is a free place: one after the other, so that several for one address arrive
/// in their order.
pub async fn launch(services: &Arc<Services>, outgoing: Vec<Outgoing>) {
    let Ok(place) = Arc::clone(&services.sends).acquire_owned().await else { return };
    let task = {
        let services = Arc::clone(services);
        async move {
            for one in outgoing {
                send(&services, one).await;
            }
            drop(place);
            services.escalate_wake.notify_one();
        }
    };
    services.tasks.spawn(TaskKind::Send, task);
}

async fn send(services: &Services, outgoing: Outgoing) {
    let provider = outgoing.address.provider();
    if let Pass::Wait(wait) = services.ways.pass(provider, clock::now().instant) {
        let next_at = later(wait);
        return record(
            services,
            &outgoing,
            row(services, &outgoing, "held", None, "", Then::Hold { next_at }),
        )
        .await;
    }
    let Some(channel) = services.ways.channel(provider) else {
        let then = Then::Fail { reason: "not-configured".to_owned() };
        return record(services, &outgoing, row(services, &outgoing, "not-configured", None, "", then)).await;
    };
    match may_begin(services, &outgoing).await {
        Begin::Now => {}
        Begin::Never => return,
        Begin::Later => {
            // Given back, so that waiting for a free place is not taken for a crash.
            let then = Then::Hold { next_at: clock::now().unix_ms() };
            return record(services, &outgoing, row(services, &outgoing, "no free place", None, "", then))
                .await;
        }
    }
    let now = clock::now();
    let call = channel.send(&outgoing.notice, &outgoing.address, now.at);
    let answer = match tokio::time::timeout(CALL_TIMEOUT + Duration::from_secs(1), call).await {
        Ok(answer) => answer,
        Err(_) => Err(SendError::new(Action::Retry, "timeout", "the provider did not answer in time")),
    };
    let now = clock::now();
    let may_delete = services.ways.answered(provider, &answer, now);
    services.metrics.called(provider, outcome(&answer));
    let attempt = filed(services, &outgoing, &answer);
    record(services, &outgoing, attempt).await;
    if let Err(error) = keep_addresses(services, &outgoing, &answer, may_delete).await {
        tracing::warn!(error = %error, "what a provider said of an address was not kept; it will say it again");
    }
}

/// Whether a call begins.
enum Begin {
    Now,
    /// Too little is left of the lease.
    Later,
    /// Nobody wants it any more, or another one has it.
    Never,
}

/// Looked at in the last moment: the lease is long enough, and nobody has confirmed it meanwhile.
async fn may_begin(services: &Services, outgoing: &Outgoing) -> Begin {
    loop {
        let now = clock::now();
        if outgoing.leased_until.saturating_duration_since(now.instant) < LEASE_LEFT_MIN {
            return Begin::Later;
        }
        match services.store.still_wanted(std::slice::from_ref(&outgoing.leg)).await {
            // The answer may have come late: whoever was paused meanwhile may have lost the lease.
            Ok(wanted) if wanted.first() == Some(&true) => {
                let left = outgoing.leased_until.saturating_duration_since(clock::now().instant);
                return if left < LEASE_LEFT_MIN { Begin::Later } else { Begin::Now };
            }
            Ok(_) | Err(StoreError::Closed) => return Begin::Never,
            Err(_) => tokio::time::sleep(RECORD_AGAIN).await,
        }
    }
}

fn outcome(answer: &Result<Receipt, SendError>) -> &'static str {
    match answer {
        Ok(_) => "accepted",
        Err(error) => match error.action {
            Action::Retry => "retry",
            Action::Gone => "gone",
            Action::Refused => "refused",
            Action::Rejected => "rejected",
            Action::Misconfigured => "misconfigured",
        },
    }
}

fn row(
    services: &Services,
    outgoing: &Outgoing,
    outcome: &str,
    status: Option<u16>,
    said: &str,
    then: Then,
) -> AttemptRow {
    AttemptRow {
        leg: outgoing.leg,
        node: services.config.server.node.clone(),
        outcome: outcome.to_owned(),
        status,
        said: said.to_owned(),
        then,
    }
}

fn filed(services: &Services, outgoing: &Outgoing, answer: &Result<Receipt, SendError>) -> AttemptRow {
    match answer {
        Ok(receipt) => {
            let then = Then::Accepted { provider_id: receipt.provider_id.clone() };
            row(services, outgoing, "accepted", None, &receipt.said, then)
        }
        Err(error) => {
            let then = then(outgoing, error, services.config.fallback.probe_every);
            row(services, outgoing, &error.reason, error.status, &error.said, then)
        }
    }
}

fn then(outgoing: &Outgoing, error: &SendError, probe_every: Duration) -> Then {
    let now = clock::now().at;
    match error.action {
        Action::Retry => {
            let deadline = Some(clock::timestamp(outgoing.deadline));
            let tries = outgoing.tries.saturating_add(1);
            let provider = outgoing.address.provider();
            match again(provider, tries, error.retry_after, deadline, now, fastrand::f64()) {
                Again::At(at) => Then::Retry { next_at: UnixMs(at.as_millisecond()) },
                Again::UsedUp => Then::Fail { reason: format!("{}, tries used up", error.reason) },
                Again::TooLate => Then::Expire,
            }
        }
        Action::Misconfigured => Then::Hold { next_at: later(probe_every) },
        Action::Gone | Action::Refused | Action::Rejected => Then::Fail { reason: error.reason.clone() },
    }
}

fn later(wait: Duration) -> UnixMs {
    let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    UnixMs(clock::now().unix_ms().0.saturating_add(wait))
}

/// Writes what became of an attempt. It is known to nobody else, so it is tried for as long as the lease lasts; after
/// that the next one to claim the leg sends it once more, with the same tag.
async fn record(services: &Services, outgoing: &Outgoing, attempt: AttemptRow) {
    loop {
        let now = clock::now();
        match services.store.record_attempts(vec![attempt.clone()], now.unix_ms()).await {
            Ok(_) | Err(StoreError::Closed) => return,
            Err(error) if now.instant >= outgoing.leased_until => {
                tracing::error!(error = %error, "what a provider answered could not be stored");
                return;
            }
            Err(_) => tokio::time::sleep(RECORD_AGAIN).await,
        }
    }
}

/// Addresses that are gone are deleted, and what a provider said last is kept beside a device.
async fn keep_addresses(
    services: &Services,
    outgoing: &Outgoing,
    answer: &Result<Receipt, SendError>,
    may_delete: bool,
) -> Result<(), StoreError> {
    let user = &outgoing.notice.user;
    let store = &services.store;
    let now = clock::now().unix_ms();
    let gone = match answer {
        Err(error) if error.action == Action::Gone && may_delete => Some(error),
        _ => None,
    };
    let moved_to = answer.as_ref().ok().and_then(|receipt| receipt.moved_to.as_ref());
    if let (Some(device), Some(address)) = (&outgoing.device, moved_to.and_then(compose::device_address)) {
        store.correct_address(user, device, address).await?;
    }
    match (&outgoing.address, &outgoing.device, gone) {
        (Address::Email { address, .. }, _, Some(error)) => {
            store.suppress_email(user, address, &error.reason).await?;
        }
        (_, Some(device), Some(error)) => {
            let gone_at = error.gone_at.map(|at| UnixMs(at.as_millisecond()));
            store.forget_address(user, device, gone_at).await?;
        }
        (_, Some(device), None) => {
            let said = match answer {
                Ok(_) => DeviceAnswer::Accepted,
                Err(error) => DeviceAnswer::Failed(error.reason.clone()),
            };
            store.device_answered(user, device, said, now).await?;
        }
        _ => {}
    }
    Ok(())
}

/// The providers as they are named in metrics.
pub fn provider_name(provider: Provider) -> &'static str {
    provider.as_str()
}
