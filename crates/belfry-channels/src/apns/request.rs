//! A notice as APNs takes it.

use crate::address::ApnsEnvironment;
use crate::fit::{Cut, fit};
use crate::notice::Notice;
use crate::push_payload::{belfry, interruption_level};
use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::time::Duration;
use uuid::Uuid;

/// Largest payload.
pub(super) const PAYLOAD_BYTES_MAX: usize = 4096;
/// Where even that was too much.
pub(super) const SHORTENED_BYTES_MAX: usize = 2048;
/// How long APNs keeps a notice for a device that is away.
const TIME_TO_LIVE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// One request, but for its provider token.
#[derive(Debug, Clone)]
pub(super) struct Push<'a> {
    pub(super) notice: &'a Notice,
    /// Hexadecimal.
    pub(super) token: &'a str,
    pub(super) topic: &'a str,
    pub(super) id: Uuid,
    /// When APNs gives up, in seconds since 1970.
    pub(super) expiration: i64,
    pub(super) environment: ApnsEnvironment,
    pub(super) payload: Vec<u8>,
}

impl<'a> Push<'a> {
    pub(super) fn new(
        notice: &'a Notice,
        token: &'a str,
        topic: &'a str,
        environment: ApnsEnvironment,
        now: Timestamp,
    ) -> Result<Self, NotSent> {
        let left = notice.time_to_live(now, TIME_TO_LIVE_MAX).ok_or(NotSent::Expired)?;
        let expiration = now.as_second().saturating_add_unsigned(left.as_secs());
        let payload = payload(notice, PAYLOAD_BYTES_MAX).ok_or(NotSent::TooLarge)?;
        Ok(Self { notice, token, topic, id: id(notice, token), expiration, environment, payload })
    }

    /// With a shorter text; `false` where that is not possible.
    pub(super) fn shorten(&mut self) -> bool {
        let shorter = payload(self.notice, SHORTENED_BYTES_MAX.min(self.payload.len() / 4 * 3));
        shorter.map(|payload| self.payload = payload).is_some()
    }

    /// What is quiet can wait until the phone is awake anyway.
    pub(super) fn priority(&self) -> &'static str {
        if self.notice.quiet { "5" } else { "10" }
    }
}

/// Why there is nothing to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotSent {
    Expired,
    TooLarge,
}

/// The `apns-id`: the same for each attempt to bring this alert to this device.
fn id(notice: &Notice, token: &str) -> Uuid {
    let mut hash = Context::new(&SHA256);
    for part in [notice.alert.to_string().as_str(), &notice.tag, token] {
        hash.update(part.as_bytes());
        hash.update(&[0]);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finish().as_ref()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn payload(notice: &Notice, limit: usize) -> Option<Vec<u8>> {
    let render = |cut: &Cut<'_>| serde_json::to_vec(&render(notice, cut)).ok();
    let cut = fit(notice, limit, |cut| render(cut).map_or(usize::MAX, |json| json.len()))?;
    render(&cut)
}

/// `aps` for the phone, `belfry` for the app.
#[derive(serde::Serialize)]
struct Payload<'a> {
    aps: Value,
    belfry: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

fn render<'a>(notice: &Notice, cut: &Cut<'a>) -> Payload<'a> {
    // What is no JSON could not be read by the app either.
    let data = cut.data.and_then(|data| serde_json::from_str::<&RawValue>(data).ok());
    let mut about = match belfry(notice) {
        Value::Object(about) => about,
        _ => Map::new(),
    };
    about.insert("kind".to_owned(), json!(notice.kind));
    about.insert("category".to_owned(), json!(notice.category));
    about.insert("tag".to_owned(), json!(notice.tag));
    if let Some(link) = &notice.link {
        about.insert("link".to_owned(), json!(link));
    }
    if cut.extras {
        if let Some(image) = &notice.image {
            about.insert("image".to_owned(), json!(image));
        }
        if !notice.actions.is_empty() {
            about.insert("actions".to_owned(), json!(notice.actions));
        }
    }
    Payload { aps: aps(notice, cut), belfry: Value::Object(about), data }
}

