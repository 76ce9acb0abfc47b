//! Ten thousand random operations against a model in plain memory, and clients that come back from any earlier cursor.

use crate::harness::*;
use belfry_protocol::inbox::ChangedTo;
use belfry_protocol::{AlertId, Audience, ItemState, Level, Seq, StateChange, Stream};
use belfry_store::*;
use std::collections::BTreeMap;

const NAMES: [&str; 6] = ["ann", "bob", "cid", "dot", "eve", "fay"];
/// They come one after the other, when much has been said already.
const NEWCOMERS: [&str; 12] =
    ["gus", "hal", "ida", "jon", "kim", "leo", "mia", "ned", "ola", "pam", "ray", "sue"];
const KEYS: [&str; 3] = ["price", "stock", "news"];
const CHANGES: [StateChange; 6] = [
    StateChange::Seen,
    StateChange::Read,
    StateChange::Unread,
    StateChange::Archived,
    StateChange::Unarchived,
    StateChange::Acted,
];

#[derive(Debug, Clone)]
struct Item {
    id: AlertId,
    seq: u64,
    state: ItemState,
    here: bool,
    expires_at: Option<i64>,
    collapse_key: Option<String>,
    /// Of an announcement: for those who come later, too.
    latecomers: bool,
}

impl Item {
    fn new(id: AlertId, seq: u64, content: &Content) -> Self {
        Self {
            id,
            seq,
            state: ItemState::default(),
            here: true,
            expires_at: content.expires_at.map(|at| at.0),
            collapse_key: content.collapse_key.clone(),
            latecomers: false,
        }
    }

    fn unread(&self) -> bool {
        self.here && !self.state.read && !self.state.archived
    }

