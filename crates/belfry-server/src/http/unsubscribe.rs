//! `/u/{signed}`: out of a category's mails with one click (RFC 8058). No cookie, no login, no redirect: `POST` does
//! it, `GET` shows a page with a button, because mail scanners follow links.

mod page;
mod words;

use super::body::{self, BodyLimit};
use super::receipts::take_rate;
use crate::clock;
use crate::metrics::Counter;
use crate::refusal::{Answer, Refusal};
use crate::services::Services;
use crate::signed::UnsubscribeClaim;
use crate::tasks::TaskKind;
use axum::body::Body;
use axum::extract::{Path, State};
use belfry_protocol::ErrorCode;
use belfry_store::Recipient;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use page::Shown;
use std::sync::Arc;
use words::Words;

/// Most bytes of the form.
const FORM: BodyLimit = BodyLimit { bytes_max: 4_096, key: "the form has one field" };

/// Shows what the link is for. Changes nothing.
pub(super) async fn show(
    State(services): State<Arc<Services>>,
    Path(signed): Path<String>,
    headers: HeaderMap,
) -> Result<Answer, Refusal> {
    let Ok(claim) = services.signer.unsubscribe(&signed) else { return Ok(forged(&services, &headers)) };
    take_rate(&services, &claim.user, clock::now())?;
    let person = person(&services, &claim).await?;
    let words = words_for(person.as_ref(), &headers);
    let is_off = person.as_ref().is_some_and(|person| {
        let choices = person.preferences.categories.get(&claim.category);
        choices.and_then(|choices| choices.email) == Some(false)
    });
    let shown = if is_off { Shown::Done } else { Shown::Question };
    Ok(page::answer(StatusCode::OK, shown, words, &claim.category))
}

/// Turns e-mail off for the category.
pub(super) async fn unsubscribe(
    State(services): State<Arc<Services>>,
    Path(signed): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refusal> {
    let Ok(claim) = services.signer.unsubscribe(&signed) else { return Ok(forged(&services, &headers)) };
    let now = clock::now();
    take_rate(&services, &claim.user, now)?;
    read_form(&headers, body).await?;
    let (changing, wish) = (Arc::clone(&services), claim.clone());
    let work = async move { changing.unsubscribe(&wish.user, &wish.category, now).await };
    let done = services.tasks.see_through(TaskKind::Change, work).await;
    done.map_err(|error| services.store_problem(&error))?;
    let person = person(&services, &claim).await?;
    let words = words_for(person.as_ref(), &headers);
    Ok(page::answer(StatusCode::OK, Shown::Done, words, &claim.category))
}

fn forged(services: &Services, headers: &HeaderMap) -> Answer {
    services.metrics.count(Counter::AuthRefused);
    page::answer(StatusCode::FORBIDDEN, Shown::Forged, words_for(None, headers), "")
}

async fn person(services: &Services, claim: &UnsubscribeClaim) -> Result<Option<Recipient>, Refusal> {
    let people = services.store.recipients(std::slice::from_ref(&claim.user)).await;
    Ok(people.map_err(|error| services.store_problem(&error))?.pop())
}

/// The person's own language; of a person who is not known any more, their browser's.
fn words_for(person: Option<&Recipient>, headers: &HeaderMap) -> &'static Words {
    let own = person.and_then(|person| person.profile.locale.as_deref());
    own.and_then(words::of_tag).or_else(|| words::of_browser(headers)).unwrap_or(&words::ENGLISH)
}

/// Whether the form says what RFC 8058 demands, in either of its two encodings.
async fn read_form(headers: &HeaderMap, body: Body) -> Result<(), Refusal> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_multipart = match essence.as_str() {
        "application/x-www-form-urlencoded" => false,
        "multipart/form-data" => true,
        _ => {
            let detail = "send the form as `Content-Type: application/x-www-form-urlencoded`";
            return Err(Refusal::new(ErrorCode::ContentTypeUnsupported, detail));
        }
    };
    let bytes = body::read(body, FORM).await?;
    let form = String::from_utf8_lossy(&bytes);
    let says_so = if is_multipart {
        form.contains("List-Unsubscribe") && form.contains("One-Click")
    } else {
        form.split('&').any(|field| field.trim_end() == "List-Unsubscribe=One-Click")
    };
    if says_so {
        return Ok(());
    }
    let detail = "must be `One-Click`";
    Err(Refusal::new(ErrorCode::FieldInvalid, format!("`List-Unsubscribe` {detail}"))
        .at("/List-Unsubscribe", detail))
}
