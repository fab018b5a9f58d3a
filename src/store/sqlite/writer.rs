//! The thread that writes. It commits many writes at once. A database in memory is written on the caller's thread instead.
//!
//! A commit costs one wait for the disk, however much it contains. So every write that arrived during the last commit goes into
//! the next one. A write that fails does not affect the others: then all are applied again, each with a savepoint of its own.

use std::sync::PoisonError;
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::super::schema::{ImportOutcome, ImportedDocument, Record, RemoveOutcome};
use super::super::{BudgetChange, JobVersion, SharedRecord, StoreError, TaskLimits};
use super::database::SharedConnection;
use super::row::Row;
use super::save::{self, Sequence};
use super::{budget, import, ledger, removal, shared_records, tasks};
use crate::costs::Budget;

/// Writes that may wait before callers have to.
const QUEUE_CAPACITY: usize = 4_096;

/// Writes in one commit: a bound on how long the first of them waits for the last.
const BATCH_SIZE: usize = 1_000;

/// One write, applied whole or not at all.
#[derive(Debug)]
pub(super) enum Write {
    /// All of these jobs, or none.
    Create(Vec<Row>),
    /// One compare-and-set; for the save that begins a submit, with the caps of this process and the limits on unfinished tasks.
    Save(Box<Row>, Option<Budget>, Option<TaskLimits>),
    /// A change of the caps.
    ChangeBudget(BudgetChange),
    /// One compare-and-set of a shared record.
    PutSharedRecord(Box<SharedRecord>),
    /// Documents of other programs. The outcomes are sent on the channel and are final once the write is confirmed.
    Import(Vec<Record>, mpsc::UnboundedSender<Vec<ImportOutcome>>),
    /// Imported documents are removed; outcomes as for the import.
    RemoveImported(Vec<ImportedDocument>, mpsc::UnboundedSender<Vec<RemoveOutcome>>),
    /// Finished jobs are removed, their charges stay; outcomes as for the import.
    RemoveFinished(Vec<JobVersion>, mpsc::UnboundedSender<Vec<RemoveOutcome>>),
}

impl Write {
    /// Whether it may be applied again after a rollback: it reports nothing before the commit.
    fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Import(..) | Self::RemoveImported(..) | Self::RemoveFinished(..))
    }

    /// Applies the write and returns the new revision of the job or the record. After an error the caller must roll back what was written so far.
    fn apply(&self, connection: &Connection, sequence: &mut Sequence) -> Result<u64, StoreError> {
        match self {
            Self::Create(rows) => {
                for row in rows {
                    save::create(connection, row, sequence)?;
                }
                Ok(1)
            }
            Self::Save(row, budget, limits) => {
                let revision = save::save(connection, row, sequence)?;
                if let Some(limits) = limits {
                    tasks::check(connection, limits, row)?;
                }
                if let Some(budget) = budget {
                    ledger::check_attempt_number(connection, row)?;
                    ledger::check_budget(connection, *budget, row)?;
                }
                Ok(revision)
            }
            Self::ChangeBudget(change) => {
                budget::change(connection, change)?;
                Ok(1)
            }
            Self::PutSharedRecord(record) => shared_records::put(connection, record),
            Self::Import(records, outcomes) => {
                // The import is committed even if its caller is no longer waiting.
                let _ = outcomes.send(import::import(connection, records, Some(sequence))?);
                Ok(1)
            }
            Self::RemoveImported(documents, outcomes) => {
                let _ = outcomes.send(import::remove(connection, documents, Some(sequence))?);
                Ok(1)
            }
            Self::RemoveFinished(jobs, outcomes) => {
                let _ = outcomes.send(removal::remove_finished(connection, jobs, sequence)?);
                Ok(1)
            }
        }
    }
}

struct Request {
    write: Write,
    reply: oneshot::Sender<Result<u64, StoreError>>,
}

/// What writes for a store.
pub(super) enum Writer {
    /// A thread: the file of a store.
    Thread(WriterThread),
    /// The caller: a database in memory.
    Inline(SharedConnection, watch::Sender<()>),
}

impl Writer {
    /// Writes it durably, or says why not. Returns the new revision.
    pub(super) async fn write(&self, write: Write) -> Result<u64, StoreError> {
        match self {
            Self::Thread(thread) => thread.write(write).await,
            Self::Inline(connection, commits) => {
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                let answer = commit(&connection, &[&write]).pop();
                commits.send_replace(());
                answer.unwrap_or_else(|| Err(StoreError::Unavailable("the write has no answer".to_owned())))
            }
        }
    }
}

/// The writing thread of a store. Dropping it waits for what was already handed over, so that the file is closed cleanly.
pub(super) struct WriterThread {
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl WriterThread {
    /// Starts the thread. `commits` is notified after each commit.
    pub(super) fn start(connection: Connection, commits: watch::Sender<()>) -> Result<Self, StoreError> {
        let (requests, receiver) = mpsc::channel(QUEUE_CAPACITY);
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(&connection, receiver, &commits))
            .map_err(|error| StoreError::Unavailable(format!("no thread could be started: {error}")))?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    async fn write(&self, write: Write) -> Result<u64, StoreError> {
        let ended = || StoreError::Unavailable("the store's writer has ended".to_owned());
        let (reply, answer) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or_else(ended)?;
        requests.send(Request { write, reply }).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("writer thread exited unexpectedly");
        }
    }
}

fn run(connection: &Connection, mut requests: mpsc::Receiver<Request>, commits: &watch::Sender<()>) {
    while let Some(first) = requests.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH_SIZE
            && let Ok(next) = requests.try_recv()
        {
            batch.push(next);
        }
        let answers = commit(connection, &batch.iter().map(|request| &request.write).collect::<Vec<_>>());
        if answers.iter().any(Result::is_ok) {
            commits.send_replace(());
        }
        for (request, answer) in batch.into_iter().zip(answers) {
            // The caller is gone: the write happens nevertheless.
            let _ = request.reply.send(answer);
        }
    }
}

