//! The read-only connections. Their waits stay off the async threads. A database in memory is read on the caller's thread instead.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::task;

use super::super::StoreError;
use super::database::{self, SharedConnection};

/// Questions that are answered at once; a long search leaves room for the others.
const CONCURRENCY: usize = 4;

/// What reads for a store. A clone shares its connections.
#[derive(Clone)]
pub(super) enum Readers {
    /// Connections that only read: the file of a store.
    Pool(ReaderPool),
    /// The one connection of a database in memory.
    Inline(SharedConnection),
}

impl Readers {
    /// Runs one query.
    pub(super) async fn read<Answer, Query>(&self, sql: Query) -> Result<Answer, StoreError>
    where
        Answer: Send + 'static,
        Query: FnOnce(&Connection) -> Result<Answer, StoreError> + Send + 'static,
    {
        match self {
            Self::Pool(pool) => pool.read(sql).await,
            Self::Inline(connection) => sql(&connection.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

/// Connections that only read. A clone shares them.
#[derive(Clone)]
pub(super) struct ReaderPool {
    path: Arc<PathBuf>,
    slots: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl ReaderPool {
    /// None is opened before it is needed.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path: Arc::new(path), slots: Arc::new(Semaphore::new(CONCURRENCY)), idle: Arc::default() }
    }

    /// Runs one query on a thread that may block.
    async fn read<Answer, Query>(&self, sql: Query) -> Result<Answer, StoreError>
    where
        Answer: Send + 'static,
        Query: FnOnce(&Connection) -> Result<Answer, StoreError> + Send + 'static,
    {
        let stopped = |error: &dyn std::fmt::Display| StoreError::Unavailable(format!("the read was stopped: {error}"));
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|error| stopped(&error))?;
        let readers = self.clone();
        let answer = task::spawn_blocking(move || {
            let connection = readers.take()?;
            let answer = sql(&connection);
            readers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(slot);
            answer
        });
        answer.await.map_err(|error| stopped(&error))?
    }

    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| database::connect_to_read(&self.path), Ok)
    }
}
