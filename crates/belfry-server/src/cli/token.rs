//! `belfry token --user ann`, and the tokens that other commands make for themselves.

use super::dev_keys::DevKeys;
use super::failure::Failure;
use super::out::{DIM, Out, harmless, moment, styled};
use super::settings::Common;
use crate::auth::{Minter, NewToken};
use crate::clock::Now;
use crate::config::Config;
use belfry_protocol::UserId;
use belfry_store::UnixMs;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// Flags of `belfry token`.
#[derive(Debug, clap::Args)]
pub(crate) struct Token {
    /// Whose token
    #[arg(long)]
    user: UserId,
    /// How long it is valid, for example 15m or 7d
    #[arg(long, default_value = "1h", value_parser = duration, value_name = "DURATION")]
    expires: Duration,
    /// A further claim; the value is JSON, or else text; may be given several times
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    claims: Vec<(String, serde_json::Value)>,
}

/// Reads a duration of the command line.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    match crate::duration::parse(text) {
        Ok(duration) if duration.is_zero() => Err("it must be above zero".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
    }
}

fn claim(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| serde_json::Value::from(value));
    Ok((name.to_owned(), value))
}

#[derive(serde::Serialize)]
struct MintedToken<'a> {
    user: &'a UserId,
    token: &'a str,
    expires_at: jiff::Timestamp,
}

pub(crate) fn run(arguments: Token, common: &Common, now: Now, out: &mut Out) -> Result<(), Failure> {
    let minter = minter(&common.load()?)?;
    let token = mint(&minter, &arguments.user, arguments.expires, arguments.claims, now);
    let expires_at = crate::clock::timestamp(UnixMs(expiry(now, arguments.expires)));
    if out.is_json() {
        return out.json(&MintedToken { user: &arguments.user, token: token.expose_secret(), expires_at });
    }
    out.line(token.expose_secret())?;
    out.remark(styled(
        DIM,
        format_args!("for `{}`, until {}", harmless(arguments.user.as_str()), moment(expires_at)),
    ));
    Ok(())
}

/// Makes tokens that a server with this configuration accepts, or the `belfry dev` of its data folder.
pub(crate) fn minter(config: &Config) -> Result<Minter, Failure> {
    let mut options = config.verifier_options();
    if options.secrets.is_empty()
        && let Some(keys) = DevKeys::read(&config.server.data_dir)?
    {
        options.secrets = crate::auth::VerifierOptions::with_secret(keys.jwt_secret).secrets;
    }
    Minter::new(&options).map_err(|error| {
        Failure::usage(error.to_string())
            .remedy("set BELFRY_JWT_SECRET, or run in the folder where `belfry dev` runs")
    })
}

/// Makes a token.
pub(crate) fn mint(
    minter: &Minter,
    user: &UserId,
    valid_for: Duration,
    claims: Vec<(String, serde_json::Value)>,
    now: Now,
) -> SecretString {
    minter.mint(NewToken {
        user: user.clone(),
        issued_at: now.unix_ms(),
        expires_at: UnixMs(expiry(now, valid_for)),
        extra: claims.into_iter().collect(),
    })
}

fn expiry(now: Now, valid_for: Duration) -> i64 {
    now.unix_ms().0.saturating_add(i64::try_from(valid_for.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Verifier;
    use crate::cli::failure::Exit;

    #[test]
    fn a_token_opens_the_server_it_was_made_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.data_dir = folder.path().to_owned();
        config.auth.issuer = Some("the app".to_owned());
        let failure = minter(&config).map(|_| ()).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);

        let keys = DevKeys::read_or_make(folder.path()).unwrap();
        let user: UserId = "ann".parse().unwrap();
        let now = crate::clock::now();
        let claims = vec![claim("role=admin").unwrap(), claim("level=3").unwrap()];
        let token = mint(&minter(&config).unwrap(), &user, Duration::from_secs(60), claims, now);
        config.auth.jwt_secret = Some(keys.jwt_secret);
        let verifier = Verifier::new(config.verifier_options()).unwrap();
        let identity = verifier.verify_at_once(token.expose_secret(), now).unwrap();
        assert_eq!(identity.user, user);
        assert_eq!(identity.expires_at.0 / 1000, now.unix_ms().0 / 1000 + 60);
    }

    #[test]
    fn claims_are_json_or_text() {
        assert_eq!(claim("a=1"), Ok(("a".to_owned(), 1.into())));
        assert_eq!(claim("a=b=c"), Ok(("a".to_owned(), "b=c".into())));
        assert!(claim("a").is_err());
    }
}
