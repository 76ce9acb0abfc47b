//! `belfry api-key new`.

use super::failure::Failure;
use super::out::{DIM, Out, STRONG, styled};
use crate::auth::ApiKeys;
use crate::config::Scope;
use secrecy::ExposeSecret;

/// API keys of back ends
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// Make an API key: print it once, and the lines for belfry.toml with its hash
    New(NewApiKey),
}

/// Flags of `belfry api-key new`.
#[derive(Debug, clap::Args)]
pub(crate) struct NewApiKey {
    /// Its name: stands in logs, and idempotency keys belong to it
    #[arg(long)]
    name: String,
    /// What it may do; may be given several times
    #[arg(
        long = "scope",
        visible_alias = "scopes",
        value_name = "SCOPE",
        required = true,
        value_delimiter = ','
    )]
    scopes: Vec<ScopeArgument>,
}

/// A scope on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ScopeArgument {
    /// Send alerts, read their traces, recall them
    Publish,
    /// Users and groups
    Manage,
    /// The node itself: statistics, metrics, backup
    Operate,
}

impl ScopeArgument {
    fn name(self) -> &'static str {
        match self {
            Self::Publish => Scope::Publish.as_str(),
            Self::Manage => Scope::Manage.as_str(),
            Self::Operate => Scope::Operate.as_str(),
        }
    }
}

#[derive(serde::Serialize)]
struct MadeKey<'a> {
    name: &'a str,
    scopes: Vec<&'static str>,
    key: &'a str,
    hash: &'a str,
}

pub(crate) fn run(command: ApiKeyCommand, out: &mut Out) -> Result<(), Failure> {
    let ApiKeyCommand::New(NewApiKey { name, scopes }) = command;
    if name.trim().is_empty() || name.chars().any(char::is_control) {
        return Err(Failure::usage("a key's name is text without control characters"));
    }
    let mut names: Vec<&'static str> = scopes.into_iter().map(ScopeArgument::name).collect();
    names.dedup();
    let made = ApiKeys::generate();
    let key = made.key.expose_secret();
    if out.is_json() {
        return out.json(&MadeKey { name: &name, scopes: names, key, hash: &made.hash });
    }
    let name = toml::Value::String(name);
    let scopes = names.iter().map(|scope| format!("\"{scope}\"")).collect::<Vec<_>>().join(", ");
    out.line(styled(DIM, "The key, shown this once. Callers send it as `Authorization: Bearer …`:"))?;
    out.line(styled(STRONG, key))?;
    out.line("")?;
    out.line(styled(DIM, "Add to belfry.toml:"))?;
    out.line(format_args!("[[api_keys]]\nname   = {name}\nscopes = [{scopes}]\nhash   = \"{}\"", made.hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::out::tests::kept;
    use crate::config::{Config, FileSource, Sources};

    #[test]
    fn the_printed_lines_are_a_configuration_that_knows_the_printed_key() {
        let (mut out, written) = kept(false);
        let scopes = vec![ScopeArgument::Publish, ScopeArgument::Operate];
        run(ApiKeyCommand::New(NewApiKey { name: "the \"shop\"".to_owned(), scopes }), &mut out).unwrap();
        let text = written.text();
        let key = text.lines().nth(1).unwrap().to_owned();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("belfry.toml");
        std::fs::write(
            &path,
            text.split_once("[[api_keys]]").map(|(_, rest)| format!("[[api_keys]]{rest}")).unwrap(),
        )
        .unwrap();
        let config = Config::load(&Sources { file: FileSource::Named(path), ..Sources::default() }).unwrap();
        assert_eq!(config.api_keys[0].name, "the \"shop\"");
        assert_eq!(config.api_keys[0].scopes, [Scope::Publish, Scope::Operate]);
        let keys = ApiKeys::new(&config.api_keys).unwrap();
        assert_eq!(keys.find(&key).map(|key| key.name()), Some("the \"shop\""));
    }
}
