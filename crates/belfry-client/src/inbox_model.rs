//! A model server and a model application: whatever gets lost, doubled, swapped or cut off between them, both end with
//! the same items in the same states, and each alert was told once and in order.

use crate::event::{Changed, Event, Origin};
use crate::inbox_state::{InboxState, Output};
use crate::wire::CatchUp;
use belfry_protocol::cursor::Epoch;
use belfry_protocol::do_not_disturb::DoNotDisturbState;
use belfry_protocol::frame::{
    AckMode, Change, ChangedItem, ConnectionEstablished, Covers, Heads, Heartbeat, InboxChanged, PingData,
    Reset, ResetReason, Resume, ServerInfo,
};
use belfry_protocol::inbox::{Ack, ChangedTo};
use belfry_protocol::{
    AlertId, ClientFrame, ConnectionId, Cursor, Item, ItemState, Seq, Severity, Stream, UserId,
};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, VecDeque};

const EPOCH: Epoch = Epoch { store: 1, user: 2 };

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    Publish(Stream),
    /// The new one takes the place of one in the list.
    Collapse(usize),
    Change(usize, ChangedTo),
    ReadUpTo,
    Recall(usize),
    /// The client reads so many frames.
    Deliver(usize),
    /// The server reads what the client sent.
    ServerReads,
    /// The next live frame on the wire never was sent: a hint was lost.
    Lose,
    /// The next live frame is sent twice.
    Double,
    /// Two live frames of a stream are sent in the wrong order.
    Swap,
    Heartbeat,
    /// The session's queue was full: so many live frames at its end are dropped, an answer under way is broken off, and
    /// the store is read from what was sent.
    Lag(usize),
    /// The server is busy and passes over what the client asks while it is live.
    PassOver,
    /// The client waited long enough for an answer.
    Impatience,
    Reconnect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let change = prop_oneof![
        Just(ChangedTo::Seen),
        Just(ChangedTo::Read),
        Just(ChangedTo::Unread),
        Just(ChangedTo::Archived),
        Just(ChangedTo::Unarchived),
        Just(ChangedTo::Acted),
    ];
    let step = prop_oneof![
        6 => prop_oneof![3 => Just(Stream::User), 1 => Just(Stream::All)].prop_map(Step::Publish),
        1 => any::<usize>().prop_map(Step::Collapse),
        4 => (any::<usize>(), change).prop_map(|(which, to)| Step::Change(which, to)),
        1 => Just(Step::ReadUpTo),
        1 => any::<usize>().prop_map(Step::Recall),
        6 => (1..6usize).prop_map(Step::Deliver),
        3 => Just(Step::ServerReads),
        1 => Just(Step::Lose),
        1 => Just(Step::Double),
        1 => Just(Step::Swap),
        1 => Just(Step::Heartbeat),
        1 => (1..6usize).prop_map(Step::Lag),
        1 => Just(Step::PassOver),
        1 => Just(Step::Impatience),
        1 => Just(Step::Reconnect),
    ];
    prop::collection::vec(step, 0..120)
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    id: AlertId,
    stream: Stream,
    seq: Seq,
    /// Where a person marked it: the change's place in the user's stream.
    marked: Seq,
    state: ItemState,
    /// Why it left, and the change's place in its stream (the user's for a user's item).
    left: Option<(ChangedTo, Seq)>,
}

impl Entry {
    fn version(&self) -> Seq {
        match self.left {
            Some((_, at)) => at,
            None if self.marked > Seq::ZERO => self.marked,
            None => self.seq,
        }
    }

    fn changed_after(&self, heads: Heads) -> bool {
        let left = self.left.is_some_and(|(_, at)| at > position(heads, self.stream));
        left || self.marked > heads.user
    }

    fn counts(&self) -> bool {
        self.left.is_none() && !self.state.read && !self.state.archived
    }
}

#[derive(Debug)]
enum Wire {
    Alert(Box<Item>),
    Changed(Stream, Seq, InboxChanged),
    CatchUp(CatchUp),
    /// The rest of a catch-up: the store is read when its turn comes.
    Rest {
        after: Heads,
        to: Heads,
    },
    Reset(Reset),
    Ping(PingData),
}

#[derive(Debug)]
struct Server {
    entries: Vec<Entry>,
    heads: Heads,
    page: usize,
    /// On their way to the client and to the server.
    down: VecDeque<Wire>,
    up: VecDeque<ClientFrame>,
    /// Connected and resumed: live frames go out.
    live: bool,
    acks: Vec<Ack>,
}

