//! `/v1/dead-letters`: what could not be sent, and sending it again.

use super::body;
use super::caller::Operator;
use super::deliveries::body_limit;
use super::query::{Query, wrong};
use crate::clock;
use crate::refusal::{Answer, Refusal};
use crate::services::Services;
use crate::tasks::TaskKind;
use axum::body::Body;
use axum::extract::State;
use belfry_protocol::ErrorCode;
use belfry_protocol::delivery::{
    DEAD_LETTERS_MAX, DeadLetter, DeadLetterFilter, DeadLetterId, DeadLetters, ReplayAnswer, ReplayBody,
};
use belfry_store::{DeadLetterQuery, DeadLetterRow, Replay, UnixMs};
use http::{HeaderMap, StatusCode};
use std::sync::Arc;

/// Dead letters of a page where the caller does not say.
const PAGE_DEFAULT: u32 = 100;
/// The parameters, as a refusal lists them.
const KNOWN: [&str; 10] =
    ["user", "alert", "kind", "category", "channel", "reason", "since", "until", "after", "limit"];

/// A page of dead letters.
pub(super) async fn list(
    State(services): State<Arc<Services>>,
    _: Operator,
    mut query: Query,
) -> Result<Answer, Refusal> {
    let limit = query.limit(PAGE_DEFAULT, DEAD_LETTERS_MAX)?;
    let after: Option<DeadLetterId> = query.parsed("after", "the `next` of the page before")?;
    let filter = filter(&mut query)?;
    query.finish(&KNOWN)?;
    let page = services.store.dead_letters(asked(filter), after.map(DeadLetterId::key), limit).await;
    let page = page.map_err(|error| services.store_problem(&error))?;
    let answer = DeadLetters {
        dead_letters: page.rows.into_iter().map(dead_letter).collect(),
        next: page.next.map(DeadLetterId::new),
    };
    Ok(body::answer(StatusCode::OK, &answer))
}

fn filter(query: &mut Query) -> Result<DeadLetterFilter, Refusal> {
    let moment = "a moment as RFC 3339 writes it, for example `2026-11-23T09:30:00Z`";
    let filter = DeadLetterFilter {
        user: query.parsed("user", "a user's id")?,
        alert: match query.text("alert") {
            Some(id) => Some(id.parse().map_err(|_| wrong("alert", "an alert's id"))?),
            None => None,
        },
        kind: query.text("kind"),
        category: query.text("category"),
        channel: query.parsed("channel", "`live`, `push`, `email` or `webhook`")?,
        reason: query.text("reason"),
        since: query.parsed("since", moment)?,
        until: query.parsed("until", moment)?,
    };
    Ok(filter)
}

fn asked(filter: DeadLetterFilter) -> DeadLetterQuery {
    DeadLetterQuery {
        user: filter.user,
        alert: filter.alert,
        kind: filter.kind,
        category: filter.category,
        channel: filter.channel,
        reason: filter.reason,
        since: filter.since.map(|at| UnixMs(at.as_millisecond())),
        until: filter.until.map(|at| UnixMs(at.as_millisecond())),
    }
}

fn dead_letter(row: DeadLetterRow) -> DeadLetter {
    DeadLetter {
        id: DeadLetterId::new(row.key),
        alert: row.id,
        user: row.user,
        kind: row.kind,
        category: row.category,
        step: row.step,
        channel: row.channel,
        reason: row.reason,
        at: clock::timestamp(row.at),
    }
}

/// Sends dead letters again.
pub(super) async fn replay(
    State(services): State<Arc<Services>>,
    _: Operator,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refusal> {
    let request: ReplayBody = body::json(&headers, body, body_limit(&services)).await?;
    let which = which(request)?;
    let replaying = Arc::clone(&services);
    let work = async move {
        let replayed = replaying.store.replay(which, DEAD_LETTERS_MAX, clock::now().unix_ms()).await;
        replaying.escalate_wake.notify_one();
        replayed
    };
    let replayed = services.tasks.see_through(TaskKind::Change, work).await;
    let (replayed, more) = replayed.map_err(|error| services.store_problem(&error))?;
    Ok(body::answer(StatusCode::OK, &ReplayAnswer { replayed, more }))
}

fn which(request: ReplayBody) -> Result<Replay, Refusal> {
    let fault = |pointer: &str, detail: String| {
        Refusal::new(ErrorCode::FieldInvalid, format!("`{}` {detail}", pointer.trim_start_matches('/')))
            .at(pointer.to_owned(), detail)
    };
    match (request.ids, request.filter) {
        (Some(ids), None) if ids.len() > DEAD_LETTERS_MAX as usize => {
            let detail = format!("has {} entries, at most {DEAD_LETTERS_MAX} in one call", ids.len());
            Err(fault("/ids", detail))
        }
        (Some(ids), None) => Ok(Replay::Ids(ids.into_iter().map(DeadLetterId::key).collect())),
        (None, Some(filter)) => Ok(Replay::Filter(asked(filter))),
        (None, None) => Err(fault("/ids", "is missing: give `ids`, or `filter` (`{}` for all)".to_owned())),
        (Some(_), Some(_)) => Err(fault("/filter", "stands beside `ids`: give one of them".to_owned())),
    }
}
