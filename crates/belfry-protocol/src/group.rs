//! A set of users, for example a family.

use crate::id::{GroupId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most members named in one call.
pub const MEMBERS_MAX: usize = 10_000;
/// Most members of one page.
pub const MEMBERS_PAGE_MAX: u32 = 1_000;

/// The body of `PUT /v1/groups/{id}` and of `POST` and `DELETE /v1/groups/{id}/members`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct GroupMembers {
    /// At most 10,000 in one call; more by further `POST`s.
    #[schema(max_items = 10000)]
    pub members: Vec<UserId>,
}

/// The answer to `GET /v1/groups/{id}`: a page of members in order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Group {
    /// The id.
    pub id: GroupId,
    /// How many members there are in all.
    pub member_count: u32,
    /// This page.
    pub members: Vec<UserId>,
    /// For `after` of the next page; `null` on the last.
    #[schema(required = true)]
    pub next: Option<String>,
}

/// The answer to `PUT /v1/groups/{id}` and to `POST` and `DELETE /v1/groups/{id}/members`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct GroupSize {
    /// The id.
    pub id: GroupId,
    /// How many members there are now.
    pub member_count: u32,
}
