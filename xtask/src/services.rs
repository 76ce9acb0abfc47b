//! `cargo xtask services`: PostgreSQL, Redis and NATS for tests, on loopback, empty, and gone when the command ends.

mod folder;

use crate::command::{command, output, succeeds};
use crate::tools;
use anyhow::{Context, Result, bail};
use folder::Folder;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// As root PostgreSQL refuses to run; its Debian package brings this user.
const POSTGRES_USER: &str = "postgres";
/// How often a service is asked whether it is ready, and how long it may take on a machine that compiles meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(25);
const ASK_TIMES: u32 = 2400;
/// A port that is free may be taken by someone else before the service binds it.
const PORTS_TRIED: u32 = 3;

/// Starts the three, runs the command with the variables that name them, and stops them.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let services = Services::start()?;
    let (program, arguments) = words.split_first().context("a command is needed")?;
    let mut wanted = bound_to_us(Path::new(program), None, "TERM");
    wanted.args(arguments).current_dir(std::env::current_dir()?).stdin(Stdio::inherit());
    services.lend(&mut wanted);
    let status = wanted.status().with_context(|| format!("`{program}` does not start"))?;
    match status.success() {
        true => Ok(()),
        false => bail!("`{}` failed with {status}", words.join(" ")),
    }
}

/// What runs, and how tests find it.
pub(crate) struct Services {
    variables: Vec<(&'static str, String)>,
    // Stopped before their folder is removed: fields are dropped in this order.
    _running: Vec<Service>,
    _folder: Folder,
}

impl Services {
    /// Installs what is missing and starts each engine on a port of its own.
    pub(crate) fn start() -> Result<Self> {
        let programs = tools::ensure_services()?;
        let logs = tools::target_dir()?.join("services");
        std::fs::create_dir_all(&logs)?;
        let user = is_root()?.then_some(POSTGRES_USER);
        let folder = Folder::new(&logs, user)?;
        let postgres = postgres(&programs.initdb, folder.path(), &logs, user)?;
        let redis = redis(&programs.redis, folder.path(), &logs)?;
        let nats = nats(&programs.nats, &logs)?;
        let variables = vec![
            ("BELFRY_TEST_POSTGRES", format!("postgres://postgres@127.0.0.1:{}/postgres", postgres.port)),
            ("BELFRY_TEST_REDIS", format!("redis://127.0.0.1:{}", redis.port)),
            ("BELFRY_TEST_NATS", format!("nats://127.0.0.1:{}", nats.port)),
            ("BELFRY_TEST_ALL", "1".to_owned()),
        ];
        for (name, value) in &variables {
            println!("services: {name}={value}");
        }
        println!("services: logs are in {}", logs.display());
        Ok(Self { variables, _running: vec![postgres, redis, nats], _folder: folder })
    }

    /// Tells a command where they are, and that tests may leave none of them out.
    pub(crate) fn lend(&self, to: &mut Command) {
        to.envs(self.variables.iter().map(|(name, value)| (name, value)));
    }
}

/// Durable as in production, because Belfry refuses less; it is fast because its files are in memory where there is
/// room. No socket file: its path would be too long in many a target folder.
fn postgres(initdb: &Path, folder: &Path, logs: &Path, user: Option<&str>) -> Result<Service> {
    let data = folder.join("postgres");
    let mut make = bound_to_us(initdb, user, "KILL");
    make.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
    // The working folder has to be one that its user may enter.
    output(make.arg("--pgdata").arg(&data).current_dir(folder)).context("PostgreSQL makes no database")?;
    let server = initdb.with_file_name("postgres");
    let ready = initdb.with_file_name("pg_isready");
    let make = |port: u16| {
        let mut server = bound_to_us(&server, user, "QUIT");
        server.current_dir(folder).arg("-D").arg(&data).args(["-p", &port.to_string()]);
        server.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        server.args(["-c", "max_connections=500", "-c", "shared_buffers=256MB"]);
        server
    };
    let answers = |port: u16| {
        let mut ready = command(&ready.to_string_lossy());
        succeeds(ready.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]))
    };
    // QUIT is its way to stop at once and still take its memory segments with it.
    Service::start("postgres", "QUIT", logs, make, answers)
}

