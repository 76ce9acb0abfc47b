//! The logic behind the README's commands: `cargo xtask --help` lists them.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to the person who typed it")]

mod api;
mod autobahn;
mod chaos;
mod check;
mod codegen;
mod command;
mod deploy;
mod dev;
mod e2e;
mod fuzz;
mod loc;
mod mail_server;
mod services;
mod test;
mod tidy;
mod tools;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// One door to every routine of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    routine: Routine,
}

#[derive(Subcommand)]
enum Routine {
    /// Builds `belfry` and runs `belfry dev` with the kinds of the examples; arguments go to `belfry dev`.
    Dev {
        /// Builds with optimisations: slower to start, right for measuring.
        #[arg(long)]
        release: bool,
        /// What `belfry dev` is given, for example `--listen 127.0.0.1:9000`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Installs what is missing and runs every test; with FILTER only the Rust tests whose names contain it.
    Test {
        /// A part of the names of the tests to run.
        filter: Option<String>,
    },
    /// Everything that is checked without running the product: house rules, format, lints, generated files, types.
    Check,
    /// Writes the generated files: TypeScript types, schemas, API documents, reference pages.
    Codegen {
        /// Only compares, and fails where a committed file is not what would be generated.
        #[arg(long)]
        check: bool,
    },
    /// The files in `deploy`, read by the programs that will read them.
    CheckDeploy,
    /// The house rules alone: arrows between crates and modules, words, file lengths, licences, links.
    Tidy,
    /// Runs the tests of pages: browsers against the real binary.
    E2e {
        /// What the runner is given, for example `tabs` for the files with that name.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Runs Autobahn's fuzzing client against the production codec.
    Autobahn {
        /// What the routine is given.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Runs each fuzz target in `fuzz/`.
    Fuzz {
        /// How long each target runs.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Only these targets.
        targets: Vec<String>,
    },
    /// Runs requests made of the API's document against the real server.
    Api {
        /// How many for each route.
        #[arg(long, default_value_t = 50)]
        examples: u32,
        /// What the suite is given, for example `--include-path /v1/inbox`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Kills the real server under load, again and again: whatever was accepted arrives once, in order.
    Chaos {
        /// Builds with optimisations.
        #[arg(long)]
        release: bool,
        /// What the auditor is given, for example `--alerts 100000 --rounds 50`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Starts PostgreSQL, Redis and NATS for tests, runs a command that finds them in its environment, and stops them.
    Services {
        /// For example `cargo nextest run -p belfry-store`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// Prints lines per crate and the number of crates in the tree.
    Loc,
}

fn main() -> ExitCode {
    match run(Cli::parse().routine) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(routine: Routine) -> anyhow::Result<()> {
    match routine {
        Routine::Dev { release, arguments } => dev::run(release, &arguments),
        Routine::Test { filter } => test::run(filter.as_deref()),
        Routine::Check => check::run(),
        Routine::Codegen { check } => codegen::run(check),
        Routine::CheckDeploy => deploy::check(),
        Routine::Tidy => tidy::run(),
        Routine::E2e { arguments } => e2e::run(&arguments),
        Routine::Autobahn { arguments } => autobahn::run(&arguments),
        Routine::Fuzz { seconds, targets } => fuzz::run(seconds, &targets),
        Routine::Api { examples, arguments } => api::run(examples, &arguments),
        Routine::Chaos { release, arguments } => chaos::run(release, &arguments),
        Routine::Services { command } => services::run(&command),
        Routine::Loc => loc::run(),
    }
}

/// The names of the routines, for the check that documents name only commands that exist.
fn routine_names() -> Vec<String> {
    use clap::CommandFactory;
    Cli::command().get_subcommands().map(|routine| routine.get_name().to_owned()).collect()
}
