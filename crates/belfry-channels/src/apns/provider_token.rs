//! The token that says who sends: a JWT that Apple wants renewed at least once an hour and at most every 20 minutes.
//!
//! Its `iat` is the last full or half hour that is a quarter of an hour ago or more, so that all nodes make the same
//! claims without talking to each other, and each is renewed when it is 45 minutes old.

use crate::http_client::{SetupError, secret_header};
use http::HeaderValue;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::{Arc, Mutex, PoisonError};

/// The claims change with these seconds …
const STEP_SECONDS: i64 = 30 * 60;
/// … so long after the boundary that they name.
const LAG_SECONDS: i64 = 15 * 60;
/// A token this old is renewed whatever its `iat` was.
const AGE_MAX: SignedDuration = SignedDuration::from_mins(45);
/// Apple refuses updates that come faster.
const UPDATE_INTERVAL: SignedDuration = SignedDuration::from_mins(20);

/// A signed token.
pub(super) struct ProviderToken {
    /// The `authorization` header.
    pub(super) header: HeaderValue,
    issued_at: Timestamp,
}

/// Makes provider tokens.
pub(super) struct ProviderTokens {
    key: EncodingKey,
    pub(super) key_id: String,
    pub(super) team_id: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Arc<ProviderToken>>,
    /// When one was last made because Apple called its predecessor expired.
    replaced_at: Option<Timestamp>,
}

impl ProviderTokens {
    pub(super) fn new(key: &SecretString, key_id: String, team_id: String) -> Result<Self, SetupError> {
        let ten = |key: &'static str, id: &str, where_from: &str| {
            let good = id.len() == 10 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let problem = || format!("`{id}` is not the 10 letters and digits that {where_from} shows");
            if good { Ok(()) } else { Err(SetupError::new(key, problem())) }
        };
        ten("apns.key_id", &key_id, "Apple's list of keys")?;
        ten("apns.team_id", &team_id, "Apple's page about your membership")?;
        // From an environment variable the lines may come in one.
        let pem = key.expose_secret().replace("\\n", "\n");
        let wrong = |problem: &str| SetupError::new("apns.key", problem);
        let key = EncodingKey::from_ec_pem(pem.as_bytes())
            .map_err(|_| wrong("it is not the text of an AuthKey_….p8 file from Apple"))?;
        let tokens = Self { key, key_id, team_id, state: Mutex::default() };
        // A broken key is found at the start, not at the first alert.
        tokens.make(Timestamp::UNIX_EPOCH).ok_or_else(|| wrong("it cannot sign: it is no P-256 key"))?;
        Ok(tokens)
    }

    /// The token for now; `None` where the key cannot sign.
    pub(super) fn current(&self, now: Timestamp) -> Option<Arc<ProviderToken>> {
        let mut state = self.state();
        if let Some(token) = &state.current
            && (now - AGE_MAX..=now).contains(&token.issued_at)
            && now != token.issued_at + AGE_MAX
        {
            return Some(Arc::clone(token));
        }
        let token = Arc::new(self.make(issued_at(now))?);
        state.current = Some(Arc::clone(&token));
        Some(token)
    }

    /// Apple calls this token expired, so this machine's clock is behind: one as young as can be, unless that was done
    /// less than 20 minutes ago. Those who come with an older token get the present one.
    pub(super) fn replace(&self, expired: &Arc<ProviderToken>, now: Timestamp) -> Option<Arc<ProviderToken>> {
        let mut state = self.state();
        if let Some(token) = state.current.as_ref().filter(|token| !Arc::ptr_eq(token, expired)) {
            return Some(Arc::clone(token));
        }
        let too_soon = |at: Timestamp| (at..at + UPDATE_INTERVAL).contains(&now);
        if state.replaced_at.is_some_and(too_soon) {
            return None;
        }
        let boundary = floor(now.as_second());
        let young = if boundary > expired.issued_at { boundary } else { now };
        let token = Arc::new(self.make(young)?);
        (state.current, state.replaced_at) = (Some(Arc::clone(&token)), Some(now));
        Some(token)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, issued_at: Timestamp) -> Option<ProviderToken> {
        let header = Header { kid: Some(self.key_id.clone()), typ: None, ..Header::new(Algorithm::ES256) };
        let claims = serde_json::json!({ "iss": self.team_id, "iat": issued_at.as_second() });
        let jwt = jsonwebtoken::encode(&header, &claims, &self.key).ok()?;
        Some(ProviderToken { header: secret_header(format_args!("bearer {jwt}"))?, issued_at })
    }
}

