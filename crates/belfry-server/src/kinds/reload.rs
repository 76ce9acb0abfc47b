//! The kinds in force, and taking over a changed folder without a restart.

use super::fault::{Gravity, KindFault};
use super::set::{Kinds, KindsOptions};
use arc_swap::{ArcSwap, Guard};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecursiveMode, Watcher};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A change is taken over once the folder has been still for this long: editors and deploys write in several steps.
const QUIET: Duration = Duration::from_millis(150);
/// A folder that never falls still is read all the same after this long.
const QUIET_MAX: Duration = Duration::from_secs(2);
/// How often a folder is looked at that the system cannot watch, or that does not exist yet.
const POLL: Duration = Duration::from_secs(2);
/// How often a watched folder is looked at nevertheless: a network drive reports nothing, and a schema may lie
/// outside.
const POLL_WATCHED: Duration = Duration::from_secs(30);

/// What became of a changed folder: the new set in force, or why the old one stays.
pub type Reloaded = Result<Arc<Kinds>, Vec<KindFault>>;

/// The kinds in force; clones share them.
#[derive(Debug, Clone)]
pub struct KindsHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    current: ArcSwap<Kinds>,
    folder: Option<PathBuf>,
    options: KindsOptions,
    /// The content of the folder at the last reading, sound or not. Held while reading, so that readings follow
    /// each other.
    seen: Mutex<u64>,
}

impl KindsHandle {
    /// Reads the folder for the first time: here faults are final.
    pub fn open(folder: impl Into<PathBuf>, options: KindsOptions) -> Result<Self, Vec<KindFault>> {
        let folder = folder.into();
        // The fingerprint first: what changes while reading is then read once more.
        let seen = fingerprint(&folder, &Kinds::none());
        let kinds = Kinds::load(&folder, &options)?;
        Ok(Self::with(kinds, Some(folder), options, seen))
    }

    /// Kinds that never change: for tests, and for servers without a folder.
    pub fn fixed(kinds: Kinds) -> Self {
        Self::with(kinds, None, KindsOptions::default(), 0)
    }

    fn with(kinds: Kinds, folder: Option<PathBuf>, options: KindsOptions, seen: u64) -> Self {
        let current = ArcSwap::from_pointee(kinds);
        Self { shared: Arc::new(Shared { current, folder, options, seen: Mutex::new(seen) }) }
    }

    /// The kinds in force, for as long as the guard lives. Do not keep it across an `.await`.
    pub fn current(&self) -> Guard<Arc<Kinds>> {
        self.shared.current.load()
    }

    /// The kinds in force, to keep.
    pub fn snapshot(&self) -> Arc<Kinds> {
        self.shared.current.load_full()
    }

    /// The folder they are read from.
    pub fn folder(&self) -> Option<&Path> {
        self.shared.folder.as_deref()
    }

    /// Reads the folder again. With faults the old set stays in force. Reads files, so not for an async task.
    pub fn reload(&self) -> Reloaded {
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.reload_locked(&mut seen)
    }

    /// Reads the folder again if its content has changed since the last reading.
    fn reload_if_changed(&self) -> Option<Reloaded> {
        let folder = self.shared.folder.as_deref()?;
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (fingerprint(folder, &self.snapshot()) != *seen).then(|| self.reload_locked(&mut seen))
    }

    fn reload_locked(&self, seen: &mut u64) -> Reloaded {
        let Some(folder) = self.shared.folder.as_deref() else {
            return Ok(self.snapshot());
        };
        let before = self.snapshot();
        *seen = fingerprint(folder, &before);
        if !before.is_empty() && !folder.is_dir() {
            // Else a folder that is swapped by a deploy would let every name pass for a moment.
            return Err(vec![KindFault {
                gravity: Gravity::Error,
                file: folder.to_owned(),
                line: None,
                field: String::new(),
                problem: "the folder is gone; the kinds read from it stay in force".to_owned(),
                remedy: "Put it back, or restart without it to accept every kind".to_owned(),
            }]);
        }
        let kinds = Arc::new(Kinds::load(folder, &self.shared.options)?);
        self.shared.current.store(Arc::clone(&kinds));
        // The new set may name files elsewhere, which count from now on.
        *seen = fingerprint(folder, &kinds);
        Ok(kinds)
    }
}

