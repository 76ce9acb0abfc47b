use super::*;
use belfry_protocol::Step;

const SECOND: Duration = Duration::from_secs(1);

fn ladder(toml: &str) -> Ladder {
    #[derive(serde::Deserialize)]
    struct File {
        ladder: Vec<Step>,
    }
    let file: File = toml::from_str(toml).expect("is TOML");
    Ladder::from_publish(&file.ladder).expect("is sound")
}

fn start() -> Instant {
    crate::clock::now().instant
}

#[test]
fn who_comes_back_meanwhile_has_the_whole_time_too() {
    let published = start();
    let step = Ladder::default().steps()[0];
    let now = published + 15 * SECOND;
    let back = |visible, since| look_again(&step, Presence::Open { visible, since }, published, now);
    assert_eq!(back(true, now - SECOND), Some(4 * SECOND));
    assert_eq!(back(true, now - 5 * SECOND), None);
    assert_eq!(back(true, published - SECOND), None, "that session had it from the beginning");
    assert_eq!(back(false, now - SECOND), None, "nobody looks at that page");
    assert_eq!(look_again(&step, Presence::Away, published, now), None);
}

// ---- what happens next

fn noon() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().expect("is a time")
}

fn decide(change: impl FnOnce(&mut Due<'_>), obstacle: &dyn Fn(Channel) -> Option<Obstacle>) -> Decision {
    decide_on(&Ladder::default(), change, obstacle)
}

fn decide_on(
    ladder: &Ladder,
    change: impl FnOnce(&mut Due<'_>),
    obstacle: &dyn Fn(Channel) -> Option<Obstacle>,
) -> Decision {
    let mut due = Due {
        ladder,
        step: 1,
        last_failed: false,
        suppressed: false,
        gathered: false,
        expires_at: None,
        held_until: None,
        throttled_until: &|_| None,
        obstacle,
    };
    change(&mut due);
    next_step(&due, noon())
}

fn free(_: Channel) -> Option<Obstacle> {
    None
}

fn skipped(step: u32, channel: Channel, why: Obstacle) -> Skipped {
    Skipped { step, channel, why }
}

#[test]
fn after_the_live_step_comes_the_push_and_mail_only_if_that_failed() {
    assert_eq!(decide(|_| {}, &free).next, Next::Send { step: 1 });
    let after_push = decide(|due| due.step = 2, &free);
    assert_eq!(after_push.next, stop(DeliveryState::Sent, "no further step applies"));
    let failed = decide(|due| (due.step, due.last_failed) = (2, true), &free);
    assert_eq!(failed.next, Next::Send { step: 2 });
}

#[test]
fn a_step_without_an_address_goes_on_at_once_and_counts_as_failed() {
    let no_push = |channel| (channel == Channel::Push).then_some(Obstacle::NoAddress);
    let decision = decide(|_| {}, &no_push);
    assert_eq!(decision.next, Next::Send { step: 2 });
    assert_eq!(decision.skipped, [skipped(1, Channel::Push, Obstacle::NoAddress)]);
    assert!(decision.last_failed);
}

#[test]
fn a_ladder_without_any_way_ends_in_a_dead_letter() {
    let decision = decide(|_| {}, &|_| Some(Obstacle::NoAddress));
    assert_eq!(decision.next, stop(DeliveryState::DeadLettered, ""));
    assert_eq!(decision.skipped.len(), 2);
    let all_failed = decide(|due| (due.step, due.last_failed) = (3, true), &free);
    assert_eq!(all_failed.next, stop(DeliveryState::DeadLettered, ""));
}

#[test]
fn what_a_person_does_not_want_is_suppressed_and_not_dead() {
    let unwanted = |channel| match channel {
        Channel::Push => Some(Obstacle::Unwanted),
        _ => Some(Obstacle::NoAddress),
    };
    assert!(matches!(decide(|_| {}, &unwanted).next, Next::Stop { state: DeliveryState::Suppressed, .. }));
    let before = decide(|due| (due.step, due.last_failed, due.suppressed) = (3, true, true), &free);
    assert!(matches!(before.next, Next::Stop { state: DeliveryState::Suppressed, .. }));
    let no_push = |channel| (channel == Channel::Push).then_some(Obstacle::Unwanted);
    assert_eq!(decide(|_| {}, &no_push).next, Next::Send { step: 2 }, "mail is wanted");
}

#[test]
fn quiet_hours_defer_push_and_mail_but_not_past_the_end() {
    let morning: Timestamp = "2026-06-02T07:00:00Z".parse().expect("is a time");
    let wait = |until| Next::Wait { step: 1, until, why: Waiting::QuietHours };
    assert_eq!(decide(|due| due.held_until = Some(morning), &free).next, wait(morning));
    let end = morning - Duration::from_secs(3_600);
    let expiring = decide(|due| (due.held_until, due.expires_at) = (Some(morning), Some(end)), &free);
    assert_eq!(expiring.next, wait(end));
    let over = decide(|due| due.expires_at = Some(noon()), &free);
    assert!(matches!(over.next, Next::Stop { state: DeliveryState::Expired, .. }));
    let hook = ladder("ladder = [{ channel = \"live\" }, { channel = \"webhook\" }]");
    let decision = decide_on(&hook, |due| due.held_until = Some(morning), &free);
    assert_eq!(decision.next, Next::Send { step: 1 }, "a webhook wakes nobody");
}

#[test]
fn a_digest_waits_for_its_window_once() {
    let hourly = ladder("ladder = [{ channel = \"live\" }, { channel = \"email\", digest = \"1h\" }]");
    let one = noon() + Duration::from_secs(3_600);
    assert_eq!(
        decide_on(&hourly, |_| {}, &free).next,
        Next::Wait { step: 1, until: one, why: Waiting::Digest }
    );
    assert_eq!(decide_on(&hourly, |due| due.gathered = true, &free).next, Next::Send { step: 1 });
}

#[test]
fn what_is_throttled_waits_and_comes_after_quiet_hours_and_digest() {
    let hourly = ladder("ladder = [{ channel = \"email\", digest = \"1h\", throttle = \"3 per 1d\" }]");
    fn full(step: &LadderStep) -> Option<Timestamp> {
        step.throttle.map(|_| noon() + Duration::from_secs(7_200))
    }
    let room = noon() + Duration::from_secs(7_200);
    let wait = |until, why| Next::Wait { step: 0, until, why };
    let decide = |change: &dyn Fn(&mut Due<'_>)| {
        let throttled = |due: &mut Due<'_>| {
            (due.step, due.throttled_until) = (0, &full);
            change(due);
        };
        decide_on(&hourly, throttled, &free).next
    };
    let hour = noon() + Duration::from_secs(3_600);
    assert_eq!(decide(&|_| {}), wait(hour, Waiting::Digest));
    assert_eq!(decide(&|due| due.gathered = true), wait(room, Waiting::Throttle));
    assert_eq!(
        decide(&|due| (due.gathered, due.expires_at) = (true, Some(hour))),
        wait(hour, Waiting::Throttle)
    );
    assert_eq!(decide(&|due| due.held_until = Some(hour)), wait(hour, Waiting::QuietHours));
}

#[test]
fn a_live_step_further_down_only_takes_its_time() {
    let turned = ladder(
        "ladder = [{ channel = \"push\", wait = \"1m\", until = \"seen\" }, { channel = \"live\", wait = \"10s\", until = \"seen\" }, { channel = \"email\" }]",
    );
    let until = noon() + Duration::from_secs(10);
    assert_eq!(
        decide_on(&turned, |due| due.last_failed = true, &free).next,
        Next::Wait { step: 2, until, why: Waiting::Live }
    );
}
