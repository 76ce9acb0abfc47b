//! Access to Google's services: a service account's signature is changed for a token that holds for an hour.
//!
//! However many sends need a token at once, one request fetches it; it is renewed before it ends, and a failure is
//! remembered for a few seconds, so that a wrong key is not tried once per send.

use crate::http_client::{
    Answer, Connector, SetupError, Versions, base_url, exchange, secret_header, without_secrets,
};
use crate::outcome::{Action, RetryScope, SendError};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use http::HeaderValue;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Client, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// What the token is for.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT_TYPE: &str = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
/// How long the signed assertion holds.
const ASSERTION_SECONDS: i64 = 3600;
/// A token is renewed so long before its end.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_mins(5);
/// A token this close to its end is not sent any more, even where no new one can be had.
const USELESS_BEFORE: SignedDuration = SignedDuration::from_secs(20);
/// A failure is answered to everybody for so long before the next request is made.
const FAILURE_HOLDS: SignedDuration = SignedDuration::from_secs(5);

/// What Google gives out for a service account, as far as it is needed.
#[derive(Deserialize)]
struct KeyFile {
    #[serde(rename = "type")]
    kind: Option<String>,
    project_id: Option<String>,
    private_key_id: Option<String>,
    private_key: Option<SecretString>,
    client_email: Option<String>,
    token_uri: Option<String>,
}

/// A service account that can sign.
pub(crate) struct ServiceAccount {
    pub(crate) email: String,
    pub(crate) project_id: Option<String>,
    key_id: Option<String>,
    key: EncodingKey,
    token_url: Url,
}

impl ServiceAccount {
    /// Reads the JSON that the Google Cloud console gives out.
    pub(crate) fn parse(key: &'static str, json: &SecretString) -> Result<Self, SetupError> {
        let wrong = |problem: &str| SetupError::new(key, problem);
        let file: KeyFile = serde_json::from_str(json.expose_secret())
            .map_err(|_| wrong("it is not the JSON that Google gives out for a service account"))?;
        if file.kind.as_deref() != Some("service_account") {
            return Err(wrong(
                "it is not a service account (`type` is not \"service_account\"); make a key for one under Firebase → Project settings → Service accounts",
            ));
        }
        let missing = |name: &str| wrong(&format!("it has no `{name}`"));
        let pem = file.private_key.ok_or_else(|| missing("private_key"))?;
        let email = file.client_email.ok_or_else(|| missing("client_email"))?;
        let token_uri = file.token_uri.ok_or_else(|| missing("token_uri"))?;
        let encoding_key = EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes())
            .map_err(|_| wrong("it holds a `private_key` that is no RSA key in PEM"))?;
        let account = Self {
            email,
            project_id: file.project_id,
            key_id: file.private_key_id,
            key: encoding_key,
            token_url: base_url(key, &token_uri)?,
        };
        // A broken key is found at the start, not at the first alert.
        account
            .assertion(Timestamp::UNIX_EPOCH)
            .map_err(|_| wrong("it holds a `private_key` that cannot sign"))?;
        Ok(account)
    }

    fn assertion(&self, now: Timestamp) -> jsonwebtoken::errors::Result<String> {
        let header = Header { kid: self.key_id.clone(), ..Header::new(Algorithm::RS256) };
        let claims = serde_json::json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_url.as_str(),
            "iat": now.as_second(),
            "exp": now.as_second() + ASSERTION_SECONDS,
        });
        jsonwebtoken::encode(&header, &claims, &self.key)
    }
}

/// A token and when it ends.
pub(crate) struct AccessToken {
    /// The `Authorization` header.
    pub(crate) header: HeaderValue,
    expires_at: Timestamp,
}

type Flight = BoxFuture<'static, Result<Arc<AccessToken>, SendError>>;

#[derive(Default)]
struct State {
    token: Option<Arc<AccessToken>>,
    /// The request that is on its way; nobody waits for it any more once it cannot be upgraded.
    flight: Option<WeakShared<Flight>>,
    failed: Option<(Timestamp, SendError)>,
}

/// Access tokens of one service account.
pub(crate) struct OAuth(Arc<Inner>);

struct Inner {
    account: ServiceAccount,
    client: Client,
    url: Url,
    state: Mutex<State>,
}

