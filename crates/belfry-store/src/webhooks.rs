//! Endpoints for status webhooks. What they are told stands in `webhook_events`.

use crate::sql::{Connection, OptionalExtension, Row, Sql, params};
use crate::txn::Txn;
use crate::{NewWebhook, Store, StoreError, UnixMs, WebhookRow};
use belfry_protocol::WebhookId;
use belfry_protocol::webhook::{WEBHOOKS_MAX, WebhookDisabled, WebhookEvent};

/// An endpoint as every transaction knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) key: i64,
    pub(crate) enabled: bool,
    /// What it wants, a bit each.
    pub(crate) events: u32,
    /// Events that wait.
    pub(crate) waiting: u32,
}

impl Store {
    /// Makes an endpoint or changes one, which keeps its secret; `true`: it was made. `None`: there are
    /// [`WEBHOOKS_MAX`], and this would be another one.
    pub async fn put_webhook(
        &self,
        id: &WebhookId,
        new: NewWebhook,
        now: UnixMs,
    ) -> Result<Option<(WebhookRow, bool)>, StoreError> {
        let id = id.clone();
        self.inner.writer.write(move |txn| put(txn, &id, &new, now.0)).await
    }

    /// Every endpoint, in order of their ids.
    pub async fn webhooks(&self) -> Result<Vec<WebhookRow>, StoreError> {
        let read = |conn: &Connection| {
            conn.prepare_cached(&format!("SELECT {COLUMNS} FROM webhooks w ORDER BY w.id"))?
                .query_map([], read)?
                .collect()
        };
        self.inner.readers.read(read).await
    }

    /// One endpoint.
    pub async fn webhook(&self, id: &WebhookId) -> Result<Option<WebhookRow>, StoreError> {
        let id = id.clone();
        self.inner.readers.read(move |conn| find(conn, &id)).await
    }

    /// Deletes an endpoint with all that waits for it. `false`: there was none.
    pub async fn delete_webhook(&self, id: &WebhookId) -> Result<bool, StoreError> {
        let id = id.clone();
        self.inner.writer.write(move |txn| delete(txn, &id)).await
    }

    /// Gives an endpoint a new secret; until `old_until` the one before signs as well. `None`: there is none.
    pub async fn rotate_webhook(
        &self,
        id: &WebhookId,
        secret: &str,
        old_until: UnixMs,
    ) -> Result<Option<WebhookRow>, StoreError> {
        let (id, secret) = (id.clone(), secret.to_owned());
        let rotate = move |txn: &mut Txn<'_>| {
            txn.conn
                .prepare_cached(
                    "UPDATE webhooks SET old_secret = secret, old_until = ?2, secret = ?3 WHERE id = ?1",
                )?
                .execute(params![id.as_str(), old_until.0, secret])?;
            find(txn.conn, &id)
        };
        self.inner.writer.write(rotate).await
    }
}

/// What [`read`] reads, of a table named `w`.
const COLUMNS: &str = "w.id, w.url, w.events, w.enabled, w.created_at, w.failing_since, w.disabled_reason, w.dropped, \
     (SELECT count(*) FROM webhook_events e WHERE e.webhook_key = w.webhook_key)";

fn read(row: &Row<'_>) -> Sql<WebhookRow> {
    let id: String = row.get(0)?;
    let mask: u32 = row.get(2)?;
    Ok(WebhookRow {
        id: WebhookId::new(id).map_err(|error| crate::sql::unreadable(0, error))?,
        url: row.get(1)?,
        events: WebhookEvent::ALL.into_iter().filter(|event| mask & bit(*event) != 0).collect(),
        enabled: row.get(3)?,
        created_at: UnixMs(row.get(4)?),
        failing_since: row.get::<_, Option<i64>>(5)?.map(UnixMs),
        disabled_reason: row.get::<_, Option<u8>>(6)?.map(|code| match code {
            0 => WebhookDisabled::Gone,
            _ => WebhookDisabled::Failing,
        }),
        dropped: row.get(7)?,
        waiting: row.get(8)?,
    })
}

