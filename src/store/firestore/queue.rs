//! Owns the questions of workers: what is due, and when something will be. While a listener is open they cost no read.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::super::{DueQuery, StoreError};
use super::document::Status;
use super::query::Query;
use super::{FirestoreStore, JOBS, value};
use crate::jobs::{Job, StageName};

/// How many queued documents are read whole; beyond that the oldest are read first, and those without a date last.
pub(super) const WINDOW: usize = 2_000;

/// Documents read at once where the queue is longer than the window.
const PORTION: usize = 300;

/// Portions that one question may read: jobs that are held may stand before those that are due.
const PORTIONS: usize = 10;

impl FirestoreStore {
    pub(super) async fn due_now(&self, query: &DueQuery) -> Result<Vec<Job>, StoreError> {
        let jobs = self.active(query, true).await?;
        Ok(due(&jobs, query).into_iter().map(|job| Job::clone(job)).collect())
    }

    pub(super) async fn due_next(&self, query: &DueQuery) -> Result<Option<DateTime<Utc>>, StoreError> {
        let jobs = self.active(query, false).await?;
        Ok(jobs.iter().filter_map(|job| free_from(job, query)).filter(|free| *free > query.now).min())
    }

    /// The active jobs, as far as the question needs them.
    async fn active(&self, query: &DueQuery, until_enough: bool) -> Result<Vec<Arc<Job>>, StoreError> {
        if let Some(jobs) = self.shared.board.active() {
            return Ok(jobs);
        }
        let of = |status: Status| Query::of(JOBS).equal("status", value::text(status.as_str()));
        let mut jobs = self.jobs_of(of(Status::Processing).limit(WINDOW)).await?.0;
        if !query.queued {
            return Ok(jobs);
        }
        let (queued, last) = self.jobs_of(of(Status::Pending).limit(WINDOW)).await?;
        jobs.extend(queued);
        let mut portion = last.count;
        let oldest = of(Status::Pending).order("createdAt", false).limit(PORTION);
        let mut next = (portion >= WINDOW).then(|| oldest.clone());
        for _ in 0..PORTIONS {
            let Some(question) = next.take() else { break };
            let (more, last) = self.jobs_of(question).await?;
            jobs.extend(more);
            jobs.sort_by(|left, right| left.id.cmp(&right.id));
            jobs.dedup_by(|left, right| left.id == right.id);
            portion = last.count;
            let enough = until_enough && due(&jobs, query).len() >= query.limit;
            next = last.created_at.filter(|_| portion >= PORTION && !enough).map(|created_at| {
                oldest.clone().order(super::query::NAME, false).behind(vec![created_at, value::reference(last.name)])
            });
        }
        Ok(jobs)
    }

    async fn jobs_of(&self, query: Query) -> Result<(Vec<Arc<Job>>, Last), StoreError> {
        let documents = self.shared.client.query(query.build()).await?;
        let last = Last {
            count: documents.len(),
            created_at: documents.last().and_then(|document| document.fields.get("createdAt").cloned()),
            name: documents.last().map(|document| document.name.clone()).unwrap_or_default(),
        };
        let jobs = documents.iter().filter_map(|document| self.read(document)?.content.ok());
        Ok((jobs.map(|known| Arc::new(known.job)).filter(|job| job.stage_name().is_active()).collect(), last))
    }
}

/// Where an answer ended.
struct Last {
    count: usize,
    created_at: Option<value::Value>,
    name: String,
}

/// Those under way first, then the oldest; ties are broken by id.
fn due<'a>(jobs: &'a [Arc<Job>], query: &DueQuery) -> Vec<&'a Arc<Job>> {
    let mut due: Vec<&Arc<Job>> =
        jobs.iter().filter(|job| free_from(job, query).is_some_and(|free| free <= query.now)).collect();
    due.sort_by(|left, right| {
        let rank = |job: &Job| job.stage_name() == StageName::Queued;
        (rank(left), left.created_at, &left.id).cmp(&(rank(right), right.created_at, &right.id))
    });
    due.truncate(query.limit);
    due
}

/// From when on a worker may act on the job; `None` where this question is not about it.
fn free_from(job: &Job, query: &DueQuery) -> Option<DateTime<Utc>> {
    if job.simulated != query.simulated {
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
