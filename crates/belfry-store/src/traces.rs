//! What became of an alert's deliveries, for whoever posted it.

use crate::delivery_codes as codes;
use crate::delivery_rows::{Delivery, alert_id, find_of};
use crate::sql::{Connection, OptionalExtension, Row, Sql};
use crate::{AttemptTraceRow, DeliveryTraceRow, LegTraceRow, Store, StoreError, UnixMs};
use belfry_protocol::delivery::{DeliveryState, LegState};
use belfry_protocol::{AlertId, UserId};

impl Store {
    /// The deliveries of an alert for these users, with their legs and attempts. Who confirmed it in time has none.
    pub async fn deliveries_of(
        &self,
        id: AlertId,
        users: &[UserId],
    ) -> Result<Vec<(UserId, DeliveryTraceRow)>, StoreError> {
        let users = users.to_vec();
        self.inner.readers.read(move |conn| of_alert(conn, id, users)).await
    }
}

fn of_alert(conn: &Connection, id: AlertId, users: Vec<UserId>) -> Sql<Vec<(UserId, DeliveryTraceRow)>> {
    let mut found = Vec::new();
    if crate::alerts::head_of(conn, id)?.is_none() {
        return Ok(found);
    }
    for user in users {
        let user_key: Option<i64> = conn
            .prepare_cached("SELECT user_key FROM users WHERE id = ?1")?
            .query_row([user.as_str()], |row| row.get(0))
            .optional()?;
        if let Some(user_key) = user_key
            && let Some(trace) = trace(conn, id, user_key)?
        {
            found.push((user, trace));
        }
    }
    Ok(found)
}

/// The delivery of an alert for one user.
pub(crate) fn trace(conn: &Connection, id: AlertId, user_key: i64) -> Sql<Option<DeliveryTraceRow>> {
    let Some(delivery) = find_of(conn, id.key(), user_key)? else {
        return Ok(None);
    };
    let opened_at = conn
        .prepare_cached("SELECT opened_at FROM deliveries WHERE delivery_key = ?1")?
        .query_row([delivery.key], |row| row.get(0))?;
    let legs = legs(conn, &delivery)?;
    let waits = matches!(delivery.state, DeliveryState::Waiting | DeliveryState::Held);
    Ok(Some(DeliveryTraceRow {
        key: delivery.key,
        state: delivery.state,
        step: delivery.step,
        due_at: waits.then_some(UnixMs(delivery.due_at)),
        opened_at: UnixMs(opened_at),
        ended_at: delivery.ended_at.map(UnixMs),
        generation: delivery.generation,
        reason: delivery.reason,
        legs,
    }))
}

fn legs(conn: &Connection, delivery: &Delivery) -> Sql<Vec<LegTraceRow>> {
    let sql = "SELECT l.leg_key, s.step, l.channel, l.provider, l.device_id, l.address_short, l.state, l.reason, \
               l.created_at, l.next_at, l.ended_at, l.provider_id FROM \
               (SELECT leg_key, step FROM legs WHERE delivery_key = ?1 \
               UNION ALL SELECT leg_key, step FROM leg_members WHERE delivery_key = ?1) s \
               JOIN legs l ON l.leg_key = s.leg_key ORDER BY l.leg_key";
    let mut rows: Vec<LegTraceRow> =
        conn.prepare_cached(sql)?.query_map([delivery.key], leg)?.collect::<Sql<_>>()?;
    for row in &mut rows {
        row.attempts = attempts(conn, row.key)?;
        row.with = others(conn, row.key, delivery.key)?;
    }
    Ok(rows)
}

fn leg(row: &Row<'_>) -> Sql<LegTraceRow> {
    let state = codes::leg_state(row.get(6)?);
    let next_at: i64 = row.get(9)?;
    Ok(LegTraceRow {
        key: row.get(0)?,
        step: row.get(1)?,
        channel: codes::channel(row.get(2)?),
        provider: row.get::<_, Option<u8>>(3)?.map(codes::provider),
        device: row.get(4)?,
        address_short: row.get(5)?,
        state,
        reason: row.get(7)?,
        created_at: UnixMs(row.get(8)?),
        next_at: (state == LegState::Pending).then_some(UnixMs(next_at)),
        ended_at: row.get::<_, Option<i64>>(10)?.map(UnixMs),
        provider_id: row.get(11)?,
        with: Vec::new(),
        attempts: Vec::new(),
    })
}

fn attempts(conn: &Connection, leg_key: i64) -> Sql<Vec<AttemptTraceRow>> {
    conn.prepare_cached(
        "SELECT at, node, outcome, status, said, late FROM attempts WHERE leg_key = ?1 ORDER BY n",
    )?
    .query_map([leg_key], |row| {
        Ok(AttemptTraceRow {
            at: UnixMs(row.get(0)?),
            node: row.get(1)?,
            outcome: row.get(2)?,
            status: row.get(3)?,
            said: row.get(4)?,
            late: row.get(5)?,
        })
    })?
    .collect()
}

/// The other alerts that a leg was about.
fn others(conn: &Connection, leg_key: i64, delivery_key: i64) -> Sql<Vec<AlertId>> {
    let keys: Vec<i64> = conn
        .prepare_cached(
            "SELECT delivery_key FROM legs WHERE leg_key = ?1 AND delivery_key <> ?2 \
             UNION ALL SELECT delivery_key FROM leg_members WHERE leg_key = ?1 AND delivery_key <> ?2",
        )?
        .query_map([leg_key, delivery_key], |row| row.get(0))?
        .collect::<Sql<_>>()?;
    let mut ids = Vec::with_capacity(keys.len());
    for key in keys {
        ids.extend(alert_id(conn, key)?);
    }
    Ok(ids)
}
