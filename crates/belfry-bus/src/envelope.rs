//! What nodes write to each other: a version, the sender, and messages or probes behind each other.
//!
//! ```text
//! version u8 = 1 | sender u64 | serial u32 | item…
//! item: 0 | probe serial u32 | target u16
//!       1 | subject u16 | length of head u16 | length of body u32, all ones without | head | body
//! ```
//! All numbers are big-endian. The serial makes two payloads of one sender different: PostgreSQL delivers equal
//! ones of a transaction only once.

use crate::message::{BODY_MAX_BYTES, HEAD_MAX_BYTES, Message, NodeTag};
use crate::probe::Echo;
use crate::subject::Subject;
use bytes::{Buf, BufMut, Bytes, BytesMut};

const VERSION: u8 = 1;
const PROBE: u8 = 0;
const MESSAGE: u8 = 1;
const NO_BODY: u32 = u32::MAX;

/// The bytes of an envelope without items.
pub(crate) const EMPTY_BYTES: usize = 13;
/// The bytes of a message beside its head and body.
const MESSAGE_BYTES: usize = 9;

/// One thing in an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Probe(Echo),
    Message(Subject, Message),
}

/// A whole envelope, read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) from: NodeTag,
    pub(crate) items: Vec<Item>,
}

/// What cannot be read: another version's, another program's, or cut off.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Garbled;

/// The bytes a message takes in an envelope.
pub(crate) fn message_bytes(message: &Message) -> usize {
    MESSAGE_BYTES + message.len()
}

/// An envelope being written.
#[derive(Debug)]
pub(crate) struct Draft(BytesMut);

impl Draft {
    pub(crate) fn new(from: NodeTag, serial: u32) -> Self {
        let mut bytes = BytesMut::with_capacity(256);
        bytes.put_u8(VERSION);
        bytes.put_u64(from.0);
        bytes.put_u32(serial);
        Self(bytes)
    }

    /// Appends a message whose lengths were checked when it was queued.
    pub(crate) fn message(&mut self, subject: Subject, message: &Message) {
        let head = u16::try_from(message.head.len()).expect("a queued head is at most HEAD_MAX_BYTES");
        self.0.reserve(message_bytes(message));
        self.0.put_u8(MESSAGE);
        self.0.put_u16(subject.code());
        self.0.put_u16(head);
        match &message.body {
            Some(body) => {
                self.0.put_u32(u32::try_from(body.len()).expect("a queued body is at most BODY_MAX_BYTES"));
            }
            None => self.0.put_u32(NO_BODY),
        }
        self.0.put_slice(&message.head);
        if let Some(body) = &message.body {
            self.0.put_slice(body);
        }
    }

    pub(crate) fn probe(&mut self, echo: Echo) {
        self.0.put_u8(PROBE);
        self.0.put_u32(echo.serial);
        self.0.put_u16(echo.target);
    }

    pub(crate) fn seal(self) -> Bytes {
        self.0.freeze()
    }
}

/// Reads an envelope; its messages share the bytes. One wrong item spoils the whole: a node never writes one.
pub(crate) fn read(mut bytes: Bytes) -> Result<Envelope, Garbled> {
    if bytes.try_get_u8().map_err(garbled)? != VERSION {
        return Err(Garbled);
    }
    let from = NodeTag(bytes.try_get_u64().map_err(garbled)?);
    bytes.try_get_u32().map_err(garbled)?;
    let mut items = Vec::new();
    while bytes.has_remaining() {
        items.push(match bytes.get_u8() {
            PROBE => Item::Probe(Echo {
                serial: bytes.try_get_u32().map_err(garbled)?,
                target: bytes.try_get_u16().map_err(garbled)?,
            }),
            MESSAGE => read_message(&mut bytes)?,
            _ => return Err(Garbled),
        });
    }
    Ok(Envelope { from, items })
}

fn read_message(bytes: &mut Bytes) -> Result<Item, Garbled> {
    let subject = Subject::from_code(bytes.try_get_u16().map_err(garbled)?).ok_or(Garbled)?;
    let head = usize::from(bytes.try_get_u16().map_err(garbled)?);
    let body = match bytes.try_get_u32().map_err(garbled)? {
        NO_BODY => None,
        length => Some(usize::try_from(length).map_err(garbled)?),
    };
    if head > HEAD_MAX_BYTES || body.is_some_and(|length| length > BODY_MAX_BYTES) {
        return Err(Garbled);
    }
    if bytes.len() < head + body.unwrap_or(0) {
        return Err(Garbled);
    }
    let message = Message { head: bytes.split_to(head), body: body.map(|length| bytes.split_to(length)) };
    Ok(Item::Message(subject, message))
}

fn garbled<E>(_too_short: E) -> Garbled {
    Garbled
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message() -> impl Strategy<Value = Item> {
        let subject = prop_oneof![Just(Subject::All), (0..crate::PARTITIONS).prop_map(Subject::Partition)];
        let bytes = |most| prop::collection::vec(any::<u8>(), 0..most).prop_map(Bytes::from);
        (subject, bytes(200), prop::option::of(bytes(2_000)))
            .prop_map(|(subject, head, body)| Item::Message(subject, Message { head, body }))
    }

    fn item() -> impl Strategy<Value = Item> {
        prop_oneof![
            4 => message(),
            1 => (any::<u32>(), any::<u16>())
                .prop_map(|(serial, target)| Item::Probe(Echo { serial, target }))
        ]
    }

    fn write(from: NodeTag, items: &[Item]) -> Bytes {
        let mut draft = Draft::new(from, 7);
        for item in items {
            match item {
                Item::Probe(echo) => draft.probe(*echo),
                Item::Message(subject, message) => draft.message(*subject, message),
            }
        }
        draft.seal()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(from in any::<u64>(), items in prop::collection::vec(item(), 0..20)) {
            let from = NodeTag(from);
            prop_assert_eq!(read(write(from, &items)), Ok(Envelope { from, items }));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), version in 0..3_u8) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = version;
            }
            let _ = read(Bytes::from(bytes));
        }

        #[test]
        fn an_envelope_that_was_cut_is_garbled(item in item(), cut in 1..400_usize) {
            let whole = write(NodeTag(1), &[item]);
            let keep = whole.len().saturating_sub(cut);
            // An envelope without items is one, too.
            prop_assume!(keep != EMPTY_BYTES);
            prop_assert_eq!(read(whole.slice(..keep)), Err(Garbled));
        }
    }

    #[test]
    fn the_sizes_are_those_written() {
        let message = Message::new("head", "body");
        let one = write(NodeTag(1), &[Item::Message(Subject::All, message.clone())]);
        assert_eq!(one.len(), EMPTY_BYTES + message_bytes(&message));
        assert_eq!(write(NodeTag(1), &[]).len(), EMPTY_BYTES);
    }

    #[test]
    fn another_version_is_garbled() {
        let mut bytes = write(NodeTag(1), &[]).to_vec();
        bytes[0] = VERSION + 1;
        assert_eq!(read(Bytes::from(bytes)), Err(Garbled));
        assert_eq!(read(Bytes::from_static(b"{\"json\":1}")), Err(Garbled));
    }

    #[test]
    fn the_first_version_stays_as_it_is() {
        let written = write(
            NodeTag(0x0102_0304_0506_0708),
            &[
                Item::Message(Subject::Partition(513), Message::new("h", "bo")),
                Item::Probe(Echo { serial: 9, target: 1 }),
            ],
        );
        let expected = b"\x01\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\x07\x01\x02\x01\0\x01\0\0\0\x02hbo\0\0\0\0\x09\0\x01";
        assert_eq!(&written[..], expected);
    }
}
