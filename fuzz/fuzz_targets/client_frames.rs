//! A conversation of one session, as a script: each line is a client's text or something that happens to the session.
//! The world around it is honest (numbers rise by one, the store tells what was committed, hints may come late, twice
//! or in another order, the socket may refuse), the client is not. Whatever comes: no panic, no seq twice or out of
//! order, no gap, nothing after the close, and in the end everything was told.
//!
//! The first line opens the session: `0` to `3` is what the client speaks, the rest its cursor. Then:
//!     {…          a text of the client            b        a binary one       k…  a pong with this payload
//!     p a c g     an alert, an announcement, a change, announcements leave; a digit says how many hints it overtakes
//!     =           the last hint comes twice       l        the hub drops hints
//!     h           the session takes its hints     d        the socket took everything
//!     q f         the socket is full; it refuses the next frame
//!     r x         the store answers, or fails     o O      an operation is done, or refused
//!     t T         time passes with and without a sign of life of the client; a digit says how much
//!     s n R D C   settings, a renewed token, a revocation, drain, close
#![no_main]

use belfry_protocol::frame::{ErrorMessageData, ParsedFrame, ServerInfo};
use belfry_protocol::inbox::ChangedTo;
use belfry_protocol::{
    AlertId, ClientFrame, CloseCode, ConnectionId, Cursor, Epoch, ItemState, Seq, Severity, Stream, UserId,
};
use belfry_server::clock::Now;
use belfry_server::hub::{LiveAlert, LiveChange, Signal};
use belfry_server::limiter::Rate;
use belfry_server::live::output::{Output, Read, ReadResult};
use belfry_server::live::session::{Opening, Session, SessionRules, Speaks, Traffic};
use belfry_server::{quiet, wire};
use belfry_store::{
    ChangedRow, Connected, Content, Heads, InboxRows, ItemNow, ItemRow, ItemsPage, PageLimit, Settings,
    Standing, UnixMs, Unread,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

const EPOCH: Epoch = Epoch { store: 1, user: 2 };

/// What a number of a stream stands for.
#[derive(Clone, Copy, PartialEq)]
enum Entry {
    Alert,
    Change,
}

/// The store, the hub's queue, the socket and the client around a session.
struct World {
    session: Session,
    speaks: Speaks,
    now: Now,
    epoch: Epoch,
    user: Vec<Entry>,
    all: Vec<Entry>,
    hints: VecDeque<Signal>,
    lagging: bool,
    reading: Option<Read>,
    operating: bool,
    queued: bool,
    refuse_next: bool,
    closed: bool,
    /// The socket refused a frame that cannot be told again, and the edge let go of it.
    gone: bool,
    traffic: Traffic,
    /// Where the client stands; `None`: a plain client before its first alert.
    at: Heads,
    /// Every alert from here on must reach the client; `None`: it chose to miss some.
    from: Option<Heads>,
    told: Vec<(Stream, Seq)>,
    /// A resume that the session may answer once its read is done.
    asked: Option<Heads>,
}

fn beginning() -> Now {
    static START: OnceLock<Instant> = OnceLock::new();
    #[expect(
        clippy::disallowed_methods,
        reason = "an instant cannot be made of nothing; only differences matter"
    )]
    let instant = *START.get_or_init(Instant::now);
    Now { at: "2026-01-02T03:04:05Z".parse().expect("is a time"), instant }
}

fn rules() -> Arc<SessionRules> {
    Arc::new(SessionRules {
        heartbeat_interval: Duration::from_secs(30),
        heartbeat_timeout: Duration::from_secs(10),
        resume_wait: Duration::from_secs(5),
        stalled_after: Duration::from_secs(30),
        reorder_wait: Duration::from_millis(25),
        page: PageLimit { items: 3, bytes: 32_768 },
        changed_items_max: 5,
        naive_backlog_items: 4,
        naive_backlog_age: Duration::from_secs(86_400),
        trust_pong: false,
        inbound: Rate { per_second: 1.0, burst: 40.0 },
        changes_per_frame: 2,
        server: ServerInfo { node: "n".into(), version: "v".into() },
    })
}

