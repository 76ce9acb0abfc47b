//! `belfry kinds check` and `belfry types`.

use super::failure::{Exit, Failure};
use super::out::{BAD, DIM, GOOD, NAME, Out, STRONG, WARN, styled};
use super::settings::Common;
use crate::config::Config;
use crate::kinds::{Gravity, Kind, KindFault, Kinds, KindsOptions, typescript};
use std::path::PathBuf;

/// Declared kinds of alerts
#[derive(Debug, clap::Subcommand)]
pub(crate) enum KindsCommand {
    /// Check the kind files: every fault with file, line and remedy, and each ladder as a timeline
    Check(KindsFolder),
}

/// Flags of `belfry types`.
#[derive(Debug, clap::Args)]
pub(crate) struct Types {
    #[command(flatten)]
    folder: KindsFolder,
    /// Write to this file instead of printing
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Which folder.
#[derive(Debug, clap::Args)]
pub(crate) struct KindsFolder {
    /// The folder with the kind files [default: `kinds.dir`, else ./kinds]
    dir: Option<PathBuf>,
}

#[derive(serde::Serialize)]
struct Report<'a> {
    dir: &'a PathBuf,
    kinds: Vec<KindReport<'a>>,
    faults: &'a [KindFault],
}

#[derive(serde::Serialize)]
struct KindReport<'a> {
    kind: &'a str,
    file: &'a PathBuf,
    category: &'a str,
    severity: belfry_protocol::Severity,
    locales: &'a [String],
    timeline: Vec<String>,
}

impl KindsFolder {
    /// The folder that is meant, which must be there.
    pub(crate) fn find(&self, config: &Config) -> Result<PathBuf, Failure> {
        let dir = self.dir.clone().or_else(|| config.kinds.dir.clone()).unwrap_or_else(|| "kinds".into());
        match dir.is_dir() {
            true => Ok(dir),
            false => Err(Failure::failed(format!("there is no folder `{}`", dir.display()))
                .remedy("give the folder with your kind files, or set `kinds.dir`")),
        }
    }
}

/// How the configuration reads kinds.
pub(crate) fn options(config: &Config) -> KindsOptions {
    KindsOptions {
        link_schemes: config.kinds.link_schemes.clone(),
        default_locale: config.kinds.default_locale.clone(),
    }
}

pub(crate) fn run(command: KindsCommand, common: &Common, out: &mut Out) -> Result<(), Failure> {
    let KindsCommand::Check(folder) = command;
    let config = common.load()?;
    let dir = folder.find(&config)?;
    let (kinds, errors) = match Kinds::load(&dir, &options(&config)) {
        Ok(kinds) => (kinds, Vec::new()),
        Err(errors) => (Kinds::none(), errors),
    };
    let faults = if errors.is_empty() { kinds.warnings() } else { &errors };
    if out.is_json() {
        out.json(&Report { dir: &dir, kinds: kinds.iter().map(report).collect(), faults })?;
    } else {
        for kind in kinds.iter() {
            print_kind(kind, out)?;
        }
        print_faults(faults, out)?;
        if errors.is_empty() {
            let count = kinds.iter().count();
            out.line(format_args!("{} {count} kinds in `{}`", styled(GOOD, "ok"), dir.display()))?;
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure::silent(Exit::Failed)) }
}

/// TypeScript for an application's kinds.
pub(crate) fn types(arguments: Types, common: &Common, out: &mut Out) -> Result<(), Failure> {
    let config = common.load()?;
    let dir = arguments.folder.find(&config)?;
    let kinds = match Kinds::load(&dir, &options(&config)) {
        Ok(kinds) => kinds,
        Err(faults) => {
            let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            return Err(
                Failure::failed(lines.join("\n")).remedy("correct the kinds first; `belfry kinds check`")
            );
        }
    };
    let text = typescript(&kinds);
    let Some(file) = &arguments.output else { return out.raw(&text) };
    // A file that stays as it is keeps its time, so that watching compilers rest.
    if std::fs::read_to_string(file).is_ok_and(|old| old == text) {
        out.remark(styled(DIM, format_args!("`{}` is up to date", file.display())));
        return Ok(());
    }
    std::fs::write(file, text)
        .map_err(|error| Failure::failed(format!("`{}` cannot be written: {error}", file.display())))?;
    out.remark(styled(DIM, format_args!("wrote `{}`", file.display())));
    Ok(())
}

