//! An alert's row: what it says, whom it is for, and, for one recipient, where it stands in that inbox.

use crate::sql::{Connection, OptionalExtension, Row, Sql, Statement, params, unreadable};
use crate::txn::Txn;
use crate::{AlertDetail, Content, Idempotency, NewAlert, UnixMs};
use belfry_protocol::{AlertId, Audience, GroupId, Severity, UserId};
use std::sync::{Arc, LazyLock};

/// What [`content_at`] reads, of a table named `a`.
pub(crate) const CONTENT_COLUMNS: &str = "a.alert_key, a.id_tail, a.created_at, a.expires_at, a.severity, a.quiet, \
     a.breaks_through, a.kind, a.category, a.collapse_key, a.thread, a.title, a.body, a.link, a.image, a.actions, \
     a.ladder, a.data";
/// Most users kept of a posted list.
const AUDIENCE_USERS_KEPT: usize = 100;

/// Which form the audience had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    User,
    Users,
    Group,
    Everyone,
}

impl Form {
    fn of(audience: &Audience) -> Self {
        match audience {
            Audience::User(_) => Form::User,
            Audience::Users(_) => Form::Users,
            Audience::Group(_) => Form::Group,
            Audience::Everyone(_) => Form::Everyone,
        }
    }

    fn code(self) -> u8 {
        match self {
            Form::User => 0,
            Form::Users => 1,
            Form::Group => 2,
            Form::Everyone => 3,
        }
    }

    fn from_code(code: u8) -> Self {
        match code {
            0 => Form::User,
            1 => Form::Users,
            2 => Form::Group,
            _ => Form::Everyone,
        }
    }
}

/// Where a new alert stands.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Placement {
    /// One recipient.
    pub(crate) user_key: Option<i64>,
    /// That recipient's number, or the one in `all`.
    pub(crate) seq: Option<u64>,
    /// `None`: everyone.
    pub(crate) recipients: Option<u32>,
}

/// What operations need to know of a stored alert.
#[derive(Debug, Clone)]
pub(crate) struct AlertHead {
    pub(crate) id: AlertId,
    pub(crate) form: Form,
    pub(crate) user_key: Option<i64>,
    pub(crate) seq: Option<u64>,
    pub(crate) recipients: Option<u32>,
    pub(crate) recalled_at: Option<i64>,
    pub(crate) category: String,
    pub(crate) idempotency: Option<Idempotency>,
}

/// What every alert has, and what only some have: a statement for those without is a third shorter.
const COLUMNS: [&str; 14] = [
    "alert_key",
    "id_tail",
    "audience_form",
    "user_key",
    "seq",
    "recipients",
    "created_at",
    "severity",
    "kind",
    "category",
    "title",
    "body",
    "link",
    "data",
];
const IDEMPOTENCY_COLUMNS: [&str; 3] = ["idempotency_api_key", "idempotency_key", "idempotency_hash"];
const RARE_COLUMNS: [&str; 9] = [
    "expires_at",
    "quiet",
    "breaks_through",
    "collapse_key",
    "thread",
    "image",
    "actions",
    "ladder",
    "audience",
];

/// The statements that store an alert, one per form, kept for the length of a transaction.
#[derive(Default)]
pub(crate) struct Inserts<'a>([Option<Statement<'a>>; 4]);

static INSERTS: LazyLock<[String; 4]> = LazyLock::new(|| {
    std::array::from_fn(|form| {
        let mut columns = COLUMNS.to_vec();
        if form & 1 != 0 {
            columns.extend(IDEMPOTENCY_COLUMNS);
        }
        if form & 2 != 0 {
            columns.extend(RARE_COLUMNS);
        }
        let places = vec!["?"; columns.len()].join(", ");
        format!("INSERT INTO alerts ({}) VALUES ({places})", columns.join(", "))
    })
});

