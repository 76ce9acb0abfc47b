use super::*;
use crate::email::layout::tests::{digest, notice};
use lettre::message::header::{Date, Subject};

fn sender() -> Sender {
    Sender::new(parse_mailbox("Shop <alerts@shop.example>").expect("a mailbox"))
}

fn ann() -> Address {
    Address::Email { address: "ann@example.com".to_owned(), name: Some("Ann Miller".to_owned()) }
}

fn now() -> Timestamp {
    "2026-11-23T14:00:00Z".parse().expect("a time")
}

fn built(notice: &Notice) -> Message {
    build(notice, &ann(), &sender(), now()).expect("is built")
}

fn header(mail: &Message, name: &str) -> Option<String> {
    mail.headers().get_raw(name).map(str::to_owned)
}

fn source(mail: &Message) -> String {
    String::from_utf8(mail.formatted()).expect("a mail is ASCII")
}

#[test]
fn the_headers_are_those_that_receivers_look_for() {
    let notice = Notice { unsubscribe_url: Some("https://a.example/u/x_1".to_owned()), ..notice() };
    let mail = built(&notice);
    assert_eq!(header(&mail, "From").as_deref(), Some("Shop <alerts@shop.example>"));
    assert!(source(&mail).contains("\r\nTo: \"Ann Miller\" <ann@example.com>\r\n"));
    assert_eq!(header(&mail, "Message-ID").as_deref(), Some("<dGFn-_0@shop.example>"));
    assert_eq!(header(&mail, "In-Reply-To").as_deref(), Some("<order-77@shop.example>"));
    assert_eq!(header(&mail, "References").as_deref(), Some("<order-77@shop.example>"));
    assert_eq!(header(&mail, "Date").as_deref(), Some("Mon, 23 Nov 2026 14:00:00 +0000"));
    assert_eq!(header(&mail, "Auto-Submitted").as_deref(), Some("auto-generated"));
    assert_eq!(header(&mail, "Content-Language").as_deref(), Some("en-GB"));
    assert_eq!(header(&mail, "List-Unsubscribe").as_deref(), Some("<https://a.example/u/x_1>"));
    assert_eq!(header(&mail, "List-Unsubscribe-Post").as_deref(), Some("List-Unsubscribe=One-Click"));
    assert_eq!(header(&mail, "MIME-Version").as_deref(), Some("1.0"));
    assert_eq!(header(&mail, "Reply-To"), None);
    assert_eq!(mail.headers().get::<Date>().map(std::time::SystemTime::from), Some(now().into()));
    assert_eq!(mail.envelope().from().map(ToString::to_string).as_deref(), Some("alerts@shop.example"));
}

#[test]
fn a_critical_mail_cannot_be_unsubscribed_from_and_says_that_it_matters() {
    let mail = built(&Notice {
        severity: Severity::Critical,
        unsubscribe_url: Some("https://a.example/u/x".to_owned()),
        ..notice()
    });
    assert_eq!(header(&mail, "List-Unsubscribe"), None);
    assert_eq!(header(&mail, "List-Unsubscribe-Post"), None);
    assert_eq!(header(&mail, "Importance").as_deref(), Some("high"));
    assert!(!source(&mail).contains("a.example/u/x"), "nor from a link in the mail");
}

#[test]
fn without_a_link_there_is_nothing_to_unsubscribe_from() {
    let mail = built(&notice());
    assert_eq!(header(&mail, "List-Unsubscribe"), None);
    assert_eq!(header(&mail, "List-Unsubscribe-Post"), None);
}

#[test]
fn an_unsubscribe_url_stays_whole_on_its_line() {
    let url = format!("https://a.example/u/{}", "x".repeat(600));
    let mail = built(&Notice { unsubscribe_url: Some(url.clone()), ..notice() });
    assert!(source(&mail).contains(&format!("\r\nList-Unsubscribe: <{url}>\r\n")));
    let mail = built(&Notice { unsubscribe_url: Some("http://localhost/u/x".to_owned()), ..notice() });
    assert_eq!(header(&mail, "List-Unsubscribe-Post"), None, "one click is for https");
    for bad in
        ["https://a.example/\r\nBcc: eve@example.com", "https://a.example/ü", "/u/x", "https://a/>, <b"]
    {
        let mail = built(&Notice { unsubscribe_url: Some(bad.to_owned()), ..notice() });
        assert_eq!(header(&mail, "List-Unsubscribe"), None, "{bad}");
    }
}

#[test]
fn the_same_notice_has_the_same_message_id_whenever_it_is_sent() {
    let later = "2026-11-23T18:00:00Z".parse().expect("a time");
    let again = build(&notice(), &ann(), &sender(), later).expect("is built");
    assert_eq!(header(&again, "Message-ID"), header(&built(&notice()), "Message-ID"));
}

#[test]
fn a_title_cannot_bring_headers_of_its_own() {
    let title = "Hello\r\nBcc: eve@example.com\u{0}\u{2028}now";
    let mail = built(&Notice { title: title.to_owned(), ..notice() });
    let subject = mail.headers().get::<Subject>().expect("a subject");
    assert_eq!(AsRef::<str>::as_ref(&subject), "Hello Bcc: eve@example.com now");
    assert!(!source(&mail).to_lowercase().contains("\nbcc:"));
}

