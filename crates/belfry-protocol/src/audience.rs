//! Whom an alert is for.

use crate::id::{GroupId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most users named in one call.
pub const AUDIENCE_USERS_MAX: usize = 10_000;

/// Whom an alert is for: exactly one of the four forms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Audience {
    /// One person: `{"user": "ann"}`.
    User(UserId),
    /// These people: `{"users": ["ann", "bob"]}`, at most 10,000; a name given twice counts once.
    Users(Vec<UserId>),
    /// Whoever is in the group when the alert is stored: `{"group": "family-7"}`.
    Group(GroupId),
    /// Everyone: `{"everyone": true}`.
    Everyone(
        #[serde(deserialize_with = "only_true")]
        #[cfg_attr(test, ts(type = "true"))]
        bool,
    ),
}

fn only_true<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    if bool::deserialize(deserializer)? {
        Ok(true)
    } else {
        Err(serde::de::Error::custom("`everyone` is either `true` or absent"))
    }
}
