//! What the node knows of warm users without asking the disk. It always shows committed state: the writer changes it
//! only after COMMIT.

use crate::ranges::Ranges;
use crate::state::{READ, SEEN, counts};
use crate::{Content, Heads, Settings, Standing, Unread};
use belfry_protocol::preferences::{ChannelChoices, Preferences};
use belfry_protocol::user::UserProfile;
use belfry_protocol::{AlertId, DoNotDisturb, Epoch, Seq, UserId};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

const SHARDS: usize = 64;
/// Most users kept warm; beyond it those without a tail that nobody asked for lately are dropped.
pub(crate) const WARM_USERS_MAX: usize = 200_000;
/// Most older announcements that a new user begins with.
const LATE_ANNOUNCEMENTS_MAX: usize = 100;
/// Most ranges a user may gather between two flushes.
const RANGES_HELD_MAX: usize = 1_024;

/// Locks, whatever another thread did: each critical section leaves the value whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A notification that stands in the log only.
#[derive(Debug, Clone)]
pub(crate) struct TailItem {
    pub(crate) seq: u64,
    pub(crate) alert_key: i64,
    pub(crate) expires_at: Option<i64>,
    pub(crate) collapse_key: Option<Arc<str>>,
}

/// What a person did with an alert for everyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mark {
    pub(crate) flags: u8,
    pub(crate) level: u8,
    /// In the user's stream; 0: nothing was done.
    pub(crate) version: u64,
}

/// What an application told of a user, and the user's settings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Profile {
    pub(crate) created_at: i64,
    pub(crate) revoke_before: Option<i64>,
    pub(crate) profile: UserProfile,
    pub(crate) do_not_disturb: DoNotDisturb,
    pub(crate) settings_rev: u64,
    /// `None`: everything is wanted, as with most people.
    pub(crate) preferences: Option<Arc<Preferences>>,
    /// Why no mail goes to the address of the profile.
    pub(crate) email_suppressed: Option<Arc<str>>,
}

/// Everything is wanted.
static ALL_WANTED: Preferences =
    Preferences { default: ChannelChoices { push: None, email: None }, categories: BTreeMap::new() };

impl Profile {
    /// What the user wants by which way.
    pub(crate) fn preferences(&self) -> &Preferences {
        self.preferences.as_deref().unwrap_or(&ALL_WANTED)
    }

    /// As callers see it.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            do_not_disturb: self.do_not_disturb.clone(),
            time_zone: self.profile.time_zone.clone(),
            locale: self.profile.locale.clone(),
            rev: self.settings_rev,
        }
    }
}

/// A user, without tail and receipts.
#[derive(Debug, Clone)]
pub(crate) struct Core {
    pub(crate) key: i64,
    pub(crate) epoch_part: u32,
    pub(crate) head: u64,
    pub(crate) unread: u32,
    /// Settled rows in the list, and out of it.
    pub(crate) items: u32,
    pub(crate) gone_items: u32,
    /// Highest alert key among the settled.
    pub(crate) newest_alert: i64,
    /// Announcements up to this one came before the user did.
    pub(crate) all_from: u64,
    /// Of those, the ones above this number that are for latecomers exist for the user all the same.
    pub(crate) late_from: u64,
    pub(crate) all_read_up_to: u64,
    pub(crate) all_read_version: u64,
    pub(crate) marks: Arc<BTreeMap<u64, Mark>>,
    pub(crate) profile: Arc<Profile>,
}

impl Core {
    /// What this user did with an announcement.
    pub(crate) fn mark(&self, all_seq: u64) -> Mark {
        match self.marks.get(&all_seq) {
            Some(mark) => *mark,
            None if all_seq <= self.all_read_up_to => {
                Mark { flags: READ | SEEN, level: 4, version: self.all_read_version }
            }
            None => Mark::default(),
        }
    }

    /// Active announcements above a number that exist for this user.
    pub(crate) fn announcements<'a>(
        &self,
        all: &'a AllState,
        above: u64,
    ) -> impl Iterator<Item = &'a Arc<Announcement>> + use<'a> {
        let all_from = self.all_from;
        let above = all.above(above.max(self.late_from));
        above.iter().filter(move |one| one.all_seq > all_from || one.latecomers)
    }

    /// An active announcement, if it exists for this user.
    pub(crate) fn announcement<'a>(&self, all: &'a AllState, all_seq: u64) -> Option<&'a Arc<Announcement>> {
        self.announcements(all, all_seq.checked_sub(1)?).next().filter(|one| one.all_seq == all_seq)
    }

    /// How many announcements count as unread.
    pub(crate) fn unread_all(&self, all: &AllState) -> u32 {
        let count = if self.marks.is_empty() {
            // Nearly nobody has older ones, and the newer ones need no look at each.
            let older = self.announcements(all, self.all_read_up_to);
            older.take_while(|one| one.all_seq <= self.all_from).count()
                + all.above(self.all_from.max(self.all_read_up_to)).len()
        } else {
            self.announcements(all, 0).filter(|one| counts(self.mark(one.all_seq).flags)).count()
        };
        count as u32
    }
}

