//! Resume and catch-up: where the client stands, what it missed, page after page.

use super::*;

impl Session {
    pub(super) fn resume(&mut self, resume: Resume, now: Now) {
        let Some(text) = resume.cursor else {
            self.go_live(now);
            return;
        };
        let Ok(cursor) = text.parse::<Cursor>() else {
            self.reset(ResetReason::CursorUnreadable);
            return;
        };
        if cursor.epoch != self.standing.epoch {
            self.reset(ResetReason::EpochForeign);
            return;
        }
        let after = Heads { user: cursor.user, all: cursor.all };
        let head = self.standing.head;
        let opens = matches!(self.phase, Phase::AwaitingResume { .. });
        if opens && !self.speaks.v1() && (after.user > head.user || after.all > head.all) {
            self.reset(ResetReason::AboveHead);
            return;
        }
        self.sent = after;
        self.begin_backlog(Backlog { max: resume.max, ..Backlog::from(after) });
    }

    pub(super) fn begin_backlog(&mut self, backlog: Backlog) {
        self.ahead.clear();
        self.ahead_since = None;
        self.held = None;
        self.phase = Phase::CatchingUp(Box::new(backlog));
        // Everything committed before this read is in the backlog, so older hints tell nothing new.
        self.out.push(Output::ForgetHints);
        self.read(Read::Standing);
    }

    /// Hints were dropped or refused, or one is missing: read everything after what was sent.
    pub fn lag(&mut self, sent: Heads) {
        if matches!(self.phase, Phase::Live | Phase::CatchingUp(_)) {
            self.sent = sent;
            self.begin_backlog(Backlog::from(sent));
        }
    }

    /// The hub dropped hints of this session.
    pub fn on_lagging(&mut self) {
        self.lag(self.sent);
    }

    pub(super) fn catch_up_naive(&mut self, received: Heads, ponged: Heads) {
        let head = self.standing.head;
        let floor = |head: Seq| Seq(head.0.saturating_sub(u64::from(self.rules.naive_backlog_items)));
        let after = Heads {
            user: received.user.max(ponged.user).max(floor(head.user)).min(head.user),
            all: received.all.max(ponged.all).max(floor(head.all)).min(head.all),
        };
        self.sent = after;
        self.begin_backlog(Backlog::from(after));
    }

    pub(super) fn reset(&mut self, reason: ResetReason) {
        if !self.speaks.v1() {
            // A plain client has no list to reset. One that opens gets what a newcomer gets, rather twice than never.
            if matches!(self.phase, Phase::AwaitingResume { .. }) {
                self.catch_up_naive(Heads::default(), Heads::default());
                return;
            }
            // One that is live goes on with what comes from now on. What was sent already stays sent, or an
            // unreadable position would bring it twice.
            if reason == ResetReason::AboveHead {
                self.sent = self.standing.head;
            }
            self.phase = Phase::Live;
            return;
        }
        self.begin_reset(Backlog::from(self.standing.head), reason, false);
    }

    pub(super) fn begin_reset(&mut self, backlog: Backlog, reason: ResetReason, stream_on: bool) {
        let renew = reason == ResetReason::AboveHead;
        self.ahead.clear();
        self.ahead_since = None;
        self.held = None;
        self.phase = Phase::CatchingUp(Box::new(Backlog { reset: Some((reason, stream_on)), ..backlog }));
        self.read(if renew { Read::RenewEpoch } else { Read::FirstPage });
    }

    pub(super) fn go_live(&mut self, now: Now) {
        self.phase = Phase::Live;
        self.taken_at = now.instant;
        self.answer_asked(now);
    }

    /// Answers a resume that came while the store was being read.
    pub(super) fn answer_asked(&mut self, now: Now) {
        if self.wants_signals()
            && let Some(resume) = self.asked.take()
        {
            self.resume(resume, now);
        }
    }

    pub(super) fn read(&mut self, read: Read) {
        self.reading = true;
        self.out.push(Output::Read(read));
    }