/// Takes over every change of the folder until shutdown, and tells what became of it. Works on folders that do not
/// exist yet, and on those that the system cannot watch.
pub async fn watch(
    handle: KindsHandle,
    shutdown: CancellationToken,
    mut on_reload: impl FnMut(&Reloaded) + Send,
) {
    let Some(folder) = handle.folder().map(Path::to_owned) else {
        return;
    };
    let (changed_tx, mut changed_rx) = mpsc::channel(1);
    loop {
        // Anew each round: a folder that was replaced by another of the same name is a new one to watch.
        let watcher = watcher(&folder, changed_tx.clone());
        // After the watch stands, or a change in between would wait for the slow look.
        let reading = handle.clone();
        let looked = tokio::task::spawn_blocking(move || reading.reload_if_changed());
        if let Ok(Some(reloaded)) = looked.await {
            on_reload(&reloaded);
        }
        let pause = if watcher.is_some() { POLL_WATCHED } else { POLL };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            Some(()) = changed_rx.recv() => settle(&mut changed_rx).await,
        }
    }
}

/// Waits until no change has come for a while.
async fn settle(changed_rx: &mut mpsc::Receiver<()>) {
    let still = async { while let Ok(Some(())) = tokio::time::timeout(QUIET, changed_rx.recv()).await {} };
    // At the limit it is read as it is; the next change brings the next reading.
    let _ = tokio::time::timeout(QUIET_MAX, still).await;
}

fn watcher(folder: &Path, changed_tx: mpsc::Sender<()>) -> Option<notify::RecommendedWatcher> {
    let report = move |event: notify::Result<notify::Event>| {
        // Our own reading is an access too; answering it with another reading would never end.
        let is_change = event.map_or(true, |event| match event.kind {
            EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
            _ => true,
        });
        if is_change {
            // Full means that a reading is due already.
            let _ = changed_tx.try_send(());
        }
    };
    let mut watcher = notify::recommended_watcher(report).ok()?;
    watcher.watch(folder, RecursiveMode::NonRecursive).ok()?;
    Some(watcher)
}