fn position(heads: Heads, stream: Stream) -> Seq {
    match stream {
        Stream::User => heads.user,
        Stream::All => heads.all,
    }
}

fn heads_of(cursor: Cursor) -> Heads {
    Heads { user: cursor.user, all: cursor.all }
}

fn cursor_at(heads: Heads) -> Cursor {
    Cursor { epoch: EPOCH, user: heads.user, all: heads.all }
}

fn apply(state: &mut ItemState, to: ChangedTo) {
    match to {
        ChangedTo::Seen => state.seen = true,
        ChangedTo::Read => state.read = true,
        ChangedTo::Unread => state.read = false,
        ChangedTo::Archived => state.archived = true,
        ChangedTo::Unarchived => state.archived = false,
        ChangedTo::Acted => state.acted = true,
        ChangedTo::Expired | ChangedTo::Recalled | ChangedTo::Replaced | ChangedTo::Removed => {}
    }
}

impl Server {
    fn next(&mut self, stream: Stream) -> Seq {
        let head = match stream {
            Stream::User => &mut self.heads.user,
            Stream::All => &mut self.heads.all,
        };
        *head = head.next();
        *head
    }

    fn unread(&self) -> u32 {
        self.entries.iter().filter(|entry| entry.counts()).count() as u32
    }

    fn send_live(&mut self, frame: Wire) {
        if self.live {
            self.down.push_back(frame);
        }
    }

    fn publish(&mut self, stream: Stream, replaces: Option<usize>) {
        let seq = self.next(stream);
        if let Some(old) = replaces {
            self.entries[old].left = Some((ChangedTo::Replaced, seq));
        }
        let replaces = replaces.map(|old| self.entries[old].id);
        let id = AlertId::from_parts(self.entries.len() as i64 + 1, 7);
        let entry = Entry { id, stream, seq, marked: Seq::ZERO, state: ItemState::default(), left: None };
        let mut item = self.item(&entry);
        self.entries.push(entry);
        item.replaces = Vec::from_iter(replaces);
        (item.version, item.state, item.unread) = (None, None, Some(self.unread()));
        self.send_live(Wire::Alert(Box::new(item)));
    }

    fn change(&mut self, stream: Stream, change: impl FnOnce(&mut Self, Seq) -> Change) {
        let seq = self.next(stream);
        let changes = vec![change(self, seq)];
        let data = InboxChanged { changes, unread: self.unread() };
        self.send_live(Wire::Changed(stream, seq, data));
    }

    fn item(&self, entry: &Entry) -> Item {
        Item {
            r#type: "kind".to_owned(),
            data: RawValue::from_string("{}".to_owned()).expect("is JSON"),
            timestamp: Timestamp::UNIX_EPOCH,
            id: entry.id,
            stream: entry.stream,
            title: String::new(),
            body: None,
            severity: Severity::Info,
            category: String::new(),
            link: None,
            image: None,
            actions: Vec::new(),
            thread: None,
            expires_at: None,
            seq: entry.seq,
            replaces: Vec::new(),
            version: Some(entry.version()),
            state: Some(entry.state),
            unread: None,
            quiet: false,
        }
    }

    fn reads(&mut self) {
        while let Some(frame) = self.up.pop_front() {
            match frame {
                ClientFrame::Resume(Resume { cursor, max }) => self.resume(cursor, max),
                ClientFrame::Ack(ack) => self.acks.push(ack),
                other => panic!("{other:?} is not sent by the state"),
            }
        }
    }

    fn resume(&mut self, cursor: Option<String>, max: Option<u32>) {
        self.live = true;
        let Some(cursor) = cursor else { return };
        let cursor: Cursor = cursor.parse().expect("the client sends a cursor");
        let from = heads_of(cursor);
        let missing = self.here_after(from).count();
        if max.is_some_and(|max| missing > max as usize) {
            let mut items: Vec<&Entry> = self.entries.iter().filter(|entry| entry.left.is_none()).collect();
            items.reverse();
            items.truncate(3);
            let items = items.into_iter().map(|entry| self.item(entry)).collect();
            let (cursor, unread) = (cursor_at(self.heads), self.unread());
            let reset = Reset { cursor, unread, items, next: None, reason: ResetReason::TooMuch };
            return self.down.push_back(Wire::Reset(reset));
        }
        self.catch_up(from);
    }

