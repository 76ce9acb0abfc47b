//! What an operator, a load balancer and Prometheus ask: health, readiness, statistics, metrics, backup.

use super::body::{self, BodyLimit};
use super::caller::{Operator, PathKey};
use crate::clock;
use crate::metrics::{ClusterSeen, Seen};
use crate::refusal::{Answer, Refusal};
use crate::services::Services;
use crate::tasks::TaskKind;
use axum::body::Body;
use axum::extract::State;
use belfry_protocol::operation::{BackupBody, BackupLine, Health, HealthStatus, RevokedKey, RevokedKeys};
use belfry_protocol::stats::Stats;
use belfry_protocol::{ErrorCode, Problem};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Progress lines that may wait for a slow reader; the ones between are dropped.
const PROGRESS_LINES: usize = 16;

fn healthy() -> Answer {
    let health = Health { status: HealthStatus::Ok, version: env!("CARGO_PKG_VERSION").to_owned() };
    body::answer(StatusCode::OK, &health)
}

/// The process is alive.
pub(super) async fn health() -> Answer {
    healthy()
}

/// The node takes work.
pub(super) async fn ready(State(services): State<Arc<Services>>) -> Result<Answer, Refusal> {
    if services.leaving.load(std::sync::atomic::Ordering::Acquire) {
        return Err(Refusal::new(ErrorCode::Draining, "the server is shutting down"));
    }
    services.store.check_writable().await.map_err(|error| services.store_problem(&error))?;
    Ok(healthy())
}

/// Connections, users, rates and queues.
pub(super) async fn stats(State(services): State<Arc<Services>>, _: Operator) -> Result<Answer, Refusal> {
    let now = clock::now();
    let store = services.store.gauges();
    let totals = services.totals(now).await.map_err(|error| services.store_problem(&error))?;
    let queues = BTreeMap::from([
        ("store_writer".to_owned(), store.writer_queue),
        ("unsettled".to_owned(), store.unsettled),
        ("pending_receipts".to_owned(), store.pending_receipts),
        ("fanouts".to_owned(), store.fanouts),
        ("ladder_fanouts".to_owned(), store.ladder_fanouts),
        ("watched".to_owned(), services.watch.len() as u64),
        ("deliveries".to_owned(), store.deliveries),
        ("held_deliveries".to_owned(), store.held_deliveries),
        ("pending_legs".to_owned(), store.pending_legs),
        ("dead_letters".to_owned(), store.dead_letters),
    ]);
    let stats = Stats {
        connections: totals.nodes.iter().map(|node| node.websocket + node.sse).sum(),
        users: totals.nodes.iter().map(|node| node.users).sum(),
        nodes: totals.nodes,
        kinds: totals.kinds,
        queues,
        delivery_lag_ms: store.delivery_lag_ms(now.unix_ms()),
    };
    Ok(body::answer(StatusCode::OK, &stats))
}

/// For Prometheus.
pub(super) async fn metrics(State(services): State<Arc<Services>>, _: Operator) -> Answer {
    metrics_text(&services)
}

/// The same without a key, for a listener of its own.
pub fn metrics_text(services: &Services) -> Answer {
    let now = clock::now();
    let seen = Seen {
        hub: services.hub.counts(),
        store: services.store.gauges(),
        watched: services.watch.len() as u64,
        cluster: services.cluster.as_ref().map(|cluster| ClusterSeen {
            bus: cluster.bus_gauges().unwrap_or_default(),
            hears: cluster.hears(),
            presence_queue: cluster.changes.len() as u64,
        }),
        ways: services.ways.status(now.instant),
        now: now.unix_ms(),
    };
    let text = services.metrics.render(&seen, &services.tasks);
    let mut response = Response::new(Body::from(text));
    let content_type = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// The signing keys whose tokens are refused.
pub(super) async fn revoked_keys(
    State(services): State<Arc<Services>>,
    _: Operator,
) -> Result<Answer, Refusal> {
    let keys = services.store.revoked_keys().await.map_err(|error| services.store_problem(&error))?;
    let keys = keys.into_iter().map(|(id, since)| RevokedKey { id, revoked_at: clock::timestamp(since) });
    Ok(body::answer(StatusCode::OK, &RevokedKeys { keys: keys.collect() }))
}

/// Refuses tokens of a signing key and closes what stands on one.
pub(super) async fn revoke_key(
    State(services): State<Arc<Services>>,
    _: Operator,
    PathKey(id): PathKey,
) -> Result<Answer, Refusal> {
    let (revoking, key) = (Arc::clone(&services), id.clone());
    let work = async move { revoking.revoke_key(&key, clock::now()).await };
    let since = services.tasks.see_through(TaskKind::Change, work).await;
    let since = since.map_err(|error| services.store_problem(&error))?;
    Ok(body::answer(StatusCode::OK, &RevokedKey { id, revoked_at: clock::timestamp(since) }))
}

/// Takes that back.
pub(super) async fn restore_key(
    State(services): State<Arc<Services>>,
    _: Operator,
    PathKey(id): PathKey,
) -> Result<Answer, Refusal> {
    let restoring = Arc::clone(&services);
    let work = async move { restoring.restore_key(&id).await };
    let restored = services.tasks.see_through(TaskKind::Change, work).await;
    let restored = restored.map_err(|error| services.store_problem(&error))?;
    if restored {
        return Ok(body::no_content());
    }
    Err(Refusal::new(ErrorCode::NotFound, "no key of this name is revoked: see `GET /v1/revoked-keys`"))
}

/// Writes a backup beside the running server; progress comes as lines of JSON.
pub(super) async fn backup(
    State(services): State<Arc<Services>>,
    _: Operator,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refusal> {
    let limit = BodyLimit { bytes_max: services.config.limits.body_bytes_max, key: "limits.body_bytes_max" };
    let request: BackupBody = body::json(&headers, body, limit).await?;
    let to = PathBuf::from(&request.to);
    if !to.is_absolute() {
        let detail = "must be an absolute path on the server's disk";
        return Err(Refusal::new(ErrorCode::FieldInvalid, format!("`to` {detail}")).at("/to", detail));
    }
    let (lines_tx, lines_rx) = mpsc::channel::<BackupLine>(PROGRESS_LINES);
    let tasks = services.tasks.clone();
    tasks.spawn(TaskKind::Backup, async move {
        let progress_tx = lines_tx.clone();
        let result = services.store.backup(&to, move |done_pages, all_pages| {
            // A reader that is slow misses some progress, never the last line.
            let _ = progress_tx.try_send(BackupLine { done_pages, all_pages, ..BackupLine::default() });
        });
        let line = match result.await {
            Ok(()) => BackupLine { path: Some(request.to), ..BackupLine::default() },
            Err(error) => {
                let problem =
                    Problem::new(ErrorCode::StoreUnavailable, format!("the backup failed: {error}"));
                BackupLine { problem: Some(problem), ..BackupLine::default() }
            }
        };
        let _ = lines_tx.send(line).await;
    });
    let lines = futures_util::stream::unfold(lines_rx, |mut lines_rx| async move {
        let line = lines_rx.recv().await?;
        let mut bytes = serde_json::to_vec(&line).expect("a line has a JSON form");
        bytes.push(b'\n');
        Some((Ok::<Bytes, Infallible>(bytes.into()), lines_rx))
    });
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}
