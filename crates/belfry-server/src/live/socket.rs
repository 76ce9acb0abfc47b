//! A session over our own WebSocket codec.

use super::session::{Traffic, receipt_text};
use super::transport::{Incoming, Parcel, Refused, Transport};
use belfry_store::Heads;
use belfry_websocket::{Connection, ControlPayload, Error, Event, Limits, Outgoing};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// One WebSocket.
pub(super) struct Socket<S> {
    connection: Connection<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket<S> {
    /// After the upgrade; `read`: what the HTTP parser read beyond it.
    pub(super) fn new(io: S, limits: Limits, read: &[u8]) -> Self {
        Self { connection: Connection::with_read_bytes(io, limits, read) }
    }
}

fn payload(heads: Heads) -> ControlPayload {
    ControlPayload::new(receipt_text(heads).as_bytes()).expect("two numbers fit into 125 bytes")
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Transport for Socket<S> {
    fn send(&mut self, parcel: Parcel) -> Result<(), Refused> {
        let mut message = Outgoing::text(parcel.body).with_tail(parcel.tail.as_slice());
        if let Some(heads) = parcel.receipt {
            message = message.with_receipt(payload(heads));
        }
        match self.connection.send(&message) {
            // A closing or broken socket says so on the next drive; what it refused is in the store.
            Ok(_) | Err(belfry_websocket::SendError::Closing) => Ok(()),
            Err(belfry_websocket::SendError::QueueFull) => Err(Refused),
        }
    }

    fn heartbeat(&mut self, heads: Heads) {
        // Refused when the queue is full: then the socket is stalled, and that has a clock of its own.
        let _ = self.connection.send(&Outgoing::ping(payload(heads)));
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            heard: self.connection.bytes_read(),
            taken: self.connection.bytes_written(),
            queued: self.connection.queued_bytes(),
        }
    }

    async fn incoming(&mut self) -> Incoming {
        match self.connection.drive().await {
            Ok(Event::Text(text)) => Incoming::Text(text),
            Ok(Event::Binary(_)) => Incoming::Binary,
            Ok(Event::Pong(payload)) => Incoming::Pong(payload),
            Ok(Event::Ping(_)) => Incoming::Life,
            Ok(Event::Drained) => Incoming::Drained,
            Ok(Event::Close(_)) => Incoming::Life,
            Ok(Event::Closed) | Err(Error::Gone(_)) => Incoming::Gone,
            Err(Error::Violation(violation)) => Incoming::Violation(violation.to_string()),
        }
    }

    async fn finish(&mut self, code: u16, reason: &str, wait: Duration) {
        self.connection.close(code, reason);
        let goodbye = async {
            loop {
                match self.connection.drive().await {
                    Ok(Event::Closed) | Err(_) => return,
                    Ok(_) => {}
                }
            }
        };
        // A peer that does not answer is dropped: everything it has not confirmed is in the store.
        let _ = tokio::time::timeout(wait, goodbye).await;
    }
}
