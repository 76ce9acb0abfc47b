//! A user's row: numbering, receipts, profile, settings.

use crate::memory::{AllState, Core, Mark, Profile, Receipts};
use crate::ranges::Ranges;
use crate::sql::{Connection, OptionalExtension, Row, Sql, params, unreadable};
use crate::txn::Txn;
use crate::{Settings, UnixMs, UserRow};
use belfry_protocol::user::UserProfile;
use belfry_protocol::{DoNotDisturb, UserId};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// 32 random bits that nobody can foresee.
pub(crate) fn random_u32() -> u32 {
    uuid::Uuid::new_v4().as_u128() as u32
}

const COLUMNS: &str = "user_key, epoch_part, head, unread, items, gone_items, newest_alert, all_from, all_read_up_to, \
     all_read_version, received, received_all, created_at, revoke_before, email, locale, time_zone, name, \
     do_not_disturb, settings_rev, all_late_from, preferences, email_suppressed";

/// Reads users and locks them, in order of their ids, so that nobody else changes anything of them.
pub(crate) fn load_locked(conn: &Connection, users: &[&UserId]) -> Sql<Vec<(UserId, Core, Receipts)>> {
    let ids: Vec<String> = users.iter().map(|user| user.as_str().to_owned()).collect();
    let sql = format!("SELECT {COLUMNS}, id FROM users WHERE id = ANY(?1) ORDER BY id FOR UPDATE");
    let mut found: Vec<(UserId, Core, Receipts)> = conn.prepare_cached(&sql)?.query_listed([ids], |row| {
        let (core, receipts) = read(row)?;
        Ok((id_at(row, 23)?, core, receipts))
    })?;
    let keys: Vec<i64> = found.iter().map(|(_, core, _)| core.key).collect();
    let mut marks = marks_of(conn, keys)?;
    for (_, core, _) in &mut found {
        core.marks = Arc::new(marks.remove(&core.key).unwrap_or_default());
    }
    Ok(found)
}

/// Locks users by key, in order of their ids; where asked, those that others have are left out. Answers which it has.
pub(crate) fn lock_keys(conn: &Connection, user_keys: &[i64], skip: bool) -> Sql<Vec<i64>> {
    let skip = if skip { " SKIP LOCKED" } else { "" };
    let sql = format!("SELECT user_key FROM users WHERE user_key = ANY(?1) ORDER BY id FOR UPDATE{skip}");
    conn.prepare_cached(&sql)?.query_listed([user_keys.to_vec()], |row| row.get(0))
}

/// Reads a user from disk. For one with a tail this is not the whole truth: memory is.
pub(crate) fn load(conn: &Connection, user: &UserId) -> Sql<Option<(Core, Receipts)>> {
    let mut select = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE id = ?1"))?;
    let found = select.query_row([user.as_str()], read).optional()?;
    let Some((mut core, receipts)) = found else {
        return Ok(None);
    };
    core.marks = Arc::new(marks(conn, core.key)?);
    Ok(Some((core, receipts)))
}

fn read(row: &Row<'_>) -> Sql<(Core, Receipts)> {
    let profile = Profile {
        created_at: row.get(12)?,
        revoke_before: row.get(13)?,
        profile: UserProfile {
            email: row.get(14)?,
            locale: row.get(15)?,
            time_zone: row.get(16)?,
            name: row.get(17)?,
        },
        do_not_disturb: match row.get_ref(18)?.as_str_or_null()? {
            Some(json) => serde_json::from_str(json).map_err(|error| unreadable(18, error))?,
            None => DoNotDisturb::default(),
        },
        settings_rev: row.get::<_, i64>(19)? as u64,
        preferences: match row.get_ref(21)?.as_str_or_null()? {
            Some(json) => Some(Arc::new(serde_json::from_str(json).map_err(|error| unreadable(21, error))?)),
            None => None,
        },
        email_suppressed: row.get_ref(22)?.as_str_or_null()?.map(Arc::from),
    };
    let all_from = row.get::<_, i64>(7)? as u64;
    let late_from = row.get::<_, Option<i64>>(20)?.map_or(all_from, |seq| seq as u64);
    let core = Core {
        key: row.get(0)?,
        epoch_part: row.get(1)?,
        head: row.get::<_, i64>(2)? as u64,
        unread: row.get(3)?,
        items: row.get(4)?,
        gone_items: row.get(5)?,
        newest_alert: row.get(6)?,
        all_from,
        late_from,
        all_read_up_to: row.get::<_, i64>(8)? as u64,
        all_read_version: row.get::<_, i64>(9)? as u64,
        marks: Arc::default(),
        profile: Arc::new(profile),
    };
    let receipts = Receipts {
        user: Ranges::from_blob(row.get_ref(10)?.as_blob_or_null()?),
        all: Ranges::from_blob(row.get_ref(11)?.as_blob_or_null()?),
        dirty: false,
        all_ahead: false,
    };
    Ok((core, receipts))
}

