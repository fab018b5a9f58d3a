//! The durable workflow of a job: read the stage, perform the one next effect, save with a compare-and-set.
//!
//! `prepare` → `submit` → `poll` → `download_and_store`. The engines decide who calls these steps: the local engine runs them one
//! after the other in one task, the Temporal engine runs each as an activity, possibly on different machines. Nothing here knows
//! slots, queues or other jobs. What a crash between any two lines causes is decided by what was saved before it.

mod download;
mod poll;
mod prepare;
mod recover;
mod save;
mod submit;

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

pub(super) use self::poll::{PollOutcome, PollStats};
use super::account_tasks::KnownAccountTasks;
use super::image_spool::ImageSpool;
use super::submit_journal::SubmitJournal;
use super::{Dependency, JobFinished, Ports, Progress, Settings};
use crate::costs::BudgetExceeded;
use crate::jobs::{Claim, Job, StageName, WorkerId};
use crate::store::StoreError;

/// How a run over a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunOutcome {
    /// The job is in a stage that needs no worker.
    Finished,
    /// The job waits for its `not_before`; the slot is free.
    Deferred,
    /// Another process moved the job: drop this copy, the change stream brings the current one.
    Superseded,
    /// Another process runs the job already.
    RunningElsewhere,
    /// This worker was stopped; the claim was released.
    Stopped,
}

/// Why a run stopped without having moved the job on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkflowError {
    /// Another process moved the job, or deleted its document.
    #[error("another process moved the job")]
    Superseded,
    /// The account, or this model of it, has as many unfinished tasks as it may have. The job is queued, and nothing was written.
    #[error("{}", StoreError::TaskLimit(.0.clone()))]
    TaskLimit(Option<String>),
    /// The store cannot be used now; the claim expires by itself.
    #[error(transparent)]
    Store(StoreError),
    /// The job's document contradicts itself.
    #[error("{0}")]
    Illegal(#[from] crate::jobs::IllegalTransition),
}

impl From<StoreError> for WorkflowError {
    fn from(error: StoreError) -> Self {
        match error {
            // A document that is gone asks for nothing more.
            StoreError::Conflict(_) | StoreError::NotFound(_) => Self::Superseded,
            other => Self::Store(other),
        }
    }
}

/// Receives what an engine needs to know while steps run. Implementations must return at once.
pub trait Observer: Send + Sync + 'static {
    /// What the job does now.
    fn progress(&self, progress: Progress);
    /// No job will be accepted, or its image stored, until an operator acts.
    fn account_blocked(&self, by: Dependency, reason: &str);
    /// The provider has as many unfinished tickets as it accepts.
    fn provider_full(&self);
    /// A POST begins (`true`), or its outcome is saved (`false`): in between this process must not exit.
    fn submit_in_flight(&self, in_flight: bool);
    /// A budget does not allow a job of this price.
    fn budget_exceeded(&self, exceeded: &BudgetExceeded);
    /// A job has ended in this process; its document is saved.
    fn job_finished(&self, finished: JobFinished);
}

/// The steps of the workflow, as one worker performs them.
pub struct JobWorkflow {
    pub(super) ports: Ports,
    pub(super) settings: Settings,
    pub(super) worker: WorkerId,
    pub(super) observer: Arc<dyn Observer>,
    account_tasks: KnownAccountTasks,
    /// Whether a valid claim of any worker is sufficient, because something else ensures that one worker at a time runs a job.
    shares_claims: bool,
    /// Records how far each submit came. Without one, a submit that a crash interrupts stays unknown.
    journal: Option<Arc<SubmitJournal>>,
    /// Keeps images that cannot be stored. Without one they are downloaded again, for as long as their links last.
    image_spool: Option<Arc<ImageSpool>>,
}

impl JobWorkflow {
    /// The steps of one worker that owns its claims.
    pub fn new(ports: Ports, settings: Settings, worker: WorkerId, observer: Arc<dyn Observer>) -> Self {
        let account_tasks = KnownAccountTasks::default();
        Self {
            ports,
            settings,
            worker,
            observer,
            account_tasks,
            shares_claims: false,
            journal: None,
            image_spool: None,
        }
    }

    /// The steps of one of many workers among which a server ensures that one at a time runs a job.
    #[cfg_attr(not(feature = "temporal"), expect(dead_code, reason = "only the Temporal engine shares claims"))]
    pub(super) fn with_shared_claims(
        ports: Ports,
        settings: Settings,
        worker: WorkerId,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let account_tasks = KnownAccountTasks::default();
        Self { ports, settings, worker, observer, account_tasks, shares_claims: true, journal: None, image_spool: None }
    }

    /// The same with a journal of the worker's submits.
    #[must_use]
    pub(super) fn with_journal(self, journal: Arc<SubmitJournal>) -> Self {
        Self { journal: Some(journal), ..self }
    }

    /// The same with a place for images that cannot be stored.
    #[must_use]
    pub(super) fn with_image_spool(self, image_spool: Arc<ImageSpool>) -> Self {
        Self { image_spool: Some(image_spool), ..self }
    }

    /// The same with a journal in that folder that does not wait for the disk: for simulations, whose machines never lose power.
    #[must_use]
    pub fn with_unsynced_journal(self, folder: &Path, store: &str) -> Self {
        let journal = SubmitJournal::new(folder, &self.worker, store).unsynced();
        self.with_journal(Arc::new(journal))
    }

    /// Takes a due job as far as it goes now. `stop` ends the run at the next safe point: never between a POST and its save.
    pub async fn run(&self, mut job: Job, stop: &CancellationToken) -> Result<RunOutcome, WorkflowError> {
        loop {
            match job.stage_name() {
                StageName::Queued => {
                    if stop.is_cancelled() {
                        return Ok(RunOutcome::Stopped);
                    }
                    self.prepare_and_submit(&mut job, stop).await?;
                    if job.stage_name() == StageName::Queued {
                        return Ok(RunOutcome::Deferred);
                    }
                }
                StageName::Submitting => self.recover_submit(&mut job).await?,
                StageName::Generating => {
                    let outcome = match self.poll(&mut job, &PollStats::unobserved(), stop).await? {
                        PollOutcome::Ready(link, cost) => self.download_and_store(&mut job, link, cost, stop).await?,
                        PollOutcome::Downloaded(kept) => self.store_unstored(&mut job, kept, stop).await?,
                        PollOutcome::Finished => RunOutcome::Finished,
                        PollOutcome::Deferred => RunOutcome::Deferred,
                        PollOutcome::Stopped => RunOutcome::Stopped,
                    };
                    // A retry that polled the old ticket without success has queued a new attempt, which takes its turn.
                    return Ok(match outcome {
                        RunOutcome::Finished if job.stage_name() == StageName::Queued => RunOutcome::Deferred,
                        outcome => outcome,
                    });
                }
                StageName::Done | StageName::Approved | StageName::Failed | StageName::Cancelled => {
                    return Ok(RunOutcome::Finished);
                }
            }
        }
    }

    /// A queued job: everything before the POST, and the POST if nothing prevents it.
    pub(super) async fn prepare_and_submit(
        &self,
        job: &mut Job,
        stop: &CancellationToken,
    ) -> Result<(), WorkflowError> {
        match self.prepare(job, stop).await? {
            Some(request) => self.submit(job, request).await,
            None => Ok(()),
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.ports.clock.now()
    }

    fn new_claim(&self, now: DateTime<Utc>) -> Claim {
        let lease = chrono::Duration::from_std(self.settings.lease).unwrap_or(chrono::Duration::seconds(90));
        Claim { worker: self.worker.clone(), until: now + lease }
    }
}
