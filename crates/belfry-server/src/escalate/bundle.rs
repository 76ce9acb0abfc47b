//! Which deliveries of one person go out together.

use crate::escalate::policy::{self, COLLAPSE_ABOVE, Next};
use crate::escalate::throttle::Counted;
use crate::kinds::Ladder;
use belfry_protocol::{Channel, UserId};
use belfry_store::{ClaimedDelivery, Deferred};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A delivery with what the policy said.
pub(super) struct Planned {
    pub(super) delivery: ClaimedDelivery,
    pub(super) ladder: Arc<Ladder>,
    pub(super) decision: policy::Decision,
}

/// What waited with others for a digest or for room goes out with them.
pub(super) fn goes_as_one(deferred: Deferred) -> bool {
    matches!(deferred, Deferred::Digest | Deferred::Throttle)
}

/// Whose count a sending of this delivery is.
pub(super) fn counted(delivery: &ClaimedDelivery, channel: Channel) -> Counted {
    (delivery.user.clone(), delivery.content.category.clone(), channel)
}

/// Deliveries that go out together: a digest of one category, what had to wait for room in it, or what a night held
/// back. Everything else is alone.
pub(super) fn bundle(planned: Vec<Planned>) -> Vec<Vec<Planned>> {
    let mut alone = Vec::new();
    let mut digests: BTreeMap<(UserId, String, u32), Vec<Planned>> = BTreeMap::new();
    let mut throttled: BTreeMap<Counted, Vec<Planned>> = BTreeMap::new();
    let mut mornings: BTreeMap<UserId, Vec<Planned>> = BTreeMap::new();
    for one in planned {
        let Next::Send { step } = one.decision.next else {
            alone.push(vec![one]);
            continue;
        };
        let channel = one.ladder.steps().get(step as usize).map(|step| step.channel);
        match one.delivery.deferred {
            Deferred::Digest => {
                let key = (one.delivery.user.clone(), one.delivery.content.category.clone(), step);
                digests.entry(key).or_default().push(one);
            }
            Deferred::Throttle => {
                let key = counted(&one.delivery, channel.unwrap_or(Channel::Push));
                throttled.entry(key).or_default().push(one);
            }
            Deferred::QuietHours if channel == Some(Channel::Push) => {
                mornings.entry(one.delivery.user.clone()).or_default().push(one);
            }
            _ => alone.push(vec![one]),
        }
    }
    for mut morning in mornings.into_values() {
        // Two streams have no common numbers; the ids are in the order of publishing.
        morning.sort_unstable_by_key(|one| one.delivery.id);
        if morning.len() > COLLAPSE_ABOVE {
            alone.push(morning);
        } else {
            alone.extend(morning.into_iter().map(|one| vec![one]));
        }
    }
    for mut digest in digests.into_values().chain(throttled.into_values()) {
        digest.sort_unstable_by_key(|one| one.delivery.id);
        alone.push(digest);
    }
    alone
}
