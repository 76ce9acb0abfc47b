//! The subscriber's outside: options, the handle, the stream of events.

use crate::address::{Address, AddressError};
use crate::backoff::Backoff;
use crate::driver::{Control, Delivery, Driver, Frame};
use crate::event::Event;
use crate::inbox_state::IDS_PER_FRAME;
use crate::pace::FrameRate;
use crate::token::{TokenPlace, TokenSource};
use belfry_protocol::frame::{Authenticate, Presence, Selection};
use belfry_protocol::inbox::Ack;
use belfry_protocol::{AlertId, ClientFrame, Cursor, Level, UserId};
use futures_util::Stream;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Whether receipts are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Receipts {
    /// Every applied alert is confirmed as received, which ends ladders that wait for it.
    #[default]
    Send,
    /// Nothing is confirmed: for onlookers, which must not silence a phone.
    Silent,
}

/// How to subscribe.
#[derive(Debug, Clone)]
#[must_use]
pub struct SubscriberOptions {
    /// The server's base URL, with a path prefix where it is mounted under one.
    pub url: String,
    /// Where tokens come from.
    pub token: TokenSource,
    /// Where the token stands in the handshake.
    pub place: TokenPlace,
    /// Stop unless the token is this user's; `None`: whoever the first connection is.
    pub user: Option<UserId>,
    /// Where an earlier subscriber of this user stood; `None`: only what comes from now on.
    pub from: Option<Cursor>,
    /// When more than this is missing, take a reset with the newest page instead of everything.
    pub max: Option<u32>,
    /// Whether receipts are sent.
    pub receipts: Receipts,
    /// The most that is sent; what the application says beyond it waits.
    pub frame_rate: FrameRate,
    /// Events that wait for the application; when they are so many, the socket is not read.
    pub queue: usize,
    /// From the first packet to `connection-established`, token included.
    pub connect_timeout: Duration,
    /// How long the answer to a resume, or its next page, may take before it is asked for again.
    pub answer_timeout: Duration,
    /// Waits between tries.
    pub backoff: Backoff,
}

impl SubscriberOptions {
    /// The defaults for this server and this token (a text, or [`TokenSource::refresh`]).
    pub fn new(url: impl Into<String>, token: impl Into<TokenSource>) -> Self {
        Self {
            url: url.into(),
            token: token.into(),
            place: TokenPlace::default(),
            user: None,
            from: None,
            max: None,
            receipts: Receipts::default(),
            frame_rate: FrameRate::default(),
            queue: 256,
            connect_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(3),
            backoff: Backoff::default(),
        }
    }

    /// Where the token stands in the handshake.
    pub fn place(self, place: TokenPlace) -> Self {
        Self { place, ..self }
    }

    /// Stop unless the token is this user's.
    pub fn user(self, user: UserId) -> Self {
        Self { user: Some(user), ..self }
    }

    /// Continue where an earlier subscriber stood.
    pub fn from(self, from: Option<Cursor>) -> Self {
        Self { from, ..self }
    }

    /// When more than this is missing, take a reset instead.
    pub fn max(self, max: u32) -> Self {
        Self { max: Some(max), ..self }
    }

    /// Whether receipts are sent.
    pub fn receipts(self, receipts: Receipts) -> Self {
        Self { receipts, ..self }
    }

    /// The most that is sent.
    pub fn frame_rate(self, frame_rate: FrameRate) -> Self {
        Self { frame_rate, ..self }
    }

    /// How many events may wait for the application.
    pub fn queue(self, queue: usize) -> Self {
        Self { queue, ..self }
    }

    /// Waits between tries.
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// From the first packet to `connection-established`.
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        Self { connect_timeout, ..self }
    }
}

/// There is no live connection right now: nothing was sent, nothing is kept for later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not connected right now; nothing was sent")]
pub struct NotLive;

/// Which items a change names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Items {
    /// These.
    Ids(Vec<AlertId>),
    /// All up to this position; what arrives meanwhile stays as it is.
    UpTo(Cursor),
}

impl From<AlertId> for Items {
    fn from(id: AlertId) -> Self {
        Self::Ids(vec![id])
    }
}

impl From<Vec<AlertId>> for Items {
    fn from(ids: Vec<AlertId>) -> Self {
        Self::Ids(ids)
    }
}

impl From<&[AlertId]> for Items {
    fn from(ids: &[AlertId]) -> Self {
        Self::Ids(ids.to_vec())
    }
}

impl From<Cursor> for Items {
    fn from(cursor: Cursor) -> Self {
        Self::UpTo(cursor)
    }
}

impl Items {
    fn selections(self) -> Vec<Selection> {
        match self {
            Self::UpTo(cursor) => vec![Selection { ids: None, up_to: Some(cursor) }],
            Self::Ids(ids) => ids
                .chunks(IDS_PER_FRAME)
                .map(|ids| Selection { ids: Some(ids.to_vec()), up_to: None })
                .collect(),
        }
    }
}

/// Where the application stands: behind the last event it took.
pub(crate) type Standing = Arc<Mutex<Option<Cursor>>>;