impl OAuth {
    /// `token_url`: where the request goes instead of the account's own `token_uri`.
    pub(crate) fn new(
        account: ServiceAccount,
        token_url: Option<Url>,
        ca_file_key: &'static str,
        ca_file: Option<&Path>,
    ) -> Result<Self, SetupError> {
        let url = token_url.unwrap_or_else(|| account.token_url.clone());
        let client = Connector::new(ca_file_key, ca_file, Versions::Negotiated, &[&url])?.client()?;
        Ok(Self(Arc::new(Inner { account, client, url, state: Mutex::default() })))
    }

    pub(crate) fn account(&self) -> &ServiceAccount {
        &self.0.account
    }

    /// A token that holds for a while yet.
    pub(crate) async fn token(&self, now: Timestamp) -> Result<Arc<AccessToken>, SendError> {
        let (flight, old) = {
            let mut state = self.0.state();
            let old = state.token.clone().filter(|token| now < token.expires_at - USELESS_BEFORE);
            if let Some(token) = old.as_ref().filter(|token| now < token.expires_at - RENEW_BEFORE) {
                return Ok(Arc::clone(token));
            }
            if let Some((at, error)) = &state.failed
                && (*at..*at + FAILURE_HOLDS).contains(&now)
            {
                return old.ok_or_else(|| error.clone());
            }
            (self.0.join_flight(&mut state, now), old)
        };
        match flight.await {
            Ok(token) => Ok(token),
            Err(error) => old.ok_or(error),
        }
    }

    /// The token was refused: the next call fetches another. Those who come with an older one change nothing.
    pub(crate) fn reject(&self, refused: &Arc<AccessToken>) {
        let mut state = self.0.state();
        if state.token.as_ref().is_some_and(|token| Arc::ptr_eq(token, refused)) {
            state.token = None;
        }
    }
}

impl Inner {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request on its way, or a new one. It is driven by those who wait for it and ends with the last of them.
    fn join_flight(self: &Arc<Self>, state: &mut State, now: Timestamp) -> Shared<Flight> {
        if let Some(flight) = state.flight.as_ref().and_then(WeakShared::upgrade) {
            return flight;
        }
        let inner = Arc::clone(self);
        let fetch = async move {
            let fetched = inner.fetch(now).await;
            let mut state = inner.state();
            state.flight = None;
            match fetched {
                Ok(token) => {
                    let token = Arc::new(token);
                    (state.token, state.failed) = (Some(Arc::clone(&token)), None);
                    Ok(token)
                }
                Err(error) => {
                    state.failed = Some((now, error.clone()));
                    Err(error)
                }
            }
        };
        let flight = fetch.boxed().shared();
        state.flight = flight.downgrade();
        flight
    }

    async fn fetch(&self, now: Timestamp) -> Result<AccessToken, SendError> {
        let assertion = self.account.assertion(now).map_err(|_| {
            SendError::new(Action::Misconfigured, "service-account", "the service account's key cannot sign")
        })?;
        let request = self
            .client
            .post(self.url.clone())
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            // A JWT has no character that a form would write differently.
            .body(format!("grant_type={GRANT_TYPE}&assertion={assertion}"));
        let answer = exchange(request, now).await.map_err(|failure| {
            let error = failure.into_error();
            let said = format!("Google's token service: {}", error.said);
            SendError { said: crate::outcome::shorten(&said), scope: RetryScope::Provider, ..error }
        })?;
        if answer.status != 200 {
            return Err(refusal(&answer, &assertion));
        }
        #[derive(Deserialize)]
        struct Granted {
            access_token: SecretString,
            expires_in: i64,
        }
        let granted: Option<Granted> = serde_json::from_slice(&answer.body).ok();
        let token = granted.and_then(|granted| {
            let header = secret_header(format_args!("Bearer {}", granted.access_token.expose_secret()))?;
            let holds = SignedDuration::from_secs(granted.expires_in.clamp(0, 24 * 3600));
            Some(AccessToken { header, expires_at: now + holds })
        });
        token.ok_or_else(|| {
            let said = "what answers at the token URL is not Google's token service";
            SendError::new(Action::Misconfigured, "oauth-answer", said).with_status(answer.status)
        })
    }
}

/// One line of the table: what the token service says, and what it means.
struct Row {
    status: (u16, u16),
    /// `error` of the answer; `None`: any.
    code: Option<&'static str>,
    action: Action,
    reason: &'static str,
    words: &'static str,
}

