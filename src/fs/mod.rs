//! Files: written whole or not at all, durable directories, lock files. A ground room: it names no other room.

mod atomic;
mod dir_syncer;

pub use atomic::{AtomicFile, TEMP_PREFIX, TEMP_SUFFIX, write_atomically, write_new};
pub use dir_syncer::DirSyncer;

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// The directory of a path; the current one for a bare name.
pub fn parent_dir(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the entries of a directory durable: a new name survives a power loss only after this.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

/// Locks a file for this process, creating it where needed. `None` while another process has the lock.
///
/// The system drops the lock when the file is closed or the process dies.
pub fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_is_exclusive_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.lock");
        let held = try_lock(&path).unwrap();
        assert!(held.is_some());
        assert!(try_lock(&path).unwrap().is_none());
        drop(held);
        assert!(try_lock(&path).unwrap().is_some());
    }

    #[test]
    fn bare_name_is_in_the_current_directory() {
        assert_eq!(parent_dir(Path::new("a.png")), Path::new("."));
        assert_eq!(parent_dir(Path::new("b/a.png")), Path::new("b"));
    }
}
