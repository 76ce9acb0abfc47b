//! The server inside another axum application, sharing its port: below a path, and behind TLS.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use belfry_server::app::App;
use belfry_server::auth::{ApiKeys, Minter, NewToken};
use belfry_server::clock;
use belfry_server::config::{ApiKeyOptions, ApiKeySecret, Config, Mode, Scope};
use belfry_server::listener::Server;
use belfry_store::UnixMs;
use futures_util::{SinkExt, StreamExt};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

const DEADLINE: Duration = Duration::from_secs(20);
const NAME: &str = "localhost";

struct House {
    app: App,
    api_key: SecretString,
    token: SecretString,
}

fn configured(folder: &Path, base_path: &str) -> (Config, SecretString) {
    let api_key = ApiKeys::generate().key;
    let mut config = Config { mode: Mode::Serve, ..Config::default() };
    config.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.server.data_dir = folder.to_owned();
    config.server.base_path = base_path.to_owned();
    config.drain.window = Duration::from_millis(50);
    config.drain.ready_wait = Duration::ZERO;
    config.auth.jwt_secret = Some(SecretString::from("a secret of at least thirty-two bytes"));
    config.api_keys.push(ApiKeyOptions {
        name: "shop".to_owned(),
        scopes: Scope::ALL.to_vec(),
        secret: ApiKeySecret::Plain(api_key.clone()),
    });
    (config, api_key)
}

fn token(config: &Config) -> SecretString {
    let issued_at = clock::now().unix_ms();
    Minter::new(&config.verifier_options()).expect("there is a secret").mint(NewToken {
        user: "ann".parse().expect("is a user"),
        issued_at,
        expires_at: UnixMs(issued_at.0 + 600_000),
        extra: serde_json::Map::new(),
    })
}

impl House {
    async fn open(folder: &Path, base_path: &str) -> Self {
        let (config, api_key) = configured(folder, base_path);
        let token = token(&config);
        Self { app: App::open(config).await.expect("opens"), api_key, token }
    }
}

/// An application with a route, a fallback, and Belfry.
fn shop(belfry: Router) -> Router {
    let missing = || async { (StatusCode::NOT_FOUND, "the shop has no such page") };
    Router::new().route("/", get(|| async { "the shop" })).merge(belfry).fallback(missing)
}

/// Ways in: over a bare socket, or through TLS.
struct Door {
    address: SocketAddr,
    tls: Option<TlsConnector>,
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

impl Door {
    async fn connect(&self) -> Box<dyn Wire> {
        let socket = TcpStream::connect(self.address).await.expect("connects");
        match &self.tls {
            None => Box::new(socket),
            Some(tls) => {
                let name = ServerName::try_from(NAME).expect("is a name");
                Box::new(tls.connect(name, socket).await.expect("the handshake succeeds"))
            }
        }
    }

    /// Sends one request; gives status and body.
    async fn call(&self, mut request: Request<String>) -> (StatusCode, String) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        request.headers_mut().insert(HOST, HeaderValue::from_static(NAME));
        let mut text = format!("{} {} HTTP/1.1\r\nconnection: close\r\n", request.method(), request.uri());
        for (name, value) in request.headers() {
            text.push_str(&format!("{name}: {}\r\n", value.to_str().expect("is text")));
        }
        text.push_str(&format!("content-length: {}\r\n\r\n{}", request.body().len(), request.body()));
        let mut wire = self.connect().await;
        wire.write_all(text.as_bytes()).await.expect("is written");
        let mut answer = Vec::new();
        // A server that ends TLS without a farewell has said everything all the same.
        let _ = wire.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        (status, body.to_owned())
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        self.call(Request::get(path).body(String::new()).expect("a request")).await
    }

    async fn publish(&self, base: &str, api_key: &SecretString, title: &str) -> (StatusCode, Value) {
        let alert = json!({"to": {"user": "ann"}, "kind": "order-placed", "title": title, "data": {}});
        let request = Request::post(format!("{base}/v1/alerts"))
            .header(AUTHORIZATION, format!("Bearer {}", api_key.expose_secret()))
            .header(CONTENT_TYPE, "application/json")
            .body(alert.to_string())
            .expect("a request");
        let (status, body) = self.call(request).await;
        (status, serde_json::from_str(&body).expect("is JSON"))
    }

