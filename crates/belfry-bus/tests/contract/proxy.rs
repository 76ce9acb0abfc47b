//! A cable between a node and its server, to pull.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long everything takes on a slow cable.
const LONG_WAY: Duration = Duration::from_millis(100);

/// What the cable does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Flowing,
    /// Connections with a lower number stay open, and nothing passes.
    Frozen(usize),
    /// Everything passes, later.
    Slow,
    /// Connections are closed, new ones at once.
    Cut,
}

/// Forwards TCP connections until it is told otherwise.
pub(crate) struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    /// Ends with it.
    _serving: JoinSet<()>,
}

impl Proxy {
    /// In front of the server of this address.
    pub(crate) async fn before(url: &str) -> (Self, String) {
        let server = host_of(url).to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, seen) = watch::channel(Mode::Flowing);
        let mut serving = JoinSet::new();
        let url = url.replacen(&server, &address.to_string(), 1);
        serving.spawn(serve(listener, server, seen));
        (Self { address, mode, _serving: serving }, url)
    }

    pub(crate) fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    pub(crate) fn freeze(&self) {
        self.mode.send_replace(Mode::Frozen(usize::MAX));
    }

    /// Freezes the connection that was made first.
    pub(crate) fn freeze_first(&self) {
        self.mode.send_replace(Mode::Frozen(1));
    }

    pub(crate) fn slow_down(&self) {
        self.mode.send_replace(Mode::Slow);
    }

    pub(crate) fn resume(&self) {
        self.mode.send_replace(Mode::Flowing);
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {:?}", self.address, *self.mode.borrow())
    }
}

/// `host:port` of an address.
pub(crate) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap();
    authority.rsplit('@').next().unwrap()
}

async fn serve(listener: TcpListener, server: String, mode: watch::Receiver<Mode>) {
    let mut cables = JoinSet::new();
    for number in 0.. {
        let (client, _) = listener.accept().await.unwrap();
        if *mode.borrow() != Mode::Cut {
            cables.spawn(cable(number, client, server.clone(), mode.clone()));
        }
    }
}

async fn cable(number: usize, client: TcpStream, server: String, mode: watch::Receiver<Mode>) {
    let Ok(server) = TcpStream::connect(&server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pump(number, from_client, to_server, mode.clone()) => {}
        () = pump(number, from_server, to_client, mode) => {}
    }
}

async fn pump(
    number: usize,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut mode: watch::Receiver<Mode>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let now = *mode.borrow_and_update();
        match now {
            Mode::Cut => return,
            Mode::Frozen(below) if number < below => {
                if mode.changed().await.is_err() {
                    return;
                }
                continue;
            }
            Mode::Slow | Mode::Frozen(_) | Mode::Flowing => {}
        }
        tokio::select! {
            changed = mode.changed() => if changed.is_err() { return },
            read = from.read(&mut buffer) => {
                let Ok(count @ 1..) = read else { return };
                if now == Mode::Slow {
                    // A long way is what is played here, not waited for.
                    tokio::time::sleep(LONG_WAY).await;
                }
                if to.write_all(&buffer[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
