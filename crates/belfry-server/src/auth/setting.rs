//! Why a setting is refused at start-up.

/// A setting that a person has to change; the text names the key and says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {problem}")]
pub struct SettingError {
    /// The configuration key.
    pub key: &'static str,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl SettingError {
    pub(super) fn new(key: &'static str, problem: impl Into<String>) -> Self {
        Self { key, problem: problem.into() }
    }
}
