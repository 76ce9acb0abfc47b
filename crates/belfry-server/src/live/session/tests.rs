use super::*;
use crate::quiet::Loudness;
use belfry_protocol::inbox::ChangedTo;
use belfry_protocol::{Epoch, Severity};
use belfry_store::{Content, ItemRow};
use serde_json::Value;

const EPOCH: Epoch = Epoch { store: 1, user: 2 };

fn now() -> Now {
    crate::clock::now()
}

fn later(now: Now, by: Duration) -> Now {
    Now { at: now.at + jiff::SignedDuration::try_from(by).expect("fits"), instant: now.instant + by }
}

fn rules() -> SessionRules {
    SessionRules {
        heartbeat_interval: Duration::from_secs(30),
        heartbeat_timeout: Duration::from_secs(10),
        resume_wait: Duration::from_secs(5),
        stalled_after: Duration::from_secs(30),
        reorder_wait: Duration::from_millis(25),
        page: PageLimit { items: 2, bytes: 32_768 },
        changed_items_max: 5,
        naive_backlog_items: 100,
        naive_backlog_age: Duration::from_secs(86_400),
        trust_pong: false,
        inbound: Rate { per_second: 0.0, burst: 0.0 },
        changes_per_frame: 2,
        reads_at_heartbeat: true,
        server: ServerInfo { node: "n".into(), version: "v".into() },
    }
}

fn heads(user: u64, all: u64) -> Heads {
    Heads { user: Seq(user), all: Seq(all) }
}

fn standing(user: u64, all: u64, unread: u32) -> Standing {
    Standing { epoch: EPOCH, head: heads(user, all), unread: Unread { user: unread, all: 0 } }
}

fn open(speaks: Speaks, cursor: Option<String>, head: Standing, now: Now) -> Session {
    let opening = Opening {
        id: ConnectionId(uuid::Uuid::nil()),
        user: UserId::new("ann").expect("is an id"),
        speaks,
        cursor,
        max: None,
        ponged: Heads::default(),
        token_expires_at: None,
        token_issued_at: None,
        token_kid: None,
        jitter: 1.0,
    };
    let connected = Connected {
        standing: head,
        received: Heads::default(),
        settings: Settings::default(),
        revoke_before: None,
    };
    Session::open(opening, connected, Arc::new(rules()), now)
}

fn alert(seq: u64) -> Signal {
    let body = format!("{{\"type\":\"k\",\"data\":{{}},\"n\":{seq}").into_bytes().into();
    let loudness = Loudness { severity: Severity::Info, breaks_through: false, quiet: false };
    let alert = Arc::new(LiveAlert { id: AlertId::from_parts(seq as i64, 0), body, loudness });
    Signal::Alert { alert, seq: Seq(seq), unread: seq as u32, replaces: None }
}

fn item(seq: u64) -> ItemRow {
    let content = Content {
        kind: "k".into(),
        data: "{}".into(),
        title: "t".into(),
        body: None,
        link: None,
        image: None,
        actions: vec![],
        severity: Severity::Info,
        category: "k".into(),
        thread: None,
        collapse_key: None,
        created_at: now().unix_ms(),
        expires_at: None,
        quiet: false,
        breaks_through: false,
        ladder: None,
    };
    ItemRow {
        id: AlertId::from_parts(seq as i64, 0),
        stream: Stream::User,
        seq: Seq(seq),
        version: Seq(seq),
        state: belfry_protocol::ItemState::default(),
        level: None,
        content: Arc::new(content),
    }
}

/// What a session did, in short words.
fn said(session: &mut Session) -> Vec<String> {
    session.take_outputs().into_iter().map(|output| word(&output)).collect()
}

