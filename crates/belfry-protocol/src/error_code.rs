//! Error codes: stable names for everything that is refused, each with a page.

use crate::close_code::CloseCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use crate::error_page::page;

/// Where the pages of the codes live; a link in a problem document is `<base>/<code>`.
pub const ERROR_DOCS_BASE: &str = "/docs/errors";

macro_rules! error_codes {
    ($(#[doc = $cause:literal] $name:ident = $slug:tt, $status:literal, $title:literal, $remedy:literal;)*) => {
        /// Why something was refused. Compare the code, never the text.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[cfg_attr(test, derive(ts_rs::TS))]
        pub enum ErrorCode {
            $(#[doc = $cause] #[serde(rename = $slug)] $name,)*
        }

        impl ErrorCode {
            /// All of them.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name,)*];

            /// The name on the wire.
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// The HTTP status it comes with.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// What went wrong, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// When it happens.
            pub const fn cause(self) -> &'static str {
                match self { $(Self::$name => $cause.trim_ascii(),)* }
            }

            /// What to do about it.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

error_codes! {
    /// The body is no JSON.
    JsonMalformed = "json-malformed", 400, "The body is not valid JSON",
        "Send one JSON object as UTF-8; the detail names line and column.";
    /// A field has the wrong type, is unknown, missing, too long, or holds what is not allowed.
    FieldInvalid = "field-invalid", 422, "A field is not as it must be",
        "Correct the field that the pointer names.";
    /// A query parameter is unknown or has a wrong value.
    QueryInvalid = "query-invalid", 400, "A query parameter is not as it must be",
        "Correct the parameter that the detail names.";
    /// An id in the path is no id.
    IdInvalid = "id-invalid", 400, "The id in the path is not valid",
        "Ids have 1 to 256 bytes of UTF-8 without control characters; alert ids are UUIDv7.";
    /// The content type is not the expected one.
    ContentTypeUnsupported = "content-type-unsupported", 415, "The content type is not supported",
        "Send `Content-Type: application/json` (`application/x-ndjson` for a batch).";
    /// The body is over the limit.
    BodyTooLarge = "body-too-large", 413, "The body is too large",
        "Send less at once; the detail names the limit and its configuration key.";
    /// A batch has too many lines.
    BatchTooLarge = "batch-too-large", 413, "The batch is too large",
        "Split the batch; the detail names the limit.";
    /// The kind is not declared.
    KindUnknown = "kind-unknown", 422, "The kind is not declared",
        "Declare it in `kinds.dir`, or use the nearest name that the detail gives.";
    /// The kind's name belongs to the protocol.
    KindReserved = "kind-reserved", 422, "The kind's name is reserved",
        "Choose a name that is no frame type and does not begin with `belfry.`.";
    /// `data` does not match the kind's schema.
    DataInvalid = "data-invalid", 422, "The data does not match the kind's schema",
        "Correct the fields that the pointers name.";
    /// A template of the kind failed on this data.
    TemplateFailed = "template-failed", 422, "The kind's template failed on this data",
        "Run `belfry kinds check`, and give the template the fields it uses.";
    /// No such group.
    GroupUnknown = "group-unknown", 404, "There is no such group",
        "Create it with `PUT /v1/groups/{id}`.";
    /// No such user.
    UserUnknown = "user-unknown", 404, "There is no such user",
        "Users appear with their first token, alert or `PUT /v1/users/{id}`.";
    /// No such alert.
    AlertUnknown = "alert-unknown", 404, "There is no such alert",
        "Use an id that `POST /v1/alerts` answered; retention may have removed it.";
    /// No such connection of this user on this node.
    ConnectionUnknown = "connection-unknown", 404, "There is no such connection",
        "Use the `connection_id` of `connection-established`; it ends with the connection.";
    /// No such device of this user.
    DeviceUnknown = "device-unknown", 404, "There is no such device",
        "`GET /v1/devices` lists them; a device appears with `PUT /v1/devices/{device_id}`.";
    /// The user has 20 devices, and this would be another one.
    TooManyDevices = "too-many-devices", 422, "The user has too many devices",
        "Delete one that is not used any more, or register under the id of one: an app keeps its device id.";
    /// No such endpoint.
    WebhookUnknown = "webhook-unknown", 404, "There is no such webhook endpoint",
        "`GET /v1/webhooks` lists them; an endpoint appears with `PUT /v1/webhooks/{id}`.";
    /// There are 20 endpoints, and this would be another one.
    TooManyWebhooks = "too-many-webhooks", 422, "There are too many webhook endpoints",
        "Delete one that is not used any more: `DELETE /v1/webhooks/{id}`.";
    /// The server has no way to do this.
    ProviderNotConfigured = "provider-not-configured", 404, "The provider is not configured",
        "Fill in its section of `belfry.toml`; `belfry doctor` says what is missing.";
    /// The signed text was not made by this server, was changed, or its time is over.
    SignatureInvalid = "signature-invalid", 403, "The signed text is not valid",
        "Use it as it came with the push; when its alert has expired, there is nothing left to report.";
    /// No such path.
    NotFound = "not-found", 404, "There is nothing at this path",
        "See the API reference for the paths.";
    /// The path exists, the method does not.
    MethodNotAllowed = "method-not-allowed", 405, "This path does not know the method",
        "Use a method that the `Allow` header names.";
    /// No credential, or one that does not verify.
    Unauthorized = "unauthorized", 401, "The credential is missing or not valid",
        "Send a valid API key or token; the detail says what is wrong with it.";
    /// The token's time is over.
    TokenExpired = "token-expired", 401, "The token has expired",
        "Get a fresh token.";
    /// The token was revoked.
    TokenRevoked = "token-revoked", 401, "The token was revoked",
        "Sign in again.";
    /// The credential may not do this.
    Forbidden = "forbidden", 403, "The credential may not do this",
        "Use an API key with the scope that the detail names.";
    /// Cookie from a page whose origin is not on the list.
    OriginNotAllowed = "origin-not-allowed", 403, "The page's origin is not allowed",
        "Add the origin to `auth.allowed_origins`, or send the token in a header.";
    /// Host header on a development server is not loopback.
    HostNotAllowed = "host-not-allowed", 403, "The host name is not allowed",
        "`belfry dev` answers on loopback names only; use `belfry serve` for others.";
    /// Same idempotency key, other body.
    IdempotencyMismatch = "idempotency-mismatch", 422, "The idempotency key was used with another body",
        "Use a new key for a new alert.";
    /// Same idempotency key, first one still running.
    IdempotencyInProgress = "idempotency-in-progress", 409, "The first request with this key is still running",
        "Repeat the request after `Retry-After`.";
    /// Too many requests.
    RateLimited = "rate-limited", 429, "Too many requests",
        "Wait for `Retry-After`.";
    /// Too many connections of this user.
    TooManyConnections = "too-many-connections", 429, "The user has too many connections",
        "Close one, or wait for `Retry-After`.";
    /// The node takes no more work right now.
    Overloaded = "overloaded", 503, "The server is at its limit",
        "Repeat after `Retry-After`; nothing was stored.";
    /// The store cannot write right now.
    StoreUnavailable = "store-unavailable", 503, "The store cannot take it right now",
        "Repeat after `Retry-After`; nothing was stored. `belfry doctor` says what is wrong with disk or file.";
    /// The node is shutting down.
    Draining = "draining", 503, "The server is shutting down",
        "Repeat at once; another node or the restarted one answers.";
    /// The request is no WebSocket upgrade.
    UpgradeRequired = "upgrade-required", 426, "This path speaks WebSocket",
        "Connect with a WebSocket client, protocol version 13.";
    /// A frame is no JSON object, or its fields are not as they must be.
    FrameInvalid = "frame-invalid", 400, "The frame is not as it must be",
        "Correct the field that the message names; the socket stays open.";
    /// No common protocol version.
    VersionNotSupported = "version-not-supported", 400, "The protocol version is not supported",
        "Offer `belfry.v1`.";
    /// Replaced at the limit of connections.
    Replaced = "replaced", 429, "A newer connection took this one's place",
        "Reconnect when the page is visible.";
    /// The client did not read.
    Lagging = "lagging", 503, "The client reads too slowly",
        "Read from the socket; reconnect and resume.";
    /// Nothing was heard from the client.
    HeartbeatMissed = "heartbeat-missed", 503, "The client did not answer the heartbeat",
        "Reconnect and resume.";
    /// The user was erased or blocked.
    UserBlocked = "user-blocked", 403, "The user is blocked",
        "Stop; the application decides.";
    /// A fault of ours.
    Internal = "internal", 500, "The server made a mistake",
        "Repeat later; the server's log has the details under the request id.";
}

impl ErrorCode {
    /// The page of this code.
    pub fn docs_url(self) -> String {
        format!("{ERROR_DOCS_BASE}/{}", self.slug())
    }

    /// The code behind a WebSocket close.
    pub const fn of_close(close: CloseCode) -> ErrorCode {
        match close {
            CloseCode::GoingAway => Self::Draining,
            CloseCode::HeartbeatMissed => Self::HeartbeatMissed,
            CloseCode::Lagging => Self::Lagging,
            CloseCode::ProtocolViolation => Self::FrameInvalid,
            CloseCode::RateLimited => Self::RateLimited,
            CloseCode::Replaced => Self::Replaced,
            CloseCode::TokenInvalid => Self::Unauthorized,
            CloseCode::TokenExpired => Self::TokenExpired,
            CloseCode::TokenRevoked => Self::TokenRevoked,
            CloseCode::UserBlocked => Self::UserBlocked,
            CloseCode::OriginNotAllowed => Self::OriginNotAllowed,
            CloseCode::VersionNotSupported => Self::VersionNotSupported,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slug_and_wire_name_are_one() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_string(code).expect("serialises"), format!("\"{}\"", code.slug()));
        }
    }
}
