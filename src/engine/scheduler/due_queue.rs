//! Which job runs next: a short list of due jobs, and when to query the store again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{ChangedJobs, Ports, WorkerLock};
use crate::jobs::{Job, JobId, StageName, WorkerId};
use crate::store::{DueQuery, Store, StoreError};

/// How many due jobs are read at once.
const BATCH_SIZE: usize = 128;

/// Shortest pause before the next query when all due jobs run already.
const MIN_QUERY_INTERVAL: Duration = Duration::from_secs(1);

/// How old the list of dead workers may get.
const DEAD_WORKERS_MAX_AGE: Duration = Duration::from_millis(500);

/// What the dispatcher can take now.
pub(super) struct PickContext<'a> {
    /// Whether queued jobs may be taken: the intake is open.
    pub(super) queued: bool,
    /// What runs here already.
    pub(super) running: &'a HashMap<JobId, CancellationToken>,
    pub(super) worker_lock: &'a WorkerLock,
    pub(super) free_slots: usize,
}

/// Due jobs, read a batch at a time.
pub(super) struct DueQueue {
    ports: Ports,
    simulated: bool,
    list: VecDeque<Job>,
    /// Whether the store may have due jobs that the list does not have.
    is_stale: bool,
    /// Whether the last query found no job that is queued or under way anywhere.
    is_drained: bool,
    next_query: Option<Instant>,
    paused_until: Option<Instant>,
    queued_paused_until: Option<Instant>,
    dead_workers: Vec<WorkerId>,
    dead_workers_read_at: Option<Instant>,
    /// Jobs that this process never runs again.
    quarantined: HashSet<JobId>,
    /// Jobs that this worker stopped running without a save, because the store did not answer or another process saved them: this
    /// worker's claims on them need not expire first.
    abandoned: HashSet<JobId>,
    /// Jobs that are not picked before that time.
    deferred: HashMap<JobId, Instant>,
}

impl DueQueue {
    pub(super) fn new(ports: Ports, simulated: bool) -> Self {
        Self {
            ports,
            simulated,
            list: VecDeque::new(),
            is_stale: true,
            is_drained: false,
            next_query: None,
            paused_until: None,
            queued_paused_until: None,
            dead_workers: Vec::new(),
            dead_workers_read_at: None,
            quarantined: HashSet::new(),
            abandoned: HashSet::new(),
            deferred: HashMap::new(),
        }
    }

    /// The store of the jobs.
    pub(super) fn store(&self) -> &dyn Store {
        self.ports.store.as_ref()
    }

