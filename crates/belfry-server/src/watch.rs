//! Notifications whose live step is running: what the night watch looks at when its time comes. It is memory only, and
//! bounded. The truth is the log: everything above [`Watch::mark`] is read from it again after a restart, and after a
//! flood that did not fit.

use crate::kinds::Ladder;
use belfry_protocol::{AlertId, Level, Seq, UserId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long people count as there after their last session ended.
#[derive(Debug, Clone, Copy)]
pub struct Linger {
    /// After a session ended.
    pub after_close: Duration,
    /// After the node started, and after a node took somebody's last session away: everybody is on the way back.
    pub after_start: Duration,
    /// When this node started, or its bus came back.
    pub settled: Instant,
}

/// What all recipients of an alert share.
#[derive(Debug)]
pub struct WatchedAlert {
    /// The alert.
    pub id: AlertId,
    /// Its ways out.
    pub ladder: Ladder,
    /// When it was published, or read again from the log.
    pub published: Instant,
    /// How long people count as there who have left.
    pub linger: Linger,
}

/// A notification that waits for its answer.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The alert.
    pub alert: Arc<WatchedAlert>,
    /// For whom.
    pub user: UserId,
    /// Its number.
    pub seq: Seq,
    /// The level that ends the ladder.
    pub stop_at: Level,
    /// The step that runs if it is not reached.
    pub next_step: u32,
    /// The live step reached nobody.
    pub live_failed: bool,
    /// When that step is due: not before [`Watch::take`] hands it out.
    pub due: Instant,
    /// The person is not at this node. Whether they are at another one is asked when it is first looked at, and how the
    /// ladder begins is decided then.
    pub elsewhere: bool,
}

#[derive(Debug, Default)]
struct Inner {
    by_time: BTreeMap<Instant, Vec<Watched>>,
    count: usize,
    /// How often each alert is watched, being looked at, or on its way here.
    keys: BTreeMap<i64, u32>,
    /// The oldest alert that did not fit.
    missed: Option<i64>,
    /// The newest alert heard of.
    newest: i64,
}

/// Notifications whose live step is running.
#[derive(Debug)]
pub struct Watch {
    inner: Mutex<Inner>,
    limit: usize,
    wake: Notify,
}

/// An alert on its way: the mark stays below it until this is dropped.
#[derive(Debug)]
pub struct Hold<'a> {
    watch: &'a Watch,
    key: i64,
}

impl Hold<'_> {
    /// The alert's key.
    pub fn key(&self) -> i64 {
        self.key
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.watch.inner().release(self.key);
    }
}

impl Inner {
    fn keep(&mut self, key: i64) {
        *self.keys.entry(key).or_insert(0) += 1;
    }

    fn release(&mut self, key: i64) {
        if let Some(count) = self.keys.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.keys.remove(&key);
            }
        }
    }
}

impl Watch {
    /// Nothing is watched yet. Everything in the log up to `mark` has been looked at; what lies above it is read again.
    pub fn new(limit: usize, mark: i64) -> Self {
        let inner = Inner { newest: mark, missed: Some(mark.saturating_add(1)), ..Inner::default() };
        Self { inner: Mutex::new(inner), limit, wake: Notify::new() }
    }

    /// Nothing is watched yet, and nothing is read again: what an earlier run left is taken over like that of any node.
    pub fn fresh(limit: usize) -> Self {
        Self { inner: Mutex::default(), limit, wake: Notify::new() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An alert is about to be stored.
    pub fn hold(&self, id: AlertId) -> Hold<'_> {
        let key = id.key();
        let mut inner = self.inner();
        inner.newest = inner.newest.max(key);
        inner.keep(key);
        Hold { watch: self, key }
    }

    /// Fan-outs are being expanded: the mark does not move until this is dropped.
    pub fn hold_still(&self) -> Hold<'_> {
        self.inner().keep(i64::MIN);
        Hold { watch: self, key: i64::MIN }
    }

