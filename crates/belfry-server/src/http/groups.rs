//! `/v1/groups`: sets of users, for example families.

use super::body::{self, BodyLimit};
use super::caller::{Manager, PathGroup};
use super::query::Query;
use crate::clock;
use crate::refusal::{Answer, Refusal};
use crate::services::Services;
use axum::body::Body;
use axum::extract::State;
use belfry_protocol::audience::AUDIENCE_USERS_MAX;
use belfry_protocol::group::{Group, GroupMembers, GroupSize, MEMBERS_PAGE_MAX};
use belfry_protocol::{ErrorCode, GroupId, UserId};
use belfry_store::StoreError;
use http::{HeaderMap, StatusCode};
use std::sync::Arc;

fn unknown() -> Refusal {
    Refusal::new(ErrorCode::GroupUnknown, "there is no such group: create it with `PUT /v1/groups/{id}`")
}

async fn members(services: &Services, headers: &HeaderMap, body: Body) -> Result<Vec<UserId>, Refusal> {
    let limit = BodyLimit {
        bytes_max: services.config.limits.body_users_bytes_max,
        key: "limits.body_users_bytes_max",
    };
    let body: GroupMembers = body::json(headers, body, limit).await?;
    if body.members.len() > AUDIENCE_USERS_MAX {
        let detail = format!(
            "has {} entries, at most {AUDIENCE_USERS_MAX} in one call: add the others by `POST …/members`",
            body.members.len()
        );
        return Err(
            Refusal::new(ErrorCode::FieldInvalid, format!("`members` {detail}")).at("/members", detail)
        );
    }
    Ok(body.members)
}

/// What a caller is told of a group whose members were changed.
fn changed(
    services: &Services,
    id: GroupId,
    count: Result<Option<u32>, StoreError>,
) -> Result<Answer, Refusal> {
    let member_count = count.map_err(|error| services.store_problem(&error))?.ok_or_else(unknown)?;
    Ok(body::answer(StatusCode::OK, &GroupSize { id, member_count }))
}

/// Replaces a group's members.
pub(super) async fn put_group(
    State(services): State<Arc<Services>>,
    _: Manager,
    PathGroup(id): PathGroup,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refusal> {
    let members = members(&services, &headers, body).await?;
    let count = services.store.put_group(&id, members, clock::now().unix_ms()).await;
    changed(&services, id, count.map(Some))
}

/// Adds members.
pub(super) async fn add_members(
    State(services): State<Arc<Services>>,
    _: Manager,
    PathGroup(id): PathGroup,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refusal> {
    let members = members(&services, &headers, body).await?;
    let count = services.store.add_members(&id, members, clock::now().unix_ms()).await;
    changed(&services, id, count)
}

/// Removes members.
pub(super) async fn remove_members(
    State(services): State<Arc<Services>>,
    _: Manager,
    PathGroup(id): PathGroup,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refusal> {
    let members = members(&services, &headers, body).await?;
    let count = services.store.remove_members(&id, members, clock::now().unix_ms()).await;
    changed(&services, id, count)
}

/// A page of members.
pub(super) async fn read_group(
    State(services): State<Arc<Services>>,
    _: Manager,
    PathGroup(id): PathGroup,
    mut query: Query,
) -> Result<Answer, Refusal> {
    let limit = query.limit(MEMBERS_PAGE_MAX, MEMBERS_PAGE_MAX)?;
    let after: Option<UserId> = query.parsed("after", "the `next` of the page before")?;
    query.finish(&["limit", "after"])?;
    let page = services.store.group(&id, after.as_ref(), limit).await;
    let page = page.map_err(|error| services.store_problem(&error))?.ok_or_else(unknown)?;
    let next = page.members.last().filter(|_| page.more).map(UserId::to_string);
    let group = Group { id, member_count: page.member_count, members: page.members, next };
    Ok(body::answer(StatusCode::OK, &group))
}

/// Deletes a group.
pub(super) async fn delete_group(
    State(services): State<Arc<Services>>,
    _: Manager,
    PathGroup(id): PathGroup,
) -> Result<Answer, Refusal> {
    let deleted = services.store.delete_group(&id).await.map_err(|error| services.store_problem(&error))?;
    if deleted { Ok(body::no_content()) } else { Err(unknown()) }
}
