//! Storing an alert for each form of audience.

use crate::alerts::{self, Placement};
use crate::announcements;
use crate::fanouts;
use crate::groups;
use crate::idempotency::{self, Found, Remembered};
use crate::memory::TailItem;
use crate::notifications::{Arriving, notify};
use crate::settle;
use crate::sql::{Sql, params};
use crate::txn::Txn;
use crate::webhook_events;
use crate::{NewAlert, Notified, PublishError, Published};
use belfry_protocol::webhook::WebhookEvent;
use belfry_protocol::{Audience, Seq, UserId};
use std::sync::Arc;

/// Most recipients that get their notification in the storing transaction.
pub(crate) const AT_ONCE_MAX: usize = 256;

/// Stores an alert, and what endpoints are to be told of it. The inner error leaves nothing behind.
pub(crate) fn publish(txn: &mut Txn<'_>, alert: &NewAlert, now: i64) -> Sql<Result<Published, PublishError>> {
    if !webhook_events::wanted(txn, WebhookEvent::Accepted)? {
        return store(txn, alert, now);
    }
    txn.savepoint(|txn| {
        let stored = store(txn, alert, now)?;
        if let Ok(published) = &stored
            && !published.replayed
        {
            let only = match &published.notifications[..] {
                [one] if published.recipients == Some(1) => Some(&one.user),
                _ => None,
            };
            webhook_events::accepted(txn, (published.id, &alert.content), only, now)?;
        }
        Ok(stored)
    })
}

fn store(txn: &mut Txn<'_>, alert: &NewAlert, now: i64) -> Sql<Result<Published, PublishError>> {
    txn.at(now);
    if let Some(idempotency) = &alert.idempotency {
        match idempotency::find(txn, idempotency)? {
            Some(Found::Replay(published)) => return Ok(Ok(published)),
            Some(Found::Mismatch) => return Ok(Err(PublishError::IdempotencyMismatch)),
            None => {}
        }
    }
    let published = match &alert.audience {
        Audience::User(user) => to_one(txn, alert, user, now)?,
        Audience::Users(users) => {
            let mut users = users.clone();
            users.sort_unstable();
            users.dedup();
            match &users[..] {
                [user] => to_one(txn, alert, user, now)?,
                few if few.len() <= AT_ONCE_MAX => txn.savepoint(|txn| to_few(txn, alert, few, now))?,
                many => txn.savepoint(|txn| fanouts::begin(txn, alert, Some(many), many.len() as u32))?,
            }
        }
        Audience::Group(group) => {
            let Some((group_key, count)) = groups::find(txn.conn, group)? else {
                return Ok(Err(PublishError::GroupUnknown));
            };
            if count as usize > AT_ONCE_MAX {
                txn.savepoint(|txn| fanouts::begin(txn, alert, None, count))?
            } else {
                let members = groups::members(txn.conn, group_key, "", AT_ONCE_MAX as u32)?;
                match &members[..] {
                    [user] => to_one(txn, alert, user, now)?,
                    few => txn.savepoint(|txn| to_few(txn, alert, few, now))?,
                }
            }
        }
        Audience::Everyone(_) => txn.savepoint(|txn| announcements::publish(txn, alert, now))?,
    };
    txn.logged(alert.id.key())?;
    if let Some(idempotency) = &alert.idempotency {
        let remembered = Remembered { alert_key: alert.id.key() };
        if txn.conn.is_shared() {
            idempotency::store(txn, idempotency, alert.id.key())?;
        }
        txn.remember(idempotency::key_of(idempotency), remembered);
    }
    txn.effects.published += 1;
    Ok(Ok(published))
}

fn arriving(alert: &NewAlert) -> Arriving {
    Arriving {
        alert_key: alert.id.key(),
        expires_at: alert.content.expires_at.map(|at| at.0),
        collapse_key: alert.content.collapse_key.as_deref().map(Arc::from),
        settled: false,
    }
}

fn stored(alert: &NewAlert, notifications: Vec<Notified>) -> Published {
    Published {
        id: alert.id,
        replayed: false,
        recipients: Some(notifications.len() as u32),
        notifications,
        all_seq: None,
        all_replaced: None,
        all_removed: None,
        fanout: false,
    }
}

/// The good day: one row, and nothing else.
fn to_one(txn: &mut Txn<'_>, alert: &NewAlert, user: &UserId, now: i64) -> Sql<Published> {
    if alert.content.collapse_key.is_some() {
        return txn.savepoint(|txn| {
            let notified = notify(txn, user, &arriving(alert), now)?;
            let user_key = txn.held(user).core.key;
            insert_for_one(txn, alert, user_key, notified.seq.0)?;
            Ok(stored(alert, vec![notified]))
        });
    }
    let work = txn.user_or_new(user, now)?;
    let (key, seq) = (work.core.key, work.core.head + 1);
    // The one statement that can fail comes before the one change, so no savepoint is needed.
    let placement = Placement { user_key: Some(key), seq: Some(seq), recipients: Some(1) };
    alerts::insert(txn, alert, placement)?;
    let expires_at = alert.content.expires_at.map(|at| at.0);
    let item = TailItem { seq, alert_key: alert.id.key(), expires_at, collapse_key: None };
    let conn = txn.conn;
    let work = txn.held(user);
    if conn.is_shared() {
        settle::insert(conn, work, &item)?;
    } else {
        work.appended.push(item);
    }
    work.core.head = seq;
    work.core.unread += 1;
    let notified = Notified { user: user.clone(), seq: Seq(seq), unread: work.core.unread, replaced: None };
    Ok(stored(alert, vec![notified]))
}

fn insert_for_one(txn: &mut Txn<'_>, alert: &NewAlert, user_key: i64, seq: u64) -> Sql<()> {
    let placement = Placement { user_key: Some(user_key), seq: Some(seq), recipients: Some(1) };
    alerts::insert(txn, alert, placement)
}

/// The alert and one row per recipient, appended in order of user id.
fn to_few(txn: &mut Txn<'_>, alert: &NewAlert, users: &[UserId], now: i64) -> Sql<Published> {
    let placement = Placement { recipients: Some(users.len() as u32), ..Placement::default() };
    alerts::insert(txn, alert, placement)?;
    let arriving = arriving(alert);
    let mut notifications = Vec::with_capacity(users.len());
    for user in users {
        let notified = notify(txn, user, &arriving, now)?;
        record_recipient(txn, alert.id.key(), user, notified.seq)?;
        notifications.push(notified);
    }
    Ok(stored(alert, notifications))
}

/// Says at which number a recipient has an alert.
pub(crate) fn record_recipient(txn: &mut Txn<'_>, alert_key: i64, user: &UserId, seq: Seq) -> Sql<()> {
    let user_key = txn.held(user).core.key;
    txn.conn
        .prepare_cached("INSERT INTO recipients (alert_key, user_id, user_key, seq) VALUES (?1, ?2, ?3, ?4)")?
        .send(params![alert_key, user.as_str(), user_key, seq.0 as i64])
}
