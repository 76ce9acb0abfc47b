//! The command line: one file per command.

mod api_key;
mod check_config;
mod dead_letters;
mod dev_keys;
mod doctor;
mod failure;
mod kinds;
mod logging;
mod out;
mod providers;
mod publish;
mod publish_batch;
pub mod reference;
mod remote;
mod resume_deliveries;
mod revoke;
mod server;
mod settings;
mod store;
mod tail;
mod token;
mod trace;
mod vapid;
mod webhooks;

pub use failure::{Exit, Failure};

use clap::{Parser, Subcommand, ValueEnum};
use out::{BAD, Out, styled};
use settings::Common;

/// Belfry delivers alerts: what is accepted is on disk, arrives once, in order, and leaves a trace.
#[derive(Debug, Parser)]
#[command(name = "belfry", version, after_long_help = failure::EXIT_CODES, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a server for development: own keys, a page, and the next steps printed
    Dev(server::Dev),
    /// Run the server; refuses to start without keys or with unsafe settings, and says what to do
    Serve(server::Serve),
    /// Publish an alert, or every line of a file
    Publish(Box<publish::Publish>),
    /// Print a user's alerts and changes as they happen
    Tail(tail::Tail),
    /// Make a user's token, as the application would
    Token(token::Token),
    /// Print an alert and where it stands with each recipient
    Trace(trace::Trace),
    /// What could not be sent: see it, and send it again
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLettersCommand),
    /// Print how the providers of push and mail are
    Providers(providers::ProvidersArguments),
    /// Let deliveries of a restored store go on, or drop them
    ResumeDeliveries(resume_deliveries::ResumeDeliveries),
    /// Refuse a user's tokens and close their connections
    Revoke(revoke::Revoke),
    /// Declared kinds of alerts
    #[command(subcommand)]
    Kinds(kinds::KindsCommand),
    /// Print TypeScript for the declared kinds
    Types(kinds::Types),
    /// Endpoints that are told what became of alerts
    #[command(subcommand)]
    Webhooks(webhooks::WebhooksCommand),
    /// API keys of back ends
    #[command(subcommand)]
    ApiKey(api_key::ApiKeyCommand),
    /// The key pair that browsers subscribe to pushes with
    Vapid(vapid::Vapid),
    /// Print the configuration in force and what should be put right
    CheckConfig,
    /// Check configuration, disk, machine and server
    Doctor(doctor::Doctor),
    /// Bring the store to this version's schema, or move one from its file into PostgreSQL
    Migrate(store::Migrate),
    /// Copy the store, also while the server runs
    Backup(store::Backup),
    /// The numbering of the store
    #[command(subcommand)]
    Epoch(store::EpochCommand),
    /// Print the API's description (OpenAPI 3.1)
    Openapi,
    /// Print a reference page
    #[command(hide = true)]
    Reference {
        /// Which page
        page: Page,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Page {
    Configuration,
    CommandLine,
}

/// Says that there is no runtime to run anything in.
pub fn runtime_failed(error: &std::io::Error) -> std::process::ExitCode {
    Out::of_process(false).warn(format_args!("{} no threads can be started: {error}", styled(BAD, "error:")));
    std::process::ExitCode::from(Exit::Failed.code())
}

/// Runs a command and says what went wrong.
pub async fn run(cli: Cli) -> Exit {
    let mut out = cli.common.out();
    match dispatch(cli, &mut out).await {
        Ok(()) => Exit::Done,
        Err(failure) => {
            if !failure.message.is_empty() {
                out.warn(format_args!("{} {}", styled(BAD, "error:"), failure.message));
            }
            if let Some(remedy) = &failure.remedy {
                out.warn(format_args!("  {remedy}"));
            }
            failure.exit
        }
    }
}

async fn dispatch(cli: Cli, out: &mut Out) -> Result<(), Failure> {
    let Cli { common, command } = cli;
    let now = crate::clock::now();
    if !matches!(command, Command::Dev(_) | Command::Serve(_)) {
        logging::start_quiet();
    }
    match command {
        Command::Dev(arguments) => Box::pin(server::dev(arguments, &common, now, out)).await,
        Command::Serve(arguments) => Box::pin(server::serve(arguments, &common)).await,
        Command::Publish(arguments) => Box::pin(publish::run(*arguments, &common, now.at, out)).await,
        Command::Tail(arguments) => Box::pin(tail::run(arguments, &common, out)).await,
        Command::Kinds(command) => kinds::run(command, &common, out),
        Command::Token(arguments) => token::run(arguments, &common, now, out),
        Command::Trace(arguments) => trace::run(arguments, &common, out).await,
        Command::DeadLetters(command) => dead_letters::run(command, &common, now.at, out).await,
        Command::Providers(arguments) => providers::run(arguments, &common, out).await,
        Command::ResumeDeliveries(arguments) => resume_deliveries::run(arguments, &common, now, out).await,
        Command::Webhooks(command) => webhooks::run(command, &common, out).await,
        Command::Revoke(arguments) => revoke::run(arguments, &common, now.at, out).await,
        Command::Types(arguments) => kinds::types(arguments, &common, out),
        Command::ApiKey(command) => api_key::run(command, out),
        Command::Vapid(arguments) => vapid::run(arguments, &common, out),
        Command::CheckConfig => check_config::run(&common.sources(Vec::new()), out),
        Command::Doctor(arguments) => Box::pin(doctor::run(arguments, &common, now, out)).await,
        Command::Migrate(arguments) => Box::pin(store::migrate(arguments, &common, now, out)).await,
        Command::Backup(arguments) => Box::pin(store::backup(arguments, &common, out)).await,
        Command::Epoch(command) => store::epoch(command, &common, now, out).await,
        Command::Openapi => out.line(format_args!("{:#}", belfry_protocol::openapi::document())),
        Command::Reference { page: Page::Configuration } => out.raw(&reference::configuration()),
        Command::Reference { page: Page::CommandLine } => out.raw(&reference::command_line()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_every_flag_has_a_line_of_help() {
        fn look(command: &clap::Command, path: &str) {
            for child in command.get_subcommands().filter(|child| child.get_name() != "help") {
                let path = format!("{path} {}", child.get_name());
                assert!(child.get_about().is_some(), "{path}");
                for argument in child.get_arguments().filter(|argument| !argument.is_hide_set()) {
                    assert!(argument.get_help().is_some(), "{path} {}", argument.get_id());
                }
                look(child, &path);
            }
        }
        look(&Cli::command(), "belfry");
    }
}
