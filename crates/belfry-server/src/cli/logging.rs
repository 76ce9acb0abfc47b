//! Where log lines go, and in which form. Nothing that is secret is ever given to them.

use super::failure::Failure;
use crate::config::{Log, LogFormat};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// Parts of others that say at level `info` what nobody asked.
const CHATTY: &str = "refinery_core=warn,tokio_postgres=warn";

/// Log lines of a server: on standard error, JSON unless somebody looks.
pub(crate) fn start(log: &Log) -> Result<(), Failure> {
    let terminal = std::io::stderr().is_terminal();
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal,
    };
    let filter = EnvFilter::try_new(format!("{CHATTY},{}", log.level))
        .map_err(|error| Failure::usage(format!("`log.level` is no filter: {error}")))?;
    let base = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if json {
        base.json().flatten_event(true).finish().try_init()
    } else {
        base.with_ansi(terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
            .finish()
            .try_init()
    };
    started.map_err(|error| Failure::failed(format!("logging cannot be set up: {error}")))
}

/// Log lines of the other commands: only what went wrong.
pub(crate) fn start_quiet() {
    let base =
        tracing_subscriber::fmt().with_env_filter(EnvFilter::new("error")).with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first.
    let _ = base.with_target(false).finish().try_init();
}