    async fn socket(&self, base: &str, token: &SecretString) -> WebSocketStream<Box<dyn Wire>> {
        let mut request = format!("ws://{NAME}{base}/ws").into_client_request().expect("a request");
        let protocols = format!("belfry.v1, bearer.{}", token.expose_secret());
        request.headers_mut().insert("sec-websocket-protocol", protocols.parse().expect("a header"));
        let wire = self.connect().await;
        let (socket, answer) = tokio_tungstenite::client_async(request, wire).await.expect("is upgraded");
        assert_eq!(answer.headers()["sec-websocket-protocol"], "belfry.v1");
        socket
    }
}

async fn next_frame<S: Wire>(socket: &mut WebSocketStream<S>) -> Value {
    loop {
        match socket.next().await.expect("a frame comes").expect("the link is fine") {
            Message::Text(text) => return serde_json::from_str(&text).expect("is JSON"),
            Message::Close(frame) => panic!("was closed: {frame:?}"),
            _ => {}
        }
    }
}

/// Connect, publish, receive, confirm, and part in good order.
async fn works(door: &Door, base: &str, api_key: &SecretString, token: &SecretString) {
    let mut socket = door.socket(base, token).await;
    assert_eq!(next_frame(&mut socket).await["type"], "connection-established");
    let resume = json!({"type": "resume", "data": {"cursor": null}});
    socket.send(Message::text(resume.to_string())).await.expect("is sent");
    socket.send(Message::text(r#"{"type":"ping","data":1}"#)).await.expect("is sent");
    assert_eq!(next_frame(&mut socket).await["type"], "pong", "the resume was taken");

    let (status, answer) = door.publish(base, api_key, "On its way").await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    let alert = next_frame(&mut socket).await;
    assert_eq!((&alert["type"], &alert["id"]), (&json!("order-placed"), &answer["id"]));

    // Larger than one TLS record, and than any buffer between.
    let (status, _) = door.publish(base, api_key, &"x".repeat(2_000_000)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);

    let bye = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    socket.close(Some(bye)).await.expect("says goodbye");
    let answered = loop {
        match socket.next().await {
            Some(Ok(Message::Close(frame))) => break frame,
            Some(Ok(_)) => {}
            other => panic!("no close came back: {other:?}"),
        }
    };
    assert_eq!(answered.map(|frame| frame.code), Some(CloseCode::Normal));
}

async fn leaves_nothing(house: &House) {
    let gone = async {
        while house.app.services().hub.counts().websocket > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.expect("the hub forgets the session");
}

#[tokio::test]
async fn below_a_path_it_shares_the_applications_port() {
    // Configured with the path and merged, or without one and nested by the application: the same to the outside.
    for configured in ["/belfry", ""] {
        let folder = tempfile::tempdir().expect("a folder");
        let house = House::open(folder.path(), configured).await;
        let belfry = match configured {
            "" => Router::new().nest("/belfry", house.app.router()),
            _ => house.app.router(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let door = Door { address: listener.local_addr().expect("an address"), tls: None };
        let mut serving = JoinSet::new();
        serving.spawn(async { axum::serve(listener, shop(belfry)).await });

        assert_eq!(door.get("/").await, (StatusCode::OK, "the shop".to_owned()));
        assert_eq!(door.get("/v1/alerts").await.1, "the shop has no such page");
        assert_eq!(door.get("/belfry/healthz").await.0, StatusCode::OK);
        let (status, body) = door.get("/belfry/nowhere").await;
        let problem: Value = serde_json::from_str(&body).expect("a problem document");
        assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("not-found")));
        tokio::time::timeout(DEADLINE, works(&door, "/belfry", &house.api_key, &house.token))
            .await
            .expect("in time");
        leaves_nothing(&house).await;
        serving.shutdown().await;
        house.app.close().await.expect("closes");
    }
}

/// A certificate of this test alone: PEM of certificate and key, and a client that trusts it.
struct SelfSigned {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    certificate_pem: String,
    key_pem: String,
}

impl SelfSigned {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).expect("is made");
        Self {
            certificate: made.cert.der().clone(),
            key: PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("is a key"),
            certificate_pem: made.cert.pem(),
            key_pem: made.signing_key.serialize_pem(),
        }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], self.key.clone_key())
            .expect("fit together");
        TlsAcceptor::from(Arc::new(config))
    }

    fn connector(&self) -> TlsConnector {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("is a certificate");
        let config = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// An application's own accept loop with TLS.
async fn serve_tls(listener: TcpListener, tls: TlsAcceptor, router: Router) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let (tls, service) = (tls.clone(), TowerToHyperService::new(router.clone()));
        connections.spawn(async move {
            let Ok(stream) = tls.accept(socket).await else { return };
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
        });
    }
}