/// One answer for each request. Nothing is answered before the commit: a refusal may rest on a write that stands before it in
/// the same commit.
fn commit(connection: &Connection, batch: &[&Write]) -> Vec<Result<u64, StoreError>> {
    let commit_all = || match try_commit(connection, batch, batch.iter().all(|write| write.is_repeatable()))? {
        Some(answers) => Ok(answers),
        None => Ok(try_commit(connection, batch, false)?.unwrap_or_default()),
    };
    commit_all().unwrap_or_else(|error: StoreError| {
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "a transaction could not be rolled back");
        }
        batch.iter().map(|_| Err(error.clone())).collect()
    })
}

/// Without savepoints (`is_optimistic`) the first write that fails ends in a rollback of all, and `None`.
fn try_commit(
    connection: &Connection,
    batch: &[&Write],
    is_optimistic: bool,
) -> Result<Option<Vec<Result<u64, StoreError>>>, StoreError> {
    step(connection, "BEGIN IMMEDIATE")?;
    let mut sequence = Sequence::of(connection)?;
    let mut answers = Vec::with_capacity(batch.len());
    for write in batch {
        if is_optimistic {
            match write.apply(connection, &mut sequence) {
                Ok(revision) => answers.push(Ok(revision)),
                Err(error) if connection.is_autocommit() => return Err(error),
                Err(_) => {
                    step(connection, "ROLLBACK")?;
                    return Ok(None);
                }
            }
            continue;
        }
        step(connection, "SAVEPOINT one")?;
        let answer = write.apply(connection, &mut sequence);
        if let Err(error) = &answer {
            if connection.is_autocommit() {
                // SQLite itself gave up the whole transaction: the disk is full or failing.
                return Err(error.clone());
            }
            step(connection, "ROLLBACK TO one")?;
        }
        step(connection, "RELEASE one")?;
        answers.push(answer);
    }
    // Without a single write there is nothing to wait for the disk for.
    step(connection, if answers.iter().any(Result::is_ok) { "COMMIT" } else { "ROLLBACK" })?;
    Ok(Some(answers))
}

fn step(connection: &Connection, statement: &str) -> Result<(), StoreError> {
    connection.prepare_cached(statement)?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::super::{database, list};
    use super::*;
    use crate::jobs::{Job, JobId, Spec};

    fn creation(name: &str, prompt: &str) -> Write {
        let spec = Spec::new("flux-dev", prompt);
        let job = Job::new(JobId::new(name).unwrap(), spec, true, chrono::DateTime::UNIX_EPOCH);
        Write::Create(vec![Row::of(&job).unwrap()])
    }

    fn open(path: &Path) -> Connection {
        database::prepare(path).unwrap();
        database::connect(path).unwrap()
    }

    fn start(connection: Connection) -> WriterThread {
        WriterThread::start(connection, watch::channel(()).0).unwrap()
    }

    #[tokio::test]
    async fn locked_file_is_unavailable_then_usable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("darkroom.db");
        let connection = open(&path);
        connection.busy_timeout(Duration::from_millis(1)).unwrap();
        let other = open(&path);
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let writer = start(connection);
        let refused = writer.write(creation("a", "")).await;
        assert!(matches!(&refused, Err(StoreError::Unavailable(line)) if line.contains("locked")), "{refused:?}");
        other.execute_batch("COMMIT").unwrap();
        assert_eq!(writer.write(creation("a", "")).await, Ok(1));
    }

    #[test]
    fn failed_write_leaves_the_others_of_its_commit() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(&folder.path().join("darkroom.db"));
        let (first, last) = (creation("a", ""), creation("d", ""));
        // Its first row is written before the second one fails.
        let (Write::Create(mut rows), Write::Create(taken)) = (creation("b", ""), creation("a", "")) else { panic!() };
        rows.extend(taken);
        let answers = commit(&connection, &[&first, &Write::Create(rows), &last]);
        let id = JobId::new("a").unwrap();
        assert_eq!(answers, [Ok(1), Err(StoreError::AlreadyExists(id.clone())), Ok(1)]);
        assert_eq!(list::find(&connection, "", 10).unwrap(), [id, JobId::new("d").unwrap()]);
    }

    #[tokio::test]
    async fn full_disk_is_unavailable_file_stays_intact() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("darkroom.db");
        let connection = open(&path);
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        // SQLite then behaves as on a disk with room for two more pages.
        connection.pragma_update(None, "max_page_count", pages + 2).unwrap();
        let writer = start(connection);
        let refused = writer.write(creation("large", &"x".repeat(100_000))).await;
        assert!(matches!(&refused, Err(StoreError::Unavailable(line)) if line.contains("full")), "{refused:?}");
        assert_eq!(writer.write(creation("small", "x")).await, Ok(1));
        drop(writer);
        let connection = open(&path);
        assert_eq!(list::find(&connection, "", 10).unwrap(), [JobId::new("small").unwrap()]);
    }

    #[tokio::test]
    async fn queued_writes_finish_before_close() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("darkroom.db");
        let writer = start(open(&path));
        let requests = writer.requests.clone().unwrap();
        for number in 0..50 {
            let (reply, _) = oneshot::channel();
            let write = creation(&format!("job-{number}"), "");
            assert!(requests.try_send(Request { write, reply }).is_ok());
        }
        drop(requests);
        drop(writer);
        assert_eq!(list::counts(&open(&path)).unwrap().total(), 50);
    }
}
