//! `belfry kinds check`, `belfry kinds render` and `belfry types`.

use super::failure::{Exit, Failure};
use super::out::{BAD, DIM, GOOD, NAME, Out, STRONG, WARN, styled};
use super::settings::Common;
pub(crate) use crate::app::kinds_options as options;
use crate::config::Config;
use crate::kinds::{
    AlertFacts, Everyone, Given, Gravity, Kind, KindFault, Kinds, RenderInput, Rendered, TemplateFault,
    UserFacts, typescript,
};
use std::path::{Path, PathBuf};

/// Declared kinds of alerts
#[derive(Debug, clap::Subcommand)]
pub(crate) enum KindsCommand {
    /// Check the kind files: every fault with file, line and remedy, and each ladder as a timeline
    Check(KindsFolder),
    /// Show what a kind's templates write, in one language
    Render(RenderOne),
}

/// Flags of `belfry kinds render`.
#[derive(Debug, clap::Args)]
pub(crate) struct RenderOne {
    /// The kind
    kind: String,
    #[command(flatten)]
    folder: KindsFolder,
    /// A JSON file with the alert's `data` [default: the smallest that the schema allows]
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
    /// The person's language [default: `kinds.default_locale`]
    #[arg(long)]
    locale: Option<String>,
    /// The person's time zone [default: `fallback.time_zone`]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Print the HTML alone, for a file that a browser opens
    #[arg(long)]
    html: bool,
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
    /// Those of them that have HTML of their own.
    html: Vec<&'a str>,
    /// How its alerts for everyone go out.
    everyone: Everyone,
    timeline: Vec<String>,
}

/// What the templates wrote.
#[derive(serde::Serialize)]
struct Sample<'a> {
    kind: &'a str,
    /// The language that speaks.
    locale: Option<&'a str>,
    title: String,
    body: Option<String>,
    link: Option<String>,
    image: Option<String>,
    thread: Option<String>,
    collapse_key: Option<String>,
    actions: Vec<belfry_protocol::Action>,
    html: Option<String>,
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

pub(crate) fn run(command: KindsCommand, common: &Common, out: &mut Out) -> Result<(), Failure> {
    match command {
        KindsCommand::Check(folder) => check(&folder, common, out),
        KindsCommand::Render(arguments) => render(&arguments, common, out),
    }
}

fn check(folder: &KindsFolder, common: &Common, out: &mut Out) -> Result<(), Failure> {
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

/// What one kind's templates write.
fn render(arguments: &RenderOne, common: &Common, out: &mut Out) -> Result<(), Failure> {
    let config = common.load()?;
    let kinds = load(&arguments.folder.find(&config)?, &config)?;
    let kind = match kinds.find(&arguments.kind) {
        Ok(Some(kind)) => kind,
        Ok(None) => return Err(Failure::failed("no kind is declared there")),
        Err(error) => return Err(Failure::failed(error.to_string())),
    };
    let data = sample_data(kind, arguments.sample.as_deref())?;
    let locale = arguments.locale.as_deref().unwrap_or(&config.kinds.default_locale);
    let time_zone = arguments.time_zone.as_deref();
    let input = RenderInput {
        locale,
        data: &data,
        alert: AlertFacts {
            id: "01998e5f-0000-7000-8000-000000000000",
            kind: &kind.name,
            severity: kind.severity,
            created_at: "2026-01-31T09:30:00Z".parse().expect("it is a time"),
        },
        user: time_zone.map(|_| UserFacts { id: "ann", name: Some("Ann"), locale: Some(locale), time_zone }),
        given: Given::default(),
    };
    let failed = |fault: TemplateFault| {
        Failure::failed(fault.to_string())
            .remedy("give the fields it uses with `--sample`, or correct the template")
    };
    let Rendered { title, body, link, image, thread, collapse_key, actions } =
        kind.render(&input).map_err(failed)?;
    let html = kind.html(&input).map_err(failed)?;
    let locale = kind.speaks(locale);
    if arguments.html {
        let missing = || {
            let language = locale.unwrap_or("any language");
            Failure::failed(format!(
                "`{}` has no HTML in {language}: mails get the default layout",
                kind.name
            ))
        };
        return out.raw(&html.ok_or_else(missing)?);
    }
    let sample =
        Sample { kind: &kind.name, locale, title, body, link, image, thread, collapse_key, actions, html };
    if out.is_json() { out.json(&sample) } else { print_sample(&sample, out) }
}

/// The payload to render: of the file, else made up.
fn sample_data(kind: &Kind, file: Option<&Path>) -> Result<serde_json::Value, Failure> {
    let Some(file) = file else {
        return Ok(kind.sample().unwrap_or_else(|| serde_json::json!({})));
    };
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::failed(format!("`{}` cannot be read: {error}", file.display())))?;
    let data = serde_json::from_str(&text)
        .map_err(|error| Failure::failed(format!("`{}` is no JSON: {error}", file.display())))?;
    kind.validate(&data).map_err(|faults| {
        let lines: Vec<String> =
            faults.iter().map(|fault| format!("`{}` {}", fault.pointer, fault.detail)).collect();
        let problem = format!("the sample does not match the schema:\n{}", lines.join("\n"));
        Failure::failed(problem).remedy("correct the sample; it holds what a publish calls `data`")
    })?;
    Ok(data)
}

