//! Reading an inbox.
//!
//! A read takes two steps: first the user as memory shows it (t0: head H, counts, tail), then a read transaction
//! (t1 > t0). Items with seq <= H are then the settled rows of the snapshot with seq <= H, and those of the tail of
//! t0 whose seq lies above the settled head S that the snapshot's user row names. Why nothing is missing or doubled,
//! however a merge falls in between:
//!
//! * Memory is changed only after COMMIT, so all that t0 shows is in every later snapshot, as row of the log or
//!   settled.
//! * A merge moves all of a user's tail and S in one transaction. So in the snapshot an item of the tail is settled
//!   exactly if its seq <= S: then the settled row counts, with whatever became of it since; else it is untouched,
//!   for every change of a user's items merges that user first, in the same transaction.
//! * The tail of t0 holds everything between the settled head at t0 and H; S never falls. So (S, H] is in the tail.
//! * What was committed after t0 has a seq above H and is left out. States may be newer than H (a read at H + 1):
//!   whoever keeps a cursor meets that change again with its number, and applying it twice does no harm.
//!
//! A user who is not warm has no tail, and everything committed before the look at memory is settled; the row read in
//! the snapshot itself is then t0.

use crate::alerts::{self, CONTENT_COLUMNS};
use crate::memory::{AllState, Announcement, Core, TailItem, View};
use crate::sql::{Connection, OptionalExtension, Row, Sql, params};
use crate::state::{self, Gone};
use crate::{
    ChangedRow, Content, DeliveryTraceRow, Heads, ItemNow, ItemRow, ItemsPage, PageLimit, Standing, Unread,
};
use belfry_protocol::{AlertId, Epoch, ItemState, Level, Seq, Stream};
use std::sync::Arc;

/// A user at t0, seen through a snapshot.
pub(crate) struct Snapshot<'a> {
    conn: &'a Connection,
    view: &'a View,
    all: &'a AllState,
    /// What the snapshot has in the log only.
    tail: Vec<&'a TailItem>,
}

