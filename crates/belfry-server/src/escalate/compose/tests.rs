use super::*;
use crate::kinds::KindsOptions;
use belfry_protocol::user::UserProfile;
use belfry_protocol::{DoNotDisturb, Severity, UserId};
use std::path::Path;

const KIND: &str = r#"
kind = "exposure"
category = "security"
link = "/alerts/{{ alert.id }}"
[templates.en]
title = "Your data was found on {{ data.source }}"
body = "Change your password"
html = "<p>{{ data.source }}</p>"
[templates.de]
title = "Ihre Daten wurden auf {{ data.source }} gefunden"
body = "{{ user.name }}, ändern Sie Ihr Passwort"
"#;

fn kinds() -> Kinds {
    let options = KindsOptions {
        link_schemes: vec!["https".to_owned()],
        default_locale: "en".to_owned(),
        default_time_zone: "UTC".to_owned(),
    };
    Kinds::from_text(Path::new("exposure.toml"), KIND, &options).expect("is sound")
}

fn house(kinds: &Kinds) -> House<'_> {
    House { kinds, default_locale: "en", default_time_zone: "UTC", app_url: "https://app.example.com/" }
}

fn content(title: &str, body: Option<&str>) -> Content {
    Content {
        kind: "exposure".to_owned(),
        data: r#"{"source":"<b>forum</b>"}"#.into(),
        title: title.to_owned(),
        body: body.map(ToOwned::to_owned),
        link: Some("/alerts/1".to_owned()),
        image: None,
        actions: Vec::new(),
        severity: Severity::Info,
        category: "security".to_owned(),
        thread: None,
        collapse_key: None,
        created_at: UnixMs(1_750_000_000_000),
        expires_at: None,
        quiet: false,
        breaks_through: false,
        ladder: None,
    }
}

fn ann(locale: Option<&str>) -> Recipient {
    Recipient {
        user: UserId::new("ann").expect("is an id"),
        profile: UserProfile {
            email: Some("ann@example.com".to_owned()),
            locale: locale.map(ToOwned::to_owned),
            time_zone: None,
            name: Some("Ann".to_owned()),
        },
        email_suppressed: None,
        do_not_disturb: DoNotDisturb::default(),
        preferences: belfry_protocol::preferences::Preferences::default(),
        devices: Vec::new(),
        unread: 3,
        settings_rev: 0,
    }
}

fn id(number: i64) -> AlertId {
    AlertId::from_parts(number, 0)
}

const ENGLISH: &str = "Your data was found on <b>forum</b>";

fn told(content: &Content) -> Told<'_> {
    Told { id: id(1), content }
}

fn one(house: &House<'_>, content: &Content, to: &Recipient) -> Notice {
    notice(house, &[told(content)], to, None, tag(id(1))).expect("there is something to say")
}

#[test]
fn a_person_is_written_to_in_their_own_language() {
    let kinds = kinds();
    let stored = content(ENGLISH, Some("Change your password"));
    let notice = one(&house(&kinds), &stored, &ann(Some("de-AT")));
    assert_eq!(notice.title, "Ihre Daten wurden auf <b>forum</b> gefunden");
    assert_eq!(notice.body.as_deref(), Some("Ann, ändern Sie Ihr Passwort"));
    assert_eq!(notice.locale.as_deref(), Some("de-AT"));
}

#[test]
fn what_the_publisher_wrote_is_never_written_over() {
    let kinds = kinds();
    let notice =
        one(&house(&kinds), &content("Our own words", Some("Change your password")), &ann(Some("de")));
    assert_eq!(notice.title, "Our own words");
    assert_eq!(notice.body.as_deref(), Some("Ann, ändern Sie Ihr Passwort"));
}

#[test]
fn a_kind_that_is_no_longer_declared_speaks_from_what_was_stored() {
    let none = Kinds::none();
    let stored = content(ENGLISH, None);
    let notice = one(&house(&none), &stored, &ann(Some("de")));
    assert_eq!((notice.title.as_str(), notice.body, notice.html), (ENGLISH, None, None));
}

#[test]
fn mail_has_the_kinds_own_html_and_data_cannot_bring_tags_into_it() {
    let kinds = kinds();
    let stored = content(ENGLISH, Some("Change your password"));
    let html = |content: &Content| one(&house(&kinds), content, &ann(None)).html;
    assert_eq!(html(&stored).as_deref(), Some("<p>&lt;b&gt;forum&lt;&#x2f;b&gt;</p>"));
    assert_eq!(html(&content("Our own words", Some("Change your password"))), None);
}

#[test]
fn links_lead_to_the_application_or_nowhere() {
    let kinds = kinds();
    let stored = content(ENGLISH, None);
    let with = house(&kinds);
    let link = |house: &House<'_>, content: &Content| one(house, content, &ann(None)).link;
    assert_eq!(link(&with, &stored).as_deref(), Some("https://app.example.com/alerts/1"));
    assert_eq!(link(&House { app_url: "", ..with }, &stored), None);
    let absolute = Content { link: Some("https://elsewhere.example/x".to_owned()), ..stored };
    assert_eq!(link(&with, &absolute).as_deref(), Some("https://elsewhere.example/x"));
}

#[test]
fn several_alerts_are_one_notice_that_lists_them_oldest_first() {
    let kinds = kinds();
    let (first, second) = (content(ENGLISH, None), content("Our own words", None));
    let both = [told(&first), Told { id: id(2), content: &second }];
    let notice =
        notice(&house(&kinds), &both, &ann(None), None, tag(id(1))).expect("there is something to say");
    let titles: Vec<&str> = notice.items.iter().map(|item| item.title.as_str()).collect();
    assert_eq!(titles, [ENGLISH, "Our own words"]);
    assert_eq!((notice.html, notice.link, notice.data), (None, None, None));
    assert_eq!((notice.title.as_str(), notice.body), ("2 new alerts", None));
    assert_eq!(notice.tag, tag(id(1)));
    assert!(notice.tag.len() <= 32, "fits into Topic and apns-collapse-id");
}
