//! The arrows between crates: which crate may know which.

use super::Finding;
use crate::command::{cargo, output, root};
use anyhow::Result;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Each crate and those of ours it may depend on, in tests too.
const MAY_KNOW: [(&str, &[&str]); 9] = [
    ("belfry-protocol", &[]),
    ("belfry-websocket", &[]),
    ("belfry-store", &["belfry-protocol"]),
    ("belfry-bus", &[]),
    ("belfry-channels", &["belfry-protocol"]),
    ("belfry-client", &["belfry-protocol"]),
    (
        "belfry-server",
        &[
            "belfry-protocol",
            "belfry-websocket",
            "belfry-store",
            "belfry-bus",
            "belfry-channels",
            "belfry-client",
        ],
    ),
    (
        "belfry-tests",
        &[
            "belfry-protocol",
            "belfry-websocket",
            "belfry-store",
            "belfry-bus",
            "belfry-channels",
            "belfry-client",
            "belfry-server",
        ],
    ),
    ("xtask", &["belfry-protocol"]),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    path: Option<PathBuf>,
}

/// Checks every crate of the workspace.
pub(super) fn check() -> Result<Vec<Finding>> {
    let json = output(cargo().args(["metadata", "--no-deps", "--locked", "--format-version", "1"]))?;
    let metadata: Metadata = serde_json::from_str(&json)?;
    Ok(metadata.packages.iter().flat_map(|package| check_package(package, &root())).collect())
}

fn check_package(package: &Package, root: &Path) -> Vec<Finding> {
    let path = package
        .manifest_path
        .strip_prefix(root)
        .unwrap_or(&package.manifest_path)
        .to_string_lossy()
        .into_owned();
    let mut findings = Vec::new();
    let mut find = |message: String| findings.push(Finding::new(&path, 1, message));
    let folder = package
        .manifest_path
        .parent()
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy().into_owned());
    if folder.as_deref() != Some(package.name.as_str()) {
        find(format!(
            "crate `{}` lies in folder `{}`: give both one name",
            package.name,
            folder.unwrap_or_default()
        ));
    }
    let Some((_, may_know)) = MAY_KNOW.iter().find(|(name, _)| *name == package.name) else {
        find(format!(
            "crate `{}` has no arrows in xtask/src/tidy/arrows.rs and ARCHITECTURE.md",
            package.name
        ));
        return findings;
    };
    for dependency in package.dependencies.iter().filter(|dependency| dependency.path.is_some()) {
        if !may_know.contains(&dependency.name.as_str()) {
            find(format!(
                "`{}` depends on `{}`: this arrow is not in ARCHITECTURE.md",
                package.name, dependency.name
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, folder: &str, dependencies: &[&str]) -> Package {
        let dependency =
            |name: &&str| Dependency { name: (*name).to_owned(), path: Some(PathBuf::from("/r/crates")) };
        Package {
            name: name.to_owned(),
            manifest_path: PathBuf::from(format!("/r/crates/{folder}/Cargo.toml")),
            dependencies: dependencies.iter().map(dependency).collect(),
        }
    }

    #[test]
    fn the_store_does_not_know_the_socket() {
        let found = check_package(
            &package("belfry-store", "belfry-store", &["belfry-protocol", "belfry-websocket"]),
            Path::new("/r"),
        );
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].to_string().starts_with("crates/belfry-store/Cargo.toml:1: "), "{found:?}");
    }

    #[test]
    fn a_new_crate_is_told_to_declare_its_arrows() {
        assert_eq!(check_package(&package("belfry-new", "belfry-new", &[]), Path::new("/r")).len(), 1);
    }

    #[test]
    fn a_folder_has_its_crates_name() {
        assert_eq!(check_package(&package("belfry-store", "store", &[]), Path::new("/r")).len(), 1);
    }
}
