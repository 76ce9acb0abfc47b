//! How far alerts get with their people, told to endpoints: `received`, `seen`, `read`, each once per notification.
//!
//! Called before a level is written, in the transaction that writes it; what stands on disk then says what was told
//! before. A level that is passed over was reached: what is read at once was received and seen too. Where no endpoint
//! asks, nothing is looked at, and a receipt stays the one column of its user.

use crate::alerts::id_at;
use crate::memory::Announcement;
use crate::ranges::Ranges;
use crate::settle::settle_user;
use crate::sql::{OptionalExtension, Sql, params};
use crate::state::level_code;
use crate::txn::Txn;
use crate::webhook_events::{note, wanted};
use belfry_protocol::webhook::{StatusData, WebhookEvent};
use belfry_protocol::{AlertId, Level, UserId};

/// What is told, lowest first, and the level that it stands for.
const TOLD: [(WebhookEvent, Level); 3] = [
    (WebhookEvent::Received, Level::Received),
    (WebhookEvent::Seen, Level::Seen),
    (WebhookEvent::Read, Level::Read),
];

/// Notifications of a user's stream that are about to rise: `after < seq <= up_to`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rising {
    pub(crate) after: u64,
    pub(crate) up_to: u64,
    pub(crate) to: Level,
    /// Also what left the list: somebody names it, so it was there.
    pub(crate) gone: bool,
}

impl Rising {
    /// One of them, by its number.
    pub(crate) fn one(seq: u64, to: Level) -> Self {
        Self { after: seq.saturating_sub(1), up_to: seq, to, gone: true }
    }
}

/// A notification that is about to rise.
struct Before {
    seq: u64,
    level: u8,
    id: AlertId,
    kind: String,
    category: String,
}

/// Tells which levels these notifications are about to reach. The caller has the user in hand, and no tail of theirs.
pub(crate) fn rising(txn: &mut Txn<'_>, user: &UserId, rising: Rising, now: i64) -> Sql<()> {
    let top = level_code(rising.to);
    let events = wanted_up_to(txn, top)?;
    let Some(highest) = events.last().map(|(_, code)| *code) else {
        return Ok(());
    };
    let user_key = txn.held(user).core.key;
    let rows = below(txn, user_key, rising, highest)?;
    let unconfirmed = rows.iter().any(|row| row.level == 0);
    let confirmed = if unconfirmed { confirmed(txn, user_key)? } else { Ranges::default() };
    for row in rows {
        let before = row.level.max(u8::from(confirmed.contains(row.seq)));
        let data = StatusData {
            alert: Some(row.id),
            user: Some(user.clone()),
            kind: Some(row.kind),
            category: Some(row.category),
            ..StatusData::default()
        };
        for (event, _) in events.iter().filter(|(_, code)| *code > before) {
            note(txn, *event, (data.clone(), Some(user_key)), now)?;
        }
    }
    Ok(())
}

/// Tells what ranges say that the disk does not know yet. The caller writes them, and has the user in hand.
pub(crate) fn confirming(txn: &mut Txn<'_>, user: &UserId, ranges: &Ranges, now: i64) -> Sql<()> {
    if !wanted(txn, WebhookEvent::Received)? {
        return Ok(());
    }
    let user_key = txn.held(user).core.key;
    let new = ranges.without(&confirmed(txn, user_key)?);
    if new.is_empty() {
        return Ok(());
    }
    settle_user(txn, user)?;
    for (after, up_to) in new {
        // A range also covers what left the list before it was sent.
        rising(txn, user, Rising { after, up_to, to: Level::Received, gone: false }, now)?;
    }
    Ok(())
}

/// Tells which levels an alert for everyone is about to reach with this user, who did something with it: whether it
/// was received is kept of nobody.
pub(crate) fn announcement_rising(
    txn: &mut Txn<'_>,
    user: &UserId,
    all_seq: u64,
    (before, to): (u8, Level),
    now: i64,
) -> Sql<()> {
    let events = wanted_up_to(txn, level_code(to))?;
    let above = |(event, code): &&(WebhookEvent, u8)| *event != WebhookEvent::Received && *code > before;
    let events: Vec<_> = events.iter().filter(above).collect();
    if events.is_empty() {
        return Ok(());
    }
    let Some(data) = txn.all().find(all_seq).map(|one| about(user, one)) else {
        return Ok(());
    };
    let user_key = txn.held(user).core.key;
    for (event, _) in events {
        note(txn, *event, (data.clone(), Some(user_key)), now)?;
    }
    Ok(())
}

fn about(user: &UserId, one: &Announcement) -> StatusData {
    StatusData {
        alert: Some(one.id),
        user: Some(user.clone()),
        kind: Some(one.content.kind.clone()),
        category: Some(one.content.category.clone()),
        ..StatusData::default()
    }
}

/// What somebody wants to be told of levels up to this one, lowest first, with the codes of their levels.
fn wanted_up_to(txn: &mut Txn<'_>, top: u8) -> Sql<Vec<(WebhookEvent, u8)>> {
    let mut events = Vec::new();
    for (event, level) in TOLD {
        let code = level_code(level);
        if code <= top && wanted(txn, event)? {
            events.push((event, code));
        }
    }
    Ok(events)
}

fn below(txn: &Txn<'_>, user_key: i64, rising: Rising, level: u8) -> Sql<Vec<Before>> {
    txn.conn
        .prepare_cached(
            "SELECT n.seq, n.level, a.alert_key, a.id_tail, a.kind, a.category FROM notifications n \
             CROSS JOIN alerts a ON a.alert_key = n.alert_key \
             WHERE n.user_key = ?1 AND n.seq > ?2 AND n.seq <= ?3 AND n.level < ?4 AND (?5 OR n.gone = 0) \
             ORDER BY n.seq",
        )?
        .query_map(
            params![user_key, number(rising.after), number(rising.up_to), level, rising.gone],
            |row| {
                Ok(Before {
                    seq: row.get::<_, i64>(0)? as u64,
                    level: row.get(1)?,
                    id: id_at(row, 2)?,
                    kind: row.get(4)?,
                    category: row.get(5)?,
                })
            },
        )?
        .collect()
}

/// The ranges of a user's stream that the disk knows as confirmed.
fn confirmed(txn: &Txn<'_>, user_key: i64) -> Sql<Ranges> {
    let blob: Option<Option<Vec<u8>>> = txn
        .conn
        .prepare_cached("SELECT received FROM users WHERE user_key = ?1")?
        .query_row([user_key], |row| row.get(0))
        .optional()?;
    Ok(Ranges::from_blob(blob.flatten().as_deref()))
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
