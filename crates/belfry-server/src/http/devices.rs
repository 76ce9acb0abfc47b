//! `/v1/devices`: where pushes to a user go; and the same for the back end, to look and to tidy.

use super::body::{self, BodyLimit};
use super::caller::{Manager, PathDevice, PathUser, PathUserDevice, Person};
use super::users;
use crate::clock;
use crate::refusal::{Answer, Refusal};
use crate::services::Services;
use crate::tasks::TaskKind;
use crate::wire;
use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use belfry_channels::BadSubscription;
use belfry_protocol::device::{
    DeviceBody, Devices, ENDPOINT_BYTES_MAX, PushAddress, SubscriptionKeys, TOKEN_BYTES_MAX, UserDevices,
};
use belfry_protocol::user::UserProfile;
use belfry_protocol::{DeviceId, ErrorCode};
use belfry_store::{DeviceError, NewDevice};
use http::{HeaderMap, StatusCode};
use std::sync::Arc;

/// Longest APNs token: today's have 64 digits, and Apple says not to count on it.
const APNS_TOKEN_BYTES_MAX: usize = 400;
/// Longest bundle id.
const TOPIC_BYTES_MAX: usize = 256;
/// Longest name of a VAPID key.
const KEY_ID_BYTES_MAX: usize = 128;
/// Longest version of an app.
const APP_VERSION_BYTES_MAX: usize = 64;

fn limit(services: &Services) -> BodyLimit {
    BodyLimit { bytes_max: services.config.limits.body_bytes_max, key: "limits.body_bytes_max" }
}

fn unknown() -> Refusal {
    Refusal::new(
        ErrorCode::DeviceUnknown,
        "this user has no such device: it may have moved or been forgotten",
    )
}