/// Stores an alert.
pub(crate) fn insert(txn: &mut Txn<'_>, alert: &NewAlert, placement: Placement) -> Sql<()> {
    let content = &alert.content;
    let audience = audience_text(&alert.audience)?;
    let rare = content.expires_at.is_some()
        || content.quiet
        || content.breaks_through
        || content.collapse_key.is_some()
        || content.thread.is_some()
        || content.image.is_some()
        || !content.actions.is_empty()
        || content.ladder.is_some()
        || audience.is_some();
    let form = usize::from(alert.idempotency.is_some()) | usize::from(rare) << 1;
    let slot = &mut txn.inserts.0[form];
    let insert = match slot {
        Some(insert) => insert,
        None => slot.insert(txn.conn.prepare_cached(&INSERTS[form])?),
    };
    let mut binder = Binder { insert, next: 1 };
    binder.bind(alert.id.key())?;
    binder.bind(alert.id.tail() as i64)?;
    binder.bind(Form::of(&alert.audience).code())?;
    binder.bind(placement.user_key)?;
    binder.bind(placement.seq.map(|seq| seq as i64))?;
    binder.bind(placement.recipients)?;
    binder.bind(content.created_at.0)?;
    binder.bind(severity_code(content.severity))?;
    binder.bind(&*content.kind)?;
    binder.bind(&*content.category)?;
    binder.bind(&*content.title)?;
    binder.bind(content.body.as_deref())?;
    binder.bind(content.link.as_deref())?;
    binder.bind(&*content.data)?;
    if let Some(idempotency) = &alert.idempotency {
        binder.bind(&*idempotency.api_key)?;
        binder.bind(&*idempotency.key)?;
        binder.bind(&idempotency.body_hash[..])?;
    }
    if rare {
        binder.bind(content.expires_at.map(|at| at.0))?;
        binder.bind(content.quiet)?;
        binder.bind(content.breaks_through)?;
        binder.bind(content.collapse_key.as_deref())?;
        binder.bind(content.thread.as_deref())?;
        binder.bind(content.image.as_deref())?;
        binder.bind((!content.actions.is_empty()).then(|| json(&content.actions)).transpose()?)?;
        binder.bind(content.ladder.as_deref())?;
        binder.bind(audience)?;
    }
    binder.insert.send_bound()?;
    Ok(())
}

struct Binder<'a, 'b> {
    insert: &'a mut Statement<'b>,
    next: usize,
}

impl Binder<'_, '_> {
    fn bind(&mut self, value: impl rusqlite::ToSql) -> Sql<()> {
        self.insert.bind(self.next, value)?;
        self.next += 1;
        Ok(())
    }
}

fn json(value: &impl serde::Serialize) -> Sql<String> {
    serde_json::to_string(value).map_err(|error| crate::sql::Error::Unreadable(error.to_string()))
}

fn audience_text(audience: &Audience) -> Sql<Option<String>> {
    match audience {
        Audience::Users(users) => json(&&users[..users.len().min(AUDIENCE_USERS_KEPT)]).map(Some),
        Audience::Group(group) => Ok(Some(group.as_str().to_owned())),
        Audience::User(_) | Audience::Everyone(_) => Ok(None),
    }
}

fn severity_code(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 0,
        Severity::Warning => 1,
        Severity::Critical => 2,
    }
}

