//! What a user does with their inbox: `/v1/inbox`, `/v1/acks`, `/v1/do-not-disturb`, `/v1/connections`.

use super::body::{self, BodyLimit};
use super::caller::{PathConnection, Person};
use super::query::{Query, wrong};
use crate::clock;
use crate::hub::Signal;
use crate::metrics::Counter;
use crate::quiet;
use crate::refusal::{Answer, Refusal};
use crate::services::Services;
use crate::tasks::TaskKind;
use crate::wire;
use axum::body::Body;
use axum::extract::State;
use belfry_protocol::do_not_disturb::WINDOWS_MAX;
use belfry_protocol::inbox::{AckBody, InboxStateAnswer, InboxStateBody, PAGE_ITEMS_MAX, UnreadCount};
use belfry_protocol::operation::AuthenticateAnswer;
use belfry_protocol::{DoNotDisturb, ErrorCode};
use belfry_store::InboxQuery;
use http::{HeaderMap, StatusCode};
use std::sync::Arc;

/// Items of a page where the caller does not say.
const PAGE_ITEMS_DEFAULT: u32 = 50;

fn limit(services: &Services) -> BodyLimit {
    BodyLimit { bytes_max: services.config.limits.body_bytes_max, key: "limits.body_bytes_max" }
}

/// A page of the inbox.
pub(super) async fn read_inbox(
    State(services): State<Arc<Services>>,
    person: Person,
    mut query: Query,
) -> Result<Answer, Refusal> {
    let before = query.text("before");
    let before = before.map(|token| {
        wire::parse_page_token(&token).ok_or_else(|| wrong("before", "the `next` of the page before"))
    });
    let page = InboxQuery {
        limit: query.limit(PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX)?,
        before: before.transpose()?,
        unread: query.parsed("unread", "`true` or `false`")?,
        archived: query.parsed("archived", "`true` or `false`")?.unwrap_or(false),
        category: query.text("category"),
        kind: query.text("kind"),
    };
    query.finish(&["limit", "before", "unread", "archived", "category", "kind"])?;
    let rows = services.store.inbox(person.user(), page).await;
    let rows = rows.map_err(|error| services.store_problem(&error))?;
    let settings = &person.connected.settings;
    let json = wire::inbox_page(&rows.items, rows.next, &rows.standing, settings, clock::now().at);
    Ok(body::raw_answer(StatusCode::OK, json))
}

/// Changes items.
pub(super) async fn change_state(
    State(services): State<Arc<Services>>,
    person: Person,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refusal> {
    let request: InboxStateBody = body::json(&headers, body, limit(&services)).await?;
    let epoch = person.connected.standing.epoch;
    let pointer = if request.up_to.is_some() { "/up_to" } else { "/ids" };
    let (selection, up_to) = wire::selection(request.ids, request.up_to, epoch)
        .map_err(|detail| Refusal::new(ErrorCode::FieldInvalid, detail).at(pointer, detail))?;
    let (changing, user) = (Arc::clone(&services), person.user().clone());
    let work =
        async move { changing.change_state(&user, selection, up_to, request.state, clock::now()).await };
    let changed = services.tasks.see_through(TaskKind::Change, work).await;
    let changed = changed.map_err(|error| services.store_problem(&error))?;
    let answer = InboxStateAnswer { unread: changed.unread.total(), seq: changed.seq };
    Ok(body::answer(StatusCode::OK, &answer))
}

/// The number that live frames carry too.
pub(super) async fn unread_count(
    State(services): State<Arc<Services>>,
    person: Person,
) -> Result<Answer, Refusal> {
    let standing = services.store.standing(person.user()).await;
    let unread = standing.map_err(|error| services.store_problem(&error))?.unread.total();
    Ok(body::answer(StatusCode::OK, &UnreadCount { unread }))
}

/// Receipts of clients that listen by server-sent events.
pub(super) async fn acknowledge(
    State(services): State<Arc<Services>>,
    person: Person,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refusal> {
    let ack: AckBody = body::json(&headers, body, limit(&services)).await?;
    // Read before the receipt was: whatever is stored while it waits for its commit is not confirmed by it.
    let head = person.connected.standing.head;
    let row =
        wire::ack_row(ack.into(), head).map_err(|detail| Refusal::new(ErrorCode::FieldInvalid, detail))?;
    services.metrics.count(Counter::Receipts);
    let noted = services.store.acknowledge(person.user(), row, clock::now().unix_ms());
    noted.map_err(|error| services.store_problem(&error))?;
    Ok(body::no_content())
}

/// Do-not-disturb as the user set it.
pub(super) async fn read_do_not_disturb(person: Person) -> Answer {
    body::answer(StatusCode::OK, &person.connected.settings.do_not_disturb)
}

/// Sets do-not-disturb.
pub(super) async fn put_do_not_disturb(
    State(services): State<Arc<Services>>,
    person: Person,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refusal> {
    let setting: DoNotDisturb = body::json(&headers, body, limit(&services)).await?;
    check(&setting)?;
    let (changing, user) = (Arc::clone(&services), person.user().clone());
    let work = async move { changing.set_do_not_disturb(&user, setting, clock::now()).await };
    let settings = services.tasks.see_through(TaskKind::Change, work).await;
    let settings = settings.map_err(|error| services.store_problem(&error))?;
    Ok(body::answer(StatusCode::OK, &settings.do_not_disturb))
}

fn check(setting: &DoNotDisturb) -> Result<(), Refusal> {
    let fault = |pointer: String, detail: &str| {
        Err(Refusal::new(ErrorCode::FieldInvalid, format!("{pointer}: {detail}")).at(pointer, detail))
    };
    if setting.schedule.len() > WINDOWS_MAX {
        return fault("/schedule".into(), "has too many windows, at most 32 are allowed");
    }
    for (index, window) in setting.schedule.iter().enumerate() {
        if window.days.is_empty() {
            return fault(format!("/schedule/{index}/days"), "must name at least one day");
        }
        for (name, text) in [("from", &window.from), ("to", &window.to)] {
            if quiet::parse_time(text).is_none() {
                return fault(format!("/schedule/{index}/{name}"), "must be a time of day such as `22:00`");
            }
        }
    }
    if setting.time_zone.as_deref().is_some_and(|zone| jiff::tz::TimeZone::get(zone).is_err()) {
        return fault("/time_zone".into(), "is no IANA time zone such as `Europe/Berlin`");
    }
    Ok(())
}

/// The token of this request becomes that of a live connection of the same user.
pub(super) async fn authenticate_connection(
    State(services): State<Arc<Services>>,
    person: Person,
    PathConnection(connection): PathConnection,
) -> Result<Answer, Refusal> {
    let expires_at = Some(person.identity.expires_at);
    let (issued_at, kid) = (person.identity.issued_at, person.identity.kid.clone());
    let signal = Signal::Renewed { expires_at, issued_at, kid };
    let told = services.tell_renewed(person.user(), connection.0, signal, clock::now()).await;
    if !told.map_err(|error| services.store_problem(&error))? {
        let detail = "this user has no such open connection";
        return Err(Refusal::new(ErrorCode::ConnectionUnknown, detail));
    }
    let token_expires_at = expires_at.map(clock::timestamp);
    Ok(body::answer(StatusCode::OK, &AuthenticateAnswer { token_expires_at }))
}
