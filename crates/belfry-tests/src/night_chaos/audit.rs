//! What has to be true when the night is over.

use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;

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

/// A push that a provider took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Whose phone it was.
    pub user: String,
    /// Which device.
    pub device: String,
    /// The collapse id it came with.
    pub tag: String,
    /// How often the server had been killed by then.
    pub kills: usize,
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

/// Reads the store of a server, which may be running.
pub fn read(data_dir: &Path) -> rusqlite::Result<Night> {
    let file = Connection::open(data_dir.join("belfry.db"))?;
    file.busy_timeout(std::time::Duration::from_secs(5))?;
    let mut night = Night::default();
    let mut deliveries = file.prepare(
        "SELECT u.id, d.ended_at IS NOT NULL AND d.open_legs = 0 FROM deliveries d JOIN users u USING (user_key)",
    )?;
    for row in deliveries.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))? {
        let (user, ended): (String, bool) = row?;
        night.deliveries.entry(user).or_default().push(ended);
    }
    let mut legs = file.prepare(
        "SELECT u.id, l.device_id, l.state, l.tag FROM legs l JOIN deliveries d USING (delivery_key) \
         JOIN users u USING (user_key) WHERE l.device_id IS NOT NULL",
    )?;
    let read = legs.query_map([], |row| {
        let state: u32 = row.get(2)?;
        let state = LEG_STATES.get(state as usize).copied().unwrap_or("unknown").to_owned();
        Ok(Leg { user: row.get(0)?, device: row.get(1)?, state, tag: row.get(3)? })
    })?;
    night.legs = read.collect::<rusqlite::Result<_>>()?;
    Ok(night)
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

/// What is not as promised: each person has one delivery, which ended; each of their devices one leg, which ended; what
/// a leg says is what its provider says; and what was taken twice was taken after a kill, under the same collapse id.
pub fn faults(night: &Night, taken: &[Taken], people: &[String], devices: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut legs: BTreeMap<(&str, &str), Vec<&Leg>> = BTreeMap::new();
    for leg in &night.legs {
        legs.entry((&leg.user, &leg.device)).or_default().push(leg);
    }
    let mut pushes: BTreeMap<(&str, &str), Vec<&Taken>> = BTreeMap::new();
    for push in taken {
        pushes.entry((&push.user, &push.device)).or_default().push(push);
    }
    for user in people {
        match night.deliveries.get(user).map(Vec::as_slice) {
            Some([true]) => {}
            other => faults.push(format!("{user}: instead of one delivery that ended there is {other:?}")),
        }
        for device in devices {
            let key = (user.as_str(), *device);
            let pushes = pushes.remove(&key).unwrap_or_default();
            match legs.remove(&key).unwrap_or_default().as_slice() {
                [leg] => faults.extend(leg_fault(leg, &pushes)),
                other => {
                    faults.push(format!("{user} {device}: instead of one leg there are {}", other.len()))
                }
            }
        }
    }
    faults.extend(legs.keys().map(|(user, device)| format!("{user} {device}: nobody asked for this leg")));
    faults.extend(pushes.keys().map(|(user, device)| format!("{user} {device}: nobody asked for this push")));
    faults
}

fn leg_fault(leg: &Leg, pushes: &[&Taken]) -> Option<String> {
    let name = format!("{} {}", leg.user, leg.device);
    match (leg.state.as_str(), pushes.len()) {
        ("accepted", 0) => return Some(format!("{name}: accepted, and no provider knows of it")),
        ("accepted", _) | ("failed" | "expired", 0) => {}
        ("failed" | "expired", taken) => {
            return Some(format!("{name}: {}, and a provider took it {taken} times", leg.state));
        }
        (state, _) => return Some(format!("{name}: it ended as {state}")),
    }
    if let Some(push) = pushes.iter().find(|push| push.tag != leg.tag) {
        return Some(format!("{name}: it went out under {} and not under {}", push.tag, leg.tag));
    }
    let twice = pushes.windows(2).find(|pair| pair[0].kills == pair[1].kills);
    twice.map(|pair| format!("{name}: taken twice after {} kills, without one in between", pair[0].kills))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(device: &str, state: &str) -> Leg {
        Leg { user: "ann".into(), device: device.into(), state: state.into(), tag: "t".into() }
    }

    fn push(device: &str, tag: &str, kills: usize) -> Taken {
        Taken { user: "ann".into(), device: device.into(), tag: tag.into(), kills }
    }

    fn found(legs: &[Leg], taken: &[Taken]) -> usize {
        let deliveries = [("ann".to_owned(), vec![true])].into();
        let night = Night { deliveries, legs: legs.to_vec() };
        faults(&night, taken, &["ann".to_owned()], &["a", "b"]).len()
    }

    #[test]
    fn a_night_in_order_has_no_fault() {
        let legs = [leg("a", "accepted"), leg("b", "failed")];
        assert_eq!(found(&legs, &[push("a", "t", 0)]), 0);
        assert_eq!(found(&legs, &[push("a", "t", 0), push("a", "t", 1)]), 0, "a kill lay in between");
    }

    #[test]
    fn what_is_lost_doubled_or_mixed_up_is_found() {
        let legs = [leg("a", "accepted"), leg("b", "failed")];
        assert_eq!(found(&legs, &[]), 1, "accepted by nobody");
        assert_eq!(found(&legs, &[push("a", "t", 0), push("a", "t", 0)]), 1, "twice without a kill");
        assert_eq!(found(&legs, &[push("a", "t", 0), push("a", "u", 1)]), 1, "under another collapse id");
        assert_eq!(found(&legs, &[push("a", "t", 0), push("b", "t", 0)]), 1, "failed and taken");
        assert_eq!(found(&legs, &[push("a", "t", 0), push("c", "t", 0)]), 1, "nobody's device");
        assert_eq!(found(&legs[..1], &[push("a", "t", 0)]), 1, "a leg is missing");
        let twice = [leg("a", "failed"), leg("b", "failed"), leg("b", "failed")];
        assert_eq!(found(&twice, &[]), 1, "two legs for one address");
        assert_eq!(found(&[leg("a", "pending"), leg("b", "failed")], &[]), 1, "not at its end");
    }

    #[test]
    fn a_person_without_exactly_one_ended_delivery_is_found() {
        for deliveries in [vec![], vec![false], vec![true, true]] {
            let deliveries: BTreeMap<_, _> = [("ann".to_owned(), deliveries)].into();
            let night = Night { deliveries, legs: Vec::new() };
            assert_eq!(faults(&night, &[], &["ann".to_owned()], &[]).len(), 1);
        }
    }
}