/// Reads [`CONTENT_COLUMNS`] that begin at a column.
pub(crate) fn content_at(row: &Row<'_>, first: usize) -> Sql<(AlertId, Arc<Content>)> {
    let actions = match row.get_ref(first + 15)?.as_str_or_null()? {
        Some(text) => serde_json::from_str(text).map_err(|error| unreadable(first + 15, error))?,
        None => Vec::new(),
    };
    let content = Content {
        kind: row.get(first + 7)?,
        data: row.get::<_, Box<str>>(first + 17)?,
        title: row.get(first + 11)?,
        body: row.get(first + 12)?,
        link: row.get(first + 13)?,
        image: row.get(first + 14)?,
        actions,
        severity: match row.get(first + 4)? {
            0u8 => Severity::Info,
            1 => Severity::Warning,
            _ => Severity::Critical,
        },
        category: row.get(first + 8)?,
        thread: row.get(first + 10)?,
        collapse_key: row.get(first + 9)?,
        created_at: UnixMs(row.get(first + 2)?),
        expires_at: row.get::<_, Option<i64>>(first + 3)?.map(UnixMs),
        quiet: row.get(first + 5)?,
        breaks_through: row.get(first + 6)?,
        ladder: row.get::<_, Option<Box<str>>>(first + 16)?,
    };
    Ok((id_at(row, first)?, Arc::new(content)))
}

/// An id whose key and tail stand in two neighbouring columns.
pub(crate) fn id_at(row: &Row<'_>, first: usize) -> Sql<AlertId> {
    Ok(AlertId::from_parts(row.get(first)?, row.get::<_, i64>(first + 1)? as u64))
}

/// How much of a page an alert takes.
pub(crate) fn content_bytes(content: &Content) -> usize {
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    content.data.len()
        + content.title.len()
        + length(&content.body)
        + length(&content.link)
        + length(&content.image)
        + content.actions.iter().map(|one| one.id.len() + one.label.len() + length(&one.link)).sum::<usize>()
}

/// The full id of a key.
pub(crate) fn id_of(conn: &Connection, alert_key: i64) -> Sql<AlertId> {
    conn.prepare_cached("SELECT alert_key, id_tail FROM alerts WHERE alert_key = ?1")?
        .query_row([alert_key], |row| id_at(row, 0))
}

/// What an alert says.
pub(crate) fn content(conn: &Connection, alert_key: i64) -> Sql<Option<(AlertId, Arc<Content>)>> {
    conn.prepare_cached(&format!("SELECT {CONTENT_COLUMNS} FROM alerts a WHERE a.alert_key = ?1"))?
        .query_row([alert_key], |row| content_at(row, 0))
        .optional()
}

const HEAD_COLUMNS: &str = "alert_key, id_tail, audience_form, user_key, seq, recipients, recalled_at, category, \
     idempotency_api_key, idempotency_key, idempotency_hash";

fn head_at(row: &Row<'_>) -> Sql<AlertHead> {
    let idempotency = match row.get::<_, Option<String>>(9)? {
        Some(key) => Some(Idempotency { api_key: row.get(8)?, key, body_hash: row.get(10)? }),
        None => None,
    };
    Ok(AlertHead {
        id: id_at(row, 0)?,
        form: Form::from_code(row.get(2)?),
        user_key: row.get(3)?,
        seq: row.get::<_, Option<i64>>(4)?.map(|seq| seq as u64),
        recipients: row.get(5)?,
        recalled_at: row.get(6)?,
        category: row.get(7)?,
        idempotency,
    })
}

/// A stored alert, by key.
pub(crate) fn head_of_key(conn: &Connection, alert_key: i64) -> Sql<Option<AlertHead>> {
    conn.prepare_cached(&format!("SELECT {HEAD_COLUMNS} FROM alerts WHERE alert_key = ?1"))?
        .query_row([alert_key], head_at)
        .optional()
}

/// A stored alert, if all of its id is right.
pub(crate) fn head_of(conn: &Connection, id: AlertId) -> Sql<Option<AlertHead>> {
    Ok(head_of_key(conn, id.key())?.filter(|head| head.id == id))
}

/// Up to `limit` alerts with keys between two, both exclusive.
pub(crate) fn heads_between(conn: &Connection, above: i64, below: i64, limit: u32) -> Sql<Vec<AlertHead>> {
    conn.prepare_cached(&format!(
        "SELECT {HEAD_COLUMNS} FROM alerts WHERE alert_key > ?1 AND alert_key < ?2 ORDER BY alert_key LIMIT ?3"
    ))?
    .query_map(params![above, below, limit], head_at)?
    .collect()
}

