//! Expiry: an item counts until a sweep marks it, with one number per user and sweep.

use crate::Swept;
use crate::alerts;
use crate::notifications::leave_together;
use crate::settle::settle_all;
use crate::sql::{Sql, params};
use crate::state::Gone;
use crate::txn::{Busy, Txn};
use crate::users;
use crate::{announcements, memory};
use belfry_protocol::AlertId;
use std::collections::BTreeMap;

/// Marks what is over, for at most `limit` items.
pub(crate) fn sweep(txn: &mut Txn<'_>, now: i64, limit: u32) -> Sql<Swept> {
    txn.at(now);
    let mut swept = Swept::default();
    swept.all.extend(announcements::expire(txn, now)?);
    let over = |item: &memory::TailItem| item.expires_at.is_some_and(|at| at <= now);
    let in_tail = txn.state.first_expiry.is_some_and(|at| at <= now)
        || txn.effects.work.values().any(|work| work.appended.iter().any(over));
    if in_tail {
        settle_all(txn)?;
    }
    let due: Vec<(i64, u64, AlertId)> = txn
        .conn
        .prepare_cached(
            "SELECT n.user_key, n.seq, a.alert_key, a.id_tail FROM notifications n INDEXED BY notifications_expiry \
             CROSS JOIN alerts a ON a.alert_key = n.alert_key \
             WHERE n.expires_at IS NOT NULL AND n.gone = 0 AND n.expires_at <= ?1 ORDER BY n.expires_at LIMIT ?2",
        )?
        .query_map(params![now, limit], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)? as u64, alerts::id_at(row, 2)?))
        })?
        .collect::<Sql<_>>()?;
    swept.more = due.len() == limit as usize && limit > 0;
    let mut by_user: BTreeMap<i64, Vec<(u64, AlertId)>> = BTreeMap::new();
    for (user_key, seq, id) in due {
        by_user.entry(user_key).or_default().push((seq, id));
    }
    txn.own(&by_user.keys().copied().collect::<Vec<_>>(), Busy::Awaited)?;
    for (user_key, mut items) in by_user {
        items.sort_unstable_by_key(|item| item.0);
        if let Some(user) = users::id_of(txn.conn, user_key)? {
            swept.changes.extend(leave_together(txn, &user, &items, Gone::Expired)?);
        }
    }
    Ok(swept)
}
