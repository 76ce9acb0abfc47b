//! What a fake of an HTTP provider does instead of its usual answer.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

/// What a fake does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Answers so and does not take it, unless the status is 2xx.
    Answer {
        /// Status.
        status: u16,
        /// Names and values.
        headers: Vec<(&'static str, String)>,
        /// Body.
        body: String,
    },
    /// Does not take it and never answers.
    Hang,
    /// Takes it and never answers.
    TakeAndHang,
}

impl Act {
    /// An answer without headers of its own.
    pub fn status(status: u16, body: impl Into<String>) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.into() }
    }

    /// An answer that asks to wait.
    pub fn wait(status: u16, retry_after: impl ToString) -> Self {
        Self::Answer { status, headers: vec![("retry-after", retry_after.to_string())], body: String::new() }
    }

    /// An answer that leads elsewhere.
    pub fn redirect(status: u16, location: impl Into<String>) -> Self {
        Self::Answer { status, headers: vec![("location", location.into())], body: String::new() }
    }

    /// Whether what came counts as taken.
    pub(crate) fn takes(&self) -> bool {
        match self {
            Self::Answer { status, .. } => (200..300).contains(status),
            Self::Hang => false,
            Self::TakeAndHang => true,
        }
    }

    /// The answer, where there ever is one.
    pub(crate) async fn respond(self) -> Response {
        let Self::Answer { status, headers, body } = self else {
            return std::future::pending().await;
        };
        let status = StatusCode::from_u16(status).expect("a script names a status");
        let mut response = (status, body).into_response();
        for (name, value) in headers {
            response.headers_mut().insert(name, value.parse().expect("a script's header is one"));
        }
        response
    }
}
