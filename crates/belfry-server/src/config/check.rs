//! What each value allows alone, but all of them together do not.

mod cluster;
mod smtp;

use super::{ApiKeySecret, Config, Mode};
use crate::auth::{ApiKeys, CookieNames, Loopback, Origins, SECRET_BYTES_MIN, SettingError, Verifier};
use secrecy::ExposeSecret;
use std::time::Duration;

/// Shortest API key that is no typing exercise, in bytes.
const API_KEY_BYTES_MIN: usize = 16;

/// Something to put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub weight: Weight,
    /// The key.
    pub key: &'static str,
    /// What is the matter.
    pub message: String,
    /// What to do; empty where the message says it.
    pub remedy: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// `serve` refuses to start.
    Error,
    /// It runs, and will surprise somebody.
    Warning,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: {}", self.key, self.message)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn error(&mut self, key: &'static str, message: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Finding { weight: Weight::Error, key, message: message.into(), remedy: remedy.into() });
    }

    fn warning(&mut self, key: &'static str, message: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Finding { weight: Weight::Warning, key, message: message.into(), remedy: remedy.into() });
    }
}

/// How long the hub remembers who left.
const LINGER_MAX: Duration = Duration::from_secs(600);

impl Config {
    /// What is unsafe, impossible or surprising; errors first. `serve` refuses to start on an error.
    pub fn check(&self) -> Vec<Finding> {
        let mut findings = Findings::default();
        self.check_tokens(&mut findings);
        self.check_origins(&mut findings);
        self.check_api_keys(&mut findings);
        self.check_listener(&mut findings);
        self.check_files(&mut findings);
        self.check_limits(&mut findings);
        self.check_cluster(&mut findings);
        self.check_fallback(&mut findings);
        self.check_smtp(&mut findings);
        self.check_parts(&mut findings);
        self.check_channels(&mut findings);
        self.check_web_push(&mut findings);
        self.check_webhook(&mut findings);
        findings.0.sort_by_key(|finding| finding.weight);
        findings.0
    }

    /// What the parts themselves would refuse at the start, where nothing was said about that key before.
    fn check_parts(&self, findings: &mut Findings) {
        let loopback = match self.mode {
            Mode::Dev => Loopback::Allowed,
            Mode::Serve => Loopback::Listed,
        };
        let refusals = [
            ApiKeys::new(&self.api_keys).err(),
            Verifier::new(self.verifier_options()).err(),
            CookieNames::new(&self.auth.cookie_names).err(),
            Origins::new(&self.auth.allowed_origins, loopback).err(),
        ];
        for SettingError { key, problem } in refusals.into_iter().flatten() {
            if !findings.0.iter().any(|finding| finding.key == key) {
                findings.error(key, problem, "");
            }
        }
    }

    /// What the channels themselves would refuse at the start, and half a configuration.
    fn check_channels(&self, findings: &mut Findings) {
        let refusals = [
            self.fcm.options().and_then(|options| belfry_channels::Fcm::new(options).err()),
            self.apns.options().and_then(|options| belfry_channels::Apns::new(options).err()),
            self.webhook.options().and_then(|options| belfry_channels::Webhook::new(&options).err()),
            self.status_webhooks.poster().err(),
        ];
        for belfry_channels::SetupError { key, problem } in refusals.into_iter().flatten() {
            findings.error(key, problem, "");
        }
        let (fcm, apns) = (&self.fcm, &self.apns);
        if fcm.service_account.is_none() && fcm.project_id.is_some() {
            findings.warning(
                "fcm.service_account",
                "it is empty, so nothing is pushed through FCM",
                "set `fcm.service_account_file`, or leave the whole section empty",
            );
        }
        let named = [&apns.key_id, &apns.team_id, &apns.topic];
        if apns.key.is_none() && named.iter().any(|text| !text.is_empty()) {
            findings.warning(
                "apns.key",
                "it is empty, so nothing is pushed through APNs",
                "set `apns.key_file`, or leave the whole section empty",
            );
        }
    }

    fn check_web_push(&self, findings: &mut Findings) {
        let push = &self.web_push;
        let Some(options) = push.options() else {
            if push.subject.is_some() || !push.old_private_keys.is_empty() {
                findings.warning(
                    "web_push.private_key",
                    "it is empty, so nothing is pushed to browsers",
                    "`belfry vapid` makes a key pair",
                );
            }
            return;
        };
        if let Err(belfry_channels::SetupError { key, problem }) = belfry_channels::WebPush::new(options) {
            findings.error(key, problem, "");
        }
        if self.mode == Mode::Serve && push.subject.is_none() {
            findings.error(
                "web_push.subject",
                "a push service could not tell anybody that something is wrong, and Apple takes nothing without it",
                "write for example \"mailto:push@example.com\"",
            );
        }
        if self.mode == Mode::Serve && !push.private_hosts.is_empty() {
            findings.warning(
                "web_push.private_hosts",
                "whoever registers a device can make this server call these hosts",
                "leave it empty outside of development",
            );
        }
    }

