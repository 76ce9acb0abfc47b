//! Where an alert stands with its recipients, for the back end.

use crate::alerts::{self, Form};
use crate::announcements;
use crate::fanouts::recipients_after;
use crate::inbox::now;
use crate::ranges::Ranges;
use crate::sql::{Connection, OptionalExtension, Row, Sql, params};
use crate::state;
use crate::users;
use crate::{ItemNow, RecipientRow, UnixMs};
use belfry_protocol::inbox::ChangedTo;
use belfry_protocol::{AlertId, ItemState, Level, Seq, Stream, UserId};

/// The next recipients in order of their ids; for everyone, those of whom anything is known.
pub(crate) fn page(
    conn: &Connection,
    id: AlertId,
    after: Option<&UserId>,
    limit: u32,
) -> Sql<Vec<RecipientRow>> {
    let Some(head) = alerts::head_of(conn, id)? else {
        return Ok(Vec::new());
    };
    let after = after.map_or("", UserId::as_str);
    if head.form == Form::Everyone {
        return touched(conn, (head.seq.unwrap_or(0), id.key()), after, limit);
    }
    let recipients = match (head.user_key, head.seq) {
        (Some(user_key), Some(seq)) => {
            let user = users::id_of(conn, user_key)?.filter(|user| user.as_str() > after && limit > 0);
            user.map(|user| (user, seq)).into_iter().collect()
        }
        _ => recipients_after(conn, id.key(), after, limit as usize)?,
    };
    let mut rows = Vec::with_capacity(recipients.len());
    for (user, seq) in recipients {
        rows.extend(recipient(conn, user, seq)?);
    }
    Ok(rows)
}

fn times(row: &Row<'_>, first: usize, levels: &[Level]) -> Sql<Vec<(Level, UnixMs)>> {
    let mut times = Vec::new();
    for (at, level) in levels.iter().enumerate() {
        if let Some(time) = row.get::<_, Option<i64>>(first + at)? {
            times.push((*level, UnixMs(time)));
        }
    }
    Ok(times)
}

fn recipient(conn: &Connection, user: UserId, seq: u64) -> Sql<Option<RecipientRow>> {
    const LEVELS: [Level; 5] = [Level::Received, Level::Displayed, Level::Seen, Level::Read, Level::Acted];
    let mut select = conn.prepare_cached(
        "SELECT u.head, u.received, n.flags, n.gone, n.level, n.received_at, n.displayed_at, n.seen_at, n.read_at, \
         n.acted_at FROM users u LEFT JOIN notifications n ON n.user_key = u.user_key AND n.seq = ?2 \
         WHERE u.id = ?1",
    )?;
    select
        .query_row(params![user.as_str(), seq as i64], |row| {
            let received = Ranges::from_blob(row.get_ref(1)?.as_blob_or_null()?).contains(seq);
            let now = match row.get::<_, Option<u8>>(2)? {
                Some(flags) => now(flags, row.get(3)?),
                // Above the settled head it stands in the log only, untouched.
                None if row.get::<_, i64>(0)? < seq as i64 => ItemNow::Here(ItemState::default()),
                None => ItemNow::Left(ChangedTo::Removed),
            };
            let level = row.get::<_, Option<u8>>(4)?.unwrap_or(0).max(u8::from(received));
            Ok(RecipientRow {
                user: user.clone(),
                stream: Stream::User,
                seq: Seq(seq),
                now,
                level: state::level_from(level),
                level_times: times(row, 5, &LEVELS)?,
            })
        })
        .optional()
}

/// Of an alert for everyone: those who did something with it, and those to whom its ladder went.
fn touched(
    conn: &Connection,
    (all_seq, alert_key): (u64, i64),
    after: &str,
    limit: u32,
) -> Sql<Vec<RecipientRow>> {
    const LEVELS: [Level; 4] = [Level::Displayed, Level::Seen, Level::Read, Level::Acted];
    let gone = announcements::gone(conn, all_seq)?;
    conn.prepare_cached(
        "SELECT u.id, m.flags, m.level, m.displayed_at, m.seen_at, m.read_at, m.acted_at, u.received_all, u.all_read_up_to >= ?1 FROM \
         (SELECT user_key FROM marks WHERE all_seq = ?1 \
         UNION SELECT user_key FROM deliveries WHERE alert_key = ?2) t JOIN users u ON u.user_key = t.user_key \
         LEFT JOIN marks m ON m.user_key = t.user_key AND m.all_seq = ?1 \
         WHERE u.id > ?3 ORDER BY u.id LIMIT ?4",
    )?
    .query_map(params![all_seq as i64, alert_key, after, limit], |row| {
        let received = Ranges::from_blob(row.get_ref(7)?.as_blob_or_null()?).contains(all_seq);
        // Who read everything up to it has no mark of its own.
        let unmarked = if row.get(8)? { state::READ | state::SEEN } else { 0 };
        let flags = row.get::<_, Option<u8>>(1)?.unwrap_or(unmarked);
        let read = if flags & state::READ != 0 { state::level_code(Level::Read) } else { 0 };
        let level = row.get::<_, Option<u8>>(2)?.unwrap_or(read).max(u8::from(received));
        Ok(RecipientRow {
            user: users::id_at(row, 0)?,
            stream: Stream::All,
            seq: Seq(all_seq),
            now: match gone {
                Some(gone) => ItemNow::Left(gone.to()),
                None => ItemNow::Here(state::item_state(flags)),
            },
            level: state::level_from(level),
            level_times: times(row, 3, &LEVELS)?,
        })
    })?
    .collect()
}