/// The `iat` that every node chooses at this moment.
fn issued_at(now: Timestamp) -> Timestamp {
    floor(now.as_second() - LAG_SECONDS)
}

fn floor(second: i64) -> Timestamp {
    Timestamp::from_second(second.div_euclid(STEP_SECONDS) * STEP_SECONDS).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of this test alone, as Apple's files look.
    fn key() -> String {
        use aws_lc_rs::rand::SystemRandom;
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
        use base64::Engine as _;
        let pair =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let der = base64::engine::general_purpose::STANDARD.encode(pair.as_ref());
        format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n")
    }

    fn tokens() -> ProviderTokens {
        ProviderTokens::new(&key().into(), "ABC1234567".to_owned(), "TEAM123456".to_owned()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-11-02T{text}Z").parse().unwrap()
    }

    #[test]
    fn all_nodes_make_the_same_claims_at_any_moment() {
        for second in (0..86_400).step_by(7) {
            let now = at("00:00:00") + SignedDuration::from_secs(second);
            // One node has run for hours, one has just started.
            let (old, new) = (tokens(), tokens());
            let earlier = now - SignedDuration::from_mins(second % 180);
            old.current(earlier).unwrap();
            let (old, new) = (old.current(now).unwrap(), new.current(now).unwrap());
            assert_eq!(old.issued_at, new.issued_at, "{now}");
            assert_eq!(new.issued_at.as_second() % STEP_SECONDS, 0);
            let age = now.duration_since(new.issued_at);
            assert!((SignedDuration::from_mins(15)..AGE_MAX).contains(&age), "{now}: {age}");
        }
    }

    #[test]
    fn a_token_is_kept_until_it_is_45_minutes_old() {
        let tokens = tokens();
        let first = tokens.current(at("12:20:00")).unwrap();
        assert_eq!(first.issued_at, at("12:00:00"));
        assert!(Arc::ptr_eq(&first, &tokens.current(at("12:44:59")).unwrap()));
        let second = tokens.current(at("12:45:00")).unwrap();
        assert_eq!(second.issued_at, at("12:30:00"));
    }

    #[test]
    fn an_expired_token_is_replaced_once_in_20_minutes() {
        let tokens = tokens();
        let first = tokens.current(at("12:40:00")).unwrap();
        let second = tokens.replace(&first, at("12:40:00")).unwrap();
        assert_eq!(second.issued_at, at("12:30:00"));
        // Others that were refused at the same time get the new one.
        assert!(Arc::ptr_eq(&second, &tokens.replace(&first, at("12:40:01")).unwrap()));
        assert!(tokens.replace(&second, at("12:41:00")).is_none());
        assert!(Arc::ptr_eq(&second, &tokens.current(at("12:59:00")).unwrap()));
        let third = tokens.replace(&second, at("13:00:01")).unwrap();
        assert_eq!(third.issued_at, at("13:00:00"));
        let fourth = tokens.replace(&third, at("13:20:01")).unwrap();
        assert_eq!(fourth.issued_at, at("13:20:01"));
        // Back in step with the other nodes.
        assert_eq!(tokens.current(at("14:06:00")).unwrap().issued_at, at("13:30:00"));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_a_new_token() {
        let tokens = tokens();
        tokens.current(at("12:20:00")).unwrap();
        assert_eq!(tokens.current(at("10:20:00")).unwrap().issued_at, at("10:00:00"));
    }

    #[test]
    fn wrong_credentials_are_told_by_their_key() {
        let new = |key: &str, key_id: &str, team: &str| {
            ProviderTokens::new(&key.into(), key_id.to_owned(), team.to_owned()).err().map(|error| error.key)
        };
        assert_eq!(new("nothing", "ABC1234567", "TEAM123456"), Some("apns.key"));
        let key = key();
        assert_eq!(new(&key, "ABC", "TEAM123456"), Some("apns.key_id"));
        assert_eq!(new(&key, "ABC1234567", "TEAM 12345"), Some("apns.team_id"));
        assert_eq!(new(&key.replace('\n', "\\n"), "ABC1234567", "TEAM123456"), None);
    }
}