fn aps(notice: &Notice, cut: &Cut<'_>) -> Value {
    let mut alert = Map::new();
    alert.insert("title".to_owned(), json!(cut.title));
    if let Some(body) = &cut.body {
        alert.insert("body".to_owned(), json!(body));
    }
    let mut aps = Map::new();
    aps.insert("alert".to_owned(), Value::Object(alert));
    aps.insert("badge".to_owned(), json!(notice.unread));
    aps.insert("interruption-level".to_owned(), json!(interruption_level(notice)));
    // Lets the app's extension report the receipt and load the picture before it is shown.
    aps.insert("mutable-content".to_owned(), json!(1));
    if !notice.quiet {
        aps.insert("sound".to_owned(), json!("default"));
    }
    if let Some(thread) = &notice.thread {
        aps.insert("thread-id".to_owned(), json!(thread));
    }
    if !notice.actions.is_empty() && cut.extras {
        // The buttons that the app registered for this kind.
        aps.insert("category".to_owned(), json!(notice.kind));
    }
    Value::Object(aps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::tests::{NOW, notice};
    use belfry_protocol::{Action, Severity};
    use jiff::SignedDuration;
    use proptest::prelude::*;

    const TOKEN: &str = "00aa";

    fn push(notice: &Notice) -> Result<Push<'_>, NotSent> {
        Push::new(notice, TOKEN, "com.example.shop", ApnsEnvironment::Production, NOW.parse().unwrap())
    }

    fn json_of(notice: &Notice) -> Value {
        serde_json::from_slice(&push(notice).unwrap().payload).unwrap()
    }

    fn full() -> Notice {
        Notice {
            body: Some("Your order is on its way.".to_owned()),
            link: Some("https://shop.example.com/orders/7".to_owned()),
            image: Some("https://shop.example.com/7.png".to_owned()),
            actions: vec![Action { id: "track".to_owned(), label: "Track".to_owned(), link: None }],
            data: Some(r#"{"order":7}"#.to_owned()),
            thread: Some("orders".to_owned()),
            receipt_url: Some("https://belfry.example.com/v1/receipts/abc".to_owned()),
            unread: 3,
            ..notice()
        }
    }

    #[test]
    fn a_whole_notice_becomes_this_payload() {
        insta::assert_json_snapshot!(json_of(&full()));
    }

    #[test]
    fn the_apns_id_is_the_same_for_each_attempt_and_another_for_each_device_and_alert() {
        let (first, other) =
            (full(), Notice { alert: belfry_protocol::AlertId::from_parts(8 << 40, 1), ..full() });
        assert_eq!(id(&first, TOKEN), id(&first.clone(), TOKEN));
        assert_ne!(id(&first, TOKEN), id(&first, "00ab"));
        assert_ne!(id(&first, TOKEN), id(&other, TOKEN));
        let text = id(&first, TOKEN).to_string();
        assert_eq!((text.len(), text.to_lowercase()), (36, text.clone()));
    }

    #[test]
    fn what_is_quiet_makes_no_sound_and_may_wait() {
        let quiet = Notice { quiet: true, severity: Severity::Critical, ..full() };
        let aps = &json_of(&quiet)["aps"];
        assert_eq!((aps.get("sound"), &aps["interruption-level"]), (None, &json!("passive")));
        assert_eq!((push(&quiet).unwrap().priority(), push(&full()).unwrap().priority()), ("5", "10"));
        let critical = Notice { severity: Severity::Critical, ..full() };
        assert_eq!(json_of(&critical)["aps"]["interruption-level"], "time-sensitive");
    }

    #[test]
    fn apns_gives_up_when_the_notice_expires_and_after_30_days_at_most() {
        let now: Timestamp = NOW.parse().unwrap();
        let expiring =
            |seconds| Notice { expires_at: Some(now + SignedDuration::from_secs(seconds)), ..full() };
        let left = |notice: &Notice| push(notice).unwrap().expiration - now.as_second();
        assert_eq!(left(&expiring(90)), 90);
        assert_eq!(left(&full()), 30 * 86_400);
        assert_eq!(push(&expiring(0)).unwrap_err(), NotSent::Expired);
    }

    #[test]
    fn what_is_shortened_keeps_ids_link_and_receipt() {
        let long = Notice { body: Some("b".repeat(3000)), ..full() };
        let mut push = push(&long).unwrap();
        let before = push.payload.len();
        assert!(push.shorten());
        assert!(push.payload.len() <= SHORTENED_BYTES_MAX && push.payload.len() < before);
        let json: Value = serde_json::from_slice(&push.payload).unwrap();
        assert_eq!(json["belfry"]["link"], "https://shop.example.com/orders/7");
        assert_eq!(json["belfry"]["receipt"], "https://belfry.example.com/v1/receipts/abc");
        assert_eq!(json["belfry"]["id"], json!(long.alert));
    }

    proptest! {
        #[test]
        fn any_notice_fits(title in "\\PC{1,300}", body in "\\PC{0,3000}", data in "[a-z\"]{0,5000}") {
            let notice = Notice { title, body: Some(body), data: Some(json!(data).to_string()), ..full() };
            let push = push(&notice).unwrap();
            prop_assert!(push.payload.len() <= PAYLOAD_BYTES_MAX);
            let json: Value = serde_json::from_slice(&push.payload).unwrap();
            prop_assert_eq!(&json["belfry"]["id"], &json!(notice.alert));
        }
    }
}
