//! What a person wants by which way.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Most categories in one person's preferences.
pub const PREFERENCE_CATEGORIES_MAX: usize = 100;

/// Which ways are wanted; a way that is not named is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct ChannelChoices {
    /// Push to devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub push: Option<bool>,
    /// E-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub email: Option<bool>,
}

/// The body of `GET` and `PUT /v1/preferences`: what a category does not say is as in `default`, and what that does not
/// say is wanted. The inbox and open tabs always have everything; kinds marked as not mutable go out in any case.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct Preferences {
    /// For every category that says nothing of its own.
    pub default: ChannelChoices,
    /// By category; at most 100.
    pub categories: BTreeMap<String, ChannelChoices>,
}
