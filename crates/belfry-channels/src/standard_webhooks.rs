//! Signed webhooks as standardwebhooks.com describes them: HMAC-SHA-256 over id, time and body.

use crate::http_client::secret_header;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;

/// The message's id: the same for every try.
pub const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
/// When this try was made, in seconds since 1970.
pub const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// One `v1,…` per secret, with spaces between.
pub const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

const PREFIX: &str = "whsec_";
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const NEW_SECRET_BYTES: usize = 32;

/// A secret that the receiver knows as well.
#[derive(Clone)]
pub struct SigningSecret(hmac::Key);

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret")
    }
}

/// What is wrong with a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is no webhook secret: that needs `whsec_` and 24 to 64 bytes as base64, for example from `openssl rand -base64 32`"
)]
pub struct BadSecret;

impl SigningSecret {
    /// Reads `whsec_…`.
    pub fn parse(text: &SecretString) -> Result<Self, BadSecret> {
        let encoded = text.expose_secret().trim().strip_prefix(PREFIX).ok_or(BadSecret)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| BadSecret)?;
        match SECRET_BYTES.contains(&bytes.len()) {
            true => Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes))),
            false => Err(BadSecret),
        }
    }

    /// A new one, as text: it is shown once to whom it is for.
    pub fn generate() -> SecretString {
        let mut bytes = [0u8; NEW_SECRET_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).expect("the operating system's random source does not fail");
        format!("{PREFIX}{}", STANDARD.encode(bytes)).into()
    }

    fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{seconds}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

/// The three headers of a signed body. With several secrets there are several signatures, and a receiver that knows
/// any of them is content: so a secret can be changed without a moment in which nothing verifies. `None` for an id that
/// cannot stand in a header.
pub fn headers(id: &str, body: &[u8], secrets: &[SigningSecret], now: Timestamp) -> Option<HeaderMap> {
    // A full stop would let two different messages look the same to the signature.
    let id_value = HeaderValue::from_str(id).ok().filter(|_| !id.is_empty() && !id.contains('.'))?;
    let seconds = now.as_second();
    let signatures: Vec<String> = secrets.iter().map(|secret| secret.sign(id, seconds, body)).collect();
    let signatures = secret_header(signatures.join(" ")).expect("base64 and spaces");
    Some(HeaderMap::from_iter([
        (WEBHOOK_ID, id_value),
        (WEBHOOK_TIMESTAMP, HeaderValue::from(seconds)),
        (WEBHOOK_SIGNATURE, signatures),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn secret(text: &str) -> Result<SigningSecret, BadSecret> {
        SigningSecret::parse(&text.to_owned().into())
    }

    #[test]
    fn the_example_of_the_specification_comes_out() {
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let headers = headers(ID, BODY, &[secret(SECRET).unwrap()], at).unwrap();
        assert_eq!(headers[WEBHOOK_ID], ID);
        assert_eq!(headers[WEBHOOK_TIMESTAMP], "1614265330");
        assert_eq!(headers[WEBHOOK_SIGNATURE], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(headers[WEBHOOK_SIGNATURE].is_sensitive());
    }

    #[test]
    fn while_a_secret_changes_both_sign() {
        let new = SigningSecret::parse(&SigningSecret::generate()).unwrap();
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let headers = headers(ID, BODY, &[new, secret(SECRET).unwrap()], at).unwrap();
        let signatures: Vec<&str> = headers[WEBHOOK_SIGNATURE].to_str().unwrap().split(' ').collect();
        assert_eq!(signatures.len(), 2);
        assert_eq!(signatures[1], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_ne!(signatures[0], signatures[1]);
    }

    #[test]
    fn a_secret_of_the_wrong_form_is_refused_and_none_is_printed() {
        let of_length = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7u8; bytes]));
        assert!(secret(&of_length(24)).is_ok() && secret(&of_length(64)).is_ok());
        for bad in ["", "whsec_", "whsec_???", &SECRET[6..], &of_length(23), &of_length(65)] {
            assert_eq!(secret(bad).map(|_| ()), Err(BadSecret), "{bad}");
        }
        assert_eq!(format!("{:?}", secret(SECRET).unwrap()), "SigningSecret");
    }

    #[test]
    fn an_id_that_could_be_mistaken_is_refused() {
        let at = Timestamp::UNIX_EPOCH;
        for bad in ["", "a.b", "a\nb"] {
            assert!(headers(bad, BODY, &[], at).is_none(), "{bad:?}");
        }
    }
}
