//! Apple Push Notification service: HTTP/2, one connection for everybody, and a provider token.

mod provider_token;
mod request;
mod table;

use crate::http_client::{
    Answer, CALL_DEADLINE, Connector, Failure, SetupError, Versions, base_url, below, exchange, timed_out,
};
use crate::outcome::{Action, Receipt, RetryScope, SendError};
use crate::{Address, ApnsEnvironment, Channel, Notice};
use belfry_protocol::device::Provider;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use provider_token::{ProviderToken, ProviderTokens};
use request::{NotSent, Push};
use reqwest::{Client, Url};
use secrecy::SecretString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use table::{Body, Then};

/// For apps from the store and from TestFlight.
pub const APNS_PRODUCTION_URL: &str = "https://api.push.apple.com";
/// For apps run from Xcode.
pub const APNS_SANDBOX_URL: &str = "https://api.sandbox.push.apple.com";
/// How often a call that APNs gave back unread is sent again within its time.
const UNREAD_TRIES_MAX: u32 = 5;
/// Connections are given up at most this often, however many calls ask for it.
const RECONNECT_INTERVAL: SignedDuration = SignedDuration::from_secs(30);
/// A token that no device has.
const CHECK_TOKEN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What APNs needs.
#[derive(Debug, Clone)]
pub struct ApnsOptions {
    /// The text of an `AuthKey_….p8` file.
    pub key: SecretString,
    /// The key's id: ten letters and digits.
    pub key_id: String,
    /// The team's id: ten letters and digits.
    pub team_id: String,
    /// The app's bundle id, for addresses that name none.
    pub topic: String,
    /// [`APNS_PRODUCTION_URL`], or something that speaks like it.
    pub production_url: String,
    /// [`APNS_SANDBOX_URL`], or something that speaks like it.
    pub sandbox_url: String,
    /// Certificates that are trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// For one call, with its second tries.
    pub timeout: Duration,
}

impl ApnsOptions {
    /// The defaults for a key.
    pub fn new(
        key: SecretString,
        key_id: impl Into<String>,
        team_id: impl Into<String>,
        topic: impl Into<String>,
    ) -> Self {
        Self {
            key,
            key_id: key_id.into(),
            team_id: team_id.into(),
            topic: topic.into(),
            production_url: APNS_PRODUCTION_URL.to_owned(),
            sandbox_url: APNS_SANDBOX_URL.to_owned(),
            ca_file: None,
            timeout: CALL_DEADLINE,
        }
    }
}

/// The way to iPhones, iPads, Macs and watches.
pub struct Apns {
    tokens: ProviderTokens,
    topic: String,
    production: Url,
    sandbox: Url,
    connector: Connector,
    connections: Mutex<Connections>,
    timeout: Duration,
}

/// A client has one connection per service; another client opens another.
struct Connections {
    client: Client,
    /// Counts the clients.
    number: u64,
    made_at: Option<Timestamp>,
}

