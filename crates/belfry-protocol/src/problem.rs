//! Problem documents (RFC 9457): how HTTP says no.

use crate::error_code::ErrorCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Problem {
    /// The code's page.
    pub r#type: String,
    /// What went wrong, the same for every occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time, and the remedy.
    pub detail: String,
    /// Stable; compare this one.
    pub code: ErrorCode,
    /// Where in the body, one entry per fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<FieldFault>>"))]
    pub errors: Vec<FieldFault>,
}

/// One fault in a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FieldFault {
    /// JSON Pointer (RFC 6901) to the field, for example `/data/deals/0/store_id`.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Problem {
    /// The document for this code.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            r#type: code.docs_url(),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code,
            errors: Vec::new(),
        }
    }

    /// Adds a fault at a JSON Pointer.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(FieldFault { pointer: pointer.into(), detail: detail.into() });
        self
    }
}
