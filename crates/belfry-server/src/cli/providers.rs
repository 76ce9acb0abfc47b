//! `belfry providers`, `belfry providers resume NAME`.

use super::failure::Failure;
use super::out::{BAD, DIM, GOOD, Out, STRONG, WARN, harmless, moment, styled};
use super::remote::{Remote, Target};
use super::settings::Common;
use crate::config::Scope;
use belfry_protocol::Provider;
use belfry_protocol::delivery::{ProviderStatus, Providers};
use reqwest::Method;

/// Flags of `belfry providers`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ProvidersArguments {
    #[command(subcommand)]
    command: Option<ProvidersCommand>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Subcommand)]
enum ProvidersCommand {
    /// End a provider's pause now, after its credentials were put right
    Resume(Resume),
}

#[derive(Debug, clap::Args)]
struct Resume {
    /// fcm, apns, webpush, smtp or webhook
    provider: Provider,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(
    arguments: ProvidersArguments,
    common: &Common,
    out: &mut Out,
) -> Result<(), Failure> {
    match arguments.command {
        None => list(&Remote::find(common, &arguments.target, Scope::Operate)?, out).await,
        Some(ProvidersCommand::Resume(Resume { provider, target })) => {
            let remote = Remote::find(common, &target, Scope::Operate)?;
            let url = remote.resource(&["v1", "providers", provider.as_str(), "resume"]);
            let status: ProviderStatus = remote.fetch(remote.request(Method::POST, url)?).await?;
            print(&status, out)
        }
    }
}

async fn list(remote: &Remote, out: &mut Out) -> Result<(), Failure> {
    let url = remote.resource(&["v1", "providers"]);
    let answer: Providers = remote.fetch(remote.request(Method::GET, url)?).await?;
    if answer.providers.is_empty() {
        out.remark("no provider is configured: alerts are shown live and kept in the inbox");
    }
    answer.providers.iter().try_for_each(|status| print(status, out))
}

fn print(status: &ProviderStatus, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        return out.json(status);
    }
    let state = match (&status.paused, status.held) {
        (Some(pause), _) => {
            let since = moment(pause.since);
            styled(BAD, format_args!("paused since {since}: {}", harmless(&pause.reason)))
        }
        (None, true) => styled(WARN, "asked for time"),
        (None, false) => styled(GOOD, "ok"),
    };
    out.line(format_args!("{} {state}", styled(STRONG, format_args!("{:<8}", status.provider.as_str()))))?;
    if status.paused.is_some() {
        let remedy = format!(
            "put its credentials right (`belfry doctor` says more), then `belfry providers resume {}`",
            status.provider.as_str()
        );
        out.line(styled(DIM, format_args!("         {remedy}")))?;
    }
    if status.keeps_gone {
        let words = "calls too many addresses gone: none is deleted; do its credentials belong to the app?";
        out.line(styled(WARN, format_args!("         {words}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::out::tests::kept;

    #[test]
    fn a_paused_provider_says_why_and_what_to_do() {
        let answer: Providers = serde_json::from_value(serde_json::json!({"providers": [
            {"provider": "fcm", "paused": null, "held": false, "keeps_gone": true},
            {"provider": "apns", "paused": {"since": "2026-11-23T08:12:40.5Z", "reason": "InvalidProviderToken"},
             "held": false, "keeps_gone": false},
            {"provider": "smtp", "paused": null, "held": true, "keeps_gone": false}]}))
        .unwrap();
        let (mut out, written) = kept(false);
        answer.providers.iter().try_for_each(|status| print(status, &mut out)).unwrap();
        insta::assert_snapshot!(written.text(), @r"
        fcm      ok
                 calls too many addresses gone: none is deleted; do its credentials belong to the app?
        apns     paused since 2026-11-23T08:12:41Z: InvalidProviderToken
                 put its credentials right (`belfry doctor` says more), then `belfry providers resume apns`
        smtp     asked for time
        ");
    }
}
