//! What the hub tells: hints are sent in order, orders are obeyed.

use super::*;

impl Session {
    /// A signal of the hub; call only while [`Session::wants_signals`], or for orders.
    pub fn on_signal(&mut self, signal: Signal, now: Now) {
        if self.is_closing() {
            return;
        }
        let (stream, seq) = match &signal {
            Signal::Alert { seq, .. } | Signal::Changed { seq, .. } => (Stream::User, *seq),
            Signal::Announcement { seq, .. } | Signal::AllChanged { seq, .. } => (Stream::All, *seq),
            Signal::Expect(stream, seq) => return self.expect_one(*stream, *seq, now),
            _ => return self.on_order(signal, now),
        };
        let sent = *position(&mut self.sent, stream);
        if seq <= sent {
            return;
        }
        if seq == sent.next() {
            self.send_in_order(signal, now);
            self.release_ahead(now);
        } else {
            self.ahead.insert((stream, seq), signal);
            self.ahead_since.get_or_insert(now.instant);
            if self.ahead.len() > AHEAD_MAX {
                self.lag(self.sent);
            }
        }
    }

    pub(super) fn release_ahead(&mut self, now: Now) {
        while self.held.is_none() {
            let next = [(Stream::User, self.sent.user.next()), (Stream::All, self.sent.all.next())]
                .into_iter()
                .find_map(|key| self.ahead.remove(&key));
            let Some(signal) = next else { break };
            self.send_in_order(signal, now);
        }
        let sent = self.sent;
        self.ahead
            .retain(|(stream, seq), _| *seq > if *stream == Stream::User { sent.user } else { sent.all });
        if self.ahead.is_empty() && !self.is_behind() {
            self.ahead_since = None;
        }
    }

    /// Whether the store has more than was sent.
    pub fn is_behind(&self) -> bool {
        self.sent.user < self.known.user || self.sent.all < self.known.all
    }

    /// The store is here. Hints that do not come within the wait for their predecessors were lost.
    pub(super) fn expect(&mut self, head: Heads, now: Now) {
        self.known = head;
        if self.is_behind() {
            self.ahead_since.get_or_insert(now.instant);
        }
    }

    /// One stream goes up to here.
    fn expect_one(&mut self, stream: Stream, seq: Seq, now: Now) {
        let mut head = self.known;
        let known = position(&mut head, stream);
        *known = seq.max(*known);
        self.expect(head, now);
    }

    /// What the node read of everybody. A session that is reading has the newer word by itself.
    fn on_heads(&mut self, found: &UserHead, now: Now) {
        if found.settings.rev > self.settings.rev {
            self.on_order(Signal::Settings(Arc::new(found.settings.clone())), now);
        }
        if found.revoke_before > self.revoked_before
            && let Some(before) = found.revoke_before
        {
            self.on_order(Signal::Revoked(before), now);
        }
        if self.is_closing() || !self.wants_signals() {
            return;
        }
        if found.epoch != self.standing.epoch {
            return self.read(Read::Standing);
        }
        if found.head.user == self.sent.user {
            self.unread.user = found.unread;
        }
        let head =
            Heads { user: found.head.user.max(self.known.user), all: found.head.all.max(self.known.all) };
        self.expect(head, now);
    }

    /// Sends the successor of what was sent last, or holds it until the count is known.
    pub(super) fn send_in_order(&mut self, signal: Signal, now: Now) {
        let needs_count = match &signal {
            Signal::Announcement { replaces, .. } => replaces.is_some(),
            Signal::AllChanged { .. } => true,
            Signal::Changed { touches_all, .. } => *touches_all,
            _ => false,
        };
        if needs_count {
            self.held = Some(signal);
            self.read(Read::Standing);
        } else {
            self.send_signal(signal, now);
        }
    }

    pub(super) fn release_held(&mut self, now: Now) {
        if let Some(signal) = self.held.take() {
            self.send_signal(signal, now);
            self.release_ahead(now);
        }
        self.answer_asked(now);
    }

