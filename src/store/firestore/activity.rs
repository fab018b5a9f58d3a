//! Signs of another backend on a store that darkroom owns: it takes up jobs, or records charges. Each of them may be a job that is paid
//! twice.
//!
//! A page or a reviewer requests and approves; only a backend moves a job to `processing`, or ends one that darkroom has under way.
//! Such documents are found when they are read for other reasons. Charges are searched for now and then.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use super::FirestoreStore;
use super::connection::query::Query;
use super::documents::{ParsedDocument, value};
use super::ledger::entries::{COSTS, is_foreign_charge};
use super::{JOBS, Shared};
use crate::jobs::JobId;
use crate::store::schema::Status;
use crate::store::{ForeignActivity, StoreError, StoreSettings};

/// Time between two searches for charges: one read each while there are none.
const CHARGES_INTERVAL: Duration = Duration::from_mins(5);

/// The newest charges that one search reads.
const CHARGES_READ: usize = 20;

/// Jobs under way that `doctor` reads.
const JOBS_READ: usize = 100;

/// A sign that is older counts as history.
const REPORTED_FOR: TimeDelta = TimeDelta::hours(1);

/// What this process has seen of another backend.
#[derive(Default)]
pub(crate) struct ActivityWatch {
    state: Mutex<State>,
    charges: tokio::sync::Mutex<ChargeSearch>,
}

#[derive(Default)]
struct State {
    /// Signs count from here on; `None` while the owner is not known.
    since: Option<DateTime<Utc>>,
    /// Jobs that the other backend may still finish.
    expected: HashSet<JobId>,
    latest: Option<ForeignActivity>,
}

#[derive(Default)]
struct ChargeSearch {
    at: Option<Instant>,
    /// The time of the newest charge that was read.
    newest: Option<DateTime<Utc>>,
}

impl ActivityWatch {
    /// Counts signs from the record of ownership on.
    pub(crate) fn begin(&self, settings: &StoreSettings) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.since = settings.ownership.as_ref().map(|ownership| ownership.at);
        state.expected = settings.left_in_progress.iter().cloned().collect();
    }

    /// Notes a document that another backend has moved.
    pub(crate) fn note_document(&self, document: &ParsedDocument) {
        if let Some(at) = document.moved_by_backend {
            self.note(ForeignActivity { at, job: document.id.clone(), is_charge: false });
        }
    }

    fn note(&self, sign: ForeignActivity) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = state.since.is_some_and(|since| sign.at > since) && !state.expected.contains(&sign.job);
        if counts && state.latest.as_ref().is_none_or(|latest| latest.at < sign.at) {
            state.latest = Some(sign);
        }
    }

    fn since(&self) -> Option<DateTime<Utc>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).since
    }

    fn latest(&self) -> Option<ForeignActivity> {
        let latest = self.state.lock().unwrap_or_else(PoisonError::into_inner).latest.clone();
        latest.filter(|sign| sign.at > Utc::now() - REPORTED_FOR)
    }
}

impl Shared {
    /// Searches for charges of another backend, if that was not done lately.
    async fn search_charges(&self) -> Result<(), StoreError> {
        let Some(since) = self.activity.since() else { return Ok(()) };
        let mut search = self.activity.charges.lock().await;
        if search.at.is_some_and(|at| at.elapsed() < CHARGES_INTERVAL) {
            return Ok(());
        }
        let from = search.newest.map_or(since, |newest| newest.max(since));
        let query = Query::of(COSTS).more_than("timestamp", value::time(from)).order("timestamp", true);
        let charges = self.client.query(query.limit(CHARGES_READ).build()).await?;
        search.at = Some(Instant::now());
        for charge in &charges {
            let Some(at) = value::time_of(&charge.fields, "timestamp") else { continue };
            // A time in the future must not hide what follows.
            search.newest = search.newest.max(Some(at.min(Utc::now())));
            let job = value::text_of(&charge.fields, "job_id").and_then(|id| JobId::new(id).ok());
            if let Some(job) = job.filter(|_| is_foreign_charge(&charge.fields)) {
                self.activity.note(ForeignActivity { at, job, is_charge: true });
            }
        }
        Ok(())
    }
}

impl FirestoreStore {
    pub(crate) async fn latest_foreign_activity(&self) -> Result<Option<ForeignActivity>, StoreError> {
        self.shared.search_charges().await?;
        Ok(self.shared.activity.latest())
    }

    /// The same for a process that listens to nothing: the jobs under way are read for it.
    pub(crate) async fn find_foreign_activity(&self) -> Result<Option<ForeignActivity>, StoreError> {
        let processing = Query::of(JOBS).equal("status", value::text(Status::Processing.as_str()));
        for document in self.shared.client.query(processing.limit(JOBS_READ).build()).await? {
            self.read(&document);
        }
        self.latest_foreign_activity().await
    }
}
