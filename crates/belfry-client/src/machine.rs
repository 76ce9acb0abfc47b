//! When to connect, when to give up, when to ask for a token: no I/O, no clock, no randomness of its own.
//!
//! Times are durations since any fixed moment on a monotonic clock; `roll` is uniform over 0 ≤ roll < 1.

use crate::backoff::Backoff;
use crate::event::{Connection, Refusal, StopReason};
use crate::token::TokenReason;
use belfry_protocol::close_code::advice;
use belfry_protocol::frame::ConnectionEstablished;
use belfry_protocol::{Advice, CloseCode, ErrorCode, UserId};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// How the machine behaves.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Waits between tries.
    pub backoff: Backoff,
    /// From the first packet to `connection-established`, token included.
    pub connect_timeout: Duration,
    /// Whether another token can be had.
    pub renewable: bool,
    /// Whose connection it must be; `None`: whoever the first one is.
    pub user: Option<UserId>,
}

/// What is due now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Get a token and connect.
    Dial(TokenReason),
    /// Nothing was heard for too long: abandon the socket or the attempt without waiting for its close.
    Abandon,
    /// Get a fresh token and send it on the live connection.
    RefreshToken,
}

/// How an attempt or a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It was closed, with the close frame's code where one came.
    Closed {
        /// The code.
        code: Option<u16>,
        /// The close frame's text.
        reason: String,
    },
    /// The upgrade was answered with another status.
    Refused {
        /// The status.
        status: u16,
        /// `Retry-After`.
        retry_after: Option<Duration>,
        /// What the server said.
        detail: String,
    },
    /// It could not be made, broke, or was abandoned.
    Failed,
    /// The token source failed when it was asked for this reason.
    NoToken(TokenReason),
}

#[derive(Debug, Clone, PartialEq)]
enum Phase {
    Waiting { until: Duration },
    Dialing { deadline: Duration },
    Live(Live),
    Stopped,
}

#[derive(Debug, Clone, PartialEq)]
struct Live {
    since: Duration,
    last_frame: Duration,
    patience: Duration,
    /// 80 % of the token's life, and when that is over.
    refresh: Option<(Duration, Duration)>,
}

/// The connection's life as a pure state machine.
#[derive(Debug)]
pub struct Machine {
    policy: Policy,
    phase: Phase,
    state: Connection,
    changed: bool,
    /// Ends in a row without a stable connection between.
    failures: u32,
    /// Refused tokens in a row without a live connection between.
    rejections: u32,
    reason: TokenReason,
    hint: Option<Duration>,
    /// An `error` frame with nothing after it: the verdict of a close whose frame got lost.
    verdict: Option<Refusal>,
}

impl Machine {
    /// A machine whose first attempt is due at `now`.
    pub fn new(policy: Policy, now: Duration) -> Self {
        Self {
            policy,
            phase: Phase::Waiting { until: now },
            state: Connection::Connecting,
            changed: true,
            failures: 0,
            rejections: 0,
            reason: TokenReason::Connect,
            hint: None,
            verdict: None,
        }
    }

    /// The state, when it changed since the last call.
    pub fn take_change(&mut self) -> Option<Connection> {
        std::mem::take(&mut self.changed).then(|| self.state.clone())
    }

    /// The state.
    pub fn state(&self) -> &Connection {
        &self.state
    }

