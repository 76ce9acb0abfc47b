//! The folder that the services write to.

use super::own_group;
use crate::command::{command, output, succeeds};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// Files that are memory, so that a synced write costs nothing.
const MEMORY: &str = "/dev/shm";
/// What the databases of a whole run need at most, with room to spare.
const MEMORY_NEEDED_KIB: u64 = 4 * 1024 * 1024;

/// Removes the folder when the input ends, which the process that waits for the tests holds open: when that is killed,
/// too. The services may still be ending then, and write.
const KEEPER: &str =
    r#"cat > /dev/null; for i in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$1" && exit; sleep 0.5; done"#;

/// Gone when dropped, and when this process is killed.
pub(super) struct Folder {
    path: PathBuf,
    keeper: Child,
}

impl Folder {
    /// In memory where there is room, else below `target`, else where temporary files go: the first that `user`, or
    /// who runs this, may write to.
    pub(super) fn new(target: &Path, user: Option<&str>) -> Result<Self> {
        let memory = output(command("df").args(["-Pk", MEMORY])).ok();
        let memory = memory.as_deref().and_then(available_kib).filter(|kib| *kib >= MEMORY_NEEDED_KIB);
        let places = memory
            .map(|_| PathBuf::from(MEMORY))
            .into_iter()
            .chain([target.to_owned(), std::env::temp_dir()]);
        for place in places {
            let path = place.join(format!("belfry-services-{}", std::process::id()));
            if std::fs::create_dir_all(&path).is_err() {
                continue;
            }
            let folder = Self::kept(path)?;
            if folder.given_to(user)? {
                return Ok(folder);
            }
        }
        bail!("there is no folder that the services may write to")
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn kept(path: PathBuf) -> Result<Self> {
        let mut keeper = command("sh");
        // It has to outlive the Ctrl-C that ends this process.
        own_group(&mut keeper).args(["-c", KEEPER, "sh"]).arg(&path).stdin(Stdio::piped());
        let keeper = keeper.current_dir("/").spawn().context("`sh` does not start")?;
        Ok(Self { path, keeper })
    }

    fn given_to(&self, user: Option<&str>) -> Result<bool> {
        let Some(user) = user else { return Ok(true) };
        output(command("chown").arg(user).arg(&self.path))?;
        let mut look = super::bound_to_us(Path::new("test"), Some(user), "KILL");
        Ok(succeeds(look.arg("-w").arg(&self.path).current_dir("/")))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // When even that failed, files are left and nothing else.
        drop(self.keeper.wait());
    }
}

/// What `df -Pk` says is free.
fn available_kib(df: &str) -> Option<u64> {
    df.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_is_read() {
        let df = "Filesystem     1024-blocks  Used Available Capacity Mounted on\ntmpfs             25165824    12  25165812       1% /dev/shm\n";
        assert_eq!(available_kib(df), Some(25_165_812));
        assert_eq!(available_kib("df: /dev/shm: No such file or directory\n"), None);
        assert_eq!(available_kib("Filesystem\nnone - - -\n"), None);
    }

    #[test]
    fn a_folder_is_gone_with_its_holder() {
        let target = tempfile::tempdir().expect("a directory");
        let folder = Folder::kept(target.path().join("services")).expect("a folder");
        let path = folder.path().to_owned();
        std::fs::create_dir_all(path.join("postgres")).expect("a folder in it");
        assert!(path.exists(), "it stays as long as it is held");
        drop(folder);
        assert!(!path.exists());
    }
}
