//! What the section of the relay means to the channel.

use super::Smtp;
use belfry_channels::email::SmtpOptions;

impl Smtp {
    /// How to reach the relay; `None`: there is no e-mail.
    pub fn options(&self) -> Option<SmtpOptions> {
        let host = self.host.clone()?;
        let from = self.from.clone().unwrap_or_default();
        Some(SmtpOptions {
            port: (self.port != 0).then_some(self.port),
            tls: self.tls,
            ca_file: self.ca_file.clone(),
            username: self.username.clone(),
            password: self.password.clone(),
            reply_to: self.reply_to.clone(),
            return_path: self.return_path.clone(),
            message_id_domain: self.message_id_domain.clone(),
            hello_name: self.hello_name.clone(),
            connections_max: self.connections_max,
            timeout: self.timeout,
            ..SmtpOptions::new(host, from)
        })
    }
}
