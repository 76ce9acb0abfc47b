//! The ordered ways out of a kind: read, checked, printed as a timeline. The night watch acts on them.

use super::fault::{Complaint, Gravity};
use super::throttle::Throttle;
use crate::duration;
use belfry_protocol::alert::LADDER_STEPS_MAX;
use belfry_protocol::ladder::OnlyIf;
use belfry_protocol::problem::FieldFault;
use belfry_protocol::{Channel, Level, Severity, Step};
use std::time::Duration;

/// Longest `wait` and `digest` of a step.
pub const STEP_WAIT_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Quiet hours may hold an alert back about this long: what expires sooner may never go out.
const NIGHT: Duration = Duration::from_secs(12 * 60 * 60);

/// One checked step: run it, wait `wait`; a level of at least `until` ends the ladder, else the next step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LadderStep {
    /// The way out.
    pub channel: Channel,
    /// How long to wait for `until` before the next step.
    pub wait: Duration,
    /// The level that ends the ladder; `None`: it ends once the step is sent.
    pub until: Option<Level>,
    /// Run this step only in this case.
    pub only_if: Option<OnlyIf>,
    /// Gather what falls due within this window into one sending.
    pub digest: Option<Duration>,
    /// How often it may disturb somebody.
    pub throttle: Option<Throttle>,
}

/// The checked steps, 1 to [`LADDER_STEPS_MAX`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    steps: Vec<LadderStep>,
}

impl Default for Ladder {
    /// Live for five seconds unless displayed, then push, then e-mail if the push failed.
    fn default() -> Self {
        let step = |channel| LadderStep {
            channel,
            wait: Duration::ZERO,
            until: None,
            only_if: None,
            digest: None,
            throttle: None,
        };
        Self {
            steps: vec![
                LadderStep {
                    wait: Duration::from_secs(5),
                    until: Some(Level::Displayed),
                    ..step(Channel::Live)
                },
                step(Channel::Push),
                LadderStep { only_if: Some(OnlyIf::Failed), ..step(Channel::Email) },
            ],
        }
    }
}

impl Ladder {
    /// The steps in order.
    pub fn steps(&self) -> &[LadderStep] {
        &self.steps
    }

    /// The steps as the protocol writes them, for storing beside an alert.
    pub fn to_protocol(&self) -> Vec<Step> {
        let text = |duration: Duration| (duration > Duration::ZERO).then(|| duration::print(duration));
        let one = |step: &LadderStep| Step {
            channel: step.channel,
            wait: text(step.wait),
            until: step.until,
            only_if: step.only_if,
            digest: step.digest.and_then(text),
            throttle: step.throttle.map(|throttle| throttle.to_string()),
        };
        self.steps.iter().map(one).collect()
    }

    /// Checks the ladder of a publish. Each fault carries its JSON Pointer, for example `/ladder/1/wait`.
    pub fn from_publish(steps: &[Step]) -> Result<Self, Vec<FieldFault>> {
        let (ladder, faults) = check(steps);
        let faults: Vec<FieldFault> = faults
            .into_iter()
            .filter(|fault| fault.complaint.gravity == Gravity::Error)
            .map(|fault| FieldFault {
                pointer: match (fault.step, fault.field) {
                    (None, _) => "/ladder".to_owned(),
                    (Some(step), None) => format!("/ladder/{step}"),
                    (Some(step), Some(field)) => format!("/ladder/{step}/{field}"),
                },
                detail: format!("{}. {}.", fault.complaint.problem, fault.complaint.remedy),
            })
            .collect();
        match ladder {
            Some(ladder) if faults.is_empty() => Ok(ladder),
            _ => Err(faults),
        }
    }

