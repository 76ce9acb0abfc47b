//! How often a person is disturbed about one category by one channel: pure, with what went out before as an argument.

use crate::kinds::Throttle;
use belfry_protocol::{Channel, UserId};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};

/// Whose count it is.
pub type Counted = (UserId, String, Channel);

/// What went out lately, and what goes out in this round.
#[derive(Debug, Default)]
pub struct Sendings {
    times: HashMap<Counted, Vec<Timestamp>>,
    /// Those for whom what had to wait goes out now, as one.
    collapsed: HashSet<Counted>,
}

impl Sendings {
    /// Something was sent at this moment, or is about to be.
    pub fn note(&mut self, counted: Counted, at: Timestamp) {
        self.times.entry(counted).or_default().push(at);
    }

    /// Something goes out in this round. What goes out with others as one counts once.
    pub fn goes(&mut self, counted: Counted, as_one: bool, now: Timestamp) {
        if !as_one || self.collapsed.insert(counted.clone()) {
            self.note(counted, now);
        }
    }

    /// Until when a step has to wait. `None`: it may go out now.
    pub fn held_until(
        &self,
        counted: &Counted,
        throttle: Throttle,
        as_one: bool,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if as_one && self.collapsed.contains(counted) {
            return None;
        }
        has_room_at(throttle, self.times.get(counted).map_or(&[], Vec::as_slice), now)
    }
}

/// When there is room for one more after these sendings. `None`: there is.
fn has_room_at(throttle: Throttle, sent: &[Timestamp], now: Timestamp) -> Option<Timestamp> {
    let leaves = |at: &Timestamp| at.saturating_add(throttle.window).unwrap_or(Timestamp::MAX);
    let mut within: Vec<Timestamp> = sent.iter().map(leaves).filter(|leaves| *leaves > now).collect();
    within.sort_unstable();
    // There may be more than the limit: what is critical passes, and counts.
    let over = within.len().checked_sub(throttle.count as usize)?;
    within.get(over).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + minute * 60).unwrap()
    }

    fn three_per_hour() -> Throttle {
        Throttle { count: 3, window: 60 * MINUTE }
    }

    fn ann(category: &str) -> Counted {
        ("ann".parse().unwrap(), category.to_owned(), Channel::Push)
    }

    #[test]
    fn the_window_slides_behind_each_sending() {
        let room = |sent: &[i64], now| {
            let sent: Vec<Timestamp> = sent.iter().copied().map(at).collect();
            has_room_at(three_per_hour(), &sent, at(now))
        };
        assert_eq!(room(&[], 0), None);
        assert_eq!(room(&[0, 1], 2), None);
        assert_eq!(room(&[2, 0, 1], 3), Some(at(60)));
        assert_eq!(room(&[0, 1, 2], 59), Some(at(60)));
        assert_eq!(room(&[0, 1, 2], 60), None, "the first one is out of it");
        assert_eq!(room(&[0, 1, 2, 60], 60), Some(at(61)));
        assert_eq!(room(&[0, 1, 2, 3, 4], 5), Some(at(62)), "critical ones passed, and count");
    }

    #[test]
    fn what_had_to_wait_goes_out_as_one_and_counts_once() {
        let mut sendings = Sendings::default();
        for minute in [0, 1, 2] {
            sendings.note(ann("deals"), at(minute));
        }
        let held = |sendings: &Sendings, as_one, now| {
            sendings.held_until(&ann("deals"), three_per_hour(), as_one, at(now))
        };
        assert_eq!(held(&sendings, true, 10), Some(at(60)));
        assert_eq!(held(&sendings, true, 60), None);
        for _ in 0..5 {
            sendings.goes(ann("deals"), true, at(60));
            assert_eq!(held(&sendings, true, 60), None, "the rest goes with the first");
        }
        assert_eq!(held(&sendings, false, 60), Some(at(61)), "a new one is none of them");
        assert_eq!(held(&sendings, false, 61), None);
        sendings.goes(ann("deals"), false, at(61));
        assert_eq!(held(&sendings, false, 61), Some(at(62)));
    }

    #[test]
    fn people_categories_and_channels_have_counts_of_their_own() {
        let mut sendings = Sendings::default();
        for _ in 0..3 {
            sendings.goes(ann("deals"), false, at(0));
        }
        let held = |counted: &Counted| sendings.held_until(counted, three_per_hour(), false, at(1));
        assert_eq!(held(&ann("deals")), Some(at(60)));
        assert_eq!(held(&ann("orders")), None);
        assert_eq!(held(&("bob".parse().unwrap(), "deals".to_owned(), Channel::Push)), None);
        assert_eq!(held(&("ann".parse().unwrap(), "deals".to_owned(), Channel::Email)), None);
    }
}
