//! Deliveries of a restored store: what was armed before the backup waits until somebody says whether it is sent.

use crate::cancellation::end;
use crate::delivery_rows::{COLUMNS, Delivery, find, read, save};
use crate::sql::{Connection, Sql, params};
use crate::txn::{Busy, Txn, meta, set_meta};
use crate::{Store, StoreError, UnixMs};
use belfry_protocol::delivery::DeliveryState;
use std::sync::atomic::Ordering;

/// Deliveries resumed with one commit.
const RESUMED_TOGETHER: u32 = 500;

impl Store {
    /// Lets held deliveries go on, or drops them. Answers how many.
    pub async fn resume_deliveries(&self, send: bool, now: UnixMs) -> Result<u32, StoreError> {
        let mut resumed: u32 = 0;
        loop {
            let resume = move |txn: &mut Txn<'_>| {
                txn.at(now.0);
                resume(txn, send, now.0)
            };
            let count = self.inner.writer.write(resume).await?;
            resumed = resumed.saturating_add(count);
            if count < RESUMED_TOGETHER {
                return Ok(resumed);
            }
        }
    }

    /// How many deliveries wait for [`Store::resume_deliveries`].
    pub fn held_deliveries(&self) -> u64 {
        u64::try_from(self.inner.shared.counters.held.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

fn resume(txn: &mut Txn<'_>, send: bool, now: i64) -> Sql<u32> {
    let held: Vec<Delivery> = txn
        .conn
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM deliveries d WHERE d.state = 2 ORDER BY d.delivery_key LIMIT ?1"
        ))?
        .query_map([RESUMED_TOGETHER], read)?
        .collect::<Sql<_>>()?;
    txn.own(&held.iter().map(|one| one.user_key).collect::<Vec<_>>(), Busy::Awaited)?;
    for before in &held {
        // Another node may have been at it before its user was this transaction's own.
        let Some(before) = &find(txn.conn, before.key)?.filter(|one| one.state == DeliveryState::Held) else {
            continue;
        };
        if send {
            let mut after = before.clone();
            after.wait_until(before.due_at.max(now));
            save(txn, before, &after)?;
        } else {
            end(txn, before, DeliveryState::Expired, "dropped after the store was restored", now)?;
        }
    }
    Ok(held.len() as u32)
}

/// At the first start of a restored copy: nothing that was armed before goes out by itself, and nothing that was only
/// watched is armed.
pub(crate) fn hold_if_restored(conn: &Connection, newest_key: i64, now: i64) -> Sql<()> {
    if meta(conn, "restored")?.unwrap_or(0) == 0 {
        return Ok(());
    }
    conn.execute(
        "UPDATE legs SET state = 4, reason = 'the store was restored', claim_at = NULL, lease_token = NULL, \
         ended_at = ?1 WHERE state = 0",
        params![now],
    )?;
    conn.execute("UPDATE deliveries SET open_legs = 0 WHERE open_legs > 0", [])?;
    conn.execute(
        "UPDATE deliveries SET state = 2, claim_at = NULL, lease_token = NULL WHERE ended_at IS NULL",
        [],
    )?;
    conn.execute("UPDATE ladder_fanouts SET state = 2", [])?;
    set_meta(conn, "watched_to", newest_key)?;
    set_meta(conn, "restored", 0)
}
