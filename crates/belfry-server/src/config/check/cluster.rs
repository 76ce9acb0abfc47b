//! What several nodes need of each other.

use super::Findings;
use crate::config::{BusUrl, Config};
use std::time::Duration;

/// A node must be able to miss a renewal, and a slow commit.
const LEASE_MIN: Duration = Duration::from_secs(3);

impl Config {
    pub(super) fn check_cluster(&self, findings: &mut Findings) {
        let (bus, cluster) = (&self.bus, &self.cluster);
        let shares = self.shares_its_store();
        if !shares && !matches!(bus.url, BusUrl::Auto | BusUrl::Memory) {
            findings.error(
                "bus.url",
                "a bus joins nodes, and two nodes cannot share an SQLite file",
                "leave it empty, or give `database.url` a `postgres://…`",
            );
        }
        if shares && matches!(bus.url, BusUrl::Memory) {
            findings.warning(
                "bus.url",
                "a second node would tell this one nothing, and people would wait for their alerts",
                "leave it empty, unless there is one node only",
            );
        }
        if !is_prefix(&bus.prefix) {
            findings.error(
                "bus.prefix",
                format!("`{}` cannot begin a subject on every engine", bus.prefix),
                "use letters, digits, `_` and `-`, at most 32, with a letter or digit first",
            );
        }
        if cluster.lease < LEASE_MIN {
            findings.error(
                "cluster.lease",
                "a node that commits slowly would be taken for dead",
                "make it \"3s\" at least; \"30s\" is a good value",
            );
        }
        if shares && cluster.presence_every > Duration::from_secs(5) {
            findings.warning(
                "cluster.presence_every",
                "other nodes take people for absent who have been there for seconds",
                "make it \"1s\" at most",
            );
        }
        let files = [
            ("database.ca_file", &self.database.ca_file),
            ("bus.ca_file", &bus.ca_file),
            ("bus.credentials_file", &bus.credentials_file),
        ];
        for (key, file) in files {
            if let Some(path) = file.as_ref().filter(|path| !path.is_file()) {
                findings.error(key, format!("there is no file `{}`", path.display()), "correct the path");
            }
        }
    }
}

fn is_prefix(prefix: &str) -> bool {
    (1..=32).contains(&prefix.len())
        && prefix.starts_with(|first: char| first.is_ascii_alphanumeric())
        && prefix.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}
