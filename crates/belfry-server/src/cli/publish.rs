//! `belfry publish`: one alert by flags, or a file of them.

use super::failure::Failure;
use super::out::{BAD, DIM, GOOD, NAME, Out, STRONG, harmless, styled};
use super::remote::{Remote, Target};
use super::settings::Common;
use crate::config::Scope;
use belfry_client::{PublishError, Publisher, PublisherOptions, RetryPolicy};
use belfry_protocol::{AlertAnswer, Audience, GroupId, NewAlert, Severity, UserId};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde_json::value::RawValue;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

/// Flags of `belfry publish`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").args(["user", "group", "everyone", "file"]).required(true))]
pub(crate) struct Publish {
    /// For this user; may be given several times
    #[arg(long)]
    user: Vec<UserId>,
    /// For whoever is in this group
    #[arg(long)]
    group: Option<GroupId>,
    /// For everyone
    #[arg(long)]
    everyone: bool,
    /// Publish every line of this file (NDJSON, a body of `POST /v1/alerts` each; `-`: standard input)
    #[arg(long, conflicts_with_all = ["kind", "data", "title", "body", "link", "image", "severity", "category",
        "thread", "collapse_key", "expires_at", "expires_after", "quiet"])]
    file: Option<PathBuf>,
    /// The alert's kind
    #[arg(long, required_unless_present = "file")]
    kind: Option<String>,
    /// The kind's own payload, a JSON object: `{…}`, `@FILE`, or `-` for standard input
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    /// Heading [default: from the kind's template]
    #[arg(long)]
    title: Option<String>,
    /// Text below the heading [default: from the kind's template]
    #[arg(long)]
    body: Option<String>,
    /// Where a click leads: a path or an https URL
    #[arg(long)]
    link: Option<String>,
    /// A picture: a path or an https URL
    #[arg(long)]
    image: Option<String>,
    /// How much it matters [default: the kind's, else info]
    #[arg(long)]
    severity: Option<SeverityArgument>,
    /// What preferences are set on [default: the kind's]
    #[arg(long)]
    category: Option<String>,
    /// Alerts of one thread belong together
    #[arg(long)]
    thread: Option<String>,
    /// Take the place of the newest unread alert with the same key
    #[arg(long, value_name = "KEY")]
    collapse_key: Option<String>,
    /// When it stops to matter (RFC 3339)
    #[arg(long, value_name = "TIME", conflicts_with = "expires_after")]
    expires_at: Option<Timestamp>,
    /// How long it matters, for example 2h
    #[arg(long, value_name = "DURATION", value_parser = super::token::duration)]
    expires_after: Option<Duration>,
    /// Badge yes, toast and sound no
    #[arg(long)]
    quiet: bool,
    /// Repeating the call with the same key publishes nothing twice; with `--file`, line n has KEY#n
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// A severity on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SeverityArgument {
    Info,
    Warning,
    Critical,
}

impl From<SeverityArgument> for Severity {
    fn from(severity: SeverityArgument) -> Self {
        match severity {
            SeverityArgument::Info => Self::Info,
            SeverityArgument::Warning => Self::Warning,
            SeverityArgument::Critical => Self::Critical,
        }
    }
}

pub(crate) async fn run(
    arguments: Publish,
    common: &Common,
    now: Timestamp,
    out: &mut Out,
) -> Result<(), Failure> {
    let remote = Remote::find(common, &arguments.target, Scope::Publish)?;
    let publisher = publisher(&remote)?;
    if let Some(file) = &arguments.file {
        let key = arguments.idempotency_key.as_deref();
        return super::publish_batch::run(&publisher, &remote.url(), file, key, out).await;
    }
    let alert = alert(arguments, now)?;
    let answer = publisher.publish(&alert).await.map_err(|error| failure(&error, &remote.url()))?;
    if out.is_json() {
        return out.json(&answer);
    }
    print_answer(&answer, out)
}

/// A publisher that gives up soon: somebody is waiting.
fn publisher(remote: &Remote) -> Result<Publisher, Failure> {
    let options = PublisherOptions {
        retry: RetryPolicy { attempts: 3, ..RetryPolicy::default() },
        ..PublisherOptions::new(remote.url(), remote.api_key()?.expose_secret())
    };
    Publisher::with_options(options).map_err(|error| failure(&error, &remote.url()))
}

/// What a failed publish means for the exit code.
pub(super) fn failure(error: &PublishError, url: &str) -> Failure {
    match error {
        PublishError::Refused(problem) => Failure::of_problem(problem),
        PublishError::Unavailable { problem: Some(problem), .. } => Failure::of_problem(problem),
        PublishError::Unavailable { detail, .. } => {
            Failure::unreachable(format!("{url} cannot be reached: {}", harmless(detail)))
                .remedy("start `belfry dev` or `belfry serve`, or give another `--url`")
        }
        PublishError::Unexpected { .. } => Failure::refused(harmless(&error.to_string()))
            .remedy("check that `--url` leads to Belfry and not to something else"),
        PublishError::Misconfigured(text) => Failure::usage(text.clone()),
    }
}

