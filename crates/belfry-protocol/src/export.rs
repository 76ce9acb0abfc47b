//! Everything stored about a person, as they may ask for it.

use crate::device::ExportedDevice;
use crate::do_not_disturb::DoNotDisturb;
use crate::frame::Item;
use crate::id::GroupId;
use crate::preferences::Preferences;
use crate::user::User;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One line of the answer to `GET /v1/users/{id}/export`: the person first, then their items, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ExportLine {
    /// The first line.
    User(ExportedUser),
    /// Every further line: an item of the inbox, archived ones too.
    Item(Item),
}

/// The person, without their items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ExportedUser {
    /// Who they are.
    pub profile: User,
    /// When they want no noise.
    pub do_not_disturb: DoNotDisturb,
    /// What they want by which way.
    pub preferences: Preferences,
    /// Where a push to them goes.
    pub devices: Vec<ExportedDevice>,
    /// The groups they are in.
    pub groups: Vec<GroupId>,
}