    fn over(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// The rules of a change, said once more in other words.
fn changed(before: ItemState, change: StateChange) -> ItemState {
    let mut state = before;
    match change {
        StateChange::Seen => state.seen = true,
        StateChange::Read => (state.seen, state.read) = (true, true),
        StateChange::Unread if state.archived => {}
        StateChange::Unread => state.read = false,
        StateChange::Archived => (state.seen, state.read, state.archived) = (true, true, true),
        StateChange::Unarchived => state.archived = false,
        StateChange::Acted => (state.seen, state.read, state.acted) = (true, true, true),
    }
    state
}

#[derive(Debug, Clone, Default)]
struct Person {
    head: u64,
    items: Vec<Item>,
    all_from: u64,
    /// Older announcements that this person began with.
    begun_with: Vec<AlertId>,
    marks: BTreeMap<AlertId, ItemState>,
}

impl Person {
    fn sees(&self, announcement: &Item) -> bool {
        announcement.seq > self.all_from || self.begun_with.contains(&announcement.id)
    }
}

#[derive(Debug, Clone, Default)]
struct Model {
    people: BTreeMap<&'static str, Person>,
    all_head: u64,
    all: Vec<Item>,
    recalled: Vec<AlertId>,
}

type Picture = BTreeMap<AlertId, ItemState>;

impl Model {
    fn person(&mut self, name: &'static str) -> &mut Person {
        let begun_with =
            || self.all.iter().filter(|item| item.here && item.latecomers).map(|item| item.id).collect();
        let all_from = self.all_head;
        let newcomer = || Person { all_from, begun_with: begun_with(), ..Person::default() };
        self.people.entry(name).or_insert_with(newcomer)
    }

    fn mark(&self, name: &str, item: &Item) -> ItemState {
        self.people[name].marks.get(&item.id).copied().unwrap_or_default()
    }

    fn announcements(&self, name: &str) -> impl Iterator<Item = &Item> {
        let person = &self.people[name];
        self.all.iter().filter(|item| item.here && person.sees(item))
    }

    fn unread(&self, name: &str) -> Unread {
        let user = self.people[name].items.iter().filter(|item| item.unread()).count() as u32;
        let all = self.announcements(name).filter(|item| {
            let state = self.mark(name, item);
            !state.read && !state.archived
        });
        Unread { user, all: all.count() as u32 }
    }

    fn heads(&self, name: &str) -> Heads {
        heads(self.people[name].head, self.all_head)
    }

    /// Everything a client of this person should show, archived items too.
    fn picture(&self, name: &str) -> Picture {
        let own = self.people[name].items.iter().filter(|item| item.here).map(|item| (item.id, item.state));
        own.chain(self.announcements(name).map(|item| (item.id, self.mark(name, item)))).collect()
    }

    fn arrive(&mut self, name: &'static str, id: AlertId, content: &Content) -> (u64, Option<AlertId>) {
        let now = content.created_at.0;
        let person = self.person(name);
        person.head += 1;
        let mut replaced = None;
        if let Some(key) = &content.collapse_key {
            let same = |item: &&mut Item| {
                item.unread() && !item.over(now) && item.collapse_key.as_ref() == Some(key)
            };
            if let Some(old) = person.items.iter_mut().rev().find(same) {
                old.here = false;
                replaced = Some(old.id);
            }
        }
        person.items.push(Item::new(id, person.head, content));
        (person.head, replaced)
    }

    fn announce(&mut self, id: AlertId, content: &Content, latecomers: bool) -> (u64, Option<AlertId>) {
        let now = content.created_at.0;
        self.all_head += 1;
        let mut replaced = None;
        if let Some(key) = &content.collapse_key {
            let same =
                |item: &&mut Item| item.here && !item.over(now) && item.collapse_key.as_ref() == Some(key);
            if let Some(old) = self.all.iter_mut().rev().find(same) {
                old.here = false;
                replaced = Some(old.id);
            }
        }
        self.all.push(Item { latecomers, ..Item::new(id, self.all_head, content) });
        (self.all_head, replaced)
    }

    fn change(&mut self, name: &'static str, selection: &Selection, change: StateChange) -> bool {
        let chosen = |item: &Item, up_to: fn(&Heads) -> Seq| match selection {
            Selection::Ids(ids) => ids.contains(&item.id),
            Selection::UpTo(heads) => item.seq <= up_to(heads).0,
        };
        let mut any = false;
        for item in self.person(name).items.iter_mut().filter(|item| item.here) {
            if chosen(item, |heads| heads.user) && changed(item.state, change) != item.state {
                item.state = changed(item.state, change);
                any = true;
            }
        }
        let announcements: Vec<Item> = self.announcements(name).cloned().collect();
        for item in &announcements {
            let before = self.mark(name, item);
            if chosen(item, |heads| heads.all) && changed(before, change) != before {
                self.person(name).marks.insert(item.id, changed(before, change));
                any = true;
            }
        }
        self.person(name).head += u64::from(any);
        any
    }

    /// Takes what `leaves` says out of every list: who is told which number.
    fn leave(&mut self, leaves: impl Fn(&Item) -> bool) -> (BTreeMap<&'static str, u64>, Option<u64>) {
        let mut told = BTreeMap::new();
        for (name, person) in &mut self.people {
            let mut any = false;
            for item in person.items.iter_mut().filter(|item| item.here && leaves(item)) {
                item.here = false;
                any = true;
            }
            if any {
                person.head += 1;
                told.insert(*name, person.head);
            }
        }
        let mut any = false;
        for item in self.all.iter_mut().filter(|item| item.here && leaves(item)) {
            item.here = false;
            any = true;
        }
        self.all_head += u64::from(any);
        (told, any.then_some(self.all_head))
    }
}

/// A client that went away.
struct Away {
    name: &'static str,
    at: Heads,
    picture: Picture,
}

struct Run {
    it: TestStore,
    model: Model,
    random: fastrand::Rng,
    now: i64,
    ids: Vec<AlertId>,
    away: Vec<Away>,
    /// How many of the newcomers may have come.
    come: usize,
}

impl Run {
    fn name(&mut self) -> &'static str {
        if self.come > 0 && self.random.u8(..4) == 0 {
            return NEWCOMERS[self.random.usize(..self.come)];
        }
        NAMES[self.random.usize(..NAMES.len())]
    }

    fn content(&mut self) -> Content {
        let mut made = content();
        made.created_at = UnixMs(self.now);
        if self.random.u8(..3) == 0 {
            made.collapse_key = Some(KEYS[self.random.usize(..KEYS.len())].to_owned());
        }
        if self.random.u8(..4) == 0 {
            made.expires_at = Some(UnixMs(self.now + self.random.i64(1..2_000)));
        }
        made
    }

    fn some_ids(&mut self) -> Vec<AlertId> {
        let count = self.random.usize(1..6);
        // Mostly young ones.
        let low = self.ids.len().saturating_sub(40);
        (0..count).map(|_| self.ids[self.random.usize(low.min(self.ids.len() - 1)..self.ids.len())]).collect()
    }

    async fn publish(&mut self) {
        let content = self.content();
        let first = self.random.usize(..NAMES.len());
        let latecomers = self.random.bool();
        let names: Vec<&'static str> = match self.random.u8(..10) {
            0..6 => vec![self.name()],
            6..9 => NAMES[first..(first + 3).min(NAMES.len())].to_vec(),
            _ => Vec::new(),
        };
        let audience = match &names[..] {
            [] => Audience::Everyone(true),
            [one] => Audience::User(user(one)),
            few => Audience::Users(few.iter().map(|one| user(one)).collect()),
        };
        // For others than everyone it says nothing.
        let alert = NewAlert { latecomers, ..self.it.alert(audience, content.clone()) };
        let published = self.it.store.publish(alert, content.created_at).await.unwrap();
        self.ids.push(published.id);
        if names.is_empty() {
            let (seq, replaced) = self.model.announce(published.id, &content, latecomers);
            assert_eq!((published.all_seq, published.all_replaced), (Some(Seq(seq)), replaced));
        }
        for (name, notified) in names.into_iter().zip(&published.notifications) {
            let (seq, replaced) = self.model.arrive(name, published.id, &content);
            assert_eq!((notified.seq, notified.replaced), (Seq(seq), replaced));
            assert_eq!(notified.unread, self.model.unread(name).user);
        }
    }

