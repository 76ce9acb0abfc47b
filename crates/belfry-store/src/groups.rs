//! Groups: sets of users that the application keeps here.

use crate::GroupRow;
use crate::sql::{Connection, OptionalExtension, Sql, params};
use crate::txn::Txn;
use crate::users;
use belfry_protocol::{GroupId, UserId};

/// A group's key and how many are in it.
pub(crate) fn find(conn: &Connection, group: &GroupId) -> Sql<Option<(i64, u32)>> {
    conn.prepare_cached("SELECT group_key, member_count FROM groups WHERE id = ?1")?
        .query_row([group.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// The next members after an id, in order of their ids.
pub(crate) fn members(conn: &Connection, group_key: i64, after: &str, limit: u32) -> Sql<Vec<UserId>> {
    conn.prepare_cached(
        "SELECT user_id FROM members WHERE group_key = ?1 AND user_id > ?2 ORDER BY user_id LIMIT ?3",
    )?
    .query_map(params![group_key, after, limit], |row| users::id_at(row, 0))?
    .collect()
}

/// Replaces the members, making the group where it is new.
pub(crate) fn put(txn: &mut Txn<'_>, group: &GroupId, members: Vec<UserId>, now: i64) -> Sql<u32> {
    let conn = txn.conn;
    let group_key = match find(conn, group)? {
        Some((group_key, _)) => {
            conn.prepare_cached("DELETE FROM members WHERE group_key = ?1")?.execute([group_key])?;
            group_key
        }
        None => conn
            .prepare_cached("INSERT INTO groups (id, created_at) VALUES (?1, ?2) RETURNING group_key")?
            .query_row(params![group.as_str(), now], |row| row.get(0))?,
    };
    insert(txn, group_key, members, now)?;
    recount(conn, group_key)
}

/// Adds members. `None`: no such group.
pub(crate) fn add(txn: &mut Txn<'_>, group: &GroupId, members: Vec<UserId>, now: i64) -> Sql<Option<u32>> {
    let Some((group_key, _)) = find(txn.conn, group)? else {
        return Ok(None);
    };
    insert(txn, group_key, members, now)?;
    recount(txn.conn, group_key).map(Some)
}

fn insert(txn: &mut Txn<'_>, group_key: i64, mut members: Vec<UserId>, now: i64) -> Sql<()> {
    members.sort_unstable();
    txn.lock_users(&members)?;
    for member in &members {
        let user_key = txn.user_or_new(member, now)?.core.key;
        txn.conn
            .prepare_cached(
                "INSERT INTO members (group_key, user_id, user_key) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (group_key, user_id) DO NOTHING",
            )?
            .execute(params![group_key, member.as_str(), user_key])?;
    }
    Ok(())
}

/// Removes members. `None`: no such group.
pub(crate) fn remove(txn: &mut Txn<'_>, group: &GroupId, members: &[UserId]) -> Sql<Option<u32>> {
    let Some((group_key, _)) = find(txn.conn, group)? else {
        return Ok(None);
    };
    for member in members {
        txn.conn
            .prepare_cached("DELETE FROM members WHERE group_key = ?1 AND user_id = ?2")?
            .execute(params![group_key, member.as_str()])?;
    }
    recount(txn.conn, group_key).map(Some)
}

fn recount(conn: &Connection, group_key: i64) -> Sql<u32> {
    conn.prepare_cached(
        "UPDATE groups SET member_count = (SELECT count(*) FROM members WHERE group_key = ?1) \
         WHERE group_key = ?1 RETURNING member_count",
    )?
    .query_row([group_key], |row| row.get(0))
}

/// Deletes a group. `false`: there was none.
pub(crate) fn delete(txn: &mut Txn<'_>, group: &GroupId) -> Sql<bool> {
    let Some((group_key, _)) = find(txn.conn, group)? else {
        return Ok(false);
    };
    txn.conn.prepare_cached("DELETE FROM members WHERE group_key = ?1")?.execute([group_key])?;
    txn.conn.prepare_cached("DELETE FROM groups WHERE group_key = ?1")?.execute([group_key])?;
    Ok(true)
}

/// Takes an erased user out of every group.
pub(crate) fn forget_user(conn: &Connection, user_key: i64) -> Sql<()> {
    let groups: Vec<i64> = conn
        .prepare_cached("SELECT group_key FROM members WHERE user_key = ?1")?
        .query_map([user_key], |row| row.get(0))?
        .collect::<Sql<_>>()?;
    conn.prepare_cached("DELETE FROM members WHERE user_key = ?1")?.execute([user_key])?;
    for group_key in groups {
        recount(conn, group_key)?;
    }
    Ok(())
}

/// The groups a user is in.
pub(crate) fn of_user(conn: &Connection, user_key: i64) -> Sql<Vec<String>> {
    conn.prepare_cached(
        "SELECT g.id FROM members m JOIN groups g ON g.group_key = m.group_key WHERE m.user_key = ?1 ORDER BY g.id",
    )?
    .query_map([user_key], |row| row.get(0))?
    .collect()
}

/// A page of a group.
pub(crate) fn page(
    conn: &Connection,
    group: &GroupId,
    after: Option<&UserId>,
    limit: u32,
) -> Sql<Option<GroupRow>> {
    let Some((group_key, member_count)) = find(conn, group)? else {
        return Ok(None);
    };
    let mut found = members(conn, group_key, after.map_or("", UserId::as_str), limit.saturating_add(1))?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    Ok(Some(GroupRow { member_count, members: found, more }))
}
