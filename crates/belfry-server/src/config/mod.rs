//! What the operator decides: defaults, `belfry.toml`, environment, flags; strict, and every fault is found at once.

mod check;
mod cluster;
mod form;
mod layers;
mod push;
mod sections;
mod smtp;
mod tables;

pub use crate::auth::{ApiKeyOptions, ApiKeySecret, PublicKeyOptions, Scope};
pub use check::{Finding, Weight};
pub use sections::{
    Apns, Auth, Bus, BusUrl, Cluster, Database, DatabaseUrl, Drain, Fallback, Fcm, Inbox, Kinds, Limits,
    Live, Log, LogFormat, Server, Smtp, StatusWebhooks, WebPush, Webhook,
};

use crate::auth::{JwksOptions, SecretOptions, VerifierOptions};
use belfry_bus::BusOptions;
use layers::{API_KEY_VARIABLE, Layers, Reader};
use secrecy::SecretString;
use std::path::{Path, PathBuf};

/// The documented defaults, `config.default.toml`.
pub const DEFAULTS: &str = include_str!("../../config.default.toml");

/// Everything that can be configured, one struct per section.
#[derive(Debug, Clone)]
pub struct Config {
    /// How the server was started; no key.
    pub mode: Mode,
    /// The listener and the node.
    pub server: Server,
    /// Where alerts are stored.
    pub database: Database,
    /// Hints between nodes.
    pub bus: Bus,
    /// In place of `[bus]`, for nodes that share a process; no key.
    pub bus_options: Option<BusOptions>,
    /// Nodes that share a store.
    pub cluster: Cluster,
    /// Who is a user.
    pub auth: Auth,
    /// Who may publish, manage, operate.
    pub api_keys: Vec<ApiKeyOptions>,
    /// Declared kinds.
    pub kinds: Kinds,
    /// Open connections.
    pub live: Live,
    /// Push by Firebase.
    pub fcm: Fcm,
    /// Push by Apple.
    pub apns: Apns,
    /// Push to browsers.
    pub web_push: WebPush,
    /// The application's endpoint.
    pub webhook: Webhook,
    /// What endpoints are told about alerts.
    pub status_webhooks: StatusWebhooks,
    /// Limits.
    pub limits: Limits,
    /// What stays in an inbox.
    pub inbox: Inbox,
    /// What happens when nobody is there.
    pub fallback: Fallback,
    /// The relay for e-mail.
    pub smtp: Smtp,
    /// How the server stops.
    pub drain: Drain,
    /// What is logged.
    pub log: Log,
}

/// How the server was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `belfry dev`: on loopback, with a page on `/`; the `Host` header must be loopback, pages on loopback may call.
    Dev,
    /// `belfry serve`, and the library.
    Serve,
}

/// Where a configuration is read from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `belfry.toml`.
    pub file: FileSource,
    /// Environment variables; those that are not Belfry's are ignored.
    pub environment: Vec<(String, String)>,
    /// Flags of the command line.
    pub flags: Vec<Flag>,
}

/// Which file is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FileSource {
    /// None.
    #[default]
    None,
    /// This one, where there is one.
    IfPresent(PathBuf),
    /// This one; it is a fault when it is not there.
    Named(PathBuf),
}

/// A key set by a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// As it is written, `--listen`.
    pub name: &'static str,
    /// What it sets, `server.listen`.
    pub key: &'static str,
    /// To what.
    pub value: String,
}

impl Sources {
    /// `--config` or `./belfry.toml`, this process's environment, and these flags.
    pub fn of_process(config: Option<&Path>, flags: Vec<Flag>) -> Self {
        let file = match config {
            Some(path) => FileSource::Named(path.to_owned()),
            None => FileSource::IfPresent(PathBuf::from("belfry.toml")),
        };
        let text = |text: std::ffi::OsString| text.into_string().ok();
        let environment =
            std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect();
        Self { file, environment, flags }
    }
}

