//! What a browser is sent: the shape of Declarative Web Push, for every browser. One that knows it shows the
//! notification by itself; in the others the service worker reads the same.

use crate::fit::{Cut, fit};
use crate::notice::Notice;
use crate::push_payload;
use belfry_protocol::Severity;
use serde::Serialize;
use serde_json::value::RawValue;

/// Some push services take 2,744 bytes encrypted; the rest can be fetched by id.
pub(super) const PAYLOAD_BYTES_MAX: usize = 2_048;
/// What a push service that found that too much is sent: id and title.
const SHORT_BYTES_MAX: usize = 1_024;
/// A longer link leaves no room for words.
const LINK_BYTES_MAX: usize = 800;

/// Scripts from right to left, by the languages written in them.
const RIGHT_TO_LEFT: &[&str] =
    &["ar", "arc", "ckb", "dv", "fa", "he", "iw", "ks", "nqo", "ps", "sd", "syr", "ug", "ur", "yi"];

#[derive(Serialize)]
struct Payload<'a> {
    web_push: u16,
    notification: Notification<'a>,
    app_badge: u32,
    /// What the service worker needs.
    belfry: serde_json::Value,
}

#[derive(Serialize)]
struct Notification<'a> {
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    navigate: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lang: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dir: Option<&'static str>,
    tag: &'a str,
    silent: bool,
    #[serde(skip_serializing_if = "is_false")]
    #[serde(rename = "requireInteraction")]
    require_interaction: bool,
    timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Button<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Button<'a> {
    action: &'a str,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    navigate: Option<&'a str>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

fn direction(locale: &str) -> &'static str {
    let language = locale.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    let arabic_script = locale.to_ascii_lowercase().contains("-arab");
    if arabic_script || RIGHT_TO_LEFT.contains(&language.as_str()) { "rtl" } else { "ltr" }
}

fn render(notice: &Notice, cut: &Cut<'_>, default_link: Option<&str>) -> Vec<u8> {
    // Without `navigate` a browser that needs no worker takes it for no notification at all.
    let navigate = notice.link.as_deref().filter(|link| link.len() <= LINK_BYTES_MAX).or(default_link);
    let actions = notice.actions.iter().map(|action| Button {
        action: &action.id,
        title: &action.label,
        navigate: action.link.as_deref().or(navigate),
    });
    let payload = Payload {
        web_push: 8030,
        notification: Notification {
            title: &cut.title,
            body: cut.body.as_deref().filter(|body| !body.is_empty()),
            navigate,
            lang: notice.locale.as_deref(),
            dir: notice.locale.as_deref().map(direction),
            tag: &notice.tag,
            silent: notice.quiet,
            require_interaction: notice.severity == Severity::Critical,
            timestamp: notice.created_at.as_millisecond(),
            image: notice.image.as_deref().filter(|_| cut.extras),
            actions: if cut.extras { actions.collect() } else { Vec::new() },
            data: cut.data.and_then(|data| serde_json::from_str(data).ok()),
        },
        app_badge: notice.unread,
        belfry: push_payload::belfry(notice),
    };
    serde_json::to_vec(&payload).expect("a notice has a JSON form")
}

/// As much of a notice as fits into a push; `None` where not even its title does.
pub(super) fn whole(notice: &Notice, default_link: Option<&str>) -> Option<Vec<u8>> {
    let cut = fit(notice, PAYLOAD_BYTES_MAX, |cut| render(notice, cut, default_link).len())?;
    Some(render(notice, &cut, default_link))
}