fn word(output: &Output) -> String {
    match output {
        Output::Frame { json, .. } => {
            let frame: Value = serde_json::from_slice(json).expect("is JSON");
            let data = &frame["data"];
            match frame["type"].as_str().unwrap_or_default() {
                "catch-up" => {
                    let items: Vec<_> = data["items"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .map(|item| item["seq"].to_string())
                        .collect();
                    let changes = data["changes"].as_array().map_or(0, Vec::len);
                    let more = if data["more"] == true { " more" } else { "" };
                    format!("catch-up [{}] {changes} changes{more}", items.join(" "))
                }
                "reset" => format!("reset {}", data["reason"].as_str().unwrap_or_default()),
                "error" => format!("error {}", data["code"].as_str().unwrap_or_default()),
                "inbox-changed" => format!("changed {} unread {}", frame["seq"], data["unread"]),
                other => other.to_owned(),
            }
        }
        Output::Alert { tail, .. } => format!("alert {} unread {}", tail.seq, tail.unread),
        Output::Read(read) => {
            format!("read {}", format!("{read:?}").split([' ', '{']).next().unwrap_or_default())
        }
        Output::Close(code) => format!("close {}", code.number()),
        Output::Operate(op) => format!("{op:?}"),
        Output::Acknowledge(row) => format!("ack {row:?}"),
        Output::Ping(_) => "control ping".to_owned(),
        other => format!("{other:?}").split([' ', '{', '(']).next().unwrap_or_default().to_owned(),
    }
}

fn live(speaks: Speaks, head: u64) -> (Session, Now) {
    let now = now();
    let mut session = open(speaks, None, standing(head, 0, 0), now);
    if speaks == Speaks::V1 {
        session.on_text(r#"{"type":"resume","data":{"cursor":null}}"#, now);
    }
    session.take_outputs();
    if speaks == Speaks::Naive {
        session.on_read(ReadResult::Standing(standing(head, 0, 0)), now);
        session.on_read(
            ReadResult::Items(ItemsPage { items: vec![], reached: heads(head, 0), more: false }),
            now,
        );
        session.take_outputs();
    }
    assert!(session.wants_signals());
    (session, now)
}

#[test]
fn first_frame_is_connection_established_and_hints_wait_for_resume() {
    let now = now();
    let mut session = open(Speaks::V1, None, standing(0, 0, 0), now);
    assert_eq!(said(&mut session), ["connection-established"]);
    assert!(!session.wants_signals());
    session.on_tick(Traffic::default(), later(now, Duration::from_secs(5)));
    assert!(session.wants_signals(), "a client that never says resume goes live after the wait");
}

#[test]
fn live_frames_go_out_in_order_and_old_ones_are_dropped() {
    let (mut session, now) = live(Speaks::V1, 40);
    for seq in [41, 43, 42, 41, 40] {
        session.on_signal(alert(seq), now);
    }
    assert_eq!(said(&mut session), ["alert 41 unread 41", "alert 42 unread 42", "alert 43 unread 43"]);
}

#[test]
fn a_hint_that_stays_ahead_makes_the_session_read_the_store() {
    let (mut session, now) = live(Speaks::V1, 40);
    session.on_signal(alert(42), now);
    assert_eq!(session.deadline(0, now), now.instant + Duration::from_millis(25));
    session.on_tick(Traffic::default(), later(now, Duration::from_millis(24)));
    assert_eq!(said(&mut session), [""; 0]);
    let now = later(now, Duration::from_millis(25));
    session.on_tick(Traffic::default(), now);
    assert_eq!(said(&mut session), ["ForgetHints", "read Standing"]);
    session.on_read(ReadResult::Standing(standing(42, 0, 2)), now);
    session.on_read(ReadResult::Changed(vec![]), now);
    let page = ItemsPage { items: vec![item(41), item(42)], reached: heads(42, 0), more: false };
    session.on_read(ReadResult::Items(page), now);
    assert_eq!(said(&mut session), ["read Changed", "read Items", "catch-up [41 42] 0 changes"]);
    session.on_signal(alert(42), now);
    session.on_signal(alert(43), now);
    assert_eq!(said(&mut session), ["alert 43 unread 43"], "what the catch-up told is not told twice");
}

#[test]
fn a_resume_sends_changes_then_pages_and_waits_for_the_socket_in_between() {
    let now = now();
    let cursor = wire::cursor(EPOCH, heads(40, 0)).to_string();
    let mut session = open(Speaks::V1, Some(cursor), standing(43, 0, 3), now);
    assert_eq!(said(&mut session), ["connection-established", "ForgetHints", "read Standing"]);
    session.on_read(ReadResult::Standing(standing(43, 0, 3)), now);
    let changed = |seq: u64| ChangedRow {
        id: AlertId::from_parts(seq as i64, 0),
        stream: Stream::User,
        version: Seq(42),
        now: belfry_store::ItemNow::Left(ChangedTo::Expired),
    };
    session.on_read(ReadResult::Changed(vec![changed(1), changed(2), changed(3)]), now);
    assert_eq!(said(&mut session), ["read Changed", "catch-up [] 2 changes more"]);
    assert!(session.waits_for_socket());
    session.on_drained(now);
    let page = ItemsPage { items: vec![item(41)], reached: heads(41, 0), more: true };
    session.on_read(ReadResult::Items(page), now);
    assert_eq!(said(&mut session), ["read Items", "catch-up [41] 1 changes more"]);
    session.on_drained(now);
    let page = ItemsPage { items: vec![item(43)], reached: heads(43, 0), more: false };
    session.on_read(ReadResult::Items(page), now);
    assert_eq!(said(&mut session), ["read Items", "catch-up [43] 0 changes"]);
    assert!(session.wants_signals());
}

#[test]
fn positions_that_mean_nothing_are_reset() {
    let page =
        |head: Standing| ReadResult::FirstPage(InboxRows { items: vec![], next: None, standing: head });
    let foreign = wire::cursor(Epoch { store: 9, user: 9 }, heads(1, 0)).to_string();
    for (cursor, reason) in
        [("nonsense".to_owned(), "reset cursor-unreadable"), (foreign, "reset epoch-foreign")]
    {
        let now = now();
        let mut session = open(Speaks::V1, Some(cursor), standing(3, 0, 0), now);
        assert_eq!(said(&mut session), ["connection-established", "read FirstPage"]);
        session.on_read(page(standing(3, 0, 0)), now);
        assert_eq!(said(&mut session), [reason]);
        assert!(session.wants_signals());
    }
    let now = now();
    let above = wire::cursor(EPOCH, heads(50, 0)).to_string();
    let mut session = open(Speaks::V1, Some(above), standing(45, 0, 0), now);
    session.take_outputs();
    session.on_read(ReadResult::Standing(standing(45, 0, 0)), now);
    assert_eq!(said(&mut session), ["read RenewEpoch"]);
    let renewed = Standing { epoch: Epoch { store: 1, user: 3 }, ..standing(45, 0, 0) };
    session.on_read(ReadResult::Renewed(renewed), now);
    session.on_read(page(renewed), now);
    assert_eq!(said(&mut session), ["read FirstPage", "reset above-head"]);
}

#[test]
fn more_than_the_clients_max_is_a_reset() {
    let now = now();
    let mut session = open(Speaks::V1, None, standing(900, 0, 0), now);
    let cursor = wire::cursor(EPOCH, heads(1, 0));
    session.on_text(&format!(r#"{{"type":"resume","data":{{"cursor":"{cursor}","max":500}}}}"#), now);
    session.take_outputs();
    session.on_read(ReadResult::Standing(standing(900, 0, 0)), now);
    session.on_read(ReadResult::Count(501), now);
    assert_eq!(said(&mut session), ["read Count", "read FirstPage"]);
}

#[test]
fn too_many_changed_items_reset_the_list_but_stream_the_alerts() {
    let now = now();
    let cursor = wire::cursor(EPOCH, heads(40, 0)).to_string();
    let mut session = open(Speaks::V1, Some(cursor.clone()), standing(41, 0, 0), now);
    session.take_outputs();
    session.on_read(ReadResult::Standing(standing(41, 0, 0)), now);
    let row = ChangedRow {
        id: AlertId::from_parts(1, 0),
        stream: Stream::User,
        version: Seq(41),
        now: belfry_store::ItemNow::Left(ChangedTo::Removed),
    };
    session.on_read(ReadResult::Changed(vec![row; 6]), now);
    session.on_read(
        ReadResult::FirstPage(InboxRows { items: vec![], next: None, standing: standing(41, 0, 0) }),
        now,
    );
    let outputs = session.take_outputs();
    let Some(Output::Frame { json, .. }) = outputs.last() else { panic!("a reset was sent") };
    let frame: Value = serde_json::from_slice(json).expect("is JSON");
    assert_eq!(frame["data"]["cursor"], cursor, "the client goes on from where it stood");
    session.on_drained(now);
    let page = ItemsPage { items: vec![item(41)], reached: heads(41, 0), more: false };
    session.on_read(ReadResult::Items(page), now);
    assert_eq!(said(&mut session), ["read Items", "catch-up [41] 0 changes"]);
}

#[test]
fn naive_clients_get_plain_alert_frames_only() {
    let now = now();
    let mut session = open(Speaks::Naive, None, standing(3, 0, 3), now);
    assert_eq!(said(&mut session), ["connection-established", "ForgetHints", "read Standing"]);
    session.on_read(ReadResult::Standing(standing(3, 0, 3)), now);
    let page = ItemsPage { items: vec![item(2), item(3)], reached: heads(3, 0), more: false };
    session.on_read(ReadResult::Items(page), now);
    assert_eq!(said(&mut session), ["read Items", "alert 2 unread 3", "alert 3 unread 3"]);
    let change = Arc::new(LiveChange { ids: vec![], up_to: None, to: ChangedTo::Read });
    session.on_signal(Signal::Changed { change, seq: Seq(4), unread: 1, touches_all: false }, now);
    session.on_signal(Signal::Settings(Arc::default()), now);
    session.on_signal(alert(5), now);
    assert_eq!(said(&mut session), ["alert 5 unread 5"]);
}

#[test]
fn pongs_of_a_naive_client_are_receipts_only_while_it_speaks() {
    let (mut session, now) = live(Speaks::Naive, 0);
    session.on_signal(alert(1), now);
    session.on_signal(alert(2), now);
    session.take_outputs();
    session.on_pong(b"u2.a0", now);
    session.on_pong(b"u9999.a0", now);
    session.on_pong(b"anything", now);
    assert!(said(&mut session).iter().all(|word| word == "Ponged"));
    session.on_text(r#"{"type":"ping"}"#, now);
    session.on_pong(b"u9999.a0", now);
    let words = said(&mut session);
    assert_eq!(
        words.last().map(String::as_str),
        Some("ack Range { stream: User, after: Seq(0), up_to: Seq(2), level: Displayed }"),
        "{words:?}"
    );
    session.on_pong(b"u2.a0", later(now, Duration::from_secs(61)));
    assert_eq!(said(&mut session), ["Ponged"]);
}

#[test]
fn a_range_ack_confirms_no_more_than_was_sent() {
    let (mut session, now) = live(Speaks::V1, 40);
    session.on_signal(alert(41), now);
    session.take_outputs();
    session.on_text(
        r#"{"type":"ack","data":{"stream":"user","after":40,"up_to":9007199254740991,"level":"received"}}"#,
        now,
    );
    assert_eq!(
        said(&mut session),
        ["ack Range { stream: User, after: Seq(40), up_to: Seq(41), level: Received }"]
    );
    session.on_text(r#"{"type":"ack","data":{"stream":"user","after":40,"up_to":41,"level":"read"}}"#, now);
    assert_eq!(said(&mut session), ["error field-invalid"]);
}

#[test]
fn silence_after_a_heartbeat_closes() {
    let (mut session, now) = live(Speaks::V1, 0);
    let pinged = later(now, Duration::from_secs(30));
    session.on_tick(Traffic::default(), pinged);
    assert_eq!(said(&mut session), ["read Standing", "ping"]);
    session.on_tick(Traffic { heard: 1, ..Traffic::default() }, later(pinged, Duration::from_secs(9)));
    session.on_tick(Traffic { heard: 1, ..Traffic::default() }, later(pinged, Duration::from_secs(11)));
    assert_eq!(said(&mut session), [""; 0], "any byte is life");
    let pinged = later(now, Duration::from_secs(60));
    session.on_tick(Traffic { heard: 1, ..Traffic::default() }, pinged);
    session.on_tick(Traffic { heard: 1, ..Traffic::default() }, later(pinged, Duration::from_secs(10)));
    assert_eq!(said(&mut session), ["ping", "error heartbeat-missed", "close 4001"]);
}

#[test]
fn a_socket_that_takes_nothing_is_closed_and_one_that_takes_a_little_is_not() {
    let (mut session, now) = live(Speaks::V1, 0);
    let traffic = |taken| Traffic { heard: taken, taken, queued: 10 };
    session.on_tick(traffic(1), later(now, Duration::from_secs(20)));
    session.on_tick(traffic(2), later(now, Duration::from_secs(45)));
    assert!(!session.is_closing());
    session.on_tick(traffic(2), later(now, Duration::from_secs(75)));
    assert!(said(&mut session).contains(&"close 4002".to_owned()));
}

#[test]
fn a_token_ends_the_session_at_its_expiry_unless_renewed() {
    let (mut session, now) = live(Speaks::V1, 0);
    let expires = |at: Now| Some(UnixMs(at.unix_ms().0 + 1_000));
    session.renew(expires(now), None, None, now);
    session.renew(expires(later(now, Duration::from_secs(60))), None, None, now);
    session.on_tick(Traffic::default(), later(now, Duration::from_secs(2)));
    assert!(!session.is_closing());
    session.on_tick(Traffic { heard: 1, ..Traffic::default() }, later(now, Duration::from_secs(61)));
    assert!(said(&mut session).contains(&"close 4402".to_owned()));
}

#[test]
fn a_revocation_ends_what_stands_on_it_also_when_it_overtook_the_renewal() {
    let stolen = || Signal::KeyRevoked("stolen".into());
    let ended = ["error token-revoked", "close 4403"];
    let opened = |issued_at: i64, kid: &str| {
        let (mut session, now) = live(Speaks::V1, 0);
        session.renew(None, Some(UnixMs(issued_at)), Some(kid.into()), now);
        (session, now)
    };
    let (mut session, now) = opened(5, "stolen");
    session.on_signal(Signal::KeyRevoked("other".into()), now);
    session.on_signal(Signal::Revoked(UnixMs(4)), now);
    assert_eq!(said(&mut session), [""; 0]);
    session.on_signal(stolen(), now);
    assert_eq!(said(&mut session), ended);

    let (mut session, now) = opened(7, "good");
    session.on_signal(stolen(), now);
    session.on_signal(Signal::Revoked(UnixMs(6)), now);
    session.on_signal(Signal::Revoked(UnixMs(3)), now);
    session.renew(None, Some(UnixMs(7)), None, now);
    assert_eq!(said(&mut session), [""; 0]);
    session.renew(None, Some(UnixMs(6)), None, now);
    assert_eq!(said(&mut session), ended, "verified before the revocation, and in after it");
}

#[test]
fn an_order_to_close_says_why_first_and_nothing_follows() {
    let (mut session, now) = live(Speaks::V1, 0);
    session.on_signal(Signal::Close(CloseCode::Replaced, "a newer one".into()), now);
    session.on_signal(alert(1), now);
    session.on_text(r#"{"type":"ping"}"#, now);
    assert_eq!(said(&mut session), ["error replaced", "close 4305"]);
}

#[test]
fn bad_frames_get_an_error_and_the_socket_stays() {
    let (mut session, now) = live(Speaks::V1, 0);
    for text in ["", "[]", "{", r#"{"type":5}"#, r#"{"type":"read","data":{"ids":["x"]}}"#] {
        session.on_text(text, now);
        assert_eq!(said(&mut session), ["error frame-invalid"], "{text}");
    }
    session.on_text(r#"{"type":"read","data":{}}"#, now);
    assert_eq!(said(&mut session), ["error field-invalid"]);
    session.on_text(r#"{"type":"chat","data":"hello"}"#, now);
    assert_eq!(said(&mut session), [""; 0], "unknown types are harmless");
    assert!(!session.is_closing());
}

#[test]
fn counts_of_announcements_add_up_once() {
    let (mut session, now) = live(Speaks::V1, 0);
    let loudness = Loudness { severity: Severity::Info, breaks_through: false, quiet: false };
    let body = bytes::Bytes::from_static(b"{\"type\":\"k\",\"data\":{}");
    let live_alert = Arc::new(LiveAlert { id: AlertId::from_parts(1, 0), body, loudness });
    let announcement =
        |seq| Signal::Announcement { alert: Arc::clone(&live_alert), seq: Seq(seq), replaces: None };
    session.on_signal(announcement(1), now);
    session.on_signal(alert(1), now);
    session.on_signal(announcement(2), now);
    assert_eq!(said(&mut session), ["alert 1 unread 1", "alert 1 unread 2", "alert 2 unread 3"]);
    let change = Arc::new(LiveChange { ids: vec![], up_to: None, to: ChangedTo::Read });
    session.on_signal(Signal::Changed { change, seq: Seq(2), unread: 0, touches_all: true }, now);
    assert_eq!(said(&mut session), ["read Standing"]);
    assert!(!session.wants_signals(), "the next hint waits for the count");
    let fresh = Standing { unread: Unread { user: 0, all: 1 }, ..standing(2, 2, 0) };
    session.on_read(ReadResult::Standing(fresh), now);
    assert_eq!(said(&mut session), ["changed 2 unread 1"]);
}

#[test]
fn a_resume_during_a_read_is_answered_after_it() {
    let (mut session, now) = live(Speaks::V1, 40);
    session.on_lagging();
    let cursor = wire::cursor(EPOCH, heads(38, 0));
    session.on_text(&format!(r#"{{"type":"resume","data":{{"cursor":"{cursor}"}}}}"#), now);
    session.on_read(ReadResult::Standing(standing(41, 0, 1)), now);
    session.on_read(ReadResult::Changed(vec![]), now);
    session.take_outputs();
    let page = ItemsPage { items: vec![item(41)], reached: heads(41, 0), more: false };
    session.on_read(ReadResult::Items(page), now);
    assert_eq!(said(&mut session), ["catch-up [41] 0 changes", "ForgetHints", "read Standing"]);
    session.on_read(ReadResult::Standing(standing(41, 0, 1)), now);
    let outputs = session.take_outputs();
    let [Output::Read(Read::Changed { since, .. })] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert_eq!(*since, heads(38, 0));
}

#[test]
fn a_hint_that_never_came_is_missed_at_the_next_heartbeat() {
    let (mut session, now) = live(Speaks::V1, 40);
    let now = later(now, Duration::from_secs(30));
    session.on_tick(Traffic::default(), now);
    assert_eq!(said(&mut session), ["read Standing", "ping"]);
    session.on_read(ReadResult::Standing(standing(41, 0, 1)), now);
    assert!(session.wants_signals(), "the hint may only be late");
    let now = later(now, Duration::from_millis(25));
    session.on_tick(Traffic { heard: 1, ..Traffic::default() }, now);
    assert_eq!(said(&mut session), ["ForgetHints", "read Standing"]);
}

#[test]
fn a_frame_the_socket_refused_is_read_again() {
    let (mut session, now) = live(Speaks::V1, 40);
    session.on_signal(alert(41), now);
    session.take_outputs();
    session.lag(heads(40, 0));
    session.on_read(ReadResult::Standing(standing(41, 0, 1)), now);
    let outputs = session.take_outputs();
    let Some(Output::Read(Read::Changed { since, .. })) = outputs.last() else { panic!("{outputs:?}") };
    assert_eq!(*since, heads(40, 0));
}

#[test]
fn a_plain_client_is_never_left_behind_by_a_new_numbering() {
    let renewed = Standing { epoch: Epoch { store: 1, user: 3 }, ..standing(7, 0, 0) };
    let change = || Arc::new(LiveChange { ids: vec![], up_to: None, to: ChangedTo::Read });
    let (mut session, now) = live(Speaks::Naive, 5);
    session.on_signal(Signal::Changed { change: change(), seq: Seq(6), unread: 1, touches_all: true }, now);
    assert_eq!(said(&mut session), ["read Standing"]);
    session.on_read(ReadResult::Standing(renewed), now);
    session.on_read(ReadResult::Standing(renewed), now);
    let page = ItemsPage { items: vec![item(7)], reached: heads(7, 0), more: false };
    session.on_read(ReadResult::Items(page), now);
    assert_eq!(said(&mut session), ["ForgetHints", "read Standing", "read Items", "alert 7 unread 0"]);
    assert!(session.wants_signals());
}

#[test]
fn a_plain_client_whose_position_means_nothing_gets_what_a_newcomer_gets_and_nothing_twice() {
    let foreign = wire::cursor(Epoch { store: 9, user: 9 }, heads(1, 0)).to_string();
    let above = wire::cursor(EPOCH, heads(50, 0)).to_string();
    for cursor in [foreign, above, "nonsense".to_owned()] {
        let now = now();
        let mut session = open(Speaks::NaiveEvents, Some(cursor), standing(3, 0, 3), now);
        session.on_read(ReadResult::Standing(standing(4, 0, 4)), now);
        let page = ItemsPage { items: vec![item(2), item(3), item(4)], reached: heads(4, 0), more: false };
        session.on_read(ReadResult::Items(page), now);
        session.on_signal(alert(4), now);
        session.on_signal(alert(5), now);
        assert_eq!(
            said(&mut session)[3..],
            ["read Items", "alert 2 unread 4", "alert 3 unread 4", "alert 4 unread 4", "alert 5 unread 5"]
        );
    }
}

#[test]
fn a_live_connection_outlives_a_store_that_cannot_be_read() {
    let (mut session, now) = live(Speaks::V1, 5);
    let change = Arc::new(LiveChange { ids: vec![], up_to: None, to: ChangedTo::Read });
    session.on_signal(Signal::Changed { change, seq: Seq(6), unread: 1, touches_all: true }, now);
    session.on_read(ReadResult::Failed, now);
    assert_eq!(said(&mut session), ["read Standing", "changed 6 unread 0"]);
    let now = later(now, Duration::from_secs(30));
    session.on_tick(Traffic::default(), now);
    session.on_read(ReadResult::Failed, now);
    session.on_signal(alert(7), now);
    assert_eq!(said(&mut session), ["read Standing", "ping", "alert 7 unread 7"]);
}

#[test]
fn nothing_is_said_after_the_close_and_binary_frames_count_against_the_rate() {
    let (mut session, now) = live(Speaks::V1, 0);
    session.on_signal(Signal::Close(CloseCode::Replaced, "why".into()), now);
    session.take_outputs();
    session.on_binary(now);
    session.on_text("no frame", now);
    assert_eq!(said(&mut session), [""; 0]);

    let (mut session, now) = live(Speaks::V1, 0);
    session.patience = Patience::full(Rate { per_second: 1.0, burst: 2.0 }, now.instant);
    for _ in 0..6 {
        session.on_binary(now);
    }
    let words = said(&mut session);
    assert_eq!(
        words,
        [
            "error frame-invalid",
            "error frame-invalid",
            "error rate-limited",
            "error rate-limited",
            "close 4004"
        ]
    );
}

/// What a node of several reads of everybody.
fn head_read(user: u64, unread: u32) -> UserHead {
    UserHead {
        user: UserId::new("ann").expect("is an id"),
        epoch: EPOCH,
        head: heads(user, 0),
        unread,
        settings: Settings::default(),
        revoke_before: None,
    }
}

fn told(session: &mut Session, found: UserHead, now: Now) -> Vec<String> {
    session.on_signal(Signal::Heads(Arc::new(found)), now);
    said(session)
}

#[test]
fn a_head_beyond_what_was_sent_is_caught_up_unless_its_hint_is_only_late() {
    let (mut session, now) = live(Speaks::V1, 3);
    assert_eq!(told(&mut session, head_read(3, 3), now), [""; 0], "nothing is missing");
    assert_eq!(told(&mut session, head_read(4, 4), now), [""; 0], "its hint may be under way");
    assert!(session.is_behind());
    session.on_signal(alert(4), now);
    assert_eq!(said(&mut session), ["alert 4 unread 4"]);
    assert!(!session.is_behind());

    told(&mut session, head_read(5, 5), now);
    let late = Now { instant: now.instant + Duration::from_secs(1), ..now };
    session.on_tick(Traffic::default(), late);
    assert_eq!(said(&mut session), ["ForgetHints", "read Standing"], "it was lost");
}

#[test]
fn a_number_without_its_frame_is_read_from_the_store() {
    let (mut session, now) = live(Speaks::V1, 3);
    session.on_signal(Signal::Expect(Stream::User, Seq(3)), now);
    assert!(!session.is_behind(), "it was sent");
    session.on_signal(Signal::Expect(Stream::User, Seq(4)), now);
    session.on_signal(Signal::Expect(Stream::User, Seq(2)), now);
    let late = Now { instant: now.instant + Duration::from_secs(1), ..now };
    session.on_tick(Traffic::default(), late);
    assert_eq!(said(&mut session), ["ForgetHints", "read Standing"]);
}

#[test]
fn what_was_read_of_everybody_heals_settings_counts_and_revocations_too() {
    let (mut session, now) = live(Speaks::V1, 3);
    let settings = Settings { rev: 4, ..Settings::default() };
    let found = UserHead { settings: settings.clone(), ..head_read(3, 1) };
    assert_eq!(told(&mut session, found.clone(), now), ["settings-changed"]);
    assert_eq!(told(&mut session, found, now), [""; 0], "told once");
    session.on_signal(Signal::Settings(Arc::new(Settings { rev: 3, ..settings })), now);
    assert_eq!(said(&mut session), [""; 0], "an older hint that comes late changes nothing");
    let change = Arc::new(LiveChange { ids: vec![], up_to: None, to: ChangedTo::Expired });
    session.on_signal(Signal::AllChanged { change, seq: Seq(1) }, now);
    session.on_read(ReadResult::Failed, now);
    assert_eq!(
        said(&mut session),
        ["read Standing", "changed 1 unread 1"],
        "the count is the one that was read"
    );

    let foreign = Epoch { user: EPOCH.user + 1, ..EPOCH };
    assert_eq!(told(&mut session, UserHead { epoch: foreign, ..head_read(0, 0) }, now), ["read Standing"]);
    let revoked = UserHead { revoke_before: Some(UnixMs(9)), ..head_read(3, 1) };
    let said = told(&mut session, revoked, now);
    assert_eq!(said.first().map(String::as_str), Some("error token-revoked"), "{said:?}");
}