/// Whether the disk says that a user confirmed an alert for everyone.
pub(crate) fn received_of_all(conn: &Connection, user: &UserId, all_seq: u64) -> Sql<bool> {
    let received = conn
        .prepare_cached("SELECT received_all FROM users WHERE id = ?1")?
        .query_row([user.as_str()], |row| Ok(Ranges::from_blob(row.get_ref(0)?.as_blob_or_null()?)))
        .optional()?;
    Ok(received.is_some_and(|ranges| ranges.contains(all_seq)))
}

/// What each of these users did with announcements that are still active, asked for at once.
fn marks_of(conn: &Connection, user_keys: Vec<i64>) -> Sql<HashMap<i64, BTreeMap<u64, Mark>>> {
    let sql = format!("{MARKS} WHERE m.user_key = ANY(?1)");
    let found = conn.prepare_cached(&sql)?.query_listed([user_keys], |row| Ok((row.get(4)?, mark(row)?)))?;
    let mut by_user: HashMap<i64, BTreeMap<u64, Mark>> = HashMap::new();
    for (user_key, (all_seq, mark)) in found {
        by_user.entry(user_key).or_default().insert(all_seq, mark);
    }
    Ok(by_user)
}

const MARKS: &str = "SELECT m.all_seq, m.flags, m.level, m.version, m.user_key FROM marks m \
     JOIN announcements n ON n.all_seq = m.all_seq AND n.gone = 0";

/// Reads a row of [`MARKS`].
fn mark(row: &Row<'_>) -> Sql<(u64, Mark)> {
    let mark = Mark { flags: row.get(1)?, level: row.get(2)?, version: row.get::<_, i64>(3)? as u64 };
    Ok((row.get::<_, i64>(0)? as u64, mark))
}

/// What a user did with announcements that are still active.
fn marks(conn: &Connection, user_key: i64) -> Sql<BTreeMap<u64, Mark>> {
    conn.prepare_cached(&format!("{MARKS} WHERE m.user_key = ?1"))?.query_map([user_key], mark)?.collect()
}

/// Makes a user: announcements up to now do not exist for them, but those for latecomers that are still active.
/// `None`: another node has just made them.
pub(crate) fn make(conn: &Connection, user: &UserId, all: &AllState, now: i64) -> Sql<Option<Core>> {
    let epoch_part = random_u32();
    let late_from = all.late_from();
    let key: Option<i64> = conn.prepare_cached(
        "INSERT INTO users (id, epoch_part, created_at, all_from, all_late_from) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (id) DO NOTHING RETURNING user_key",
    )?
    .query_row(params![
        user.as_str(),
        epoch_part,
        now,
        all.head as i64,
        late_from.map(|seq| seq as i64)
    ], |row| row.get(0))
    .optional()?;
    Ok(key.map(|key| Core {
        key,
        epoch_part,
        head: 0,
        unread: 0,
        items: 0,
        gone_items: 0,
        newest_alert: 0,
        all_from: all.head,
        late_from: late_from.unwrap_or(all.head),
        all_read_up_to: 0,
        all_read_version: 0,
        marks: Arc::default(),
        profile: Arc::new(Profile { created_at: now, ..Profile::default() }),
    }))
}

/// The id behind a key.
pub(crate) fn id_of(conn: &Connection, user_key: i64) -> Sql<Option<UserId>> {
    conn.prepare_cached("SELECT id FROM users WHERE user_key = ?1")?
        .query_row([user_key], |row| id_at(row, 0))
        .optional()
}

/// A user id in a column.
pub(crate) fn id_at(row: &Row<'_>, column: usize) -> Sql<UserId> {
    UserId::new(row.get::<_, String>(column)?).map_err(|error| unreadable(column, error))
}

/// A new part of the epoch.
pub(crate) fn renew_epoch(txn: &mut Txn<'_>, user: &UserId, now: i64) -> Sql<Core> {
    let epoch_part = random_u32();
    let work = txn.user_or_new(user, now)?;
    work.core.epoch_part = epoch_part;
    let core = work.core.clone();
    txn.conn
        .prepare_cached("UPDATE users SET epoch_part = ?2 WHERE user_key = ?1")?
        .execute(params![core.key, epoch_part])?;
    Ok(core)
}

