//! Kills the server under load, again and again, and audits its promises: what `cargo xtask chaos` runs.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it speaks to the person who started it")]

use belfry_tests::chaos::{self, ChaosOptions};
use belfry_tests::cluster_chaos::{self, ClusterOptions};
use belfry_tests::engines::Kind;
use belfry_tests::idle;
use belfry_tests::night_chaos::{self, NightOptions};
use belfry_tests::rolling::{self, RollingOptions};
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: belfry-chaos [--alerts N] [--in-flight N] [--rounds N] [--seed N]
       belfry-chaos --fallback [--people N] [--kills N] [--life-ms N] [--seed N]
       belfry-chaos --cluster [--seconds N] [--nodes N] [--bus redis|nats|postgres|random] [--seed N] [--logs FOLDER]
       belfry-chaos --rolling [--connections N] [--people N] [--window-ms N]
       belfry-chaos --idle [--minutes N]";

const MISSING: &str = "error: PostgreSQL, Redis or NATS is not installed; `cargo xtask test` does that";

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

/// Several nodes on one PostgreSQL and one bus.
fn cluster_options(arguments: impl Iterator<Item = String>) -> Result<ClusterOptions, String> {
    let mut options = ClusterOptions {
        nodes: 3,
        bus: Kind::Redis,
        lease: Duration::from_secs(6),
        over: Some(Duration::from_secs(180)),
        people: 24,
        away: 120,
        per_second: 40.0,
        hush: true,
        // A mail whose answer was lost twice comes again after five minutes, a fifth more or less.
        settle: Duration::from_secs(480),
        seed: fastrand::u64(..),
        logs: None,
    };
    let mut bus = "random".to_owned();
    let mut arguments = arguments;
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("`{name}` needs a value\n{USAGE}"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("`{name}` needs a number\n{USAGE}"));
        match name.as_str() {
            // Without any time each kind of fault comes once.
            "--seconds" => options.over = Some(Duration::from_secs(number()?)).filter(|over| !over.is_zero()),
            "--nodes" => options.nodes = number()?.clamp(2, 9) as usize,
            "--seed" => options.seed = number()?,
            "--bus" => bus.clone_from(&value),
            "--logs" => options.logs = Some(value.into()),
            _ => return Err(format!("`{name}` is not known\n{USAGE}")),
        }
    }
    options.bus = match bus.as_str() {
        "redis" => Kind::Redis,
        "nats" => Kind::Nats,
        "postgres" => Kind::Postgres,
        // The same seed draws the same one.
        "random" => [Kind::Redis, Kind::Nats, Kind::Postgres][(options.seed % 3) as usize],
        _ => return Err(format!("`{bus}` is no bus\n{USAGE}")),
    };
    Ok(options)
}

async fn cluster(arguments: impl Iterator<Item = String>) -> ExitCode {
    let options = match cluster_options(arguments) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(2);
        }
    };
    println!("seed {}, {} nodes, bus {:?}", options.seed, options.nodes, options.bus);
    let Some(report) = Box::pin(cluster_chaos::run(options, |line| println!("{line}"))).await else {
        eprintln!("{MISSING}");
        return ExitCode::from(2);
    };
    println!("{report}");
    if report.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A deploy of three nodes, one after the other.
fn rolling_options(arguments: impl Iterator<Item = String>) -> Result<RollingOptions, String> {
    let mut options = RollingOptions {
        connections: 5_000,
        people: 100,
        per_second: 20.0,
        window: Duration::from_secs(5),
        settle: Duration::from_secs(60),
    };
    let mut arguments = arguments;
    while let Some(name) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse().ok());
        let value: u32 = value.ok_or_else(|| format!("`{name}` needs a number\n{USAGE}"))?;
        match name.as_str() {
            "--connections" => options.connections = value as usize,
            "--people" => options.people = value.into(),
            "--window-ms" => options.window = Duration::from_millis(value.into()),
            _ => return Err(format!("`{name}` is not known\n{USAGE}")),
        }
    }
    Ok(options)
}

async fn rolling(arguments: impl Iterator<Item = String>) -> ExitCode {
    let options = match rolling_options(arguments) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(2);
        }
    };
    let Some(report) = Box::pin(rolling::run(options, |line| println!("{line}"))).await else {
        eprintln!("{MISSING}");
        return ExitCode::from(2);
    };
    println!("{report}");
    if report.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A tab that nobody looks at, behind nginx.
async fn idle(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let minutes = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Some(10),
        (Some("--minutes"), Some(minutes)) => minutes.parse().ok(),
        _ => None,
    };
    let Some(minutes) = minutes else {
        eprintln!("error: how many minutes?\n{USAGE}");
        return ExitCode::from(2);
    };
    match Box::pin(idle::run(Duration::from_secs(60 * minutes), |line| println!("{line}"))).await {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(fault)) => {
            println!("{fault}");
            ExitCode::FAILURE
        }
        None => {
            eprintln!("error: nginx is not installed; `cargo xtask test` does that");
            ExitCode::from(2)
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("--fallback") => return night(std::env::args().skip(2)).await,
        Some("--rolling") => return rolling(std::env::args().skip(2)).await,
        Some("--idle") => return idle(std::env::args().skip(2)).await,
        Some("--cluster") => return cluster(std::env::args().skip(2)).await,
        _ => {}
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
