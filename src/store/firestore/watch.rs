//! Owns the changes that wait for one reader, each job once in its newest version. Must not know where they come from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::super::{Change, ChangeStream, StoreError};
use super::Shared;
use super::session::Session;
use crate::jobs::JobId;

/// Changes in one answer.
const AT_ONCE: usize = 500;

/// Jobs that may wait for a reader; one that is slower has to read anew.
const LONGEST: usize = 20_000;

/// What waits for one reader.
#[derive(Default)]
pub(super) struct Waiting {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    changes: BTreeMap<JobId, Change>,
    broken: Option<String>,
}

impl Waiting {
    pub(super) fn add(&self, change: Change) {
        let id = match &change {
            Change::Job(job) => job.id.clone(),
            Change::Unreadable { id, .. } | Change::Removed(id) => id.clone(),
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.changes.insert(id, change);
        if state.changes.len() > LONGEST {
            state.changes.clear();
            state.broken = Some("more changed than could be told".to_owned());
        }
        self.wake.notify_one();
    }

    pub(super) fn break_off(&self, reason: &str) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).broken = Some(reason.to_owned());
        self.wake.notify_one();
    }

    fn take(&self) -> Result<Vec<Change>, StoreError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = state.broken.take() {
            return Err(StoreError::Unavailable(reason));
        }
        let mut taken = Vec::new();
        while taken.len() < AT_ONCE
            && let Some((_, change)) = state.changes.pop_first()
        {
            taken.push(change);
        }
        Ok(taken)
    }
}

/// A stream of changes; the listener lives as long as one of them does.
pub(super) struct FirestoreWatch {
    pub waiting: Arc<Waiting>,
    pub shared: Arc<Shared>,
    pub _session: Arc<Session>,
}

#[async_trait]
impl ChangeStream for FirestoreWatch {
    async fn next(&mut self) -> Result<Vec<Change>, StoreError> {
        loop {
            let changes = self.waiting.take()?;
            if !changes.is_empty() {
                return Ok(changes);
            }
            self.waiting.wake.notified().await;
        }
    }

    fn since_last_contact(&self) -> Duration {
        self.shared.board.silent_for()
    }
}
