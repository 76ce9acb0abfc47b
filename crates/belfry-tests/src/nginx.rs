//! nginx with a shipped configuration, in front of whatever a test starts.

use crate::deadline::eventually;
use crate::engines::free_port;
use crate::shim::skipped;
use crate::shipped::{answers, path, with_other};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Debian has it beside root's programs.
const PROGRAMS: [&str; 2] = ["/usr/sbin/nginx", "nginx"];

/// nginx with the shipped configuration, in front of a server and an application.
pub struct Nginx {
    child: Child,
    /// Where it listens.
    pub url: String,
    dir: TempDir,
}

impl Nginx {
    /// In front of these nodes, which stand in place of the shipped addresses; `http` stands before the shipped file, in
    /// the same block. `None`: it is not installed.
    pub async fn start(file: &str, nodes: &[(&str, String)], http: &str) -> Option<Self> {
        let Some(program) = PROGRAMS.into_iter().find(|name| answers(name, "-v")) else {
            skipped("there is no nginx; `cargo xtask test` installs it");
            return None;
        };
        let dir = tempfile::tempdir().expect("a temporary directory");
        let port = free_port();
        let mut other = nodes.to_vec();
        other.push(("listen 80;", format!("listen 127.0.0.1:{port};")));
        other.push(("/var/log/nginx/belfry.log", path(dir.path(), "access.log")));
        let conf = write_files(dir.path(), http, &with_other(file, &other));
        let child = Command::new(program)
            .args(["-p", &path(dir.path(), ""), "-e", &path(dir.path(), "error.log"), "-c"])
            .arg(conf)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let nginx = Self { child, url: format!("http://127.0.0.1:{port}"), dir };
        eventually("nginx", || async { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok() })
            .await;
        Some(nginx)
    }

    /// Everything it wrote.
    pub fn logs(&self) -> String {
        ["access.log", "error.log"]
            .map(|name| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default())
            .concat()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master takes its workers with it only on a signal that it can handle.
        let ended = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        if !ended.is_ok_and(|status| status.success()) {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

/// The shipped file and a frame around it that runs in the foreground in a folder of its own.
fn write_files(dir: &Path, http: &str, site: &str) -> PathBuf {
    fs::write(dir.join("belfry.conf"), site).expect("is written");
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {};\n", path(dir, what)));
    let frame = format!(
        "daemon off;\nworker_processes 1;\nuser {};\npid {};\nevents {{}}\nhttp {{\n{}{http}\ninclude {};\n}}\n",
        user(),
        path(dir, "nginx.pid"),
        temporary.concat(),
        path(dir, "belfry.conf"),
    );
    let conf = dir.join("nginx.conf");
    fs::write(&conf, frame).expect("is written");
    conf
}

/// Whoever runs the tests: as root the workers would else be someone who may not read the folder.
fn user() -> String {
    let name = Command::new("id").arg("-un").output().expect("`id` is everywhere").stdout;
    String::from_utf8(name).expect("a name").trim().to_owned()
}
