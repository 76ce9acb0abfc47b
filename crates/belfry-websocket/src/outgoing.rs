use std::fmt;

use bytes::Bytes;

use crate::frame::Opcode;

/// The most bytes a control frame's payload may hold.
pub const CONTROL_PAYLOAD_BYTES_MAX: usize = 125;

/// The most bytes a [`Tail`] holds without the heap.
pub const TAIL_BYTES_INLINE: usize = 160;

/// One frame to send: a body that many sockets share, this session's own tail, and if wanted a receipt ping.
///
/// The frame's payload is body then tail. The ping is a control frame of its own and leaves in the same write.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub(crate) opcode: Opcode,
    pub(crate) body: Bytes,
    pub(crate) tail: Tail,
    pub(crate) receipt: Option<ControlPayload>,
}

impl Outgoing {
    /// A text message; body and tail together must be UTF-8, which is checked in debug builds only.
    pub fn text(body: impl Into<Bytes>) -> Self {
        Self { opcode: Opcode::Text, body: body.into(), tail: Tail::default(), receipt: None }
    }

    /// A binary message.
    pub fn binary(body: impl Into<Bytes>) -> Self {
        Self { opcode: Opcode::Binary, ..Self::text(body) }
    }

    /// A control ping on its own, such as a heartbeat.
    pub fn ping(payload: ControlPayload) -> Self {
        Self { opcode: Opcode::Ping, tail: Tail::from(payload.as_bytes()), ..Self::text(Bytes::new()) }
    }

    /// Ends the message with this session's own bytes.
    #[must_use]
    pub fn with_tail(self, tail: impl Into<Tail>) -> Self {
        Self { tail: tail.into(), ..self }
    }

    /// Lets a control ping follow in the same write; its pong confirms everything sent before it.
    #[must_use]
    pub fn with_receipt(self, payload: ControlPayload) -> Self {
        Self { receipt: Some(payload), ..self }
    }

    /// How many bytes this takes on the wire, headers and receipt ping included.
    pub fn wire_bytes(&self) -> usize {
        let payload = self.body.len() + self.tail.as_bytes().len();
        let receipt = self.receipt.as_ref().map_or(0, |ping| 2 + ping.as_bytes().len());
        crate::frame::header_bytes(payload) + payload + receipt
    }

    /// Whether a text message is UTF-8: too slow to ask outside of debug builds.
    pub(crate) fn is_valid(&self) -> bool {
        self.opcode != Opcode::Text
            || std::str::from_utf8(&[&self.body[..], self.tail.as_bytes()].concat()).is_ok()
    }
}

/// A session's own last bytes of a message; up to [`TAIL_BYTES_INLINE`] of them need no heap.
///
/// It implements [`fmt::Write`], so `write!(tail, ",\"unread\":{n}}}")` builds it in place.
#[derive(Clone, Default)]
pub struct Tail(Repr);

#[derive(Clone)]
enum Repr {
    Inline(Inline<TAIL_BYTES_INLINE>),
    Heap(Vec<u8>),
    Shared(Bytes),
}

impl Default for Repr {
    fn default() -> Self {
        Self::Inline(Inline::default())
    }
}

impl Tail {
    /// An empty tail to write into.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(inline) => inline.as_bytes(),
            Repr::Heap(heap) => heap,
            Repr::Shared(shared) => shared,
        }
    }

    fn extend(&mut self, more: &[u8]) {
        if let Repr::Inline(inline) = &mut self.0
            && inline.extend(more)
        {
            return;
        }
        if let Repr::Heap(heap) = &mut self.0 {
            heap.extend_from_slice(more);
            return;
        }
        self.0 = Repr::Heap([self.as_bytes(), more].concat());
    }
}

impl From<&[u8]> for Tail {
    fn from(bytes: &[u8]) -> Self {
        let mut tail = Self::default();
        tail.extend(bytes);
        tail
    }
}

impl From<&str> for Tail {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<Bytes> for Tail {
    fn from(bytes: Bytes) -> Self {
        Self(Repr::Shared(bytes))
    }
}

impl fmt::Write for Tail {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.extend(text.as_bytes());
        Ok(())
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tail({} bytes)", self.as_bytes().len())
    }
}

/// The payload of a control frame: at most [`CONTROL_PAYLOAD_BYTES_MAX`] bytes, never on the heap.
///
/// It implements [`fmt::Write`], which fails once the payload would be too long.
#[derive(Clone, Default)]
pub struct ControlPayload(Inline<CONTROL_PAYLOAD_BYTES_MAX>);

impl ControlPayload {
    /// These bytes, or none if they are too many.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut payload = Self::default();
        payload.0.extend(bytes).then_some(payload)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Write for ControlPayload {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.extend(text.as_bytes()) { Ok(()) } else { Err(fmt::Error) }
    }
}

impl fmt::Debug for ControlPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ControlPayload({} bytes)", self.as_bytes().len())
    }
}

/// Up to `N` (at most 255) bytes in place.
#[derive(Clone)]
struct Inline<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Default for Inline<N> {
    fn default() -> Self {
        const { assert!(N <= u8::MAX as usize) };
        Self { bytes: [0; N], len: 0 }
    }
}

impl<const N: usize> Inline<N> {
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Appends all of `more`, or nothing and says no.
    fn extend(&mut self, more: &[u8]) -> bool {
        let start = usize::from(self.len);
        let Some(free) = self.bytes[start..].get_mut(..more.len()) else { return false };
        free.copy_from_slice(more);
        self.len = u8::try_from(start + more.len()).expect("N fits in a byte");
        true
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn tail_stays_inline_up_to_its_limit_and_spills_one_byte_later() {
        let mut tail = Tail::new();
        write!(tail, "{}", "x".repeat(TAIL_BYTES_INLINE)).unwrap();
        assert!(matches!(tail.0, Repr::Inline(_)));
        write!(tail, "y").unwrap();
        assert!(matches!(tail.0, Repr::Heap(_)));
        write!(tail, "z").unwrap();
        assert_eq!(tail.as_bytes(), [&[b'x'; TAIL_BYTES_INLINE][..], b"yz"].concat());
    }

    #[test]
    fn writing_after_a_shared_tail_leaves_the_shared_bytes_alone() {
        let shared = Bytes::from_static(b"abc");
        let mut tail = Tail::from(shared.clone());
        write!(tail, "d").unwrap();
        assert_eq!(tail.as_bytes(), b"abcd");
        assert_eq!(shared, "abc");
    }

    #[test]
    fn control_payload_is_refused_above_125_bytes() {
        assert!(ControlPayload::new(&[1; 125]).is_some());
        assert!(ControlPayload::new(&[1; 126]).is_none());
        let mut payload = ControlPayload::new(&[1; 124]).unwrap();
        assert!(write!(payload, "ab").is_err());
        assert!(write!(payload, "a").is_ok());
    }

    #[test]
    fn wire_bytes_count_header_body_tail_and_receipt() {
        let message = Outgoing::text("hello").with_tail("!!");
        assert_eq!(message.wire_bytes(), 2 + 7);
        let message = message.with_receipt(ControlPayload::new(b"u1.a2").unwrap());
        assert_eq!(message.wire_bytes(), 2 + 7 + 2 + 5);
        assert_eq!(Outgoing::binary(vec![0; 126]).wire_bytes(), 4 + 126);
        assert_eq!(Outgoing::binary(vec![0; 65_536]).wire_bytes(), 10 + 65_536);
    }
}
