//! One step of a delivery to one address. A leg may serve several deliveries of a person: its own, and its members.

use crate::cancellation;
use crate::delivery_codes as codes;
use crate::delivery_rows::{Delivery, find, new_token, save};
use crate::sql::{Connection, OptionalExtension, Row, Sql, params};
use crate::txn::Txn;
use crate::{LegRef, NewLeg};
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::{Channel, Provider};

/// A leg's row, as far as anything is decided by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leg {
    pub(crate) key: i64,
    /// Its own delivery.
    pub(crate) delivery_key: i64,
    pub(crate) step: u32,
    pub(crate) channel: Channel,
    pub(crate) provider: Option<Provider>,
    pub(crate) state: LegState,
    pub(crate) reason: Option<String>,
    pub(crate) tries: u32,
    /// Number of the last attempt.
    pub(crate) calls: u32,
    pub(crate) next_at: i64,
    /// When it is due or its lease ends.
    pub(crate) claim_at: Option<i64>,
    pub(crate) token: Option<i64>,
    /// A delivery left it since the lease began.
    pub(crate) changed: bool,
    pub(crate) provider_id: Option<String>,
    pub(crate) deadline_at: i64,
    pub(crate) ended_at: Option<i64>,
    /// Leases that ran out since an attempt was last recorded.
    pub(crate) lapsed: u32,
}

/// What [`read`] reads, of a table named `l`.
pub(crate) const COLUMNS: &str = "l.leg_key, l.delivery_key, l.step, l.channel, l.provider, l.state, l.reason, l.tries, l.calls, \
     l.next_at, l.claim_at, l.lease_token, l.changed, l.provider_id, l.deadline_at, l.ended_at, l.lapsed";

/// Reads [`COLUMNS`].
pub(crate) fn read(row: &Row<'_>) -> Sql<Leg> {
    Ok(Leg {
        key: row.get(0)?,
        delivery_key: row.get(1)?,
        step: row.get(2)?,
        channel: codes::channel(row.get(3)?),
        provider: row.get::<_, Option<u8>>(4)?.map(codes::provider),
        state: codes::leg_state(row.get(5)?),
        reason: row.get(6)?,
        tries: row.get(7)?,
        calls: row.get(8)?,
        next_at: row.get(9)?,
        claim_at: row.get(10)?,
        token: row.get(11)?,
        changed: row.get(12)?,
        provider_id: row.get(13)?,
        deadline_at: row.get(14)?,
        ended_at: row.get(15)?,
        lapsed: row.get(16)?,
    })
}

impl Leg {
    /// Whoever has it has it no longer; its next attempt is due then.
    pub(crate) fn wait_until(&mut self, next_at: i64) {
        self.next_at = next_at;
        self.claim_at = Some(next_at);
        self.token = None;
        self.changed = false;
        self.lapsed = 0;
    }
}

/// A leg, by key.
pub(crate) fn find_leg(conn: &Connection, key: i64) -> Sql<Option<Leg>> {
    conn.prepare_cached(&format!("SELECT {COLUMNS} FROM legs l WHERE l.leg_key = ?1"))?
        .query_row([key], read)
        .optional()
}

/// Whether a provider accepted a leg that serves this delivery.
pub(crate) fn was_accepted(conn: &Connection, delivery_key: i64) -> Sql<bool> {
    conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM legs WHERE delivery_key = ?1 AND state = 1) OR EXISTS \
         (SELECT 1 FROM leg_members m JOIN legs l ON l.leg_key = m.leg_key WHERE m.delivery_key = ?1 AND l.state = 1)",
    )?
    .query_row([delivery_key], |row| row.get(0))
}

/// The last leg of a delivery that is its own.
pub(crate) fn last_of(conn: &Connection, delivery_key: i64) -> Sql<Option<Leg>> {
    conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM legs l WHERE l.leg_key = (SELECT max(key) FROM \
         (SELECT leg_key AS key FROM legs WHERE delivery_key = ?1 \
         UNION ALL SELECT leg_key FROM leg_members WHERE delivery_key = ?1) AS served)"
    ))?
    .query_row([delivery_key], read)
    .optional()
}

/// The tag under which a delivery's push went out, if one may have.
pub(crate) fn pushed_tag(conn: &Connection, delivery_key: i64) -> Sql<Option<String>> {
    conn.prepare_cached(
        "SELECT l.tag FROM legs l WHERE l.leg_key IN (SELECT leg_key FROM legs WHERE delivery_key = ?1 \
         UNION ALL SELECT leg_key FROM leg_members WHERE delivery_key = ?1) \
         AND l.channel = ?2 AND l.calls > 0 AND l.tag <> '' ORDER BY l.leg_key DESC LIMIT 1",
    )?
    .query_row(params![delivery_key, codes::channel_code(Channel::Push)], |row| row.get(0))
    .optional()
}

