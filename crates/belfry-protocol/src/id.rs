//! Ids and numbers, each its own type, parsed at the door.

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Longest user or group id, in bytes of UTF-8.
pub const ID_BYTES_MAX: usize = 256;

/// Why a text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing, or nothing but white space.
    #[error("an id must not be empty")]
    Empty,
    /// More than [`ID_BYTES_MAX`] bytes.
    #[error("an id has at most {ID_BYTES_MAX} bytes")]
    TooLong,
    /// A control character (U+0000–U+001F, U+007F–U+009F).
    #[error("an id must not contain control characters")]
    ControlCharacter,
}

fn check(text: &str) -> Result<(), IdError> {
    if text.trim().is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > ID_BYTES_MAX {
        return Err(IdError::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(IdError::ControlCharacter);
    }
    Ok(())
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
        #[serde(try_from = "String", into = "String")]
        #[schema(value_type = String, min_length = 1, max_length = 256,
            // Something that is no white space, and no control characters.
            pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
        )]
        pub struct $name(Box<str>);

        impl $name {
            /// Parses an id: 1 to [`ID_BYTES_MAX`] bytes of UTF-8 without control characters.
            pub fn new(text: impl Into<Box<str>>) -> Result<Self, IdError> {
                let text = text.into();
                check(&text)?;
                Ok(Self(text))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.into()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id!(
    /// A person, as the application names them (the token's user claim).
    UserId
);
text_id!(
    /// A set of users that the application keeps in Belfry, for example a family.
    GroupId
);
text_id!(
    /// The name of a key that signs users' tokens: `kid` in a token's header.
    KeyId
);

text_id!(
    /// An endpoint for status webhooks, as the application names it.
    WebhookId
);

text_id!(
    /// A device, as its app names it: unique per user.
    DeviceId
);

/// An alert's id: a UUIDv7 (RFC 9562) whose first 63 free bits order alerts by acceptance.
///
/// Bits: 48 of Unix milliseconds, version, 12 of `rand_a`, variant, 62 of `rand_b`. [`AlertId::key`] packs the
/// time and the upper 15 of the free bits into one positive integer; an id source hands out rising keys, so a
/// store can append by key and needs no index for ids.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(transparent)]
#[schema(value_type = String, format = Uuid)]
pub struct AlertId(Uuid);

/// Bits of [`AlertId::key`] below the milliseconds.
const KEY_COUNTER_BITS: u32 = 15;
/// Random bits of an id that are not in its key.
const TAIL_BITS: u32 = 59;

impl AlertId {
    /// Builds the id with this key and random tail (the tail's upper 5 bits are dropped).
    pub fn from_parts(key: i64, tail: u64) -> Self {
        let key = key as u64;
        let millis = key >> KEY_COUNTER_BITS;
        let counter = key & ((1 << KEY_COUNTER_BITS) - 1);
        let rand_a = (counter >> 3) as u16;
        let rand_b = ((counter & 0b111) << TAIL_BITS) | (tail & ((1 << TAIL_BITS) - 1));
        let high = (millis << 16) | 0x7000 | u64::from(rand_a);
        let low = (0b10 << 62) | rand_b;
        Self(Uuid::from_u64_pair(high, low))
    }

    /// The part that orders: `milliseconds << 15 | counter`, always positive.
    pub fn key(self) -> i64 {
        let (high, low) = self.0.as_u64_pair();
        let millis = high >> 16;
        let counter = ((high & 0x0fff) << 3) | ((low >> TAIL_BITS) & 0b111);
        ((millis << KEY_COUNTER_BITS) | counter) as i64
    }

    /// The part that cannot be guessed: 59 bits.
    pub fn tail(self) -> u64 {
        self.0.as_u64_pair().1 & ((1 << TAIL_BITS) - 1)
    }

    /// The lowest key of this millisecond.
    pub fn first_key_at(unix_ms: i64) -> i64 {
        unix_ms << KEY_COUNTER_BITS
    }

    /// The 16 bytes.
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl TryFrom<Uuid> for AlertId {
    type Error = AlertIdError;
    fn try_from(uuid: Uuid) -> Result<Self, AlertIdError> {
        let id = Self(uuid);
        // Time beyond 2^48 cannot be, version and variant must be those of UUIDv7.
        (uuid.get_version_num() == 7 && Self::from_parts(id.key(), id.tail()) == id)
            .then_some(id)
            .ok_or(AlertIdError)
    }
}

/// The text is no alert id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an alert id is a UUIDv7 as `POST /v1/alerts` answered it")]
pub struct AlertIdError;

impl std::str::FromStr for AlertId {
    type Err = AlertIdError;
    fn from_str(text: &str) -> Result<Self, AlertIdError> {
        Uuid::parse_str(text).map_err(|_| AlertIdError)?.try_into()
    }
}

impl std::fmt::Display for AlertId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl std::fmt::Debug for AlertId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// One live connection; the client names it to renew a cookie token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(transparent)]
#[schema(value_type = String, format = Uuid)]
pub struct ConnectionId(pub Uuid);

impl std::fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

/// A position in one stream: 1, 2, 3 … without gaps; 0 is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "number"))]
#[serde(transparent)]
#[schema(value_type = u64, minimum = 0)]
pub struct Seq(pub u64);

impl<'de> Deserialize<'de> for Seq {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(SeqVisitor)
    }
}

struct SeqVisitor;

impl Visitor<'_> for SeqVisitor {
    type Value = Seq;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a whole number that is not negative")
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Seq, E> {
        Ok(Seq(number))
    }

    /// `42.0` is as whole as `42`, and some languages write it so.
    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Seq, E> {
        if number.fract() == 0.0 && (0.0..=u64::MAX as f64).contains(&number) {
            return Ok(Seq(number as u64));
        }
        Err(E::invalid_value(Unexpected::Float(number), &self))
    }
}

impl Seq {
    /// Before the first.
    pub const ZERO: Seq = Seq(0);

    /// The one after this.
    pub fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

impl std::fmt::Display for Seq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_position_is_a_whole_number_however_it_is_written() {
        let read = |json: &str| serde_json::from_str::<Seq>(json).ok();
        assert_eq!(read("42"), Some(Seq(42)));
        assert_eq!(read("42.0"), Some(Seq(42)));
        for wrong in ["-1", "-1.0", "4.5", "1e300", "\"42\"", "null"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn an_alert_id_carries_its_key_and_tail(key in 0i64..(1 << 62), tail in any::<u64>()) {
            let id = AlertId::from_parts(key, tail);
            prop_assert_eq!(id.key(), key);
            prop_assert_eq!(id.tail(), tail & ((1 << 59) - 1));
            prop_assert_eq!(id.to_string().parse::<AlertId>(), Ok(id));
            prop_assert_eq!(id.as_uuid().get_version_num(), 7);
        }

        #[test]
        fn alert_ids_sort_as_their_keys(a in 0i64..(1 << 62), b in 0i64..(1 << 62)) {
            prop_assert_eq!(AlertId::from_parts(a, 7).cmp(&AlertId::from_parts(b, 7)), a.cmp(&b));
        }
    }

    #[test]
    fn other_uuid_versions_are_no_alert_ids() {
        assert_eq!("7d444840-9dc0-11d1-b245-5ffdce74fad2".parse::<AlertId>(), Err(AlertIdError));
    }

    #[test]
    fn ids_refuse_what_no_log_line_should_hold() {
        assert_eq!(UserId::new(""), Err(IdError::Empty));
        assert_eq!(UserId::new("  "), Err(IdError::Empty));
        assert_eq!(UserId::new("a\nb"), Err(IdError::ControlCharacter));
        assert!(UserId::new("ä".repeat(ID_BYTES_MAX / 2)).is_ok());
        assert_eq!(UserId::new("ä".repeat(ID_BYTES_MAX / 2) + "x"), Err(IdError::TooLong));
    }
}
