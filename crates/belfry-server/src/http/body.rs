//! Bodies: read up to a limit, parsed, and refused with a pointer to the field.

use crate::refusal::{Answer, Refusal};
use axum::body::Body;
use belfry_protocol::ErrorCode;
use belfry_protocol::object::Object;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use std::task::Poll;
use std::time::Duration;

/// A limit on bodies and the key that sets it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimit {
    /// Most bytes.
    pub bytes_max: usize,
    /// Where it is configured.
    pub key: &'static str,
}

/// Reads a body whole.
pub(crate) async fn read(body: Body, limit: BodyLimit) -> Result<Bytes, Refusal> {
    match Limited::new(body, limit.bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_large(limit)),
        Err(error) => {
            tracing::debug!(error = %error, "a body broke off");
            Err(Refusal::new(ErrorCode::JsonMalformed, "the body broke off before its end"))
        }
    }
}

/// The same where nobody else watches the time.
pub(crate) async fn read_within(body: Body, limit: BodyLimit, within: Duration) -> Result<Bytes, Refusal> {
    let mut reading = std::pin::pin!(read(body, limit));
    // Most bodies came with their head and need no timer.
    if let Poll::Ready(bytes) = futures_util::poll!(reading.as_mut()) {
        return bytes;
    }
    match tokio::time::timeout(within, reading).await {
        Ok(bytes) => bytes,
        Err(_) => {
            let detail = "the body did not come within `server.request_timeout`";
            Err(Refusal::new(ErrorCode::Overloaded, detail))
        }
    }
}

/// The refusal of a body over its limit.
pub(crate) fn too_large(limit: BodyLimit) -> Refusal {
    let detail = format!("the body has more than {} bytes (`{}`)", limit.bytes_max, limit.key);
    Refusal::new(ErrorCode::BodyTooLarge, detail)
}

/// Whether the body says it is JSON. Forms of other pages cannot send this type without asking first.
pub(crate) fn demand_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Refusal::new(ErrorCode::ContentTypeUnsupported, "send the body as `Content-Type: application/json`"))
}

/// Parses a body; a fault names line and column, or the field.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map(|Object(body)| body).map_err(|error| match error.classify() {
        Category::Data => field_fault::<T>(bytes, &error),
        // An object where exactly one of several fields must stand is called a fault of syntax.
        Category::Syntax if serde_json::from_slice::<serde_json::Value>(bytes).is_ok() => {
            field_fault::<T>(bytes, &error)
        }
        Category::Io | Category::Syntax | Category::Eof => {
            Refusal::new(ErrorCode::JsonMalformed, format!("the body is not valid JSON: {error}"))
        }
    })
}

/// Reads and parses a JSON body.
pub(crate) async fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    limit: BodyLimit,
) -> Result<T, Refusal> {
    demand_json(headers)?;
    parse(&read(body, limit).await?)
}

/// Parses once more, slowly, to learn where the fault is.
fn field_fault<T: DeserializeOwned>(bytes: &[u8], error: &serde_json::Error) -> Refusal {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let (path, message) = match serde_path_to_error::deserialize::<_, Object<T>>(&mut deserializer) {
        Err(found) => (pointer(found.path()), found.inner().to_string()),
        Ok(_) => (String::new(), error.to_string()),
    };
    let message = message.split(" at line ").next().unwrap_or_default().to_owned();
    // What is missing or unknown is named by its parent's error.
    let named = ["unknown field `", "missing field `"]
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix)?.split('`').next());
    let pointer = match named {
        Some(field) if !path.ends_with(&format!("/{field}")) => format!("{path}/{}", escape(field)),
        _ => path,
    };
    Refusal::new(
        ErrorCode::FieldInvalid,
        format!("{}: {message}", if pointer.is_empty() { "the body" } else { &pointer }),
    )
    .at(pointer.clone(), message)
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Map { key } => format!("{pointer}/{}", escape(key)),
        Segment::Enum { variant } => format!("{pointer}/{}", escape(variant)),
        Segment::Unknown => pointer,
    })
}

/// RFC 6901, section 3.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// An answer as JSON.
pub(crate) fn answer(status: StatusCode, value: &impl Serialize) -> Answer {
    raw_answer(status, serde_json::to_vec(value).expect("every protocol type has a JSON form"))
}

/// An answer whose JSON is ready.
pub(crate) fn raw_answer(status: StatusCode, json: Vec<u8>) -> Answer {
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An answer without a body.
pub(crate) fn no_content() -> Answer {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use belfry_protocol::NewAlert;

    fn refusal(body: &str) -> (ErrorCode, Vec<String>) {
        let refusal = parse::<NewAlert>(body.as_bytes()).expect_err("is refused");
        (refusal.problem.code, refusal.problem.errors.into_iter().map(|fault| fault.pointer).collect())
    }

    #[test]
    fn faults_point_at_the_field() {
        for (body, pointer) in [
            (r#"{"to":{"user":"ann"}}"#, "/kind"),
            (r#"{"to":{"user":"ann"},"kind":"k","colour":1}"#, "/colour"),
            (r#"{"to":{"user":"ann"},"kind":7}"#, "/kind"),
            (r#"{"to":{"user":""},"kind":"k"}"#, "/to/user"),
            (r#"{"to":{"users":["ann",""]},"kind":"k"}"#, "/to/users/1"),
            (r#"{"to":{"everyone":false},"kind":"k"}"#, "/to/everyone"),
            (r#"{"to":{},"kind":"k"}"#, "/to"),
            (r#"{"to":{"user":"ann","group":"g"},"kind":"k"}"#, "/to"),
            (r#"{"to":{"user":"ann"},"kind":"k","expires_at":"tomorrow"}"#, "/expires_at"),
            (r#"{"to":{"user":"ann"},"kind":"k","ladder":[{"channel":"pigeon"}]}"#, "/ladder/0/channel"),
        ] {
            assert_eq!(refusal(body), (ErrorCode::FieldInvalid, vec![pointer.to_owned()]), "{body}");
        }
    }

    #[test]
    fn what_is_no_json_is_told_apart() {
        for body in ["", "{", "nope", "{\"to\":\"\u{1}\"}"] {
            assert_eq!(refusal(body).0, ErrorCode::JsonMalformed, "{body}");
        }
        assert_eq!(
            parse::<NewAlert>(b"{\"kind\":\"\xff\"}").expect_err("no UTF-8").problem.code,
            ErrorCode::JsonMalformed
        );
    }
}
