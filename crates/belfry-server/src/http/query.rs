//! Query parameters: known names only, each with its own sentence when it is wrong.

use crate::refusal::Refusal;
use axum::extract::FromRequestParts;
use belfry_protocol::ErrorCode;
use http::request::Parts;
use std::collections::BTreeMap;

/// The parameters of a request, each at most once.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(BTreeMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let axum::extract::Query(pairs) =
            pairs.map_err(|error| Refusal::new(ErrorCode::QueryInvalid, error.body_text()))?;
        let mut query = BTreeMap::new();
        for (name, value) in pairs {
            if query.insert(name.clone(), value).is_some() {
                return Err(Refusal::new(ErrorCode::QueryInvalid, format!("`{name}` stands twice")));
            }
        }
        Ok(Self(query))
    }
}

impl Query {
    /// Takes a text.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// Takes a value that is parsed.
    pub(super) fn parsed<T: std::str::FromStr>(
        &mut self,
        name: &str,
        expected: &str,
    ) -> Result<Option<T>, Refusal> {
        let Some(text) = self.0.remove(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| wrong(name, expected))
    }

    /// Takes a page size.
    pub(super) fn limit(&mut self, default: u32, max: u32) -> Result<u32, Refusal> {
        let expected = format!("a number from 1 to {max}");
        let limit = self.parsed("limit", &expected)?.unwrap_or(default);
        if (1..=max).contains(&limit) { Ok(limit) } else { Err(wrong("limit", &expected)) }
    }

    /// Whatever is left is unknown.
    pub(super) fn finish(self, known: &[&str]) -> Result<(), Refusal> {
        let Some(name) = self.0.into_keys().next() else { return Ok(()) };
        let known = known.join("`, `");
        Err(Refusal::new(ErrorCode::QueryInvalid, format!("`{name}` is not known here; known: `{known}`")))
    }
}

/// The refusal of a parameter.
pub(super) fn wrong(name: &str, expected: &str) -> Refusal {
    Refusal::new(ErrorCode::QueryInvalid, format!("`{name}` must be {expected}"))
}
