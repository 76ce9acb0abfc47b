//! LISTEN and NOTIFY: one channel for everything, one connection that listens and one that notifies.
//!
//! A batch is one statement and so one transaction: notifying transactions commit one after the other in the whole
//! cluster of databases, so the fewer the better. The two connections keep what is heard from waiting behind that.

use crate::error::{Blame, BusError, Trouble, chain, distrusts};
use crate::landing::{Broken, Landing};
use crate::link::{self, EndsWithLink, Link, Reader, blame};
use crate::options::{BusOptions, PostgresOptions};
use crate::packing::{Packet, Packing};
use crate::subject::Subject;
use crate::tls;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use futures_util::stream::{StreamExt, poll_fn};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Error, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The longest payload as text: PostgreSQL's limit is 8,000 bytes, and 7 KB leave room below it.
const TEXT_MAX_BYTES: usize = 7 * 1024;
/// What that is before base64.
const PAYLOAD_MAX_BYTES: usize = TEXT_MAX_BYTES / 4 * 3;

/// Everything of a batch in one statement, in order.
const NOTIFY: &str = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload";

/// Notifies.
pub(crate) struct Writer {
    client: Client,
    notify: Statement,
    channel: String,
    _listener: Client,
    _connections: [EndsWithLink; 2],
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Writer").field("channel", &self.channel).finish_non_exhaustive()
    }
}

/// Both connections, one of them listening.
pub(crate) async fn open(options: &PostgresOptions) -> Result<Link, BusError> {
    let blame = blame(&BusOptions::Postgres(options.clone()));
    let config = config(options, &blame)?;
    let channel = options.common.prefix.clone();
    let landing = Arc::new(Landing::default());
    let failed = |error: Error| fault(&blame, &error);
    let connect = || connect(&config, options, &channel, &landing, &blame);
    let (listener, listening) = connect().await?;
    listener.batch_execute(&format!("LISTEN \"{channel}\"")).await.map_err(failed)?;
    let (client, notifying) = connect().await?;
    // A hint is worth no wait for the disk.
    client.batch_execute("SET synchronous_commit TO off").await.map_err(failed)?;
    let notify = client.prepare(NOTIFY).await.map_err(failed)?;
    let writer =
        Writer { client, notify, channel, _listener: listener, _connections: [listening, notifying] };
    Ok(Link {
        writer: link::Writer::Postgres(writer),
        reader: Reader::Landing(landing),
        packing: Packing::Together { max_bytes: PAYLOAD_MAX_BYTES },
        probed: vec![Subject::All],
    })
}

impl Writer {
    pub(crate) async fn publish(&self, packets: Vec<Packet>) -> Result<(), Broken> {
        let payloads: Vec<String> =
            packets.iter().map(|packet| STANDARD_NO_PAD.encode(&packet.payload)).collect();
        let sent = self.client.execute(&self.notify, &[&self.channel, &payloads]).await;
        sent.map(drop).map_err(|error| Broken(chain(&error)))
    }
}

fn config(options: &PostgresOptions, blame: &Blame) -> Result<Config, BusError> {
    // Certificates are always verified here, so that these mean what the client knows as `require`.
    let url = options.url.secret().replace("sslmode=verify-full", "sslmode=require");
    let url = url.replace("sslmode=verify-ca", "sslmode=require");
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(unlike_an_address(blame, "it does not begin with postgres://"));
    }
    let mut config = Config::from_str(&url).map_err(|error| unlike_an_address(blame, &chain(&error)))?;
    config
        .application_name(format!("belfry bus {}", options.common.prefix))
        .connect_timeout(options.common.connect_timeout)
        .keepalives_idle(Duration::from_secs(30))
        // A standby neither takes LISTEN nor NOTIFY.
        .target_session_attrs(TargetSessionAttrs::ReadWrite);
    if options.common.ca_file.is_some() {
        config.ssl_mode(SslMode::Require);
    }
    Ok(config)
}

fn unlike_an_address(blame: &Blame, problem: &str) -> BusError {
    blame.misconfigured(
        format_args!("the address cannot be read: {problem}"),
        "write it as postgres://USER:PASSWORD@HOST:PORT/DATABASE",
    )
}

async fn connect(
    config: &Config,
    options: &PostgresOptions,
    channel: &str,
    landing: &Arc<Landing>,
    blame: &Blame,
) -> Result<(Client, EndsWithLink), BusError> {
    if config.get_ssl_mode() != SslMode::Require {
        let (client, connection) = config.connect(NoTls).await.map_err(|error| fault(blame, &error))?;
        return Ok((client, listen(connection, channel, landing)));
    }
    let tls = tls::client_config(options.common.ca_file.as_deref())
        .map_err(|problem| blame.misconfigured(problem, "name a file of certificates in PEM as `ca_file`"))?;
    let (client, connection) =
        config.connect(MakeRustlsConnect::new(tls)).await.map_err(|error| fault(blame, &error))?;
    Ok((client, listen(connection, channel, landing)))
}

/// Runs a connection; what it hears lands, and with it ends the link.
fn listen<S, T>(mut connection: Connection<S, T>, channel: &str, landing: &Arc<Landing>) -> EndsWithLink
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (channel, landing) = (channel.to_owned(), Arc::clone(landing));
    let run = async move {
        let mut messages = poll_fn(move |context| connection.poll_message(context));
        while let Some(message) = messages.next().await {
            match message {
                Ok(AsyncMessage::Notification(heard)) if heard.channel() == channel => {
                    // What is no base64 is not ours: empty, it counts as garbled.
                    landing
                        .payload(STANDARD_NO_PAD.decode(heard.payload()).map_or(Bytes::new(), Bytes::from));
                }
                Ok(_) => {}
                Err(error) => return landing.end(chain(&error)),
            }
        }
        landing.end("the server closed the connection");
    };
    #[expect(clippy::disallowed_methods, reason = "it ends with its link")]
    let task = tokio::spawn(run);
    EndsWithLink(task.abort_handle())
}

fn fault(blame: &Blame, error: &Error) -> BusError {
    let problem = chain(error);
    let Some(code) = error.code() else {
        return if distrusts(error) { blame.distrusted(problem) } else { blame.unreachable(problem) };
    };
    match code.code() {
        "28000" => blame.error(
            Trouble::Refused,
            problem,
            "check the user and pg_hba.conf; where the server wants TLS, append sslmode=require",
        ),
        code if code.starts_with("28") || code == SqlState::INSUFFICIENT_PRIVILEGE.code() => {
            blame.refused(problem)
        }
        code if code == SqlState::UNDEFINED_DATABASE.code() => {
            blame.misconfigured(problem, "create the database, or name another one")
        }
        _ => blame.unreachable(problem),
    }
}
