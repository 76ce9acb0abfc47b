//! What the channels are given to send.

use belfry_channels::Notice;
use belfry_protocol::{Action, AlertId, Severity};
use jiff::Timestamp;

/// The moment at which the tests play.
pub(crate) fn now() -> Timestamp {
    "2026-11-02T10:00:00Z".parse().expect("a time")
}

/// Alert number `n` with all that a notice can have.
pub(crate) fn notice(n: i64) -> Notice {
    Notice {
        alert: AlertId::from_parts(n, 7),
        user: "ann".parse().expect("an id"),
        kind: "order-shipped".to_owned(),
        category: "orders".to_owned(),
        severity: Severity::Info,
        title: "Order shipped".to_owned(),
        body: Some("Two parcels are on their way.".to_owned()),
        html: None,
        link: Some("https://shop.example.com/orders/7".to_owned()),
        image: None,
        actions: vec![Action { id: "track".to_owned(), label: "Track".to_owned(), link: None }],
        data: Some(r#"{"order":7}"#.to_owned()),
        thread: Some("orders".to_owned()),
        tag: format!("tag-{n}"),
        unread: 3,
        quiet: false,
        expires_at: None,
        created_at: now(),
        locale: None,
        time_zone: None,
        receipt_url: Some("https://alerts.example.com/v1/receipts/abc".to_owned()),
        unsubscribe_url: None,
        items: Vec::new(),
    }
}
