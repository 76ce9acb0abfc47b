//! What explains itself: the OpenAPI document and a page per error code.

use super::body;
use crate::refusal::{Answer, Refusal};
use axum::extract::Path;
use axum::response::{Html, IntoResponse};
use belfry_protocol::ErrorCode;
use http::StatusCode;
use std::sync::LazyLock;

static OPENAPI: LazyLock<Vec<u8>> = LazyLock::new(|| {
    serde_json::to_vec(&belfry_protocol::openapi::document()).expect("the document is JSON")
});

/// `GET /v1/openapi.json`.
pub(super) async fn openapi() -> Answer {
    body::raw_answer(StatusCode::OK, OPENAPI.clone())
}

/// `GET /docs/errors/{code}`.
pub(super) async fn error_page(Path(code): Path<String>) -> Result<Answer, Refusal> {
    let known = ErrorCode::ALL.iter().find(|known| known.slug() == code);
    let code = known.ok_or_else(|| Refusal::new(ErrorCode::NotFound, "there is no such error code"))?;
    Ok(Html(belfry_protocol::error_code::page(*code)).into_response())
}
