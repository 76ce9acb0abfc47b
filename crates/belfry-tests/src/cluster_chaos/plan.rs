//! What goes wrong and when, decided beforehand: the same seed makes the same plan.

use crate::engines::{End, Kind};
use crate::nodes::name;
use std::fmt;
use std::time::Duration;

/// Something that goes wrong, and is put right after a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`, and started again.
    Killed(usize),
    /// SIGSTOP for less than its lease.
    PausedBriefly(usize),
    /// SIGSTOP for longer than its lease: the others take it for dead.
    PausedBeyondItsLease(usize),
    /// Ends gently, and after its start it does not hear one hint in ten.
    HardOfHearing(usize),
    /// PostgreSQL ends and starts again.
    StoreRestarted(End),
    /// PostgreSQL ends every connection of a node's, and of others with it.
    StoreConnectionsEnded,
    /// A node's cable to PostgreSQL carries nothing.
    StoreOutOfReach(usize),
    /// The bus is killed and started again.
    BusKilled,
    /// Redis forgets everything.
    BusFlushed,
    /// A cable to the bus carries nothing, and nobody is told; of one node, or of all.
    BusSilent(Option<usize>),
    /// The same, and connections are closed.
    BusCut(Option<usize>),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |node: &Option<usize>| node.map_or_else(|| "every node".to_owned(), name);
        match self {
            Self::Killed(node) => write!(f, "{} is killed and started again", name(*node)),
            Self::PausedBriefly(node) => write!(f, "{} is paused within its lease", name(*node)),
            Self::PausedBeyondItsLease(node) => write!(f, "{} is paused beyond its lease", name(*node)),
            Self::HardOfHearing(node) => {
                write!(f, "{} is stopped, started again, and loses one hint in ten from now on", name(*node))
            }
            Self::StoreRestarted(End::Fast) => write!(f, "PostgreSQL restarts"),
            Self::StoreRestarted(End::Immediate) => write!(f, "PostgreSQL restarts after a crash"),
            Self::StoreConnectionsEnded => write!(f, "PostgreSQL ends some connections"),
            Self::StoreOutOfReach(node) => write!(f, "{} does not reach PostgreSQL", name(*node)),
            Self::BusKilled => write!(f, "the bus is killed and started again"),
            Self::BusFlushed => write!(f, "the bus forgets everything"),
            Self::BusSilent(node) => write!(f, "the bus falls silent for {}", of(node)),
            Self::BusCut(node) => write!(f, "the bus is cut off from {}", of(node)),
        }
    }
}

/// One fault and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// When it begins.
    pub at: Duration,
    /// How long until it is put right.
    pub lasts: Duration,
    /// What it is.
    pub fault: Fault,
}

/// What the plan is for.
#[derive(Debug, Clone, Copy)]
pub struct Ground {
    /// How many nodes.
    pub nodes: usize,
    /// The engine of the bus.
    pub bus: Kind,
    /// Of a node.
    pub lease: Duration,
    /// `None`: each kind of fault once.
    pub over: Option<Duration>,
}

/// One fault after the other, each kind as often as the others, in an order and with victims and times that the seed
/// decides. The next one begins when the last one is put right and the nodes had a moment.
pub fn plan(seed: u64, ground: Ground) -> Vec<Planned> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut planned = Vec::new();
    let mut clock = Duration::from_secs(1);
    loop {
        let mut faults = kinds(&mut random, ground);
        random.shuffle(&mut faults);
        for fault in faults {
            let lasts = length(fault, ground.lease, random.f64());
            if ground.over.is_some_and(|over| clock + lasts > over) {
                return planned;
            }
            planned.push(Planned { at: clock, lasts, fault });
            clock += lasts + Duration::from_millis(random.u64(400..1_200));
        }
        if ground.over.is_none() {
            return planned;
        }
    }
}

fn kinds(random: &mut fastrand::Rng, ground: Ground) -> Vec<Fault> {
    let mut node = || random.usize(0..ground.nodes);
    let mut faults = vec![
        Fault::Killed(node()),
        Fault::PausedBriefly(node()),
        Fault::PausedBeyondItsLease(node()),
        Fault::HardOfHearing(node()),
        Fault::StoreRestarted(End::Fast),
        Fault::StoreRestarted(End::Immediate),
        Fault::StoreConnectionsEnded,
        Fault::StoreOutOfReach(node()),
        Fault::BusSilent(Some(node())),
        Fault::BusSilent(None),
        Fault::BusCut(Some(node())),
        Fault::BusCut(None),
    ];
    match ground.bus {
        // It is the store, which has its own faults.
        Kind::Postgres => {}
        Kind::Nats => faults.push(Fault::BusKilled),
        Kind::Redis => faults.extend([Fault::BusKilled, Fault::BusFlushed]),
    }
    faults
}

/// `roll` is uniform over 0 ≤ roll < 1.
fn length(fault: Fault, lease: Duration, roll: f64) -> Duration {
    let between = |least: f64, most: f64| Duration::from_secs_f64(least + (most - least) * roll);
    match fault {
        Fault::Killed(_) | Fault::HardOfHearing(_) => between(0.1, 1.5),
        Fault::PausedBriefly(_) => lease.mul_f64(0.2 + 0.3 * roll),
        Fault::PausedBeyondItsLease(_) => lease.mul_f64(1.5 + 0.3 * roll),
        Fault::StoreRestarted(_) | Fault::BusKilled => between(0.1, 1.0),
        Fault::StoreConnectionsEnded | Fault::BusFlushed => Duration::ZERO,
        Fault::StoreOutOfReach(_) | Fault::BusSilent(_) | Fault::BusCut(_) => between(0.5, 3.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::discriminant;

    fn ground(bus: Kind, over: Option<u64>) -> Ground {
        Ground { nodes: 3, bus, lease: Duration::from_secs(3), over: over.map(Duration::from_secs) }
    }

    #[test]
    fn the_same_seed_makes_the_same_plan() {
        let of = |seed| plan(seed, ground(Kind::Redis, Some(180)));
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        let mut ends = Duration::ZERO;
        for one in of(7) {
            assert!(one.at > ends, "one after the other");
            ends = one.at + one.lasts;
        }
        assert!(ends <= Duration::from_secs(180) && ends > Duration::from_secs(150));
    }

    #[test]
    fn without_a_time_each_kind_comes_once() {
        let count = |bus| plan(1, ground(bus, None)).len();
        assert_eq!([Kind::Postgres, Kind::Nats, Kind::Redis].map(count), [12, 13, 14]);
        let paused = plan(1, ground(Kind::Nats, None));
        let beyond = Fault::PausedBeyondItsLease(0);
        let beyond = paused.iter().find(|one| discriminant(&one.fault) == discriminant(&beyond));
        assert!(beyond.is_some_and(|one| one.lasts > Duration::from_secs(4)));
    }
}
