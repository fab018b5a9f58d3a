//! Owns which job comes next: a short list of due jobs, and when it is worth looking again. Must not run one.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Hint, Ports, WorkerLock};
use crate::jobs::{Job, JobId, StageName, WorkerId};
use crate::store::{DueQuery, StoreError};

/// How many due jobs are read at once.
const BATCH: usize = 128;

/// When to look again where all that is due runs already: soon, but no store is asked in a circle.
const SOON: Duration = Duration::from_secs(1);

/// How old the list of dead workers may get.
const GONE_EVERY: Duration = Duration::from_millis(500);

/// What the dispatcher can take now.
pub(super) struct Taking<'a> {
    /// Whether the intake is open.
    pub(super) queued: bool,
    /// What runs here already.
    pub(super) running: &'a HashMap<JobId, CancellationToken>,
    /// Who lives.
    pub(super) presence: &'a WorkerLock,
    /// How many slots are free.
    pub(super) free: usize,
}

/// Due jobs, read a batch at a time.
pub(super) struct Candidates {
    ports: Ports,
    simulated: bool,
    list: VecDeque<Job>,
    /// Whether the store may have something that the list has not.
    unread: bool,
    nothing_waits: bool,
    wake: Option<Instant>,
    paused_until: Option<Instant>,
    queue_held_until: Option<Instant>,
    gone: Vec<WorkerId>,
    gone_at: Option<Instant>,
    avoided: HashSet<JobId>,
    /// Jobs of this worker that it stopped running because the store did not answer: no claim has to run out for them.
    left: HashSet<JobId>,
    /// Left alone until then.
    aside: HashMap<JobId, Instant>,
}

impl Candidates {
    pub(super) fn new(ports: Ports, simulated: bool) -> Self {
        Self {
            ports,
            simulated,
            list: VecDeque::new(),
            unread: true,
            nothing_waits: false,
            wake: None,
            paused_until: None,
            queue_held_until: None,
            gone: Vec::new(),
            gone_at: None,
            avoided: HashSet::new(),
            left: HashSet::new(),
            aside: HashMap::new(),
        }
    }

    /// The next job to run, if one is due.
    pub(super) async fn next(&mut self, taking: Taking<'_>) -> Result<Option<Job>, StoreError> {
        let now = Instant::now();
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            self.wake = Some(until);
            return Ok(None);
        }
        let queued = taking.queued && self.queue_held_until.is_none_or(|until| until <= now);
        loop {
            while let Some(job) = self.list.pop_front() {
                let fits = queued || job.stage_name() != StageName::Queued;
                if fits && self.is_free(&job, &taking) {
                    self.nothing_waits = false;
                    self.left.remove(&job.id);
                    return Ok(Some(job));
                }
            }
            if !self.unread {
                return Ok(None);
            }
            self.read(&taking, queued, now).await?;
        }
    }

    async fn read(&mut self, taking: &Taking<'_>, queued: bool, now: Instant) -> Result<(), StoreError> {
        if self.gone_at.is_none_or(|at| now - at >= GONE_EVERY) {
            self.gone = taking.presence.gone();
            self.gone_at = Some(now);
        }
        // What was begun here a moment ago may still be listed as queued: room for it beside what is free.
        self.aside.retain(|_, until| *until > now);
        let limit = BATCH.max(taking.free) + taking.running.len() + self.avoided.len() + self.aside.len();
        let at = self.ports.clock.now();
        let mut due = DueQuery { now: at, simulated: self.simulated, queued, dead_workers: self.gone.clone(), limit };
        if !self.left.is_empty() {
            due.dead_workers.push(taking.presence.worker().clone());
        }
        let jobs = self.ports.store.due(due.clone()).await?;
        let (full, none) = (jobs.len() >= limit, jobs.is_empty());
        // What runs elsewhere, or is left alone for a moment, waits all the same.
        let waits = jobs.iter().any(|job| !self.avoided.contains(&job.id));
        self.list = jobs.into_iter().filter(|job| self.is_free(job, taking)).collect();
        // A full answer means that there is more behind it.
        self.unread = full && !self.list.is_empty();
        if self.list.is_empty() {
            let next = self.ports.store.next_due(DueQuery { queued: true, ..due }).await?;
            self.nothing_waits = !waits && next.is_none() && taking.running.is_empty();
            let soonest = if none { Duration::ZERO } else { SOON };
            self.wake = next.map(|next| now + (next - at).to_std().unwrap_or(Duration::ZERO).max(soonest));
            if let Some(until) = self.queue_held_until.filter(|until| *until > now) {
                self.nothing_waits = false;
                self.wake = Some(self.wake.map_or(until, |wake| wake.min(until)));
            }
        }
        Ok(())
    }

    fn is_free(&self, job: &Job, taking: &Taking<'_>) -> bool {
        let holds = job
            .claim
            .as_ref()
            .is_some_and(|claim| &claim.worker == taking.presence.worker() && claim.holds(self.ports.clock.now()))
            && !self.left.contains(&job.id);
        let taken = holds || taking.running.contains_key(&job.id) || self.avoided.contains(&job.id);
        !taken && self.aside.get(&job.id).is_none_or(|until| *until <= Instant::now())
    }

    /// When to look again at the latest, as far as this list knows.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.wake.map(|wake| wake.max(Instant::now() + Duration::from_millis(5)))
    }

    /// Whether the last look found no job that is queued or under way anywhere.
    pub(super) fn nothing_waits(&self) -> bool {
        self.nothing_waits && self.list.is_empty() && !self.unread
    }

    /// Something may have changed.
    pub(super) fn look_again(&mut self) {
        self.unread = true;
    }

    /// These have changed: what the list says of them is old.
    pub(super) fn heard(&mut self, changed: &Hint) {
        self.unread = true;
        if self.list.is_empty() {
            return;
        }
        let changed: HashMap<&JobId, u64> = changed.iter().map(|job| (&job.id, job.revision)).collect();
        self.list.retain(|job| changed.get(&job.id).is_none_or(|revision| *revision == job.revision));
    }

    /// The list is out of date: others take from the same queue.
    pub(super) fn forget(&mut self) {
        self.list.clear();
        self.unread = true;
    }

    /// Begin nothing for a while.
    pub(super) fn pause_for(&mut self, time: Duration) {
        self.paused_until = Some(Instant::now() + time);
        self.forget();
    }

    /// Begin nothing from the queue for a while; what is under way may be taken.
    pub(super) fn hold_queue_for(&mut self, time: Duration) {
        self.queue_held_until = Some(Instant::now() + time);
        self.forget();
    }

    /// Leave this one alone for a while: it runs elsewhere.
    pub(super) fn set_aside(&mut self, id: JobId, time: Duration) {
        self.aside.insert(id, Instant::now() + time);
    }

    /// It was left as it is, under this worker's claim or not: the store did not answer.
    pub(super) fn leave(&mut self, id: JobId) {
        self.left.insert(id);
    }

    /// Never take this one again in this process.
    pub(super) fn avoid(&mut self, id: JobId) {
        self.avoided.insert(id);
    }
}
