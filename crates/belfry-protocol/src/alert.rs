//! What a back end posts, once, and what it is answered.

use crate::audience::Audience;
use crate::id::{AlertId, Seq, UserId};
use crate::ladder::Step;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Most bytes of `data`, as posted.
pub const DATA_BYTES_MAX: usize = 16 * 1024;
/// Most bytes of `title`.
pub const TITLE_BYTES_MAX: usize = 512;
/// Most bytes of `body`.
pub const BODY_BYTES_MAX: usize = 4096;
/// Most bytes of `link`, `image` and an action's link.
pub const LINK_BYTES_MAX: usize = 2048;
/// Most bytes of `kind`, `category`, `thread`, `collapse_key`, `idempotency_key` and an action's id.
pub const KEY_BYTES_MAX: usize = 256;
/// Most actions of one alert.
pub const ACTIONS_MAX: usize = 3;
/// Most steps of one ladder.
pub const LADDER_STEPS_MAX: usize = 8;
/// Most entries of [`AlertAnswer::notifications`].
pub const ANSWER_NOTIFICATIONS_MAX: usize = 100;

/// How much an alert matters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, ToSchema,
)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    #[default]
    Info,
    /// Wants attention.
    Warning,
    /// Cannot wait: passes quiet-hour schedules.
    Critical,
}

/// Something a person can do about an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// Names the action in `act(id, action)`.
    #[schema(min_length = 1, max_length = 256)]
    pub id: String,
    /// What stands on the button.
    #[schema(min_length = 1, max_length = 512)]
    pub label: String,
    /// Where it leads: a path or an `https:` URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub link: Option<String>,
}

/// The body of `POST /v1/alerts` and of a line of `POST /v1/alerts/batch`.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct NewAlert {
    /// Whom it is for.
    pub to: Audience,
    /// The declared type of the alert, for example `deal-notification`.
    #[schema(min_length = 1, max_length = 256)]
    pub kind: String,
    /// The kind's own payload: a JSON object of at most 16 KiB. It reaches the client byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, type = "Record<string, unknown>"))]
    #[schema(value_type = Option<Object>)]
    pub data: Option<Box<RawValue>>,
    /// Heading. Missing: from the kind's template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    #[schema(max_length = 512)]
    pub title: Option<String>,
    /// Text below the heading. Missing: from the kind's template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    #[schema(max_length = 4096)]
    pub body: Option<String>,
    /// Where a click leads: a path, or an `https:` URL. Missing: from the kind's template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    #[schema(max_length = 2048)]
    pub link: Option<String>,
    /// A picture: a path, or an `https:` URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    #[schema(max_length = 2048)]
    pub image: Option<String>,
    /// Up to three things a person can do about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::object::list")]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<Action>>"))]
    #[schema(max_items = 3)]
    pub actions: Vec<Action>,
    /// Missing: the kind's, else `info`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub severity: Option<Severity>,
    /// What preferences are set on. Missing: the kind's, else the kind's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    #[schema(max_length = 256)]
    pub category: Option<String>,
    /// Alerts of one thread belong together on screen and in mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    #[schema(max_length = 256)]
    pub thread: Option<String>,
    /// Replaces the newest unread alert of this user with the same key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    #[schema(max_length = 256)]
    pub collapse_key: Option<String>,
    /// When it stops to matter (RFC 3339). Missing: the kind's `expires_after`, else never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, type = "string"))]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// Badge yes, toast and sound no.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub quiet: bool,
    /// The same as the `Idempotency-Key` header; the way to give one per line of a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    #[schema(min_length = 1, max_length = 256)]
    pub idempotency_key: Option<String>,
    /// Instead of the kind's ladder.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::object::optional_list"
    )]
    #[cfg_attr(test, ts(optional))]
    #[schema(max_items = 8)]
    pub ladder: Option<Vec<Step>>,
}

/// The `202` of `POST /v1/alerts`: the alert is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct AlertAnswer {
    /// The alert's id.
    pub id: AlertId,
    /// How many people it is for; `null` for everyone.
    #[schema(required = true)]
    pub recipients: Option<u32>,
    /// Where it stands in each inbox; at most 100 entries, empty beyond 256 recipients and for everyone.
    pub notifications: Vec<NotificationRef>,
}

/// One alert in one inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct NotificationRef {
    /// Whose inbox.
    pub user: UserId,
    /// Its number there.
    pub seq: Seq,
}
