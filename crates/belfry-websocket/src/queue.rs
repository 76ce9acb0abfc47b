use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

use crate::Outgoing;
use crate::frame::{Opcode, SentHeader};

/// How many frames one write takes along.
const FRAMES_PER_WRITE: usize = 16;

/// How many slices one write has at most: header, body and trail of each frame.
pub(crate) const SLICES_PER_WRITE: usize = FRAMES_PER_WRITE * 3;

/// Below this many places the queue does not bother to shrink.
const PLACES_KEPT: usize = 16;

/// The frames that wait for the socket. It exists only while some do.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    frames: VecDeque<Queued>,
    /// How many bytes wait, over all frames.
    bytes: usize,
    /// How much of the first frame is written already.
    front_written: usize,
}

/// A frame that waits: its body is shared, its tail and receipt ping are one small piece of heap.
#[derive(Debug)]
struct Queued {
    header: SentHeader,
    body: Bytes,
    trail: Box<[u8]>,
}

impl Queued {
    fn new(message: &Outgoing) -> Self {
        let tail = message.tail.as_bytes();
        let receipt = message.receipt.as_ref();
        let mut trail = Vec::with_capacity(tail.len() + receipt.map_or(0, |ping| 2 + ping.as_bytes().len()));
        trail.extend_from_slice(tail);
        if let Some(ping) = receipt {
            trail.extend_from_slice(SentHeader::new(Opcode::Ping, ping.as_bytes().len()).as_bytes());
            trail.extend_from_slice(ping.as_bytes());
        }
        let header = SentHeader::new(message.opcode, message.body.len() + tail.len());
        Self { header, body: message.body.clone(), trail: trail.into_boxed_slice() }
    }

    fn control(opcode: Opcode, payload: Bytes) -> Self {
        Self { header: SentHeader::new(opcode, payload.len()), body: payload, trail: Box::default() }
    }

    fn len(&self) -> usize {
        self.header.as_bytes().len() + self.body.len() + self.trail.len()
    }
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn frames(&self) -> usize {
        self.frames.len()
    }

    /// Queues a message whose first `written` bytes are written already (only into an empty queue).
    pub(crate) fn push(&mut self, message: &Outgoing, written: usize) {
        debug_assert!(written == 0 || self.is_empty());
        self.bytes += message.wire_bytes() - written;
        self.front_written += written;
        self.frames.push_back(Queued::new(message));
    }

    /// Queues a close frame behind everything.
    pub(crate) fn push_close(&mut self, payload: Bytes) {
        let frame = Queued::control(Opcode::Close, payload);
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    /// Queues a pong before everything that is not begun; an older one there gives way, so they never pile up.
    pub(crate) fn put_pong(&mut self, payload: Bytes, written: usize) {
        let place = usize::from(self.front_written > 0);
        let frame = Queued::control(Opcode::Pong, payload);
        self.bytes += frame.len() - written;
        match self.frames.get_mut(place) {
            Some(older) if older.header.is_pong() => {
                self.bytes -= older.len();
                *older = frame;
            }
            _ => self.frames.insert(place, frame),
        }
        self.front_written += written;
    }

    /// The next bytes to write.
    pub(crate) fn gather<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES_PER_WRITE]) -> usize {
        let mut skip = self.front_written;
        let mut count = 0;
        for frame in self.frames.iter().take(FRAMES_PER_WRITE) {
            for part in [frame.header.as_bytes(), &frame.body, &frame.trail] {
                let skipped = skip.min(part.len());
                skip -= skipped;
                if skipped < part.len() {
                    slices[count] = IoSlice::new(&part[skipped..]);
                    count += 1;
                }
            }
        }
        count
    }

    /// Forgets what was written, and gives memory back as the queue gets shorter.
    pub(crate) fn advance(&mut self, written: usize) {
        self.bytes -= written;
        self.front_written += written;
        while let Some(front) = self.frames.front()
            && front.len() <= self.front_written
        {
            self.front_written -= front.len();
            self.frames.pop_front();
        }
        if self.frames.capacity() > PLACES_KEPT && self.frames.len() < self.frames.capacity() / 4 {
            self.frames.shrink_to((self.frames.len() * 2).max(PLACES_KEPT));
        }
    }

    /// Drops the frames not begun, except the close frame at the end if there is one.
    pub(crate) fn discard(&mut self) {
        let begun = usize::from(self.front_written > 0);
        let close = self.frames.back().is_some_and(|last| last.header.is_close());
        let end = self.frames.len() - usize::from(close && self.frames.len() > begun);
        let dropped: usize = self.frames.drain(begun..end).map(|frame| frame.len()).sum();
        self.bytes -= dropped;
        self.frames.shrink_to_fit();
    }

    /// The heap held, this struct's own box and the shared bodies not counted.
    pub(crate) fn heap_bytes(&self) -> usize {
        let trails: usize = self.frames.iter().map(|frame| frame.trail.len()).sum();
        self.frames.capacity() * size_of::<Queued>() + trails
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ControlPayload;

    fn waiting(queue: &Queue) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
        let count = queue.gather(&mut slices);
        slices[..count].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn frames_wait_in_order_and_leave_byte_by_byte() {
        let mut queue = Queue::default();
        let message = Outgoing::text("ab").with_tail("c").with_receipt(ControlPayload::new(b"r").unwrap());
        queue.push(&message, 1);
        queue.push(&Outgoing::binary("z"), 0);
        queue.push_close(Bytes::new());
        let mut expected: &[u8] = &[3, b'a', b'b', b'c', 0x89, 1, b'r', 0x82, 1, b'z', 0x88, 0];
        while !expected.is_empty() {
            assert_eq!(waiting(&queue), expected);
            assert_eq!(queue.bytes(), expected.len());
            queue.advance(1);
            expected = &expected[1..];
        }
        assert!(queue.is_empty());
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn latest_pong_replaces_the_one_that_waits_and_overtakes_messages_not_begun() {
        let mut queue = Queue::default();
        queue.push(&Outgoing::text("first"), 2);
        queue.push(&Outgoing::text("second"), 0);
        for n in 0..100_u8 {
            queue.put_pong(Bytes::copy_from_slice(&[n]), 0);
        }
        assert_eq!(queue.frames(), 3);
        assert_eq!(waiting(&queue), b"first\x8a\x01\x63\x81\x06second");
        assert_eq!(queue.bytes(), 5 + 3 + 8);
        queue.advance(6);
        queue.put_pong(Bytes::from_static(b"!"), 0);
        assert_eq!(waiting(&queue), b"\x01\x63\x8a\x01!\x81\x06second");
    }

    #[test]
    fn places_are_given_back_after_a_burst() {
        let mut queue = Queue::default();
        for _ in 0..500 {
            queue.push(&Outgoing::text("x"), 0);
        }
        let full = queue.heap_bytes();
        queue.advance(3 * 495);
        assert!(
            queue.heap_bytes() <= PLACES_KEPT * 2 * size_of::<Queued>(),
            "{full} -> {}",
            queue.heap_bytes()
        );
    }

    #[test]
    fn discarding_keeps_the_frame_that_is_begun_and_the_close_frame() {
        let mut queue = Queue::default();
        queue.push(&Outgoing::text("begun"), 3);
        queue.push(&Outgoing::text("dropped"), 0);
        queue.push_close(Bytes::new());
        queue.discard();
        assert_eq!(waiting(&queue), b"egun\x88\x00");
        assert_eq!(queue.bytes(), 6);
        queue.advance(5);
        queue.discard();
        assert_eq!(waiting(&queue), b"\x00");
    }
}
