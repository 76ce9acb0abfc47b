//! A push address of a person.

use crate::id::{DeviceId, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most devices of one person.
pub const DEVICES_PER_USER_MAX: usize = 20;
/// Longest token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 4_096;
/// Longest endpoint of a push subscription, in bytes.
pub const ENDPOINT_BYTES_MAX: usize = 2_048;

/// Who carries an alert out of the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Firebase Cloud Messaging.
    Fcm,
    /// Apple Push Notification service.
    Apns,
    /// A browser's push service (RFC 8030).
    WebPush,
    /// The mail server.
    Smtp,
    /// The application's own endpoint.
    Webhook,
}

impl Provider {
    /// Every provider.
    pub const ALL: [Self; 5] = [Self::Fcm, Self::Apns, Self::WebPush, Self::Smtp, Self::Webhook];

    /// As it is written: `fcm`, `apns`, `webpush`, `smtp`, `webhook`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fcm => "fcm",
            Self::Apns => "apns",
            Self::WebPush => "webpush",
            Self::Smtp => "smtp",
            Self::Webhook => "webhook",
        }
    }
}

impl std::str::FromStr for Provider {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|provider| provider.as_str() == text);
        found.ok_or("is no provider: write `fcm`, `apns`, `webpush`, `smtp` or `webhook`")
    }
}

/// Which of Apple's two push services a token belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum ApnsEnvironment {
    /// Apps from the store and from TestFlight.
    #[default]
    Production,
    /// Apps run from Xcode.
    Sandbox,
}

/// The keys of a push subscription, as `PushSubscription.toJSON()` gives them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct SubscriptionKeys {
    /// The browser's public key: 65 bytes, base64url.
    #[schema(min_length = 87, max_length = 88)]
    pub p256dh: String,
    /// Its authentication secret: 16 bytes, base64url.
    #[schema(min_length = 22, max_length = 24)]
    pub auth: String,
}

/// A push address.
///
/// Its `Debug` shows the provider alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "provider", rename_all = "lowercase", deny_unknown_fields)]
pub enum PushAddress {
    /// Firebase: exactly one of `token` and `installation_id`.
    Fcm {
        /// Registration token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        #[schema(max_length = 4096)]
        token: Option<String>,
        /// Firebase installation id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        #[schema(max_length = 4096)]
        installation_id: Option<String>,
    },
    /// Apple.
    Apns {
        /// Device token, hexadecimal.
        #[schema(max_length = 4096)]
        token: String,
        /// Where the token was made.
        #[serde(default)]
        #[cfg_attr(test, ts(optional, as = "Option<ApnsEnvironment>"))]
        environment: ApnsEnvironment,
        /// The app's bundle id; missing: the configured one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        #[schema(max_length = 256)]
        topic: Option<String>,
    },
    /// A browser.
    WebPush {
        /// The push service's URL.
        #[schema(max_length = 2048)]
        endpoint: String,
        /// The subscription's keys.
        keys: SubscriptionKeys,
        /// Which of the server's keys the subscription was made with, from `GET /v1/web-push/key`; missing: the
        /// present one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        #[schema(max_length = 128)]
        vapid_key_id: Option<String>,
    },
}

impl PushAddress {
    /// Who carries it.
    pub fn provider(&self) -> Provider {
        match self {
            Self::Fcm { .. } => Provider::Fcm,
            Self::Apns { .. } => Provider::Apns,
            Self::WebPush { .. } => Provider::WebPush,
        }
    }

    /// What makes two registrations one address: the same token or endpoint with renewed keys, another topic or another
    /// spelling is the same.
    pub fn identity(&self) -> String {
        match self {
            Self::Fcm { token, installation_id } => match (token, installation_id) {
                (Some(token), _) => format!("fcm:token:{token}"),
                (None, id) => format!("fcm:installation:{}", id.as_deref().unwrap_or_default()),
            },
            Self::Apns { token, .. } => format!("apns:{}", token.to_ascii_lowercase()),
            Self::WebPush { endpoint, .. } => format!("webpush:{endpoint}"),
        }
    }
}

/// Whoever knows an address can send to it: it is not for logs.
impl std::fmt::Debug for PushAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PushAddress({})", self.provider().as_str())
    }
}