/// Writes what has changed.
pub(crate) fn save_leg(txn: &mut Txn<'_>, before: &Leg, after: &Leg) -> Sql<()> {
    if before == after {
        return Ok(());
    }
    txn.conn
        .prepare_cached(
            "UPDATE legs SET delivery_key = ?2, step = ?3, state = ?4, reason = ?5, tries = ?6, calls = ?7, \
             next_at = ?8, claim_at = ?9, lease_token = ?10, changed = ?11, provider_id = ?12, ended_at = ?13, \
             lapsed = ?14 WHERE leg_key = ?1",
        )?
        .execute(params![
            after.key,
            after.delivery_key,
            after.step,
            codes::leg_code(after.state),
            after.reason,
            after.tries,
            after.calls,
            after.next_at,
            after.claim_at,
            after.token,
            after.changed,
            after.provider_id,
            after.ended_at,
            after.lapsed,
        ])?;
    let pending = |leg: &Leg| i64::from(leg.state == LegState::Pending);
    txn.effects.deliveries.touched = true;
    txn.effects.deliveries.legs += pending(after) - pending(before);
    crate::webhook_events::leg_saved(txn, before, after)
}

/// Writes the legs of a step, leased to the caller. The first delivery is their own, the others are members.
pub(crate) fn begin(
    txn: &mut Txn<'_>,
    deliveries: &[Delivery],
    legs: &[NewLeg],
    (now, leased_until): (i64, i64),
) -> Sql<Vec<LegRef>> {
    let mut refs = Vec::with_capacity(legs.len());
    for new in legs {
        if new.state != LegState::Pending || new.provider.is_none() || new.deadline_at.0 <= now {
            let (state, reason) = match new.state {
                LegState::Pending if new.provider.is_none() => (LegState::Failed, Some("no-provider")),
                LegState::Pending => (LegState::Expired, Some("its time was over")),
                state => (state, None),
            };
            let reason = reason.map(str::to_owned).or_else(|| new.reason.clone());
            insert_note(txn, deliveries[0].key, &NewLeg { state, reason, ..new.clone() }, now)?;
            continue;
        }
        let token = new_token();
        let key = insert(txn, deliveries[0].key, new, (now, Some((leased_until, token))))?;
        txn.conn
            .prepare_cached("UPDATE legs SET user_key = ?2 WHERE leg_key = ?1")?
            .execute(params![key, deliveries[0].user_key])?;
        for member in &deliveries[1..] {
            txn.conn
                .prepare_cached("INSERT INTO leg_members (leg_key, delivery_key, step) VALUES (?1, ?2, ?3)")?
                .execute(params![key, member.key, member.step])?;
        }
        txn.effects.deliveries.legs += 1;
        refs.push(LegRef { key, token });
    }
    Ok(refs)
}

/// Writes a leg that is final at once.
pub(crate) fn insert_note(txn: &mut Txn<'_>, delivery_key: i64, note: &NewLeg, now: i64) -> Sql<()> {
    insert(txn, delivery_key, note, (now, None)).map(drop)
}

fn insert(
    txn: &mut Txn<'_>,
    delivery_key: i64,
    new: &NewLeg,
    (now, lease): (i64, Option<(i64, i64)>),
) -> Sql<i64> {
    txn.effects.deliveries.touched = true;
    txn.conn
        .prepare_cached(
            "INSERT INTO legs (delivery_key, step, channel, provider, device_id, address, address_short, tag, state, \
             reason, next_at, claim_at, lease_token, deadline_at, created_at, ended_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?11, ?15) RETURNING leg_key",
        )?
        .query_row(params![
            delivery_key,
            new.step,
            codes::channel_code(new.channel),
            new.provider.map(codes::provider_code),
            new.device,
            new.address,
            new.address_short,
            new.tag,
            codes::leg_code(new.state),
            new.reason,
            now,
            lease.map(|lease| lease.0),
            lease.map(|lease| lease.1),
            new.deadline_at.0,
            lease.is_none().then_some(now),
        ], |row| row.get(0))
}

/// The deliveries that a leg serves, its own first, with the step of each one's ladder.
pub(crate) fn served_by(conn: &Connection, leg: &Leg) -> Sql<Vec<(i64, u32)>> {
    let mut served = vec![(leg.delivery_key, leg.step)];
    let mut select = conn.prepare_cached(
        "SELECT delivery_key, step FROM leg_members WHERE leg_key = ?1 ORDER BY delivery_key",
    )?;
    for row in select.query_map([leg.key], |row| Ok((row.get(0)?, row.get(1)?)))? {
        served.push(row?);
    }
    Ok(served)
}

