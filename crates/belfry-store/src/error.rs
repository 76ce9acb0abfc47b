//! What SQLite says, as what the caller does next.

use crate::StoreError;
use rusqlite::ErrorCode;

/// The result of a statement.
pub(crate) type Sql<T> = rusqlite::Result<T>;

/// Whether the fault lies with the file or the disk, so that nothing of the transaction can stand.
pub(crate) fn is_disk_fault(error: &rusqlite::Error) -> bool {
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        return false;
    };
    matches!(
        failure.code,
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

/// The error a caller gets.
pub(crate) fn store_error(error: &rusqlite::Error) -> StoreError {
    if is_disk_fault(error) {
        StoreError::Unavailable { reason: error.to_string() }
    } else {
        StoreError::Internal(error.to_string())
    }
}

/// A column that does not hold what we once wrote into it.
pub(crate) fn unreadable(
    column: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}
