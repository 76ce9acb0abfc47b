//! A client so light that thousands fit beside three nodes: it answers pings, remembers which alerts came, and comes back
//! when it is told to, to the next node that takes it.

use belfry_server::clock;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Before a node is asked again when none took it.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// Longest frame and longest answer to the handshake.
const BYTES_MAX: usize = 1 << 20;

/// All of them together.
#[derive(Debug, Default)]
pub(super) struct Crew(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Connections at each node.
    at: [usize; 3],
    /// Which alerts each of them was given.
    heard: Vec<HashSet<String>>,
    counted_from: Option<Instant>,
    returned: Vec<usize>,
    objections: Vec<String>,
}

impl Crew {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connections at each node.
    pub(super) fn at(&self) -> [usize; 3] {
        self.lock().at
    }

    /// All of them.
    pub(super) fn connected(&self) -> usize {
        self.at().iter().sum()
    }

    /// Who comes from now on is counted, by seconds.
    pub(super) fn count_from(&self, now: Instant) {
        let mut inner = self.lock();
        inner.counted_from = Some(now);
        inner.returned.clear();
    }

    /// How many came in each second.
    pub(super) fn returned(&self) -> Vec<usize> {
        self.lock().returned.clone()
    }

    /// How often these alerts came, each counted once per connection.
    pub(super) fn heard(&self, alerts: &[String]) -> usize {
        let inner = self.lock();
        inner.heard.iter().map(|heard| alerts.iter().filter(|id| heard.contains(*id)).count()).sum()
    }

    /// What nobody should have been told.
    pub(super) fn objections(&self) -> Vec<String> {
        self.lock().objections.iter().take(5).cloned().collect()
    }

    fn came(&self, node: usize) {
        let mut inner = self.lock();
        inner.at[node] += 1;
        let Some(from) = inner.counted_from else { return };
        let second = clock::now().instant.saturating_duration_since(from).as_secs();
        let second = usize::try_from(second).unwrap_or(usize::MAX).min(3_600);
        if inner.returned.len() <= second {
            inner.returned.resize(second + 1, 0);
        }
        inner.returned[second] += 1;
    }

    fn left(&self, node: usize) {
        self.lock().at[node] -= 1;
    }

    fn hears(&self, number: usize, alert: &str) {
        let mut inner = self.lock();
        if inner.heard.len() <= number {
            inner.heard.resize(number + 1, HashSet::new());
        }
        inner.heard[number].insert(alert.to_owned());
    }
}

/// One of them.
pub(super) struct Light {
    pub(super) number: usize,
    pub(super) token: String,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) crew: Arc<Crew>,
}

impl Light {
    pub(super) async fn run(self) {
        let mut node = self.number % self.addresses.len();
        loop {
            let Ok(stream) = self.open(node).await else {
                node = (node + 1) % self.addresses.len();
                // What is waited for is a node that takes it; all of them are asked in turn.
                tokio::time::sleep(AGAIN_AFTER.mul_f64(fastrand::f64())).await;
                continue;
            };
            self.crew.came(node);
            let wait = self.listen(stream).await;
            self.crew.left(node);
            // Spread over the nodes that are left, as by a balancer.
            node = (node + 1 + fastrand::usize(0..2)) % self.addresses.len();
            // What the server asked for, or a step of the back-off.
            tokio::time::sleep(wait).await;
        }
    }

    async fn open(&self, node: usize) -> std::io::Result<TcpStream> {
        let address = self.addresses[node];
        let mut stream = TcpStream::connect(address).await?;
        let token = &self.token;
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        // Byte by byte: what follows the head is a frame's already.
        let mut head = Vec::with_capacity(512);
        while !head.ends_with(b"\r\n\r\n") && head.len() < BYTES_MAX {
            head.push(stream.read_u8().await?);
        }
        if head.starts_with(b"HTTP/1.1 101") {
            Ok(stream)
        } else {
            Err(std::io::ErrorKind::ConnectionRefused.into())
        }
    }

    /// Until the connection ends; how long to stay away then.
    async fn listen(&self, mut stream: TcpStream) -> Duration {
        let mut wait = Duration::ZERO;
        while let Ok((opcode, payload)) = frame(&mut stream).await {
            match opcode {
                1 => wait = self.read(&payload).unwrap_or(wait),
                8 => {
                    // It is answered, so that the server need not wait.
                    let _ = stream.write_all(&masked(8, &payload)).await;
                    break;
                }
                9 if stream.write_all(&masked(10, &payload)).await.is_err() => break,
                _ => {}
            }
        }
        wait
    }

    /// What is told: an alert, or when to come back.
    fn read(&self, payload: &[u8]) -> Option<Duration> {
        let frame: serde_json::Value = serde_json::from_slice(payload).ok()?;
        match frame["type"].as_str()? {
            "going-away" => frame["data"]["reconnect_after_ms"].as_u64().map(Duration::from_millis),
            // The last word of a node that ends.
            "error" if frame["data"]["code"] == "draining" => None,
            "error" => {
                self.crew.lock().objections.push(format!("connection {}: {}", self.number, frame["data"]));
                None
            }
            _ => {
                self.crew.hears(self.number, frame["id"].as_str()?);
                None
            }
        }
    }
}

/// One frame of the server, which neither masks nor fragments.
async fn frame(stream: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).await?;
    let length = match head[1] & 0x7f {
        126 => usize::from(stream.read_u16().await?),
        127 => usize::try_from(stream.read_u64().await?).unwrap_or(usize::MAX),
        short => usize::from(short),
    };
    if length > BYTES_MAX {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    Ok((head[0] & 0x0f, payload))
}

/// A client's control frame: at most 125 bytes, masked with zeros, which is a mask like any other.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let payload = &payload[..payload.len().min(125)];
    let length = u8::try_from(payload.len()).unwrap_or(0);
    [&[0x80 | opcode, 0x80 | length, 0, 0, 0, 0], payload].concat()
}