    async fn change(&mut self) {
        let name = self.name();
        let change = CHANGES[self.random.usize(..CHANGES.len())];
        let head = self.model.person(name).head;
        let selection = if self.random.bool() {
            Selection::UpTo(heads(self.random.u64(0..=head), self.random.u64(0..=self.model.all_head)))
        } else {
            Selection::Ids(self.some_ids())
        };
        let any = self.model.change(name, &selection, change);
        let done = self.it.store.change_state(&user(name), selection.clone(), change, UnixMs(self.now)).await;
        let expected =
            StateChanged { seq: self.model.heads(name).user, unread: self.model.unread(name), changed: any };
        assert_eq!(done, Ok(expected), "{name} {selection:?} {change:?}");
    }

    async fn recall(&mut self) {
        let id = self.some_ids()[0];
        let recalled = self.it.store.recall(id, UnixMs(self.now)).await.unwrap().unwrap();
        let (told, all) = self.model.leave(|item| item.id == id);
        if self.model.recalled.contains(&id) {
            assert_eq!(recalled, Recalled::default());
            return;
        }
        self.model.recalled.push(id);
        self.compare_changes(&recalled.changes, told, ChangedTo::Recalled);
        assert_eq!(recalled.all.map(|one| one.seq.0), all);
    }

    async fn sweep(&mut self) {
        self.now += self.random.i64(0..300);
        let now = self.now;
        let swept = self.it.store.sweep_expired(UnixMs(now), 10_000).await.unwrap();
        let (told, all) = self.model.leave(|item| item.over(now));
        self.compare_changes(&swept.changes, told, ChangedTo::Expired);
        assert_eq!(swept.all.first().map(|one| one.seq.0), all);
        assert!(!swept.more);
    }

    fn compare_changes(&self, changes: &[UserChange], told: BTreeMap<&'static str, u64>, to: ChangedTo) {
        let got: BTreeMap<&str, u64> = changes.iter().map(|one| (one.user.as_str(), one.seq.0)).collect();
        assert_eq!(got, told);
        for change in changes {
            let name = change.user.as_str();
            assert_eq!((change.unread, change.to), (self.model.unread(name).user, to), "{name}");
        }
    }

    fn acknowledge(&mut self) {
        let name = self.name();
        let ack = if self.random.bool() {
            let up_to = self.random.u64(0..self.model.all_head + 60);
            let stream = if self.random.bool() { Stream::User } else { Stream::All };
            let width = self.random.u64(0..5);
            AckRow::Range {
                stream,
                after: Seq(up_to.saturating_sub(width)),
                up_to: Seq(up_to),
                level: Level::Received,
            }
        } else {
            let level = if self.random.bool() { Level::Received } else { Level::Displayed };
            AckRow::Ids { ids: self.some_ids(), level }
        };
        self.it.store.acknowledge(&user(name), ack, UnixMs(self.now)).unwrap();
    }

    async fn compare(&mut self, it: &TestStore, name: &'static str) {
        let standing = it.standing(name).await;
        assert_eq!(standing.head, self.model.heads(name), "{name}");
        assert_eq!(standing.unread, self.model.unread(name), "{name}");
        let mut listed = Picture::new();
        for archived in [false, true] {
            let mut before = None;
            loop {
                let query = InboxQuery { limit: 7, before, archived, ..InboxQuery::default() };
                let rows = it.store.inbox(&user(name), query).await.unwrap();
                assert!(rows.items.windows(2).all(|two| two[0].id > two[1].id));
                listed.extend(rows.items.iter().map(|item| (item.id, item.state)));
                before = rows.next;
                if before.is_none() {
                    break;
                }
            }
        }
        assert_eq!(listed, self.model.picture(name), "{name}");
    }

