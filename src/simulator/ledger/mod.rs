//! The simulator's ledger: tickets and bill entries, written in one transaction before the reply.
//!
//! One thread holds the database and writes whatever waits in one transaction, so that thousands of submits a second are
//! possible. It survives a killed process (WAL, `synchronous = NORMAL`), not a power cut.

mod database;
mod identity;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::ticket::Ticket;
use crate::costs::Credits;
use crate::time::SharedClock;
use database::Database;

pub(super) use database::MAX_REMEMBERED;
pub(super) use identity::identity;

/// Why the books cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The database refused.
    #[error("the simulator's ledger: {0}")]
    Database(String),
    /// Written by a newer version of this program.
    #[error("the simulator's ledger was written by a newer version of this program (form {0})")]
    Newer(i64),
    /// The simulator has ended.
    #[error("the simulator's ledger is closed")]
    Closed,
}

/// One line of the bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BillEntry {
    /// The ticket, by its id.
    pub ticket: String,
    /// What was requested.
    pub model: String,
    /// What it cost.
    pub credits: Credits,
    /// When it was billed.
    pub at: DateTime<Utc>,
}

/// What a ledger knows when it is opened.
#[derive(Debug, Default)]
pub(super) struct Opened {
    /// The newest tickets that are still remembered, oldest first.
    pub tickets: Vec<Ticket>,
    /// Credits and times of the whole bill.
    pub billed: Vec<(Decimal, DateTime<Utc>)>,
    /// What links are signed with.
    pub secret: String,
}

/// The books of a running simulator. Clones share them.
#[derive(Debug, Clone)]
pub struct Ledger {
    requests: mpsc::Sender<Request>,
    clock: SharedClock,
}

/// Orders to the thread that holds the database.
enum Request {
    Record { ticket: Arc<Ticket>, billed_at: Option<DateTime<Utc>>, done: oneshot::Sender<Result<(), LedgerError>> },
    Bill { until: DateTime<Utc>, done: oneshot::Sender<Result<Vec<BillEntry>, LedgerError>> },
    Close { done: oneshot::Sender<()> },
}

/// Queued requests at most; later callers wait for room.
const QUEUE_CAPACITY: usize = 1024;

/// Orders that go into one transaction at most.
const BATCH_SIZE: usize = 256;

/// The file within the directory.
const FILE: &str = "simulator.db";

impl Ledger {
    /// Opens the books of a directory, or new ones in memory. `lock` is kept until the database is closed.
    ///
    /// Blocks for as long as reading the bill takes.
    pub(super) fn open(
        directory: Option<&Path>,
        lock: Option<File>,
        clock: SharedClock,
    ) -> Result<(Self, Opened), LedgerError> {
        let mut database = Database::open(directory.map(|directory| directory.join(FILE)).as_deref())?;
        let opened = database.load(clock.now())?;
        let (requests, waiting) = mpsc::channel(QUEUE_CAPACITY);
        std::thread::Builder::new()
            .name("simulator-ledger".to_owned())
            .spawn(move || {
                let done = serve(&mut database, waiting);
                // The order matters: the process that holds the lock may open the database.
                drop(database);
                drop(lock);
                if let Some(done) = done {
                    _ = done.send(());
                }
            })
            .map_err(|error| LedgerError::Database(error.to_string()))?;
        Ok((Self { requests, clock }, opened))
    }

    /// Reads the bill of a directory where no simulator needs to run.
    pub fn read(directory: &Path) -> Result<Vec<BillEntry>, LedgerError> {
        let file: PathBuf = directory.join(FILE);
        Database::open_for_reading(&file)?.bill(Utc::now())
    }

    /// The bill up to now, in the order of booking.
    pub async fn bill(&self) -> Result<Vec<BillEntry>, LedgerError> {
        let (done, reply) = oneshot::channel();
        self.send(Request::Bill { until: self.clock.now(), done }).await?;
        reply.await.map_err(|_| LedgerError::Closed)?
    }

    /// Books a ticket, and its line of the bill where it has one. Returns when both are in the file.
    pub(super) async fn record(
        &self,
        ticket: Arc<Ticket>,
        billed_at: Option<DateTime<Utc>>,
    ) -> Result<(), LedgerError> {
        let (done, reply) = oneshot::channel();
        self.send(Request::Record { ticket, billed_at, done }).await?;
        reply.await.map_err(|_| LedgerError::Closed)?
    }

    /// Closes the books: what was sent before is written, what comes later is refused. Returns when the file is free.
    pub(super) async fn close(&self) {
        let (done, reply) = oneshot::channel();
        if self.send(Request::Close { done }).await.is_ok() {
            _ = reply.await;
        }
    }

    async fn send(&self, request: Request) -> Result<(), LedgerError> {
        self.requests.send(request).await.map_err(|_| LedgerError::Closed)
    }
}

/// Handles requests until the ledger is closed or all senders are dropped. Returns the sender to notify.
fn serve(database: &mut Database, mut waiting: mpsc::Receiver<Request>) -> Option<oneshot::Sender<()>> {
    while let Some(first) = waiting.blocking_recv() {
        let mut batch = Vec::new();
        let mut next = Some(first);
        let mut last = None;
        while let Some(request) = next.take() {
            match request {
                Request::Record { ticket, billed_at, done } => batch.push(((ticket, billed_at), done)),
                other => {
                    last = Some(other);
                    break;
                }
            }
            next = if batch.len() < BATCH_SIZE { waiting.try_recv().ok() } else { None };
        }
        let (entries, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let recorded = if entries.is_empty() { Ok(()) } else { database.record(&entries) };
        for reply in replies {
            // The receiver may be gone: then the submit was recorded, and its reply is lost.
            _ = reply.send(recorded.clone());
        }
        match last {
            Some(Request::Bill { until, done }) => _ = done.send(database.bill(until)),
            Some(Request::Close { done }) => return Some(done),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
