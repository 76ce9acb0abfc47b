//! Where the subscriber stands in both streams: what is new, what is double, what is missing. No I/O, no clock.

use crate::event::{Changed, Event, Origin, Trouble};
use crate::wire::{CatchUp, Unreadable};
use belfry_protocol::frame::{
    Change, ChangedItem, ConnectionEstablished, Heads, InboxChanged, PingData, Reset, Resume,
};
use belfry_protocol::inbox::Ack;
use belfry_protocol::{AlertId, ClientFrame, Cursor, Item, Level, Seq, Stream};
use std::collections::HashMap;

/// Most ids in one frame of ours: an id takes 39 bytes, and the server takes frames of 16 KiB.
pub(crate) const IDS_PER_FRAME: usize = 256;
/// Resumes in a row that bring nothing before the connection is given up.
const FRUITLESS_MAX: u32 = 3;

/// What follows from a frame.
#[derive(Debug, Clone)]
pub enum Output {
    /// Tell the application; once it has the event it stands at the cursor.
    Event(Event, Option<Cursor>),
    /// The cursor moved without an event.
    Moved(Cursor),
    /// Send this.
    Send(ClientFrame),
    /// An answer to a resume, or more of it, has to come; without one, [`InboxState::ask_again`].
    Expect,
    /// This connection cannot close the gap: make another one.
    Abandon(&'static str),
}

/// Both streams' positions and what is known ahead of them.
#[derive(Debug)]
pub struct InboxState {
    max: Option<u32>,
    cursor: Option<Cursor>,
    unread: Option<u32>,
    /// Items that a catch-up told at a state newer than the cursor, with that version.
    ahead: HashMap<AlertId, Seq>,
    /// A `resume` is under way.
    asking: bool,
    /// Where the answer that is being set aside goes on.
    aside: Option<Cursor>,
    /// Resumes for a gap since the cursor last moved.
    fruitless: u32,
    receipts: Receipts,
}

/// What was applied and is not confirmed yet.
#[derive(Debug, Default)]
struct Receipts {
    /// Where the unbroken run of applied frames began.
    from: Heads,
    confirmed: Heads,
    applied: Heads,
    ids: Vec<AlertId>,
    /// The page of the last reset, which no range covers.
    page: Vec<AlertId>,
}

impl InboxState {
    /// Starts at a cursor that was kept, or at the head that the server names first.
    pub fn new(from: Option<Cursor>, max: Option<u32>) -> Self {
        let mut state = Self {
            max,
            cursor: from,
            unread: None,
            ahead: HashMap::new(),
            asking: false,
            aside: None,
            fruitless: 0,
            receipts: Receipts::default(),
        };
        if let Some(cursor) = from {
            state.receipts.start(cursor);
        }
        state
    }

    /// Where it stands.
    pub fn cursor(&self) -> Option<Cursor> {
        self.cursor
    }

    /// The last unread count that the server named.
    pub fn unread(&self) -> Option<u32> {
        self.unread
    }

    /// A connection was established: resumes.
    pub fn on_established(&mut self, established: &ConnectionEstablished, out: &mut Vec<Output>) {
        self.fruitless = 0;
        self.asking = false;
        self.aside = None;
        match self.cursor {
            Some(cursor) if is_beyond(cursor, established.head) => {
                // Another numbering: our numbers would confirm alerts there that never came here.
                self.receipts.start(cursor);
                self.resume(cursor, out);
            }
            Some(cursor) => {
                // A confirmation may have been lost with the last connection; it does no harm twice.
                self.receipts.again();
                self.resume(cursor, out);
            }
            None => {
                self.cursor = Some(established.head);
                self.receipts.start(established.head);
                out.push(Output::Moved(established.head));
                out.push(Output::Send(ClientFrame::Resume(Resume { cursor: None, max: self.max })));
            }
        }
        self.tell_unread(established.unread, out);
    }

    /// A live alert.
    pub fn on_alert(&mut self, item: Item, out: &mut Vec<Output>) {
        if !self.steps_to(item.stream, item.seq, out) {
            return;
        }
        let unread = item.unread;
        self.receipts.applied(item.stream, item.seq);
        out.push(Output::Event(Event::Alert(Box::new(item), Origin::Live), self.cursor));
        if let Some(unread) = unread {
            self.tell_unread(unread, out);
        }
    }