fn digit(line: &str) -> usize {
    line.bytes().nth(1).map_or(0, |byte| usize::from(byte.wrapping_sub(b'0') % 10))
}

fn of(heads: Heads, stream: Stream) -> Seq {
    if stream == Stream::User { heads.user } else { heads.all }
}

fn set(heads: &mut Heads, stream: Stream, seq: Seq) {
    *(if stream == Stream::User { &mut heads.user } else { &mut heads.all }) = seq;
}

fn content(now: Now) -> Arc<Content> {
    Arc::new(Content {
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
        created_at: now.unix_ms(),
        expires_at: None,
        quiet: false,
        breaks_through: false,
        ladder: None,
    })
}

fn alert_id(stream: Stream, seq: Seq) -> AlertId {
    AlertId::from_parts(seq.0 as i64, stream as u64)
}

impl World {
    fn open(line: &str) -> Self {
        let now = beginning();
        let speaks = match line.bytes().next() {
            Some(b'1') => Speaks::Naive,
            Some(b'2') => Speaks::V1Events,
            Some(b'3') => Speaks::NaiveEvents,
            _ => Speaks::V1,
        };
        let cursor =
            line.get(1..).filter(|rest| !rest.is_empty() && speaks != Speaks::Naive).map(str::to_owned);
        let head = Heads { user: Seq(6), all: Seq(2) };
        let standing = Standing { epoch: EPOCH, head, unread: Unread { user: 6, all: 2 } };
        let opening = Opening {
            id: ConnectionId(AlertId::from_parts(1, 1).as_uuid()),
            user: UserId::new("ann").expect("is an id"),
            speaks,
            cursor: cursor.clone(),
            max: None,
            ponged: Heads::default(),
            token_expires_at: Some(UnixMs(now.unix_ms().0 + 3_600_000)),
            token_issued_at: Some(now.unix_ms()),
            jitter: 1.0,
        };
        let connected = Connected {
            standing,
            received: Heads::default(),
            settings: Settings::default(),
            revoke_before: None,
        };
        let session = Session::open(opening, connected, rules(), now);
        let at = Self::starts_at(speaks, cursor.as_deref(), head);
        let mut world = Self {
            session,
            speaks,
            now,
            epoch: EPOCH,
            user: vec![Entry::Alert; 6],
            all: vec![Entry::Alert; 2],
            hints: VecDeque::new(),
            lagging: false,
            reading: None,
            operating: false,
            queued: false,
            refuse_next: false,
            closed: false,
            gone: false,
            traffic: Traffic::default(),
            at,
            from: Some(at),
            told: Vec::new(),
            asked: None,
        };
        if world.above_head() {
            world.from = None;
        }
        world.perform();
        world
    }

    /// Where a client stands that opens with this position. A plain one has no list to reset: with a position that
    /// means nothing it gets what a newcomer gets, and so it may get again what another connection brought.
    fn starts_at(speaks: Speaks, cursor: Option<&str>, head: Heads) -> Heads {
        let newcomer = Heads { user: Seq(2), all: Seq(0) };
        let known = cursor.and_then(|text| text.parse::<Cursor>().ok()).filter(|known| known.epoch == EPOCH);
        match (speaks, known) {
            (Speaks::Naive, _) => newcomer,
            (Speaks::NaiveEvents, Some(known)) if known.user > head.user || known.all > head.all => newcomer,
            (_, Some(known)) => Heads { user: known.user, all: known.all },
            (Speaks::NaiveEvents, None) if cursor.is_some() => newcomer,
            (_, None) => head,
        }
    }

    fn head(&self) -> Heads {
        Heads { user: Seq(self.user.len() as u64), all: Seq(self.all.len() as u64) }
    }

    fn above_head(&self) -> bool {
        self.at.user > self.head().user || self.at.all > self.head().all
    }