    fn check_webhook(&self, findings: &mut Findings) {
        let hook = &self.webhook;
        if self.mode == Mode::Serve && !self.status_webhooks.private_hosts.is_empty() {
            findings.warning(
                "status_webhooks.private_hosts",
                "whoever may manage endpoints can make this server call these hosts",
                "name none that has secrets to tell",
            );
        }
        if hook.url.is_some() && hook.secret.is_none() {
            findings.error(
                "webhook.secret",
                "without it the application could not tell who posts",
                "use `whsec_` and the output of `openssl rand -base64 32`",
            );
        }
        if hook.url.is_none() && hook.secret.is_some() {
            findings.warning(
                "webhook.url",
                "it is empty, so nothing is posted",
                "name the application's endpoint",
            );
        }
        if hook.url.as_deref().is_some_and(|url| !is_private_transport(url)) {
            findings.warning(
                "webhook.url",
                "notices travel in clear text",
                "use https, unless the network in between is yours alone",
            );
        }
    }

    fn check_tokens(&self, findings: &mut Findings) {
        let auth = &self.auth;
        if auth.jwt_secret.is_none() && auth.jwt_public_keys.is_empty() && auth.jwks_url.is_none() {
            findings.error(
                "auth.jwt_secret",
                "there is no key to verify tokens, so no user could connect",
                "set BELFRY_JWT_SECRET (or `auth.jwt_secret_file`), `auth.jwt_public_keys` or `auth.jwks_url`",
            );
        }
        let secret_bytes = auth.jwt_secret.as_ref().map(|secret| secret.expose_secret().len());
        if let Some(bytes) = secret_bytes.filter(|bytes| *bytes < SECRET_BYTES_MIN) {
            findings.error(
                "auth.jwt_secret",
                format!("the secret has {bytes} bytes and can be guessed"),
                format!(
                    "use at least {SECRET_BYTES_MIN}, for example the output of `openssl rand -base64 48`"
                ),
            );
        }
        if auth.user_claims.is_empty() {
            findings.error(
                "auth.user_claims",
                "no claim names the user",
                "name at least one, usually \"sub\"",
            );
        }
        if auth.jwks_url.as_deref().is_some_and(|url| !is_private_transport(url)) {
            findings.error(
                "auth.jwks_url",
                "whoever sits between could put in keys of their own",
                "use an https URL (http is for loopback only)",
            );
        }
        if auth.leeway > Duration::from_secs(300) {
            findings.warning(
                "auth.leeway",
                "expired tokens stay valid for longer than five minutes",
                "set the clocks right and use a leeway of a minute or less",
            );
        }
    }

    fn check_origins(&self, findings: &mut Findings) {
        let auth = &self.auth;
        let any = auth.allowed_origins.iter().any(|origin| origin == "*");
        if any && !auth.cookie_names.is_empty() {
            findings.error(
                "auth.allowed_origins",
                "\"*\" together with cookies lets any page act as its visitor",
                "name the origins of your pages, or set `auth.cookie_names = []`",
            );
        }
        for origin in auth.allowed_origins.iter().filter(|origin| *origin != "*" && !is_origin(origin)) {
            findings.error(
                "auth.allowed_origins",
                format!("`{origin}` is no origin, so no page could match it"),
                "write scheme, host and port only, in lower case and without a slash at the end, as in \"https://app.example.com\"",
            );
        }
        if self.mode == Mode::Serve && auth.allowed_origins.is_empty() && !auth.cookie_names.is_empty() {
            findings.warning(
                "auth.allowed_origins",
                "no page may connect with a cookie, and none from another origin",
                "name the origins of your pages, as in [\"https://app.example.com\"]",
            );
        }
    }

    fn check_api_keys(&self, findings: &mut Findings) {
        if self.api_keys.is_empty() {
            findings.error(
                "api_keys",
                "there is no API key, so nobody could publish",
                "run `belfry api-key new --name shop --scope publish` and put what it prints into belfry.toml, or set BELFRY_API_KEY",
            );
        }
        for (index, key) in self.api_keys.iter().enumerate() {
            if self.api_keys.iter().take(index).any(|earlier| earlier.name == key.name) {
                findings.error(
                    "api_keys",
                    format!("the name `{}` stands twice, and idempotency keys belong to a name", key.name),
                    "give each key its own name",
                );
            }
            if let ApiKeySecret::Plain(text) = &key.secret
                && text.expose_secret().len() < API_KEY_BYTES_MIN
            {
                findings.error(
                    "api_keys",
                    format!(
                        "the key `{}` has {} bytes and can be guessed",
                        key.name,
                        text.expose_secret().len()
                    ),
                    format!("use at least {API_KEY_BYTES_MIN}; `belfry api-key new` makes a good one"),
                );
            }
        }
    }

