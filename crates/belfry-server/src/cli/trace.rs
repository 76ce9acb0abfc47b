//! `belfry trace ID`.

use super::failure::Failure;
use super::out::{BAD, DIM, GOOD, NAME, Out, STRONG, WARN, harmless, styled};
use super::remote::{Remote, Target};
use super::settings::Common;
use crate::config::Scope;
use belfry_protocol::delivery::{AttemptTrace, DeliveryState, DeliveryTrace, LegState, LegTrace};
use belfry_protocol::trace::{AlertTrace, RecipientTrace};
use belfry_protocol::{AlertId, Audience, Level, Provider};
use jiff::Timestamp;
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
    let delivery = recipient.delivery.as_ref();
    let reached = match (recipient.left, recipient.level, delivery) {
        (Some(left), ..) => styled(WARN, format!("{left:?}").to_lowercase()),
        (None, Some(level), _) => styled(GOOD, level_name(level)),
        (None, None, Some(delivery)) => standing(delivery),
        (None, None, None) => styled(WARN, "stored, no device has confirmed it yet"),
    };
    let stream = format!("{:?}", recipient.stream).to_lowercase();
    let user = harmless(recipient.user.as_str());
    out.line(format_args!(
        "  {} {}  {reached}",
        styled(NAME, user),
        styled(DIM, format_args!("{stream} {}", recipient.seq))
    ))?;
    let levels = recipient.levels.iter().map(|step| (step.at, level_name(step.level).to_owned()));
    let mut timeline: Vec<(Timestamp, String)> = levels.collect();
    timeline.extend(delivery.into_iter().flat_map(timeline_of));
    timeline.sort_by_key(|(at, _)| *at);
    for (at, what) in timeline {
        let at = at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        out.line(format_args!("    {}  {what}", styled(DIM, at)))?;
    }
    Ok(())
}

/// Where a delivery stands, in words.
fn standing(delivery: &DeliveryTrace) -> String {
    let (style, words) = match delivery.state {
        DeliveryState::Waiting => (WARN, "nobody has confirmed it yet, the next step waits"),
        DeliveryState::Sending => (WARN, "nobody has confirmed it yet, a step is being sent"),
        DeliveryState::Held => (WARN, "held since the restore: see `belfry resume-deliveries`"),
        DeliveryState::Confirmed => (GOOD, "confirmed"),
        DeliveryState::Sent => (GOOD, "sent"),
        DeliveryState::Expired => (WARN, "expired before it went out"),
        DeliveryState::Suppressed => (WARN, "kept in, as its person wishes"),
        DeliveryState::Recalled => (WARN, "not needed any more"),
        DeliveryState::DeadLettered => (BAD, "could not be sent: see `belfry dead-letters`"),
    };
    styled(style, words)
}

/// What the fallback did, and what it will do.
fn timeline_of(delivery: &DeliveryTrace) -> Vec<(Timestamp, String)> {
    let mut timeline = vec![(delivery.opened_at, "the fallback begins".to_owned())];
    for leg in &delivery.legs {
        timeline.extend(timeline_of_leg(leg));
    }
    let reason = delivery.reason.as_deref().map(|reason| format!(": {}", harmless(reason)));
    let reason = reason.unwrap_or_default();
    if let Some(at) = delivery.ended_at {
        let times = match delivery.replays {
            0 => String::new(),
            count => format!(" (replayed {count}×)"),
        };
        let state = delivery.state.as_str().replace('_', " ");
        timeline.push((at, format!("{}{reason}{times}", styled(STRONG, state))));
    } else if let Some(at) = delivery.due_at {
        timeline.push((at, styled(DIM, format_args!("step {} is due{reason}", delivery.step))));
    }
    timeline
}

