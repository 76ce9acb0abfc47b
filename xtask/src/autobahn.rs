//! Conformance: Autobahn's fuzzing client against the echo example on the production codec.
//!
//! The suite runs on CPython 2.7 only. Where the machine has none this says so and is skipped; the cases that
//! matter are ordinary tests of `belfry-websocket` as well.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

const SUITE: &str = "autobahntestsuite==25.10.1";

/// What the suite runs when nobody asks for less; 12 and 13 are about a compression that is not offered.
const CASES: [&str; 9] = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"];

/// The largest message of case 9, so none of its cases exceeds the example's limit.
const MESSAGE_BYTES_MAX: &str = "16777216";

const AGENT: &str = "belfry-websocket";

/// Runs the given cases (such as `7.*`), or all that apply, and fails unless every one passes.
pub(crate) fn run(cases: &[String]) -> Result<()> {
    let Some(python) = find_python() else {
        println!("autobahn: skipped, because this machine has no CPython 2.7, which the suite needs");
        return Ok(());
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    let home = target_folder(root).join("autobahn");
    let suite = home.join("python");
    install(&python, &suite)?;
    let mut server = Server::start(root)?;
    let cases = if cases.is_empty() { CASES.map(String::from).to_vec() } else { cases.to_vec() };
    println!("autobahn: running {} against {}", cases.join(", "), server.url);
    let report = fuzz(&python, &suite, &home, &server.url, &cases)?;
    ensure!(server.child.try_wait()?.is_none(), "the echo server died");
    judge(&report, &home)
}

/// A CPython 2.7 that starts: the one on the path, or one that pyenv keeps.
fn find_python() -> Option<PathBuf> {
    let pyenv = env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".pyenv")))
        .map(|root| root.join("versions"));
    let mut kept: Vec<PathBuf> = pyenv
        .and_then(|versions| fs::read_dir(versions).ok())
        .into_iter()
        .flatten()
        .flatten()
        .filter(|version| version.file_name().to_string_lossy().starts_with("2.7"))
        .map(|version| version.path().join("bin").join("python"))
        .collect();
    kept.sort();
    // A shim on the path may exist and still refuse to start, so each candidate is asked who it is.
    [PathBuf::from("python2.7")].into_iter().chain(kept.into_iter().rev()).find(|python| {
        let script = "import sys; sys.exit(sys.version_info[:2] != (2, 7))";
        Command::new(python)
            .args(["-c", script])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

fn target_folder(root: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder))
}

/// Installs the suite once, into a folder of its own.
fn install(python: &Path, suite: &Path) -> Result<()> {
    let namespace = suite.join("zope").join("__init__.py");
    if namespace.exists() {
        return Ok(());
    }
    println!("autobahn: installing {SUITE} into {}", suite.display());
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-warn-script-location"]);
    let output = pip.arg("--target").arg(suite).arg(SUITE).output().context("pip does not start")?;
    // It always complains about its own age, so what it says matters only when it fails.
    ensure!(output.status.success(), "pip: {}", String::from_utf8_lossy(&output.stderr));
    // `--target` leaves out the file that makes zope a namespace, so nothing below it could be imported.
    fs::write(&namespace, "__import__('pkg_resources').declare_namespace(__name__)\n")
        .with_context(|| format!("cannot write {}", namespace.display()))
}

/// The echo example, stopped when dropped.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(root: &Path) -> Result<Self> {
        let mut child = Command::new(build(root)?)
            .args(["127.0.0.1:0", MESSAGE_BYTES_MAX])
            .stdout(Stdio::piped())
            .spawn()
            .context("the echo example does not start")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("its output is piped")?).read_line(&mut line)?;
        let mut server = Self { child, url: String::new() };
        server.url =
            line.trim().strip_prefix("listening on ").context("the echo example names no address")?.into();
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing left to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds the echo example and says where it lies.
fn build(root: &Path) -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["build", "--quiet", "--package", "belfry-websocket", "--example", "autobahn_echo"])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("cargo does not start")?;
    ensure!(output.status.success(), "the echo example does not build");
    output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "autobahn_echo")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .context("cargo names no executable for the echo example")
}

/// Runs the fuzzing client and returns its index of outcomes.
fn fuzz(python: &Path, suite: &Path, home: &Path, url: &str, cases: &[String]) -> Result<Value> {
    let reports = home.join("reports");
    if reports.exists() {
        fs::remove_dir_all(&reports).context("cannot remove the last reports")?;
    }
    let spec = home.join("spec.json");
    let content = json!({
        "outdir": reports,
        "servers": [{ "agent": AGENT, "url": url }],
        "cases": cases,
        "exclude-cases": [],
        "exclude-agent-cases": {},
    });
    fs::write(&spec, content.to_string()).context("cannot write the suite's spec")?;
    let log = fs::File::create(home.join("wstest.log")).context("cannot write the suite's log")?;
    let status = Command::new(python)
        .arg(suite.join("bin").join("wstest"))
        .args(["-m", "fuzzingclient", "-s"])
        .arg(&spec)
        .env("PYTHONPATH", suite)
        .current_dir(home)
        .stdout(log.try_clone()?)
        .stderr(log)
        .status()
        .context("the suite does not start")?;
    ensure!(status.success(), "the suite failed; see {}", home.join("wstest.log").display());
    let index = fs::read(reports.join("index.json")).context("the suite left no report")?;
    Ok(serde_json::from_slice(&index)?)
}

/// Every case must pass, in what the server did and in how it closed.
fn judge(report: &Value, home: &Path) -> Result<()> {
    let cases = report[AGENT].as_object().context("the report does not name the agent")?;
    ensure!(!cases.is_empty(), "no case ran");
    let mut counts = BTreeMap::<&str, usize>::new();
    let mut failed = Vec::new();
    for (name, case) in cases {
        let behaviour = case["behavior"].as_str().unwrap_or("MISSING");
        let close = case["behaviorClose"].as_str().unwrap_or("MISSING");
        *counts.entry(behaviour).or_default() += 1;
        if ![behaviour, close].iter().all(|outcome| matches!(*outcome, "OK" | "NON-STRICT" | "INFORMATIONAL"))
        {
            failed.push(format!("{name} ({behaviour}, close {close})"));
        }
    }
    let counts: Vec<String> = counts.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    println!("autobahn: {} cases: {}; {} failed", cases.len(), counts.join(", "), failed.len());
    if failed.is_empty() {
        return Ok(());
    }
    bail!("failed: {}; see {}", failed.join(", "), home.join("reports").join("index.html").display())
}