impl std::fmt::Debug for Apns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Apns").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Apns {
    /// Checks the settings; nothing is sent yet.
    pub fn new(options: ApnsOptions) -> Result<Self, SetupError> {
        if !is_topic(&options.topic) {
            let problem = format!("`{}` is not the bundle id of an app", options.topic);
            return Err(SetupError::new("apns.topic", problem));
        }
        let production = base_url("apns.production_url", &options.production_url)?;
        let sandbox = base_url("apns.sandbox_url", &options.sandbox_url)?;
        let ca_file = options.ca_file.as_deref();
        let connector = Connector::new("apns.ca_file", ca_file, Versions::Two, &[&production, &sandbox])?;
        let connections = Connections { client: connector.client()?, number: 0, made_at: None };
        Ok(Self {
            tokens: ProviderTokens::new(&options.key, options.key_id, options.team_id)?,
            topic: options.topic,
            production,
            sandbox,
            connector,
            connections: Mutex::new(connections),
            timeout: options.timeout,
        })
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the connections up that call number `used` went over. What is on its way on them still gets its answer.
    fn reconnect(&self, used: u64, now: Timestamp) {
        let mut connections = self.connections();
        let too_soon = |at: Timestamp| (at..at + RECONNECT_INTERVAL).contains(&now);
        if connections.number != used || connections.made_at.is_some_and(too_soon) {
            return;
        }
        if let Ok(client) = self.connector.client() {
            *connections = Connections { client, number: used + 1, made_at: Some(now) };
        }
    }

    async fn send_notice(
        &self,
        notice: &Notice,
        address: &Address,
        now: Timestamp,
    ) -> Result<Receipt, SendError> {
        let Address::Apns { token, environment, topic } = address else {
            return Err(SendError::new(Action::Rejected, "address", "this address is not APNs'"));
        };
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(SendError::new(Action::Gone, "BadDeviceToken", "a device token is hexadecimal"));
        }
        let own_topic = topic.as_deref().filter(|topic| *topic != self.topic);
        if own_topic.is_some_and(|topic| !is_topic(topic)) {
            return Err(SendError::new(Action::Refused, "BadTopic", "the device's topic is no bundle id"));
        }
        let topic = own_topic.unwrap_or(&self.topic);
        let mut push = Push::new(notice, token, topic, *environment, now).map_err(|why| match why {
            NotSent::Expired => {
                SendError::new(Action::Rejected, "expired", "the notice expired before it was sent")
            }
            NotSent::TooLarge => {
                SendError::new(Action::Rejected, "too-large", "not even its ids and its link fit")
            }
        })?;
        let answered = self.deliver(&mut push, own_topic.is_some(), now).await;
        let said = |id: String| match push.environment {
            moved if moved != *environment => Receipt {
                provider_id: Some(id),
                said: "200 from the other environment".to_owned(),
                moved_to: Some(Address::Apns {
                    token: token.clone(),
                    environment: moved,
                    topic: own_topic.map(str::to_owned),
                }),
            },
            _ => Receipt { provider_id: Some(id), said: "200".to_owned(), moved_to: None },
        };
        answered.map(said)
    }

    /// Sends a push, and again as the table says; the answer is the `apns-id`.
    async fn deliver(
        &self,
        push: &mut Push<'_>,
        own_topic: bool,
        now: Timestamp,
    ) -> Result<String, SendError> {
        let mut tries = Tries::default();
        let mut token = self.token(now)?;
        loop {
            let (answer, connection) = match self.post(push, &token, now).await {
                Ok(answered) => answered,
                Err(failure) if tries.again_after(&failure) => continue,
                Err(failure) => return Err(tries.verdict(failure.into_error())),
            };
            if answer.status == 200 {
                let id = answer.headers.get("apns-id").and_then(|id| id.to_str().ok());
                return Ok(id.map_or_else(|| push.id.to_string(), str::to_owned));
            }
            let body = Body::parse(&answer.body);
            let row = table::row(answer.status, body.reason.as_deref());
            let error = refusal(row, &answer, &body, own_topic);
            match row.then {
                Then::OtherEnvironment if tries.refused_here.is_none() => {
                    tries.refused_here = Some(error);
                    push.environment = other(push.environment);
                    continue;
                }
                Then::NewToken if !tries.renewed => {
                    tries.renewed = true;
                    if let Some(renewed) = self.tokens.replace(&token, now) {
                        token = renewed;
                        continue;
                    }
                }
                Then::Shorten if !tries.shortened => {
                    tries.shortened = true;
                    if push.shorten() {
                        continue;
                    }
                }
                Then::SendAgain if !tries.sent_again => {
                    tries.sent_again = true;
                    self.reconnect(connection, now);
                    continue;
                }
                Then::Reconnect => self.reconnect(connection, now),
                _ => {}
            }
            return Err(tries.verdict(error));
        }
    }

    fn token(&self, now: Timestamp) -> Result<Arc<ProviderToken>, SendError> {
        let no_token = || SendError::new(Action::Misconfigured, "provider-token", "`apns.key` cannot sign");
        self.tokens.current(now).ok_or_else(no_token)
    }

    /// One request, and the number of the connection that it went over.
    async fn post(
        &self,
        push: &Push<'_>,
        token: &ProviderToken,
        now: Timestamp,
    ) -> Result<(Answer, u64), Failure> {
        let (client, number) = {
            let connections = self.connections();
            (connections.client.clone(), connections.number)
        };
        let base = match push.environment {
            ApnsEnvironment::Production => &self.production,
            ApnsEnvironment::Sandbox => &self.sandbox,
        };
        let request = client
            .post(below(base, &format!("/3/device/{}", push.token)))
            .header(http::header::AUTHORIZATION, token.header.clone())
            .header("apns-id", push.id.to_string())
            .header("apns-topic", push.topic)
            .header("apns-push-type", "alert")
            .header("apns-priority", push.priority())
            .header("apns-expiration", push.expiration)
            .header("apns-collapse-id", push.notice.tag.as_str())
            .body(push.payload.clone());
        Ok((exchange(request, now).await?, number))
    }

    /// Sends nothing to nobody: a token that no device has is looked at only after the credentials are.
    async fn check_credentials(&self, now: Timestamp) -> Result<String, SendError> {
        let notice = check_notice(now);
        let push = |environment| {
            Push::new(&notice, CHECK_TOKEN, &self.topic, environment, now)
                .map_err(|_| SendError::new(Action::Rejected, "check", "the check does not fit into a push"))
        };
        let mut production = push(ApnsEnvironment::Production)?;
        let (key, team, topic) = (&self.tokens.key_id, &self.tokens.team_id, &self.topic);
        match self.deliver(&mut production, false, now).await {
            Ok(_) => Err(SendError::new(
                Action::Misconfigured,
                "not-apns",
                "it took a token that no device has: `apns.production_url` is not APNs",
            )),
            Err(error) if error.reason == "BadDeviceToken" => {
                Ok(format!("APNs lets the key {key} of team {team} send for {topic}"))
            }
            Err(error) => Err(error),
        }
    }
}

/// Which second tries were made.
#[derive(Default)]
struct Tries {
    unread: u32,
    broken: bool,
    renewed: bool,
    shortened: bool,
    sent_again: bool,
    /// What the first environment said of the token.
    refused_here: Option<SendError>,
}

