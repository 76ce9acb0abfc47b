//! Whether a sender is who it says (RFC 8292), as strict as the strictest push service.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

/// What a sender's token says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Claims {
    /// For which push service.
    pub aud: String,
    /// Until when, in seconds since 1970.
    pub exp: i64,
    /// Whom to write to.
    #[serde(default)]
    pub sub: Option<String>,
}

pub(super) struct Checked {
    pub(super) token: String,
    pub(super) claims: Claims,
    pub(super) server_key: String,
}

#[derive(serde::Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    typ: Option<String>,
}

pub(super) fn check(authorization: &str, origin: &str, now: Timestamp) -> Result<Checked, &'static str> {
    let (token, server_key) = authorization
        .strip_prefix("vapid t=")
        .and_then(|rest| rest.split_once(", k="))
        .ok_or("Unknown auth scheme")?;
    let (message, signature) = token.rsplit_once('.').ok_or("Missing VAPID token")?;
    let (header, claims) = message.split_once('.').ok_or("Missing VAPID token")?;
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| "the token is no base64url");
    let key = decode(server_key)?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key)
        .verify(message.as_bytes(), &decode(signature)?)
        .map_err(|_| "the signature does not fit")?;
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| "the token has no header")?;
    if header.alg != "ES256" || header.typ.is_some_and(|typ| typ != "JWT") {
        return Err("it is no ES256 JWT");
    }
    let claims: Claims = serde_json::from_slice(&decode(claims)?).map_err(|_| "the token has no claims")?;
    if claims.aud != origin {
        return Err("Invalid VAPID audience");
    }
    let left = claims.exp - now.as_second();
    if left <= 0 {
        return Err("Invalid VAPID expiry");
    }
    if left > 24 * 60 * 60 {
        return Err("The VAPID token expiration is too long");
    }
    match &claims.sub {
        Some(sub) if sub.starts_with("mailto:") || sub.starts_with("https://") => {}
        Some(_) => return Err("Invalid VAPID subject"),
        None => return Err("Missing VAPID subject"),
    }
    Ok(Checked { token: token.to_owned(), claims, server_key: server_key.to_owned() })
}
