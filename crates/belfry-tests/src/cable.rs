//! A cable between two processes, to pull. Between a client and several servers it also decides which one is reached:
//! each connection goes to the next one that listens, as with the simplest of balancers.

use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What the cable does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Flowing,
    /// Connections stay open, new ones are made, and nothing passes.
    Frozen,
    /// Connections are closed, new ones at once.
    Cut,
}

/// Forwards TCP connections until it is told otherwise.
#[derive(Debug)]
pub struct Cable {
    /// Its near end.
    pub address: SocketAddr,
    mode: watch::Sender<Mode>,
    /// Ends with it.
    _serving: JoinSet<()>,
}

impl Cable {
    /// A cable to one of these servers, beginning with the first.
    pub async fn to(servers: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let (mode, seen) = watch::channel(Mode::Flowing);
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, servers, seen));
        Self { address, mode, _serving: serving }
    }

    /// Nothing passes, and nobody is told.
    pub fn freeze(&self) {
        self.mode.send_replace(Mode::Frozen);
    }

    /// Everything is closed.
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// As it should be. What was frozen arrives now.
    pub fn heal(&self) {
        self.mode.send_replace(Mode::Flowing);
    }
}

async fn serve(listener: TcpListener, servers: Vec<SocketAddr>, mode: watch::Receiver<Mode>) {
    let mut connections = JoinSet::new();
    for number in 0.. {
        let Ok((client, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        if *mode.borrow() != Mode::Cut {
            connections.spawn(connection(number, client, servers.clone(), mode.clone()));
        }
    }
}

async fn connection(number: usize, client: TcpStream, servers: Vec<SocketAddr>, mode: watch::Receiver<Mode>) {
    let Some(server) = reach(number, &servers).await else { return };
    let small = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
    if small.is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pump(from_client, to_server, mode.clone()) => {}
        () = pump(from_server, to_client, mode) => {}
    }
}

async fn reach(number: usize, servers: &[SocketAddr]) -> Option<TcpStream> {
    for step in 0..servers.len() {
        if let Ok(server) = TcpStream::connect(servers[(number + step) % servers.len()]).await {
            return Some(server);
        }
    }
    None
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut mode: watch::Receiver<Mode>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let now = *mode.borrow_and_update();
        match now {
            Mode::Cut => return,
            Mode::Frozen => {
                if mode.changed().await.is_err() {
                    return;
                }
                continue;
            }
            Mode::Flowing => {}
        }
        tokio::select! {
            changed = mode.changed() => if changed.is_err() { return },
            read = from.read(&mut buffer) => {
                let Ok(count @ 1..) = read else { return };
                if to.write_all(&buffer[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::within;
    use std::time::Duration;

    /// Answers each connection with its own letter, and then with what it is sent.
    async fn server(letter: u8) -> (SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                open.spawn(async move {
                    let (mut from, mut to) = stream.split();
                    to.write_all(&[letter]).await.expect("is written");
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        (address, serving)
    }

    async fn letter(stream: &mut TcpStream) -> Option<u8> {
        within("a letter or an end", stream.read_u8()).await.ok()
    }

    #[tokio::test]
    async fn each_connection_goes_to_the_next_server_that_listens() {
        let ((a, _a), (b, _b)) = (server(b'a').await, server(b'b').await);
        let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, crate::engines::free_port()));
        let cable = Cable::to(vec![a, nobody, b]).await;
        let mut heard = Vec::new();
        for _ in 0..4 {
            let mut stream = TcpStream::connect(cable.address).await.expect("the cable listens");
            heard.extend(letter(&mut stream).await);
        }
        assert_eq!(heard, b"abba");
    }

    #[tokio::test]
    async fn what_is_frozen_passes_later_and_what_is_cut_is_gone() {
        let (address, _server) = server(b'a').await;
        let cable = Cable::to(vec![address]).await;
        let mut stream = TcpStream::connect(cable.address).await.expect("the cable listens");
        assert_eq!(letter(&mut stream).await, Some(b'a'));
        cable.freeze();
        stream.write_all(b"b").await.expect("the near end takes it");
        let early = tokio::time::timeout(Duration::from_millis(100), stream.read_u8()).await;
        assert!(early.is_err(), "nothing passes, and the connection stays");
        cable.heal();
        assert_eq!(letter(&mut stream).await, Some(b'b'));
        cable.cut();
        assert_eq!(letter(&mut stream).await, None);
        let mut another = TcpStream::connect(cable.address).await.expect("the cable listens");
        assert_eq!(letter(&mut another).await, None, "new ones are closed at once");
    }
}
