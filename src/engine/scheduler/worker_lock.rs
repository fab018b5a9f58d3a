//! One locked file for each worker of this machine. The operating system drops the lock when the process dies, however it dies; a
//! suspended process keeps it.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::engine::image_spool::ImageSpool;
use crate::engine::submit_journal::SubmitJournal;
use crate::jobs::WorkerId;

/// This long after a worker was found dead no claim can depend on its file.
const DELETE_AFTER: Duration = Duration::from_hours(24);

/// How old the number of live workers may be on a screen.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Processes that run no jobs keep their locks here.
const OBSERVERS: &str = "observers";

/// The folder of the lock files cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {path}: {source}; check that the data directory exists and belongs to you")]
pub struct WorkerLockError {
    path: PathBuf,
    source: io::Error,
}

/// This process as a worker, for as long as the value lives.
#[derive(Debug)]
pub struct WorkerLock {
    data_dir: PathBuf,
    folder: PathBuf,
    /// Where the files of the workers are; another folder for a process that runs no jobs.
    workers: PathBuf,
    file: PathBuf,
    worker: WorkerId,
    // Held for its lock, never read.
    _lock: File,
}

impl WorkerLock {
    /// Takes a new worker id and acquires its lock under `data_dir`.
    pub fn acquire(data_dir: &Path) -> Result<Self, WorkerLockError> {
        Self::acquire_in(data_dir, folder(data_dir))
    }

    /// The same for a process that runs no jobs: it does not count as a worker.
    pub fn observe(data_dir: &Path) -> Result<Self, WorkerLockError> {
        Self::acquire_in(data_dir, folder(&data_dir.join(OBSERVERS)))
    }

    /// How many workers of this machine are alive, this process included if it is one.
    pub fn live(&self) -> usize {
        workers(&self.workers).into_iter().filter(|(path, _)| *path == self.file || !is_dead(path)).count()
    }

    fn acquire_in(data_dir: &Path, folder: PathBuf) -> Result<Self, WorkerLockError> {
        let workers = self::folder(data_dir);
        let failed = |source| WorkerLockError { path: folder.clone(), source };
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let worker = WorkerId::new(format!("worker-{}-{:08x}", std::process::id(), rand::random::<u32>()));
        let file = folder.join(format!("{}.lock", worker.as_str()));
        // Locked before it has its name: a file without a lock under that name is a dead worker's.
        let unnamed = file.with_extension("lock-part");
        let lock = File::create_new(&unnamed).map_err(failed)?;
        lock.lock().map_err(failed)?;
        std::fs::rename(&unnamed, &file).map_err(failed)?;
        Ok(Self { data_dir: data_dir.to_owned(), folder, workers, file, worker, _lock: lock })
    }

    /// This worker's id.
    pub fn worker(&self) -> &WorkerId {
        &self.worker
    }

    /// The journal of this worker's submits to jobs of that store. At most one for each worker.
    pub(in crate::engine) fn journal(&self, store_id: &str) -> SubmitJournal {
        SubmitJournal::new(&self.folder, &self.worker, store_id)
    }

    /// The images that workers of this data directory could not store.
    pub(in crate::engine) fn image_spool(&self, store_id: &str) -> ImageSpool {
        ImageSpool::open(&self.data_dir, store_id)
    }

    /// Workers that are provably dead.
    pub fn dead_workers(&self) -> Vec<WorkerId> {
        let mut dead = Vec::new();
        for (path, worker) in workers(&self.folder) {
            if path == self.file || !is_dead(&path) {
                continue;
            }
            if was_found_dead_long_ago(&path) {
                // Best effort: a file that stays is checked again.
                let _ = std::fs::remove_file(&path);
            } else {
                mark_dead(&path);
                dead.push(worker);
            }
        }
        dead
    }

    /// The live workers on the data directory `data_dir`.
    pub fn live_workers(data_dir: &Path) -> Vec<WorkerId> {
        workers(&folder(data_dir)).into_iter().filter(|(path, _)| !is_dead(path)).map(|(_, worker)| worker).collect()
    }
}

