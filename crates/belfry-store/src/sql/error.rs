//! What either engine says, as what the caller does next.

use crate::StoreError;
use rusqlite::ErrorCode;
use tokio_postgres::error::SqlState;

/// The result of a statement.
pub(crate) type Sql<T> = Result<T, Error>;

/// Why a statement did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no such row.
    #[error("there is no row")]
    NoRows,
    /// SQLite said so.
    #[error(transparent)]
    Sqlite(rusqlite::Error),
    /// PostgreSQL said so.
    #[error("{}", told(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// The server cannot be reached, or did not answer in time.
    #[error("{0}")]
    Unreachable(String),
    /// A column that does not hold what we once wrote into it, or a value that no column takes.
    #[error("{0}")]
    Unreadable(String),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::QueryReturnedNoRows => Self::NoRows,
            other => Self::Sqlite(other),
        }
    }
}

impl From<rusqlite::types::FromSqlError> for Error {
    fn from(error: rusqlite::types::FromSqlError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// PostgreSQL's own words, not only that there was an error.
fn told(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}

impl Error {
    /// The fault lies with the file, the disk, the server or the way to it, so that nothing of the transaction can stand.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) => is_disk_fault(failure.code),
            Self::Postgres(error) => error.code().is_none_or(is_server_fault),
            Self::Unreachable(_) => true,
            Self::NoRows | Self::Sqlite(_) | Self::Unreadable(_) => false,
        }
    }

    /// Somebody else has it for a moment; the connection is in order.
    pub(crate) fn is_locked(&self) -> bool {
        matches!(self, Self::Sqlite(error)
            if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)))
    }

    /// Another transaction came in between: the same again may work.
    pub(crate) fn is_conflict(&self) -> bool {
        let Self::Postgres(error) = self else { return false };
        error.code().is_some_and(|code| {
            [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::UNIQUE_VIOLATION]
                .contains(code)
        })
    }

    /// The error a caller gets.
    pub(crate) fn for_caller(&self) -> StoreError {
        if self.is_outage() || self.is_conflict() {
            StoreError::Unavailable { reason: self.to_string() }
        } else {
            StoreError::Internal(self.to_string())
        }
    }
}

fn is_disk_fault(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::OutOfMemory
            | ErrorCode::ReadOnly
            | ErrorCode::SystemIoFailure
            | ErrorCode::DiskFull
            | ErrorCode::CannotOpen
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::PermissionDenied
            | ErrorCode::OperationInterrupted
    )
}

/// Classes of SQLSTATE (PostgreSQL, Appendix A): connection, read-only transaction, resources, operator, system.
fn is_server_fault(code: &SqlState) -> bool {
    let code = code.code();
    ["08", "53", "57", "58", "XX"].iter().any(|class| code.starts_with(class))
        || ["25006", "25P03", "55P03"].contains(&code)
}

/// A column that does not hold what we once wrote into it.
pub(crate) fn unreadable(column: usize, error: impl std::error::Error) -> Error {
    Error::Unreadable(format!("column {column}: {error}"))
}
