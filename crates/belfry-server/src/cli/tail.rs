//! `belfry tail --user ann`: a user's alerts and changes as they happen.

use super::failure::Failure;
use super::out::{BAD, DIM, NAME, Out, STRONG, Style, WARN, harmless, styled};
use super::remote::{Remote, Target};
use super::settings::Common;
use super::token::{mint, minter};
use crate::config::Scope;
use belfry_client::{
    Changed, Connection, Event, Origin, Receipts, StopReason, Subscriber, SubscriberOptions, TokenSource,
    Trouble,
};
use belfry_protocol::frame::{Change, ChangedItem};
use belfry_protocol::{Cursor, Item, Severity, UserId};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::ExposeSecret;
use serde_json::json;
use std::time::Duration;

/// How long a token is valid that `tail` makes for itself; the subscriber renews it in time.
const TOKEN_VALID_FOR: Duration = Duration::from_secs(600);

/// Flags of `belfry tail`.
#[derive(Debug, clap::Args)]
pub(crate) struct Tail {
    /// Whose alerts; a token is made with the secret of the configuration or of `belfry dev`
    #[arg(long, required_unless_present = "token")]
    user: Option<UserId>,
    /// A token from elsewhere
    #[arg(long, env = "BELFRY_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Continue behind this cursor; `tail` prints one when it ends
    #[arg(long, value_name = "CURSOR")]
    from: Option<Cursor>,
    /// End after this many alerts
    #[arg(long, value_name = "COUNT")]
    count: Option<u64>,
    /// Confirm nothing: the alerts stay unreceived as far as this command is concerned
    #[arg(long)]
    silent: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(arguments: Tail, common: &Common, out: &mut Out) -> Result<(), Failure> {
    let remote = Remote::find(common, &arguments.target, Scope::Publish)?;
    let token = match (&arguments.token, &arguments.user) {
        (Some(token), _) => TokenSource::fixed(token.as_str()),
        (None, Some(user)) => own_tokens(common, user.clone())?,
        (None, None) => return Err(Failure::usage("give `--user` or `--token`")),
    };
    let mut options = SubscriberOptions::new(remote.url(), token)
        .from(arguments.from)
        .receipts(if arguments.silent { Receipts::Silent } else { Receipts::Send });
    options.user = arguments.user.clone();
    let (subscriber, mut events) =
        Subscriber::connect(options).map_err(|error| Failure::usage(error.to_string()))?;
    let mut printer = Printer { zone: TimeZone::system(), url: remote.url(), unread: 0, was_live: false };
    let mut left = arguments.count;
    // Listened to before the first line is printed: whoever reads that line may end us at once.
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    if futures_util::poll!(interrupted.as_mut()).is_ready() {
        return Ok(());
    }
    let ended = loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = interrupted.as_mut() => break Ok(()),
        };
        let Some(event) = event else { break Ok(()) };
        let is_alert = matches!(event, Event::Alert(..));
        if let Event::Connection(Connection::Stopped(reason)) = &event {
            break stopped(reason);
        }
        match out.is_json() {
            true => print_frame(&event, out)?,
            false => printer.print(&event, out)?,
        }
        if let Some(left) = left.as_mut().filter(|_| is_alert) {
            *left = left.saturating_sub(1);
            if *left == 0 {
                break Ok(());
            }
        }
    };
    if let Some(cursor) = subscriber.cursor() {
        out.remark(styled(DIM, format_args!("continue with `--from {cursor}`")));
    }
    // The last receipts go out before the connection ends.
    subscriber.close().await;
    while let Ok(Some(_)) = tokio::time::timeout(Duration::from_secs(1), events.next()).await {}
    ended
}

/// A fresh token whenever one is wanted.
fn own_tokens(common: &Common, user: UserId) -> Result<TokenSource, Failure> {
    let minter = minter(&common.load()?)?;
    Ok(TokenSource::refresh(move |_| {
        let token = mint(&minter, &user, TOKEN_VALID_FOR, Vec::new(), crate::clock::now());
        async move { Ok(Some(token.expose_secret().to_owned())) }
    }))
}

