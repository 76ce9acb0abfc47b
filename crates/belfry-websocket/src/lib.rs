//! The wire: the server side of RFC 6455, and nothing else. It knows nothing of alerts.
//!
//! What makes it ours:
//! * **An idle connection keeps no buffer.** Bytes are read into one scratch buffer per thread; only a partial
//!   frame or message is kept, and its memory is freed with it. So is the send queue's.
//! * **Frames are shared.** An [`Outgoing`] is a body that many sockets share, a small tail of this one, and
//!   if wanted a receipt ping; header, body, tail and ping leave in one vectored write, the body is never copied.
//! * **Everything has a limit** ([`Limits`]), counted in bytes, and a refusal leaves nothing half done.
//! * **One task owns a connection.** [`Connection::drive`] reads and writes in one poll and is cancel-safe.
//!
//! The shape of a session's task:
//!
//! ```no_run
//! # use belfry_websocket::{Connection, Error, Event, Limits, Outgoing};
//! # async fn session(socket: tokio::net::TcpStream, mut wake: tokio::sync::mpsc::Receiver<bytes::Bytes>) {
//! let mut connection = Connection::new(socket, Limits::default());
//! loop {
//!     tokio::select! {
//!         event = connection.drive() => match event {
//!             Ok(Event::Text(text)) => { /* a client frame */ }
//!             Ok(Event::Binary(_) | Event::Ping(_) | Event::Pong(_)) => {}
//!             Ok(Event::Drained) => { /* the next catch-up page may go */ }
//!             Ok(Event::Close(_)) => { /* the answer is queued already: go on driving */ }
//!             Ok(Event::Closed) => break,
//!             Err(Error::Violation(violation)) => connection.close(4003, &violation.to_string()),
//!             Err(Error::Gone(_)) => break,
//!         },
//!         Some(body) = wake.recv() => {
//!             let message = Outgoing::text(body).with_tail(",\"unread\":3}");
//!             if connection.send(&message).is_err() { /* full: the session is lagging; or closing */ }
//!         }
//!     }
//! }
//! # }
//! ```
//!
//! Time is the owner's: it watches [`Connection::bytes_read`] (life) and [`Connection::bytes_written`] (is the
//! socket taking anything?) with its own clock, and it sets the deadline after which a connection that is
//! closing ([`Connection::is_closing`]) is dropped.

mod close;
mod connection;
mod decoder;
mod error;
mod event;
mod frame;
mod handshake;
mod inbound;
mod limits;
mod mask;
mod outgoing;
mod queue;
mod scratch;

pub use close::{CloseFrame, is_valid_close_code, truncate_reason};
pub use connection::Connection;
pub use error::{Error, SendError, Violation};
pub use event::{Event, Sent};
pub use handshake::{Handshake, HandshakeError, accept_key};
pub use limits::Limits;
pub use outgoing::{CONTROL_PAYLOAD_BYTES_MAX, ControlPayload, Outgoing, TAIL_BYTES_INLINE, Tail};
