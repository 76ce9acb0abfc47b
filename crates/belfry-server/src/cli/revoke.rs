//! `belfry revoke --user ann`, `belfry revoke --kid signer-1`.

use super::failure::Failure;
use super::out::{Out, STRONG, harmless, moment, styled};
use super::remote::{Remote, Target};
use super::settings::Common;
use crate::config::Scope;
use belfry_protocol::operation::RevokedKey;
use belfry_protocol::user::{DisconnectAnswer, DisconnectBody};
use belfry_protocol::{KeyId, UserId};
use jiff::Timestamp;
use reqwest::Method;

/// Flags of `belfry revoke`.
#[derive(Debug, clap::Args)]
#[group(id = "whose", required = true, multiple = false, args = ["user", "kid"])]
pub(crate) struct Revoke {
    /// Whose tokens and connections
    #[arg(long)]
    user: Option<UserId>,
    /// Refuse tokens issued at or before this moment (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME", conflicts_with = "kid")]
    before: Option<Timestamp>,
    /// Everybody's tokens that the key with this `kid` signed, and connections that stand on them
    #[arg(long)]
    kid: Option<KeyId>,
    /// Take the revocation of the key back
    #[arg(long, conflicts_with = "user")]
    undo: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(
    arguments: Revoke,
    common: &Common,
    now: Timestamp,
    out: &mut Out,
) -> Result<(), Failure> {
    match (arguments.user, arguments.kid) {
        (Some(user), _) => {
            let remote = Remote::find(common, &arguments.target, Scope::Manage)?;
            revoke_user(&remote, &user, arguments.before.unwrap_or(now), out).await
        }
        (None, Some(key)) => {
            let remote = Remote::find(common, &arguments.target, Scope::Operate)?;
            if arguments.undo {
                restore_key(&remote, &key, out).await
            } else {
                revoke_key(&remote, &key, out).await
            }
        }
        (None, None) => Err(Failure::usage("give `--user` or `--kid`")),
    }
}

async fn revoke_user(
    remote: &Remote,
    user: &UserId,
    before: Timestamp,
    out: &mut Out,
) -> Result<(), Failure> {
    let url = remote.resource(&["v1", "users", user.as_str(), "disconnect"]);
    let request = remote.request(Method::POST, url)?.json(&DisconnectBody { revoke_before: Some(before) });
    let answer: DisconnectAnswer = remote.fetch(request).await?;
    if out.is_json() {
        return out.json(&answer);
    }
    out.line(format_args!(
        "tokens of {} issued at or before {} are refused; {} connections were closed",
        styled(STRONG, harmless(user.as_str())),
        moment(before),
        answer.closed
    ))
}

async fn revoke_key(remote: &Remote, key: &KeyId, out: &mut Out) -> Result<(), Failure> {
    let url = remote.resource(&["v1", "revoked-keys", key.as_str()]);
    let answer: RevokedKey = remote.fetch(remote.request(Method::PUT, url)?).await?;
    if out.is_json() {
        return out.json(&answer);
    }
    out.line(format_args!(
        "tokens signed with the key {} are refused since {}; connections that stood on them are closed",
        styled(STRONG, harmless(key.as_str())),
        moment(answer.revoked_at)
    ))
}

async fn restore_key(remote: &Remote, key: &KeyId, out: &mut Out) -> Result<(), Failure> {
    let url = remote.resource(&["v1", "revoked-keys", key.as_str()]);
    remote.send(remote.request(Method::DELETE, url)?).await?;
    if out.is_json() {
        return out.json(&serde_json::json!({ "id": key }));
    }
    out.line(format_args!(
        "tokens signed with the key {} are taken again",
        styled(STRONG, harmless(key.as_str()))
    ))
}
