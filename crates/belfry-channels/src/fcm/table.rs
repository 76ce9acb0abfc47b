//! What FCM's answers mean.

use crate::outcome::{Action, RetryScope};
use serde::Deserialize;
use std::time::Duration;

/// One line of the table.
#[derive(Debug)]
pub(super) struct Row {
    /// From which status to which.
    pub(super) status: (u16, u16),
    pub(super) says: Says,
    pub(super) action: Action,
    pub(super) reason: &'static str,
    /// Who else waits.
    pub(super) scope: RetryScope,
    /// Somebody has to look at it.
    pub(super) alarm: bool,
    pub(super) wait: Wait,
    /// Whether a new access token is worth one more try.
    pub(super) renews_token: bool,
    /// In plain words.
    pub(super) words: &'static str,
}

/// What the body says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// `errorCode` of an `FcmError`.
    Code(&'static str),
    /// An `FcmError` of `INVALID_ARGUMENT` that speaks of the token and of nothing else.
    InvalidToken,
    /// A `google.rpc.BadRequest`.
    BadRequest,
    /// A quota of one device or topic, not of the project.
    DeviceQuota,
    /// Whatever it says.
    Anything,
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    /// Never less than this, where FCM names a time.
    pub(super) least: Duration,
    /// Where it names none; `None`: the caller's own schedule.
    pub(super) otherwise: Option<Duration>,
}

const NO_WAIT: Wait = Wait { least: Duration::ZERO, otherwise: None };
const TEN_SECONDS: Wait = Wait { least: Duration::from_secs(10), otherwise: None };
const A_MINUTE: Wait = Wait { least: Duration::from_secs(60), otherwise: Some(Duration::from_secs(60)) };

/// What most rows share.
const USUAL: Row = Row {
    status: (0, 0),
    says: Says::Anything,
    action: Action::Rejected,
    reason: "",
    scope: RetryScope::Address,
    alarm: false,
    wait: NO_WAIT,
    renews_token: false,
    words: "",
};

/// firebase.google.com/docs/cloud-messaging/error-codes; the first row that fits counts.
pub(super) static TABLE: &[Row] = &[
    Row {
        status: (404, 404),
        says: Says::Code("UNREGISTERED"),
        action: Action::Gone,
        reason: "UNREGISTERED",
        words: "the app was removed, or the token expired",
        ..USUAL
    },
    Row {
        status: (404, 404),
        action: Action::Misconfigured,
        reason: "not-found",
        alarm: true,
        words: "what answers is not FCM, or the project does not exist: look at `fcm.project_id` and `fcm.base_url`",
        ..USUAL
    },
    Row {
        status: (400, 400),
        says: Says::InvalidToken,
        action: Action::Gone,
        reason: "invalid-token",
        words: "this was never a token",
        ..USUAL
    },
    Row {
        status: (400, 400),
        says: Says::BadRequest,
        reason: "bad-request",
        alarm: true,
        words: "FCM does not take this message",
        ..USUAL
    },
    Row {
        status: (400, 400),
        reason: "INVALID_ARGUMENT",
        alarm: true,
        words: "FCM does not take this message",
        ..USUAL
    },
    Row {
        status: (401, 401),
        says: Says::Code("THIRD_PARTY_AUTH_ERROR"),
        action: Action::Misconfigured,
        reason: "THIRD_PARTY_AUTH_ERROR",
        alarm: true,
        words: "the APNs key or the web push key that is stored in Firebase is wrong",
        ..USUAL
    },
    Row {
        status: (401, 401),
        action: Action::Misconfigured,
        reason: "UNAUTHENTICATED",
        alarm: true,
        renews_token: true,
        words: "FCM does not accept the service account's access token, and no new one either",
        ..USUAL
    },
    Row {
        status: (403, 403),
        says: Says::Code("SENDER_ID_MISMATCH"),
        action: Action::Refused,
        reason: "SENDER_ID_MISMATCH",
        words: "the token belongs to another Firebase project",
        ..USUAL
    },
    Row {
        status: (403, 403),
        action: Action::Misconfigured,
        reason: "PERMISSION_DENIED",
        alarm: true,
        words: "the service account may not send: enable the Firebase Cloud Messaging API, and give it the role \"Firebase Cloud Messaging API Admin\"",
        ..USUAL
    },
    Row {
        status: (429, 429),
        says: Says::DeviceQuota,
        action: Action::Retry,
        reason: "QUOTA_EXCEEDED",
        wait: A_MINUTE,
        words: "too many messages for this device",
        ..USUAL
    },
    Row {
        status: (429, 429),
        action: Action::Retry,
        reason: "QUOTA_EXCEEDED",
        scope: RetryScope::Provider,
        wait: A_MINUTE,
        words: "the project sends more than its quota",
        ..USUAL
    },
    Row {
        status: (500, 500),
        action: Action::Retry,
        reason: "INTERNAL",
        wait: TEN_SECONDS,
        words: "FCM has a fault",
        ..USUAL
    },
    Row {
        status: (503, 503),
        action: Action::Retry,
        reason: "UNAVAILABLE",
        scope: RetryScope::Provider,
        wait: TEN_SECONDS,
        words: "FCM has no time",
        ..USUAL
    },
    Row {
        status: (501, 599),
        action: Action::Retry,
        reason: "server-error",
        wait: TEN_SECONDS,
        words: "FCM, or something before it, has a fault",
        ..USUAL
    },
    Row {
        status: (408, 408),
        action: Action::Retry,
        reason: "timeout",
        wait: TEN_SECONDS,
        words: "something before FCM did not wait",
        ..USUAL
    },
    Row {
        status: (402, 499),
        reason: "refused",
        alarm: true,
        words: "an answer that FCM does not document",
        ..USUAL
    },
    Row {
        status: (0, 999),
        action: Action::Misconfigured,
        reason: "not-fcm",
        alarm: true,
        words: "what answers is not FCM: look at `fcm.base_url`, and at proxies on the way",
        ..USUAL
    },
];

