//! When a leg is tried again: schedules per provider, as data. Pure.

use belfry_protocol::Provider;
use jiff::Timestamp;
use std::time::Duration;

const SECOND: u64 = 1;
const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;

/// The waits between the attempts of one leg; after the last one it is given up. Push doubles from ten seconds and ends
/// within the hour (firebase.google.com/docs/cloud-messaging/scale-fcm); mail is asked for patience by greylisting.
fn schedule(provider: Provider) -> &'static [u64] {
    match provider {
        Provider::Fcm | Provider::Apns | Provider::WebPush => &[
            10 * SECOND,
            20 * SECOND,
            40 * SECOND,
            80 * SECOND,
            160 * SECOND,
            320 * SECOND,
            640 * SECOND,
            1_280 * SECOND,
        ],
        Provider::Smtp => &[MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR],
        Provider::Webhook => &[10 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR],
    }
}

/// How far a wait is moved to either side, so that what failed together does not come back together.
const JITTER: f64 = 0.2;
/// The longest that a provider's own wish is followed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(HOUR);

/// Another attempt, or the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// At this moment.
    At(Timestamp),
    /// The tries are used up.
    UsedUp,
    /// The alert stops to matter before the next one.
    TooLate,
}

/// When a leg that has been tried `tries` times (at least once) is tried again. `jitter` is between 0 and 1.
pub fn again(
    provider: Provider,
    tries: u32,
    retry_after: Option<Duration>,
    deadline: Option<Timestamp>,
    now: Timestamp,
    jitter: f64,
) -> Again {
    let Some(seconds) = schedule(provider).get(tries.saturating_sub(1) as usize) else {
        return Again::UsedUp;
    };
    let factor = 1.0 - JITTER + 2.0 * JITTER * jitter.clamp(0.0, 1.0);
    let wait = Duration::from_secs(*seconds).mul_f64(factor);
    // What was asked for is a lower bound; spreading goes upwards from it.
    let asked =
        retry_after.map(|asked| asked.min(RETRY_AFTER_MAX).mul_f64(1.0 + JITTER * jitter.clamp(0.0, 1.0)));
    let at = now.saturating_add(wait.max(asked.unwrap_or_default())).unwrap_or(Timestamp::MAX);
    if deadline.is_some_and(|deadline| at >= deadline) { Again::TooLate } else { Again::At(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(provider: Provider, tries: u32, retry_after: Option<u64>, jitter: f64) -> Option<Duration> {
        let now = Timestamp::UNIX_EPOCH;
        match again(provider, tries, retry_after.map(Duration::from_secs), None, now, jitter) {
            Again::At(at) => Some(at.duration_since(now).unsigned_abs()),
            _ => None,
        }
    }

    #[test]
    fn push_begins_with_ten_seconds_and_ends_within_the_hour() {
        for provider in [Provider::Fcm, Provider::Apns, Provider::WebPush] {
            assert_eq!(wait(provider, 1, None, 0.5), Some(Duration::from_secs(10)));
            let latest: Duration = (1..).map_while(|tries| wait(provider, tries, None, 1.0)).sum();
            assert!(latest <= Duration::from_secs(HOUR + 10), "{latest:?}");
            let earliest: Duration = (1..).map_while(|tries| wait(provider, tries, None, 0.0)).sum();
            assert!(earliest >= Duration::from_secs(30 * MINUTE), "{earliest:?}");
        }
    }

    #[test]
    fn mail_waits_as_greylisting_asks() {
        let waits: Vec<u64> = (1..)
            .map_while(|tries| wait(Provider::Smtp, tries, None, 0.5))
            .map(|wait| wait.as_secs() / MINUTE)
            .collect();
        assert_eq!(waits, [1, 5, 15, 30, 60, 120]);
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        assert_eq!(wait(Provider::Fcm, 1, None, 0.0), Some(Duration::from_secs(8)));
        assert_eq!(wait(Provider::Fcm, 1, None, 1.0), Some(Duration::from_secs(12)));
    }

    #[test]
    fn what_a_provider_asks_for_is_a_lower_bound_with_a_cap() {
        assert_eq!(wait(Provider::Fcm, 1, Some(120), 0.0), Some(Duration::from_secs(120)));
        assert_eq!(wait(Provider::Fcm, 1, Some(120), 1.0), Some(Duration::from_secs(144)));
        assert_eq!(wait(Provider::Fcm, 1, Some(1), 0.5), Some(Duration::from_secs(10)));
        assert_eq!(wait(Provider::Fcm, 1, Some(1_000_000), 0.0), Some(Duration::from_secs(HOUR)));
    }

    #[test]
    fn nothing_is_tried_after_its_deadline() {
        let now = Timestamp::UNIX_EPOCH;
        let deadline = Timestamp::from_second(10).unwrap();
        assert_eq!(again(Provider::Fcm, 1, None, Some(deadline), now, 0.5), Again::TooLate);
        assert!(matches!(again(Provider::Fcm, 1, None, Some(deadline), now, 0.0), Again::At(_)));
        assert_eq!(again(Provider::Smtp, 7, None, None, now, 0.5), Again::UsedUp);
    }
}
