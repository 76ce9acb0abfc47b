//! Why there is no bus.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

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

    pub(crate) fn distrusted(&self, problem: impl fmt::Display) -> BusError {
        let remedy = "name a file with the certificate of the server's authority as `ca_file`";
        self.error(Trouble::Misconfigured, problem, remedy)
    }

    pub(crate) fn silent(&self, remedy: impl Into<String>) -> BusError {
        let problem = "connected, but a message sent through it did not come back";
        self.error(Trouble::Silent, problem, remedy)
    }
}

/// Whether the cause is a certificate that is not trusted.
pub(crate) fn distrusts(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| beneath(*error))
        .any(|error| matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))))
}

/// The next cause, also where an error hides it: an I/O error skips what it wraps, and what is shared is wrapped.
fn beneath<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(wrapped) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        return Some(wrapped);
    }
    match error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        Some(shared) => Some(&**shared),
        None => error.source(),
    }
}

/// An error with everything that caused it, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::CertificateError;

    #[test]
    fn a_certificate_is_to_blame_however_deep_it_lies() {
        let unknown = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert!(distrusts(&unknown()));
        assert!(distrusts(&std::io::Error::other(std::io::Error::other(unknown()))));
        let shared: Arc<dyn Error + Send + Sync> = Arc::new(std::io::Error::other(unknown()));
        assert!(distrusts(&shared));
        assert!(!distrusts(&std::io::Error::other("certificate")));
        assert!(!distrusts(&rustls::Error::HandshakeNotComplete));
    }

    #[test]
    fn a_cause_is_told_once() {
        let error = Outer(std::io::Error::other("no route"));
        assert_eq!(chain(&error), "cannot connect: no route");
        assert_eq!(chain(&std::io::Error::other(error)), "cannot connect: no route");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot connect")]
    struct Outer(#[source] std::io::Error);
}
