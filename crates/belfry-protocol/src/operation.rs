//! What an operator, a load balancer and a live page ask of the server itself.

use crate::id::KeyId;
use crate::problem::Problem;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer to `GET /healthz` and, where the node takes work, to `GET /readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Health {
    /// `ok`; whatever is not is answered by a problem document.
    pub status: HealthStatus,
    /// The server's version.
    pub version: String,
}

/// How the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// It works.
    Ok,
}

/// The body of `POST /v1/backup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct BackupBody {
    /// The new file, an absolute path on the server's disk; it must not exist yet.
    #[schema(min_length = 1, max_length = 4096)]
    pub to: String,
}

/// One line of the answer to `POST /v1/backup`. The last one has `path` or `problem`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct BackupLine {
    /// Pages copied so far.
    #[cfg_attr(test, ts(type = "number"))]
    pub done_pages: u64,
    /// Pages in all, as far as it is known by now.
    #[cfg_attr(test, ts(type = "number"))]
    pub all_pages: u64,
    /// It is done: the file is complete and synced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub path: Option<String>,
    /// It failed: the file was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub problem: Option<Problem>,
}

/// A key whose tokens are refused: the answer to `PUT /v1/revoked-keys/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RevokedKey {
    /// The key's `kid`.
    pub id: KeyId,
    /// When it was revoked first.
    #[cfg_attr(test, ts(type = "string"))]
    #[schema(value_type = String, format = DateTime)]
    pub revoked_at: Timestamp,
}

/// The answer to `GET /v1/revoked-keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RevokedKeys {
    /// In order of their ids.
    pub keys: Vec<RevokedKey>,
}

/// The answer to `POST /v1/connections/{id}/authenticate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct AuthenticateAnswer {
    /// When the connection's token expires now.
    #[cfg_attr(test, ts(type = "string | null"))]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub token_expires_at: Option<Timestamp>,
}
