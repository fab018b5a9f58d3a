//! What each activity does: the workflow's steps, each after a read of the document. Nothing is done for a job whose document does
//! not ask for it.
//!
//! The document decides what a second try does: a request is sent only if the document is queued, polling and storing can be
//! repeated, and every save is a compare-and-set. A try that lost a race reads the document again and reports its state.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chrono::{DateTime, Utc};
use futures::FutureExt;
use temporalio_sdk::ApplicationFailure;
use temporalio_sdk::activities::ActivityError;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::payloads::{JobInput, JobReport, NextStep, StoreInput};
use super::policy;
use crate::costs::Credits;
use crate::engine::image_spool::ImageSpool;
use crate::engine::outages::OutageMonitor;
use crate::engine::scheduler::{ChangedJobs, WorkerLock, mark_internal_failure};
use crate::engine::submit_journal::SubmitJournal;
use crate::engine::workflow::{JobWorkflow, Observer, PollOutcome, PollStats, RunOutcome, WorkflowError};
use crate::engine::{Dependency, OperatorCommands, Ports, Settings};
use crate::jobs::{IllegalTransition, Job, JobId, StageName};
use crate::provider::ResultLink;
use crate::store::StoreError;

/// How many changes may wait for a slow activity.
const CHANGE_BUFFER: usize = 64;

/// The activities' implementation in one worker process.
pub(super) struct ActivityHandlers {
    workflow: JobWorkflow,
    ports: Ports,
    operator: OperatorCommands,
    simulated: bool,
    /// The fingerprint of the store; see [`JobInput::store`].
    store_fingerprint: String,
    worker_lock: Arc<WorkerLock>,
    /// Requests that are being sent, or whose reply is being saved.
    submits_in_flight: AtomicUsize,
    /// Nothing is submitted while images cannot be stored.
    outages: Option<Arc<OutageMonitor>>,
    changes: broadcast::Sender<Arc<Job>>,
    /// Whether this worker takes no further activity and finishes what it has: then no `wait` of its own follows a `submit`.
    is_draining: AtomicBool,
    /// Polling ends, and no submit begins, once the current token is cancelled; a new worker of this process gets a new token.
    shutdown: watch::Sender<CancellationToken>,
}

