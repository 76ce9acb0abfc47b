//! The hints between nodes: each hears what the others send, while all is well.
//!
//! A [`Bus`] carries opaque [`Message`]s to every other node on one of four engines. Whatever it carries may be lost;
//! the store holds the truth. What it promises is that a loss does not go unnoticed for long: a receiver that may
//! have missed something gets [`Event::Lost`], and [`Event::Back`] when the subscription is confirmed again. Then it
//! reads the store, and everything after that comes in as before.
//!
//! ```
//! # use belfry_bus::*;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BusError> {
//! let shared = MemoryBus::new();
//! let (one, _incoming) = Bus::connect(BusOptions::Memory(shared.clone()), NodeTag(1)).await?;
//! let (_other, mut incoming) = Bus::connect(BusOptions::Memory(shared), NodeTag(2)).await?;
//!
//! let (subject, message) = (Subject::of_user("ann"), Message::new("ann has 42", "the frame"));
//! assert!(one.send(subject, message.clone()));
//! assert_eq!(incoming.next().await, Some(Event::Message { subject, from: NodeTag(1), message }));
//! # Ok(())
//! # }
//! ```

mod backoff;
mod bus;
mod envelope;
mod error;
mod gauges;
mod hearer;
mod inbox;
mod keeper;
mod landing;
mod link;
mod memory;
mod message;
mod nats;
mod options;
mod outbox;
mod packing;
mod postgres;
mod probe;
mod redis;
mod redis_cluster;
mod redis_sentinel;
mod server_url;
mod speaker;
mod subject;
mod tls;

pub use backoff::Backoff;
pub use bus::{Bus, Incoming};
pub use error::{BusError, Engine, Trouble};
pub use gauges::BusGauges;
pub use memory::MemoryBus;
pub use message::{BODY_MAX_BYTES, Event, HEAD_MAX_BYTES, Message, NodeTag};
#[doc(hidden)]
pub use options::Lose;
pub use options::{
    BusOptions, Common, NatsOptions, PostgresOptions, QueueLimits, RedisOptions, Sentinel, Tuning,
};
pub use server_url::ServerUrl;
pub use subject::{PARTITIONS, Subject, partition_of};
