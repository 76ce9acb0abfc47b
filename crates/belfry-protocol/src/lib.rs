//! The words of Belfry: every body, frame, id, error code and close code. No I/O, no clock, no async.
//!
//! TypeScript types, JSON Schema, OpenAPI and AsyncAPI are generated from what stands here
//! (`cargo xtask codegen`); the golden frames in `fixtures/` are read by the Rust and the TypeScript tests.

pub mod alert;
pub mod asyncapi;
pub mod audience;
pub mod batch;
pub mod close_code;
#[cfg(test)]
mod codegen;
pub mod cursor;
pub mod delivery;
pub mod device;
pub mod do_not_disturb;
pub mod error_code;
mod error_page;
pub mod export;
pub mod fixtures;
pub mod frame;
pub mod group;
pub mod id;
pub mod inbox;
pub mod ladder;
pub mod level;
pub mod object;
pub mod openapi;
pub mod operation;
pub mod preferences;
pub mod problem;
pub mod schema;
pub mod server_message;
pub mod stats;
pub mod trace;
pub mod user;
pub mod webhook;

pub use alert::{Action, AlertAnswer, NewAlert, NotificationRef, Severity};
pub use audience::Audience;
pub use close_code::{Advice, CloseCode};
pub use cursor::{Cursor, Epoch};
pub use device::Provider;
pub use do_not_disturb::DoNotDisturb;
pub use error_code::ErrorCode;
pub use frame::{ClientFrame, Item, ServerFrame};
pub use id::{AlertId, ConnectionId, DeviceId, GroupId, KeyId, Seq, UserId, WebhookId};
pub use inbox::{ItemState, StateChange};
pub use ladder::{Channel, Step};
pub use level::{Level, Stream};
pub use problem::Problem;
pub use server_message::ServerMessage;

/// The subprotocol a client offers when it knows these frames (`Sec-WebSocket-Protocol`).
pub const SUBPROTOCOL: &str = "belfry.v1";
/// The prefix of the subprotocol entry that carries a token: `bearer.<jwt>`.
pub const BEARER_SUBPROTOCOL_PREFIX: &str = "bearer.";
