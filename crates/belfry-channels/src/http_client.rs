//! HTTPS to a provider: whom to trust, how long to wait, how much of an answer is read, and what went wrong when
//! there was none.

use crate::guard::LedInside;
use crate::outcome::{Action, RetryScope, SendError};
use jiff::Timestamp;
use reqwest::{Certificate, Client, ClientBuilder, RequestBuilder, Url};
use std::error::Error;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// How long one call may take in all, with every second try.
pub(crate) const CALL_DEADLINE: Duration = Duration::from_secs(15);
/// For DNS, TCP and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that nobody acknowledges for so long end the connection, so that a second try still fits into the call.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(6);
/// Probes keep the way through a router open.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);
/// How often an idle HTTP/2 connection is asked whether it is alive.
const PING_INTERVAL: Duration = Duration::from_secs(3600);
/// How long the answer to that may take.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of an answer is read.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// No provider is waited for longer than this at once.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// A channel cannot be made from these settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {problem}")]
pub struct SetupError {
    /// The key of the configuration.
    pub key: &'static str,
    /// What is wrong with it, without its value where that is a secret.
    pub problem: String,
}

impl SetupError {
    pub(crate) fn new(key: &'static str, problem: impl Into<String>) -> Self {
        Self { key, problem: problem.into() }
    }
}

/// Which HTTP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Versions {
    /// What both sides know.
    Negotiated,
    /// HTTP/2 and nothing else: one connection carries many calls.
    Two,
}

/// How connections to a provider are made; a new client can be made from it at any time.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    certificates: Option<Vec<Certificate>>,
    versions: Versions,
    loopback: bool,
    ca_file_key: &'static str,
}

impl Connector {
    /// `ca_file`: trusted instead of the certificates that the system trusts. `ca_file_key` names it in messages.
    pub(crate) fn new(
        ca_file_key: &'static str,
        ca_file: Option<&Path>,
        versions: Versions,
        urls: &[&Url],
    ) -> Result<Self, SetupError> {
        // Belongs to the process; a second installation changes nothing.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let certificates = match ca_file {
            Some(path) => Some(read_certificates(ca_file_key, path)?),
            // No TLS will be spoken, so a machine without root certificates is no obstacle.
            None if urls.iter().all(|url| url.scheme() == "http") => Some(Vec::new()),
            None => None,
        };
        let loopback = urls.iter().all(|url| is_loopback(url));
        Ok(Self { certificates, versions, loopback, ca_file_key })
    }

    /// A client with connections of its own.
    pub(crate) fn client(&self) -> Result<Client, SetupError> {
        self.finish(self.builder())
    }

    /// What a client is made from, for channels that add restrictions of their own.
    pub(crate) fn builder(&self) -> ClientBuilder {
        let mut client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            // What may be repeated is decided where the provider's rules are known.
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_DEADLINE)
            .pool_idle_timeout(None)
            .tcp_keepalive(TCP_KEEPALIVE)
            .user_agent(concat!("belfry/", env!("CARGO_PKG_VERSION")));
        #[cfg(target_os = "linux")]
        {
            client = client.tcp_user_timeout(UNACKNOWLEDGED_MAX);
        }
        if self.versions == Versions::Two {
            client = client
                .http2_prior_knowledge()
                .http2_keep_alive_interval(PING_INTERVAL)
                .http2_keep_alive_timeout(PING_TIMEOUT)
                .http2_keep_alive_while_idle(true);
        }
        if self.loopback {
            client = client.no_proxy();
        }
        if let Some(certificates) = &self.certificates {
            client = client.tls_certs_only(certificates.clone());
        }
        client
    }

    /// The client of a [`Connector::builder`].
    pub(crate) fn finish(&self, client: ClientBuilder) -> Result<Client, SetupError> {
        client.build().map_err(|error| {
            let problem = format!("no HTTPS client can be made: {}", innermost(&error));
            SetupError::new(self.ca_file_key, problem)
        })
    }
}

fn read_certificates(key: &'static str, path: &Path) -> Result<Vec<Certificate>, SetupError> {
    let pem = std::fs::read(path)
        .map_err(|error| SetupError::new(key, format!("cannot read `{}`: {error}", path.display())))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(SetupError::new(key, format!("`{}` holds no certificate in PEM", path.display()))),
    }
}

/// A base URL: `https:`, or anything on this machine.
pub(crate) fn base_url(key: &'static str, text: &str) -> Result<Url, SetupError> {
    let url =
        Url::parse(text).map_err(|error| SetupError::new(key, format!("`{text}` is no URL: {error}")))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(SetupError::new(
            key,
            "it must begin with https: whoever sits between could read what is sent",
        )),
    }
}

/// The base URL with this path below it.
pub(crate) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What a provider answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    /// What it asks to wait; at most an hour.
    pub(crate) retry_after: Option<Duration>,
    /// At most its first 16 KiB.
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer. The texts name no address, URL or secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The provider gave the request back unread: it can be sent again at once.
    NotProcessed(String),
    /// No connection came about.
    Unreachable(String),
    /// The other side's certificate is not trusted.
    Untrusted(String),
    /// Its name leads to where nobody may be called.
    LedInside(LedInside),
    /// Nothing came in time. It may have been processed.
    Timeout,
    /// The connection ended in the middle. It may have been processed.
    Broken(String),
}

