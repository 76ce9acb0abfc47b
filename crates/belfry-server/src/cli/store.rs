//! Commands on the store: `belfry migrate`, `belfry backup FILE`, `belfry epoch new`.

use super::failure::{Exit, Failure};
use super::out::{DIM, GOOD, Out, STRONG, styled};
use super::remote::{Remote, Target};
use super::settings::Common;
use crate::clock::Now;
use crate::config::{Config, Scope};
use belfry_protocol::operation::{BackupBody, BackupLine};
use belfry_store::{EngineOptions, ImportProgress, Store, schema_of};
use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use std::path::{Path, PathBuf};

/// The numbering of the store
#[derive(Debug, Clone, Copy, clap::Subcommand)]
pub(crate) enum EpochCommand {
    /// Give the store a new epoch after a restore that was no `belfry backup`: every client starts afresh, and
    /// deliveries wait for `belfry resume-deliveries`
    New,
}

/// Flags of `belfry migrate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    /// The `belfry.db` whose everything is copied into the empty PostgreSQL of `database.url`, numbers and epoch
    /// included; stop its server before. Where it broke off the same command goes on
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

/// Flags of `belfry backup`.
#[derive(Debug, clap::Args)]
pub(crate) struct Backup {
    /// The new file; it must not exist yet
    file: PathBuf,
    #[command(flatten)]
    target: Target,
}

#[derive(serde::Serialize)]
struct Opened {
    path: String,
    schema: u32,
    epoch: String,
}

pub(crate) async fn migrate(
    arguments: Migrate,
    common: &Common,
    now: Now,
    out: &mut Out,
) -> Result<(), Failure> {
    let config = common.load()?;
    if let Some(file) = arguments.from {
        import(file, &config, now, out).await?;
    }
    let path = place(&config);
    let store = open(&config, now).await?;
    let (schema, epoch) = (schema_of(&config.store_options().engine), format!("{:08x}", store.store_epoch()));
    close(&store).await?;
    if out.is_json() {
        return out.json(&Opened { path, schema, epoch });
    }
    out.line(format_args!("{} `{path}` has schema {schema}", styled(GOOD, "ok")))?;
    out.line(styled(DIM, format_args!("epoch {epoch}")))
}

/// Copies a file's store into PostgreSQL.
async fn import(file: PathBuf, config: &Config, now: Now, out: &mut Out) -> Result<(), Failure> {
    let EngineOptions::Postgres(server) = config.store_options().engine else {
        return Err(Failure::usage("`--from` copies into PostgreSQL, and `database.url` names a file")
            .remedy("set `BELFRY_DATABASE_URL=postgres://…` of an empty database"));
    };
    let progress = Progress::new(out, "rows");
    let bar = progress.bar.clone();
    let show = move |at: ImportProgress| {
        bar.set_message(at.table);
        Progress::show(&bar, at.rows, at.of);
    };
    let imported = belfry_store::import_file(file.clone(), server, now.unix_ms(), show).await;
    progress.bar.finish_and_clear();
    let imported = imported.map_err(|error| Failure::failed(error.to_string()))?;
    if !out.is_json() {
        let (good, rows) = (styled(GOOD, "ok"), imported.rows);
        out.line(format_args!("{good} {rows} rows of `{}` are in PostgreSQL", file.display()))?;
    }
    Ok(())
}

pub(crate) async fn epoch(
    command: EpochCommand,
    common: &Common,
    now: Now,
    out: &mut Out,
) -> Result<(), Failure> {
    let EpochCommand::New = command;
    let config = common.load()?;
    let path = place(&config);
    let store = open_existing(&config, now).await?;
    let made = store.new_epoch().await.map_err(|error| Failure::failed(error.to_string()))?;
    close(&store).await?;
    let (schema, epoch) = (schema_of(&config.store_options().engine), format!("{made:08x}"));
    if out.is_json() {
        return out.json(&Opened { path, schema, epoch });
    }
    out.line(format_args!(
        "`{path}` has the epoch {}: every client starts afresh, and deliveries wait",
        styled(STRONG, epoch)
    ))
}

/// Opens a store that is there, and no other.
pub(super) async fn open_existing(config: &Config, now: Now) -> Result<Store, Failure> {
    if let Some(path) = config.database_path().filter(|path| !path.exists()) {
        return Err(Failure::failed(format!("there is no store at `{}`", path.display()))
            .remedy("give `--data-dir` or `--config` of the store you mean"));
    }
    open(config, now).await
}

/// Where the store is, without what nobody may see.
fn place(config: &Config) -> String {
    match config.store_options().engine {
        EngineOptions::Sqlite(path) => path.display().to_string(),
        EngineOptions::Postgres(options) => options.place(),
    }
}

