//! The binary `belfry`: allocator, runtime, and the command line of the library.

use belfry_server::cli::{self, Cli};
use clap::Parser;
use std::process::ExitCode;

// The system's allocator keeps freed memory of bursts in its arenas; this one gives it back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cli::runtime_failed(&error),
    };
    let exit = runtime.block_on(Box::pin(cli::run(cli)));
    // A reader of standard input cannot be interrupted; the process does not wait for one.
    runtime.shutdown_background();
    ExitCode::from(exit.code())
}