/// The highest key in the file.
pub(crate) fn newest_key(conn: &Connection) -> Sql<i64> {
    conn.query_row("SELECT coalesce(max(alert_key), 0) FROM alerts", [], |row| row.get(0))
}

/// The number of an alert in a user's stream, if it is one of theirs.
pub(crate) fn seq_for(conn: &Connection, head: &AlertHead, user: &UserId, user_key: i64) -> Sql<Option<u64>> {
    if head.form == Form::Everyone {
        return Ok(None);
    }
    if let Some(owner) = head.user_key {
        return Ok(head.seq.filter(|_| owner == user_key));
    }
    conn.prepare_cached("SELECT seq FROM recipients WHERE alert_key = ?1 AND user_id = ?2 AND user_key = ?3")?
        .query_row(params![head.id.key(), user.as_str(), user_key], |row| Ok(row.get::<_, i64>(0)? as u64))
        .optional()
}

/// Says when an alert was taken back.
pub(crate) fn set_recalled(conn: &Connection, alert_key: i64, now: i64) -> Sql<()> {
    conn.prepare_cached("UPDATE alerts SET recalled_at = ?2 WHERE alert_key = ?1")?
        .execute(params![alert_key, now])?;
    Ok(())
}

/// Removes an alert and whatever hangs on it but its notifications.
pub(crate) fn delete(txn: &mut Txn<'_>, alert_key: i64) -> Sql<()> {
    crate::deliveries::forget_alert(txn, alert_key)?;
    crate::ladder_fanouts::forget(txn, alert_key)?;
    let conn = txn.conn;
    if let Some(idempotency) = head_of_key(conn, alert_key)?.and_then(|head| head.idempotency) {
        crate::idempotency::forget(txn, &idempotency, alert_key)?;
    }
    let unfinished: Option<bool> = conn
        .prepare_cached("DELETE FROM fanouts WHERE alert_key = ?1 RETURNING done")?
        .query_row([alert_key], |row| row.get(0))
        .optional()?;
    if unfinished == Some(false) {
        txn.effects.fanouts -= 1;
    }
    for table in ["fanout_users", "recipients", "alerts"] {
        conn.prepare_cached(&format!("DELETE FROM {table} WHERE alert_key = ?1"))?.execute([alert_key])?;
    }
    Ok(())
}

/// An alert for the back end.
pub(crate) fn detail(conn: &Connection, id: AlertId) -> Sql<Option<AlertDetail>> {
    let Some(head) = head_of(conn, id)? else {
        return Ok(None);
    };
    let Some((_, content)) = content(conn, id.key())? else {
        return Ok(None);
    };
    let text: Option<String> = conn
        .prepare_cached("SELECT audience FROM alerts WHERE alert_key = ?1")?
        .query_row([id.key()], |row| row.get(0))?;
    let text = text.unwrap_or_default();
    let audience = match head.form {
        Form::Everyone => Audience::Everyone(true),
        Form::Group => Audience::Group(GroupId::new(text).map_err(|error| unreadable(0, error))?),
        Form::Users => Audience::Users(serde_json::from_str(&text).map_err(|error| unreadable(0, error))?),
        Form::User => match head.user_key.map(|key| crate::users::id_of(conn, key)).transpose()?.flatten() {
            Some(user) => Audience::User(user),
            // Its user was erased a moment ago.
            None => return Ok(None),
        },
    };
    let expanded: Option<u32> = conn
        .prepare_cached("SELECT expanded FROM fanouts WHERE alert_key = ?1")?
        .query_row([id.key()], |row| row.get(0))
        .optional()?;
    Ok(Some(AlertDetail {
        id,
        audience,
        content,
        recipients: head.recipients,
        expanded: expanded.or(head.recipients),
        recalled_at: head.recalled_at.map(UnixMs),
    }))
}
