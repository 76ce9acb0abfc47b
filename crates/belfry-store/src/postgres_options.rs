//! How to reach PostgreSQL.

use crate::sql::{Error, Sql};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How to reach PostgreSQL.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database`, with several hosts where there are standbys. TLS with
    /// `sslmode=require`, or where `ca_file` is given: then the certificate is checked. Else the way is not encrypted.
    pub url: String,
    /// Certificates of authorities that are trusted, instead of the system's; PEM.
    pub ca_file: Option<PathBuf>,
    /// How long connecting may take, per host.
    pub connect_timeout: Duration,
}

impl std::fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresOptions").field("at", &self.place()).finish_non_exhaustive()
    }
}

impl PostgresOptions {
    /// Where it is, without user and password.
    pub fn place(&self) -> String {
        let Ok(config) = self.url.parse::<Config>() else { return "an unreadable URL".to_owned() };
        let hosts = config.get_hosts().iter().zip(config.get_ports().iter().chain(std::iter::repeat(&5432)));
        let hosts: Vec<String> = hosts
            .map(|(host, port)| match host {
                tokio_postgres::config::Host::Tcp(name) => format!("{name}:{port}"),
                tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        format!("{}/{}", hosts.join(","), config.get_dbname().unwrap_or(""))
    }

    fn config(&self) -> Sql<Config> {
        let mut config: Config = self
            .url
            .parse()
            .map_err(|error| Error::Unreachable(format!("its URL cannot be read ({error})")))?;
        config
            .application_name("belfry")
            .connect_timeout(self.connect_timeout)
            .keepalives_idle(Duration::from_secs(15))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(30))
            // A standby that only reads is not the truth.
            .target_session_attrs(tokio_postgres::config::TargetSessionAttrs::ReadWrite);
        Ok(config)
    }

    /// Connects; the connection's task runs on the current runtime, which is that of the thread that waits for it.
    #[expect(
        clippy::disallowed_methods,
        reason = "the task ends with the client, and with its thread's runtime"
    )]
    pub(crate) async fn connect(&self) -> Sql<Client> {
        let mut config = self.config()?;
        if config.get_ssl_mode() != SslMode::Require && self.ca_file.is_none() {
            config.ssl_mode(SslMode::Disable);
            let (client, connection) = config.connect(NoTls).await?;
            tokio::spawn(connection);
            return Ok(client);
        }
        config.ssl_mode(SslMode::Require);
        let (client, connection) = config.connect(self.tls()?).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    fn tls(&self) -> Sql<MakeRustlsConnect> {
        let fault = |error: &dyn std::fmt::Display| Error::Unreachable(format!("TLS: {error}"));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| fault(&error))?;
        let config = match &self.ca_file {
            None => {
                use rustls_platform_verifier::BuilderVerifierExt;
                builder.with_platform_verifier().map_err(|error| fault(&error))?.with_no_client_auth()
            }
            Some(file) => {
                let mut roots = rustls::RootCertStore::empty();
                let named = |error: &dyn std::fmt::Display| fault(&format!("`{}`: {error}", file.display()));
                for certificate in CertificateDer::pem_file_iter(file).map_err(|error| named(&error))? {
                    let certificate = certificate.map_err(|error| named(&error))?;
                    roots.add(certificate).map_err(|error| named(&error))?;
                }
                builder.with_root_certificates(roots).with_no_client_auth()
            }
        };
        Ok(MakeRustlsConnect::new(config))
    }
}
