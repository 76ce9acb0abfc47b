//! The subscriber's task: moves bytes between the socket, the pure machines and the application.

use crate::dial::{DialError, Socket, dial};
use crate::event::{Connection, Event, StopReason, Trouble};
use crate::inbox_state::{InboxState, Output};
use crate::machine::{Due, End, Machine, Policy};
use crate::pace::Pace;
use crate::subscriber::{NotLive, Receipts, SubscriberOptions};
use crate::token::{TokenError, TokenPlace, TokenReason, TokenSource};
use crate::wire::{self, Incoming};
use belfry_protocol::frame::{Authenticate, Echo};
use belfry_protocol::{ClientFrame, Cursor, ErrorCode};
use futures_util::future::{BoxFuture, OptionFuture};
use futures_util::{SinkExt, StreamExt};
use reqwest::Url;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as WireCode;
use tokio_tungstenite::tungstenite::{Error, Message};

/// What the application wants of the connection itself.
#[derive(Debug)]
pub(crate) enum Control {
    RetryNow,
    Close,
}

/// A frame to send, and where to say that it is out.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) frame: Box<ClientFrame>,
    pub(crate) done: oneshot::Sender<Result<(), NotLive>>,
}

impl Frame {
    fn refuse(self) {
        // Whoever asked may have gone.
        let _ = self.done.send(Err(NotLive));
    }
}

/// An event on its way to the application, and where the application stands once it has it.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) event: Option<Event>,
    pub(crate) cursor: Option<Cursor>,
}

/// A write that takes longer means a dead link.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a close is waited for.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// With so much undelivered, further troubles of the connection are not told.
const TROUBLES_WAITING_MAX: usize = 64;

type TokenFlight = BoxFuture<'static, Result<Option<String>, TokenError>>;

pub(crate) struct Driver {
    url: Url,
    place: TokenPlace,
    tokens: TokenSource,
    receipts: Receipts,
    frames: mpsc::Receiver<Frame>,
    controls: mpsc::Receiver<Control>,
    handles: Handles,
    /// The application's next frame, until the rate lets it go.
    held: Option<Frame>,
    events: mpsc::Sender<Delivery>,
    pending: VecDeque<Delivery>,
    machine: Machine,
    inbox: InboxState,
    /// The one question to the token source that is under way.
    flight: Option<TokenFlight>,
    /// When an unanswered resume is repeated.
    answer_due: Option<Duration>,
    answer_timeout: Duration,
    pace: Pace,
    started: Instant,
}

/// Whether handles are left that could say something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handles {
    Held,
    Dropped,
}

/// What ended a wait that is the same in every phase.
enum Woken {
    Time,
    Frame(Frame),
    Control(Control),
    /// An event went out; others may wait.
    Delivered,
    /// Nobody takes events any more.
    Gone,
}

impl Driver {
    pub(crate) fn new(
        url: Url,
        options: SubscriberOptions,
        (frames, controls): (mpsc::Receiver<Frame>, mpsc::Receiver<Control>),
        events: mpsc::Sender<Delivery>,
    ) -> Self {
        let policy = Policy {
            backoff: options.backoff,
            connect_timeout: options.connect_timeout,
            renewable: options.token.renewable(),
            user: options.user,
        };
        Self {
            url,
            place: options.place,
            tokens: options.token,
            receipts: options.receipts,
            frames,
            controls,
            handles: Handles::Held,
            held: None,
            events,
            pending: VecDeque::new(),
            machine: Machine::new(policy, Duration::ZERO),
            inbox: InboxState::new(options.from, options.max),
            flight: None,
            answer_due: None,
            answer_timeout: options.answer_timeout,
            pace: Pace::new(options.frame_rate),
            started: Instant::now(),
        }
    }

    pub(crate) async fn run(mut self) {
        self.report();
        while !self.machine.is_stopped() {
            let due = self.machine.on_time(self.now());
            if let Some(Due::Dial(reason)) = due {
                if let Some(socket) = self.connect(reason).await {
                    self.serve(socket).await;
                }
                continue;
            }
            match self.wake(self.deadline()).await {
                Woken::Frame(frame) => frame.refuse(),
                Woken::Control(control) => self.control(control),
                Woken::Gone => self.machine.stop(StopReason::ClosedByCaller),
                Woken::Time | Woken::Delivered => {}
            }
        }
        self.report();
        self.frames.close();
        self.controls.close();
        while let Some(delivery) = self.pending.pop_front() {
            if self.events.send(delivery).await.is_err() {
                return;
            }
        }
    }