    /// A live change.
    pub fn on_inbox_changed(&mut self, stream: Stream, seq: Seq, data: InboxChanged, out: &mut Vec<Output>) {
        let told_more = |change: &Change| {
            let up_to = change.up_to.zip(self.cursor);
            stream == Stream::User && up_to.is_some_and(|(up_to, at)| up_to.all > at.all)
        };
        if !self.asking && data.changes.iter().any(told_more) {
            // Another device marked announcements that did not come here yet; they have to come as they are now.
            return self.mind_gap(out);
        }
        if !self.steps_to(stream, seq, out) {
            return;
        }
        let newer = |id: &AlertId| stream == Stream::User && self.ahead.get(id).is_some_and(|v| *v >= seq);
        for Change { ids, up_to, state } in data.changes {
            let ids = ids.map(|ids| ids.into_iter().filter(|id| !newer(id)).collect::<Vec<_>>());
            let except: Vec<AlertId> = match up_to {
                Some(_) => self.ahead.keys().copied().filter(newer).collect(),
                None => Vec::new(),
            };
            if up_to.is_some() || ids.as_ref().is_some_and(|ids| !ids.is_empty()) {
                let change = Change { ids, up_to, state };
                let changed = Changed::Live { stream, seq, change, except };
                out.push(Output::Event(Event::Changed(changed), None));
            }
        }
        self.forget_reached();
        self.tell_unread(data.unread, out);
        self.moved(out);
    }

    /// Something live that cannot be read: its place is taken all the same, or the stream would stand still for ever.
    pub fn on_unreadable(&mut self, unreadable: Unreadable, out: &mut Vec<Output>) {
        if self.steps_to(unreadable.stream, unreadable.seq, out) {
            out.push(Output::Event(Event::Error(Trouble::Unreadable(unreadable.why)), self.cursor));
        }
    }

    /// A page of what was missed.
    pub fn on_catch_up(&mut self, page: CatchUp, out: &mut Vec<Output>) {
        let CatchUp { changes, items, covers, unread, more } = page;
        let Some(mut cursor) = self.cursor else { return };
        // The answer to an older question counts from a place that we have left: what it leaves out because we seemed
        // not to have it, or brings at a newer state, we could not tell apart. It is set aside to its end: a later page
        // of it may begin just where we stand, but the changes that belong to it were in the pages before.
        let goes_on_aside = self.aside.take() == Some(covers.after);
        if goes_on_aside || covers.after != cursor {
            self.aside = more.then_some(covers.to);
            if !self.asking && is_beyond(covers.to, cursor) {
                self.mind_gap(out);
            }
            return;
        }
        let before = cursor;
        // Only the items half moves the cursor: a break between both halves must bring the changes again.
        let changes_only = items.is_empty() && !changes.is_empty() && more;
        for item in changes {
            self.told_ahead(&item);
            out.push(Output::Event(Event::Changed(Changed::CatchUp(item)), None));
        }
        for item in items {
            let (stream, seq) = match &item {
                Ok(item) => (item.stream, item.seq),
                Err(unreadable) => (unreadable.stream, unreadable.seq),
            };
            if seq <= position(&cursor, stream) {
                // Twice in one page: a server's slip that must not become ours.
                continue;
            }
            set_position(&mut cursor, stream, seq);
            self.cursor = Some(cursor);
            let event = match item {
                Ok(item) => {
                    self.receipts.applied(stream, seq);
                    self.told_item_ahead(&item);
                    Event::Alert(Box::new(item), Origin::CatchUp)
                }
                Err(unreadable) => Event::Error(Trouble::Unreadable(unreadable.why)),
            };
            out.push(Output::Event(event, self.cursor));
        }
        if !changes_only {
            cursor.user = cursor.user.max(covers.to.user);
            cursor.all = cursor.all.max(covers.to.all);
        }
        // A page shows that the answer is on its way, however long it takes.
        self.asking = more;
        if more {
            out.push(Output::Expect);
        }
        if cursor != before {
            self.fruitless = 0;
        }
        self.cursor = Some(cursor);
        self.forget_reached();
        self.tell_unread(unread, out);
        self.moved(out);
    }

    /// The position meant nothing: starts over from the server's.
    pub fn on_reset(&mut self, reset: Reset, out: &mut Vec<Output>) {
        self.cursor = Some(reset.cursor);
        self.asking = false;
        self.aside = None;
        self.fruitless = 0;
        self.ahead.clear();
        // What lies between the old position and the page was never received, so the page is confirmed by ids.
        self.receipts.start(reset.cursor);
        self.receipts.page = reset.items.iter().map(|item| item.id).collect();
        self.receipts.ids.clone_from(&self.receipts.page);
        let unread = reset.unread;
        out.push(Output::Event(Event::Reset(Box::new(reset)), self.cursor));
        self.tell_unread(unread, out);
    }

    /// A heartbeat says what was sent on this connection: being behind it means that something was lost.
    pub fn on_ping(&mut self, ping: PingData, out: &mut Vec<Output>) {
        let Some(cursor) = self.cursor else { return };
        let heads = Cursor { user: ping.heads.user, all: ping.heads.all, ..cursor };
        if !self.asking && is_beyond(heads, cursor) {
            self.mind_gap(out);
        }
        self.tell_unread(ping.unread, out);
    }

    /// No answer came in time: the server was busy with something else and passed the question over.
    pub fn ask_again(&mut self, out: &mut Vec<Output>) {
        if let Some(cursor) = self.cursor.filter(|_| self.asking) {
            self.resume(cursor, out);
        }
    }