/// The answer's words, as far as they decide anything.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) message: String,
    code: Option<String>,
    bad_request: bool,
    device_quota: bool,
}

/// What FCM says of a token that is none.
const INVALID_TOKEN: &str = "The registration token is not a valid FCM registration token";

impl Body {
    /// Reads an error; one that is not FCM's says nothing.
    pub(super) fn parse(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Whole {
            error: Inside,
        }
        #[derive(Deserialize)]
        struct Inside {
            #[serde(default)]
            message: String,
            #[serde(default)]
            details: Vec<Detail>,
        }
        #[derive(Deserialize)]
        struct Detail {
            #[serde(rename = "@type", default)]
            kind: String,
            #[serde(rename = "errorCode")]
            code: Option<String>,
            #[serde(default)]
            violations: Vec<Violation>,
        }
        #[derive(Deserialize)]
        struct Violation {
            #[serde(default)]
            subject: String,
            #[serde(default)]
            description: String,
        }
        let Ok(Whole { error }) = serde_json::from_slice(body) else { return Self::default() };
        let of = |name: &str| error.details.iter().find(|detail| detail.kind.ends_with(name));
        let device_quota = of("google.rpc.QuotaFailure").is_some_and(|detail| {
            let narrow = |violation: &Violation| {
                let text = format!("{} {}", violation.subject, violation.description).to_lowercase();
                ["device", "token", "topic"].iter().any(|word| text.contains(word))
            };
            !detail.violations.is_empty() && detail.violations.iter().all(narrow)
        });
        Self {
            code: of("google.firebase.fcm.v1.FcmError").and_then(|detail| detail.code.clone()),
            bad_request: of("google.rpc.BadRequest").is_some(),
            device_quota,
            message: error.message,
        }
    }

    fn says(&self, says: Says) -> bool {
        match says {
            Says::Code(code) => self.code.as_deref() == Some(code),
            Says::InvalidToken => {
                self.code.as_deref() == Some("INVALID_ARGUMENT")
                    && !self.bad_request
                    && self.message.starts_with(INVALID_TOKEN)
            }
            Says::BadRequest => self.bad_request,
            Says::DeviceQuota => self.device_quota,
            Says::Anything => true,
        }
    }
}

