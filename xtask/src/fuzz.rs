//! `cargo xtask fuzz`: each target in `fuzz/` for a while.

use crate::command::{cargo, command, root, run as run_command, succeeds};
use crate::tools;
use anyhow::{Context, Result, bail};
use std::process::Command;

/// Runs each target (or only those named) for so many seconds. What it learns stays in `fuzz/corpus`; an input that
/// breaks something is written to `fuzz/artifacts` and its path is printed.
pub(crate) fn run(seconds: u64, targets: &[String]) -> Result<()> {
    let known = known_targets()?;
    if let Some(unknown) = targets.iter().find(|target| !known.contains(target)) {
        bail!("there is no fuzz target `{unknown}`; there are: {}", known.join(", "));
    }
    let chosen = if targets.is_empty() { &known } else { targets };
    for target in chosen {
        // The first folder takes what is learned, the second is only read.
        let (corpus, seeds) = (format!("fuzz/corpus/{target}"), format!("fuzz/seeds/{target}"));
        std::fs::create_dir_all(root().join(&corpus)).with_context(|| format!("making {corpus}"))?;
        let mut fuzz = cargo_fuzz()?;
        // Our code has no `unsafe` for a sanitizer to watch over; without one it runs several times as often.
        fuzz.args(["run", "--sanitizer", "none", target, &corpus]);
        if root().join(&seeds).is_dir() {
            fuzz.arg(&seeds);
        }
        fuzz.args(["--", &format!("-max_total_time={seconds}"), "-rss_limit_mb=2048", "-timeout=10"]);
        run_command(&mut fuzz)?;
    }
    println!("\nfuzzed {} for {seconds} s each without a finding", chosen.join(", "));
    Ok(())
}

fn known_targets() -> Result<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let mut targets = Vec::new();
    for file in std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = file?.path();
        if let (Some(name), Some("rs")) = (path.file_stem(), path.extension().and_then(|end| end.to_str())) {
            targets.push(name.to_string_lossy().into_owned());
        }
    }
    targets.sort();
    Ok(targets)
}

/// `cargo fuzz`. Its instrumentation needs a nightly compiler; where there is none, the stable one is told to behave
/// like it, for this process only.
fn cargo_fuzz() -> Result<Command> {
    let program = if succeeds(cargo().args(["fuzz", "--version"])) {
        "cargo-fuzz".to_owned()
    } else {
        match tools::installed("cargo-fuzz")? {
            Some(program) => program.to_string_lossy().into_owned(),
            None => bail!("cargo-fuzz is missing and cannot be installed: cargo install cargo-fuzz --locked"),
        }
    };
    let mut fuzz = command(&program);
    fuzz.arg("fuzz");
    if succeeds(command("rustup").args(["run", "nightly", "cargo", "--version"])) {
        fuzz.env("RUSTUP_TOOLCHAIN", "nightly").env_remove("CARGO").env_remove("RUSTC");
    } else {
        fuzz.env("RUSTC_BOOTSTRAP", "1");
    }
    Ok(fuzz)
}