fn stopped(reason: &StopReason) -> Result<(), Failure> {
    match reason {
        StopReason::ClosedByCaller => Ok(()),
        StopReason::TokenRejected { .. } => Err(Failure::refused(harmless(&reason.to_string()))
            .remedy("check that this secret, issuer and audience are the server's: `belfry check-config`, `belfry doctor`")),
        reason => Err(Failure::refused(harmless(&reason.to_string()))),
    }
}

/// Writes events for a person, one line each.
struct Printer {
    zone: TimeZone,
    url: String,
    unread: u32,
    was_live: bool,
}

impl Printer {
    fn print(&mut self, event: &Event, out: &mut Out) -> Result<(), Failure> {
        match event {
            Event::Alert(item, origin) => out.line(self.alert(item, *origin)),
            Event::Changed(Changed::Live { change, .. }) => out.line(self.change(change)),
            Event::Changed(Changed::CatchUp(item)) => out.line(changed_item(item)),
            Event::Reset(reset) => {
                out.line(styled(WARN, format_args!("the list starts afresh, {} unread", reset.unread)))?;
                reset.items.iter().rev().try_for_each(|item| out.line(self.alert(item, Origin::CatchUp)))
            }
            Event::Unread(unread) => {
                self.unread = *unread;
                Ok(())
            }
            Event::Connection(connection) => {
                self.connection(connection, out);
                Ok(())
            }
            Event::GoingAway(after) => {
                out.remark(styled(
                    DIM,
                    format_args!("the server is going away, back in {}", seconds(*after)),
                ));
                Ok(())
            }
            Event::Settings(settings) => {
                let word = if settings.do_not_disturb.active { "on" } else { "off" };
                out.line(styled(DIM, format_args!("do not disturb is {word}")))
            }
            Event::Error(trouble) => {
                self.trouble(trouble, out);
                Ok(())
            }
        }
    }

