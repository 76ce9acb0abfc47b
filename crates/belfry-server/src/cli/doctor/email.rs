//! The relay for e-mail: reached, protected, logged in to, and willing to take mail from our sender.

use super::Check;
use crate::config::Config;
use belfry_channels::email::Smtp;
use belfry_channels::{Action, Channel, SendError};
use jiff::Timestamp;

const NAME: &str = "smtp";

/// Speaks to the relay as for a mail, up to the sender; nothing is sent. `None`: there is no relay.
pub(super) async fn relay(config: &Config, now: Timestamp) -> Option<Check> {
    let options = config.smtp.options()?;
    let smtp = match Smtp::new(&options) {
        Ok(smtp) => smtp,
        Err(fault) => {
            let detail = format!("`smtp.{}`: {}", fault.key, fault.problem);
            return Some(Check::fail(NAME, detail, "correct it in belfry.toml"));
        }
    };
    Some(match smtp.check(now).await {
        Ok(found) => Check::ok(NAME, found),
        Err(error) if error.action == Action::Retry && !error.alarm => {
            Check::warn(NAME, said(&error), remedy(&error.reason))
        }
        Err(error) => Check::fail(NAME, said(&error), remedy(&error.reason)),
    })
}

fn said(error: &SendError) -> String {
    format!("{} (the relay: {})", meaning(&error.reason), error.said)
}

fn meaning(reason: &str) -> &'static str {
    match reason {
        "unreachable" => "the relay cannot be reached",
        "tls" => "the relay's certificate or its TLS is not accepted",
        "no_starttls" => "the relay offers no STARTTLS",
        "no_login" => "the relay offers no login that can be used",
        "credentials_refused" | "authentication_refused" => "the relay refuses the login",
        "authentication_unavailable" => "the relay cannot check the login at the moment",
        "server_refuses_us" => "the relay refuses this machine",
        "sender_refused" | "policy" | "refused" => "the relay takes no mail from this sender",
        "timeout" => "the relay does not answer in time",
        "closing" | "closed" | "unavailable" => "the relay ends the conversation",
        "nonsense" => "what answers there is no mail server",
        _ => "the relay says no",
    }
}

fn remedy(reason: &str) -> &'static str {
    match reason {
        "unreachable" | "timeout" => {
            "check `smtp.host` and `smtp.port`, and that no firewall stands between: many networks close port 25"
        }
        "tls" => {
            "use the name that stands in its certificate as `smtp.host`; an authority of your own goes into `smtp.ca_file`"
        }
        "no_starttls" => {
            "use `smtp.tls = \"tls\"` with port 465, or \"none\" if the relay is on this machine"
        }
        "no_login" => "only PLAIN and LOGIN are known; ask the relay's operator for one of them",
        "credentials_refused" | "authentication_refused" => {
            "check `smtp.username` and `smtp.password`; some providers want a password made for applications"
        }
        "authentication_unavailable" => "try again later; while it lasts mails wait",
        "server_refuses_us" => {
            "ask the relay's operator why: it may be a block list, or a missing reverse name"
        }
        "sender_refused" | "policy" | "refused" => {
            "use a `smtp.from` that the relay lets this login send from"
        }
        "nonsense" => "check `smtp.port`, and that `smtp.tls` fits it: 465 is \"tls\", 587 is \"starttls\"",
        _ => "try again later, and ask the relay's operator if it stays",
    }
}
