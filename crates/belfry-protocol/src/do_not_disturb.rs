//! When a person wants no noise.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most windows of one schedule.
pub const WINDOWS_MAX: usize = 32;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// Quiet from `from` to `to` on the days it begins; `to` at or before `from` means the next day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct QuietWindow {
    /// The days on which it begins.
    #[schema(min_items = 1)]
    pub days: Vec<Day>,
    /// Local time, `HH:MM`.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    pub from: String,
    /// Local time, `HH:MM`.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    pub to: String,
}

/// The body of `GET` and `PUT /v1/do-not-disturb`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct DoNotDisturb {
    /// On until then (RFC 3339); `null`: off. A far year means until switched off.
    #[cfg_attr(test, ts(type = "string | null"))]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Quiet hours: they defer push and e-mail, and make live alerts quiet.
    #[serde(deserialize_with = "crate::object::list")]
    #[schema(max_items = 32)]
    pub schedule: Vec<QuietWindow>,
    /// IANA name for the schedule; `null`: the user's, else the server's.
    pub time_zone: Option<String>,
}

/// What a client is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(default)]
pub struct DoNotDisturbState {
    /// Quiet right now, by hand or by schedule.
    pub active: bool,
    /// When the present quiet ends; `null` where it is not quiet.
    #[cfg_attr(test, ts(type = "string | null"))]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Quiet hours.
    pub schedule: Vec<QuietWindow>,
    /// IANA name the schedule is computed in.
    #[schema(required = true)]
    pub time_zone: Option<String>,
}
