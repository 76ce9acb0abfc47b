//! `cargo xtask check`: what is checked without running the product, cheapest first.

use crate::command::{Stopwatch, cargo, readable, run as run_command, succeeds};
use crate::{codegen, deploy, tidy, tools};
use anyhow::{Result, bail};

type Check = fn() -> Result<()>;

/// Runs every check, also when one fails, and closes with the list of those that did.
pub(crate) fn run() -> Result<()> {
    let checks: [(&str, Check); 7] = [
        ("tidy", tidy::run),
        ("format", format),
        ("lints", lints),
        ("generated files", generated_files),
        ("supply chain", supply_chain),
        ("deploy", deploy::check),
        ("TypeScript", typescript),
    ];
    let clock = Stopwatch::start();
    let mut failed = Vec::new();
    for (name, check) in checks {
        let clock = Stopwatch::start();
        let outcome = check();
        if let Err(error) = &outcome {
            println!("{error:#}");
            failed.push(name);
        }
        let word = if outcome.is_ok() { "passed" } else { "failed" };
        println!("check {word}: {name} ({})", readable(clock.passed()));
    }
    println!("\nchecks took {}", readable(clock.passed()));
    if !failed.is_empty() {
        bail!("checks failed: {}", failed.join(", "));
    }
    Ok(())
}

fn format() -> Result<()> {
    run_command(cargo().args(["fmt", "--all", "--check"]))
}

fn lints() -> Result<()> {
    run_command(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn generated_files() -> Result<()> {
    codegen::run(true)
}

/// Licences, sources and bans are already checked by `tidy`, in a second and without a tool. `cargo deny` adds known
/// vulnerabilities, which need a database from the network; building it takes minutes, so it runs where it is installed.
fn supply_chain() -> Result<()> {
    if !succeeds(cargo().args(["deny", "--version"])) {
        println!("cargo-deny is not installed: known vulnerabilities are not checked here");
        return Ok(());
    }
    run_command(cargo().args(["deny", "--workspace", "check"]))
}

fn typescript() -> Result<()> {
    let Some(web) = tools::web() else {
        println!("there is no web/package.json");
        return Ok(());
    };
    tools::ensure_programs()?;
    tools::build_web(&web)?;
    match tools::npm_script(&web, "check")? {
        Some(mut check) => run_command(&mut check),
        None => bail!("web/package.json has no script `check`"),
    }
}
