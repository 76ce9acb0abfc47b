//! From what a back end posted to an alert on disk and on every open screen.
//!
//! Everything that can be refused is refused before the store is asked, so that one bad alert never fails its
//! neighbours in a group commit. Nothing is handed to a session before the commit.

use crate::clock::Now;
use crate::hub::LiveAlert;
use crate::kinds::{
    AlertFacts, Given, Kind, Kinds, Ladder, Latecomers, NameError, RenderInput, Rendered, check_link,
    default_title,
};
use crate::metrics::Counter;
use crate::services::Services;
use crate::wire;
use belfry_protocol::alert::{
    ACTIONS_MAX, ANSWER_NOTIFICATIONS_MAX, BODY_BYTES_MAX, DATA_BYTES_MAX, KEY_BYTES_MAX, TITLE_BYTES_MAX,
};
use belfry_protocol::audience::AUDIENCE_USERS_MAX;
use belfry_protocol::{
    Action, AlertAnswer, AlertId, Audience, ErrorCode, NewAlert, NotificationRef, Problem, Severity, Stream,
};
use belfry_store::{Content, Idempotency, Notified, PublishError, Published, StoreError, UnixMs};
use serde_json::Value;
use std::sync::Arc;

/// An alert as it was posted, and by whom.
#[derive(Debug)]
pub struct Posted {
    /// The body.
    pub alert: NewAlert,
    /// Makes repeating the call harmless.
    pub idempotency: Option<Idempotency>,
}

/// What a publisher is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The body of the `202`.
    pub answer: AlertAnswer,
    /// It is the first call's answer again.
    pub replayed: bool,
}

/// What the configuration says of new alerts.
#[derive(Debug, Clone)]
pub struct PublishRules<'a> {
    /// Declared kinds.
    pub kinds: &'a Kinds,
    /// Templates are rendered in this language, once for all recipients.
    pub locale: &'a str,
    /// Schemes of links besides plain paths.
    pub link_schemes: &'a [String],
}

impl Services {
    /// Stores an alert and hands it to every open session of its recipients. `Ok`: it is on disk.
    pub async fn publish(&self, posted: Posted, now: Now) -> Result<Accepted, Problem> {
        let result = self.try_publish(posted, now).await;
        if result.is_err() {
            self.metrics.count(Counter::AlertsRefused);
        }
        result
    }

    async fn try_publish(&self, posted: Posted, now: Now) -> Result<Accepted, Problem> {
        let kinds = self.kinds.snapshot();
        // Of this very moment: a node of several vouches for all numbers that are older than a few seconds.
        let id = self.store.next_alert_id(crate::clock::now().unix_ms());
        let rules = PublishRules {
            kinds: &kinds,
            locale: &self.config.kinds.default_locale,
            link_schemes: &self.config.kinds.link_schemes,
        };
        let audience = posted.alert.to.clone();
        // Until the alert is watched, or is known not to need it, a restart would read it from the log again.
        let held = self.watch.hold(id);
        let content = Arc::new(check(posted.alert, id, &rules, now)?);
        let kind = kinds.find(&content.kind).ok().flatten();
        let for_everyone = matches!(audience, Audience::Everyone(_));
        let ladder_of_all = for_everyone.then(|| self.ladder_of_all(&content, &kinds)).flatten();
        let goes_on = ladder_of_all.is_some();
        let new = belfry_store::NewAlert {
            id,
            audience,
            content: Arc::clone(&content),
            latecomers: kind.is_some_and(|kind| kind.latecomers == Latecomers::Include),
            ladder_of_all,
            idempotency: posted.idempotency,
        };
        let published = self.store.publish(new, now.unix_ms()).await.map_err(|error| self.refusal(error))?;
        if published.replayed {
            self.metrics.count(Counter::AlertsReplayed);
        } else {
            let done = crate::clock::now();
            let took = done.instant.saturating_duration_since(now.instant);
            self.metrics.accepted(&content.kind, took, done.instant);
            self.hand_out(&published, &content).await;
            if goes_on {
                // Its ladder may be due before anything that the dispatcher waits for.
                self.escalate_wake.notify_one();
            }
        }
        drop(held);
        Ok(Accepted { answer: answer(&published), replayed: published.replayed })
    }