async fn open(config: &Config, now: Now) -> Result<Store, Failure> {
    Store::open(config.store_options(), now.unix_ms())
        .await
        .map_err(|error| Failure::failed(error.to_string()))
}

pub(super) async fn close(store: &Store) -> Result<(), Failure> {
    store.close().await.map_err(|error| Failure::failed(error.to_string()))
}

/// A running server copies its own store; without one the file is opened here.
pub(crate) async fn backup(arguments: Backup, common: &Common, out: &mut Out) -> Result<(), Failure> {
    let to = std::path::absolute(&arguments.file)
        .map_err(|error| Failure::usage(format!("`{}` is no path: {error}", arguments.file.display())))?;
    if to.exists() {
        return Err(Failure::failed(format!("`{}` exists already", to.display()))
            .remedy("choose a new name; a backup never overwrites"));
    }
    let remote = Remote::find(common, &arguments.target, Scope::Operate)?;
    let progress = Progress::new(out, "pages");
    let copied = match remote.send(remote.anonymous(remote.resource(&["healthz"]))).await {
        Ok(_) => backup_of_server(&remote, &to, &progress).await,
        // Whoever names a server means that one, and not a file that happens to lie here.
        Err(failure) if failure.exit == Exit::Unreachable && arguments.target.url.is_none() => {
            backup_of_file(&common.load()?, &to, &progress).await
        }
        Err(failure) => Err(failure),
    };
    progress.bar.finish_and_clear();
    copied?;
    let bytes = std::fs::metadata(&to).map(|file| file.len()).unwrap_or_default();
    if out.is_json() {
        return out.json(&serde_json::json!({"path": to, "bytes": bytes}));
    }
    out.line(format_args!(
        "{} `{}`, {}; once restored, clients start afresh and deliveries wait",
        styled(GOOD, "ok"),
        to.display(),
        indicatif::HumanBytes(bytes)
    ))
}

struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new(out: &Out, unit: &str) -> Self {
        let bar =
            if out.is_attended() && !out.is_json() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template(&format!(
            "{{bar:40}} {{percent}}% {{pos}}/{{len}} {unit} {{msg}} {{eta}}"
        ))
        .expect("the template is a constant but for a word");
        Self { bar: bar.with_style(style) }
    }

    fn show(bar: &ProgressBar, done: u64, all: u64) {
        bar.set_length(all);
        bar.set_position(done);
    }
}

async fn backup_of_file(config: &Config, to: &Path, progress: &Progress) -> Result<(), Failure> {
    let Some(path) = config.database_path() else {
        return Err(Failure::failed("the store is a PostgreSQL: `belfry backup` copies SQLite files")
            .remedy("use `pg_dump` or your archive of the write-ahead log; run `belfry epoch new` after a restore"));
    };
    if !path.exists() {
        return Err(Failure::failed(format!(
            "no server answers, and there is no store at `{}`",
            path.display()
        ))
        .remedy("give `--url` of a server, or `--data-dir` or `--config` of the store you mean"));
    }
    let (to, bar) = (to.to_owned(), progress.bar.clone());
    let copied = tokio::task::spawn_blocking(move || {
        belfry_store::backup_file(&path, &to, |done, all| Progress::show(&bar, done, all))
    });
    match copied.await {
        Ok(copied) => copied.map_err(|error| Failure::failed(format!("the backup failed: {error}"))),
        Err(error) => Err(Failure::failed(format!("the backup broke off: {error}"))),
    }
}

async fn backup_of_server(remote: &Remote, to: &Path, progress: &Progress) -> Result<(), Failure> {
    let Some(path) = to.to_str() else {
        return Err(Failure::usage(format!("`{}` is no UTF-8", to.display())));
    };
    let request = remote.request(Method::POST, remote.resource(&["v1", "backup"]))?;
    let response = remote.send(request.json(&BackupBody { to: path.to_owned() })).await?;
    let mut body = response.bytes_stream();
    let mut pending: Vec<u8> = Vec::new();
    while let Some(part) = body.next().await {
        pending.extend_from_slice(&part.map_err(|error| remote.unreachable(&error))?);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let rest = pending.split_off(end + 1);
            let line = std::mem::replace(&mut pending, rest);
            let line: BackupLine = serde_json::from_slice(&line)
                .map_err(|error| Failure::failed(format!("the server's progress cannot be read: {error}")))?;
            if let Some(problem) = &line.problem {
                return Err(Failure::of_problem(problem));
            }
            Progress::show(&progress.bar, line.done_pages, line.all_pages);
            if line.path.is_some() {
                return Ok(());
            }
        }
    }
    Err(Failure::failed("the server broke off the backup").remedy("see the server's log"))
}