    fn lag(&mut self, frames: usize) {
        let mut sent = self.heads;
        for _ in 0..frames {
            let (stream, seq) = match self.down.back() {
                Some(Wire::Alert(item)) => (item.stream, item.seq),
                Some(Wire::Changed(stream, seq, _)) => (*stream, *seq),
                Some(Wire::Rest { after, .. }) => {
                    sent = *after;
                    self.down.pop_back();
                    break;
                }
                _ => break,
            };
            self.down.pop_back();
            let before = Seq(seq.0 - 1);
            match stream {
                Stream::User => sent.user = sent.user.min(before),
                Stream::All => sent.all = sent.all.min(before),
            }
        }
        self.catch_up(sent);
    }

    /// What changed and what is new since then: the changes now, the items page by page when their turn comes.
    fn catch_up(&mut self, from: Heads) {
        let cursor = cursor_at(from);
        let had = |entry: &&Entry| entry.seq <= position(from, entry.stream) && entry.changed_after(from);
        let changes: Vec<ChangedItem> = self
            .entries
            .iter()
            .filter(had)
            .map(|entry| ChangedItem {
                id: entry.id,
                version: entry.version(),
                state: entry.left.is_none().then_some(entry.state),
                left: entry.left.map(|(why, _)| why),
            })
            .collect();
        for changes in changes.chunks(self.page) {
            let covers = Covers { after: cursor, to: cursor };
            let (changes, items) = (changes.to_vec(), Vec::new());
            let page = CatchUp { changes, items, covers, unread: self.unread(), more: true };
            self.down.push_back(Wire::CatchUp(page));
        }
        self.down.push_back(Wire::Rest { after: from, to: self.heads });
    }

    fn here_after(&self, heads: Heads) -> impl Iterator<Item = &Entry> {
        let newer = move |entry: &&Entry| entry.left.is_none() && entry.seq > position(heads, entry.stream);
        self.entries.iter().filter(newer)
    }

    /// A page of items: first the user's stream, then that of all.
    fn page(&mut self, after: Heads, to: Heads) -> CatchUp {
        let mut items: Vec<&Entry> =
            self.here_after(after).filter(|entry| entry.seq <= position(to, entry.stream)).collect();
        items.sort_by_key(|entry| (entry.stream, entry.seq));
        let more = items.len() > self.page;
        items.truncate(self.page);
        let mut reached = after;
        for entry in &items {
            match entry.stream {
                Stream::User => reached.user = entry.seq,
                Stream::All => reached = Heads { user: to.user, all: entry.seq },
            }
        }
        let reached = if more { reached } else { to };
        let items = items.into_iter().map(|entry| Ok(self.item(entry))).collect();
        let covers = Covers { after: cursor_at(after), to: cursor_at(reached) };
        if more {
            self.down.push_front(Wire::Rest { after: reached, to });
        }
        CatchUp { changes: Vec::new(), items, covers, unread: self.unread(), more }
    }
}

#[derive(Debug, Default)]
struct App {
    items: BTreeMap<AlertId, (ItemState, Option<ChangedTo>)>,
    places: BTreeMap<AlertId, (Stream, Seq)>,
    unread: Option<u32>,
    last: Heads,
    /// What the list is complete above.
    complete_above: Heads,
    cursor: Option<Cursor>,
}

impl App {
    fn take(&mut self, event: Event, cursor: Option<Cursor>) {
        self.cursor = cursor.or(self.cursor);
        match event {
            Event::Alert(item, origin) => {
                let last = match item.stream {
                    Stream::User => &mut self.last.user,
                    Stream::All => &mut self.last.all,
                };
                assert!(item.seq > *last, "{:?} {} after {last} ({origin:?})", item.stream, item.seq);
                assert_eq!(origin == Origin::Live, item.state.is_none());
                *last = item.seq;
                for replaced in &item.replaces {
                    if let Some((_, left)) = self.items.get_mut(replaced) {
                        *left = Some(ChangedTo::Replaced);
                    }
                }
                self.add(&item);
            }
            Event::Changed(Changed::Live { change: Change { ids, up_to, state: to }, except, .. }) => {
                for (id, (state, left)) in &mut self.items {
                    let (stream, seq) = self.places[id];
                    let below = up_to.is_some_and(|up_to| seq <= position(heads_of(up_to), stream));
                    if left.is_some() || except.contains(id) {
                        continue;
                    }
                    if below || ids.as_ref().is_some_and(|ids| ids.contains(id)) {
                        match to {
                            ChangedTo::Recalled => *left = Some(to),
                            _ => apply(state, to),
                        }
                    }
                }
            }
            Event::Changed(Changed::CatchUp(changed)) => {
                // After a reset the list holds only a page; older items may change all the same.
                if let Some((state, left)) = self.items.get_mut(&changed.id) {
                    *state = changed.state.unwrap_or(*state);
                    *left = changed.left;
                }
            }
            Event::Reset(reset) => {
                self.items.clear();
                self.places.clear();
                self.last = heads_of(reset.cursor);
                self.complete_above = self.last;
                for item in &reset.items {
                    self.add(item);
                }
            }
            Event::Unread(unread) => self.unread = Some(unread),
            other => panic!("{other:?} is not told by the state"),
        }
    }

