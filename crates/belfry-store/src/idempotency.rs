//! Idempotency keys: they stand in their alert's row, in memory while that row is not merged, and then in a table.

use crate::alerts::{self, AlertHead};
use crate::sql::{Connection, OptionalExtension, Sql, params};
use crate::txn::{Txn, meta, set_meta};
use crate::{Idempotency, Notified, Published};
use belfry_protocol::{AlertId, Seq};

/// Most recipients of a replayed answer.
const REPLAYED_NOTIFICATIONS_MAX: u32 = 100;
/// Alerts looked at in one transaction while keys are forgotten.
const EXPIRY_STEP: u32 = 2_000;

/// (name of the API key, the caller's key).
pub(crate) type IdempotencyKey = (String, String);

/// What is known of a key without a look at its alert.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remembered {
    pub(crate) alert_key: i64,
}

/// What a key says about a publish.
pub(crate) enum Found {
    /// Give the first answer again.
    Replay(Published),
    /// It was used with another body.
    Mismatch,
}

/// The key of an idempotency.
pub(crate) fn key_of(idempotency: &Idempotency) -> IdempotencyKey {
    (idempotency.api_key.clone(), idempotency.key.clone())
}

/// Whether this key was used before.
pub(crate) fn find(txn: &Txn<'_>, idempotency: &Idempotency) -> Sql<Option<Found>> {
    let key = key_of(idempotency);
    let remembered = txn.effects.idempotency.get(&key).or_else(|| txn.state.recent_keys.get(&key));
    let alert_key = match remembered {
        Some(remembered) => Some(remembered.alert_key),
        None => match txn.looked_up.get(&key) {
            Some(looked_up) => *looked_up,
            None => txn
                .conn
                .prepare_cached("SELECT alert_key FROM idempotency_keys WHERE api_key = ?1 AND key = ?2")?
                .query_row(params![key.0, key.1], |row| row.get(0))
                .optional()?,
        },
    };
    let Some(head) = alert_key.map(|key| alerts::head_of_key(txn.conn, key)).transpose()?.flatten() else {
        return Ok(None);
    };
    if head.idempotency.as_ref().is_none_or(|first| first.body_hash != idempotency.body_hash) {
        return Ok(Some(Found::Mismatch));
    }
    Ok(Some(Found::Replay(answer(txn.conn, &head)?)))
}

/// Looks for all keys of a transaction's jobs with one question, where a question takes a way.
pub(crate) fn look_up(txn: &mut Txn<'_>, keys: Vec<IdempotencyKey>) -> Sql<()> {
    if keys.is_empty() || !txn.conn.is_shared() {
        return Ok(());
    }
    let (api_keys, names): (Vec<String>, Vec<String>) = keys.iter().cloned().unzip();
    let found: Vec<(IdempotencyKey, i64)> = txn
        .conn
        .prepare_cached(
            "SELECT k.api_key, k.key, k.alert_key FROM unnest(CAST(?1 AS TEXT[]), CAST(?2 AS TEXT[])) AS asked (a, k) \
             JOIN idempotency_keys k ON k.api_key = asked.a AND k.key = asked.k",
        )?
        .query_listed([api_keys, names], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
    txn.looked_up = keys.into_iter().map(|key| (key, None)).collect();
    txn.looked_up.extend(found.into_iter().map(|(key, alert_key)| (key, Some(alert_key))));
    Ok(())
}

/// The first call's answer, from what is stored.
fn answer(conn: &Connection, head: &AlertHead) -> Sql<Published> {
    let everyone = head.form == alerts::Form::Everyone;
    let mut notifications = Vec::new();
    if let (Some(user_key), Some(seq)) = (head.user_key, head.seq) {
        if let Some(user) = crate::users::id_of(conn, user_key)? {
            notifications.push(Notified { user, seq: Seq(seq), unread: 0, replaced: None });
        }
    } else if !everyone && !crate::fanouts::exists(conn, head.id.key())? {
        let mut select = conn.prepare_cached(
            "SELECT user_id, seq FROM recipients WHERE alert_key = ?1 ORDER BY user_id LIMIT ?2",
        )?;
        let rows = select.query_map(params![head.id.key(), REPLAYED_NOTIFICATIONS_MAX], |row| {
            let seq = Seq(row.get::<_, i64>(1)? as u64);
            Ok(Notified { user: crate::users::id_at(row, 0)?, seq, unread: 0, replaced: None })
        })?;
        notifications = rows.collect::<Sql<_>>()?;
    }
    Ok(Published {
        id: head.id,
        replayed: true,
        recipients: head.recipients,
        notifications,
        all_seq: head.seq.filter(|_| everyone).map(Seq),
        all_replaced: None,
        all_removed: None,
        fanout: false,
    })
}

/// Writes a key where several nodes look for it. If another node has just done so, the transaction fails, and the job
/// finds it when it runs again.
pub(crate) fn store(txn: &Txn<'_>, idempotency: &Idempotency, alert_key: i64) -> Sql<()> {
    txn.conn
        .prepare_cached("INSERT INTO idempotency_keys (api_key, key, alert_key) VALUES (?1, ?2, ?3)")?
        .send(params![idempotency.api_key, idempotency.key, alert_key])
}

/// Moves a key from memory into the table.
pub(crate) fn merge(txn: &mut Txn<'_>, key: IdempotencyKey, alert_key: i64) -> Sql<()> {
    txn.conn
        .prepare_cached(
            "INSERT INTO idempotency_keys (api_key, key, alert_key) VALUES (?1, ?2, ?3) \
             ON CONFLICT (api_key, key) DO UPDATE SET alert_key = excluded.alert_key",
        )?
        .execute(params![key.0, key.1, alert_key])?;
    txn.effects.merged_keys.push((key, alert_key));
    Ok(())
}

/// Forgets a key if it still belongs to this alert.
pub(crate) fn forget(txn: &mut Txn<'_>, idempotency: &Idempotency, alert_key: i64) -> Sql<bool> {
    let key = key_of(idempotency);
    let deleted = txn
        .conn
        .prepare_cached("DELETE FROM idempotency_keys WHERE api_key = ?1 AND key = ?2 AND alert_key = ?3")?
        .execute(params![key.0, key.1, alert_key])?;
    let remembered = txn.effects.idempotency.get(&key).or_else(|| txn.state.recent_keys.get(&key));
    let in_memory = remembered.is_some_and(|one| one.alert_key == alert_key);
    if in_memory {
        txn.effects.merged_keys.push((key, alert_key));
    }
    Ok(deleted > 0 || in_memory)
}

/// Forgets the keys of the next alerts older than `before`; answers how many, and whether there is more to look at.
/// The alerts' own order is the order of age, so this walks them once and needs no index.
pub(crate) fn expire(txn: &mut Txn<'_>, before: i64) -> Sql<(u32, bool)> {
    let done_to = meta(txn.conn, "keys_expired_to")?.unwrap_or(0);
    let heads = alerts::heads_between(txn.conn, done_to, AlertId::first_key_at(before), EXPIRY_STEP)?;
    let Some(last) = heads.last().map(|head| head.id.key()) else {
        return Ok((0, false));
    };
    let more = heads.len() as u32 == EXPIRY_STEP;
    let mut forgotten = 0;
    for head in heads {
        if let Some(idempotency) = &head.idempotency
            && forget(txn, idempotency, head.id.key())?
        {
            forgotten += 1;
        }
    }
    set_meta(txn.conn, "keys_expired_to", last)?;
    Ok((forgotten, more))
}