    async fn hand_out(&self, published: &Published, content: &Content) {
        if published.fanout {
            self.fanout_wake.notify_one();
        }
        if let Some(removed) = &published.all_removed {
            self.tell_left(removed).await;
        }
        if let Some(seq) = published.all_seq {
            let alert = live_alert(published.id, Stream::All, content);
            let frames = self.tell_announcement(&alert, &content.kind, seq, published.all_replaced).await;
            self.metrics.sent(&content.kind, frames, crate::clock::now().instant);
        }
        self.hand_to(published.id, content, &published.notifications);
    }

    /// Hands new notifications to their users' sessions.
    pub fn hand_to(&self, id: AlertId, content: &Content, notified: &[Notified]) {
        if notified.is_empty() {
            return;
        }
        self.arm(id, content, notified.iter().map(|one| (&one.user, one.seq)), crate::clock::now());
        let alert = live_alert(id, Stream::User, content);
        let frames = self.tell_alert(&alert, &content.kind, notified);
        self.metrics.sent(&content.kind, frames, crate::clock::now().instant);
    }

    fn refusal(&self, error: PublishError) -> Problem {
        match error {
            PublishError::Store(error) => self.store_problem(&error),
            PublishError::GroupUnknown => Problem::new(
                ErrorCode::GroupUnknown,
                "there is no such group: create it with `PUT /v1/groups/{id}`",
            )
            .at("/to/group", "there is no such group"),
            PublishError::IdempotencyMismatch => Problem::new(
                ErrorCode::IdempotencyMismatch,
                "this idempotency key was used with another body: use a new key for a new alert",
            ),
            PublishError::IdempotencyInProgress => Problem::new(
                ErrorCode::IdempotencyInProgress,
                "the first request with this idempotency key is still running: repeat this one in a moment",
            ),
        }
    }

    /// What a caller is told of a store that did not do it.
    pub fn store_problem(&self, error: &StoreError) -> Problem {
        self.metrics.count(Counter::StoreFailures);
        match error {
            StoreError::Overloaded => Problem::new(
                ErrorCode::Overloaded,
                "the store has too much to do: repeat after `Retry-After`",
            ),
            StoreError::Unavailable { reason } => {
                // The store says it once; here it would be a line for everybody who asks.
                tracing::debug!(reason, "the store is unavailable");
                let detail =
                    "the store cannot be used right now, nothing was stored: repeat after `Retry-After`";
                Problem::new(ErrorCode::StoreUnavailable, detail)
            }
            StoreError::Closed => {
                Problem::new(ErrorCode::Draining, "the server is shutting down: repeat at once")
            }
            StoreError::Internal(reason) => {
                tracing::error!(reason, "the store made a mistake");
                Problem::new(ErrorCode::Internal, "the server made a mistake: its log has the details")
            }
        }
    }
}

fn live_alert(id: AlertId, stream: Stream, content: &Content) -> Arc<LiveAlert> {
    let body = wire::alert_body(id, stream, content).into();
    Arc::new(LiveAlert { id, body, loudness: wire::loudness(content) })
}

fn answer(published: &Published) -> AlertAnswer {
    let notifications = published
        .notifications
        .iter()
        .take(ANSWER_NOTIFICATIONS_MAX)
        .map(|notified| NotificationRef { user: notified.user.clone(), seq: notified.seq })
        .collect();
    AlertAnswer { id: published.id, recipients: published.recipients, notifications }
}

/// Faults of one body, gathered so that a caller sees all of them at once.
#[derive(Default)]
struct Faults(Vec<(String, String)>);

