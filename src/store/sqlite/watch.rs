//! The change stream: a cursor on the file's sequence, woken by commits of this process and of others. It buffers nothing: a slow
//! reader gets each job once, in its newest version.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use tokio::sync::watch;

use super::super::{Change, ChangeStream, SharedRecord, StoreError};
use super::readers::Readers;
use super::row::{read_row, row_columns};
use super::{database, save, shared_records};
use crate::jobs::JobId;

/// How often the file is checked for changes of other processes. The check reads shared memory, not the disk.
const POLL_INTERVAL: Duration = Duration::from_millis(40);

/// Changes in one answer.
const BATCH_SIZE: usize = 500;

/// Bytes of documents in one answer, so that hostile megabytes do not add up. The change that passes it is still in.
const BATCH_BYTES: usize = 8 << 20;

/// A stream of changes of one database file.
pub(super) struct SqliteWatch {
    readers: Readers,
    commits: watch::Receiver<()>,
    cursor: Cursor,
    /// The reported versions of the records that are watched.
    records: Vec<Option<SharedRecord>>,
}

/// What a stream has returned so far.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cursor {
    /// The newest sequence number of a job, or of its removal.
    job: i64,
    /// The newest change of the caps.
    budget: i64,
}

impl SqliteWatch {
    /// From now on.
    pub(super) async fn from_now(readers: Readers, commits: watch::Receiver<()>) -> Result<Self, StoreError> {
        let newest = |connection: &Connection| {
            let job = save::last_number(connection)?;
            Ok((Cursor { job, budget: newest_budget(connection)? }, watched_records(connection)?))
        };
        let (cursor, records) = readers.read(newest).await?;
        Ok(Self { readers, commits, cursor, records })
    }
}

#[async_trait]
impl ChangeStream for SqliteWatch {
    async fn next(&mut self) -> Result<Vec<Change>, StoreError> {
        loop {
            // Taken before the look, so that a commit after it wakes the wait below.
            self.commits.mark_unchanged();
            let cursor = self.cursor;
            let read = move |connection: &Connection| Ok((changes(connection, cursor)?, watched_records(connection)?));
            let ((mut changes, last), records) = self.readers.read(read).await?;
            self.cursor = last;
            for record in records.iter().filter(|record| !self.records.contains(record)).flatten() {
                changes.push(Change::SharedRecord(record.clone()));
            }
            self.records = records;
            if !changes.is_empty() {
                return Ok(changes);
            }
            if last == cursor && self.commits.changed().await.is_err() {
                return Err(StoreError::Unavailable("the store was closed".to_owned()));
            }
        }
    }
}

fn watched_records(connection: &Connection) -> Result<Vec<Option<SharedRecord>>, StoreError> {
    SharedRecord::WATCHED.iter().map(|(kind, id)| shared_records::get(connection, kind, id)).collect()
}

/// A removed job has no document.
pub(super) const CHANGES: &str = concat!(
    "SELECT seq, ",
    row_columns!(),
    " FROM jobs WHERE seq > ?1
     UNION ALL SELECT seq, id, 0, '', 0, NULL FROM removed_jobs WHERE seq > ?1 ORDER BY seq"
);

/// The column of the document in `CHANGES`.
const DOCUMENT: usize = 5;

fn newest_budget(connection: &Connection) -> Result<i64, StoreError> {
    let mut statement = connection.prepare_cached("SELECT coalesce(max(number), 0) FROM budget_changes")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

fn changes(connection: &Connection, after: Cursor) -> Result<(Vec<Change>, Cursor), StoreError> {
    let mut statement = connection.prepare_cached(CHANGES)?;
    let mut rows = statement.query([after.job])?;
    let (mut changes, mut last, mut bytes) = (Vec::new(), after.job, 0);
    while changes.len() < BATCH_SIZE
        && bytes < BATCH_BYTES
        && let Some(row) = rows.next()?
    {
        last = row.get(0)?;
        if row.get_ref(DOCUMENT)? == ValueRef::Null {
            changes.extend(JobId::new(row.get::<_, String>(1)?).map(Change::Removed));
            continue;
        }
        let stored = read_row(row, 1)?;
        bytes += stored.bytes;
        match (stored.job, JobId::new(stored.id)) {
            (Ok(job), _) => changes.push(Change::Job(Arc::new(job))),
            (Err(reason), Ok(id)) => changes.push(Change::Unreadable { id, reason }),
            (Err(_), Err(error)) => tracing::warn!(%error, "unreadable row skipped"),
        }
    }
    let budget = newest_budget(connection)?;
    if budget > after.budget {
        changes.push(Change::Budget);
    }
    Ok((changes, Cursor { job: last, budget }))
}

/// Wakes the watches when another process has changed the file. Dropping it ends its thread.
pub(super) struct FileWatcher {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FileWatcher {
    /// Starts the thread, with a connection of its own.
    pub(super) fn start(path: &Path, commits: watch::Sender<()>) -> Result<Self, StoreError> {
        let (stop, stopped) = mpsc::channel();
        let connection = database::connect_to_read(path)?;
        let thread = thread::Builder::new()
            .name("store-file-watcher".to_owned())
            .spawn(move || poll(&connection, &stopped, &commits))
            .map_err(|error| StoreError::Unavailable(format!("no thread could be started: {error}")))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for FileWatcher {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("file watcher thread exited unexpectedly");
        }
    }
}

fn poll(connection: &Connection, stopped: &mpsc::Receiver<()>, commits: &watch::Sender<()>) {
    let mut seen = None;
    while stopped.recv_timeout(POLL_INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
        let version: Option<i64> = connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .ok();
        // Where the file does not answer, the watches are woken to meet the error themselves.
        if version != seen || version.is_none() {
            commits.send_replace(());
        }
        seen = version;
    }
}
