//! What a person wants by which way.

use crate::ladder::Channel;
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
    #[serde(deserialize_with = "crate::object::one")]
    pub default: ChannelChoices,
    /// By category; at most 100.
    #[serde(deserialize_with = "crate::object::by_name")]
    pub categories: BTreeMap<String, ChannelChoices>,
}

impl ChannelChoices {
    fn choice(self, channel: Channel) -> Option<bool> {
        match channel {
            Channel::Push => self.push,
            Channel::Email => self.email,
            Channel::Live | Channel::Webhook => None,
        }
    }
}

impl Preferences {
    /// Whether a category is wanted by a channel: what the category says, else what `default` says, else yes.
    pub fn wants(&self, category: &str, channel: Channel) -> bool {
        let own = self.categories.get(category).and_then(|choices| choices.choice(channel));
        own.or(self.default.choice(channel)).unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_speaks_before_the_default_and_silence_is_consent() {
        let choices = |push, email| ChannelChoices { push, email };
        let preferences = Preferences {
            default: choices(Some(false), None),
            categories: [("security".to_owned(), choices(Some(true), Some(false)))].into(),
        };
        assert!(!preferences.wants("deals", Channel::Push));
        assert!(preferences.wants("deals", Channel::Email));
        assert!(preferences.wants("security", Channel::Push));
        assert!(!preferences.wants("security", Channel::Email));
        assert!(preferences.wants("security", Channel::Webhook));
        assert!(Preferences::default().wants("deals", Channel::Push));
    }
}