fn standing(of: &Standing) -> Option<Cursor> {
    *of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The handle of a live connection that keeps itself alive. It ends with [`Subscriber::close`], or when the
/// [`EventStream`] is dropped.
#[derive(Debug, Clone)]
pub struct Subscriber {
    frames: mpsc::Sender<Frame>,
    controls: mpsc::Sender<Control>,
    standing: Standing,
}

impl Subscriber {
    /// Begins to connect. Call it inside a tokio runtime.
    pub fn connect(options: SubscriberOptions) -> Result<(Self, EventStream), AddressError> {
        let address = Address::parse(&options.url)?;
        let (frames_tx, frames_rx) = mpsc::channel(64);
        let (controls_tx, controls_rx) = mpsc::channel(4);
        let (events_tx, events_rx) = mpsc::channel(options.queue.max(1));
        let standing: Standing = Arc::new(Mutex::new(options.from));
        let driver = Driver::new(address.socket(), options, (frames_rx, controls_rx), events_tx);
        #[expect(clippy::disallowed_methods, reason = "the subscriber's one task: it ends with its stream")]
        tokio::spawn(driver.run());
        let subscriber = Self { frames: frames_tx, controls: controls_tx, standing: standing.clone() };
        Ok((subscriber, EventStream { events: events_rx, standing }))
    }

    /// Where the application stands: behind the last event it took from the stream. Keep it, and give it to
    /// [`SubscriberOptions::from`] after a restart.
    pub fn cursor(&self) -> Option<Cursor> {
        standing(&self.standing)
    }

    /// These items were on screen for a second.
    pub async fn seen(&self, items: impl Into<Items>) -> Result<(), NotLive> {
        self.change(items.into(), ClientFrame::Seen).await
    }

    /// These items were opened or marked.
    pub async fn read(&self, items: impl Into<Items>) -> Result<(), NotLive> {
        self.change(items.into(), ClientFrame::Read).await
    }

    /// These items are unread again.
    pub async fn unread(&self, items: impl Into<Items>) -> Result<(), NotLive> {
        self.change(items.into(), ClientFrame::Unread).await
    }

    /// These items leave the list.
    pub async fn archive(&self, items: impl Into<Items>) -> Result<(), NotLive> {
        self.change(items.into(), ClientFrame::Archive).await
    }

    /// These items come back into the list.
    pub async fn unarchive(&self, items: impl Into<Items>) -> Result<(), NotLive> {
        self.change(items.into(), ClientFrame::Unarchive).await
    }

    /// The action of these items was used.
    pub async fn acted(&self, items: impl Into<Items>) -> Result<(), NotLive> {
        self.change(items.into(), ClientFrame::Acted).await
    }

    /// These alerts were shown to a person.
    pub async fn displayed(&self, ids: &[AlertId]) -> Result<(), NotLive> {
        for ids in ids.chunks(IDS_PER_FRAME) {
            let (stream, after, up_to) = (None, None, None);
            let ids = Some(ids.to_vec());
            self.send(ClientFrame::Ack(Ack { stream, after, up_to, ids, level: Level::Displayed })).await?;
        }
        Ok(())
    }

    /// Gives the live connection a fresh token of the same user. With [`TokenSource::refresh`] this happens by itself.
    pub async fn authenticate(&self, token: impl Into<String>) -> Result<(), NotLive> {
        self.send(ClientFrame::Authenticate(Authenticate { token: token.into() })).await
    }

    /// Says whether a person can see this client; decides only which connection gives way at the limit per user.
    pub async fn presence(&self, presence: Presence) -> Result<(), NotLive> {
        self.send(ClientFrame::Presence(presence)).await
    }

    /// Sends any frame, as soon as [`SubscriberOptions::frame_rate`] allows. `Ok` means written to the socket; what the server made of it comes as an event.
    pub async fn send(&self, frame: ClientFrame) -> Result<(), NotLive> {
        let (done_tx, done_rx) = oneshot::channel();
        let frame = Frame { frame: Box::new(frame), done: done_tx };
        self.frames.send(frame).await.map_err(|_| NotLive)?;
        done_rx.await.unwrap_or(Err(NotLive))
    }

    /// Tries at once instead of waiting for the next try.
    pub async fn retry_now(&self) {
        // A subscriber that is over has nothing to retry.
        let _ = self.controls.send(Control::RetryNow).await;
    }

    /// Closes the connection and ends the stream of events once it is drained.
    pub async fn close(&self) {
        // One that is over is closed.
        let _ = self.controls.send(Control::Close).await;
    }

    async fn change(&self, items: Items, frame: fn(Selection) -> ClientFrame) -> Result<(), NotLive> {
        for selection in items.selections() {
            self.send(frame(selection)).await?;
        }
        Ok(())
    }
}

/// The events of a [`Subscriber`], in order. A slow reader slows the socket down, never the server.
#[derive(Debug)]
pub struct EventStream {
    events: mpsc::Receiver<Delivery>,
    standing: Standing,
}

impl EventStream {
    /// The next event; `None` once the subscriber stopped.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// Where the application stands: behind the last event it took.
    pub fn cursor(&self) -> Option<Cursor> {
        standing(&self.standing)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            let Some(delivery) = ready!(self.events.poll_recv(cx)) else { return Poll::Ready(None) };
            if delivery.cursor.is_some() {
                *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = delivery.cursor;
            }
            if delivery.event.is_some() {
                return Poll::Ready(delivery.event);
            }
        }
    }
}

impl Stream for EventStream {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll(cx)
    }
}