/// Where a value is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `config.default.toml`.
    Default,
    /// A line of a file.
    File {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(&'static str),
}

impl Origin {
    /// The higher one wins.
    fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File { .. } => 1,
            Self::Environment(_) => 2,
            Self::Flag(_) => 3,
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Something in the configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it stands.
    pub origin: Option<Origin>,
    /// The key, what was found, what is expected.
    pub text: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{origin}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// All that cannot be used, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFaults(pub Vec<Fault>);

impl std::fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigFaults {}

/// A value in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// `section.key`.
    pub key: String,
    /// As TOML; secrets are not shown.
    pub value: String,
    /// Where it is from.
    pub origin: Origin,
}

impl Default for Config {
    fn default() -> Self {
        Self::read(&mut Reader::of_defaults())
    }
}

impl Config {
    /// Reads the sources; later ones win: file, environment, flags.
    pub fn load(sources: &Sources) -> Result<Self, ConfigFaults> {
        Self::load_with_settings(sources).map(|(config, _)| config)
    }

    /// As [`Config::load`], with every value in force and where it is from.
    pub fn load_with_settings(sources: &Sources) -> Result<(Self, Vec<Setting>), ConfigFaults> {
        let layers = Layers::of(sources);
        let mut reader = Reader::of(&layers);
        let mut config = Self::read(&mut reader);
        config.read_secret_files(&mut reader);
        let api_key = sources.environment.iter().find(|(name, _)| name == API_KEY_VARIABLE);
        if let Some((name, key)) = api_key.filter(|(_, key)| !key.is_empty()) {
            config.api_keys.push(ApiKeyOptions {
                name: name.clone(),
                scopes: Scope::ALL.to_vec(),
                secret: ApiKeySecret::Plain(key.clone().into()),
            });
        }
        reader.finish()?;
        let settings = settings(&layers);
        Ok((config, settings))
    }

    fn read(reader: &mut Reader<'_>) -> Self {
        let mut server = Server::read(reader);
        if server.node.is_empty() {
            server.node = host_name();
        }
        Self {
            mode: Mode::Serve,
            server,
            database: Database::read(reader),
            bus: Bus::read(reader),
            bus_options: None,
            cluster: Cluster::read(reader),
            auth: Auth::read(reader),
            api_keys: reader.get("api_keys", &tables::API_KEYS),
            kinds: Kinds::read(reader),
            live: Live::read(reader),
            fcm: Fcm::read(reader),
            apns: Apns::read(reader),
            web_push: WebPush::read(reader),
            webhook: Webhook::read(reader),
            status_webhooks: StatusWebhooks::read(reader),
            limits: Limits::read(reader),
            inbox: Inbox::read(reader),
            fallback: Fallback::read(reader),
            smtp: Smtp::read(reader),
            drain: Drain::read(reader),
            log: Log::read(reader),
        }
    }

    /// Puts the text of `…_file` where the secret itself would stand.
    fn read_secret_files(&mut self, reader: &mut Reader<'_>) {
        self.read_url_files(reader);
        let files = [
            ("auth.jwt_secret_file", &self.auth.jwt_secret_file, &mut self.auth.jwt_secret),
            ("fcm.service_account_file", &self.fcm.service_account_file, &mut self.fcm.service_account),
            ("apns.key_file", &self.apns.key_file, &mut self.apns.key),
            ("smtp.password_file", &self.smtp.password_file, &mut self.smtp.password),
            ("web_push.private_key_file", &self.web_push.private_key_file, &mut self.web_push.private_key),
            ("webhook.secret_file", &self.webhook.secret_file, &mut self.webhook.secret),
        ];
        for (key, path, secret) in files {
            let Some(path) = path else { continue };
            match tables::read_secret(path) {
                Ok(text) => *secret = Some(text.into()),
                Err(reason) => reader.fault(key, format!("the secret of `{key}` {reason}")),
            }
        }
        let (push, hook) = (&mut self.web_push, &mut self.webhook);
        let lists = [
            ("web_push.old_private_keys_file", &push.old_private_keys_file, &mut push.old_private_keys),
            ("webhook.old_secrets_file", &hook.old_secrets_file, &mut hook.old_secrets),
        ];
        for (key, path, secrets) in lists {
            let Some(path) = path else { continue };
            match tables::read_secrets(path) {
                Ok(texts) => *secrets = texts,
                Err(reason) => reader.fault(key, format!("the secrets of `{key}` {reason}")),
            }
        }
    }

    /// What makes a token valid.
    pub fn verifier_options(&self) -> VerifierOptions {
        let auth = &self.auth;
        let secret = |secret: &SecretString| SecretOptions { kid: None, secret: secret.clone() };
        VerifierOptions {
            secrets: auth.jwt_secret.iter().map(secret).collect(),
            public_keys: auth.jwt_public_keys.clone(),
            jwks: auth
                .jwks_url
                .as_ref()
                .map(|url| JwksOptions { refresh: auth.jwks_refresh, ..JwksOptions::new(url) }),
            user_claims: auth.user_claims.clone(),
            issuers: auth.issuer.iter().cloned().collect(),
            audiences: auth.audience.iter().cloned().collect(),
            required_claims: auth.required_claims.clone(),
            leeway: auth.leeway,
            ..VerifierOptions::default()
        }
    }

    /// How long items stay.
    pub fn retention_policy(&self) -> belfry_store::RetentionPolicy {
        belfry_store::RetentionPolicy {
            default: self.inbox.retention,
            categories: self.inbox.retention_per_category.clone().into_iter().collect(),
        }
    }
}

/// This machine's name, or `belfry` where it has none.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let name = name.ok().or_else(|| std::env::var("HOSTNAME").ok());
    name.map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "belfry".to_owned())
}

fn settings(layers: &Layers) -> Vec<Setting> {
    let names = sections::SECTIONS
        .iter()
        .flat_map(|(section, keys)| keys.iter().map(move |key| format!("{section}.{key}")))
        .chain(layers::TOP_KEYS.iter().map(|key| (*key).to_owned()));
    let setting = |key: String| {
        let entry = layers.entries.get(&key)?;
        Some(Setting { value: shown(&key, &entry.found), key, origin: entry.origin.clone() })
    };
    names.filter_map(setting).collect()
}

/// A value as TOML, without what nobody may see.
fn shown(key: &str, found: &form::Found) -> String {
    use form::Found;
    let secret = matches!(
        key,
        "auth.jwt_secret"
            | "auth.jwt_public_keys"
            | "api_keys"
            | "fcm.service_account"
            | "apns.key"
            | "smtp.password"
            | "web_push.private_key"
            | "web_push.old_private_keys"
            | "webhook.secret"
            | "webhook.old_secrets"
    );
    match found {
        _ if secret && !found.is_empty() => "(set, not shown)".to_owned(),
        Found::Text(text) | Found::Toml(toml::Value::String(text)) if cluster::holds_password(key, text) => {
            "(set, not shown)".to_owned()
        }
        Found::Text(text) => toml::Value::String(text.clone()).to_string(),
        Found::Toml(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests;
