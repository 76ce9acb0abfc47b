//! From a stored alert and a person to what is sent: in their language, with absolute links. Pure.

use crate::kinds::{AlertFacts, Given, Kinds, RenderInput, UserFacts};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use belfry_channels::email;
use belfry_channels::{Address, ApnsEnvironment, DigestItem, Notice};
use belfry_protocol::device::{self, PushAddress};
use belfry_protocol::{Action, AlertId};
use belfry_store::{Content, DeviceRow, Recipient, UnixMs};
use jiff::Timestamp;
use std::borrow::Cow;

/// What composing needs to know of the house.
#[derive(Debug, Clone, Copy)]
pub struct House<'a> {
    /// Declared kinds.
    pub kinds: &'a Kinds,
    /// Templates are rendered in this language where a person has none.
    pub default_locale: &'a str,
    /// Of people who have none.
    pub default_time_zone: &'a str,
    /// Links that are paths lead here; empty: nowhere.
    pub app_url: &'a str,
}

/// The texts of one alert in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Texts<'a> {
    title: Cow<'a, str>,
    body: Option<Cow<'a, str>>,
    actions: Cow<'a, [Action]>,
    html: Option<String>,
}

/// One alert for one person.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The alert.
    pub id: AlertId,
    /// What it says.
    pub content: &'a Content,
}

/// What is sent to a person. `device`: where it goes, if it has a language of its own. `told`: one, or several that go
/// out together, the oldest first. Empty: there is nothing to say.
pub fn notice(
    house: &House<'_>,
    told: &[Told<'_>],
    to: &Recipient,
    device: Option<&DeviceRow>,
    tag: String,
) -> Option<Notice> {
    let first = told.first()?;
    let content = first.content;
    let locale = device.and_then(|device| device.locale.as_deref()).or(to.profile.locale.as_deref());
    let together = told.len() > 1;
    let texts = texts(house, first, to, locale, device.is_none() && !together);
    let time_zone = device.and_then(|device| device.time_zone.as_deref()).or(to.profile.time_zone.as_deref());
    let one = |told: &Told<'_>| {
        let texts = self::texts(house, told, to, locale, false);
        DigestItem {
            alert: told.id,
            title: texts.title.into_owned(),
            body: texts.body.map(Cow::into_owned),
            link: absolute(house, told.content.link.as_deref()),
            created_at: at(told.content.created_at),
        }
    };
    let actions = texts
        .actions
        .iter()
        .map(|action| Action { link: absolute(house, action.link.as_deref()), ..action.clone() });
    Some(Notice {
        alert: first.id,
        user: to.user.clone(),
        kind: content.kind.clone(),
        category: content.category.clone(),
        severity: told.iter().map(|told| told.content.severity).max().unwrap_or_default(),
        html: texts.html,
        link: absolute(house, content.link.as_deref()).filter(|_| !together),
        image: content.image.clone().filter(|_| !together),
        actions: if together { Vec::new() } else { actions.collect() },
        data: (!together).then(|| content.data.to_string()),
        thread: content.thread.clone().filter(|_| !together),
        tag,
        unread: to.unread,
        quiet: told.iter().all(|told| told.content.quiet),
        expires_at: told.iter().map(|told| told.content.expires_at).max().flatten().map(at),
        created_at: at(content.created_at),
        locale: Some(locale.unwrap_or(house.default_locale).to_owned()),
        time_zone: Some(time_zone.unwrap_or(house.default_time_zone).to_owned()),
        receipt_url: None,
        unsubscribe_url: None,
        items: if together { told.iter().map(one).collect() } else { Vec::new() },
        title: if together {
            email::new_alerts(Some(locale.unwrap_or(house.default_locale)), told.len())
        } else {
            texts.title.into_owned()
        },
        body: if together { None } else { texts.body.map(Cow::into_owned) },
    })
}

/// At most 32 characters of base64url, the same for every attempt.
pub fn tag(id: AlertId) -> String {
    URL_SAFE_NO_PAD.encode(id.as_uuid().as_bytes())
}

