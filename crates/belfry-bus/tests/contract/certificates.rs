//! TLS: a server is trusted by its certificate, and by nothing else.

use crate::harness::*;
use crate::proxy::host_of;
use crate::servers::{Server, free_port};
use belfry_bus::*;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate for this machine's loopback, in files.
struct Certificate {
    _folder: TempDir,
    certificate: PathBuf,
    key: PathBuf,
}

impl Certificate {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let folder = TempDir::new().unwrap();
        let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        Self { _folder: folder, certificate, key }
    }

    fn files(&self) -> (&str, &str) {
        (self.certificate.to_str().unwrap(), self.key.to_str().unwrap())
    }
}

/// With the certificate two nodes talk; without it, or with another one, there is no connection.
async fn only_the_named_certificate_is_trusted(engine: Engine, address: String, certificate: &Certificate) {
    let ground = Ground { engine, memory: MemoryBus::new(), address, prefix: fresh_prefix() };
    let trusting = |file: Option<PathBuf>| {
        let mut options = ground.options();
        options.common_mut().unwrap().ca_file = file;
        options
    };
    let other = Certificate::new();
    for file in [None, Some(other.certificate.clone())] {
        let error =
            within("an answer", Bus::connect(trusting(file), NodeTag(1))).await.expect_err("a stranger");
        assert_eq!(error.trouble, Trouble::Misconfigured, "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    let trusted = || trusting(Some(certificate.certificate.clone()));
    let (one, mut other) = (Node::join(trusted(), 1).await, Node::join(trusted(), 2).await);
    one.send(Subject::All, "in secret");
    assert_eq!(other.heard().await, "in secret");
}

#[tokio::test]
async fn redis_with_tls() {
    let certificate = Certificate::new();
    let (file, key) = certificate.files();
    let port = free_port();
    let tls = ["--tls-port", &port.to_string(), "--tls-cert-file", file, "--tls-key-file", key];
    let more = ["--tls-ca-cert-file", file, "--tls-auth-clients", "no"];
    let Some(_server) = Server::redis(&[&tls[..], &more[..]].concat()).await else { return };
    let address = format!("rediss://127.0.0.1:{port}");
    only_the_named_certificate_is_trusted(Engine::Redis, address, &certificate).await;
}

#[tokio::test]
async fn nats_with_tls() {
    let certificate = Certificate::new();
    let (file, key) = certificate.files();
    let Some(server) = Server::nats(&["--tls", "--tlscert", file, "--tlskey", key]).await else { return };
    let address = format!("tls://127.0.0.1:{}", server.port);
    only_the_named_certificate_is_trusted(Engine::Nats, address, &certificate).await;
}

#[tokio::test]
async fn postgres_with_tls() {
    let Some(ground) = Ground::new(Engine::Postgres) else { return };
    let certificate = Certificate::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().to_string();
    let server = host_of(&ground.address).to_owned();
    let mut serving = JoinSet::new();
    serving.spawn(encrypt(listener, server.clone(), acceptor(&certificate)));
    let address = format!("{}?sslmode=verify-full", ground.address.replacen(&server, &here, 1));
    only_the_named_certificate_is_trusted(Engine::Postgres, address, &certificate).await;
}

fn acceptor(certificate: &Certificate) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_file(&certificate.certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&certificate.key).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()))
}

/// Stands before a PostgreSQL without TLS as one that has it.
async fn encrypt(listener: TcpListener, server: String, acceptor: TlsAcceptor) {
    let mut connections = JoinSet::new();
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let (server, acceptor) = (server.clone(), acceptor.clone());
        connections.spawn(async move {
            // The client asks for TLS in eight bytes, and is answered in one.
            let mut request = [0; 8];
            client.read_exact(&mut request).await.unwrap();
            assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47]);
            client.write_all(b"S").await.unwrap();
            let Ok(mut client) = acceptor.accept(client).await else { return };
            let mut server = TcpStream::connect(&server).await.unwrap();
            // Both ends close whenever they like.
            let _ = copy_bidirectional(&mut client, &mut server).await;
        });
    }
}
