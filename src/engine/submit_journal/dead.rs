//! The journals that dead workers left: what each of them proves.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::machine::Machine;
use super::record::{AcceptedJob, Record, SubmitKey, SubmitProgress, VERSION};
use super::{SUFFIX, inode};
use crate::jobs::WorkerId;

/// How long a journal whose submits are all settled stays: a `Submitting` record that was on its way when its worker died may reach
/// the store later.
const KEEP_SETTLED: Duration = Duration::from_hours(1);

/// Longest name of a worker. Names come from documents, so they are checked before they become a path.
const MAX_NAME_LENGTH: usize = 100;

/// What is known about a submit whose worker no longer runs.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::engine) enum SubmitVerdict {
    /// The provider certainly does not have it.
    NotAccepted,
    /// The provider accepted it, and the receipt may be in no store.
    Accepted(Box<AcceptedJob>),
    /// The provider may have accepted it.
    Unknown,
}

/// The journal of a dead worker of this machine and store.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::engine) struct DeadJournal {
    pub(in crate::engine) worker: WorkerId,
    /// The submits that are not marked as settled.
    pub(in crate::engine) open: BTreeMap<SubmitKey, SubmitProgress>,
    /// Whether every line can be read, but for an unfinished last one.
    is_complete: bool,
    /// Whether the machine has not been restarted since.
    is_same_boot: bool,
}

/// Why a journal proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Unusable {
    #[error("its worker runs")]
    Alive,
    #[error("it cannot be read")]
    Unreadable,
    #[error("it belongs to another store")]
    OtherStore,
    #[error("it is a copy, or from another machine")]
    OtherMachine,
}

/// The journals in one folder.
#[derive(Debug)]
pub(in crate::engine) struct DeadJournals {
    folder: PathBuf,
    store: String,
    /// A dead worker's journal never changes.
    read: Mutex<HashMap<WorkerId, Arc<DeadJournal>>>,
    /// The workers whose submits are all settled.
    recovered: Mutex<HashSet<WorkerId>>,
}

/// A journal of a dead worker with submits that are not settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftoverJournal {
    /// The file.
    pub path: PathBuf,
    /// How many submits are open; `None` if the file cannot be read.
    pub open: Option<usize>,
    /// Why a worker here cannot settle them; `None` if the next one will.
    pub obstacle: Option<String>,
}

impl LeftoverJournal {
    /// Those in the data directory, for a worker on that store.
    pub fn list(data_dir: &Path, store: &str) -> Vec<Self> {
        let folder = data_dir.join("workers");
        let leftover = |(path, worker): (PathBuf, WorkerId)| match read(&path, &worker, store) {
            Ok(journal) if journal.open.is_empty() => None,
            Ok(journal) => Some(Self { path, open: Some(journal.open.len()), obstacle: None }),
            Err((Unusable::Alive, _) | (_, Some(0))) => None,
            Err((reason, open)) => Some(Self { path, open, obstacle: Some(reason.to_string()) }),
        };
        files(&folder).into_iter().filter_map(leftover).collect()
    }
}

impl DeadJournal {
    /// What the journal proves about a job that its worker has left in `Submitting`.
    pub(in crate::engine) fn verdict(&self, key: &SubmitKey) -> SubmitVerdict {
        // A machine that lost power may have lost the line after this one: the POST, or the begin of the next one.
        let is_last_line_known = self.is_complete && self.is_same_boot;
        match self.open.get(key) {
            Some(SubmitProgress::Accepted(accepted)) => SubmitVerdict::Accepted(accepted.clone()),
            Some(SubmitProgress::Begun | SubmitProgress::NotAccepted) if is_last_line_known => {
                SubmitVerdict::NotAccepted
            }
            // Every submit has a line, so that a journal without it has lost it.
            _ => SubmitVerdict::Unknown,
        }
    }
}

impl DeadJournals {
    pub(super) fn new(folder: PathBuf, store: String) -> Self {
        Self { folder, store, read: Mutex::default(), recovered: Mutex::default() }
    }

    /// What is known about that submit of a worker, dead or alive.
    pub(in crate::engine) fn verdict(&self, worker: &WorkerId, key: &SubmitKey) -> SubmitVerdict {
        let journal = path(&self.folder, worker).and_then(|path| self.read(&path, worker));
        journal.map_or(SubmitVerdict::Unknown, |journal| journal.verdict(key))
    }

    /// The journals whose submits are not known to be settled. Removes old ones without an open submit.
    pub(in crate::engine) fn unrecovered(&self) -> Vec<Arc<DeadJournal>> {
        let mut journals = Vec::new();
        for (path, worker) in files(&self.folder) {
            if lock(&self.recovered).contains(&worker) {
                remove_if_old(&path);
                continue;
            }
            match self.read(&path, &worker) {
                Some(journal) if journal.open.is_empty() => remove_if_old(&path),
                journal => journals.extend(journal),
            }
        }
        journals
    }

