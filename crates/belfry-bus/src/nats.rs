//! Core NATS: one wildcard subscription and one connection.
//!
//! The client would reconnect by itself, and then nobody knew what was missed meanwhile. So a link ends with its
//! first disconnection, and the next one begins with a confirmed subscription.

use crate::error::{Blame, BusError, chain, distrusts};
use crate::landing::{Broken, Heard, Landing};
use crate::link::{self, Link, PAYLOAD_MAX_BYTES, Reader as LinkReader, blame};
use crate::options::{BusOptions, NatsOptions};
use crate::packing::{Packet, Packing};
use crate::server_url::ServerUrl;
use crate::subject::Subject;
use crate::tls;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr, Subscriber};
use futures_util::StreamExt;
use percent_encoding::percent_decode_str;
use std::sync::Arc;

/// What may wait in the client, in payloads.
const SUBSCRIPTION_CAPACITY: usize = 4_096;

/// Publishes.
#[derive(Debug)]
pub(crate) struct Writer {
    client: Client,
    prefix: String,
}

/// Hears the subscription, and what becomes of the connection.
#[derive(Debug)]
pub(crate) struct Reader {
    subscriber: Subscriber,
    /// Only gaps and the end: payloads come from the subscription.
    connection: Arc<Landing>,
}

/// A connection, subscribed to everything below the prefix.
pub(crate) async fn open(options: &NatsOptions) -> Result<Link, BusError> {
    let blame = blame(&BusOptions::Nats(options.clone()));
    let connection = Arc::new(Landing::default());
    let addresses = addresses(&options.urls, &blame)?;
    let settings = settings(options, &addresses, &connection, &blame).await?;
    let client = settings.connect(addresses).await.map_err(|error| {
        let problem = chain(&error);
        match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                blame.refused(problem)
            }
            ConnectErrorKind::Tls => blame.distrusted(problem),
            _ if distrusts(&error) => blame.distrusted(problem),
            _ => blame.unreachable(problem),
        }
    })?;
    let prefix = options.common.prefix.clone();
    let subscriber =
        client.subscribe(format!("{prefix}.>")).await.map_err(|error| blame.unreachable(chain(&error)))?;
    let max_bytes = client.max_payload().min(PAYLOAD_MAX_BYTES);
    Ok(Link {
        writer: link::Writer::Nats(Writer { client, prefix }),
        reader: LinkReader::Nats(Reader { subscriber, connection }),
        packing: Packing::PerSubject { max_bytes },
        probed: vec![Subject::All],
    })
}

impl Writer {
    pub(crate) async fn publish(&self, packets: Vec<Packet>) -> Result<(), Broken> {
        for packet in packets {
            let subject = packet.subject.name(&self.prefix);
            self.client.publish(subject, packet.payload).await.map_err(|error| Broken(chain(&error)))?;
        }
        self.client.flush().await.map_err(|error| Broken(chain(&error)))
    }
}

impl Reader {
    pub(crate) async fn next(&mut self) -> Result<Heard, Broken> {
        tokio::select! {
            message = self.subscriber.next() => match message {
                Some(message) => Ok(Heard::Payload(message.payload)),
                None => Err(Broken("the subscription ended".to_owned())),
            },
            heard = self.connection.next() => heard,
        }
    }
}

fn addresses(urls: &[ServerUrl], blame: &Blame) -> Result<Vec<ServerAddr>, BusError> {
    let unlike_an_address = |problem: String| {
        blame.misconfigured(
            format_args!("an address cannot be read: {problem}"),
            "write it as nats://USER:PASSWORD@HOST:PORT, or tls:// for TLS",
        )
    };
    let read = |url: &ServerUrl| {
        // The client would take any word for a host.
        if !["nats://", "tls://"].iter().any(|scheme| url.secret().starts_with(scheme)) {
            return Err(unlike_an_address("it does not begin with nats://".to_owned()));
        }
        url.secret().parse().map_err(|error: std::io::Error| unlike_an_address(error.to_string()))
    };
    urls.iter().map(read).collect()
}

async fn settings(
    options: &NatsOptions,
    addresses: &[ServerAddr],
    connection: &Arc<Landing>,
    blame: &Blame,
) -> Result<ConnectOptions, BusError> {
    tls::ensure_provider();
    let connection = Arc::clone(connection);
    let mut settings = ConnectOptions::new()
        .name("belfry bus")
        .connection_timeout(options.common.connect_timeout)
        .subscription_capacity(SUBSCRIPTION_CAPACITY)
        .event_callback(move |event| {
            let connection = Arc::clone(&connection);
            async move {
                match event {
                    Event::Disconnected | Event::Closed => connection.end("the server closed the connection"),
                    Event::SlowConsumer(_) => connection.gap(),
                    _ => {}
                }
            }
        });
    if let Some(path) = &options.common.ca_file {
        let config = tls::client_config(Some(path)).map_err(|problem| {
            blame.misconfigured(problem, "name a file of certificates in PEM as `ca_file`")
        })?;
        settings = settings.tls_client_config(config).require_tls(true);
    }
    if let Some(path) = &options.credentials_file {
        let unusable = |error: std::io::Error| {
            blame.misconfigured(
                format_args!("`{}` cannot be used: {error}", path.display()),
                "name a credentials file as written by nsc",
            )
        };
        let credentials = tokio::fs::read_to_string(path).await.map_err(unusable)?;
        settings = settings.credentials(&credentials).map_err(unusable)?;
    }
    // The client reads no credentials in addresses; one set of them enters every server of a cluster.
    if let Some(user) = addresses.iter().find_map(ServerAddr::username) {
        let password = addresses.iter().find_map(ServerAddr::password);
        settings = match password {
            Some(password) => settings.user_and_password(decoded(user), decoded(password)),
            None => settings.token(decoded(user)),
        };
    }
    Ok(settings)
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
