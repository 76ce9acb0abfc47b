//! Which engine holds the truth, and how its connections are made.

use crate::postgres_options::PostgresOptions;
use crate::schema;
use crate::sql::{Connection, Postgres, Sql};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the truth lies.
#[derive(Debug, Clone)]
pub(crate) enum Engine {
    /// In a file of this process alone.
    Sqlite(PathBuf),
    /// On a server, for every node.
    Postgres(PostgresOptions),
}

impl Engine {
    /// Other nodes write to it as well, so memory is not the truth.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// The file, where it is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }

    /// A connection that writes.
    pub(crate) fn connect_writer(&self, busy_timeout: Duration) -> Sql<Connection> {
        match self {
            Self::Sqlite(path) => Ok(Connection::Sqlite(schema::connect_writer(path, busy_timeout)?)),
            Self::Postgres(options) => Postgres::connect(options).map(Connection::Postgres),
        }
    }

    /// A connection that only reads.
    pub(crate) fn connect_reader(&self, busy_timeout: Duration) -> Sql<Connection> {
        match self {
            Self::Sqlite(path) => Ok(Connection::Sqlite(schema::connect_reader(path, busy_timeout)?)),
            Self::Postgres(options) => Postgres::connect(options).map(Connection::Postgres),
        }
    }
}
