//! What a watch in memory needs: how far notifications got, and from where it has to look again after a restart.

use crate::alerts::{self, CONTENT_COLUMNS};
use crate::memory::Peek;
use crate::ranges::Ranges;
use crate::sql::{Connection, OptionalExtension, Sql, params};
use crate::state::{self, READ};
use crate::txn::{Txn, meta, set_meta};
use crate::users;
use crate::{Content, Reached, Store, StoreError, Unanswered, Unwatched};
use belfry_protocol::{AlertId, Seq, UserId};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Store {
    /// How far notifications of the users' own streams got. `None`: it is gone, unknown, or its user was erased.
    /// Receipts of the last moment may be missing; [`Store::open_deliveries`] counts them.
    pub async fn levels(&self, items: Vec<(UserId, Seq)>) -> Result<Vec<Option<Reached>>, StoreError> {
        // Memory first: what it shows is in every later snapshot.
        let memory = &self.inner.shared.memory;
        let items: Vec<_> = items
            .into_iter()
            .map(|(user, seq)| {
                let peek = memory.peek(&user, seq.0);
                (user, seq.0, peek)
            })
            .collect();
        self.inner
            .readers
            .read(move |conn| {
                items.iter().map(|(user, seq, peek)| reached(conn, user, *seq, *peek)).collect()
            })
            .await
    }

    /// Everything in the log with a key up to this one has been looked at: its delivery is open, or it needs none.
    pub fn watched_to(&self) -> i64 {
        self.inner.shared.counters.watched_to.load(Ordering::Acquire)
    }

    /// Notifications of alerts with a key above `after` that have no delivery, at most `limit` alerts with all their
    /// recipients. Left out is what was recalled, what is for everyone, and what is read or gone.
    pub async fn unwatched(&self, after: i64, limit: u32) -> Result<Unwatched, StoreError> {
        self.inner.readers.read(move |conn| unwatched(conn, after, limit.max(1))).await
    }
}

fn reached(conn: &Connection, user: &UserId, seq: u64, peek: Option<Peek>) -> Sql<Option<Reached>> {
    let peek = match peek {
        Some(peek) => peek,
        None => match cold(conn, user, seq)? {
            Some(peek) => peek,
            None => return Ok(None),
        },
    };
    let row: Option<(u8, u8, u8)> = conn
        .prepare_cached("SELECT level, flags, gone FROM notifications WHERE user_key = ?1 AND seq = ?2")?
        .query_row(params![peek.user_key, seq as i64], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let received = u8::from(peek.received);
    Ok(match row {
        Some((level, flags, 0)) => {
            Some(Reached { level: state::level_from(level.max(received)), read: flags & READ != 0 })
        }
        None if peek.in_tail => Some(Reached { level: state::level_from(received), read: false }),
        _ => None,
    })
}

fn cold(conn: &Connection, user: &UserId, seq: u64) -> Sql<Option<Peek>> {
    conn.prepare_cached("SELECT user_key, received FROM users WHERE id = ?1")?
        .query_row([user.as_str()], |row| {
            let received = Ranges::from_blob(row.get_ref(1)?.as_blob_or_null()?).contains(seq);
            Ok(Peek { user_key: row.get(0)?, in_tail: false, received })
        })
        .optional()
}

fn unwatched(conn: &Connection, after: i64, limit: u32) -> Sql<Unwatched> {
    let sql = format!(
        "SELECT {CONTENT_COLUMNS}, a.audience_form, a.recalled_at, a.user_key, a.seq FROM alerts a \
         WHERE a.alert_key > ?1 ORDER BY a.alert_key LIMIT ?2"
    );
    let mut select = conn.prepare_cached(&sql)?;
    let mut alerts = select.query(params![after, limit])?;
    let (mut rows, mut count, mut last) = (Vec::new(), 0, None);
    while let Some(alert) = alerts.next()? {
        count += 1;
        last = Some(alert.get::<_, i64>(0)?);
        let (form, recalled): (u8, Option<i64>) = (alert.get(18)?, alert.get(19)?);
        if form == 3 || recalled.is_some() {
            continue;
        }
        let (id, content) = alerts::content_at(&alert, 0)?;
        let single = alert.get::<_, Option<i64>>(20)?.zip(alert.get::<_, Option<i64>>(21)?);
        match single {
            Some((user_key, seq)) => {
                rows.extend(unanswered(conn, (id, &content), user_key, seq)?);
            }
            None => {
                let recipients: Vec<(i64, i64)> = conn
                    .prepare_cached(
                        "SELECT user_key, seq FROM recipients WHERE alert_key = ?1 ORDER BY user_id",
                    )?
                    .query_map([id.key()], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect::<Sql<_>>()?;
                for (user_key, seq) in recipients {
                    rows.extend(unanswered(conn, (id, &content), user_key, seq)?);
                }
            }
        }
    }
    Ok(Unwatched { rows, next: last.filter(|_| count == limit) })
}

/// A notification, if something may still have to be done for it.
fn unanswered(
    conn: &Connection,
    (id, content): (AlertId, &Arc<Content>),
    user_key: i64,
    seq: i64,
) -> Sql<Option<Unanswered>> {
    // Settled and in the list, or above the settled head and so in the log only.
    let wanted = conn
        .prepare_cached(
            "SELECT 1 FROM users u LEFT JOIN notifications n ON n.user_key = u.user_key AND n.seq = ?2 \
             WHERE u.user_key = ?1 AND (n.gone = 0 AND n.flags & 2 = 0 OR n.seq IS NULL AND u.head < ?2) \
             AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.alert_key = ?3 AND d.user_key = ?1)",
        )?
        .exists(params![user_key, seq, id.key()])?;
    if !wanted {
        return Ok(None);
    }
    let user = users::id_of(conn, user_key)?;
    Ok(user.map(|user| Unanswered { user, seq: Seq(seq as u64), id, content: Arc::clone(content) }))
}

/// Says how far the watch has come; never back.
pub(crate) fn move_to(txn: &mut Txn<'_>, key: i64) -> Sql<()> {
    if key > txn.effects.watched_to {
        set_meta(txn.conn, "watched_to", key)?;
        txn.effects.watched_to = key;
    }
    Ok(())
}

/// At a start: a store that never had a watch begins with its newest alert, so nothing old is armed.
pub(crate) fn begin(conn: &Connection, newest_key: i64) -> Sql<()> {
    match meta(conn, "watched_to")? {
        Some(_) => Ok(()),
        None => set_meta(conn, "watched_to", newest_key),
    }
}
