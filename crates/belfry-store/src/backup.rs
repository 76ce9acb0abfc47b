//! A copy that is a store of its own: whoever was connected to the original resets when it meets the copy.

use crate::StoreError;
use crate::schema::sync_directory;
use crate::sql;
use crate::txn::set_meta;
use crate::users::random_u32;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// Pages copied between two reports of progress.
const STEP_PAGES: i32 = 1_024;

fn unavailable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable { reason: error.to_string() }
}

/// Copies the store at `from`, which may be open in another process, into the new file `to`. The copy stands under
/// its name only when it is complete and synced; an existing file is never written over.
pub fn backup_file(from: &Path, to: &Path, progress: impl Fn(u64, u64)) -> Result<(), StoreError> {
    if to.exists() {
        return Err(unavailable(format!("`{}` exists already: choose another name", to.display())));
    }
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    // One left over from an interrupted backup is of no use to anybody.
    if let Err(error) = std::fs::remove_file(partial)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(unavailable(error));
    }
    let copied = copy(from, partial, progress).map_err(|error| error.for_caller());
    let placed = copied.and_then(|()| place(partial, to).map_err(unavailable));
    if placed.is_err() {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(partial);
    }
    placed
}

fn copy(from: &Path, partial: &Path, progress: impl Fn(u64, u64)) -> sql::Sql<()> {
    let source = Connection::open_with_flags(
        from,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    source.busy_timeout(Duration::from_secs(5))?;
    // With a snapshot held the copy never starts over, however busy the writer is; the log waits for it.
    source.execute_batch("BEGIN")?;
    source.query_row("SELECT count(*) FROM meta", [], |row| row.get::<_, i64>(0))?;
    let mut target = Connection::open(partial)?;
    {
        let backup = Backup::new(&source, &mut target)?;
        loop {
            let step = backup.step(STEP_PAGES)?;
            let at = backup.progress();
            let all = u64::try_from(at.pagecount).unwrap_or(0);
            progress(all - u64::try_from(at.remaining).unwrap_or(0).min(all), all);
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                _ => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
    source.execute_batch("ROLLBACK")?;
    // One file: the copy is nobody's log.
    target.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0))?;
    target.pragma_update(None, "synchronous", "FULL")?;
    let target = sql::Connection::Sqlite(target);
    target.begin()?;
    set_meta(&target, "store_epoch", i64::from(random_u32()))?;
    set_meta(&target, "restored", 1)?;
    target.commit()
}

fn place(partial: &Path, to: &Path) -> std::io::Result<()> {
    File::open(partial)?.sync_all()?;
    // Unlike a rename this does not write over a file that came in the meantime.
    std::fs::hard_link(partial, to)?;
    std::fs::remove_file(partial)?;
    sync_directory(to)
}
