//! The journal of a worker's submits: a file beside the worker's lock from which the next process on this machine learns what a
//! dead worker had certainly not sent, and which receipts never reached the store.
//!
//! | written | before | a worker that dies after it |
//! | --- | --- | --- |
//! | `begin` | the `Submitting` record is saved | nothing was sent: the job is queued again |
//! | `post` | the first byte of the request | the request may be accepted: `submit_unknown` |
//! | `accepted`, with the job and its receipt | the job is saved | the receipt is saved, once |
//! | `not_accepted` | the job is saved | the job is queued again |
//! | `settled` | | nothing is open |
//!
//! A process that dies loses nothing that it has written, so no submit waits for the disk. A machine that loses power may lose lines
//! and keep earlier ones: after a restart only receipts are used. A receipt whose save takes long becomes durable meanwhile.
//!
//! A journal proves something only if it is complete, names the submit, belongs to the job's claim, and was written by a dead process
//! of this machine, since its last start, for this store. In any other case the outcome stays unknown.

mod dead;
mod machine;
mod record;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use dead::LeftoverJournal;
pub(in crate::engine) use dead::{DeadJournal, DeadJournals, SubmitVerdict};
use machine::Machine;
pub(in crate::engine) use record::{AcceptedJob, SubmitKey, SubmitProgress};
use record::{Record, VERSION};

use crate::fs::{parent_dir, sync_dir};
use crate::jobs::WorkerId;

/// The end of a journal's name.
const SUFFIX: &str = ".journal";

/// A journal of this size is replaced by one with the open submits alone.
const MAX_BYTES: u64 = 1024 * 1024;

/// The journal cannot be written, so nothing may be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot write the submit journal {path}: {reason}; free space on the disk or check the data directory")]
pub struct JournalError {
    path: String,
    reason: String,
}

/// The journal of one worker of this process. Its file is created by the first submit.
#[derive(Debug)]
pub(crate) struct SubmitJournal {
    path: PathBuf,
    worker: WorkerId,
    store: String,
    state: Mutex<State>,
    /// Whether it waits for the disk where a machine could lose power.
    is_synced: bool,
    /// The journals of dead workers beside this one.
    pub(in crate::engine) dead: DeadJournals,
}

#[derive(Debug, Default)]
struct State {
    file: Option<OpenFile>,
    /// The submits whose outcome is not in the store, as far as this process knows.
    open: BTreeMap<SubmitKey, SubmitProgress>,
}

#[derive(Debug)]
struct OpenFile {
    file: Arc<File>,
    length: u64,
    /// The length at which it is replaced.
    max_length: u64,
    /// Whether it ends in the middle of a line, so that nothing may follow. Its lock stays: this worker is alive.
    is_damaged: bool,
}

impl OpenFile {
    /// Whether the next submit begins a new file.
    fn is_used_up(&self) -> bool {
        self.length >= self.max_length || self.is_damaged || is_deleted(&self.file)
    }
}

impl SubmitJournal {
    /// The journal of a worker in the folder of the lock files.
    pub(in crate::engine) fn new(folder: &Path, worker: &WorkerId, store: &str) -> Self {
        Self {
            path: folder.join(format!("{}{SUFFIX}", worker.as_str())),
            worker: worker.clone(),
            store: store.to_owned(),
            state: Mutex::default(),
            is_synced: true,
            dead: DeadJournals::new(folder.to_owned(), store.to_owned()),
        }
    }

    /// The same without a wait for the disk: it survives the process, not the machine.
    pub(in crate::engine) fn unsynced(mut self) -> Self {
        self.is_synced = false;
        self
    }

    /// Records a submit before its `Submitting` record is saved.
    pub(in crate::engine) fn begin(&self, key: &SubmitKey) -> Result<(), JournalError> {
        let mut state = self.state();
        if state.file.as_ref().is_none_or(OpenFile::is_used_up) {
            self.replace_file(&mut state)?;
        }
        self.append(&mut state, &Record::Begin(key.clone()))?;
        state.open.insert(key.clone(), SubmitProgress::Begun);
        Ok(())
    }

    /// Records that the request is sent now.
    pub(in crate::engine) fn post(&self, key: &SubmitKey) -> Result<(), JournalError> {
        let mut state = self.state();
        self.append(&mut state, &Record::Post(key.clone()))?;
        state.open.insert(key.clone(), SubmitProgress::Posted);
        Ok(())
    }

    /// Records that the provider accepted the request. A failure only costs the safety that the journal would add.
    pub(in crate::engine) fn accepted(&self, accepted: AcceptedJob) {
        let key = SubmitKey::of(&accepted.job);
        self.record_answer(key, SubmitProgress::Accepted(Box::new(accepted)));
    }

    /// Records that the provider certainly did not accept the request.
    pub(in crate::engine) fn not_accepted(&self, key: SubmitKey) {
        self.record_answer(key, SubmitProgress::NotAccepted);
    }

