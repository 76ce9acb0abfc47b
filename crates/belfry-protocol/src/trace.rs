//! What became of an alert, for the back end that posted it.

use crate::alert::{Action, Severity};
use crate::audience::Audience;
use crate::delivery::DeliveryTrace;
use crate::id::{AlertId, Seq, UserId};
use crate::inbox::{ChangedTo, ItemState};
use crate::level::{Level, Stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Most recipients of one page of [`AlertTrace::trace`].
pub const TRACE_RECIPIENTS_MAX: u32 = 1_000;

/// The answer to `GET /v1/alerts/{id}`: the alert as it was stored, and where it stands with each recipient.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct AlertTrace {
    /// The alert's id.
    pub id: AlertId,
    /// Whom it is for; a list of users is cut after 100.
    pub to: Audience,
    /// The kind.
    pub kind: String,
    /// The kind's own payload.
    #[cfg_attr(test, ts(type = "Record<string, unknown>"))]
    #[schema(value_type = Object)]
    pub data: Box<RawValue>,
    /// Heading.
    pub title: String,
    /// Text below the heading.
    #[schema(required = true)]
    pub body: Option<String>,
    /// Where a click leads.
    #[schema(required = true)]
    pub link: Option<String>,
    /// A picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub image: Option<String>,
    /// Up to three things a person can do about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<Action>>"))]
    pub actions: Vec<Action>,
    /// How much it matters.
    pub severity: Severity,
    /// What preferences are set on.
    pub category: String,
    /// Alerts of one thread belong together.
    #[schema(required = true)]
    pub thread: Option<String>,
    /// It replaces the newest unread alert with the same key.
    #[schema(required = true)]
    pub collapse_key: Option<String>,
    /// Badge yes, toast and sound no.
    pub quiet: bool,
    /// When it was accepted.
    #[cfg_attr(test, ts(type = "string"))]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it stops to matter.
    #[cfg_attr(test, ts(type = "string | null"))]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// When it was taken back.
    #[cfg_attr(test, ts(type = "string | null"))]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub recalled_at: Option<Timestamp>,
    /// How many people it is for; `null` for everyone.
    #[schema(required = true)]
    pub recipients: Option<u32>,
    /// How many of them have it in their inbox by now; `null` for everyone.
    #[schema(required = true)]
    pub expanded: Option<u32>,
    /// A page of recipients in order of their ids; for everyone only those who acted on it.
    pub trace: Vec<RecipientTrace>,
    /// For `after` of the next page; `null` on the last.
    #[schema(required = true)]
    pub next: Option<String>,
}

/// Where an alert stands with one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RecipientTrace {
    /// Who.
    pub user: UserId,
    /// Which stream `seq` counts in.
    pub stream: Stream,
    /// Its number there.
    pub seq: Seq,
    /// Its state; missing where it left the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub state: Option<ItemState>,
    /// Why it left the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub left: Option<ChangedTo>,
    /// How far it got; `null`: no device has confirmed it.
    #[schema(required = true)]
    pub level: Option<Level>,
    /// When each level was first recorded, as far as it is known.
    pub levels: Vec<LevelTime>,
    /// Its fallback; missing where there was none: a device confirmed it in time, or no provider is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub delivery: Option<DeliveryTrace>,
}

/// When a level was first recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LevelTime {
    /// The level.
    pub level: Level,
    /// When.
    #[cfg_attr(test, ts(type = "string"))]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}
