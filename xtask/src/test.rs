//! `cargo xtask test`: every suite, one closing line.

use crate::command::{Stopwatch, cargo, read_along, readable, typed};
use crate::services::Services;
use crate::{e2e, mail_server, tools};
use anyhow::{Result, bail};
use std::process::Command;

/// SQLite and the bus of a single node.
const ORDINARY: Combination = Combination { choices: &[], targets: &[] };
/// What runs besides. Contract tests are not here: each of them runs on every engine by itself.
const MATRIX: [Combination; 3] = [
    wired(&[("BELFRY_TEST_STORE", "postgres"), ("BELFRY_TEST_BUS", "postgres")]),
    wired(&[("BELFRY_TEST_STORE", "postgres"), ("BELFRY_TEST_BUS", "redis")]),
    wired(&[("BELFRY_TEST_STORE", "postgres"), ("BELFRY_TEST_BUS", "nats")]),
];
/// The tests with a real server.
const WIRED: &[&str] = &["it", "fallback", "cluster"];

/// Tests that run on other engines.
struct Combination {
    choices: &'static [(&'static str, &'static str)],
    /// Empty: all.
    targets: &'static [&'static str],
}

const fn wired(choices: &'static [(&'static str, &'static str)]) -> Combination {
    Combination { choices, targets: WIRED }
}

