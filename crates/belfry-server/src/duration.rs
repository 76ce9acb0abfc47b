//! Durations as people write them: `"5s"`, `"10m"`, `"1h30m"`, `"7d"`. One reader and one printer for all files.

use serde::{Deserialize, Deserializer, Serializer};
use std::time::Duration;

/// The longest duration that can be written: ten years.
pub const DURATION_MAX: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// The units, longest first, with their milliseconds.
const UNITS: [(&str, u64); 6] =
    [("w", 7 * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing.
    #[error("a duration must not be empty; write for example \"30s\", \"10m\", \"1h30m\" or \"7d\"")]
    Empty,
    /// A number without a unit.
    #[error("`{0}` has no unit; write for example \"{0}s\" for seconds (units: ms, s, m, h, d, w)")]
    NoUnit(String),
    /// A unit that is none of ours.
    #[error("`{0}` is no unit of time; use ms, s, m, h, d or w")]
    UnknownUnit(String),
    /// Something that is not a whole number where one must stand.
    #[error("`{0}` is no duration; write a whole number and a unit, for example \"30s\", \"10m\" or \"7d\"")]
    NoNumber(String),
    /// `10s5m`, `1h2h`.
    #[error(
        "`{0}` names its units in the wrong order; each may stand once, the longest first, as in \"1h30m\""
    )]
    Order(String),
    /// More than [`DURATION_MAX`].
    #[error("`{0}` is too long; the longest duration is 3650d")]
    TooLong(String),
}

/// Reads a duration: whole numbers, each with a unit (ms, s, m, h, d, w), the longest unit first.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut rest = text;
    let mut total_ms: u64 = 0;
    let mut smallest_so_far = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err(DurationError::NoNumber(text.to_owned()));
        }
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        if unit.is_empty() {
            return Err(match after.is_empty() {
                true => DurationError::NoUnit(text.to_owned()),
                false => DurationError::NoNumber(text.to_owned()),
            });
        }
        let Some(&(_, unit_ms)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationError::UnknownUnit(unit.to_owned()));
        };
        if unit_ms >= smallest_so_far {
            return Err(DurationError::Order(text.to_owned()));
        }
        smallest_so_far = unit_ms;
        let too_long = || DurationError::TooLong(text.to_owned());
        let part = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit_ms)).ok_or_else(too_long)?;
        total_ms = total_ms.checked_add(part).ok_or_else(too_long)?;
        rest = after;
    }
    let duration = Duration::from_millis(total_ms);
    if duration > DURATION_MAX {
        return Err(DurationError::TooLong(text.to_owned()));
    }
    Ok(duration)
}

/// Writes a duration the shortest way that [`parse`] reads back: `1h30m`, `7d`, `0s`. Below a millisecond is cut off.
pub fn print(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    // Weeks are read but not written: "14d" says the same with one unit less to know.
    for (unit, unit_ms) in UNITS.iter().skip(1) {
        let count = rest / unit_ms;
        rest %= unit_ms;
        if count > 0 {
            text.push_str(&count.to_string());
            text.push_str(unit);
        }
    }
    text
}

/// For `#[serde(with = "crate::duration")]`.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
    parse(&text).map_err(serde::de::Error::custom)
}

/// For `#[serde(with = "crate::duration")]`.
pub fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&print(*duration))
}

/// For `#[serde(default, with = "crate::duration::option")]`.
pub mod option {
    use super::{Deserialize, Deserializer, Duration, Serializer, parse};

    /// Reads a duration or nothing.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let text = Option::<std::borrow::Cow<'de, str>>::deserialize(from)?;
        text.map(|text| parse(&text)).transpose().map_err(serde::de::Error::custom)
    }

    /// Writes a duration or nothing.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, to),
            None => to.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_unit_is_read() {
        for (text, ms) in [
            ("250ms", 250),
            ("0s", 0),
            ("5s", 5_000),
            ("10m", 600_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
            ("2w", 1_209_600_000),
            ("1h30m", 5_400_000),
            ("1d2h3m4s5ms", 93_784_005),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn every_fault_says_what_to_write_instead() {
        for (text, message) in [
            ("", "a duration must not be empty; write for example \"30s\", \"10m\", \"1h30m\" or \"7d\""),
            ("30", "`30` has no unit; write for example \"30s\" for seconds (units: ms, s, m, h, d, w)"),
            (
                "30 s",
                "`30 s` is no duration; write a whole number and a unit, for example \"30s\", \"10m\" or \"7d\"",
            ),
            (
                "-5s",
                "`-5s` is no duration; write a whole number and a unit, for example \"30s\", \"10m\" or \"7d\"",
            ),
            (
                "1.5h",
                "`1.5h` is no duration; write a whole number and a unit, for example \"30s\", \"10m\" or \"7d\"",
            ),
            (
                "soon",
                "`soon` is no duration; write a whole number and a unit, for example \"30s\", \"10m\" or \"7d\"",
            ),
            ("5sec", "`sec` is no unit of time; use ms, s, m, h, d or w"),
            ("5M", "`M` is no unit of time; use ms, s, m, h, d or w"),
            (
                "10s5m",
                "`10s5m` names its units in the wrong order; each may stand once, the longest first, as in \"1h30m\"",
            ),
            (
                "1h1h",
                "`1h1h` names its units in the wrong order; each may stand once, the longest first, as in \"1h30m\"",
            ),
            ("3651d", "`3651d` is too long; the longest duration is 3650d"),
            ("99999999999999999999w", "`99999999999999999999w` is too long; the longest duration is 3650d"),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn the_limit_itself_is_read() {
        assert_eq!(parse("3650d"), Ok(DURATION_MAX));
        assert!(parse("3650d1ms").is_err());
    }

    #[test]
    fn serde_reads_and_writes_the_same_text() {
        #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
        struct Limits {
            #[serde(with = "crate::duration")]
            wait: Duration,
            #[serde(default, with = "crate::duration::option", skip_serializing_if = "Option::is_none")]
            linger: Option<Duration>,
        }
        let limits: Limits = toml::from_str("wait = \"90s\"\nlinger = \"7d\"").expect("reads");
        assert_eq!(
            limits,
            Limits { wait: Duration::from_secs(90), linger: Some(Duration::from_secs(604_800)) }
        );
        assert_eq!(toml::to_string(&limits).expect("writes"), "wait = \"1m30s\"\nlinger = \"7d\"\n");
        let error = toml::from_str::<Limits>("wait = \"90\"").expect_err("has no unit");
        assert!(error.to_string().contains("`90` has no unit"), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(ms in 0..=u64::try_from(DURATION_MAX.as_millis()).expect("fits")) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse(&print(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".*") {
            let _ = parse(&text);
        }
    }
}
