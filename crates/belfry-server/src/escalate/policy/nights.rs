//! Ladders through nights in which the clocks change.

use super::*;
use crate::quiet::{Loudness, held_until, quiet_hours_until};
use belfry_protocol::do_not_disturb::{Day, QuietWindow};
use belfry_protocol::{DoNotDisturb, Severity};
use belfry_store::Settings;
use jiff::ToSpan;
use jiff::civil::time;

const DAYS: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];

/// Nights from 22:00 to 07:00 in which the clocks change: zone, beginning, end, and how long they are.
const NIGHTS: [(&str, &str, &str, &str); 6] = [
    ("Europe/Berlin", "2026-03-28T21:00:00Z", "2026-03-29T05:00:00Z", "PT8H"),
    ("Europe/Berlin", "2026-10-24T20:00:00Z", "2026-10-25T06:00:00Z", "PT10H"),
    ("America/New_York", "2026-03-08T03:00:00Z", "2026-03-08T11:00:00Z", "PT8H"),
    ("America/New_York", "2026-11-01T02:00:00Z", "2026-11-01T12:00:00Z", "PT10H"),
    // Half an hour, and in the southern autumn and spring.
    ("Australia/Lord_Howe", "2026-04-04T11:00:00Z", "2026-04-04T20:30:00Z", "PT9H30M"),
    ("Australia/Lord_Howe", "2026-10-03T11:30:00Z", "2026-10-03T20:00:00Z", "PT8H30M"),
];

fn at(text: &str) -> Timestamp {
    text.parse().expect("is a moment")
}

fn every_day(zone: &str, from: &str, to: &str) -> Settings {
    let window = QuietWindow { days: DAYS.to_vec(), from: from.into(), to: to.into() };
    let do_not_disturb = DoNotDisturb { until: None, schedule: vec![window], time_zone: Some(zone.into()) };
    Settings { do_not_disturb, ..Settings::default() }
}

fn minutes(count: i64) -> jiff::SignedDuration {
    jiff::SignedDuration::from_mins(count)
}

/// Live, then push, then mail half an hour later unless somebody saw it.
fn ladder() -> Ladder {
    let step = |json| serde_json::from_value(json).expect("is a step");
    let steps = [
        step(serde_json::json!({"channel": "live", "wait": "5s", "until": "displayed"})),
        step(serde_json::json!({"channel": "push", "wait": "30m", "until": "seen"})),
        step(serde_json::json!({"channel": "email"})),
    ];
    Ladder::from_publish(&steps).expect("is sound")
}

/// What goes out and when, for somebody who never answers.
fn sent(settings: &Settings, severity: Severity, published: Timestamp) -> Vec<(Channel, Timestamp)> {
    let (ladder, loudness) = (ladder(), Loudness { severity, breaks_through: false, quiet: false });
    let (mut now, mut step, mut sent) = (published, 1, Vec::new());
    loop {
        let due = Due {
            ladder: &ladder,
            step,
            last_failed: false,
            suppressed: false,
            gathered: false,
            expires_at: None,
            held_until: held_until(settings, loudness, now),
            throttled_until: &|_| None,
            obstacle: &|_| None,
        };
        match next_step(&due, now).next {
            Next::Send { step: sending } => {
                let running = ladder.steps()[sending as usize];
                sent.push((running.channel, now));
                now += running.wait;
                step = sending + 1;
            }
            Next::Wait { step: next, until, .. } => {
                assert!(until > now, "waiting leads on");
                (step, now) = (next, until);
            }
            Next::Stop { state, .. } => {
                assert_eq!(state, DeliveryState::Sent);
                return sent;
            }
        }
    }
}

#[test]
fn a_night_in_which_the_clocks_change_lasts_as_long_as_it_lasts() {
    for (zone, begins, ends, length) in NIGHTS {
        let settings = every_day(zone, "22:00", "07:00");
        let (begins, ends) = (at(begins), at(ends));
        assert_eq!(ends.duration_since(begins), length.parse().expect("a duration"), "{zone} {begins}");
        let until = |moment| quiet_hours_until(&settings, moment);
        assert_eq!(until(begins - 1.millisecond()), None, "{zone} {begins}");
        assert_eq!(until(begins), Some(ends), "{zone}");
        assert_eq!(until(ends - 1.millisecond()), Some(ends), "{zone}");
        assert_eq!(until(ends), None, "{zone} {ends}");
    }
}

