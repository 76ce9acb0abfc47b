//! PostgreSQL, Redis and NATS of a test's own, in processes that it may hurt: kill, pause, empty, start again.
//!
//! `cargo xtask services` starts those that tests share; these here belong to one test, which is why they may suffer.

mod postgres;

use crate::deadline::eventually;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long one look may take whether an engine answers.
const PATIENCE: Duration = Duration::from_secs(1);
/// NATS is where Debian has it beside root's programs.
const NATS: [&str; 2] = ["nats-server", "/usr/sbin/nats-server"];

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The store, and a bus as well.
    Postgres,
    /// A bus.
    Redis,
    /// A bus.
    Nats,
}

/// How PostgreSQL is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// It breaks off what is under way and writes everything down.
    Fast,
    /// It drops everything and recovers at its next start.
    Immediate,
}

/// One engine in its own process, gone with the test.
#[derive(Debug)]
pub struct Engine {
    kind: Kind,
    /// Where it listens, also after a restart.
    pub address: SocketAddr,
    child: Option<Child>,
    folder: TempDir,
}

impl Engine {
    /// Starts one on a free port; `None`: its program is not on this machine.
    pub async fn start(kind: Kind) -> Option<Self> {
        let folder = match kind {
            Kind::Postgres => postgres::folder()?,
            Kind::Redis | Kind::Nats => tempfile::tempdir().expect("a temporary directory"),
        };
        let mut engine =
            Self { kind, address: SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())), child: None, folder };
        engine.spawn()?;
        engine.answers().await;
        Some(engine)
    }

    /// `host:port` under which it is reached, put into the form in which Belfry takes it.
    pub fn url_at(&self, address: SocketAddr) -> String {
        match self.kind {
            Kind::Postgres => format!("postgres://postgres@{address}/postgres"),
            Kind::Redis => format!("redis://{address}"),
            Kind::Nats => format!("nats://{address}"),
        }
    }

    /// The same without anything between.
    pub fn url(&self) -> String {
        self.url_at(self.address)
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        match self.kind {
            // Its children go with it only when it ends by itself; this is its way to do that without any word.
            Kind::Postgres => self.end(End::Immediate),
            Kind::Redis | Kind::Nats => {
                let mut child = self.child.take().expect("it runs");
                child.kill().expect("our own child can be killed");
                child.wait().expect("our own child can be waited for");
            }
        }
    }

    /// Tells PostgreSQL to end, and waits until it has.
    pub fn end(&mut self, how: End) {
        assert_eq!(self.kind, Kind::Postgres, "only PostgreSQL ends in more than one way");
        signal(
            self.id(),
            match how {
                End::Fast => "INT",
                End::Immediate => "QUIT",
            },
        );
        self.child.take().expect("it runs").wait().expect("our own child can be waited for");
    }

    /// Starts it again on its port, with what it had on disk.
    pub async fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        self.spawn().expect("it was there before");
        self.answers().await;
    }

    /// Stops it where it is: its connections stay open, and it says nothing.
    pub fn pause(&self) {
        signal(self.id(), "STOP");
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        signal(self.id(), "CONT");
    }

    /// Redis forgets everything it keeps, as by a careless hand. The others keep nothing for a bus.
    pub fn flush(&self) {
        if self.kind == Kind::Redis {
            assert!(says(self.address, "FLUSHALL\r\n", "+OK"), "Redis does as it is told");
        }
    }

    fn id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    fn spawn(&mut self) -> Option<()> {
        let port = self.address.port().to_string();
        let child = match self.kind {
            Kind::Postgres => postgres::spawn(self.folder.path(), &port)?,
            Kind::Redis => {
                let own = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
                run(bound_to_us("redis-server", "KILL")?.args(own), self.folder.path())
            }
            Kind::Nats => {
                let program = NATS.into_iter().find(|program| is_there(program))?;
                run(bound_to_us(program, "KILL")?.args(["-a", "127.0.0.1", "-p", &port]), self.folder.path())
            }
        };
        self.child = Some(child);
        Some(())
    }

    async fn answers(&self) {
        let answers = || {
            let (kind, address) = (self.kind, self.address);
            async move {
                // A question that blocks for a moment at most; nothing else runs while an engine starts.
                let there = match kind {
                    Kind::Postgres => postgres::is_ready(address),
                    Kind::Redis => says(address, "PING\r\n", "+PONG"),
                    Kind::Nats => says(address, "", "INFO "),
                };
                there.then_some(())
            }
        };
        eventually("an engine that answers", answers).await;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.go_on();
            self.kill();
        }
    }
}

