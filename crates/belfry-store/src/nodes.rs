//! The nodes of a cluster. Each renews a lease; what a node leaves behind when its lease has ended is taken over by
//! exactly one other: from where its alerts are to be looked at again, and that its people are gone.

use crate::sql::{Connection, OptionalExtension, Sql, params};
use crate::txn::Txn;
use crate::{Store, StoreError, UnixMs};
use std::time::Duration;

/// One run of one node: drawn at its start, and anew when it finds that others took it for dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub i64);

/// What a node says of itself with each renewal.
#[derive(Debug, Clone)]
pub struct NodeWrite {
    /// Which run.
    pub incarnation: Incarnation,
    /// Its name.
    pub name: String,
    /// For how long it vouches for itself.
    pub lease: Duration,
    /// Every alert up to this key has been looked at, as far as this node answers for it; `None`: as it was.
    pub watched_to: Option<i64>,
    /// Its figures, as JSON.
    pub stats: String,
}

/// A node as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// Which run.
    pub incarnation: Incarnation,
    /// Its name.
    pub name: String,
    /// When it entered.
    pub started_at: UnixMs,
    /// Whether its lease holds.
    pub alive: bool,
    /// How long ago it wrote its figures.
    pub written_ago: Duration,
    /// Its figures, as JSON.
    pub stats: String,
}

/// What a node left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    /// Which run.
    pub incarnation: Incarnation,
    /// Its name.
    pub name: String,
    /// Alerts above this key are to be looked at on its behalf.
    pub watched_to: i64,
    /// People who count as gone with it.
    pub sessions: u64,
}

impl Store {
    /// Enters a node, or says that it is there still. `false`: its lease ended and another one took it over, so what it
    /// writes from now on is nobody's.
    pub async fn renew_node(&self, node: NodeWrite, now: UnixMs) -> Result<bool, StoreError> {
        let now = self.inner.shared.by_common_clock(now);
        self.inner.writer.write(move |txn| renew(txn.conn, &node, now.0)).await
    }

    /// Enters a node that was not there before.
    pub async fn join_node(&self, node: NodeWrite, now: UnixMs) -> Result<(), StoreError> {
        let now = self.inner.shared.by_common_clock(now);
        self.inner.writer.write(move |txn| join(txn.conn, &node, now.0)).await
    }

    /// Ends a node's lease now, so that others need not wait for it.
    pub async fn leave_node(
        &self,
        node: Incarnation,
        watched_to: Option<i64>,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let now = self.inner.shared.by_common_clock(now);
        self.inner.writer.write(move |txn| leave(txn.conn, node, watched_to, now.0)).await
    }

    /// Takes over one node whose lease has ended. `None`: there is none, or the own lease has ended too.
    pub async fn take_over(&self, by: Incarnation, now: UnixMs) -> Result<Option<TakenOver>, StoreError> {
        let now = self.inner.shared.by_common_clock(now);
        self.inner.writer.write(move |txn| take_over(txn, by, now.0)).await
    }

    /// All nodes in order of their names.
    pub async fn nodes(&self, now: UnixMs) -> Result<Vec<NodeRow>, StoreError> {
        let now = self.inner.shared.by_common_clock(now);
        self.inner.readers.read(move |conn| all(conn, now.0)).await
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn join(conn: &Connection, node: &NodeWrite, now: i64) -> Sql<()> {
    conn.prepare_cached(
        "INSERT INTO nodes (incarnation, name, started_at, lease_until, watched_to, written_at, stats) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?3, ?6)",
    )?
    .execute(params![
        node.incarnation.0,
        node.name,
        now,
        now.saturating_add(millis(node.lease)),
        node.watched_to.unwrap_or(0),
        node.stats
    ])?;
    Ok(())
}

fn renew(conn: &Connection, node: &NodeWrite, now: i64) -> Sql<bool> {
    let renewed = conn
        .prepare_cached(
            "UPDATE nodes SET name = ?2, lease_until = ?3, watched_to = COALESCE(?4, watched_to), written_at = ?5, \
             stats = ?6 WHERE incarnation = ?1",
        )?
        .execute(params![
            node.incarnation.0,
            node.name,
            now.saturating_add(millis(node.lease)),
            node.watched_to,
            now,
            node.stats
        ])?;
    Ok(renewed > 0)
}

fn leave(conn: &Connection, node: Incarnation, watched_to: Option<i64>, now: i64) -> Sql<()> {
    conn.prepare_cached(
        "UPDATE nodes SET lease_until = ?2, watched_to = COALESCE(?3, watched_to) WHERE incarnation = ?1",
    )?
    .execute(params![node.0, now.saturating_sub(1), watched_to])?;
    Ok(())
}

fn take_over(txn: &mut Txn<'_>, by: Incarnation, now: i64) -> Sql<Option<TakenOver>> {
    let conn = txn.conn;
    let found: Option<(i64, i64)> = conn
        .prepare_cached(
            "SELECT incarnation, watched_to FROM nodes WHERE lease_until < ?1 AND incarnation <> ?2 \
             ORDER BY lease_until LIMIT 1",
        )?
        .query_row(params![now, by.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((incarnation, watched_to)) = found else { return Ok(None) };
    // Its duty stands in the own row before its row goes: else a crash in between would lose it.
    let taken = conn
        .prepare_cached(
            "UPDATE nodes SET watched_to = CASE WHEN watched_to > ?2 THEN ?2 ELSE watched_to END \
             WHERE incarnation = ?1 AND lease_until >= ?3",
        )?
        .execute(params![by.0, watched_to, now])?;
    if taken == 0 {
        return Ok(None);
    }
    // Somebody else may have been first, or it came back to life: then its row is not as it was.
    let deleted: Option<(String, i64, i64)> = conn
        .prepare_cached(
            "DELETE FROM nodes WHERE incarnation = ?1 AND lease_until < ?2 RETURNING name, watched_to, lease_until",
        )?
        .query_row(params![incarnation, now], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((name, watched_to, lease_until)) = deleted else { return Ok(None) };
    let sessions = crate::presence::end_all(conn, Incarnation(incarnation), lease_until)?;
    Ok(Some(TakenOver { incarnation: Incarnation(incarnation), name, watched_to, sessions }))
}

fn all(conn: &Connection, now: i64) -> Sql<Vec<NodeRow>> {
    let mut select = conn.prepare_cached(
        "SELECT incarnation, name, started_at, lease_until, written_at, stats FROM nodes ORDER BY name, incarnation",
    )?;
    let rows = select.query_map([], |row| {
        let (lease_until, written_at): (i64, i64) = (row.get(3)?, row.get(4)?);
        Ok(NodeRow {
            incarnation: Incarnation(row.get(0)?),
            name: row.get(1)?,
            started_at: UnixMs(row.get(2)?),
            alive: lease_until >= now,
            written_ago: Duration::from_millis(u64::try_from(now.saturating_sub(written_at)).unwrap_or(0)),
            stats: row.get(5)?,
        })
    })?;
    rows.collect()
}

/// Whether a node may write; holds its row until the transaction ends, so that nobody takes it over meanwhile.
pub(crate) fn hold(conn: &Connection, node: Incarnation) -> Sql<bool> {
    let held = conn
        .prepare_cached("UPDATE nodes SET written_at = written_at WHERE incarnation = ?1")?
        .execute(params![node.0])?;
    Ok(held > 0)
}
