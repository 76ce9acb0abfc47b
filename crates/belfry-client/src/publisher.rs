//! The publisher: what a back end does, over HTTP, repeated where that is safe.

use crate::address::{Address, AddressError};
use crate::retry::{RetryPolicy, is_transient, retry_after};
use belfry_protocol::group::{Group, GroupMembers, GroupSize};
use belfry_protocol::stats::Stats;
use belfry_protocol::trace::AlertTrace;
use belfry_protocol::user::{DisconnectAnswer, DisconnectBody, User, UserProfile};
use belfry_protocol::{AlertAnswer, AlertId, Audience, ErrorCode, GroupId, NewAlert, Problem, UserId};
use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Url};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::time::Duration;

/// Why a call failed: the variant says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The server says no: correct the request, or the key's scopes.
    #[error("refused: {} ({})", .0.detail, .0.code.slug())]
    Refused(Box<Problem>),
    /// The server could not be reached, or cannot take it right now, in all tries: try again later, with the same
    /// idempotency key.
    #[error("not possible right now, after {attempts} tries: {detail}")]
    Unavailable {
        /// How often it was tried.
        attempts: u32,
        /// What the last try met.
        detail: String,
        /// The server's words, where it had any.
        problem: Option<Box<Problem>>,
        /// The error below, where there was no answer.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// What answered does not speak like a Belfry server: check the URL and what stands between.
    #[error("unexpected answer with status {status}: {detail}")]
    Unexpected {
        /// Its HTTP status.
        status: u16,
        /// What is wrong with it.
        detail: String,
    },
    /// The options or arguments cannot be used.
    #[error("{0}")]
    Misconfigured(String),
}

impl PublishError {
    /// The server's words, where it had any.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            Self::Unavailable { problem, .. } => problem.as_deref(),
            Self::Unexpected { .. } | Self::Misconfigured(_) => None,
        }
    }

    /// The same error for the next line of a batch; what lay below it is told once.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Refused(problem) => Self::Refused(problem.clone()),
            Self::Unavailable { attempts, detail, problem, .. } => Self::Unavailable {
                attempts: *attempts,
                detail: detail.clone(),
                problem: problem.clone(),
                source: None,
            },
            Self::Unexpected { status, detail } => {
                Self::Unexpected { status: *status, detail: detail.clone() }
            }
            Self::Misconfigured(detail) => Self::Misconfigured(detail.clone()),
        }
    }

    /// The server's code, where it had one.
    pub fn code(&self) -> Option<ErrorCode> {
        self.problem().map(|problem| problem.code)
    }
}

impl From<AddressError> for PublishError {
    fn from(error: AddressError) -> Self {
        Self::Misconfigured(error.to_string())
    }
}

/// How to publish.
#[derive(Clone)]
pub struct PublisherOptions {
    /// The server's base URL, with a path prefix where it is mounted under one.
    pub url: String,
    /// An API key with the scopes that the calls need.
    pub api_key: String,
    /// For one try.
    pub timeout: Duration,
    /// How failures of the moment are repeated.
    pub retry: RetryPolicy,
    /// Most lines of one request of a batch.
    pub batch_lines: usize,
    /// Most bytes of one request of a batch.
    pub batch_bytes: usize,
}

impl PublisherOptions {
    /// The defaults for this server and key.
    pub fn new(url: impl Into<String>, api_key: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            api_key: api_key.into(),
            timeout: Duration::from_secs(10),
            retry: RetryPolicy::default(),
            batch_lines: 2_000,
            batch_bytes: 4 * 1024 * 1024,
        }
    }
}

impl std::fmt::Debug for PublisherOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublisherOptions").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Posts alerts and manages users and groups. Cheap to clone; all clones share their connections.
#[derive(Debug, Clone)]
pub struct Publisher {
    http: reqwest::Client,
    address: Address,
    timeout: Duration,
    retry: RetryPolicy,
    pub(crate) batch_lines: usize,
    pub(crate) batch_bytes: usize,
}

/// One request, ready to be sent again.
pub(crate) struct Call {
    method: Method,
    url: Url,
    body: Option<(Bytes, &'static str)>,
    idempotency_key: Option<String>,
}

impl Call {
    pub(crate) fn body(mut self, body: impl Into<Bytes>, content_type: &'static str) -> Self {
        self.body = Some((body.into(), content_type));
        self
    }

