//! Who we are to push services: key pairs and the signed tokens made with them (RFC 8292).

use super::encrypt::{PUBLIC_KEY_BYTES, decode};
use crate::http_client::{SetupError, secret_header};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A day is the most that is allowed; half of it leaves room for clocks that are wrong in either direction.
const VALID_FOR: SignedDuration = SignedDuration::from_hours(12);
/// Apple wants a token to be used for an hour at least.
const RENEWED_AFTER: SignedDuration = SignedDuration::from_hours(11);
/// A token that is younger is kept, whatever a push service says about it.
const KEPT_AT_LEAST: SignedDuration = SignedDuration::from_hours(1);
/// Tokens kept, one per key and push service. There are a handful of them; more only where every host is allowed.
const TOKENS_MAX: usize = 1_024;
const ID_CHARACTERS: usize = 16;
/// `{"typ":"JWT","alg":"ES256"}`
const JWT_HEADER: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9";

/// A key pair that subscriptions are bound to, for life.
pub struct VapidKey {
    pair: EcdsaKeyPair,
    public: String,
    id: String,
}

impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VapidKey({})", self.id)
    }
}

impl VapidKey {
    /// A new one.
    pub fn generate() -> Self {
        let pair =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key can always be made");
        Self::of(pair)
    }

    /// Reads a private key: 32 bytes as base64url, or PEM. `None` when it is neither.
    pub fn parse(text: &SecretString) -> Option<Self> {
        let text = text.expose_secret().trim();
        let pair = match text.starts_with("-----BEGIN") {
            true => {
                let der: String =
                    text.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
                let der = STANDARD.decode(der).ok()?;
                EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).ok()?
            }
            false => {
                let private = decode(text)?;
                let public =
                    PrivateKey::from_private_key(&ECDH_P256, &private).ok()?.compute_public_key().ok()?;
                let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
                EcdsaKeyPair::from_private_key_and_public_key(algorithm, &private, public.as_ref()).ok()?
            }
        };
        Some(Self::of(pair))
    }

    fn of(pair: EcdsaKeyPair) -> Self {
        let bytes = pair.public_key().as_ref();
        debug_assert_eq!(bytes.len(), PUBLIC_KEY_BYTES);
        let mut id = URL_SAFE_NO_PAD.encode(digest(&SHA256, bytes));
        id.truncate(ID_CHARACTERS);
        Self { public: URL_SAFE_NO_PAD.encode(bytes), id, pair }
    }

    /// For `applicationServerKey`: 65 bytes, base64url.
    pub fn public_key(&self) -> &str {
        &self.public
    }

    /// Names it, so that a subscription can say which key it was made with.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The private key as it is configured: 32 bytes, base64url.
    pub fn private_key(&self) -> SecretString {
        let bytes = self.pair.private_key().as_be_bytes().expect("a key pair has a private key");
        URL_SAFE_NO_PAD.encode(bytes.as_ref()).into()
    }

    fn sign(&self, message: &str) -> String {
        let signature =
            self.pair.sign(&SystemRandom::new(), message.as_bytes()).expect("signing does not fail");
        URL_SAFE_NO_PAD.encode(signature)
    }
}

/// Whether push services take this as whom to write to. Apple is the strictest: it refuses `mailto:` addresses on
/// this machine, and any with spaces or angle brackets.
pub fn check_subject(subject: &str) -> Result<(), &'static str> {
    let public = |host: &str| {
        let host = host.to_ascii_lowercase();
        host.contains('.')
            && !host.starts_with('.')
            && !host.ends_with('.')
            && !host.ends_with(".localhost")
            && !host.ends_with(".local")
    };
    if subject.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',')) {
        return Err(
            "it has a space, a bracket or a comma in it, which Apple refuses; write \"mailto:push@example.com\"",
        );
    }
    if let Some(mailbox) = subject.strip_prefix("mailto:") {
        return match mailbox.split_once('@') {
            Some((local, host)) if !local.is_empty() && !host.contains('@') && public(host) => Ok(()),
            _ => Err("it is no address that somebody outside could write to, which Apple refuses"),
        };
    }
    match Url::parse(subject) {
        Ok(url) if url.scheme() == "https" && url.host_str().is_some_and(public) => Ok(()),
        _ => Err("it must be `mailto:` and an address, or an `https:` URL"),
    }
}

/// The key pairs, and the tokens made with them.
#[derive(Debug)]
pub(super) struct Vapid {
    /// The present one first.
    keys: Vec<Arc<VapidKey>>,
    subject: Option<String>,
    tokens: Mutex<HashMap<(String, String), Token>>,
}

#[derive(Clone)]
struct Token {
    header: HeaderValue,
    made_at: Timestamp,
    used_at: Timestamp,
    /// The push service took it.
    accepted: bool,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.made_at)
    }
}

