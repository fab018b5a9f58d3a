//! The limits on unfinished tasks, as a part of the check of a reservation. While a listener is open, a full account is found in the
//! cache, without a read.

use std::sync::Arc;

use crate::jobs::{Job, StageName};
use crate::store::firestore::connection::query::Query;
use crate::store::firestore::documents::value;
use crate::store::firestore::{FirestoreStore, JOBS};
use crate::store::{StoreError, TaskLimits};

impl FirestoreStore {
    /// Whether the job's task fits beside those that the listener has received.
    pub(crate) fn check_known_tasks(&self, job: &Job, limits: TaskLimits) -> Result<(), StoreError> {
        self.shared.cache.active().map_or(Ok(()), |active| check(job, &active, limits))
    }

    /// Whether the job's task fits beside those of the other jobs. One read where the account is not full.
    pub(crate) async fn check_tasks(&self, job: &Job, limits: TaskLimits) -> Result<(), StoreError> {
        // Other workers may have submitted since the listener last received something: the server counts.
        let held = Query::of(JOBS).more_than("darkroom.claim_until", value::time(limits.now));
        let lowest = limits.total.into_iter().chain(limits.model).min();
        let Some(lowest) = lowest else { return Ok(()) };
        if self.shared.client.count(held.clone().build()).await? < u64::from(lowest) {
            return Ok(());
        }
        // The count does not distinguish models, nor simulated jobs from real ones.
        let documents = self.shared.client.query(held.build()).await?;
        let held = documents.iter().filter_map(|document| self.read(document)?.content.ok());
        let held: Vec<Arc<Job>> = held.map(|loaded| Arc::new(loaded.job)).collect();
        check(job, &held, limits)
    }
}

fn check(job: &Job, jobs: &[Arc<Job>], limits: TaskLimits) -> Result<(), StoreError> {
    let is_held = |other: &&Arc<Job>| {
        other.id != job.id
            && other.simulated == job.simulated
            && matches!(other.stage_name(), StageName::Submitting | StageName::Generating)
            && other.is_claimed(limits.now)
    };
    let is_full = |count: usize, limit: Option<u32>| limit.is_some_and(|limit| count >= limit as usize);
    let held = jobs.iter().filter(is_held);
    if is_full(held.clone().filter(|other| other.spec.model == job.spec.model).count(), limits.model) {
        return Err(StoreError::TaskLimit(Some(job.spec.model.clone())));
    }
    if is_full(held.count(), limits.total) {
        return Err(StoreError::TaskLimit(None));
    }
    Ok(())
}
