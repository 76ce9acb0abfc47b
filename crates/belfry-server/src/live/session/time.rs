//! What is due: heartbeat, expiry, stalled sockets, the end.

use super::*;

impl Session {
    /// Something is due, or the transport moved on.
    pub fn on_tick(&mut self, traffic: Traffic, now: Now) {
        if self.is_closing() {
            return;
        }
        self.note_traffic(traffic, now);
        if let Phase::AwaitingResume { until } = self.phase
            && now.instant >= until
        {
            self.go_live(now);
        }
        if self.ahead_since.is_some_and(|since| now.instant >= since + self.rules.reorder_wait)
            && self.wants_signals()
        {
            self.ahead_since = None;
            if self.is_behind() || !self.ahead.is_empty() {
                self.lag(self.sent);
            }
        }
        if self.close_at.is_some_and(|at| now.instant >= at) {
            return self.refuse(
                CloseCode::GoingAway,
                ErrorCode::Draining,
                "the server is shutting down",
                now,
            );
        }
        if self.token_expires_at.is_some_and(|at| now.unix_ms() >= at) {
            return self.refuse(
                CloseCode::TokenExpired,
                ErrorCode::TokenExpired,
                "the token has expired: get a fresh one",
                now,
            );
        }
        if traffic.queued > 0 && now.instant >= self.taken_at + self.rules.stalled_after {
            return self.refuse(
                CloseCode::Lagging,
                ErrorCode::Lagging,
                "the socket took no byte for too long",
                now,
            );
        }
        self.heartbeat(now);
    }

    pub(super) fn note_traffic(&mut self, traffic: Traffic, now: Now) {
        if traffic.heard != self.heard_bytes {
            self.heard_bytes = traffic.heard;
            self.ping_sent_at = None;
        }
        if traffic.taken != self.taken_bytes || traffic.queued == 0 {
            self.taken_bytes = traffic.taken;
            self.taken_at = now.instant;
        }
    }

    pub(super) fn heartbeat(&mut self, now: Now) {
        if self.ping_sent_at.is_some_and(|at| now.instant >= at + self.rules.heartbeat_timeout) {
            self.refuse(
                CloseCode::HeartbeatMissed,
                ErrorCode::HeartbeatMissed,
                "nothing was heard after a heartbeat",
                now,
            );
            return;
        }
        if now.instant < self.next_ping_at {
            return;
        }
        self.next_ping_at = now.instant + self.rules.heartbeat_interval;
        if self.rules.reads_at_heartbeat && self.wants_signals() {
            // A hint is lost when its sender dies between commit and hub; here it is missed and made good.
            self.read(Read::Standing);
        }
        match self.speaks {
            Speaks::Naive => self.out.push(Output::Ping(self.sent)),
            Speaks::V1 | Speaks::V1Events => {
                let data = PingData { heads: self.sent, unread: self.unread.total() };
                self.frame(&ServerFrame::Ping { data, timestamp: now.at });
            }
            Speaks::NaiveEvents => self.out.push(Output::Comment),
        }
        // An event stream has no way back: only its socket shows that it is dead.
        if !self.speaks.events() {
            self.ping_sent_at.get_or_insert(now.instant);
        }
    }

    /// When [`Session::on_tick`] is due at the latest.
    pub fn deadline(&self, queued: usize, now: Now) -> Instant {
        let token = self.token_expires_at.map(|at| {
            now.instant + Duration::from_millis(u64::try_from(at.0 - now.unix_ms().0).unwrap_or(0))
        });
        let resume = match self.phase {
            Phase::AwaitingResume { until } => Some(until),
            _ => None,
        };
        let ahead =
            self.ahead_since.filter(|_| self.wants_signals()).map(|since| since + self.rules.reorder_wait);
        let silent = self.ping_sent_at.map(|at| at + self.rules.heartbeat_timeout);
        let stalled = (queued > 0).then(|| self.taken_at + self.rules.stalled_after);
        [token, resume, ahead, silent, stalled, self.close_at]
            .into_iter()
            .flatten()
            .fold(self.next_ping_at, Instant::min)
    }
}