impl Failure {
    /// As what it is told to the caller.
    pub(crate) fn into_error(self) -> SendError {
        let everybody = |error: SendError| error.with_wait(None, RetryScope::Provider);
        match self {
            Self::NotProcessed(said) => SendError::new(Action::Retry, "not-processed", said),
            Self::Unreachable(said) => everybody(SendError::new(Action::Retry, "unreachable", said)),
            Self::Untrusted(said) => {
                let said = format!(
                    "its certificate is not trusted ({said}); behind a proxy with certificates of its own, name them in `ca_file`"
                );
                everybody(SendError::new(Action::Misconfigured, "certificate", said))
            }
            Self::LedInside(led) => SendError::new(Action::Refused, "not-public", led.to_string()),
            Self::Timeout => timed_out(),
            Self::Broken(said) => SendError::new(Action::Retry, "reset", said),
        }
    }
}

/// No answer within the time of one call.
pub(crate) fn timed_out() -> SendError {
    SendError::new(Action::Retry, "timeout", "no answer in time; it may have been taken")
}

/// Sends a request and reads the answer.
pub(crate) async fn exchange(request: RequestBuilder, now: Timestamp) -> Result<Answer, Failure> {
    let mut response = request.send().await.map_err(|error| failure(&error))?;
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = ANSWER_BYTES_MAX - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if body.len() == ANSWER_BYTES_MAX {
                    break;
                }
            }
            Ok(None) => break,
            // The status alone says that it was accepted; of a refusal the body says what it means.
            Err(_) if (200..300).contains(&status) => break,
            Err(error) => return Err(failure(&error)),
        }
    }
    let retry_after = headers
        .get(http::header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| retry_after(text, now));
    Ok(Answer { status, headers, retry_after, body })
}

/// `Retry-After`: seconds or a date; at most [`RETRY_AFTER_MAX`].
pub(crate) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            Duration::try_from(date.duration_since(now)).unwrap_or_default()
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// Sorts an error by what it says about the request's fate.
pub(crate) fn failure(error: &reqwest::Error) -> Failure {
    let said = innermost(error);
    for cause in causes(error) {
        if let Some(error) = cause.downcast_ref::<h2::Error>() {
            let given_back = error.is_remote()
                && ((error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR))
                    || (error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM)));
            if given_back {
                return Failure::NotProcessed(said);
            }
        }
        if let Some(rustls::Error::InvalidCertificate(_)) = cause.downcast_ref::<rustls::Error>() {
            return Failure::Untrusted(said);
        }
        if let Some(led) = cause.downcast_ref::<LedInside>() {
            return Failure::LedInside(*led);
        }
    }
    if error.is_connect() {
        Failure::Unreachable(said)
    } else if error.is_timeout() {
        Failure::Timeout
    } else {
        Failure::Broken(said)
    }
}

/// The error and what it came from; an `io::Error` hides what it wraps, so that is looked into as well.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let error: &'a (dyn Error + 'static) = *error;
        match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped as &'a (dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// The cause of all causes in words: the outer ones may name the URL.
fn innermost(error: &(dyn Error + 'static)) -> String {
    match causes(error).last() {
        Some(cause) if cause.downcast_ref::<reqwest::Error>().is_none() => cause.to_string(),
        _ => "no answer".to_owned(),
    }
}

/// A header's value that no log shows.
pub(crate) fn secret_header(value: impl fmt::Display) -> Option<http::HeaderValue> {
    let mut value = http::HeaderValue::from_str(&value.to_string()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A provider's words without what must not be repeated.
pub(crate) fn without_secrets(said: &str, secrets: &[&str]) -> String {
    secrets
        .iter()
        .filter(|secret| !secret.is_empty())
        .fold(said.to_owned(), |said, secret| said.replace(secret, "…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_more_than_an_hour() {
        let now: Timestamp = "2026-11-02T10:00:00Z".parse().unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Mon, 02 Nov 2026 10:00:30 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Mon, 02 Nov 2026 09:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("86400", now), Some(Duration::from_secs(3600)));
        assert_eq!(retry_after("soon", now), None);
    }

    #[test]
    fn a_base_url_is_https_or_on_this_machine() {
        assert!(base_url("fcm.base_url", "https://fcm.googleapis.com").is_ok());
        assert!(base_url("fcm.base_url", "http://127.0.0.1:4000").is_ok());
        assert!(base_url("fcm.base_url", "http://[::1]:4000").is_ok());
        assert!(base_url("fcm.base_url", "http://fcm.example.com").is_err());
        assert!(base_url("fcm.base_url", "fcm.example.com").is_err());
        let base = base_url("fcm.base_url", "https://proxy.example.com/google/").unwrap();
        assert_eq!(below(&base, "/v1/projects").as_str(), "https://proxy.example.com/google/v1/projects");
    }

    #[test]
    fn a_file_without_certificates_is_told_by_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let url = base_url("fcm.base_url", "https://fcm.example.com").unwrap();
        let make = || Connector::new("fcm.ca_file", Some(&path), Versions::Two, &[&url]).unwrap_err();
        assert!(make().to_string().starts_with("`fcm.ca_file`: cannot read"), "{}", make());
        std::fs::write(&path, "nothing").unwrap();
        assert!(make().to_string().ends_with("holds no certificate in PEM"), "{}", make());
    }

    #[test]
    fn secrets_are_taken_out_of_words() {
        assert_eq!(without_secrets("no such token abc", &["abc", ""]), "no such token …");
    }
}
