//! A shipped file, made to run in a folder of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// A file of `deploy` with other addresses; what is to be replaced must stand in it.
pub fn with_other(file: &str, other: &[(&str, String)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(file);
    let mut text = fs::read_to_string(path).expect("the shipped file");
    for (from, to) in other {
        assert!(text.contains(from), "the shipped file has no `{from}` any more");
        text = text.replace(from, to);
    }
    text
}

/// A file's name in a folder, as text.
pub fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().expect("temporary directories have plain names").to_owned()
}

/// Whether a program is there: asked for its version, it answers.
pub fn answers(program: &str, asked: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(asked).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
