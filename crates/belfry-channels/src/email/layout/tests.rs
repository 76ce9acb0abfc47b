use super::*;
use crate::DigestItem;
use belfry_protocol::{AlertId, UserId};
use jiff::Timestamp;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// One alert with everything.
pub(in crate::email) fn notice() -> Notice {
    Notice {
        alert: AlertId::from_parts(1, 7),
        user: UserId::new("ann").expect("an id"),
        kind: "order-shipped".to_owned(),
        category: "orders".to_owned(),
        severity: Severity::Info,
        title: "Order 77 is on its way".to_owned(),
        body: Some("It left this morning.\nTwo parcels.\n\nThank you!".to_owned()),
        html: None,
        link: Some("https://shop.example/orders/77?a=1&b=2".to_owned()),
        image: Some("https://shop.example/parcel.png".to_owned()),
        actions: vec![
            Action {
                id: "track".to_owned(),
                label: "Track".to_owned(),
                link: Some("https://shop.example/t/77".to_owned()),
            },
            Action { id: "hide".to_owned(), label: "Hide".to_owned(), link: None },
            Action { id: "path".to_owned(), label: "Path".to_owned(), link: Some("/orders".to_owned()) },
        ],
        data: None,
        thread: Some("order-77".to_owned()),
        tag: "dGFn-_0".to_owned(),
        unread: 3,
        quiet: false,
        expires_at: None,
        created_at: at("2026-11-23T13:05:00Z"),
        locale: Some("en-GB".to_owned()),
        time_zone: Some("Europe/London".to_owned()),
        receipt_url: None,
        unsubscribe_url: None,
        items: Vec::new(),
    }
}

/// Three alerts in one mail.
pub(in crate::email) fn digest() -> Notice {
    let item = |n: i64, title: &str| DigestItem {
        alert: AlertId::from_parts(n, 7),
        title: title.to_owned(),
        body: Some(format!("Number {n}")),
        link: Some(format!("https://shop.example/deals/{n}")),
        created_at: at("2026-07-01T22:30:00Z"),
    };
    Notice {
        title: "Deals".to_owned(),
        body: None,
        locale: Some("de".to_owned()),
        time_zone: Some("Europe/Berlin".to_owned()),
        items: vec![item(1, "Hafermilch"), item(2, "Kaffee"), item(3, "Brot")],
        ..notice()
    }
}

fn rendered(notice: &Notice) -> Parts {
    render(notice, &Language::of(notice.locale.as_deref()), Some("Shop")).expect("renders")
}

#[test]
fn the_text_part_reads_like_a_letter() {
    let notice = Notice { unsubscribe_url: Some("https://a.example/u/x".to_owned()), ..notice() };
    assert_eq!(
        rendered(&notice).text,
        "Order 77 is on its way\nNov 23, 2026, 13:05\n\nIt left this morning.\nTwo parcels.\n\nThank you!\n\n\
         Open: https://shop.example/orders/77?a=1&b=2\nTrack: https://shop.example/t/77\n\n-- \nShop\n\
         Times are in Europe/London.\nUnsubscribe: https://a.example/u/x\n"
    );
}

