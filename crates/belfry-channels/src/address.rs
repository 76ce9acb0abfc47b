//! Where a notice goes.

use belfry_protocol::device::Provider;

/// Which of Apple's two push services a token belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApnsEnvironment {
    /// Apps from the store and from TestFlight.
    Production,
    /// Apps run from Xcode.
    Sandbox,
}

/// One address of one person. Its `Debug` shows no more than [`Address::shortened`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// An FCM registration token.
    FcmToken(String),
    /// A Firebase installation id.
    FcmInstallation(String),
    /// An APNs device token.
    Apns {
        /// Hexadecimal.
        token: String,
        /// Where the token was made.
        environment: ApnsEnvironment,
        /// The app's bundle id; `None`: the configured one.
        topic: Option<String>,
    },
    /// A browser's push subscription.
    WebPush {
        /// The push service's URL for it: whoever knows it can send, so it is a secret.
        endpoint: String,
        /// The subscription's public key, base64url.
        p256dh: String,
        /// Its authentication secret, base64url.
        auth: String,
        /// Which of our key pairs it was made with; `None`: the present one.
        vapid_key_id: Option<String>,
    },
    /// An e-mail address.
    Email {
        /// `ann@example.com`.
        address: String,
        /// How the mail addresses her.
        name: Option<String>,
    },
    /// The application's own endpoint.
    Webhook {
        /// An absolute URL.
        url: String,
    },
}

impl Address {
    /// Who carries it.
    pub fn provider(&self) -> Provider {
        match self {
            Self::FcmToken(_) | Self::FcmInstallation(_) => Provider::Fcm,
            Self::Apns { .. } => Provider::Apns,
            Self::WebPush { .. } => Provider::WebPush,
            Self::Email { .. } => Provider::Smtp,
            Self::Webhook { .. } => Provider::Webhook,
        }
    }

    /// Enough to recognise it in a trace, too little to use it: the last six characters of a token, the host of an
    /// endpoint with the end of its path, a mailbox with its first letter.
    pub fn shortened(&self) -> String {
        match self {
            Self::FcmToken(token) | Self::FcmInstallation(token) | Self::Apns { token, .. } => tail(token),
            Self::WebPush { endpoint, .. } | Self::Webhook { url: endpoint } => {
                let rest = endpoint.split_once("://").map_or(endpoint.as_str(), |(_, rest)| rest);
                let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
                let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
                match self {
                    Self::WebPush { .. } => format!("{host}/{}", tail(endpoint)),
                    _ => host.to_owned(),
                }
            }
            Self::Email { address, .. } => match address.rsplit_once('@') {
                Some((local, domain)) => {
                    let first: String = local.chars().take(1).collect();
                    format!("{first}…@{domain}")
                }
                None => "…".to_owned(),
            },
        }
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}({})", self.provider(), self.shortened())
    }
}

/// The end of a secret that has enough left without it.
fn tail(secret: &str) -> String {
    let characters = secret.chars().count();
    if characters < 12 {
        return "…".to_owned();
    }
    let end: String = secret.chars().skip(characters - 6).collect();
    format!("…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortened_address_can_be_recognised_and_not_be_used() {
        let web_push = Address::WebPush {
            endpoint: "https://push.example.net/wpush/v2/gAAAAABsecret-abcdef".to_owned(),
            p256dh: "p".to_owned(),
            auth: "a".to_owned(),
            vapid_key_id: None,
        };
        assert_eq!(web_push.shortened(), "push.example.net/…abcdef");
        let email = Address::Email { address: "ann.miller@example.com".to_owned(), name: None };
        assert_eq!(email.shortened(), "a…@example.com");
        assert_eq!(Address::FcmToken("short".to_owned()).shortened(), "…");
        assert_eq!(Address::FcmToken("fcm:0123456789abcdef".to_owned()).shortened(), "…abcdef");
        let webhook = Address::Webhook { url: "https://user:pass@hooks.example.com/a?token=b".to_owned() };
        assert_eq!(format!("{webhook:?}"), "Webhook(hooks.example.com)");
    }
}
