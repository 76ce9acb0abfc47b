//! The ordered ways out of a kind. Parsed and checked at the door; acted on by the night watch.

use crate::level::Level;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Open tabs and devices.
    Live,
    /// Every push address of the user.
    Push,
    /// The user's e-mail address.
    Email,
    /// The application's own endpoint.
    Webhook,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 4] = [Self::Live, Self::Push, Self::Email, Self::Webhook];

    /// As it is written: `live`, `push`, `email`, `webhook`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Push => "push",
            Self::Email => "email",
            Self::Webhook => "webhook",
        }
    }
}

impl std::str::FromStr for Channel {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|channel| channel.as_str() == text);
        found.ok_or("is no channel: write `live`, `push`, `email` or `webhook`")
    }
}

/// When a step runs at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum OnlyIf {
    /// Only after a step that failed.
    Failed,
}

/// One step: run it, wait `wait`; a level of at least `until` ends the ladder, else the next step runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The way out.
    pub channel: Channel,
    /// How long to wait for `until` before the next step, for example `"5s"` or `"10m"`. Missing: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub wait: Option<String>,
    /// The level that ends the ladder. Missing: it ends once the step is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub until: Option<Level>,
    /// Run this step only in this case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub only_if: Option<OnlyIf>,
    /// Gather what falls due within this window into one sending, for example `"1h"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub digest: Option<String>,
    /// At most so many sendings per person, category and channel within a window, for example `"3 per 1h"`; what is
    /// more waits and goes out as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub throttle: Option<String>,
}