    fn alert(&self, item: &Item, origin: Origin) -> String {
        let style = match item.severity {
            Severity::Info => Style::new(),
            Severity::Warning => WARN,
            Severity::Critical => BAD,
        };
        let severity = format!("{:?}", item.severity).to_lowercase();
        let mut line = format!(
            "{}  {}  {}  {}",
            styled(DIM, self.time(item.timestamp)),
            styled(style, format_args!("{severity:<8}")),
            styled(NAME, harmless(&item.r#type)),
            styled(STRONG, harmless(&item.title))
        );
        if let Some(body) = &item.body {
            line.push_str("  ");
            line.push_str(&harmless(body));
        }
        if origin == Origin::CatchUp {
            line.push_str(&styled(DIM, "  (missed)"));
        }
        line
    }

    fn change(&self, change: &Change) -> String {
        let state = format!("{:?}", change.state).to_lowercase();
        let which = match (&change.ids, &change.up_to) {
            (Some(ids), _) => ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            (None, Some(_)) => "everything up to here".to_owned(),
            (None, None) => "nothing".to_owned(),
        };
        styled(DIM, format_args!("{state} {which} ({} unread)", self.unread))
    }

    fn connection(&mut self, connection: &Connection, out: &mut Out) {
        match connection {
            Connection::Connecting => out.remark(styled(DIM, format_args!("connecting to {} …", self.url))),
            Connection::Live(established) => {
                self.was_live = true;
                self.unread = established.unread;
                let user = harmless(established.user_id.as_str());
                out.remark(styled(DIM, format_args!("connected as {user}, {} unread", established.unread)));
            }
            Connection::Reconnecting { retry_in, .. } => {
                out.remark(styled(DIM, format_args!("reconnecting in {}", seconds(*retry_in))));
            }
            Connection::Offline { retry_in } => {
                out.remark(styled(DIM, format_args!("offline, next try in {}", seconds(*retry_in))));
            }
            Connection::Stopped(_) => {}
        }
    }

    fn trouble(&self, trouble: &Trouble, out: &mut Out) {
        let text = styled(WARN, harmless(&trouble.to_string()));
        match trouble {
            // Connections come and go; but a script must learn why nothing ever comes.
            Trouble::Connection(_) if self.was_live => out.remark(text),
            _ => out.warn(text),
        }
    }

    fn time(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string()
    }
}

fn changed_item(item: &ChangedItem) -> String {
    let state = match (&item.left, &item.state) {
        (Some(left), _) => format!("{left:?}").to_lowercase(),
        (None, Some(state)) => {
            let flags = [
                ("seen", state.seen),
                ("read", state.read),
                ("archived", state.archived),
                ("acted", state.acted),
            ];
            let set: Vec<_> = flags.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
            if set.is_empty() { "unread".to_owned() } else { set.join(", ") }
        }
        (None, None) => "changed".to_owned(),
    };
    styled(DIM, format_args!("{state} {} (while away)", item.id))
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// Writes events as the frames they came in, as far as a frame stands for one event.
fn print_frame(event: &Event, out: &mut Out) -> Result<(), Failure> {
    match event {
        Event::Alert(item, _) => out.json(item),
        Event::Changed(Changed::Live { stream, seq, change, .. }) => out.json(&json!({
            "type": "inbox-changed", "stream": stream, "seq": seq, "data": {"changes": [change]}
        })),
        Event::Changed(Changed::CatchUp(item)) => {
            out.json(&json!({"type": "catch-up", "data": {"changes": [item], "items": []}}))
        }
        Event::Reset(reset) => out.json(&json!({"type": "reset", "data": reset})),
        Event::Connection(Connection::Live(established)) => {
            out.json(&json!({"type": "connection-established", "data": established.as_ref()}))
        }
        Event::GoingAway(after) => {
            let ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            out.json(&json!({"type": "going-away", "data": {"reconnect_after_ms": ms}}))
        }
        Event::Settings(settings) => out.json(&json!({"type": "settings-changed", "data": settings})),
        Event::Error(trouble) => {
            out.warn(harmless(&trouble.to_string()));
            Ok(())
        }
        Event::Unread(_) | Event::Connection(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::out::tests::kept;
    use belfry_protocol::Seq;
    use belfry_protocol::inbox::ChangedTo;

    fn item() -> Item {
        serde_json::from_value(json!({
            "type": "deal-notification", "data": {"deals": []}, "timestamp": "2026-01-02T03:04:05Z",
            "id": "0199c2f0-0000-7000-8000-000000000001", "stream": "user", "title": "3 deals\u{1b}[2J", "body": "Milk",
            "severity": "critical", "category": "deals", "link": null, "thread": null, "expires_at": null, "seq": 7
        }))
        .unwrap()
    }

    fn events() -> Vec<Event> {
        let change = Change { ids: Some(vec![item().id]), up_to: None, state: ChangedTo::Read };
        let stream = belfry_protocol::Stream::User;
        vec![
            Event::Connection(Connection::Connecting),
            Event::Alert(Box::new(item()), Origin::Live),
            Event::Alert(Box::new(item()), Origin::CatchUp),
            Event::Unread(4),
            Event::Changed(Changed::Live { stream, seq: Seq(8), change, except: Vec::new() }),
            Event::Error(Trouble::Connection("refused".to_owned())),
            Event::Connection(Connection::Reconnecting { attempt: 1, retry_in: Duration::from_millis(1500) }),
            Event::GoingAway(Duration::from_secs(2)),
        ]
    }

    #[test]
    fn events_are_lines_that_people_read() {
        let (mut out, written) = kept(false);
        let mut printer =
            Printer { zone: TimeZone::UTC, url: "http://h".to_owned(), unread: 0, was_live: false };
        for event in events() {
            printer.print(&event, &mut out).unwrap();
        }
        insta::assert_snapshot!(written.text(), @r#"
    connecting to http://h …
    03:04:05  critical  deal-notification  3 deals�[2J  Milk
    03:04:05  critical  deal-notification  3 deals�[2J  Milk  (missed)
    read 0199c2f0-0000-7000-8000-000000000001 (4 unread)
    no connection: refused
    reconnecting in 1.5 s
    the server is going away, back in 2.0 s
    "#);
    }

    #[test]
    fn events_are_frames_with_json() {
        let (mut out, written) = kept(true);
        for event in events() {
            print_frame(&event, &mut out).unwrap();
        }
        let text = written.text();
        let first = text.lines().next().unwrap();
        let frame: Item = serde_json::from_str(first).unwrap();
        assert_eq!(frame.seq, Seq(7));
        assert!(
            text.contains(r#""type":"inbox-changed""#) && text.contains(r#""type":"going-away""#),
            "{text}"
        );
    }
}
