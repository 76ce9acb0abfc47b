//! Our own accept loop: a deadline on heads, a limit on connections, and the busiest path before the router.

use crate::app::App;
use crate::clock;
use crate::config::Config;
use crate::http;
use crate::services::{Peer, Services};
use crate::tasks::TaskKind;
use ::http::{Method, Request};
use anyhow::Context;
use axum::Router;
use axum::body::Body;
use belfry_channels::Channel;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Connections that wait in the kernel for an accept.
const BACKLOG: u32 = 4_096;
/// After a failed accept (out of descriptors), before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Between two pings of an HTTP/2 connection: a peer that is gone takes no place.
const HTTP2_PING: Duration = Duration::from_secs(30);
/// For a TLS handshake.
const TLS_HANDSHAKE: Duration = Duration::from_secs(10);

/// Of `drain.timeout`, for clients to leave.
const CLIENTS_SHARE: f64 = 0.8;
/// A peer that takes or confirms nothing for so long is gone, also where no session watches it.
#[cfg(target_os = "linux")]
const PEER_SILENT: Duration = Duration::from_secs(60);

/// A listening house.
#[derive(Debug)]
pub struct Server {
    app: App,
    local_addr: SocketAddr,
    metrics_addr: Option<SocketAddr>,
    stop_accepting: CancellationToken,
}

struct Front {
    services: Arc<Services>,
    router: Router,
    create_alert_path: String,
    builder: Builder<TokioExecutor>,
}

impl Server {
    /// Opens everything and listens.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        Box::pin(Self::serve(config, None)).await
    }

    /// The same with ways out of the caller's own in place of the configured ones.
    pub async fn start_with(config: Config, channels: Vec<Arc<dyn Channel>>) -> anyhow::Result<Self> {
        Box::pin(Self::serve(config, Some(channels))).await
    }

    async fn serve(config: Config, channels: Option<Vec<Arc<dyn Channel>>>) -> anyhow::Result<Self> {
        let tls = tls(&config)?;
        let (listen, metrics_listen) = (config.server.listen, config.server.metrics_listen);
        let listener = listen_on(listen)?;
        let local_addr = listener.local_addr()?;
        let app = match channels {
            Some(channels) => App::open_with(config, channels).await?,
            None => App::open(config).await?,
        };
        let stop_accepting = CancellationToken::new();
        let services = Arc::clone(app.services());
        let metrics_addr = match metrics_listen {
            Some(address) => Some(serve_metrics(&services, address, stop_accepting.clone())?),
            None => None,
        };
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(services.config.server.header_timeout)
            .max_buf_size(64 * 1024);
        builder.http2().timer(TokioTimer::new()).keep_alive_interval(HTTP2_PING).max_concurrent_streams(256);
        let base = &services.config.server.base_path;
        let front = Arc::new(Front {
            create_alert_path: format!("{base}{}", http::CREATE_ALERT),
            router: app.router(),
            builder,
            services: Arc::clone(&services),
        });
        let accept = accept(front, listener, tls, stop_accepting.clone());
        services.tasks.spawn(TaskKind::Accept, accept);
        Ok(Self { app, local_addr, metrics_addr, stop_accepting })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Where `/metrics` has a listener of its own.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_addr
    }

    /// The house behind it.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Readiness 503, a wait for the load balancer, no new connections, `going-away` over the window, receipts to
    /// disk. Returns once everything is closed.
    pub async fn shutdown(self) -> anyhow::Result<()> {
        let drain = &self.app.services().config.drain;
        // The rest of the time is the store's: what waits for its disk is written also when a client stays.
        let by = clock::now().instant + drain.timeout.mul_f64(CLIENTS_SHARE);
        self.app.leave();
        tokio::time::sleep(drain.ready_wait).await;
        self.stop_accepting.cancel();
        let _ = tokio::time::timeout_at(by.into(), self.app.drain()).await;
        self.app.close_by(by).await
    }
}

fn listen_on(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address).with_context(|| {
        format!(
            "cannot listen on {address}: another program may use the port; set `server.listen` to another"
        )
    })?;
    Ok(socket.listen(BACKLOG)?)
}

