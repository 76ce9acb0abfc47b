//! `cargo xtask e2e`: browsers against the real binary.

use crate::command::run as run_command;
use crate::tools;
use anyhow::{Result, bail};
use std::process::Command;

/// The binary that the tests start.
const BINARY: &str = "BELFRY_BIN";

/// Builds everything the browsers load and the binary they talk to, and runs the tests; arguments go to the runner.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let Some(web) = tools::web() else { bail!("there is no web/package.json") };
    tools::ensure_programs()?;
    tools::build_web(&web)?;
    let Some(mut tests) = command()? else { bail!("web/package.json has no script `e2e`") };
    if !arguments.is_empty() {
        tests.arg("--").args(arguments);
    }
    run_command(&mut tests)
}

/// The tests, once browsers and binary are there; `None` where there are none. What they load was built before.
pub(crate) fn command() -> Result<Option<Command>> {
    let Some(web) = tools::web() else { return Ok(None) };
    let Some(mut tests) = tools::npm_script(&web, "e2e")? else { return Ok(None) };
    tools::ensure_browsers()?;
    tests.env(BINARY, tools::build("belfry-server", "belfry", false)?);
    Ok(Some(tests))
}
