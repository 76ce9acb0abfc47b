//! Whether the providers accept our credentials. Nothing is sent to anybody.

use super::Check;
use crate::config::{Config, Mode};
use belfry_channels::{Action, Apns, Channel, Fcm, SendError, SetupError, WebPush, Webhook};
use jiff::Timestamp;

/// Where it is written what to do.
const PUSH_GUIDE: &str = "see docs/guides/push.md";
const WEBHOOK_GUIDE: &str = "see docs/guides/webhooks.md";

/// One check for each provider that is configured.
pub(super) async fn all(config: &Config, now: Timestamp) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(options) = config.fcm.options() {
        checks.push(channel("fcm", Fcm::new(options), now, PUSH_GUIDE).await);
    }
    if let Some(options) = config.apns.options() {
        checks.push(channel("apns", Apns::new(options), now, PUSH_GUIDE).await);
    }
    if let Some(mut options) = config.web_push.options() {
        if config.mode == Mode::Dev {
            // Nobody who tries things out asked for calls to Google, Mozilla and Apple.
            options.probe_urls.clear();
        }
        checks.push(channel("web push", WebPush::new(options), now, PUSH_GUIDE).await);
    }
    if let Some(options) = config.webhook.options() {
        checks.push(channel("webhook", Webhook::new(&options), now, WEBHOOK_GUIDE).await);
    }
    checks
}

async fn channel(
    name: &'static str,
    made: Result<impl Channel, SetupError>,
    now: Timestamp,
    guide: &str,
) -> Check {
    let channel = match made {
        Ok(channel) => channel,
        Err(error) => return Check::fail(name, error.to_string(), guide),
    };
    match channel.check(now).await {
        Ok(found) => Check::ok(name, found),
        Err(error) => told(name, &error, guide),
    }
}

/// What may be over in a minute is a warning; what somebody has to mend is a failure.
fn told(name: &'static str, error: &SendError, guide: &str) -> Check {
    let detail = format!("{}: {}", error.reason, error.said);
    match error.action {
        Action::Retry => {
            let remedy = "try again in a minute; where it stays, look at the network, at a proxy and at the provider's status page";
            Check::warn(name, detail, remedy)
        }
        _ => Check::fail(name, detail, guide),
    }
}
