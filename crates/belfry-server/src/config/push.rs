//! What the sections of the push services and of the webhook mean to their channels.

use super::{Apns, Fcm, StatusWebhooks, WebPush, Webhook};
use belfry_channels::{
    ApnsOptions, FcmOptions, Guard, GuardOptions, Poster, SetupError, WebPushOptions, WebhookOptions,
};

impl Fcm {
    /// How FCM is reached; `None`: it is not configured.
    pub fn options(&self) -> Option<FcmOptions> {
        Some(FcmOptions {
            project_id: self.project_id.clone(),
            base_url: self.base_url.clone(),
            token_url: self.token_url.clone(),
            ca_file: self.ca_file.clone(),
            android_channel: self.android_channel.clone(),
            ..FcmOptions::new(self.service_account.clone()?)
        })
    }
}

impl Apns {
    /// How APNs is reached; `None`: it is not configured.
    pub fn options(&self) -> Option<ApnsOptions> {
        Some(ApnsOptions {
            production_url: self.production_url.clone(),
            sandbox_url: self.sandbox_url.clone(),
            ca_file: self.ca_file.clone(),
            ..ApnsOptions::new(self.key.clone()?, &self.key_id, &self.team_id, &self.topic)
        })
    }
}

impl WebPush {
    /// How browsers are reached; `None`: there is no key pair.
    pub fn options(&self) -> Option<WebPushOptions> {
        Some(WebPushOptions {
            old_private_keys: self.old_private_keys.clone(),
            subject: self.subject.clone(),
            ttl: self.ttl,
            default_link: self.default_link.clone(),
            guard: GuardOptions {
                hosts: self.allowed_hosts.clone(),
                private_hosts: self.private_hosts.clone(),
                resolver: None,
            },
            ca_file: self.ca_file.clone(),
            probe_urls: self.probe_urls.clone(),
            ..WebPushOptions::new(self.private_key.clone()?)
        })
    }
}

impl Webhook {
    /// How the application's endpoint is reached; `None`: it is not configured.
    pub fn options(&self) -> Option<WebhookOptions> {
        Some(WebhookOptions {
            url: self.url.clone()?,
            secret: self.secret.clone()?,
            old_secrets: self.old_secrets.clone(),
            ca_file: self.ca_file.clone(),
        })
    }
}

impl StatusWebhooks {
    /// What posts to the endpoints.
    pub fn poster(&self) -> Result<Poster, SetupError> {
        let options = GuardOptions {
            hosts: vec!["*".to_owned()],
            private_hosts: self.private_hosts.clone(),
            resolver: None,
        };
        let guard = Guard::new(&options, "status_webhooks", "status_webhooks.private_hosts")?;
        Poster::new(guard, "status_webhooks.ca_file", self.ca_file.as_deref())
    }
}
