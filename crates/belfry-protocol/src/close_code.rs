//! WebSocket close codes: the number says what the client does next.

use serde::{Deserialize, Serialize};

/// What a client does after a close, decided by the range of the number alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Advice {
    /// Reconnect after the server's hint, else with back-off and jitter.
    Reconnect,
    /// Get a new token, then reconnect.
    Authenticate,
    /// Stop: a person or the application has to act.
    Stop,
}

/// The advice for any close code, also one this version does not know.
pub const fn advice(code: u16) -> Advice {
    match code {
        4400..=4499 => Advice::Authenticate,
        4500..=4999 => Advice::Stop,
        _ => Advice::Reconnect,
    }
}

macro_rules! close_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $slug:literal, $cause:literal, $remedy:literal;)*) => {
        /// Every close code this server sends.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum CloseCode {
            $($(#[$doc])* $name = $number,)*
        }

        impl CloseCode {
            /// All of them, in order.
            pub const ALL: &'static [CloseCode] = &[$(CloseCode::$name,)*];

            /// The name in `error` frames, file names and anchors.
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// Why the server closes with it.
            pub const fn cause(self) -> &'static str {
                match self { $(Self::$name => $cause,)* }
            }

            /// What to do about it.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

close_codes! {
    /// The server is going away.
    GoingAway = 4000, "going-away",
        "The server drains before a shutdown or a deploy.",
        "Nothing: the client reconnects after the delay of the `going-away` frame and resumes.";
    /// Nothing was heard for the heartbeat's time-out.
    HeartbeatMissed = 4001, "heartbeat-missed",
        "No byte came from the client within the time-out after a heartbeat.",
        "Nothing: the link was dead, the client reconnects and resumes. If it happens on live links, look for a proxy that buffers.";
    /// The socket took no byte for too long.
    Lagging = 4002, "lagging",
        "The client did not read: its socket took no byte for `live.stalled_after`.",
        "Read from the socket; the client reconnects and resumes where it stood.";
    /// RFC 6455 was violated, or a frame was too large.
    ProtocolViolation = 4003, "protocol-violation",
        "The client broke RFC 6455 or sent a message above `limits.inbound_message_bytes_max`.",
        "Send smaller messages; use a WebSocket library.";
    /// Too many frames or connections.
    RateLimited = 4004, "rate-limited",
        "The connection sent more frames than `limits.inbound_frames_per_second`, or the node admits no more connections right now.",
        "Wait `retry_after_ms` of the `error` frame, then reconnect.";
    /// The oldest hidden connection at the limit per user.
    Replaced = 4305, "replaced",
        "The user has more than `limits.connections_per_user` connections; the oldest one that is not visible gives way.",
        "Reconnect when the page is visible again; share one connection between tabs.";
    /// No token, or one that does not verify.
    TokenInvalid = 4401, "token-invalid",
        "The token is missing, malformed, signed with another key or lacks a required claim.",
        "Get a token from the application and reconnect.";
    /// The token's time is over.
    TokenExpired = 4402, "token-expired",
        "The token's `exp` passed while the connection was open, or before it opened.",
        "Get a fresh token and reconnect, or send `authenticate` before it expires.";
    /// The token was revoked.
    TokenRevoked = 4403, "token-revoked",
        "The token was issued at or before the moment the back end revoked, or with a key that was revoked.",
        "Sign in again.";
    /// The user is blocked.
    UserBlocked = 4501, "user-blocked",
        "The user was erased or blocked while connected.",
        "Stop; the application decides.";
    /// The page's origin is not on the list.
    OriginNotAllowed = 4502, "origin-not-allowed",
        "The token came in a cookie and the page's origin is not in `auth.allowed_origins`.",
        "Add the origin to `auth.allowed_origins`, or send the token in the subprotocol.";
    /// No common protocol version.
    VersionNotSupported = 4503, "version-not-supported",
        "The client offered only versions of the protocol that this server does not speak.",
        "Update the client or the server.";
}

impl CloseCode {
    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// What the client does next.
    pub const fn advice(self) -> Advice {
        advice(self as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_says_what_to_do() {
        for (code, expected) in [
            (1000, Advice::Reconnect),
            (1001, Advice::Reconnect),
            (1012, Advice::Reconnect),
            (4000, Advice::Reconnect),
            (4305, Advice::Reconnect),
            (4399, Advice::Reconnect),
            (4400, Advice::Authenticate),
            (4499, Advice::Authenticate),
            (4500, Advice::Stop),
            (4999, Advice::Stop),
        ] {
            assert_eq!(advice(code), expected, "{code}");
        }
    }

    #[test]
    fn every_code_is_listed_once_with_cause_and_remedy() {
        let mut numbers: Vec<u16> = CloseCode::ALL.iter().map(|code| code.number()).collect();
        numbers.dedup();
        assert_eq!(numbers.len(), CloseCode::ALL.len());
        assert!(CloseCode::ALL.iter().all(|code| !code.cause().is_empty() && !code.remedy().is_empty()));
    }
}