    fn v1(&self) -> bool {
        matches!(self.speaks, Speaks::V1 | Speaks::V1Events)
    }

    fn standing(&self) -> Standing {
        let unread = Unread { user: self.user.len() as u32, all: self.all.len() as u32 };
        Standing { epoch: self.epoch, head: self.head(), unread }
    }

    // ---- the edge, as `live::drive` does it

    fn perform(&mut self) {
        loop {
            let outputs = self.session.take_outputs();
            if outputs.is_empty() {
                if self.session.waits_for_socket() && !self.queued {
                    self.session.on_drained(self.now);
                    continue;
                }
                return;
            }
            let mut refused = false;
            for output in outputs {
                let repeats = matches!(
                    output,
                    Output::Alert { .. } | Output::Frame { before: Some(_), .. } | Output::Read(_)
                );
                if !(refused && repeats) {
                    refused |= self.carry_out(output);
                }
            }
        }
    }

    fn carry_out(&mut self, output: Output) -> bool {
        if self.gone {
            return false;
        }
        if matches!(output, Output::Frame { .. } | Output::Alert { .. } | Output::Ping(_) | Output::Comment) {
            assert!(!self.closed, "sent after the close: {output:?}");
        }
        match output {
            Output::Frame { json, before, .. } => {
                if std::mem::take(&mut self.refuse_next) {
                    match before {
                        Some(before) => self.session.lag(before),
                        None => (self.closed, self.gone) = (true, true),
                    }
                    return before.is_some();
                }
                self.client_reads(&json);
            }
            Output::Alert { body, tail, before, after, .. } => {
                if std::mem::take(&mut self.refuse_next) {
                    self.session.lag(before);
                    return true;
                }
                let mut json = body.to_vec();
                tail.write(&mut json);
                let frame: Value = serde_json::from_slice(&json).expect("an alert is JSON");
                let stream = if frame["stream"] == "all" { Stream::All } else { Stream::User };
                assert_eq!(of(after, stream), tail.seq);
                self.client_gets(stream, tail.seq);
                self.told.push((stream, tail.seq));
            }
            Output::ForgetHints => {
                self.hints.retain(|signal| !is_hint(signal));
                self.lagging = false;
            }
            Output::Read(read) => self.reading = Some(read),
            Output::Operate(_) => {
                assert!(!self.operating, "one operation at a time");
                self.operating = true;
            }
            Output::Close(_) => {
                assert!(!self.closed, "closed twice");
                self.closed = true;
            }
            Output::Ping(_)
            | Output::Comment
            | Output::Acknowledge(_)
            | Output::Ponged(_)
            | Output::Visible(_) => {}
        }
        false
    }

    fn take_signal(&mut self) -> bool {
        if let Some(index) = self.hints.iter().position(|signal| !is_hint(signal)) {
            let order = self.hints.remove(index).expect("it was found");
            self.session.on_signal(order, self.now);
        } else if !self.session.wants_signals() || self.queued {
            return false;
        } else if let Some(signal) = self.hints.pop_front() {
            self.session.on_signal(signal, self.now);
        } else if std::mem::take(&mut self.lagging) {
            self.session.on_lagging();
        } else {
            return false;
        }
        self.perform();
        true
    }

    // ---- the client

    /// From now on it stands where it asked to go on from.
    fn go_back(&mut self) {
        if let Some(asked) = self.asked.take() {
            // A position above the head means nothing to a plain client: it goes on with what comes.
            let head = if self.v1() { asked } else { self.head() };
            self.at = Heads { user: asked.user.min(head.user), all: asked.all.min(head.all) };
            self.from = None;
        }
    }

    fn client_gets(&mut self, stream: Stream, seq: Seq) {
        if !self.v1() && seq <= of(self.at, stream) {
            self.go_back();
        }
        let at = of(self.at, stream);
        if self.v1() {
            assert_eq!(seq, at.next(), "the client stands at {at} of {stream:?}");
        } else {
            assert!(seq > at, "{seq} of {stream:?} after {at}");
        }
        set(&mut self.at, stream, seq);
    }