#[test]
fn every_minute_around_a_change_is_quiet_as_the_clock_on_the_wall_says() {
    for (zone, begins, ..) in NIGHTS {
        let settings = every_day(zone, "22:00", "07:00");
        for minute in -24 * 60..48 * 60 {
            let now = at(begins) + minutes(minute);
            let wall = now.in_tz(zone).expect("the zone is known").time();
            let is_night = wall >= time(22, 0, 0, 0) || wall < time(7, 0, 0, 0);
            let until = quiet_hours_until(&settings, now);
            assert_eq!(until.is_some(), is_night, "{zone} {now}");
            if let Some(until) = until {
                let end = until.in_tz(zone).expect("the zone is known").time();
                assert!(until > now && end == time(7, 0, 0, 0), "{zone} {now} {until}");
            }
        }
    }
}

#[test]
fn the_whole_ladder_is_computed_through_the_night() {
    for (zone, begins, ends, _) in NIGHTS {
        let settings = every_day(zone, "22:00", "07:00");
        let (begins, ends) = (at(begins), at(ends));
        let info = |published| sent(&settings, Severity::Info, published);
        let evening = begins - minutes(20);
        assert_eq!(
            info(evening),
            [(Channel::Push, evening), (Channel::Email, ends)],
            "{zone}: the mail's half hour ends in the night"
        );
        for published in [begins, begins + minutes(240), begins + minutes(300), ends - minutes(1)] {
            assert_eq!(
                info(published),
                [(Channel::Push, ends), (Channel::Email, ends + minutes(30))],
                "{zone}: {published}"
            );
        }
        assert_eq!(info(ends), [(Channel::Push, ends), (Channel::Email, ends + minutes(30))], "{zone}");
        let deep = begins + minutes(240);
        assert_eq!(
            sent(&settings, Severity::Critical, deep),
            [(Channel::Push, deep), (Channel::Email, deep + minutes(30))],
            "{zone}: critical passes"
        );
    }
}

#[test]
fn a_time_that_the_clocks_skip_comes_as_much_later() {
    // Berlin has no 02:30 on 2026-03-29: after 01:59 comes 03:00.
    let ending = every_day("Europe/Berlin", "22:00", "02:30");
    assert_eq!(quiet_hours_until(&ending, at("2026-03-28T23:00:00Z")), Some(at("2026-03-29T01:30:00Z")));
    let beginning = every_day("Europe/Berlin", "02:30", "04:00");
    assert_eq!(quiet_hours_until(&beginning, at("2026-03-29T01:29:00Z")), None);
    assert_eq!(quiet_hours_until(&beginning, at("2026-03-29T01:30:00Z")), Some(at("2026-03-29T02:00:00Z")));
    // All of it is skipped on Lord Howe Island on 2026-10-04, or would be over when it begins.
    let swallowed = every_day("Australia/Lord_Howe", "02:10", "02:40");
    for minute in 0..120 {
        assert_eq!(quiet_hours_until(&swallowed, at("2026-10-03T15:00:00Z") + minutes(minute)), None);
    }
}

#[test]
fn a_time_that_comes_twice_counts_the_first_time() {
    // Berlin has 02:30 twice on 2026-10-25: at 00:30 and at 01:30 UTC.
    let ending = every_day("Europe/Berlin", "22:00", "02:30");
    assert_eq!(quiet_hours_until(&ending, at("2026-10-24T22:00:00Z")), Some(at("2026-10-25T00:30:00Z")));
    for twice in ["2026-10-25T00:30:00Z", "2026-10-25T01:15:00Z"] {
        assert_eq!(quiet_hours_until(&ending, at(twice)), None, "nobody is silenced a second time");
    }
    let around = every_day("Europe/Berlin", "01:30", "03:30");
    assert_eq!(quiet_hours_until(&around, at("2026-10-25T01:15:00Z")), Some(at("2026-10-25T02:30:00Z")));
}
