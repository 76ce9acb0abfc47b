//! A start after a crash: what stands in the log only goes into the inboxes before anybody asks.

use crate::idempotency;
use crate::memory::{Memory, TailItem};
use crate::settle::settle_user;
use crate::sql::{Connection, Row, Sql, params};
use crate::txn::{Limits, Txn, WriterState, meta, set_meta};
use crate::users;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Merges the log's end, in one transaction. Answers the highest alert key the file ever had in use.
pub(crate) fn recover(conn: &Connection, limits: Limits, now: i64) -> Sql<i64> {
    conn.begin()?;
    let result = merge_log(conn, limits).and_then(|newest| {
        crate::watch::begin(conn, newest)?;
        crate::held::hold_if_restored(conn, newest, now)?;
        Ok(newest)
    });
    match result {
        Ok(newest) => conn.commit().map(|()| newest),
        Err(error) => {
            // The error to tell is the first one.
            conn.rollback();
            Err(error)
        }
    }
}

/// The beginning of a node on a store that others write to: nothing is to be merged. Answers the highest alert key, and
/// which start of a node this is.
pub(crate) fn begin_shared(conn: &Connection, now: i64) -> Sql<(i64, i64)> {
    conn.begin()?;
    // Two nodes may begin at once.
    conn.query_row("SELECT 1 FROM pg_advisory_xact_lock(4848101)", [], |_| Ok(()))?;
    if meta(conn, crate::import::UNFINISHED)?.is_some() {
        let half =
            "it holds half of an import; run `belfry migrate --from` again, it goes on where it stopped";
        return Err(crate::sql::Error::Unreachable(half.to_owned()));
    }
    if meta(conn, "store_epoch")?.is_none() {
        set_meta(conn, "store_epoch", i64::from(users::random_u32()))?;
    }
    if meta(conn, "all_head")?.is_none() {
        set_meta(conn, "all_head", 0)?;
    }
    let newest = crate::alerts::newest_key(conn)?;
    crate::watch::begin(conn, newest)?;
    crate::held::hold_if_restored(conn, newest, now)?;
    let start = conn.query_row("SELECT nextval('node_starts')", [], |row| row.get(0))?;
    conn.commit()?;
    Ok((newest, start))
}

fn item(row: &Row<'_>) -> Sql<(i64, TailItem)> {
    let item = TailItem {
        alert_key: row.get(0)?,
        seq: row.get::<_, i64>(2)? as u64,
        expires_at: row.get(3)?,
        collapse_key: row.get::<_, Option<Box<str>>>(4)?.map(Arc::from),
    };
    Ok((row.get(1)?, item))
}

fn merge_log(conn: &Connection, limits: Limits) -> Sql<i64> {
    if meta(conn, "store_epoch")?.is_none() {
        set_meta(conn, "store_epoch", i64::from(users::random_u32()))?;
    }
    let merged_to = meta(conn, "merged_to")?.unwrap_or(0);
    let newest = crate::alerts::newest_key(conn)?;
    // Against `users.head`: what lies at or below it was merged before the crash.
    let mut by_user: BTreeMap<i64, Vec<TailItem>> = BTreeMap::new();
    for sql in [
        "SELECT a.alert_key, a.user_key, a.seq, a.expires_at, a.collapse_key FROM alerts a \
         JOIN users u ON u.user_key = a.user_key WHERE a.alert_key > ?1 AND a.seq > u.head",
        "SELECT r.alert_key, r.user_key, r.seq, a.expires_at, a.collapse_key FROM recipients r \
         JOIN alerts a ON a.alert_key = r.alert_key JOIN users u ON u.user_key = r.user_key \
         WHERE r.alert_key > ?1 AND r.seq > u.head",
    ] {
        for row in conn.prepare_cached(sql)?.query_map([merged_to], item)? {
            let (user_key, item) = row?;
            by_user.entry(user_key).or_default().push(item);
        }
    }
    let memory = Memory::new(0, Default::default());
    let mut state = WriterState { merged_to, newest_key: newest, ..WriterState::default() };
    let mut txn = Txn::new(conn, &memory, &mut state, limits);
    for (user_key, mut items) in by_user {
        let Some(user) = users::id_of(conn, user_key)? else {
            continue;
        };
        items.sort_unstable_by_key(|item| item.seq);
        if let Some(work) = txn.user(&user)? {
            work.core.head = items.last().map_or(work.core.head, |item| item.seq);
            work.core.unread += items.len() as u32;
            work.appended = items;
            settle_user(&mut txn, &user)?;
        }
    }
    let keys: Vec<(String, String, i64)> = conn
        .prepare_cached(
            "SELECT idempotency_api_key, idempotency_key, alert_key FROM alerts \
             WHERE alert_key > ?1 AND idempotency_key IS NOT NULL ORDER BY 1, 2, 3",
        )?
        .query_map(params![merged_to], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Sql<_>>()?;
    for (api_key, key, alert_key) in keys {
        idempotency::merge(&mut txn, (api_key, key), alert_key)?;
    }
    txn.write_users()?;
    // New alerts get keys above both: newer ones may have been deleted since.
    let bound = newest.max(merged_to);
    txn.set_merged_to(bound)?;
    Ok(bound)
}