fn timeline_of_leg(leg: &LegTrace) -> Vec<(Timestamp, String)> {
    let mut name = format!("step {} {}", leg.step, leg.channel.as_str());
    let parts = [leg.provider.map(Provider::as_str), leg.device.as_deref(), leg.address.as_deref()];
    for part in parts.into_iter().flatten() {
        name.push(' ');
        name.push_str(&harmless(part));
    }
    let name = styled(NAME, name);
    let together = match leg.with.len() {
        0 => String::new(),
        count => format!(", together with {count} more"),
    };
    let mut timeline: Vec<(Timestamp, String)> = Vec::with_capacity(leg.attempts.len() + 2);
    for attempt in &leg.attempts {
        let node = styled(DIM, harmless(&attempt.node));
        timeline.push((attempt.at, format!("{name}  {}{together}  {node}", said(attempt))));
    }
    let reason = leg.reason.as_deref().map(harmless).unwrap_or_default();
    match leg.state {
        LegState::Pending => {
            let at = leg.next_at.unwrap_or(leg.created_at);
            timeline.push((at, format!("{name}  {}", styled(DIM, "the next attempt is due"))));
        }
        // The last attempt has said it.
        LegState::Accepted => {}
        LegState::Failed if leg.attempts.last().is_some_and(|last| last.outcome == reason) => {}
        state => {
            let style = if state == LegState::Failed { BAD } else { WARN };
            let words = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            let line = format!("{name}  {}{words}{together}", styled(style, state.as_str()));
            timeline.push((leg.ended_at.unwrap_or(leg.created_at), line));
        }
    }
    timeline
}

/// An attempt: what it came to, and the provider's own words.
fn said(attempt: &AttemptTrace) -> String {
    let style = if attempt.outcome == "accepted" { GOOD } else { WARN };
    let mut words = styled(style, harmless(&attempt.outcome));
    if let Some(status) = attempt.status {
        words.push_str(&format!(" {status}"));
    }
    if !attempt.said.is_empty() && attempt.said != attempt.outcome {
        words.push_str(&format!(" “{}”", harmless(&attempt.said)));
    }
    if attempt.late {
        words.push_str(", too late to count");
    }
    words
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
        2026-01-02T03:04:06.000Z  received
        2026-01-02T03:04:07.000Z  displayed
      bob user 9  stored, no device has confirmed it yet
      cyd user 2  recalled
    "#);
    }

    #[test]
    fn a_fallback_reads_as_a_timeline() {
        let fixture = belfry_protocol::fixtures::Fixture::named("http.alert-trace.fallback").unwrap();
        let mut trace: AlertTrace = serde_json::from_str(fixture.text).unwrap();
        let (mut out, written) = kept(false);
        print_recipient(&trace.trace[0], &mut out).unwrap();
        let delivery = trace.trace[0].delivery.as_mut().unwrap();
        delivery.state = DeliveryState::Waiting;
        delivery.ended_at = None;
        delivery.due_at = Some("2026-11-23T10:30:01Z".parse().unwrap());
        delivery.reason = Some("quiet hours".to_owned());
        let email = &mut delivery.legs[1];
        email.state = LegState::Pending;
        email.next_at = Some("2026-11-23T09:31:02Z".parse().unwrap());
        (email.attempts[0].outcome, email.attempts[0].status) = ("421".to_owned(), None);
        email.attempts[0].late = true;
        let push = &mut delivery.legs[0];
        (push.state, push.reason) = (LegState::Suppressed, Some("unwanted".to_owned()));
        (push.provider, push.device, push.address) = (None, None, None);
        push.attempts.clear();
        print_recipient(&trace.trace[0], &mut out).unwrap();
        insta::assert_snapshot!(written.text(), @r"
        ann user 43  sent
          2026-11-23T09:30:00.302Z  the fallback begins
          2026-11-23T09:30:00.451Z  step 1 push fcm phone …x7Qk2A  UNREGISTERED 404 “Requested entity was not found.”  belfry-1
          2026-11-23T09:30:01.954Z  step 2 email smtp a…@example.com  accepted 250 “2.0.0 Ok: queued as 4F1C2”, together with 1 more  belfry-1
          2026-11-23T09:30:01.954Z  sent
        ann user 43  nobody has confirmed it yet, the next step waits
          2026-11-23T09:30:00.302Z  the fallback begins
          2026-11-23T09:30:00.451Z  step 1 push  suppressed: unwanted
          2026-11-23T09:30:01.954Z  step 2 email smtp a…@example.com  421 “2.0.0 Ok: queued as 4F1C2”, too late to count, together with 1 more  belfry-1
          2026-11-23T09:31:02.000Z  step 2 email smtp a…@example.com  the next attempt is due
          2026-11-23T10:30:01.000Z  step 2 is due: quiet hours
        ");
    }
}