/// Id, title and link.
pub(super) fn short(notice: &Notice, default_link: Option<&str>) -> Option<Vec<u8>> {
    let bare = Notice { body: None, image: None, actions: Vec::new(), data: None, ..notice.clone() };
    let cut = fit(&bare, SHORT_BYTES_MAX, |cut| render(&bare, cut, default_link).len())?;
    Some(render(&bare, &cut, default_link))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web_push::tests::notice;
    use belfry_protocol::Action;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read(payload: &[u8]) -> Value {
        serde_json::from_slice(payload).unwrap()
    }

    #[test]
    fn a_browser_is_sent_a_declarative_push() {
        let notice = Notice {
            body: Some("Prices fell".to_owned()),
            link: Some("https://app.example.com/deals/7".to_owned()),
            image: Some("https://app.example.com/oat.png".to_owned()),
            actions: vec![
                Action {
                    id: "buy".to_owned(),
                    label: "Buy".to_owned(),
                    link: Some("https://app.example.com/buy".to_owned()),
                },
                Action { id: "later".to_owned(), label: "Later".to_owned(), link: None },
            ],
            data: Some(r#"{"price": 149}"#.to_owned()),
            locale: Some("he-IL".to_owned()),
            receipt_url: Some("https://alerts.example.com/v1/receipts/r".to_owned()),
            unread: 3,
            ..notice()
        };
        let id = notice.alert.to_string();
        assert_eq!(
            read(&whole(&notice, None).unwrap()),
            json!({
                "web_push": 8030,
                "notification": {
                    "title": "A deal",
                    "body": "Prices fell",
                    "navigate": "https://app.example.com/deals/7",
                    "lang": "he-IL",
                    "dir": "rtl",
                    "tag": "deal-7",
                    "silent": false,
                    "timestamp": notice.created_at.as_millisecond(),
                    "image": "https://app.example.com/oat.png",
                    "actions": [
                        { "action": "buy", "title": "Buy", "navigate": "https://app.example.com/buy" },
                        { "action": "later", "title": "Later", "navigate": "https://app.example.com/deals/7" },
                    ],
                    "data": { "price": 149 },
                },
                "app_badge": 3,
                "belfry": { "id": id, "user": "ann", "receipt": "https://alerts.example.com/v1/receipts/r" },
            })
        );
        let short = read(&short(&notice, None).unwrap());
        assert_eq!(short["notification"]["title"], "A deal");
        assert_eq!(short["belfry"]["id"], id);
        for gone in ["body", "image", "actions", "data"] {
            assert_eq!(short["notification"][gone], Value::Null, "{gone}");
        }
    }

    #[test]
    fn a_click_always_leads_somewhere_where_a_default_is_configured() {
        let bare = read(&whole(&notice(), None).unwrap());
        assert_eq!(bare["notification"]["navigate"], Value::Null);
        let home = Some("https://app.example.com/");
        assert_eq!(
            read(&whole(&notice(), home).unwrap())["notification"]["navigate"],
            "https://app.example.com/"
        );
        let long = Notice { link: Some(format!("https://app.example.com/{}", "x".repeat(900))), ..notice() };
        assert_eq!(
            read(&whole(&long, home).unwrap())["notification"]["navigate"],
            "https://app.example.com/"
        );
    }

    #[test]
    fn quiet_and_critical_show() {
        let quiet = read(&whole(&Notice { quiet: true, ..notice() }, None).unwrap());
        assert_eq!(quiet["notification"]["silent"], true);
        let critical = read(&whole(&Notice { severity: Severity::Critical, ..notice() }, None).unwrap());
        assert_eq!(critical["notification"]["requireInteraction"], true);
    }

    #[test]
    fn direction_follows_the_language() {
        for (locale, expected) in
            [("ar", "rtl"), ("fa-IR", "rtl"), ("pa-Arab-PK", "rtl"), ("en-GB", "ltr"), ("sdx", "ltr")]
        {
            assert_eq!(direction(locale), expected, "{locale}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_notice_holds_it_fits_and_keeps_id_and_title(
            title in "[^\u{0}]{1,600}", body in proptest::option::of("\\PC{0,3000}"), link in proptest::option::of("[a-z]{0,1500}"),
            data in proptest::option::of("[a-z]{0,5000}"), labels in proptest::collection::vec("\\PC{1,400}", 0..3),
        ) {
            let action = |label: String| Action { id: "a".to_owned(), label, link: None };
            let notice = Notice {
                title: title.clone(),
                body,
                link,
                data: data.map(|text| json!({ "text": text }).to_string()),
                actions: labels.into_iter().map(action).collect(),
                ..notice()
            };
            for (payload, limit) in [(whole(&notice, None), PAYLOAD_BYTES_MAX), (short(&notice, None), SHORT_BYTES_MAX)] {
                let payload = payload.unwrap();
                prop_assert!(payload.len() <= limit);
                let read = read(&payload);
                prop_assert_eq!(&read["belfry"]["id"], &json!(notice.alert.to_string()));
                let shown = read["notification"]["title"].as_str().unwrap();
                prop_assert!(title.starts_with(shown.trim_end_matches('…').trim_end()));
            }
        }
    }
}