/// The bit of an event in a mask.
pub(crate) fn bit(event: WebhookEvent) -> u32 {
    let place = match event {
        WebhookEvent::Accepted => 0,
        WebhookEvent::Received => 1,
        WebhookEvent::Seen => 2,
        WebhookEvent::Read => 3,
        WebhookEvent::Sent => 4,
        WebhookEvent::Failed => 5,
        WebhookEvent::Suppressed => 6,
        WebhookEvent::Expired => 7,
        WebhookEvent::DeadLettered => 8,
    };
    1 << place
}

fn find(conn: &Connection, id: &WebhookId) -> Sql<Option<WebhookRow>> {
    conn.prepare_cached(&format!("SELECT {COLUMNS} FROM webhooks w WHERE w.id = ?1"))?
        .query_row([id.as_str()], read)
        .optional()
}

fn put(txn: &mut Txn<'_>, id: &WebhookId, new: &NewWebhook, now: i64) -> Sql<Option<(WebhookRow, bool)>> {
    let known = find(txn.conn, id)?;
    let count: u32 =
        txn.conn.prepare_cached("SELECT count(*) FROM webhooks")?.query_row([], |row| row.get(0))?;
    if known.is_none() && count as usize >= WEBHOOKS_MAX {
        return Ok(None);
    }
    let events = new.events.iter().fold(0, |mask, event| mask | bit(*event));
    // Whoever says again that it is enabled has seen to it, and its five days begin anew.
    txn.conn
        .prepare_cached(
            "INSERT INTO webhooks (id, url, events, enabled, secret, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (id) DO UPDATE SET url = excluded.url, events = excluded.events, enabled = excluded.enabled, \
             failing_since = CASE WHEN webhooks.enabled = 1 THEN webhooks.failing_since END, \
             disabled_reason = CASE WHEN excluded.enabled = 1 THEN NULL ELSE webhooks.disabled_reason END",
        )?
        .execute(params![id.as_str(), new.url, events, new.enabled, new.secret, now])?;
    changed(txn);
    let row = find(txn.conn, id)?;
    Ok(row.map(|row| (row, known.is_none())))
}

fn delete(txn: &mut Txn<'_>, id: &WebhookId) -> Sql<bool> {
    txn.conn
        .prepare_cached(
            "DELETE FROM webhook_events WHERE webhook_key = (SELECT webhook_key FROM webhooks WHERE id = ?1)",
        )?
        .execute([id.as_str()])?;
    let gone = txn.conn.prepare_cached("DELETE FROM webhooks WHERE id = ?1")?.execute([id.as_str()])?;
    changed(txn);
    Ok(gone > 0)
}

/// What transactions know of the endpoints is read anew.
pub(crate) fn changed(txn: &mut Txn<'_>) {
    txn.state.endpoints = None;
    txn.effects.webhooks_touched = true;
}

/// The endpoints, as this transaction sees them.
pub(crate) fn endpoints<'a>(txn: &'a mut Txn<'_>) -> Sql<&'a mut Vec<Endpoint>> {
    if txn.state.endpoints.is_none() {
        txn.state.endpoints = Some(load(txn.conn)?);
    }
    Ok(txn.state.endpoints.get_or_insert_default())
}

fn load(conn: &Connection) -> Sql<Vec<Endpoint>> {
    conn.prepare_cached(
        "SELECT w.webhook_key, w.enabled, w.events, \
         (SELECT count(*) FROM webhook_events e WHERE e.webhook_key = w.webhook_key) FROM webhooks w",
    )?
    .query_map([], |row| {
        Ok(Endpoint { key: row.get(0)?, enabled: row.get(1)?, events: row.get(2)?, waiting: row.get(3)? })
    })?
    .collect()
}
