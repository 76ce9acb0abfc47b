//! The hints between nodes: each hears what the others send, while all is well.
//!
//! A [`Bus`] carries opaque [`Message`]s to every other node on one of four engines. Whatever it carries may be lost;
//! the store holds the truth.
//!
//! # What is promised
//! * [`Bus::connect`] returns once the subscription is confirmed: a probe of this node went through every server it
//!   talks to and came back. What another node sends from then on comes in.
//! * A receiver that may have missed something gets [`Event::Lost`], and [`Event::Back`] once the subscription is
//!   confirmed again; between the two there are no messages. After `Back` it reads the store, and is whole. That
//!   covers a link that broke, one that fell silent (the probe goes out every [`Tuning::probe_every`] and has to be
//!   back [`Tuning::probe_within`]), and a receiver that was too slow for its queue.
//! * Messages of one node on one [`Subject`] come in the order in which they were left, perhaps with gaps. A node
//!   does not get its own.
//! * [`Bus::send`] never waits, and every queue has a limit in messages and in bytes ([`QueueLimits`]).
//! * No text a person chose becomes a part of a subject; what cannot be read is counted and dropped.
//!
//! # What is not
//! * A message is not repeated and not acknowledged. If the *sender's* link breaks while a batch is under way, or its
//!   queue is full, nobody is told: receivers find it in the store when they next read it. So they read it now and
//!   then, bus or no bus.
//! * Nothing here is secret from, or proved to, whoever may enter the server. Give the bus a user of its own.
//!
//! # Engines
//! | | connections of a node | a payload at most | a body at most | told apart by |
//! |---|---|---|---|---|
//! | memory | none | 128 KiB | 64 KiB | the [`MemoryBus`] |
//! | PostgreSQL | 2 | 7 KB of text | what keeps its batch below that, about 5 KiB | channel `PREFIX` |
//! | Redis | 1, in a cluster 1 per shard | 128 KiB | 64 KiB | channels `PREFIX.p.N`, `PREFIX.all` |
//! | NATS | 1 | 128 KiB, or the server's `max_payload` | 64 KiB, or what fits into that | subjects `PREFIX.p.N`, `PREFIX.all` |
//!
//! **PostgreSQL.** A payload is shorter than 8,000 bytes, equal payloads of one transaction arrive once, and the
//! queue of what a session did not read yet (8 GB) makes NOTIFY fail when it is full
//! ([NOTIFY](https://www.postgresql.org/docs/current/sql-notify.html)). Transactions that notify commit one after the
//! other, so a batch is one of them. LISTEN needs a session: a pooler in transaction mode is noticed, and refused.
//!
//! **Redis.** Delivery is at most once, and a subscriber whose output buffer is full is disconnected
//! ([Pub/Sub](https://redis.io/docs/latest/develop/pubsub/)); that is a loss, and told. RESP3, so Redis 6 or newer. In
//! a cluster channels have slots, and sharded Pub/Sub (Redis 7) keeps a message on its shard; when slots move the
//! server ends the subscription. Sentinels are asked for the primary before every connection, and it is entered only
//! if it says it is one. Valkey speaks the same.
//!
//! **NATS.** Core NATS delivers at most once, and a client that reads too slowly is cut
//! ([slow consumers](https://docs.nats.io/using-nats/developer/connecting/events/slow)). In a NATS cluster the
//! confirmation comes from the server this node talks to; the others learn of the subscription a moment later.
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
