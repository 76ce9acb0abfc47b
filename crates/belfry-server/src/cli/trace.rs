//! `belfry trace ID`.

use super::failure::Failure;
use super::out::{DIM, GOOD, NAME, Out, STRONG, WARN, harmless, styled};
use super::remote::{Remote, Target};
use super::settings::Common;
use crate::config::Scope;
use belfry_protocol::trace::{AlertTrace, RecipientTrace};
use belfry_protocol::{AlertId, Audience, Level};
use reqwest::Method;

/// Flags of `belfry trace`.
#[derive(Debug, clap::Args)]
pub(crate) struct Trace {
    /// The alert's id, as `POST /v1/alerts` answered it
    id: AlertId,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(arguments: Trace, common: &Common, out: &mut Out) -> Result<(), Failure> {
    let remote = Remote::find(common, &arguments.target, Scope::Publish)?;
    let mut after: Option<String> = None;
    loop {
        let mut url = remote.resource(&["v1", "alerts", &arguments.id.to_string()]);
        if let Some(after) = &after {
            url.query_pairs_mut().append_pair("after", after);
        }
        let page: AlertTrace = remote.fetch(remote.request(Method::GET, url)?).await?;
        if out.is_json() {
            out.json(&page)?;
        } else {
            if after.is_none() {
                print_alert(&page, out)?;
            }
            for recipient in &page.trace {
                print_recipient(recipient, out)?;
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

fn print_alert(alert: &AlertTrace, out: &mut Out) -> Result<(), Failure> {
    out.line(format_args!(
        "{}  {}",
        styled(STRONG, harmless(&alert.title)),
        styled(NAME, harmless(&alert.kind))
    ))?;
    if let Some(body) = &alert.body {
        out.line(harmless(body))?;
    }
    let mut field = |name: &str, value: String| {
        out.line(format_args!("{} {value}", styled(DIM, format_args!("{name:<11}"))))
    };
    field("id", alert.id.to_string())?;
    field("to", audience(&alert.to))?;
    field("accepted", alert.created_at.to_string())?;
    field("severity", format!("{:?}", alert.severity).to_lowercase())?;
    field("category", harmless(&alert.category))?;
    if let Some(link) = &alert.link {
        field("link", harmless(link))?;
    }
    if let Some(key) = &alert.collapse_key {
        field("collapse", harmless(key))?;
    }
    if let Some(at) = alert.expires_at {
        field("expires", at.to_string())?;
    }
    if let Some(at) = alert.recalled_at {
        field("recalled", at.to_string())?;
    }
    match (alert.recipients, alert.expanded) {
        (Some(all), Some(done)) if done < all => {
            field("recipients", format!("{all}, written for {done} by now"))?
        }
        (Some(all), _) => field("recipients", all.to_string())?,
        (None, _) => field("recipients", "everyone; below, those who acted on it".to_owned())?,
    }
    Ok(())
}

fn audience(to: &Audience) -> String {
    match to {
        Audience::User(user) => harmless(user.as_str()),
        Audience::Users(users) => {
            harmless(&users.iter().map(|user| user.as_str()).collect::<Vec<_>>().join(", "))
        }
        Audience::Group(group) => format!("group {}", harmless(group.as_str())),
        Audience::Everyone(_) => "everyone".to_owned(),
    }
}

fn print_recipient(recipient: &RecipientTrace, out: &mut Out) -> Result<(), Failure> {
    let reached = match (recipient.left, recipient.level) {
        (Some(left), _) => styled(WARN, format!("{left:?}").to_lowercase()),
        (None, Some(level)) => styled(GOOD, level_name(level)),
        (None, None) => styled(WARN, "stored, no device has confirmed it yet"),
    };
    let stream = format!("{:?}", recipient.stream).to_lowercase();
    let user = harmless(recipient.user.as_str());
    out.line(format_args!(
        "  {} {}  {reached}",
        styled(NAME, user),
        styled(DIM, format_args!("{stream} {}", recipient.seq))
    ))?;
    for step in &recipient.levels {
        out.line(format_args!("    {}  {}", styled(DIM, step.at), level_name(step.level)))?;
    }
    Ok(())
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Received => "received",
        Level::Displayed => "displayed",
        Level::Seen => "seen",
        Level::Read => "read",
        Level::Acted => "acted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::out::tests::kept;

    #[test]
    fn a_trace_reads_as_a_list() {
        let trace: AlertTrace = serde_json::from_value(serde_json::json!({
            "id": "0199c2f0-0000-7000-8000-000000000001", "to": {"users": ["ann", "bob"]}, "kind": "deal-notification",
            "data": {}, "title": "3 new\u{1b}[2J deals", "body": "Milk", "link": "/deals", "severity": "warning",
            "category": "deals", "thread": null, "collapse_key": null, "quiet": false,
            "created_at": "2026-01-02T03:04:05Z", "expires_at": null, "recalled_at": null,
            "recipients": 2, "expanded": 1, "next": null,
            "trace": [
                {"user": "ann", "stream": "user", "seq": 7, "level": "displayed", "levels": [
                    {"level": "received", "at": "2026-01-02T03:04:06Z"},
                    {"level": "displayed", "at": "2026-01-02T03:04:07Z"}]},
                {"user": "bob", "stream": "user", "seq": 9, "level": null, "levels": []},
                {"user": "cyd", "stream": "user", "seq": 2, "level": null, "left": "recalled", "levels": []}]
        }))
        .unwrap();
        let (mut out, written) = kept(false);
        print_alert(&trace, &mut out).unwrap();
        for recipient in &trace.trace {
            print_recipient(recipient, &mut out).unwrap();
        }
        insta::assert_snapshot!(written.text(), @r#"
    3 new�[2J deals  deal-notification
    Milk
    id          0199c2f0-0000-7000-8000-000000000001
    to          ann, bob
    accepted    2026-01-02T03:04:05Z
    severity    warning
    category    deals
    link        /deals
    recipients  2, written for 1 by now
      ann user 7  displayed
        2026-01-02T03:04:06Z  received
        2026-01-02T03:04:07Z  displayed
      bob user 9  stored, no device has confirmed it yet
      cyd user 2  recalled
    "#);
    }
}
