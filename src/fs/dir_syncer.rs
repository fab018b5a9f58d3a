//! A directory that many threads make durable: those that arrive while one of them waits for the disk share the next wait.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::sync_dir;

/// The syncs of one directory.
#[derive(Debug)]
pub struct DirSyncer {
    dir: PathBuf,
    /// How many syncs were requested.
    requested: AtomicU64,
    state: Mutex<State>,
}

/// Numbers of requests, each up to which something holds.
#[derive(Debug, Default)]
struct State {
    durable: u64,
    /// What failed once may be reported as durable afterwards although it is lost.
    failed: u64,
}

impl DirSyncer {
    /// The syncs of that directory.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, requested: AtomicU64::new(0), state: Mutex::default() }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes every entry durable that was made before this call.
    pub fn sync(&self) -> io::Result<()> {
        let own = self.requested.fetch_add(1, Ordering::SeqCst) + 1;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if own <= state.failed {
            return Err(io::Error::other("the directory could not be synced"));
        }
        if own <= state.durable {
            return Ok(());
        }
        // All of these entries exist: each was made before its request.
        let covered = self.requested.load(Ordering::SeqCst);
        let synced = sync_dir(&self.dir);
        match synced {
            Ok(()) => state.durable = covered,
            Err(_) => state.failed = covered,
        }
        synced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syncs_of_many_threads_all_return() {
        let dir = tempfile::tempdir().unwrap();
        let syncer = DirSyncer::new(dir.path().to_owned());
        std::thread::scope(|scope| {
            for number in 0..16 {
                let syncer = &syncer;
                scope.spawn(move || {
                    std::fs::write(syncer.dir().join(number.to_string()), "x").unwrap();
                    syncer.sync().unwrap();
                });
            }
        });
        assert_eq!(syncer.requested.load(Ordering::SeqCst), 16);
        assert_eq!(syncer.state.lock().unwrap().durable, 16);
    }

    #[test]
    fn failed_sync_fails_for_all_that_it_covered() {
        let dir = tempfile::tempdir().unwrap();
        let syncer = DirSyncer::new(dir.path().join("later"));
        assert!(syncer.sync().is_err());
        std::fs::create_dir(syncer.dir()).unwrap();
        // A request that the failed sync covered, whose thread is only now at the lock.
        syncer.requested.store(0, Ordering::SeqCst);
        assert!(syncer.sync().is_err());
        syncer.sync().unwrap();
    }
}