    /// Every submit of that worker is settled in the store.
    pub(in crate::engine) fn mark_recovered(&self, worker: &WorkerId) {
        lock(&self.recovered).insert(worker.clone());
        if let Some(path) = path(&self.folder, worker) {
            remove_if_old(&path);
        }
    }

    fn read(&self, path: &Path, worker: &WorkerId) -> Option<Arc<DeadJournal>> {
        if let Some(journal) = lock(&self.read).get(worker) {
            return Some(journal.clone());
        }
        let journal = match read(path, worker, &self.store) {
            Ok(journal) => Arc::new(journal),
            Err((reason, _)) => {
                tracing::debug!(%worker, %reason, "submit journal not used");
                return None;
            }
        };
        lock(&self.read).insert(worker.clone(), journal.clone());
        Some(journal)
    }
}

/// Reads a journal. Errors: why it proves nothing, and the number of open submits as far as it can be read.
fn read(path: &Path, worker: &WorkerId, store: &str) -> Result<DeadJournal, (Unusable, Option<usize>)> {
    let unreadable = |_| (Unusable::Unreadable, None);
    let mut file = File::open(path).map_err(unreadable)?;
    match file.try_lock_shared() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err((Unusable::Alive, None)),
        Err(TryLockError::Error(_)) => return Err((Unusable::Unreadable, None)),
    }
    // A live worker may have replaced the file after it was opened here: then its name belongs to another file, which is locked.
    let number = inode(&file).map_err(unreadable)?;
    let named = File::open(path).and_then(|named| inode(&named)).map_err(unreadable)?;
    if number != named {
        return Err((Unusable::Alive, None));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    let (records, is_complete) = decode(&bytes);
    let mut records = records.into_iter();
    let Some(Record::Journal { version: VERSION, worker: owner, store: owner_store, machine, inode }) = records.next()
    else {
        return Err((Unusable::Unreadable, None));
    };
    let open = open_submits(records);
    let here = Machine::this();
    let obstacle = if owner != *worker || inode != number || !machine.is_same(&here) {
        Some(Unusable::OtherMachine)
    } else if owner_store != store {
        Some(Unusable::OtherStore)
    } else {
        None
    };
    match obstacle {
        Some(obstacle) => Err((obstacle, Some(open.len()))),
        None => Ok(DeadJournal { worker: owner, open, is_complete, is_same_boot: machine.is_same_boot(&here) }),
    }
}

/// The records that can be read, and whether nothing is missing among them. The last line may be unfinished: what it would record had
/// not happened yet.
fn decode(bytes: &[u8]) -> (Vec<Record>, bool) {
    let mut records = Vec::new();
    let mut is_complete = true;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else { break };
        match Record::decode(line) {
            Some(record) => records.push(record),
            None => is_complete = false,
        }
    }
    (records, is_complete)
}

fn open_submits(records: impl Iterator<Item = Record>) -> BTreeMap<SubmitKey, SubmitProgress> {
    let mut open = BTreeMap::new();
    for record in records {
        match record {
            Record::Journal { .. } => {}
            Record::Begin(key) => {
                open.insert(key, SubmitProgress::Begun);
            }
            Record::Post(key) => {
                open.insert(key, SubmitProgress::Posted);
            }
            Record::Accepted(accepted) => {
                open.insert(SubmitKey::of(&accepted.job), SubmitProgress::Accepted(accepted));
            }
            Record::NotAccepted(key) => {
                open.insert(key, SubmitProgress::NotAccepted);
            }
            Record::Settled(key) => {
                open.remove(&key);
            }
        }
    }
    open
}

/// The journals in the folder, in the order of their names.
fn files(folder: &Path) -> Vec<(PathBuf, WorkerId)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<(PathBuf, WorkerId)> = entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let name = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?.to_owned();
            Some((path, WorkerId::new(name)))
        })
        .collect();
    files.sort();
    files
}

/// The journal of a worker; `None` for an id that is not a plain name.
fn path(folder: &Path, worker: &WorkerId) -> Option<PathBuf> {
    let name = worker.as_str();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let is_name = !name.is_empty() && name.len() <= MAX_NAME_LENGTH && name.chars().all(is_plain);
    is_name.then(|| folder.join(format!("{name}{SUFFIX}")))
}

fn remove_if_old(path: &Path) {
    let modified = path.metadata().and_then(|data| data.modified());
    if modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > KEEP_SETTLED)) {
        // Best effort: a file that stays is checked again.
        let _ = std::fs::remove_file(path);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
