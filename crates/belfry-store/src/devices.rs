//! Devices: where a push to a person goes. An address belongs to one device of one person at a time.

use crate::sql::{Connection, OptionalExtension, Row, Sql, params, unreadable};
use crate::txn::Txn;
use crate::users::id_at;
use crate::{StoreError, UnixMs};
use belfry_protocol::UserId;
use belfry_protocol::device::{DEVICES_PER_USER_MAX, PushAddress};

/// Moves of addresses that are remembered per person and direction.
const MOVES_KEPT: i64 = 100;

/// A device to register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDevice {
    /// Unique per user.
    pub id: String,
    /// Where a push goes.
    pub address: PushAddress,
    /// SHA-256 of [`PushAddress::identity`]: what makes two registrations one address.
    pub address_hash: [u8; 32],
    /// BCP 47 tag; `None`: the user's.
    pub locale: Option<String>,
    /// IANA name; `None`: the user's.
    pub time_zone: Option<String>,
    /// As the app told it.
    pub app_version: Option<String>,
}

/// A registered device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// Unique per user.
    pub id: String,
    /// Where a push goes.
    pub address: PushAddress,
    /// BCP 47 tag; `None`: the user's.
    pub locale: Option<String>,
    /// IANA name; `None`: the user's.
    pub time_zone: Option<String>,
    /// As the app told it.
    pub app_version: Option<String>,
    /// When it was last registered.
    pub registered_at: UnixMs,
    /// When its provider last accepted a push to this address.
    pub accepted_at: Option<UnixMs>,
    /// Why the last push was not accepted.
    pub failure: Option<String>,
}

/// A device that was registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// As it stands now.
    pub device: DeviceRow,
    /// Whose device had the address until now, and its id.
    pub moved_from: Option<(UserId, String)>,
}

/// Why a device was not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// See there.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The user has as many devices as there can be.
    #[error("the user has {DEVICES_PER_USER_MAX} devices already")]
    TooMany,
}

/// What a provider said to a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceAnswer {
    /// It took it.
    Accepted,
    /// It did not, and why.
    Failed(String),
}

/// Which way an address went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveDirection {
    /// It came from another person.
    Came,
    /// It went to another person.
    Went,
}

/// An address that went from one person to another, as one of them has it in their trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceMove {
    /// When.
    pub at: UnixMs,
    /// This person's device.
    pub device: String,
    /// Which way.
    pub direction: MoveDirection,
    /// The other person.
    pub other: UserId,
}

/// How often it is noted that a provider goes on accepting.
const ACCEPTED_EVERY_MS: i64 = 3_600_000;

/// Registers a device. An address that another device has, of this user or of another, moves here. `None`: too many.
pub(crate) fn put(txn: &mut Txn<'_>, user: &UserId, device: &NewDevice, now: i64) -> Sql<Option<Registered>> {
    let address = serde_json::to_string(&device.address)
        .map_err(|error| crate::sql::Error::Unreadable(error.to_string()))?;
    let key = txn.user_or_new(user, now)?.core.key;
    let conn = txn.conn;
    let others: i64 = conn
        .prepare_cached(
            "SELECT count(*) FROM devices WHERE user_key = ?1 AND device_id <> ?2 AND address_hash <> ?3",
        )?
        .query_row(params![key, device.id, device.address_hash], |row| row.get(0))?;
    if others >= DEVICES_PER_USER_MAX as i64 {
        return Ok(None);
    }
    let moved_from = take_over(conn, key, device, now)?;
    conn.prepare_cached(
        "INSERT INTO devices (user_key, device_id, address, address_hash, locale, time_zone, app_version, \
         registered_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
         ON CONFLICT (user_key, device_id) DO UPDATE SET address = excluded.address, \
         address_hash = excluded.address_hash, locale = excluded.locale, time_zone = excluded.time_zone, \
         app_version = excluded.app_version, registered_at = excluded.registered_at, failure = NULL, \
         accepted_at = CASE WHEN devices.address_hash = excluded.address_hash THEN devices.accepted_at END",
    )?
    .execute(params![
        key,
        device.id,
        address,
        device.address_hash,
        device.locale,
        device.time_zone,
        device.app_version,
        now
    ])?;
    let device = conn
        .prepare_cached(&format!("SELECT {COLUMNS} FROM devices WHERE user_key = ?1 AND device_id = ?2"))?
        .query_row(params![key, device.id], read)?;
    Ok(Some(Registered { device, moved_from }))
}

