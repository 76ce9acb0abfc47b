//! What push services answer, and what it means.

use crate::outcome::Action;
use std::ops::RangeInclusive;

/// What a row leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// The push service has it.
    Accepted,
    /// As it says.
    Fail(Action),
    /// Send id and title only, once; then give up on the notice.
    Shrink,
    /// Send it again at once, a single time; then later.
    Again,
    /// It does not like our token. Whether that is our fault shows in whether it took the same token before, and in
    /// whether anybody can be a push service here: a stranger's word must not stop everybody's pushes.
    Credentials,
}

/// One answer.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) reason: &'static str,
    pub(super) statuses: RangeInclusive<u16>,
    /// One of these stands in the body, in lower case; empty: whatever it says.
    pub(super) words: &'static [&'static str],
    /// Or this is its `errno` (Mozilla).
    pub(super) errnos: &'static [u64],
    pub(super) means: Means,
    /// When it says how long to wait, everything for this push service waits.
    pub(super) holds: bool,
}

const fn row(reason: &'static str, statuses: RangeInclusive<u16>, means: Means) -> Row {
    Row { reason, statuses, words: &[], errnos: &[], means, holds: false }
}

/// The first row that fits counts. 5xx and silence never delete anything: an outage would empty the registry.
pub(super) static TABLE: &[Row] = &[
    row("accepted", 200..=299, Means::Accepted),
    row("redirect", 300..=399, Means::Fail(Action::Refused)),
    row("gone", 404..=404, Means::Fail(Action::Gone)),
    row("gone", 410..=410, Means::Fail(Action::Gone)),
    // A subscription is bound to its key for life; the browser makes a new one when the application starts.
    Row {
        words: &[
            "vapidpkhashmismatch",
            "do not correspond to the credentials used to create the subscription",
            "vapid public key mismatch",
        ],
        ..row("vapid-key-mismatch", 400..=403, Means::Fail(Action::Gone))
    },
    // Apple says with 400 as well what is wrong with a token.
    Row {
        words: &["badjwttoken", "badvapidpublickey"],
        errnos: &[109],
        ..row("vapid-refused", 400..=400, Means::Credentials)
    },
    row("vapid-refused", 401..=401, Means::Credentials),
    row("vapid-refused", 403..=403, Means::Credentials),
    Row {
        words: &["badttl", "badurgency", "badwebpushtopic", "badwebpushrequest"],
        errnos: &[101, 110, 111, 112, 113],
        ..row("bad-request", 400..=400, Means::Fail(Action::Rejected))
    },
    row("bad-request", 400..=400, Means::Fail(Action::Rejected)),
    // Windows says so when it wants less.
    Row { holds: true, ..row("throttled", 406..=406, Means::Fail(Action::Retry)) },
    row("timeout", 408..=408, Means::Fail(Action::Retry)),
    row("too-large", 413..=413, Means::Shrink),
    row("misdirected", 421..=421, Means::Fail(Action::Retry)),
    row("too-early", 425..=425, Means::Fail(Action::Retry)),
    Row { holds: true, ..row("throttled", 429..=429, Means::Fail(Action::Retry)) },
    row("bad-request", 400..=499, Means::Fail(Action::Rejected)),
    Row { errnos: &[202], ..row("unavailable", 503..=503, Means::Again) },
    Row { holds: true, ..row("unavailable", 503..=503, Means::Fail(Action::Retry)) },
    Row { holds: true, ..row("unavailable", 500..=599, Means::Fail(Action::Retry)) },
    row("unknown-answer", 0..=u16::MAX, Means::Fail(Action::Retry)),
];

/// What an answer means.
pub(super) fn find(status: u16, body: &[u8]) -> &'static Row {
    let text = String::from_utf8_lossy(body).to_lowercase();
    let errno =
        serde_json::from_slice::<serde_json::Value>(body).ok().and_then(|body| body["errno"].as_u64());
    let fits = |row: &&Row| {
        let any = row.words.is_empty() && row.errnos.is_empty();
        let said = row.words.iter().any(|word| text.contains(word));
        let numbered = errno.is_some_and(|errno| row.errnos.contains(&errno));
        row.statuses.contains(&status) && (any || said || numbered)
    };
    TABLE.iter().find(fits).expect("the last row fits every answer")
}