#[test]
fn a_name_cannot_bring_headers_of_its_own() {
    let name = Some("Ann\r\nBcc: eve@example.com".to_owned());
    let address = Address::Email { address: "ann@example.com".to_owned(), name };
    let mail = build(&notice(), &address, &sender(), now()).expect("is built");
    assert!(!source(&mail).to_lowercase().contains("\nbcc:"));
    assert_eq!(mail.envelope().to().len(), 1);
}

#[test]
fn a_subject_in_any_script_is_encoded_and_comes_back_whole() {
    for title in ["Größe geändert: 50 €", "تم العثور على بياناتك في قائمة قديمة جدا", "🔔 ".repeat(30).trim()]
    {
        let mail = built(&Notice { title: title.to_owned(), ..notice() });
        let parsed = mail.headers().get::<Subject>().expect("a subject");
        assert_eq!(AsRef::<str>::as_ref(&parsed), title);
        let text = source(&mail);
        let line = text.split("\r\n").find(|line| line.starts_with("Subject: ")).expect("a subject");
        assert!(line.starts_with("Subject: =?utf-8?b?") && line.len() <= 78, "{line}");
    }
    let mail = built(&Notice { title: "x".repeat(500), ..notice() });
    let subject = mail.headers().get::<Subject>().expect("a subject");
    assert_eq!(AsRef::<str>::as_ref(&subject).chars().count(), SUBJECT_CHARACTERS_MAX + 1);
}

#[test]
fn a_thread_of_any_text_makes_a_valid_id() {
    let id =
        |thread: &str| header(&built(&Notice { thread: Some(thread.to_owned()), ..notice() }), "References");
    for odd in ["a b", "<x>", "ä", ".a", "a..b", &"y".repeat(65), "a@b\r\nBcc: c"] {
        let id = id(odd).expect("an id");
        let local = id.strip_prefix('<').and_then(|id| id.strip_suffix("@shop.example>")).expect("an id");
        assert!(local.starts_with("h.") && local.len() == 26, "{odd}: {id}");
    }
    assert_ne!(id("a b"), id("a c"));
    assert_eq!(id("group.7"), Some("<group.7@shop.example>".to_owned()));
}

#[test]
fn answers_bounces_and_ids_go_where_they_are_told() {
    let sender = Sender {
        reply_to: Some(parse_mailbox("Help <help@shop.example>").expect("a mailbox")),
        return_path: Some("bounces@mail.shop.example".parse().expect("an address")),
        message_id_domain: Some("id.shop.example".to_owned()),
        ..sender()
    };
    let mail = build(&notice(), &ann(), &sender, now()).expect("is built");
    assert_eq!(header(&mail, "Reply-To").as_deref(), Some("Help <help@shop.example>"));
    assert_eq!(mail.envelope().from().map(ToString::to_string).as_deref(), Some("bounces@mail.shop.example"));
    assert_eq!(header(&mail, "Message-ID").as_deref(), Some("<dGFn-_0@id.shop.example>"));
    assert_eq!(header(&mail, "From").as_deref(), Some("Shop <alerts@shop.example>"));
}

#[test]
fn text_comes_before_html() {
    let mail = source(&built(&digest()));
    let (text, html) = (mail.find("Content-Type: text/plain"), mail.find("Content-Type: text/html"));
    assert!(mail.contains("Content-Type: multipart/alternative"));
    assert!(text.is_some() && text < html, "receivers show the last part they understand");
}

#[test]
fn no_line_is_longer_than_mail_servers_take_and_all_is_ascii() {
    let long = Notice { body: Some("ö".repeat(3000) + &"x".repeat(3000)), ..digest() };
    for line in source(&built(&long)).split("\r\n") {
        assert!(line.len() <= 998 && line.is_ascii());
    }
}

#[test]
fn only_mail_addresses_get_mail() {
    let to = |address: &str| {
        let address = Address::Email { address: address.to_owned(), name: None };
        build(&notice(), &address, &sender(), now()).map(|mail| mail.envelope().to()[0].to_string())
    };
    assert_eq!(to("ann@bücher.example").as_deref(), Ok("ann@xn--bcher-kva.example"));
    assert_eq!(to("zoë@example.com").as_deref(), Ok("zoë@example.com"));
    for bad in [
        "",
        "ann",
        "ann@",
        "@example.com",
        "a@b@c d",
        "ann@exa mple.com",
        "ann@ex.com>\r\nRCPT TO:<eve@x.com",
    ] {
        assert_eq!(to(bad), Err(BuildError::NoAddress), "{bad}");
    }
    let push = build(&notice(), &Address::FcmToken("t".to_owned()), &sender(), now());
    assert_eq!(push.err(), Some(BuildError::NoAddress));
}

#[test]
fn a_mailbox_that_is_none_is_answered_with_how_to_write_it() {
    assert!(parse_mailbox("alerts").expect_err("is none").contains("write \"alerts@example.com\""));
}
