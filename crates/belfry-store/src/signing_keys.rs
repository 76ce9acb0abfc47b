//! What tokens are signed with that need no other credential.

use crate::sql::{Connection, Sql, params};

/// The key of this name: the offered one where there was none before.
pub(crate) fn get_or_keep(conn: &Connection, name: &str, offered: [u8; 32], now: i64) -> Sql<[u8; 32]> {
    conn.prepare_cached(
        "INSERT INTO signing_keys (name, secret, created_at) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING",
    )?
    .execute(params![name, offered, now])?;
    conn.prepare_cached("SELECT secret FROM signing_keys WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
}