/// The row for an answer.
pub(super) fn row(status: u16, body: &Body) -> &'static Row {
    let fits = |row: &&Row| (row.status.0..=row.status.1).contains(&status) && body.says(row.says);
    TABLE.iter().find(fits).expect("the last row takes every status and every body")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fcm::tests::error_body;
    use serde_json::json;

    /// For each row: what FCM sends, and what it means. A row that is not asked for fails the build's tests.
    macro_rules! rows {
        ($($name:ident: $index:literal, $status:literal, $body:expr => $action:ident, $reason:literal;)*) => {
            $(
                #[test]
                fn $name() {
                    let body: Vec<u8> = $body;
                    let found = row($status, &Body::parse(&body));
                    assert!(std::ptr::eq(found, &TABLE[$index]), "{found:?}");
                    assert_eq!((found.action, found.reason), (Action::$action, $reason));
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

    fn quota(subject: &str) -> Vec<u8> {
        let details = json!([
            { "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "QUOTA_EXCEEDED" },
            { "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{ "subject": subject, "description": "" }] },
        ]);
        serde_json::to_vec(&json!({ "error": { "code": 429, "message": "", "details": details } })).unwrap()
    }

    fn violation() -> Vec<u8> {
        let details = json!([{
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{ "field": "message.data[0].value", "description": "Invalid value (TYPE_STRING), 12" }],
        }]);
        let message = "Invalid value at 'message.data[0].value' (TYPE_STRING), 12";
        let error =
            json!({ "code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": details });
        serde_json::to_vec(&json!({ "error": error })).unwrap()
    }

    rows! {
        an_unregistered_token_is_gone: 0, 404, error_body(404, "NOT_FOUND", "Requested entity was not found.", Some("UNREGISTERED")) => Gone, "UNREGISTERED";
        not_found_without_an_fcm_error_is_our_configuration: 1, 404, b"<html>Not Found</html>".to_vec() => Misconfigured, "not-found";
        not_found_of_the_project_is_our_configuration: 1, 404, error_body(404, "NOT_FOUND", "Project not found", None) => Misconfigured, "not-found";
        what_is_no_token_is_gone: 2, 400, error_body(400, "INVALID_ARGUMENT", INVALID_TOKEN, Some("INVALID_ARGUMENT")) => Gone, "invalid-token";
        a_field_violation_is_the_message_s_fault: 3, 400, violation() => Rejected, "bad-request";
        another_invalid_argument_is_the_message_s_fault: 4, 400, error_body(400, "INVALID_ARGUMENT", "Message too big", Some("INVALID_ARGUMENT")) => Rejected, "INVALID_ARGUMENT";
        a_wrong_key_in_firebase_pauses: 5, 401, error_body(401, "UNAUTHENTICATED", "Auth error from APNS or Web Push Service", Some("THIRD_PARTY_AUTH_ERROR")) => Misconfigured, "THIRD_PARTY_AUTH_ERROR";
        a_refused_access_token_is_renewed_once: 6, 401, error_body(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.", None) => Misconfigured, "UNAUTHENTICATED";
        a_token_of_another_project_is_refused: 7, 403, error_body(403, "PERMISSION_DENIED", "SenderId mismatch", Some("SENDER_ID_MISMATCH")) => Refused, "SENDER_ID_MISMATCH";
        a_disabled_api_pauses: 8, 403, error_body(403, "PERMISSION_DENIED", "The caller does not have permission", None) => Misconfigured, "PERMISSION_DENIED";
        a_device_s_quota_is_the_device_s_alone: 9, 429, quota("device:…abcdef") => Retry, "QUOTA_EXCEEDED";
        the_project_s_quota_is_everybody_s: 10, 429, quota("project:shop") => Retry, "QUOTA_EXCEEDED";
        a_quota_that_is_not_named_is_everybody_s: 10, 429, error_body(429, "RESOURCE_EXHAUSTED", "", Some("QUOTA_EXCEEDED")) => Retry, "QUOTA_EXCEEDED";
        a_fault_of_fcm_is_tried_again: 11, 500, error_body(500, "INTERNAL", "Internal error encountered.", Some("INTERNAL")) => Retry, "INTERNAL";
        an_outage_is_waited_for: 12, 503, error_body(503, "UNAVAILABLE", "The service is currently unavailable.", Some("UNAVAILABLE")) => Retry, "UNAVAILABLE";
        a_gateway_s_fault_is_tried_again: 13, 502, b"<html>Bad Gateway</html>".to_vec() => Retry, "server-error";
        a_gateway_s_impatience_is_tried_again: 14, 408, Vec::new() => Retry, "timeout";
        an_undocumented_refusal_deletes_nothing: 15, 410, Vec::new() => Rejected, "refused";
        a_redirect_is_not_fcm: 16, 302, Vec::new() => Misconfigured, "not-fcm";
    }

    #[test]
    fn a_quota_waits_a_minute_at_least() {
        let quota = row(429, &Body::parse(&quota("project:shop")));
        assert_eq!((quota.wait, quota.scope), (A_MINUTE, RetryScope::Provider));
        assert_eq!(row(503, &Body::default()).wait.least, Duration::from_secs(10));
    }

    #[test]
    fn only_a_refused_access_token_is_renewed() {
        assert_eq!(
            TABLE.iter().filter(|row| row.renews_token).map(|row| row.reason).collect::<Vec<_>>(),
            ["UNAUTHENTICATED"]
        );
    }
}