/// Names and content of all files that could matter: times of change are too coarse to tell two writes apart.
fn fingerprint(folder: &Path, kinds: &Kinds) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    let matters = |file: &PathBuf| {
        file.extension()
            .is_some_and(|extension| ["toml", "json", "html"].iter().any(|known| extension == *known))
    };
    files.retain(matters);
    files.extend(kinds.iter().flat_map(|kind| kind.files().cloned()));
    files.sort();
    files.dedup();
    for file in files {
        file.hash(&mut hasher);
        super::set::read_text(&file).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn kind(name: &str) -> String {
        format!("kind = \"{name}\"\n[templates.en]\ntitle = \"t\"\n")
    }

    fn open(folder: &Path) -> KindsHandle {
        KindsHandle::open(folder, KindsOptions::default()).expect("is sound")
    }

    fn names(kinds: &Kinds) -> Vec<String> {
        kinds.iter().map(|kind| kind.name.clone()).collect()
    }

    #[test]
    fn a_sound_folder_is_taken_over_and_a_faulty_one_keeps_the_old_set() {
        let folder = tempfile::tempdir().expect("is made");
        let file = folder.path().join("k.toml");
        fs::write(&file, kind("a")).expect("is written");
        let handle = open(folder.path());
        let clone = handle.clone();
        assert_eq!(names(&handle.current()), ["a"]);

        fs::write(&file, kind("b")).expect("is written");
        handle.reload().expect("is sound");
        assert_eq!(names(&clone.current()), ["b"]);

        fs::write(&file, "kind = ").expect("is written");
        let faults = handle.reload().expect_err("is faulty");
        assert_eq!(faults[0].line, Some(1));
        assert_eq!(names(&handle.current()), ["b"]);
    }

    #[test]
    fn a_folder_that_is_gone_does_not_open_the_door() {
        let folder = tempfile::tempdir().expect("is made");
        let kinds = folder.path().join("kinds");
        fs::create_dir(&kinds).expect("is made");
        fs::write(kinds.join("k.toml"), kind("a")).expect("is written");
        let handle = open(&kinds);
        fs::remove_dir_all(&kinds).expect("is removed");
        let faults = handle.reload().expect_err("is gone");
        assert_eq!(faults[0].problem, "the folder is gone; the kinds read from it stay in force");
        assert_eq!(names(&handle.current()), ["a"]);
        fs::create_dir(&kinds).expect("is made");
        assert!(handle.reload().expect("declares nothing").is_empty());
    }

    #[test]
    fn a_set_without_a_folder_reloads_to_itself() {
        let handle = KindsHandle::fixed(Kinds::none());
        assert!(handle.reload().expect("is the same").is_empty());
        assert_eq!(handle.folder(), None);
    }

    #[test]
    fn only_changed_content_is_read_again() {
        let folder = tempfile::tempdir().expect("is made");
        let schemas = tempfile::tempdir_in(folder.path()).expect("is made");
        let schema = schemas.path().join("s.txt");
        fs::write(&schema, "{}").expect("is written");
        let kinds = folder.path().join("kinds");
        fs::create_dir(&kinds).expect("is made");
        let inner = schemas.path().file_name().expect("has a name").to_string_lossy();
        fs::write(kinds.join("k.toml"), format!("kind = \"k\"\nschema = \"../{inner}/s.txt\""))
            .expect("is written");
        let handle = open(&kinds);
        // A schema outside the folder is known only after the first look.
        handle.reload().expect("is sound");
        assert!(handle.reload_if_changed().is_none());
        fs::write(&schema, "[]").expect("is written");
        assert!(handle.reload_if_changed().expect("has changed").is_err());
        assert!(handle.reload_if_changed().is_none(), "the same fault is told once");
        fs::write(&schema, "{ }").expect("is written");
        assert!(handle.reload_if_changed().expect("has changed").is_ok());
    }

    #[test]
    fn html_beside_a_kind_is_read_again_when_it_changes_or_appears() {
        let folder = tempfile::tempdir().expect("is made");
        let kind = format!("{}html_file = \"mail/k.html\"\n", kind("k"));
        let mails = folder.path().join("mail");
        fs::create_dir(&mails).expect("is made");
        let html = mails.join("k.html");
        fs::write(&html, "<p>one</p>").expect("is written");
        fs::write(folder.path().join("k.toml"), kind).expect("is written");
        let handle = open(folder.path());
        handle.reload().expect("is sound");
        assert!(handle.reload_if_changed().is_none());
        fs::write(&html, "<p>two</p>").expect("is written");
        assert!(handle.reload_if_changed().expect("has changed").is_ok());
        assert!(handle.current().get("k").expect("is declared").has_html("en"));
        fs::remove_file(&html).expect("is removed");
        assert!(handle.reload_if_changed().expect("has changed").is_err());
        fs::write(&html, "<p>two</p>").expect("is written");
        assert!(handle.reload_if_changed().expect("is back").is_ok());
    }

    /// What the watch tells, as texts.
    async fn next(told_rx: &mut mpsc::Receiver<String>) -> String {
        tokio::time::timeout(Duration::from_secs(20), told_rx.recv())
            .await
            .expect("is told in time")
            .expect("the watch runs")
    }

    #[tokio::test]
    async fn the_watch_takes_over_changes_also_of_a_folder_that_appears_later_or_is_replaced() {
        let parent = tempfile::tempdir().expect("is made");
        let folder = parent.path().join("kinds");
        let handle = open(&folder);
        let shutdown = CancellationToken::new();
        let (told_tx, mut told_rx) = mpsc::channel(16);
        let told = move |reloaded: &Reloaded| {
            let text = match reloaded {
                Ok(kinds) => names(kinds).join(","),
                Err(faults) => faults[0].problem.clone(),
            };
            told_tx.try_send(text).expect("has room");
        };
        let watched = tokio::task::JoinSet::from_iter([watch(handle.clone(), shutdown.clone(), told)]);

        // Lets the watch look once, while there is no folder yet.
        for _ in 0..10 {
            tokio::task::spawn_blocking(|| ()).await.expect("runs");
        }
        let staged = parent.path().join("staged");
        fs::create_dir(&staged).expect("is made");
        fs::write(staged.join("a.toml"), kind("a")).expect("is written");
        fs::rename(&staged, &folder).expect("appears");
        assert_eq!(next(&mut told_rx).await, "a");

        fs::write(folder.join("b.toml"), kind("b")).expect("is written");
        assert_eq!(next(&mut told_rx).await, "a,b");

        fs::write(folder.join("b.toml"), "kind = \"a\"\n").expect("is written");
        assert!(next(&mut told_rx).await.contains("is declared in"));
        assert_eq!(names(&handle.current()), ["a", "b"], "the old set stays");

        // A deploy swaps the folder for another of the same name.
        fs::create_dir(&staged).expect("is made");
        fs::write(staged.join("c.toml"), kind("c")).expect("is written");
        fs::rename(&folder, parent.path().join("old")).expect("is moved away");
        fs::rename(&staged, &folder).expect("appears");
        while next(&mut told_rx).await != "c" {}
        fs::write(folder.join("c.toml"), kind("d")).expect("is written");
        while next(&mut told_rx).await != "d" {}

        shutdown.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(20), watched.join_all());
        ended.await.expect("ends at shutdown");
    }
}
