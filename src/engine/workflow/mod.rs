//! The durable workflow, written once: look at the stage, perform the one next effect, save with a compare-and-set.
//!
//! `begin` → `submit` → `wait` → `collect`. Who calls them, one after the other or each on another machine, is an engine's
//! matter: nothing here knows about slots, queues or other jobs. What a crash between any two lines does is decided by what was
//! saved before.

mod begin;
mod collect;
mod save;
mod submit;
mod wait;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

pub(super) use self::wait::{Looks, Waited};
use super::{JobFinished, Ports, Progress, Settings};
use crate::jobs::{Claim, Job, StageName, WorkerId};
use crate::store::StoreError;

/// How a run over a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ran {
    /// It is in a stage that needs no worker.
    Finished,
    /// It waits for its `not_before`; the slot is free.
    PutOff,
    /// Somebody else moved it: drop it, the watcher brings the truth.
    Lost,
    /// It runs already, begun by another process: leave it alone for a moment.
    Elsewhere,
    /// This worker was asked to stop; the claim was given back.
    Stopped,
}

/// Why a run stopped without having moved the job on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkflowError {
    /// Somebody else moved the job.
    #[error("somebody else moved the job")]
    Lost,
    /// The store cannot be used just now; the claim runs out by itself.
    #[error(transparent)]
    Store(StoreError),
    /// The job's document contradicts itself.
    #[error("{0}")]
    Illegal(#[from] crate::jobs::IllegalTransition),
}

impl From<StoreError> for WorkflowError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_) => Self::Lost,
            other => Self::Store(other),
        }
    }
}

/// What an engine wants to hear while effects run. Must return at once.
pub trait Observer: Send + Sync + 'static {
    /// What the job does just now.
    fn progress(&self, progress: Progress);
    /// No job of this account will be accepted until a person acts.
    fn account_trouble(&self, reason: &str);
    /// The provider has as many unfinished tickets as it takes.
    fn provider_full(&self);
    /// A POST leaves, or its outcome is safe: between the two this process must not be left.
    fn posting(&self, in_flight: bool);
    /// No budget is left for a job of this price.
    fn over_budget(&self);
    /// A job has ended here; it is saved.
    fn ended(&self, ended: JobFinished);
}

/// The workflow's effects, as one worker performs them.
pub struct JobWorkflow {
    pub(super) ports: Ports,
    pub(super) settings: Settings,
    pub(super) worker: WorkerId,
    pub(super) observer: Arc<dyn Observer>,
    /// Whether somebody else sees to it that a job is worked on by one worker at a time: then a claim that holds is good enough,
    /// whoever took it.
    shares_claims: bool,
}

impl JobWorkflow {
    /// The effects of one worker.
    pub fn new(ports: Ports, settings: Settings, worker: WorkerId, observer: Arc<dyn Observer>) -> Self {
        Self { ports, settings, worker, observer, shares_claims: false }
    }

    /// The effects of one worker of a fleet in which somebody else sees to it that a job is worked on by one of them at a time.
    #[cfg_attr(not(feature = "temporal"), expect(dead_code, reason = "only a fleet shares claims"))]
    pub(super) fn of_a_fleet(ports: Ports, settings: Settings, worker: WorkerId, observer: Arc<dyn Observer>) -> Self {
        Self { ports, settings, worker, observer, shares_claims: true }
    }

    /// Takes a due job as far as it goes now. `stop` ends it at the next safe place: never between a POST and its save.
    pub async fn run(&self, mut job: Job, stop: &CancellationToken) -> Result<Ran, WorkflowError> {
        loop {
            match job.stage_name() {
                StageName::Queued => {
                    if stop.is_cancelled() {
                        return Ok(Ran::Stopped);
                    }
                    self.begin_and_submit(&mut job, stop).await?;
                    if job.stage_name() == StageName::Queued {
                        return Ok(Ran::PutOff);
                    }
                }
                StageName::Submitting => self.give_up_submit(&mut job).await?,
                StageName::Generating => match self.wait(&mut job, &Looks::first(), stop).await? {
                    Waited::Ready(sample, cost) => match self.collect(&mut job, sample, cost, stop).await? {
                        // A retry that asked the old ticket in vain has queued a new attempt: the queue gives it a turn.
                        Ran::Finished if job.stage_name() == StageName::Queued => return Ok(Ran::PutOff),
                        ran => return Ok(ran),
                    },
                    Waited::Finished if job.stage_name() == StageName::Queued => return Ok(Ran::PutOff),
                    Waited::Finished => return Ok(Ran::Finished),
                    Waited::PutOff => return Ok(Ran::PutOff),
                    Waited::Stopped => return Ok(Ran::Stopped),
                },
                StageName::Done | StageName::Approved | StageName::Failed | StageName::Cancelled => {
                    return Ok(Ran::Finished);
                }
            }
        }
    }

    /// A queued job: everything before the POST, and the POST, where nothing speaks against it.
    pub(super) async fn begin_and_submit(&self, job: &mut Job, stop: &CancellationToken) -> Result<(), WorkflowError> {
        match self.begin(job, stop).await? {
            Some(order) => self.submit(job, order).await,
            None => Ok(()),
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.ports.clock.now()
    }

    fn fresh_claim(&self, now: DateTime<Utc>) -> Claim {
        let lease = chrono::Duration::from_std(self.settings.lease).unwrap_or(chrono::Duration::seconds(90));
        Claim { worker: self.worker.clone(), until: now + lease }
    }
}

/// A fresh number from 0 to 1 for jitter.
fn jitter() -> f64 {
    rand::random::<f64>()
}
