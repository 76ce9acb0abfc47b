//! `/v1/users`: people as the application describes them.

use super::body::{self, BodyLimit};
use super::caller::{Manager, PathUser};
use crate::clock;
use crate::refusal::{Answer, Refusal};
use crate::services::Services;
use crate::tasks::TaskKind;
use crate::wire;
use axum::body::Body;
use axum::extract::State;
use belfry_protocol::export::ExportedUser;
use belfry_protocol::user::{DisconnectAnswer, DisconnectBody, User, UserProfile};
use belfry_protocol::{ErrorCode, GroupId, UserId};
use belfry_store::{Settings, UnixMs, UserExport, UserRow};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use std::sync::Arc;

/// Items of one page of an export.
const EXPORT_PAGE_ITEMS: u32 = 500;
/// Longest profile fields, in bytes.
const PROFILE_LIMITS: [(&str, usize); 4] = [("email", 320), ("locale", 35), ("time_zone", 64), ("name", 256)];

fn limit(services: &Services) -> BodyLimit {
    BodyLimit { bytes_max: services.config.limits.body_bytes_max, key: "limits.body_bytes_max" }
}

/// The refusal of a user who is not known.
pub(super) fn unknown() -> Refusal {
    Refusal::new(
        ErrorCode::UserUnknown,
        "there is no such user: users appear with their first token, alert or `PUT`",
    )
}

async fn user(services: &Services, row: UserRow) -> User {
    // A figure beside the point: where it cannot be read it is that of this node.
    let elsewhere = services.connections_elsewhere(&row.id, clock::now()).await.unwrap_or(0);
    User {
        connections: services.hub.connections_of(&row.id) + elsewhere,
        id: row.id,
        profile: row.profile,
        created_at: clock::timestamp(row.created_at),
        revoke_before: row.revoke_before.map(clock::timestamp),
        unread: row.standing.unread.total(),
    }
}

/// Sets a user's profile.
pub(super) async fn put_user(
    State(services): State<Arc<Services>>,
    _: Manager,
    PathUser(id): PathUser,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refusal> {
    let profile: UserProfile = body::json(&headers, body, limit(&services)).await?;
    check(&profile)?;
    let now = clock::now();
    let row = services.store.put_user(&id, profile, now.unix_ms()).await;
    let row = row.map_err(|error| services.store_problem(&error))?;
    services.tell_settings(&id, now).await.map_err(|error| services.store_problem(&error))?;
    Ok(body::answer(StatusCode::OK, &user(&services, row).await))
}

/// Checks what an application tells of a person.
pub(super) fn check(profile: &UserProfile) -> Result<(), Refusal> {
    let fields = [&profile.email, &profile.locale, &profile.time_zone, &profile.name];
    for ((name, bytes_max), value) in PROFILE_LIMITS.iter().zip(fields) {
        let Some(value) = value else { continue };
        let fault = if value.trim().is_empty() {
            "must not be empty: leave the field out instead".to_owned()
        } else if value.len() > *bytes_max {
            format!("has {} bytes, at most {bytes_max} are allowed", value.len())
        } else if value.chars().any(char::is_control) {
            "must not contain control characters".to_owned()
        } else if *name == "email" && !is_address(value) {
            "is no e-mail address".to_owned()
        } else if *name == "time_zone" && jiff::tz::TimeZone::get(value).is_err() {
            "is no IANA time zone such as `Europe/Berlin`".to_owned()
        } else if *name == "locale" && !is_language_tag(value) {
            "is no language tag such as `en-GB`".to_owned()
        } else {
            continue;
        };
        return Err(
            Refusal::new(ErrorCode::FieldInvalid, format!("`{name}` {fault}")).at(format!("/{name}"), fault)
        );
    }
    Ok(())
}

/// One `@` with something on both sides; the mail server knows the rest.
fn is_address(text: &str) -> bool {
    let parts: Option<(&str, &str)> = text.rsplit_once('@');
    parts.is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !text.contains(char::is_whitespace) && !local.contains('@')
    })
}

