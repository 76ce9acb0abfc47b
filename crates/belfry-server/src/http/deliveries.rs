//! Deliveries as callers see them: in an alert's trace, and `POST /v1/deliveries/resume` after a restore.

use super::body::{self, BodyLimit};
use super::caller::Operator;
use crate::clock;
use crate::refusal::{Answer, Refusal};
use crate::services::Services;
use crate::tasks::TaskKind;
use axum::body::Body;
use axum::extract::State;
use belfry_protocol::delivery::{
    AttemptTrace, DeliveryTrace, HeldDeliveries, LegTrace, ResumeAnswer, ResumeBody,
};
use belfry_store::{AttemptTraceRow, DeliveryTraceRow, LegTraceRow};
use http::{HeaderMap, StatusCode};
use std::sync::Arc;

/// The limit of a body that is no alert.
pub(super) fn body_limit(services: &Services) -> BodyLimit {
    BodyLimit { bytes_max: services.config.limits.body_bytes_max, key: "limits.body_bytes_max" }
}

/// A delivery with its legs and attempts.
pub(super) fn trace(row: DeliveryTraceRow) -> DeliveryTrace {
    DeliveryTrace {
        state: row.state,
        reason: row.reason,
        step: row.step,
        opened_at: clock::timestamp(row.opened_at),
        due_at: row.due_at.map(clock::timestamp),
        ended_at: row.ended_at.map(clock::timestamp),
        replays: row.generation,
        legs: row.legs.into_iter().map(leg).collect(),
    }
}

fn leg(row: LegTraceRow) -> LegTrace {
    LegTrace {
        step: row.step,
        channel: row.channel,
        provider: row.provider,
        device: row.device,
        address: row.address_short,
        state: row.state,
        reason: row.reason,
        created_at: clock::timestamp(row.created_at),
        next_at: row.next_at.map(clock::timestamp),
        ended_at: row.ended_at.map(clock::timestamp),
        provider_id: row.provider_id,
        with: row.with,
        attempts: row.attempts.into_iter().map(attempt).collect(),
    }
}

fn attempt(row: AttemptTraceRow) -> AttemptTrace {
    AttemptTrace {
        at: clock::timestamp(row.at),
        node: row.node,
        outcome: row.outcome,
        status: row.status,
        said: row.said,
        late: row.late,
    }
}

/// Lets what was armed before a restore go on, or drops it.
pub(super) async fn resume(
    State(services): State<Arc<Services>>,
    _: Operator,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refusal> {
    let request: ResumeBody = body::json(&headers, body, body_limit(&services)).await?;
    let send = request.held == HeldDeliveries::Send;
    let resuming = Arc::clone(&services);
    let work = async move {
        let resumed = resuming.store.resume_deliveries(send, clock::now().unix_ms()).await;
        resuming.escalate_wake.notify_one();
        resumed
    };
    let resumed = services.tasks.see_through(TaskKind::Change, work).await;
    let resumed = resumed.map_err(|error| services.store_problem(&error))?;
    Ok(body::answer(StatusCode::OK, &ResumeAnswer { resumed }))
}
