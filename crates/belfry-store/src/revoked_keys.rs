//! Signing keys whose tokens are refused. A handful of rows: they stand among the numbers of the store.

use crate::UnixMs;
use crate::sql::{Connection, Sql};
use crate::txn::{Txn, meta, set_meta};
use belfry_protocol::KeyId;

/// Before the key's name in `meta.name`.
const PREFIX: &str = "revoked_key:";
/// The first text behind all that begin with it.
const BEHIND: &str = "revoked_key;";

fn name(key: &KeyId) -> String {
    format!("{PREFIX}{key}")
}

/// Revokes a key; answers when it was revoked first.
pub(crate) fn revoke(txn: &mut Txn<'_>, key: &KeyId, now: i64) -> Sql<UnixMs> {
    let name = name(key);
    if let Some(at) = meta(txn.conn, &name)? {
        return Ok(UnixMs(at));
    }
    set_meta(txn.conn, &name, now)?;
    Ok(UnixMs(now))
}

/// Takes a revocation back. `false`: there was none.
pub(crate) fn restore(txn: &mut Txn<'_>, key: &KeyId) -> Sql<bool> {
    let deleted = txn.conn.prepare_cached("DELETE FROM meta WHERE name = ?1")?.execute([name(key)])?;
    Ok(deleted > 0)
}

/// All of them in order of their names.
pub(crate) fn all(conn: &Connection) -> Sql<Vec<(KeyId, UnixMs)>> {
    let mut select =
        conn.prepare_cached("SELECT name, value FROM meta WHERE name >= ?1 AND name < ?2 ORDER BY name")?;
    let rows = select.query_map([PREFIX, BEHIND], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    let mut keys = Vec::new();
    for row in rows {
        let (name, at) = row?;
        // What no id can be was not written by `revoke`.
        keys.extend(KeyId::new(&name[PREFIX.len()..]).ok().map(|key| (key, UnixMs(at))));
    }
    Ok(keys)
}