    /// Watches a notification until `look_at`. Beyond the limit it is read from the log later.
    pub fn add(&self, watched: Watched, look_at: Instant) {
        let key = watched.alert.id.key();
        let mut inner = self.inner();
        inner.newest = inner.newest.max(key);
        if inner.count >= self.limit {
            inner.missed = Some(inner.missed.map_or(key, |missed| missed.min(key)));
            return;
        }
        inner.keep(key);
        inner.count += 1;
        let sooner = inner.by_time.first_key_value().is_none_or(|(first, _)| look_at < *first);
        inner.by_time.entry(look_at).or_default().push(watched);
        drop(inner);
        if sooner {
            self.wake.notify_one();
        }
    }

    /// Takes what is to be looked at by now, at most `limit`. Their alerts hold the mark until [`Watch::looked_at`].
    pub fn take(&self, now: Instant, limit: usize) -> Vec<Watched> {
        let mut inner = self.inner();
        let mut taken = Vec::new();
        while taken.len() < limit
            && let Some(mut entry) = inner.by_time.first_entry()
            && *entry.key() <= now
        {
            let room = limit - taken.len();
            if entry.get().len() <= room {
                taken.append(&mut entry.remove());
            } else {
                taken.extend(entry.get_mut().drain(..room));
            }
        }
        inner.count -= taken.len();
        taken
    }

    /// What was taken has its delivery, needs none, or was added again.
    pub fn looked_at(&self, taken: &[Watched]) {
        let mut inner = self.inner();
        for watched in taken {
            inner.release(watched.alert.id.key());
        }
    }

    /// When to look next.
    pub fn next_look(&self) -> Option<Instant> {
        self.inner().by_time.first_key_value().map(|(at, _)| *at)
    }

    /// Everything in the log up to this key has been looked at.
    pub fn mark(&self) -> i64 {
        let inner = self.inner();
        let held = inner.keys.first_key_value().map(|(key, _)| *key);
        match [held, inner.missed].into_iter().flatten().min() {
            Some(key) => key.saturating_sub(1),
            None => inner.newest,
        }
    }

    /// The same for a node of several, whose own alerts up to `settled` are all known: also where none came for long.
    /// `None`: it is not known right now.
    pub fn mark_by(&self, settled: i64) -> Option<i64> {
        let inner = self.inner();
        let held = inner.keys.first_key_value().map(|(key, _)| *key);
        match [held, inner.missed].into_iter().flatten().min() {
            Some(i64::MIN) => None,
            Some(key) => Some(key.saturating_sub(1).min(settled)),
            None => Some(settled),
        }
    }

    /// Another node's duty has become this one's: the log is read from there.
    pub fn look_from(&self, key: i64) {
        self.missed(key);
        self.wake.notify_one();
    }

