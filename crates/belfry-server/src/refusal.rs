//! Problem documents as answers (RFC 9457).

use belfry_protocol::{ErrorCode, Problem};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use std::time::Duration;

/// An answer of this server.
pub type Answer = Response<axum::body::Body>;

/// A refusal: a problem document, and when to try again.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The document.
    pub problem: Problem,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let retry_after = matches!(
            problem.code,
            ErrorCode::Overloaded
                | ErrorCode::StoreUnavailable
                | ErrorCode::Draining
                | ErrorCode::IdempotencyInProgress
                | ErrorCode::RateLimited
                | ErrorCode::TooManyConnections
        );
        Self { problem, retry_after: retry_after.then_some(Duration::from_secs(1)) }
    }
}

impl Refusal {
    /// The document of this code.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Problem::new(code, detail).into()
    }

    /// Names a field.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.problem = self.problem.at(pointer, detail);
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }
}

impl axum::response::IntoResponse for Refusal {
    fn into_response(self) -> Answer {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.problem).expect("a problem has a JSON form");
        let mut response = Response::new(axum::body::Body::from(Bytes::from(body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs_f64().ceil().max(1.0) as u64;
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
