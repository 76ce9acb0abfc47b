//! The commands against a running server: `belfry dev` and `belfry serve` as people start them.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(30);

fn belfry(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_belfry"));
    command.current_dir(folder).env_clear().stdin(Stdio::null());
    command
}

/// A process whose lines are read as they come, and which never outlives its test.
struct Running {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary was built");
        let stdout = lines(child.stdout.take().expect("is piped"));
        let stderr = lines(child.stderr.take().expect("is piped"));
        Self { child, stdout, stderr }
    }

    /// The next line of standard output.
    fn line(&self) -> String {
        self.stdout.recv_timeout(DEADLINE).expect("a line comes in time")
    }

    /// Waits for a line on standard error.
    fn remark(&self, part: &str) {
        while !self.stderr.recv_timeout(DEADLINE).expect("the remark comes in time").contains(part) {}
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().expect("`kill` is everywhere");
        assert!(sent.success());
    }

    /// The end, once its output has ended.
    fn end(mut self) -> (ExitStatus, Vec<String>) {
        let mut rest = Vec::new();
        while let Ok(line) = self.stdout.recv_timeout(DEADLINE) {
            rest.push(line);
        }
        (self.child.wait().expect("is our child"), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that ended cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (lines_tx, lines_rx) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if lines_tx.send(line).is_err() {
                return;
            }
        }
    });
    lines_rx
}

/// A folder with a running `belfry dev`.
struct Dev {
    folder: tempfile::TempDir,
    server: Running,
    welcome: serde_json::Value,
}

