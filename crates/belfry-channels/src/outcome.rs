//! What a provider's answer means.

use crate::address::Address;
use jiff::Timestamp;
use std::time::Duration;

/// Most characters of a provider's own words that are kept.
pub(crate) const SAID_CHARACTERS_MAX: usize = 300;

/// A provider accepted it. It may still never be shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt {
    /// The provider's own id.
    pub provider_id: Option<String>,
    /// The answer in short, for example `201`.
    pub said: String,
    /// The address as it has to be stored from now on; `None`: as it was.
    pub moved_to: Option<Address>,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It may work later, with the same tag.
    Retry,
    /// The address is gone for good: delete it.
    Gone,
    /// The address does not belong to these credentials: keep it, mark it, do not try again.
    Refused,
    /// The notice itself is at fault: give up on it, keep the address.
    Rejected,
    /// Our credentials or settings are at fault: pause the channel, keep what waits, raise the alarm.
    Misconfigured,
}

/// What has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RetryScope {
    /// This address.
    #[default]
    Address,
    /// Everything that goes the same way: the provider, or the origin of a push service.
    Provider,
}

/// Why it was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {said}")]
pub struct SendError {
    /// What to do next.
    pub action: Action,
    /// The row of the provider's table, for example `UNREGISTERED` or `timeout`.
    pub reason: String,
    /// The provider's own words: shortened, without secrets.
    pub said: String,
    /// HTTP status or SMTP reply code.
    pub status: Option<u16>,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
    /// What has to wait for it.
    pub scope: RetryScope,
    /// With [`Action::Gone`]: the address was gone at this moment; one registered later is another matter.
    pub gone_at: Option<Timestamp>,
    /// Somebody has to look at it, whatever the action is.
    pub alarm: bool,
}

impl SendError {
    /// An error with its action and row; everything else is as in most of them.
    pub fn new(action: Action, reason: impl Into<String>, said: impl AsRef<str>) -> Self {
        Self {
            action,
            reason: reason.into(),
            said: shorten(said.as_ref()),
            status: None,
            retry_after: None,
            scope: RetryScope::Address,
            gone_at: None,
            alarm: action == Action::Misconfigured,
        }
    }

    /// With the status it came with.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    /// With how long to wait, and what has to.
    #[must_use]
    pub fn with_wait(self, retry_after: Option<Duration>, scope: RetryScope) -> Self {
        Self { retry_after, scope, ..self }
    }
}

/// One line of at most [`SAID_CHARACTERS_MAX`] characters.
pub(crate) fn shorten(said: &str) -> String {
    let words = said.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SAID_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