impl Tries {
    /// Whether to send again at once. What broke off may have arrived: it carries the same id and the same collapse id,
    /// so it is shown once.
    fn again_after(&mut self, failure: &Failure) -> bool {
        match failure {
            Failure::NotProcessed(_) if self.unread < UNREAD_TRIES_MAX => {
                self.unread += 1;
                true
            }
            Failure::Broken(_) if !self.broken => {
                self.broken = true;
                true
            }
            _ => false,
        }
    }

    /// What is told in the end. A token that one environment does not know is gone only when the other does not know it
    /// either; where that could not be asked, it stays.
    fn verdict(&mut self, error: SendError) -> SendError {
        match (self.refused_here.take(), error.action) {
            (Some(here), Action::Misconfigured | Action::Refused | Action::Rejected) => {
                SendError { action: Action::Refused, alarm: true, ..here }
            }
            _ => error,
        }
    }
}

fn refusal(row: &table::Row, answer: &Answer, body: &Body, own_topic: bool) -> SendError {
    let reason = match &body.reason {
        // Apple's reasons are single words; anything else stays out of traces and metrics.
        Some(reason) if reason.len() <= 64 && reason.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            reason.clone()
        }
        _ => format!("status-{}", answer.status),
    };
    let action = match (row.then, own_topic) {
        (Then::BlameOwnTopic, true) => Action::Refused,
        _ => row.action,
    };
    let wait = answer.retry_after.filter(|_| action == Action::Retry);
    let error =
        SendError::new(action, reason, row.words).with_status(answer.status).with_wait(wait, row.scope);
    let gone_at = body.gone_at().filter(|_| action == Action::Gone);
    SendError { alarm: row.alarm, gone_at, ..error }
}

fn other(environment: ApnsEnvironment) -> ApnsEnvironment {
    match environment {
        ApnsEnvironment::Production => ApnsEnvironment::Sandbox,
        ApnsEnvironment::Sandbox => ApnsEnvironment::Production,
    }
}

/// A bundle id, perhaps with a suffix of Apple's.
fn is_topic(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    !text.is_empty() && text.len() <= 256 && text.bytes().all(plain)
}

fn check_notice(now: Timestamp) -> Notice {
    Notice {
        alert: belfry_protocol::AlertId::from_parts(0, 0),
        user: "belfry-doctor".parse().expect("a short text without control characters is an id"),
        kind: "check".to_owned(),
        category: "check".to_owned(),
        severity: belfry_protocol::Severity::Info,
        title: "Belfry".to_owned(),
        body: None,
        html: None,
        link: None,
        image: None,
        actions: Vec::new(),
        data: None,
        thread: None,
        tag: "belfry-doctor".to_owned(),
        unread: 0,
        quiet: true,
        expires_at: None,
        created_at: now,
        locale: None,
        time_zone: None,
        receipt_url: None,
        unsubscribe_url: None,
        items: Vec::new(),
    }
}

impl Channel for Apns {
    fn provider(&self) -> Provider {
        Provider::Apns
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
            let check = self.check_credentials(now);
            let timed_out = || timed_out().with_wait(None, RetryScope::Provider);
            tokio::time::timeout(self.timeout, check).await.unwrap_or_else(|_| Err(timed_out()))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, reason: &str, own_topic: bool) -> SendError {
        let body = format!(r#"{{"reason":"{reason}","timestamp":1793613600123}}"#).into_bytes();
        let answer = Answer { status, headers: http::HeaderMap::new(), retry_after: None, body };
        let body = Body::parse(&answer.body);
        refusal(table::row(status, body.reason.as_deref()), &answer, &body, own_topic)
    }

    #[test]
    fn a_device_s_own_wrong_topic_does_not_pause_the_others() {
        let error = told(400, "TopicDisallowed", true);
        assert_eq!((error.action, error.alarm), (Action::Refused, true));
        assert_eq!(told(400, "TopicDisallowed", false).action, Action::Misconfigured);
    }

    #[test]
    fn only_what_is_gone_has_a_moment_of_going() {
        assert!(told(410, "Unregistered", false).gone_at.is_some());
        assert!(told(500, "InternalServerError", false).gone_at.is_none());
    }

    #[test]
    fn a_reason_that_is_no_word_is_not_repeated() {
        assert_eq!(told(400, "a b", false).reason, "status-400");
    }

    #[test]
    fn a_token_stays_where_the_other_environment_could_not_be_asked() {
        let verdict = |then: SendError| {
            let mut tries =
                Tries { refused_here: Some(told(400, "BadDeviceToken", false)), ..Tries::default() };
            tries.verdict(then)
        };
        let kept = verdict(told(403, "BadEnvironmentKeyInToken", false));
        assert_eq!((kept.action, kept.reason.as_str()), (Action::Refused, "BadDeviceToken"));
        assert_eq!(verdict(told(400, "BadDeviceToken", false)).action, Action::Gone);
        assert_eq!(verdict(told(503, "ServiceUnavailable", false)).action, Action::Retry);
        assert_eq!(verdict(told(410, "Unregistered", false)).action, Action::Gone);
    }
}