    /// The store answered a read.
    pub fn on_read(&mut self, result: ReadResult, now: Now) {
        self.reading = false;
        if self.is_closing() {
            return;
        }
        match result {
            ReadResult::Standing(standing) => self.on_standing(standing, now),
            ReadResult::Renewed(standing) => {
                self.standing = standing;
                self.read(Read::FirstPage);
            }
            ReadResult::Count(count) => self.on_count(count),
            ReadResult::Changed(rows) => self.on_changed_rows(rows, now),
            ReadResult::Items(page) => self.on_items(&page, now),
            ReadResult::FirstPage(page) => self.on_first_page(&page, now),
            // The connection stays. The count may be old until the next heartbeat, which reads again.
            ReadResult::Failed if matches!(self.phase, Phase::Live) => self.release_held(now),
            ReadResult::Failed => {
                // The store is out for the moment: the client comes back by itself and resumes.
                self.refuse(
                    CloseCode::GoingAway,
                    ErrorCode::StoreUnavailable,
                    "the store cannot be read right now",
                    now,
                );
            }
        }
    }

    pub(super) fn on_standing(&mut self, standing: Standing, now: Now) {
        if standing.epoch != self.standing.epoch {
            self.standing = standing;
            if self.speaks.v1() {
                self.reset(ResetReason::EpochForeign);
            } else {
                // The numbers of a plain client are ours, and those go on under the new name.
                let Heads { user, all } = standing.head;
                self.lag(Heads { user: self.sent.user.min(user), all: self.sent.all.min(all) });
            }
            return;
        }
        self.standing = standing;
        self.unread = standing.unread;
        self.unread_all_at = standing.head.all;
        let Phase::CatchingUp(backlog) = &mut self.phase else {
            self.release_held(now);
            self.expect(standing.head, now);
            return;
        };
        let head = standing.head;
        if backlog.after.user > head.user || backlog.after.all > head.all {
            self.reset(ResetReason::AboveHead);
            return;
        }
        backlog.to = Some(head);
        let after = backlog.after;
        match (self.speaks.v1(), backlog.max) {
            (true, Some(max)) => self.read(Read::Count { after, to: head, limit: max.saturating_add(1) }),
            (true, None) => self.read_changed(after, head),
            (false, _) => self.read(Read::Items { after, to: head, limit: self.rules.page }),
        }
    }

    pub(super) fn read_changed(&mut self, since: Heads, to: Heads) {
        self.read(Read::Changed { since, to, limit: self.rules.changed_items_max.saturating_add(1) });
    }

    pub(super) fn on_count(&mut self, count: u32) {
        let Phase::CatchingUp(backlog) = &mut self.phase else { return };
        let (after, Some(to)) = (backlog.after, backlog.to) else { return };
        if backlog.max.is_some_and(|max| count > max) {
            self.begin_reset(Backlog::from(to), ResetReason::TooMuch, false);
        } else {
            self.read_changed(after, to);
        }
    }

    pub(super) fn on_changed_rows(&mut self, rows: Vec<ChangedRow>, now: Now) {
        let Phase::CatchingUp(backlog) = &mut self.phase else { return };
        if rows.len() > self.rules.changed_items_max as usize {
            // The list starts over from its newest page; the alerts themselves are streamed all the same.
            let after = backlog.after;
            let to = backlog.to;
            self.begin_reset(Backlog { to, ..Backlog::from(after) }, ResetReason::TooMuch, true);
            return;
        }
        backlog.changes = rows.into();
        backlog.changes_read = true;
        self.continue_backlog(now);
    }

    /// Sends a frame of changes, or reads the next page of items.
    pub(super) fn continue_backlog(&mut self, now: Now) {
        let Phase::CatchingUp(backlog) = &mut self.phase else { return };
        let Some(to) = backlog.to else { return };
        let after = backlog.after;
        if backlog.changes.len() > self.rules.changes_per_frame {
            let changes: Vec<ChangedRow> = backlog.changes.drain(..self.rules.changes_per_frame).collect();
            backlog.waits_for_socket = true;
            self.sent = after;
            self.send_catch_up(&changes, &[], (after, after), true, now);
        } else {
            self.read(Read::Items { after, to, limit: self.rules.page });
        }
    }

