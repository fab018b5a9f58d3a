//! Changes that wait for one subscriber, each job once in its newest version.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::jobs::JobId;
use crate::store::{Change, SharedRecord, StoreError};

/// Changes in one answer.
const BATCH_SIZE: usize = 500;

/// Jobs that may wait for a subscriber; a slower one has to list them again.
const MAX_PENDING: usize = 20_000;

/// The changes that wait for one subscriber.
#[derive(Default)]
pub(crate) struct Subscriber {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    /// By job; `None` is what concerns no single job.
    changes: BTreeMap<Option<JobId>, Change>,
    records: Vec<SharedRecord>,
    failure: Option<String>,
}

impl Subscriber {
    pub(crate) fn push(&self, change: Change) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let id = match &change {
            Change::Job(job) => Some(job.id.clone()),
            Change::Unreadable { id, .. } | Change::Removed(id) => Some(id.clone()),
            Change::Budget => None,
            Change::SharedRecord(record) => {
                state.records.retain(|old| (&old.kind, &old.id) != (&record.kind, &record.id));
                state.records.push(record.clone());
                self.wake.notify_one();
                return;
            }
        };
        state.changes.insert(id, change);
        if state.changes.len() > MAX_PENDING {
            state.changes.clear();
            state.failure = Some("change buffer overflowed".to_owned());
        }
        self.wake.notify_one();
    }

    pub(crate) fn fail(&self, reason: &str) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).failure = Some(reason.to_owned());
        self.wake.notify_one();
    }

    /// Waits for at least one change. Cancel-safe.
    pub(crate) async fn next(&self) -> Result<Vec<Change>, StoreError> {
        loop {
            let changes = self.take()?;
            if !changes.is_empty() {
                return Ok(changes);
            }
            self.wake.notified().await;
        }
    }

    fn take(&self) -> Result<Vec<Change>, StoreError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = state.failure.take() {
            return Err(StoreError::Unavailable(reason));
        }
        let mut taken: Vec<Change> = state.records.drain(..).map(Change::SharedRecord).collect();
        while taken.len() < BATCH_SIZE
            && let Some((_, change)) = state.changes.pop_first()
        {
            taken.push(change);
        }
        Ok(taken)
    }
}
