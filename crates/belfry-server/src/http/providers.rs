//! `/v1/providers`: how those who carry alerts out of the house are, and ending their pause by hand.

use super::body;
use super::caller::Operator;
use crate::clock;
use crate::refusal::{Answer, Refusal};
use crate::services::Services;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use belfry_protocol::delivery::{ProviderPause, ProviderStatus, Providers};
use belfry_protocol::{ErrorCode, Provider};
use http::StatusCode;
use std::sync::Arc;

fn statuses(services: &Services) -> Vec<ProviderStatus> {
    let statuses = services.ways.status(clock::now().instant).into_iter();
    let status = statuses.map(|way| ProviderStatus {
        provider: way.provider,
        paused: way.paused.map(|(since, reason)| ProviderPause { since, reason }),
        held: way.held,
        keeps_gone: way.keeps_gone,
    });
    status.collect()
}

/// The configured providers.
pub(super) async fn list(State(services): State<Arc<Services>>, _: Operator) -> Answer {
    body::answer(StatusCode::OK, &Providers { providers: statuses(&services) })
}

/// Ends a pause.
pub(super) async fn resume(
    State(services): State<Arc<Services>>,
    _: Operator,
    name: Result<Path<String>, PathRejection>,
) -> Result<Answer, Refusal> {
    let provider: Option<Provider> = name.ok().and_then(|Path(name)| name.parse().ok());
    if let Some(provider) = provider
        && services.ways.resume(provider)
    {
        tracing::info!(provider = provider.as_str(), "the provider's pause was ended by hand");
        services.escalate_wake.notify_one();
    }
    let known = statuses(&services);
    match known.iter().find(|status| Some(status.provider) == provider) {
        Some(status) => Ok(body::answer(StatusCode::OK, status)),
        None => {
            let names: Vec<&str> = known.iter().map(|status| status.provider.as_str()).collect();
            let detail = match names.is_empty() {
                true => "no provider is configured".to_owned(),
                false => format!("it is not configured here; configured: `{}`", names.join("`, `")),
            };
            Err(Refusal::new(ErrorCode::ProviderNotConfigured, detail))
        }
    }
}
