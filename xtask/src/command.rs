//! Running programs from the repository's root, the way a person would type them.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask lies in the root").to_path_buf()
}

/// The cargo that runs this program, so that a pinned toolchain stays pinned.
pub(crate) fn cargo() -> Command {
    command(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
}

/// A command that runs in the repository's root and reads nothing.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// Runs a command in the open; an exit code other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    announce(command);
    let status = command.status().with_context(|| format!("`{}` does not start", typed(command)))?;
    if !status.success() {
        bail!("`{}` failed with {status}", typed(command));
    }
    Ok(())
}

/// Runs a command silently and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("`{}` does not start", typed(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed with {}:\n{said}", typed(command), output.status);
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed something else than text", typed(command)))
}

/// Whether a command starts and exits with 0.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs a command, passes on what it prints and shows each line, without colours, to `read`.
pub(crate) fn read_along(command: &mut Command, mut read: impl FnMut(&str)) -> Result<ExitStatus> {
    announce(command);
    if std::io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always").env("FORCE_COLOR", "1");
    }
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{}` does not start", typed(command)))?;
    let (line_tx, line_rx) = sync_channel(256);
    let stdout = child.stdout.take().expect("stdout is piped");
    let stderr = child.stderr.take().expect("stderr is piped");
    let readers = [forward(stdout, line_tx.clone()), forward(stderr, line_tx)];
    for line in line_rx {
        println!("{line}");
        read(&without_colours(&line));
    }
    for reader in readers {
        reader.join().expect("a forwarding thread does not panic");
    }
    Ok(child.wait()?)
}

fn forward(from: impl Read + Send + 'static, line_tx: SyncSender<String>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut lines = BufReader::new(from).split(b'\n');
        while let Some(Ok(line)) = lines.next() {
            if line_tx.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                return;
            }
        }
    })
}

fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // A colour is ESC, `[`, numbers and one closing letter.
            for character in characters.by_ref() {
                if character.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            plain.push(character);
        }
    }
    plain
}

fn announce(command: &Command) {
    // The line stands before what the command prints, also where standard output is a file.
    println!("\n$ {}", typed(command));
    // Nothing is lost when the reader of the output is gone: the command itself notices.
    drop(std::io::stdout().flush());
}

/// Variables that make a run another one, and so are part of what is typed.
const CHOICES: [&str; 2] = ["BELFRY_TEST_STORE", "BELFRY_TEST_BUS"];

/// A command as a person would type it in the root.
pub(crate) fn typed(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    let choices = command.get_envs().filter(|(name, _)| CHOICES.iter().any(|choice| *name == *choice));
    let choices = choices.filter_map(|(name, value)| {
        value.map(|value| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
    });
    let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
    let line = choices.chain(std::iter::once(name)).chain(words).collect::<Vec<_>>().join(" ");
    match command.get_current_dir().and_then(|dir| dir.strip_prefix(root()).ok()) {
        Some(dir) if !dir.as_os_str().is_empty() => format!("(cd {} && {line})", dir.display()),
        _ => line,
    }
}

/// How long something takes, for the closing lines.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to count.
    #[expect(clippy::disallowed_methods, reason = "measuring a command is this program's edge")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// What has passed since.
    pub(crate) fn passed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A duration as people read it: `4 s`, `2 min 05 s`.
pub(crate) fn readable(duration: Duration) -> String {
    match duration.as_secs() {
        seconds if seconds < 60 => format!("{seconds} s"),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_taken_out_of_a_line() {
        assert_eq!(without_colours("\u{1b}[32;1m Summary\u{1b}[0m [ 1.0s]"), " Summary [ 1.0s]");
    }

    #[test]
    fn a_command_reads_as_typed_in_the_root() {
        let mut npm = command("/usr/bin/npm");
        npm.current_dir(root().join("web")).args(["ci", "--ignore-scripts"]);
        assert_eq!(typed(&npm), "(cd web && npm ci --ignore-scripts)");
    }

    #[test]
    fn what_makes_a_run_another_one_is_typed_too() {
        let mut tests = command("cargo");
        tests.arg("test").env("BELFRY_TEST_STORE", "postgres").env("FORCE_COLOR", "1");
        assert_eq!(typed(&tests), "BELFRY_TEST_STORE=postgres cargo test");
    }

    #[test]
    fn both_outputs_are_read() {
        let mut lines = Vec::new();
        let mut both = command("sh");
        both.args(["-c", "echo one; echo two >&2; exit 3"]);
        let status = read_along(&mut both, |line| lines.push(line.to_owned())).expect("sh runs");
        lines.sort();
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn durations_are_readable() {
        assert_eq!(readable(Duration::from_secs(59)), "59 s");
        assert_eq!(readable(Duration::from_secs(125)), "2 min 05 s");
    }
}
