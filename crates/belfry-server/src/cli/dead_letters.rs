//! `belfry dead-letters list`, `belfry dead-letters replay`.

use super::failure::Failure;
use super::out::{DIM, NAME, Out, STRONG, WARN, harmless, moment, styled};
use super::remote::{Remote, Target};
use super::settings::Common;
use crate::config::Scope;
use belfry_protocol::delivery::{
    DEAD_LETTERS_MAX, DeadLetter, DeadLetterFilter, DeadLetterId, DeadLetters, ReplayAnswer, ReplayBody,
};
use belfry_protocol::{AlertId, Channel, UserId};
use jiff::Timestamp;
use reqwest::{Method, Url};

/// What could not be sent
#[derive(Debug, clap::Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// Print what could not be sent, and why
    List(List),
    /// Send it again; what expired or was read meanwhile stays where it is
    Replay(ReplayArguments),
}

/// Which ones.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Which {
    /// Of this person
    #[arg(long)]
    user: Option<UserId>,
    /// Of this alert
    #[arg(long, value_name = "ID")]
    alert: Option<AlertId>,
    /// Of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Of this category
    #[arg(long)]
    category: Option<String>,
    /// Whose last step was this: live, push, email or webhook
    #[arg(long)]
    channel: Option<Channel>,
    /// With exactly this reason, for example no-address
    #[arg(long)]
    reason: Option<String>,
    /// Given up at or after this moment (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Given up before this moment (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
}

/// Flags of `belfry dead-letters list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    which: Which,
    /// Most lines
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Go on after this one
    #[arg(long, value_name = "ID")]
    after: Option<DeadLetterId>,
    #[command(flatten)]
    target: Target,
}

/// Flags of `belfry dead-letters replay`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArguments {
    /// These; may be given several times
    #[arg(
        long = "id",
        value_name = "ID",
        value_delimiter = ',',
        conflicts_with_all = ["user", "alert", "kind", "category", "channel", "reason", "since", "until", "all"]
    )]
    ids: Vec<DeadLetterId>,
    #[command(flatten)]
    which: Which,
    /// All of them
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    target: Target,
}

impl Which {
    fn filter(self) -> DeadLetterFilter {
        let Self { user, alert, kind, category, channel, reason, since, until } = self;
        DeadLetterFilter { user, alert, kind, category, channel, reason, since, until }
    }
}

pub(crate) async fn run(
    command: DeadLettersCommand,
    common: &Common,
    now: Timestamp,
    out: &mut Out,
) -> Result<(), Failure> {
    match command {
        DeadLettersCommand::List(arguments) => list(arguments, common, out).await,
        DeadLettersCommand::Replay(arguments) => replay(arguments, common, now, out).await,
    }
}

/// The filter as query parameters.
fn ask(url: &mut Url, filter: &DeadLetterFilter) {
    let DeadLetterFilter { user, alert, kind, category, channel, reason, since, until } = filter;
    let given = [
        ("user", user.as_ref().map(ToString::to_string)),
        ("alert", alert.map(|alert| alert.to_string())),
        ("kind", kind.clone()),
        ("category", category.clone()),
        ("channel", channel.map(|channel| channel.as_str().to_owned())),
        ("reason", reason.clone()),
        ("since", since.map(|at| at.to_string())),
        ("until", until.map(|at| at.to_string())),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, &value);
        }
    }
}

async fn list(arguments: List, common: &Common, out: &mut Out) -> Result<(), Failure> {
    let remote = Remote::find(common, &arguments.target, Scope::Operate)?;
    let filter = arguments.which.filter();
    let (mut after, mut left) = (arguments.after, arguments.limit);
    let mut any = false;
    loop {
        let mut url = remote.resource(&["v1", "dead-letters"]);
        ask(&mut url, &filter);
        url.query_pairs_mut().append_pair("limit", &left.min(DEAD_LETTERS_MAX).to_string());
        if let Some(after) = after {
            url.query_pairs_mut().append_pair("after", &after.to_string());
        }
        let page: DeadLetters = remote.fetch(remote.request(Method::GET, url)?).await?;
        left = left.saturating_sub(u32::try_from(page.dead_letters.len()).unwrap_or(u32::MAX));
        for letter in &page.dead_letters {
            any = true;
            print(letter, out)?;
        }
        match page.next {
            Some(next) if left > 0 => after = Some(next),
            Some(next) => {
                out.remark(styled(DIM, format_args!("there are more: `--after {next}`")));
                return Ok(());
            }
            None => {
                if !any {
                    out.remark(styled(DIM, "there is none"));
                }
                return Ok(());
            }
        }
    }
}