fn report(kind: &Kind) -> KindReport<'_> {
    KindReport {
        kind: &kind.name,
        file: &kind.file,
        category: &kind.category,
        severity: kind.severity,
        locales: kind.locales(),
        timeline: kind.ladder.timeline(),
    }
}

fn print_kind(kind: &Kind, out: &mut Out) -> Result<(), Failure> {
    let severity = format!("{:?}", kind.severity).to_lowercase();
    let mut facts = vec![severity, format!("category {}", kind.category)];
    if let Some(after) = kind.expires_after {
        facts.push(format!("expires after {}", crate::duration::print(after)));
    }
    if kind.schema().is_none() {
        facts.push("any object".to_owned());
    }
    if !kind.ladder_declared {
        facts.push("default ladder".to_owned());
    }
    out.line(format_args!("{}  {}", styled(STRONG, &kind.name), styled(DIM, facts.join(", "))))?;
    kind.ladder.timeline().iter().try_for_each(|step| out.line(format_args!("  {}", styled(NAME, step))))
}

/// Faults of kind files, one line each.
pub(crate) fn print_faults(faults: &[KindFault], out: &mut Out) -> Result<(), Failure> {
    for fault in faults {
        let word = match fault.gravity {
            Gravity::Error => styled(BAD, "error"),
            Gravity::Warning => styled(WARN, "look "),
        };
        out.line(format_args!("{word} {fault}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::out::tests::kept;

    fn check(files: &[(&str, &str)], json: bool) -> (Result<(), Failure>, String) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let (mut out, written) = kept(json);
        let command = KindsCommand::Check(KindsFolder { dir: Some(folder.path().to_owned()) });
        let ended = run(command, &Common::default(), &mut out);
        (ended, written.text().replace(&folder.path().display().to_string(), "kinds"))
    }

    #[test]
    fn sound_kinds_are_listed_with_their_timeline() {
        let (ended, text) =
            check(&[("a.toml", "kind = \"exposure-detected\"\nseverity = \"critical\"\n")], false);
        assert_eq!(ended, Ok(()));
        assert!(text.contains("exposure-detected  critical") && text.contains("\n  0 s live"), "{text}");
        assert!(text.contains("ok 1 kinds in `kinds`"), "{text}");
    }

    #[test]
    fn faults_end_with_exit_code_1() {
        for json in [false, true] {
            let (ended, text) = check(&[("a.toml", "kind = \"x\"\nseverty = \"info\"\n")], json);
            assert_eq!(ended.unwrap_err().exit, Exit::Failed);
            assert!(text.contains("severty"), "{text}");
        }
    }

    #[test]
    fn types_are_printed_or_written() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.toml"), "kind = \"deal-notification\"\n").unwrap();
        let file = folder.path().join("kinds.ts");
        let arguments =
            |output| Types { folder: KindsFolder { dir: Some(folder.path().to_owned()) }, output };
        let (mut out, printed) = kept(false);
        types(arguments(None), &Common::default(), &mut out).unwrap();
        assert!(printed.text().contains("deal-notification"), "{}", printed.text());
        types(arguments(Some(file.clone())), &Common::default(), &mut out).unwrap();
        assert_eq!(
            printed.text(),
            std::fs::read_to_string(&file).unwrap() + &format!("wrote `{}`\n", file.display())
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_failure() {
        let (mut out, _) = kept(false);
        let command = KindsCommand::Check(KindsFolder { dir: Some("/nowhere".into()) });
        assert!(run(command, &Common::default(), &mut out).unwrap_err().message.contains("`/nowhere`"));
    }
}
