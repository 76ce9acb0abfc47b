//! A client's bytes, right or wrong, read in one piece and in pieces, by a server that echoes over a socket which
//! takes only so much at a time: both readings must tell the same, memory must be given back, and what the server
//! writes must be well-formed.
//!
//! Run by `cargo xtask fuzz websocket_frames`, or by hand with a nightly compiler:
//!     cargo +nightly fuzz run websocket_frames -- -max_total_time=120
//! and on a stable one with:
//!     RUSTC_BOOTSTRAP=1 cargo fuzz run websocket_frames -- -max_total_time=120
#![no_main]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use belfry_websocket::{Connection, ControlPayload, Error, Event, Limits, Outgoing, Violation};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const LIMITS: Limits =
    Limits { inbound_message_bytes_max: 1_000, send_queue_bytes_max: 2_000, send_queue_frames_max: 20 };

/// A socket whose reads and writes are cut as the script says; a zero makes it pend once.
struct Script<'a> {
    input: &'a [u8],
    steps: Vec<u8>,
    next: usize,
    output: Vec<u8>,
}

impl Script<'_> {
    fn step(&mut self) -> Option<usize> {
        let step = self.steps.get(self.next % self.steps.len().max(1)).copied();
        self.next += 1;
        match step {
            None => Some(usize::MAX),
            // Never pend twice in a row, so that every conversation ends.
            Some(0) if self.next % 2 == 0 => None,
            Some(step) => Some(usize::from(step).max(1)),
        }
    }
}

impl AsyncRead for Script<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(step) = self.step() else { return Poll::Pending };
        let (now, later) = self.input.split_at(step.min(self.input.len()).min(buffer.remaining()));
        buffer.put_slice(now);
        self.input = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(step) = self.step() else { return Poll::Pending };
        let taken = step.min(bytes.len());
        self.output.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Some(step) = self.step() else { return Poll::Pending };
        let before = self.output.len();
        for slice in slices {
            let room = step - (self.output.len() - before);
            self.output.extend_from_slice(&slice[..room.min(slice.len())]);
        }
        Poll::Ready(Ok(self.output.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        self.steps.len() % 2 == 0
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[derive(Debug, PartialEq)]
struct Reading {
    events: Vec<Event>,
    violation: Option<Violation>,
}

fn read(input: &[u8], steps: &[u8]) -> Reading {
    let socket = Script { input, steps: steps.to_vec(), next: 0, output: Vec::new() };
    let mut connection = Connection::new(socket, LIMITS);
    let mut reading = Reading { events: Vec::new(), violation: None };
    let mut cx = Context::from_waker(Waker::noop());
    let closed = loop {
        // Pending here means a script step, never a wait, so polling again goes on.
        let Poll::Ready(outcome) = connection.poll_drive(&mut cx) else { continue };
        match outcome {
            Ok(Event::Closed) => break true,
            Ok(Event::Drained) => assert_eq!(connection.queued_bytes(), 0),
            Ok(event) => {
                answer(&mut connection, &event);
                reading.events.push(event);
            }
            Err(Error::Violation(violation)) => {
                assert!(matches!(violation.close_code(), 1002 | 1007 | 1009));
                reading.violation = Some(violation);
                connection.close(4003, "why");
            }
            Err(Error::Gone(error)) => {
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                break false;
            }
        }
        // Beside messages only control frames may wait: two pongs and a close frame.
        assert!(connection.queued_bytes() <= LIMITS.send_queue_bytes_max + 3 * 127);
    };
    assert_eq!(connection.heap_bytes(), 0);
    check_output(&connection.get_ref().output, closed);
    reading
}

fn answer(connection: &mut Connection<Script<'_>>, event: &Event) {
    let message = match event {
        Event::Text(text) => Outgoing::text(text.clone()),
        Event::Binary(bytes) => Outgoing::binary(bytes.clone()),
        _ => return,
    };
    let receipt = ControlPayload::new(b"u1.a1").expect("five bytes are not too long");
    let before = connection.queued_bytes();
    if connection.send(&message.with_tail("tail").with_receipt(receipt)).is_err() {
        assert!(connection.queued_bytes() <= before);
    }
}

/// What a server writes: whole frames, unmasked, in the shortest form, and nothing behind a close.
fn check_output(mut output: &[u8], closed: bool) {
    let mut last = 0;
    while let [first, second, rest @ ..] = output {
        assert_ne!(last, 0x88, "nothing follows a close frame");
        assert!(matches!(first, 0x81 | 0x82 | 0x88 | 0x89 | 0x8a), "{first:x}");
        let (length, rest) = match second {
            0..126 => (usize::from(*second), rest),
            126 => match rest.split_first_chunk() {
                Some((length, rest)) => (usize::from(u16::from_be_bytes(*length)), rest),
                None => break,
            },
            _ => panic!("nothing here is that long, or masked: {second:x}"),
        };
        assert!(length >= 126 || *second < 126);
        if rest.len() < length {
            break;
        }
        last = *first;
        output = &rest[length..];
    }
    if closed {
        assert!(output.is_empty() && last == 0x88, "a finished conversation ends with a close frame");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&count, data)) = data.split_first() else { return };
    let (steps, input) = data.split_at(usize::from(count).min(data.len()));
    let whole = read(input, &[]);
    assert_eq!(read(input, steps), whole);
    assert_eq!(read(input, &[1]), whole);
});
