//! HTTP/2 over TLS on loopback with the frames that a test wants: `GOAWAY` in the middle, a stream limit, streams that
//! are refused or reset, connections that break.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use h2::Reason;
use h2::server::SendResponse;
use http::{HeaderMap, Method, Request, Response};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Streams of one connection where a test says nothing.
const STREAMS_MAX: u32 = 1000;

/// A certificate authority of one test.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

impl Default for Authority {
    fn default() -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let mut parameters = CertificateParams::new(Vec::new()).expect("no name is a wrong one");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).expect("signs itself");
        let folder = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).expect("is written");
        Self { issuer: Issuer::new(parameters, key), folder }
    }
}

impl Authority {
    /// Its certificate as PEM.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn acceptor(&self) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
            .and_then(|parameters| parameters.signed_by(&key, &self.issuer))
            .expect("is signed");
        let chain = vec![CertificateDer::from_pem_slice(certificate.pem().as_bytes()).expect("is PEM")];
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("is PEM");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider knows them")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("belong together");
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// On which connection of this server, from 0.
    pub connection: usize,
    /// Its number there: 1, 3, 5 …
    pub stream: u32,
    /// `POST`.
    pub method: Method,
    /// Without scheme and host.
    pub path: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

/// What the server does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Answers so.
    Answer {
        /// Status.
        status: u16,
        /// Names and values.
        headers: Vec<(&'static str, String)>,
        /// Body.
        body: Vec<u8>,
    },
    /// Gives the request back unread: `RST_STREAM` with `REFUSED_STREAM`.
    Refuse,
    /// Breaks the stream off in the middle: `RST_STREAM` with `INTERNAL_ERROR`.
    Reset,
    /// Takes it, and breaks the stream off.
    TakeAndReset,
    /// Never answers.
    Hang,
    /// Takes it, and never answers.
    TakeAndHang,
}

impl Act {
    /// An answer without headers of its own.
    pub fn answer(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.into() }
    }

    /// With one header more, where it is an answer.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.to_string()));
        }
        self
    }
}

/// How connections behave; it can be changed while it runs, new connections follow.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manners {
    /// `SETTINGS_MAX_CONCURRENT_STREAMS`; `None`: 1,000, as at Apple.
    pub streams_max: Option<u32>,
    /// A connection's n-th stream is the last that is read: `GOAWAY` names it, and those after it are never read.
    pub go_away_at: Option<usize>,
    /// The first connection whose n-th stream opens breaks, whatever is in flight on it; those after it hold.
    pub break_at: Option<usize>,
}

/// What was seen of all connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that spoke HTTP/2.
    pub connections: usize,
    /// Streams that were read.
    pub streams: usize,
    /// Streams after a `GOAWAY`: never read.
    pub unread: usize,
    /// Open at the same time on one connection, at most.
    pub at_once_max: usize,
    /// `GOAWAY`s sent.
    pub go_aways: usize,
}

type Service = Arc<dyn Fn(Asked) -> BoxFuture<'static, Act> + Send + Sync>;

#[derive(Default)]
struct State {
    manners: Manners,
    counts: Counts,
}

/// A running server; it ends when it is dropped.
pub struct Http2 {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _serving: JoinSet<()>,
}

impl std::fmt::Debug for Http2 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Http2({})", self.address)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no test panics with it")
}

impl Http2 {
    /// Serves on a free port of loopback.
    pub async fn start<F>(authority: &Authority, service: impl Fn(Asked) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Act> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(Mutex::new(State::default()));
        let service: Service = Arc::new(move |asked| Box::pin(service(asked)));
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, authority.acceptor(), Arc::clone(&state), service));
        Self { address, state, _serving: serving }
    }

    /// `https://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// How connections behave from now on.
    pub fn behave(&self, manners: Manners) {
        locked(&self.state).manners = manners;
    }

    /// What was seen so far.
    pub fn counts(&self) -> Counts {
        locked(&self.state).counts
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<Mutex<State>>, service: Service) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let (acceptor, state, service) = (acceptor.clone(), Arc::clone(&state), Arc::clone(&service));
        connections.spawn(async move {
            // Who does not want our TLS or breaks off is not served.
            let _ = serve(socket, acceptor, state, service).await;
        });
    }
}