    /// The present.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.ports.clock.now()
    }

    /// The next job to run, if one is due.
    pub(super) async fn next(&mut self, context: PickContext<'_>) -> Result<Option<Job>, StoreError> {
        let now = Instant::now();
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            self.next_query = Some(until);
            return Ok(None);
        }
        let queued = context.queued && self.queued_paused_until.is_none_or(|until| until <= now);
        loop {
            while let Some(job) = self.list.pop_front() {
                let is_wanted = queued || job.stage_name() != StageName::Queued;
                if is_wanted && self.is_free(&job, &context) {
                    self.is_drained = false;
                    self.abandoned.remove(&job.id);
                    return Ok(Some(job));
                }
            }
            if !self.is_stale {
                return Ok(None);
            }
            self.query(&context, queued, now).await?;
        }
    }

    async fn query(&mut self, context: &PickContext<'_>, queued: bool, now: Instant) -> Result<(), StoreError> {
        if self.dead_workers_read_at.is_none_or(|at| now - at >= DEAD_WORKERS_MAX_AGE) {
            self.dead_workers = context.worker_lock.dead_workers();
            self.dead_workers_read_at = Some(now);
        }
        // The store may still list what was started here a moment ago as queued: ask for as many more.
        self.deferred.retain(|_, until| *until > now);
        let skipped = context.running.len() + self.quarantined.len() + self.deferred.len();
        let limit = BATCH_SIZE.max(context.free_slots) + skipped;
        let at = self.ports.clock.now();
        let dead_workers = self.dead_workers.clone();
        let mut due = DueQuery { now: at, simulated: self.simulated, queued, dead_workers, limit };
        if !self.abandoned.is_empty() {
            due.dead_workers.push(context.worker_lock.worker().clone());
        }
        let jobs = self.ports.store.due(due.clone()).await?;
        tracing::trace!(due = jobs.len(), queued, "due jobs queried");
        let (is_full, is_empty) = (jobs.len() >= limit, jobs.is_empty());
        // A job that runs elsewhere, or is deferred, is still waiting.
        let any_waits = jobs.iter().any(|job| !self.quarantined.contains(&job.id));
        self.list = jobs.into_iter().filter(|job| self.is_free(job, context)).collect();
        // A full batch means that there are more behind it.
        self.is_stale = is_full && !self.list.is_empty();
        if self.list.is_empty() {
            let next = self.ports.store.next_due(DueQuery { queued: true, ..due }).await?;
            self.is_drained = !any_waits && next.is_none() && context.running.is_empty();
            let soonest = if is_empty { Duration::ZERO } else { MIN_QUERY_INTERVAL };
            self.next_query = next.map(|next| now + (next - at).to_std().unwrap_or(Duration::ZERO).max(soonest));
            if let Some(until) = self.queued_paused_until.filter(|until| *until > now) {
                self.is_drained = false;
                self.next_query = Some(self.next_query.map_or(until, |next_query| next_query.min(until)));
            }
        }
        Ok(())
    }

    fn is_free(&self, job: &Job, context: &PickContext<'_>) -> bool {
        let is_claimed_here =
            job.claim.as_ref().is_some_and(|claim| {
                &claim.worker == context.worker_lock.worker() && claim.holds(self.ports.clock.now())
            }) && !self.abandoned.contains(&job.id);
        let is_taken = is_claimed_here || context.running.contains_key(&job.id) || self.quarantined.contains(&job.id);
        !is_taken && self.deferred.get(&job.id).is_none_or(|until| *until <= Instant::now())
    }

    /// When to query again at the latest, as far as this list knows.
    pub(super) fn next_query(&self) -> Option<Instant> {
        self.next_query.map(|next_query| next_query.max(Instant::now() + Duration::from_millis(5)))
    }

    /// Whether the last query found no job that is queued or under way anywhere.
    pub(super) fn is_drained(&self) -> bool {
        self.is_drained && self.list.is_empty() && !self.is_stale
    }

    /// Something may have changed.
    pub(super) fn invalidate(&mut self) {
        self.is_stale = true;
    }

    /// These jobs have changed: drops their old copies.
    pub(super) fn on_jobs_changed(&mut self, changed: &ChangedJobs) {
        self.is_stale = true;
        if self.list.is_empty() {
            return;
        }
        let changed: HashMap<&JobId, u64> = changed.iter().map(|job| (&job.id, job.revision)).collect();
        self.list.retain(|job| changed.get(&job.id).is_none_or(|revision| *revision == job.revision));
    }

    /// Drops the whole list: other workers take from the same queue.
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.is_stale = true;
    }

    /// Starts nothing for a while.
    pub(super) fn pause_for(&mut self, time: Duration) {
        self.paused_until = Some(Instant::now() + time);
        self.clear();
    }

    /// Starts no queued job for a while; jobs under way may be taken.
    pub(super) fn pause_queued_for(&mut self, time: Duration) {
        self.queued_paused_until = Some(Instant::now() + time);
        self.clear();
    }

    /// Does not pick this job for a while.
    pub(super) fn defer(&mut self, id: JobId, time: Duration) {
        self.deferred.insert(id, Instant::now() + time);
    }

    /// The run of this job ended without a save, so the store may still hold this worker's claim on it.
    pub(super) fn abandon(&mut self, id: JobId) {
        self.abandoned.insert(id);
    }

    /// Never picks this job again in this process.
    pub(super) fn quarantine(&mut self, id: JobId) {
        self.quarantined.insert(id);
    }
}