/// Registers a device.
pub(super) async fn put_device(
    State(services): State<Arc<Services>>,
    person: Person,
    PathDevice(id): PathDevice,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Refusal> {
    let body: DeviceBody = body::json(&headers, body, limit(&services)).await?;
    // Which hosts may be spoken to without TLS, the configured way out knows itself.
    let schemes: &[&str] = if services.web_push.is_some() { &["https", "http"] } else { &["https"] };
    check(&body, schemes)?;
    check_subscription(&services, &body.address)?;
    let (registering, user) = (Arc::clone(&services), person.user().clone());
    let device = new_device(&id, body);
    let work = async move { registering.store.put_device(&user, device, clock::now().unix_ms()).await };
    let registered = services.tasks.see_through(TaskKind::Change, work).await;
    let registered = registered.map_err(|error| match error {
        DeviceError::Store(error) => services.store_problem(&error).into(),
        DeviceError::TooMany => {
            Refusal::new(ErrorCode::TooManyDevices, format!("{error}: delete one, or register under its id"))
        }
    })?;
    if registered.moved_from.is_some() {
        // Who had it stands in both users' traces; the log names nobody.
        tracing::info!(
            device.provider = registered.device.address.provider().as_str(),
            "the address of a device moved to another user"
        );
    }
    Ok(body::answer(StatusCode::OK, &wire::device(registered.device)))
}

fn new_device(id: &DeviceId, body: DeviceBody) -> NewDevice {
    let hash = digest(&SHA256, body.address.identity().as_bytes());
    NewDevice {
        id: id.as_str().to_owned(),
        address_hash: hash.as_ref().try_into().expect("SHA-256 has 32 bytes"),
        address: body.address,
        locale: body.locale,
        time_zone: body.time_zone,
        app_version: body.app_version,
    }
}

/// Lists a user's own devices.
pub(super) async fn list_devices(
    State(services): State<Arc<Services>>,
    person: Person,
) -> Result<Answer, Refusal> {
    let rows = services.store.devices(person.user()).await;
    let rows = rows.map_err(|error| services.store_problem(&error))?;
    let devices = Devices { devices: rows.into_iter().map(wire::device).collect() };
    Ok(body::answer(StatusCode::OK, &devices))
}

/// Forgets a user's own device.
pub(super) async fn delete_device(
    State(services): State<Arc<Services>>,
    person: Person,
    PathDevice(id): PathDevice,
) -> Result<Answer, Refusal> {
    let deleted = services.store.delete_device(person.user(), id.as_str()).await;
    let deleted = deleted.map_err(|error| services.store_problem(&error))?;
    if deleted { Ok(body::no_content()) } else { Err(unknown()) }
}

/// Lists a user's devices for the back end.
pub(super) async fn list_user_devices(
    State(services): State<Arc<Services>>,
    _: Manager,
    PathUser(user): PathUser,
) -> Result<Answer, Refusal> {
    let row = services.store.user(&user).await.map_err(|error| services.store_problem(&error))?;
    if row.is_none() {
        return Err(users::unknown());
    }
    let rows = services.store.devices(&user).await.map_err(|error| services.store_problem(&error))?;
    let moves = services.store.device_moves(&user).await.map_err(|error| services.store_problem(&error))?;
    let devices = UserDevices {
        devices: rows.into_iter().map(wire::device).collect(),
        moves: moves.into_iter().map(wire::device_move).collect(),
    };
    Ok(body::answer(StatusCode::OK, &devices))
}

/// Forgets a user's device for the back end.
pub(super) async fn delete_user_device(
    State(services): State<Arc<Services>>,
    _: Manager,
    PathUserDevice(user, id): PathUserDevice,
) -> Result<Answer, Refusal> {
    let deleted = services.store.delete_device(&user, id.as_str()).await;
    let deleted = deleted.map_err(|error| services.store_problem(&error))?;
    if deleted { Ok(body::no_content()) } else { Err(unknown()) }
}

fn check(body: &DeviceBody, schemes: &[&str]) -> Result<(), Refusal> {
    // The same words with the same rules as a user's own.
    users::check(&UserProfile {
        locale: body.locale.clone(),
        time_zone: body.time_zone.clone(),
        ..UserProfile::default()
    })?;
    let mut faults: Vec<(&'static str, String)> = Vec::new();
    let mut say = |pointer, fault: Result<(), String>| {
        if let Err(fault) = fault {
            faults.push((pointer, fault));
        }
    };
    if let Some(version) = &body.app_version {
        say("/app_version", plain(version, APP_VERSION_BYTES_MAX));
    }
    match &body.address {
        PushAddress::Fcm { token, installation_id } => {
            for (pointer, text) in [("/token", token), ("/installation_id", installation_id)] {
                say(pointer, text.as_deref().map_or(Ok(()), |text| word(text, TOKEN_BYTES_MAX)));
            }
        }
        PushAddress::Apns { token, topic, environment: _ } => {
            say("/token", word(token, APNS_TOKEN_BYTES_MAX).and_then(|()| hexadecimal(token)));
            say("/topic", topic.as_deref().map_or(Ok(()), bundle_id));
        }
        PushAddress::WebPush { endpoint, keys, vapid_key_id } => {
            say("/endpoint", check_endpoint(endpoint, schemes));
            say("/keys/p256dh", p256_point(keys));
            say("/keys/auth", secret_of_16_bytes(keys));
            say("/vapid_key_id", vapid_key_id.as_deref().map_or(Ok(()), |id| word(id, KEY_ID_BYTES_MAX)));
        }
    }
    let Some((pointer, fault)) = faults.first() else {
        return Ok(());
    };
    let first =
        Refusal::new(ErrorCode::FieldInvalid, format!("`{}` {fault}", pointer.trim_start_matches('/')));
    Err(faults.into_iter().fold(first, |refusal, (pointer, fault)| refusal.at(pointer, fault)))
}

/// A text that a person may read.
fn plain(text: &str, bytes_max: usize) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("must not be empty: leave the field out instead".to_owned());
    }
    if text.len() > bytes_max {
        return Err(format!("has {} bytes, at most {bytes_max} are allowed", text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".to_owned());
    }
    Ok(())
}

/// A text that only machines read.
fn word(text: &str, bytes_max: usize) -> Result<(), String> {
    plain(text, bytes_max)?;
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err("must be ASCII without spaces, as the provider gave it".to_owned())
}

fn hexadecimal(token: &str) -> Result<(), String> {
    if token.len().is_multiple_of(2) && token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err("must be the device token in hexadecimal, two digits for each byte".to_owned())
}

fn bundle_id(topic: &str) -> Result<(), String> {
    plain(topic, TOPIC_BYTES_MAX)?;
    if topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
        return Ok(());
    }
    Err("must be a bundle id such as `com.example.app`".to_owned())
}

/// What only the way out itself knows: whether it may call that endpoint, and has the key of that subscription.
fn check_subscription(services: &Services, address: &PushAddress) -> Result<(), Refusal> {
    let (Some(web_push), PushAddress::WebPush { endpoint, keys, vapid_key_id }) =
        (&services.web_push, address)
    else {
        return Ok(());
    };
    let checked = web_push.check_subscription(endpoint, &keys.p256dh, &keys.auth, vapid_key_id.as_deref());
    checked.map_err(|fault| {
        let pointer = match fault {
            BadSubscription::Endpoint(_) => "/endpoint",
            BadSubscription::Keys(_) => "/keys",
            BadSubscription::UnknownKey => "/vapid_key_id",
        };
        Refusal::new(ErrorCode::FieldInvalid, fault.to_string()).at(pointer, fault.to_string())
    })
}

/// Where the server would post to. The way out looks once more, at what the name resolves to.
fn check_endpoint(endpoint: &str, schemes: &[&str]) -> Result<(), String> {
    word(endpoint, ENDPOINT_BYTES_MAX)?;
    let url = reqwest::Url::parse(endpoint).map_err(|_| "is no URL".to_owned())?;
    if !schemes.contains(&url.scheme()) {
        return Err("must begin with `https://`".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or a password".to_owned());
    }
    if url.fragment().is_some() {
        return Err("must not have a part behind `#`".to_owned());
    }
    if !url.has_host() {
        return Err("must name a host".to_owned());
    }
    Ok(())
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

fn p256_point(keys: &SubscriptionKeys) -> Result<(), String> {
    match decoded(&keys.p256dh).as_deref() {
        Some([4, point @ ..]) if point.len() == 64 => Ok(()),
        _ => Err("must be the 65 bytes of an uncompressed P-256 key in base64url, as the browser gives it"
            .to_owned()),
    }
}

fn secret_of_16_bytes(keys: &SubscriptionKeys) -> Result<(), String> {
    match decoded(&keys.auth) {
        Some(secret) if secret.len() == 16 => Ok(()),
        _ => Err("must be 16 bytes in base64url, as the browser gives them".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const P256DH: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    fn faults(body: Value) -> Vec<String> {
        let body: DeviceBody = serde_json::from_value(body).expect("has the form of a device");
        match check(&body, &["https"]) {
            Ok(()) => Vec::new(),
            Err(refusal) => refusal.problem.errors.into_iter().map(|fault| fault.pointer).collect(),
        }
    }

    fn web_push(endpoint: &str) -> Value {
        json!({"provider": "webpush", "endpoint": endpoint, "keys": {"p256dh": P256DH, "auth": AUTH}})
    }

    #[test]
    fn addresses_are_checked_with_a_pointer_to_each_fault() {
        for (body, pointer) in [
            (json!({"provider": "fcm", "token": ""}), "/token"),
            (json!({"provider": "fcm", "token": "a b"}), "/token"),
            (json!({"provider": "fcm", "token": "a".repeat(TOKEN_BYTES_MAX + 1)}), "/token"),
            (json!({"provider": "fcm", "installation_id": "é"}), "/installation_id"),
            (json!({"provider": "apns", "token": "xy"}), "/token"),
            (json!({"provider": "apns", "token": "abc"}), "/token"),
            (json!({"provider": "apns", "token": "ab", "topic": "com/app"}), "/topic"),
            (json!({"provider": "fcm", "token": "a", "app_version": "1\u{7}"}), "/app_version"),
            (json!({"provider": "fcm", "token": "a", "locale": "en_GB"}), "/locale"),
            (json!({"provider": "fcm", "token": "a", "time_zone": "Berlin"}), "/time_zone"),
            (web_push("http://push.example.net/a"), "/endpoint"),
            (web_push("https://ann:secret@push.example.net/a"), "/endpoint"),
            (web_push("https://push.example.net/a#b"), "/endpoint"),
            (web_push("push.example.net"), "/endpoint"),
            (web_push(&format!("https://push.example.net/{}", "a".repeat(ENDPOINT_BYTES_MAX))), "/endpoint"),
        ] {
            assert_eq!(faults(body.clone()), [pointer], "{body}");
        }
        let mut body = web_push("ftp://push.example.net/a");
        body["keys"] = json!({"p256dh": AUTH, "auth": P256DH});
        assert_eq!(faults(body), ["/endpoint", "/keys/p256dh", "/keys/auth"]);
    }

    #[test]
    fn good_addresses_pass() {
        for body in [
            json!({"provider": "fcm", "token": "a".repeat(TOKEN_BYTES_MAX)}),
            json!({"provider": "apns", "token": "ab".repeat(32), "topic": "com.example.app-beta"}),
            web_push("https://push.example.net/wpush/v2/gAAAAAB?x=1"),
            json!({"provider": "webpush", "endpoint": "https://p.example.net/a", "keys": {"p256dh": format!("{P256DH}="), "auth": format!("{AUTH}==")}}),
        ] {
            assert_eq!(faults(body.clone()), [] as [&str; 0], "{body}");
        }
    }
}