/// An active alert for everyone.
#[derive(Debug, Clone)]
pub(crate) struct Announcement {
    pub(crate) all_seq: u64,
    pub(crate) id: AlertId,
    /// Users who are made later see it too.
    pub(crate) latecomers: bool,
    /// Its ladder goes beyond the live step: it matters who has it.
    pub(crate) has_ladder: bool,
    pub(crate) content: Arc<Content>,
}

/// The stream of alerts for everyone.
#[derive(Debug, Clone, Default)]
pub(crate) struct AllState {
    pub(crate) head: u64,
    /// By `all_seq`.
    pub(crate) active: Vec<Arc<Announcement>>,
}

impl AllState {
    /// Active ones above this number.
    pub(crate) fn above(&self, all_seq: u64) -> &[Arc<Announcement>] {
        &self.active[self.active.partition_point(|one| one.all_seq <= all_seq)..]
    }

    /// From where on a user who is made now sees the older ones that are for latecomers: at most
    /// [`LATE_ANNOUNCEMENTS_MAX`], the newest. `None`: there is none.
    pub(crate) fn late_from(&self) -> Option<u64> {
        let newest = self.active.iter().rev().filter(|one| one.latecomers).take(LATE_ANNOUNCEMENTS_MAX);
        newest.last().map(|oldest| oldest.all_seq - 1)
    }

    /// The active ones with `after < all_seq <= up_to` whose ladder waits for receipts.
    pub(crate) fn awaited(&self, after: u64, up_to: u64) -> impl Iterator<Item = &Arc<Announcement>> {
        self.above(after).iter().take_while(move |one| one.all_seq <= up_to).filter(|one| one.has_ladder)
    }

    /// The active one with this number.
    pub(crate) fn find(&self, all_seq: u64) -> Option<&Arc<Announcement>> {
        self.active.binary_search_by_key(&all_seq, |one| one.all_seq).ok().map(|at| &self.active[at])
    }
}

/// What was confirmed; changed by callers at once, written to disk with the next flush.
#[derive(Debug, Clone, Default)]
pub(crate) struct Receipts {
    pub(crate) user: Ranges,
    pub(crate) all: Ranges,
    /// Waits for the next flush.
    pub(crate) dirty: bool,
    /// `all` has more than the disk. Nothing waits for that: it is written when the rest is.
    pub(crate) all_ahead: bool,
}

/// A warm user.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) core: Core,
    pub(crate) tail: Vec<TailItem>,
    pub(crate) receipts: Receipts,
    recent: bool,
}

/// A user inside a transaction.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) core: Core,
    /// The tail that memory holds was merged by this transaction (or belonged to an erased user).
    pub(crate) settled: bool,
    /// New notifications that stand in the log only.
    pub(crate) appended: Vec<TailItem>,
    /// Head and counts are to be written to the user's row.
    pub(crate) dirty: bool,
    /// Erased by this transaction.
    pub(crate) erased: bool,
    /// Made by this transaction: receipts of an earlier user with this id are not theirs.
    pub(crate) made: bool,
    /// As read from disk.
    pub(crate) receipts: Receipts,
    /// `receipts` has more than memory.
    pub(crate) merge_receipts: bool,
    /// A level, a state or a departure of one of the items was recorded: a delivery may have become needless.
    pub(crate) reached: bool,
}

impl Work {
    /// A user as found, untouched so far.
    pub(crate) fn of(core: Core, receipts: Receipts) -> Self {
        Self {
            core,
            settled: false,
            appended: Vec::new(),
            dirty: false,
            erased: false,
            made: false,
            receipts,
            merge_receipts: false,
            reached: false,
        }
    }
}

/// What memory knows of one number of a warm user's stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peek {
    pub(crate) user_key: i64,
    pub(crate) in_tail: bool,
    pub(crate) received: bool,
}

/// A user as committed at one moment.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) core: Core,
    pub(crate) tail: Vec<TailItem>,
    pub(crate) received: Ranges,
    pub(crate) received_all: Ranges,
}