/// Why an activity failed. All but the last are retried, here or on another worker.
#[derive(Debug, thiserror::Error)]
pub(super) enum ActivityFailure {
    #[error("worker shutting down; another will retry")]
    ShuttingDown,
    #[error("request in flight, claimed by {0}; it is not sent again")]
    SubmitInFlight(String),
    #[error("this worker runs only {0}; another will retry")]
    WrongProvider(&'static str),
    #[error("images cannot be stored now; another worker will retry")]
    BucketDown,
    #[error("worker uses a different store; check TEMPORAL_NAMESPACE")]
    WrongStore,
    #[error("{0}; retried when a task may have ended")]
    TaskLimit(WorkflowError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the job document contradicts itself: {0}")]
    Illegal(IllegalTransition),
}

impl ActivityFailure {
    /// As Temporal's failure. The type names are a contract.
    pub(super) fn into_activity_error(self) -> ActivityError {
        let (type_name, delay) = match &self {
            Self::ShuttingDown => ("leaving", Some(policy::HANDOVER_DELAY)),
            Self::BucketDown => ("bucket", Some(policy::BUSY_RETRY_DELAY)),
            Self::SubmitInFlight(_) => ("busy", Some(policy::BUSY_RETRY_DELAY)),
            Self::TaskLimit(_) => ("busy", Some(policy::TASK_LIMIT_DELAY)),
            Self::WrongProvider(_) => ("other_provider", Some(policy::WRONG_PROVIDER_DELAY)),
            Self::WrongStore => ("other_store", Some(policy::WRONG_PROVIDER_DELAY)),
            Self::Store(_) => ("store", None),
            Self::Illegal(_) => ("illegal", None),
        };
        let is_final = matches!(self, Self::Illegal(_));
        let failure = ApplicationFailure::builder(self).type_name(type_name.to_owned()).non_retryable(is_final);
        ActivityError::application(failure.maybe_next_retry_delay(delay).build())
    }
}

impl ActivityHandlers {
    pub(super) fn new(
        ports: Ports,
        settings: Settings,
        worker_lock: Arc<WorkerLock>,
        journal: Arc<SubmitJournal>,
        observer: Arc<dyn Observer>,
        store_fingerprint: String,
    ) -> Self {
        let simulated = settings.simulated;
        let worker = worker_lock.worker().clone();
        Self {
            operator: OperatorCommands::new(ports.store.clone(), ports.clock.clone(), simulated),
            workflow: JobWorkflow::with_shared_claims(ports.clone(), settings, worker, observer).with_journal(journal),
            ports,
            simulated,
            store_fingerprint,
            worker_lock,
            submits_in_flight: AtomicUsize::new(0),
            outages: None,
            changes: broadcast::Sender::new(CHANGE_BUFFER),
            is_draining: AtomicBool::new(false),
            shutdown: watch::Sender::default(),
        }
    }

    /// The same with a monitor of this worker's requests.
    #[must_use]
    pub(super) fn with_outages(self, outages: Arc<OutageMonitor>) -> Self {
        Self { outages: Some(outages), ..self }
    }

    /// The same with the images that could not be stored.
    #[must_use]
    pub(super) fn with_image_spool(self, image_spool: Arc<ImageSpool>) -> Self {
        Self { workflow: self.workflow.with_image_spool(image_spool), ..self }
    }

    /// Jobs changed: an activity that waits for one of them checks it.
    pub(super) fn on_jobs_changed(&self, changed: &ChangedJobs) {
        for job in changed {
            // An error means that no activity waits.
            let _ = self.changes.send(job.clone());
        }
    }

    /// Activities that run are finished, and no further one is taken.
    pub(super) fn begin_drain(&self) {
        self.is_draining.store(true, Ordering::SeqCst);
    }

    /// Ends everything that another worker can continue.
    pub(super) fn begin_shutdown(&self) {
        self.shutdown.borrow().cancel();
    }

    /// Whether a request is in flight, or its reply is not saved yet: then this process must not exit.
    pub(super) fn has_submit_in_flight(&self) -> bool {
        self.submits_in_flight.load(Ordering::SeqCst) > 0
    }

    /// Accepts work again after `begin_drain` or `begin_shutdown`.
    pub(super) fn resume(&self) {
        self.is_draining.store(false, Ordering::SeqCst);
        self.shutdown.send_replace(CancellationToken::new());
    }

    fn now(&self) -> DateTime<Utc> {
        self.ports.clock.now()
    }

    /// Performs `work` on a job of that store. A panic marks the job as failed, as in the local engine: a retry would panic again.
    pub(super) async fn guarded(
        &self,
        job: &JobId,
        store_fingerprint: &str,
        work: impl Future<Output = Result<JobReport, ActivityFailure>>,
    ) -> Result<JobReport, ActivityFailure> {
        let are_known = !store_fingerprint.is_empty() && !self.store_fingerprint.is_empty();
        if are_known && store_fingerprint != self.store_fingerprint {
            return Err(ActivityFailure::WrongStore);
        }
        if let Ok(report) = AssertUnwindSafe(work).catch_unwind().await {
            return report;
        }
        tracing::error!(job = %job, "activity panicked");
        mark_internal_failure(&self.ports, job).await?;
        self.current_report(job).await
    }

    /// The document, or a report if there is none that this worker can use.
    async fn load(&self, id: &JobId) -> Result<Result<Job, JobReport>, ActivityFailure> {
        let job = match self.ports.store.get(id).await {
            Ok(Some(job)) => job,
            Ok(None) => return Ok(Err(JobReport::gone(id))),
            Err(StoreError::Unreadable { reason, .. }) => return Ok(Err(JobReport::unreadable(&reason))),
            Err(error) => return Err(error.into()),
        };
        if job.simulated != self.simulated {
            let kind = if self.simulated { "simulated jobs" } else { "jobs for real money" };
            return Err(ActivityFailure::WrongProvider(kind));
        }
        Ok(Ok(job))
    }

    async fn current_report(&self, id: &JobId) -> Result<JobReport, ActivityFailure> {
        Ok(match self.load(id).await? {
            Ok(job) => JobReport::of(&job, self.now()),
            Err(report) => report,
        })
    }

    /// The report after a step. A step that lost a race reports the document's current state.
    async fn report(&self, job: &Job, result: Result<(), WorkflowError>) -> Result<JobReport, ActivityFailure> {
        match result {
            Ok(()) => Ok(JobReport::of(job, self.now())),
            Err(WorkflowError::Superseded) => self.current_report(&job.id).await,
            Err(error @ WorkflowError::TaskLimit(_)) => Err(ActivityFailure::TaskLimit(error)),
            Err(WorkflowError::Store(error)) => Err(ActivityFailure::Store(error)),
            Err(WorkflowError::Illegal(illegal)) => Err(ActivityFailure::Illegal(illegal)),
        }
    }

    /// The failure for a submitting job whose worker may still receive the reply.
    fn submit_in_flight_elsewhere(&self, job: &Job) -> Option<ActivityFailure> {
        let claim = job.claim.as_ref().filter(|claim| claim.holds(self.now()))?;
        let is_dead = self.worker_lock.dead_workers().contains(&claim.worker);
        (!is_dead).then(|| ActivityFailure::SubmitInFlight(claim.worker.to_string()))
    }

    /// Submits a queued job, and stores its image if that is ready at once; reports the next step of any other.
    pub(super) async fn submit(&self, input: &JobInput) -> Result<JobReport, ActivityFailure> {
        let mut job = match self.load(&input.job).await? {
            Ok(job) => job,
            Err(report) => return Ok(report),
        };
        match (job.stage_name(), &JobReport::of(&job, self.now()).next) {
            (StageName::Queued, NextStep::Submit) => {
                let shutdown = self.shutdown.borrow().clone();
                if shutdown.is_cancelled() {
                    return Err(ActivityFailure::ShuttingDown);
                }
                if self.outages.as_ref().is_some_and(|outages| outages.is_down(Dependency::Bucket)) {
                    return Err(ActivityFailure::BucketDown);
                }
                let in_flight = InFlightGuard::new(&self.submits_in_flight);
                let submitted = self.workflow.prepare_and_submit(&mut job, &shutdown).await;
                drop(in_flight);
                if submitted.is_ok() && job.stage_name() == StageName::Generating {
                    let report = self.store_if_ready(job, &shutdown).await?;
                    if report.next == NextStep::Poll && self.is_draining.load(Ordering::SeqCst) {
                        return self.poll_and_store(input, &watch::Sender::default(), &watch::Sender::default()).await;
                    }
                    return Ok(report);
                }
                self.report(&job, submitted).await
            }
            (StageName::Submitting, _) => {
                if let Some(in_flight) = self.submit_in_flight_elsewhere(&job) {
                    return Err(in_flight);
                }
                let recovered = self.workflow.recover_submit(&mut job).await;
                self.report(&job, recovered).await
            }
            _ => Ok(JobReport::of(&job, self.now())),
        }
    }

    /// Stores the image of a request that was just accepted if its ticket is ready at once: half of the job's activities are saved.
    /// Everything here can be repeated, and what is not finished in time is left to `wait`, which polls again.
    async fn store_if_ready(&self, mut job: Job, shutdown: &CancellationToken) -> Result<JobReport, ActivityFailure> {
        let id = job.id.clone();
        let work = async {
            if let Some((link, charged)) =
                self.workflow.poll_for_ready(&mut job, policy::READY_WINDOW, shutdown).await?
            {
                self.workflow.download_and_store(&mut job, link, charged, shutdown).await?;
            }
            Ok(())
        };
        match tokio::time::timeout(policy::READY_TIMEOUT, work).await {
            Ok(result) => self.report(&job, result).await,
            // A save may have been in flight.
            Err(_) => self.current_report(&id).await,
        }
    }

    /// Polls the ticket until it is final, then downloads and stores the image at once: the result link lasts minutes, and the job
    /// never waits for a second activity. A try that is repeated polls again, which yields a fresh link and costs nothing.
    pub(super) async fn poll_and_store(
        &self,
        input: &JobInput,
        stats: &watch::Sender<PollStats>,
        ticket: &watch::Sender<String>,
    ) -> Result<JobReport, ActivityFailure> {
        let changes = self.changes.subscribe();
        let mut job = match self.load(&input.job).await? {
            Ok(job) => job,
            Err(report) => return Ok(report),
        };
        let report = JobReport::of(&job, self.now());
        if report.next != NextStep::Poll {
            return Ok(report);
        }
        ticket.send_replace(report.ticket.clone().unwrap_or_default());
        let shutdown = self.shutdown.borrow().clone();
        let attempt = job.attempt_number();
        let polled = tokio::select! {
            polled = self.workflow.poll(&mut job, stats, &shutdown) => polled,
            // Whatever was about to be saved would lose against the save of the process that moved the job.
            () = self.moved(changes, &input.job, attempt) => return self.current_report(&input.job).await,
        };
        match polled {
            Ok(PollOutcome::Ready(link, charged)) => self.download_and_store(job, link, charged, &shutdown).await,
            Ok(PollOutcome::Downloaded(kept)) => {
                let stored = self.workflow.store_unstored(&mut job, kept, &shutdown).await;
                self.report_stored(&job, stored).await
            }
            Ok(PollOutcome::Finished | PollOutcome::Deferred) => Ok(JobReport::of(&job, self.now())),
            Ok(PollOutcome::Stopped) => Err(ActivityFailure::ShuttingDown),
            Err(error) => self.report(&job, Err(error)).await,
        }
    }

    /// Waits until another process has ended the attempt.
    async fn moved(&self, mut changes: broadcast::Receiver<Arc<Job>>, id: &JobId, attempt: u32) {
        let is_moved = |job: &Job| !job.stage_name().is_active() || job.attempt_number() != attempt;
        loop {
            match changes.recv().await {
                Ok(job) if &job.id == id && is_moved(&job) => return,
                Ok(_) => {}
                // Some changes were dropped: this job may have been among them.
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    if self.ports.store.get(id).await.is_ok_and(|job| job.as_ref().is_none_or(is_moved)) {
                        return;
                    }
                }
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// Downloads and stores the image whose link an earlier version's `wait` reported.
    pub(super) async fn store(&self, input: &StoreInput) -> Result<JobReport, ActivityFailure> {
        let job = match self.load(&input.job).await? {
            Ok(job) => job,
            Err(report) => return Ok(report),
        };
        // The image of an attempt that has been given up is not wanted any more.
        if job.stage_name() != StageName::Generating || job.attempt_number() != input.attempt {
            return Ok(JobReport::of(&job, self.now()));
        }
        let shutdown = self.shutdown.borrow().clone();
        let link = ResultLink::new(input.link.clone());
        self.download_and_store(job, link, input.charged, &shutdown).await
    }

    async fn download_and_store(
        &self,
        mut job: Job,
        link: ResultLink,
        charged: Option<Credits>,
        shutdown: &CancellationToken,
    ) -> Result<JobReport, ActivityFailure> {
        let stored = self.workflow.download_and_store(&mut job, link, charged, shutdown).await;
        self.report_stored(&job, stored).await
    }

    async fn report_stored(
        &self,
        job: &Job,
        stored: Result<RunOutcome, WorkflowError>,
    ) -> Result<JobReport, ActivityFailure> {
        match stored {
            Ok(RunOutcome::Stopped) => Err(ActivityFailure::ShuttingDown),
            Ok(_) => Ok(JobReport::of(job, self.now())),
            Err(error) => self.report(job, Err(error)).await,
        }
    }

    /// Cancels the job if it can still be cancelled.
    pub(super) async fn cancel(&self, input: &JobInput) -> Result<JobReport, ActivityFailure> {
        let mut job = match self.load(&input.job).await? {
            Ok(job) => job,
            Err(report) => return Ok(report),
        };
        if job.stage_name() == StageName::Submitting {
            if let Some(in_flight) = self.submit_in_flight_elsewhere(&job) {
                return Err(in_flight);
            }
            let recovered = self.workflow.recover_submit(&mut job).await;
            if recovered.is_err() || !job.stage_name().is_active() {
                return self.report(&job, recovered).await;
            }
        }
        self.operator.cancel(vec![input.job.clone()]).await?;
        self.current_report(&input.job).await
    }
}

/// A submit in flight, counted until this is dropped.
struct InFlightGuard<'a>(&'a AtomicUsize);

impl<'a> InFlightGuard<'a> {
    fn new(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::SeqCst);
        Self(counter)
    }
}

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
