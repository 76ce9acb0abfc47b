//! Users' tokens: from text to [`Identity`].

use super::claims::{ClaimRules, Claims};
use super::jwks::{Jwks, JwksError, JwksOptions};
use super::keys::{self, Candidates, PublicKeyOptions, SecretOptions, VerificationKey};
use super::token_cache::TokenCache;
use super::{SettingError, TOKEN_BYTES_MAX};
use crate::clock::{self, Now};
use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use belfry_protocol::id::ID_BYTES_MAX;
use belfry_protocol::{CloseCode, ErrorCode, UserId};
use belfry_store::UnixMs;
use jsonwebtoken::Algorithm;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How tokens are verified.
#[derive(Debug, Clone)]
pub struct VerifierOptions {
    /// Shared secrets for HS256, HS384 and HS512; more than one while they are exchanged.
    pub secrets: Vec<SecretOptions>,
    /// Public keys.
    pub public_keys: Vec<PublicKeyOptions>,
    /// Where an identity provider publishes its keys.
    pub jwks: Option<JwksOptions>,
    /// Claims that may hold the user's id, first one present wins.
    pub user_claims: Vec<String>,
    /// `iss` must be one of these; empty: not checked.
    pub issuers: Vec<String>,
    /// `aud` must hold one of these; empty: not checked.
    pub audiences: Vec<String>,
    /// Claims that must be present with these values (or be a list that holds them).
    pub required_claims: BTreeMap<String, Value>,
    /// How far the clocks of issuer and node may differ, for `nbf` and `iat`. `exp` is exact: live connections end
    /// with it too.
    pub leeway: Duration,
    /// Most verified tokens that are remembered; 0: none.
    pub cached_tokens_max: usize,
}

impl Default for VerifierOptions {
    fn default() -> Self {
        Self {
            secrets: Vec::new(),
            public_keys: Vec::new(),
            jwks: None,
            user_claims: ["sub", "userId", "user_id"].map(str::to_owned).to_vec(),
            issuers: Vec::new(),
            audiences: Vec::new(),
            required_claims: BTreeMap::new(),
            leeway: Duration::from_secs(30),
            cached_tokens_max: 20_000,
        }
    }
}

impl VerifierOptions {
    /// The defaults and one shared secret.
    pub fn with_secret(secret: SecretString) -> Self {
        Self { secrets: vec![SecretOptions { kid: None, secret }], ..Self::default() }
    }
}

/// Who a verified token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub user: UserId,
    /// `iat`; tokens without it are refused once anything of the user was revoked.
    pub issued_at: Option<UnixMs>,
    /// `exp`: a live connection ends then, unless it gets a fresh token.
    pub expires_at: UnixMs,
    /// The name of the key that verified it; where that has none, the one that the token gives it.
    pub kid: Option<Arc<str>>,
    /// `jti`.
    pub token_id: Option<Box<str>>,
}

/// Why a token is refused. No text holds anything of the token but names of claims.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// None was sent.
    #[error("no token was sent: send one as `Authorization: Bearer`, in the subprotocol or in a cookie")]
    Missing,
    /// Longer than [`TOKEN_BYTES_MAX`].
    #[error("the token is longer than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    /// No JWT.
    #[error("the token is no JWT: {0}")]
    Malformed(&'static str),
    /// `alg: none` or one this server does not know.
    #[error(
        "the token's algorithm is not supported: use HS256, RS256, ES256, EdDSA or a stronger one of their kind"
    )]
    AlgorithmUnsupported,
    /// No key for this algorithm, or its `kid` names a key for another one.
    #[error(
        "no key of this server checks tokens with this algorithm, or the one that `kid` names is for another"
    )]
    AlgorithmMismatch,
    /// `crit` names what must be understood, and this server understands none of it.
    #[error("the token's header has `crit`, which is not supported")]
    CriticalHeader,
    /// No key has this `kid`.
    #[error("no key of this server has the token's `kid`")]
    KeyUnknown,
    /// The identity provider's keys could not be fetched yet.
    #[error("the identity provider's keys could not be fetched yet, so the token cannot be checked")]
    KeysUnavailable,
    /// The signature is not by the key.
    #[error("the token's signature is not valid: it was signed with another key, or changed")]
    SignatureInvalid,
    /// `exp` is missing.
    #[error("the token has no `exp`")]
    ExpiryMissing,
    /// `exp` has passed.
    #[error("the token expired at {}", clock::timestamp(*.0))]
    Expired(UnixMs),
    /// `nbf` or `iat` lies in the future.
    #[error(
        "the token is not valid yet: its `{0}` lies in the future; compare the clocks of issuer and server"
    )]
    NotYetValid(&'static str),
    /// A claim has a value it cannot have.
    #[error("the token's claim `{name}` {problem}")]
    ClaimInvalid {
        /// The claim.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// `iss` is missing or not the configured one.
    #[error("the token's `iss` is not the configured issuer")]
    IssuerWrong,
    /// `aud` is missing or does not hold the configured one.
    #[error("the token's `aud` does not hold the configured audience")]
    AudienceWrong,
    /// A required claim is missing or has another value.
    #[error("the token's claim `{0}` is missing or has not the required value")]
    RequiredClaimWrong(String),
    /// None of the claims that may hold the user's id is there.
    #[error("the token names no user: none of the claims `{0}` is present")]
    UserMissing(String),
    /// Issued at or before the moment the back end revoked, or with a revoked key.
    #[error("the token was revoked: sign in again")]
    Revoked,
}

impl TokenError {
    /// The code of the refusal.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            Self::Expired(_) => ErrorCode::TokenExpired,
            Self::Revoked => ErrorCode::TokenRevoked,
            Self::KeysUnavailable => ErrorCode::Overloaded,
            _ => ErrorCode::Unauthorized,
        }
    }

    /// The close code of the refusal.
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::Expired(_) => CloseCode::TokenExpired,
            Self::Revoked => CloseCode::TokenRevoked,
            // A new token would not help: the client comes back after a while with the same one.
            Self::KeysUnavailable => CloseCode::RateLimited,
            _ => CloseCode::TokenInvalid,
        }
    }

    /// When to try again with the same token, where that helps.
    pub fn retry_after(&self) -> Option<Duration> {
        (*self == Self::KeysUnavailable).then_some(Duration::from_secs(5))
    }
}

