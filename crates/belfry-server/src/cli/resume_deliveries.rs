//! `belfry resume-deliveries --send|--drop`.

use super::failure::{Exit, Failure};
use super::out::{Out, STRONG, styled};
use super::remote::{Remote, Target};
use super::settings::Common;
use super::store;
use crate::clock::Now;
use crate::config::{Config, Scope};
use belfry_protocol::delivery::{HeldDeliveries, ResumeAnswer, ResumeBody};
use reqwest::Method;

/// Flags of `belfry resume-deliveries`.
#[derive(Debug, clap::Args)]
#[group(id = "held", required = true, multiple = false, args = ["send", "drop"])]
pub(crate) struct ResumeDeliveries {
    /// Let them go on: what had gone out before the backup may go out a second time
    #[arg(long)]
    send: bool,
    /// End them: what had not gone out never does; it stays in the inbox
    #[arg(long)]
    drop: bool,
    #[command(flatten)]
    target: Target,
}

/// A running server does it; without one the file is opened here.
pub(crate) async fn run(
    arguments: ResumeDeliveries,
    common: &Common,
    now: Now,
    out: &mut Out,
) -> Result<(), Failure> {
    let held = if arguments.send { HeldDeliveries::Send } else { HeldDeliveries::Drop };
    let remote = Remote::find(common, &arguments.target, Scope::Operate)?;
    let answer = match remote.send(remote.anonymous(remote.resource(&["healthz"]))).await {
        Ok(_) => {
            let url = remote.resource(&["v1", "deliveries", "resume"]);
            remote.fetch(remote.request(Method::POST, url)?.json(&ResumeBody { held })).await?
        }
        // Whoever names a server means that one, and not a file that happens to lie here.
        Err(failure) if failure.exit == Exit::Unreachable && arguments.target.url.is_none() => {
            on_file(&common.load()?, held, now).await?
        }
        Err(failure) => return Err(failure),
    };
    if out.is_json() {
        return out.json(&answer);
    }
    let words = match (held, answer.resumed) {
        (_, 0) => return out.line("no delivery is held"),
        (HeldDeliveries::Send, _) => "go on",
        (HeldDeliveries::Drop, _) => "were dropped",
    };
    out.line(format_args!("{} held deliveries {words}", styled(STRONG, answer.resumed)))
}

async fn on_file(config: &Config, held: HeldDeliveries, now: Now) -> Result<ResumeAnswer, Failure> {
    let store = store::open_existing(config, now).await?;
    let resumed = store.resume_deliveries(held == HeldDeliveries::Send, now.unix_ms()).await;
    let resumed = resumed.map_err(|error| Failure::failed(error.to_string()))?;
    store::close(&store).await?;
    Ok(ResumeAnswer { resumed })
}
