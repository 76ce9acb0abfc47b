use bytes::Bytes;

use crate::Violation;

/// The most bytes a close frame's reason may hold: a control payload less its code.
pub(crate) const REASON_BYTES_MAX: usize = 123;

/// What a close frame says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CloseFrame {
    /// The code, if the frame carried one (RFC 6455 calls its absence 1005).
    pub code: Option<u16>,
    /// The reason, often empty.
    pub reason: String,
}

impl CloseFrame {
    /// Reads a peer's close payload by the rules of RFC 6455, sections 5.5.1 and 7.4.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, Violation> {
        match payload {
            [] => Ok(Self::default()),
            [_] => Err(Violation::CloseTooShort),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                if !is_valid_close_code(code) {
                    return Err(Violation::InvalidCloseCode);
                }
                let reason = std::str::from_utf8(reason).map_err(|_| Violation::InvalidCloseReason)?;
                Ok(Self { code: Some(code), reason: reason.to_owned() })
            }
        }
    }

    /// The payload to send; a code that must not be sent is left out, and the reason with it.
    pub(crate) fn payload(code: u16, reason: &str) -> Bytes {
        if !is_valid_close_code(code) {
            return Bytes::new();
        }
        Bytes::from([&code.to_be_bytes(), truncate_reason(reason).as_bytes()].concat())
    }
}

/// Whether a close frame may carry this code: the registered ones and 3000–4999, but never 1004, 1005, 1006, 1015.
pub fn is_valid_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The longest beginning of a reason that fits into a close frame without splitting a character.
pub fn truncate_reason(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_judged_as_section_7_4_says() {
        for code in
            [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
        {
            assert!(is_valid_close_code(code), "{code}");
        }
        for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
            assert!(!is_valid_close_code(code), "{code}");
        }
    }

    #[test]
    fn reason_is_cut_at_123_bytes_and_never_inside_a_character() {
        assert_eq!(truncate_reason(&"a".repeat(123)).len(), 123);
        assert_eq!(truncate_reason(&"a".repeat(124)).len(), 123);
        assert_eq!(truncate_reason(&"é".repeat(62)).len(), 122);
        assert_eq!(truncate_reason(&"🔔".repeat(31)).len(), 120);
        assert_eq!(CloseFrame::payload(4001, &"🔔".repeat(100)).len(), 122);
    }

    #[test]
    fn payloads_are_parsed_or_refused() {
        assert_eq!(CloseFrame::parse(b""), Ok(CloseFrame::default()));
        assert_eq!(CloseFrame::parse(&[3]), Err(Violation::CloseTooShort));
        assert_eq!(CloseFrame::parse(&[3, 0xe8]), Ok(CloseFrame { code: Some(1000), reason: String::new() }));
        assert_eq!(
            CloseFrame::parse(&[15, 0xa0, b'b', b'y', b'e']),
            Ok(CloseFrame { code: Some(4000), reason: "bye".into() })
        );
        assert_eq!(CloseFrame::parse(&[3, 0xed]), Err(Violation::InvalidCloseCode));
        assert_eq!(CloseFrame::parse(&[3, 0xe8, 0xff]), Err(Violation::InvalidCloseReason));
    }

    #[test]
    fn code_that_must_not_be_sent_is_left_out() {
        assert!(CloseFrame::payload(1006, "gone").is_empty());
        assert_eq!(CloseFrame::payload(1000, "").as_ref(), [3, 0xe8]);
    }
}