#[test]
fn a_digest_lists_its_alerts_in_the_persons_time_and_language() {
    let parts = rendered(&digest());
    assert!(parts.text.starts_with("Deals\n3 neue Meldungen\n\n* Hafermilch (02.07.2026, 00:30)\n  Number 1\n  https://shop.example/deals/1\n\n* Kaffee"), "{}", parts.text);
    assert!(parts.text.contains("Zeitzone: Europe/Berlin."));
    assert!(parts.html.contains("3 neue Meldungen") && parts.html.contains("<bdi>02.07.2026, 00:30</bdi>"));
    assert!(
        parts.html.contains(r#"href="https:&#x2f;&#x2f;shop.example&#x2f;deals&#x2f;2""#),
        "{}",
        parts.html
    );
}

#[test]
fn a_long_digest_says_how_many_more_there_are() {
    let item = digest().items[0].clone();
    let parts = rendered(&Notice { items: vec![item; ITEMS_MAX + 12], ..digest() });
    assert_eq!(parts.text.matches("Hafermilch").count(), ITEMS_MAX);
    assert!(parts.text.contains("\n+ 12\n") && parts.html.contains("+ 12"));
    assert!(parts.html.len() < 100_000, "some mail programs cut off after 100 kB: {}", parts.html.len());
    let parts = rendered(&Notice { items: vec![digest().items[0].clone(); ITEMS_MAX], ..digest() });
    assert!(!parts.text.contains("\n+ "));
}

#[test]
fn what_the_application_wrote_is_escaped() {
    let bad = "<script>alert('x')</script> & \"y\"";
    let parts = rendered(&Notice {
        title: bad.to_owned(),
        body: Some(bad.to_owned()),
        link: Some("https://a.example/\"onclick=\"x".to_owned()),
        actions: vec![Action {
            id: "a".to_owned(),
            label: bad.to_owned(),
            link: Some("https://a.example/".to_owned()),
        }],
        ..digest()
    });
    assert!(!parts.html.contains("<script") && !parts.html.contains("\"onclick"), "{}", parts.html);
    assert!(parts.text.contains(bad), "the text part is no HTML");
}

#[test]
fn templates_in_a_text_stay_text() {
    let parts = rendered(&Notice { title: "{{ brand }} {% for %}".to_owned(), ..notice() });
    assert!(parts.html.contains("{{ brand }} {% for %}"));
}

#[test]
fn links_that_run_or_lead_nowhere_are_left_out() {
    for link in [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        " data:text/html,x",
        "/orders",
        "orders",
        "",
        "vbscript:x",
    ] {
        let parts = rendered(&Notice { link: Some(link.to_owned()), actions: Vec::new(), ..notice() });
        assert!(!parts.html.contains("class=\"button\"") && !parts.text.contains("Open:"), "{link}");
    }
    let parts = rendered(&notice());
    assert!(!parts.html.contains("Hide") && !parts.html.contains("Path") && parts.html.contains("Track"));
    let parts = rendered(&Notice { link: Some("myapp://orders/77".to_owned()), ..notice() });
    assert!(parts.html.contains("myapp:"), "an application's own scheme");
}

#[test]
fn the_layout_loads_nothing() {
    for notice in [notice(), digest()] {
        let html = rendered(&notice).html.to_lowercase();
        for word in ["<img", "src=", "url(", "<link", "@import", "<script", "http-equiv"] {
            assert!(!html.contains(word), "{word}");
        }
    }
}

#[test]
fn a_language_from_right_to_left_turns_the_layout() {
    let html = rendered(&Notice { locale: Some("ar-EG".to_owned()), ..digest() }).html;
    assert!(html.contains(r#"<html lang="ar-EG" dir="rtl">"#) && html.contains("text-align:right"));
    assert!(!html.contains("text-align:left") && html.contains("3 تنبيهات جديدة"));
    let html = rendered(&notice()).html;
    assert!(html.contains(r#"<html lang="en-GB" dir="ltr">"#) && !html.contains("text-align:right"));
}

#[test]
fn a_kinds_own_html_takes_the_place_of_the_body() {
    let own = "<p>Dear <b>Ann</b></p>";
    let parts = rendered(&Notice {
        html: Some(own.to_owned()),
        unsubscribe_url: Some("https://a.example/u/x".to_owned()),
        ..notice()
    });
    assert!(parts.html.contains(own) && parts.html.contains("Unsubscribe"));
    assert!(
        !parts.html.contains("<h1") && !parts.html.contains("class=\"button\""),
        "the layout's own is gone"
    );
    assert!(parts.text.contains("Two parcels"), "the text part is there for who sees no HTML");
    assert!(rendered(&Notice { html: Some("  ".to_owned()), ..notice() }).html.contains("Two parcels"));
}

#[test]
fn a_kinds_own_document_stands_alone() {
    for own in ["<!DOCTYPE html><p>Hi", "\n <HTML lang=en>Hi"] {
        assert_eq!(rendered(&Notice { html: Some(own.to_owned()), ..notice() }).html, own);
    }
    assert!(!is_document("<h1>é"));
    assert!(!is_document("é"));
}

#[test]
fn lists_of_mails_show_how_the_text_begins() {
    let preview = |notice: &Notice| super::preview(notice);
    assert_eq!(preview(&notice()), "It left this morning. Two parcels. Thank you!");
    assert_eq!(preview(&digest()), "Hafermilch · Kaffee · Brot");
    assert_eq!(preview(&Notice { body: Some("ö".repeat(500)), ..notice() }).chars().count(), 140);
    assert_eq!(preview(&Notice { body: None, ..notice() }), "");
}