    fn add(&mut self, item: &Item) {
        let fresh = self.items.insert(item.id, (item.state.unwrap_or_default(), None)).is_none();
        assert!(fresh, "{} was told twice", item.id);
        self.places.insert(item.id, (item.stream, item.seq));
    }
}

struct World {
    server: Server,
    client: InboxState,
    app: App,
}

impl World {
    fn new(page: usize, max: Option<u32>) -> Self {
        let server = Server {
            entries: Vec::new(),
            heads: Heads::default(),
            page,
            down: VecDeque::new(),
            up: VecDeque::new(),
            live: false,
            acks: Vec::new(),
        };
        let mut world = Self { server, client: InboxState::new(None, max), app: App::default() };
        world.connect();
        world
    }

    /// Everything under way is lost.
    fn connect(&mut self) {
        self.server.down.clear();
        self.server.up.clear();
        self.server.live = false;
        let established = ConnectionEstablished {
            connection_id: ConnectionId(uuid::Uuid::nil()),
            user_id: UserId::new("ann").expect("is a user"),
            head: cursor_at(self.server.heads),
            unread: self.server.unread(),
            do_not_disturb: DoNotDisturbState::default(),
            preferences_rev: 0,
            heartbeat: Heartbeat { interval_ms: 30_000, timeout_ms: 10_000 },
            ack: AckMode::Frames,
            token_expires_at: None,
            server: ServerInfo { node: String::new(), version: String::new() },
        };
        let mut out = Vec::new();
        self.client.on_established(&established, &mut out);
        self.obey(out);
        // Resumed without a cursor, the server sends what comes after the head it told.
        self.server.live = self
            .server
            .up
            .iter()
            .any(|frame| matches!(frame, ClientFrame::Resume(Resume { cursor: None, .. })));
    }

    fn obey(&mut self, out: Vec<Output>) {
        let mut abandoned = false;
        for output in out {
            match output {
                Output::Event(event, cursor) => self.app.take(event, cursor),
                Output::Moved(cursor) => self.app.cursor = Some(cursor),
                Output::Send(frame) => self.server.up.push_back(frame),
                Output::Expect => assert!(self.client.is_asking()),
                Output::Abandon(_) => abandoned = true,
            }
        }
        if abandoned {
            return self.connect();
        }
        self.server.up.extend(self.client.take_receipts().into_iter().map(ClientFrame::Ack));
    }

    fn deliver(&mut self) -> bool {
        let Some(frame) = self.server.down.pop_front() else { return false };
        let mut out = Vec::new();
        match frame {
            Wire::Alert(item) => self.client.on_alert(*item, &mut out),
            Wire::Changed(stream, seq, data) => self.client.on_inbox_changed(stream, seq, data, &mut out),
            Wire::CatchUp(page) => self.client.on_catch_up(page, &mut out),
            Wire::Rest { after, to } => {
                let page = self.server.page(after, to);
                self.client.on_catch_up(page, &mut out);
            }
            Wire::Reset(reset) => self.client.on_reset(reset, &mut out),
            Wire::Ping(ping) => self.client.on_ping(ping, &mut out),
        }
        self.obey(out);
        true
    }

    fn heartbeat(&mut self) {
        if self.server.live {
            let (heads, unread) = (self.server.heads, self.server.unread());
            self.server.down.push_back(Wire::Ping(PingData { heads, unread }));
        }
    }

    fn impatience(&mut self) {
        let mut out = Vec::new();
        self.client.ask_again(&mut out);
        self.obey(out);
    }

