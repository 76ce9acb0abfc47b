//! PostgreSQL's own ways: a cluster is made before it runs, and it does not run as root.

use super::bound_to_us;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Files that are memory: there a synced write costs nothing.
const MEMORY: &str = "/dev/shm";
/// Its Debian package brings this user.
const USER: &str = "postgres";

/// A folder that the server's user owns, in memory where there is some, with a new cluster; `None`: no PostgreSQL.
pub(super) fn folder() -> Option<TempDir> {
    let initdb = program("initdb")?;
    let folder =
        tempfile::tempdir_in(MEMORY).or_else(|_| tempfile::tempdir()).expect("a temporary directory");
    if is_root() {
        assert!(succeeds(Command::new("chown").arg(USER).arg(folder.path())), "there is a user `{USER}`");
    }
    let mut make = as_its_user(&initdb, "KILL");
    make.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
    make.arg("--pgdata").arg(folder.path().join("data")).current_dir(folder.path());
    assert!(succeeds(&mut make), "`initdb` makes a cluster in {}", folder.path().display());
    Some(folder)
}

/// Durable as in production, because Belfry refuses less. No socket file: its path would be too long in many a folder.
pub(super) fn spawn(folder: &Path, port: &str) -> Option<Child> {
    // QUIT is its way to stop at once and still take its memory segments with it.
    let mut server = as_its_user(&program("postgres")?, "QUIT");
    server.arg("-D").arg(folder.join("data")).args(["-p", port]);
    server.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
    server.args(["-c", "max_connections=200", "-c", "shared_buffers=64MB"]);
    Some(super::run(&mut server, folder))
}

pub(super) fn is_ready(address: SocketAddr) -> bool {
    let Some(ready) = program("pg_isready") else { return false };
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    succeeds(Command::new(ready).args(["-q", "-h", &host, "-p", &port]))
}

fn as_its_user(program: &Path, signal: &str) -> Command {
    let mut server = bound_to_us(&program.to_string_lossy(), signal).expect("it is there");
    if is_root() {
        assert_eq!(server.get_program(), "setpriv", "as root PostgreSQL needs `setpriv`");
        let mut other = Command::new("setpriv");
        other.args(["--reuid", USER, "--regid", USER, "--init-groups"]).args(server.get_args());
        server = other;
    }
    server
}

/// The newest one that is installed.
fn program(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin").join(name)).collect();
    found.retain(|path| path.exists());
    found.sort();
    found.pop()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|answer| answer.stdout.starts_with(b"0\n"))
}

fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