/// Which items a list holds.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) before: Option<i64>,
    pub(crate) unread: Option<bool>,
    pub(crate) archived: Option<bool>,
    /// Also what left the list.
    pub(crate) gone: bool,
    pub(crate) category: Option<String>,
    pub(crate) kind: Option<String>,
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl<'a> Snapshot<'a> {
    /// In an open read transaction.
    pub(crate) fn new(conn: &'a Connection, view: &'a View, all: &'a AllState) -> Sql<Self> {
        let mut tail = Vec::new();
        if !view.tail.is_empty() {
            let settled: Option<i64> = conn
                .prepare_cached("SELECT head FROM users WHERE user_key = ?1")?
                .query_row([view.core.key], |row| row.get(0))
                .optional()?;
            // No row: the user was erased since.
            if let Some(settled) = settled {
                tail.extend(view.tail.iter().filter(|item| number(item.seq) > settled));
            }
        }
        Ok(Self { conn, view, all, tail })
    }

    /// Where the user stood at t0.
    pub(crate) fn standing(&self, store_epoch: u32, core: &Core) -> Standing {
        Standing {
            epoch: Epoch { store: store_epoch, user: core.epoch_part },
            head: Heads { user: Seq(core.head), all: Seq(self.all.head) },
            unread: Unread { user: core.unread, all: core.unread_all(self.all) },
        }
    }

    /// The groups the user is in.
    pub(crate) fn groups(&self) -> Sql<Vec<String>> {
        crate::groups::of_user(self.conn, self.view.core.key)
    }

    /// The deliveries of these items.
    pub(crate) fn deliveries(&self, items: &[ItemRow]) -> Sql<Vec<(AlertId, DeliveryTraceRow)>> {
        let mut found = Vec::new();
        for item in items {
            let trace = crate::traces::trace(self.conn, item.id, self.view.core.key)?;
            found.extend(trace.map(|trace| (item.id, trace)));
        }
        Ok(found)
    }

    /// The user's devices.
    pub(crate) fn devices(&self) -> Sql<Vec<crate::DeviceRow>> {
        crate::devices::of_user(self.conn, self.view.core.key)
    }

    fn level(&self, code: u8, seq: u64) -> Option<Level> {
        state::level_from(code.max(u8::from(self.view.received.contains(seq))))
    }

    /// Columns: seq, version, flags, level, then the content.
    fn settled_item(&self, row: &Row<'_>) -> Sql<ItemRow> {
        let (id, content) = alerts::content_at(row, 4)?;
        let seq = row.get::<_, i64>(0)? as u64;
        Ok(ItemRow {
            id,
            stream: Stream::User,
            seq: Seq(seq),
            version: Seq(row.get::<_, i64>(1)? as u64),
            state: state::item_state(row.get(2)?),
            level: self.level(row.get(3)?, seq),
            content,
        })
    }

    fn tail_item(&self, item: &TailItem) -> Sql<Option<ItemRow>> {
        Ok(alerts::content(self.conn, item.alert_key)?.map(|(id, content)| ItemRow {
            id,
            stream: Stream::User,
            seq: Seq(item.seq),
            version: Seq(item.seq),
            state: ItemState::default(),
            level: self.level(0, item.seq),
            content,
        }))
    }

    fn announcement_item(&self, one: &Announcement) -> ItemRow {
        let mark = self.view.core.mark(one.all_seq);
        let received = u8::from(self.view.received_all.contains(one.all_seq));
        ItemRow {
            id: one.id,
            stream: Stream::All,
            seq: Seq(one.all_seq),
            version: Seq(if mark.version == 0 { one.all_seq } else { mark.version }),
            state: state::item_state(mark.flags),
            level: state::level_from(mark.level.max(received)),
            content: Arc::clone(&one.content),
        }
    }

    /// Active announcements of this user in (after, to].
    fn announcements(&self, after: u64, to: u64) -> impl Iterator<Item = &'a Arc<Announcement>> {
        self.view.core.announcements(self.all, after).take_while(move |one| one.all_seq <= to)
    }

    /// A page of a catch-up.
    pub(crate) fn items_after(&self, after: Heads, to: Heads, limit: PageLimit) -> Sql<ItemsPage> {
        let user_to = to.user.0.min(self.view.core.head).max(after.user.0);
        let all_to = to.all.0.min(self.all.head).max(after.all.0);
        let mut page = Page { items: Vec::new(), bytes: 0, limit, reached: after };
        let sql = format!(
            "SELECT n.seq, n.version, n.flags, n.level, {CONTENT_COLUMNS} FROM notifications n \
             CROSS JOIN alerts a ON a.alert_key = n.alert_key \
             WHERE n.user_key = ?1 AND n.seq > ?2 AND n.seq <= ?3 AND n.gone = 0 ORDER BY n.seq LIMIT ?4"
        );
        let most = i64::from(limit.items) + 1;
        let mut select = self.conn.prepare_cached(&sql)?;
        let mut rows =
            select.query(params![self.view.core.key, number(after.user.0), number(user_to), most])?;
        while let Some(row) = rows.next()? {
            if !page.takes(self.settled_item(&row)?) {
                return Ok(page.end(true));
            }
        }
        let wanted = |item: &&&TailItem| item.seq > after.user.0 && item.seq <= user_to;
        for item in self.tail.iter().filter(wanted) {
            if let Some(item) = self.tail_item(item)?
                && !page.takes(item)
            {
                return Ok(page.end(true));
            }
        }
        page.reached.user = Seq(user_to);
        for one in self.announcements(after.all.0, all_to) {
            if !page.takes(self.announcement_item(one)) {
                return Ok(page.end(true));
            }
        }
        page.reached.all = Seq(all_to);
        Ok(page.end(false))
    }

    /// How many items a catch-up has.
    pub(crate) fn count_after(&self, after: Heads, to: Heads, limit: u32) -> Sql<u32> {
        let user_to = to.user.0.min(self.view.core.head);
        let settled: u32 = self
            .conn
            .prepare_cached(
                "SELECT count(*) FROM (SELECT 1 FROM notifications \
                 WHERE user_key = ?1 AND seq > ?2 AND seq <= ?3 AND gone = 0 LIMIT ?4) AS found",
            )?
            .query_row(params![self.view.core.key, number(after.user.0), number(user_to), limit], |row| {
                row.get(0)
            })?;
        let tail =
            self.tail.iter().filter(|item| item.seq > after.user.0 && item.seq <= user_to).count() as u32;
        let all = self.announcements(after.all.0, to.all.0).count() as u32;
        Ok(settled.saturating_add(tail).saturating_add(all).min(limit))
    }

    /// Items a client has that changed since. A change above the client's target is given too: it may hide an
    /// earlier one that the client would never hear of.
    pub(crate) fn changed_since(&self, since: Heads, limit: u32) -> Sql<Vec<ChangedRow>> {
        let mut changed: Vec<ChangedRow> = self
            .conn
            .prepare_cached(
                "SELECT n.version, n.flags, n.gone, a.alert_key, a.id_tail \
                 FROM notifications n INDEXED BY notifications_changed \
                 CROSS JOIN alerts a ON a.alert_key = n.alert_key \
                 WHERE n.user_key = ?1 AND n.version > ?2 AND n.version > n.seq AND n.seq <= ?2 \
                 ORDER BY n.version LIMIT ?3",
            )?
            .query_map(params![self.view.core.key, number(since.user.0), limit], |row| {
                Ok(ChangedRow {
                    id: alerts::id_at(row, 3)?,
                    stream: Stream::User,
                    version: Seq(row.get::<_, i64>(0)? as u64),
                    now: now(row.get(1)?, row.get(2)?),
                })
            })?
            .collect::<Sql<_>>()?;
        let core = &self.view.core;
        changed.extend(
            self.conn
                .prepare_cached(
                    "SELECT n.version, n.gone, a.alert_key, a.id_tail \
                     FROM announcements n INDEXED BY announcements_changed \
                     CROSS JOIN alerts a ON a.alert_key = n.alert_key \
                     WHERE n.version > ?1 AND n.version > ?2 AND n.version > n.all_seq AND n.all_seq <= ?1 \
                     AND (n.all_seq > ?2 OR (n.latecomers = 1 AND n.all_seq > ?3)) ORDER BY n.version LIMIT ?4",
                )?
                .query_map(
                    params![number(since.all.0), number(core.all_from), number(core.late_from), limit],
                    |row| {
                        Ok(ChangedRow {
                            id: alerts::id_at(row, 2)?,
                            stream: Stream::All,
                            version: Seq(row.get::<_, i64>(0)? as u64),
                            now: now(0, row.get(1)?),
                        })
                    },
                )?
                .collect::<Sql<Vec<_>>>()?,
        );
        for one in self.announcements(0, since.all.0) {
            let mark = core.mark(one.all_seq);
            if mark.version > since.user.0 {
                changed.push(ChangedRow {
                    id: one.id,
                    stream: Stream::All,
                    version: Seq(mark.version),
                    now: ItemNow::Here(state::item_state(mark.flags)),
                });
            }
        }
        changed.truncate(limit as usize);
        Ok(changed)
    }

    /// A page of the list, newest alert first, and the key for the next one.
    pub(crate) fn list(&self, filter: &Filter, limit: u32) -> Sql<(Vec<ItemRow>, Option<i64>)> {
        let limit = limit.max(1) as usize;
        let before = filter.before.unwrap_or(i64::MAX);
        // The first items of the whole are among the first of each part.
        let mut items = self.settled_list(filter, before, false, limit + 1)?;
        items.extend(self.settled_list(filter, before, true, limit + 1)?);
        let wanted = |content: &Content, flags: u8| filter.wants(content, flags);
        let mut tail: Vec<_> = self.tail.iter().filter(|item| item.alert_key < before).collect();
        tail.sort_unstable_by_key(|item| std::cmp::Reverse(item.alert_key));
        let mut from_tail = 0;
        for item in tail {
            if let Some(item) = self.tail_item(item)?
                && wanted(&item.content, 0)
            {
                items.push(item);
                from_tail += 1;
                if from_tail > limit {
                    break;
                }
            }
        }
        for one in self.announcements(0, u64::MAX) {
            if one.id.key() < before && wanted(&one.content, self.view.core.mark(one.all_seq).flags) {
                items.push(self.announcement_item(one));
            }
        }
        items.sort_unstable_by_key(|item| std::cmp::Reverse(item.id.key()));
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|item| item.id.key());
        Ok((items, next))
    }

    /// Settled items: those whose alerts rise with their numbers, or the late ones, which have an index of their own.
    fn settled_list(&self, filter: &Filter, before: i64, late: bool, limit: usize) -> Sql<Vec<ItemRow>> {
        let (index, which, order) = match late {
            false => ("", "n.late = 0", "n.seq DESC"),
            true => ("INDEXED BY notifications_late", "n.late = 1", "n.alert_key DESC"),
        };
        let sql = format!(
            "SELECT n.seq, n.version, n.flags, n.level, {CONTENT_COLUMNS} FROM notifications n {index} \
             CROSS JOIN alerts a ON a.alert_key = n.alert_key \
             WHERE n.user_key = ?1 AND {which} AND n.seq <= ?2 AND n.alert_key < ?3 AND (?4 OR n.gone = 0) \
             AND coalesce((n.flags & 4 <> 0) = ?5, 1 = 1) AND coalesce((n.flags & 2 = 0) = ?6, 1 = 1) \
             AND coalesce(a.category = ?7, 1 = 1) AND coalesce(a.kind = ?8, 1 = 1) ORDER BY {order} LIMIT ?9"
        );
        let core = &self.view.core;
        self.conn
            .prepare_cached(&sql)?
            .query_map(
                params![
                    core.key,
                    number(core.head),
                    before,
                    filter.gone,
                    filter.archived,
                    filter.unread,
                    filter.category,
                    filter.kind,
                    limit as i64
                ],
                |row| self.settled_item(row),
            )?
            .collect()
    }
}