impl Token {
    /// Not too old, and not from a future that a wrong clock once showed.
    fn is_good(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.made_at);
        age < RENEWED_AFTER && age > -KEPT_AT_LEAST
    }
}

impl Vapid {
    pub(super) fn new(keys: Vec<VapidKey>, subject: Option<String>) -> Result<Self, SetupError> {
        if let Some(problem) = subject.as_deref().and_then(|subject| check_subject(subject).err()) {
            return Err(SetupError::new("web_push.subject", problem));
        }
        let keys = keys.into_iter().map(Arc::new).collect();
        Ok(Self { keys, subject, tokens: Mutex::default() })
    }

    /// The key that new subscriptions are made with.
    pub(super) fn present(&self) -> &Arc<VapidKey> {
        self.keys.first().expect("there is always a present key")
    }

    /// The key of this id; without one the present key.
    pub(super) fn key(&self, id: Option<&str>) -> Option<&Arc<VapidKey>> {
        match id {
            None => Some(self.present()),
            Some(id) => self.keys.iter().find(|key| key.id == id),
        }
    }

    pub(super) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// `Authorization` for a push service, made once for many calls.
    pub(super) fn authorization(&self, key: &VapidKey, origin: &str, now: Timestamp) -> HeaderValue {
        let slot = (key.id.clone(), origin.to_owned());
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = tokens.get_mut(&slot).filter(|token| token.is_good(now)) {
            token.used_at = token.used_at.max(now);
            return token.header.clone();
        }
        let oldest = tokens.iter().min_by_key(|(_, token)| token.used_at).map(|(slot, _)| slot.clone());
        if let Some(oldest) = oldest.filter(|_| tokens.len() >= TOKENS_MAX) {
            tokens.remove(&oldest);
        }
        let header = self.make(key, origin, now);
        tokens.insert(slot, Token { header: header.clone(), made_at: now, used_at: now, accepted: false });
        header
    }

