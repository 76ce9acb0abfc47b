//! Rules about `Cargo.toml`: one place for versions, a word of why for each dependency, the same lints everywhere.

use super::Finding;
use super::source::Source;
use anyhow::{Context, Result};
use toml::{Table, Value};

/// Checks the manifests of the workspace; `fuzz` is one of its own.
pub(super) fn check(sources: &[Source]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for source in sources {
        match source.path.as_str() {
            "Cargo.toml" => findings.extend(unexplained(source)),
            path if path.ends_with("/Cargo.toml") && !path.starts_with("fuzz/") => {
                let manifest = source.text.parse::<Table>().with_context(|| format!("reading {path}"))?;
                findings.extend(unshared(source, &manifest));
            }
            _ => {}
        }
    }
    Ok(findings)
}

/// Dependencies that stand neither beside a comment nor in a block below one.
fn unexplained(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut inside, mut explained) = (false, false);
    for (index, line) in source.text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
            explained = false;
        } else if line.is_empty() {
            explained = false;
        } else if line.starts_with('#') {
            explained = true;
        } else if inside && !explained && !line.contains('#') {
            let name = line.split('=').next().unwrap_or(line).trim();
            findings.push(Finding::new(
                &source.path,
                index + 1,
                format!("`{name}` has no word of why beside or above it"),
            ));
        }
    }
    findings
}

fn unshared(source: &Source, manifest: &Table) -> Vec<Finding> {
    let mut findings = Vec::new();
    let inherits =
        |table: Option<&Value>| table.and_then(|table| table.get("workspace")) == Some(&Value::Boolean(true));
    if !inherits(manifest.get("lints")) {
        findings.push(Finding::new(&source.path, 1, "has no `[lints] workspace = true`"));
    }
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(dependencies) = manifest.get(section).and_then(Value::as_table) else { continue };
        for (name, dependency) in dependencies {
            if !inherits(Some(dependency)) {
                let line =
                    source.text.lines().position(|line| line.starts_with(name.as_str())).unwrap_or(0) + 1;
                findings.push(Finding::new(&source.path, line, format!("`{name}` has its own version: declare it in the root and write `{name}.workspace = true`")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_needs_a_word_of_why() {
        let text = "[workspace.dependencies]\n# House-keeping.\na = \"1\"\n\nb = \"1\"\nc = \"1\"  # colour\n[profile.dev]\nd = 1\n";
        let found = unexplained(&Source::new("Cargo.toml", text));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn versions_and_lints_come_from_the_root() {
        let text =
            "[dependencies]\na.workspace = true\nb = { workspace = true, features = [\"x\"] }\nc = \"1\"\n";
        let found = check(&[Source::new("crates/x/Cargo.toml", text)]).expect("TOML");
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[1].line, 4);
    }
}
