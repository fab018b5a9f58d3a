//! Owns the one thread that writes, and the committing of many writes at once. Must not know what a write contains.
//!
//! A commit costs one wait for the disk, however much is in it. So everything that has arrived while the last commit was under
//! way goes into the next one. Each write is judged by itself: what one meets does not spoil the others.

use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::super::StoreError;
use super::write::{Sequence, Write};

/// Writes that may wait before callers have to.
const WAITING: usize = 4_096;

/// Writes in one commit: a bound on how long the first of them waits for the last.
const AT_ONCE: usize = 1_000;

struct Request {
    write: Write,
    reply: oneshot::Sender<Result<u64, StoreError>>,
}

/// The writing thread of a store. Dropping it waits for what was already handed over, so that the file is closed cleanly.
pub(super) struct Writer {
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. `commits` is told after each commit.
    pub(super) fn start(connection: Connection, commits: watch::Sender<()>) -> Result<Self, StoreError> {
        let (requests, receiver) = mpsc::channel(WAITING);
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(&connection, receiver, &commits))
            .map_err(|error| StoreError::Unavailable(format!("no thread could be started: {error}")))?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    /// Writes it durably, or says why not. Returns the new revision.
    pub(super) async fn write(&self, write: Write) -> Result<u64, StoreError> {
        let ended = || StoreError::Unavailable("the store's writer has ended".to_owned());
        let (reply, answer) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or_else(ended)?;
        requests.send(Request { write, reply }).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer had ended before its time");
        }
    }
}

fn run(connection: &Connection, mut requests: mpsc::Receiver<Request>, commits: &watch::Sender<()>) {
    while let Some(first) = requests.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < AT_ONCE
            && let Ok(next) = requests.try_recv()
        {
            batch.push(next);
        }
        let answers = commit(connection, &batch);
        if answers.iter().any(Result::is_ok) {
            commits.send_replace(());
        }
        for (request, answer) in batch.into_iter().zip(answers) {
            // Nobody waits any more: it is written all the same.
            let _ = request.reply.send(answer);
        }
    }
}

/// One answer for each request. Nothing is answered before the commit: a refusal may rest on a write that stands before it in
/// the same commit.
fn commit(connection: &Connection, batch: &[Request]) -> Vec<Result<u64, StoreError>> {
    try_commit(connection, batch).unwrap_or_else(|error| {
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "a transaction could not be rolled back");
        }
        batch.iter().map(|_| Err(error.clone())).collect()
    })
}

fn try_commit(connection: &Connection, batch: &[Request]) -> Result<Vec<Result<u64, StoreError>>, StoreError> {
    step(connection, "BEGIN IMMEDIATE")?;
    let mut sequence = Sequence::of(connection)?;
    let mut answers = Vec::with_capacity(batch.len());
    for request in batch {
        step(connection, "SAVEPOINT one")?;
        let answer = request.write.apply(connection, &mut sequence);
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
    Ok(answers)
}

fn step(connection: &Connection, statement: &str) -> Result<(), StoreError> {
    connection.prepare_cached(statement)?.execute([])?;
    Ok(())
}