#[tokio::test]
async fn behind_the_applications_own_tls_the_upgrade_works() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::open(folder.path(), "/belfry").await;
    let signed = SelfSigned::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let door = Door { address: listener.local_addr().expect("an address"), tls: Some(signed.connector()) };
    let mut serving = JoinSet::new();
    let router: Router = shop(house.app.router());
    serving.spawn(serve_tls(listener, signed.acceptor(), router.layer(axum::middleware::map_request(plain))));

    assert_eq!(door.get("/").await, (StatusCode::OK, "the shop".to_owned()));
    tokio::time::timeout(DEADLINE, works(&door, "/belfry", &house.api_key, &house.token))
        .await
        .expect("in time");
    leaves_nothing(&house).await;
    serving.shutdown().await;
    house.app.close().await.expect("closes");
}

/// An application's own layer around everything, as there usually is one.
async fn plain(request: Request<Body>) -> Request<Body> {
    request
}

#[tokio::test]
async fn the_servers_own_listener_does_both_as_well() {
    for with_tls in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut config, api_key) = configured(folder.path(), "/belfry");
        let signed = SelfSigned::new();
        if with_tls {
            let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
            std::fs::write(&certificate, &signed.certificate_pem).expect("a file");
            std::fs::write(&key, &signed.key_pem).expect("a file");
            config.server.tls_cert_file = Some(certificate);
            config.server.tls_key_file = Some(key);
        }
        let token = token(&config);
        let server = Box::pin(Server::start(config)).await.expect("starts");
        let door = Door { address: server.local_addr(), tls: with_tls.then(|| signed.connector()) };
        assert_eq!(door.get("/healthz").await.0, StatusCode::NOT_FOUND, "nothing beside the path");
        tokio::time::timeout(DEADLINE, works(&door, "/belfry", &api_key, &token)).await.expect("in time");
        tokio::time::timeout(DEADLINE, Box::pin(server.shutdown())).await.expect("in time").expect("ends");
    }
}

#[tokio::test]
async fn a_drain_of_the_mounted_server_sends_sockets_away_and_lets_the_application_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::open(folder.path(), "/belfry").await;
    let signed = SelfSigned::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let door = Door { address: listener.local_addr().expect("an address"), tls: Some(signed.connector()) };
    let mut serving = JoinSet::new();
    serving.spawn(serve_tls(listener, signed.acceptor(), shop(house.app.router())));

    let mut socket = door.socket("/belfry", &house.token).await;
    assert_eq!(next_frame(&mut socket).await["type"], "connection-established");
    let told = async {
        let going = next_frame(&mut socket).await;
        assert_eq!(going["type"], "going-away");
        assert_eq!(next_frame(&mut socket).await["data"]["code"], "draining");
        match socket.next().await {
            Some(Ok(Message::Close(Some(frame)))) => u16::from(frame.code),
            other => panic!("no close came: {other:?}"),
        }
    };
    let both = async { tokio::join!(house.app.drain(), told) };
    let ((), code) = tokio::time::timeout(DEADLINE, both).await.expect("in time");
    assert_eq!(code, 4000);
    assert_eq!(door.get("/belfry/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(door.get("/").await.1, "the shop");
    serving.shutdown().await;
    house.app.close().await.expect("closes");
}