/// Takes the address from whoever has it; answers from whom, where that is another person.
fn take_over(conn: &Connection, key: i64, device: &NewDevice, now: i64) -> Sql<Option<(UserId, String)>> {
    let holder: Option<(i64, String, UserId)> = conn
        .prepare_cached(
            "SELECT d.user_key, d.device_id, u.id FROM devices d JOIN users u ON u.user_key = d.user_key \
             WHERE d.address_hash = ?1",
        )?
        .query_row([device.address_hash], |row| Ok((row.get(0)?, row.get(1)?, id_at(row, 2)?)))
        .optional()?;
    let Some((holder_key, holder_device, holder)) = holder else {
        return Ok(None);
    };
    if holder_key == key && holder_device == device.id {
        return Ok(None);
    }
    conn.prepare_cached("DELETE FROM devices WHERE user_key = ?1 AND device_id = ?2")?
        .execute(params![holder_key, holder_device])?;
    if holder_key == key {
        return Ok(None);
    }
    conn.prepare_cached(
        "INSERT INTO device_moves (moved_at, from_key, from_device, to_key, to_device) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![now, holder_key, holder_device, key, device.id])?;
    for (column, key) in [("from_key", holder_key), ("to_key", key)] {
        conn.prepare_cached(&format!(
            "DELETE FROM device_moves WHERE {column} = ?1 AND move_key <= (SELECT move_key FROM device_moves \
             WHERE {column} = ?1 ORDER BY move_key DESC LIMIT 1 OFFSET {MOVES_KEPT})"
        ))?
        .execute([key])?;
    }
    Ok(Some((holder, holder_device)))
}

const COLUMNS: &str =
    "device_id, address, locale, time_zone, app_version, registered_at, accepted_at, failure";

fn read(row: &Row<'_>) -> Sql<DeviceRow> {
    let address = serde_json::from_str(row.get_ref(1)?.as_str()?).map_err(|error| unreadable(1, error))?;
    Ok(DeviceRow {
        id: row.get(0)?,
        address,
        locale: row.get(2)?,
        time_zone: row.get(3)?,
        app_version: row.get(4)?,
        registered_at: UnixMs(row.get(5)?),
        accepted_at: row.get::<_, Option<i64>>(6)?.map(UnixMs),
        failure: row.get(7)?,
    })
}

/// The devices of a user, in order of their ids.
pub(crate) fn of_user(conn: &Connection, user_key: i64) -> Sql<Vec<DeviceRow>> {
    conn.prepare_cached(&format!("SELECT {COLUMNS} FROM devices WHERE user_key = ?1 ORDER BY device_id"))?
        .query_map([user_key], read)?
        .collect()
}

/// The key of a user, if there is one.
pub(crate) fn user_key(conn: &Connection, user: &UserId) -> Sql<Option<i64>> {
    conn.prepare_cached("SELECT user_key FROM users WHERE id = ?1")?
        .query_row([user.as_str()], |row| row.get(0))
        .optional()
}

/// The devices of a user by id; empty for one who is not known.
pub(crate) fn list(conn: &Connection, user: &UserId) -> Sql<Vec<DeviceRow>> {
    user_key(conn, user)?.map_or(Ok(Vec::new()), |key| of_user(conn, key))
}

/// Addresses that came to a user from other people or went to them, newest first.
pub(crate) fn moves(conn: &Connection, user: &UserId) -> Sql<Vec<DeviceMove>> {
    let Some(key) = user_key(conn, user)? else {
        return Ok(Vec::new());
    };
    conn.prepare_cached(
        "SELECT m.moved_at, m.from_key = ?1, CASE WHEN m.from_key = ?1 THEN m.from_device ELSE m.to_device END, u.id \
         FROM device_moves m JOIN users u ON u.user_key = CASE WHEN m.from_key = ?1 THEN m.to_key ELSE m.from_key END \
         WHERE m.from_key = ?1 OR m.to_key = ?1 ORDER BY m.move_key DESC",
    )?
    .query_map([key], |row| {
        Ok(DeviceMove {
            at: UnixMs(row.get(0)?),
            device: row.get(2)?,
            direction: if row.get(1)? { MoveDirection::Went } else { MoveDirection::Came },
            other: id_at(row, 3)?,
        })
    })?
    .collect()
}

/// Forgets a device. `false`: there was none, or it was registered later.
pub(crate) fn delete(
    conn: &Connection,
    user: &UserId,
    device: &str,
    unless_registered_after: Option<UnixMs>,
) -> Sql<bool> {
    let Some(key) = user_key(conn, user)? else {
        return Ok(false);
    };
    let deleted = conn
        .prepare_cached("DELETE FROM devices WHERE user_key = ?1 AND device_id = ?2 AND registered_at <= ?3")?
        .execute(params![key, device, unless_registered_after.map_or(i64::MAX, |after| after.0)])?;
    Ok(deleted > 0)
}

/// Notes what a provider said to a push. A device that is gone by then is not noted.
pub(crate) fn answered(
    conn: &Connection,
    user: &UserId,
    device: &str,
    answer: &DeviceAnswer,
    now: i64,
) -> Sql<()> {
    let Some(key) = user_key(conn, user)? else {
        return Ok(());
    };
    match answer {
        DeviceAnswer::Accepted => conn
            .prepare_cached(
                "UPDATE devices SET accepted_at = ?3, failure = NULL WHERE user_key = ?1 AND device_id = ?2 \
                 AND (accepted_at IS NULL OR accepted_at < ?4 OR failure IS NOT NULL)",
            )?
            .execute(params![key, device, now, now - ACCEPTED_EVERY_MS])?,
        DeviceAnswer::Failed(reason) => conn
            .prepare_cached("UPDATE devices SET failure = ?3 WHERE user_key = ?1 AND device_id = ?2")?
            .execute(params![key, device, reason])?,
    };
    Ok(())
}

/// The provider knows the same address by other facts, for example in Apple's other environment. Nothing else changes:
/// it is no new registration.
pub(crate) fn correct(conn: &Connection, user: &UserId, device: &str, address: &PushAddress) -> Sql<()> {
    let Some(key) = user_key(conn, user)? else {
        return Ok(());
    };
    let known: Option<String> = conn
        .prepare_cached("SELECT address FROM devices WHERE user_key = ?1 AND device_id = ?2")?
        .query_row(params![key, device], |row| row.get(0))
        .optional()?;
    let known = known.and_then(|known| serde_json::from_str::<PushAddress>(&known).ok());
    if known.is_none_or(|known| known.identity() != address.identity()) {
        return Ok(());
    }
    let address =
        serde_json::to_string(address).map_err(|error| crate::sql::Error::Unreadable(error.to_string()))?;
    conn.prepare_cached("UPDATE devices SET address = ?3 WHERE user_key = ?1 AND device_id = ?2")?
        .execute(params![key, device, address])?;
    Ok(())
}

/// Everything of an erased user.
pub(crate) fn forget_user(conn: &Connection, user_key: i64) -> Sql<()> {
    conn.prepare_cached("DELETE FROM devices WHERE user_key = ?1")?.execute([user_key])?;
    conn.prepare_cached("DELETE FROM device_moves WHERE from_key = ?1 OR to_key = ?1")?
        .execute([user_key])?;
    Ok(())
}
