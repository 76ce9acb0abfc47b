//! `/v1/preferences`: which categories a user wants by which way.

use super::body::{self, BodyLimit};
use super::caller::Person;
use crate::clock;
use crate::refusal::{Answer, Refusal};
use crate::services::Services;
use crate::tasks::TaskKind;
use axum::body::Body;
use axum::extract::State;
use belfry_protocol::ErrorCode;
use belfry_protocol::alert::KEY_BYTES_MAX;
use belfry_protocol::preferences::{PREFERENCE_CATEGORIES_MAX, Preferences};
use http::{HeaderMap, StatusCode};
use std::sync::Arc;

/// Preferences as the user set them.
pub(super) async fn read_preferences(
    State(services): State<Arc<Services>>,
    person: Person,
) -> Result<Answer, Refusal> {
    let preferences = services.store.preferences(person.user(), clock::now().unix_ms()).await;
    let preferences = preferences.map_err(|error| services.store_problem(&error))?;
    Ok(body::answer(StatusCode::OK, &preferences))
}

/// Sets preferences.
pub(super) async fn put_preferences(
    State(services): State<Arc<Services>>,
    person: Person,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refusal> {
    let limit = BodyLimit { bytes_max: services.config.limits.body_bytes_max, key: "limits.body_bytes_max" };
    let preferences: Preferences = body::json(&headers, body, limit).await?;
    check(&preferences)?;
    let (changing, user, wanted) = (Arc::clone(&services), person.user().clone(), preferences.clone());
    let work = async move { changing.set_preferences(&user, wanted, clock::now()).await };
    let set = services.tasks.see_through(TaskKind::Change, work).await;
    set.map_err(|error| services.store_problem(&error))?;
    Ok(body::answer(StatusCode::OK, &preferences))
}

fn check(preferences: &Preferences) -> Result<(), Refusal> {
    let fault = |pointer: String, detail: String| {
        Err(Refusal::new(ErrorCode::FieldInvalid, format!("{pointer}: {detail}")).at(pointer, detail))
    };
    let categories = &preferences.categories;
    if categories.len() > PREFERENCE_CATEGORIES_MAX {
        let detail = format!(
            "has {} entries, at most {PREFERENCE_CATEGORIES_MAX} are allowed; what most of them say can stand in `default`",
            categories.len()
        );
        return fault("/categories".to_owned(), detail);
    }
    for category in categories.keys() {
        let detail = if category.trim().is_empty() {
            "a category has a name".to_owned()
        } else if category.len() > KEY_BYTES_MAX {
            format!("a category's name has at most {KEY_BYTES_MAX} bytes")
        } else if category.chars().any(char::is_control) {
            "a category's name has no control characters".to_owned()
        } else {
            continue;
        };
        return fault(format!("/categories/{}", category.replace('~', "~0").replace('/', "~1")), detail);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(categories: impl IntoIterator<Item = String>) -> Option<String> {
        let categories = categories.into_iter().map(|name| (name, Default::default())).collect();
        let preferences = Preferences { categories, ..Preferences::default() };
        check(&preferences).err().map(|refusal| refusal.problem.errors[0].pointer.clone())
    }

    #[test]
    fn categories_have_names_and_a_number() {
        let numbered = |count: usize| (0..count).map(|n| format!("category-{n}"));
        assert_eq!(pointer(numbered(PREFERENCE_CATEGORIES_MAX)), None);
        assert_eq!(pointer(numbered(PREFERENCE_CATEGORIES_MAX + 1)).as_deref(), Some("/categories"));
        assert_eq!(pointer(["a".repeat(KEY_BYTES_MAX)]), None);
        assert!(pointer(["a".repeat(KEY_BYTES_MAX + 1)]).is_some());
        assert_eq!(pointer([" ".to_owned()]).as_deref(), Some("/categories/ "));
        assert_eq!(pointer(["a/b\u{7}".to_owned()]).as_deref(), Some("/categories/a~1b\u{7}"));
    }
}
