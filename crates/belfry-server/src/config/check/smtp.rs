//! The relay for e-mail.

use super::{Config, Findings};
use belfry_channels::email::{self, SmtpFault, SmtpTls};
use std::time::Duration;

/// Relays that scan a mail before they take it need a few seconds.
const SMTP_TIMEOUT_MIN: Duration = Duration::from_secs(5);

impl Config {
    pub(super) fn check_smtp(&self, findings: &mut Findings) {
        let smtp = &self.smtp;
        let Some(options) = smtp.options() else {
            if smtp.from.is_some() || smtp.username.is_some() {
                findings.warning("smtp.host", "without it no mail is sent", "name the relay");
            }
            return;
        };
        if smtp.from.is_none() {
            let remedy = "write for example \"Shop <alerts@example.com>\"";
            return findings.error("smtp.from", "mails need somebody they are from", remedy);
        }
        if let Err(SmtpFault { key, problem }) = email::Smtp::new(&options) {
            findings.error(smtp_key(key), problem, "");
        }
        if options.tls == SmtpTls::None && !options.is_loopback() {
            findings.warning(
                "smtp.tls",
                "mails travel in clear text to the relay",
                "use \"starttls\" or \"tls\", unless the network in between is yours alone",
            );
        }
        if smtp.timeout < SMTP_TIMEOUT_MIN {
            findings.warning(
                "smtp.timeout",
                "a relay that looks at a mail before it takes it needs longer, and would get it twice",
                "use \"10s\" or more",
            );
        }
    }
}

/// The key that an option of the channel is set by.
fn smtp_key(option: &str) -> &'static str {
    let keys = [
        "smtp.host",
        "smtp.tls",
        "smtp.ca_file",
        "smtp.username",
        "smtp.password",
        "smtp.from",
        "smtp.reply_to",
        "smtp.return_path",
        "smtp.message_id_domain",
        "smtp.hello_name",
    ];
    keys.into_iter().find(|key| key.strip_prefix("smtp.") == Some(option)).unwrap_or("smtp.host")
}