/// RFC 6749 5.2 and what Google adds; the first row that fits counts.
static TABLE: &[Row] = &[
    Row {
        status: (400, 400),
        code: Some("invalid_grant"),
        action: Action::Misconfigured,
        reason: "oauth-invalid-grant",
        words: "Google does not accept the service account's key: it was deleted, the account is disabled, or this machine's clock is wrong",
    },
    Row {
        status: (408, 408),
        code: None,
        action: Action::Retry,
        reason: "oauth-unavailable",
        words: "Google's token service has no time",
    },
    Row {
        status: (429, 429),
        code: None,
        action: Action::Retry,
        reason: "oauth-unavailable",
        words: "Google's token service has no time",
    },
    Row {
        status: (400, 499),
        code: None,
        action: Action::Misconfigured,
        reason: "oauth-refused",
        words: "Google refuses the service account",
    },
    Row {
        status: (500, 599),
        code: None,
        action: Action::Retry,
        reason: "oauth-unavailable",
        words: "Google's token service has no time",
    },
    Row {
        status: (100, 599),
        code: None,
        action: Action::Misconfigured,
        reason: "oauth-answer",
        words: "what answers at the token URL is not Google's token service",
    },
];

fn refusal(answer: &Answer, assertion: &str) -> SendError {
    #[derive(Deserialize, Default)]
    struct Refused {
        #[serde(default)]
        error: serde_json::Value,
        error_description: Option<String>,
    }
    let refused: Refused = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = refused.error.as_str().unwrap_or_default();
    let fits = |row: &&Row| {
        (row.status.0..=row.status.1).contains(&answer.status) && row.code.is_none_or(|wanted| wanted == code)
    };
    let row = TABLE.iter().find(fits).unwrap_or(&TABLE[TABLE.len() - 1]);
    let description = refused.error_description.unwrap_or_default();
    let theirs = without_secrets(&format!("{code} {description}"), &[assertion]);
    let said = match theirs.trim() {
        "" => row.words.to_owned(),
        theirs => format!("{} ({theirs})", row.words),
    };
    SendError::new(row.action, row.reason, said)
        .with_status(answer.status)
        .with_wait(answer.retry_after, RetryScope::Provider)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> (Action, String) {
        let answer = Answer {
            status,
            headers: http::HeaderMap::new(),
            retry_after: None,
            body: body.as_bytes().to_vec(),
        };
        let error = refusal(&answer, "header.claims.signature");
        assert_eq!(error.scope, RetryScope::Provider);
        (error.action, error.reason)
    }

    fn row(action: Action, reason: &str) -> (Action, String) {
        (action, reason.to_owned())
    }

    #[test]
    fn a_deleted_key_or_a_wrong_clock_is_ours_to_mend() {
        let body = r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#;
        assert_eq!(refused(400, body), row(Action::Misconfigured, "oauth-invalid-grant"));
    }

    #[test]
    fn any_other_refusal_is_ours_to_mend() {
        assert_eq!(
            refused(401, r#"{"error":"invalid_client"}"#),
            row(Action::Misconfigured, "oauth-refused")
        );
        assert_eq!(refused(403, r#"{"error":{"code":403}}"#), row(Action::Misconfigured, "oauth-refused"));
    }

    #[test]
    fn a_slow_request_is_tried_again() {
        assert_eq!(refused(408, ""), row(Action::Retry, "oauth-unavailable"));
    }

    #[test]
    fn too_many_requests_are_tried_again() {
        assert_eq!(refused(429, ""), row(Action::Retry, "oauth-unavailable"));
    }

    #[test]
    fn an_outage_is_waited_for() {
        assert_eq!(refused(503, "<html>"), row(Action::Retry, "oauth-unavailable"));
    }

    #[test]
    fn a_redirect_is_no_token_service() {
        assert_eq!(refused(302, ""), row(Action::Misconfigured, "oauth-answer"));
    }

    #[test]
    fn what_is_no_service_account_is_told_in_words() {
        let parse = |json: &str| {
            ServiceAccount::parse("fcm.service_account", &SecretString::from(json)).err().unwrap().to_string()
        };
        assert!(parse("{").contains("is not the JSON"), "{}", parse("{"));
        let user = r#"{"type":"authorized_user"}"#;
        assert!(parse(user).contains("is not a service account"), "{}", parse(user));
        let empty = r#"{"type":"service_account","private_key":"x","client_email":"a@b"}"#;
        assert!(parse(empty).contains("has no `token_uri`"), "{}", parse(empty));
        let no_key =
            r#"{"type":"service_account","private_key":"x","client_email":"a@b","token_uri":"https://c"}"#;
        assert!(parse(no_key).contains("no RSA key"), "{}", parse(no_key));
    }
}