    /// Whether it is over.
    pub fn is_stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }

    /// When [`Machine::on_time`] has something to do next.
    pub fn deadline(&self) -> Option<Duration> {
        match &self.phase {
            Phase::Waiting { until } => Some(*until),
            Phase::Dialing { deadline } => Some(*deadline),
            Phase::Live(live) => {
                let stable = (self.failures > 0).then(|| live.since + self.policy.backoff.stable_after);
                let refresh = live.refresh.map(|(at, _)| at);
                [Some(live.last_frame + live.patience), stable, refresh].into_iter().flatten().min()
            }
            Phase::Stopped => None,
        }
    }

    /// What is due at `now`. `Dial` begins the attempt; the caller acts on `Abandon` and then reports
    /// [`End::Failed`].
    pub fn on_time(&mut self, now: Duration) -> Option<Due> {
        match &mut self.phase {
            Phase::Waiting { until } if now >= *until => {
                self.phase = Phase::Dialing { deadline: now + self.policy.connect_timeout };
                Some(Due::Dial(std::mem::replace(&mut self.reason, TokenReason::Connect)))
            }
            Phase::Dialing { deadline } => (now >= *deadline).then_some(Due::Abandon),
            Phase::Live(live) => {
                if now >= live.since + self.policy.backoff.stable_after {
                    self.failures = 0;
                }
                if now >= live.last_frame + live.patience {
                    return Some(Due::Abandon);
                }
                let (at, every) = live.refresh.filter(|(at, _)| now >= *at)?;
                live.refresh = Some((at + every, every));
                Some(Due::RefreshToken)
            }
            Phase::Waiting { .. } | Phase::Stopped => None,
        }
    }

    /// `connection-established` came, stamped `sent_at` by the server's clock.
    pub fn on_established(&mut self, established: ConnectionEstablished, sent_at: Timestamp, now: Duration) {
        let user = self.policy.user.get_or_insert_with(|| established.user_id.clone());
        if *user != established.user_id {
            return self.stop(StopReason::UserChanged);
        }
        let beat = established.heartbeat;
        let life = established.token_expires_at.filter(|_| self.policy.renewable).map(|expires| {
            // Both are the server's times: a wrong clock on this side plays no part.
            let ms = expires.as_millisecond().saturating_sub(sent_at.as_millisecond()).max(0);
            Duration::from_millis(ms.unsigned_abs())
        });
        let refresh = life.map(|life| (life * 4 / 5).clamp(REFRESH_LEAST, REFRESH_MOST));
        self.rejections = 0;
        self.hint = None;
        self.verdict = None;
        self.phase = Phase::Live(Live {
            since: now,
            last_frame: now,
            patience: Duration::from_millis(u64::from(beat.interval_ms) + u64::from(beat.timeout_ms)),
            refresh: refresh.map(|every| (now + every, every)),
        });
        self.show(Connection::Live(Arc::new(established)));
    }

    /// Whether an attempt is under way.
    pub fn is_dialing(&self) -> bool {
        matches!(self.phase, Phase::Dialing { .. })
    }

    /// Whether a socket may be open.
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Dialing { .. } | Phase::Live(_))
    }

    /// Any frame came.
    pub fn on_life(&mut self, now: Duration) {
        self.verdict = None;
        if let Phase::Live(live) = &mut self.phase {
            live.last_frame = now;
        }
    }

    /// The application stood in the way of reading: silence until now proves nothing.
    pub fn excuse(&mut self, now: Duration) {
        match &mut self.phase {
            Phase::Live(live) => live.last_frame = now,
            Phase::Dialing { deadline } => *deadline = now + self.policy.connect_timeout,
            Phase::Waiting { .. } | Phase::Stopped => {}
        }
    }

    /// A `going-away` frame came.
    pub fn on_going_away(&mut self, reconnect_after: Duration) {
        self.hint = Some(reconnect_after);
    }

    /// An `error` frame came. Call it after [`Machine::on_life`] for the same frame.
    pub fn on_error(&mut self, refusal: Refusal) {
        self.verdict = Some(refusal);
    }

    /// The token source failed to renew the live connection's token: ask again soon.
    pub fn on_refresh_failed(&mut self, now: Duration) {
        if let Phase::Live(Live { refresh: Some((at, every)), .. }) = &mut self.phase {
            *at = now + (*every / 10).clamp(REFRESH_LEAST, Duration::from_secs(30));
        }
    }

    /// The attempt or the connection ended.
    pub fn on_end(&mut self, end: End, now: Duration, roll: f64) {
        if self.is_stopped() {
            return;
        }
        if let Phase::Live(live) = &self.phase
            && now >= live.since + self.policy.backoff.stable_after
        {
            self.failures = 0;
        }
        let verdict = self.verdict.take();
        let hint = self.hint.take().or(verdict.as_ref().and_then(|refusal| refusal.retry_after));
        match self.judge(&end, verdict) {
            Judgement::Stop(reason) => self.stop(reason),
            Judgement::Authenticate(detail) => {
                self.rejections += 1;
                if self.rejections > 1 || !self.policy.renewable {
                    return self.stop(StopReason::TokenRejected { detail });
                }
                self.reason = TokenReason::Rejected;
                // An expired token is no sign of trouble: the first time it does not wait.
                let at_once = self.failures == 0;
                self.failures += 1;
                let wait = match hint {
                    Some(hint) => hint,
                    None if at_once => Duration::ZERO,
                    None => self.policy.backoff.delay(self.failures, roll),
                };
                self.wait(wait, now);
            }
            Judgement::Reconnect { hurried } => {
                self.failures += 1;
                if !hurried {
                    // Two clients at the limit of connections must not push each other out in turns.
                    self.failures = self.failures.max(self.policy.backoff.ladder.len() as u32);
                }
                let refused = match end {
                    End::Refused { retry_after, .. } => retry_after,
                    End::NoToken(reason) => {
                        self.reason = reason;
                        None
                    }
                    End::Closed { .. } | End::Failed => None,
                };
                let wait = hint.or(refused);
                let wait = wait.unwrap_or_else(|| self.policy.backoff.delay(self.failures, roll));
                self.wait(wait, now);
            }
        }
    }

    /// Tries at once instead of waiting; does nothing while live, dialing or stopped.
    pub fn retry_now(&mut self, now: Duration) {
        if let Phase::Waiting { until } = &mut self.phase {
            *until = (*until).min(now);
        }
    }

    /// Ends it.
    pub fn stop(&mut self, reason: StopReason) {
        if !self.is_stopped() {
            self.phase = Phase::Stopped;
            self.show(Connection::Stopped(reason));
        }
    }

    fn wait(&mut self, wait: Duration, now: Duration) {
        self.phase = Phase::Waiting { until: now + wait };
        self.show(if self.failures >= self.policy.backoff.offline_after {
            Connection::Offline { retry_in: wait }
        } else {
            Connection::Reconnecting { attempt: self.failures, retry_in: wait }
        });
    }

    fn show(&mut self, state: Connection) {
        self.state = state;
        self.changed = true;
    }

    fn judge(&self, end: &End, verdict: Option<Refusal>) -> Judgement {
        match end {
            End::Failed => judge_verdict(verdict).unwrap_or(Judgement::RECONNECT),
            End::Refused { status: 401, detail, .. } => Judgement::Authenticate(detail.clone()),
            End::Refused { status: status @ (400 | 403), detail, .. } => {
                Judgement::Stop(StopReason::Refused { status: *status, detail: detail.clone() })
            }
            End::Refused { .. } | End::NoToken(_) => Judgement::RECONNECT,
            End::Closed { code: Some(code), reason } if *code >= 4000 => judge_code(*code, reason.clone()),
            // A proxy may have swallowed the close frame or put its own in its place.
            End::Closed { .. } => judge_verdict(verdict).unwrap_or(Judgement::RECONNECT),
        }
    }
}

