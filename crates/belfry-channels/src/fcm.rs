//! Firebase Cloud Messaging, HTTP v1.

mod message;
mod table;

use crate::http_client::{
    Answer, CALL_DEADLINE, Connector, Failure, SetupError, Versions, base_url, below, exchange, timed_out,
    without_secrets,
};
use crate::oauth::{OAuth, ServiceAccount};
use crate::outcome::{Action, Receipt, RetryScope, SendError};
use crate::{Address, Channel, Notice};
use belfry_protocol::device::Provider;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use message::{Frame, TIME_TO_LIVE_MAX};
use reqwest::{Client, Url};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use table::Body;

/// Where FCM is.
pub const FCM_BASE_URL: &str = "https://fcm.googleapis.com";
/// How often a call that FCM gave back unread is sent again within its time.
const UNREAD_TRIES_MAX: u32 = 5;
/// A topic that nobody subscribes to; what goes there is only looked at.
const CHECK_TOPIC: &str = "belfry-doctor";

/// What FCM needs.
#[derive(Debug, Clone)]
pub struct FcmOptions {
    /// The service account's JSON.
    pub service_account: SecretString,
    /// The Firebase project; `None`: the service account's.
    pub project_id: Option<String>,
    /// [`FCM_BASE_URL`], or something that speaks like it.
    pub base_url: String,
    /// Where access tokens come from; `None`: the service account's `token_uri`.
    pub token_url: Option<String>,
    /// Certificates that are trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The app's notification channel on Android; `None`: its default one.
    pub android_channel: Option<String>,
    /// For one call, with its second try.
    pub timeout: Duration,
}

impl FcmOptions {
    /// The defaults for a service account.
    pub fn new(service_account: SecretString) -> Self {
        Self {
            service_account,
            project_id: None,
            base_url: FCM_BASE_URL.to_owned(),
            token_url: None,
            ca_file: None,
            android_channel: None,
            timeout: CALL_DEADLINE,
        }
    }
}

/// The way to Android phones, and to iPhones and browsers that are registered with Firebase.
pub struct Fcm {
    oauth: OAuth,
    client: Client,
    send_url: Url,
    project: String,
    android_channel: Option<String>,
    timeout: Duration,
}

impl std::fmt::Debug for Fcm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fcm").field("project", &self.project).finish_non_exhaustive()
    }
}

impl Fcm {
    /// Checks the settings; nothing is sent yet.
    pub fn new(options: FcmOptions) -> Result<Self, SetupError> {
        let account = ServiceAccount::parse("fcm.service_account", &options.service_account)?;
        let project = options.project_id.or_else(|| account.project_id.clone()).ok_or_else(|| {
            SetupError::new("fcm.project_id", "it is empty, and the service account names no project")
        })?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if project.is_empty() || !project.chars().all(plain) {
            return Err(SetupError::new(
                "fcm.project_id",
                format!("`{project}` is no id of a Firebase project"),
            ));
        }
        let base = base_url("fcm.base_url", &options.base_url)?;
        let token_url = options.token_url.as_deref().map(|url| base_url("fcm.token_url", url)).transpose()?;
        let ca_file = options.ca_file.as_deref();
        // One connection for all sends, however many begin at once.
        let versions = if base.scheme() == "https" { Versions::Two } else { Versions::Negotiated };
        let client = Connector::new("fcm.ca_file", ca_file, versions, &[&base])?.client()?;
        Ok(Self {
            oauth: OAuth::new(account, token_url, "fcm.ca_file", ca_file)?,
            client,
            send_url: below(&base, &format!("/v1/projects/{project}/messages:send")),
            project,
            android_channel: options.android_channel,
            timeout: options.timeout,
        })
    }

    async fn send_notice(
        &self,
        notice: &Notice,
        address: &Address,
        now: Timestamp,
    ) -> Result<Receipt, SendError> {
        let (field, target) = match address {
            Address::FcmToken(token) => ("token", token),
            Address::FcmInstallation(id) => ("fid", id),
            _ => return Err(SendError::new(Action::Rejected, "address", "this address is not FCM's")),
        };
        let Some(time_to_live) = notice.time_to_live(now, TIME_TO_LIVE_MAX) else {
            return Err(SendError::new(Action::Rejected, "expired", "the notice expired before it was sent"));
        };
        let frame = Frame { time_to_live, android_channel: self.android_channel.as_deref(), now };
        let Some(mut message) = message::message(notice, frame) else {
            return Err(SendError::new(Action::Rejected, "too-large", "not even its ids and its link fit"));
        };
        message.insert(field.to_owned(), json!(target));
        let body = json!({ "message": message }).to_string();
        let answer = self.post(body, target, now).await?;
        let said = answer.status.to_string();
        Ok(Receipt { provider_id: Some(answer.name), said, moved_to: None })
    }

