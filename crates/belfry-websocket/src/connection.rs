use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::inbound::Inbound;
use crate::queue::Queue;
use crate::{CloseFrame, Error, Event, Limits, Outgoing, SendError, Sent, Violation, scratch};

mod write;

/// After so many reads in one poll other tasks get their turn, even on a socket that always has more.
const READS_PER_POLL: usize = 32;

/// One WebSocket, server side, after its handshake.
#[derive(Debug)]
pub struct Connection<S> {
    io: S,
    limits: Limits,
    inbound: Inbound,
    /// Exists only while frames wait.
    queue: Option<Box<Queue>>,
    /// The owner's, so that a write from elsewhere still wakes the owner when the socket can go on.
    waker: Option<Waker>,
    /// A socket error met while sending, for the next drive to report.
    failure: Option<io::Error>,
    bytes_read: u64,
    bytes_written: u64,
    read: ReadSide,
    write: WriteSide,
    /// Frames had to wait, so the owner is to hear when none does any more.
    drained_owed: bool,
    /// Bytes were written that a layer below (TLS) may hold back until flushed.
    flush_owed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadSide {
    Open,
    /// The peer's close frame came; what follows it is ignored.
    Closed,
    /// The peer broke the protocol; what follows is ignored.
    Violated(Violation),
    /// There is nothing more to read, or no reason to.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteSide {
    Open,
    /// The close frame is queued or sent.
    Closing,
    ShutDown,
    /// The socket failed.
    Gone,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection whose handshake was just answered.
    pub fn new(io: S, limits: Limits) -> Self {
        Self::with_read_bytes(io, limits, &[])
    }

    /// As [`Connection::new`], with bytes that the HTTP parser read beyond the handshake.
    pub fn with_read_bytes(io: S, limits: Limits, read: &[u8]) -> Self {
        Self {
            io,
            limits,
            inbound: Inbound::with_unread(read),
            queue: None,
            waker: None,
            failure: None,
            bytes_read: read.len() as u64,
            bytes_written: 0,
            read: ReadSide::Open,
            write: WriteSide::Open,
            drained_owed: false,
            flush_owed: false,
        }
    }

    /// Writes what waits, reads what came, and returns the next event. Cancel-safe: dropping the future loses nothing.
    ///
    /// After [`Error::Violation`] the connection ignores what the peer sends: call [`Connection::close`] with
    /// the code of your choice and drive on until [`Event::Closed`], which here waits until the peer hangs up,
    /// because a socket closed on unread bytes may take the close frame with it. Until there is a close, the
    /// same error comes again. After [`Error::Gone`] every call fails.
    pub async fn drive(&mut self) -> Result<Event, Error> {
        poll_fn(|cx| self.poll_drive(cx)).await
    }

    /// [`Connection::drive`] as one poll. The waker of the last call is woken when the socket can go on,
    /// also after a [`Connection::send`] or [`Connection::try_flush`] from elsewhere.
    pub fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Error>> {
        self.remember_waker(cx);
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Err(Error::Gone(failure)));
        }
        if self.write == WriteSide::Gone {
            return Poll::Ready(Err(Error::Gone(io::ErrorKind::NotConnected.into())));
        }
        let written = match self.poll_write_out(cx) {
            Poll::Ready(Err(error)) => return Poll::Ready(Err(self.gone(error))),
            Poll::Ready(Ok(())) => true,
            Poll::Pending => false,
        };
        if written && self.drained_owed {
            self.drained_owed = false;
            return Poll::Ready(Ok(Event::Drained));
        }
        match self.read {
            ReadSide::Open => self.poll_event(cx),
            ReadSide::Violated(violation) if self.write == WriteSide::Open => {
                Poll::Ready(Err(violation.into()))
            }
            ReadSide::Closed | ReadSide::Violated(_) | ReadSide::Ended if written => self.poll_end(cx),
            ReadSide::Closed | ReadSide::Violated(_) | ReadSide::Ended => Poll::Pending,
        }
    }

    /// Writes a frame at once as far as the socket takes it, without waiting; the rest is queued.
    ///
    /// Refused whole, with nothing of it written or queued, when the queue has no room. An empty queue takes any
    /// frame, however large. If the socket fails, the next [`Connection::drive`] says so.
    pub fn send(&mut self, message: &Outgoing) -> Result<Sent, SendError> {
        self.check_open()?;
        if self.queue.is_some() {
            self.try_flush();
        }
        if self.queue.is_some() {
            self.push(message)?;
        } else {
            self.check_open()?;
            self.with_waker(|this, cx| this.write_directly(cx, message));
            self.check_open()?;
        }
        Ok(if self.queue.is_some() { Sent::Queued } else { Sent::Written })
    }

    /// Queues a frame without touching the socket, to send several in one write; same limits as [`Connection::send`].
    /// The next drive or [`Connection::try_flush`] writes it.
    pub fn push(&mut self, message: &Outgoing) -> Result<(), SendError> {
        self.check_open()?;
        debug_assert!(message.is_valid(), "a text message is UTF-8");
        let queue = self.queue.get_or_insert_default();
        let room = queue.is_empty()
            || queue.bytes() + message.wire_bytes() <= self.limits.send_queue_bytes_max
                && queue.frames() < self.limits.send_queue_frames_max;
        if !room {
            return Err(SendError::QueueFull);
        }
        queue.push(message, 0);
        self.drained_owed = true;
        Ok(())
    }

    /// Writes what waits as far as the socket takes it, without waiting; says whether nothing waits any more.
    pub fn try_flush(&mut self) -> bool {
        self.with_waker(|this, cx| match this.poll_write_out(cx) {
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(error)) => {
                this.fail(error);
                false
            }
            Poll::Pending => false,
        })
    }

    /// Begins the close handshake: queues a close frame after what waits, whatever the limits.
    ///
    /// The reason is cut to 123 bytes; a code that must not be sent (1005, 1006, …) is left out. Sending is over
    /// from here on; messages of the peer still arrive until it answers. A second close changes nothing.
    pub fn close(&mut self, code: u16, reason: &str) {
        self.queue_close(CloseFrame::payload(code, reason));
    }

    /// Drops the frames that wait and of which no byte was written, so that a close is not stuck behind them.
    pub fn discard_queue(&mut self) {
        if let Some(queue) = &mut self.queue {
            queue.discard();
            if queue.is_empty() {
                self.queue = None;
            }
        }
    }

    /// Whether a close frame was queued, sent or received, the peer broke the protocol, or the socket is gone.
    pub fn is_closing(&self) -> bool {
        self.write != WriteSide::Open || self.read != ReadSide::Open || self.failure.is_some()
    }

    /// How many bytes wait for the socket.
    pub fn queued_bytes(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.bytes())
    }

    /// How many bytes the peer sent so far: if it grows, the peer lives.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// How many bytes the socket took so far: if it stands still while bytes wait, the peer does not read.
    pub fn bytes_written(&self) -> u64 {
        self.bytes_written
    }

    /// How much heap this connection holds now, shared bodies not counted; 0 when idle.
    pub fn heap_bytes(&self) -> usize {
        let queue = self.queue.as_ref().map_or(0, |queue| size_of::<Queue>() + queue.heap_bytes());
        self.inbound.heap_bytes() + queue
    }

    /// The socket underneath.
    pub fn get_ref(&self) -> &S {
        &self.io
    }

    /// The next event from unread bytes or from the socket.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Error>> {
        let limit = self.limits.inbound_message_bytes_max;
        let mut outcome = self.inbound.next(limit);
        let mut reads = 0;
        loop {
            match outcome {
                Ok(Some(event)) => return Poll::Ready(Ok(self.take_event(cx, event))),
                Ok(None) => {}
                Err(violation) => {
                    self.inbound = Inbound::default();
                    self.read = ReadSide::Violated(violation);
                    return Poll::Ready(Err(violation.into()));
                }
            }
            if reads == READS_PER_POLL {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            reads += 1;
            let (inbound, io) = (&mut self.inbound, &mut self.io);
            let read = scratch::with(|buffer| {
                let read = ready!(poll_read(io, cx, buffer));
                Poll::Ready(read.map(|n| (n, inbound.feed(&mut buffer[..n], limit))))
            });
            outcome = match ready!(read) {
                Ok((0, _)) => return self.poll_hung_up(cx),
                Ok((n, outcome)) => {
                    self.bytes_read += n as u64;
                    outcome
                }
                Err(error) => return Poll::Ready(Err(self.gone(error))),
            };
        }
    }

    /// What the codec itself does about an event.
    fn take_event(&mut self, cx: &mut Context<'_>, event: Event) -> Event {
        match &event {
            Event::Ping(payload) => self.answer_ping(cx, payload.clone()),
            Event::Close(frame) => {
                self.read = ReadSide::Closed;
                self.inbound = Inbound::default();
                self.queue_close(frame.code.map_or_else(Bytes::new, |code| CloseFrame::payload(code, "")));
            }
            _ => {}
        }
        event
    }

    /// The peer hung up without a close frame of its own.
    fn poll_hung_up(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Error>> {
        if self.write == WriteSide::Open {
            return Poll::Ready(Err(self.gone(io::ErrorKind::UnexpectedEof.into())));
        }
        self.read = ReadSide::Ended;
        self.inbound = Inbound::default();
        if self.queue.is_some() || self.flush_owed { Poll::Pending } else { self.poll_end(cx) }
    }

    /// Both sides have said what they had to: shuts down, and reads away what would turn our goodbye into a reset.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Error>> {
        if self.write != WriteSide::ShutDown {
            // A peer that is gone already needs no goodbye.
            let _ = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
            self.write = WriteSide::ShutDown;
        }
        for _ in 0..READS_PER_POLL {
            if self.read == ReadSide::Ended {
                return Poll::Ready(Ok(Event::Closed));
            }
            match scratch::with(|buffer| poll_read(&mut self.io, cx, buffer)) {
                Poll::Ready(Ok(0) | Err(_)) => self.read = ReadSide::Ended,
                Poll::Ready(Ok(n)) => self.bytes_read += n as u64,
                Poll::Pending if self.read == ReadSide::Closed => self.read = ReadSide::Ended,
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn queue_close(&mut self, payload: Bytes) {
        if self.write == WriteSide::Open {
            self.queue.get_or_insert_default().push_close(payload);
            self.write = WriteSide::Closing;
            self.drained_owed = false;
            self.wake();
        }
    }

    fn check_open(&self) -> Result<(), SendError> {
        if self.write == WriteSide::Open && self.failure.is_none() { Ok(()) } else { Err(SendError::Closing) }
    }

    /// Runs a write outside of [`Connection::poll_drive`] with the owner's waker.
    fn with_waker<R>(&mut self, write: impl FnOnce(&mut Self, &mut Context<'_>) -> R) -> R {
        let waker = self.waker.take();
        let result = write(self, &mut Context::from_waker(waker.as_ref().unwrap_or(Waker::noop())));
        self.waker = waker;
        if self.failure.is_some() {
            self.wake();
        }
        result
    }

    fn remember_waker(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    /// Keeps a socket error met while sending for the next drive.
    fn fail(&mut self, error: io::Error) {
        let Error::Gone(error) = self.gone(error) else { return };
        self.failure = Some(error);
    }

    /// Ends everything: the socket failed, and nothing that is kept has any use.
    fn gone(&mut self, error: io::Error) -> Error {
        self.write = WriteSide::Gone;
        self.read = ReadSide::Ended;
        self.queue = None;
        self.inbound = Inbound::default();
        self.drained_owed = false;
        self.flush_owed = false;
        Error::Gone(error)
    }
}

/// One read into the scratch buffer; zero bytes mean that the peer hung up.
fn poll_read<S: AsyncRead + Unpin>(
    io: &mut S,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(buffer);
    ready!(Pin::new(io).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

#[cfg(test)]
mod tests;
