//! Bringing the server's schema up to this version, and refusing a server that would lose what it said it had.

use crate::OpenError;
use crate::postgres_options::PostgresOptions;
use crate::sql::{Error, Sql};
use tokio_postgres::Client;

mod migrations {
    refinery::embed_migrations!("migrations/postgres");
}

/// Held while migrating: refinery takes no lock of its own.
const LOCK: &str = "SELECT pg_advisory_lock(4848100)";
const UNLOCK: &str = "SELECT pg_advisory_unlock(4848100)";
/// Settings without which a commit may be lost.
const SAFE: [&str; 3] = ["fsync", "full_page_writes", "synchronous_commit"];

/// The schema that this version writes.
pub(crate) fn known_version() -> u32 {
    let runner = migrations::migrations::runner();
    runner.get_migrations().iter().map(|one| one.version() as u32).max().unwrap_or(0)
}

/// Brings the schema up to this version; call it on a thread that may wait.
pub(crate) fn migrate(options: &PostgresOptions) -> Result<(), OpenError> {
    let unusable = |reason: String| OpenError::Unusable { path: options.place(), reason };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| unusable(error.to_string()))?;
    runtime.block_on(async {
        let mut client = options.connect().await.map_err(|error| {
            unusable(format!(
                "{error}; see that PostgreSQL runs there and that `url` names a user who may write"
            ))
        })?;
        let asked = is_unsafe(&client).await.map_err(|error| unusable(error.to_string()))?;
        if let Some(setting) = asked {
            let reason = format!(
                "`{setting}` is off there: an alert that was accepted could be lost; set `{setting} = on`"
            );
            return Err(unusable(reason));
        }
        bring_up(&mut client, options).await
    })
}

async fn is_unsafe(client: &Client) -> Sql<Option<&'static str>> {
    for setting in SAFE {
        let row = client.query_one("SELECT current_setting($1)", &[&setting]).await?;
        if row.try_get::<_, String>(0)? == "off" {
            return Ok(Some(setting));
        }
    }
    Ok(None)
}

async fn bring_up(client: &mut Client, options: &PostgresOptions) -> Result<(), OpenError> {
    let unusable = |reason: String| OpenError::Unusable { path: options.place(), reason };
    client.batch_execute(LOCK).await.map_err(|error| unusable(Error::from(error).to_string()))?;
    let found = found_version(client).await.map_err(|error| unusable(error.to_string()))?;
    let known = known_version();
    if let Some(found) = found.filter(|found| *found > known) {
        return Err(OpenError::NewerSchema { path: options.place(), found, known });
    }
    migrations::migrations::runner()
        .run_async(client)
        .await
        .map_err(|error| unusable(format!("{error}; nothing was changed")))?;
    client.batch_execute(UNLOCK).await.map_err(|error| unusable(Error::from(error).to_string()))
}

async fn found_version(client: &Client) -> Sql<Option<u32>> {
    let there = client.query_one("SELECT to_regclass('refinery_schema_history') IS NOT NULL", &[]).await?;
    if !there.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    let version = client.query_one("SELECT max(version) FROM refinery_schema_history", &[]).await?;
    Ok(version.try_get::<_, Option<i32>>(0)?.map(|version| version as u32))
}