fn redis(program: &Path, folder: &Path, logs: &Path) -> Result<Service> {
    let make = |port: u16| {
        let mut server = bound_to_us(program, None, "TERM");
        server.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"]).arg(folder);
        server.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]);
        server
    };
    Service::start("redis", "TERM", logs, make, |port| says(port, b"PING\r\n", "+PONG"))
}

fn nats(program: &Path, logs: &Path) -> Result<Service> {
    let make = |port: u16| {
        let mut server = bound_to_us(program, None, "TERM");
        server.args(["--addr", "127.0.0.1", "--port", &port.to_string()]);
        server
    };
    Service::start("nats", "TERM", logs, make, |port| says(port, b"", "INFO "))
}

/// A program that gets a signal when this process ends, however it ends, and that runs as `user` where one is named.
/// Where there is no `setpriv`, which is Linux's, only an ordinary end stops it.
fn bound_to_us(program: &Path, user: Option<&str>, signal: &str) -> Command {
    if !succeeds(command("setpriv").arg("--version")) {
        return command(&program.to_string_lossy());
    }
    let mut bound = command("setpriv");
    if let Some(user) = user {
        bound.args(["--reuid", user, "--regid", user, "--init-groups"]);
    }
    bound.args(["--pdeathsig", signal, "--"]).arg(program);
    bound
}

fn is_root() -> Result<bool> {
    Ok(output(command("id").arg("-u"))?.trim() == "0")
}

/// Whether whoever listens there answers `greeting` with a line that begins as expected.
fn says(port: u16, greeting: &[u8], expected: &str) -> bool {
    let patience = Duration::from_secs(1);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, patience) else { return false };
    let asked = stream.set_read_timeout(Some(patience)).and_then(|()| stream.write_all(greeting));
    let mut line = String::new();
    asked.is_ok() && BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with(expected)
}

/// One running engine.
struct Service {
    port: u16,
    signal: &'static str,
    child: Child,
}

impl Service {
    /// Starts it on a free port and waits until it answers.
    fn start(
        name: &str,
        signal: &'static str,
        logs: &Path,
        make: impl Fn(u16) -> Command,
        answers: impl Fn(u16) -> bool,
    ) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        for _ in 0..PORTS_TRIED {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            let file = File::create(&log)?;
            let mut server = make(port);
            // A group of its own: Ctrl-C is for the command, which may still need it.
            own_group(&mut server).stdout(file.try_clone()?).stderr(file);
            let child = server.spawn().with_context(|| format!("{name} does not start"))?;
            let mut service = Self { port, signal, child };
            if service.is_ready(&answers)? {
                return Ok(service);
            }
        }
        bail!("{name} does not start:\n{}", last_lines(&log))
    }

    /// `false` where it ended instead, or never answered.
    fn is_ready(&mut self, answers: impl Fn(u16) -> bool) -> Result<bool> {
        for _ in 0..ASK_TIMES {
            if self.child.try_wait()?.is_some() {
                return Ok(false);
            }
            if answers(self.port) {
                return Ok(true);
            }
            std::thread::sleep(ASK_EVERY);
        }
        Ok(false)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        succeeds(command("kill").args(["-s", self.signal, &self.child.id().to_string()]));
        for _ in 0..ASK_TIMES / 10 {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            std::thread::sleep(ASK_EVERY);
        }
        // Whoever does not listen to its own signal listens to this one; if it has just ended, all the better.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(unix)]
fn own_group(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt;
    command.process_group(0)
}

#[cfg(not(unix))]
fn own_group(command: &mut Command) -> &mut Command {
    command
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