impl Dev {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (server, welcome) = Self::start_in(folder.path(), "127.0.0.1:0");
        Self { folder, server, welcome }
    }

    fn start_in(folder: &Path, listen: &str) -> (Running, serde_json::Value) {
        let server = Running::start(belfry(folder).args(["dev", "--json", "--listen", listen]));
        let welcome = serde_json::from_str(&server.line()).expect("the welcome is JSON");
        (server, welcome)
    }

    fn url(&self) -> &str {
        self.welcome["url"].as_str().expect("has an address")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        belfry(self.folder.path()).args(arguments).output().expect("the binary was built")
    }

    /// The JSON that a command prints.
    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stdout).expect("it prints UTF-8");
        serde_json::from_str(&text)
            .unwrap_or_else(|_| panic!("no JSON: {text} {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// A tail that is connected.
    fn tail(&self, arguments: &[&str]) -> Running {
        let tail = Running::start(belfry(self.folder.path()).args(["tail", "--json"]).args(arguments));
        assert!(tail.line().contains("connection-established"));
        tail
    }
}

#[test]
fn an_alert_goes_from_publish_to_tail_and_its_trace_says_so() {
    let dev = Dev::start();
    let tail = dev.tail(&["--user", "ann", "--count", "1"]);
    let answer =
        dev.json(&["publish", "--user", "ann", "--kind", "greeting", "--title", "The bells ring", "--json"]);
    let frame: serde_json::Value = serde_json::from_str(&tail.line()).expect("is a frame");
    assert_eq!((&frame["type"], &frame["title"]), (&"greeting".into(), &"The bells ring".into()));
    assert_eq!(frame["id"], answer["id"]);
    let (status, rest) = tail.end();
    assert_eq!((status.code(), rest), (Some(0), Vec::new()));

    let trace = dev.run(&["trace", answer["id"].as_str().expect("is text")]);
    let text = String::from_utf8(trace.stdout).expect("is UTF-8");
    assert!(text.contains("The bells ring  greeting") && text.contains("ann user 1"), "{text}");

    dev.server.signal("TERM");
    let Dev { server, .. } = dev;
    assert_eq!(server.end().0.code(), Some(0));
}

#[test]
fn keys_and_alerts_outlive_a_killed_server_and_tail_comes_back_by_itself() {
    let Dev { folder, mut server, welcome } = Dev::start();
    let dev_url = welcome["url"].as_str().expect("has an address").to_owned();
    let tail =
        Running::start(belfry(folder.path()).args(["tail", "--json", "--user", "ann", "--count", "2"]));
    assert!(tail.line().contains("connection-established"));
    let publish = |title: &str| {
        let arguments = ["publish", "--user", "ann", "--kind", "greeting", "--title", title];
        belfry(folder.path()).args(arguments).output().expect("the binary was built")
    };
    assert!(publish("before").status.success());
    assert!(tail.line().contains("before"));
    server.child.kill().expect("runs");
    server.child.wait().expect("is our child");
    assert_eq!(publish("nobody is there").status.code(), Some(3));

    let (_server, again) = Dev::start_in(folder.path(), dev_url.trim_start_matches("http://"));
    assert_eq!(again["api_key"], welcome["api_key"]);
    assert!(publish("after").status.success());
    let mut line = tail.line();
    while !line.contains("after") {
        assert!(line.contains("connection-established"), "{line}");
        line = tail.line();
    }
    assert_eq!(tail.end().0.code(), Some(0));
}

#[test]
fn a_batch_is_told_line_by_line_and_can_be_repeated() {
    let dev = Dev::start();
    let line = |title: &str| format!(r#"{{"to":{{"user":"ann"}},"kind":"greeting","title":"{title}"}}"#);
    let text = format!(
        "{}\nnot json\n{}\n{{\"to\":{{\"group\":\"none\"}},\"kind\":\"greeting\"}}\n",
        line("a"),
        line("b")
    );
    std::fs::write(dev.path("alerts.ndjson"), text).expect("can be written");
    let arguments = ["publish", "--file", "alerts.ndjson", "--idempotency-key", "run-1", "--json"];
    let first = dev.run(&arguments);
    assert_eq!(first.status.code(), Some(4), "two lines are refused");
    let results: Vec<serde_json::Value> = String::from_utf8(first.stdout)
        .expect("is UTF-8")
        .lines()
        .map(|line| serde_json::from_str(line).expect("is JSON"))
        .collect();
    let mut told: Vec<_> = results
        .iter()
        .map(|result| (result["line"].as_u64(), result["problem"]["code"].as_str().unwrap_or("stored")))
        .collect();
    told.sort_unstable();
    let expected =
        [(Some(1), "stored"), (Some(2), "json-malformed"), (Some(3), "stored"), (Some(4), "group-unknown")];
    assert_eq!(told, expected);

    let again = String::from_utf8(dev.run(&arguments).stdout).expect("is UTF-8");
    let id = results.iter().find_map(|result| result["alert"]["id"].as_str()).expect("one was stored");
    assert!(again.contains(id), "the same answer again: {again}");
    let summary = String::from_utf8(dev.run(&arguments[..5]).stdout).expect("is UTF-8");
    assert!(summary.contains("stored 2 alerts, 2 refused"), "{summary}");
}

#[test]
fn a_refusal_is_exit_code_4_and_says_what_to_do() {
    let dev = Dev::start();
    let output = dev.run(&["publish", "--user", "ann", "--kind", "catch-up"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("kind-reserved"));
    let arguments = ["publish", "--user", "ann", "--kind", "k", "--api-key", "not the key at all"];
    assert_eq!(dev.run(&arguments).status.code(), Some(4));
}

#[test]
fn a_revoked_token_opens_nothing_any_more() {
    let dev = Dev::start();
    let token = dev.welcome["token"].as_str().expect("is text");
    let tail = dev.tail(&["--token", token]);
    let answer = dev.json(&["revoke", "--user", "ann", "--json"]);
    assert_eq!(answer["closed"], 1);
    assert_eq!(tail.end().0.code(), Some(4));
    assert_eq!(dev.run(&["tail", "--token", token]).status.code(), Some(4));
}

#[test]
fn a_signing_key_is_revoked_and_taken_back() {
    let dev = Dev::start();
    assert_eq!(dev.json(&["revoke", "--kid", "signer/1", "--json"])["id"], "signer/1");
    let undo = ["revoke", "--kid", "signer/1", "--undo"];
    assert!(dev.run(&undo).status.success());
    assert_eq!(dev.run(&undo).status.code(), Some(4), "it is not revoked any more");
    for wrong in [
        &["revoke"] as &[&str],
        &["revoke", "--kid", "k", "--user", "ann"],
        &["revoke", "--user", "ann", "--undo"],
        &["revoke", "--kid", "k", "--before", "2026-01-01T00:00:00Z"],
    ] {
        assert_eq!(dev.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn a_backup_is_made_beside_the_running_server_and_opens() {
    let dev = Dev::start();
    assert!(dev.run(&["publish", "--user", "ann", "--kind", "greeting"]).status.success());
    let made = dev.json(&["backup", "copy.db", "--json"]);
    assert!(made["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{made}");
    assert_eq!(dev.run(&["backup", "copy.db"]).status.code(), Some(1), "nothing is overwritten");
    assert_eq!(dev.run(&["migrate"]).status.code(), Some(1), "the store is in use");

    std::fs::create_dir(dev.path("restored")).expect("can be made");
    std::fs::rename(dev.path("copy.db"), dev.path("restored/belfry.db")).expect("can be moved");
    let restored = dev.json(&["migrate", "--data-dir", "restored", "--json"]);
    let renewed = dev.json(&["epoch", "new", "--data-dir", "restored", "--json"]);
    assert_ne!(restored["epoch"], renewed["epoch"]);
    // No server answers for that folder: the file is copied directly.
    let arguments = ["backup", "second.db", "--data-dir", "restored", "--json"];
    let output = belfry(dev.folder.path()).args(arguments).env("BELFRY_LISTEN", "127.0.0.1:1").output();
    assert_eq!(output.expect("the binary was built").status.code(), Some(0));
}

#[test]
fn doctor_finds_nothing_wrong_with_a_fresh_server() {
    let dev = Dev::start();
    let output = dev.run(&["doctor"]);
    let text = String::from_utf8(output.stdout).expect("is UTF-8");
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("is ready") && text.contains("token at server accepted"), "{text}");
}

#[test]
fn ctrl_c_ends_tail_well_and_a_second_signal_ends_a_server_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = belfry(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command.env("BELFRY_JWT_SECRET", "a secret that is long enough for HS256");
    command.env("BELFRY_API_KEY", "a-key-that-is-long-enough");
    command.env("BELFRY__DRAIN__READY_WAIT", "1h").env("BELFRY__DRAIN__TIMEOUT", "2h");
    let mut server = Running::start(&mut command);
    server.remark("listening on http://127.0.0.1:");
    server.signal("TERM");
    server.remark("shutting down");
    server.signal("INT");
    assert_eq!(server.child.wait().expect("is our child").code(), Some(130));

    let dev = Dev::start();
    let tail = dev.tail(&["--user", "ann"]);
    tail.signal("INT");
    assert_eq!(tail.end().0.code(), Some(0));
    assert!(dev.url().starts_with("http://127.0.0.1:"));
}

#[test]
fn no_log_line_holds_a_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = belfry(folder.path());
    command.args(["dev", "--json", "--listen", "127.0.0.1:0"]).env("BELFRY__LOG__LEVEL", "trace");
    let server = Running::start(&mut command);
    let welcome: serde_json::Value = serde_json::from_str(&server.line()).expect("is JSON");
    let dev = Dev { folder, server, welcome };
    let tail = dev.tail(&["--user", "ann", "--count", "1"]);
    assert!(dev.run(&["publish", "--user", "ann", "--kind", "greeting"]).status.success());
    assert_eq!(tail.end().0.code(), Some(0));
    dev.server.signal("TERM");
    let secrets = ["api_key", "token"].map(|name| dev.welcome[name].as_str().expect("is text").to_owned());
    let mut count = 0;
    while let Ok(line) = dev.server.stderr.recv_timeout(DEADLINE) {
        count += 1;
        assert!(!secrets.iter().any(|secret| line.contains(secret)), "{line}");
        assert!(!line.to_ascii_lowercase().contains("bearer "), "{line}");
    }
    assert!(count >= 5, "the log was on: {count} lines");
}
