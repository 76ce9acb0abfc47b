//! A Debian mail server for one test: its packages are fetched and unpacked below the target directory, never
//! installed, so that a mail server of the machine's own is neither needed nor touched.

use crate::command::{command, output, run, succeeds};
use crate::tools::{apt_get, target_dir};
use anyhow::{Context, Result};
use std::path::Path;

/// The server, and what lets it run as any user (it looks for a user of its own by name).
const PACKAGES: [&str; 2] = ["exim4-daemon-light", "libnss-wrapper"];
/// The C library has to fit the loader, which is the machine's.
const NEVER_UNPACKED: [&str; 3] = ["libc6", "libgcc-s1", "libstdc++6"];

/// Unpacks it where it is missing. Where it cannot be had the reason is printed, and the test says that it is skipped.
pub(crate) fn ensure() -> Result<()> {
    let folder = target_dir()?.join("tools").join("mail-server");
    if folder.join("complete").exists() {
        return Ok(());
    }
    if !succeeds(command("apt-get").arg("--version")) || !succeeds(command("dpkg").arg("--version")) {
        println!("no mail server for the tests: this is no Debian");
        return Ok(());
    }
    if let Err(error) = unpack(&folder) {
        println!("no mail server for the tests: {error:#}");
    }
    Ok(())
}

fn unpack(folder: &Path) -> Result<()> {
    if folder.exists() {
        // What an earlier run left half done.
        std::fs::remove_dir_all(folder)?;
    }
    let packages = folder.join("packages");
    std::fs::create_dir_all(&packages)?;
    if download(&packages).is_err() {
        // A list of packages may be old, or may never have been fetched.
        if let Some(mut apt_get) = apt_get() {
            run(apt_get.args(["update", "-q"]))?;
        }
        download(&packages)?;
    }
    for entry in std::fs::read_dir(&packages)? {
        run(command("dpkg").arg("-x").arg(entry?.path()).arg(folder.join("root")))?;
    }
    std::fs::remove_dir_all(&packages)?;
    std::fs::write(folder.join("complete"), "")?;
    Ok(())
}

fn download(into: &Path) -> Result<()> {
    let mut wanted: Vec<String> = PACKAGES.iter().map(|name| (*name).to_owned()).collect();
    wanted.extend(missing_libraries()?);
    let mut download = command("apt-get");
    // As root apt would hand the download to a user who may not write here, and warn about it.
    download.current_dir(into).args(["-q", "-o", "APT::Sandbox::User=root", "download"]).args(wanted);
    run(&mut download)
}

/// The libraries that the server needs, directly or not, and this machine does not have.
fn missing_libraries() -> Result<Vec<String>> {
    let mut depends = command("apt-cache");
    depends.args(["depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts"]);
    depends.args(["--no-breaks", "--no-replaces", "--no-enhances", PACKAGES[0]]);
    let listed = output(&mut depends).context("apt knows no such package")?;
    // Packages stand at the start of a line, what they depend on is indented below.
    let is_library = |line: &&str| line.starts_with("lib") && !line.ends_with("-perl");
    let names = listed.lines().filter(is_library).map(|line| line.trim().to_owned());
    Ok(names.filter(|name| !NEVER_UNPACKED.contains(&plain(name)) && !is_installed(name)).collect())
}

/// `libc6:amd64` is `libc6`.
fn plain(name: &str) -> &str {
    name.split_once(':').map_or(name, |(name, _)| name)
}

fn is_installed(name: &str) -> bool {
    let mut query = command("dpkg-query");
    query.args(["--show", "--showformat", "${db:Status-Status}", name]);
    output(&mut query).is_ok_and(|status| status == "installed")
}