fn is_language_tag(text: &str) -> bool {
    text.split('-')
        .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Reads a user.
pub(super) async fn read_user(
    State(services): State<Arc<Services>>,
    _: Manager,
    PathUser(id): PathUser,
) -> Result<Answer, Refusal> {
    let row = services.store.user(&id).await.map_err(|error| services.store_problem(&error))?;
    let row = row.ok_or_else(unknown)?;
    Ok(body::answer(StatusCode::OK, &user(&services, row).await))
}

/// Erases everything of a user.
pub(super) async fn delete_user(
    State(services): State<Arc<Services>>,
    _: Manager,
    PathUser(id): PathUser,
) -> Result<Answer, Refusal> {
    let erasing = Arc::clone(&services);
    let work = async move { erasing.erase(&id).await };
    let erased = services.tasks.see_through(TaskKind::Change, work).await;
    let erased = erased.map_err(|error| services.store_problem(&error))?;
    if erased { Ok(body::no_content()) } else { Err(unknown()) }
}

/// Closes a user's connections and, where asked, revokes older tokens.
pub(super) async fn disconnect_user(
    State(services): State<Arc<Services>>,
    _: Manager,
    PathUser(id): PathUser,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refusal> {
    let bytes = body::read(body, limit(&services)).await?;
    let request: DisconnectBody = if bytes.is_empty() {
        DisconnectBody::default()
    } else {
        body::demand_json(&headers)?;
        body::parse(&bytes)?
    };
    let before = request.revoke_before.map(|at| UnixMs(at.as_millisecond()));
    let disconnecting = Arc::clone(&services);
    let work = async move { disconnecting.disconnect(&id, before, clock::now()).await };
    let closed = services.tasks.see_through(TaskKind::Change, work).await;
    let closed = closed.map_err(|error| services.store_problem(&error))?;
    Ok(body::answer(StatusCode::OK, &DisconnectAnswer { closed }))
}

/// Everything stored about a user, as lines of JSON, streamed page by page.
pub(super) async fn export_user(
    State(services): State<Arc<Services>>,
    _: Manager,
    PathUser(id): PathUser,
) -> Result<Answer, Refusal> {
    let first = page(&services, &id, None).await?.ok_or_else(unknown)?;
    let head = head_line(&services, &first).await;
    let next = first.next;
    let items = item_lines(&first);
    let rest = futures_util::stream::unfold((services, id, next), |(services, id, next)| async move {
        let before = next?;
        match page(&services, &id, Some(before)).await {
            Ok(Some(page)) => Some((Ok(item_lines(&page)), (services, id, page.next))),
            // Cut, or half of it would look like all of it.
            Ok(None) => Some((Err(std::io::Error::other("the user was erased")), (services, id, None))),
            Err(refusal) => {
                let cut = std::io::Error::other(format!("{:?}", refusal.problem.code));
                Some((Err(cut), (services, id, None)))
            }
        }
    });
    let stream = futures_util::StreamExt::chain(futures_util::stream::iter([Ok(head), Ok(items)]), rest);
    let mut response = Response::new(Body::from_stream(stream));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

async fn page(services: &Services, id: &UserId, before: Option<i64>) -> Result<Option<UserExport>, Refusal> {
    let page = services.store.export_user(id, before, EXPORT_PAGE_ITEMS).await;
    Ok(page.map_err(|error| services.store_problem(&error))?)
}

async fn head_line(services: &Services, export: &UserExport) -> Bytes {
    #[derive(serde::Serialize)]
    struct Head {
        user: ExportedUser,
    }
    let groups = export.groups.iter().filter_map(|group| GroupId::new(group.as_str()).ok()).collect();
    let head = Head {
        user: ExportedUser {
            profile: user(services, export.user.clone()).await,
            do_not_disturb: export.settings.do_not_disturb.clone(),
            preferences: export.preferences.clone(),
            devices: export.devices.iter().cloned().map(wire::exported_device).collect(),
            groups,
        },
    };
    let mut line = serde_json::to_vec(&head).expect("a user has a JSON form");
    line.push(b'\n');
    line.into()
}

fn item_lines(export: &UserExport) -> Bytes {
    let mut lines = Vec::new();
    for item in &export.items {
        lines.extend_from_slice(b"{\"item\":");
        wire::write_item(&mut lines, item, &Settings::default(), jiff::Timestamp::UNIX_EPOCH);
        lines.extend_from_slice(b"}\n");
    }
    lines.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profile_faults_name_field_and_remedy() {
        let wrong = [
            (UserProfile { email: Some("ann".into()), ..UserProfile::default() }, "/email"),
            (UserProfile { email: Some("a b@x".into()), ..UserProfile::default() }, "/email"),
            (UserProfile { time_zone: Some("Berlin".into()), ..UserProfile::default() }, "/time_zone"),
            (UserProfile { locale: Some("en_GB".into()), ..UserProfile::default() }, "/locale"),
            (UserProfile { name: Some("a\u{7}".into()), ..UserProfile::default() }, "/name"),
            (UserProfile { name: Some(" ".into()), ..UserProfile::default() }, "/name"),
        ];
        for (profile, pointer) in wrong {
            let refusal = check(&profile).expect_err(pointer);
            assert_eq!(refusal.problem.errors[0].pointer, pointer);
        }
        let good = UserProfile {
            email: Some("ann@example.com".into()),
            locale: Some("en-GB".into()),
            time_zone: Some("Europe/Berlin".into()),
            name: Some("Ann".into()),
        };
        assert_eq!(check(&good), Ok(()));
    }
}