    fn client_reads(&mut self, json: &[u8]) {
        let frame: Value = serde_json::from_slice(json).expect("a frame is JSON");
        let data = &frame["data"];
        let cursor = |value: &Value| -> Heads {
            let cursor: Cursor = value.as_str().and_then(|text| text.parse().ok()).expect("a cursor");
            Heads { user: cursor.user, all: cursor.all }
        };
        match frame["type"].as_str().expect("a type") {
            "inbox-changed" => {
                let stream = if frame["stream"] == "all" { Stream::All } else { Stream::User };
                self.client_gets(stream, Seq(frame["seq"].as_u64().expect("a number")));
            }
            "catch-up" => {
                let (after, to) = (cursor(&data["covers"]["after"]), cursor(&data["covers"]["to"]));
                if after != self.at {
                    self.go_back();
                }
                assert_eq!(after, self.at, "a catch-up goes on where the client stands");
                for item in data["items"].as_array().expect("a list") {
                    let stream = if item["stream"] == "all" { Stream::All } else { Stream::User };
                    let seq = Seq(item["seq"].as_u64().expect("a number"));
                    assert!(seq > of(self.at, stream) && seq <= of(to, stream));
                    set(&mut self.at, stream, seq);
                    self.told.push((stream, seq));
                }
                assert!(to.user >= self.at.user && to.all >= self.at.all);
                self.at = to;
            }
            "reset" => {
                self.at = cursor(&data["cursor"]);
                self.from = None;
            }
            _ => {}
        }
    }

    /// A client may ask for a stretch again.
    fn say(&mut self, text: &str) {
        if matches!(self.speaks, Speaks::V1Events | Speaks::NaiveEvents) {
            return;
        }
        self.traffic.heard += text.len() as u64;
        self.session.on_text(text, self.now);
        let outputs = self.session.take_outputs();
        if let Ok(ParsedFrame::Known(ClientFrame::Resume(resume))) = ClientFrame::parse(text)
            && let Some(cursor) = resume.cursor.and_then(|text| text.parse::<Cursor>().ok())
            && (cursor.epoch == self.epoch || self.v1())
        {
            // During a read it is answered later, and the epoch may be that of the position by then.
            self.asked = Some(Heads { user: cursor.user, all: cursor.all });
            if !self.v1() {
                self.from = None;
            }
            if outputs.iter().any(|output| matches!(output, Output::ForgetHints)) {
                self.go_back();
            }
        }
        for output in outputs {
            self.carry_out(output);
        }
        self.perform();
    }

    // ---- the store

    fn commit(&mut self, line: &str) {
        let (stream, entry) = match line.as_bytes()[0] {
            b'p' => (Stream::User, Entry::Alert),
            b'a' => (Stream::All, Entry::Alert),
            b'c' => (Stream::User, Entry::Change),
            _ => (Stream::All, Entry::Change),
        };
        let log = if stream == Stream::User { &mut self.user } else { &mut self.all };
        log.push(entry);
        let seq = Seq(log.len() as u64);
        let unread = self.user.len() as u32;
        let odd = line.len() > 2;
        let replaces = (odd && seq.0 > 1).then(|| alert_id(stream, Seq(seq.0 - 1)));
        let content = content(self.now);
        let alert = || {
            let id = alert_id(stream, seq);
            let body = wire::alert_body(id, stream, &content).into();
            Arc::new(LiveAlert { id, body, loudness: wire::loudness(&content) })
        };
        let change =
            || Arc::new(LiveChange { ids: vec![alert_id(stream, Seq(1))], up_to: None, to: ChangedTo::Read });
        let signal = match (stream, entry) {
            (Stream::User, Entry::Alert) => Signal::Alert { alert: alert(), seq, unread, replaces },
            (_, Entry::Alert) => Signal::Announcement { alert: alert(), seq, replaces },
            (Stream::User, Entry::Change) => {
                Signal::Changed { change: change(), seq, unread, touches_all: odd }
            }
            (_, Entry::Change) => Signal::AllChanged { change: change(), seq },
        };
        if !self.lagging {
            let overtaken = digit(line).min(self.hints.len());
            self.hints.insert(self.hints.len() - overtaken, signal);
        }
    }