/// Replaces the profile.
pub(crate) fn put(txn: &mut Txn<'_>, user: &UserId, profile: UserProfile, now: i64) -> Sql<Core> {
    let work = txn.user_or_new(user, now)?;
    let known = Arc::make_mut(&mut work.core.profile);
    let moved = known.profile.time_zone != profile.time_zone;
    if known.profile.locale != profile.locale || known.profile.time_zone != profile.time_zone {
        known.settings_rev += 1;
    }
    known.profile = profile;
    // The application stands for the address it gives.
    known.email_suppressed = None;
    let core = work.core.clone();
    let known = &core.profile;
    txn.conn
        .prepare_cached(
            "UPDATE users SET email = ?2, locale = ?3, time_zone = ?4, name = ?5, settings_rev = ?6, \
             email_suppressed = NULL WHERE user_key = ?1",
        )?
        .execute(params![
            core.key,
            known.profile.email,
            known.profile.locale,
            known.profile.time_zone,
            known.profile.name,
            known.settings_rev as i64
        ])?;
    if moved {
        crate::deliveries::settings_changed(txn, core.key, now)?;
    }
    Ok(core)
}

/// Refuses older tokens; never moves back.
pub(crate) fn revoke_before(txn: &mut Txn<'_>, user: &UserId, before: UnixMs, now: i64) -> Sql<()> {
    let work = txn.user_or_new(user, now)?;
    let profile = Arc::make_mut(&mut work.core.profile);
    profile.revoke_before = profile.revoke_before.max(Some(before.0));
    let (key, before) = (work.core.key, work.core.profile.revoke_before);
    txn.conn
        .prepare_cached("UPDATE users SET revoke_before = ?2 WHERE user_key = ?1")?
        .execute(params![key, before])?;
    Ok(())
}

/// Sets do-not-disturb.
pub(crate) fn set_do_not_disturb(
    txn: &mut Txn<'_>,
    user: &UserId,
    setting: DoNotDisturb,
    now: i64,
) -> Sql<Settings> {
    let json =
        serde_json::to_string(&setting).map_err(|error| crate::sql::Error::Unreadable(error.to_string()))?;
    let work = txn.user_or_new(user, now)?;
    let profile = Arc::make_mut(&mut work.core.profile);
    profile.do_not_disturb = setting;
    profile.settings_rev += 1;
    let profile = Arc::clone(&work.core.profile);
    let key = work.core.key;
    txn.conn
        .prepare_cached("UPDATE users SET do_not_disturb = ?2, settings_rev = ?3 WHERE user_key = ?1")?
        .execute(params![key, json, profile.settings_rev as i64])?;
    crate::deliveries::settings_changed(txn, key, now)?;
    Ok(profile.settings())
}

/// Erases everything of a user: also alerts that were theirs alone. `false`: there was none.
pub(crate) fn erase(txn: &mut Txn<'_>, user: &UserId) -> Sql<bool> {
    if txn.user(user)?.is_none() {
        return Ok(false);
    }
    crate::settle::settle_user(txn, user)?;
    let key = txn.held(user).core.key;
    crate::deliveries::forget_user(txn, key)?;
    crate::webhook_events::forget_user(txn, key)?;
    let conn = txn.conn;
    conn.prepare_cached(
        "DELETE FROM recipients WHERE user_id = ?2 AND alert_key IN \
         (SELECT alert_key FROM notifications WHERE user_key = ?1)",
    )?
    .execute(params![key, user.as_str()])?;
    let own: Vec<i64> = conn
        .prepare_cached(
            "SELECT a.alert_key FROM notifications n JOIN alerts a ON a.alert_key = n.alert_key \
             WHERE n.user_key = ?1 AND a.user_key = ?1",
        )?
        .query_map([key], |row| row.get(0))?
        .collect::<Sql<_>>()?;
    for alert_key in own {
        crate::alerts::delete(txn, alert_key)?;
    }
    for table in ["notifications", "marks"] {
        conn.prepare_cached(&format!("DELETE FROM {table} WHERE user_key = ?1"))?.execute([key])?;
    }
    crate::groups::forget_user(conn, key)?;
    crate::devices::forget_user(conn, key)?;
    conn.prepare_cached("DELETE FROM presence WHERE user_id = ?1")?.execute([user.as_str()])?;
    conn.prepare_cached("DELETE FROM users WHERE user_key = ?1")?.execute([key])?;
    let work = txn.held(user);
    work.erased = true;
    Ok(true)
}

/// A user as callers see it.
pub(crate) fn row(user: &UserId, core: &Core, standing: crate::Standing) -> UserRow {
    UserRow {
        id: user.clone(),
        profile: core.profile.profile.clone(),
        created_at: UnixMs(core.profile.created_at),
        revoke_before: core.profile.revoke_before.map(UnixMs),
        standing,
    }
}

/// Users whose inbox is over its limit, for the sweep's first round after a start.
pub(crate) fn over_limit(conn: &Connection, items_max: u32, gone_max: u32) -> Sql<Vec<UserId>> {
    conn.prepare_cached("SELECT id FROM users WHERE items > ?1 OR gone_items > ?2 LIMIT 10000")?
        .query_map(params![items_max, gone_max], |row| id_at(row, 0))?
        .collect()
}
