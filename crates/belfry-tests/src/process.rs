//! The real binary in a process of its own, to be killed, stopped and started again on the same data.

use crate::caller::Caller;
use crate::deadline::DEADLINE;
use crate::engines::signal;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// Most bytes of output that are kept.
const OUTPUT_BYTES_MAX: usize = 32 << 20;
/// What the server logs once it listens.
const LISTENING: &str = "listening on ";
/// Crates the binary is made of.
const CRATES: [&str; 7] = [
    "belfry-server",
    "belfry-store",
    "belfry-bus",
    "belfry-websocket",
    "belfry-protocol",
    "belfry-client",
    "belfry-channels",
];

/// The binary in its own process. It is a [`Caller`] of itself.
pub struct Process {
    caller: Caller,
    child: Option<Child>,
    data_dir: PathBuf,
    settings: BTreeMap<String, String>,
    output: Arc<Mutex<String>>,
    dir: TempDir,
}

impl Deref for Process {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Process {
    /// A server on its own port and directory, with environment variables such as `BELFRY__LOG__LEVEL`.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data_dir = dir.path().join("data");
        Self::on(dir, data_dir, settings)
    }

    /// A server on this data; the folder `dir` is its working directory and goes with it.
    pub fn on(dir: TempDir, data_dir: PathBuf, settings: &[(&str, &str)]) -> Self {
        let settings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::begin(Caller::new(""), dir, data_dir, settings)
    }

    /// One of several that share a store: it listens where the caller calls, and knows the caller's secrets.
    pub fn node(caller: Caller, settings: BTreeMap<String, String>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data_dir = dir.path().join("data");
        Self::begin(caller, dir, data_dir, settings)
    }

    fn begin(caller: Caller, dir: TempDir, data_dir: PathBuf, settings: BTreeMap<String, String>) -> Self {
        let mut process = Self { caller, child: None, data_dir, settings, output: Arc::default(), dir };
        process.restart();
        process
    }

    /// Changes an environment variable for the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.insert(name.to_owned(), value.to_owned());
    }

    /// Where its data lies.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Everything it printed, up to a limit.
    pub fn output(&self) -> String {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same caller, for tasks of their own.
    pub fn caller(&self) -> Caller {
        self.caller.clone()
    }

    /// Starts it, on the port it had before if it ran before.
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let listen = self.caller.url.trim_start_matches("http://");
        let listen = if listen.is_empty() { "127.0.0.1:0" } else { listen }.to_owned();
        let mut command = Command::new(binary());
        command
            .arg("serve")
            .current_dir(self.dir.path())
            .env("BELFRY_LISTEN", listen)
            .env("BELFRY_DATA_DIR", &self.data_dir)
            .env("BELFRY_JWT_SECRET", &self.caller.secret)
            .env("BELFRY_API_KEY", &self.caller.api_key)
            .env("BELFRY__DRAIN__WINDOW", "200ms")
            .env("BELFRY__LIMITS__REQUESTS_PER_SECOND_PER_USER", "100000")
            .env("BELFRY__LIMITS__REQUESTS_BURST_PER_USER", "100000")
            .env("BELFRY__LOG__FORMAT", "text")
            .env("NO_COLOR", "1")
            .envs(&self.settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let stderr = child.stderr.take().expect("standard error is piped");
        let address = read_output(stderr, Arc::clone(&self.output));
        self.child = Some(child);
        match address.recv_timeout(DEADLINE) {
            Ok(url) => self.caller.url = url,
            Err(_) => panic!("the server does not listen:\n{}", self.output()),
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("our own child can be killed");
        child.wait().expect("our own child can be waited for");
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        signal(self.id(), "TERM");
    }

    /// Stops it where it is: its connections stay open, its clocks go on, and it does nothing.
    pub fn pause(&self) {
        signal(self.id(), "STOP");
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        signal(self.id(), "CONT");
    }

    /// Waits for the end of the process by itself; a panic at the deadline.
    pub async fn ended(&mut self) -> ExitStatus {
        self.ended_within(DEADLINE).await
    }

    /// The same with a deadline of the caller's.
    pub async fn ended_within(&mut self, deadline: Duration) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let waiting = tokio::task::spawn_blocking(move || {
            // A deadline of its own, so that a process that never ends does not keep the test alive.
            let look_every = Duration::from_millis(10);
            for _ in 0..deadline.as_millis() / look_every.as_millis() {
                if let Some(status) = child.try_wait().expect("our own child can be waited for") {
                    return Some(status);
                }
                // Between two looks; their number is the deadline.
                std::thread::sleep(look_every);
            }
            let _ = child.kill();
            let _ = child.wait();
            None
        });
        let status = waiting.await.expect("waiting does not panic");
        status.unwrap_or_else(|| panic!("the process does not end:\n{}", self.output()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Keeps what is printed; the receiver gets the address once it listens.
fn read_output(stderr: impl Read + Send + 'static, output: Arc<Mutex<String>>) -> Receiver<String> {
    let (address_tx, address_rx) = sync_channel(1);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stderr).split(b'\n');
        while let Some(Ok(line)) = lines.next() {
            let line = String::from_utf8_lossy(&line);
            if let Some((_, url)) = line.split_once(LISTENING) {
                let url = url.split_whitespace().next().unwrap_or_default();
                let _ = address_tx.try_send(url.to_owned());
            }
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            if output.len() < OUTPUT_BYTES_MAX {
                output.push_str(&line);
                output.push('\n');
            }
        }
    });
    address_rx
}

/// The binary `belfry` of this build; built first where it is older than its sources.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let binary = target_dir().join(format!("belfry{}", std::env::consts::EXE_SUFFIX));
        if !is_fresh(&binary) {
            build();
        }
        assert!(binary.exists(), "`cargo build` did not make `{}`", binary.display());
        binary
    })
}

/// Where this build's programs lie: tests lie in `deps` below it.
fn target_dir() -> PathBuf {
    let exe = std::env::current_exe().expect("a process knows its program");
    let dir = exe.parent().expect("a program lies in a folder");
    let dir = if dir.ends_with("deps") { dir.parent().expect("`deps` lies in a folder") } else { dir };
    dir.to_owned()
}

fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this crate lies two folders below the root")
}

fn build() {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(["build", "--quiet", "-p", "belfry-server", "--bin", "belfry"]);
    command.arg("--target-dir").arg(target_dir().parent().expect("profiles lie in the target folder"));
    if target_dir().ends_with("release") {
        command.arg("--release");
    }
    assert!(command.status().expect("cargo starts").success(), "`belfry` does not build");
}

fn is_fresh(binary: &Path) -> bool {
    let Ok(built) = std::fs::metadata(binary).and_then(|metadata| metadata.modified()) else { return false };
    CRATES.iter().all(|name| newest(&root().join("crates").join(name).join("src")) <= built)
}

fn newest(dir: &Path) -> SystemTime {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let changed = entries.filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        if metadata.is_dir() { Some(newest(&entry.path())) } else { metadata.modified().ok() }
    });
    changed.max().unwrap_or(SystemTime::UNIX_EPOCH)
}
