//! What ends a delivery from outside: its person answered, or its notification left the list.
//!
//! [`end_what_is_satisfied`] runs at the end of every transaction, so none commits a level without ending what that
//! level satisfies. It looks only at users for whom this transaction recorded a level, a state or a departure
//! ([`crate::memory::Work::reached`]) and who have active deliveries: on a good day at nobody.

use crate::announcements;
use crate::delivery_rows::{self, Delivery, active_of, save};
use crate::legs;
use crate::memory::Core;
use crate::sql::{Connection, OptionalExtension, Sql, params};
use crate::state::{ACTED, ARCHIVED, Gone, READ, level_code, level_from};
use crate::txn::Txn;
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::{Level, UserId};

/// A state in which a delivery ends, and why.
pub(crate) type Outcome = (DeliveryState, &'static str);

/// Ends the deliveries that what this transaction did so far has made needless.
pub(crate) fn end_what_is_satisfied(txn: &mut Txn<'_>) -> Sql<()> {
    let shared = txn.conn.is_shared();
    if txn.state.active_users.is_empty() && !shared {
        return Ok(());
    }
    let reached = txn.effects.work.iter().filter(|(_, work)| work.reached && !work.erased);
    let reached = reached.filter(|(_, work)| shared || txn.state.active_users.contains(&work.core.key));
    let mut touched: Vec<(UserId, i64)> = reached.map(|(user, work)| (user.clone(), work.core.key)).collect();
    if shared && !touched.is_empty() {
        let active = delivery_rows::active_among(txn.conn, touched.iter().map(|one| one.1).collect())?;
        touched.retain(|one| active.contains(&one.1));
    }
    touched.sort_unstable();
    let now = txn.now();
    for (user, user_key) in touched {
        let mut any_left = false;
        for delivery in active_of(txn.conn, user_key)? {
            match outcome(txn, &user, &delivery)? {
                Some((state, reason)) => end(txn, &delivery, state, reason, now)?,
                None => any_left = true,
            }
        }
        if !any_left {
            txn.effects.deliveries.inactive_users.insert(user_key);
        }
    }
    Ok(())
}

/// How a delivery ends because of its notification as it is now. The caller has the user in hand, unless the alert is
/// for everyone.
pub(crate) fn outcome(txn: &Txn<'_>, user: &UserId, delivery: &Delivery) -> Sql<Option<Outcome>> {
    if delivery.of_all {
        return outcome_of_all(txn, user, delivery);
    }
    let row: Option<(i64, u8, u8, u8)> = txn
        .conn
        .prepare_cached(
            "SELECT alert_key, level, flags, gone FROM notifications WHERE user_key = ?1 AND seq = ?2",
        )?
        .query_row(params![delivery.user_key, delivery.seq as i64], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((_, level, flags, gone)) = row.filter(|row| row.0 == delivery.alert_key) else {
        return Ok(Some(left(Gone::Removed)));
    };
    if let Some(gone) = Gone::from_code(gone) {
        return Ok(Some(left(gone)));
    }
    Ok(answered(delivery, flags, level.max(u8::from(txn.received(user, delivery.seq)))))
}

/// An alert for everyone has no notification of its own: what somebody did with it stands in their marks.
fn outcome_of_all(txn: &Txn<'_>, user: &UserId, delivery: &Delivery) -> Sql<Option<Outcome>> {
    match txn.core(user)? {
        Some(core) => outcome_for(txn, (user, &core), delivery),
        None => Ok(Some(left(Gone::Removed))),
    }
}

/// The same for one whose core is at hand.
pub(crate) fn outcome_for(
    txn: &Txn<'_>,
    (user, core): (&UserId, &Core),
    delivery: &Delivery,
) -> Sql<Option<Outcome>> {
    if let Some(gone) = announcements::gone(txn.conn, delivery.seq)? {
        return Ok(Some(left(gone)));
    }
    let mark = core.mark(delivery.seq);
    let received = u8::from(txn.received_of_all(user, delivery.seq)?);
    Ok(answered(delivery, mark.flags, mark.level.max(received)))
}

fn answered(delivery: &Delivery, flags: u8, level: u8) -> Option<Outcome> {
    if flags & (READ | ARCHIVED | ACTED) != 0 {
        return Some((DeliveryState::Confirmed, "its person read it"));
    }
    (level >= level_code(delivery.stop_at)).then(|| (DeliveryState::Confirmed, reached(level)))
}

fn reached(level: u8) -> &'static str {
    match level_from(level) {
        Some(Level::Received) | None => "a device has it",
        Some(Level::Displayed) => "it was displayed",
        Some(Level::Seen) => "its person saw it",
        Some(Level::Read | Level::Acted) => "its person read it",
    }
}

fn left(gone: Gone) -> Outcome {
    match gone {
        Gone::Expired => (DeliveryState::Expired, "its time was over"),
        Gone::Recalled => (DeliveryState::Recalled, "it was recalled"),
        Gone::Replaced => (DeliveryState::Recalled, "a newer one took its place"),
        Gone::Removed => (DeliveryState::Recalled, "it was removed"),
    }
}

/// How a delivery ends because of its alert, where no sweep and no chunk of a recall has been at its notification.
pub(crate) fn over(conn: &Connection, delivery: &Delivery, now: i64) -> Sql<Option<Outcome>> {
    let row: Option<(Option<i64>, Option<i64>)> = conn
        .prepare_cached("SELECT recalled_at, expires_at FROM alerts WHERE alert_key = ?1")?
        .query_row([delivery.alert_key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match row {
        None => Some(left(Gone::Removed)),
        Some((Some(_), _)) => Some(left(Gone::Recalled)),
        Some((None, Some(expires_at))) if expires_at <= now => Some(left(Gone::Expired)),
        Some(_) if delivery.of_all => announcements::gone(conn, delivery.seq)?.map(left),
        Some(_) => None,
    })
}

/// Ends a delivery that is not needed any more, and its legs that wait. One that has ended before keeps its state.
pub(crate) fn end(
    txn: &mut Txn<'_>,
    before: &Delivery,
    state: DeliveryState,
    reason: &str,
    now: i64,
) -> Sql<()> {
    let mut after = before.clone();
    if before.ended_at.is_none() {
        after.finish(state, reason, now);
    }
    if before.open_legs > 0 {
        let to = if state == DeliveryState::Expired { LegState::Expired } else { LegState::Cancelled };
        legs::drop_pending(txn, before.key, (to, reason), now)?;
        after.open_legs = 0;
    }
    save(txn, before, &after)
}

/// Looks again at deliveries whose level to reach has changed.
pub(crate) fn look_again(txn: &mut Txn<'_>, delivery_key: i64, now: i64) -> Sql<()> {
    let Some(delivery) = delivery_rows::find(txn.conn, delivery_key)? else {
        return Ok(());
    };
    let Some(user) = delivery_rows::user_of(txn.conn, &delivery)? else {
        return Ok(());
    };
    if txn.user(&user)?.is_none() {
        return Ok(());
    }
    // Now that it is this transaction's own.
    let Some(delivery) = delivery_rows::find(txn.conn, delivery_key)? else {
        return Ok(());
    };
    match outcome(txn, &user, &delivery)? {
        Some((state, reason)) => end(txn, &delivery, state, reason, now),
        None => Ok(()),
    }
}
