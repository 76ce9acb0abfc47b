//! `POST /v1/alerts/batch`: NDJSON in, NDJSON out, in order. The server never stops reading for its answers, so a
//! client that sends everything before it reads cannot lock up.

use super::alerts;
use super::body::{self, BodyLimit};
use super::caller::Publisher;
use crate::clock;
use crate::publish::Posted;
use crate::refusal::{Answer, Refusal};
use crate::services::Services;
use axum::body::Body;
use axum::extract::State;
use belfry_protocol::batch::BatchResult;
use belfry_protocol::{ErrorCode, NewAlert, Problem};
use bytes::Bytes;
use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use std::convert::Infallible;
use std::sync::Arc;

/// Lines that are stored at the same time; they share commits.
const LINES_AT_ONCE: usize = 256;

/// Stores many alerts; each line stands and falls on its own.
pub(super) async fn create_alerts(
    State(services): State<Arc<Services>>,
    Publisher(back_end): Publisher,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refusal> {
    demand_ndjson(&headers)?;
    let limits = &services.config.limits;
    let limit = BodyLimit { bytes_max: limits.batch_bytes_max, key: "limits.batch_bytes_max" };
    let bytes = body::read(body, limit).await?;
    let lines = lines(&bytes);
    if lines.len() > limits.batch_lines_max as usize {
        let detail = format!(
            "the batch has {} lines, at most {} are allowed (`limits.batch_lines_max`)",
            lines.len(),
            limits.batch_lines_max
        );
        return Err(Refusal::new(ErrorCode::BatchTooLarge, detail));
    }
    alerts::admit(&services, &back_end.name, lines.len() as f64)?;
    let header = alerts::idempotency_header(&headers)?;
    let results = futures_util::stream::iter(lines)
        .map(move |(number, line)| {
            let services = Arc::clone(&services);
            let key = header.as_ref().map(|header| format!("{header}#{number}"));
            let api_key = back_end.name.clone();
            async move { result_line(&create(&services, &api_key, key, number, &line).await) }
        })
        .buffered(LINES_AT_ONCE)
        .map(Ok::<Bytes, Infallible>);
    let mut response = Response::new(Body::from_stream(results));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

fn demand_ndjson(headers: &HeaderMap) -> Result<(), Refusal> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if matches!(essence.as_str(), "application/x-ndjson" | "application/jsonl" | "application/json") {
        return Ok(());
    }
    Err(Refusal::new(
        ErrorCode::ContentTypeUnsupported,
        "send the batch as `Content-Type: application/x-ndjson`",
    ))
}

/// Lines that hold something, with their numbers.
fn lines(bytes: &Bytes) -> Vec<(u32, Bytes)> {
    bytes
        .split(|byte| *byte == b'\n')
        .zip(1..)
        .map(|(line, number)| (number, line.trim_ascii()))
        .filter(|(_, line)| !line.is_empty())
        .map(|(number, line)| (number, bytes.slice_ref(line)))
        .collect()
}

async fn create(
    services: &Arc<Services>,
    api_key: &str,
    key: Option<String>,
    number: u32,
    line: &[u8],
) -> BatchResult {
    match try_create(services, api_key, key, line).await {
        Ok(answer) => BatchResult::accepted(number, answer),
        Err(refusal) => BatchResult::refused(number, refusal.problem),
    }
}

async fn try_create(
    services: &Arc<Services>,
    api_key: &str,
    key: Option<String>,
    line: &[u8],
) -> Result<belfry_protocol::AlertAnswer, Refusal> {
    let limits = &services.config.limits;
    if line.len() > limits.body_users_bytes_max {
        return Err(body::too_large(BodyLimit {
            bytes_max: limits.body_users_bytes_max,
            key: "limits.body_users_bytes_max",
        }));
    }
    let alert: NewAlert = body::parse(line)?;
    alerts::check_size(services, &alert, line.len())?;
    // A line's own key is the whole key; only without one does it share the batch's.
    let header = if alert.idempotency_key.is_some() { None } else { key };
    let idempotency = alerts::idempotency(api_key, header, &alert, line)?;
    let accepted = alerts::publish(services, Posted { alert, idempotency }, clock::now()).await;
    Ok(accepted.map_err(|problem: Problem| Refusal::from(problem))?.answer)
}

fn result_line(result: &BatchResult) -> Bytes {
    let mut line = serde_json::to_vec(result).expect("a result has a JSON form");
    line.push(b'\n');
    line.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_lines_count_but_are_no_alerts() {
        let bytes = Bytes::from_static(b"{\"a\":1}\n\n  \r\n{\"b\":2}\r\n");
        let lines = lines(&bytes);
        assert_eq!(lines, [(1, Bytes::from_static(b"{\"a\":1}")), (4, Bytes::from_static(b"{\"b\":2}"))]);
    }
}
