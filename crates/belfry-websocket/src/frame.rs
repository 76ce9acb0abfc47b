//! Frame headers as bytes: RFC 6455, section 5.2.

use crate::Violation;
use crate::outgoing::CONTROL_PAYLOAD_BYTES_MAX;

/// The longest header a server sends: no mask.
pub(crate) const SENT_HEADER_BYTES_MAX: usize = 10;

/// The longest header a client sends: 64-bit length and mask.
pub(crate) const RECEIVED_HEADER_BYTES_MAX: usize = 14;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    pub(crate) fn is_control(self) -> bool {
        self as u8 >= 0x8
    }
}

/// A client's frame header, checked as far as one frame by itself can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) opcode: Opcode,
    pub(crate) fin: bool,
    pub(crate) mask: [u8; 4],
    pub(crate) payload_bytes: u64,
    pub(crate) header_bytes: usize,
}

impl Header {
    /// Reads the header `bytes` begin with; none means that more bytes are needed.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Violation::ReservedBits);
        }
        let opcode = Opcode::from_bits(first & 0x0f).ok_or(Violation::ReservedOpcode)?;
        let fin = first & 0x80 != 0;
        if second & 0x80 == 0 {
            return Err(Violation::Unmasked);
        }
        let short = second & 0x7f;
        if opcode.is_control() {
            if !fin {
                return Err(Violation::FragmentedControl);
            }
            if usize::from(short) > CONTROL_PAYLOAD_BYTES_MAX {
                return Err(Violation::ControlTooLong);
            }
        }
        let (payload_bytes, rest) = match short {
            126 => match rest.split_first_chunk() {
                Some((length, rest)) => (minimal(u64::from(u16::from_be_bytes(*length)), 126)?, rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((length, rest)) => (minimal(u64::from_be_bytes(*length), 65_536)?, rest),
                None => return Ok(None),
            },
            short => (u64::from(short), rest),
        };
        let Some((mask, rest)) = rest.split_first_chunk() else { return Ok(None) };
        let header_bytes = bytes.len() - rest.len();
        Ok(Some(Self { opcode, fin, mask: *mask, payload_bytes, header_bytes }))
    }
}

/// A long length must not fit into a shorter field, and never has its highest bit set.
fn minimal(length: u64, least: u64) -> Result<u64, Violation> {
    if length < least {
        Err(Violation::LengthNotMinimal)
    } else if length > u64::MAX >> 1 {
        Err(Violation::LengthOverflow)
    } else {
        Ok(length)
    }
}

/// The header of a whole, unmasked frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SentHeader {
    bytes: [u8; SENT_HEADER_BYTES_MAX],
    len: u8,
}

impl SentHeader {
    pub(crate) fn new(opcode: Opcode, payload_bytes: usize) -> Self {
        let mut bytes = [0; SENT_HEADER_BYTES_MAX];
        bytes[0] = 0x80 | opcode as u8;
        let len = if let Ok(short @ 0..126) = u8::try_from(payload_bytes) {
            bytes[1] = short;
            2
        } else if let Ok(medium) = u16::try_from(payload_bytes) {
            bytes[1] = 126;
            bytes[2..4].copy_from_slice(&medium.to_be_bytes());
            4
        } else {
            bytes[1] = 127;
            bytes[2..].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
            10
        };
        Self { bytes, len }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    pub(crate) fn is_pong(&self) -> bool {
        self.bytes[0] & 0x0f == Opcode::Pong as u8
    }

    pub(crate) fn is_close(&self) -> bool {
        self.bytes[0] & 0x0f == Opcode::Close as u8
    }
}

/// How long the header of a sent frame is.
pub(crate) fn header_bytes(payload_bytes: usize) -> usize {
    match payload_bytes {
        0..=125 => 2,
        126..=65_535 => 4,
        _ => 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Option<Header>, Violation> {
        Header::parse(bytes)
    }

    #[test]
    fn header_needs_all_its_bytes_whatever_its_length_field() {
        let long = [0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 9, 8, 7, 6, 0xaa];
        for end in 0..RECEIVED_HEADER_BYTES_MAX {
            assert_eq!(parse(&long[..end]), Ok(None), "{end}");
        }
        let header = parse(&long).unwrap().unwrap();
        assert_eq!((header.payload_bytes, header.header_bytes, header.mask), (65_536, 14, [9, 8, 7, 6]));
        assert_eq!(parse(&[0x81, 0xfe, 0, 126, 1, 2, 3, 4]).unwrap().unwrap().header_bytes, 8);
        assert_eq!(parse(&[0x81, 0x80, 1, 2, 3, 4]).unwrap().unwrap().header_bytes, 6);
    }

    #[test]
    fn each_violation_of_one_header_is_named() {
        for (bytes, violation) in [
            (&[0xc1, 0x80][..], Violation::ReservedBits),
            (&[0xa1, 0x80], Violation::ReservedBits),
            (&[0x91, 0x80], Violation::ReservedBits),
            (&[0x83, 0x80], Violation::ReservedOpcode),
            (&[0x87, 0x80], Violation::ReservedOpcode),
            (&[0x8b, 0x80], Violation::ReservedOpcode),
            (&[0x8f, 0x80], Violation::ReservedOpcode),
            (&[0x81, 0x00], Violation::Unmasked),
            (&[0x09, 0x80], Violation::FragmentedControl),
            (&[0x08, 0x80], Violation::FragmentedControl),
            (&[0x89, 0xfe], Violation::ControlTooLong),
            (&[0x8a, 0xff], Violation::ControlTooLong),
            (&[0x81, 0xfe, 0, 125], Violation::LengthNotMinimal),
            (&[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], Violation::LengthNotMinimal),
            (&[0x81, 0xff, 0x80, 0, 0, 0, 0, 1, 0, 0], Violation::LengthOverflow),
        ] {
            assert_eq!(parse(bytes), Err(violation), "{bytes:02x?}");
        }
    }

    #[test]
    fn sent_header_takes_the_shortest_form() {
        for (payload, expected) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            assert_eq!(SentHeader::new(Opcode::Text, payload).as_bytes(), expected);
            assert_eq!(header_bytes(payload), expected.len());
        }
    }
}
