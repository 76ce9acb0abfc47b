//! Whether a person wants no noise right now. Pure: `now` is an argument.

use belfry_protocol::Severity;
use belfry_protocol::do_not_disturb::{Day, DoNotDisturbState, QuietWindow};
use belfry_store::Settings;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

/// What makes an alert pass or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loudness {
    /// `critical` passes schedules.
    pub severity: Severity,
    /// Passes do-not-disturb that was switched on by hand.
    pub breaks_through: bool,
    /// The publisher asked for no noise.
    pub quiet: bool,
}

/// Whether an alert goes out with `quiet: true`.
pub fn is_quiet(settings: &Settings, loudness: Loudness, now: Timestamp) -> bool {
    if loudness.quiet {
        return true;
    }
    if settings.do_not_disturb.until.is_some_and(|until| until > now) && !loudness.breaks_through {
        return true;
    }
    loudness.severity != Severity::Critical
        && !loudness.breaks_through
        && quiet_hours_until(settings, now).is_some()
}

/// Until when push and e-mail are held back: by hand whatever does not break through, by schedule whatever is not
/// critical either. What a publisher calls quiet still goes out.
pub fn held_until(settings: &Settings, loudness: Loudness, now: Timestamp) -> Option<Timestamp> {
    if loudness.breaks_through {
        return None;
    }
    let by_hand = settings.do_not_disturb.until.filter(|until| *until > now);
    let by_schedule =
        if loudness.severity == Severity::Critical { None } else { quiet_hours_until(settings, now) };
    by_hand.max(by_schedule)
}

/// Whether an alert is one that no limit on how often somebody is disturbed holds back: as with quiet hours.
pub fn passes(loudness: Loudness) -> bool {
    loudness.breaks_through || loudness.severity == Severity::Critical
}

/// What a client is told.
pub fn state(settings: &Settings, now: Timestamp) -> DoNotDisturbState {
    let by_hand = settings.do_not_disturb.until.filter(|until| *until > now);
    let until = by_hand.max(quiet_hours_until(settings, now));
    DoNotDisturbState {
        active: until.is_some(),
        until,
        schedule: settings.do_not_disturb.schedule.clone(),
        time_zone: settings.do_not_disturb.time_zone.clone().or_else(|| settings.time_zone.clone()),
    }
}

/// When the quiet window that is open now closes.
pub fn quiet_hours_until(settings: &Settings, now: Timestamp) -> Option<Timestamp> {
    let schedule = &settings.do_not_disturb.schedule;
    if schedule.is_empty() {
        return None;
    }
    let zone = settings.do_not_disturb.time_zone.as_deref().or(settings.time_zone.as_deref());
    let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    let now = now.to_zoned(zone);
    schedule.iter().filter_map(|window| window_until(window, &now)).max()
}

fn window_until(window: &QuietWindow, now: &Zoned) -> Option<Timestamp> {
    let from = parse_time(&window.from)?;
    let to = parse_time(&window.to)?;
    // A window that began yesterday may still be open.
    [0, 1].into_iter().find_map(|days_ago: i64| {
        let day = now.date().checked_sub(days_ago.days()).ok()?;
        if !window.days.contains(&day_of(day.weekday())) {
            return None;
        }
        let end_day = if to <= from { day.tomorrow().ok()? } else { day };
        let zone = now.time_zone();
        let begin = day.to_datetime(from).to_zoned(zone.clone()).ok()?;
        let end = end_day.to_datetime(to).to_zoned(zone.clone()).ok()?;
        (begin <= *now && *now < end).then(|| end.timestamp())
    })
}

/// `HH:MM`.
pub fn parse_time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

fn day_of(weekday: Weekday) -> Day {
    match weekday {
        Weekday::Monday => Day::Mon,
        Weekday::Tuesday => Day::Tue,
        Weekday::Wednesday => Day::Wed,
        Weekday::Thursday => Day::Thu,
        Weekday::Friday => Day::Fri,
        Weekday::Saturday => Day::Sat,
        Weekday::Sunday => Day::Sun,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use belfry_protocol::DoNotDisturb;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn nights(zone: &str) -> Settings {
        let window = QuietWindow { days: vec![Day::Fri, Day::Sat], from: "22:00".into(), to: "07:00".into() };
        let do_not_disturb =
            DoNotDisturb { until: None, schedule: vec![window], time_zone: Some(zone.to_owned()) };
        Settings { do_not_disturb, ..Settings::default() }
    }

    const LOUD: Loudness = Loudness { severity: Severity::Info, breaks_through: false, quiet: false };

    #[test]
    fn a_window_over_midnight_ends_on_the_next_day() {
        let settings = nights("UTC");
        // 2026-01-02 is a Friday.
        assert_eq!(quiet_hours_until(&settings, at("2026-01-02T21:59:59Z")), None);
        assert_eq!(
            quiet_hours_until(&settings, at("2026-01-02T22:00:00Z")),
            Some(at("2026-01-03T07:00:00Z"))
        );
        assert_eq!(
            quiet_hours_until(&settings, at("2026-01-04T06:59:59Z")),
            Some(at("2026-01-04T07:00:00Z"))
        );
        assert_eq!(quiet_hours_until(&settings, at("2026-01-04T07:00:00Z")), None);
        assert_eq!(
            quiet_hours_until(&settings, at("2026-01-04T22:30:00Z")),
            None,
            "Sunday is not on the list"
        );
    }

    #[test]
    fn quiet_hours_follow_the_clocks_change() {
        // Berlin goes to summer time on Sunday 2026-03-29 at 02:00: the night has an hour less.
        let settings = nights("Europe/Berlin");
        assert_eq!(
            quiet_hours_until(&settings, at("2026-03-28T21:00:00Z")),
            Some(at("2026-03-29T05:00:00Z"))
        );
    }

    #[test]
    fn by_hand_only_what_breaks_through_passes() {
        let mut settings = Settings::default();
        settings.do_not_disturb.until = Some(at("2026-01-01T12:00:00Z"));
        let now = at("2026-01-01T11:00:00Z");
        assert!(is_quiet(&settings, LOUD, now));
        assert!(is_quiet(&settings, Loudness { severity: Severity::Critical, ..LOUD }, now));
        assert!(!is_quiet(&settings, Loudness { breaks_through: true, ..LOUD }, now));
        assert!(!is_quiet(&settings, LOUD, at("2026-01-01T12:00:00Z")));
    }

    #[test]
    fn critical_passes_schedules() {
        let settings = nights("UTC");
        let night = at("2026-01-02T23:00:00Z");
        assert!(is_quiet(&settings, LOUD, night));
        assert!(!is_quiet(&settings, Loudness { severity: Severity::Critical, ..LOUD }, night));
        assert!(is_quiet(&settings, Loudness { severity: Severity::Critical, quiet: true, ..LOUD }, night));
    }

    #[test]
    fn times_are_two_digits_each() {
        assert!(parse_time("07:00").is_some());
        for wrong in ["7:00", "24:00", "07:60", "0700", "+7:00", ""] {
            assert!(parse_time(wrong).is_none(), "{wrong}");
        }
    }
}
