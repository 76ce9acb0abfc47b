//! What became of an alert outside the house: deliveries, legs and attempts, dead letters, receipts.

use crate::device::Provider;
use crate::id::{AlertId, UserId};
use crate::ladder::Channel;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most dead letters of one page, and of one call that replays by id.
pub const DEAD_LETTERS_MAX: u32 = 1_000;

/// The id of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[1-9][0-9]{0,17}$")]
pub struct DeadLetterId(i64);

impl DeadLetterId {
    /// The dead letter with this key in the store.
    pub const fn new(key: i64) -> Self {
        Self(key)
    }

    /// Its key in the store.
    pub const fn key(self) -> i64 {
        self.0
    }
}

impl std::fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for DeadLetterId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let key = digits.then(|| text.parse().ok()).flatten().filter(|_| !text.starts_with('0'));
        key.map(Self).ok_or("is no id of a dead letter: take one that `GET /v1/dead-letters` answered")
    }
}

impl TryFrom<String> for DeadLetterId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DeadLetterId> for String {
    fn from(id: DeadLetterId) -> Self {
        id.to_string()
    }
}

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

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Waiting,
        Self::Sending,
        Self::Held,
        Self::Confirmed,
        Self::Sent,
        Self::Expired,
        Self::Suppressed,
        Self::Recalled,
        Self::DeadLettered,
    ];

    /// As it is written: `waiting`, `dead_lettered`, …
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Held => "held",
            Self::Confirmed => "confirmed",
            Self::Sent => "sent",
            Self::Expired => "expired",
            Self::Suppressed => "suppressed",
            Self::Recalled => "recalled",
            Self::DeadLettered => "dead_lettered",
        }
    }
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

impl LegState {
    /// As it is written: `pending`, `accepted`, …
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Failed => "failed",
            Self::Suppressed => "suppressed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
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
    /// When its live step was over and it was opened.
    #[cfg_attr(test, ts(type = "string"))]
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// When the next step is due.
    #[cfg_attr(test, ts(type = "string | null"))]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub due_at: Option<Timestamp>,
    /// When it reached its end.
    #[cfg_attr(test, ts(type = "string | null"))]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// How often it was replayed.
    pub replays: u32,
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
    /// When it reached its end.
    #[cfg_attr(test, ts(type = "string | null"))]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
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
    pub id: DeadLetterId,
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

/// The answer to `GET /v1/dead-letters`, in the order in which their deliveries began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DeadLetters {
    /// A page.
    pub dead_letters: Vec<DeadLetter>,
    /// For `after` of the next page; `null` on the last.
    #[schema(required = true)]
    pub next: Option<DeadLetterId>,
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
    /// These; at most 1,000. What is no dead letter (any more) is passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    #[schema(max_items = 1000)]
    pub ids: Option<Vec<DeadLetterId>>,
    /// All that match; `{}` is all.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "crate::object::optional")]
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

/// What becomes of deliveries that were armed before a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum HeldDeliveries {
    /// They go on where they stood.
    Send,
    /// They end as expired.
    Drop,
}

/// The body of `POST /v1/deliveries/resume`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct ResumeBody {
    /// What becomes of those that are held.
    pub held: HeldDeliveries,
}

/// The answer to `POST /v1/deliveries/resume`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ResumeAnswer {
    /// How many were held until now.
    pub resumed: u32,
}

/// How a provider is, as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ProviderStatus {
    /// Which.
    pub provider: Provider,
    /// It refuses our credentials or settings: what waits for it stays.
    #[schema(required = true)]
    pub paused: Option<ProviderPause>,
    /// It asked for time: no call is made for a while.
    pub held: bool,
    /// Too many of its answers say that an address is gone: none is deleted.
    pub keeps_gone: bool,
}

/// Why nothing goes to a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ProviderPause {
    /// Since when.
    #[cfg_attr(test, ts(type = "string"))]
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// What it said, for example `InvalidProviderToken`.
    pub reason: String,
}

/// The answer to `GET /v1/providers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Providers {
    /// Those that are configured.
    pub providers: Vec<ProviderStatus>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_written_as_they_go_on_the_wire() {
        for state in DeliveryState::ALL {
            assert_eq!(serde_json::to_value(state).expect("serialises"), state.as_str());
        }
        for state in ["pending", "accepted", "failed", "suppressed", "cancelled", "expired"] {
            let read: LegState = serde_json::from_value(state.into()).expect("is a state");
            assert_eq!(read.as_str(), state);
        }
    }

    #[test]
    fn an_id_of_a_dead_letter_is_a_number_that_fits() {
        assert_eq!("17".parse(), Ok(DeadLetterId::new(17)));
        for wrong in ["", "0", "017", "-1", "+1", "x", "1234567890123456789"] {
            assert!(wrong.parse::<DeadLetterId>().is_err(), "{wrong}");
        }
    }
}
