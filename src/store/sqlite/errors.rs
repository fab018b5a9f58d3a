//! Owns what SQLite's errors mean to a caller of the port. Must not decide what to do about them.

use rusqlite::ErrorCode;

use super::super::StoreError;
use crate::text;

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
            Some(ErrorCode::DiskFull) => Self::Unavailable("the disk of the database is full".to_owned()),
            _ => Self::Unavailable(text::sanitize_line(&error.to_string(), 200)),
        }
    }
}