    /// When each step runs at the latest, one line per step, as `belfry kinds check` prints it.
    pub fn timeline(&self) -> Vec<String> {
        let mut lines = Vec::with_capacity(self.steps.len());
        let mut at = Duration::ZERO;
        let mut before: Option<&LadderStep> = None;
        for step in &self.steps {
            let condition = match (before, step.only_if) {
                (None, _) => String::new(),
                (Some(before), Some(OnlyIf::Failed)) => format!("only if {} failed", word(before.channel)),
                (Some(before), None) => match before.until {
                    Some(level) => {
                        at = at.saturating_add(before.wait);
                        format!("unless {}; at once if {} cannot be sent", word(level), word(before.channel))
                    }
                    None => format!("only if {} failed", word(before.channel)),
                },
            };
            let mut line = match before {
                None => format!("0 s {}", word(step.channel)),
                Some(_) => format!("+{} {}", spaced(at), word(step.channel)),
            };
            for part in [condition, holding(step)] {
                if !part.is_empty() {
                    line.push(' ');
                    line.push_str(&part);
                }
            }
            lines.push(line);
            before = Some(step);
        }
        lines
    }

    /// What is doubtful about this ladder together with the kind's expiry and severity.
    pub(super) fn doubts(&self, expires_after: Option<Duration>, severity: Severity) -> Vec<Complaint> {
        let mut doubts = Vec::new();
        let Some(expires_after) = expires_after else {
            return doubts;
        };
        let deferrable = self.steps.iter().any(|step| matches!(step.channel, Channel::Push | Channel::Email));
        if deferrable && severity != Severity::Critical && expires_after < NIGHT {
            doubts.push(Complaint::warning(
                format!(
                    "{} is shorter than a night: quiet hours hold push and e-mail back, and the alert may expire before they end",
                    duration::print(expires_after)
                ),
                "Choose at least \"12h\", or severity \"critical\", which passes quiet hours",
            ));
        }
        let waits: Duration =
            self.steps.iter().rev().skip(1).fold(Duration::ZERO, |sum, step| sum.saturating_add(step.wait));
        if waits >= expires_after {
            doubts.push(Complaint::warning(
                format!(
                    "the ladder's last step runs after {}, when the alert has already expired ({})",
                    duration::print(waits),
                    duration::print(expires_after)
                ),
                "Choose shorter waits, or a longer `expires_after`",
            ));
        }
        doubts
    }
}

/// A complaint about one step, or about the whole ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LadderFault {
    pub(super) step: Option<usize>,
    pub(super) field: Option<&'static str>,
    pub(super) complaint: Complaint,
}

/// Checks the steps; the ladder is there when no complaint is an error.
pub(super) fn check(steps: &[Step]) -> (Option<Ladder>, Vec<LadderFault>) {
    let mut faults = Vec::new();
    if steps.is_empty() || steps.len() > LADDER_STEPS_MAX {
        let problem = match steps.len() {
            0 => "a ladder needs at least one step".to_owned(),
            n => format!("{n} steps are too many; a ladder has at most {LADDER_STEPS_MAX}"),
        };
        let remedy = match steps.len() {
            0 => "Leave `ladder` out for the default: live, push, e-mail",
            _ => "Remove steps",
        };
        faults.push(LadderFault { step: None, field: None, complaint: Complaint::error(problem, remedy) });
        return (None, faults);
    }
    let checked: Vec<LadderStep> = steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let mut complain = |field, complaint| {
                faults.push(LadderFault { step: Some(index), field: Some(field), complaint });
            };
            let mut read = |field, text: &Option<String>| match text.as_deref().map(duration::parse) {
                None => None,
                Some(Ok(long)) if long > STEP_WAIT_MAX => {
                    let problem = format!("{} is too long", duration::print(long));
                    complain(field, Complaint::error(problem, "A step waits at most \"30d\""));
                    None
                }
                Some(Ok(duration)) => Some(duration),
                Some(Err(error)) => {
                    complain(field, split_sentence(&error.to_string()));
                    None
                }
            };
            let wait = read("wait", &step.wait);
            let digest = read("digest", &step.digest);
            let throttle = step.throttle.as_deref().map(Throttle::parse);
            let throttle =
                throttle.and_then(|throttle| throttle.map_err(|bad| complain("throttle", bad)).ok());
            LadderStep {
                channel: step.channel,
                wait: wait.unwrap_or_default(),
                until: step.until,
                only_if: step.only_if,
                digest,
                throttle,
            }
        })
        .collect();
    let unread: Vec<usize> = faults.iter().filter_map(|fault| fault.step).collect();
    for (index, step) in checked.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| checked.get(index));
        let last = index + 1 == checked.len();
        if unread.contains(&index) {
            continue;
        }
        for (field, complaint) in check_step(step, before, last) {
            faults.push(LadderFault { step: Some(index), field: Some(field), complaint });
        }
    }
    let sound = faults.iter().all(|fault| fault.complaint.gravity == Gravity::Warning);
    (sound.then_some(Ladder { steps: checked }), faults)
}