    /// Whether a `resume` is under way.
    pub fn is_asking(&self) -> bool {
        self.asking
    }

    /// The server ignored frames of ours: confirms everything again.
    pub fn on_ignored(&mut self) {
        self.receipts.again();
    }

    /// Confirmations of what was applied since the last call; ranges begin where this unbroken run began.
    pub fn take_receipts(&mut self) -> Vec<Ack> {
        let Receipts { from, confirmed, applied, ids, .. } = &mut self.receipts;
        let mut acks = Vec::new();
        for (stream, from, confirmed, applied) in [
            (Stream::User, from.user, &mut confirmed.user, applied.user),
            (Stream::All, from.all, &mut confirmed.all, applied.all),
        ] {
            if applied > *confirmed {
                *confirmed = applied;
                acks.push(Ack {
                    stream: Some(stream),
                    after: Some(from),
                    up_to: Some(applied),
                    ids: None,
                    level: Level::Received,
                });
            }
        }
        for ids in std::mem::take(ids).chunks(IDS_PER_FRAME) {
            acks.push(Ack {
                stream: None,
                after: None,
                up_to: None,
                ids: Some(ids.to_vec()),
                level: Level::Received,
            });
        }
        acks
    }

    /// Whether [`InboxState::take_receipts`] has something.
    pub fn has_receipts(&self) -> bool {
        let Receipts { confirmed, applied, ids, .. } = &self.receipts;
        applied.user > confirmed.user || applied.all > confirmed.all || !ids.is_empty()
    }

    /// Moves one step where the frame is the next one; a double is dropped, a gap asks for what is missing.
    fn steps_to(&mut self, stream: Stream, seq: Seq, out: &mut Vec<Output>) -> bool {
        // What is sent before the answer to a resume lies below the head that the answer reaches. Applying it here would
        // part our position from the one the server answers for: a change in the gap to an alert applied meanwhile would
        // come neither as a change nor as an item.
        if self.asking {
            return false;
        }
        let Some(cursor) = &mut self.cursor else { return false };
        let at = position(cursor, stream);
        if seq == at.next() {
            set_position(cursor, stream, seq);
            self.fruitless = 0;
            return true;
        }
        if seq > at {
            self.mind_gap(out);
        }
        false
    }

    fn mind_gap(&mut self, out: &mut Vec<Output>) {
        let Some(cursor) = self.cursor else { return };
        if self.fruitless >= FRUITLESS_MAX {
            return out.push(Output::Abandon("the server does not fill the gap"));
        }
        self.fruitless += 1;
        self.resume(cursor, out);
    }

    fn resume(&mut self, cursor: Cursor, out: &mut Vec<Output>) {
        self.asking = true;
        let resume = Resume { cursor: Some(cursor.to_string()), max: self.max };
        out.push(Output::Send(ClientFrame::Resume(resume)));
        out.push(Output::Expect);
    }

    fn tell_unread(&mut self, unread: u32, out: &mut Vec<Output>) {
        if self.unread.replace(unread) != Some(unread) {
            out.push(Output::Event(Event::Unread(unread), None));
        }
    }

    fn moved(&self, out: &mut Vec<Output>) {
        out.extend(self.cursor.map(Output::Moved));
    }

    fn told_ahead(&mut self, item: &ChangedItem) {
        // What left the list does not change any more.
        if item.left.is_none() {
            self.ahead.insert(item.id, item.version);
        }
    }

    fn told_item_ahead(&mut self, item: &Item) {
        // An announcement that nobody marked is versioned in its own stream, which says nothing about the user's.
        if let Some(version) = item.version
            && (item.stream == Stream::User || version != item.seq)
        {
            self.ahead.insert(item.id, version);
        }
    }

    fn forget_reached(&mut self) {
        if let Some(cursor) = self.cursor {
            self.ahead.retain(|_, version| *version > cursor.user);
        }
    }
}

impl Receipts {
    fn start(&mut self, cursor: Cursor) {
        let heads = Heads { user: cursor.user, all: cursor.all };
        *self = Self { from: heads, confirmed: heads, applied: heads, ..Self::default() };
    }

    fn again(&mut self) {
        self.confirmed = self.from;
        self.ids.clone_from(&self.page);
    }

    fn applied(&mut self, stream: Stream, seq: Seq) {
        match stream {
            Stream::User => self.applied.user = self.applied.user.max(seq),
            Stream::All => self.applied.all = self.applied.all.max(seq),
        }
    }
}

/// Whether something lies between: in another epoch everything does.
fn is_beyond(there: Cursor, here: Cursor) -> bool {
    there.epoch != here.epoch || there.user > here.user || there.all > here.all
}

fn position(cursor: &Cursor, stream: Stream) -> Seq {
    match stream {
        Stream::User => cursor.user,
        Stream::All => cursor.all,
    }
}

fn set_position(cursor: &mut Cursor, stream: Stream, seq: Seq) {
    match stream {
        Stream::User => cursor.user = seq,
        Stream::All => cursor.all = seq,
    }
}