async fn serve(
    socket: TcpStream,
    acceptor: TlsAcceptor,
    state: Arc<Mutex<State>>,
    service: Service,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    socket.set_nodelay(true)?;
    let tls = acceptor.accept(socket).await?;
    let between = Arc::new(Mutex::new(VecDeque::new()));
    let manners = locked(&state).manners;
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(manners.streams_max.unwrap_or(STREAMS_MAX));
    // Many small bodies at once are no attack here.
    builder.data_frame_budget(1 << 24);
    let io = Injecting { io: tls, between: Arc::clone(&between) };
    let mut connection = builder.handshake::<_, Bytes>(io).await?;
    let number = {
        let counts = &mut locked(&state).counts;
        counts.connections += 1;
        counts.connections - 1
    };
    let open = Arc::new(());
    let mut streams = JoinSet::new();
    // Streams after the GOAWAY: an answer of any sort would say that they were read.
    let mut unread = Vec::new();
    let mut seen = 0;
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted?;
        seen += 1;
        if manners.go_away_at.is_some_and(|last| seen > last) {
            locked(&state).counts.unread += 1;
            unread.push((request, respond));
            continue;
        }
        let breaks = locked(&state).manners.break_at.take_if(|at| *at == seen);
        if breaks.is_some() {
            return Ok(());
        }
        let stream = respond.stream_id().as_u32();
        if manners.go_away_at == Some(seen) {
            locked(&between).extend(go_away(stream));
            locked(&state).counts.go_aways += 1;
        }
        let mine = Arc::clone(&open);
        {
            let counts = &mut locked(&state).counts;
            counts.streams += 1;
            counts.at_once_max = counts.at_once_max.max(Arc::strong_count(&open) - 1);
        }
        let service = Arc::clone(&service);
        streams.spawn(async move {
            // The client may be gone meanwhile.
            let _ = answer(number, request, respond, service).await;
            drop(mine);
        });
    }
    Ok(())
}

async fn answer(
    connection: usize,
    request: Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
    service: Service,
) -> Result<(), h2::Error> {
    let (parts, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk?;
        stream.flow_control().release_capacity(chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    let asked = Asked {
        connection,
        stream: respond.stream_id().as_u32(),
        method: parts.method,
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body: body.into(),
    };
    match service(asked).await {
        Act::Answer { status, headers, body } => {
            let mut head = Response::builder().status(status);
            for (name, value) in headers {
                head = head.header(name, value);
            }
            let head = head.body(()).expect("a script's answer is one");
            let mut send = respond.send_response(head, body.is_empty())?;
            if !body.is_empty() {
                send.send_data(body.into(), true)?;
            }
        }
        Act::Refuse => respond.send_reset(Reason::REFUSED_STREAM),
        Act::Reset | Act::TakeAndReset => respond.send_reset(Reason::INTERNAL_ERROR),
        Act::Hang | Act::TakeAndHang => {
            // Until the client gives up.
            let _ = std::future::poll_fn(|context| respond.poll_reset(context)).await;
        }
    }
    Ok(())
}

/// RFC 9113 6.8, with `NO_ERROR`.
fn go_away(last_stream: u32) -> Vec<u8> {
    let mut frame = vec![0, 0, 8, 7, 0, 0, 0, 0, 0];
    frame.extend(last_stream.to_be_bytes());
    frame.extend(0u32.to_be_bytes());
    frame
}

/// Writes bytes of its own between two frames: where `h2` flushes, all that it wrote is whole frames.
struct Injecting<T> {
    io: T,
    between: Arc<Mutex<VecDeque<u8>>>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Injecting<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Injecting<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, between } = self.get_mut();
        let mut between = locked(between);
        while !between.is_empty() {
            let written = ready!(Pin::new(&mut *io).poll_write(context, between.make_contiguous()))?;
            between.drain(..written);
        }
        Pin::new(io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
