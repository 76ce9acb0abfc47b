//! Makes users' tokens, for `belfry token`, `belfry dev` and tests. Applications make their own.

use super::keys::SecretOptions;
use super::{SettingError, VerifierOptions};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use belfry_protocol::UserId;
use belfry_store::UnixMs;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Who it speaks for.
    pub user: UserId,
    /// `iat`, rounded down to seconds.
    pub issued_at: UnixMs,
    /// `exp`, rounded down to seconds.
    pub expires_at: UnixMs,
    /// Further claims; the ones above win.
    pub extra: Map<String, Value>,
}

/// Makes HS256 tokens that a [`super::Verifier`] with the same options accepts.
#[derive(Debug, Clone)]
pub struct Minter {
    secret: SecretOptions,
    user_claim: String,
    base: Map<String, Value>,
}

impl Minter {
    /// Takes secret, user claim, issuer, audience and required claims from the options. Refused without a secret: a
    /// server that only knows public keys cannot sign.
    pub fn new(options: &VerifierOptions) -> Result<Self, SettingError> {
        let secret = options.secrets.first().ok_or_else(|| {
            SettingError::new(
                "auth.jwt_secret",
                "tokens can only be made with a secret; let your identity provider make them",
            )
        })?;
        super::keys::VerificationKey::from_secret(secret)?;
        let mut base: Map<_, _> = options.required_claims.clone().into_iter().collect();
        if let Some(issuer) = options.issuers.first() {
            base.insert("iss".to_owned(), json!(issuer));
        }
        if let Some(audience) = options.audiences.first() {
            base.insert("aud".to_owned(), json!(audience));
        }
        let user_claim = options.user_claims.first().cloned().unwrap_or_else(|| "sub".to_owned());
        Ok(Self { secret: secret.clone(), user_claim, base })
    }

    /// Makes a token.
    pub fn mint(&self, token: NewToken) -> SecretString {
        let mut claims = self.base.clone();
        claims.extend(token.extra);
        claims.insert(self.user_claim.clone(), json!(token.user.as_str()));
        claims.insert("iat".to_owned(), json!(token.issued_at.0.div_euclid(1_000)));
        claims.insert("exp".to_owned(), json!(token.expires_at.0.div_euclid(1_000)));
        let mut header = json!({"alg": "HS256", "typ": "JWT"});
        if let Some(kid) = &self.secret.kid {
            header["kid"] = json!(kid);
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut text = format!("{}.{}", part(&header), part(&Value::Object(claims)));
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.secret.expose_secret().as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes()));
        text.push('.');
        text.push_str(&signature);
        SecretString::from(text)
    }
}
