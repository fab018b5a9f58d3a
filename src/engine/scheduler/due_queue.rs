//! Which job runs next: a short list of due jobs, and when to query the store again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::held_jobs::{HeldJobs, is_held};
use super::{ChangedJobs, Ports, Settings, WorkerLock};
use crate::engine::{Mode, failpoints};
use crate::jobs::{Job, JobId, StageName, WorkerId};
use crate::store::{DueQuery, Store, StoreError};

/// How many due jobs are read at once.
const BATCH_SIZE: usize = 128;

/// The same while jobs of some model wait for a task to end.
const LARGE_BATCH_SIZE: usize = 1_024;

/// Shortest pause before the next query when all due jobs run already.
const MIN_QUERY_INTERVAL: Duration = Duration::from_secs(1);

/// How old the list of dead workers may get.
const DEAD_WORKERS_MAX_AGE: Duration = Duration::from_millis(500);

/// How far ahead a cap can hold a job: to the end of a month.
pub(super) const LONGEST_HOLD: chrono::Duration = chrono::Duration::days(32);

/// How many active jobs are searched for held ones.
pub(super) const MAX_HELD: usize = 2_000;

/// What the dispatcher can take now.
pub(super) struct PickContext<'a> {
    /// Whether queued jobs may be taken: the intake is open.
    pub(super) queued: bool,
    /// What runs here already.
    pub(super) running: &'a HashMap<JobId, CancellationToken>,
    pub(super) worker_lock: &'a WorkerLock,
    pub(super) free_slots: usize,
}

/// The order in which due jobs are run: the images that would be lost first, then what a store lists before what is queued.
fn urgency(job: &Job) -> (bool, Option<DateTime<Utc>>) {
    (job.stage_name() == StageName::Queued, job.rescue_deadline())
}

/// What waits in the store after a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remaining {
    /// Jobs that are queued or under way somewhere, as far as is known.
    Jobs,
    /// Nothing is under way anywhere, and queued jobs must not start.
    Intake,
    /// Nothing is under way anywhere, and a cap holds the queued jobs.
    Held,
    /// No job is queued or under way anywhere.
    Nothing,
}

/// Due jobs, read a batch at a time.
pub(super) struct DueQueue {
    ports: Ports,
    simulated: bool,
    /// Whether the engine ends when nothing can run: only then it matters whether all jobs that are left are held.
    until_idle: bool,
    list: VecDeque<Job>,
    /// Whether the store may have due jobs that the list does not have.
    is_stale: bool,
    /// What the last query left.
    remaining: Remaining,
    next_query: Option<Instant>,
    paused_until: Option<Instant>,
    queued_paused_until: Option<Instant>,
    /// The account (`None`) and models whose queued jobs wait until a task ends.
    at_task_limit: HashMap<Option<String>, Instant>,
    dead_workers: Vec<WorkerId>,
    dead_workers_read_at: Option<Instant>,
    /// Jobs that this process never runs again.
    quarantined: HashSet<JobId>,
    /// Jobs that this worker stopped running without a save, because the store did not answer or another process saved them: this
    /// worker's claims on them need not expire first.
    abandoned: HashSet<JobId>,
    /// Jobs that are not picked before that time.
    deferred: HashMap<JobId, Instant>,
    held: HeldJobs,
}