/// The rules of one step beside its neighbours.
fn check_step(step: &LadderStep, before: Option<&LadderStep>, last: bool) -> Vec<(&'static str, Complaint)> {
    let mut found = Vec::new();
    let waits = step.wait > Duration::ZERO;
    match (step.until, waits) {
        (Some(until), false) if !last => found.push((
            "wait",
            Complaint::error(
                format!(
                    "the step does not wait for `until = \"{}\"`: the next step would run at once",
                    word(until)
                ),
                "Add a `wait`, for example \"5s\" or \"10m\", or remove `until`",
            ),
        )),
        (None, true) => found.push((
            "until",
            Complaint::error(
                "the step waits for nothing: without `until` the ladder ends once the step is sent",
                "Add `until`, for example \"displayed\" or \"seen\", or remove `wait`",
            ),
        )),
        (Some(_), _) if last => found.push((
            "until",
            Complaint::warning("nothing follows the last step, so its `until` decides nothing", "Remove it"),
        )),
        _ => {}
    }
    if step.channel == Channel::Live && step.until == Some(Level::Received) {
        found.push((
            "until",
            Complaint::warning(
                "a background tab or a forgotten laptop receives the alert and so keeps the phone silent",
                "Choose \"displayed\", unless the receivers are services or devices without a screen",
            ),
        ));
    }
    if step.digest.is_some() && step.channel != Channel::Email {
        found.push((
            "digest",
            Complaint::error(
                format!("a {} step cannot gather", word(step.channel)),
                "Remove `digest`, or put it on an \"email\" step",
            ),
        ));
    }
    if step.digest == Some(Duration::ZERO) {
        found
            .push(("digest", Complaint::error("a window of 0s gathers nothing", "Write for example \"1h\"")));
    }
    if step.throttle.is_some() && !matches!(step.channel, Channel::Push | Channel::Email) {
        found.push((
            "throttle",
            Complaint::error(
                format!("a {} step disturbs nobody, so there is nothing to throttle", word(step.channel)),
                "Remove `throttle`, or put it on a \"push\" or \"email\" step",
            ),
        ));
    }
    match (before, step.only_if) {
        (None, Some(OnlyIf::Failed)) => found.push((
            "only_if",
            Complaint::error("no step stands before the first that could fail", "Remove `only_if`"),
        )),
        (Some(before), None) if before.until.is_none() => found.push((
            "only_if",
            Complaint::warning(
                format!(
                    "the {} step before has no `until`, so this step runs only if that one failed",
                    word(before.channel)
                ),
                "Say so with `only_if = \"failed\"`, or give the step before `wait` and `until`",
            ),
        )),
        _ => {}
    }
    if let (Some(earlier), Some(later)) = (before.and_then(|before| before.until), step.until)
        && later < earlier
        && !last
    {
        found.push((
            "until",
            Complaint::warning(
                format!(
                    "\"{}\" is less than \"{}\" of the step before, so what did not end that step may end this one",
                    word(later),
                    word(earlier)
                ),
                format!("Choose \"{}\" or more (received, displayed, seen, read, acted)", word(earlier)),
            ),
        ));
    }
    found
}

