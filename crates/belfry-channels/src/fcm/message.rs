//! A notice as FCM's HTTP v1 API takes it.

use crate::fit::{Cut, fit};
use crate::notice::Notice;
use crate::push_payload::{belfry, interruption_level};
use belfry_protocol::Severity;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Largest message, without the token.
pub(super) const MESSAGE_BYTES_MAX: usize = 4096;
/// How long FCM keeps a message for a device that is away: 28 days.
pub(super) const TIME_TO_LIVE_MAX: Duration = Duration::from_secs(28 * 24 * 3600);

/// What a message is made from beside the notice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) time_to_live: Duration,
    pub(super) android_channel: Option<&'a str>,
    pub(super) now: Timestamp,
}

/// `message` without its target; `None` where not even the ids fit.
pub(super) fn message(notice: &Notice, frame: Frame<'_>) -> Option<Map<String, Value>> {
    let size =
        |cut: &Cut<'_>| serde_json::to_vec(&render(notice, cut, frame)).map_or(usize::MAX, |json| json.len());
    let cut = fit(notice, MESSAGE_BYTES_MAX, size)?;
    Some(render(notice, &cut, frame))
}

fn render(notice: &Notice, cut: &Cut<'_>, frame: Frame<'_>) -> Map<String, Value> {
    let mut notification = Map::new();
    notification.insert("title".to_owned(), json!(cut.title));
    if let Some(body) = &cut.body {
        notification.insert("body".to_owned(), json!(body));
    }
    if let Some(image) = notice.image.as_ref().filter(|_| cut.extras) {
        notification.insert("image".to_owned(), json!(image));
    }
    let mut message = Map::new();
    message.insert("notification".to_owned(), Value::Object(notification));
    message.insert("data".to_owned(), Value::Object(data(notice, cut)));
    message.insert("android".to_owned(), android(notice, frame));
    message.insert("apns".to_owned(), apns(notice, frame));
    message
}

/// Texts only, and none under a name that FCM keeps for itself (`from`, `message_type`, `google…`, `gcm…`,
/// `notification`).
fn data(notice: &Notice, cut: &Cut<'_>) -> Map<String, Value> {
    let mut data = Map::new();
    let mut put = |name: &str, value: String| data.insert(name.to_owned(), Value::String(value));
    put("belfry", belfry(notice).to_string());
    put("kind", notice.kind.clone());
    put("category", notice.category.clone());
    put("severity", severity(notice.severity).to_owned());
    put("tag", notice.tag.clone());
    if let Some(link) = &notice.link {
        put("link", link.clone());
    }
    if let Some(thread) = &notice.thread {
        put("thread", thread.clone());
    }
    if cut.extras && !notice.actions.is_empty() {
        put("actions", json!(notice.actions).to_string());
    }
    if let Some(payload) = cut.data {
        put("data", payload.to_owned());
    }
    data
}

fn android(notice: &Notice, frame: Frame<'_>) -> Value {
    // High wakes the phone; FCM demotes apps that use it for what shows nothing at once.
    let (priority, shown) = match (notice.quiet, notice.severity) {
        (true, _) => ("NORMAL", "PRIORITY_LOW"),
        (false, Severity::Critical) => ("HIGH", "PRIORITY_MAX"),
        (false, _) => ("HIGH", "PRIORITY_HIGH"),
    };
    let mut notification = Map::new();
    // The tag takes the place of an earlier one in the tray. A collapse key per notice would not do: FCM keeps four
    // of them per device.
    notification.insert("tag".to_owned(), json!(notice.tag));
    notification.insert("notification_priority".to_owned(), json!(shown));
    notification.insert("notification_count".to_owned(), json!(notice.unread));
    notification.insert("event_time".to_owned(), json!(notice.created_at.to_string()));
    if !notice.quiet {
        notification.insert("default_sound".to_owned(), json!(true));
    }
    if let Some(channel) = frame.android_channel {
        notification.insert("channel_id".to_owned(), json!(channel));
    }
    json!({
        "ttl": format!("{}s", frame.time_to_live.as_secs()),
        "priority": priority,
        "notification": notification,
    })
}

/// For iPhones that are reached through Firebase.
fn apns(notice: &Notice, frame: Frame<'_>) -> Value {
    let mut aps = Map::new();
    aps.insert("badge".to_owned(), json!(notice.unread));
    aps.insert("interruption-level".to_owned(), json!(interruption_level(notice)));
    if !notice.quiet {
        aps.insert("sound".to_owned(), json!("default"));
    }
    if let Some(thread) = &notice.thread {
        aps.insert("thread-id".to_owned(), json!(thread));
    }
    let expires = frame.now.as_second().saturating_add_unsigned(frame.time_to_live.as_secs());
    json!({
        "headers": {
            "apns-collapse-id": notice.tag,
            "apns-expiration": expires.to_string(),
            "apns-priority": if notice.quiet { "5" } else { "10" },
        },
        "payload": { "aps": aps },
    })
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::tests::{NOW, notice};
    use belfry_protocol::Action;
    use proptest::prelude::*;

    fn frame() -> Frame<'static> {
        Frame { time_to_live: Duration::from_secs(60), android_channel: None, now: NOW.parse().unwrap() }
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
    fn a_whole_notice_becomes_this_message() {
        insta::assert_json_snapshot!(message(&full(), frame()).unwrap());
    }

    #[test]
    fn data_holds_texts_only_and_no_name_that_fcm_keeps() {
        let message = message(&full(), frame()).unwrap();
        for (name, value) in message["data"].as_object().unwrap() {
            assert!(value.is_string(), "{name}");
            let kept = ["from", "message_type", "notification"].contains(&name.as_str());
            assert!(!kept && !name.starts_with("google") && !name.starts_with("gcm"), "{name}");
        }
    }

    #[test]
    fn what_is_quiet_wakes_no_phone_and_makes_no_sound() {
        let message =
            message(&Notice { quiet: true, severity: Severity::Critical, ..full() }, frame()).unwrap();
        assert_eq!(message["android"]["priority"], "NORMAL");
        assert_eq!(message["android"]["notification"].get("default_sound"), None);
        let aps = &message["apns"]["payload"]["aps"];
        assert_eq!((aps.get("sound"), &aps["interruption-level"]), (None, &json!("passive")));
    }

    #[test]
    fn a_message_at_the_limit_keeps_its_data_and_one_byte_more_loses_it() {
        let size = |notice: &Notice| serde_json::to_vec(&message(notice, frame()).unwrap()).unwrap().len();
        let room = MESSAGE_BYTES_MAX - size(&Notice { data: Some(String::new()), ..full() });
        let at = Notice { data: Some("x".repeat(room)), ..full() };
        assert_eq!(size(&at), MESSAGE_BYTES_MAX);
        let above = Notice { data: Some("x".repeat(room + 1)), ..full() };
        assert_eq!(message(&above, frame()).unwrap()["data"].get("data"), None);
    }

    proptest! {
        #[test]
        fn any_notice_fits(title in "\\PC{1,300}", body in "\\PC{0,3000}", data in "[a-z\"]{0,5000}") {
            let notice = Notice { title, body: Some(body), data: Some(data), ..full() };
            let message = message(&notice, frame()).unwrap();
            prop_assert!(serde_json::to_vec(&message).unwrap().len() <= MESSAGE_BYTES_MAX);
            prop_assert!(message["data"]["belfry"].as_str().unwrap().contains("receipts/abc"));
        }
    }
}
