//! Where many users stand, at once: what a node asks again and again for everybody who is connected to it, so that a
//! lost hint is made good.

use crate::memory::Memory;
use crate::sql::{Connection, Listed, Row, Sql, unreadable};
use crate::{Settings, Store, StoreError, UnixMs};
use belfry_protocol::frame::Heads;
use belfry_protocol::{DoNotDisturb, Epoch, Seq, UserId};
use std::collections::HashMap;
use std::sync::Arc;

/// Users of one query.
const USERS_PER_QUERY: usize = 500;

/// Where one user stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserHead {
    /// Whose.
    pub user: UserId,
    /// Their numbering.
    pub epoch: Epoch,
    /// The newest number of each stream.
    pub head: Heads,
    /// The user's part of the unread count at that number.
    pub unread: u32,
    /// Do-not-disturb, locale and time zone.
    pub settings: Settings,
    /// Tokens issued at or before this are refused.
    pub revoke_before: Option<UnixMs>,
}

impl Store {
    /// Where these users stand; those whom nobody knows are left out.
    pub async fn heads(&self, users: Vec<UserId>) -> Result<Vec<UserHead>, StoreError> {
        let shared = Arc::clone(&self.inner.shared);
        self.inner.readers.read(move |conn| heads(conn, &shared.memory, &users)).await
    }
}

fn heads(conn: &Connection, memory: &Memory, users: &[UserId]) -> Sql<Vec<UserHead>> {
    crate::announcements::refresh(conn, memory)?;
    let mut found = Vec::with_capacity(users.len());
    let mut cold = Vec::new();
    for user in users {
        match memory.core(user) {
            Some(core) => {
                let standing = memory.standing(&core);
                found.push(UserHead {
                    user: user.clone(),
                    epoch: standing.epoch,
                    head: standing.head,
                    unread: standing.unread.user,
                    settings: core.profile.settings(),
                    revoke_before: core.profile.revoke_before.map(UnixMs),
                });
            }
            None => cold.push(user.clone()),
        }
    }
    let (all, store_epoch) = (Seq(memory.all().head), memory.store_epoch());
    for some in cold.chunks(USERS_PER_QUERY) {
        let sql = "SELECT id, head, unread, epoch_part, revoke_before, do_not_disturb, locale, time_zone, settings_rev \
             FROM users WHERE id";
        let wanted: HashMap<&str, &UserId> = some.iter().map(|user| (user.as_str(), user)).collect();
        let rows = of_users(conn, sql, some, |row| {
            let id: String = row.get(0)?;
            let Some(user) = wanted.get(id.as_str()) else { return Ok(None) };
            let do_not_disturb = match row.get::<_, Option<String>>(5)? {
                Some(json) => serde_json::from_str(&json).map_err(|error| unreadable(5, error))?,
                None => DoNotDisturb::default(),
            };
            Ok(Some(UserHead {
                user: (*user).clone(),
                epoch: Epoch { store: store_epoch, user: row.get::<_, i64>(3)? as u32 },
                head: Heads { user: Seq(row.get::<_, i64>(1)? as u64), all },
                unread: row.get::<_, i64>(2)? as u32,
                settings: Settings {
                    do_not_disturb,
                    locale: row.get(6)?,
                    time_zone: row.get(7)?,
                    rev: row.get::<_, i64>(8)? as u64,
                },
                revoke_before: row.get::<_, Option<i64>>(4)?.map(UnixMs),
            }))
        })?;
        found.extend(rows.into_iter().flatten());
    }
    Ok(found)
}

/// The rows of a question that ends with the column of the user's id. A file is asked with few lengths of the list,
/// filled up with the last user, so that few statements are kept prepared.
pub(crate) fn of_users<T>(
    conn: &Connection,
    sql: &str,
    users: &[UserId],
    read: impl FnMut(&Row<'_>) -> Sql<T>,
) -> Sql<Vec<T>> {
    let mut names: Vec<String> = users.iter().map(|user| user.as_str().to_owned()).collect();
    if conn.is_shared() {
        return conn.prepare_cached(&format!("{sql} = ANY(?1)"))?.query_listed([names], read);
    }
    let length = [1, 8, 64, USERS_PER_QUERY].into_iter().find(|length| names.len() <= *length);
    if let Some((last, length)) = names.last().cloned().zip(length) {
        names.resize(length, last);
    }
    let places: Vec<String> = (1..=names.len()).map(|number| format!("?{number}")).collect();
    let mut select = conn.prepare_cached(&format!("{sql} IN ({})", places.join(", ")))?;
    select.query_map(Listed(names), read)?.collect()
}