const REFRESH_LEAST: Duration = Duration::from_secs(1);
/// Longer timers overflow on some platforms; nobody waits so long.
const REFRESH_MOST: Duration = Duration::from_secs(60 * 60 * 24 * 30);

#[derive(Debug, PartialEq)]
enum Judgement {
    Reconnect { hurried: bool },
    Authenticate(String),
    Stop(StopReason),
}

impl Judgement {
    const RECONNECT: Self = Self::Reconnect { hurried: true };
}

fn judge_code(code: u16, reason: String) -> Judgement {
    match advice(code) {
        Advice::Reconnect => Judgement::Reconnect { hurried: code != CloseCode::Replaced.number() },
        Advice::Authenticate => Judgement::Authenticate(reason),
        Advice::Stop => Judgement::Stop(StopReason::ClosedByServer { code, reason }),
    }
}

fn judge_verdict(verdict: Option<Refusal>) -> Option<Judgement> {
    let Refusal { known, message, .. } = verdict?;
    // `frame-invalid` also refuses single frames; it never asks for more than a reconnect.
    let close = CloseCode::ALL.iter().find(|close| Some(ErrorCode::of_close(**close)) == known)?;
    Some(judge_code(close.number(), message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use belfry_protocol::frame::{AckMode, Heartbeat, ServerInfo};
    use belfry_protocol::{ConnectionId, Cursor};

    const SECOND: Duration = Duration::from_secs(1);
    /// Never a real time-out: `connection-established` of a server that beats every 30 + 10 s.
    const PATIENCE: Duration = Duration::from_secs(40);

    fn policy() -> Policy {
        let backoff = Backoff::default();
        Policy { backoff, connect_timeout: 10 * SECOND, renewable: true, user: None }
    }

    fn established(user: &str, expires_in_seconds: Option<i64>) -> ConnectionEstablished {
        ConnectionEstablished {
            connection_id: ConnectionId("019ac5f2-8e10-7000-9c4d-5b7a1e2f3c42".parse().expect("is a UUID")),
            user_id: user.parse().expect("is a user"),
            head: "9f1c22ab00e1d2c3.0.0".parse::<Cursor>().expect("is a cursor"),
            unread: 0,
            do_not_disturb: Default::default(),
            preferences_rev: 0,
            heartbeat: Heartbeat { interval_ms: 30_000, timeout_ms: 10_000 },
            ack: AckMode::Frames,
            token_expires_at: expires_in_seconds.map(|s| Timestamp::from_second(s).expect("is a time")),
            server: ServerInfo { node: "a".to_owned(), version: "1".to_owned() },
        }
    }

    fn closed(code: u16) -> End {
        End::Closed { code: Some(code), reason: "why".to_owned() }
    }

    fn broken() -> End {
        End::Closed { code: None, reason: String::new() }
    }

    fn refusal(code: ErrorCode, retry_after: Option<Duration>) -> Refusal {
        Refusal { code: code.slug().to_owned(), known: Some(code), message: "why".to_owned(), retry_after }
    }

    fn dial(machine: &mut Machine) -> (Duration, TokenReason) {
        let at = machine.deadline().expect("a try is due");
        match machine.on_time(at) {
            Some(Due::Dial(reason)) => (at, reason),
            other => panic!("{other:?} instead of a try"),
        }
    }

    fn go_live(machine: &mut Machine, expires: Option<i64>) -> Duration {
        let (at, _) = dial(machine);
        machine.on_established(established("ann", expires), Timestamp::UNIX_EPOCH, at);
        assert!(machine.take_change().is_some_and(|state| state.is_live()));
        at
    }

    /// Live, long enough to be stable; the close comes now.
    fn stable() -> (Machine, Duration) {
        let mut machine = Machine::new(policy(), Duration::ZERO);
        let now = go_live(&mut machine, None) + 31 * SECOND;
        machine.on_life(now);
        (machine, now)
    }

    #[test]
    fn every_close_code_leads_where_its_range_says() {
        let (a_second, reconnecting) = (SECOND, |retry_in| Connection::Reconnecting { attempt: 1, retry_in });
        for code in [1000, 1001, 1005, 1006, 1011, 1012, 4000, 4001, 4002, 4003, 4004, 4100, 4399] {
            let (mut machine, now) = stable();
            machine.on_end(closed(code), now, 1.0);
            assert_eq!(machine.state(), &reconnecting(a_second), "{code}");
            assert_eq!(dial(&mut machine), (now + SECOND, TokenReason::Connect), "{code}");
        }
        for code in [4400, 4401, 4402, 4403, 4499] {
            let (mut machine, now) = stable();
            machine.on_end(closed(code), now, 1.0);
            assert_eq!(machine.state(), &reconnecting(Duration::ZERO), "{code}");
            assert_eq!(dial(&mut machine), (now, TokenReason::Rejected), "{code}");
        }
        for code in [4500, 4501, 4502, 4503, 4999] {
            let (mut machine, now) = stable();
            machine.on_end(closed(code), now, 1.0);
            let reason = StopReason::ClosedByServer { code, reason: "why".to_owned() };
            assert_eq!(machine.state(), &Connection::Stopped(reason), "{code}");
            assert_eq!((machine.deadline(), machine.on_time(now + 1000 * SECOND)), (None, None), "{code}");
        }
    }

    #[test]
    fn who_was_replaced_comes_back_late() {
        let (mut machine, now) = stable();
        machine.on_end(closed(4305), now, 1.0);
        assert_eq!(dial(&mut machine), (now + 30 * SECOND, TokenReason::Connect));
    }

    #[test]
    fn an_error_frame_speaks_for_a_close_that_got_lost() {
        for (code, expected) in [
            (ErrorCode::TokenExpired, Some(TokenReason::Rejected)),
            (ErrorCode::Draining, Some(TokenReason::Connect)),
            (ErrorCode::FrameInvalid, Some(TokenReason::Connect)),
            (ErrorCode::UserBlocked, None),
            (ErrorCode::OriginNotAllowed, None),
        ] {
            for end in [broken(), closed(1006), End::Failed] {
                let (mut machine, now) = stable();
                machine.on_error(refusal(code, None));
                machine.on_end(end, now, 0.0);
                let reason = (!machine.is_stopped()).then(|| dial(&mut machine).1);
                assert_eq!(reason, expected, "{code:?}");
            }
        }
        // Any later frame shows that the refusal was not the end; a close code of ours speaks for itself.
        let (mut machine, now) = stable();
        machine.on_error(refusal(ErrorCode::UserBlocked, None));
        machine.on_life(now);
        machine.on_end(broken(), now, 0.0);
        assert!(!machine.is_stopped());
        let (mut machine, now) = stable();
        machine.on_error(refusal(ErrorCode::UserBlocked, None));
        machine.on_end(closed(4000), now, 0.0);
        assert!(!machine.is_stopped());
    }

    #[test]
    fn tries_climb_the_ladder_to_offline_and_probe_from_there() {
        let mut machine = Machine::new(policy(), Duration::ZERO);
        assert_eq!(machine.take_change(), Some(Connection::Connecting));
        for (attempt, most) in (1..).zip([1, 2, 5, 10, 30, 30, 30, 30, 30, 60, 60]) {
            let (now, _) = dial(&mut machine);
            machine.on_end(End::Failed, now, 0.5);
            let retry_in = most * SECOND / 2;
            let expected = match attempt {
                1..=9 => Connection::Reconnecting { attempt, retry_in },
                _ => Connection::Offline { retry_in },
            };
            assert_eq!(machine.take_change(), Some(expected), "try {attempt}");
            assert_eq!(machine.deadline(), Some(now + retry_in), "try {attempt}");
        }
    }

    #[test]
    fn only_a_stable_connection_puts_the_ladder_back() {
        let mut machine = Machine::new(policy(), Duration::ZERO);
        for most in [1, 2] {
            let now = go_live(&mut machine, None);
            machine.on_end(broken(), now + 29 * SECOND, 1.0);
            assert_eq!(machine.deadline(), Some(now + 29 * SECOND + most * SECOND));
        }
        let now = go_live(&mut machine, None);
        machine.on_end(broken(), now + 30 * SECOND, 1.0);
        assert_eq!(machine.deadline(), Some(now + 31 * SECOND));
    }

    #[test]
    fn the_servers_hint_comes_before_the_ladder_and_only_once() {
        let hint = 7 * SECOND;
        let (mut machine, now) = stable();
        machine.on_going_away(hint);
        machine.on_end(closed(4000), now, 0.5);
        let (at, _) = dial(&mut machine);
        assert_eq!(at, now + hint);
        machine.on_end(End::Failed, at, 1.0);
        assert_eq!(machine.deadline(), Some(at + 2 * SECOND));

        let (mut machine, now) = stable();
        machine.on_error(refusal(ErrorCode::RateLimited, Some(hint)));
        machine.on_end(closed(4004), now, 0.5);
        assert_eq!(machine.deadline(), Some(now + hint));

        let (mut machine, now) = stable();
        machine.on_end(broken(), now, 0.0);
        let (now, _) = dial(&mut machine);
        let detail = String::new();
        machine.on_end(End::Refused { status: 503, retry_after: Some(hint), detail }, now, 0.5);
        assert_eq!(machine.deadline(), Some(now + hint));
    }

    #[test]
    fn a_refused_handshake_goes_by_its_status() {
        for (status, stops, reason) in [
            (401, false, TokenReason::Rejected),
            (400, true, TokenReason::Connect),
            (403, true, TokenReason::Connect),
            (404, false, TokenReason::Connect),
            (429, false, TokenReason::Connect),
            (502, false, TokenReason::Connect),
            (503, false, TokenReason::Connect),
        ] {
            let mut machine = Machine::new(policy(), Duration::ZERO);
            let (now, _) = dial(&mut machine);
            machine.on_end(End::Refused { status, retry_after: None, detail: String::new() }, now, 0.5);
            assert_eq!(machine.is_stopped(), stops, "{status}");
            if !stops {
                assert_eq!(dial(&mut machine).1, reason, "{status}");
            }
        }
    }

    #[test]
    fn a_second_refused_token_stops_and_so_does_the_first_where_there_is_no_other() {
        let mut machine = Machine::new(policy(), Duration::ZERO);
        let (now, _) = dial(&mut machine);
        machine.on_end(closed(4401), now, 0.5);
        let (now, reason) = dial(&mut machine);
        assert_eq!(reason, TokenReason::Rejected);
        machine.on_end(closed(4401), now, 0.5);
        let rejected = Connection::Stopped(StopReason::TokenRejected { detail: "why".to_owned() });
        assert_eq!(machine.state(), &rejected);

        let mut machine = Machine::new(Policy { renewable: false, ..policy() }, Duration::ZERO);
        let (now, _) = dial(&mut machine);
        machine.on_end(closed(4401), now, 0.5);
        assert_eq!(machine.state(), &rejected);
    }

    #[test]
    fn short_tokens_that_work_are_renewed_for_ever_but_not_in_a_hot_loop() {
        let mut machine = Machine::new(policy(), Duration::ZERO);
        let waits: Vec<Duration> = (0..4)
            .map(|_| {
                let now = go_live(&mut machine, None);
                machine.on_end(closed(4402), now, 1.0);
                machine.deadline().expect("a try is due") - now
            })
            .collect();
        assert_eq!(waits, [Duration::ZERO, 2 * SECOND, 5 * SECOND, 10 * SECOND]);
    }

    #[test]
    fn a_source_that_fails_is_asked_again_for_the_same_reason() {
        let (mut machine, now) = stable();
        machine.on_end(closed(4402), now, 0.5);
        let (now, reason) = dial(&mut machine);
        machine.on_end(End::NoToken(reason), now, 0.5);
        assert_eq!(dial(&mut machine).1, TokenReason::Rejected);
    }

    #[test]
    fn silence_is_borne_for_interval_and_timeout() {
        let mut machine = Machine::new(policy(), Duration::ZERO);
        let born = go_live(&mut machine, None);
        assert_eq!(machine.on_time(born + PATIENCE - Duration::from_millis(1)), None);
        assert_eq!(machine.on_time(born + PATIENCE), Some(Due::Abandon));
        machine.on_life(born + PATIENCE);
        assert_eq!(machine.on_time(born + PATIENCE), None);
        machine.excuse(born + 2 * PATIENCE);
        assert_eq!(machine.on_time(born + 3 * PATIENCE - Duration::from_millis(1)), None);
        assert_eq!(machine.on_time(born + 3 * PATIENCE), Some(Due::Abandon));
    }

    #[test]
    fn an_attempt_without_an_answer_is_abandoned() {
        let mut machine = Machine::new(policy(), Duration::ZERO);
        let (now, _) = dial(&mut machine);
        assert_eq!(machine.deadline(), Some(now + 10 * SECOND));
        assert_eq!(machine.on_time(now + 10 * SECOND), Some(Due::Abandon));
    }

    #[test]
    fn a_token_is_renewed_at_four_fifths_of_its_life_by_the_servers_clock() {
        let mut machine = Machine::new(policy(), Duration::ZERO);
        let born = go_live(&mut machine, Some(10));
        assert_eq!(machine.deadline(), Some(born + 8 * SECOND));
        assert_eq!(machine.on_time(born + 8 * SECOND), Some(Due::RefreshToken));
        // The next one is thought to live as long; a failure is repeated sooner.
        assert_eq!(machine.on_time(born + 15 * SECOND), None);
        assert_eq!(machine.on_time(born + 16 * SECOND), Some(Due::RefreshToken));
        machine.on_refresh_failed(born + 16 * SECOND);
        assert_eq!(machine.on_time(born + 17 * SECOND), Some(Due::RefreshToken));

        let mut machine = Machine::new(Policy { renewable: false, ..policy() }, Duration::ZERO);
        let born = go_live(&mut machine, Some(10));
        assert_eq!(machine.deadline(), Some(born + PATIENCE));
    }

    #[test]
    fn another_users_token_stops_before_any_of_their_frames_is_shown() {
        let (mut machine, now) = stable();
        machine.on_end(broken(), now, 0.0);
        let (now, _) = dial(&mut machine);
        machine.on_established(established("bob", None), Timestamp::UNIX_EPOCH, now);
        assert_eq!(machine.state(), &Connection::Stopped(StopReason::UserChanged));
    }

    #[test]
    fn a_wait_can_be_cut_short_and_a_stop_is_for_good() {
        let (mut machine, now) = stable();
        machine.on_end(broken(), now, 1.0);
        machine.retry_now(now);
        assert_eq!(dial(&mut machine).0, now);
        machine.stop(StopReason::ClosedByCaller);
        machine.on_end(broken(), now, 1.0);
        machine.retry_now(now);
        machine.stop(StopReason::SignedOut);
        assert_eq!(machine.state(), &Connection::Stopped(StopReason::ClosedByCaller));
        assert_eq!(machine.on_time(now + 1000 * SECOND), None);
    }
}