impl Faults {
    fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push((pointer.into(), detail.into()));
    }

    fn key(&mut self, pointer: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        if value.trim().is_empty() {
            self.add(pointer, "must not be empty: leave the field out instead");
        } else if value.len() > KEY_BYTES_MAX {
            self.add(pointer, format!("has {} bytes, at most {KEY_BYTES_MAX} are allowed", value.len()));
        } else if value.chars().any(char::is_control) {
            self.add(pointer, "must not contain control characters");
        }
    }

    fn text(&mut self, pointer: &str, value: Option<&str>, bytes_max: usize) {
        let Some(value) = value else { return };
        if value.len() > bytes_max {
            self.add(pointer, format!("has {} bytes, at most {bytes_max} are allowed", value.len()));
        }
    }

    fn into_result(self, code: ErrorCode, detail: &str) -> Result<(), Problem> {
        if self.0.is_empty() {
            return Ok(());
        }
        let problem = Problem::new(code, detail);
        Err(self.0.into_iter().fold(problem, |problem, (pointer, detail)| problem.at(pointer, detail)))
    }
}

/// Checks an alert against its kind and the limits, and fills in what the kind knows. Pure.
pub fn check(alert: NewAlert, id: AlertId, rules: &PublishRules<'_>, now: Now) -> Result<Content, Problem> {
    let ladder = check_fields(&alert, rules, now)?;
    let kind = rules.kinds.find(&alert.kind).map_err(|error| name_problem(&error))?;
    let created_at = now.unix_ms();
    let severity = alert.severity.or(kind.map(|kind| kind.severity)).unwrap_or_default();
    let rendered = match kind {
        Some(kind) => render(kind, &alert, severity, id, rules, now)?,
        None => as_posted(&alert),
    };
    let expires_at = match (alert.expires_at, kind.and_then(|kind| kind.expires_after)) {
        (Some(at), _) => Some(UnixMs(at.as_millisecond())),
        (None, Some(after)) => {
            let after = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
            Some(UnixMs(created_at.0.saturating_add(after)))
        }
        (None, None) => None,
    };
    let category = match (alert.category, kind) {
        (Some(category), _) => category,
        (None, Some(kind)) => kind.category.clone(),
        (None, None) => alert.kind.clone(),
    };
    Ok(Content {
        data: alert.data.as_ref().map_or("{}", |data| data.get()).into(),
        kind: alert.kind,
        title: rendered.title,
        body: rendered.body,
        link: rendered.link,
        image: rendered.image,
        actions: rendered.actions,
        severity,
        category,
        thread: rendered.thread,
        collapse_key: rendered.collapse_key,
        created_at,
        expires_at,
        quiet: alert.quiet,
        breaks_through: kind.is_some_and(|kind| kind.breaks_through),
        ladder,
    })
}

fn name_problem(error: &NameError) -> Problem {
    let code = match error {
        NameError::Reserved(_) => ErrorCode::KindReserved,
        NameError::Unknown { .. } => ErrorCode::KindUnknown,
    };
    Problem::new(code, error.to_string()).at("/kind", error.to_string())
}

/// Without a declared kind the texts are the publisher's own.
fn as_posted(alert: &NewAlert) -> Rendered {
    Rendered {
        title: alert.title.clone().unwrap_or_else(|| default_title(&alert.kind)),
        body: alert.body.clone(),
        link: alert.link.clone(),
        image: alert.image.clone(),
        thread: alert.thread.clone(),
        collapse_key: alert.collapse_key.clone(),
        actions: alert.actions.clone(),
    }
}

fn render(
    kind: &Kind,
    alert: &NewAlert,
    severity: Severity,
    id: AlertId,
    rules: &PublishRules<'_>,
    now: Now,
) -> Result<Rendered, Problem> {
    let data = alert.data.as_ref().map_or("{}", |data| data.get());
    let data: Value = serde_json::from_str(data).expect("it was parsed before");
    kind.validate(&data).map_err(|faults| {
        let detail = format!("`data` does not match the schema of the kind `{}`", alert.kind);
        let problem = Problem::new(ErrorCode::DataInvalid, detail);
        faults.into_iter().fold(problem, |problem, fault| problem.at(fault.pointer, fault.detail))
    })?;
    let given = Given {
        title: alert.title.as_deref(),
        body: alert.body.as_deref(),
        link: alert.link.as_deref(),
        image: alert.image.as_deref(),
        thread: alert.thread.as_deref(),
        collapse_key: alert.collapse_key.as_deref(),
        actions: &alert.actions,
    };
    let id = id.to_string();
    let facts = AlertFacts { id: &id, kind: &alert.kind, severity, created_at: now.at };
    // One text goes to all recipients, so it is rendered without a person.
    let input = RenderInput { locale: rules.locale, data: &data, alert: facts, user: None, given };
    kind.render(&input).map_err(|fault| Problem::new(ErrorCode::TemplateFailed, fault.to_string()))
}

