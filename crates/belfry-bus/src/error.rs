//! Why there is no bus.

use std::fmt;

/// What carries the hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Nodes of one process.
    Memory,
    /// LISTEN and NOTIFY.
    Postgres,
    /// Redis, alone, behind sentinels or as a cluster.
    Redis,
    /// NATS.
    Nats,
}

impl Engine {
    /// The name in messages and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
            Self::Nats => "NATS",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// What the caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody answers there, or not now: trying again may help.
    Unreachable,
    /// The server does not let us in, or not do what is needed: somebody must change credentials or rights.
    Refused,
    /// These options cannot work: somebody must change them.
    Misconfigured,
    /// The server answers, but what is sent does not come back.
    Silent,
}

/// Why a bus could not be connected. It names the engine, the address without its password, and a remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the bus on {engine} at {address}: {problem}; {remedy}")]
pub struct BusError {
    /// What was to carry the hints.
    pub engine: Engine,
    /// Where, without credentials.
    pub address: String,
    /// What the caller can do.
    pub trouble: Trouble,
    problem: String,
    remedy: String,
}

/// Makes errors of one engine at one address.
#[derive(Debug, Clone)]
pub(crate) struct Blame {
    pub(crate) engine: Engine,
    pub(crate) address: String,
}

impl Blame {
    pub(crate) fn error(
        &self,
        trouble: Trouble,
        problem: impl fmt::Display,
        remedy: impl Into<String>,
    ) -> BusError {
        BusError {
            engine: self.engine,
            address: self.address.clone(),
            trouble,
            problem: problem.to_string(),
            remedy: remedy.into(),
        }
    }

    pub(crate) fn unreachable(&self, problem: impl fmt::Display) -> BusError {
        let remedy = "check that the server runs, that the address is right, and that no firewall is between";
        self.error(Trouble::Unreachable, problem, remedy)
    }

    pub(crate) fn refused(&self, problem: impl fmt::Display) -> BusError {
        self.error(Trouble::Refused, problem, "check user, password and what that user may do")
    }

    pub(crate) fn misconfigured(&self, problem: impl fmt::Display, remedy: impl Into<String>) -> BusError {
        self.error(Trouble::Misconfigured, problem, remedy)
    }

    pub(crate) fn silent(&self, remedy: impl Into<String>) -> BusError {
        let problem = "connected, but a message sent through it did not come back";
        self.error(Trouble::Silent, problem, remedy)
    }
}

/// An error with everything that caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Many errors repeat their cause.
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
