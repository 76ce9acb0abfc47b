//! What can be configured. Texts, units and defaults stand in `config.default.toml`.

use super::form::{self, Form};
use super::layers::Reader;
use super::tables;
use crate::auth::PublicKeyOptions;
use belfry_channels::email::SmtpTls;
use ipnet::IpNet;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A struct per section, and for each the names of its keys and how they are read.
macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident $section:literal { $($(#[$field_doc:meta])* $key:ident: $type:ty = $form:expr;)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone)]
            pub struct $name {
                $($(#[$field_doc])* pub $key: $type,)*
            }

            impl $name {
                pub(super) fn read(reader: &mut Reader<'_>) -> Self {
                    $(let $key: Form<$type> = $form;)*
                    Self { $($key: reader.get(concat!($section, ".", stringify!($key)), &$key),)* }
                }
            }

            impl Default for $name {
                fn default() -> Self {
                    Self::read(&mut Reader::of_defaults())
                }
            }
        )*

        /// Every section with its keys.
        pub(super) const SECTIONS: &[(&str, &[&str])] = &[$(($section, &[$(stringify!($key),)*]),)*];
    };
}

sections! {
    /// The listener and the node.
    Server "server" {
        /// Address and port.
        listen: SocketAddr = form::ADDRESS;
        /// In front of every route; empty or `/…` without a slash at the end.
        base_path: String = form::BASE_PATH;
        /// This node's name; never empty once loaded.
        node: String = form::TEXT;
        /// Where files go.
        data_dir: PathBuf = form::PATH;
        /// Whose `X-Forwarded-For` is believed.
        trusted_proxies: Vec<IpNet> = form::NETWORKS;
        /// For a request's head.
        header_timeout: Duration = form::DURATION;
        /// For a request's answer.
        request_timeout: Duration = form::DURATION;
        /// Certificate chain.
        tls_cert_file: Option<PathBuf> = form::OPTIONAL_PATH;
        /// Private key.
        tls_key_file: Option<PathBuf> = form::OPTIONAL_PATH;
        /// Own listener of `/metrics`.
        metrics_listen: Option<SocketAddr> = form::OPTIONAL_ADDRESS;
    }
    /// Where alerts are stored.
    Database "database" {
        /// Which store; filled from the file where that is set.
        url: DatabaseUrl = form::DATABASE_URL;
        /// Holds the URL.
        url_file: Option<PathBuf> = form::OPTIONAL_PATH;
        /// Trusted certificates.
        ca_file: Option<PathBuf> = form::OPTIONAL_PATH;
        /// For a connection to a server.
        connect_timeout: Duration = form::DURATION;
        /// For a locked file.
        busy_timeout: Duration = form::DURATION;
        /// Reading connections.
        readers: u32 = form::COUNT;
        /// Jobs that may wait.
        writer_queue_max: u32 = form::COUNT;
    }
    /// Hints between nodes.
    Bus "bus" {
        /// Which bus; filled from the file where that is set.
        url: BusUrl = form::BUS_URL;
        /// Holds the URL.
        url_file: Option<PathBuf> = form::OPTIONAL_PATH;
        /// Of Redis: the primary that sentinels are asked for.
        sentinel_primary: Option<String> = form::OPTIONAL_TEXT;
        /// Of NATS.
        credentials_file: Option<PathBuf> = form::OPTIONAL_PATH;
        /// Trusted certificates.
        ca_file: Option<PathBuf> = form::OPTIONAL_PATH;
        /// What every subject begins with.
        prefix: String = form::TEXT;
        /// For a connection and its subscriptions.
        connect_timeout: Duration = form::DURATION;
        /// Hints that wait to go out.
        outgoing_max: u32 = form::COUNT;
        /// Their bytes.
        outgoing_bytes_max: usize = form::SIZE;
        /// Hints that wait to be handed out.
        incoming_max: u32 = form::COUNT;
        /// Their bytes.
        incoming_bytes_max: usize = form::SIZE;
        /// Between two probes of the link.
        probe_every: Duration = form::DURATION;
        /// A probe that is not back by then means that the link is dead.
        probe_within: Duration = form::DURATION;
    }
    /// Nodes that share a store.
    Cluster "cluster" {
        /// For how long a node vouches for itself.
        lease: Duration = form::DURATION;
        /// Between two writes of who came and went.
        presence_every: Duration = form::DURATION;
        /// People of one such write.
        presence_batch_max: u32 = form::COUNT;
        /// People whose coming or going waits to be written.
        presence_queue_max: u32 = form::COUNT;
        /// Connected people whose heads are read at once.
        heads_batch_max: u32 = form::COUNT;
        /// Between two such rounds while the bus is away.
        heads_interval_without_bus: Duration = form::DURATION;
    }
    /// What makes a token valid, and where it may come from.
    Auth "auth" {
        /// For HS256, HS384, HS512; filled from the file where that is set.
        jwt_secret: Option<SecretString> = form::SECRET;
        /// Holds the secret.
        jwt_secret_file: Option<PathBuf> = form::OPTIONAL_PATH;
        /// For RS256, ES256, EdDSA.
        jwt_public_keys: Vec<PublicKeyOptions> = tables::PUBLIC_KEYS;
        /// The identity provider's keys.
        jwks_url: Option<String> = form::OPTIONAL_URL;
        /// How old they may get.
        jwks_refresh: Duration = form::DURATION;
        /// Required `iss`.
        issuer: Option<String> = form::OPTIONAL_TEXT;
        /// Required `aud`.
        audience: Option<String> = form::OPTIONAL_TEXT;
        /// Between clocks.
        leeway: Duration = form::DURATION_OR_ZERO;
        /// Where the user's id is.
        user_claims: Vec<String> = form::TEXTS;
        /// What else a token must say.
        required_claims: BTreeMap<String, serde_json::Value> = form::CLAIMS;
        /// Where a browser keeps it.
        cookie_names: Vec<String> = form::TEXTS;
        /// Pages that may call.
        allowed_origins: Vec<String> = form::TEXTS;
    }
    /// Declared kinds.
    Kinds "kinds" {
        /// Folder of the files.
        dir: Option<PathBuf> = form::OPTIONAL_PATH;
        /// Whether changes are taken over.
        reload: bool = form::SWITCH;
        /// Of templates.
        default_locale: String = form::TEXT;
        /// Of links.
        link_schemes: Vec<String> = form::TEXTS;
    }
    /// Open connections.
    Live "live" {
        /// Between two pings.
        heartbeat_interval: Duration = form::DURATION;
        /// From a ping to the close.
        heartbeat_timeout: Duration = form::DURATION;
        /// Whether a pong always counts.
        trust_pong: bool = form::SWITCH;
        /// For `resume`.
        resume_wait: Duration = form::DURATION;
        /// Without a byte taken.
        stalled_after: Duration = form::DURATION;
        /// For a frame's predecessor.
        reorder_wait: Duration = form::DURATION_OR_ZERO;
        /// Items of a `catch-up`.
        catch_up_page_items: u32 = form::COUNT;
        /// Bytes of a `catch-up`.
        catch_up_page_bytes: usize = form::SIZE;
        /// Changes before a `reset`.
        changed_items_max: u32 = form::COUNT;
        /// Backlog of a naive client.
        naive_backlog_items: u32 = form::COUNT_OR_ZERO;
        /// How far that reaches back.
        naive_backlog_age: Duration = form::DURATION;
        /// SSE's `retry:`.
        sse_retry: Duration = form::DURATION;
        /// How long people count as there after they left.
        linger: Duration = form::DURATION_OR_ZERO;
        /// How long everybody counts as there after the start.
        linger_after_start: Duration = form::DURATION_OR_ZERO;
    }
    /// What happens when nobody is there.
    Fallback "fallback" {
        /// Links that are paths lead here.
        app_url: String = form::TEXT;
        /// Receipts and unsubscribe links lead here.
        public_url: String = form::TEXT;
        /// Of quiet hours and mails of people without one.
        time_zone: String = form::TEXT;
        /// Calls to providers at once.
        sends_in_flight_max: u32 = form::COUNT;
        /// Notifications watched in memory.
        watched_max: u32 = form::COUNT;
        /// Between two tries of a provider that is paused.
        probe_every: Duration = form::DURATION;
        /// Percent of answers.
        gone_percent_max: u32 = form::COUNT;
        /// Fewer never stop the pruning.
        gone_min: u32 = form::COUNT;
        /// How far back answers count.
        gone_window: Duration = form::DURATION;
    }
    /// Firebase Cloud Messaging.
    Fcm "fcm" {
        /// JSON; filled from the file where that is set.
        service_account: Option<SecretString> = form::SECRET;
        /// Holds the JSON.
        service_account_file: Option<PathBuf> = form::OPTIONAL_PATH;
        /// Of Firebase.
        project_id: Option<String> = form::OPTIONAL_TEXT;
        /// Where FCM is.
        base_url: String = form::URL;
        /// Where access tokens come from.
        token_url: Option<String> = form::OPTIONAL_URL;
        /// Trusted certificates.
        ca_file: Option<PathBuf> = form::OPTIONAL_PATH;
        /// The app's notification channel.
        android_channel: Option<String> = form::OPTIONAL_TEXT;
    }
    /// Apple Push Notification service.
    Apns "apns" {
        /// PEM; filled from the file where that is set.
        key: Option<SecretString> = form::SECRET;
        /// Holds the key.
        key_file: Option<PathBuf> = form::OPTIONAL_PATH;
        /// Of the key.
        key_id: String = form::TEXT;
        /// Of the team.
        team_id: String = form::TEXT;
        /// The app's bundle id.
        topic: String = form::TEXT;
        /// For apps from the store.
        production_url: String = form::URL;
        /// For apps run from Xcode.
        sandbox_url: String = form::URL;
        /// Trusted certificates.
        ca_file: Option<PathBuf> = form::OPTIONAL_PATH;
    }
    /// Browsers.
    WebPush "web_push" {
        /// base64url or PEM; filled from the file where that is set.
        private_key: Option<SecretString> = form::SECRET;
        /// Holds the key.
        private_key_file: Option<PathBuf> = form::OPTIONAL_PATH;
        /// Of subscriptions made before; filled from the file where that is set.
        old_private_keys: Vec<SecretString> = form::SECRETS;
        /// Holds them.
        old_private_keys_file: Option<PathBuf> = form::OPTIONAL_PATH;
        /// Whom a push service writes to.
        subject: Option<String> = form::OPTIONAL_TEXT;
        /// How long it keeps trying.
        ttl: Duration = form::DURATION;
        /// Where a click leads.
        default_link: Option<String> = form::OPTIONAL_URL;
        /// Beside the known push services.
        allowed_hosts: Vec<String> = form::TEXTS;
        /// For development.
        private_hosts: Vec<String> = form::TEXTS;
        /// Trusted certificates.
        ca_file: Option<PathBuf> = form::OPTIONAL_PATH;
        /// For the doctor.
        probe_urls: Vec<String> = form::TEXTS;
    }
    /// The application's endpoint.
    Webhook "webhook" {
        /// Where notices are posted.
        url: Option<String> = form::OPTIONAL_URL;
        /// Signs; filled from the file where that is set.
        secret: Option<SecretString> = form::SECRET;
        /// Holds the secret.
        secret_file: Option<PathBuf> = form::OPTIONAL_PATH;
        /// Sign as well; filled from the file where that is set.
        old_secrets: Vec<SecretString> = form::SECRETS;
        /// Holds them.
        old_secrets_file: Option<PathBuf> = form::OPTIONAL_PATH;
        /// Trusted certificates.
        ca_file: Option<PathBuf> = form::OPTIONAL_PATH;
    }
    /// What endpoints are told about alerts.
    StatusWebhooks "status_webhooks" {
        /// Events that wait for one endpoint.
        queue_max: u32 = form::COUNT;
        /// Calls to one endpoint at once.
        in_flight_max: u32 = form::COUNT;
        /// For development.
        private_hosts: Vec<String> = form::TEXTS;
        /// Trusted certificates.
        ca_file: Option<PathBuf> = form::OPTIONAL_PATH;
    }
    /// Limits.
    Limits "limits" {
        /// Live connections of the node.
        connections_max: u32 = form::COUNT;
        /// Of one user.
        connections_per_user: u32 = form::COUNT;
        /// New ones.
        connections_per_second: u32 = form::COUNT;
        /// New ones from one address; 0 is off.
        connections_per_second_per_address: u32 = form::COUNT_OR_ZERO;
        /// Connections that are not live.
        http_connections_max: u32 = form::COUNT;
        /// A client's frame.
        inbound_message_bytes_max: usize = form::SIZE;
        /// A client's frames, on average.
        inbound_frames_per_second: u32 = form::COUNT;
        /// A client's frames at once.
        inbound_frames_burst: u32 = form::COUNT;
        /// Waiting for one connection.
        send_queue_bytes_max: usize = form::SIZE;
        /// A request's body, a batch's line.
        body_bytes_max: usize = form::SIZE;
        /// A body that names users.
        body_users_bytes_max: usize = form::SIZE;
        /// Lines of a batch.
        batch_lines_max: u32 = form::COUNT;
        /// Bytes of a batch.
        batch_bytes_max: usize = form::SIZE;
        /// Of one API key; 0 is off.
        publishes_per_second_per_key: u32 = form::COUNT_OR_ZERO;
        /// Of one user, on average.
        requests_per_second_per_user: u32 = form::COUNT;
        /// Of one user, at once.
        requests_burst_per_user: u32 = form::COUNT;
        /// Alerts for everyone.
        announcements_max: u32 = form::COUNT;
    }
    /// What stays.
    Inbox "inbox" {
        /// How long.
        retention: Duration = form::DURATION;
        /// How long, per category.
        retention_per_category: BTreeMap<String, Duration> = form::DURATIONS;
        /// How many.
        items_per_user_max: u32 = form::COUNT;
        /// How long a repeated call is recognised.
        idempotency_keep: Duration = form::DURATION;
    }
    /// The relay for e-mail.
    Smtp "smtp" {
        /// Its name; `None`: no e-mail.
        host: Option<String> = form::OPTIONAL_TEXT;
        /// 0: the usual one.
        port: u16 = form::PORT_OR_ZERO;
        /// How the line is protected.
        tls: SmtpTls = form::SMTP_TLS;
        /// Whom to trust instead of the system's authorities.
        ca_file: Option<PathBuf> = form::OPTIONAL_PATH;
        /// Who logs in.
        username: Option<String> = form::OPTIONAL_TEXT;
        /// Filled from the file where that is set.
        password: Option<SecretString> = form::SECRET;
        /// Holds the password.
        password_file: Option<PathBuf> = form::OPTIONAL_PATH;
        /// Whom mails are from.
        from: Option<String> = form::OPTIONAL_TEXT;
        /// Where answers go.
        reply_to: Option<String> = form::OPTIONAL_TEXT;
        /// Where bounces go.
        return_path: Option<String> = form::OPTIONAL_TEXT;
        /// Right half of message ids.
        message_id_domain: Option<String> = form::OPTIONAL_TEXT;
        /// For `EHLO`.
        hello_name: Option<String> = form::OPTIONAL_TEXT;
        /// Connections at once.
        connections_max: u32 = form::COUNT;
        /// For one mail.
        timeout: Duration = form::DURATION;
    }
    /// How the server stops.
    Drain "drain" {
        /// Not ready, still serving.
        ready_wait: Duration = form::DURATION_OR_ZERO;
        /// Closes are spread over this.
        window: Duration = form::DURATION_OR_ZERO;
        /// The end in any case.
        timeout: Duration = form::DURATION;
    }
    /// What is logged.
    Log "log" {
        /// In which form.
        format: LogFormat = form::LOG_FORMAT;
        /// From which level on, as a filter.
        level: String = form::LOG_LEVEL;
    }
}

/// Which store.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// A file; relative ones are inside `server.data_dir`.
    Sqlite(PathBuf),
    /// A server that several nodes share.
    Postgres(SecretString),
}

/// Which bus.
#[derive(Debug, Clone)]
pub enum BusUrl {
    /// The database where it is a server, else none.
    Auto,
    /// One node.
    Memory,
    /// This database, or that of `[database]`.
    Postgres(Option<SecretString>),
    /// One, or several behind each other.
    Redis(Vec<SecretString>),
    /// One, or several behind each other.
    Nats(Vec<SecretString>),
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}