fn print_sample(sample: &Sample<'_>, out: &mut Out) -> Result<(), Failure> {
    let language = sample.locale.unwrap_or("no language");
    out.line(format_args!("{}  {}", styled(STRONG, sample.kind), styled(DIM, language)))?;
    let texts = [
        ("title", Some(&sample.title)),
        ("body", sample.body.as_ref()),
        ("link", sample.link.as_ref()),
        ("image", sample.image.as_ref()),
        ("thread", sample.thread.as_ref()),
        ("collapse", sample.collapse_key.as_ref()),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            let indented = text.replace('\n', "\n           ");
            out.line(format_args!("  {}{}", styled(NAME, format_args!("{name:<9}")), indented))?;
        }
    }
    for action in &sample.actions {
        let link = action.link.as_deref().unwrap_or_default();
        out.line(format_args!("  {}{}  {}", styled(NAME, "action   "), action.label, styled(DIM, link)))?;
    }
    match &sample.html {
        Some(html) => out.line(format_args!("  {}\n{html}", styled(NAME, "html"))),
        None => out.line(format_args!("  {}{}", styled(NAME, "html     "), styled(DIM, "default layout"))),
    }
}

fn load(dir: &Path, config: &Config) -> Result<Kinds, Failure> {
    Kinds::load(dir, &options(config)).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Failure::failed(lines.join("\n")).remedy("correct the kinds first; `belfry kinds check`")
    })
}

/// TypeScript for an application's kinds.
pub(crate) fn types(arguments: Types, common: &Common, out: &mut Out) -> Result<(), Failure> {
    let config = common.load()?;
    let kinds = load(&arguments.folder.find(&config)?, &config)?;
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
        html: kind.locales().iter().map(String::as_str).filter(|locale| kind.has_html(locale)).collect(),
        everyone: kind.everyone,
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
    if !kind.locales().is_empty() {
        let languages = kind.locales().iter().map(|locale| match kind.has_html(locale) {
            true => format!("{locale} (html)"),
            false => locale.clone(),
        });
        out.line(format_args!("  in {}", languages.collect::<Vec<_>>().join(", ")))?;
    }
    let steps = kind.ladder.timeline();
    steps.iter().try_for_each(|step| out.line(format_args!("  {}", styled(NAME, step))))?;
    // With one step there is nothing that everyone could not get.
    match (kind.everyone, steps.len()) {
        (_, 1) => Ok(()),
        (Everyone::Live, _) => out.line(format_args!("  {}", styled(DIM, "to everyone: the live step only"))),
        (Everyone::Ladder, _) => {
            let text =
                "to everyone: all steps, the later ones for those who were there before and did not answer";
            out.line(format_args!("  {}", styled(DIM, text)))
        }
    }
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
    fn how_alerts_for_everyone_go_out_stands_below_the_timeline() {
        let (_, text) = check(&[("a.toml", "kind = \"notice\"\n")], false);
        assert!(text.contains("only if push failed\n  to everyone: the live step only\n"), "{text}");
        let ladder = &[("a.toml", "kind = \"outage\"\neveryone = \"ladder\"\n")];
        let (_, text) = check(ladder, false);
        assert!(
            text.contains("\n  to everyone: all steps, the later ones for those who were there before"),
            "{text}"
        );
        let (_, text) = check(ladder, true);
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["kinds"][0]["everyone"], "ladder");
        let live = "kind = \"flash\"\neveryone = \"ladder\"\n[[ladder]]\nchannel = \"live\"\n";
        let (ended, text) = check(&[("a.toml", live)], false);
        assert_eq!(ended, Ok(()));
        assert!(text.contains("a.toml:2: warning: `everyone`: the ladder has no step but live"), "{text}");
        assert!(!text.contains("to everyone"), "{text}");
    }

    const SPEAKS: &str = r#"
