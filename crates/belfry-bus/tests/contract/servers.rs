//! Servers of a test's own, to kill.

use crate::harness::{left_out, until};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A process that ends with the test.
pub(crate) struct Server {
    program: &'static str,
    arguments: Vec<String>,
    pub(crate) port: u16,
    folder: TempDir,
    child: Child,
}

impl Server {
    /// Redis on a free port; `None`: there is no Redis here.
    pub(crate) async fn redis(more: &[&str]) -> Option<Self> {
        let port = free_port();
        let port_text = port.to_string();
        let own = ["--port", &port_text, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        Self::start(
            "redis-server",
            own.iter().chain(more).map(|&argument| argument.to_owned()).collect(),
            port,
        )
        .await
    }

    /// A sentinel that watches one primary as `main`, and calls it down after a moment; `None`: no Redis here.
    pub(crate) async fn sentinel(primary: u16) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let file = folder.path().join("sentinel.conf");
        let configuration = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {primary} 1\n\
             sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n"
        );
        std::fs::write(&file, configuration).unwrap();
        let arguments = vec![file.display().to_string(), "--sentinel".to_owned()];
        Self::start_in("redis-server", arguments, port, folder).await
    }

    /// Stops it where it is: its connections stay open, and it says nothing.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        // The shell's own, as not every machine has a program of that name.
        let kill = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// NATS on a free port; `None`: there is no NATS here.
    pub(crate) async fn nats(more: &[&str]) -> Option<Self> {
        let port = free_port();
        let port_text = port.to_string();
        let own = ["-a", "127.0.0.1", "-p", &port_text];
        let program = if Command::new("nats-server").arg("-v").stdout(Stdio::null()).status().is_ok() {
            "nats-server"
        } else {
            "/usr/sbin/nats-server"
        };
        Self::start(program, own.iter().chain(more).map(|&argument| argument.to_owned()).collect(), port)
            .await
    }

    async fn start(program: &'static str, arguments: Vec<String>, port: u16) -> Option<Self> {
        Self::start_in(program, arguments, port, TempDir::new().unwrap()).await
    }

    async fn start_in(
        program: &'static str,
        arguments: Vec<String>,
        port: u16,
        folder: TempDir,
    ) -> Option<Self> {
        match spawn(program, &arguments, &folder) {
            Ok(child) => {
                let server = Self { program, arguments, port, folder, child };
                server.answers().await;
                Some(server)
            }
            Err(error) => {
                left_out(&format!("{program}: {error}"));
                None
            }
        }
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port.
    pub(crate) async fn start_again(&mut self) {
        self.child = spawn(self.program, &self.arguments, &self.folder).unwrap();
        self.answers().await;
    }

    async fn answers(&self) {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        until("the server", || TcpStream::connect(address).is_ok()).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &str, arguments: &[String], folder: &TempDir) -> std::io::Result<Child> {
    Command::new(program)
        .args(arguments)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// A port that was free a moment ago. Below those that systems lend to clients: a server that was killed finds its
/// own port free when it is started again.
pub(crate) fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| fastrand::u16(15_000..32_000));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}