/// A push service's own words: its reason, its message, or the beginning of its answer.
pub(super) fn words(status: u16, body: &[u8]) -> String {
    let text = match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(serde_json::Value::Object(body)) => {
            let named = ["reason", "message", "error"].iter().find_map(|name| body.get(*name)?.as_str());
            let errno = body.get("errno").and_then(serde_json::Value::as_u64);
            match (named, errno) {
                (Some(named), Some(errno)) => format!("{named} (errno {errno})"),
                (Some(named), None) => named.to_owned(),
                (None, Some(errno)) => format!("errno {errno}"),
                (None, None) => String::new(),
            }
        }
        _ => String::from_utf8_lossy(body).into_owned(),
    };
    format!("{status} {text}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer for every row, in the table's order.
    const EXAMPLES: &[(u16, &str)] = &[
        (201, ""),
        (302, ""),
        (404, r#"{"code":404,"errno":102,"error":"Not Found","message":"Invalid token"}"#),
        (410, r#"{"code":410,"errno":106,"error":"Gone","message":"No such subscription"}"#),
        (
            403,
            "the VAPID credentials in the authorization header do not correspond to the credentials used to create \
             the subscriptions.\n",
        ),
        (400, r#"{"reason":"BadJwtToken"}"#),
        (401, r#"{"code":401,"errno":109,"error":"Unauthorized","message":"Invalid VAPID expiry"}"#),
        (403, r#"{"reason":"BadJwtToken"}"#),
        (400, r#"{"reason":"BadWebPushTopic"}"#),
        (400, "nonsense"),
        (406, ""),
        (408, ""),
        (413, r#"{"reason":"PayloadTooLarge"}"#),
        (421, ""),
        (425, ""),
        (429, ""),
        (418, ""),
        (503, r#"{"code":503,"errno":202,"error":"Service Unavailable"}"#),
        (503, r#"{"code":503,"errno":201,"error":"Service Unavailable"}"#),
        (500, "<html>"),
        (101, ""),
    ];

    #[test]
    fn every_row_is_found_by_an_answer_of_its_own() {
        assert_eq!(EXAMPLES.len(), TABLE.len());
        for ((status, body), row) in EXAMPLES.iter().zip(TABLE) {
            assert!(std::ptr::eq(find(*status, body.as_bytes()), row), "{status} {body}: {row:?}");
        }
    }

    fn means(status: u16, body: &str) -> Means {
        find(status, body.as_bytes()).means
    }

    #[test]
    fn accepted_is_accepted_whichever_2xx_it_is() {
        for status in [200, 201, 202, 204] {
            assert_eq!(means(status, ""), Means::Accepted, "{status}");
        }
    }

    #[test]
    fn only_what_can_never_work_again_deletes_a_subscription() {
        let gone = Means::Fail(Action::Gone);
        assert_eq!(means(404, ""), gone);
        assert_eq!(means(410, ""), gone);
        for (status, body) in [
            (400, r#"{"reason":"VapidPkHashMismatch"}"#),
            (403, r#"{"reason":"VapidPkHashMismatch"}"#),
            (
                403,
                "THE VAPID CREDENTIALS in it do not correspond to the credentials used to create the subscription",
            ),
            (401, r#"{"errno":109,"message":"VAPID public key mismatch"}"#),
        ] {
            assert_eq!(means(status, body), gone, "{status} {body}");
        }
        for status in (100..=599).filter(|status| ![404, 410].contains(status)) {
            assert_ne!(means(status, ""), gone, "{status}");
        }
    }

    #[test]
    fn doubts_about_our_token_are_doubts_about_our_settings() {
        for (status, body) in [
            (401, ""),
            (403, ""),
            (403, r#"{"reason":"BadVapidPublicKey"}"#),
            (400, r#"{"reason":"BadVapidPublicKey"}"#),
            (401, r#"{"errno":109}"#),
        ] {
            assert_eq!(means(status, body), Means::Credentials, "{status} {body}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_request_is_given_up() {
        for reason in ["BadTtl", "BadUrgency", "BadWebPushTopic", "BadWebPushRequest"] {
            assert_eq!(
                means(400, &format!(r#"{{"reason":"{reason}"}}"#)),
                Means::Fail(Action::Rejected),
                "{reason}"
            );
        }
        for errno in [101, 110, 111, 112, 113] {
            let body = format!(r#"{{"code":400,"errno":{errno}}}"#);
            let row = find(400, body.as_bytes());
            assert_eq!((row.means, row.errnos.is_empty()), (Means::Fail(Action::Rejected), false), "{errno}");
        }
        assert_eq!(means(405, ""), Means::Fail(Action::Rejected));
    }

    #[test]
    fn throttling_and_outages_wait_and_concern_the_whole_push_service() {
        for status in [406, 429, 500, 502, 503, 504, 599] {
            let row = find(status, b"");
            assert_eq!((row.means, row.holds), (Means::Fail(Action::Retry), true), "{status}");
        }
        assert_eq!(means(503, r#"{"errno":201}"#), Means::Fail(Action::Retry));
        assert_eq!(means(503, r#"{"errno":202}"#), Means::Again);
    }

    #[test]
    fn too_large_is_made_smaller() {
        assert_eq!(means(413, ""), Means::Shrink);
        assert_eq!(means(413, r#"{"errno":104}"#), Means::Shrink);
    }

    #[test]
    fn a_push_services_own_words_are_its_reason() {
        assert_eq!(words(403, br#"{"reason":"BadJwtToken"}"#), "403 BadJwtToken");
        assert_eq!(
            words(401, br#"{"errno":109,"error":"Unauthorized","message":"No"}"#),
            "401 No (errno 109)"
        );
        assert_eq!(words(503, br#"{"errno":201}"#), "503 errno 201");
        assert_eq!(words(410, b""), "410");
        assert_eq!(words(500, b"\xffoops"), "500 \u{fffd}oops");
    }
}
