//! Who is connected to which node. Written in batches by the nodes, first in and last out; read where somebody has to
//! know whether a person is away. A node whose lease has ended holds nobody.

use crate::heads::of_users;
use crate::nodes::{self, Incarnation};
use crate::sql::{Connection, Sql, params};
use crate::{Store, StoreError, UnixMs};
use belfry_protocol::UserId;
use std::collections::BTreeMap;
use std::time::Duration;

/// Users of one query.
const USERS_PER_QUERY: usize = 500;

/// How one person stands at one node. Times are ages, so that the clocks of node and store need not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceWrite {
    /// Whose.
    pub user: UserId,
    /// Open ones; 0: the last one ended.
    pub connections: u32,
    /// One of them may be seen.
    pub visible: bool,
    /// How long ago the newest opened, or the last one ended.
    pub ago: Duration,
    /// It ended because the node goes, not because the person did.
    pub lost: bool,
}

/// How a person stands at all other nodes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Elsewhere {
    /// Open connections.
    pub connections: u32,
    /// One of them may be seen.
    pub visible: bool,
    /// How long ago the newest of them opened.
    pub since_ago: Option<Duration>,
    /// How long ago the person ended the last one at some node.
    pub left_ago: Option<Duration>,
    /// How long ago a node took the last one away with it.
    pub lost_ago: Option<Duration>,
}

impl Store {
    /// Writes how people stand at this node. `false`: the node was taken over, nothing was written.
    pub async fn write_presence(
        &self,
        node: Incarnation,
        mut rows: Vec<PresenceWrite>,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        // One order everywhere, so that no two writers wait for each other.
        rows.sort_unstable_by(|one, other| one.user.cmp(&other.user));
        let now = self.inner.shared.by_common_clock(now);
        self.inner.writer.write(move |txn| write(txn.conn, node, &rows, now.0)).await
    }

    /// How these people stand at nodes other than `here`, in this order.
    pub async fn elsewhere(
        &self,
        users: Vec<UserId>,
        here: Incarnation,
        now: UnixMs,
    ) -> Result<Vec<Elsewhere>, StoreError> {
        let now = self.inner.shared.by_common_clock(now);
        self.inner.readers.read(move |conn| elsewhere(conn, &users, here, now.0)).await
    }

    /// Forgets at most `limit` people who left longer than `keep` ago; says how many.
    pub async fn sweep_presence(&self, keep: Duration, limit: u32, now: UnixMs) -> Result<u64, StoreError> {
        let now = self.inner.shared.by_common_clock(now);
        let before = now.0.saturating_sub(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX));
        self.inner.writer.write(move |txn| sweep(txn.conn, before, limit)).await
    }
}

fn write(conn: &Connection, node: Incarnation, rows: &[PresenceWrite], now: i64) -> Sql<bool> {
    if !nodes::hold(conn, node)? {
        return Ok(false);
    }
    let mut upsert = conn.prepare_cached(
        "INSERT INTO presence (user_id, incarnation, since, connections, visible, ended_at, lost) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (user_id, incarnation) DO UPDATE SET since = excluded.since, \
         connections = excluded.connections, visible = excluded.visible, ended_at = excluded.ended_at, \
         lost = excluded.lost",
    )?;
    for row in rows {
        let at = now.saturating_sub(i64::try_from(row.ago.as_millis()).unwrap_or(i64::MAX));
        let ended_at = (row.connections == 0).then_some(at);
        upsert.send(params![
            row.user.as_str(),
            node.0,
            at,
            i64::from(row.connections),
            i64::from(row.visible),
            ended_at,
            i64::from(row.lost)
        ])?;
    }
    Ok(true)
}

/// A row as it was found.
struct Found {
    since: i64,
    connections: u32,
    visible: bool,
    ended_at: Option<i64>,
    lost: bool,
    /// `None`: the node is not known any more.
    lease_until: Option<i64>,
}

fn elsewhere(conn: &Connection, users: &[UserId], here: Incarnation, now: i64) -> Sql<Vec<Elsewhere>> {
    let mut found: BTreeMap<String, Elsewhere> = BTreeMap::new();
    for some in users.chunks(USERS_PER_QUERY) {
        let sql = "SELECT p.user_id, p.since, p.connections, p.visible, p.ended_at, p.lost, n.lease_until, p.incarnation \
             FROM presence p LEFT JOIN nodes n ON n.incarnation = p.incarnation WHERE p.user_id";
        let rows = of_users(conn, sql, some, |row| {
            let found = Found {
                since: row.get(1)?,
                connections: row.get::<_, i64>(2)? as u32,
                visible: row.get::<_, i64>(3)? == 1,
                ended_at: row.get(4)?,
                lost: row.get::<_, i64>(5)? == 1,
                lease_until: row.get(6)?,
            };
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(7)?, found))
        })?;
        for (user, node, row) in rows {
            if node != here.0 {
                found.entry(user).or_default().add(&row, now);
            }
        }
    }
    Ok(users.iter().map(|user| found.get(user.as_str()).copied().unwrap_or_default()).collect())
}

impl Elsewhere {
    fn add(&mut self, row: &Found, now: i64) {
        let ago = |at: i64| Duration::from_millis(u64::try_from(now.saturating_sub(at)).unwrap_or(0));
        let sooner = |known: Option<Duration>, ago: Duration| Some(known.map_or(ago, |known| known.min(ago)));
        match (row.ended_at, row.lease_until) {
            (Some(at), _) if row.lost => self.lost_ago = sooner(self.lost_ago, ago(at)),
            (Some(at), _) => self.left_ago = sooner(self.left_ago, ago(at)),
            (None, Some(until)) if until >= now => {
                self.connections = self.connections.saturating_add(row.connections);
                self.visible |= row.visible;
                self.since_ago = sooner(self.since_ago, ago(row.since));
            }
            (None, until) => self.lost_ago = sooner(self.lost_ago, ago(until.unwrap_or(row.since))),
        }
    }
}

/// Everybody at a node is gone with it; says how many there were.
pub(crate) fn end_all(conn: &Connection, node: Incarnation, at: i64) -> Sql<u64> {
    let ended = conn
        .prepare_cached(
            "UPDATE presence SET ended_at = ?2, lost = 1, connections = 0 WHERE incarnation = ?1 AND ended_at IS NULL",
        )?
        .execute(params![node.0, at])?;
    Ok(ended as u64)
}

fn sweep(conn: &Connection, before: i64, limit: u32) -> Sql<u64> {
    let swept = conn
        .prepare_cached(
            "DELETE FROM presence WHERE (user_id, incarnation) IN \
             (SELECT user_id, incarnation FROM presence WHERE ended_at < ?1 LIMIT ?2)",
        )?
        .execute(params![before, i64::from(limit)])?;
    Ok(swept as u64)
}