    /// A client comes back and shows what the server's list shows.
    async fn come_back(&mut self, it: &TestStore, away: &Away) {
        let name = user(away.name);
        let mut picture = away.picture.clone();
        let to = it.standing(away.name).await.head;
        for change in it.store.changed_since(&name, away.at, to, 100_000).await.unwrap() {
            match change.now {
                ItemNow::Here(state) => {
                    if let Some(known) = picture.get_mut(&change.id) {
                        *known = state;
                    }
                }
                ItemNow::Left(_) => {
                    picture.remove(&change.id);
                }
            }
        }
        let count = it.store.count_after(&name, away.at, to, u32::MAX).await.unwrap();
        let (mut after, mut seen) = (away.at, 0);
        loop {
            let limit = PageLimit { items: 5, bytes: 300 };
            let page = it.store.items_after(&name, after, to, limit).await.unwrap();
            seen += page.items.len() as u32;
            picture.extend(page.items.iter().map(|item| (item.id, item.state)));
            after = page.reached;
            if !page.more {
                break;
            }
        }
        assert_eq!((after, seen), (to, count));
        assert_eq!(picture, self.model.picture(away.name), "{} from {:?}", away.name, away.at);
    }

    async fn step(&mut self, number: usize) {
        self.come = (number / 250).min(NEWCOMERS.len());
        let known = self.model.people.len();
        match self.random.u8(..20) {
            0..9 => self.publish().await,
            9..14 if !self.ids.is_empty() => self.change().await,
            14 if !self.ids.is_empty() => self.recall().await,
            15..17 => self.sweep().await,
            17..20 if !self.ids.is_empty() => self.acknowledge(),
            _ => self.publish().await,
        }
        if number.is_multiple_of(10) {
            let name = self.name();
            self.it.store.connect(&user(name), UnixMs(self.now)).await.unwrap();
            self.model.person(name);
            let away = Away { name, at: self.model.heads(name), picture: self.model.picture(name) };
            self.away.push(away);
        }
        if self.model.people.len() > known {
            // Whoever is new has at least one client that knows nothing.
            let news = NEWCOMERS.iter().filter(|name| self.model.people.contains_key(*name));
            let nothing = |name: &&'static str| Away { name, at: heads(0, 0), picture: Picture::new() };
            self.away.extend(news.map(nothing));
        }
    }

    async fn look_around(&mut self, it: &TestStore) {
        for name in NAMES.into_iter().chain(NEWCOMERS) {
            if self.model.people.contains_key(name) {
                self.compare(it, name).await;
            }
        }
        let all = std::mem::take(&mut self.away);
        for (number, away) in all.iter().enumerate() {
            // All of them now and then, else the young ones.
            if number + 8 >= all.len() || self.random.u8(..8) == 0 {
                self.come_back(it, away).await;
            }
        }
        self.away = all;
    }
}

async fn random_run(it: TestStore, seed: u64, steps: usize) {
    let steps = it.engine.share_of(steps);
    let engine = it.engine;
    let mut run = Run {
        it,
        model: Model::default(),
        random: fastrand::Rng::with_seed(seed),
        now: NOW.0,
        ids: Vec::new(),
        away: Vec::new(),
        come: 0,
    };
    for number in 0..steps {
        run.step(number).await;
        if number % 100 == 99 {
            let it = std::mem::replace(&mut run.it, TestStore::new(engine).await);
            run.look_around(&it).await;
            run.it = match run.random.u8(..4) {
                0 => {
                    it.store.flush().await.unwrap();
                    it.reopened().await
                }
                1 => it.as_after_a_crash().await,
                _ => it,
            };
            let it = std::mem::replace(&mut run.it, TestStore::new(engine).await);
            run.look_around(&it).await;
            run.it = it;
        }
    }
}

contract! {
    async fn unread_lists_and_returning_clients_agree_with_the_model(it: TestStore) {
        random_run(it, 1, 3_400).await;
    }

    async fn unread_lists_and_returning_clients_agree_with_another_model(it: TestStore) {
        random_run(it, 2, 3_300).await;
    }

    async fn unread_lists_and_returning_clients_agree_with_a_third_model(it: TestStore) {
        random_run(it, 3, 3_300).await;
    }
}