    fn items(&self, after: Heads, to: Heads, limit: usize) -> ItemsPage {
        let mut reached = after;
        let mut items = Vec::new();
        for (stream, log) in [(Stream::User, &self.user), (Stream::All, &self.all)] {
            for seq in (of(after, stream).0 + 1..=of(to, stream).0).map(Seq) {
                if items.len() >= limit {
                    return ItemsPage { items, reached, more: true };
                }
                if log[seq.0 as usize - 1] == Entry::Alert {
                    items.push(ItemRow {
                        id: alert_id(stream, seq),
                        stream,
                        seq,
                        version: seq,
                        state: ItemState::default(),
                        level: None,
                        content: content(self.now),
                    });
                }
                set(&mut reached, stream, seq);
            }
        }
        ItemsPage { items, reached: to, more: false }
    }

    fn answer(&mut self, line: &str) {
        let Some(read) = self.reading.take() else { return };
        let result = match read {
            Read::Standing => ReadResult::Standing(self.standing()),
            Read::Count { limit, .. } => ReadResult::Count((digit(line) as u32).min(limit)),
            Read::Changed { since, limit, .. } => {
                let known = since.user.0.min(u64::from(limit)).min(digit(line) as u64);
                ReadResult::Changed(
                    (1..=known)
                        .map(|seq| ChangedRow {
                            id: alert_id(Stream::User, Seq(seq)),
                            stream: Stream::User,
                            version: Seq(seq),
                            now: ItemNow::Here(ItemState { read: true, ..ItemState::default() }),
                        })
                        .collect(),
                )
            }
            Read::Items { after, to, limit } => {
                ReadResult::Items(self.items(after, to, (limit.items as usize).min(1 + digit(line))))
            }
            Read::FirstPage => {
                let standing = self.standing();
                ReadResult::FirstPage(InboxRows { items: vec![], next: Some(7), standing })
            }
            Read::RenewEpoch => {
                self.epoch.user += 1;
                ReadResult::Renewed(self.standing())
            }
        };
        self.session.on_read(result, self.now);
    }

    fn pass(&mut self, line: &str) {
        let by = [0, 1, 24, 25, 1_000, 5_000, 10_000, 30_000, 60_000, 3_600_000][digit(line)];
        self.now.instant += Duration::from_millis(by);
        self.now.at += jiff::SignedDuration::from_millis(by as i64);
        self.traffic.heard += u64::from(line.starts_with('t'));
        self.traffic.queued = usize::from(self.queued);
        self.session.on_tick(self.traffic, self.now);
        let _ = self.session.deadline(self.traffic.queued, self.now);
    }

    fn order(&mut self, line: &str) {
        let expires_at = Some(UnixMs(self.now.unix_ms().0 + digit(line) as i64 * 100_000));
        self.hints.push_back(match line.as_bytes()[0] {
            b's' => Signal::Settings(Arc::new(Settings { rev: 7, ..Settings::default() })),
            b'n' => Signal::Renewed { expires_at, issued_at: Some(self.now.unix_ms()), kid: None },
            b'R' => Signal::Revoked(UnixMs(self.now.unix_ms().0 - digit(line) as i64 * 1_000)),
            b'D' => Signal::Drain {
                reconnect_after_ms: 5,
                close_at: self.now.instant + Duration::from_secs(digit(line) as u64),
            },
            _ => Signal::Close(CloseCode::Replaced, "why"),
        });
        self.take_signal();
    }