/// What is held together or held back at this step, for the timeline.
fn holding(step: &LadderStep) -> String {
    let digest = step.digest.map(|window| format!("gathered for {}", spaced(window)));
    let throttle = step.throttle.map(|one| format!("at most {} in {}", one.count, spaced(one.window)));
    let parts: Vec<String> = digest.into_iter().chain(throttle).collect();
    if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) }
}

/// Cuts `problem; remedy` of an error's text in two.
pub(super) fn split_sentence(text: &str) -> Complaint {
    let (problem, remedy) = text.split_once("; ").unwrap_or((text, "write it differently"));
    let mut remedy = remedy.to_owned();
    if let Some(first) = remedy.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Complaint::error(problem, remedy)
}

/// `1h30m` as a person reads it: `1 h 30 m`.
fn spaced(duration: Duration) -> String {
    let mut text = String::new();
    let mut was_digit = true;
    for character in duration::print(duration).chars() {
        if !text.is_empty() && character.is_ascii_digit() != was_digit {
            text.push(' ');
        }
        was_digit = character.is_ascii_digit();
        text.push(character);
    }
    text
}

/// The word of the wire for a channel or a level.
pub(super) fn word(value: impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(channel: Channel) -> Step {
        Step { channel, wait: None, until: None, only_if: None, digest: None, throttle: None }
    }

    fn waiting(channel: Channel, wait: &str, until: Level) -> Step {
        Step { wait: Some(wait.to_owned()), until: Some(until), ..step(channel) }
    }

    fn complaints(steps: &[Step]) -> Vec<(Gravity, String)> {
        let (_, faults) = check(steps);
        faults
            .into_iter()
            .map(|LadderFault { step, field, complaint }| {
                let place = format!("{step:?} {}", field.unwrap_or("-"));
                (complaint.gravity, format!("{place}: {}. {}.", complaint.problem, complaint.remedy))
            })
            .collect()
    }

    #[track_caller]
    fn only_complaint(steps: &[Step], gravity: Gravity, message: &str) {
        assert_eq!(complaints(steps), [(gravity, message.to_owned())]);
    }

    #[test]
    fn the_default_ladder_is_live_then_push_then_email_if_push_failed() {
        assert_eq!(
            Ladder::default().timeline(),
            [
                "0 s live",
                "+5 s push unless displayed; at once if live cannot be sent",
                "+5 s email only if push failed"
            ]
        );
        let steps = Ladder::default().to_protocol();
        assert_eq!(complaints(&steps), []);
        assert_eq!(Ladder::from_publish(&steps), Ok(Ladder::default()));
    }

    #[test]
    fn waits_add_up_in_the_timeline() {
        let mut mail = step(Channel::Email);
        mail.digest = Some("1h".to_owned());
        let ladder = Ladder::from_publish(&[
            waiting(Channel::Live, "5s", Level::Displayed),
            waiting(Channel::Push, "10m", Level::Seen),
            mail,
        ])
        .expect("is sound");
        assert_eq!(
            ladder.timeline(),
            [
                "0 s live",
                "+5 s push unless displayed; at once if live cannot be sent",
                "+10 m 5 s email unless seen; at once if push cannot be sent (gathered for 1 h)",
            ]
        );
    }

    #[test]
    fn email_may_come_before_push() {
        let steps = [waiting(Channel::Email, "1h", Level::Read), step(Channel::Push)];
        assert_eq!(complaints(&steps), []);
    }

    #[test]
    fn a_ladder_has_one_to_eight_steps() {
        only_complaint(
            &[],
            Gravity::Error,
            "None -: a ladder needs at least one step. Leave `ladder` out for the default: live, push, e-mail.",
        );
        let steps = vec![waiting(Channel::Push, "1m", Level::Seen); 7];
        let eight = [steps.clone(), vec![step(Channel::Email)]].concat();
        assert!(Ladder::from_publish(&eight).is_ok());
        let nine = [vec![waiting(Channel::Push, "1m", Level::Seen)], eight].concat();
        only_complaint(
            &nine,
            Gravity::Error,
            "None -: 9 steps are too many; a ladder has at most 8. Remove steps.",
        );
    }

    #[test]
    fn until_needs_a_wait_where_a_step_follows() {
        let unwaiting = Step { until: Some(Level::Displayed), ..step(Channel::Live) };
        only_complaint(
            &[unwaiting.clone(), step(Channel::Push)],
            Gravity::Error,
            "Some(0) wait: the step does not wait for `until = \"displayed\"`: the next step would run at once. Add a `wait`, for example \"5s\" or \"10m\", or remove `until`.",
        );
        let zero = Step { wait: Some("0s".to_owned()), ..unwaiting };
        assert_eq!(complaints(&[zero, step(Channel::Push)]).len(), 1);
    }

    #[test]
    fn a_wait_needs_an_until() {
        let aimless = Step { wait: Some("5s".to_owned()), ..step(Channel::Push) };
        only_complaint(
            &[aimless],
            Gravity::Error,
            "Some(0) until: the step waits for nothing: without `until` the ladder ends once the step is sent. Add `until`, for example \"displayed\" or \"seen\", or remove `wait`.",
        );
    }

    #[test]
    fn until_on_the_last_step_is_doubted() {
        only_complaint(
            &[waiting(Channel::Live, "5s", Level::Displayed)],
            Gravity::Warning,
            "Some(0) until: nothing follows the last step, so its `until` decides nothing. Remove it.",
        );
    }

    #[test]
    fn live_until_received_is_doubted() {
        only_complaint(
            &[waiting(Channel::Live, "5s", Level::Received), step(Channel::Push)],
            Gravity::Warning,
            "Some(0) until: a background tab or a forgotten laptop receives the alert and so keeps the phone silent. Choose \"displayed\", unless the receivers are services or devices without a screen.",
        );
    }

    #[test]
    fn a_lower_level_after_a_higher_one_is_doubted() {
        let steps = [
            waiting(Channel::Live, "5s", Level::Seen),
            waiting(Channel::Push, "5m", Level::Displayed),
            step(Channel::Email),
        ];
        only_complaint(
            &steps,
            Gravity::Warning,
            "Some(1) until: \"displayed\" is less than \"seen\" of the step before, so what did not end that step may end this one. Choose \"seen\" or more (received, displayed, seen, read, acted).",
        );
    }

    #[test]
    fn the_first_step_cannot_depend_on_a_failure() {
        let failed = Step { only_if: Some(OnlyIf::Failed), ..step(Channel::Email) };
        only_complaint(
            &[failed],
            Gravity::Error,
            "Some(0) only_if: no step stands before the first that could fail. Remove `only_if`.",
        );
    }

    #[test]
    fn a_step_after_one_that_ends_the_ladder_should_say_so() {
        only_complaint(
            &[step(Channel::Push), step(Channel::Email)],
            Gravity::Warning,
            "Some(1) only_if: the push step before has no `until`, so this step runs only if that one failed. Say so with `only_if = \"failed\"`, or give the step before `wait` and `until`.",
        );
    }

    #[test]
    fn only_email_gathers() {
        let gathering = |channel, window: &str| Step { digest: Some(window.to_owned()), ..step(channel) };
        assert_eq!(complaints(&[gathering(Channel::Email, "1h")]), []);
        only_complaint(
            &[gathering(Channel::Push, "1h")],
            Gravity::Error,
            "Some(0) digest: a push step cannot gather. Remove `digest`, or put it on an \"email\" step.",
        );
        only_complaint(
            &[gathering(Channel::Email, "0s")],
            Gravity::Error,
            "Some(0) digest: a window of 0s gathers nothing. Write for example \"1h\".",
        );
    }

    fn throttled(channel: Channel, throttle: &str) -> Step {
        Step { throttle: Some(throttle.to_owned()), ..step(channel) }
    }

    #[test]
    fn a_throttle_says_how_many_per_how_long() {
        for good in ["3 per 1h", "1000 per 30d", " 1  per  90s"] {
            assert_eq!(complaints(&[throttled(Channel::Push, good)]), [], "{good}");
        }
        let mut mail = throttled(Channel::Email, "3 per 1h");
        mail.digest = Some("10m".to_owned());
        let ladder = Ladder::from_publish(&[mail]).expect("is sound");
        assert_eq!(ladder.timeline(), ["0 s email (gathered for 10 m, at most 3 in 1 h)"]);
        assert_eq!(ladder.to_protocol()[0].throttle.as_deref(), Some("3 per 1h"));
        for (bad, complaint) in [
            ("3", "`3` does not say how many per how long. Write for example \"3 per 1h\"."),
            ("3/1h", "`3/1h` does not say how many per how long. Write for example \"3 per 1h\"."),
            ("0 per 1h", "`0` is no number from 1 to 1000. Write for example \"3 per 1h\"."),
            ("1001 per 1h", "`1001` is no number from 1 to 1000. Write for example \"3 per 1h\"."),
            ("3 per 0s", "a window of 0s limits nothing. Write for example \"3 per 1h\"."),
            ("3 per 31d", "31d is too long. A window is at most \"30d\"."),
        ] {
            only_complaint(
                &[throttled(Channel::Push, bad)],
                Gravity::Error,
                &format!("Some(0) throttle: {complaint}"),
            );
        }
        only_complaint(
            &[throttled(Channel::Live, "3 per 1h")],
            Gravity::Error,
            "Some(0) throttle: a live step disturbs nobody, so there is nothing to throttle. Remove `throttle`, or put it on a \"push\" or \"email\" step.",
        );
    }

    #[test]
    fn faults_of_a_publish_carry_json_pointers_and_doubts_do_not_refuse_it() {
        let bad = Step { wait: Some("5".to_owned()), ..waiting(Channel::Live, "5s", Level::Displayed) };
        let long = waiting(Channel::Push, "31d", Level::Seen);
        let faults = Ladder::from_publish(&[bad, long, step(Channel::Email)]).expect_err("is unsound");
        let said: Vec<(&str, &str)> =
            faults.iter().map(|fault| (fault.pointer.as_str(), fault.detail.as_str())).collect();
        assert_eq!(
            said,
            [
                (
                    "/ladder/0/wait",
                    "`5` has no unit. Write for example \"5s\" for seconds (units: ms, s, m, h, d, w)."
                ),
                ("/ladder/1/wait", "31d is too long. A step waits at most \"30d\"."),
            ]
        );
        assert_eq!(Ladder::from_publish(&[]).expect_err("is empty")[0].pointer, "/ladder");
        assert!(Ladder::from_publish(&[waiting(Channel::Live, "5s", Level::Received)]).is_ok());
    }

    #[test]
    fn expiry_within_a_night_or_before_the_last_step_is_doubted() {
        let hours = |h: u64| Some(Duration::from_secs(h * 3600));
        let ladder = Ladder::default();
        assert_eq!(ladder.doubts(None, Severity::Info), []);
        assert_eq!(ladder.doubts(hours(12), Severity::Info), []);
        assert_eq!(ladder.doubts(hours(2), Severity::Critical), []);
        let doubts = ladder.doubts(hours(2), Severity::Warning);
        assert_eq!(
            doubts[0].problem,
            "2h is shorter than a night: quiet hours hold push and e-mail back, and the alert may expire before they end"
        );
        let slow = Ladder::from_publish(&[waiting(Channel::Live, "1d", Level::Seen), step(Channel::Push)])
            .expect("is sound");
        let doubts = slow.doubts(hours(24), Severity::Info);
        assert_eq!(
            doubts[0].problem,
            "the ladder's last step runs after 1d, when the alert has already expired (1d)"
        );
        let live = Ladder::from_publish(&[step(Channel::Live)]).expect("is sound");
        assert_eq!(live.doubts(hours(1), Severity::Info), []);
    }
}