    /// The oldest alert that did not fit, once there is room again: read the log from there while this is held.
    pub fn take_missed(&self) -> Option<Hold<'_>> {
        let mut inner = self.inner();
        if inner.count > self.limit / 2 {
            return None;
        }
        let key = inner.missed.take()?;
        inner.keep(key);
        Some(Hold { watch: self, key })
    }

    /// What was read from the log again did not come to its end: the rest begins with this alert.
    pub fn missed(&self, key: i64) {
        let mut inner = self.inner();
        inner.missed = Some(inner.missed.map_or(key, |missed| missed.min(key)));
    }

    /// How many are watched.
    pub fn len(&self) -> usize {
        self.inner().count
    }

    /// Whether none is, nor is being looked at or on its way here.
    pub fn is_empty(&self) -> bool {
        let inner = self.inner();
        inner.keys.is_empty() && inner.missed.is_none()
    }

    /// Waits until something is to be looked at earlier than what was known.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use belfry_store::UnixMs;

    fn id(ms: i64) -> AlertId {
        AlertId::from_parts(AlertId::first_key_at(UnixMs(ms).0), 0)
    }

    fn watched(ms: i64, seq: u64, now: Instant) -> Watched {
        let linger = Linger { after_close: Duration::ZERO, after_start: Duration::ZERO, settled: now };
        let alert = WatchedAlert { id: id(ms), ladder: Ladder::default(), published: now, linger };
        Watched {
            alert: Arc::new(alert),
            user: UserId::new("ann").unwrap(),
            seq: Seq(seq),
            stop_at: Level::Displayed,
            next_step: 1,
            live_failed: false,
            due: now,
            elsewhere: false,
        }
    }

    #[test]
    fn the_mark_of_a_node_of_several_moves_also_where_nothing_comes() {
        let (watch, now) = (Watch::fresh(10), crate::clock::now().instant);
        assert!(watch.take_missed().is_none(), "nothing is read again");
        assert_eq!(watch.mark_by(500), Some(500));
        let held = watch.hold(id(1_000));
        assert_eq!(watch.mark_by(id(5_000).key()), Some(id(1_000).key() - 1));
        assert_eq!(watch.mark_by(500), Some(500), "not beyond what is settled");
        drop(held);
        assert_eq!(watch.mark_by(id(5_000).key()), Some(id(5_000).key()));
        let still = watch.hold_still();
        assert_eq!(watch.mark_by(id(5_000).key()), None);
        drop(still);
        watch.look_from(id(700).key());
        assert_eq!(watch.mark_by(id(5_000).key()), Some(id(700).key() - 1), "another node's duty");
        let missed = watch.take_missed().expect("there is room");
        assert_eq!(watch.mark_by(id(5_000).key()), Some(id(700).key() - 1), "it is being read");
        watch.add(watched(700, 1, now), now);
        drop(missed);
        watch.looked_at(&watch.take(now, 10));
        assert_eq!(watch.mark_by(id(5_000).key()), Some(id(5_000).key()));
    }

    #[test]
    fn the_mark_stays_below_what_is_under_way() {
        let (watch, now) = (Watch::new(10, 0), crate::clock::now().instant);
        assert_eq!(watch.mark(), 0, "nothing was read again yet");
        drop(watch.take_missed());
        let first = watch.hold(id(1_000));
        let second = watch.hold(id(2_000));
        drop(second);
        assert_eq!(watch.mark(), id(1_000).key() - 1);
        watch.add(watched(1_000, 1, now), now);
        drop(first);
        assert_eq!(watch.mark(), id(1_000).key() - 1);
        let taken = watch.take(now, 10);
        assert_eq!(watch.mark(), id(1_000).key() - 1, "it is being looked at");
        watch.looked_at(&taken);
        assert_eq!(watch.mark(), id(2_000).key());
        let still = watch.hold_still();
        assert_eq!(watch.mark(), i64::MIN);
        drop(still);
    }

    #[test]
    fn what_does_not_fit_holds_the_mark_until_it_is_read_from_the_log() {
        let (watch, now) = (Watch::new(2, 0), crate::clock::now().instant);
        drop(watch.take_missed());
        for seq in 1..=4 {
            watch.add(watched(seq as i64 * 1_000, seq, now), now);
        }
        assert_eq!((watch.len(), watch.take_missed().is_none()), (2, true));
        watch.looked_at(&watch.take(now, 1));
        assert_eq!(watch.take_missed().map(|held| held.key()), Some(id(3_000).key()));
        watch.missed(id(4_000).key());
        watch.looked_at(&watch.take(now, 1));
        assert_eq!(watch.mark(), id(4_000).key() - 1);
    }

    #[test]
    fn they_come_in_the_order_of_their_time_and_not_before_it() {
        let (watch, now) = (Watch::new(10, 0), crate::clock::now().instant);
        let second = Duration::from_secs(1);
        watch.add(watched(1, 1, now), now + second * 2);
        watch.add(watched(2, 2, now), now + second);
        watch.add(watched(3, 3, now), now + second);
        assert_eq!(watch.next_look(), Some(now + second));
        assert!(watch.take(now, 10).is_empty());
        let seqs = |taken: Vec<Watched>| taken.into_iter().map(|one| one.seq.0).collect::<Vec<_>>();
        assert_eq!(seqs(watch.take(now + second * 3, 1)), [2]);
        assert_eq!(seqs(watch.take(now + second * 3, 5)), [3, 1]);
        assert_eq!(watch.len(), 0);
    }
}
