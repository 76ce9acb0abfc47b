//! Belfry's Rust publisher and subscriber.
//!
//! [`Publisher`] posts alerts over HTTP and repeats safely what may be repeated. [`Subscriber`] holds one live
//! connection of a user: it reconnects, resumes, closes gaps and confirms receipts by itself, and hands out
//! [`Event`]s in order, each alert once.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use belfry_client::{Event, Publisher, Subscriber, SubscriberOptions};
//!
//! let publisher = Publisher::new("http://127.0.0.1:8787", "an-api-key")?;
//! publisher.publish_to_user(&"ann".parse()?, "job-completed", &serde_json::json!({"job_id": "7"})).await?;
//!
//! let options = SubscriberOptions::new("http://127.0.0.1:8787", "a-users-token");
//! let (_subscriber, mut events) = Subscriber::connect(options)?;
//! while let Some(event) = events.next().await {
//!     if let Event::Alert(alert, _) = event {
//!         println!("{}: {}", alert.seq, alert.title);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod address;
mod backoff;
mod batch;
mod dial;
mod driver;
mod event;
#[cfg(test)]
mod inbox_model;
pub mod inbox_state;
pub mod machine;
mod pace;
mod publisher;
mod retry;
mod subscriber;
mod tls;
mod token;
pub mod wire;

pub use address::AddressError;
pub use backoff::Backoff;
pub use event::{Changed, Connection, Event, Origin, Refusal, StopReason, Trouble};
pub use pace::FrameRate;
pub use publisher::{PublishError, Publisher, PublisherOptions, new_alert};
pub use retry::RetryPolicy;
pub use subscriber::{EventStream, Items, NotLive, Receipts, Subscriber, SubscriberOptions};
pub use token::{TokenError, TokenPlace, TokenReason, TokenSource};
