//! States, channels and providers as they are stored.

use crate::Deferred;
use belfry_protocol::Channel;
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::device::Provider;

/// In the order of their numbers.
const DELIVERY_STATES: [DeliveryState; 9] = [
    DeliveryState::Waiting,
    DeliveryState::Sending,
    DeliveryState::Held,
    DeliveryState::Confirmed,
    DeliveryState::Sent,
    DeliveryState::Expired,
    DeliveryState::Suppressed,
    DeliveryState::Recalled,
    DeliveryState::DeadLettered,
];
const LEG_STATES: [LegState; 6] = [
    LegState::Pending,
    LegState::Accepted,
    LegState::Failed,
    LegState::Suppressed,
    LegState::Cancelled,
    LegState::Expired,
];
const CHANNELS: [Channel; 4] = [Channel::Live, Channel::Push, Channel::Email, Channel::Webhook];
const DEFERRED: [Deferred; 4] = [Deferred::No, Deferred::QuietHours, Deferred::Digest, Deferred::Throttle];

fn code_of<T: PartialEq>(all: &[T], one: &T) -> u8 {
    all.iter().position(|each| each == one).map_or(0, |at| at as u8)
}

/// A delivery's state as a number.
pub(crate) fn delivery_code(state: DeliveryState) -> u8 {
    code_of(&DELIVERY_STATES, &state)
}

/// The state of a number.
pub(crate) fn delivery_state(code: u8) -> DeliveryState {
    DELIVERY_STATES.get(usize::from(code)).copied().unwrap_or(DeliveryState::DeadLettered)
}

/// Whether nothing is left to be decided.
pub(crate) fn is_end(state: DeliveryState) -> bool {
    !matches!(state, DeliveryState::Waiting | DeliveryState::Sending | DeliveryState::Held)
}

/// A leg's state as a number.
pub(crate) fn leg_code(state: LegState) -> u8 {
    code_of(&LEG_STATES, &state)
}

/// The state of a number.
pub(crate) fn leg_state(code: u8) -> LegState {
    LEG_STATES.get(usize::from(code)).copied().unwrap_or(LegState::Failed)
}

/// A channel as a number.
pub(crate) fn channel_code(channel: Channel) -> u8 {
    code_of(&CHANNELS, &channel)
}

/// The channel of a number.
pub(crate) fn channel(code: u8) -> Channel {
    CHANNELS.get(usize::from(code)).copied().unwrap_or(Channel::Webhook)
}

/// A provider as a number.
pub(crate) fn provider_code(provider: Provider) -> u8 {
    code_of(&Provider::ALL, &provider)
}

/// The provider of a number.
pub(crate) fn provider(code: u8) -> Provider {
    Provider::ALL.get(usize::from(code)).copied().unwrap_or(Provider::Webhook)
}

/// Why a delivery waits, as a number.
pub(crate) fn deferred_code(deferred: Deferred) -> u8 {
    code_of(&DEFERRED, &deferred)
}

/// The reason of a number.
pub(crate) fn deferred(code: u8) -> Deferred {
    DEFERRED.get(usize::from(code)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_for_what_they_stood_for() {
        for (code, state) in DELIVERY_STATES.into_iter().enumerate() {
            assert_eq!((delivery_code(state), delivery_state(code as u8)), (code as u8, state));
        }
        for (code, state) in LEG_STATES.into_iter().enumerate() {
            assert_eq!((leg_code(state), leg_state(code as u8)), (code as u8, state));
        }
        for (code, each) in CHANNELS.into_iter().enumerate() {
            assert_eq!((channel_code(each), channel(code as u8)), (code as u8, each));
        }
        for (code, each) in Provider::ALL.into_iter().enumerate() {
            assert_eq!((provider_code(each), provider(code as u8)), (code as u8, each));
        }
        for (code, each) in DEFERRED.into_iter().enumerate() {
            assert_eq!((deferred_code(each), deferred(code as u8)), (code as u8, each));
        }
        // Indexes and comments of the schema name these.
        assert_eq!(delivery_code(DeliveryState::Held), 2);
        assert_eq!(delivery_code(DeliveryState::DeadLettered), 8);
        assert_eq!(leg_code(LegState::Pending), 0);
    }
}