/// What a receipt did to a warm user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noted {
    /// Not warm: nothing was noted.
    Cold,
    /// It said nothing new, or the user waits for the flush already.
    Known,
    /// The user now waits for the flush.
    Dirty,
    /// Too many holes.
    Full,
}

#[derive(Default)]
struct Shard {
    users: HashMap<UserId, Entry>,
    /// Rises when a user leaves memory: a row read before that may be stale.
    generation: u64,
}

/// Warm users and the stream of alerts for everyone.
pub(crate) struct Memory {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    warm: AtomicUsize,
    all: RwLock<Arc<AllState>>,
    store_epoch: AtomicU32,
    /// Others change what is on disk: nobody is kept warm.
    shared: bool,
}

impl Memory {
    /// An empty memory.
    pub(crate) fn new(store_epoch: u32, all: AllState) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            warm: AtomicUsize::new(0),
            all: RwLock::new(Arc::new(all)),
            store_epoch: AtomicU32::new(store_epoch),
            shared: false,
        }
    }

    /// The same beside other nodes, where nobody is kept warm.
    pub(crate) fn of_node(store_epoch: u32, all: AllState) -> Self {
        Self { shared: true, ..Self::new(store_epoch, all) }
    }

    /// Others change what is on disk.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }

    fn shard(&self, user: &UserId) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.hasher.hash_one(user) as usize % SHARDS])
    }

    /// The stream of alerts for everyone, as committed.
    pub(crate) fn all(&self) -> Arc<AllState> {
        Arc::clone(&self.all.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// After COMMIT.
    pub(crate) fn set_all(&self, all: Arc<AllState>) {
        *self.all.write().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// What a read found, unless somebody found something newer meanwhile.
    pub(crate) fn set_newer_all(&self, all: AllState) {
        let mut known = self.all.write().unwrap_or_else(PoisonError::into_inner);
        if all.head > known.head {
            *known = Arc::new(all);
        }
    }

    /// The store's part of the epoch.
    pub(crate) fn store_epoch(&self) -> u32 {
        self.store_epoch.load(Ordering::Acquire)
    }

    /// After COMMIT.
    pub(crate) fn set_store_epoch(&self, epoch: u32) {
        self.store_epoch.store(epoch, Ordering::Release);
    }

    /// How many users are warm.
    pub(crate) fn warm(&self) -> usize {
        self.warm.load(Ordering::Relaxed)
    }

    /// A warm user as committed now, or the generation for [`Memory::admit`].
    pub(crate) fn view(&self, user: &UserId) -> Result<View, u64> {
        let mut shard = self.shard(user);
        let generation = shard.generation;
        let entry = shard.users.get_mut(user).ok_or(generation)?;
        entry.recent = true;
        Ok(View {
            core: entry.core.clone(),
            tail: entry.tail.clone(),
            received: entry.receipts.user.clone(),
            received_all: entry.receipts.all.clone(),
        })
    }

    /// A warm user's core, without the tail.
    pub(crate) fn core(&self, user: &UserId) -> Option<Core> {
        let mut shard = self.shard(user);
        let entry = shard.users.get_mut(user)?;
        entry.recent = true;
        Some(entry.core.clone())
    }

    /// One number of a warm user's stream, without touching the user.
    pub(crate) fn peek(&self, user: &UserId, seq: u64) -> Option<Peek> {
        let shard = self.shard(user);
        let entry = shard.users.get(user)?;
        Some(Peek {
            user_key: entry.core.key,
            in_tail: entry.tail.iter().any(|item| item.seq == seq),
            received: entry.receipts.user.contains(seq),
        })
    }

    /// A warm user's key, without touching the user.
    pub(crate) fn key(&self, user: &UserId) -> Option<i64> {
        self.shard(user).users.get(user).map(|entry| entry.core.key)
    }

    /// A warm user's tail. Only the writer changes it.
    pub(crate) fn tail(&self, user: &UserId) -> Vec<TailItem> {
        self.shard(user).users.get(user).map(|entry| entry.tail.clone()).unwrap_or_default()
    }

    /// Looks at a warm user's tail without a copy.
    pub(crate) fn with_tail<T>(&self, user: &UserId, look: impl FnOnce(&[TailItem]) -> T) -> T {
        match self.shard(user).users.get(user) {
            Some(entry) => look(&entry.tail),
            None => look(&[]),
        }
    }

    /// Keeps a user that a reader found on disk. Where the user left memory since the reader looked for it (so that
    /// it may have been changed and dropped in between), or is there by now, nothing is kept.
    pub(crate) fn admit(&self, user: &UserId, core: &Core, receipts: &Receipts, generation: u64) {
        let mut shard = self.shard(user);
        if shard.generation == generation && !shard.users.contains_key(user) {
            let entry =
                Entry { core: core.clone(), tail: Vec::new(), receipts: receipts.clone(), recent: true };
            shard.users.insert(user.clone(), entry);
            self.warm.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Gives a user the state of a transaction after COMMIT; answers the length of the tail before and after.
    pub(crate) fn commit(&self, user: &UserId, work: Work) -> (usize, usize) {
        let mut shard = self.shard(user);
        let Some(entry) = shard.users.get_mut(user) else {
            let after = work.appended.len();
            let entry = Entry { core: work.core, tail: work.appended, receipts: work.receipts, recent: true };
            shard.users.insert(user.clone(), entry);
            self.warm.fetch_add(1, Ordering::Relaxed);
            return (0, after);
        };
        let before = entry.tail.len();
        entry.recent = true;
        entry.core = work.core;
        if work.settled {
            entry.tail.clear();
        }
        entry.tail.extend(work.appended);
        if work.made {
            entry.receipts = work.receipts;
        } else if work.merge_receipts {
            entry.receipts.user.merge(&work.receipts.user);
            entry.receipts.all.merge(&work.receipts.all);
        }
        (before, entry.tail.len())
    }

    /// Drops a user that was erased.
    pub(crate) fn forget(&self, user: &UserId) {
        let mut shard = self.shard(user);
        shard.generation += 1;
        if shard.users.remove(user).is_some() {
            self.warm.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Notes a received range, clamped to what the user's stream and `all` hold now. Who has an alert for everyone is
    /// kept in memory, unless a ladder waits for it: else each of them would cost a write for every person.
    pub(crate) fn note_range(&self, user: &UserId, of_all: bool, after: u64, up_to: u64) -> Noted {
        let all = of_all.then(|| self.all());
        let (all_head, awaited) = match &all {
            Some(all) => (all.head, all.awaited(after, up_to).next().is_some()),
            None => (0, true),
        };
        let mut shard = self.shard(user);
        let Some(entry) = shard.users.get_mut(user) else {
            return Noted::Cold;
        };
        let head = if of_all { all_head } else { entry.core.head };
        let ranges = if of_all { &mut entry.receipts.all } else { &mut entry.receipts.user };
        if ranges.len() >= RANGES_HELD_MAX {
            return Noted::Full;
        }
        if !ranges.insert(after, up_to.min(head)) || entry.receipts.dirty {
            return Noted::Known;
        }
        if !awaited {
            entry.receipts.all_ahead = true;
            return Noted::Known;
        }
        entry.receipts.dirty = true;
        Noted::Dirty
    }

    /// Users with receipts that nothing waits for: from here on they are dirty.
    pub(crate) fn take_ahead(&self) -> Vec<UserId> {
        let mut ahead = Vec::new();
        for shard in &self.shards {
            for (user, entry) in &mut lock(shard).users {
                let receipts = &mut entry.receipts;
                if std::mem::take(&mut receipts.all_ahead) && !std::mem::replace(&mut receipts.dirty, true) {
                    ahead.push(user.clone());
                }
            }
        }
        ahead
    }

    /// Changes a warm user's receipts.
    pub(crate) fn with_receipts<T>(
        &self,
        user: &UserId,
        change: impl FnOnce(&mut Receipts) -> T,
    ) -> Option<T> {
        self.shard(user).users.get_mut(user).map(|entry| change(&mut entry.receipts))
    }

    /// Drops users that have no tail, no receipts to write, and were not asked for since the last time. Looks at one
    /// shard, so a call stays short.
    pub(crate) fn evict(&self, turn: usize) {
        if self.warm() <= WARM_USERS_MAX {
            return;
        }
        let mut shard = lock(&self.shards[turn % SHARDS]);
        let before = shard.users.len();
        shard.users.retain(|_, entry| {
            let keep = entry.recent || !entry.tail.is_empty() || entry.receipts.dirty;
            entry.recent = false;
            keep
        });
        let dropped = before - shard.users.len();
        if dropped > 0 {
            shard.generation += 1;
            self.warm.fetch_sub(dropped, Ordering::Relaxed);
        }
    }

    /// Where a user stands.
    pub(crate) fn standing(&self, core: &Core) -> Standing {
        let all = self.all();
        Standing {
            epoch: Epoch { store: self.store_epoch(), user: core.epoch_part },
            head: Heads { user: Seq(core.head), all: Seq(all.head) },
            unread: Unread { user: core.unread, all: core.unread_all(&all) },
        }
    }
}
