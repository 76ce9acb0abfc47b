//! What became of an alert outside the house: deliveries, legs and attempts, dead letters, receipts.

use crate::device::Provider;
use crate::id::{AlertId, UserId};
use crate::ladder::Channel;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most dead letters of one page, and of one call that replays by id.
pub const DEAD_LETTERS_MAX: u32 = 1_000;

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Its next step waits for its time.
    Waiting,
    /// A step is being sent.
    Sending,
    /// It was armed before a restore and waits for `belfry resume-deliveries`.
    Held,
    /// A device confirmed the level that its ladder waits for.
    Confirmed,
    /// A provider or mail server accepted it, and no later step was due.
    Sent,
    /// Its time was over before it went out.
    Expired,
    /// The person's own preferences kept it in.
    Suppressed,
    /// It was taken back, or a newer one took its place.
    Recalled,
    /// It could not be sent. It can be replayed.
    DeadLettered,
}

/// How one address was served by one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum LegState {
    /// It waits for its next attempt.
    Pending,
    /// The provider accepted it.
    Accepted,
    /// It will not be sent: the reason says why.
    Failed,
    /// The person does not want this category by this way.
    Suppressed,
    /// It was not needed any more.
    Cancelled,
    /// Its time was over.
    Expired,
}

/// The fallback of one notification, as `GET /v1/alerts/{id}` shows it. An alert that a device confirmed in time has
/// none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DeliveryTrace {
    /// Where it stands.
    pub state: DeliveryState,
    /// Why, in plain words.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// The step it is at, counted from 0.
    pub step: u32,
    /// When the next step is due.
    #[cfg_attr(test, ts(type = "string | null"))]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub due_at: Option<Timestamp>,
    /// When it reached its end.
    #[cfg_attr(test, ts(type = "string | null"))]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// One per step and address, in the order they began.
    pub legs: Vec<LegTrace>,
}

/// One step to one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LegTrace {
    /// The step, counted from 0.
    pub step: u32,
    /// Its way out.
    pub channel: Channel,
    /// Who carried it; `null`: there was no address.
    #[schema(required = true)]
    pub provider: Option<Provider>,
    /// The device it went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub device: Option<String>,
    /// The address, shortened.
    #[schema(required = true)]
    pub address: Option<String>,
    /// How it was served.
    pub state: LegState,
    /// Why, in plain words.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// When it began.
    #[cfg_attr(test, ts(type = "string"))]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When the next attempt is due.
    #[cfg_attr(test, ts(type = "string | null"))]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Timestamp>,
    /// The provider's own id.
    #[schema(required = true)]
    pub provider_id: Option<String>,
    /// It went out together with these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<AlertId>>"))]
    pub with: Vec<AlertId>,
    /// Its calls, oldest first; at most the last 20.
    pub attempts: Vec<AttemptTrace>,
}

/// One call on a leg.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct AttemptTrace {
    /// When it ended.
    #[cfg_attr(test, ts(type = "string"))]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The node that made it.
    pub node: String,
    /// `accepted`, or what the answer meant, for example `UNREGISTERED`.
    pub outcome: String,
    /// HTTP status or SMTP reply code.
    #[schema(required = true)]
    pub status: Option<u16>,
    /// The provider's own words, shortened.
    pub said: String,
    /// Its answer came when another attempt had already been begun.
    pub late: bool,
}

/// A delivery that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DeadLetter {
    /// Its id, for replay.
    pub id: String,
    /// The alert.
    pub alert: AlertId,
    /// For whom.
    pub user: UserId,
    /// The alert's kind.
    pub kind: String,
    /// The alert's category.
    pub category: String,
    /// The step that failed last.
    pub step: u32,
    /// Its way out.
    pub channel: Channel,
    /// Why, for example `no-address`, `UNREGISTERED`, `550 5.1.1`.
    pub reason: String,
    /// When it was given up.
    #[cfg_attr(test, ts(type = "string"))]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// The answer to `GET /v1/dead-letters`: oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DeadLetters {
    /// A page.
    pub dead_letters: Vec<DeadLetter>,
    /// For `after` of the next page; `null` on the last.
    #[schema(required = true)]
    pub next: Option<String>,
}

/// Which dead letters; what is missing matches all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct DeadLetterFilter {
    /// Of this person.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub user: Option<UserId>,
    /// Of this alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub alert: Option<AlertId>,
    /// Of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub kind: Option<String>,
    /// Of this category.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub category: Option<String>,
    /// Whose last step was this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub channel: Option<Channel>,
    /// With exactly this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub reason: Option<String>,
    /// Given up at or after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, type = "string"))]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// Given up before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, type = "string"))]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
}

/// The body of `POST /v1/dead-letters/replay`: exactly one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct ReplayBody {
    /// These; at most 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    #[schema(max_items = 1000)]
    pub ids: Option<Vec<String>>,
    /// All that match; `{}` is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub filter: Option<DeadLetterFilter>,
}

/// The answer to `POST /v1/dead-letters/replay`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ReplayAnswer {
    /// How many are on their way again. Those that expired or were read meanwhile are not.
    pub replayed: u32,
    /// There are more that match: call again.
    pub more: bool,
}

/// The form that `POST /u/{signed}` takes (RFC 8058).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct OneClick {
    /// Always `One-Click`.
    #[serde(rename = "List-Unsubscribe")]
    #[schema(pattern = "^One-Click$")]
    pub list_unsubscribe: String,
}

/// The body of `POST /v1/receipts/{receipt}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct ReceiptBody {
    /// How far it got on the device.
    pub level: ReceiptLevel,
}

/// What a device can say of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ReceiptLevel {
    /// It has it.
    Received,
    /// It showed it.
    Displayed,
    /// A person used it: as the state `acted` of the inbox.
    Acted,
}
