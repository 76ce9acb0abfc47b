//! `cargo xtask chaos`: kills the server under load, again and again, and audits its promises.

use crate::command::run as run_command;
use crate::tools;
use anyhow::Result;
use std::process::Command;

/// Builds the server and the auditor; arguments go to the auditor.
pub(crate) fn run(release: bool, arguments: &[String]) -> Result<()> {
    tools::build("belfry-server", "belfry", release)?;
    let chaos = tools::build("belfry-tests", "belfry-chaos", release)?;
    run_command(Command::new(chaos).args(arguments))
}
