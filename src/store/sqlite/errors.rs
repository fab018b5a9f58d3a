//! Maps SQLite's errors to those of the port.

use rusqlite::ErrorCode;

use super::super::StoreError;
use crate::text;

/// The reason for a write without space.
pub(super) const DISK_FULL: &str = "the disk of the database is full: free some space";

/// The reason for an I/O error of a write.
pub(super) const WRITE_FAILED: &str = "the database cannot be written: check the disk and its free space";

/// Whether an I/O error belongs to a write. Without space SQLite reports some writes as I/O errors.
fn is_write(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi;
    matches!(
        error.sqlite_error().map(|error| error.extended_code),
        Some(
            ffi::SQLITE_IOERR_WRITE
                | ffi::SQLITE_IOERR_FSYNC
                | ffi::SQLITE_IOERR_DIR_FSYNC
                | ffi::SQLITE_IOERR_TRUNCATE
                | ffi::SQLITE_IOERR_SHMSIZE
                | ffi::SQLITE_IOERR_SHMOPEN
        )
    )
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Unusable(
                "the database is damaged: stop darkroom, keep a copy of the file and restore a backup".to_owned(),
            ),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::Unusable(
                "the database cannot be written: check the permissions of the file and its folder".to_owned(),
            ),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Unavailable("another program keeps the database locked".to_owned())
            }
            Some(ErrorCode::DiskFull) => Self::Unavailable(DISK_FULL.to_owned()),
            Some(ErrorCode::SystemIoFailure) if is_write(&error) => Self::Unavailable(WRITE_FAILED.to_owned()),
            _ => Self::Unavailable(text::sanitize_line(&error.to_string(), 200)),
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn full_disk_is_reported_as_such() {
        let text = |code| StoreError::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)).to_string();
        assert!(text(ffi::SQLITE_FULL).contains(DISK_FULL));
        assert!(text(ffi::SQLITE_IOERR_SHMSIZE).contains("free space"));
        assert!(!text(ffi::SQLITE_IOERR_READ).contains("free space"));
    }
}
