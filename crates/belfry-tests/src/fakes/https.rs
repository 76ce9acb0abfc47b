//! HTTP over TLS on loopback, for fakes whose protocol is made of requests.

use axum::Router;
use axum::serve::Listener;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Whom the certificate is for, beside 127.0.0.1.
pub const CERTIFIED_NAMES: [&str; 2] = ["localhost", "push.example.com"];

/// A running server; it ends when it is dropped.
pub struct Https {
    address: SocketAddr,
    folder: tempfile::TempDir,
    connections: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl std::fmt::Debug for Https {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Https({})", self.address)
    }
}

impl Https {
    /// Serves on a free port of loopback, HTTP/2 and HTTP/1.1. The routes may depend on the port.
    pub async fn start(routes: impl FnOnce(u16) -> Router) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = tcp.local_addr().expect("it is bound");
        let (acceptor, ca_pem) = certified();
        let folder = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(folder.path().join("ca.pem"), ca_pem).expect("is written");
        let connections = Arc::new(AtomicUsize::new(0));
        let listener = TlsListener { tcp, acceptor, connections: Arc::clone(&connections) };
        let routes = routes(address.port());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            // It ends with the task.
            let _ = axum::serve(listener, routes).await;
        });
        Self { address, folder, connections, _serving: serving }
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `127.0.0.1:PORT`
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// The authority that signed its certificate, as PEM.
    pub fn ca_file(&self) -> PathBuf {
        Path::join(self.folder.path(), "ca.pem")
    }

    /// TCP connections so far, with those that never spoke.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    connections: Arc<AtomicUsize>,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.tcp.accept().await else { continue };
            self.connections.fetch_add(1, Ordering::SeqCst);
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

/// An authority of our own, and an acceptor with a certificate of it.
fn certified() -> (TlsAcceptor, String) {
    let mut authority = CertificateParams::new(Vec::new()).expect("no names are fine");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().expect("a key is made");
    let ca_pem = authority.self_signed(&authority_key).expect("it signs itself").pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().expect("a key is made");
    let names: Vec<String> =
        ["127.0.0.1"].iter().chain(&CERTIFIED_NAMES).map(|name| (*name).to_owned()).collect();
    let params = CertificateParams::new(names).expect("names");
    let certificate = params.signed_by(&key, &issuer).expect("is signed");
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .expect("the certificate fits its key");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (TlsAcceptor::from(Arc::new(config)), ca_pem)
}