    pub(super) fn on_items(&mut self, page: &ItemsPage, now: Now) {
        if !self.speaks.v1() {
            self.on_items_naive(page, now);
            return;
        }
        let Phase::CatchingUp(backlog) = &mut self.phase else { return };
        let after = std::mem::replace(&mut backlog.after, page.reached);
        let changes: Vec<ChangedRow> = std::mem::take(&mut backlog.changes).into();
        backlog.waits_for_socket = page.more;
        self.sent = page.reached;
        self.send_catch_up(&changes, &page.items, (after, page.reached), page.more, now);
        if !page.more {
            self.go_live(now);
        }
    }

    pub(super) fn on_items_naive(&mut self, page: &ItemsPage, now: Now) {
        let oldest =
            now.unix_ms().0 - i64::try_from(self.rules.naive_backlog_age.as_millis()).unwrap_or(i64::MAX);
        for row in &page.items {
            let before = self.sent;
            *position(&mut self.sent, row.stream) = row.seq;
            if row.state.read || row.state.archived || row.content.created_at.0 < oldest {
                continue;
            }
            let body = wire::alert_body(row.id, row.stream, &row.content).into();
            let quiet = quiet::is_quiet(&self.settings, wire::loudness(&row.content), now.at);
            self.send_alert(
                body,
                LiveTail { seq: row.seq, replaces: None, unread: self.unread.total(), quiet },
                before,
            );
        }
        self.sent = page.reached;
        let Phase::CatchingUp(backlog) = &mut self.phase else { return };
        backlog.after = page.reached;
        backlog.waits_for_socket = page.more;
        if !page.more {
            self.go_live(now);
        }
    }

    pub(super) fn send_catch_up(
        &mut self,
        changes: &[ChangedRow],
        items: &[belfry_store::ItemRow],
        (after, to): (Heads, Heads),
        more: bool,
        now: Now,
    ) {
        let covers = Covers {
            after: wire::cursor(self.standing.epoch, after),
            to: wire::cursor(self.standing.epoch, to),
        };
        let frame = CatchUpFrame { changes, items, covers, unread: self.unread.total(), more };
        let bytes = wire::catch_up(&frame, &self.settings, now.at);
        self.out.push(Output::Frame { json: bytes.into(), before: Some(after), after: Some(self.sent) });
    }

    pub(super) fn on_first_page(&mut self, page: &InboxRows, now: Now) {
        let Phase::CatchingUp(backlog) = &mut self.phase else { return };
        let Some((reason, stream_on)) = backlog.reset.take() else { return };
        self.standing = page.standing;
        self.unread = page.standing.unread;
        self.unread_all_at = page.standing.head.all;
        let at = if stream_on { backlog.after } else { page.standing.head };
        backlog.changes_read = true;
        let frame =
            ResetFrame { cursor: wire::cursor(page.standing.epoch, at), unread: self.unread.total(), reason };
        let bytes = wire::reset(frame, &page.items, page.next, &self.settings, now.at);
        self.sent = at;
        if stream_on {
            backlog.waits_for_socket = true;
        } else {
            self.go_live(now);
        }
        self.out.push(Output::Frame { json: bytes.into(), before: None, after: Some(self.sent) });
    }

    /// The socket took everything: the next page may follow.
    pub fn on_drained(&mut self, now: Now) {
        self.taken_at = now.instant;
        if let Phase::CatchingUp(backlog) = &mut self.phase
            && std::mem::take(&mut backlog.waits_for_socket)
        {
            if self.speaks.v1() {
                self.continue_backlog(now);
            } else if let (after, Some(to)) = (backlog.after, backlog.to) {
                self.read(Read::Items { after, to, limit: self.rules.page });
            }
        }
    }

    /// Whether a page waits for the socket to be empty.
    pub fn waits_for_socket(&self) -> bool {
        matches!(&self.phase, Phase::CatchingUp(backlog) if backlog.waits_for_socket)
    }
}
