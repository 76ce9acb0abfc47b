//! What all commands share: which configuration, which output.

use super::failure::Failure;
use super::out::Out;
use crate::config::{Config, Flag, Sources};
use std::path::PathBuf;

/// Flags of every command.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Common {
    /// Configuration file [default: ./belfry.toml where there is one]
    #[arg(long, global = true, value_name = "FILE", env = "BELFRY_CONFIG", help_heading = "Everywhere")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of database and generated keys [default: ./belfry-data]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print results as JSON, one object per line
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
}

impl Common {
    /// The sources of the configuration with these flags on top.
    pub(crate) fn sources(&self, mut flags: Vec<Flag>) -> Sources {
        if let Some(data_dir) = &self.data_dir {
            let value = data_dir.to_string_lossy().into_owned();
            flags.push(Flag { name: "--data-dir", key: "server.data_dir", value });
        }
        Sources::of_process(self.config.as_deref(), flags)
    }

    /// The configuration in force.
    pub(crate) fn load(&self) -> Result<Config, Failure> {
        Ok(Config::load(&self.sources(Vec::new()))?)
    }

    /// The process's output.
    pub(crate) fn out(&self) -> Out {
        Out::of_process(self.json)
    }
}
