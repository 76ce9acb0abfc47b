//! What a verified token must say, and what it says about its user. Pure.

use super::{Identity, SettingError, TokenError, VerifierOptions};
use belfry_protocol::UserId;
use belfry_store::UnixMs;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A token's payload.
pub(super) type Claims = Map<String, Value>;

/// Last second of the year 9999. A larger number is most likely in milliseconds.
const SECONDS_MAX: i64 = 253_402_300_799;

/// The rules that claims have to keep.
pub(super) struct ClaimRules {
    user_claims: Vec<String>,
    issuers: Vec<String>,
    audiences: Vec<String>,
    required: BTreeMap<String, Value>,
    leeway: Duration,
}

impl ClaimRules {
    /// Checks the settings.
    pub(super) fn new(options: &VerifierOptions) -> Result<Self, SettingError> {
        if options.user_claims.is_empty() || options.user_claims.iter().any(String::is_empty) {
            return Err(SettingError::new(
                "auth.user_claims",
                "name at least one claim that holds the user's id, for example \"sub\"",
            ));
        }
        Ok(Self {
            user_claims: options.user_claims.clone(),
            issuers: options.issuers.clone(),
            audiences: options.audiences.clone(),
            required: options.required_claims.clone(),
            leeway: options.leeway,
        })
    }

    /// Checks the claims of a token whose signature is good.
    pub(super) fn check(
        &self,
        claims: &Claims,
        kid: Option<Arc<str>>,
        now: UnixMs,
    ) -> Result<Identity, TokenError> {
        let leeway = i64::try_from(self.leeway.as_millis()).unwrap_or(i64::MAX);
        let expires_at = moment(claims, "exp")?.ok_or(TokenError::ExpiryMissing)?;
        if expires_at <= now {
            return Err(TokenError::Expired(expires_at));
        }
        let issued_at = moment(claims, "iat")?;
        for (claim, at) in [("nbf", moment(claims, "nbf")?), ("iat", issued_at)] {
            if at.is_some_and(|at| at.0.saturating_sub(leeway) > now.0) {
                return Err(TokenError::NotYetValid(claim));
            }
        }
        if !self.issuers.is_empty() && !holds_any(claims.get("iss"), &self.issuers, Lists::Refused) {
            return Err(TokenError::IssuerWrong);
        }
        if !self.audiences.is_empty() && !holds_any(claims.get("aud"), &self.audiences, Lists::Allowed) {
            return Err(TokenError::AudienceWrong);
        }
        for (name, wanted) in &self.required {
            if !claims.get(name).is_some_and(|found| holds(found, wanted)) {
                return Err(TokenError::RequiredClaimWrong(name.clone()));
            }
        }
        let token_id = claims.get("jti").and_then(Value::as_str).map(Into::into);
        Ok(Identity { user: self.user(claims)?, issued_at, expires_at, kid, token_id })
    }

    fn user(&self, claims: &Claims) -> Result<UserId, TokenError> {
        let present = |name: &&String| claims.get(name.as_str()).is_some_and(|value| !value.is_null());
        let Some(name) = self.user_claims.iter().find(present) else {
            return Err(TokenError::UserMissing(self.user_claims.join("`, `")));
        };
        let text = match &claims[name.as_str()] {
            Value::String(text) => text.clone(),
            Value::Number(number) if !number.is_f64() => number.to_string(),
            _ => {
                return Err(TokenError::ClaimInvalid {
                    name: name.clone(),
                    problem: "is no text and no integer",
                });
            }
        };
        UserId::new(text).map_err(|error| TokenError::ClaimInvalid {
            name: name.clone(),
            problem: match error {
                belfry_protocol::id::IdError::Empty => "is empty",
                belfry_protocol::id::IdError::TooLong => "is longer than 256 bytes",
                belfry_protocol::id::IdError::ControlCharacter => "contains control characters",
            },
        })
    }
}

/// A moment in seconds since 1970, possibly with a fraction.
fn moment(claims: &Claims, name: &'static str) -> Result<Option<UnixMs>, TokenError> {
    let invalid =
        || TokenError::ClaimInvalid { name: name.to_owned(), problem: "is no time in seconds since 1970" };
    let number = match claims.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number,
        Some(_) => return Err(invalid()),
    };
    let millis = match (number.as_i64(), number.as_f64()) {
        (Some(seconds), _) if (0..=SECONDS_MAX).contains(&seconds) => seconds * 1_000,
        (None, Some(seconds)) if (0.0..=SECONDS_MAX as f64).contains(&seconds) => (seconds * 1_000.0) as i64,
        _ => return Err(invalid()),
    };
    Ok(Some(UnixMs(millis)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lists {
    Allowed,
    Refused,
}

fn holds_any(found: Option<&Value>, wanted: &[String], lists: Lists) -> bool {
    let is_wanted = |value: &Value| value.as_str().is_some_and(|text| wanted.iter().any(|w| w == text));
    match found {
        Some(Value::Array(values)) if lists == Lists::Allowed => values.iter().any(is_wanted),
        Some(value) => is_wanted(value),
        None => false,
    }
}

/// Equal, or a list that holds it (roles, scopes).
fn holds(found: &Value, wanted: &Value) -> bool {
    found == wanted || found.as_array().is_some_and(|values| values.contains(wanted))
}
