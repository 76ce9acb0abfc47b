//! `/v1/receipts`: what a device says of a push, with the receipt that came with it as its only credential.

use super::body::{self, BodyLimit};
use crate::clock;
use crate::metrics::Counter;
use crate::refusal::{Answer, Refusal};
use crate::services::Services;
use crate::tasks::TaskKind;
use axum::body::Body;
use axum::extract::{Path, State};
use belfry_protocol::delivery::{ReceiptBody, ReceiptLevel};
use belfry_protocol::{ErrorCode, Level, StateChange, UserId};
use belfry_store::{AckRow, Selection};
use http::HeaderMap;
use std::sync::Arc;

/// The route that pages of any origin may call: it takes no credential that a page could lend itself.
pub(super) const RECEIPTS: &str = "/v1/receipts/{receipt}";
/// Most bytes of a receipt's body.
const BODY: BodyLimit = BodyLimit { bytes_max: 4_096, key: "a receipt is short" };

/// Notes a receipt.
pub(super) async fn give_receipt(
    State(services): State<Arc<Services>>,
    Path(receipt): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refusal> {
    let now = clock::now();
    let claim = services.signer.receipt(&receipt, now.unix_ms()).map_err(|error| {
        services.metrics.count(Counter::AuthRefused);
        Refusal::new(ErrorCode::SignatureInvalid, format!("the receipt is not good: {error}"))
    })?;
    take_rate(&services, &claim.user, now)?;
    let ReceiptBody { level } = body::json(&headers, body, BODY).await?;
    services.metrics.count(Counter::Receipts);
    if level == ReceiptLevel::Acted {
        let known = services.store.user(&claim.user).await;
        // An erased user is not made anew by an old push.
        if known.map_err(|error| services.store_problem(&error))?.is_none() {
            return Ok(body::no_content());
        }
        let changing = Arc::clone(&services);
        let work = async move {
            let one = Selection::Ids(vec![claim.alert]);
            changing.change_state(&claim.user, one, None, StateChange::Acted, now).await
        };
        let changed = services.tasks.see_through(TaskKind::Change, work).await;
        changed.map_err(|error| services.store_problem(&error))?;
        return Ok(body::no_content());
    }
    let level = match level {
        ReceiptLevel::Received => Level::Received,
        _ => Level::Displayed,
    };
    let row = AckRow::Ids { ids: vec![claim.alert], level };
    let noted = services.store.acknowledge(&claim.user, row, now.unix_ms());
    noted.map_err(|error| services.store_problem(&error))?;
    Ok(body::no_content())
}

/// Counts a call by a signed text against the rate of its user. It is a bucket of its own: who finds somebody's push
/// cannot keep them from their inbox.
pub(super) fn take_rate(services: &Services, user: &UserId, now: clock::Now) -> Result<(), Refusal> {
    let taken = services.limiters.signed.take(&user.as_str().to_owned(), 1.0, now.instant);
    taken.map_err(|after| {
        services.metrics.count(Counter::RateLimited);
        Refusal::new(ErrorCode::RateLimited, "too many calls by this user's pushes and mails")
            .retry_after(after)
    })
}