    /// Gets a token and a socket; meanwhile commands are refused and events go out.
    async fn connect(&mut self, reason: TokenReason) -> Option<Socket> {
        let flight = self.flight.take().unwrap_or_else(|| self.tokens.ask(reason));
        let (url, place) = (self.url.clone(), self.place);
        let mut attempt = Box::pin(async move {
            let token = flight.await.map_err(Attempt::NoToken)?.ok_or(Attempt::SignedOut)?;
            dial(url, token, place).await.map_err(Attempt::Dial)
        });
        loop {
            let deadline = self.deadline();
            tokio::select! {
                outcome = &mut attempt => match outcome {
                    Ok(socket) => return Some(socket),
                    Err(Attempt::SignedOut) => self.machine.stop(StopReason::SignedOut),
                    Err(Attempt::NoToken(error)) => {
                        self.trouble(Trouble::Token(error.to_string()));
                        self.end(End::NoToken(reason));
                    }
                    Err(Attempt::Dial(DialError { end, text })) => {
                        self.trouble(Trouble::Connection(text));
                        self.end(end);
                    }
                },
                woken = self.wake(deadline) => match woken {
                    Woken::Frame(frame) => frame.refuse(),
                    Woken::Control(control) => self.control(control),
                    Woken::Gone => self.machine.stop(StopReason::ClosedByCaller),
                    Woken::Delivered => {}
                    Woken::Time => {
                        if let Some(Due::Abandon) = self.machine.on_time(self.now()) {
                            self.trouble(Trouble::Connection("no answer in time".to_owned()));
                            self.end(End::Failed);
                        }
                    }
                },
            }
            if !self.machine.is_dialing() {
                return None;
            }
        }
    }

    /// Lives with an open socket until it ends.
    async fn serve(&mut self, mut socket: Socket) {
        self.answer_due = None;
        while self.machine.is_open() {
            let deadline = [self.deadline(), self.sending_due()].into_iter().flatten().min();
            let mut flight = self.flight.take();
            let renewed: OptionFuture<_> = flight.as_mut().into();
            tokio::select! {
                Some(answer) = renewed => {
                    flight = None;
                    self.renew(&mut socket, answer).await;
                }
                // Not reading is how a slow application slows the server down.
                message = socket.next(), if self.pending.is_empty() => {
                    self.on_message(&mut socket, message).await;
                }
                woken = self.wake(deadline) => match woken {
                    Woken::Frame(frame) => self.held = Some(frame),
                    Woken::Control(control) => self.control(control),
                    Woken::Gone => self.machine.stop(StopReason::ClosedByCaller),
                    Woken::Delivered => self.excuse(),
                    Woken::Time => flight = self.on_time(flight),
                },
            }
            self.flight = flight;
            self.send_due(&mut socket).await;
        }
        if let Some(frame) = self.held.take() {
            frame.refuse();
        }
        if self.machine.is_stopped() {
            let normal = CloseFrame { code: WireCode::Normal, reason: "".into() };
            let _ = timeout(CLOSE_TIMEOUT, async {
                socket.close(Some(normal)).await?;
                while let Some(Ok(_)) = socket.next().await {}
                Ok::<_, Error>(())
            })
            .await;
        }
    }

    fn on_time(&mut self, flight: Option<TokenFlight>) -> Option<TokenFlight> {
        match self.machine.on_time(self.now()) {
            Some(Due::Abandon) if !self.pending.is_empty() => self.excuse(),
            Some(Due::Abandon) => {
                self.trouble(Trouble::Connection("nothing was heard for too long".to_owned()));
                self.end(End::Failed);
            }
            Some(Due::RefreshToken) => {
                return flight.or_else(|| Some(self.tokens.ask(TokenReason::Expiring)));
            }
            Some(Due::Dial(_)) | None => {}
        }
        flight
    }

    /// What did not come while the application stood in the way may be in the socket.
    fn excuse(&mut self) {
        self.machine.excuse(self.now());
        self.expect_answer();
    }

    fn expect_answer(&mut self) {
        self.answer_due = self.inbox.is_asking().then(|| self.now() + self.answer_timeout);
    }

