//! The inbox: what state an item is in, how a person changes it, and pages of it.

use crate::cursor::Cursor;
use crate::frame::Item;
use crate::id::{AlertId, Seq};
use crate::level::{Level, Stream};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most ids in one state change or ack.
pub const IDS_MAX: usize = 1_000;
/// Most items of one inbox page.
pub const PAGE_ITEMS_MAX: u32 = 200;
/// Items of one inbox page where the caller names no `limit`.
pub const PAGE_ITEMS_DEFAULT: u32 = 50;

/// What has become of an item. Flags stay once set, but for `read` and `archived`, which can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(default)]
pub struct ItemState {
    /// It was on screen for a second.
    pub seen: bool,
    /// A person opened or marked it.
    pub read: bool,
    /// Out of the list, still to be found. Counts as read.
    pub archived: bool,
    /// A person used its action.
    pub acted: bool,
}

/// A change a person makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum StateChange {
    /// On screen for a second.
    Seen,
    /// Opened or marked.
    Read,
    /// Back to unread.
    Unread,
    /// Out of the list; counts as read.
    Archived,
    /// Back into the list.
    Unarchived,
    /// Its action was used.
    Acted,
}

/// What `inbox-changed` and `catch-up` say of items: a person's change, or the item leaving the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ChangedTo {
    /// On screen for a second.
    Seen,
    /// Opened or marked.
    Read,
    /// Back to unread.
    Unread,
    /// Out of the list; counts as read.
    Archived,
    /// Back into the list.
    Unarchived,
    /// Its action was used.
    Acted,
    /// Its time is over.
    Expired,
    /// Taken back by the sender.
    Recalled,
    /// A newer one with the same collapse key took its place.
    Replaced,
    /// Removed by retention.
    Removed,
}

impl From<StateChange> for ChangedTo {
    fn from(change: StateChange) -> Self {
        match change {
            StateChange::Seen => Self::Seen,
            StateChange::Read => Self::Read,
            StateChange::Unread => Self::Unread,
            StateChange::Archived => Self::Archived,
            StateChange::Unarchived => Self::Unarchived,
            StateChange::Acted => Self::Acted,
        }
    }
}

/// The body of `POST /v1/inbox/state`: `ids` or `up_to`, never both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct InboxStateBody {
    /// These items; at most 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    #[schema(max_items = 1000)]
    pub ids: Option<Vec<AlertId>>,
    /// All items up to this cursor; what arrives meanwhile stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub up_to: Option<Cursor>,
    /// The new state.
    pub state: StateChange,
}

/// The answer to `POST /v1/inbox/state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct InboxStateAnswer {
    /// The user's unread count after the change.
    pub unread: u32,
    /// The change's number in the user's stream; the head where nothing changed.
    pub seq: Seq,
}

/// The answer to `GET /v1/inbox/unread-count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct UnreadCount {
    /// Items that are neither read nor archived nor expired.
    pub unread: u32,
}

/// A page of `GET /v1/inbox`, newest first, of both streams.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct InboxPage {
    /// The items.
    pub items: Vec<Item>,
    /// For `before` of the next page; `null` on the last.
    #[schema(required = true)]
    pub next: Option<String>,
    /// Up to where the list is complete: the live stream continues from here.
    pub complete_to: Cursor,
    /// The user's unread count.
    pub unread: u32,
}

/// The data of an `ack` frame: a range of one stream, or single alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Ack {
    /// With `after` and `up_to`: which stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub stream: Option<Stream>,
    /// Where this connection started; what lies at or below is not confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub after: Option<Seq>,
    /// The last one received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub up_to: Option<Seq>,
    /// Instead of a range: these alerts; at most 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    #[schema(max_items = 1000)]
    pub ids: Option<Vec<AlertId>>,
    /// `received` for a range; `received` or `displayed` for ids.
    pub level: Level,
}

/// The body of `POST /v1/acks`: an [`Ack`], but unknown fields are refused as in every body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct AckBody {
    /// With `after` and `up_to`: which stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub stream: Option<Stream>,
    /// Where this connection started; what lies at or below is not confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub after: Option<Seq>,
    /// The last one received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub up_to: Option<Seq>,
    /// Instead of a range: these alerts; at most 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    #[schema(max_items = 1000)]
    pub ids: Option<Vec<AlertId>>,
    /// `received` for a range; `received` or `displayed` for ids.
    pub level: Level,
}

impl From<AckBody> for Ack {
    fn from(AckBody { stream, after, up_to, ids, level }: AckBody) -> Self {
        Self { stream, after, up_to, ids, level }
    }
}
