//! `cargo xtask loc`: how large the house is.

use crate::command::{cargo, command, output};
use crate::tidy::source::Source;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};

/// Prints lines of code, of comments and of tests per crate, and how many crates the binary is made of.
pub(crate) fn run() -> Result<()> {
    let mut crates: BTreeMap<String, Lines> = BTreeMap::new();
    for source in Source::all()? {
        if let Some(name) = crate_of(&source.path) {
            crates.entry(name.to_owned()).or_default().add(&source);
        }
    }
    println!("{:<20} {:>8} {:>8} {:>8}", "", "code", "comments", "tests");
    let mut total = Lines::default();
    for (name, lines) in &crates {
        println!("{name:<20} {:>8} {:>8} {:>8}", lines.code, lines.comments, lines.tests);
        total.code += lines.code;
        total.comments += lines.comments;
        total.tests += lines.tests;
    }
    println!("{:<20} {:>8} {:>8} {:>8}", "all", total.code, total.comments, total.tests);
    println!("\ncrates in the binary's tree: {}", tree("normal")?);
    println!("with build scripts and tests: {}", tree("normal,build,dev")?);
    let commit = output(command("git").args(["rev-parse", "--short", "HEAD"]))?;
    println!("at commit {}", commit.trim());
    Ok(())
}

fn crate_of(path: &str) -> Option<&str> {
    if !path.ends_with(".rs") {
        return None;
    }
    match path.split_once('/')? {
        ("crates", rest) => rest.split('/').next(),
        (top @ ("xtask" | "fuzz"), _) => Some(top),
        _ => None,
    }
}

/// Counts the crates that are compiled for this machine with these kinds of dependencies, ours included.
fn tree(kinds: &str) -> Result<usize> {
    let mut tree = cargo();
    tree.args(["tree", "--locked", "--prefix", "none", "--format", "{p}", "--edges", kinds]);
    match kinds {
        "normal" => tree.args(["--package", "belfry-server"]),
        _ => tree.arg("--workspace"),
    };
    let printed = output(&mut tree)?;
    let names: BTreeSet<&str> =
        printed.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.is_empty()).collect();
    Ok(names.len())
}

#[derive(Default)]
struct Lines {
    code: usize,
    comments: usize,
    tests: usize,
}

impl Lines {
    fn add(&mut self, source: &Source) {
        for (index, line) in source.text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            if source.is_test(index + 1) {
                self.tests += 1;
            } else if line.starts_with("//") {
                self.comments += 1;
            } else {
                self.code += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_once_and_blank_ones_not_at_all() {
        let text = "//! About.\n\nfn a() {}\n\n#[cfg(test)]\nmod tests {\n    // why\n}\n";
        let mut lines = Lines::default();
        lines.add(&Source::new("crates/x/src/lib.rs", text));
        assert_eq!((lines.code, lines.comments, lines.tests), (1, 1, 4));
    }

    #[test]
    fn a_file_belongs_to_the_crate_whose_folder_it_lies_in() {
        assert_eq!(crate_of("crates/belfry-store/src/lib.rs"), Some("belfry-store"));
        assert_eq!(crate_of("xtask/src/main.rs"), Some("xtask"));
        assert_eq!(crate_of("web/packages/protocol/src/index.ts"), None);
    }
}
