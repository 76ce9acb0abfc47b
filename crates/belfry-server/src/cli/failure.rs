//! How a command ends when it does not end well: a message, a remedy, an exit code.

use crate::config::ConfigFaults;
use belfry_protocol::Problem;

/// The exit codes, as `--help` prints them.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed: a check found faults, a file cannot be used, …
  2    usage: unknown flag, missing argument, faulty configuration
  3    the server cannot be reached
  4    the server refused
  130  interrupted";

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Wrong flags, arguments or configuration.
    Usage = 2,
    /// The server cannot be reached.
    Unreachable = 3,
    /// The server refused.
    Refused = 4,
    /// Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// Why a command did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What went wrong; empty when it was said before.
    pub message: String,
    /// What to do.
    pub remedy: Option<String>,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), remedy: None }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self::new(Exit::Unreachable, message)
    }

    /// Everything was said before.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// The reader of the output went away.
    pub(crate) fn quiet_end() -> Self {
        Self::silent(Exit::Done)
    }

    #[must_use]
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The server answered with a problem document.
    pub(crate) fn of_problem(problem: &Problem) -> Self {
        use std::fmt::Write;
        let detail = super::out::harmless(&problem.detail);
        let mut message = format!("{} {}: {detail}", problem.status, problem.code.slug());
        for fault in &problem.errors {
            let (pointer, detail) =
                (super::out::harmless(&fault.pointer), super::out::harmless(&fault.detail));
            write!(message, "\n  {pointer}: {detail}").expect("a String takes every text");
        }
        Self::refused(message).remedy(problem.code.remedy())
    }
}

impl From<ConfigFaults> for Failure {
    fn from(faults: ConfigFaults) -> Self {
        Self::usage(faults.to_string()).remedy("every key is described by `belfry reference configuration`")
    }
}
