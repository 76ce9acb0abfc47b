//! Where dependencies come from, under which licences, and which ones never: `deny.toml`, read without a tool.

use super::Finding;
use crate::command::{cargo, command, output, root};
use anyhow::{Context, Result};
use serde::Deserialize;

const POLICY: &str = "deny.toml";

/// The part of `deny.toml` that is checked here; `cargo deny` reads all of it.
#[derive(Deserialize)]
struct Policy {
    licenses: Licences,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Deserialize)]
struct Banned {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

/// Checks what is compiled for this machine.
pub(super) fn check() -> Result<Vec<Finding>> {
    let text = std::fs::read_to_string(root().join(POLICY)).with_context(|| format!("reading {POLICY}"))?;
    let policy: Policy = toml::from_str(&text).with_context(|| format!("reading {POLICY}"))?;
    let host = output(command("rustc").arg("-vV"))?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    let json =
        output(cargo().args(["metadata", "--locked", "--format-version", "1", "--filter-platform", host]))?;
    let metadata: Metadata = serde_json::from_str(&json)?;
    let mut findings: Vec<Finding> =
        metadata.packages.iter().flat_map(|package| check_package(package, &policy.licenses)).collect();
    // The tree knows which optional dependencies are really on, which the metadata do not say.
    let tree =
        output(cargo().args(["tree", "--workspace", "--locked", "--prefix", "none", "--format", "{p}"]))?;
    findings.extend(check_tree(&tree, &policy.bans.deny));
    Ok(findings)
}

fn check_package(package: &Package, licences: &Licences) -> Option<Finding> {
    let named = format!("{} {}", package.name, package.version);
    match &package.source {
        Some(source) if !source.starts_with("registry+") => {
            return Some(Finding::new(
                "Cargo.lock",
                1,
                format!("`{named}` comes from {source}, not from the registry"),
            ));
        }
        _ => {}
    }
    let Some(expression) = &package.license else {
        return Some(Finding::new("Cargo.lock", 1, format!("`{named}` names no licence")));
    };
    let exception = licences.exceptions.iter().find(|exception| exception.name == package.name);
    let allowed = |licence: &str| {
        let extra = exception.map(|exception| exception.allow.as_slice()).unwrap_or_default();
        licences.allow.iter().chain(extra).any(|allowed| allowed == licence)
    };
    if satisfied(expression, &allowed) {
        return None;
    }
    Some(Finding::new(
        "Cargo.lock",
        1,
        format!("`{named}` is under `{expression}`, which {POLICY} does not allow"),
    ))
}

fn check_tree(tree: &str, banned: &[Banned]) -> Vec<Finding> {
    let found =
        banned.iter().filter(|banned| tree.lines().any(|line| line.split(' ').next() == Some(&banned.name)));
    found
        .map(|banned| {
            Finding::new("Cargo.lock", 1, format!("`{}` is in the tree: {}", banned.name, banned.reason))
        })
        .collect()
}

/// Whether an SPDX expression can be met with these licences. `/` is the old way to write `OR`.
fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, at: 0, whole: true, allowed };
    let satisfied = parser.any_of();
    satisfied && parser.whole && parser.at == words.len()
}

struct Parser<'a> {
    words: &'a [&'a str],
    at: usize,
    /// Nothing was missing where something had to stand.
    whole: bool,
    allowed: &'a dyn Fn(&str) -> bool,
}

impl<'a> Parser<'a> {
    fn take(&mut self, word: &str) -> bool {
        let here = self.words.get(self.at) == Some(&word);
        self.at += usize::from(here);
        here
    }

    fn any_of(&mut self) -> bool {
        let mut satisfied = self.all_of();
        while self.take("OR") {
            satisfied |= self.all_of();
        }
        satisfied
    }

    fn all_of(&mut self) -> bool {
        let mut satisfied = self.one();
        while self.take("AND") {
            satisfied &= self.one();
        }
        satisfied
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let satisfied = self.any_of();
            self.whole &= self.take(")");
            return satisfied;
        }
        let Some(licence) = self.name() else { return false };
        if self.take("WITH") {
            let Some(exception) = self.name() else { return false };
            return (self.allowed)(&format!("{licence} WITH {exception}"));
        }
        (self.allowed)(licence)
    }

    fn name(&mut self) -> Option<&'a str> {
        let name = self.words.get(self.at).copied();
        self.at += 1;
        self.whole &= name.is_some();
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_expressions_are_understood() {
        let allowed = |licence: &str| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&licence);
        for expression in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "ISC AND (MIT OR GPL-3.0)",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
        ] {
            assert!(satisfied(expression, &allowed), "{expression}");
        }
        for expression in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "Apache-2.0",
            "MIT OR",
            "(MIT",
            "MIT ISC",
            "",
            "ISC AND (GPL-3.0 OR AGPL-3.0)",
        ] {
            assert!(!satisfied(expression, &allowed), "{expression}");
        }
    }

    fn package(source: Option<&str>, license: Option<&str>) -> Package {
        Package {
            name: "thing".to_owned(),
            version: "1.0.0".to_owned(),
            license: license.map(str::to_owned),
            source: source.map(str::to_owned),
        }
    }

    #[test]
    fn a_package_from_a_repository_or_without_a_licence_is_found() {
        let licences = Licences { allow: vec!["MIT".to_owned()], exceptions: Vec::new() };
        assert!(check_package(&package(Some("registry+x"), Some("MIT")), &licences).is_none());
        assert!(check_package(&package(Some("git+x"), Some("MIT")), &licences).is_some());
        assert!(check_package(&package(Some("registry+x"), None), &licences).is_some());
        assert!(check_package(&package(Some("registry+x"), Some("GPL-3.0")), &licences).is_some());
    }

    #[test]
    fn an_exception_holds_for_its_own_package() {
        let exception = |name: &str| Exception { name: name.to_owned(), allow: vec!["Zlib".to_owned()] };
        let licences = |name| Licences { allow: Vec::new(), exceptions: vec![exception(name)] };
        assert!(check_package(&package(None, Some("Zlib")), &licences("thing")).is_none());
        assert!(check_package(&package(None, Some("Zlib")), &licences("other")).is_some());
    }

    #[test]
    fn a_banned_crate_is_found_by_its_whole_name() {
        let banned = [Banned { name: "ring".to_owned(), reason: "one crypto".to_owned() }];
        assert_eq!(check_tree("belfry v0.1.0\nring v0.17.0\n", &banned).len(), 1);
        assert!(check_tree("string v0.1.0\nring-buffer v1.0.0\n", &banned).is_empty());
    }
}
