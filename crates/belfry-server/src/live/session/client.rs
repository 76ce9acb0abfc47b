//! What the client says.

use super::*;
use crate::live::inbound::Verdict;

impl Session {
    /// A text frame of the client.
    pub fn on_text(&mut self, text: &str, now: Now) {
        if !self.admits_frame(now) {
            return;
        }
        self.spoke_at = Some(now.instant);
        match ClientFrame::parse(text) {
            Ok(ParsedFrame::Known(frame)) => self.on_frame(frame, now),
            Ok(ParsedFrame::Unknown) => {}
            Err(error) => {
                self.refused_frames += 1;
                self.error(ErrorCode::FrameInvalid, &error.0, None, now);
            }
        }
    }

    /// A binary frame of the client: nothing of this protocol.
    pub fn on_binary(&mut self, now: Now) {
        if !self.admits_frame(now) {
            return;
        }
        self.refused_frames += 1;
        self.error(ErrorCode::FrameInvalid, "frames are JSON text, this one was binary", None, now);
    }

    /// Whether a frame is to be read: not after the close, and not faster than the rate.
    fn admits_frame(&mut self, now: Now) -> bool {
        if self.is_closing() {
            return false;
        }
        match self.patience.take(now.instant) {
            Verdict::Pass => {}
            Verdict::Refuse { retry_after, first } => {
                self.refused_frames += 1;
                if first {
                    self.error(
                        ErrorCode::RateLimited,
                        "too many frames: this one was ignored",
                        Some(retry_after),
                        now,
                    );
                }
                return false;
            }
            Verdict::Close => {
                self.refused_frames += 1;
                self.refuse(CloseCode::RateLimited, ErrorCode::RateLimited, "far too many frames", now);
                return false;
            }
        }
        true
    }

    pub(super) fn on_frame(&mut self, frame: ClientFrame, now: Now) {
        match frame {
            ClientFrame::Ping(Echo(data)) => {
                let data = data.unwrap_or_else(|| serde_json::value::RawValue::NULL.to_owned());
                self.frame(&ServerFrame::Pong { data, timestamp: now.at });
            }
            ClientFrame::Pong(_) => {}
            ClientFrame::Resume(resume) => {
                // A client may find a hole of its own at any time: it says where it stands.
                let opens = matches!(self.phase, Phase::AwaitingResume { .. });
                if opens || (self.wants_signals() && resume.cursor.is_some()) {
                    self.resume(resume, now);
                } else if resume.cursor.is_some() {
                    self.asked = Some(resume);
                }
            }
            ClientFrame::Ack(ack) => self.on_ack(ack, now),
            ClientFrame::Seen(items) => self.change(items, StateChange::Seen, now),
            ClientFrame::Read(items) => self.change(items, StateChange::Read, now),
            ClientFrame::Unread(items) => self.change(items, StateChange::Unread, now),
            ClientFrame::Archive(items) => self.change(items, StateChange::Archived, now),
            ClientFrame::Unarchive(items) => self.change(items, StateChange::Unarchived, now),
            ClientFrame::Acted(items) => self.change(items, StateChange::Acted, now),
            ClientFrame::Authenticate(authenticate) => {
                self.operate(Op::Authenticate(authenticate.token), now)
            }
            ClientFrame::Presence(presence) => self.out.push(Output::Visible(presence.visible)),
        }
    }

    pub(super) fn on_ack(&mut self, ack: Ack, now: Now) {
        match wire::ack_row(ack, self.sent) {
            Ok(row) => self.out.push(Output::Acknowledge(row)),
            Err(message) => self.error(ErrorCode::FieldInvalid, message, None, now),
        }
    }

    pub(super) fn change(&mut self, items: belfry_protocol::frame::Selection, change: StateChange, now: Now) {
        match wire::selection(items.ids, items.up_to, self.standing.epoch) {
            Ok((selection, up_to)) => self.operate(Op::Change { selection, up_to, change }, now),
            Err(message) => self.error(ErrorCode::FieldInvalid, message, None, now),
        }
    }

    pub(super) fn operate(&mut self, op: Op, now: Now) {
        if self.ops.len() >= OPS_MAX {
            self.error(
                ErrorCode::RateLimited,
                "too many changes at once: this one was ignored",
                Some(Duration::from_secs(1)),
                now,
            );
            return;
        }
        self.ops.push_back(op);
        self.next_op();
    }

    pub(super) fn next_op(&mut self) {
        if !self.operating
            && let Some(op) = self.ops.pop_front()
        {
            self.operating = true;
            self.out.push(Output::Operate(op));
        }
    }

    /// An operation is done; `Err`: tell the client why not.
    pub fn on_operated(&mut self, result: Result<(), ErrorMessageData>, now: Now) {
        self.operating = false;
        if let Err(data) = result
            && !self.is_closing()
        {
            self.frame(&ServerFrame::Error { data, timestamp: now.at });
        }
        self.next_op();
    }

    /// A fresh token of the same user was verified.
    pub fn renew(
        &mut self,
        expires_at: Option<UnixMs>,
        issued_at: Option<UnixMs>,
        kid: Option<Arc<str>>,
        now: Now,
    ) {
        self.token_expires_at = expires_at;
        self.token_issued_at = issued_at;
        self.token_kid = kid;
        if crate::auth::is_revoked(issued_at, self.revoked_before) {
            self.end_revoked(now);
        }
    }

    /// A pong of a naive client, with the payload of our last ping.
    pub fn on_pong(&mut self, payload: &[u8], now: Now) {
        if self.speaks != Speaks::Naive {
            return;
        }
        let Some(heads) = parse_receipt(payload) else { return };
        let heads = Heads { user: heads.user.min(self.sent.user), all: heads.all.min(self.sent.all) };
        self.out.push(Output::Ponged(heads));
        let spoke = self.spoke_at.is_some_and(|at| now.instant.saturating_duration_since(at) < NAIVE_ALIVE);
        if spoke || self.rules.trust_pong {
            // Such a client cannot say what it shows, so what it has counts as displayed.
            let from = self.receipted;
            for (stream, after, up_to) in
                [(Stream::User, from.user, heads.user), (Stream::All, from.all, heads.all)]
            {
                if up_to > after {
                    self.out.push(Output::Acknowledge(AckRow::Range {
                        stream,
                        after,
                        up_to,
                        level: Level::Displayed,
                    }));
                }
            }
            self.receipted = Heads { user: from.user.max(heads.user), all: from.all.max(heads.all) };
        }
    }
}