    fn step(&mut self, step: Step) {
        let count = self.server.entries.len();
        let here = |server: &Server, which: usize| {
            let index = which.checked_rem(count)?;
            server.entries[index].left.is_none().then_some(index)
        };
        match step {
            Step::Publish(stream) => self.server.publish(stream, None),
            Step::Collapse(which) => {
                let old = here(&self.server, which);
                let of_user = old.filter(|old| self.server.entries[*old].stream == Stream::User);
                self.server.publish(Stream::User, of_user);
            }
            Step::Change(which, to) => {
                let Some(index) = here(&self.server, which) else { return };
                self.server.change(Stream::User, |server, seq| {
                    let entry = &mut server.entries[index];
                    apply(&mut entry.state, to);
                    entry.marked = seq;
                    Change { ids: Some(vec![entry.id]), up_to: None, state: to }
                });
            }
            Step::ReadUpTo => {
                let up_to = cursor_at(self.server.heads);
                self.server.change(Stream::User, |server, seq| {
                    for entry in server.entries.iter_mut().filter(|entry| entry.left.is_none()) {
                        apply(&mut entry.state, ChangedTo::Read);
                        entry.marked = seq;
                    }
                    Change { ids: None, up_to: Some(up_to), state: ChangedTo::Read }
                });
            }
            Step::Recall(which) => {
                let Some(index) = here(&self.server, which) else { return };
                self.server.change(self.server.entries[index].stream, |server, seq| {
                    let entry = &mut server.entries[index];
                    entry.left = Some((ChangedTo::Recalled, seq));
                    Change { ids: Some(vec![entry.id]), up_to: None, state: ChangedTo::Recalled }
                });
            }
            Step::Deliver(frames) => (0..frames).for_each(|_| _ = self.deliver()),
            Step::ServerReads => self.server.reads(),
            Step::Lose => {
                if let Some(Wire::Alert(_) | Wire::Changed(..)) = self.server.down.front() {
                    self.server.down.pop_front();
                }
            }
            Step::Double => match self.server.down.front() {
                Some(Wire::Alert(item)) => self.server.down.push_front(Wire::Alert(item.clone())),
                Some(Wire::Changed(stream, seq, data)) => {
                    self.server.down.push_front(Wire::Changed(*stream, *seq, data.clone()));
                }
                _ => {}
            },
            Step::Swap => {
                let stream = |frame: &Wire| match frame {
                    Wire::Alert(item) => Some(item.stream),
                    Wire::Changed(stream, ..) => Some(*stream),
                    _ => None,
                };
                let front: Vec<_> = self.server.down.iter().take(2).filter_map(stream).collect();
                if matches!(front[..], [first, second] if first == second) {
                    self.server.down.swap(0, 1);
                }
            }
            Step::Heartbeat => self.heartbeat(),
            Step::Lag(frames) if self.server.live => self.server.lag(frames),
            Step::Lag(_) => {}
            Step::PassOver if self.server.live => {
                self.server.up.retain(|frame| !matches!(frame, ClientFrame::Resume(_)));
            }
            Step::PassOver => {}
            Step::Impatience => self.impatience(),
            Step::Reconnect => self.connect(),
        }
    }

    /// Lets everything arrive; a heartbeat or two find what was lost at the end.
    fn settle(&mut self) {
        for _ in 0..4 {
            self.impatience();
            self.server.reads();
            self.heartbeat();
            let mut frames = 0;
            while self.deliver() {
                self.server.reads();
                frames += 1;
                assert!(frames < 10_000, "client and server keep each other busy for ever");
            }
        }
    }

    fn check(&self) {
        let Self { server, client, app } = self;
        assert_eq!(client.cursor().map(heads_of), Some(server.heads), "the client stands at the head");
        assert_eq!(app.cursor, client.cursor(), "and so does the application");
        assert_eq!(app.unread, Some(server.unread()), "unread");
        for entry in &server.entries {
            match app.items.get(&entry.id) {
                Some(held) => {
                    assert_eq!(held.1, entry.left.map(|(why, _)| why), "{entry:?}");
                    assert!(held.1.is_some() || held.0 == entry.state, "{held:?} instead of {entry:?}");
                }
                None => {
                    let due = entry.seq > position(app.complete_above, entry.stream);
                    assert!(entry.left.is_some() || !due, "{entry:?} is missing");
                }
            }
        }
    }

