//! Many alerts in one call: one line of JSON each way per alert.

use crate::alert::AlertAnswer;
use crate::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most lines of one batch, unless configured otherwise.
pub const BATCH_LINES_MAX: usize = 10_000;

/// One line of the answer to `POST /v1/alerts/batch`: exactly one of `alert` and `problem`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct BatchResult {
    /// The line of the request it answers; the first is 1.
    pub line: u32,
    /// The status this line would have got on its own.
    pub status: u16,
    /// It is on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub alert: Option<AlertAnswer>,
    /// It was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub problem: Option<Problem>,
}

impl BatchResult {
    /// The line was stored.
    pub fn accepted(line: u32, alert: AlertAnswer) -> Self {
        Self { line, status: 202, alert: Some(alert), problem: None }
    }

    /// The line was refused.
    pub fn refused(line: u32, problem: Problem) -> Self {
        Self { line, status: problem.status, alert: None, problem: Some(problem) }
    }
}