    fn make(&self, key: &VapidKey, origin: &str, now: Timestamp) -> HeaderValue {
        let mut claims = serde_json::json!({ "aud": origin, "exp": now.as_second() + VALID_FOR.as_secs() });
        if let Some(subject) = &self.subject {
            claims["sub"] = subject.as_str().into();
        }
        let message = format!("{JWT_HEADER}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = key.sign(&message);
        secret_header(format_args!("vapid t={message}.{signature}, k={}", key.public))
            .expect("it is base64url")
    }

    /// A push service took this key's token: a refusal that comes later is not about it.
    pub(super) fn was_accepted(&self, key: &VapidKey, origin: &str) {
        let slot = (key.id.clone(), origin.to_owned());
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = tokens.get_mut(&slot) {
            token.accepted = true;
        }
    }

    /// A push service refused this key's token. Whether it took the same token before; if not, a new one is made for
    /// the next call, but not more than once an hour.
    pub(super) fn was_refused(&self, key: &VapidKey, origin: &str, now: Timestamp) -> bool {
        let slot = (key.id.clone(), origin.to_owned());
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(token) = tokens.get(&slot) else { return false };
        if token.accepted {
            return true;
        }
        if now.duration_since(token.made_at) >= KEPT_AT_LEAST {
            tokens.remove(&slot);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn vapid() -> Vapid {
        Vapid::new(vec![VapidKey::generate()], Some("mailto:push@example.com".to_owned())).unwrap()
    }

    #[test]
    fn a_key_is_read_as_it_is_written_and_as_pem() {
        let key = VapidKey::generate();
        let again = VapidKey::parse(&key.private_key()).unwrap();
        assert_eq!((again.public_key(), again.id()), (key.public_key(), key.id()));
        assert_eq!(decode(key.public_key()).unwrap().len(), PUBLIC_KEY_BYTES);
        assert_eq!(key.id().len(), ID_CHARACTERS);
        let pkcs8 = key.pair.to_pkcs8v1().unwrap();
        let pem = |label: &str, der: &[u8]| {
            let der = STANDARD.encode(der);
            SecretString::from(format!(
                "-----BEGIN {label}-----\n{}\n{}\n-----END {label}-----\n",
                &der[..64],
                &der[64..]
            ))
        };
        assert_eq!(VapidKey::parse(&pem("PRIVATE KEY", pkcs8.as_ref())).unwrap().id(), key.id());
        use aws_lc_rs::encoding::AsDer;
        let sec1 = key.pair.private_key().as_der().unwrap();
        assert_eq!(VapidKey::parse(&pem("EC PRIVATE KEY", sec1.as_ref())).unwrap().id(), key.id());
        for wrong in [
            "",
            "AAAA",
            &"A".repeat(43),
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
            key.public_key(),
        ] {
            assert!(VapidKey::parse(&wrong.to_owned().into()).is_none(), "{wrong}");
        }
        assert!(!format!("{key:?}").contains(key.private_key().expose_secret()));
    }

    #[test]
    fn a_token_says_for_whom_by_whom_and_until_when_and_is_signed() {
        let (vapid, now) = (vapid(), at("2026-11-02T10:00:00Z"));
        let key = vapid.present();
        let header = vapid.authorization(key, "https://push.example.net", now);
        assert!(header.is_sensitive());
        let text = header.to_str().unwrap();
        let (token, public) = text.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        assert_eq!(public, key.public_key());
        let (message, signature) = token.rsplit_once('.').unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, decode(public).unwrap());
        public.verify(message.as_bytes(), &decode(signature).unwrap()).unwrap();
        let (head, claims) = message.split_once('.').unwrap();
        assert_eq!(decode(head).unwrap(), br#"{"typ":"JWT","alg":"ES256"}"#);
        let claims: serde_json::Value = serde_json::from_slice(&decode(claims).unwrap()).unwrap();
        assert_eq!(claims["aud"], "https://push.example.net");
        assert_eq!(claims["sub"], "mailto:push@example.com");
        assert_eq!(claims["exp"], at("2026-11-02T22:00:00Z").as_second());
    }

    #[test]
    fn a_token_is_made_once_per_push_service_and_key_and_lasts_eleven_hours() {
        let keys = vec![VapidKey::generate(), VapidKey::generate()];
        let vapid = Vapid::new(keys, None).unwrap();
        let (first, second) = (Arc::clone(&vapid.keys[0]), Arc::clone(&vapid.keys[1]));
        let get = |key: &VapidKey, origin: &str, now: &str| vapid.authorization(key, origin, at(now));
        let one = get(&first, "https://a.example", "2026-11-02T10:00:00Z");
        assert_eq!(get(&first, "https://a.example", "2026-11-02T20:59:59Z"), one);
        assert_ne!(get(&first, "https://b.example", "2026-11-02T10:00:00Z"), one);
        assert_ne!(get(&second, "https://a.example", "2026-11-02T10:00:00Z"), one);
        let two = get(&first, "https://a.example", "2026-11-02T21:00:00Z");
        assert_ne!(two, one);
        // The clock was a day ahead and was set back: such a token would be refused as too long.
        assert_ne!(get(&first, "https://a.example", "2026-11-01T21:00:00Z"), two);
    }

    #[test]
    fn the_tokens_kept_are_bounded_and_the_one_unused_for_longest_goes() {
        let vapid = vapid();
        let key = Arc::clone(vapid.present());
        let mut now = at("2026-11-02T10:00:00Z");
        let known = vapid.authorization(&key, "https://known.example", now);
        for number in 0..2 * TOKENS_MAX {
            now += SignedDuration::from_millis(1);
            vapid.authorization(&key, &format!("https://{number}.example"), now);
            assert_eq!(vapid.authorization(&key, "https://known.example", now), known);
        }
        assert_eq!(vapid.tokens.lock().unwrap().len(), TOKENS_MAX);
    }

    #[test]
    fn a_refused_token_is_replaced_once_an_hour_and_one_that_was_taken_before_is_kept() {
        let vapid = vapid();
        let key = Arc::clone(vapid.present());
        let origin = "https://push.example.net";
        let get = |now: &str| vapid.authorization(&key, origin, at(now));
        let one = get("2026-11-02T10:00:00Z");
        assert!(!vapid.was_refused(&key, origin, at("2026-11-02T10:59:59Z")));
        assert_eq!(get("2026-11-02T10:59:59Z"), one);
        assert!(!vapid.was_refused(&key, origin, at("2026-11-02T11:00:00Z")));
        let two = get("2026-11-02T11:00:00Z");
        assert_ne!(two, one);
        vapid.was_accepted(&key, origin);
        assert!(vapid.was_refused(&key, origin, at("2026-11-02T13:00:00Z")));
        assert_eq!(get("2026-11-02T13:00:00Z"), two);
    }

    #[test]
    fn a_subject_that_apple_refuses_is_refused_before() {
        for good in
            ["mailto:push@example.com", "mailto:a+b@mail.example.co.uk", "https://example.com/contact"]
        {
            assert_eq!(check_subject(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "push@example.com",
            "mailto:",
            "mailto:push",
            "mailto:push@localhost",
            "mailto:push@mac.local",
            "mailto: push@example.com",
            "mailto: <push@example.com>",
            "mailto:<push@example.com>",
            "mailto:@example.com",
            "mailto:a@b@example.com",
            "http://example.com",
            "https://localhost",
            "https://localhost:8787",
            "tel:123",
        ] {
            assert!(check_subject(bad).is_err(), "{bad}");
        }
    }
}
