//! `belfry revoke --user ann`.

use super::failure::Failure;
use super::out::{Out, STRONG, harmless, moment, styled};
use super::remote::{Remote, Target};
use super::settings::Common;
use crate::config::Scope;
use belfry_protocol::UserId;
use belfry_protocol::user::{DisconnectAnswer, DisconnectBody};
use jiff::Timestamp;
use reqwest::Method;

/// Flags of `belfry revoke`.
#[derive(Debug, clap::Args)]
pub(crate) struct Revoke {
    /// Whose tokens and connections
    #[arg(long)]
    user: UserId,
    /// Refuse tokens issued at or before this moment (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME")]
    before: Option<Timestamp>,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(
    arguments: Revoke,
    common: &Common,
    now: Timestamp,
    out: &mut Out,
) -> Result<(), Failure> {
    let remote = Remote::find(common, &arguments.target, Scope::Manage)?;
    let before = arguments.before.unwrap_or(now);
    let url = remote.resource(&["v1", "users", arguments.user.as_str(), "disconnect"]);
    let request = remote.request(Method::POST, url)?.json(&DisconnectBody { revoke_before: Some(before) });
    let answer: DisconnectAnswer = remote.fetch(request).await?;
    if out.is_json() {
        return out.json(&answer);
    }
    let user = harmless(arguments.user.as_str());
    out.line(format_args!(
        "tokens of {} issued at or before {} are refused; {} connections were closed",
        styled(STRONG, user),
        moment(before),
        answer.closed
    ))
}
