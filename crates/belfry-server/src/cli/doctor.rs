//! `belfry doctor`: what is right and wrong with configuration, disk, machine and server.

mod channels;
mod email;
mod probes;

use super::dev_keys::DevKeys;
use super::failure::{Exit, Failure};
use super::out::{BAD, DIM, GOOD, Out, WARN, styled};
use super::remote::{Remote, Target};
use super::settings::Common;
use crate::clock::Now;
use crate::config::{Config, Mode, Scope, Weight};

/// Flags of `belfry doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    target: Target,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One check, told in one line.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct Check {
    name: &'static str,
    verdict: Verdict,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Check {
    pub(super) fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, detail: detail.into(), remedy: None }
    }

    pub(super) fn warn(name: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warn, detail: detail.into(), remedy: Some(remedy.into()) }
    }

    pub(super) fn fail(name: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Fail, detail: detail.into(), remedy: Some(remedy.into()) }
    }
}

pub(crate) async fn run(arguments: Doctor, common: &Common, now: Now, out: &mut Out) -> Result<(), Failure> {
    let mut failed = false;
    let mut tell = |check: Check, out: &mut Out| {
        failed |= check.verdict == Verdict::Fail;
        print(&check, out)
    };
    let config = match Config::load(&common.sources(Vec::new())) {
        Ok(config) => config,
        Err(faults) => {
            tell(
                Check::fail(
                    "configuration",
                    faults.to_string(),
                    "correct it; `belfry check-config` shows it again",
                ),
                out,
            )?;
            return Err(Failure::silent(Exit::Failed));
        }
    };
    let config = as_it_would_run(config)?;
    for check in configuration(&config) {
        tell(check, out)?;
    }
    tell(probes::data_dir(&config), out)?;
    tell(probes::write_ahead_log(&config), out)?;
    tell(probes::open_files(&config), out)?;
    tell(probes::clock(&config, now), out)?;
    tell(probes::kinds(&config), out)?;
    tell(probes::token(&config, now), out)?;
    for check in channels::all(&config, now.at).await {
        tell(check, out)?;
    }
    if let Some(check) = email::relay(&config, now.at).await {
        tell(check, out)?;
    }
    let remote = Remote::find(common, &arguments.target, Scope::Operate)?;
    let named = arguments.target.url.is_some();
    for check in probes::server(&remote, &config, now, named).await {
        tell(check, out)?;
    }
    if failed { Err(Failure::silent(Exit::Failed)) } else { Ok(()) }
}

/// In a folder of `belfry dev` its keys count as configured.
fn as_it_would_run(mut config: Config) -> Result<Config, Failure> {
    if let Some(keys) = DevKeys::read(&config.server.data_dir)? {
        keys.apply(&mut config);
        config.mode = Mode::Dev;
    }
    Ok(config)
}

fn configuration(config: &Config) -> Vec<Check> {
    let findings = config.check();
    if findings.is_empty() {
        let mode = match config.mode {
            Mode::Dev => "sound, with the keys of `belfry dev`",
            Mode::Serve => "sound",
        };
        return vec![Check::ok("configuration", mode)];
    }
    let check = |finding: crate::config::Finding| {
        let detail = format!("`{}`: {}", finding.key, finding.message);
        match finding.weight {
            Weight::Error => Check::fail("configuration", detail, finding.remedy),
            Weight::Warning => Check::warn("configuration", detail, finding.remedy),
        }
    };
    findings.into_iter().map(check).collect()
}

fn print(check: &Check, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        return out.json(check);
    }
    let word = match check.verdict {
        Verdict::Ok => styled(GOOD, "ok  "),
        Verdict::Warn => styled(WARN, "warn"),
        Verdict::Fail => styled(BAD, "fail"),
    };
    out.line(format_args!("{word} {:<15} {}", check.name, check.detail))?;
    match check.remedy.as_deref().filter(|remedy| !remedy.is_empty()) {
        Some(remedy) => out.line(styled(DIM, format_args!("     {:<15} {remedy}", ""))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::out::tests::kept;

    fn doctor(folder: &std::path::Path) -> (Result<(), Failure>, String) {
        let (mut out, written) = kept(false);
        let common = Common { data_dir: Some(folder.to_owned()), ..Common::default() };
        // Nobody listens on port 1.
        let target = Target { url: Some("http://127.0.0.1:1".to_owned()), api_key: None };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ended = runtime.block_on(run(Doctor { target }, &common, crate::clock::now(), &mut out));
        (ended, written.text())
    }

    #[test]
    fn every_check_says_what_it_found_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let (ended, text) = doctor(folder.path());
        assert_eq!(ended.unwrap_err().exit, Exit::Failed);
        assert!(text.contains("fail configuration   `auth.jwt_secret`: there is no key"), "{text}");
        assert!(text.contains("ok   data folder"), "{text}");
        assert!(text.contains("fail server"), "{text}");
    }

    #[test]
    fn the_keys_of_dev_count_as_configured() {
        let folder = tempfile::tempdir().unwrap();
        DevKeys::read_or_make(folder.path()).unwrap();
        let (_, text) = doctor(folder.path());
        assert!(text.contains("ok   configuration   sound, with the keys of `belfry dev`"), "{text}");
        assert!(text.contains("ok   token"), "{text}");
    }
}
