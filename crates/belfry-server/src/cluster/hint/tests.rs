use super::*;
use proptest::prelude::*;

fn user(name: &str) -> UserId {
    UserId::new(name).expect("is an id")
}

fn ready_alert(text: &str) -> Arc<LiveAlert> {
    let loudness = Loudness { severity: Severity::Critical, breaks_through: true, quiet: false };
    let body = Bytes::from(format!(r#"{{"type":"deal","title":"{text}""#));
    Arc::new(LiveAlert { id: AlertId::from_parts(77, 5), body, loudness })
}

fn addressee(name: &str, seq: u64) -> Addressee {
    Addressee { user: user(name), seq: Seq(seq), unread: 3, replaces: None }
}

/// One of each.
fn all() -> Vec<Hint> {
    let change = || {
        Some(Arc::new(LiveChange { ids: vec![AlertId::from_parts(1, 2)], up_to: None, to: ChangedTo::Read }))
    };
    let settings = Settings { rev: 9, locale: Some("de".to_owned()), ..Settings::default() };
    let seat = Seat { connection: ConnectionId(uuid::Uuid::nil()), visible: true, since: UnixMs(12) };
    vec![
        Hint::Alert { kind: "deal".to_owned(), alert: Some(ready_alert("A")), to: vec![addressee("ann", 4)] },
        Hint::Announcement {
            kind: "deal".to_owned(),
            alert: Some(ready_alert("All")),
            seq: Seq(8),
            replaces: Some(AlertId::from_parts(3, 4)),
        },
        Hint::Changed { user: user("ann"), change: change(), seq: Seq(5), unread: 1, touches_all: true },
        Hint::AllChanged { change: change(), seq: Seq(6) },
        Hint::Settings(user("ann"), Some(Arc::new(settings))),
        Hint::Close(user("ann"), CloseCode::UserBlocked, "the user was erased".to_owned()),
        Hint::Revoked(user("ann"), UnixMs(1_000)),
        Hint::Key { kid: "stolen".into(), revoked: true },
        Hint::Renewed {
            user: user("ann"),
            connection: ConnectionId(uuid::Uuid::nil()),
            expires_at: Some(UnixMs(5)),
            issued_at: None,
            kid: Some("a".into()),
        },
        Hint::Look(user("ann")),
        Hint::Crowd { user: user("ann"), seats: vec![seat], more: 2, asks: true },
    ]
}

#[test]
fn what_is_written_is_read() {
    let mut tags = Vec::new();
    for hint in all() {
        let message = hint.encode();
        let read = Hint::decode(&message).expect("it was just written");
        assert_eq!(format!("{read:?}"), format!("{hint:?}"));
        let tag: Tag = serde_json::from_slice(&message.head[1..]).expect("it has a tag");
        tags.push(tag.t);
    }
    assert_eq!(tags, KNOWN, "every sort is written once here");
}

#[test]
fn a_hint_without_its_body_says_where_to_look() {
    for hint in all() {
        let message = Message { body: None, ..hint.encode() };
        let read = Hint::decode(&message).expect("a body may be left out");
        let said = match read {
            Hint::Alert { alert: None, to, .. } => to[0].seq.0,
            Hint::Announcement { alert: None, seq, .. }
            | Hint::Changed { change: None, seq, .. }
            | Hint::AllChanged { change: None, seq } => seq.0,
            Hint::Settings(user, None) => user.as_str().len() as u64,
            whole => {
                assert_eq!(format!("{whole:?}"), format!("{hint:?}"));
                continue;
            }
        };
        assert!(said > 0);
    }
}

#[test]
fn the_first_version_stays_as_it_is() {
    let hint =
        Hint::Alert { kind: "deal".to_owned(), alert: Some(ready_alert("A")), to: vec![addressee("ann", 4)] };
    let message = hint.encode();
    let id = AlertId::from_parts(77, 5);
    let head = format!(
        r#"1{{"t":"alert","id":"{id}","kind":"deal","loud":{{"severity":"critical","breaks_through":true,"quiet":false}},"to":[{{"u":"ann","s":4,"n":3}}]}}"#
    );
    assert_eq!(std::str::from_utf8(&message.head), Ok(head.as_str()));
    assert_eq!(message.body.as_deref(), Some(br#"{"type":"deal","title":"A""#.as_slice()));
}

#[test]
fn what_a_newer_node_adds_is_passed_over() {
    let heads = [
        r#"1{"t":"revoked","u":"ann","before":5,"because":"new"}"#,
        r#"1{"t":"weather","u":"ann"}"#,
        "2\u{1}\u{2}",
        r#"1{"t":"close","u":"ann","code":4999,"why":"new"}"#,
    ];
    let read = heads.map(|head| Hint::decode(&Message::of_head(head)));
    assert!(matches!(&read[0], Ok(Hint::Revoked(_, UnixMs(5)))), "{:?}", read[0]);
    for foreign in &read[1..] {
        assert_eq!(foreign.as_ref().err(), Some(&NoHint::Foreign));
    }
}

#[test]
fn what_no_node_writes_is_refused() {
    let long = "x".repeat(WHY_BYTES_MAX + 1);
    let going_away = CloseCode::GoingAway.number();
    let heads = [
        String::new(),
        "1".to_owned(),
        r#"1{"t":"revoked","u":"ann"}"#.to_owned(),
        r#"1{"t":"revoked","u":"","before":1}"#.to_owned(),
        r#"1{"t":"alert","id":"x","kind":"k","loud":{"severity":"info"},"to":[]}"#.to_owned(),
        format!(r#"1{{"t":"close","u":"ann","code":{going_away},"why":"{long}"}}"#),
    ];
    for head in heads {
        let read = Hint::decode(&Message::of_head(head.clone()));
        assert!(matches!(read, Err(NoHint::Garbled(_))), "{head}: {read:?}");
    }
    let hint = &all()[0];
    for body in [&b"\xff\xfe"[..], b"", b"[1]"] {
        let message = Message { body: Some(Bytes::copy_from_slice(body)), ..hint.encode() };
        assert!(matches!(Hint::decode(&message), Err(NoHint::Garbled(_))), "{body:?}");
    }
}

#[test]
fn addressees_are_cut_into_heads_that_the_bus_takes() {
    let names: Vec<String> =
        (0..256).map(|number| format!("{number:03}-{}", "x".repeat(number % 128))).collect();
    let to: Vec<Addressee> = names
        .iter()
        .map(|name| Addressee {
            seq: Seq(u64::from(u32::MAX)),
            unread: u32::MAX,
            replaces: Some(AlertId::from_parts(1, 1)),
            ..addressee(name, 1)
        })
        .collect();
    let packs = packs(to.clone());
    assert!(packs.len() > 3, "{}", packs.len());
    assert_eq!(packs.concat(), to);
    for pack in packs {
        let hint = Hint::Alert { kind: "k".repeat(128), alert: Some(ready_alert("A")), to: pack };
        let head = hint.encode().head;
        assert!(head.len() <= belfry_bus::HEAD_MAX_BYTES, "{}", head.len());
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(head in prop::collection::vec(any::<u8>(), 0..200), body in prop::option::of(prop::collection::vec(any::<u8>(), 0..60)), at in 0..11_usize, cut in 0..80_usize) {
        let body = body.map(Bytes::from);
        let _ = Hint::decode(&Message { head: head.into(), body: body.clone() });
        let whole = all()[at].encode().head;
        let _ = Hint::decode(&Message { head: whole.slice(..whole.len().saturating_sub(cut)), body });
    }
}