/// Verifies users' tokens.
pub struct Verifier {
    rules: ClaimRules,
    fixed: Vec<VerificationKey>,
    jwks: Option<Jwks>,
    ring: ArcSwap<Ring>,
    cached_tokens_max: usize,
    /// Names of keys whose tokens are refused.
    revoked: ArcSwap<BTreeSet<Box<str>>>,
}

/// The fetched keys and what was verified with them; a new set begins with an empty cache.
struct Ring {
    fetched: Vec<VerificationKey>,
    fingerprint: Option<[u8; 32]>,
    cache: TokenCache,
}

/// A refusal, and whether newer keys might change it.
struct Refused {
    error: TokenError,
    newer_keys_may_help: bool,
}

impl From<TokenError> for Refused {
    fn from(error: TokenError) -> Self {
        Self { error, newer_keys_may_help: false }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

impl Verifier {
    /// Checks the settings and loads the fixed keys; fetched ones come with [`Verifier::refresh_keys`].
    pub fn new(options: VerifierOptions) -> Result<Self, SettingError> {
        let rules = ClaimRules::new(&options)?;
        let mut fixed: Vec<VerificationKey> = Vec::new();
        for secret in &options.secrets {
            fixed.push(VerificationKey::from_secret(secret)?);
        }
        for key in &options.public_keys {
            let key = VerificationKey::from_pem(key)?;
            if key.kid().is_some() && fixed.iter().any(|known| known.kid() == key.kid()) {
                return Err(SettingError::new("auth.jwt_public_keys", "two keys have the same `kid`"));
            }
            fixed.push(key);
        }
        let jwks = options.jwks.map(Jwks::new).transpose()?;
        let cached_tokens_max = options.cached_tokens_max;
        let ring = Ring { fetched: Vec::new(), fingerprint: None, cache: TokenCache::new(cached_tokens_max) };
        let revoked = ArcSwap::default();
        Ok(Self { rules, fixed, jwks, ring: ArcSwap::from_pointee(ring), cached_tokens_max, revoked })
    }

    /// Refuses tokens of the key with this name from now on, or takes that back.
    pub fn set_key_revoked(&self, kid: &str, revoked: bool) {
        self.revoked.rcu(|known| {
            let mut keys = BTreeSet::clone(known);
            if revoked {
                keys.insert(kid.into());
            } else {
                keys.remove(kid);
            }
            keys
        });
    }

    /// Whether tokens of the key with this name are refused.
    pub fn is_key_revoked(&self, kid: Option<&str>) -> bool {
        kid.is_some_and(|kid| self.revoked.load().contains(kid))
    }

    /// The names of all keys whose tokens are refused.
    pub fn revoked_keys(&self) -> Vec<String> {
        self.revoked.load().iter().map(|kid| kid.to_string()).collect()
    }

    /// Whether any key is configured, fetched or not. Without one every token is refused.
    pub fn has_keys(&self) -> bool {
        !self.fixed.is_empty() || self.jwks.is_some()
    }

    /// Verifies a token. An unknown `kid` has the published keys fetched again, at most once per cooldown, and waits
    /// for them; nothing else waits.
    pub async fn verify(&self, token: &str, now: Now) -> Result<Identity, TokenError> {
        let ring = self.ring.load_full();
        let refused = match self.check(&ring, token, now) {
            Ok(identity) => return Ok(identity),
            Err(refused) => refused,
        };
        let Some(jwks) = self.jwks.as_ref().filter(|_| refused.newer_keys_may_help) else {
            return Err(refused.error);
        };
        jwks.newer(now).await;
        let newer = self.ring.load_full();
        if !Arc::ptr_eq(&ring, &newer) {
            return self.check(&newer, token, now).map_err(|refused| refused.error);
        }
        Err(if jwks.is_loaded() { refused.error } else { TokenError::KeysUnavailable })
    }

    /// Verifies a token with the keys at hand.
    pub fn verify_at_once(&self, token: &str, now: Now) -> Result<Identity, TokenError> {
        self.check(&self.ring.load(), token, now).map_err(|refused| refused.error)
    }

    /// Fetches the published keys once, for example before the listener opens. Without a URL it does nothing. When it
    /// fails, the last good set stays.
    pub async fn refresh_keys(&self) -> Result<(), JwksError> {
        let Some(jwks) = &self.jwks else { return Ok(()) };
        jwks.started(clock::now());
        let fetched = jwks.fetch().await;
        let outcome = match fetched {
            Ok(set) => {
                if self.ring.load().fingerprint != Some(set.fingerprint) {
                    tracing::info!(
                        key.count = set.keys.len(),
                        "took over {} verification keys",
                        set.keys.len()
                    );
                    self.ring.store(Arc::new(Ring {
                        fetched: set.keys,
                        fingerprint: Some(set.fingerprint),
                        cache: TokenCache::new(self.cached_tokens_max),
                    }));
                }
                Ok(())
            }
            Err(error) => Err(error),
        };
        jwks.finished(outcome.is_ok());
        outcome
    }

    /// Fetches the published keys at every refresh and whenever an unknown `kid` asks for it; ends only without a URL.
    pub async fn keep_keys_fresh(&self) {
        let Some(jwks) = &self.jwks else { return };
        let mut wishes = jwks.listen();
        loop {
            jwks.due(&mut wishes).await;
            if let Err(error) = self.refresh_keys().await {
                tracing::warn!(error = %error, "could not fetch the verification keys, the last good ones stay: {error}");
            }
        }
    }

    fn check(&self, ring: &Ring, token: &str, now: Now) -> Result<Identity, Refused> {
        let identity = self.prove(ring, token, now)?;
        if self.is_key_revoked(identity.kid.as_deref()) {
            return Err(TokenError::Revoked.into());
        }
        Ok(identity)
    }

    fn prove(&self, ring: &Ring, token: &str, now: Now) -> Result<Identity, Refused> {
        if token.is_empty() {
            return Err(TokenError::Missing.into());
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong.into());
        }
        let now = now.unix_ms();
        let fingerprint = TokenCache::fingerprint(token);
        if let Some(identity) = ring.cache.get(&fingerprint, now) {
            return Ok(identity);
        }
        let (message, signature) =
            token.rsplit_once('.').ok_or(TokenError::Malformed("it has not three parts"))?;
        let (header, payload) =
            message.split_once('.').ok_or(TokenError::Malformed("it has not three parts"))?;
        if payload.contains('.') {
            return Err(TokenError::Malformed(
                "it has more than three parts; encrypted tokens are not supported",
            )
            .into());
        }
        let header: Header = decode(header).ok_or(TokenError::Malformed("its header is not readable"))?;
        let algorithm = keys::algorithm(&header.alg).ok_or(TokenError::AlgorithmUnsupported)?;
        if header.crit.is_some() {
            return Err(TokenError::CriticalHeader.into());
        }
        let key = self.verifying_key(ring, &header, algorithm, (message, signature))?;
        let claims: Claims = decode(payload).ok_or(TokenError::Malformed("its payload is no JSON object"))?;
        let named = header.kid.as_deref().filter(|kid| kid.len() <= ID_BYTES_MAX);
        let kid = key.shared_kid().or_else(|| named.map(Arc::from));
        let identity = self.rules.check(&claims, kid, now)?;
        ring.cache.insert(fingerprint, identity.clone(), now);
        Ok(identity)
    }

    fn verifying_key<'k>(
        &'k self,
        ring: &'k Ring,
        header: &Header,
        algorithm: Algorithm,
        (message, signature): (&str, &str),
    ) -> Result<&'k VerificationKey, Refused> {
        let keys = self.fixed.iter().chain(&ring.fetched);
        // Published keys are never shared secrets, so newer ones cannot help such a token.
        let published = self.jwks.is_some() && algorithm.family() != jsonwebtoken::AlgorithmFamily::Hmac;
        match keys::candidates(keys, header.kid.as_deref(), algorithm) {
            Candidates::Try(keys) => {
                let found = keys.iter().find(|key| key.verifies(message.as_bytes(), signature, algorithm));
                found.copied().ok_or_else(|| Refused {
                    error: TokenError::SignatureInvalid,
                    newer_keys_may_help: published
                        && keys.iter().all(|key| header.kid.is_none() || key.kid().is_none()),
                })
            }
            Candidates::WrongAlgorithm => {
                Err(Refused { error: TokenError::AlgorithmMismatch, newer_keys_may_help: published })
            }
            Candidates::UnknownName => {
                Err(Refused { error: TokenError::KeyUnknown, newer_keys_may_help: published })
            }
        }
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
