//! `belfry vapid`.

use super::dev_keys::DevKeys;
use super::failure::Failure;
use super::out::{DIM, NAME, Out, STRONG, styled};
use super::settings::Common;
use crate::config::Config;
use belfry_channels::VapidKey;
use secrecy::{ExposeSecret, SecretString};

/// Flags of `belfry vapid`.
#[derive(Debug, clap::Args)]
pub(crate) struct Vapid {
    /// Make a new pair although there is one: the present one becomes an old one
    #[arg(long)]
    new: bool,
}

#[derive(serde::Serialize)]
struct KeyReport<'a> {
    public_key: &'a str,
    id: &'a str,
    /// Of a pair that was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key: Option<&'a str>,
    /// The pair in force, of which the application's browsers have the public key.
    configured: bool,
}

pub(crate) fn run(arguments: Vapid, common: &Common, out: &mut Out) -> Result<(), Failure> {
    let mut config = common.load()?;
    if let Some(keys) = DevKeys::read(&config.server.data_dir)? {
        keys.apply(&mut config);
    }
    let present = present(&config)?;
    match (&present, arguments.new) {
        (Some(key), false) => show(key, out),
        _ => make(present.as_ref(), out),
    }
}

fn present(config: &Config) -> Result<Option<VapidKey>, Failure> {
    let Some(text) = &config.web_push.private_key else { return Ok(None) };
    let key = VapidKey::parse(text).ok_or_else(|| {
        Failure::usage("`web_push.private_key` is no private key").remedy(
            "it needs 32 bytes as base64url, or PEM; `belfry vapid` makes one where none is configured",
        )
    })?;
    Ok(Some(key))
}

fn show(key: &VapidKey, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        let report =
            KeyReport { public_key: key.public_key(), id: key.id(), private_key: None, configured: true };
        return out.json(&report);
    }
    out.line(styled(DIM, "The configured pair's public key, which browsers subscribe with:"))?;
    out.line(styled(STRONG, key.public_key()))?;
    out.line(format_args!("{} {}", styled(DIM, "Its id:"), styled(NAME, key.id())))
}

fn make(present: Option<&VapidKey>, out: &mut Out) -> Result<(), Failure> {
    let key = VapidKey::generate();
    let private: SecretString = key.private_key();
    let private = private.expose_secret();
    if out.is_json() {
        let report = KeyReport {
            public_key: key.public_key(),
            id: key.id(),
            private_key: Some(private),
            configured: false,
        };
        return out.json(&report);
    }
    out.line(styled(DIM, "A new pair's public key, which browsers subscribe with:"))?;
    out.line(styled(STRONG, key.public_key()))?;
    out.line(format_args!("{} {}", styled(DIM, "Its id:"), styled(NAME, key.id())))?;
    out.line("")?;
    if present.is_some() {
        out.line(styled(
            DIM,
            "Move the present private key to `web_push.old_private_keys`, or every subscription made with it is lost.",
        ))?;
    }
    out.line(styled(DIM, "Add to belfry.toml, and keep it: subscriptions are bound to it for life."))?;
    out.line(format_args!(
        "[web_push]\nprivate_key = \"{private}\"\nsubject     = \"mailto:you@example.com\""
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::out::tests::kept;
    use crate::config::{FileSource, Sources};

    fn vapid(folder: &std::path::Path, new: bool, json: bool) -> String {
        let (mut out, written) = kept(json);
        let common = Common { data_dir: Some(folder.to_owned()), ..Common::default() };
        run(Vapid { new }, &common, &mut out).unwrap();
        written.text()
    }

    #[test]
    fn the_printed_lines_are_a_configuration_with_the_printed_key() {
        let folder = tempfile::tempdir().unwrap();
        let text = vapid(folder.path(), false, false);
        let public = text.lines().nth(1).unwrap();
        let path = folder.path().join("belfry.toml");
        std::fs::write(
            &path,
            text.split_once("[web_push]").map(|(_, rest)| format!("[web_push]{rest}")).unwrap(),
        )
        .unwrap();
        let config = Config::load(&Sources { file: FileSource::Named(path), ..Sources::default() }).unwrap();
        let key = present(&config).unwrap().unwrap();
        assert_eq!(key.public_key(), public);
        assert!(text.contains(key.id()));
    }

    #[test]
    fn a_configured_key_is_shown_without_its_private_half() {
        let folder = tempfile::tempdir().unwrap();
        let keys = DevKeys::read_or_make(folder.path()).unwrap();
        let key = VapidKey::parse(&keys.vapid_private_key).unwrap();
        for json in [false, true] {
            let text = vapid(folder.path(), false, json);
            assert!(text.contains(key.public_key()) && text.contains(key.id()), "{text}");
            assert!(!text.contains(keys.vapid_private_key.expose_secret()), "{text}");
        }
        let text = vapid(folder.path(), true, false);
        assert!(text.contains("old_private_keys") && !text.contains(key.public_key()), "{text}");
        let made: serde_json::Value = serde_json::from_str(&vapid(folder.path(), true, true)).unwrap();
        let private = SecretString::from(made["private_key"].as_str().unwrap().to_owned());
        assert_eq!(VapidKey::parse(&private).unwrap().public_key(), made["public_key"]);
        assert_eq!(made["configured"], false);
    }
}
