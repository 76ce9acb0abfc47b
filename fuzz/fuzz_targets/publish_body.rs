//! Any bytes as the body of `POST /v1/alerts`: refused, or accepted with a frame whose `data` is what was posted.
#![no_main]

use belfry_protocol::frame::{Item, LiveTail};
use belfry_protocol::{AlertId, NewAlert, Seq, Stream};
use belfry_server::clock::Now;
use belfry_server::http::read_new_alert;
use belfry_server::kinds::{Kinds, KindsOptions};
use belfry_server::publish::{PublishRules, check};
use belfry_server::wire;
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

fn now() -> Now {
    static START: OnceLock<Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "an instant cannot be made of nothing; nothing here waits")]
    let instant = *START.get_or_init(Instant::now);
    Now { at: "2026-01-02T03:04:05Z".parse().expect("is a time"), instant }
}

/// No kinds, and those of the two examples.
fn declared() -> &'static [Kinds; 3] {
    static KINDS: OnceLock<[Kinds; 3]> = OnceLock::new();
    KINDS.get_or_init(|| {
        let load = |example: &str| {
            let folder =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/examples").join(example).join("kinds");
            Kinds::load(&folder, &KindsOptions::default()).expect("the examples' kinds are right")
        };
        [Kinds::none(), load("flyer-deals-react"), load("kordant-solidstart")]
    })
}

fn publish(alert: NewAlert, kinds: &Kinds) {
    let posted = alert.data.as_ref().map_or("{}", |data| data.get()).to_owned();
    let link_schemes = ["https".to_owned()];
    let rules = PublishRules { kinds, locale: "en", link_schemes: &link_schemes };
    let id = AlertId::from_parts(1, 2);
    let Ok(content) = check(alert, id, &rules, now()) else { return };
    let mut frame = wire::alert_body(id, Stream::User, &content);
    LiveTail { seq: Seq(3), replaces: Some(id), unread: 4, quiet: false }.write(&mut frame);
    let item: Item = serde_json::from_slice(&frame).expect("what was accepted is a frame");
    assert_eq!(item.data.get(), posted, "`data` is what was posted");
    assert_eq!(
        (item.id, item.seq, item.r#type, item.title),
        (id, Seq(3), content.kind.clone(), content.title.clone())
    );
    assert_eq!((&item.body, &item.link, &item.thread), (&content.body, &content.link, &content.thread));
    assert_eq!(item.actions, content.actions);
}

fuzz_target!(|data: &[u8]| {
    let Ok(alert) = read_new_alert(data) else { return };
    for kinds in declared() {
        publish(alert.clone(), kinds);
    }
});