/// Checks what every alert must keep to; gives back the JSON of its own ladder.
fn check_fields(alert: &NewAlert, rules: &PublishRules<'_>, now: Now) -> Result<Option<Box<str>>, Problem> {
    let mut faults = Faults::default();
    faults.key("/kind", Some(&alert.kind));
    faults.key("/category", alert.category.as_deref());
    faults.key("/thread", alert.thread.as_deref());
    faults.key("/collapse_key", alert.collapse_key.as_deref());
    faults.key("/idempotency_key", alert.idempotency_key.as_deref());
    faults.text("/title", alert.title.as_deref(), TITLE_BYTES_MAX);
    faults.text("/body", alert.body.as_deref(), BODY_BYTES_MAX);
    check_data(alert, &mut faults);
    for (pointer, link) in [("/link", &alert.link), ("/image", &alert.image)] {
        check_one_link(pointer, link.as_deref(), rules, &mut faults);
    }
    check_actions(&alert.actions, rules, &mut faults);
    if alert.expires_at.is_some_and(|at| at <= now.at) {
        faults.add("/expires_at", "is in the past: the alert would be expired at once");
    }
    let ladder = alert.ladder.as_deref().map(Ladder::from_publish).transpose();
    let ladder = ladder.unwrap_or_else(|ladder_faults| {
        ladder_faults.into_iter().for_each(|fault| faults.add(fault.pointer, fault.detail));
        None
    });
    match &alert.to {
        Audience::Users(users) if users.is_empty() => faults.add("/to/users", "must name at least one user"),
        Audience::Users(users) if users.len() > AUDIENCE_USERS_MAX => faults.add(
            "/to/users",
            format!(
                "names {} users, at most {AUDIENCE_USERS_MAX} are allowed: use a group, or several calls",
                users.len()
            ),
        ),
        _ => {}
    }
    faults.into_result(ErrorCode::FieldInvalid, "the alert has fields that are not as they must be")?;
    Ok(ladder.map(|ladder| {
        serde_json::to_string(&ladder.to_protocol()).expect("a ladder has a JSON form").into_boxed_str()
    }))
}

fn check_data(alert: &NewAlert, faults: &mut Faults) {
    let Some(data) = alert.data.as_ref().map(|data| data.get()) else { return };
    if data.len() > DATA_BYTES_MAX {
        faults.add("/data", format!("has {} bytes, at most {DATA_BYTES_MAX} are allowed", data.len()));
    } else if !data.trim_start().starts_with('{') {
        faults.add("/data", "must be a JSON object");
    } else if let Err(error) = serde_json::from_str::<Value>(data) {
        // A raw value is only skimmed: what is nested too deep or written twice shows here.
        faults.add("/data", error.to_string());
    }
}

fn check_one_link(pointer: &str, link: Option<&str>, rules: &PublishRules<'_>, faults: &mut Faults) {
    if let Some(Err(fault)) = link.map(|link| check_link(link, rules.link_schemes)) {
        faults.add(pointer, fault.to_string());
    }
}

fn check_actions(actions: &[Action], rules: &PublishRules<'_>, faults: &mut Faults) {
    if actions.len() > ACTIONS_MAX {
        faults.add("/actions", format!("has {} entries, at most {ACTIONS_MAX} are allowed", actions.len()));
    }
    for (index, action) in actions.iter().enumerate() {
        faults.key(&format!("/actions/{index}/id"), Some(&action.id));
        if action.label.trim().is_empty() {
            faults.add(format!("/actions/{index}/label"), "must not be empty");
        }
        faults.text(&format!("/actions/{index}/label"), Some(&action.label), TITLE_BYTES_MAX);
        check_one_link(&format!("/actions/{index}/link"), action.link.as_deref(), rules, faults);
        if actions[..index].iter().any(|earlier| earlier.id == action.id) {
            faults.add(format!("/actions/{index}/id"), "stands twice");
        }
    }
}
