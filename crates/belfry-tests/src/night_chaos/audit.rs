//! What has to be true when the night is over.

use rusqlite::Connection;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// What a person's mailbox is called among their devices.
pub const MAILBOX: &str = "mailbox";

/// A leg as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// Whose.
    pub user: String,
    /// Which device.
    pub device: String,
    /// `accepted`, `failed`, or what else became of it.
    pub state: String,
    /// The collapse id.
    pub tag: String,
}

/// A call that a provider heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Whose.
    pub user: String,
    /// Which device.
    pub device: String,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// How often the server had been killed by then.
    pub kills: usize,
}

/// A push or a mail that a provider took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Whose.
    pub user: String,
    /// Which device.
    pub device: String,
    /// The collapse id or `Message-ID` it came with.
    pub tag: String,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// How often the server had been killed by then.
    pub kills: usize,
    /// Whether the provider's answer went back.
    pub answered: bool,
}

/// A kill, and what the dead server held.
#[derive(Debug, Clone, Default)]
pub struct Kill {
    /// When all that it had sent was read, in milliseconds since 1970.
    pub at: i64,
    /// Until when it had leased which legs, by user and device.
    pub leases: HashMap<(String, String), i64>,
}

/// What the store says.
#[derive(Debug, Clone, Default)]
pub struct Night {
    /// How many deliveries each person has, and whether each of them ended.
    pub deliveries: BTreeMap<String, Vec<bool>>,
    /// Their legs.
    pub legs: Vec<Leg>,
}

const LEG_STATES: [&str; 6] = ["pending", "accepted", "failed", "suppressed", "cancelled", "expired"];

/// Whose each delivery is, and whether it ended; on every engine.
pub const DELIVERIES: &str = "SELECT u.id, d.ended_at IS NOT NULL AND d.open_legs = 0 FROM deliveries d \
     JOIN users u ON u.user_key = d.user_key";
/// Whose each leg is, its device, its state and its collapse id; on every engine.
pub const LEGS: &str = "SELECT u.id, coalesce(l.device_id, 'mailbox'), l.state, l.tag FROM legs l \
     JOIN deliveries d ON d.delivery_key = l.delivery_key JOIN users u ON u.user_key = d.user_key \
     WHERE l.device_id IS NOT NULL OR l.channel = 2";
/// Whose each leased leg is, its device, and when the lease ends; on every engine.
pub const LEASES: &str = "SELECT u.id, coalesce(l.device_id, 'mailbox'), l.claim_at FROM legs l \
     JOIN deliveries d ON d.delivery_key = l.delivery_key JOIN users u ON u.user_key = d.user_key \
     WHERE l.state = 0 AND l.lease_token IS NOT NULL AND l.claim_at IS NOT NULL";

/// The word for a stored state.
pub fn leg_state(stored: i64) -> String {
    let known = usize::try_from(stored).ok().and_then(|stored| LEG_STATES.get(stored));
    known.copied().unwrap_or("unknown").to_owned()
}

/// Reads the store of a server, which may be running.
pub fn read(data_dir: &Path) -> rusqlite::Result<Night> {
    let file = Connection::open(data_dir.join("belfry.db"))?;
    file.busy_timeout(std::time::Duration::from_secs(5))?;
    let mut night = Night::default();
    let mut deliveries = file.prepare(DELIVERIES)?;
    for row in deliveries.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))? {
        let (user, ended): (String, bool) = row?;
        night.deliveries.entry(user).or_default().push(ended);
    }
    let mut legs = file.prepare(LEGS)?;
    let read = legs.query_map([], |row| {
        let state = leg_state(row.get(2)?);
        Ok(Leg { user: row.get(0)?, device: row.get(1)?, state, tag: row.get(3)? })
    })?;
    night.legs = read.collect::<rusqlite::Result<_>>()?;
    Ok(night)
}

/// Until when a dead server had leased which legs.
pub fn leases(data_dir: &Path) -> rusqlite::Result<HashMap<(String, String), i64>> {
    let file = Connection::open(data_dir.join("belfry.db"))?;
    let mut leases = file.prepare(LEASES)?;
    leases.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?.collect()
}

/// Whether nothing is due for the next seconds.
pub fn idle(data_dir: &Path) -> rusqlite::Result<bool> {
    let file = Connection::open(data_dir.join("belfry.db"))?;
    file.busy_timeout(std::time::Duration::from_secs(5))?;
    let first: Option<i64> = file.query_row(
        "SELECT min(claim_at) FROM (SELECT claim_at FROM deliveries UNION ALL SELECT claim_at FROM legs)",
        [],
        |row| row.get(0),
    )?;
    let soon = belfry_server::clock::now().unix_ms().0 + 2_000;
    Ok(first.is_some_and(|first| first > soon))
}

