//! Owns the database file as a file: creating it whole, finding out whether it can be used before anything is written, and
//! opening connections to it. Must not know its tables.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, MAIN_DB, OpenFlags};

use super::super::StoreError;
use super::schema;
use crate::fs::{AtomicFile, parent_dir};
use crate::text;

/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Up to this size every page is looked at on opening (a few dozen milliseconds); a larger file shows damage where it is met.
const CHECKED_WHOLE_UP_TO: u64 = 32 << 20;

/// Makes sure that a usable database of today's version is at `path`. A file that cannot be used is left as it is, to the byte.
pub(super) fn prepare(path: &Path) -> Result<(), StoreError> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(unusable(path, "is not a file", CHOOSE_ANOTHER)),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => create(path)?,
        Err(error) => return Err(unusable(path, &format!("cannot be opened ({error})"), CHECK_PERMISSIONS)),
    }
    examine(path)?;
    let mut connection = connect(path)?;
    schema::migrate(&mut connection, schema::MIGRATIONS)
}

/// A connection for the writer.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path)?;
    // FULL: a commit that was answered survives power loss. fullfsync is what that takes on Apple systems.
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
         PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 67108864;
         PRAGMA cache_size = -16000;",
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// A connection that refuses to write.
pub(super) fn connect_to_read(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000;")?;
    Ok(connection)
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

const CHOOSE_ANOTHER: &str = "move it away, or choose another folder with DARKROOM_DATA_DIR";
const CHECK_PERMISSIONS: &str = "check the permissions, or choose another folder with DARKROOM_DATA_DIR";
const FREE_SPACE: &str = "free some space on that disk, or choose another folder with DARKROOM_DATA_DIR";
const RESTORE: &str = "restore a backup, or move the file away to start with an empty database";

/// What to do about an error of the file system.
fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => FREE_SPACE,
        _ => CHECK_PERMISSIONS,
    }
}

fn unusable(path: &Path, what: &str, remedy: &str) -> StoreError {
    let shown = text::sanitize_line(&path.display().to_string(), 300);
    StoreError::Unusable(format!("the database {shown} {}: {remedy}", text::sanitize_line(what, 200)))
}

/// Builds the database beside `path` and gives it its name when it is whole, so that neither another process nor a loss of power
/// ever shows half a database under that name.
fn create(path: &Path) -> Result<(), StoreError> {
    let refuse = |error: std::io::Error| unusable(path, &format!("cannot be created ({error})"), remedy(&error));
    fs::create_dir_all(parent_dir(path)).map_err(refuse)?;
    let draft = AtomicFile::create(path).map_err(refuse)?;
    build(draft.temp_path()).map_err(|error| {
        let full = error.to_string().contains(super::errors::DISK_FULL);
        unusable(path, &format!("cannot be created ({error})"), if full { FREE_SPACE } else { CHECK_PERMISSIONS })
    })?;
    match draft.publish() {
        // Another process was faster: its database is as good as ours.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        published => published.map_err(refuse),
    }
}

fn build(draft: &Path) -> Result<(), StoreError> {
    let mut connection = open(draft)?;
    schema::migrate(&mut connection, schema::MIGRATIONS)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.close().map_err(|(_, error)| error.into())
}

/// Looks at the file without writing to it: first at its raw header, so that a stranger's file is not even opened by SQLite.
fn examine(path: &Path) -> Result<(), StoreError> {
    // The order matters: without a log, the file is whole from here on, and another process can only make it longer.
    let has_log = has_log(path);
    let header = read_header(path)?;
    let length = fs::metadata(path)
        .map_err(|error| unusable(path, &format!("cannot be read ({error})"), CHECK_PERMISSIONS))?
        .len();
    let Some(header) = header else {
        let what = if length == 0 { "is empty, so it lost its contents" } else { "is damaged: it is cut short" };
        return Err(unusable(path, what, RESTORE));
    };
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(unusable(path, "is not a database, or its beginning is damaged", RESTORE));
    }
    if number_at(&header, 68) != schema::APPLICATION_ID {
        return Err(unusable(path, "belongs to another program", CHOOSE_ANOTHER));
    }
    refuse_newer(path, u64::from(number_at(&header, 60)))?;
    // While there is a log, the file may rightly be shorter than its header says.
    if !has_log && length < page_size(&header) * u64::from(number_at(&header, 28)) {
        return Err(unusable(path, "is damaged: it is cut short", RESTORE));
    }
    look_inside(path, has_log, length).map_err(|error| match error {
        StoreError::Unusable(line) => StoreError::Unusable(line),
        other => unusable(path, &format!("cannot be used ({other})"), CHECK_PERMISSIONS),
    })
}

/// Asks SQLite, which also sees what is only in the log so far.
fn look_inside(path: &Path, has_log: bool, length: u64) -> Result<(), StoreError> {
    let connection = open(path)?;
    // Closing the last connection would write the log back into a file that may be refused.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_log)?;
    if connection.is_readonly(MAIN_DB)? {
        return Err(unusable(path, "cannot be written", CHECK_PERMISSIONS));
    }
    connection.pragma_update(None, "query_only", true)?;
    let damaged = |why: &str| unusable(path, &format!("is damaged ({why})"), RESTORE);
    let version = match schema::user_version(&connection) {
        Err(StoreError::Unusable(_)) => return Err(damaged("its first page cannot be read")),
        version => version?,
    };
    refuse_newer(path, version as u64)?;
    if length <= CHECKED_WHOLE_UP_TO {
        let verdict: Result<String, rusqlite::Error> =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
        match verdict.map_err(|error| (error.sqlite_error_code(), error)) {
            Ok(verdict) if verdict == "ok" => {}
            Ok(verdict) => return Err(damaged(&verdict)),
            Err((Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase), error)) => {
                return Err(damaged(&error.to_string()));
            }
            Err((_, error)) => return Err(error.into()),
        }
    }
    Ok(())
}

fn refuse_newer(path: &Path, version: u64) -> Result<(), StoreError> {
    if version <= u64::from(schema::version()) {
        return Ok(());
    }
    let what = format!("was written by a newer darkroom (version {version}, this one knows {})", schema::version());
    Err(unusable(path, &what, "update darkroom, or choose another folder with DARKROOM_DATA_DIR"))
}

fn has_log(path: &Path) -> bool {
    let mut log = OsString::from(path);
    log.push("-wal");
    fs::metadata(log).is_ok_and(|metadata| metadata.len() > 0)
}

/// The first 100 bytes (<https://www.sqlite.org/fileformat.html#the_database_header>); `None` where there are fewer.
fn read_header(path: &Path) -> Result<Option<[u8; 100]>, StoreError> {
    let mut header = [0; 100];
    match File::open(path).and_then(|mut file| file.read_exact(&mut header)) {
        Ok(()) => Ok(Some(header)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(unusable(path, &format!("cannot be read ({error})"), CHECK_PERMISSIONS)),
    }
}

fn number_at(header: &[u8; 100], offset: usize) -> u32 {
    header[offset..offset + 4].iter().fold(0, |number, byte| (number << 8) | u32::from(*byte))
}

fn page_size(header: &[u8; 100]) -> u64 {
    match u64::from(header[16]) << 8 | u64::from(header[17]) {
        1 => 65_536,
        size => size,
    }
}
