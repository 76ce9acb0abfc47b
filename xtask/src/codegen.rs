//! `cargo xtask codegen`: writes the generated files, or compares them.

use crate::command::{cargo, output, root};
use crate::tools;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Folders that hold generated files only: what is no longer generated goes.
const OWNED: [&str; 2] = ["docs/reference/errors", "docs/reference/schemas"];

/// Pages that the binary prints: the file, and what `belfry` is called with.
const PRINTED: [(&str, &[&str]); 0] = [];

/// Writes every generated file; with `check` only compares, and fails where one differs.
pub(crate) fn run(check: bool) -> Result<()> {
    let fresh = tools::target_dir()?.join("codegen");
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh).context("the last run's output cannot be removed")?;
    }
    generate(&fresh)?;
    let changes = compare(&fresh, &root())?;
    if check {
        return report(&changes);
    }
    for change in &changes {
        let committed = root().join(change.path());
        match change {
            Change::Differs { path, .. } | Change::Missing { path } => {
                std::fs::create_dir_all(committed.parent().expect("lies below the root"))?;
                std::fs::copy(fresh.join(path), &committed)?;
                println!("wrote {path}");
            }
            Change::Stale { path } => {
                std::fs::remove_file(&committed)?;
                println!("removed {path}");
            }
        }
    }
    if changes.is_empty() {
        println!("codegen: every generated file is up to date");
    }
    Ok(())
}

/// Writes every generated file below `fresh`, by its path in the repository.
fn generate(fresh: &Path) -> Result<()> {
    // The TypeScript types are derived in tests only, so a test is what writes them.
    let mut test = cargo();
    test.args(["test", "--quiet", "--package", "belfry-protocol", "--lib", "--"]);
    test.args(["--exact", "codegen::committed_files_are_what_would_be_generated"]);
    output(test.env("BELFRY_CODEGEN_DIR", fresh))?;
    if PRINTED.is_empty() {
        return Ok(());
    }
    let belfry = tools::build("belfry-server", "belfry", false)?;
    for (path, arguments) in PRINTED {
        let page = output(crate::command::command(&belfry.to_string_lossy()).args(arguments))?;
        let path = fresh.join(path);
        std::fs::create_dir_all(path.parent().expect("lies below the output"))?;
        std::fs::write(path, page)?;
    }
    Ok(())
}

/// A committed file that is not what is generated.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    /// Its text is another one, first at this line.
    Differs { path: String, line: usize, committed: String, generated: String },
    /// It is generated, not committed.
    Missing { path: String },
    /// It is committed, not generated.
    Stale { path: String },
}

impl Change {
    fn path(&self) -> &str {
        match self {
            Self::Differs { path, .. } | Self::Missing { path } | Self::Stale { path } => path,
        }
    }
}

fn compare(fresh: &Path, committed: &Path) -> Result<Vec<Change>> {
    let generated = files_below(fresh, Path::new(""))?;
    if generated.is_empty() {
        bail!("nothing was generated: is the test that writes the files still there?");
    }
    let mut changes = Vec::new();
    for path in &generated {
        let new = std::fs::read_to_string(fresh.join(path))?;
        match std::fs::read_to_string(committed.join(path)) {
            Ok(old) if old == new => {}
            Ok(old) => changes.push(first_difference(path, &old, &new)),
            Err(_) => changes.push(Change::Missing { path: path.clone() }),
        }
    }
    for folder in OWNED {
        let stale = files_below(committed, Path::new(folder))?;
        changes.extend(stale.difference(&generated).map(|path| Change::Stale { path: path.clone() }));
    }
    Ok(changes)
}

fn first_difference(path: &str, old: &str, new: &str) -> Change {
    let (mut old, mut new) = (old.lines(), new.lines());
    let mut line = 0;
    loop {
        line += 1;
        let (committed, generated) = (old.next(), new.next());
        if committed != generated || committed.is_none() {
            let shown = |text: Option<&str>| text.unwrap_or("(end of the file)").to_owned();
            return Change::Differs {
                path: path.to_owned(),
                line,
                committed: shown(committed),
                generated: shown(generated),
            };
        }
    }
}

/// The files below a folder, by their path from `base` with `/`; none where the folder does not exist.
fn files_below(base: &Path, folder: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(base.join(&folder)) else { continue };
        for entry in entries {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    Ok(found)
}

fn report(changes: &[Change]) -> Result<()> {
    for change in changes {
        match change {
            Change::Differs { path, line, committed, generated } => {
                println!("{path}:{line}\n  - {committed}\n  + {generated}");
            }
            Change::Missing { path } => println!("{path}\n  is generated and not committed"),
            Change::Stale { path } => println!("{path}\n  is committed and not generated any more"),
        }
    }
    match changes.len() {
        0 => Ok(()),
        1 => bail!("1 generated file is not up to date: run `cargo xtask codegen`"),
        many => bail!("{many} generated files are not up to date: run `cargo xtask codegen`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xtask-codegen-{}-{name}", std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        for (path, text) in files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn what_differs_is_missing_or_stale_is_told_and_nothing_else() {
        let fresh =
            folder("fresh", &[("docs/reference/errors/a.md", "same"), ("x.ts", "1\n2\n"), ("y.ts", "y")]);
        let committed = folder(
            "committed",
            &[
                ("docs/reference/errors/a.md", "same"),
                ("docs/reference/errors/b.md", ""),
                ("x.ts", "1\n3\n"),
                ("hand.md", ""),
            ],
        );
        let changes = compare(&fresh, &committed).unwrap();
        assert_eq!(
            changes,
            [
                Change::Differs {
                    path: "x.ts".into(),
                    line: 2,
                    committed: "3".into(),
                    generated: "2".into()
                },
                Change::Missing { path: "y.ts".into() },
                Change::Stale { path: "docs/reference/errors/b.md".into() },
            ]
        );
        assert!(report(&changes).is_err() && report(&[]).is_ok());
        for folder in [fresh, committed] {
            std::fs::remove_dir_all(folder).unwrap();
        }
    }

    #[test]
    fn a_run_that_generates_nothing_is_no_success() {
        let empty = folder("empty", &[]);
        assert!(compare(&empty, &empty).is_err());
    }

    #[test]
    fn a_missing_last_line_is_a_difference() {
        let Change::Differs { line, generated, .. } = first_difference("a", "1\n2\n", "1\n") else {
            panic!("differs")
        };
        assert_eq!((line, generated.as_str()), (2, "(end of the file)"));
    }
}