/// Whether nothing is left to be done for so many people.
pub fn is_over(night: &Night, people: usize) -> bool {
    night.deliveries.len() == people && night.deliveries.values().flatten().all(|ended| *ended)
}

/// What was taken more than once, by its place in the list.
#[derive(Debug, Default)]
pub struct Again {
    /// The server was killed before it had written down the answer.
    pub after_kills: Vec<String>,
    /// The answer was lost on its way.
    pub unanswered: Vec<String>,
}

impl Again {
    /// How many of them went to this device.
    pub fn of(&self, device: &str) -> usize {
        self.after_kills.iter().chain(&self.unanswered).filter(|one| *one == device).count()
    }
}

type ByLeg<'a, T> = BTreeMap<(&'a str, &'a str), Vec<&'a T>>;

fn by_leg<'a, T>(all: &'a [T], leg: impl Fn(&'a T) -> (&'a str, &'a str)) -> ByLeg<'a, T> {
    let mut sorted = ByLeg::new();
    for one in all {
        sorted.entry(leg(one)).or_default().push(one);
    }
    sorted
}

/// The devices that something was taken for once more, and why.
pub fn again(taken: &[Taken], kills: &[Kill]) -> Again {
    let mut again = Again::default();
    for pushes in by_leg(taken, |one| (&one.user, &one.device)).into_values() {
        for pair in pushes.windows(2) {
            let why = if cut_off(pair[0], kills) { &mut again.after_kills } else { &mut again.unanswered };
            why.push(pair[1].device.clone());
        }
    }
    again
}

/// Whether the server was killed before it had written down what became of this.
fn cut_off(push: &Taken, kills: &[Kill]) -> bool {
    let leg = (push.user.clone(), push.device.clone());
    kills.get(push.kills).is_some_and(|kill| kill.leases.contains_key(&leg))
}

/// What is not as promised: each person has one delivery, which ended; each of their devices one leg, which ended; what
/// a leg says is what its provider says; what was taken twice is what the server could not know of, under the same
/// collapse id; and nobody is called while a dead server's lease holds.
pub fn faults(
    night: &Night,
    (heard, taken): (&[Heard], &[Taken]),
    kills: &[Kill],
    (people, devices): (&[String], &[&str]),
) -> Vec<String> {
    let mut faults = Vec::new();
    let mut legs = by_leg(&night.legs, |leg| (&leg.user, &leg.device));
    let mut pushes = by_leg(taken, |push| (&push.user, &push.device));
    for user in people {
        match night.deliveries.get(user).map(Vec::as_slice) {
            Some([true]) => {}
            other => faults.push(format!("{user}: instead of one delivery that ended there is {other:?}")),
        }
        for device in devices {
            let key = (user.as_str(), *device);
            let pushes = pushes.remove(&key).unwrap_or_default();
            match legs.remove(&key).unwrap_or_default().as_slice() {
                [leg] => faults.extend(leg_fault(leg, &pushes, kills)),
                other => {
                    faults.push(format!("{user} {device}: instead of one leg there are {}", other.len()))
                }
            }
        }
    }
    faults.extend(legs.keys().map(|(user, device)| format!("{user} {device}: nobody asked for this leg")));
    faults.extend(pushes.keys().map(|(user, device)| format!("{user} {device}: nobody asked for this push")));
    faults.extend(heard.iter().filter_map(|call| lease_fault(call, kills)));
    faults
}

fn leg_fault(leg: &Leg, pushes: &[&Taken], kills: &[Kill]) -> Option<String> {
    let name = format!("{} {}", leg.user, leg.device);
    let known = |push: &&&Taken| push.answered && !cut_off(push, kills);
    match (leg.state.as_str(), pushes.len()) {
        ("accepted", 0) => return Some(format!("{name}: accepted, and no provider knows of it")),
        // Of what it took, the server knows the last at most.
        ("accepted", _) => {
            let known = pushes.iter().rev().skip(1).find(known);
            if let Some(push) = known {
                return Some(format!(
                    "{name}: taken again, although the answer after {} kills came",
                    push.kills
                ));
            }
        }
        ("failed" | "expired", _) => {
            if pushes.iter().any(|push| known(&push)) {
                return Some(format!("{name}: {}, and its provider said that it took it", leg.state));
            }
        }
        (state, _) => return Some(format!("{name}: it ended as {state}")),
    }
    let other = pushes.iter().find(|push| push.tag != leg.tag)?;
    Some(format!("{name}: it went out under {} and not under {}", other.tag, leg.tag))
}

fn lease_fault(call: &Heard, kills: &[Kill]) -> Option<String> {
    let leg = (call.user.clone(), call.device.clone());
    let until = *kills.get(call.kills.checked_sub(1)?)?.leases.get(&leg)?;
    (call.at < until).then(|| {
        format!("{} {}: called {} ms before a dead server's lease ended", leg.0, leg.1, until - call.at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(device: &str, state: &str) -> Leg {
        Leg { user: "ann".into(), device: device.into(), state: state.into(), tag: "t".into() }
    }

    fn push(device: &str, tag: &str, kills: usize) -> Taken {
        let (device, tag) = (device.into(), tag.into());
        Taken { user: "ann".into(), device, tag, at: 0, kills, answered: true }
    }

    fn lost(push: Taken) -> Taken {
        Taken { answered: false, ..push }
    }

    /// The first server died with these legs in hand.
    fn killed(leased: &[&str]) -> [Kill; 1] {
        let leases = leased.iter().map(|device| (("ann".to_owned(), (*device).to_owned()), 100)).collect();
        [Kill { at: 10, leases }]
    }

    fn found_after(kills: &[Kill], legs: &[Leg], taken: &[Taken]) -> usize {
        let deliveries = [("ann".to_owned(), vec![true])].into();
        let night = Night { deliveries, legs: legs.to_vec() };
        faults(&night, (&[], taken), kills, (&["ann".to_owned()], &["a", "b"])).len()
    }

    fn found(legs: &[Leg], taken: &[Taken]) -> usize {
        found_after(&[], legs, taken)
    }

    #[test]
    fn a_night_in_order_has_no_fault() {
        let legs = [leg("a", "accepted"), leg("b", "failed")];
        assert_eq!(found(&legs, &[push("a", "t", 0)]), 0);
        let twice = [push("a", "t", 0), push("a", "t", 1)];
        assert_eq!(found_after(&killed(&["a"]), &legs, &twice), 0, "a kill cut the answer off");
        assert_eq!(found_after(&killed(&["b"]), &legs, &twice), 1, "the answer had been written down");
        assert_eq!(found(&legs, &[lost(push("a", "t", 0)), push("a", "t", 0)]), 0, "the answer was lost");
        assert_eq!(
            found(&legs, &[push("a", "t", 0), lost(push("b", "t", 0))]),
            0,
            "nobody knows of the second"
        );
    }

    #[test]
    fn what_is_lost_doubled_or_mixed_up_is_found() {
        let legs = [leg("a", "accepted"), leg("b", "failed")];
        assert_eq!(found(&legs, &[]), 1, "accepted by nobody");
        assert_eq!(found(&legs, &[push("a", "t", 0), push("a", "t", 0)]), 1, "twice without a reason");
        let renamed = [lost(push("a", "t", 0)), push("a", "u", 0)];
        assert_eq!(found(&legs, &renamed), 1, "under another collapse id");
        assert_eq!(found(&legs, &[push("a", "t", 0), push("b", "t", 0)]), 1, "failed and taken");
        assert_eq!(found(&legs, &[push("a", "t", 0), push("c", "t", 0)]), 1, "nobody's device");
        assert_eq!(found(&legs[..1], &[push("a", "t", 0)]), 1, "a leg is missing");
        let twice = [leg("a", "failed"), leg("b", "failed"), leg("b", "failed")];
        assert_eq!(found(&twice, &[]), 1, "two legs for one address");
        assert_eq!(found(&[leg("a", "pending"), leg("b", "failed")], &[]), 1, "not at its end");
    }

    #[test]
    fn a_call_within_a_dead_servers_lease_is_found() {
        let heard = |device: &str, at, kills| Heard { user: "ann".into(), device: device.into(), at, kills };
        let calls = [heard("a", 5, 0), heard("a", 99, 1), heard("a", 100, 1), heard("b", 99, 1)];
        let early: Vec<bool> =
            calls.iter().map(|call| lease_fault(call, &killed(&["a"])).is_some()).collect();
        assert_eq!(early, [false, true, false, false]);
    }

    #[test]
    fn repeats_are_counted_by_their_reason() {
        let taken = [push("a", "t", 0), push("a", "t", 1), lost(push("b", "t", 1)), push("b", "t", 1)];
        let again = again(&taken, &killed(&["a"]));
        assert_eq!((again.after_kills.len(), again.unanswered.len(), again.of("b")), (1, 1, 1));
    }

    #[test]
    fn a_person_without_exactly_one_ended_delivery_is_found() {
        for deliveries in [vec![], vec![false], vec![true, true]] {
            let deliveries: BTreeMap<_, _> = [("ann".to_owned(), deliveries)].into();
            let night = Night { deliveries, legs: Vec::new() };
            assert_eq!(faults(&night, (&[], &[]), &[], (&["ann".to_owned()], &[])).len(), 1);
        }
    }
}
