//! What the sections of the push services mean to their channels.

use super::{Apns, Fcm};
use belfry_channels::{ApnsOptions, FcmOptions};

impl Fcm {
    /// How FCM is reached; `None`: it is not configured.
    pub fn options(&self) -> Option<FcmOptions> {
        Some(FcmOptions {
            service_account: self.service_account.clone()?,
            project_id: self.project_id.clone(),
            base_url: self.base_url.clone(),
            token_url: self.token_url.clone(),
            ca_file: self.ca_file.clone(),
            android_channel: self.android_channel.clone(),
        })
    }
}

impl Apns {
    /// How APNs is reached; `None`: it is not configured.
    pub fn options(&self) -> Option<ApnsOptions> {
        Some(ApnsOptions {
            key: self.key.clone()?,
            key_id: self.key_id.clone(),
            team_id: self.team_id.clone(),
            topic: self.topic.clone(),
            production_url: self.production_url.clone(),
            sandbox_url: self.sandbox_url.clone(),
            ca_file: self.ca_file.clone(),
        })
    }
}
