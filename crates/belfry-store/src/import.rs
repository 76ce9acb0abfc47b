//! Moving a store from its file into PostgreSQL: everything, under the same numbers and the same epoch, so that nobody
//! who comes back notices. An import that was broken off goes on where it stopped, and nothing starts on half of one.

use crate::postgres_schema;
use crate::schema;
use crate::sql::{Connection, Error, Postgres, Sql};
use crate::txn::{meta, set_meta};
use crate::{EngineOptions, OpenError, Options, PostgresOptions, Store, StoreError, UnixMs};
use rusqlite::types::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Rows of one transaction.
const ROWS_AT_ONCE: u32 = 2_000;
/// In `meta`, as long as an import is not finished: the epoch of the file it comes from.
pub(crate) const UNFINISHED: &str = "import_from_epoch";

/// A table with the columns that order it, and the one that PostgreSQL numbers by itself.
struct Table {
    name: &'static str,
    key: &'static [&'static str],
    numbered: bool,
}

const fn table(name: &'static str, key: &'static [&'static str]) -> Table {
    Table { name, key, numbered: false }
}

const fn numbered(name: &'static str, key: &'static [&'static str]) -> Table {
    Table { name, key, numbered: true }
}

/// All tables but `meta`, which comes last, and those that only nodes of a cluster write.
const TABLES: [Table; 20] = [
    numbered("users", &["user_key"]),
    table("alerts", &["alert_key"]),
    table("recipients", &["alert_key", "user_id"]),
    table("notifications", &["user_key", "seq"]),
    table("announcements", &["all_seq"]),
    table("marks", &["user_key", "all_seq"]),
    table("fanouts", &["alert_key"]),
    table("fanout_users", &["alert_key", "chunk"]),
    table("idempotency_keys", &["api_key", "key"]),
    numbered("groups", &["group_key"]),
    table("members", &["group_key", "user_id"]),
    table("devices", &["user_key", "device_id"]),
    numbered("device_moves", &["move_key"]),
    table("signing_keys", &["name"]),
    numbered("deliveries", &["delivery_key"]),
    numbered("legs", &["leg_key"]),
    table("leg_members", &["leg_key", "delivery_key"]),
    table("attempts", &["leg_key", "n"]),
    numbered("webhooks", &["webhook_key"]),
    numbered("webhook_events", &["event_key"]),
];
/// After those: its rows name alerts.
const LAST: Table = table("ladder_fanouts", &["alert_key"]);

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportProgress {
    /// What is being copied.
    pub table: &'static str,
    /// Rows copied, with those of an earlier run.
    pub rows: u64,
    /// Rows in all.
    pub of: u64,
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Rows copied by this run.
    pub rows: u64,
    /// The store's part of the epoch: the file's.
    pub epoch: u32,
}

/// Copies the store in a file, which no server may have open, into an empty PostgreSQL database. The file stays as it is.
pub async fn import_file(
    file: PathBuf,
    to: PostgresOptions,
    now: UnixMs,
    progress: impl Fn(ImportProgress) + Send + 'static,
) -> Result<Imported, OpenError> {
    if !file.exists() {
        return Err(unusable(&file, "there is no such file; name the `belfry.db` of the old `data_dir`"));
    }
    merge_log(&file, now).await?;
    let name = file.display().to_string();
    let copying = tokio::task::spawn_blocking(move || copy(&file, &to, progress));
    copying.await.unwrap_or_else(|error| {
        Err(OpenError::Unusable { path: name, reason: format!("the import broke off: {error}") })
    })
}

fn unusable(path: &Path, reason: impl std::fmt::Display) -> OpenError {
    OpenError::Unusable { path: path.display().to_string(), reason: reason.to_string() }
}

/// Opens and closes it in order: afterwards everything stands in its place, at the newest schema.
async fn merge_log(file: &Path, now: UnixMs) -> Result<(), OpenError> {
    let options = Options {
        engine: EngineOptions::Sqlite(file.to_owned()),
        writer_queue_max: 16,
        readers: 1,
        inbox_items_max: u32::MAX,
        announcements_max: u32::MAX,
        webhook_queue_max: u32::MAX,
        busy_timeout: Duration::from_secs(5),
    };
    let store = Store::open(options, now).await?;
    store.close().await.map_err(|error: StoreError| unusable(file, error))
}

fn copy(file: &Path, to: &PostgresOptions, progress: impl Fn(ImportProgress)) -> Result<Imported, OpenError> {
    let _lock = schema::take_lock(file)?;
    postgres_schema::migrate(to)?;
    let there = |error: Error| OpenError::Unusable { path: to.place(), reason: error.to_string() };
    let source =
        schema::connect_reader(file, Duration::from_secs(5)).map_err(|error| unusable(file, error))?;
    let target = Postgres::connect(to).map(Connection::Postgres).map_err(there)?;
    let source = Connection::Sqlite(source);
    let epoch = meta(&source, "store_epoch").map_err(|error| unusable(file, error))?.unwrap_or(0);
    claim(&target, epoch)
        .map_err(there)?
        .map_err(|reason| OpenError::Unusable { path: to.place(), reason })?;
    let mut rows = 0;
    for table in TABLES.iter().chain([&LAST]) {
        rows += copy_table(&source, &target, table, &progress).map_err(there)?;
    }
    finish(&source, &target).map_err(there)?;
    Ok(Imported { rows, epoch: epoch as u32 })
}

/// Makes the database this import's. The inner error: it is somebody's already.
fn claim(target: &Connection, epoch: i64) -> Sql<Result<(), String>> {
    if let Some(begun) = meta(target, UNFINISHED)? {
        return Ok(if begun == epoch {
            Ok(())
        } else {
            Err("it holds an unfinished import of another file; finish that one, or name an empty database"
                .to_owned())
        });
    }
    let used = target.query_row("SELECT EXISTS (SELECT 1 FROM meta)", [], |row| row.get(0))?;
    if used {
        return Ok(Err("it holds a store already; name an empty database".to_owned()));
    }
    target.begin()?;
    set_meta(target, UNFINISHED, epoch)?;
    target.commit()?;
    Ok(Ok(()))
}

fn columns(target: &Connection, table: &Table) -> Sql<Vec<String>> {
    target
        .prepare_cached(
            "SELECT CAST(column_name AS TEXT) FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = ?1 ORDER BY ordinal_position",
        )?
        .query_map([table.name], |row| row.get(0))?
        .collect()
}

fn places(first: usize, count: usize) -> String {
    (first..first + count).map(|number| format!("?{number}")).collect::<Vec<_>>().join(", ")
}

fn count(conn: &Connection, table: &Table) -> Sql<u64> {
    let count: i64 = conn.query_row(&format!("SELECT count(*) FROM {}", table.name), [], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Copies the rows behind the last one that is there. Answers how many.
fn copy_table(
    source: &Connection,
    target: &Connection,
    table: &Table,
    progress: &impl Fn(ImportProgress),
) -> Sql<u64> {
    let columns = columns(target, table)?;
    let (key, names) = (table.key.join(", "), columns.join(", "));
    let of = count(source, table)?;
    let mut done = count(target, table)?;
    let before = done;
    let order = table.key.iter().map(|column| format!("{column} DESC")).collect::<Vec<_>>().join(", ");
    let last = format!("SELECT {key} FROM {} ORDER BY {order} LIMIT 1", table.name);
    let mut last: Option<Vec<Value>> = target
        .prepare_cached(&last)?
        .query_map([], |row| (0..table.key.len()).map(|number| row.get(number)).collect())?
        .next()
        .transpose()?;
    let key_at: Vec<usize> =
        table.key.iter().filter_map(|key| columns.iter().position(|column| column == key)).collect();
    let insert = format!("INSERT INTO {} ({names}) VALUES ({})", table.name, places(1, columns.len()));
    loop {
        progress(ImportProgress { table: table.name, rows: done, of });
        let condition = match &last {
            Some(_) => format!("WHERE ({key}) > ({})", places(1, table.key.len())),
            None => String::new(),
        };
        let page =
            format!("SELECT {names} FROM {} {condition} ORDER BY {key} LIMIT {ROWS_AT_ONCE}", table.name);
        let rows: Vec<Vec<Value>> = source
            .prepare_cached(&page)?
            .query_map(crate::sql::Listed(last.take().unwrap_or_default()), |row| {
                (0..columns.len()).map(|number| row.get(number)).collect()
            })?
            .collect::<Sql<_>>()?;
        let Some(newest) = rows.last() else { break };
        last = Some(key_at.iter().map(|at| newest[*at].clone()).collect());
        done += rows.len() as u64;
        let full = rows.len() == ROWS_AT_ONCE as usize;
        target.begin()?;
        for row in rows {
            target.prepare_cached(&insert)?.send(crate::sql::Listed(row))?;
        }
        target.commit()?;
        if !full {
            break;
        }
    }
    progress(ImportProgress { table: table.name, rows: done, of });
    if table.numbered {
        go_on_numbering(target, table)?;
    }
    Ok(done - before)
}

fn go_on_numbering(target: &Connection, table: &Table) -> Sql<()> {
    let key = table.key[0];
    let sql = format!(
        "SELECT setval(pg_get_serial_sequence('{0}', '{key}'), coalesce(max({key}), 0) + 1, false) FROM {0}",
        table.name
    );
    target.query_row(&sql, [], |_| Ok(()))
}

/// The numbers of the store come last, and with them the database is one.
fn finish(source: &Connection, target: &Connection) -> Sql<()> {
    let numbers: Vec<(String, i64)> = source
        .prepare_cached("SELECT name, value FROM meta")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Sql<_>>()?;
    target.begin()?;
    for (name, value) in numbers {
        set_meta(target, &name, value)?;
    }
    target.prepare_cached("DELETE FROM meta WHERE name = ?1")?.send([UNFINISHED])?;
    target.commit()
}
