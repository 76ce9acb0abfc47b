//! Every provider at once: the fakes, people whose phones and browsers they know, and how a server finds them.

use crate::fakes::apns::{self, Apns};
use crate::fakes::fcm::Fcm;
use crate::fakes::smtp::{FakeSmtp, Setup};
use crate::fakes::web_push::{FakeWebPush, Subscription};
use belfry_channels::VapidKey;
use belfry_protocol::UserId;
use belfry_protocol::device::{ApnsEnvironment, PushAddress, SubscriptionKeys};
use belfry_protocol::user::UserProfile;
use belfry_server::clock;
use belfry_server::config::Config;
use belfry_store::{NewDevice, Store};
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// The devices of a person, by their ids.
pub const DEVICES: [&str; 3] = ["android", "browser", "iphone"];

/// Every provider at once.
#[derive(Debug)]
pub struct Providers {
    /// Android.
    pub fcm: Fcm,
    /// Apple.
    pub apns: Apns,
    /// Browsers.
    pub web_push: FakeWebPush,
    /// Mail.
    pub smtp: FakeSmtp,
    vapid_key: VapidKey,
    folder: TempDir,
}

/// The addresses of a person's three devices.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// FCM token.
    pub fcm: String,
    /// APNs token.
    pub apns: String,
    /// Subscription.
    pub web_push: Subscription,
}

impl Providers {
    /// Starts all of them.
    pub async fn start() -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a temporary directory");
        Self {
            fcm: Fcm::start().await,
            apns: Apns::start().await,
            web_push: FakeWebPush::start().await,
            smtp: FakeSmtp::start(Setup::default()).await,
            vapid_key: VapidKey::generate(),
            folder,
        }
    }

    /// The private key that browsers' subscriptions are made with.
    pub fn vapid_key(&self) -> SecretString {
        self.vapid_key.private_key()
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        std::fs::write(&path, text).expect("is written");
        path.to_str().expect("a temporary directory has a plain name").to_owned()
    }

    /// What a server is told, as environment variables.
    pub fn settings(&self) -> Vec<(String, String)> {
        let path = |path: PathBuf| path.to_str().expect("a plain name").to_owned();
        let apple = path(self.apns.ca_file());
        let settings = [
            ("FCM__SERVICE_ACCOUNT_FILE", self.file("service-account.json", &self.fcm.service_account())),
            ("FCM__BASE_URL", self.fcm.url()),
            ("FCM__CA_FILE", path(self.fcm.ca_file())),
            ("APNS__KEY_FILE", self.file("apns.p8", self.apns.key())),
            ("APNS__KEY_ID", apns::KEY_ID.to_owned()),
            ("APNS__TEAM_ID", apns::TEAM_ID.to_owned()),
            ("APNS__TOPIC", apns::TOPIC.to_owned()),
            ("APNS__PRODUCTION_URL", self.apns.production.url()),
            ("APNS__SANDBOX_URL", self.apns.sandbox.url()),
            ("APNS__CA_FILE", apple),
            ("WEB_PUSH__PRIVATE_KEY_FILE", self.file("vapid", self.vapid_key().expose_secret())),
            ("WEB_PUSH__SUBJECT", "mailto:push@example.com".to_owned()),
            ("WEB_PUSH__PRIVATE_HOSTS", format!("[\"{}\"]", self.web_push.authority())),
            ("WEB_PUSH__CA_FILE", path(self.web_push.ca_file())),
            ("SMTP__HOST", "127.0.0.1".to_owned()),
            ("SMTP__PORT", self.smtp.port().to_string()),
            ("SMTP__CA_FILE", self.file("smtp-ca.pem", self.smtp.ca_pem())),
            ("SMTP__USERNAME", "belfry".to_owned()),
            ("SMTP__PASSWORD_FILE", self.file("smtp-password", "open sesame")),
            ("SMTP__FROM", "Shop <alerts@example.com>".to_owned()),
            ("LIVE__LINGER_AFTER_START", "0s".to_owned()),
        ];
        settings.into_iter().map(|(name, value)| (format!("BELFRY__{name}"), value)).collect()
    }

    /// The same for a server in this process.
    pub fn configure(&self, config: &mut Config) {
        config.fcm.service_account = Some(self.fcm.service_account().into());
        config.fcm.base_url = self.fcm.url();
        config.fcm.ca_file = Some(self.fcm.ca_file());
        config.apns.key = Some(self.apns.key().to_owned().into());
        config.apns.key_id = apns::KEY_ID.to_owned();
        config.apns.team_id = apns::TEAM_ID.to_owned();
        config.apns.topic = apns::TOPIC.to_owned();
        config.apns.production_url = self.apns.production.url();
        config.apns.sandbox_url = self.apns.sandbox.url();
        config.apns.ca_file = Some(self.apns.ca_file());
        config.web_push.private_key = Some(self.vapid_key());
        config.web_push.subject = Some("mailto:push@example.com".to_owned());
        config.web_push.private_hosts = vec![self.web_push.authority()];
        config.web_push.ca_file = Some(self.web_push.ca_file());
        config.smtp.host = Some("127.0.0.1".to_owned());
        config.smtp.port = self.smtp.port();
        config.smtp.ca_file = Some(self.file("smtp-ca.pem", self.smtp.ca_pem()).into());
        config.smtp.username = Some("belfry".to_owned());
        config.smtp.password = Some("open sesame".to_owned().into());
        config.smtp.from = Some("Shop <alerts@example.com>".to_owned());
        config.live.linger_after_start = Duration::ZERO;
    }

    /// Gives a person a mailbox and three devices, in a store that no server has open or in a server's own.
    pub async fn settle(&self, store: &Store, user: &str, number: u32) -> Addresses {
        let addresses = Addresses {
            fcm: self.fcm.add_device(number),
            apns: self.apns.add_device(apns::Environment::Production, number),
            web_push: self.web_push.subscribe(self.vapid_key.public_key()),
        };
        let user: UserId = user.parse().expect("a test's user id is valid");
        let now = clock::now().unix_ms();
        let profile = UserProfile { email: Some(format!("{user}@example.com")), ..UserProfile::default() };
        store.put_user(&user, profile, now).await.expect("is stored");
        let browser = &addresses.web_push;
        let keys = SubscriptionKeys { p256dh: browser.p256dh.clone(), auth: browser.auth.clone() };
        let of = [
            PushAddress::Fcm { token: Some(addresses.fcm.clone()), installation_id: None },
            PushAddress::WebPush { endpoint: browser.endpoint.clone(), keys, vapid_key_id: None },
            PushAddress::Apns {
                token: addresses.apns.clone(),
                environment: ApnsEnvironment::Production,
                topic: None,
            },
        ];
        for (id, address) in DEVICES.into_iter().zip(of) {
            let digest =
                aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("{user} {id}").as_bytes());
            let device = NewDevice {
                id: id.to_owned(),
                address,
                address_hash: digest.as_ref().try_into().expect("SHA-256 has 32 bytes"),
                locale: None,
                time_zone: None,
                app_version: None,
            };
            store.put_device(&user, device, now).await.expect("is stored");
        }
        addresses
    }
}