/// The body of `PUT /v1/devices/{device_id}`: registers an address, and moves it here from whoever had it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(try_from = "DeviceForm")]
pub struct DeviceBody {
    /// Where a push goes.
    #[serde(flatten)]
    pub address: PushAddress,
    /// BCP 47 tag; missing: the user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    #[schema(max_length = 35)]
    pub locale: Option<String>,
    /// IANA name; missing: the user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    #[schema(max_length = 64)]
    pub time_zone: Option<String>,
    /// For example `4.2.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    #[schema(max_length = 64)]
    pub app_version: Option<String>,
}

/// The same with the fields of all providers side by side: so a fault has a name and a place, which it has not in a
/// flattened enum.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceForm {
    provider: PushProvider,
    token: Option<String>,
    installation_id: Option<String>,
    environment: Option<ApnsEnvironment>,
    topic: Option<String>,
    endpoint: Option<String>,
    keys: Option<SubscriptionKeys>,
    vapid_key_id: Option<String>,
    locale: Option<String>,
    time_zone: Option<String>,
    app_version: Option<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum PushProvider {
    Fcm,
    Apns,
    WebPush,
}

/// Why fields do not make an address. It begins as serde's own faults do, so the field can be pointed at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum AddressError {
    #[error("missing field `{0}`")]
    Missing(&'static str),
    #[error("unknown field `{0}`: it does not belong to this provider")]
    Foreign(&'static str),
    #[error("unknown field `installation_id`: give it or `token`, not both")]
    Both,
}

impl TryFrom<DeviceForm> for DeviceBody {
    type Error = AddressError;

    fn try_from(form: DeviceForm) -> Result<Self, AddressError> {
        use PushProvider::{Apns, Fcm, WebPush};
        let missing = AddressError::Missing;
        let given = [
            ("token", form.token.is_some(), [Fcm, Apns].as_slice()),
            ("installation_id", form.installation_id.is_some(), &[Fcm]),
            ("environment", form.environment.is_some(), &[Apns]),
            ("topic", form.topic.is_some(), &[Apns]),
            ("endpoint", form.endpoint.is_some(), &[WebPush]),
            ("keys", form.keys.is_some(), &[WebPush]),
            ("vapid_key_id", form.vapid_key_id.is_some(), &[WebPush]),
        ];
        if let Some((name, ..)) = given.iter().find(|(_, given, of)| *given && !of.contains(&form.provider)) {
            return Err(AddressError::Foreign(name));
        }
        let address = match form.provider {
            Fcm => match (&form.token, &form.installation_id) {
                (None, None) => return Err(missing("token")),
                (Some(_), Some(_)) => return Err(AddressError::Both),
                _ => PushAddress::Fcm { token: form.token, installation_id: form.installation_id },
            },
            Apns => PushAddress::Apns {
                token: form.token.ok_or(missing("token"))?,
                environment: form.environment.unwrap_or_default(),
                topic: form.topic,
            },
            WebPush => PushAddress::WebPush {
                endpoint: form.endpoint.ok_or(missing("endpoint"))?,
                keys: form.keys.ok_or(missing("keys"))?,
                vapid_key_id: form.vapid_key_id,
            },
        };
        Ok(Self { address, locale: form.locale, time_zone: form.time_zone, app_version: form.app_version })
    }
}

/// A device as its user sees it: the address only shortened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Device {
    /// The id it was registered under: unique per user.
    pub id: DeviceId,
    /// Who carries pushes to it.
    pub provider: Provider,
    /// Enough of the address to recognise it, for example `…a1b2c3`.
    pub address: String,
    /// BCP 47 tag.
    #[schema(required = true)]
    pub locale: Option<String>,
    /// IANA name.
    #[schema(required = true)]
    pub time_zone: Option<String>,
    /// As registered.
    #[schema(required = true)]
    pub app_version: Option<String>,
    /// When it was last registered.
    #[cfg_attr(test, ts(type = "string"))]
    #[schema(value_type = String, format = DateTime)]
    pub registered_at: Timestamp,
    /// When its provider last accepted a push.
    #[cfg_attr(test, ts(type = "string | null"))]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub accepted_at: Option<Timestamp>,
    /// Why the last push was not accepted; `null`: it was.
    #[schema(required = true)]
    pub failure: Option<String>,
}

