//! A shipped file, made to run in a folder of its own.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

/// A file of `deploy` with other addresses; what is to be replaced must stand in it.
pub(crate) fn with_other(file: &str, other: &[(&str, String)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(file);
    let mut text = fs::read_to_string(path).expect("the shipped file");
    for (from, to) in other {
        assert!(text.contains(from), "the shipped file has no `{from}` any more");
        text = text.replace(from, to);
    }
    text
}

pub(crate) fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().expect("temporary directories have plain names").to_owned()
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}

/// Whether a program is there: asked for its version, it answers.
pub(crate) fn answers(program: &str, asked: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(asked).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
