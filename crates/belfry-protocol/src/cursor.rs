//! Where a client stands in both streams.

use crate::id::Seq;
use serde::{Deserialize, Serialize};

/// Which numbering a position belongs to: it changes when a store was reset, so old numbers are not trusted.
///
/// Made of the store's part and the user's own part, each 32 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch {
    /// Changes with the store: restore, `belfry epoch new`.
    pub store: u32,
    /// Changes with the user: erased and created again, or a cursor above the head.
    pub user: u32,
}

/// A position: `epoch.userSeq.allSeq`, for example `9f1c22ab00e1d2c3.42.7`. Opaque to applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(try_from = "String", into = "String")]
pub struct Cursor {
    /// The numbering both positions belong to.
    pub epoch: Epoch,
    /// Last contiguous position in the user's own stream.
    pub user: Seq,
    /// Last contiguous position in the stream of alerts for everyone.
    pub all: Seq,
}

impl utoipa::PartialSchema for Cursor {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::String)
            .description(Some("A position: `epoch.userSeq.allSeq`. Opaque to applications."))
            .pattern(Some(r"^[0-9a-f]{16}\.[0-9]{1,16}\.[0-9]{1,16}$"))
            .examples(["9f1c22ab00e1d2c3.42.7"])
            .into()
    }
}

impl utoipa::ToSchema for Cursor {}

/// The text is no cursor. On a resume this is no refusal: the client gets a `reset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is `epoch.userSeq.allSeq` as the server sent it")]
pub struct CursorError;

/// Largest position a JavaScript number holds exactly.
const SEQ_MAX: u64 = (1 << 53) - 1;

fn seq(text: &str) -> Option<Seq> {
    let digits = !text.is_empty() && text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|seq| *seq <= SEQ_MAX).map(Seq)
}

impl std::str::FromStr for Cursor {
    type Err = CursorError;
    fn from_str(text: &str) -> Result<Self, CursorError> {
        let mut parts = text.split('.');
        let (Some(epoch), Some(user), Some(all), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(CursorError);
        };
        let hex = epoch.len() == 16 && epoch.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let epoch = hex.then(|| u64::from_str_radix(epoch, 16).ok()).flatten().ok_or(CursorError)?;
        Ok(Cursor {
            epoch: Epoch { store: (epoch >> 32) as u32, user: epoch as u32 },
            user: seq(user).ok_or(CursorError)?,
            all: seq(all).ok_or(CursorError)?,
        })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}{:08x}.{}.{}", self.epoch.store, self.epoch.user, self.user, self.all)
    }
}

impl TryFrom<String> for Cursor {
    type Error = CursorError;
    fn try_from(text: String) -> Result<Self, CursorError> {
        text.parse()
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> String {
        cursor.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_survives_its_text(store: u32, user: u32, a in 0..=SEQ_MAX, b in 0..=SEQ_MAX) {
            let cursor = Cursor { epoch: Epoch { store, user }, user: Seq(a), all: Seq(b) };
            prop_assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor));
        }

        #[test]
        fn what_parses_prints_the_same(text in "[0-9a-f.+ ]{0,40}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                let mut numbers = text.split('.').skip(1).map(|part| part.parse::<u64>().ok());
                prop_assert_eq!(numbers.next().flatten(), Some(cursor.user.0));
                prop_assert_eq!(numbers.next().flatten(), Some(cursor.all.0));
            }
        }
    }

    #[test]
    fn texts_that_only_look_like_cursors_are_refused() {
        for text in [
            "",
            "1.2.3",
            "9f1c22ab00e1d2c3.42",
            "9f1c22ab00e1d2c3.+4.7",
            "9f1c22ab00e1d2c3.42.7.1",
            "9F1C22AB00E1D2C3.4.7",
            "9f1c22ab00e1d2c3.9007199254740992.0",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text}");
        }
    }
}
