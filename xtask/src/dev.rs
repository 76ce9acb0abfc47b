//! `cargo xtask dev`: from a clone to a running server.

use crate::command::{root, typed};
use crate::tools;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where `belfry` looks for kinds when it is told nothing else.
const KINDS_DIR: &str = "BELFRY_KINDS_DIR";

/// Builds the binary and becomes `belfry dev`, so that signals and the exit code are its own. It prints the next
/// steps itself. A debug build unless asked otherwise: the first start is what people wait for.
pub(crate) fn run(release: bool, arguments: &[String]) -> Result<()> {
    build_sdk();
    let belfry = tools::build("belfry-server", "belfry", release)?;
    let mut dev = Command::new(&belfry);
    call_it_as_typed(&mut dev, &belfry);
    dev.arg("dev").args(arguments).current_dir(root());
    let chosen =
        std::env::var_os(KINDS_DIR).is_some() || arguments.iter().any(|word| word.starts_with("--kinds"));
    if !chosen {
        let kinds = tools::target_dir()?.join("dev-kinds");
        let count = gather_kinds(&root().join("web/examples"), &kinds)?;
        println!("{count} kinds of web/examples are in {}", kinds.display());
        dev.env(KINDS_DIR, &kinds);
    }
    println!("\n$ {}", typed(&dev));
    Err(become_it(dev).context("`belfry dev` does not start"))
}

/// What the binary hands out at `/sdk`. Without Node everything else works.
fn build_sdk() {
    let Some(web) = tools::web() else { return };
    if let Err(error) = tools::build_web(&web) {
        println!("`/sdk` has nothing to hand out, everything else works: {error:#}");
    }
}

/// The binary names itself in the next steps it prints: from the root, by the path that is typed there.
#[cfg(unix)]
fn call_it_as_typed(command: &mut Command, binary: &Path) {
    use std::os::unix::process::CommandExt;
    if let (Ok(here), Ok(name)) = (std::env::current_dir(), binary.strip_prefix(root()))
        && here == root()
    {
        command.arg0(name);
    }
}

#[cfg(not(unix))]
fn call_it_as_typed(_command: &mut Command, _binary: &Path) {}

#[cfg(unix)]
fn become_it(mut command: Command) -> anyhow::Error {
    use std::os::unix::process::CommandExt;
    command.exec().into()
}

#[cfg(not(unix))]
fn become_it(mut command: Command) -> anyhow::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error.into(),
    }
}

/// Puts the kinds of all examples into one folder: a server reads one, and each example brings its own. Two examples
/// that declare the same file are an error, as one of them would silently be missing.
fn gather_kinds(examples: &Path, into: &Path) -> Result<usize> {
    if into.exists() {
        std::fs::remove_dir_all(into).with_context(|| format!("clearing {}", into.display()))?;
    }
    std::fs::create_dir_all(into)?;
    let mut count = 0;
    for example in folders(examples)? {
        let Ok(files) = std::fs::read_dir(example.join("kinds")) else { continue };
        for file in files {
            let file = file?;
            let target = into.join(file.file_name());
            if target.exists() {
                bail!("two examples bring a kind file `{}`", file.file_name().to_string_lossy());
            }
            std::fs::copy(file.path(), target)?;
            count += usize::from(file.path().extension().is_some_and(|extension| extension == "toml"));
        }
    }
    Ok(count)
}

fn folders(of: &Path) -> Result<Vec<PathBuf>> {
    let Ok(entries) = std::fs::read_dir(of) else { return Ok(Vec::new()) };
    let mut folders = Vec::new();
    for entry in entries {
        folders.push(entry?.path());
    }
    folders.sort();
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    #[test]
    fn kinds_of_all_examples_come_together_and_old_ones_leave() {
        let dir = tempfile::tempdir().expect("a directory");
        let (examples, into) = (dir.path().join("examples"), dir.path().join("kinds"));
        write(&examples.join("one/kinds/a.toml"), "");
        write(&examples.join("one/kinds/a.schema.json"), "{}");
        write(&examples.join("two/kinds/b.toml"), "");
        write(&examples.join("three/index.html"), "");
        write(&into.join("old.toml"), "");
        assert_eq!(gather_kinds(&examples, &into).expect("kinds"), 2);
        assert!(into.join("a.schema.json").exists() && into.join("b.toml").exists());
        assert!(!into.join("old.toml").exists());
    }

    #[test]
    fn the_same_kind_file_twice_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let examples = dir.path().join("examples");
        write(&examples.join("one/kinds/a.toml"), "");
        write(&examples.join("two/kinds/a.toml"), "");
        let error = gather_kinds(&examples, &dir.path().join("kinds")).expect_err("a clash");
        assert!(error.to_string().contains("a.toml"), "{error}");
    }
}