    /// Posts a message; a refused access token is renewed once, and what came back unread goes out again.
    async fn post(&self, body: String, secret: &str, now: Timestamp) -> Result<Accepted, SendError> {
        let mut renewed = false;
        let mut unread = 0;
        loop {
            let token = self.oauth.token(now).await?;
            let request = self
                .client
                .post(self.send_url.clone())
                .header(http::header::AUTHORIZATION, token.header.clone())
                .header(http::header::CONTENT_TYPE, "application/json")
                .body(body.clone());
            let answer = match exchange(request, now).await {
                Ok(answer) => answer,
                Err(Failure::NotProcessed(_)) if unread < UNREAD_TRIES_MAX => {
                    unread += 1;
                    continue;
                }
                Err(failure) => return Err(failure.into_error()),
            };
            if let Some(accepted) = accepted(&answer) {
                return Ok(accepted);
            }
            let error_body = Body::parse(&answer.body);
            let row = table::row(answer.status, &error_body);
            if row.renews_token && !renewed {
                renewed = true;
                self.oauth.reject(&token);
                continue;
            }
            return Err(refusal(row, &answer, &error_body, secret));
        }
    }
}

struct Accepted {
    status: u16,
    name: String,
}

/// FCM's `200` names the message; anything else that says `200` is something in between.
fn accepted(answer: &Answer) -> Option<Accepted> {
    if answer.status != 200 {
        return None;
    }
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    Some(Accepted { status: answer.status, name: body.get("name")?.as_str()?.to_owned() })
}

fn refusal(row: &table::Row, answer: &Answer, body: &Body, secret: &str) -> SendError {
    let theirs = without_secrets(&body.message, &[secret]);
    let said = match theirs.as_str() {
        "" => row.words.to_owned(),
        theirs => format!("{} ({theirs})", row.words),
    };
    let wait = answer.retry_after.map(|wait| wait.max(row.wait.least)).or(row.wait.otherwise);
    let wait = wait.filter(|_| row.action == Action::Retry);
    let error =
        SendError::new(row.action, row.reason, said).with_status(answer.status).with_wait(wait, row.scope);
    SendError { alarm: row.alarm, ..error }
}

impl Channel for Fcm {
    fn provider(&self) -> Provider {
        Provider::Fcm
    }

    fn send<'a>(
        &'a self,
        notice: &'a Notice,
        address: &'a Address,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Receipt, SendError>> {
        async move {
            let send = self.send_notice(notice, address, now);
            tokio::time::timeout(self.timeout, send).await.unwrap_or_else(|_| Err(timed_out()))
        }
        .boxed()
    }

    fn check(&self, now: Timestamp) -> BoxFuture<'_, Result<String, SendError>> {
        async move {
            let message = json!({ "topic": CHECK_TOPIC, "notification": { "title": "Belfry" } });
            let body = json!({ "validate_only": true, "message": message }).to_string();
            let check = tokio::time::timeout(self.timeout, self.post(body, "", now)).await;
            check.unwrap_or_else(|_| Err(timed_out().with_wait(None, RetryScope::Provider)))?;
            let (email, project) = (&self.oauth.account().email, &self.project);
            Ok(format!("FCM lets {email} send for the project {project}"))
        }
        .boxed()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An error as FCM writes it.
    pub(crate) fn error_body(code: u16, status: &str, message: &str, fcm_code: Option<&str>) -> Vec<u8> {
        let detail = |code| json!({ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code });
        let details: Vec<Value> = fcm_code.into_iter().map(detail).collect();
        let error = json!({ "code": code, "message": message, "status": status, "details": details });
        serde_json::to_vec(&json!({ "error": error })).unwrap()
    }

    fn told(status: u16, retry_after: Option<u64>, body: Vec<u8>) -> SendError {
        let retry_after = retry_after.map(Duration::from_secs);
        let answer = Answer { status, headers: http::HeaderMap::new(), retry_after, body };
        let body = Body::parse(&answer.body);
        refusal(table::row(status, &body), &answer, &body, "the-token")
    }

    #[test]
    fn waits_are_at_least_what_the_table_says() {
        let seconds = |error: SendError| error.retry_after.map(|wait| wait.as_secs());
        assert_eq!(seconds(told(429, None, Vec::new())), Some(60));
        assert_eq!(seconds(told(429, Some(5), Vec::new())), Some(60));
        assert_eq!(seconds(told(429, Some(300), Vec::new())), Some(300));
        assert_eq!(seconds(told(503, None, Vec::new())), None);
        assert_eq!(seconds(told(503, Some(2), Vec::new())), Some(10));
        assert_eq!(seconds(told(404, Some(2), Vec::new())), None);
    }

    #[test]
    fn the_token_is_not_repeated_in_words() {
        let error = told(400, None, error_body(400, "INVALID_ARGUMENT", "bad the-token here", None));
        assert_eq!(error.said, "FCM does not take this message (bad … here)");
    }

    #[test]
    fn two_hundred_from_something_else_is_not_accepted() {
        let answer = |body: &str| Answer {
            status: 200,
            headers: http::HeaderMap::new(),
            retry_after: None,
            body: body.as_bytes().to_vec(),
        };
        assert!(accepted(&answer("<html>sign in to the hotel</html>")).is_none());
        assert_eq!(told(200, None, Vec::new()).reason, "not-fcm");
        assert!(accepted(&answer(r#"{"name":"projects/shop/messages/1"}"#)).is_some());
    }
}
