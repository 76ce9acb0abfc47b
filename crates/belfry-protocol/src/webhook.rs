//! Status webhooks: endpoints of the application that are told what became of alerts.

use crate::device::Provider;
use crate::id::{AlertId, UserId, WebhookId};
use crate::ladder::Channel;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most endpoints of a server.
pub const WEBHOOKS_MAX: usize = 20;
/// Longest URL of an endpoint, in bytes.
pub const WEBHOOK_URL_BYTES_MAX: usize = 2_048;

/// What an endpoint can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum WebhookEvent {
    /// The alert is on disk.
    Accepted,
    /// A device of the person has it.
    Received,
    /// The person saw it.
    Seen,
    /// The person opened it, marked it as read, archived it or used its action.
    Read,
    /// A provider or mail server took it for one address.
    Sent,
    /// It could not be sent to one address.
    Failed,
    /// The person's own preferences kept it in.
    Suppressed,
    /// Its time was over before it went out.
    Expired,
    /// Nothing of its ladder could be sent. It can be replayed.
    DeadLettered,
}

impl WebhookEvent {
    /// All of them.
    pub const ALL: [WebhookEvent; 9] = [
        Self::Accepted,
        Self::Received,
        Self::Seen,
        Self::Read,
        Self::Sent,
        Self::Failed,
        Self::Suppressed,
        Self::Expired,
        Self::DeadLettered,
    ];

    /// The `type` of what is posted.
    pub fn type_name(self) -> StatusType {
        match self {
            Self::Accepted => StatusType::Accepted,
            Self::Received => StatusType::Received,
            Self::Seen => StatusType::Seen,
            Self::Read => StatusType::Read,
            Self::Sent => StatusType::Sent,
            Self::Failed => StatusType::Failed,
            Self::Suppressed => StatusType::Suppressed,
            Self::Expired => StatusType::Expired,
            Self::DeadLettered => StatusType::DeadLettered,
        }
    }
}

/// The body of `PUT /v1/webhooks/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct WebhookBody {
    /// Where to post: https, at a public address.
    #[schema(min_length = 1, max_length = 2048)]
    pub url: String,
    /// What it wants to be told.
    #[schema(min_items = 1)]
    pub events: Vec<WebhookEvent>,
    /// Whether it is told anything. One that was disabled because it failed goes on with what waits.
    #[serde(default = "yes")]
    #[schema(default = true)]
    #[cfg_attr(test, ts(as = "Option<bool>", optional))]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

/// Why the server disabled an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum WebhookDisabled {
    /// It answered 410.
    Gone,
    /// Nothing but failures for five days.
    Failing,
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Webhook {
    /// Its name.
    pub id: WebhookId,
    /// Where to.
    pub url: String,
    /// What it wants to be told.
    pub events: Vec<WebhookEvent>,
    /// Whether it is told anything.
    pub enabled: bool,
    /// Why the server disabled it; `null`: it did not.
    #[schema(required = true)]
    pub disabled_reason: Option<WebhookDisabled>,
    /// Since when every call failed; `null`: the last one did not.
    #[cfg_attr(test, ts(type = "string | null"))]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub failing_since: Option<Timestamp>,
    /// Events that wait.
    pub waiting: u32,
    /// Events that were dropped because too many waited, or because every try failed.
    pub dropped: u32,
    /// When it was made.
    #[cfg_attr(test, ts(type = "string"))]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// `whsec_…`: what its events are signed with. Shown once: when the endpoint is made and when its secret changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub secret: Option<String>,
}

/// The answer to `GET /v1/webhooks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Webhooks {
    /// In order of their ids.
    pub webhooks: Vec<Webhook>,
}

/// The answer to `POST /v1/webhooks/{id}/test`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct WebhookTest {
    /// The `webhook-id` that the event comes with.
    pub webhook_id: String,
}

/// What a status webhook is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum StatusType {
    /// The alert is on disk.
    #[serde(rename = "alert.accepted")]
    Accepted,
    /// A device of the person has it.
    #[serde(rename = "alert.received")]
    Received,
    /// The person saw it.
    #[serde(rename = "alert.seen")]
    Seen,
    /// The person opened it, marked it as read, archived it or used its action.
    #[serde(rename = "alert.read")]
    Read,
    /// A provider or mail server took it for one address.
    #[serde(rename = "alert.sent")]
    Sent,
    /// It could not be sent to one address.
    #[serde(rename = "alert.failed")]
    Failed,
    /// The person's own preferences kept it in.
    #[serde(rename = "alert.suppressed")]
    Suppressed,
    /// Its time was over before it went out.
    #[serde(rename = "alert.expired")]
    Expired,
    /// Nothing of its ladder could be sent.
    #[serde(rename = "alert.dead_lettered")]
    DeadLettered,
    /// A test that somebody asked for.
    #[serde(rename = "webhook.test")]
    Test,
}

/// What is posted to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct StatusEvent {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: StatusType,
    /// When it happened.
    #[cfg_attr(test, ts(type = "string"))]
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// To what.
    pub data: StatusData,
}

impl StatusEvent {
    /// One of this moment, in milliseconds since 1970.
    pub fn at(kind: StatusType, unix_ms: i64, data: StatusData) -> Self {
        Self { kind, timestamp: Timestamp::from_millisecond(unix_ms).unwrap_or(Timestamp::MAX), data }
    }
}

/// What a status webhook says. A test says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct StatusData {
    /// The alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub alert: Option<AlertId>,
    /// Its recipient. An `alert.accepted` names one only where there is exactly one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub user: Option<UserId>,
    /// The alert's kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub kind: Option<String>,
    /// The alert's category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub category: Option<String>,
    /// Which way it went or was to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub channel: Option<Channel>,
    /// Who carried it or was to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub provider: Option<Provider>,
    /// Why, in plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub reason: Option<String>,
}
