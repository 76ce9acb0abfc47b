//! What went out to people lately, as far as it disturbs them: read from the legs, so that a restart forgets nothing.

use crate::delivery_codes as codes;
use crate::sql::{Connection, OptionalExtension, Sql, params};
use crate::{Sending, Store, StoreError, UnixMs};
use belfry_protocol::UserId;

impl Store {
    /// What was sent to these people after a moment, or is on its way: a step is one sending, however many devices it
    /// goes to and however many alerts it is about.
    pub async fn sendings(&self, users: Vec<UserId>, after: UnixMs) -> Result<Vec<Sending>, StoreError> {
        self.inner.readers.read(move |conn| sendings(conn, &users, after.0)).await
    }
}

fn sendings(conn: &Connection, users: &[UserId], after: i64) -> Sql<Vec<Sending>> {
    let mut found = Vec::new();
    for user in users {
        let user_key: Option<i64> = conn
            .prepare_cached("SELECT user_key FROM users WHERE id = ?1")?
            .query_row([user.as_str()], |row| row.get(0))
            .optional()?;
        let Some(user_key) = user_key else {
            continue;
        };
        let mut select = conn.prepare_cached(
            "SELECT a.category, l.channel, min(l.created_at) FROM legs l INDEXED BY legs_of_user \
             JOIN deliveries d ON d.delivery_key = l.delivery_key JOIN alerts a ON a.alert_key = d.alert_key \
             WHERE l.user_key = ?1 AND l.created_at > ?2 AND l.state IN (0, 1) \
             GROUP BY l.delivery_key, l.step, a.category, l.channel",
        )?;
        for row in select.query_map(params![user_key, after], |row| {
            Ok(Sending {
                user: user.clone(),
                category: row.get(0)?,
                channel: codes::channel(row.get(1)?),
                at: UnixMs(row.get(2)?),
            })
        })? {
            found.push(row?);
        }
    }
    Ok(found)
}