/// How many workers of this machine are alive, checked every few seconds.
#[derive(Debug, Default)]
pub(super) struct LiveWorkers {
    known: Option<(usize, Instant)>,
}

impl LiveWorkers {
    /// The number, if it was checked now and has changed.
    pub(super) fn change(&mut self, lock: &WorkerLock) -> Option<usize> {
        if self.known.is_some_and(|(_, at)| at.elapsed() < CHECK_INTERVAL) {
            return None;
        }
        let count = lock.live();
        let known = self.known.replace((count, Instant::now()));
        known.is_none_or(|(known, _)| known != count).then_some(count)
    }
}

impl Drop for WorkerLock {
    fn drop(&mut self) {
        // A worker that shuts down has released its claims, so the file is not needed.
        let _ = std::fs::remove_file(&self.file);
    }
}

fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("workers")
}

fn workers(folder: &Path) -> Vec<(PathBuf, WorkerId)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let name = path.file_name()?.to_str()?.strip_suffix(".lock")?.to_owned();
            Some((path, WorkerId::new(name)))
        })
        .collect()
}

/// Only a lock that this process could take itself is a proof, of a file that still has its name: a worker that shuts down removes it
/// before it drops the lock.
fn is_dead(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    match file.try_lock_shared() {
        Ok(()) => path.exists(),
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}

/// Writes into the file when its worker is first found dead: the file's age counts from then, not from the start of the worker.
fn mark_dead(path: &Path) {
    if path.metadata().is_ok_and(|data| data.len() == 0) {
        // Best effort: a file without the mark stays.
        let _ = File::options().write(true).open(path).and_then(|mut file| file.write_all(b"dead\n"));
    }
}

fn was_found_dead_long_ago(path: &Path) -> bool {
    let Ok(data) = path.metadata() else { return false };
    let age = data.modified().ok().and_then(|at| at.elapsed().ok());
    data.len() > 0 && age.is_some_and(|age| age > DELETE_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unlocked_file_means_dead_worker() {
        let data = tempfile::tempdir().unwrap();
        let here = WorkerLock::acquire(data.path()).unwrap();
        let other = WorkerLock::acquire(data.path()).unwrap();
        assert_eq!(here.dead_workers(), []);
        let mut live = WorkerLock::live_workers(data.path());
        live.sort();
        let mut both = vec![here.worker().clone(), other.worker().clone()];
        both.sort();
        assert_eq!(live, both);
        let observer = WorkerLock::observe(data.path()).unwrap();
        assert_eq!((here.live(), observer.live()), (2, 2), "an observer is no worker");
        std::fs::write(data.path().join("workers/worker-1-dead.lock"), "").unwrap();
        assert_eq!(observer.live(), 2);
        assert_eq!(here.dead_workers(), [WorkerId::new("worker-1-dead")]);
        drop(other);
        assert_eq!(WorkerLock::live_workers(data.path()), [here.worker().clone()]);
    }

    #[test]
    fn worker_that_ran_for_days_is_found_dead() {
        let data = tempfile::tempdir().unwrap();
        let here = WorkerLock::acquire(data.path()).unwrap();
        let path = data.path().join("workers/worker-1-dead.lock");
        let age = || {
            let file = File::options().append(true).create(true).open(&path).unwrap();
            file.set_modified(std::time::SystemTime::now() - 2 * DELETE_AFTER).unwrap();
        };
        // It started two days ago, and died just now.
        age();
        for _ in 0..2 {
            assert_eq!(here.dead_workers(), [WorkerId::new("worker-1-dead")]);
        }
        // It was found dead two days ago.
        age();
        assert_eq!(here.dead_workers(), []);
        assert!(!path.exists());
    }

    #[test]
    fn starting_worker_is_never_taken_for_dead() {
        let data = tempfile::tempdir().unwrap();
        let here = WorkerLock::acquire(data.path()).unwrap();
        let is_done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    drop(WorkerLock::acquire(data.path()).unwrap());
                }
                is_done.store(true, std::sync::atomic::Ordering::SeqCst);
            });
            while !is_done.load(std::sync::atomic::Ordering::SeqCst) {
                assert_eq!(here.dead_workers(), []);
            }
        });
    }
}
