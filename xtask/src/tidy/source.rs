//! The files the rules look at.

use crate::command::{command, output, root};
use anyhow::Result;

/// A text file of the repository.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the root, with `/`.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
    /// Lines of inline test modules, from 1, both ends inclusive.
    test_lines: Vec<(usize, usize)>,
}

impl Source {
    /// Every text file that is committed or about to be.
    pub(crate) fn all() -> Result<Vec<Self>> {
        let listed =
            output(command("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]))?;
        let paths = listed.split('\0').filter(|path| !path.is_empty());
        // What git lists and cannot be read as text is deleted, a picture or a link to a folder: nothing to check.
        Ok(paths
            .filter_map(|path| Some(Self::new(path, &std::fs::read_to_string(root().join(path)).ok()?)))
            .collect())
    }

    /// A file with its text.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let test_lines = if path.ends_with(".rs") { inline_tests(text) } else { Vec::new() };
        Self { path: path.to_owned(), text: text.to_owned(), test_lines }
    }

    /// Whether this line, from 1, is part of a test or of what only tests use.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.is_test_file() || self.test_lines.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }

    /// Whether all of it is tests.
    pub(crate) fn is_test_file(&self) -> bool {
        let file = self.path.rsplit('/').next().unwrap_or(&self.path);
        self.path.contains("/tests/")
            || self.path.starts_with("crates/belfry-tests/")
            || file == "tests.rs"
            || file.contains(".test.")
    }

    /// Whether it was written by `cargo xtask codegen`.
    pub(crate) fn is_generated(&self) -> bool {
        self.text.lines().take(3).any(|line| line.contains("@generated"))
    }

    /// Lines that are not in inline test modules.
    pub(crate) fn lines_without_tests(&self) -> usize {
        let all = self.text.lines().count();
        all - self.test_lines.iter().map(|(first, last)| last - first + 1).sum::<usize>()
    }
}

/// `#[cfg(test)] mod … {` at the left edge, up to the `}` at the left edge.
fn inline_tests(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut first = None;
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        match first {
            None if line.starts_with("#[cfg(test)]") => first = Some(number),
            Some(start) if inside && line == "}" => {
                found.push((start, number));
                (first, inside) = (None, false);
            }
            Some(_) if inside || line.starts_with("#[") || line.starts_with(|c: char| c.is_whitespace()) => {}
            Some(_) if line.contains("mod ") && line.ends_with('{') => inside = true,
            Some(_) => first = None,
            None => {}
        }
    }
    found
}

/// A line of Rust without its comment. A `//` inside a string is taken for a comment: the rules then see less, not more.
pub(crate) fn without_comment(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_tests_end_where_their_module_ends() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n";
        let source = Source::new("crates/x/src/a.rs", text);
        assert!(!source.is_test(1) && source.is_test(2) && source.is_test(4) && source.is_test(5));
        assert!(!source.is_test(6));
        assert_eq!(source.lines_without_tests(), 2);
    }

    #[test]
    fn a_test_module_in_its_own_file_ends_at_once() {
        let source = Source::new("crates/x/src/a.rs", "#[cfg(test)]\nmod tests;\nfn c() {\n}\n");
        assert!(!source.is_test(3));
        assert!(Source::new("crates/x/src/a/tests.rs", "fn a() {}").is_test(1));
    }

    #[test]
    fn the_test_support_crate_is_all_tests() {
        assert!(Source::new("crates/belfry-tests/src/lib.rs", "").is_test_file());
        assert!(Source::new("crates/belfry-store/tests/contract.rs", "").is_test_file());
        assert!(!Source::new("crates/belfry-store/src/lib.rs", "").is_test_file());
    }
}
