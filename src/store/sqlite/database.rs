//! The database file: creating it atomically, checking it before the first write, and opening connections.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags};

use super::super::StoreError;
use super::errors::{DISK_FULL, WRITE_FAILED};
use super::schema;
use crate::fs::{AtomicFile, parent_dir};
use crate::text;

/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The smallest page of SQLite, in bytes.
const SMALLEST_PAGE: u64 = 512;

/// Makes sure that a usable database of the current version is at `path`. A file that cannot be used is left unchanged. Damage is
/// searched for only after an unclean shutdown; otherwise it is reported where it is met, or by `darkroom doctor`.
pub(super) fn prepare(path: &Path) -> Result<UseLock, StoreError> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(unusable(path, "is not a file", CHOOSE_ANOTHER)),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => create(path)?,
        Err(error) => return Err(unusable(path, &format!("cannot be opened ({error})"), CHECK_PERMISSIONS)),
    }
    let (lock, alone) = take_lock(path);
    examine(path, alone)?;
    let mut connection = connect(path)?;
    schema::migrate(&mut connection, schema::MIGRATIONS)?;
    if alone {
        drop(lock);
        return Ok(UseLock { _file: share(&beside(path, ".lock")) });
    }
    Ok(lock)
}

/// A connection for the writer.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path)?;
    // FULL: a commit that was answered survives power loss. fullfsync is what that takes on Apple systems. temp_store: each write
    // has a savepoint, whose undo pages would otherwise go through temporary files. cache_size: SQLite walks through its whole
    // cache after each commit.
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
         PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 67108864;
         PRAGMA cache_size = -4000; PRAGMA temp_store = MEMORY;",
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// A connection that is used by one caller at a time.
pub(super) type SharedConnection = Arc<Mutex<Connection>>;

/// A new database in memory, which nothing else can open.
pub(super) fn in_memory() -> Result<SharedConnection, StoreError> {
    let mut connection = Connection::open_in_memory()?;
    schema::migrate(&mut connection, schema::MIGRATIONS)?;
    connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;")?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(Arc::new(Mutex::new(connection)))
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
const CHECK_DISK: &str = "check the disk and its free space, or choose another folder with DARKROOM_DATA_DIR";
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
        let full = error.to_string().contains(DISK_FULL);
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

/// Checks a file without writing to it, so that a file of another program or version is left as it is.
fn examine(path: &Path, alone: bool) -> Result<(), StoreError> {
    let length = fs::metadata(path)
        .map_err(|error| unusable(path, &format!("cannot be read ({error})"), CHECK_PERMISSIONS))?
        .len();
    if length == 0 {
        return Err(unusable(path, "is empty, so it lost its contents", RESTORE));
    }
    // SQLite takes a file without one whole page for an empty database.
    if length < SMALLEST_PAGE {
        return Err(unusable(path, "is not a database, or is cut short", RESTORE));
    }
    let has_wal = has_wal(path);
    inspect(path, has_wal, alone).map_err(|error| match error {
        StoreError::Unusable(line) => StoreError::Unusable(line),
        other => not_usable(path, &other),
    })
}

/// The error of a file that was opened and could not be read or written.
fn not_usable(path: &Path, error: &StoreError) -> StoreError {
    let text = error.to_string();
    if text.contains(DISK_FULL) || text.contains(WRITE_FAILED) {
        return unusable(path, "cannot be written", CHECK_DISK);
    }
    unusable(path, &format!("cannot be used ({text})"), CHECK_PERMISSIONS)
}

fn inspect(path: &Path, has_wal: bool, alone: bool) -> Result<(), StoreError> {
    let connection = open(path)?;
    // Closing the last connection would write the log back into a file that may be refused.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_wal)?;
    if connection.is_readonly(MAIN_DB)? {
        return Err(unusable(path, "cannot be written", CHECK_PERMISSIONS));
    }
    connection.pragma_update(None, "query_only", true)?;
    let pragma = |name: &str| -> Result<i64, StoreError> {
        let value: Result<i64, rusqlite::Error> = connection.pragma_query_value(None, name, |row| row.get(0));
        value.map_err(|error| damage(path, error))
    };
    let application = pragma("application_id")?;
    if application != i64::from(schema::APPLICATION_ID) {
        return Err(unusable(path, "belongs to another program", CHOOSE_ANOTHER));
    }
    refuse_newer(path, u64::try_from(pragma("user_version")?).unwrap_or(u64::MAX))?;
    // A log without a process that uses it is left by one that did not shut down.
    if alone && has_wal { quick_check(path, &connection) } else { Ok(()) }
}

/// Checks the structure of the whole file.
pub(super) fn verify(path: &Path) -> Result<(), StoreError> {
    quick_check(path, &connect_to_read(path)?)
}

fn quick_check(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let verdict: Result<String, rusqlite::Error> = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match verdict.map_err(|error| damage(path, error))? {
        verdict if verdict == "ok" => Ok(()),
        verdict => Err(unusable(path, &format!("is damaged ({verdict})"), RESTORE)),
    }
}

fn damage(path: &Path, error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => unusable(path, "is not a database, or its beginning is damaged", RESTORE),
        Some(ErrorCode::DatabaseCorrupt) => unusable(path, &format!("is damaged ({error})"), RESTORE),
        _ => error.into(),
    }
}

fn refuse_newer(path: &Path, version: u64) -> Result<(), StoreError> {
    if version <= u64::from(schema::version()) {
        return Ok(());
    }
    let what = format!("was written by a newer darkroom (version {version}, this one knows {})", schema::version());
    Err(unusable(path, &what, "update darkroom, or choose another folder with DARKROOM_DATA_DIR"))
}

fn has_wal(path: &Path) -> bool {
    fs::metadata(beside(path, "-wal")).is_ok_and(|metadata| metadata.len() > 0)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Held by every process that uses the database, as a shared lock.
#[derive(Debug)]
pub(super) struct UseLock {
    // Held, never read.
    _file: Option<File>,
}

/// Takes the lock. Returns whether no other process holds it. Where it cannot be taken, another process is assumed.
fn take_lock(path: &Path) -> (UseLock, bool) {
    let lock_file = beside(path, ".lock");
    if let Ok(Some(file)) = crate::fs::try_lock(&lock_file) {
        return (UseLock { _file: Some(file) }, true);
    }
    (UseLock { _file: share(&lock_file) }, false)
}

fn share(lock_file: &Path) -> Option<File> {
    let file = File::options().create(true).truncate(false).write(true).open(lock_file).ok()?;
    file.lock_shared().ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn full_disk_of_a_database_names_the_disk() {
        let error = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let line = |code| not_usable(Path::new("/data/darkroom.db"), &error(code).into()).to_string();
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_SHMSIZE] {
            let line = line(code);
            assert!(line.contains("cannot be written: check the disk and its free space"), "{line}");
            assert!(!line.contains("permissions"), "{line}");
        }
        assert!(line(ffi::SQLITE_CANTOPEN).contains("check the permissions"));
    }
}