    pub(super) fn send_signal(&mut self, signal: Signal, now: Now) {
        let before = self.sent;
        match signal {
            Signal::Alert { alert, seq, unread, replaces } => {
                self.sent.user = seq;
                self.unread.user = unread;
                self.send_live(&alert, seq, replaces, before, now);
            }
            Signal::Announcement { alert, seq, replaces } => {
                self.sent.all = seq;
                if seq > self.unread_all_at {
                    self.unread.all += 1;
                    self.unread_all_at = seq;
                }
                self.send_live(&alert, seq, replaces, before, now);
            }
            Signal::Changed { change, seq, unread, touches_all } => {
                self.sent.user = seq;
                if !touches_all {
                    self.unread.user = unread;
                }
                self.send_changed(Stream::User, seq, &change, before, now);
            }
            Signal::AllChanged { change, seq } => {
                self.sent.all = seq;
                self.send_changed(Stream::All, seq, &change, before, now);
            }
            _ => {}
        }
    }

    pub(super) fn send_live(
        &mut self,
        alert: &LiveAlert,
        seq: Seq,
        replaces: Option<AlertId>,
        before: Heads,
        now: Now,
    ) {
        let quiet = quiet::is_quiet(&self.settings, alert.loudness, now.at);
        self.send_alert(
            alert.body.clone(),
            LiveTail { seq, replaces, unread: self.unread.total(), quiet },
            before,
        );
    }

    pub(super) fn send_alert(&mut self, body: bytes::Bytes, tail: LiveTail, before: Heads) {
        let receipt = (self.speaks == Speaks::Naive).then_some(self.sent);
        self.out.push(Output::Alert { body, tail, receipt, before, after: self.sent });
    }

    pub(super) fn send_changed(
        &mut self,
        stream: Stream,
        seq: Seq,
        change: &LiveChange,
        before: Heads,
        now: Now,
    ) {
        if !self.speaks.v1() {
            return;
        }
        let ids = change.up_to.is_none().then(|| change.ids.clone());
        let change = Change { ids, up_to: change.up_to, state: change.to };
        let data = InboxChanged { changes: vec![change], unread: self.unread.total() };
        let frame = ServerFrame::InboxChanged { stream, seq, data, timestamp: now.at };
        self.out.push(Output::Frame { json: encode(&frame), before: Some(before), after: Some(self.sent) });
    }

    pub(super) fn end_revoked(&mut self, now: Now) {
        let why = "the token was revoked: sign in again";
        self.refuse(CloseCode::TokenRevoked, ErrorCode::TokenRevoked, why, now);
    }

    pub(super) fn on_order(&mut self, signal: Signal, now: Now) {
        match signal {
            // Two nodes may tell of two changes in either order.
            Signal::Settings(settings) if settings.rev < self.settings.rev => {}
            Signal::Settings(settings) => {
                self.settings = settings;
                if self.speaks.v1() {
                    let data = SettingsChanged {
                        do_not_disturb: quiet::state(&self.settings, now.at),
                        preferences_rev: self.settings.rev,
                    };
                    self.frame(&ServerFrame::SettingsChanged { data, timestamp: now.at });
                }
            }
            Signal::Close(code, why) => self.refuse(code, ErrorCode::of_close(code), &why, now),
            Signal::Heads(found) => self.on_heads(&found, now),
            Signal::Revoked(before) => {
                self.revoked_before = self.revoked_before.max(Some(before));
                if crate::auth::is_revoked(self.token_issued_at, Some(before)) {
                    self.end_revoked(now);
                }
            }
            Signal::KeyRevoked(key) => {
                if self.token_kid.as_deref() == Some(&*key) {
                    self.end_revoked(now);
                }
            }
            Signal::Renewed { expires_at, issued_at, kid } => self.renew(expires_at, issued_at, kid, now),
            Signal::Drain { reconnect_after_ms, close_at } => {
                let data = GoingAway { reconnect_after_ms };
                self.frame(&ServerFrame::GoingAway { data, timestamp: now.at });
                self.close_at = Some(close_at);
            }
            Signal::Alert { .. }
            | Signal::Announcement { .. }
            | Signal::Changed { .. }
            | Signal::AllChanged { .. }
            | Signal::Expect(..) => {}
        }
    }
}