    fn check_listener(&self, findings: &mut Findings) {
        let server = &self.server;
        let tls = match (&server.tls_cert_file, &server.tls_key_file) {
            (Some(_), Some(_)) => true,
            (None, None) => false,
            (Some(_), None) => {
                findings.error(
                    "server.tls_key_file",
                    "the certificate has no key",
                    "set both files, or none",
                );
                false
            }
            (None, Some(_)) => {
                findings.error(
                    "server.tls_cert_file",
                    "the key has no certificate",
                    "set both files, or none",
                );
                false
            }
        };
        let open = !server.listen.ip().is_loopback();
        if self.mode == Mode::Dev && open {
            findings.error(
                "server.listen",
                format!("`belfry dev` has an open page and would answer on {}", server.listen),
                "listen on loopback, or use `belfry serve`",
            );
        }
        if self.mode == Mode::Serve && open && !tls && server.trusted_proxies.is_empty() {
            findings.warning(
                "server.listen",
                format!("tokens travel in clear text to {}", server.listen),
                "set `server.tls_cert_file` and `server.tls_key_file`, or name your proxy in `server.trusted_proxies`",
            );
        }
        if server.metrics_listen.is_some_and(|metrics| metrics == server.listen && metrics.port() != 0) {
            findings.error(
                "server.metrics_listen",
                "it is the address of the main listener",
                "give it a port of its own, or leave it empty",
            );
        }
        if server.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
            findings.warning(
                "server.trusted_proxies",
                "a network of all addresses lets every client choose its own address",
                "name the addresses of your proxies",
            );
        }
    }

    fn check_files(&self, findings: &mut Findings) {
        let server = &self.server;
        for (key, file) in
            [("server.tls_cert_file", &server.tls_cert_file), ("server.tls_key_file", &server.tls_key_file)]
        {
            if let Some(path) = file.as_ref().filter(|path| !path.is_file()) {
                findings.error(key, format!("there is no file `{}`", path.display()), "correct the path");
            }
        }
        if let Some(dir) = self.kinds.dir.as_ref().filter(|dir| !dir.is_dir()) {
            findings.error(
                "kinds.dir",
                format!("there is no folder `{}`", dir.display()),
                "make it, correct the path, or leave the key empty",
            );
        }
    }

    fn check_fallback(&self, findings: &mut Findings) {
        let fallback = &self.fallback;
        for (key, url) in
            [("fallback.app_url", &fallback.app_url), ("fallback.public_url", &fallback.public_url)]
        {
            if !url.is_empty() && !is_base_url(url) {
                findings.error(
                    key,
                    format!("`{url}` is not the address of a website"),
                    "write for example \"https://app.example.com\", without a query",
                );
            }
        }
        if let Err(error) = jiff::tz::TimeZone::get(&fallback.time_zone) {
            findings.error(
                "fallback.time_zone",
                format!("`{}` is no time zone: {error}", fallback.time_zone),
                "use an IANA name, for example \"Europe/Berlin\"",
            );
        }
        if self.live.linger > LINGER_MAX {
            findings.warning(
                "live.linger",
                "nobody is remembered for longer than ten minutes after leaving",
                "make it \"10m\" at most",
            );
        }
        if fallback.gone_percent_max > 100 {
            findings.error(
                "fallback.gone_percent_max",
                "there are no more than 100 percent",
                "use a number from 1 to 100",
            );
        }
    }

    fn check_limits(&self, findings: &mut Findings) {
        let (live, limits, drain) = (&self.live, &self.limits, &self.drain);
        if live.catch_up_page_bytes >= limits.send_queue_bytes_max {
            findings.error(
                "live.catch_up_page_bytes",
                "a page of a catch-up does not fit into `limits.send_queue_bytes_max`",
                "make it two thirds of the queue or less",
            );
        }
        if limits.body_bytes_max < 2 * belfry_protocol::alert::DATA_BYTES_MAX {
            findings.warning(
                "limits.body_bytes_max",
                "an alert with as much `data` as is allowed does not fit",
                "use at least \"32KiB\"",
            );
        }
        if limits.inbound_frames_burst < limits.inbound_frames_per_second {
            findings.warning(
                "limits.inbound_frames_burst",
                "it is below a second's worth of `limits.inbound_frames_per_second`",
                "make it as large at least",
            );
        }
        if live.heartbeat_timeout > live.heartbeat_interval {
            findings.warning(
                "live.heartbeat_timeout",
                "it is longer than `live.heartbeat_interval`, so a dead connection outlives several heartbeats",
                "make it shorter",
            );
        }
        if drain.ready_wait + drain.window >= drain.timeout {
            findings.warning(
                "drain.timeout",
                "it ends the process before `drain.ready_wait` and `drain.window` are over",
                "make it longer than both together",
            );
        }
        if live.naive_backlog_age > self.inbox.retention {
            findings.warning(
                "live.naive_backlog_age",
                "it reaches back further than `inbox.retention`",
                "make it shorter",
            );
        }
    }
}

/// Whether nobody in between can read and change what goes to this URL.
fn is_private_transport(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    url.scheme() == "https" || loopback
}

/// Whether paths can be put behind it.
fn is_base_url(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "https" | "http") && url.query().is_none() && url.fragment().is_none()
    })
}

/// Whether a browser could send exactly this as `Origin`.
fn is_origin(text: &str) -> bool {
    reqwest::Url::parse(text)
        .is_ok_and(|url| url.origin().is_tuple() && url.origin().ascii_serialization() == text)
}
