//! What the sections of the store, the bus and the cluster mean to them.

use super::layers::Reader;
use super::{Bus, BusUrl, Config, DatabaseUrl, form, tables};
use belfry_bus::{
    BusOptions, Common, NatsOptions, PostgresOptions, QueueLimits, RedisOptions, Sentinel, ServerUrl, Tuning,
};
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;

/// Whether a value is a URL that may hold a password.
pub(super) fn holds_password(key: &str, text: &str) -> bool {
    matches!(key, "database.url" | "bus.url") && text.contains('@')
}

impl Config {
    /// Puts the URL of `…_file` where it would stand itself.
    pub(super) fn read_url_files(&mut self, reader: &mut Reader<'_>) {
        if let Some(path) = &self.database.url_file {
            let url = tables::read_secret(path).and_then(|text| {
                form::database_url(&text).map_err(|_| "is no `sqlite:FILE` and no `postgres://…`".to_owned())
            });
            match url {
                Ok(url) => self.database.url = url,
                Err(reason) => {
                    reader.fault("database.url_file", format!("the URL of `database.url_file` {reason}"))
                }
            }
        }
        if let Some(path) = &self.bus.url_file {
            let url = tables::read_secret(path)
                .and_then(|text| form::bus_url(&text).map_err(|_| "is no URL of a bus".to_owned()));
            match url {
                Ok(url) => self.bus.url = url,
                Err(reason) => reader.fault("bus.url_file", format!("the URL of `bus.url_file` {reason}")),
            }
        }
    }

    /// The database's file; `None`: it is a server.
    pub fn database_path(&self) -> Option<PathBuf> {
        match &self.database.url {
            DatabaseUrl::Sqlite(file) => Some(self.server.data_dir.join(file)),
            DatabaseUrl::Postgres(_) => None,
        }
    }

    /// Whether other nodes may have the same store open.
    pub fn shares_its_store(&self) -> bool {
        matches!(self.database.url, DatabaseUrl::Postgres(_))
    }

    /// How to open the store.
    pub fn store_options(&self) -> belfry_store::Options {
        let engine = match &self.database.url {
            DatabaseUrl::Sqlite(file) => belfry_store::EngineOptions::Sqlite(self.server.data_dir.join(file)),
            DatabaseUrl::Postgres(url) => {
                belfry_store::EngineOptions::Postgres(belfry_store::PostgresOptions {
                    url: url.expose_secret().to_owned(),
                    ca_file: self.database.ca_file.clone(),
                    connect_timeout: self.database.connect_timeout,
                })
            }
        };
        belfry_store::Options {
            engine,
            writer_queue_max: self.database.writer_queue_max as usize,
            readers: self.database.readers as usize,
            inbox_items_max: self.inbox.items_per_user_max,
            announcements_max: self.limits.announcements_max,
            webhook_queue_max: self.status_webhooks.queue_max,
            busy_timeout: self.database.busy_timeout,
        }
    }

    /// How hints reach other nodes; `None`: there are no others.
    pub fn bus_options(&self) -> Option<BusOptions> {
        if let Some(options) = &self.bus_options {
            return Some(options.clone());
        }
        let of_database = match &self.database.url {
            DatabaseUrl::Postgres(url) => Some(url),
            DatabaseUrl::Sqlite(_) => None,
        };
        match &self.bus.url {
            BusUrl::Memory => None,
            BusUrl::Auto | BusUrl::Postgres(None) => of_database.map(|url| self.postgres_bus(url)),
            BusUrl::Postgres(Some(url)) => Some(self.postgres_bus(url)),
            BusUrl::Redis(urls) => Some(BusOptions::Redis(RedisOptions {
                sentinel: self.bus.sentinel_primary.clone().map(|primary| Sentinel {
                    primary,
                    username: None,
                    password: None,
                }),
                common: self.bus.common(),
                ..RedisOptions::new(urls.iter().map(server_url))
            })),
            BusUrl::Nats(urls) => Some(BusOptions::Nats(NatsOptions {
                credentials_file: self.bus.credentials_file.clone(),
                common: self.bus.common(),
                ..NatsOptions::new(urls.iter().map(server_url))
            })),
        }
    }

    fn postgres_bus(&self, url: &SecretString) -> BusOptions {
        let mut common = self.bus.common();
        // Where it is the database's server it has the database's certificate.
        common.ca_file = common.ca_file.or_else(|| self.database.ca_file.clone());
        BusOptions::Postgres(PostgresOptions { common, ..PostgresOptions::new(server_url(url)) })
    }
}

fn server_url(url: &SecretString) -> ServerUrl {
    ServerUrl::from(url.expose_secret())
}

impl Bus {
    fn common(&self) -> Common {
        Common {
            prefix: self.prefix.clone(),
            ca_file: self.ca_file.clone(),
            connect_timeout: self.connect_timeout,
            tuning: Tuning {
                outgoing: QueueLimits {
                    messages: self.outgoing_max as usize,
                    bytes: self.outgoing_bytes_max,
                },
                incoming: QueueLimits {
                    messages: self.incoming_max as usize,
                    bytes: self.incoming_bytes_max,
                },
                probe_every: self.probe_every,
                probe_within: self.probe_within,
                ..Tuning::default()
            },
        }
    }
}
