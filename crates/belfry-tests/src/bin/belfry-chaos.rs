//! Kills the server under load, again and again, and audits its promises: what `cargo xtask chaos` runs.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it speaks to the person who started it")]

use belfry_tests::chaos::{self, ChaosOptions};
use belfry_tests::night_chaos::{self, NightOptions};
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: belfry-chaos [--alerts N] [--in-flight N] [--rounds N] [--seed N]
       belfry-chaos --fallback [--people N] [--kills N] [--life-ms N] [--seed N]";

fn options(arguments: impl Iterator<Item = String>) -> Result<ChaosOptions, String> {
    let mut options = ChaosOptions { alerts: 10_000, in_flight: 256, rounds: 5, seed: fastrand::u64(..) };
    let mut arguments = arguments;
    while let Some(name) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse().ok());
        let value: u64 = value.ok_or_else(|| format!("`{name}` needs a number\n{USAGE}"))?;
        match name.as_str() {
            "--alerts" => options.alerts = value,
            "--in-flight" => options.in_flight = value,
            "--rounds" => options.rounds = value,
            "--seed" => options.seed = value,
            _ => return Err(format!("`{name}` is not known\n{USAGE}")),
        }
    }
    Ok(options)
}

/// A night of bad providers for a thousand people: what goes out when nobody is there.
fn night_options(arguments: impl Iterator<Item = String>) -> Result<NightOptions, String> {
    let mut options = NightOptions {
        people: 1_000,
        kills: 5,
        life: Duration::from_secs(14),
        skip_waits: false,
        settle: Duration::from_secs(1_200),
        seed: fastrand::u64(..),
    };
    let mut arguments = arguments;
    while let Some(name) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse().ok());
        let value: u32 = value.ok_or_else(|| format!("`{name}` needs a number\n{USAGE}"))?;
        match name.as_str() {
            "--people" => options.people = value,
            "--kills" => options.kills = value as usize,
            "--life-ms" => options.life = Duration::from_millis(value.into()),
            "--seed" => options.seed = value.into(),
            _ => return Err(format!("`{name}` is not known\n{USAGE}")),
        }
    }
    Ok(options)
}

async fn night(arguments: impl Iterator<Item = String>) -> ExitCode {
    let options = match night_options(arguments) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(2);
        }
    };
    println!("seed {}", options.seed);
    let report = Box::pin(night_chaos::run(options)).await;
    println!("{report}");
    if report.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[tokio::main]
async fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("--fallback") {
        return night(std::env::args().skip(2)).await;
    }
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(2);
        }
    };
    println!("seed {}: kills come at the same counts again with `--seed {}`", options.seed, options.seed);
    let report = Box::pin(chaos::run(options)).await;
    println!("{report}");
    if report.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