/// Sends a signal to a process of ours.
pub(crate) fn signal(process: u32, name: &str) {
    // The shell's own, as not every machine has a program of that name.
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status();
    assert!(status.expect("there is a shell").success(), "the signal {name} was not sent");
}

/// A port that was free a moment ago. Below those that systems lend to clients: whatever was killed finds its own port
/// free when it is started again.
pub fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| fastrand::u16(15_000..32_000));
    ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).expect("a free port")
}

/// A program that gets a signal when the thread ends that starts it, where the system can do that; `None`: it is not
/// there.
fn bound_to_us(program: &str, signal: &str) -> Option<Command> {
    if !is_there(program) {
        return None;
    }
    if !is_there("setpriv") {
        return Some(Command::new(program));
    }
    let mut bound = Command::new("setpriv");
    bound.args(["--pdeathsig", signal, "--", program]);
    Some(bound)
}

fn is_there(program: &str) -> bool {
    let mut asked = Command::new(program);
    asked.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    asked.status().is_ok()
}

fn run(command: &mut Command, folder: &Path) -> Child {
    let log = std::fs::File::create(folder.join("log")).expect("a folder of our own");
    let errors = log.try_clone().expect("a file of our own");
    command.current_dir(folder).stdin(Stdio::null()).stdout(log).stderr(errors);
    command.spawn().expect("a program that was there a moment ago")
}

/// Whether whoever listens there answers a greeting with a line that begins as expected.
fn says(address: SocketAddr, greeting: &str, expected: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, PATIENCE) else { return false };
    let asked = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.write_all(greeting.as_bytes()));
    let mut line = String::new();
    asked.is_ok() && BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn has(engine: &Engine, key: &str) -> bool {
        says(engine.address, &format!("EXISTS {key}\r\n"), ":1")
    }

    #[tokio::test]
    async fn what_is_killed_comes_back_on_its_port_and_what_is_paused_says_nothing() {
        for kind in [Kind::Redis, Kind::Nats] {
            let Some(mut engine) = Engine::start(kind).await else { return };
            let greeting = if kind == Kind::Redis { "PING\r\n" } else { "" };
            let expected = if kind == Kind::Redis { "+PONG" } else { "INFO " };
            engine.pause();
            assert!(!says(engine.address, greeting, expected), "{kind:?} is paused");
            engine.go_on();
            engine.kill();
            assert!(TcpStream::connect(engine.address).is_err(), "{kind:?} is gone");
            engine.restart().await;
            assert!(says(engine.address, greeting, expected));
        }
    }

    #[tokio::test]
    async fn redis_forgets_when_it_is_flushed() {
        let Some(engine) = Engine::start(Kind::Redis).await else { return };
        assert!(says(engine.address, "SET a 1\r\n", "+OK") && has(&engine, "a").await);
        engine.flush();
        assert!(!has(&engine, "a").await);
    }

    #[tokio::test]
    async fn postgres_keeps_what_it_committed_however_it_ends() {
        let Some(mut engine) = Engine::start(Kind::Postgres).await else { return };
        let ask = async |engine: &Engine, sql: &str| {
            let (client, connection) =
                tokio_postgres::connect(&engine.url(), tokio_postgres::NoTls).await.expect("it answers");
            let mut serving = tokio::task::JoinSet::new();
            serving.spawn(connection);
            client.batch_execute(sql).await.is_ok()
        };
        assert!(ask(&engine, "CREATE TABLE kept (n int)").await);
        for how in [End::Fast, End::Immediate] {
            engine.end(how);
            engine.restart().await;
            assert!(ask(&engine, "INSERT INTO kept VALUES (1)").await, "after {how:?}");
        }
    }
}
