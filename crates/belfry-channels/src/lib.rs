//! The ways out of the house: push, e-mail and webhook, each by its provider.
//!
//! What is sent is rendered before it comes here; when and to whom is decided elsewhere. A channel sends one
//! [`Notice`] to one [`Address`] and says, from its provider's table, what the answer means: a [`Receipt`], or a
//! [`SendError`] whose [`Action`] is what the caller does next. It keeps nothing but connections and credentials.

mod address;
mod apns;
pub mod email;
mod fcm;
mod fit;
mod guard;
mod http_client;
mod notice;
mod oauth;
mod outcome;
mod push_payload;
pub mod standard_webhooks;
mod web_push;
mod webhook;

pub use address::{Address, ApnsEnvironment};
pub use apns::{APNS_PRODUCTION_URL, APNS_SANDBOX_URL, Apns, ApnsOptions};
pub use fcm::{FCM_BASE_URL, Fcm, FcmOptions};
pub use guard::{Guard, GuardOptions, KNOWN_PUSH_SERVICES, Refusal, Trust, is_public};
pub use http_client::SetupError;
pub use notice::{DigestItem, Notice};
pub use outcome::{Action, Receipt, RetryScope, SendError};
pub use web_push::{BadKeys, BadSubscription, VapidKey, WebPush, WebPushOptions, check_subject};
pub use webhook::{Poster, Webhook, WebhookOptions};

use belfry_protocol::device::Provider;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

/// A way to one provider.
pub trait Channel: std::fmt::Debug + Send + Sync {
    /// Which provider it is.
    fn provider(&self) -> Provider;

    /// Sends one notice to one address. Bounded in time; it may try a second time at once where the provider's table
    /// says so (a new token, the other environment, a shorter body), and with the same collapse id.
    fn send<'a>(
        &'a self,
        notice: &'a Notice,
        address: &'a Address,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Receipt, SendError>>;

    /// Asks the provider whether the credentials are good, without sending anything to anybody. `Ok` is a plain
    /// sentence of what was found.
    fn check(&self, now: Timestamp) -> BoxFuture<'_, Result<String, SendError>>;
}
