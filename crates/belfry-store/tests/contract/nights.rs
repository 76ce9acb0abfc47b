//! Short words for what a dispatcher does with a store.

use crate::harness::*;
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::{AlertId, Channel, Level, Provider, Seq};
use belfry_store::*;
use std::time::Duration;

pub(crate) const LADDER: &str = r#"[{"channel":"live","wait":"5s","until":"displayed"},
    {"channel":"push","wait":"10m","until":"seen"},{"channel":"email"}]"#;
pub(crate) const LEASE: Duration = Duration::from_secs(60);
pub(crate) const LEASE_MS: i64 = 60_000;
pub(crate) const TEN_MINUTES: i64 = 600_000;
/// Until a push is seen, ten minutes.
pub(crate) const UNTIL_SEEN: AfterStep =
    AfterStep { wait_ms: Some(TEN_MINUTES as u64), until: Some(Level::Seen) };
/// The last step.
pub(crate) const LAST: AfterStep = AfterStep { wait_ms: None, until: None };

pub(crate) fn delivery(name: &str, seq: Seq, id: AlertId, due_at: UnixMs) -> NewDelivery {
    NewDelivery {
        user: user(name),
        seq,
        id,
        step: 1,
        last_failed: true,
        stop_at: Level::Displayed,
        ladder: LADDER.into(),
        due_at,
    }
}

pub(crate) fn leg(step: u32, device: &str) -> NewLeg {
    let (channel, provider) =
        if step == 2 { (Channel::Email, Provider::Smtp) } else { (Channel::Push, Provider::Fcm) };
    NewLeg {
        step,
        channel,
        provider: Some(provider),
        device: Some(device.to_owned()),
        address: format!("address of {device}"),
        address_short: Some(format!("…{device}")),
        tag: format!("tag-{device}"),
        state: LegState::Pending,
        reason: None,
        deadline_at: after(24 * 3_600_000),
    }
}

pub(crate) fn note(step: u32, state: LegState, reason: &str) -> NewLeg {
    NewLeg { state, reason: Some(reason.to_owned()), provider: None, device: None, ..leg(step, "none") }
}

pub(crate) fn to_begin(claimed: &ClaimedDelivery, legs: Vec<NewLeg>, then: AfterStep) -> Decision {
    let verdict = Verdict::Begin { step: claimed.step, legs, after: then };
    Decision { key: claimed.key, token: claimed.token, with: Vec::new(), notes: Vec::new(), verdict }
}

pub(crate) fn to_end(claimed: &ClaimedDelivery, state: DeliveryState, reason: &str) -> Decision {
    Decision { verdict: Verdict::End { state, reason: reason.to_owned() }, ..to_begin(claimed, vec![], LAST) }
}

pub(crate) fn to_defer(claimed: &ClaimedDelivery, due_at: UnixMs, deferred: Deferred) -> Decision {
    let verdict = Verdict::Defer {
        step: claimed.step,
        last_failed: claimed.last_failed,
        due_at,
        deferred,
        reason: "later".to_owned(),
    };
    Decision { verdict, ..to_begin(claimed, vec![], LAST) }
}

pub(crate) fn accepted() -> Then {
    Then::Accepted { provider_id: Some("provider-7".to_owned()) }
}

pub(crate) fn failed(reason: &str) -> Then {
    Then::Fail { reason: reason.to_owned() }
}

pub(crate) fn attempt(leg: LegRef, then: Then) -> AttemptRow {
    let outcome = if matches!(then, Then::Accepted { .. }) { "accepted" } else { "UNAVAILABLE" };
    AttemptRow {
        leg,
        node: "node-1".to_owned(),
        outcome: outcome.to_owned(),
        status: Some(200),
        said: "said".to_owned(),
        then,
    }
}

impl TestStore {
    /// A plain alert with a delivery that is due at once.
    pub(crate) async fn open(&self, name: &str) -> AlertId {
        let published = self.tell(name).await;
        self.open_for(&published, name).await;
        published.id
    }

    pub(crate) async fn open_for(&self, published: &Published, name: &str) {
        let seq = published.notifications.iter().find(|one| one.user == user(name)).unwrap().seq;
        let new = vec![delivery(name, seq, published.id, NOW)];
        assert_eq!(self.store.open_deliveries(new, None, NOW).await, Ok(1));
    }

    pub(crate) async fn claim(&self, now: UnixMs) -> Vec<ClaimedDelivery> {
        self.store.claim_deliveries(now, 100, LEASE).await.unwrap()
    }

    pub(crate) async fn claim_one(&self, now: UnixMs) -> ClaimedDelivery {
        let mut claimed = self.claim(now).await;
        assert_eq!(claimed.len(), 1);
        claimed.remove(0)
    }

    pub(crate) async fn decide(&self, decision: Decision, now: UnixMs) -> Option<Vec<LegRef>> {
        self.store.decide(vec![decision], now, LEASE).await.unwrap().remove(0)
    }

    /// Sends the step of what is due to these devices.
    pub(crate) async fn begin(&self, devices: &[&str], then: AfterStep, now: UnixMs) -> Vec<LegRef> {
        let claimed = self.claim_one(now).await;
        let legs = devices.iter().map(|device| leg(claimed.step, device)).collect();
        self.decide(to_begin(&claimed, legs, then), now).await.unwrap()
    }

    pub(crate) async fn record(&self, leg: LegRef, then: Then, now: UnixMs) -> bool {
        self.store.record_attempts(vec![attempt(leg, then)], now).await.unwrap()[0]
    }

    pub(crate) async fn wanted(&self, leg: LegRef) -> bool {
        self.store.still_wanted(&[leg]).await.unwrap()[0]
    }

    pub(crate) async fn claim_legs(&self, now: UnixMs) -> Vec<ClaimedLeg> {
        self.store.claim_legs(now, 100, LEASE, &[]).await.unwrap()
    }

    pub(crate) async fn trace(&self, id: AlertId, name: &str) -> DeliveryTraceRow {
        self.find_trace(id, name).await.unwrap()
    }

    pub(crate) async fn find_trace(&self, id: AlertId, name: &str) -> Option<DeliveryTraceRow> {
        let mut found = self.store.deliveries_of(id, &[user(name)]).await.unwrap();
        found.pop().map(|one| one.1)
    }

    pub(crate) async fn state(&self, id: AlertId, name: &str) -> DeliveryState {
        self.trace(id, name).await.state
    }

    pub(crate) async fn leg_states(&self, id: AlertId, name: &str) -> Vec<LegState> {
        self.trace(id, name).await.legs.iter().map(|leg| leg.state).collect()
    }

    pub(crate) fn ack(&self, name: &str, ids: &[AlertId], level: Level) {
        let row = AckRow::Ids { ids: ids.to_vec(), level };
        self.store.acknowledge(&user(name), row, NOW).unwrap();
    }

    pub(crate) async fn next_due(&self) -> Option<i64> {
        self.store.next_due().await.unwrap().map(|at| at.0 - NOW.0)
    }
}
