//! The read-only connections. Their waits stay off the async threads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::task;

use super::super::StoreError;
use super::database;

/// Questions that are answered at once; a long search leaves room for the others.
const CONCURRENCY: usize = 4;

/// Connections that only read. A clone shares them.
#[derive(Clone)]
pub(super) struct Readers {
    path: Arc<PathBuf>,
    slots: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    /// None is opened before it is needed.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path: Arc::new(path), slots: Arc::new(Semaphore::new(CONCURRENCY)), idle: Arc::default() }
    }

    /// Runs one query on a thread that may block.
    pub(super) async fn read<Answer, Query>(&self, sql: Query) -> Result<Answer, StoreError>
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
