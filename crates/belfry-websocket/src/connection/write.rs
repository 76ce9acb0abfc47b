use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Connection, WriteSide};
use crate::frame::{Opcode, SentHeader};
use crate::queue::SLICES_PER_WRITE;
use crate::{Outgoing, scratch};

/// The write half: from the queue or straight from a message's parts into the socket.
impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Writes the whole queue, then flushes what is below.
    pub(super) fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(mut queue) = self.queue.take() {
            let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
            let count = queue.gather(&mut slices);
            let outcome = if count == 0 { Poll::Ready(Ok(0)) } else { self.poll_write(cx, &slices[..count]) };
            if let Poll::Ready(Ok(written)) = outcome {
                queue.advance(written);
            }
            if !queue.is_empty() {
                self.queue = Some(queue);
            }
            ready!(outcome)?;
        }
        if self.flush_owed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.flush_owed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends a message while nothing waits: straight from its parts, and queues what the socket leaves.
    pub(super) fn write_directly(&mut self, cx: &mut Context<'_>, message: &Outgoing) {
        debug_assert!(message.is_valid(), "a text message is UTF-8");
        let tail = message.tail.as_bytes();
        let header = SentHeader::new(message.opcode, message.body.len() + tail.len());
        let ping = message.receipt.as_ref().map_or(&[][..], |ping| ping.as_bytes());
        let ping_header = SentHeader::new(Opcode::Ping, ping.len());
        let parts = [
            header.as_bytes(),
            &message.body,
            tail,
            if message.receipt.is_some() { ping_header.as_bytes() } else { &[] },
            ping,
        ];
        let mut slices = [IoSlice::new(&[]); 5];
        let mut count = 0;
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            slices[count] = IoSlice::new(part);
            count += 1;
        }
        let written = match self.poll_write(cx, &slices[..count]) {
            Poll::Ready(Ok(written)) => written,
            Poll::Ready(Err(error)) => return self.fail(error),
            Poll::Pending => 0,
        };
        if written < message.wire_bytes() {
            self.queue.get_or_insert_default().push(message, written);
        }
        // Either the layer below is flushed, or the rest is tried until the socket promises to wake us.
        match self.poll_write_out(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => self.fail(error),
            Poll::Pending => self.drained_owed |= self.queue.is_some(),
        }
    }

    /// One write, vectored where the socket can, gathered in the scratch buffer where it cannot.
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let io = Pin::new(&mut self.io);
        let written = ready!(match slices {
            [one] => io.poll_write(cx, one),
            many if io.is_write_vectored() => io.poll_write_vectored(cx, many),
            many => scratch::with(|buffer| {
                let mut filled = 0;
                for slice in many {
                    let copied = slice.len().min(buffer.len() - filled);
                    buffer[filled..filled + copied].copy_from_slice(&slice[..copied]);
                    filled += copied;
                }
                io.poll_write(cx, &buffer[..filled])
            }),
        })?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.bytes_written += written as u64;
        self.flush_owed = true;
        Poll::Ready(Ok(written))
    }

    /// Answers a ping at once if nothing waits, else before everything that is not begun.
    pub(super) fn answer_ping(&mut self, cx: &mut Context<'_>, payload: Bytes) {
        if self.write != WriteSide::Open {
            return;
        }
        let mut written = 0;
        if self.queue.is_none() {
            let header = SentHeader::new(Opcode::Pong, payload.len());
            match self.poll_write(cx, &[IoSlice::new(header.as_bytes()), IoSlice::new(&payload)]) {
                Poll::Ready(Ok(n)) if n == header.as_bytes().len() + payload.len() => return,
                Poll::Ready(Ok(n)) => written = n,
                Poll::Ready(Err(error)) => return self.fail(error),
                Poll::Pending => {}
            }
        }
        self.queue.get_or_insert_default().put_pong(payload, written);
    }
}