kind = "deal"
schema = { type = "object", required = ["count"], properties = { count.type = "integer" } }
[templates.en]
title = "{{ data.count | plural(one='# deal', other='# deals') }}"
body = "At {{ alert.created_at | date }}\nGo."
html = "<b>{{ data.count }}</b>"
[templates.de]
title = "{{ data.count }} Angebote"
"#;

    fn rendered(flags: &[&str], sample: Option<&str>, json: bool) -> Result<String, Failure> {
        #[derive(clap::Parser)]
        struct Line {
            #[command(subcommand)]
            command: KindsCommand,
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("deal.toml"), SPEAKS).unwrap();
        let file = folder.path().join("sample.json");
        let dir = folder.path().display().to_string();
        let mut words = vec!["kinds", "render", "deal", dir.as_str()];
        words.extend(flags);
        let path = file.display().to_string();
        if let Some(sample) = sample {
            std::fs::write(&file, sample).unwrap();
            words.extend(["--sample", path.as_str()]);
        }
        let line = <Line as clap::Parser>::try_parse_from(words).unwrap();
        let (mut out, written) = kept(json);
        run(line.command, &Common::default(), &mut out).map(|()| written.text())
    }

    #[test]
    fn languages_are_listed_with_their_html() {
        let (ended, text) = check(&[("a.toml", SPEAKS)], false);
        assert_eq!(ended, Ok(()));
        assert!(text.contains("\n  in en (html), de\n"), "{text}");
        let (_, text) = check(&[("a.toml", SPEAKS)], true);
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["kinds"][0]["html"], serde_json::json!(["en"]));
    }

    #[test]
    fn an_author_sees_what_the_templates_write() {
        let text = rendered(&[], None, false).unwrap();
        let expected = "deal  en\n  title    1 deal\n  body     At 2026-01-31 09:30 UTC\n           Go.\n  html\n<b>1</b>\n";
        assert_eq!(text, expected);
        let text = rendered(&["--locale", "de-AT"], Some(r#"{"count": 4}"#), false).unwrap();
        assert_eq!(text, "deal  de\n  title    4 Angebote\n  html     default layout\n");
        let text = rendered(&["--time-zone", "Asia/Kolkata"], Some(r#"{"count": 4}"#), true).unwrap();
        let sample: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&sample["title"], &sample["locale"]), (&"4 deals".into(), &"en".into()));
        assert_eq!(sample["body"], "At 2026-01-31 15:00\nGo.");
    }

    #[test]
    fn html_alone_is_printed_where_there_is_some() {
        assert_eq!(rendered(&["--html"], None, false).unwrap().trim_end(), "<b>1</b>");
        let failure = rendered(&["--html", "--locale", "de"], None, false).unwrap_err();
        assert_eq!(failure.message, "`deal` has no HTML in de: mails get the default layout");
    }

    #[test]
    fn a_sample_that_does_not_fit_is_a_failure() {
        let failure = rendered(&[], Some(r#"{"count": "x"}"#), false).unwrap_err();
        assert!(failure.message.contains("`/data/count`"), "{}", failure.message);
        assert!(rendered(&[], Some("{"), false).unwrap_err().message.contains("is no JSON"));
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
