//! How far an alert got with its person, and the two streams.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far an alert got: ordered, and a level only ever rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A device has it.
    Received,
    /// It was shown in an attended tab.
    Displayed,
    /// It was on screen for a second.
    Seen,
    /// A person opened or marked it.
    Read,
    /// A person used its action.
    Acted,
}

/// Which of the two numbered streams a position counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// This user's alerts and state changes.
    User,
    /// Alerts for everyone.
    All,
}