fn alert(arguments: Publish, now: Timestamp) -> Result<NewAlert, Failure> {
    let data = arguments.data.as_deref().map(payload).transpose()?;
    let expires_at = match arguments.expires_after {
        Some(after) => SignedDuration::try_from(after)
            .ok()
            .and_then(|after| now.checked_add(after).ok())
            .map(Some)
            .ok_or_else(|| Failure::usage("`--expires-after` is too long"))?,
        None => arguments.expires_at,
    };
    let mut users = arguments.user;
    let to = match (arguments.group, arguments.everyone) {
        (Some(group), _) => Audience::Group(group),
        (None, true) => Audience::Everyone(true),
        (None, false) if users.len() == 1 => Audience::User(users.remove(0)),
        (None, false) => Audience::Users(users),
    };
    Ok(NewAlert {
        to,
        kind: arguments.kind.unwrap_or_default(),
        data,
        title: arguments.title,
        body: arguments.body,
        link: arguments.link,
        image: arguments.image,
        actions: Vec::new(),
        severity: arguments.severity.map(Severity::from),
        category: arguments.category,
        thread: arguments.thread,
        collapse_key: arguments.collapse_key,
        expires_at,
        quiet: arguments.quiet,
        idempotency_key: arguments.idempotency_key,
        ladder: None,
    })
}

/// The payload as it is written, `@FILE`, or `-`.
fn payload(argument: &str) -> Result<Box<RawValue>, Failure> {
    let text = match argument.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| Failure::failed(format!("`{file}` cannot be read: {error}")))?,
        None if argument == "-" => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Failure::failed(format!("standard input cannot be read: {error}")))?;
            text
        }
        None => argument.to_owned(),
    };
    let raw: Box<RawValue> = serde_json::from_str(text.trim())
        .map_err(|error| Failure::usage(format!("`--data` is no JSON: {error}")))?;
    match raw.get().starts_with('{') {
        true => Ok(raw),
        false => Err(Failure::usage("`--data` must be a JSON object, `{…}`")),
    }
}

fn print_answer(answer: &AlertAnswer, out: &mut Out) -> Result<(), Failure> {
    let for_whom = match answer.recipients {
        None => "everyone".to_owned(),
        Some(1) => "1 recipient".to_owned(),
        Some(count) => format!("{count} recipients"),
    };
    out.line(format_args!("{} {} for {for_whom}", styled(GOOD, "stored"), styled(STRONG, answer.id)))?;
    for notification in &answer.notifications {
        let user = harmless(notification.user.as_str());
        out.line(format_args!("  {} {}", styled(NAME, user), styled(DIM, notification.seq)))?;
    }
    out.remark(styled(DIM, format_args!("belfry trace {}", answer.id)));
    Ok(())
}

/// A refused line of a batch.
pub(super) fn print_refused(line: u32, failure: &Failure, out: &mut Out) -> Result<(), Failure> {
    out.line(format_args!("{} line {line}: {}", styled(BAD, "refused"), failure.message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Exit;
    use clap::{Args, FromArgMatches};

    fn parse(line: &[&str]) -> Result<Publish, clap::Error> {
        let command = Publish::augment_args(clap::Command::new("publish").no_binary_name(true));
        Publish::from_arg_matches(&command.try_get_matches_from(line)?)
    }

    #[test]
    fn flags_become_the_body_of_an_alert() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let line = [
            "--user",
            "ann",
            "--user",
            "bob",
            "--kind",
            "k",
            "--data",
            " {\"a\": 1}",
            "--severity",
            "critical",
            "--expires-after",
            "1h",
            "--quiet",
            "--collapse-key",
            "c",
        ];
        let alert = alert(parse(&line).unwrap(), now).unwrap();
        assert_eq!(
            serde_json::to_value(&alert).unwrap(),
            serde_json::json!({"to": {"users": ["ann", "bob"]}, "kind": "k", "data": {"a": 1}, "severity": "critical",
                "expires_at": "2026-01-02T04:04:05Z", "quiet": true, "collapse_key": "c"})
        );
    }

    #[test]
    fn exactly_one_audience_or_a_file_is_wanted() {
        assert!(parse(&["--kind", "k"]).is_err());
        assert!(parse(&["--kind", "k", "--user", "a", "--group", "g"]).is_err());
        assert!(parse(&["--user", "a"]).is_err(), "the kind is missing");
        assert!(parse(&["--file", "f", "--kind", "k"]).is_err());
        assert!(parse(&["--file", "f"]).is_ok());
        assert!(parse(&["--everyone", "--kind", "k"]).is_ok());
    }

    #[test]
    fn data_that_is_no_object_is_a_usage_error() {
        for bad in ["[1]", "{", "1", "@/nowhere/at/all"] {
            let failure = payload(bad).unwrap_err();
            assert_eq!(failure.exit, if bad.starts_with('@') { Exit::Failed } else { Exit::Usage }, "{bad}");
        }
    }
}