/// The answer to `GET /v1/devices`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Devices {
    /// At most 20, in order of their ids.
    pub devices: Vec<Device>,
}

/// The answer to `GET /v1/web-push/key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct WebPushKey {
    /// For `applicationServerKey`: 65 bytes, base64url.
    pub key: String,
    /// Its id, for `vapid_key_id`.
    pub id: String,
}

/// The answer to `GET /v1/users/{id}/devices`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct UserDevices {
    /// At most 20, in order of their ids.
    pub devices: Vec<Device>,
    /// Addresses that came from another user or went to one, newest first.
    pub moves: Vec<DeviceMove>,
}

/// An address that went from one user to another, because the other one registered it: a shared phone, or another
/// account on the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DeviceMove {
    /// When.
    #[cfg_attr(test, ts(type = "string"))]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// This user's device.
    pub device: DeviceId,
    /// Whether the address came or went.
    pub direction: MoveDirection,
    /// The other user.
    pub user: UserId,
}

/// Which way an address went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum MoveDirection {
    /// From the other user.
    Came,
    /// To the other user.
    Went,
}

/// A device as an export has it: whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ExportedDevice {
    /// The id it was registered under.
    pub id: DeviceId,
    /// Where a push goes.
    pub address: PushAddress,
    /// BCP 47 tag.
    #[schema(required = true)]
    pub locale: Option<String>,
    /// IANA name.
    #[schema(required = true)]
    pub time_zone: Option<String>,
    /// As registered.
    #[schema(required = true)]
    pub app_version: Option<String>,
    /// When it was last registered.
    #[cfg_attr(test, ts(type = "string"))]
    #[schema(value_type = String, format = DateTime)]
    pub registered_at: Timestamp,
    /// When its provider last accepted a push.
    #[cfg_attr(test, ts(type = "string | null"))]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub accepted_at: Option<Timestamp>,
    /// Why the last push was not accepted.
    #[schema(required = true)]
    pub failure: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> String {
        serde_json::from_str::<DeviceBody>(json).expect_err(json).to_string()
    }

    #[test]
    fn a_body_holds_the_fields_of_its_provider_and_no_others() {
        for (json, said) in [
            (r#"{"provider":"fcm"}"#, "missing field `token`"),
            (r#"{"provider":"fcm","token":"a","installation_id":"b"}"#, "not both"),
            (r#"{"provider":"fcm","token":"a","endpoint":"b"}"#, "unknown field `endpoint`"),
            (r#"{"provider":"apns","endpoint":"b"}"#, "unknown field `endpoint`"),
            (r#"{"provider":"webpush","endpoint":"b"}"#, "missing field `keys`"),
            (r#"{"provider":"webpush","keys":{"p256dh":"a","auth":"b"}}"#, "missing field `endpoint`"),
            (r#"{"provider":"smtp","token":"a"}"#, "unknown variant `smtp`"),
            (r#"{"provider":"fcm","token":"a","colour":1}"#, "unknown field `colour`"),
            (r#"{"token":"a"}"#, "missing field `provider`"),
        ] {
            assert!(fault(json).contains(said), "{json}: {}", fault(json));
        }
    }

    #[test]
    fn what_makes_an_address_the_same_is_its_token_or_endpoint_alone() {
        let of = |json: &str| serde_json::from_str::<PushAddress>(json).expect(json).identity();
        let same = [
            r#"{"provider":"apns","token":"AB12"}"#,
            r#"{"provider":"apns","token":"ab12","environment":"sandbox","topic":"t"}"#,
        ];
        assert_eq!(of(same[0]), of(same[1]));
        assert_ne!(
            of(r#"{"provider":"fcm","token":"ab12"}"#),
            of(r#"{"provider":"fcm","installation_id":"ab12"}"#)
        );
        assert_ne!(of(r#"{"provider":"fcm","token":"ab12"}"#), of(r#"{"provider":"fcm","token":"AB12"}"#));
    }

    #[test]
    fn an_address_is_not_for_logs() {
        let body: DeviceBody =
            serde_json::from_str(r#"{"provider":"fcm","token":"secret-token"}"#).expect("is one");
        assert!(!format!("{body:?}").contains("secret"), "{body:?}");
    }
}
