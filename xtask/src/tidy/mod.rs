//! `cargo xtask tidy`: the house rules a program can check. Each rule is a pure function from sources to findings.

mod arrows;
mod documents;
mod manifests;
mod proof;
mod rooms;
pub(crate) mod source;
mod supply;
mod words;

use anyhow::{Result, bail};
use source::Source;
use std::fmt;

/// A place where a rule is not kept, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// Checks every rule and prints every finding.
pub(crate) fn run() -> Result<()> {
    let sources = Source::all()?;
    let mut findings = Vec::new();
    for source in &sources {
        findings.extend(words::check(source));
        findings.extend(rooms::check(source));
    }
    findings.extend(documents::check(&sources, &crate::routine_names()));
    findings.extend(proof::check(&sources));
    findings.extend(manifests::check(&sources)?);
    findings.extend(arrows::check()?);
    findings.extend(supply::check()?);
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("tidy: {} findings in {} files", findings.len(), sources.len());
    }
    println!("tidy: {} files are in order", sources.len());
    Ok(())
}