    fn after(mut self, after: Option<&str>) -> Self {
        if let Some(after) = after {
            self.url.query_pairs_mut().append_pair("after", after);
        }
        self
    }

    fn json(self, body: &impl Serialize) -> Result<Self, PublishError> {
        let body = serde_json::to_vec(body)
            .map_err(|error| PublishError::Misconfigured(format!("the body has no JSON form: {error}")))?;
        Ok(self.body(body, "application/json"))
    }
}

/// Whether the answer is read whole under the timeout, or streamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Whole,
    Streamed,
}

/// What one try met.
enum Met {
    Final(PublishError),
    Transient { error: Failure, retry_after: Option<Duration> },
}

struct Failure {
    detail: String,
    problem: Option<Box<Problem>>,
    source: Option<reqwest::Error>,
}

impl Publisher {
    /// A publisher with the default options.
    pub fn new(url: &str, api_key: &str) -> Result<Self, PublishError> {
        Self::with_options(PublisherOptions::new(url, api_key))
    }

    /// A publisher.
    pub fn with_options(options: PublisherOptions) -> Result<Self, PublishError> {
        let address = Address::parse(&options.url)?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", options.api_key)).map_err(|_| {
            PublishError::Misconfigured("the API key has characters that no header takes".to_owned())
        })?;
        bearer.set_sensitive(true);
        crate::tls::ensure_provider();
        let http = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
            .connect_timeout(options.timeout)
            // The answer to a batch is streamed: only its pauses are limited.
            .read_timeout(options.timeout.saturating_mul(3))
            .tcp_nodelay(true)
            // A redirect of a POST would turn into a GET and lose the alert without a word.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| PublishError::Misconfigured(error.to_string()))?;
        Ok(Self {
            http,
            address,
            timeout: options.timeout,
            retry: options.retry,
            batch_lines: options.batch_lines.max(1),
            batch_bytes: options.batch_bytes,
        })
    }

    /// Publishes an alert: when this returns `Ok`, it is on the server's disk. Without an idempotency key of its own
    /// the alert gets one, so that a repeated try never makes a second alert.
    pub async fn publish(&self, alert: &NewAlert) -> Result<AlertAnswer, PublishError> {
        let mut call = self.call(Method::POST, ["v1", "alerts"]).json(alert)?;
        if alert.idempotency_key.is_none() {
            call.idempotency_key = Some(new_key());
        }
        self.fetch(&call).await
    }

    /// Publishes to one person.
    pub async fn publish_to_user(
        &self,
        user: &UserId,
        kind: &str,
        data: &impl Serialize,
    ) -> Result<AlertAnswer, PublishError> {
        self.publish(&new_alert(Audience::User(user.clone()), kind, data)?).await
    }

    /// Publishes to whoever is in the group now.
    pub async fn publish_to_group(
        &self,
        group: &GroupId,
        kind: &str,
        data: &impl Serialize,
    ) -> Result<AlertAnswer, PublishError> {
        self.publish(&new_alert(Audience::Group(group.clone()), kind, data)?).await
    }

    /// Publishes to everyone.
    pub async fn publish_to_everyone(
        &self,
        kind: &str,
        data: &impl Serialize,
    ) -> Result<AlertAnswer, PublishError> {
        self.publish(&new_alert(Audience::Everyone(true), kind, data)?).await
    }

    /// An alert, and where it stands with a page of its recipients, after the `next` of the page before.
    pub async fn alert(&self, id: AlertId, after: Option<&str>) -> Result<AlertTrace, PublishError> {
        self.fetch(&self.call(Method::GET, ["v1", "alerts", &id.to_string()]).after(after)).await
    }

    /// Takes an alert back.
    pub async fn recall(&self, id: AlertId) -> Result<(), PublishError> {
        self.run(&self.call(Method::DELETE, ["v1", "alerts", &id.to_string()])).await
    }

    /// Says how a user can be reached and addressed; a missing field is forgotten.
    pub async fn put_user(&self, user: &UserId, profile: &UserProfile) -> Result<User, PublishError> {
        self.fetch(&self.call(Method::PUT, ["v1", "users", segment(user.as_str())?]).json(profile)?).await
    }

    /// What is known of a user.
    pub async fn user(&self, user: &UserId) -> Result<User, PublishError> {
        self.fetch(&self.call(Method::GET, ["v1", "users", segment(user.as_str())?])).await
    }

    /// Erases everything of a user.
    pub async fn delete_user(&self, user: &UserId) -> Result<(), PublishError> {
        self.run(&self.call(Method::DELETE, ["v1", "users", segment(user.as_str())?])).await
    }

    /// Closes a user's connections, and refuses older tokens where the body says so.
    pub async fn disconnect(
        &self,
        user: &UserId,
        body: &DisconnectBody,
    ) -> Result<DisconnectAnswer, PublishError> {
        let path = ["v1", "users", segment(user.as_str())?, "disconnect"];
        self.fetch(&self.call(Method::POST, path).json(body)?).await
    }

    /// Sets who is in a group.
    pub async fn put_group(&self, group: &GroupId, members: Vec<UserId>) -> Result<GroupSize, PublishError> {
        let path = ["v1", "groups", segment(group.as_str())?];
        self.fetch(&self.call(Method::PUT, path).json(&GroupMembers { members })?).await
    }

    /// Adds to a group.
    pub async fn add_members(
        &self,
        group: &GroupId,
        members: Vec<UserId>,
    ) -> Result<GroupSize, PublishError> {
        let path = ["v1", "groups", segment(group.as_str())?, "members"];
        self.fetch(&self.call(Method::POST, path).json(&GroupMembers { members })?).await
    }

    /// Takes out of a group.
    pub async fn remove_members(
        &self,
        group: &GroupId,
        members: Vec<UserId>,
    ) -> Result<GroupSize, PublishError> {
        let path = ["v1", "groups", segment(group.as_str())?, "members"];
        self.fetch(&self.call(Method::DELETE, path).json(&GroupMembers { members })?).await
    }

    /// A page of a group's members, after the `next` of the page before.
    pub async fn group(&self, group: &GroupId, after: Option<&str>) -> Result<Group, PublishError> {
        self.fetch(&self.call(Method::GET, ["v1", "groups", segment(group.as_str())?]).after(after)).await
    }

    /// Deletes a group; alerts posted to it stay where they are.
    pub async fn delete_group(&self, group: &GroupId) -> Result<(), PublishError> {
        self.run(&self.call(Method::DELETE, ["v1", "groups", segment(group.as_str())?])).await
    }

    /// The server's numbers.
    pub async fn stats(&self) -> Result<Stats, PublishError> {
        self.fetch(&self.call(Method::GET, ["v1", "stats"])).await
    }

    pub(crate) fn call<'a>(&self, method: Method, path: impl IntoIterator<Item = &'a str>) -> Call {
        Call { method, url: self.address.http(path), body: None, idempotency_key: None }
    }

    async fn run(&self, call: &Call) -> Result<(), PublishError> {
        self.fetch::<IgnoredAny>(call).await.map(|_| ())
    }

    async fn fetch<T: DeserializeOwned>(&self, call: &Call) -> Result<T, PublishError> {
        let mut failures = 0;
        loop {
            let met = match self.send(call, Answer::Whole).await {
                Ok(response) => {
                    let status = response.status().as_u16();
                    match response.bytes().await {
                        Ok(body) => return read(status, &body),
                        // The answer broke off; asking again repeats nothing but the answer.
                        Err(error) => Met::from(error),
                    }
                }
                Err(met) => met,
            };
            failures += 1;
            self.pause(met, failures).await?;
        }
    }

    /// Sends until the server begins a good answer, whose body the caller reads.
    pub(crate) async fn begin(
        &self,
        call: &Call,
        failures: &mut u32,
    ) -> Result<reqwest::Response, PublishError> {
        loop {
            match self.send(call, Answer::Streamed).await {
                Ok(response) => return Ok(response),
                Err(met) => {
                    *failures += 1;
                    self.pause(met, *failures).await?;
                }
            }
        }
    }

    /// A streamed answer broke off, with or without an error: waits, or says that it was the last time.
    pub(crate) async fn broke_off(
        &self,
        error: Option<reqwest::Error>,
        failures: u32,
    ) -> Result<(), PublishError> {
        let ended = || {
            let detail = "the answer ended before the last result".to_owned();
            Met::Transient { error: Failure { detail, problem: None, source: None }, retry_after: None }
        };
        self.pause(error.map_or_else(ended, Met::from), failures).await
    }

    /// One try: a good status, or what stood in the way.
    async fn send(&self, call: &Call, answer: Answer) -> Result<reqwest::Response, Met> {
        let mut request = self.http.request(call.method.clone(), call.url.clone());
        if answer == Answer::Whole {
            request = request.timeout(self.timeout);
        }
        if let Some((body, content_type)) = &call.body {
            request = request.header(CONTENT_TYPE, *content_type).body(body.clone());
        }
        if let Some(key) = &call.idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        let response = request.send().await.map_err(Met::from)?;
        let status = response.status().as_u16();
        if response.status().is_success() {
            return Ok(response);
        }
        let hint = retry_after(response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()));
        let body = response.bytes().await.map_err(Met::from)?;
        Err(judge(status, hint, &body))
    }

    async fn pause(&self, met: Met, failures: u32) -> Result<(), PublishError> {
        let (error, hint) = match met {
            Met::Final(error) => return Err(error),
            Met::Transient { error, retry_after } => (error, retry_after),
        };
        let Some(wait) = self.retry.delay(failures, hint, fastrand::f64()) else {
            let Failure { detail, problem, source } = error;
            return Err(PublishError::Unavailable { attempts: failures, detail, problem, source });
        };
        tracing::debug!(failures, wait_ms = wait.as_millis() as u64, detail = %error.detail, "repeating a request");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

impl From<reqwest::Error> for Met {
    fn from(error: reqwest::Error) -> Self {
        if error.is_builder() {
            return Self::Final(PublishError::Misconfigured(error.without_url().to_string()));
        }
        let error = error.without_url();
        let detail = std::error::Error::source(&error).map_or_else(|| error.to_string(), root_cause);
        let error = Failure { detail, problem: None, source: Some(error) };
        Self::Transient { error, retry_after: None }
    }
}

fn root_cause(mut error: &(dyn std::error::Error + 'static)) -> String {
    while let Some(below) = error.source() {
        error = below;
    }
    error.to_string()
}

fn judge(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Met {
    let problem = serde_json::from_slice::<Problem>(body).ok().map(Box::new);
    if is_transient(status) {
        let detail =
            problem.as_ref().map_or_else(|| format!("HTTP {status}"), |problem| problem.detail.clone());
        return Met::Transient { error: Failure { detail, problem, source: None }, retry_after };
    }
    Met::Final(match problem {
        Some(problem) => PublishError::Refused(problem),
        None => {
            let text = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
            PublishError::Unexpected { status, detail: text }
        }
    })
}

fn read<T: DeserializeOwned>(status: u16, body: &[u8]) -> Result<T, PublishError> {
    let body = if body.is_empty() { b"null".as_slice() } else { body };
    serde_json::from_slice(body)
        .map_err(|error| PublishError::Unexpected { status, detail: error.to_string() })
}

/// URLs have no segment of one or two dots, whatever the encoding.
fn segment(id: &str) -> Result<&str, PublishError> {
    if matches!(id, "." | "..") {
        return Err(PublishError::Misconfigured(format!("the id `{id}` cannot stand in a path")));
    }
    Ok(id)
}

pub(crate) fn new_key() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// An alert with nothing but audience, kind and payload; set what else it needs.
pub fn new_alert(to: Audience, kind: &str, data: &impl Serialize) -> Result<NewAlert, PublishError> {
    let data = serde_json::value::to_raw_value(data)
        .map_err(|error| PublishError::Misconfigured(format!("the data has no JSON form: {error}")))?;
    Ok(NewAlert {
        to,
        kind: kind.to_owned(),
        data: Some(data),
        title: None,
        body: None,
        link: None,
        image: None,
        actions: Vec::new(),
        severity: None,
        category: None,
        thread: None,
        collapse_key: None,
        expires_at: None,
        quiet: false,
        idempotency_key: None,
        ladder: None,
    })
}