impl DueQueue {
    pub(super) fn new(ports: Ports, settings: &Settings) -> Self {
        Self {
            ports,
            simulated: settings.simulated,
            until_idle: settings.mode == Mode::UntilIdle,
            list: VecDeque::new(),
            is_stale: true,
            remaining: Remaining::Jobs,
            next_query: None,
            paused_until: None,
            queued_paused_until: None,
            at_task_limit: HashMap::new(),
            dead_workers: Vec::new(),
            dead_workers_read_at: None,
            quarantined: HashSet::new(),
            abandoned: HashSet::new(),
            deferred: HashMap::new(),
            held: HeldJobs::new(),
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
        self.at_task_limit.retain(|_, until| *until > now);
        let queued = context.queued && self.queued_pause().is_none_or(|until| until <= now);
        loop {
            while let Some(job) = self.list.pop_front() {
                let is_wanted = queued || job.stage_name() != StageName::Queued;
                if is_wanted && self.is_free(&job, &context) {
                    self.remaining = Remaining::Jobs;
                    self.abandoned.remove(&job.id);
                    return Ok(Some(job));
                }
                self.held.forget(&job.id);
            }
            if !self.is_stale {
                return Ok(None);
            }
            self.query(&context, queued, now).await?;
        }
    }

    async fn query(&mut self, context: &PickContext<'_>, queued: bool, now: Instant) -> Result<(), StoreError> {
        failpoints::panic_at("query_of_due_jobs");
        if self.dead_workers_read_at.is_none_or(|at| now - at >= DEAD_WORKERS_MAX_AGE) {
            self.dead_workers = context.worker_lock.dead_workers();
            self.dead_workers_read_at = Some(now);
        }
        // The store may still list what was started here a moment ago as queued: ask for as many more.
        self.deferred.retain(|_, until| *until > now);
        let skipped = context.running.len() + self.quarantined.len() + self.deferred.len();
        // Jobs of a model at its limit may come before all others.
        let batch_size = if self.at_task_limit.is_empty() { BATCH_SIZE } else { LARGE_BATCH_SIZE };
        let limit = batch_size.max(context.free_slots) + skipped;
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
        let mut jobs: Vec<Job> = jobs.into_iter().filter(|job| self.is_free(job, context)).collect();
        jobs.sort_by_key(urgency);
        self.list = jobs.into();
        self.add_held(context, &due, now).await?;
        // A full batch means that there are more behind it.
        self.is_stale = is_full && !self.list.is_empty();
        if self.list.is_empty() {
            let next = self.ports.store.next_due(DueQuery { queued: true, ..due.clone() }).await?;
            let later = if queued { next } else { self.ports.store.next_due(due.clone()).await? };
            let nothing_waits = !any_waits && later.is_none() && context.running.is_empty();
            let may_be_held = self.until_idle && queued && !any_waits && context.running.is_empty();
            self.remaining = match (nothing_waits, queued) {
                (false, _) if may_be_held && self.are_all_held(&due).await? => Remaining::Held,
                (false, _) => Remaining::Jobs,
                (true, false) => Remaining::Intake,
                (true, true) => Remaining::Nothing,
            };
            let soonest = if is_empty { Duration::ZERO } else { MIN_QUERY_INTERVAL };
            self.next_query = next.map(|next| now + (next - at).to_std().unwrap_or(Duration::ZERO).max(soonest));
            let limits = self.at_task_limit.values().copied();
            if let Some(until) = self.queued_pause().into_iter().chain(limits).filter(|until| *until > now).min() {
                self.remaining = Remaining::Jobs;
                self.next_query = Some(self.next_query.map_or(until, |next_query| next_query.min(until)));
            }
        }
        Ok(())
    }

    /// Whether nothing is under way anywhere and a cap holds every queued job, each of which was tried since money was released last.
    async fn are_all_held(&self, due: &DueQuery) -> Result<bool, StoreError> {
        if !self.held.are_settled() {
            return Ok(false);
        }
        if self.ports.store.next_due(DueQuery { queued: false, ..due.clone() }).await?.is_some() {
            return Ok(false);
        }
        let all = DueQuery { now: due.now + LONGEST_HOLD, limit: MAX_HELD, ..due.clone() };
        let mut left = self.ports.store.due(all).await?;
        left.retain(|job| !self.quarantined.contains(&job.id));
        Ok(!left.is_empty() && left.iter().all(is_held))
    }

    /// Adds the held jobs that are tried now, although they are not due.
    async fn add_held(&mut self, context: &PickContext<'_>, due: &DueQuery, now: Instant) -> Result<(), StoreError> {
        if !due.queued || !self.held.are_wanted(now) {
            return Ok(());
        }
        let all = DueQuery { now: due.now + LONGEST_HOLD, limit: MAX_HELD, ..due.clone() };
        let mut queued = self.ports.store.due(all).await?;
        queued.retain(|job| job.stage_name() == StageName::Queued && self.is_free(job, context));
        let picked = self.held.pick(queued, now);
        self.list.retain(|job| picked.iter().all(|other| other.id != job.id));
        self.list.extend(picked);
        Ok(())
    }

    /// The caps were changed, or the intake was opened: jobs that a cap holds may fit now.
    pub(super) fn wake_held(&mut self) {
        self.held.wake_all();
        self.is_stale = true;
    }

    /// A run has ended.
    pub(super) fn on_run_finished(&mut self, id: &JobId, has_finished_job: bool) {
        self.held.on_run_finished(id, has_finished_job);
    }

    fn is_free(&self, job: &Job, context: &PickContext<'_>) -> bool {
        let is_claimed_here =
            job.claim.as_ref().is_some_and(|claim| {
                &claim.worker == context.worker_lock.worker() && claim.holds(self.ports.clock.now())
            }) && !self.abandoned.contains(&job.id);
        let is_at_limit =
            job.stage_name() == StageName::Queued && self.at_task_limit.contains_key(&Some(job.spec.model.clone()));
        let is_taken = is_at_limit
            || is_claimed_here
            || context.running.contains_key(&job.id)
            || self.quarantined.contains(&job.id);
        !is_taken && self.deferred.get(&job.id).is_none_or(|until| *until <= Instant::now())
    }

    /// When to query again at the latest, as far as this list knows.
    pub(super) fn next_query(&self) -> Option<Instant> {
        self.next_query.map(|next_query| next_query.max(Instant::now() + Duration::from_millis(5)))
    }

    /// Whether the last query found no job that is queued or under way anywhere.
    pub(super) fn is_drained(&self) -> bool {
        self.remaining == Remaining::Nothing && self.list.is_empty() && !self.is_stale
    }

    /// Whether the last query found nothing under way anywhere, and queued jobs must not start: only an open intake changes that.
    pub(super) fn waits_for_intake(&self) -> bool {
        self.remaining == Remaining::Intake && self.list.is_empty() && !self.is_stale
    }

    /// Whether the last query found nothing but queued jobs that a cap holds.
    pub(super) fn has_only_held(&self) -> bool {
        self.remaining == Remaining::Held && self.list.is_empty() && !self.is_stale
    }

    /// This job, which `next` returned, is not run now.
    pub(super) fn put_back(&mut self, job: Job) {
        self.list.push_front(job);
    }

    /// Something may have changed.
    pub(super) fn invalidate(&mut self) {
        self.is_stale = true;
    }

    /// These jobs have changed: drops their old copies.
    pub(super) fn on_jobs_changed(&mut self, changed: &ChangedJobs) {
        self.is_stale = true;
        self.held.on_jobs_changed(changed);
        if self.list.is_empty() {
            return;
        }
        let changed: HashMap<&JobId, u64> = changed.iter().map(|job| (&job.id, job.revision)).collect();
        let held = &mut self.held;
        self.list.retain(|job| {
            let is_current = changed.get(&job.id).is_none_or(|revision| *revision == job.revision);
            if !is_current {
                held.forget(&job.id);
            }
            is_current
        });
    }

    /// Drops the whole list: other workers take from the same queue.
    pub(super) fn clear(&mut self) {
        for job in self.list.drain(..) {
            self.held.forget(&job.id);
        }
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

    /// Until when no queued job is started.
    fn queued_pause(&self) -> Option<Instant> {
        self.queued_paused_until.into_iter().chain(self.at_task_limit.get(&None).copied()).max()
    }

    /// The account, or that model of it, is at its task limit: starts none of its queued jobs for a while.
    pub(super) fn pause_at_task_limit(&mut self, model: Option<String>, time: Duration) {
        self.at_task_limit.insert(model, Instant::now() + time);
        self.clear();
    }

    /// A task may have ended.
    pub(super) fn end_task_limit_pauses(&mut self) {
        if !self.at_task_limit.is_empty() {
            self.at_task_limit.clear();
            self.is_stale = true;
        }
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
