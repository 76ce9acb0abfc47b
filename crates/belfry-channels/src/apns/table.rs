//! What APNs' answers mean.

use crate::outcome::{Action, RetryScope};
use jiff::Timestamp;
use serde::Deserialize;

/// One line of the table.
#[derive(Debug)]
pub(super) struct Row {
    /// From which status to which.
    pub(super) status: (u16, u16),
    pub(super) reason: Reason,
    pub(super) action: Action,
    /// Who else waits.
    pub(super) scope: RetryScope,
    /// Somebody has to look at it.
    pub(super) alarm: bool,
    /// What is done at once.
    pub(super) then: Then,
    /// In plain words.
    pub(super) words: &'static str,
}

/// `reason` of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Any that APNs wrote.
    Any,
    /// Whatever the body is.
    Anything,
}

/// What is done at once, before anybody is told; each once per call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing.
    Tell,
    /// Ask the other of Apple's two services.
    OtherEnvironment,
    /// Make a new provider token, and send again.
    NewToken,
    /// Shorten the text, and send again.
    Shorten,
    /// Send again on a new connection.
    SendAgain,
    /// The next one goes over a new connection.
    Reconnect,
    /// The topic is the address's own: not the channel's settings, but this address is at fault.
    BlameOwnTopic,
}

/// What most rows share.
const USUAL: Row = Row {
    status: (0, 0),
    reason: Reason::Anything,
    action: Action::Rejected,
    scope: RetryScope::Address,
    alarm: false,
    then: Then::Tell,
    words: "",
};

/// developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns; the first row that
/// fits counts.
pub(super) static TABLE: &[Row] = &[
    Row {
        status: (400, 400),
        reason: Reason::OneOf(&["BadDeviceToken"]),
        action: Action::Gone,
        then: Then::OtherEnvironment,
        words: "neither of Apple's two services knows this token",
        ..USUAL
    },
    Row {
        status: (400, 400),
        reason: Reason::OneOf(&["DeviceTokenNotForTopic"]),
        action: Action::Refused,
        alarm: true,
        words: "the token was made by another app than `apns.topic` or the device's own topic names",
        ..USUAL
    },
    Row {
        status: (400, 400),
        reason: Reason::OneOf(&["BadTopic", "MissingTopic", "TopicDisallowed"]),
        action: Action::Misconfigured,
        alarm: true,
        then: Then::BlameOwnTopic,
        words: "`apns.topic` is no app of this team: it has to be the app's bundle id",
        ..USUAL
    },
    Row {
        status: (400, 400),
        reason: Reason::OneOf(&["IdleTimeout"]),
        action: Action::Retry,
        then: Then::SendAgain,
        words: "the connection had been idle for too long",
        ..USUAL
    },
    Row {
        status: (400, 400),
        reason: Reason::Any,
        alarm: true,
        words: "APNs does not take this request",
        ..USUAL
    },
    Row {
        status: (403, 403),
        reason: Reason::OneOf(&["ExpiredProviderToken"]),
        action: Action::Misconfigured,
        alarm: true,
        then: Then::NewToken,
        words: "a provider token that was made just now counts as expired: this machine's clock is wrong",
        ..USUAL
    },
    Row {
        status: (403, 403),
        reason: Reason::OneOf(&["UnrelatedKeyIdInToken"]),
        action: Action::Misconfigured,
        alarm: true,
        then: Then::Reconnect,
        words: "`apns.key_id` does not belong to the key that this connection was opened with",
        ..USUAL
    },
    Row {
        status: (403, 403),
        reason: Reason::OneOf(&["BadEnvironmentKeyInToken"]),
        action: Action::Misconfigured,
        alarm: true,
        words: "the key is only for the other of Apple's two services: make one for both",
        ..USUAL
    },
    Row {
        status: (403, 403),
        reason: Reason::Any,
        action: Action::Misconfigured,
        alarm: true,
        words: "Apple does not accept the provider token: `apns.key`, `apns.key_id` and `apns.team_id` do not belong together, or the key was revoked",
        ..USUAL
    },
    Row {
        status: (404, 405),
        reason: Reason::Any,
        alarm: true,
        words: "APNs does not take this request",
        ..USUAL
    },
    Row {
        status: (410, 410),
        reason: Reason::OneOf(&["Unregistered", "ExpiredToken"]),
        action: Action::Gone,
        words: "the app was removed, or the token expired",
        ..USUAL
    },
    Row {
        status: (413, 413),
        then: Then::Shorten,
        alarm: true,
        words: "still too large after it was shortened",
        ..USUAL
    },
    Row {
        status: (429, 429),
        reason: Reason::OneOf(&["TooManyProviderTokenUpdates"]),
        action: Action::Retry,
        scope: RetryScope::Provider,
        alarm: true,
        words: "another sender changes this key's provider token too often; Belfry keeps its own",
        ..USUAL
    },
    Row { status: (429, 429), action: Action::Retry, words: "too many notices for this device", ..USUAL },
    Row {
        status: (500, 500),
        action: Action::Retry,
        then: Then::Reconnect,
        words: "APNs has a fault",
        ..USUAL
    },
    Row {
        status: (501, 599),
        action: Action::Retry,
        scope: RetryScope::Provider,
        then: Then::Reconnect,
        words: "APNs has no time",
        ..USUAL
    },
    Row {
        status: (401, 499),
        reason: Reason::Any,
        alarm: true,
        words: "an answer that Apple does not document",
        ..USUAL
    },
    Row {
        status: (0, 999),
        action: Action::Misconfigured,
        alarm: true,
        words: "what answers is not APNs: look at `apns.production_url` and `apns.sandbox_url`, and at proxies on the way",
        ..USUAL
    },
];