/// The legs that wait for a delivery, with the step of its ladder.
fn pending_of(conn: &Connection, delivery_key: i64) -> Sql<Vec<(i64, u32)>> {
    conn.prepare_cached(
        "SELECT leg_key, step FROM legs WHERE delivery_key = ?1 AND state = 0 \
         UNION ALL SELECT m.leg_key, m.step FROM leg_members m JOIN legs l ON l.leg_key = m.leg_key \
         WHERE m.delivery_key = ?1 AND l.state = 0",
    )?
    .query_map([delivery_key], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}

/// A delivery does not want its legs any more. Those that serve no other one end; the others go on without it, and
/// say that they have changed. The caller writes that none is open.
pub(crate) fn drop_pending(
    txn: &mut Txn<'_>,
    delivery_key: i64,
    (to, reason): (LegState, &str),
    now: i64,
) -> Sql<()> {
    for (key, step) in pending_of(txn.conn, delivery_key)? {
        let Some(before) = find_leg(txn.conn, key)? else {
            continue;
        };
        let mut after = before.clone();
        if leave(txn, &mut after, delivery_key)? {
            after.changed = after.token.is_some();
            leave_note(txn, (key, delivery_key, step), (to, reason), now)?;
        } else {
            end_leg(&mut after, to, now);
            after.reason = Some(reason.to_owned());
        }
        save_leg(txn, &before, &after)?;
    }
    Ok(())
}

fn end_leg(leg: &mut Leg, state: LegState, now: i64) {
    leg.state = state;
    leg.claim_at = None;
    leg.token = None;
    leg.ended_at = Some(now);
}

/// Takes a delivery from those that a leg serves. `false`: it is the only one. Where it is the leg's own, the leg
/// becomes the next one's.
fn leave(txn: &Txn<'_>, leg: &mut Leg, delivery_key: i64) -> Sql<bool> {
    let mut leaving = delivery_key;
    if leg.delivery_key == delivery_key {
        let next: Option<(i64, u32)> = served_by(txn.conn, leg)?.get(1).copied();
        let Some((next, step)) = next else {
            return Ok(false);
        };
        (leg.delivery_key, leg.step) = (next, step);
        leaving = next;
    }
    txn.conn
        .prepare_cached("DELETE FROM leg_members WHERE leg_key = ?1 AND delivery_key = ?2")?
        .execute([leg.key, leaving])?;
    Ok(true)
}

/// What the trace of a delivery keeps of a leg that goes on without it.
fn leave_note(
    txn: &Txn<'_>,
    (leg_key, delivery_key, step): (i64, i64, u32),
    (state, reason): (LegState, &str),
    now: i64,
) -> Sql<()> {
    txn.conn
        .prepare_cached(
            "INSERT INTO legs (delivery_key, step, channel, provider, device_id, address, address_short, tag, state, \
             reason, tries, calls, next_at, deadline_at, created_at, ended_at) \
             SELECT ?2, ?3, channel, provider, device_id, '', address_short, tag, ?4, ?5, tries, calls, next_at, \
             deadline_at, created_at, ?6 FROM legs WHERE leg_key = ?1",
        )?
        .execute(params![leg_key, delivery_key, step, codes::leg_code(state), reason, now])?;
    Ok(())
}

/// A leg has reached its end: the deliveries whose step it is move on.
pub(crate) fn finish(txn: &mut Txn<'_>, before: &Leg, mut after: Leg, state: LegState, now: i64) -> Sql<()> {
    end_leg(&mut after, state, now);
    save_leg(txn, before, &after)?;
    for (key, step) in served_by(txn.conn, &after)? {
        let Some(delivery) = find(txn.conn, key)? else {
            continue;
        };
        let mut moved = delivery.clone();
        moved.open_legs = moved.open_legs.saturating_sub(1);
        let is_its_step = delivery.state == DeliveryState::Sending && delivery.step == step;
        if is_its_step && state == LegState::Accepted {
            moved.sent(now);
        } else if is_its_step && !pending_of(txn.conn, key)?.iter().any(|leg| leg.1 == step) {
            moved.failed(now);
        }
        save(txn, &delivery, &moved)?;
        if moved.stop_at < delivery.stop_at {
            // What was too little for the step before may be enough for this one.
            cancellation::look_again(txn, key, now)?;
        }
    }
    Ok(())
}

/// Forgets what is left of a delivery's legs; those that others were served by too stay with them.
pub(crate) fn forget(txn: &mut Txn<'_>, delivery_key: i64) -> Sql<()> {
    let own: Vec<Leg> = txn
        .conn
        .prepare_cached(&format!("SELECT {COLUMNS} FROM legs l WHERE l.delivery_key = ?1"))?
        .query_map([delivery_key], read)?
        .collect::<Sql<_>>()?;
    for before in own {
        let mut after = before.clone();
        if leave(txn, &mut after, delivery_key)? {
            save_leg(txn, &before, &after)?;
        } else {
            for table in ["attempts", "legs"] {
                txn.conn
                    .prepare_cached(&format!("DELETE FROM {table} WHERE leg_key = ?1"))?
                    .execute([before.key])?;
            }
        }
    }
    txn.conn.prepare_cached("DELETE FROM leg_members WHERE delivery_key = ?1")?.execute([delivery_key])?;
    Ok(())
}
