//! What is due, and when the next job will be. While a listener is open both are answered from the cache, without a read.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::jobs::{Hold, Job, StageName};
use crate::store::firestore::connection::query::{CREATED_AT, MAX_ACTIVE, NAME, Query};
use crate::store::firestore::documents::value;
use crate::store::firestore::{FirestoreStore, JOBS};
use crate::store::schema::Status;
use crate::store::{DueQuery, StoreError};

/// Documents of one read where the queue is longer than [`MAX_ACTIVE`].
const BATCH_SIZE: usize = 300;

/// Batches that one call may read: held jobs may come before those that are due.
const MAX_BATCHES: usize = 10;

impl FirestoreStore {
    pub(crate) async fn due_now(&self, query: &DueQuery) -> Result<Vec<Job>, StoreError> {
        let jobs = self.active(query, true).await?;
        // Only a worker whose intake is open acts on requests, also on those that cannot be read.
        if query.queued && query.simulated == self.shared.defaults().simulated {
            self.reject_bad_requests().await;
        }
        Ok(due(&jobs, query).into_iter().map(|job| Job::clone(job)).collect())
    }

    pub(crate) async fn due_next(&self, query: &DueQuery) -> Result<Option<DateTime<Utc>>, StoreError> {
        let jobs = self.active(query, false).await?;
        Ok(jobs.iter().filter_map(|job| claimable_from(job, query)).filter(|free| *free > query.now).min())
    }

    /// The active jobs, as far as the query needs them.
    async fn active(&self, query: &DueQuery, until_enough: bool) -> Result<Vec<Arc<Job>>, StoreError> {
        if let Some(jobs) = self.shared.cache.active() {
            return Ok(jobs);
        }
        let of = |status: Status| Query::of(JOBS).equal("status", value::text(status.as_str()));
        let under_way = Query::of(JOBS).under_way_or(&[Status::Processing]).limit(MAX_ACTIVE);
        let mut jobs = self.jobs_of(under_way).await?.0;
        if !query.queued {
            return Ok(jobs);
        }
        let (queued, last) = self.jobs_of(of(Status::Pending).limit(MAX_ACTIVE)).await?;
        jobs.extend(queued);
        jobs.sort_by(|left, right| left.id.cmp(&right.id));
        jobs.dedup_by(|left, right| left.id == right.id);
        let oldest = of(Status::Pending).order(CREATED_AT, false).limit(BATCH_SIZE);
        let mut next = (last.count >= MAX_ACTIVE).then(|| oldest.clone());
        for _ in 0..MAX_BATCHES {
            let Some(batch_query) = next.take() else { break };
            let (more, last) = self.jobs_of(batch_query).await?;
            jobs.extend(more);
            jobs.sort_by(|left, right| left.id.cmp(&right.id));
            jobs.dedup_by(|left, right| left.id == right.id);
            let enough = until_enough && due(&jobs, query).len() >= query.limit;
            next = last.created_at.filter(|_| last.count >= BATCH_SIZE && !enough).map(|created_at| {
                oldest.clone().order(NAME, false).start_after(vec![created_at, value::reference(last.name)])
            });
        }
        Ok(jobs)
    }

    async fn jobs_of(&self, query: Query) -> Result<(Vec<Arc<Job>>, QueryCursor), StoreError> {
        let documents = self.shared.client.query(query.build()).await?;
        let last = QueryCursor {
            count: documents.len(),
            created_at: documents.last().and_then(|document| document.fields.get(CREATED_AT).cloned()),
            name: documents.last().map(|document| document.name.clone()).unwrap_or_default(),
        };
        let jobs = documents.iter().filter_map(|document| self.read(document)?.content.ok());
        Ok((jobs.map(|known| Arc::new(known.job)).filter(|job| job.stage_name().is_active()).collect(), last))
    }
}

/// The end of one batch.
struct QueryCursor {
    count: usize,
    created_at: Option<value::Value>,
    name: String,
}

/// Those under way first, then the oldest; ties are broken by id.
fn due<'a>(jobs: &'a [Arc<Job>], query: &DueQuery) -> Vec<&'a Arc<Job>> {
    let mut due: Vec<&Arc<Job>> =
        jobs.iter().filter(|job| claimable_from(job, query).is_some_and(|free| free <= query.now)).collect();
    due.sort_by(|left, right| {
        let rank = |job: &Job| job.stage_name() == StageName::Queued;
        (rank(left), left.created_at, &left.id).cmp(&(rank(right), right.created_at, &right.id))
    });
    due.truncate(query.limit);
    due
}

/// From when on a worker may claim the job; `None` where the query excludes it.
fn claimable_from(job: &Job, query: &DueQuery) -> Option<DateTime<Utc>> {
    if job.simulated != query.simulated || job.hold() == Some(&Hold::External) {
        return None;
    }
    let waits = job.not_before.unwrap_or(query.now);
    match job.stage_name() {
        StageName::Queued => query.queued.then_some(waits),
        StageName::Submitting | StageName::Generating => {
            let claim = job.claim.as_ref().filter(|claim| !query.dead_workers.contains(&claim.worker));
            Some(claim.map_or(waits, |claim| claim.until.max(waits)))
        }
        _ => None,
    }
}
