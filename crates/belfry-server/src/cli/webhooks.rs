//! `belfry webhooks list|add|remove|rotate|test`.

use super::failure::Failure;
use super::out::{BAD, DIM, GOOD, Out, STRONG, harmless, styled};
use super::remote::{Remote, Target};
use super::settings::Common;
use crate::config::Scope;
use belfry_protocol::WebhookId;
use belfry_protocol::webhook::{Webhook, WebhookBody, WebhookEvent, WebhookTest, Webhooks};
use reqwest::Method;

/// What to do with the endpoints for status webhooks.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum WebhooksCommand {
    /// List the endpoints
    List {
        #[command(flatten)]
        target: Target,
    },
    /// Make an endpoint, or change one
    Add(Add),
    /// Delete an endpoint and what waits for it
    Remove(One),
    /// Change an endpoint's secret; the old one signs for 24 hours more
    Rotate(One),
    /// Send an endpoint a test event
    Test(One),
}

/// Flags of `belfry webhooks add`.
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// Its name
    id: WebhookId,
    /// Where to post: https, at a public address
    #[arg(long, value_name = "URL")]
    to: String,
    /// What it wants to be told, for example sent,failed,dead_lettered
    #[arg(long, value_name = "EVENTS", value_delimiter = ',', required = true, value_parser = event)]
    events: Vec<WebhookEvent>,
    #[command(flatten)]
    target: Target,
}

/// One endpoint.
#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// Its name
    id: WebhookId,
    #[command(flatten)]
    target: Target,
}

/// The name in JSON.
fn word(event: WebhookEvent) -> String {
    serde_json::to_value(event).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

fn event(text: &str) -> Result<WebhookEvent, String> {
    WebhookEvent::ALL.into_iter().find(|event| word(*event) == text).ok_or_else(|| {
        let names: Vec<String> = WebhookEvent::ALL.into_iter().map(word).collect();
        format!("use some of {}", names.join(", "))
    })
}

pub(crate) async fn run(command: WebhooksCommand, common: &Common, out: &mut Out) -> Result<(), Failure> {
    match command {
        WebhooksCommand::List { target } => list(&Remote::find(common, &target, Scope::Manage)?, out).await,
        WebhooksCommand::Add(add) => {
            let remote = Remote::find(common, &add.target, Scope::Manage)?;
            let body = WebhookBody { url: add.to, events: add.events, enabled: true };
            let url = remote.resource(&["v1", "webhooks", add.id.as_str()]);
            let made: Webhook = remote.fetch(remote.request(Method::PUT, url)?.json(&body)).await?;
            with_secret(&made, out)
        }
        WebhooksCommand::Remove(one) => {
            let remote = Remote::find(common, &one.target, Scope::Manage)?;
            let url = remote.resource(&["v1", "webhooks", one.id.as_str()]);
            remote.send(remote.request(Method::DELETE, url)?).await?;
            if out.is_json() {
                return out.json(&serde_json::json!({ "id": one.id }));
            }
            out.line(format_args!("{} is told nothing any more", styled(STRONG, harmless(one.id.as_str()))))
        }
        WebhooksCommand::Rotate(one) => {
            let remote = Remote::find(common, &one.target, Scope::Manage)?;
            let url = remote.resource(&["v1", "webhooks", one.id.as_str(), "rotate"]);
            let rotated: Webhook = remote.fetch(remote.request(Method::POST, url)?).await?;
            with_secret(&rotated, out)
        }
        WebhooksCommand::Test(one) => {
            let remote = Remote::find(common, &one.target, Scope::Manage)?;
            let url = remote.resource(&["v1", "webhooks", one.id.as_str(), "test"]);
            let test: WebhookTest = remote.fetch(remote.request(Method::POST, url)?).await?;
            if out.is_json() {
                return out.json(&test);
            }
            out.line(format_args!("a test is on its way, with the webhook-id {}", harmless(&test.webhook_id)))
        }
    }
}

async fn list(remote: &Remote, out: &mut Out) -> Result<(), Failure> {
    let all: Webhooks =
        remote.fetch(remote.request(Method::GET, remote.resource(&["v1", "webhooks"]))?).await?;
    if out.is_json() {
        return out.json(&all);
    }
    if all.webhooks.is_empty() {
        return out.line("there are no endpoints: `belfry webhooks add` makes one");
    }
    all.webhooks.iter().try_for_each(|one| out.line(line(one)))
}

fn line(one: &Webhook) -> String {
    let state = match (one.enabled, one.failing_since.is_some()) {
        (true, false) => styled(GOOD, "enabled"),
        (true, true) => styled(BAD, "failing"),
        (false, _) => styled(BAD, "disabled"),
    };
    let events: Vec<String> = one.events.iter().map(|event| word(*event)).collect();
    format!(
        "{}  {state}  {}  {}",
        styled(STRONG, harmless(one.id.as_str())),
        harmless(&one.url),
        styled(DIM, format_args!("{}; {} wait, {} dropped", events.join(","), one.waiting, one.dropped))
    )
}

fn with_secret(one: &Webhook, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        return out.json(one);
    }
    out.line(line(one))?;
    match &one.secret {
        Some(secret) => out.line(format_args!("secret, shown this once: {secret}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_named_as_in_json() {
        assert_eq!(event("dead_lettered"), Ok(WebhookEvent::DeadLettered));
        let refused = event("eaten").unwrap_err();
        assert_eq!(
            refused,
            "use some of accepted, received, seen, read, sent, failed, suppressed, expired, dead_lettered"
        );
    }
}