    /// Records that the outcome is in the store.
    pub(in crate::engine) fn settled(&self, key: &SubmitKey) {
        let mut state = self.state();
        if state.open.remove(key).is_some()
            && let Err(error) = self.append(&mut state, &Record::Settled(key.clone()))
        {
            // The next process checks the store and finds the outcome there.
            tracing::warn!(job = %key.job, attempt = key.attempt, %error, "submit not marked as settled");
        }
    }

    /// Makes every line so far durable. A failure only costs the safety that the journal would add.
    pub(in crate::engine) async fn sync(&self) {
        let file = self.state().file.as_ref().map(|open| open.file.clone());
        let Some(file) = file.filter(|_| self.is_synced) else { return };
        let folder = parent_dir(&self.path).to_owned();
        let write = move || {
            file.sync_all()?;
            sync_dir(&folder)?;
            sync_dir(parent_dir(&folder))
        };
        let synced = tokio::task::spawn_blocking(write).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        if let Err(error) = synced {
            tracing::error!(path = %self.path.display(), %error, "submit journal not durable");
        }
    }

    /// How far that submit of this worker came.
    pub(in crate::engine) fn progress(&self, key: &SubmitKey) -> Option<SubmitProgress> {
        self.state().open.get(key).cloned()
    }

    fn record_answer(&self, key: SubmitKey, progress: SubmitProgress) {
        let mut state = self.state();
        if let Err(error) = self.append(&mut state, &Record::of_progress(&key, &progress)) {
            tracing::error!(job = %key.job, attempt = key.attempt, %error, "submit reply not in the journal");
        }
        state.open.insert(key, progress);
    }

    fn append(&self, state: &mut State, record: &Record) -> Result<(), JournalError> {
        let line = record.encode().map_err(|error| self.error(error.to_string()))?;
        let Some(open) = state.file.as_mut().filter(|open| !open.is_damaged) else {
            return Err(self.error("an earlier line could not be written whole".to_owned()));
        };
        if let Err(error) = (&*open.file).write_all(&line) {
            // What follows an incomplete line would prove nothing.
            open.is_damaged = open.file.set_len(open.length).is_err();
            return Err(self.error(error.to_string()));
        }
        open.length += line.len() as u64;
        Ok(())
    }

    /// Begins a new file with the open submits. It is durable before it takes the place of the old one, whose receipts may be.
    fn replace_file(&self, state: &mut State) -> Result<(), JournalError> {
        let failed = |error: io::Error| self.error(error.to_string());
        std::fs::create_dir_all(parent_dir(&self.path)).map_err(failed)?;
        let part = self.path.with_extension("journal-part");
        let _ = std::fs::remove_file(&part);
        let file = create_private(&part).map_err(failed)?;
        let filled = self.fill(&file, &part, state);
        let length = filled.inspect_err(|_| {
            let _ = std::fs::remove_file(&part);
        })?;
        let max_length = MAX_BYTES.max(length * 2);
        // The old file's lock ends here: by now its name belongs to the new file, which is locked.
        state.file = Some(OpenFile { file: Arc::new(file), length, max_length, is_damaged: false });
        Ok(())
    }

    fn fill(&self, file: &File, part: &Path, state: &State) -> Result<u64, JournalError> {
        let failed = |error: io::Error| self.error(error.to_string());
        // A dead worker's journal is one that another process can lock.
        file.lock().map_err(failed)?;
        let first = Record::Journal {
            version: VERSION,
            worker: self.worker.clone(),
            store: self.store.clone(),
            machine: Machine::this(),
            inode: inode(file).map_err(failed)?,
        };
        let mut lines = Vec::new();
        for record in [first].into_iter().chain(state.open.iter().map(|(key, open)| Record::of_progress(key, open))) {
            lines.extend(record.encode().map_err(|error| self.error(error.to_string()))?);
        }
        (&*file).write_all(&lines).map_err(failed)?;
        if self.is_synced {
            file.sync_all().map_err(failed)?;
        }
        std::fs::rename(part, &self.path).map_err(failed)?;
        Ok(lines.len() as u64)
    }

    fn error(&self, reason: String) -> JournalError {
        JournalError { path: self.path.display().to_string(), reason }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is changed after the file was written: a panic in between leaves both usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SubmitJournal {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if state.file.is_some() && state.open.is_empty() {
            // A file that stays is removed by a later process.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Creates a new file that only this user may read.
fn create_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create_new(true).append(true).read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The number of the file in its file system, which a copy does not share.
#[cfg(unix)]
fn inode(file: &File) -> io::Result<u64> {
    file.metadata().map(|data| std::os::unix::fs::MetadataExt::ino(&data))
}

/// Unknown on this system.
#[cfg(not(unix))]
fn inode(_: &File) -> io::Result<u64> {
    Ok(0)
}

/// Whether the file has lost its name, such as with its directory: no later process would find it.
#[cfg(unix)]
fn is_deleted(file: &File) -> bool {
    file.metadata().is_ok_and(|data| std::os::unix::fs::MetadataExt::nlink(&data) == 0)
}

/// Unknown on this system.
#[cfg(not(unix))]
fn is_deleted(_: &File) -> bool {
    false
}

#[cfg(test)]
mod tests;