/// Installs what is missing, runs the suites one after the other, all of them also when one fails, and closes with
/// `N passed, N failed`. With a filter only the Rust tests whose names contain it run.
pub(crate) fn run(filter: Option<&str>) -> Result<()> {
    let clock = Stopwatch::start();
    let mut total = Counts::default();
    let mut broken = Vec::new();
    if filter.is_none() {
        // First, because a Rust test that finds no TypeScript compiler has nothing to compile with.
        tools::ensure_programs()?;
        if let Some(web) = tools::web() {
            tools::build_web(&web)?;
        }
    }
    // Some Rust tests speak to these, with a filter too.
    mail_server::ensure()?;
    let services = services(filter)?;
    let mut suites = vec![rust_tests(services.as_ref(), &ORDINARY)?];
    suites[0].command.args(filter);
    if filter.is_none() {
        for combination in &MATRIX {
            suites.push(rust_tests(services.as_ref(), combination)?);
        }
        suites.push(doc_tests());
        suites.extend(web_tests()?);
        suites.extend(e2e::command()?.map(|command| Suite { command, reporter: Reporter::Npm }));
        suites.push(api_examples());
    }
    let mut ran = Vec::new();
    for suite in suites {
        let typed = typed(&suite.command);
        let (counts, succeeded) = suite.run()?;
        total = total.plus(counts);
        ran.push(format!("{} tests ran: {typed}", counts.passed + counts.failed));
        if !succeeded {
            broken.push(typed);
        }
    }
    drop(services);
    println!("\ntests took {}", readable(clock.passed()));
    for line in &ran {
        println!("{line}");
    }
    for command in &broken {
        println!("failed: {command}");
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    if !broken.is_empty() {
        bail!("not every test passed");
    }
    Ok(())
}

/// A person who runs a few tests may be without the engines, as most tests are; a whole run is not.
fn services(filter: Option<&str>) -> Result<Option<Services>> {
    match Services::start() {
        Err(error) if filter.is_some() => {
            println!("tests that need PostgreSQL, Redis or NATS say that they are skipped: {error:#}");
            Ok(None)
        }
        started => started.map(Some),
    }
}

/// Every combination is a run over the workspace: with single packages their dependencies would be built again, with
/// fewer features.
fn rust_tests(services: Option<&Services>, on: &Combination) -> Result<Suite> {
    let (mut command, reporter) = match tools::nextest()? {
        Some(mut nextest) => {
            nextest.args(["run", "--workspace", "--no-fail-fast"]);
            (nextest, Reporter::Nextest)
        }
        None => {
            let mut test = cargo();
            test.args(["test", "--workspace", "--no-fail-fast"]);
            test.args(on.targets.is_empty().then_some("--all-targets"));
            (test, Reporter::Libtest)
        }
    };
    on.choose(&mut command);
    if let Some(services) = services {
        services.lend(&mut command);
    }
    Ok(Suite { command, reporter })
}

impl Combination {
    fn choose(&self, tests: &mut Command) {
        tests
            .args(self.targets.iter().flat_map(|target| ["--test", target]))
            .envs(self.choices.iter().copied());
    }
}

/// The examples in the documentation, which nextest does not run.
fn doc_tests() -> Suite {
    let mut command = cargo();
    command.args(["test", "--workspace", "--doc", "--no-fail-fast"]);
    Suite { command, reporter: Reporter::Libtest }
}

/// A few requests per route made of the API's document; always the same ones.
fn api_examples() -> Suite {
    let mut command = cargo();
    command.args(["xtask", "api", "--examples", "5"]);
    Suite { command, reporter: Reporter::Schemathesis }
}

fn web_tests() -> Result<Option<Suite>> {
    let Some(web) = tools::web() else { return Ok(None) };
    Ok(tools::npm_script(&web, "test")?.map(|command| Suite { command, reporter: Reporter::Npm }))
}

struct Suite {
    command: Command,
    reporter: Reporter,
}

impl Suite {
    /// Runs it; a suite that fails without having counted a failure, for example because it does not build, counts
    /// as one failed test: the closing line never reads as a success then.
    fn run(mut self) -> Result<(Counts, bool)> {
        let mut counts = Counts::default();
        let status = read_along(&mut self.command, |line| {
            counts = counts.plus(self.reporter.read(line).unwrap_or_default());
        })?;
        if !status.success() && counts.failed == 0 {
            counts.failed = 1;
        }
        Ok((counts, status.success()))
    }
}

/// How a test runner sums up.
#[derive(Debug, Clone, Copy)]
enum Reporter {
    /// `Summary [ 1.2s] 10 tests run: 8 passed, 1 failed, 1 timed out, 2 skipped`
    Nextest,
    /// `test result: ok. 3 passed; 0 failed; 0 ignored; …`, once per binary
    Libtest,
    /// `Tests  3 passed | 1 failed (4)` of vitest, `# pass 3` and `# fail 1` of node, once per package
    Npm,
    /// `✅ 17 passed  ❌  2 failed  🚫  1 error  ⏭   6 skipped`, once per phase: each route is a test of it
    Schemathesis,
}

impl Reporter {
    fn read(self, line: &str) -> Option<Counts> {
        let line = line.trim();
        match self {
            Self::Schemathesis => {
                let words: Vec<&str> = line.split_whitespace().collect();
                let parts = words.windows(2).filter(|pair| pair[0].parse::<u64>().is_ok());
                line.starts_with(['✅', '❌', '🚫'])
                    .then(|| parts.fold(Counts::default(), |counts, pair| counts.and(&pair.join(" "))))
            }
            Self::Nextest => {
                let (_, counted) = line.strip_prefix("Summary [")?.split_once(" run: ")?;
                Some(counted.split([',', '(']).fold(Counts::default(), Counts::and))
            }
            Self::Libtest => {
                let (_, counted) = line.strip_prefix("test result: ")?.split_once(". ")?;
                Some(counted.split(';').fold(Counts::default(), Counts::and))
            }
            Self::Npm => {
                if let Some(counted) = line.strip_prefix("Tests ") {
                    let counted = counted.split('(').next()?;
                    return Some(counted.split('|').fold(Counts::default(), Counts::and));
                }
                let counted = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ "))?;
                let (word, number) = counted.split_once(' ')?;
                let number = number.parse().ok()?;
                match word {
                    "pass" => Some(Counts { passed: number, failed: 0 }),
                    "fail" => Some(Counts { passed: 0, failed: number }),
                    _ => None,
                }
            }
        }
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
}

impl Counts {
    fn plus(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }

    /// Adds a part like `8 passed`; what is neither passed nor failed counts as nothing.
    fn and(self, part: &str) -> Self {
        let Some((number, word)) = part.trim().split_once(' ') else { return self };
        let Ok(number) = number.parse::<u64>() else { return self };
        match word.trim().trim_end_matches(')') {
            "passed" => self.plus(Self { passed: number, failed: 0 }),
            "failed" | "error" | "errors" | "timed out" | "exec failed" => {
                self.plus(Self { passed: 0, failed: number })
            }
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64) -> Option<Counts> {
        Some(Counts { passed, failed })
    }

    #[test]
    fn nextests_summary_is_read() {
        let read = |line| Reporter::Nextest.read(line);
        assert_eq!(read("     Summary [   0.012s] 1 test run: 1 passed, 0 skipped"), counts(1, 0));
        let line = "     Summary [  12.512s] 102 tests run: 98 passed (2 slow), 2 failed, 1 timed out, 1 exec failed, 3 skipped";
        assert_eq!(read(line), counts(98, 4));
        assert_eq!(read("test result: ok. 1 passed; 0 failed; 0 ignored"), None, "a test's own output");
    }

    #[test]
    fn a_timed_out_test_has_failed() {
        let line = "Summary [  60.0s] 10/12 tests run: 9 passed, 1 timed out, 0 skipped";
        assert_eq!(Reporter::Nextest.read(line), counts(9, 1));
    }

    #[test]
    fn libtests_result_is_read() {
        let line = "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s";
        assert_eq!(Reporter::Libtest.read(line), counts(3, 2));
        assert_eq!(Reporter::Libtest.read("test result_is_told ... ok"), None);
    }

    #[test]
    fn both_javascript_runners_are_read() {
        let read = |line| Reporter::Npm.read(line);
        assert_eq!(read("      Tests  1 failed | 31 passed (32)"), counts(31, 1));
        assert_eq!(read(" Test Files  2 passed (2)"), None, "files are no tests");
        assert_eq!(read("# pass 12"), counts(12, 0));
        assert_eq!(read("ℹ fail 2"), counts(0, 2));
        assert_eq!(read("# duration_ms 31.5"), None);
    }

    #[test]
    fn each_route_of_a_phase_counts() {
        let read = |line| Reporter::Schemathesis.read(line).unwrap_or_default();
        assert_eq!(Some(read("     ✅ 17 passed  ❌  2 failed  🚫  1 error  ⏭   6 skipped")), counts(17, 3));
        for other in [
            " ❌  Fuzzing (in 3.94s)",
            "  ❌ ST202 Schema-valid request rejected: 16",
            "  1515 generated, 9 passed",
        ] {
            assert_eq!(read(other), Counts::default(), "{other}");
        }
    }

    #[test]
    fn a_combination_runs_its_targets_on_its_engines() {
        let typed = |on: &Combination| {
            let mut tests = crate::command::command("tests");
            on.choose(&mut tests);
            typed(&tests)
        };
        assert_eq!(typed(&ORDINARY), "tests");
        let on_buses = ["postgres", "redis", "nats"].map(|bus| {
            format!("BELFRY_TEST_BUS={bus} BELFRY_TEST_STORE=postgres tests --test it --test fallback --test cluster")
        });
        assert_eq!(MATRIX.map(|on| typed(&on)), on_buses);
    }

    #[test]
    fn a_suite_that_does_not_start_its_tests_has_failed() {
        let mut command = crate::command::command("sh");
        command.args(["-c", "echo 'error: could not compile'; exit 101"]);
        let (counts, succeeded) = Suite { command, reporter: Reporter::Nextest }.run().expect("sh runs");
        assert_eq!((counts.passed, counts.failed, succeeded), (0, 1, false));
    }
}
