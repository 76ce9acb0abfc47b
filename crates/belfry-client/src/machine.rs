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
        self.excuse(now);
    }

    /// The application stood in the way of reading: silence until now proves nothing.
    pub fn excuse(&mut self, now: Duration) {
        if let Phase::Live(live) = &mut self.phase {
            live.last_frame = now;
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
