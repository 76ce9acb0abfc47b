//! Opening the file: directory, lock, connection, migrations.

use crate::OpenError;
use rusqlite::{Connection, OpenFlags};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

mod migrations {
    refinery::embed_migrations!("migrations/sqlite");
}

/// Statements kept prepared per connection: more than there are.
const STATEMENTS_KEPT: usize = 256;
/// Bytes of one page.
pub(crate) const PAGE_BYTES: u64 = 4_096;

fn unusable(path: &Path, reason: impl std::fmt::Display) -> OpenError {
    OpenError::Unusable { path: path.display().to_string(), reason: reason.to_string() }
}

/// Makes the directory and takes the lock that keeps other processes out for as long as the file lives.
pub(crate) fn take_lock(path: &Path) -> Result<File, OpenError> {
    let directory = directory_of(path);
    make_directory(directory).map_err(|error| {
        unusable(path, format!("{error}; make `{}` or let this user make it", directory.display()))
    })?;
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock =
        OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path).map_err(|error| {
            unusable(path, format!("{error}; make `{}` writable for this user", directory.display()))
        })?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.display().to_string() }),
        Err(TryLockError::Error(error)) => {
            Err(unusable(path, format!("{error}; put the store on a file system that has file locks")))
        }
    }
}

/// Makes a directory whose name survives a power cut, and so do those above it that had to be made.
fn make_directory(directory: &Path) -> std::io::Result<()> {
    if directory.is_dir() {
        // It may have been made a moment before a power cut. Where the one above may not even be read, somebody else
        // made it.
        let _ = sync_directory(directory);
        return Ok(());
    }
    if let Some(above) = directory.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_directory(above)?;
    }
    match std::fs::create_dir(directory) {
        Err(error) if !directory.is_dir() => return Err(error),
        _ => {}
    }
    sync_directory(directory)
}

/// The directory of a file.
pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes names in a directory survive a power cut.
pub(crate) fn sync_directory(path: &Path) -> std::io::Result<()> {
    File::open(directory_of(path))?.sync_all()
}

/// The connection of the writer.
pub(crate) fn connect_writer(path: &Path, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(busy_timeout)?;
    conn.pragma_update(None, "page_size", PAGE_BYTES as i64)?;
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(rusqlite::Error::InvalidParameterName(format!("journal mode `{mode}` instead of `wal`")));
    }
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "cache_size", -65_536)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(conn)
}

/// A connection that cannot write.
pub(crate) fn connect_reader(path: &Path, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(busy_timeout)?;
    conn.pragma_update(None, "query_only", true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "cache_size", -16_384)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(conn)
}

/// The schema that this version writes.
pub(crate) fn schema_version() -> u32 {
    let runner = migrations::migrations::runner();
    runner.get_migrations().iter().map(|one| one.version() as u32).max().unwrap_or(0)
}

/// The version of the SQLite that is built in.
pub fn sqlite_version() -> &'static str {
    rusqlite::version()
}

/// Opens the file for writing and brings its schema up to this version.
pub(crate) fn open_and_migrate(path: &Path, busy_timeout: Duration) -> Result<Connection, OpenError> {
    let mut conn = connect_writer(path, busy_timeout).map_err(|error| explain(path, &error))?;
    let known = schema_version();
    match found_version(&conn).map_err(|error| explain(path, &error))? {
        Found::Foreign => {
            return Err(unusable(path, "it is another program's database; choose another `data_dir`"));
        }
        Found::Version(found) if found > known => {
            return Err(OpenError::NewerSchema { path: path.display().to_string(), found, known });
        }
        Found::Version(_) | Found::Empty => {}
    }
    migrations::migrations::runner()
        .run(&mut conn)
        .map_err(|error| unusable(path, format!("{error}; nothing was changed, keep a copy of the file")))?;
    sync_directory(path).map_err(|error| unusable(path, error))?;
    Ok(conn)
}

enum Found {
    Empty,
    Version(u32),
    Foreign,
}

fn found_version(conn: &Connection) -> rusqlite::Result<Found> {
    let tables: Vec<String> = conn
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    if tables.is_empty() {
        return Ok(Found::Empty);
    }
    if !tables.iter().any(|name| name == "refinery_schema_history") {
        return Ok(Found::Foreign);
    }
    let version =
        conn.query_row("SELECT coalesce(max(version), 0) FROM refinery_schema_history", [], |row| {
            row.get(0)
        })?;
    Ok(Found::Version(version))
}

fn explain(path: &Path, error: &rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode;
    let remedy = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            "choose another `data_dir`, or restore a backup"
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "make the file and its directory writable for this user"
        }
        Some(ErrorCode::DiskFull) => "make room on the disk",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "end the program that has it locked",
        _ => "see whether the disk is in order",
    };
    unusable(path, format!("{error}; {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::announcements;
    use crate::users;

    #[test]
    fn a_file_of_the_first_schema_opens_and_its_users_see_what_they_saw() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("belfry.db");
        let mut conn = connect_writer(&path, Duration::from_secs(1)).unwrap();
        let first = refinery::Target::Version(1);
        migrations::migrations::runner().set_target(first).run(&mut conn).unwrap();
        conn.execute_batch(
            "INSERT INTO alerts (alert_key, id_tail, audience_form, seq, created_at, severity, kind, category, title, data) \
             VALUES (7, 1, 3, 4, 0, 0, 'k', 'k', 't', '{}'), (8, 1, 3, 5, 0, 0, 'k', 'k', 't', '{}'); \
             INSERT INTO announcements (all_seq, version, alert_key) VALUES (4, 4, 7), (5, 5, 8); \
             INSERT INTO meta (name, value) VALUES ('all_head', 5); \
             INSERT INTO users (id, epoch_part, created_at, all_from) VALUES ('ann', 1, 0, 4);",
        )
        .unwrap();
        drop(conn);
        let conn = open_and_migrate(&path, Duration::from_secs(1)).unwrap();
        let conn = crate::sql::Connection::Sqlite(conn);
        let all = announcements::load(&conn).unwrap();
        let ann = belfry_protocol::UserId::new("ann").unwrap();
        let (core, _) = users::load(&conn, &ann).unwrap().unwrap();
        let seen: Vec<u64> = core.announcements(&all, 0).map(|one| one.all_seq).collect();
        assert_eq!((seen, core.unread_all(&all)), (vec![5], 1));
    }
}
