//! A session over server-sent events (WHATWG HTML, 9.2): the same frames, `id:` is the cursor, receipts come by
//! `POST /v1/acks`. For where WebSocket is blocked.

use super::session::Traffic;
use super::transport::{Incoming, Parcel, Refused, Transport};
use belfry_store::Heads;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::Notify;

/// What an event stream's two ends share: the session fills it, hyper empties it.
#[derive(Debug, Default)]
struct Pipe {
    chunks: VecDeque<Bytes>,
    queued: usize,
    taken: u64,
    ended: bool,
    gone: bool,
    waker: Option<Waker>,
}

#[derive(Debug, Default)]
struct Shared {
    pipe: Mutex<Pipe>,
    moved: Notify,
}

impl Shared {
    fn pipe(&self) -> MutexGuard<'_, Pipe> {
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session's end.
pub(super) struct Events {
    shared: Arc<Shared>,
    queue_bytes_max: usize,
    was_queued: bool,
}

/// The body of the answer.
struct EventsBody(Arc<Shared>);

/// Both ends; `retry` tells an `EventSource` how long to wait before it comes back.
pub(super) fn events(queue_bytes_max: usize, retry: Duration) -> (Events, UnsyncBoxBody<Bytes, Infallible>) {
    let shared = Arc::new(Shared::default());
    let events = Events { shared: Arc::clone(&shared), queue_bytes_max, was_queued: false };
    events.push(Bytes::from(format!("retry: {}\n\n", retry.as_millis())));
    (events, UnsyncBoxBody::new(EventsBody(shared)))
}

impl Events {
    fn push(&self, chunk: Bytes) {
        let mut pipe = self.shared.pipe();
        pipe.queued += chunk.len();
        pipe.chunks.push_back(chunk);
        if let Some(waker) = pipe.waker.take() {
            waker.wake();
        }
    }
}

/// One event. The frame's JSON has no line breaks, so one `data:` line holds it.
fn event(parcel: &Parcel) -> Bytes {
    let mut text = Vec::with_capacity(parcel.body.len() + parcel.tail.len() + 64);
    if let Some(cursor) = parcel.cursor {
        text.extend_from_slice(format!("id: {cursor}\n").as_bytes());
    }
    text.extend_from_slice(b"data: ");
    // A publisher's `data` is kept byte for byte and may be written over several lines.
    text.extend(parcel.body.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    text.extend_from_slice(&parcel.tail);
    text.extend_from_slice(b"\n\n");
    text.into()
}

impl Transport for Events {
    fn send(&mut self, parcel: Parcel) -> Result<(), Refused> {
        let chunk = event(&parcel);
        let queued = self.shared.pipe().queued;
        if queued > 0 && queued + chunk.len() > self.queue_bytes_max {
            return Err(Refused);
        }
        self.push(chunk);
        self.was_queued = true;
        Ok(())
    }

    fn heartbeat(&mut self, _heads: Heads) {
        if self.shared.pipe().queued < self.queue_bytes_max {
            self.push(Bytes::from_static(b": \n\n"));
            self.was_queued = true;
        }
    }

    fn traffic(&self) -> Traffic {
        let pipe = self.shared.pipe();
        Traffic { heard: 0, taken: pipe.taken, queued: pipe.queued }
    }

    async fn incoming(&mut self) -> Incoming {
        loop {
            {
                let pipe = self.shared.pipe();
                if pipe.gone {
                    return Incoming::Gone;
                }
                if self.was_queued && pipe.queued == 0 {
                    drop(pipe);
                    self.was_queued = false;
                    return Incoming::Drained;
                }
            }
            self.shared.moved.notified().await;
        }
    }

    async fn finish(&mut self, _code: u16, _reason: &str, wait: Duration) {
        {
            let mut pipe = self.shared.pipe();
            pipe.ended = true;
            if let Some(waker) = pipe.waker.take() {
                waker.wake();
            }
        }
        let emptied = async {
            while !self.shared.pipe().gone {
                self.shared.moved.notified().await;
            }
        };
        let _ = tokio::time::timeout(wait, emptied).await;
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut pipe = self.shared.pipe();
        pipe.ended = true;
        if let Some(waker) = pipe.waker.take() {
            waker.wake();
        }
    }
}

impl Body for EventsBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut pipe = self.0.pipe();
        let Some(chunk) = pipe.chunks.pop_front() else {
            if pipe.ended {
                return Poll::Ready(None);
            }
            pipe.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        pipe.queued -= chunk.len();
        pipe.taken += chunk.len() as u64;
        if pipe.chunks.is_empty() {
            pipe.chunks = VecDeque::new();
        }
        drop(pipe);
        self.0.moved.notify_one();
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }
}

impl Drop for EventsBody {
    fn drop(&mut self) {
        self.0.pipe().gone = true;
        self.0.moved.notify_one();
    }
}

/// A refusal for an `EventSource`, which never comes back after any status but 200: an `error` event, then the end.
pub(super) fn refusal(frame: &[u8], retry: Duration) -> Bytes {
    let mut text = format!("retry: {}\nevent: message\ndata: ", retry.as_millis()).into_bytes();
    text.extend_from_slice(frame);
    text.extend_from_slice(b"\n\n");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_over_several_lines_stays_one_event() {
        let parcel = Parcel {
            body: Bytes::from_static(b"{\"data\":{\n\"a\":1\r\n}"),
            tail: b",\"seq\":1}".to_vec(),
            receipt: None,
            cursor: None,
        };
        assert_eq!(event(&parcel), "data: {\"data\":{ \"a\":1  },\"seq\":1}\n\n");
    }
}