/// The answer's body.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Body {
    pub(super) reason: Option<String>,
    /// With `410`, in milliseconds: since when the token is not valid.
    timestamp: Option<i64>,
}

impl Body {
    /// Reads an error; one that is not APNs' says nothing.
    pub(super) fn parse(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    pub(super) fn gone_at(&self) -> Option<Timestamp> {
        self.timestamp.and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
    }
}

/// The row for an answer.
pub(super) fn row(status: u16, reason: Option<&str>) -> &'static Row {
    let fits = |row: &&Row| {
        let says = match row.reason {
            Reason::OneOf(reasons) => reason.is_some_and(|reason| reasons.contains(&reason)),
            Reason::Any => reason.is_some(),
            Reason::Anything => true,
        };
        says && (row.status.0..=row.status.1).contains(&status)
    };
    TABLE.iter().find(fits).expect("the last row takes every status and every reason")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each row: what APNs sends, and what it means. A row that is not asked for fails the last test.
    macro_rules! rows {
        ($($name:ident: $index:literal, $status:literal, [$($reason:expr),*] => $action:ident, $then:ident;)*) => {
            $(
                #[test]
                fn $name() {
                    let reasons: &[Option<&str>] = &[$($reason),*];
                    for reason in reasons {
                        let found = row($status, *reason);
                        assert!(std::ptr::eq(found, &TABLE[$index]), "{reason:?}: {found:?}");
                        assert_eq!((found.action, found.then), (Action::$action, Then::$then));
                    }
                }
            )*

            #[test]
            fn every_row_is_tested() {
                let mut tested = vec![$($index),*];
                tested.sort_unstable();
                tested.dedup();
                assert_eq!(tested, (0..TABLE.len()).collect::<Vec<_>>());
            }
        };
    }

    rows! {
        a_bad_token_is_gone_when_the_other_environment_says_so_too: 0, 400, [Some("BadDeviceToken")] => Gone, OtherEnvironment;
        a_token_of_another_app_is_kept: 1, 400, [Some("DeviceTokenNotForTopic")] => Refused, Tell;
        a_wrong_topic_is_our_configuration: 2, 400, [Some("BadTopic"), Some("MissingTopic"), Some("TopicDisallowed")] => Misconfigured, BlameOwnTopic;
        an_idle_connection_is_opened_again: 3, 400, [Some("IdleTimeout")] => Retry, SendAgain;
        a_wrong_request_is_the_notice_s_fault: 4, 400, [
            Some("PayloadEmpty"), Some("BadPriority"), Some("BadExpirationDate"), Some("BadCollapseId"),
            Some("BadMessageId"), Some("InvalidPushType"), Some("DuplicateHeaders"), Some("SomethingNew")
        ] => Rejected, Tell;
        an_expired_provider_token_is_made_anew: 5, 403, [Some("ExpiredProviderToken")] => Misconfigured, NewToken;
        a_connection_bound_to_another_key_is_left: 6, 403, [Some("UnrelatedKeyIdInToken")] => Misconfigured, Reconnect;
        a_key_for_one_environment_pauses: 7, 403, [Some("BadEnvironmentKeyInToken")] => Misconfigured, Tell;
        refused_credentials_pause: 8, 403, [
            Some("InvalidProviderToken"), Some("MissingProviderToken"), Some("Forbidden"), Some("BadCertificate"),
            Some("BadCertificateEnvironment")
        ] => Misconfigured, Tell;
        a_wrong_path_is_the_notice_s_fault: 9, 404, [Some("BadPath")] => Rejected, Tell;
        a_wrong_method_is_the_notice_s_fault: 9, 405, [Some("MethodNotAllowed")] => Rejected, Tell;
        a_token_that_ended_is_gone: 10, 410, [Some("Unregistered"), Some("ExpiredToken")] => Gone, Tell;
        what_is_too_large_is_shortened_once: 11, 413, [Some("PayloadTooLarge"), None] => Rejected, Shorten;
        a_quarrel_about_provider_tokens_is_waited_out: 12, 429, [Some("TooManyProviderTokenUpdates")] => Retry, Tell;
        too_much_for_one_device_is_that_device_s_alone: 13, 429, [Some("TooManyRequests"), None] => Retry, Tell;
        a_fault_of_apns_is_tried_again: 14, 500, [Some("InternalServerError"), None] => Retry, Reconnect;
        an_outage_is_waited_for: 15, 503, [Some("ServiceUnavailable"), Some("Shutdown"), None] => Retry, Reconnect;
        an_undocumented_refusal_deletes_nothing: 16, 410, [Some("SomethingNew")] => Rejected, Tell;
        a_word_without_a_reason_is_not_apple_s: 17, 410, [None] => Misconfigured, Tell;
        a_refusal_of_something_else_is_our_configuration: 17, 404, [None] => Misconfigured, Tell;
    }

    #[test]
    fn a_token_is_gone_since_a_moment() {
        let body = Body::parse(br#"{"reason":"Unregistered","timestamp":1793613600123}"#);
        assert_eq!(body.gone_at().map(|at| at.as_millisecond()), Some(1_793_613_600_123));
        assert_eq!(Body::parse(b"<html>").gone_at(), None);
    }
}