    /// Nothing is confirmed that the application was not told and that is still there to be told.
    fn check_acks(&self) {
        for ack in &self.server.acks {
            let (Some(stream), Some(after), Some(up_to)) = (ack.stream, ack.after, ack.up_to) else {
                continue;
            };
            assert!(after < up_to, "{ack:?}");
            for entry in self.server.entries.iter().filter(|entry| entry.stream == stream) {
                let told = self.app.items.contains_key(&entry.id) || entry.left.is_some();
                let below = entry.seq <= position(self.app.complete_above, stream);
                assert!(told || below || entry.seq <= after || entry.seq > up_to, "{ack:?} {entry:?}");
            }
        }
    }

    /// What the application was told is confirmed, also where the first confirmation was lost.
    fn check_confirmed(&self) {
        let confirmed = |entry: &Entry| {
            self.server.acks.iter().any(|ack| {
                let named = ack.ids.as_ref().is_some_and(|ids| ids.contains(&entry.id));
                named
                    || ack.stream == Some(entry.stream)
                        && ack.after < Some(entry.seq)
                        && ack.up_to >= Some(entry.seq)
            })
        };
        for entry in self.server.entries.iter().filter(|entry| self.app.items.contains_key(&entry.id)) {
            assert!(confirmed(entry), "{entry:?} was told and not confirmed");
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_lost_on_the_way_the_client_ends_with_the_servers_state(
        steps in steps(),
        page in 1..5usize,
        max in prop::option::weighted(0.3, 2..8u32),
    ) {
        let mut world = World::new(page, max);
        for step in steps {
            world.step(step);
            world.check_acks();
        }
        world.settle();
        world.check();
        world.check_acks();
        world.check_confirmed();
    }
}

#[test]
fn announcements_that_were_marked_before_they_came_are_fetched_as_they_are() {
    let start = Heads { user: Seq(4), all: Seq(2) };
    let mut client = InboxState::new(Some(cursor_at(start)), None);
    let up_to = Some(cursor_at(Heads { user: Seq(4), all: Seq(3) }));
    let changes = vec![Change { ids: None, up_to, state: ChangedTo::Read }];
    let mut out = Vec::new();
    client.on_inbox_changed(Stream::User, Seq(5), InboxChanged { changes, unread: 0 }, &mut out);
    let [Output::Send(ClientFrame::Resume(resume)), Output::Expect] = &out[..] else { panic!("{out:?}") };
    assert_eq!(resume.cursor, Some(cursor_at(start).to_string()));
}

#[test]
fn an_answer_that_is_set_aside_is_set_aside_to_its_end() {
    let at = |user| cursor_at(Heads { user: Seq(user), all: Seq(0) });
    let page = |after, to, more| CatchUp {
        changes: Vec::new(),
        items: Vec::new(),
        covers: Covers { after: at(after), to: at(to) },
        unread: 0,
        more,
    };
    let mut client = InboxState::new(Some(at(7)), None);
    let mut out = Vec::new();
    // It stands at 7 already: what changed among the first seven was told in the page that it sets aside.
    client.on_catch_up(page(3, 7, true), &mut out);
    client.on_catch_up(page(7, 9, false), &mut out);
    assert_eq!(client.cursor(), Some(at(7)));
    let asked = out.iter().filter(|output| matches!(output, Output::Send(ClientFrame::Resume(_)))).count();
    assert_eq!(asked, 1, "there is more to have: {out:?}");
    client.on_catch_up(page(7, 9, false), &mut out);
    assert_eq!(client.cursor(), Some(at(9)), "the answer to its own question");
}

#[test]
fn a_server_that_never_fills_a_gap_is_left() {
    let mut client = InboxState::new(Some(cursor_at(Heads { user: Seq(4), all: Seq(0) })), None);
    let mut abandoned = false;
    for seq in 6..12 {
        let mut out = Vec::new();
        let data = InboxChanged { changes: Vec::new(), unread: 0 };
        client.on_inbox_changed(Stream::User, Seq(seq), data, &mut out);
        let cursor = client.cursor().expect("it has one");
        let covers = Covers { after: cursor, to: cursor };
        let empty = CatchUp { changes: Vec::new(), items: Vec::new(), covers, unread: 0, more: false };
        client.on_catch_up(empty, &mut out);
        abandoned |= out.iter().any(|output| matches!(output, Output::Abandon(_)));
    }
    assert!(abandoned);
}
