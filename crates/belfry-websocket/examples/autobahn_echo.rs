//! An echo server on the production codec, for Autobahn's fuzzing client; `cargo xtask autobahn` runs both.
//!
//! By hand: `cargo run -p belfry-websocket --example autobahn_echo -- 127.0.0.1:9001 16777216`, the second
//! argument being the largest message it takes (case 9 sends up to 16 MiB, far more than a session ever may).
//! Then `wstest -m fuzzingclient -s spec.json` with `{"servers": [{"url": "ws://127.0.0.1:9001"}], …}`.

use std::error::Error as StdError;
use std::time::Duration;

use belfry_websocket::{Connection, Error, Event, Handshake, Limits, Outgoing};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A closing peer gets this long to hang up.
const CLOSING_TIME: Duration = Duration::from_secs(5);

const HEAD_BYTES_MAX: usize = 8 * 1024;

type Result<T> = std::result::Result<T, Box<dyn StdError + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "whoever starts the example reads the address from its first line")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9001".into());
    let message_bytes_max = arguments.next().map_or(Ok(16 << 20), |bytes| bytes.parse())?;
    let limits = Limits {
        inbound_message_bytes_max: message_bytes_max,
        send_queue_bytes_max: message_bytes_max.saturating_mul(4),
        send_queue_frames_max: 10_000,
    };
    let listener = TcpListener::bind(address).await?;
    println!("listening on ws://{}", listener.local_addr()?);
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (socket, _) = accepted?;
                socket.set_nodelay(true)?;
                // A session that fails is the peer's affair; the suite's report says whether it should have.
                sessions.spawn(async move { drop(serve(socket, limits).await) });
            }
            Some(_) = sessions.join_next() => {}
        }
    }
}

async fn serve(mut socket: TcpStream, limits: Limits) -> Result<()> {
    let (headers, rest) = read_head(&mut socket).await?;
    let handshake = match Handshake::check(&Method::GET, Version::HTTP_11, &headers) {
        Ok(handshake) => handshake,
        Err(error) => {
            let answer = format!("HTTP/1.1 {}\r\nconnection: close\r\n\r\n{error}\n", error.status());
            return Ok(socket.write_all(answer.as_bytes()).await?);
        }
    };
    let answer = handshake.response::<()>(None);
    let mut head = b"HTTP/1.1 101 Switching Protocols\r\n".to_vec();
    for (name, value) in answer.headers() {
        head.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head.extend_from_slice(b"\r\n");
    socket.write_all(&head).await?;
    echo(Connection::with_read_bytes(socket, limits, &rest)).await
}

async fn echo(mut connection: Connection<TcpStream>) -> Result<()> {
    loop {
        let event = if connection.is_closing() {
            tokio::time::timeout(CLOSING_TIME, connection.drive()).await?
        } else {
            connection.drive().await
        };
        match event {
            Ok(Event::Text(text)) => drop(connection.send(&Outgoing::text(text))?),
            Ok(Event::Binary(bytes)) => drop(connection.send(&Outgoing::binary(bytes))?),
            Ok(Event::Ping(_) | Event::Pong(_) | Event::Close(_) | Event::Drained) => {}
            Ok(Event::Closed) => return Ok(()),
            Err(Error::Violation(violation)) => {
                connection.close(violation.close_code(), &violation.to_string());
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads a request's headers, and what the client sent right behind them.
async fn read_head(socket: &mut TcpStream) -> Result<(HeaderMap, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if bytes.len() > HEAD_BYTES_MAX || socket.read_buf(&mut bytes).await? == 0 {
            return Err("no request".into());
        }
    };
    let rest = bytes.split_off(end);
    let mut headers = HeaderMap::new();
    for line in std::str::from_utf8(&bytes)?.lines().skip(1) {
        if let Some((name, value)) = line.split_once(':') {
            headers.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value.trim())?);
        }
    }
    Ok((headers, rest))
}