fn tls(config: &Config) -> anyhow::Result<Option<TlsAcceptor>> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let (Some(cert_file), Some(key_file)) = (&config.server.tls_cert_file, &config.server.tls_key_file)
    else {
        return Ok(None);
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(cert_file)
        .with_context(|| format!("`server.tls_cert_file`: cannot read `{}`", cert_file.display()))?
        .collect();
    let certificates = certificates.context("`server.tls_cert_file` holds no PEM certificates")?;
    let key =
        PrivateKeyDer::from_pem_file(key_file).context("`server.tls_key_file` holds no PEM private key")?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .context("certificate and key do not fit together")?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(tls))))
}

async fn accept(front: Arc<Front>, listener: TcpListener, tls: Option<TlsAcceptor>, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(front.services.config.limits.http_connections_max as usize));
    loop {
        // A full house leaves newcomers in the kernel's queue until somebody has gone.
        let accepted = tokio::select! {
            permit = Arc::clone(&room).acquire_owned() => match permit {
                Ok(permit) => tokio::select! {
                    accepted = listener.accept() => accepted.map(|(stream, peer)| (stream, peer, permit)),
                    () = stop.cancelled() => break,
                },
                Err(_) => break,
            },
            () = stop.cancelled() => break,
        };
        let (stream, peer, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = %error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        prepare(&stream);
        let watcher = graceful.watcher();
        let (front, tls) = (Arc::clone(&front), tls.clone());
        let tasks = front.services.tasks.clone();
        tasks.spawn(TaskKind::Connection, async move {
            // The permit goes with the HTTP part: an upgraded socket is counted by the hub.
            let _permit = permit;
            let cut = front.services.tasks.cut().clone();
            tokio::select! {
                () = serve(front, stream, peer, tls, watcher) => {}
                () = cut.cancelled() => {}
            }
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = front.services.tasks.cut().cancelled() => {}
    }
}

fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    {
        let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(PEER_SILENT));
    }
}

async fn serve(
    front: Arc<Front>,
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    match tls {
        None => serve_on(front, stream, peer, watcher).await,
        Some(tls) => {
            let handshake = tokio::time::timeout(TLS_HANDSHAKE, tls.accept(stream)).await;
            if let Ok(Ok(stream)) = handshake {
                serve_on(front, stream, peer, watcher).await;
            }
        }
    }
}

async fn serve_on<S>(
    front: Arc<Front>,
    stream: S,
    peer: SocketAddr,
    watcher: hyper_util::server::graceful::Watcher,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let called = Arc::clone(&front);
    let asked = Arc::new(AtomicBool::new(false));
    let asks = Arc::clone(&asked);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        asks.store(true, Ordering::Relaxed);
        let front = Arc::clone(&called);
        async move { Ok::<_, Infallible>(answer(&front, request.map(Body::new), peer).await) }
    });
    let connection = front.builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::select! {
        ended = watcher.watch(connection.into_owned()) => {
            if let Err(error) = ended {
                tracing::debug!(error = %error, "a connection ended early");
            }
        }
        // hyper's own deadline begins only once it knows the version by the first bytes.
        () = says_nothing(front.services.config.server.header_timeout, &asked) => {
            tracing::debug!("a connection was closed that asked for nothing");
        }
    }
}

async fn says_nothing(within: Duration, asked: &AtomicBool) {
    tokio::time::sleep(within).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}

async fn answer(front: &Front, mut request: Request<Body>, peer: SocketAddr) -> crate::refusal::Answer {
    if request.method() == Method::POST && request.uri().path() == front.create_alert_path {
        return http::create_alert_first(&front.services, &front.create_alert_path, request).await;
    }
    request.extensions_mut().insert(Peer(peer.ip()));
    match front.router.clone().oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

fn serve_metrics(
    services: &Arc<Services>,
    address: SocketAddr,
    stop: CancellationToken,
) -> anyhow::Result<SocketAddr> {
    let listener = listen_on(address)?;
    let local_addr = listener.local_addr()?;
    let answering = Arc::clone(services);
    let router = Router::new().route(
        "/metrics",
        axum::routing::get(move || {
            let services = Arc::clone(&answering);
            async move { http::metrics_text(&services) }
        }),
    );
    services.tasks.spawn(TaskKind::Accept, async move {
        let serving = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = serving.await {
            tracing::error!(error = %error, "the metrics listener ended");
        }
    });
    Ok(local_addr)
}