impl Filter {
    fn wants(&self, content: &Content, flags: u8) -> bool {
        self.archived.is_none_or(|archived| archived == (flags & state::ARCHIVED != 0))
            && self.unread.is_none_or(|unread| unread == state::counts(flags))
            && self.category.as_ref().is_none_or(|category| *category == content.category)
            && self.kind.as_ref().is_none_or(|kind| *kind == content.kind)
    }
}

struct Page {
    items: Vec<ItemRow>,
    bytes: usize,
    limit: PageLimit,
    reached: Heads,
}

impl Page {
    /// `false`: the page was full before this item.
    fn takes(&mut self, item: ItemRow) -> bool {
        let full = self.items.len() >= self.limit.items.max(1) as usize
            || (!self.items.is_empty() && self.bytes >= self.limit.bytes);
        if full {
            return false;
        }
        match item.stream {
            Stream::User => self.reached.user = item.seq,
            Stream::All => self.reached.all = item.seq,
        }
        self.bytes += alerts::content_bytes(&item.content);
        self.items.push(item);
        true
    }

    fn end(self, more: bool) -> ItemsPage {
        ItemsPage { items: self.items, reached: self.reached, more }
    }
}

/// What an item is, from its columns.
pub(crate) fn now(flags: u8, gone: u8) -> ItemNow {
    match Gone::from_code(gone) {
        Some(gone) => ItemNow::Left(gone.to()),
        None => ItemNow::Here(state::item_state(flags)),
    }
}