fn print(letter: &DeadLetter, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        return out.json(letter);
    }
    out.line(format_args!(
        "{:<6} {}  {}  {}  {}  {}",
        letter.id,
        styled(DIM, moment(letter.at)),
        styled(STRONG, harmless(letter.user.as_str())),
        styled(NAME, harmless(&letter.kind)),
        styled(DIM, letter.alert),
        styled(WARN, format_args!("{}: {}", letter.channel.as_str(), harmless(&letter.reason))),
    ))
}

async fn replay(
    arguments: ReplayArguments,
    common: &Common,
    now: Timestamp,
    out: &mut Out,
) -> Result<(), Failure> {
    let filter = arguments.which.filter();
    if arguments.ids.is_empty() && filter == DeadLetterFilter::default() && !arguments.all {
        return Err(Failure::usage("which dead letters?")
            .remedy("give `--id`, something they have in common (`--reason`, `--kind`, …), or `--all`"));
    }
    let remote = Remote::find(common, &arguments.target, Scope::Operate)?;
    let mut replayed: u32 = 0;
    if arguments.ids.is_empty() {
        // What fails again while this runs is younger than that, and stays.
        let filter = DeadLetterFilter { until: filter.until.or(Some(now)), ..filter };
        let request = ReplayBody { ids: None, filter: Some(filter) };
        loop {
            let answer = replay_once(&remote, &request).await?;
            replayed = replayed.saturating_add(answer.replayed);
            if !answer.more {
                break;
            }
        }
    } else {
        for ids in arguments.ids.chunks(DEAD_LETTERS_MAX as usize) {
            let answer = replay_once(&remote, &ReplayBody { ids: Some(ids.to_vec()), filter: None }).await?;
            replayed = replayed.saturating_add(answer.replayed);
        }
    }
    if out.is_json() {
        return out.json(&ReplayAnswer { replayed, more: false });
    }
    match replayed {
        1 => out.line("1 is on its way again"),
        count => out.line(format_args!("{count} are on their way again")),
    }
}

async fn replay_once(remote: &Remote, request: &ReplayBody) -> Result<ReplayAnswer, Failure> {
    let url = remote.resource(&["v1", "dead-letters", "replay"]);
    remote.fetch(remote.request(Method::POST, url)?.json(request)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::out::tests::kept;

    #[test]
    fn a_dead_letter_is_one_line() {
        let letter: DeadLetter = serde_json::from_value(serde_json::json!({
            "id": "17", "alert": "019ac5f2-8e10-7000-9c4d-5b7a1e2f3c42", "user": "ann", "kind": "deal-notification",
            "category": "deals", "step": 2, "channel": "email", "reason": "550 5.1.1\u{1b}[2J",
            "at": "2026-11-23T09:30:00.451Z"
        }))
        .unwrap();
        let (mut out, written) = kept(false);
        print(&letter, &mut out).unwrap();
        insta::assert_snapshot!(written.text(), @"17     2026-11-23T09:30:00Z  ann  deal-notification  019ac5f2-8e10-7000-9c4d-5b7a1e2f3c42  email: 550 5.1.1�[2J");
    }

    #[test]
    fn a_filter_is_asked_for_as_it_is_written() {
        let which = Which {
            user: Some("a&b".parse().unwrap()),
            channel: Some(Channel::Email),
            until: Some("2026-11-23T09:30:00Z".parse().unwrap()),
            ..Which::default()
        };
        let mut url = Url::parse("http://h:1/v1/dead-letters").unwrap();
        ask(&mut url, &which.filter());
        assert_eq!(url.query(), Some("user=a%26b&channel=email&until=2026-11-23T09%3A30%3A00Z"));
    }
}
