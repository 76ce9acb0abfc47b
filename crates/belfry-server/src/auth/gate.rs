//! The one order in which a user's request is let in: credential, page's origin, token.

use super::{
    Action, CookieNames, Credential, CredentialError, Identity, OriginError, Origins, Place, Source,
    TokenError, Verifier, is_revoked,
};
use crate::clock::Now;
use belfry_protocol::{CloseCode, ErrorCode};
use belfry_store::UnixMs;
use http::{HeaderMap, Method};
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::time::Duration;

/// The parts of a request that say who asks.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'r> {
    /// The method.
    pub method: &'r Method,
    /// The headers.
    pub headers: &'r HeaderMap,
    /// The query, undecoded.
    pub query: Option<&'r str>,
    /// Where the credential may stand.
    pub place: Place,
}

/// Why a user's request is refused. Every variant has a code, a close code and a sentence that may be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The credential cannot be read.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The page may not use its cookie.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// The token is missing or no good.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl Refusal {
    /// The code of the refusal.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            Self::Credential(error) => error.error_code(),
            Self::Origin(error) => error.error_code(),
            Self::Token(error) => error.error_code(),
        }
    }

    /// The close code of the refusal.
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::Credential(error) => error.close_code(),
            Self::Origin(error) => error.close_code(),
            Self::Token(error) => error.close_code(),
        }
    }

    /// When to try again unchanged, where that helps.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Token(error) => error.retry_after(),
            Self::Credential(_) | Self::Origin(_) => None,
        }
    }
}

/// Lets users in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gate {
    verifier: Arc<Verifier>,
    origins: Arc<Origins>,
    cookies: Arc<CookieNames>,
}

impl Gate {
    /// Puts the parts together; refuses `*` as origin together with cookies.
    pub fn new(
        verifier: Arc<Verifier>,
        origins: Origins,
        cookies: CookieNames,
    ) -> Result<Self, super::SettingError> {
        origins.check(&cookies)?;
        Ok(Self { verifier, origins: Arc::new(origins), cookies: Arc::new(cookies) })
    }

    /// The verifier, for tokens that come by other ways (`authenticate`).
    pub fn verifier(&self) -> &Arc<Verifier> {
        &self.verifier
    }

    /// The origins, for CORS.
    pub fn origins(&self) -> &Origins {
        &self.origins
    }

    /// The credential of a request, if its page may use it.
    pub fn credential(&self, asking: Asking<'_>) -> Result<Option<Credential>, Refusal> {
        let Some(credential) = Credential::find(asking.headers, asking.query, asking.place, &self.cookies)?
        else {
            return Ok(None);
        };
        let action = match asking.place {
            Place::Socket => Action::Upgrade,
            Place::Events | Place::Api => Action::of_method(asking.method),
        };
        self.origins.permit(credential.source, action, asking.headers)?;
        Ok(Some(credential))
    }

    /// Who asks. Whether the user revoked older tokens stands in the store: see [`check_revoked`](Gate::check_revoked).
    pub async fn user(&self, asking: Asking<'_>, now: Now) -> Result<(Identity, Source), Refusal> {
        let credential = self.credential(asking)?.ok_or(TokenError::Missing)?;
        let identity = self.verifier.verify(credential.token.expose_secret(), now).await?;
        Ok((identity, credential.source))
    }

    /// Refuses an identity whose token was issued at or before the user's `revoke_before`, or whose key was revoked
    /// since it was verified.
    pub fn check_revoked(&self, identity: &Identity, revoke_before: Option<UnixMs>) -> Result<(), Refusal> {
        let revoked = is_revoked(identity.issued_at, revoke_before)
            || self.verifier.is_key_revoked(identity.kid.as_deref());
        if revoked { Err(TokenError::Revoked.into()) } else { Ok(()) }
    }
}