/// Where a device's pushes go.
pub fn push_address(device: &DeviceRow) -> Option<Address> {
    match device.address.clone() {
        PushAddress::Fcm { installation_id: Some(id), .. } => Some(Address::FcmInstallation(id)),
        PushAddress::Fcm { token, .. } => token.map(Address::FcmToken),
        PushAddress::Apns { token, environment, topic } => {
            let environment = match environment {
                device::ApnsEnvironment::Production => ApnsEnvironment::Production,
                device::ApnsEnvironment::Sandbox => ApnsEnvironment::Sandbox,
            };
            Some(Address::Apns { token, environment, topic })
        }
        PushAddress::WebPush { endpoint, keys, vapid_key_id } => {
            Some(Address::WebPush { endpoint, p256dh: keys.p256dh, auth: keys.auth, vapid_key_id })
        }
    }
}

/// What [`push_address`] was made from; `None`: it is no device's.
pub fn device_address(address: &Address) -> Option<PushAddress> {
    match address.clone() {
        Address::Apns { token, environment, topic } => {
            let environment = match environment {
                ApnsEnvironment::Production => device::ApnsEnvironment::Production,
                ApnsEnvironment::Sandbox => device::ApnsEnvironment::Sandbox,
            };
            Some(PushAddress::Apns { token, environment, topic })
        }
        _ => None,
    }
}

/// Where a person's mail goes; `None`: there is no address, or it bounced.
pub fn mail_address(to: &Recipient) -> Option<Address> {
    let address = to.profile.email.clone().filter(|_| to.email_suppressed.is_none())?;
    Some(Address::Email { address, name: to.profile.name.clone() })
}

fn at(ms: UnixMs) -> Timestamp {
    crate::clock::timestamp(ms)
}

/// A link that works outside the application: a path leads below `app_url`, or nowhere.
fn absolute(house: &House<'_>, link: Option<&str>) -> Option<String> {
    let link = link?;
    if !link.starts_with('/') {
        return Some(link.to_owned());
    }
    let base = house.app_url.trim_end_matches('/');
    (!base.is_empty()).then(|| format!("{base}{link}"))
}

/// What was stored was rendered in the house's language. Where the person reads another one the kind's templates speak
/// again, but never over what the publisher wrote itself.
fn texts<'a>(
    house: &House<'_>,
    told: &Told<'a>,
    to: &Recipient,
    locale: Option<&str>,
    mail: bool,
) -> Texts<'a> {
    let content = told.content;
    let stored = Texts {
        title: Cow::Borrowed(&content.title),
        body: content.body.as_deref().map(Cow::Borrowed),
        actions: Cow::Borrowed(&content.actions),
        html: None,
    };
    let Ok(Some(kind)) = house.kinds.find(&content.kind) else { return stored };
    let Ok(data) = serde_json::from_str(&content.data) else { return stored };
    let id = told.id.to_string();
    let alert = AlertFacts {
        id: &id,
        kind: &content.kind,
        severity: content.severity,
        created_at: at(content.created_at),
    };
    let input = |locale, user| RenderInput { locale, data: &data, alert, user, given: Given::default() };
    let Ok(plain) = kind.render(&input(house.default_locale, None)) else { return stored };
    let facts = UserFacts {
        id: to.user.as_str(),
        name: to.profile.name.as_deref(),
        locale: to.profile.locale.as_deref(),
        time_zone: to.profile.time_zone.as_deref(),
    };
    let input = input(locale.unwrap_or(house.default_locale), Some(facts));
    let Ok(own) = kind.render(&input) else { return stored };
    // Where the publisher spoke for itself, the kind's HTML would say something else.
    let ours = plain.title == content.title && plain.body == content.body;
    Texts {
        title: if plain.title == content.title { Cow::Owned(own.title) } else { stored.title },
        body: if plain.body == content.body { own.body.map(Cow::Owned) } else { stored.body },
        actions: if plain.actions == content.actions { Cow::Owned(own.actions) } else { stored.actions },
        // A template that fails on this data does not keep the mail in: the default layout takes its place.
        html: if mail && ours { kind.html(&input).ok().flatten() } else { None },
    }
}

#[cfg(test)]
mod tests;
