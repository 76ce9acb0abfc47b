//! A person as the application describes them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::UserId;

/// The body of `PUT /v1/users/{id}`: replaces what was known; a missing field becomes `null`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct UserProfile {
    /// Where the last step of a ladder goes.
    #[cfg_attr(test, ts(optional = nullable))]
    #[schema(max_length = 320, format = Email)]
    pub email: Option<String>,
    /// BCP 47 tag, for example `en-GB`: picks the kind's template.
    #[cfg_attr(test, ts(optional = nullable))]
    #[schema(max_length = 35)]
    pub locale: Option<String>,
    /// IANA name, for example `Europe/Berlin`: quiet hours are computed in it.
    #[cfg_attr(test, ts(optional = nullable))]
    #[schema(max_length = 64)]
    pub time_zone: Option<String>,
    /// How a mail addresses them.
    #[cfg_attr(test, ts(optional = nullable))]
    #[schema(max_length = 256)]
    pub name: Option<String>,
}

/// The answer to `GET /v1/users/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct User {
    /// The id.
    pub id: UserId,
    /// What the application told of them.
    #[serde(flatten)]
    pub profile: UserProfile,
    /// First sight.
    #[cfg_attr(test, ts(type = "string"))]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Tokens issued at or before this are refused.
    #[cfg_attr(test, ts(type = "string | null"))]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub revoke_before: Option<Timestamp>,
    /// Unread items.
    pub unread: u32,
    /// Open connections on this node.
    pub connections: u32,
}

/// The body of `POST /v1/users/{id}/disconnect`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct DisconnectBody {
    /// Also refuse every token issued at or before this moment (RFC 3339).
    #[cfg_attr(test, ts(optional = nullable, type = "string"))]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoke_before: Option<Timestamp>,
}

/// The answer to `POST /v1/users/{id}/disconnect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DisconnectAnswer {
    /// Connections that were told to close on this node.
    pub closed: u32,
}
