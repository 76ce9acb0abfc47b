//! Who is connected to which node: noted by the hub, written in batches, and read where somebody has to know whether a
//! person is away. Nothing of it is on the way of a connection or an alert.

use crate::clock::{self, Now};
use crate::cluster::Cluster;
use crate::hub::{Hub, Presence};
use crate::metrics::Counter;
use crate::services::Services;
use belfry_protocol::UserId;
use belfry_store::{Elsewhere, PresenceWrite, StoreError};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// After a failure of the store, before the next try.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// People whose coming or going is to be written. Only who, never what: it is the hub's word at the moment of writing,
/// so a hundred reloads are one row.
#[derive(Debug)]
pub struct Changes {
    inner: Mutex<Inner>,
    limit: usize,
    noted: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    users: HashSet<UserId>,
    /// Some did not fit.
    overflowed: bool,
    /// Who was last written as there, but not to be seen.
    hidden: HashSet<UserId>,
}

impl Changes {
    /// At most so many wait.
    pub fn new(limit: usize) -> Self {
        Self { inner: Mutex::default(), limit, noted: Notify::new() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody came or went.
    pub fn note(&self, user: &UserId) {
        let first = {
            let mut inner = self.inner();
            if inner.users.len() >= self.limit && !inner.users.contains(user) {
                inner.overflowed = true;
                return;
            }
            inner.users.insert(user.clone()) && inner.users.len() == 1
        };
        if first {
            self.noted.notify_one();
        }
    }

    /// A page became visible. Others wait for nobody whom they think of as hidden, so this cannot wait either.
    pub fn became_visible(&self, user: &UserId) {
        if self.inner().hidden.contains(user) {
            self.note(user);
        }
    }

    /// All pages of somebody are hidden, and have been when they were last looked at. Others may wait a little longer
    /// for them until this is written, so it has time.
    pub fn is_hidden(&self, user: &UserId) {
        if !self.inner().hidden.contains(user) {
            self.note(user);
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.inner().users.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn take(&self, most: usize) -> Vec<UserId> {
        let mut inner = self.inner();
        if inner.users.len() <= most {
            return std::mem::take(&mut inner.users).into_iter().collect();
        }
        let some: Vec<UserId> = inner.users.iter().take(most).cloned().collect();
        for user in &some {
            inner.users.remove(user);
        }
        some
    }

    fn take_overflowed(&self) -> bool {
        std::mem::take(&mut self.inner().overflowed)
    }

    fn wrote(&self, rows: &[PresenceWrite]) {
        let mut inner = self.inner();
        for row in rows {
            match row.connections > 0 && !row.visible {
                true => inner.hidden.insert(row.user.clone()),
                false => inner.hidden.remove(&row.user),
            };
        }
    }
}

/// Writes who came and went, until the node stops.
pub async fn run(services: Arc<Services>, cluster: Arc<Cluster>) {
    let stop = services.tasks.stopping().clone();
    let writing = async {
        loop {
            cluster.changes.noted.notified().await;
            tokio::time::sleep(services.config.cluster.presence_every).await;
            while let Err(error) = write(&services, &cluster).await {
                tracing::warn!(error = %error, "who came and went is written later");
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    };
    tokio::select! {
        () = writing => {}
        () = stop.cancelled() => {}
    }
}

/// Writes all that waits.
pub(crate) async fn write(services: &Services, cluster: &Cluster) -> Result<(), StoreError> {
    if cluster.changes.take_overflowed() {
        tracing::warn!("more people came and went than may wait to be written: this node enters anew");
        cluster.rejoin.notify_one();
    }
    loop {
        let users = cluster.changes.take(services.config.cluster.presence_batch_max as usize);
        if users.is_empty() {
            return Ok(());
        }
        let now = clock::now();
        let rows: Vec<PresenceWrite> = users.iter().map(|user| row(&services.hub, user, now)).collect();
        match services.store.write_presence(cluster.incarnation(), rows.clone(), now.unix_ms()).await {
            Ok(true) => {
                cluster.changes.wrote(&rows);
                services.metrics.add(Counter::PresenceWritten, rows.len() as u64);
                look_for_crowds(services, cluster, &rows, now).await?;
            }
            // Taken for dead: it enters anew and writes everybody, these among them.
            Ok(false) => {
                cluster.rejoin.notify_one();
                return Ok(());
            }
            Err(error) => {
                users.iter().for_each(|user| cluster.changes.note(user));
                return Err(error);
            }
        }
    }
}

/// How somebody stands at this node.
fn row(hub: &Hub, user: &UserId, now: Now) -> PresenceWrite {
    let ago = |at: Instant| now.instant.saturating_duration_since(at);
    let lost = hub.is_draining();
    let (connections, visible, ago) = match hub.presence(user) {
        Presence::Open { visible, since } => (hub.connections_of(user).max(1), visible, ago(since)),
        Presence::Left(at) | Presence::Lost(at) => (0, false, ago(at)),
        Presence::Away => (0, false, Duration::ZERO),
    };
    PresenceWrite { user: user.clone(), connections, visible, ago, lost: lost && connections == 0 }
}

async fn look_for_crowds(
    services: &Services,
    cluster: &Cluster,
    rows: &[PresenceWrite],
    now: Now,
) -> Result<(), StoreError> {
    let here: Vec<&PresenceWrite> = rows.iter().filter(|row| row.connections > 0).collect();
    if here.is_empty() || !cluster.tells() {
        return Ok(());
    }
    let users = here.iter().map(|row| row.user.clone()).collect();
    let elsewhere = services.store.elsewhere(users, cluster.incarnation(), now.unix_ms()).await?;
    for (row, elsewhere) in here.into_iter().zip(elsewhere) {
        let all = row.connections.saturating_add(elsewhere.connections);
        if elsewhere.connections > 0 && all > services.config.limits.connections_per_user {
            services.ask_crowd(&row.user);
        }
    }
    Ok(())
}

impl Services {
    /// Whether these people are there, at any node, in this order.
    pub async fn presences(&self, users: &[&UserId], now: Now) -> Result<Vec<Presence>, StoreError> {
        let mut found: Vec<Presence> = users.iter().map(|user| self.hub.presence(user)).collect();
        let Some(cluster) = &self.cluster else { return Ok(found) };
        let asked = users.iter().map(|user| (*user).clone()).collect();
        let elsewhere = self.store.elsewhere(asked, cluster.incarnation(), now.unix_ms()).await?;
        let live = &self.config.live;
        let lingers = Lingers { after_close: live.linger, after_loss: live.linger_after_start };
        for (here, elsewhere) in found.iter_mut().zip(&elsewhere) {
            *here = anywhere(*here, elsewhere, lingers, now.instant);
        }
        Ok(found)
    }
}

/// How long people count as there who have left.
#[derive(Debug, Clone, Copy)]
struct Lingers {
    after_close: Duration,
    after_loss: Duration,
}

/// How somebody stands at all nodes together. Pure.
fn anywhere(here: Presence, elsewhere: &Elsewhere, lingers: Lingers, now: Instant) -> Presence {
    let at = |ago: Duration| now.checked_sub(ago).unwrap_or(now);
    let there = elsewhere.since_ago.filter(|_| elsewhere.connections > 0).map(at);
    match (here, there) {
        (Presence::Open { visible, since }, there) => Presence::Open {
            visible: visible || elsewhere.visible,
            since: there.map_or(since, |there| there.max(since)),
        },
        (_, Some(since)) => Presence::Open { visible: elsewhere.visible, since },
        (here, None) => {
            let left = match here {
                Presence::Left(left) => Some(left),
                _ => None,
            };
            let left = left.max(elsewhere.left_ago.map(at));
            let lost = elsewhere.lost_ago.map(at);
            // Whichever makes people wait for them longer.
            match (left, lost) {
                (Some(left), Some(lost)) if left + lingers.after_close > lost + lingers.after_loss => {
                    Presence::Left(left)
                }
                (_, Some(lost)) => Presence::Lost(lost),
                (Some(left), None) => Presence::Left(left),
                (None, None) => here,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LINGERS: Lingers =
        Lingers { after_close: Duration::from_secs(15), after_loss: Duration::from_secs(60) };

    fn user(name: &str) -> UserId {
        UserId::new(name).expect("is an id")
    }

    #[test]
    fn whoever_is_at_some_node_is_there() {
        let now = clock::now().instant + 100 * SECOND;
        let there = Elsewhere {
            connections: 1,
            visible: true,
            since_ago: Some(3 * SECOND),
            left_ago: Some(SECOND),
            ..Elsewhere::default()
        };
        let of = |here| anywhere(here, &there, LINGERS, now);
        let open = |visible, ago: u32| Presence::Open { visible, since: now - ago * SECOND };
        assert_eq!(of(Presence::Away), open(true, 3));
        assert_eq!(of(Presence::Left(now - SECOND)), open(true, 3));
        assert_eq!(of(open(false, 9)), open(true, 3), "the newest of both, and one of them may be seen");
        assert_eq!(of(open(true, 1)), open(true, 1));
    }

    #[test]
    fn who_left_one_node_and_was_lost_by_another_is_waited_for_longer() {
        let now = clock::now().instant + 100 * SECOND;
        let gone = |left: Option<u32>, lost: Option<u32>| {
            let ago = |seconds: Option<u32>| seconds.map(|seconds| seconds * SECOND);
            let there = Elsewhere { left_ago: ago(left), lost_ago: ago(lost), ..Elsewhere::default() };
            anywhere(Presence::Left(now - 10 * SECOND), &there, LINGERS, now)
        };
        assert_eq!(gone(None, None), Presence::Left(now - 10 * SECOND));
        assert_eq!(gone(Some(2), None), Presence::Left(now - 2 * SECOND), "the last one counts");
        assert_eq!(gone(None, Some(20)), Presence::Lost(now - 20 * SECOND), "40 seconds left instead of 5");
        assert_eq!(gone(None, Some(59)), Presence::Left(now - 10 * SECOND));
    }

    #[test]
    fn who_comes_and_goes_is_noted_once_and_none_beyond_the_limit() {
        let changes = Changes::new(2);
        for name in ["ann", "bob", "ann"] {
            changes.note(&user(name));
        }
        assert_eq!((changes.len(), changes.take_overflowed()), (2, false), "at the limit");
        changes.note(&user("cid"));
        assert_eq!((changes.len(), changes.take_overflowed()), (2, true), "and one more");
        assert_eq!((changes.take(1).len(), changes.take(9).len(), changes.take(9).len()), (1, 1, 0));
    }

    #[test]
    fn a_tab_that_is_switched_back_and_forth_writes_nothing() {
        let changes = Changes::new(9);
        let row = |visible| PresenceWrite {
            user: user("ann"),
            connections: 1,
            visible,
            ago: Duration::ZERO,
            lost: false,
        };
        changes.wrote(&[row(true)]);
        changes.became_visible(&user("ann"));
        assert!(changes.is_empty(), "others think so already");
        changes.is_hidden(&user("ann"));
        assert_eq!(changes.take(9).len(), 1);
        changes.wrote(&[row(false)]);
        changes.is_hidden(&user("ann"));
        assert!(changes.is_empty());
        changes.became_visible(&user("ann"));
        assert_eq!(changes.take(9).len(), 1);
    }
}