    async fn on_message(&mut self, socket: &mut Socket, message: Option<Result<Message, Error>>) {
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(frame))) => {
                // The answer to the close goes out with this, so that the server ends cleanly too.
                let _ = timeout(CLOSE_TIMEOUT, socket.flush()).await;
                let (code, reason) = match frame {
                    Some(frame) => (Some(frame.code.into()), frame.reason.to_string()),
                    None => (None, String::new()),
                };
                self.trouble(Trouble::Connection(closed_text(code, &reason)));
                return self.end(End::Closed { code, reason });
            }
            Some(Ok(_)) => return self.machine.on_life(self.now()),
            Some(Err(error)) => {
                self.trouble(Trouble::Connection(error.to_string()));
                return self.end(End::Closed { code: None, reason: String::new() });
            }
            None => {
                self.trouble(Trouble::Connection(closed_text(None, "")));
                return self.end(End::Closed { code: None, reason: String::new() });
            }
        };
        self.machine.on_life(self.now());
        let mut out = Vec::new();
        self.on_frame(wire::parse(&text), &mut out);
        self.obey(socket, out).await;
    }

    async fn obey(&mut self, socket: &mut Socket, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Event(event, cursor) => {
                    self.pending.push_back(Delivery { event: Some(event), cursor });
                }
                Output::Moved(cursor) => {
                    self.pending.push_back(Delivery { event: None, cursor: Some(cursor) });
                }
                Output::Send(frame) => self.write(socket, &frame).await,
                Output::Expect => self.expect_answer(),
                Output::Abandon(why) => {
                    self.trouble(Trouble::Connection(why.to_owned()));
                    self.end(End::Failed);
                }
            }
        }
    }

    fn on_frame(&mut self, frame: Incoming, out: &mut Vec<Output>) {
        let event = |event| Output::Event(event, None);
        match frame {
            Incoming::Established(established, sent_at) => {
                self.machine.on_established((*established).clone(), sent_at, self.now());
                self.report();
                if !self.machine.is_stopped() {
                    self.inbox.on_established(&established, out);
                }
            }
            Incoming::Alert(item) => self.inbox.on_alert(*item, out),
            Incoming::Unreadable(unreadable) => self.inbox.on_unreadable(unreadable, out),
            Incoming::InboxChanged { stream, seq, data } => {
                self.inbox.on_inbox_changed(stream, seq, data, out);
            }
            Incoming::CatchUp(page) => self.inbox.on_catch_up(page, out),
            Incoming::Reset(reset) => self.inbox.on_reset(*reset, out),
            Incoming::Settings(settings) => out.push(event(Event::Settings(settings))),
            Incoming::Ping(data, raw) => {
                out.push(Output::Send(ClientFrame::Pong(Echo(raw))));
                if let Some(data) = data {
                    self.inbox.on_ping(data, out);
                }
            }
            Incoming::GoingAway(after) => {
                self.machine.on_going_away(after);
                out.push(event(Event::GoingAway(after)));
            }
            Incoming::Error(refusal) => {
                self.machine.on_error(refusal.clone());
                if refusal.known == Some(ErrorCode::RateLimited) {
                    self.pace.exhaust(self.now());
                    self.inbox.on_ignored();
                }
                out.push(event(Event::Error(Trouble::Refused(refusal))));
            }
            Incoming::Garbage(why) => out.push(event(Event::Error(Trouble::Unreadable(why)))),
            Incoming::Pong | Incoming::Unknown => {}
        }
    }

    /// The token source answered for the live connection.
    async fn renew(&mut self, socket: &mut Socket, answer: Result<Option<String>, TokenError>) {
        match answer {
            Ok(Some(token)) => {
                self.write(socket, &ClientFrame::Authenticate(Authenticate { token })).await;
            }
            Ok(None) => self.machine.stop(StopReason::SignedOut),
            Err(error) => {
                self.trouble(Trouble::Token(error.to_string()));
                self.machine.on_refresh_failed(self.now());
            }
        }
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::RetryNow => self.machine.retry_now(self.now()),
            Control::Close => self.machine.stop(StopReason::ClosedByCaller),
        }
    }

    /// When something of ours is due on the open socket.
    fn sending_due(&self) -> Option<Instant> {
        let held = self.held.is_some().then(|| self.pace.frame_at());
        let answer = self.answer_due.filter(|_| self.pending.is_empty());
        let due = [held, self.receipts_due(), answer].into_iter().flatten().min();
        due.map(|at| self.started + at)
    }

    /// When the next confirmation goes out: at once after a pause, else together with what comes meanwhile.
    fn receipts_due(&self) -> Option<Duration> {
        let waiting =
            self.receipts == Receipts::Send && self.machine.state().is_live() && self.inbox.has_receipts();
        waiting.then(|| self.pace.receipts_at())
    }

    /// Sends what is due: a repeated question, confirmations, the application's frame.
    async fn send_due(&mut self, socket: &mut Socket) {
        let now = self.now();
        if self.pending.is_empty() && self.answer_due.take_if(|due| now >= *due).is_some() {
            let mut out = Vec::new();
            self.inbox.ask_again(&mut out);
            self.obey(socket, out).await;
        }
        if self.receipts_due().is_some_and(|due| now >= due) {
            self.pace.confirmed(now);
            for ack in self.inbox.take_receipts() {
                self.write(socket, &ClientFrame::Ack(ack)).await;
            }
        }
        let live = self.machine.state().is_live();
        if let Some(frame) = self.held.take_if(|_| !live || now >= self.pace.frame_at()) {
            if !live {
                return frame.refuse();
            }
            self.write(socket, &frame.frame).await;
            let sent = if self.machine.is_open() { Ok(()) } else { Err(NotLive) };
            // Whoever asked may have gone.
            let _ = frame.done.send(sent);
        }
    }

    async fn write(&mut self, socket: &mut Socket, frame: &ClientFrame) {
        if !self.machine.is_open() {
            return;
        }
        self.pace.spend(self.now());
        let text = serde_json::to_string(frame).expect("every frame has a JSON form");
        let trouble = match timeout(WRITE_TIMEOUT, socket.send(Message::text(text))).await {
            Ok(Ok(())) => return,
            // Reading on tells why: the close frame may be there already.
            Ok(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "a write took too long".to_owned(),
        };
        self.trouble(Trouble::Connection(trouble));
        self.end(End::Failed);
    }

    /// Waits for what may happen in any phase.
    async fn wake(&mut self, deadline: Option<Instant>) -> Woken {
        let timer: OptionFuture<_> = deadline.map(sleep_until).into();
        tokio::select! {
            Some(()) = timer => Woken::Time,
            frame = self.frames.recv(), if self.handles == Handles::Held && self.held.is_none() => match frame {
                Some(frame) => Woken::Frame(frame),
                None => {
                    // Without a handle the stream still wants its events.
                    self.handles = Handles::Dropped;
                    Woken::Delivered
                }
            },
            Some(control) = self.controls.recv() => Woken::Control(control),
            permit = self.events.reserve(), if !self.pending.is_empty() => match permit {
                Ok(permit) => {
                    if let Some(delivery) = self.pending.pop_front() {
                        permit.send(delivery);
                    }
                    Woken::Delivered
                }
                Err(_) => Woken::Gone,
            },
            () = self.events.closed() => Woken::Gone,
        }
    }

    fn end(&mut self, end: End) {
        self.machine.on_end(end, self.now(), fastrand::f64());
        self.report();
    }

    fn trouble(&mut self, trouble: Trouble) {
        tracing::debug!(%trouble, "subscriber");
        if self.pending.len() < TROUBLES_WAITING_MAX {
            self.pending.push_back(Delivery { event: Some(Event::Error(trouble)), cursor: None });
        }
    }

    /// Tells the connection's state; only the last of several that nobody took.
    fn report(&mut self) {
        let Some(state) = self.machine.take_change() else { return };
        let untaken = |delivery: &Delivery| {
            matches!(
                delivery.event,
                Some(Event::Connection(Connection::Reconnecting { .. } | Connection::Offline { .. }))
            )
        };
        if self.pending.back().is_some_and(untaken) {
            self.pending.pop_back();
        }
        self.pending.push_back(Delivery { event: Some(Event::Connection(state)), cursor: None });
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn deadline(&self) -> Option<Instant> {
        self.machine.deadline().map(|at| self.started + at)
    }
}

enum Attempt {
    SignedOut,
    NoToken(TokenError),
    Dial(DialError),
}

fn closed_text(code: Option<u16>, reason: &str) -> String {
    match code {
        Some(code) if reason.is_empty() => format!("closed with {code}"),
        Some(code) => format!("closed with {code}: {reason}"),
        None => "the connection ended without a close".to_owned(),
    }
}