    fn step(&mut self, line: &str) {
        if self.gone {
            return;
        }
        match line.bytes().next() {
            Some(b'{' | b'[' | b'"') => self.say(line),
            Some(b'b') if !matches!(self.speaks, Speaks::V1Events | Speaks::NaiveEvents) => {
                self.session.on_binary(self.now);
            }
            Some(b'k') => self.session.on_pong(&line.as_bytes()[1..], self.now),
            Some(b'p' | b'a' | b'c' | b'g') => self.commit(line),
            Some(b'=') => self.hints.extend(self.hints.back().cloned()),
            Some(b'l') => {
                self.hints.retain(|signal| !is_hint(signal));
                self.lagging = true;
            }
            Some(b'h') => while self.take_signal() {},
            Some(b'd') => {
                self.queued = false;
                self.session.on_drained(self.now);
            }
            Some(b'q') => self.queued = true,
            Some(b'f') => self.refuse_next = true,
            Some(b'r') => self.answer(line),
            Some(b'x') if self.reading.take().is_some() => self.session.on_read(ReadResult::Failed, self.now),
            Some(b'o' | b'O') if std::mem::take(&mut self.operating) => {
                let code = belfry_protocol::ErrorCode::Overloaded;
                let result =
                    if line.starts_with('o') { Ok(()) } else { Err(ErrorMessageData::new(code, "why")) };
                self.session.on_operated(result, self.now);
            }
            Some(b't' | b'T') => self.pass(line),
            Some(b's' | b'n' | b'R' | b'D' | b'C') => self.order(line),
            _ => {}
        }
        self.perform();
    }

    /// The socket, the store and the hub answer until nothing is left, and time passes.
    fn come_to_rest(&mut self) {
        for _ in 0..self.user.len() + self.all.len() + 20 {
            for line in ["d", "r9", "h", "t3"] {
                if self.closed {
                    return;
                }
                self.step(line);
            }
        }
    }

    /// Everything comes to rest: the client must have been told everything.
    fn settle(&mut self) {
        self.refuse_next = false;
        self.come_to_rest();
        // A client that never says where it stands goes live after the wait, and all that waited comes then.
        self.step("t5");
        self.come_to_rest();
        // The last tick may have been that of a heartbeat, which reads.
        self.step("r9");
        if self.closed {
            return;
        }
        assert!(self.session.wants_signals(), "stuck: {:?}", self.session);
        if self.v1() {
            assert_eq!(self.at, self.head(), "the client was not told everything");
        }
        let Some(from) = self.from else { return };
        for (stream, log) in [(Stream::User, &self.user), (Stream::All, &self.all)] {
            for seq in (of(from, stream).0 + 1..=log.len() as u64).map(Seq) {
                let told = self.told.iter().filter(|told| **told == (stream, seq)).count();
                assert_eq!(told, usize::from(log[seq.0 as usize - 1] == Entry::Alert), "{seq} of {stream:?}");
            }
        }
    }
}

fn is_hint(signal: &Signal) -> bool {
    matches!(
        signal,
        Signal::Alert { .. }
            | Signal::Announcement { .. }
            | Signal::Changed { .. }
            | Signal::AllChanged { .. }
    )
}

fn translate(text: &str) {
    use ClientFrame::{Ack, Acted, Archive, Read, Seen, Unarchive, Unread};
    match ClientFrame::parse(text) {
        Ok(ParsedFrame::Known(Ack(ack))) => {
            let sent = Heads { user: Seq(5), all: Seq(3) };
            if let Ok(belfry_store::AckRow::Range { stream, up_to, .. }) = wire::ack_row(ack, Some(sent)) {
                assert!(up_to <= of(sent, stream), "more was confirmed than was sent");
            }
        }
        Ok(ParsedFrame::Known(
            Seen(items) | Read(items) | Unread(items) | Archive(items) | Unarchive(items) | Acted(items),
        )) => {
            let _ = wire::selection(items.ids, items.up_to, EPOCH);
        }
        _ => {}
    }
    let _ = quiet::state(&Settings::default(), beginning().at);
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    translate(&text);
    let mut lines = text.lines();
    let mut world = World::open(lines.next().unwrap_or_default());
    for line in lines.take(400) {
        translate(line);
        world.step(line);
    }
    world.settle();
});
