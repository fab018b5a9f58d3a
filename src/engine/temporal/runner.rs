//! A due job as a workflow: starts it, or signals the one that sleeps, and waits until it closes. A job whose workflow id belongs to
//! another program's open workflow is held until that one is closed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use temporalio_client::errors::{WorkflowGetResultError, WorkflowInteractionError, WorkflowStartError};
use temporalio_client::tonic::Status;
use temporalio_client::{
    Client, WorkflowDescribeOptions, WorkflowExecutionStatus, WorkflowGetResultOptions, WorkflowHandle,
    WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowSignalOptions, WorkflowStartOptions,
};
use temporalio_workflow::MemoValues;
use temporalio_workflow::workflows::WorkflowImplementation;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::activity_handlers::ActivityHandlers;
use super::connection::ConnectionSupervisor;
use super::options::TemporalOptions;
use super::payloads::{VERSION, WorkflowInput};
use super::report::{is_deferred, is_held_by_account};
use super::task_queue::{self, WORKFLOW_ID_PREFIX, status_line};
use super::workflow::ImageGeneration;
use crate::engine::scheduler::{ChangedJobs, RunError, Runner, RunnerContext};
use crate::engine::workflow::{JobWorkflow, Observer, RunOutcome, WorkflowError};
use crate::engine::{Dependency, Mode, Ports};
use crate::jobs::{Hold, Job, JobId, StageName, sha256_hex};
use crate::store::Save;
use crate::text::sanitize_line;

/// A change event may be lost, so a running job is read again after this time.
const RECHECK_INTERVAL: Duration = Duration::from_secs(30);

/// A workflow whose timer has fired continues by itself within this time.
const TIMER_SLACK: Duration = Duration::from_secs(3);

/// How long the workflow of an ended job may take to close when this process shuts down.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the last workflows may take to close when no job is left.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long the connection may take when no job is left.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Shortest and longest time after which a job that another program's workflow blocks is tried again. In between, it is tried again
/// after as long as it has been blocked.
const BLOCKED_RECHECK: (chrono::Duration, chrono::Duration) =
    (chrono::Duration::seconds(15), chrono::Duration::minutes(10));

/// Longest workflow id in bytes, below the servers' default limit.
const MAX_WORKFLOW_ID_BYTES: usize = 900;

/// A workflow that was started here.
type StartedWorkflow = WorkflowHandle<Client, <ImageGeneration as WorkflowImplementation>::Run>;

/// Runs jobs as workflows.
pub(super) struct TemporalRunner {
    ports: Ports,
    runs_jobs: bool,
    options: TemporalOptions,
    observer: Arc<dyn Observer>,
    handlers: Arc<ActivityHandlers>,
    /// For jobs with a ticket whose workflow id is taken: they are finished in this process.
    local: JobWorkflow,
    client: watch::Receiver<Option<Client>>,
    slots: watch::Sender<usize>,
    stop: CancellationToken,
    supervisor: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl TemporalRunner {
    /// Begins to connect and, unless read-only, to run activities. Must be called within a runtime.
    pub(super) fn new(context: RunnerContext, options: TemporalOptions) -> Self {
        let RunnerContext { ports, settings, worker_lock, journal, image_spool, outages, observer, events } = context;
        let runs_jobs = settings.mode != Mode::Observe;
        let (name, initial_slots) = (worker_lock.worker().to_string(), settings.slots.max(1));
        let local = JobWorkflow::new(ports.clone(), settings.clone(), worker_lock.worker().clone(), observer.clone())
            .with_image_spool(image_spool.clone());
        let fingerprint = options.store_fingerprint.clone();
        let handlers =
            ActivityHandlers::new(ports.clone(), settings, worker_lock, journal, observer.clone(), fingerprint);
        let handlers = Arc::new(handlers.with_outages(outages).with_image_spool(image_spool));
        let (client_sender, client) = watch::channel(None);
        let (slots, slots_receiver) = watch::channel(initial_slots);
        let stop = CancellationToken::new();
        let supervisor = ConnectionSupervisor {
            options: options.clone(),
            name,
            handlers: handlers.clone(),
            runs_jobs,
            slots: slots_receiver,
            client: client_sender,
            events,
            status: None,
            refresh_failures: 0,
        };
        let supervisor = tokio::spawn(supervisor.run(stop.clone()));
        Self {
            ports,
            runs_jobs,
            options,
            observer,
            handlers,
            local,
            client,
            slots,
            stop,
            supervisor: tokio::sync::Mutex::new(Some(supervisor)),
        }
    }

    fn client(&self) -> Result<Client, RunError> {
        let (address, queue) = (&self.options.address, &self.options.task_queue);
        let not_connected =
            || RunError::Server(format!("no connection to the Temporal server at {address}, or '{queue}' is not free"));
        self.client.borrow().clone().ok_or_else(not_connected)
    }

    fn handle(client: &Client, id: &JobId) -> WorkflowHandle<Client, ImageGeneration> {
        client.get_workflow_handle::<ImageGeneration>(workflow_id(id))
    }

    async fn start(&self, client: &Client, job: &Job) -> Result<StartedWorkflow, StartError> {
        let input = WorkflowInput {
            version: VERSION,
            job: job.id.clone(),
            simulated: job.simulated,
            heartbeat_seconds: self.options.heartbeat.as_secs().max(1),
            store: self.options.store_fingerprint.clone(),
        };
        let prompt = sanitize_line(&job.spec.prompt, 80);
        let mut memo = MemoValues::new();
        memo.insert("model", sanitize_line(&job.spec.model, 80)).insert("prompt", prompt.clone());
        memo.insert("simulated", job.simulated);
        let options = WorkflowStartOptions::new(self.options.task_queue.clone(), workflow_id(&job.id))
            .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
            .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
            .memo(memo)
            .static_summary(format!("{} · {prompt}", sanitize_line(&job.spec.model, 80)))
            .build();
        client.start_workflow(ImageGeneration::run, input, options).await.map_err(|error| match error {
            WorkflowStartError::AlreadyStarted { .. } => StartError::AlreadyRunning,
            WorkflowStartError::Rpc(status) => StartError::Failed(server_error(&status)),
            other => StartError::Failed(RunError::Fatal(sanitize_line(&other.to_string(), 200))),
        })
    }

    /// A job that a cap holds is tried before its time: its workflow would wait for that time.
    async fn release_budget_hold(&self, job: &mut Job) -> Result<(), RunError> {
        let now = self.ports.clock.now();
        let is_held = matches!(job.hold(), Some(Hold::Budget { .. })) && job.not_before.is_some_and(|at| at > now);
        if is_held {
            job.set_hold(None, None, now).map_err(WorkflowError::from)?;
            job.revision = self.ports.store.save(Save::new(job)).await.map_err(WorkflowError::from)?;
        }
        Ok(())
    }

    /// A workflow of that id is open. If it is the job's own and sleeps although its job is due, it is signalled.
    async fn wake(&self, client: &Client, job: Job, stop: &CancellationToken) -> Result<RunOutcome, RunError> {
        let now = self.ports.clock.now();
        let slack = chrono::Duration::from_std(TIMER_SLACK).unwrap_or_default();
        let is_blocked = matches!(job.hold(), Some(Hold::OtherWorkflow { .. }));
        if !is_blocked && job.not_before.is_some_and(|due| now - due < slack) {
            return Ok(RunOutcome::RunningElsewhere);
        }
        let handle = Self::handle(client, &job.id);
        let described = match handle.describe(WorkflowDescribeOptions::default()).await {
            Ok(described) => described,
            Err(WorkflowInteractionError::NotFound(_)) => return Ok(RunOutcome::RunningElsewhere),
            Err(error) => return Err(interaction_error(error)),
        };
        if described.status() != WorkflowExecutionStatus::Running {
            return Ok(RunOutcome::RunningElsewhere);
        }
        if described.workflow_type() != ImageGeneration::name() {
            return self.on_blocked(job, described.workflow_type(), stop).await;
        }
        let raw = described.raw();
        let is_busy = !raw.pending_activities.is_empty() || raw.pending_workflow_task.is_some();
        if !is_busy {
            tracing::debug!(job = %job.id, "sleeping workflow of a due job signalled");
            signal_retry(&handle).await?;
        }
        Ok(RunOutcome::RunningElsewhere)
    }

    /// An open workflow of another program has the job's id: no workflow can be started until it is closed. A queued job is held; one
    /// that is paid for is finished in this process.
    async fn on_blocked(
        &self,
        mut job: Job,
        workflow_type: &str,
        stop: &CancellationToken,
    ) -> Result<RunOutcome, RunError> {
        let workflow_type = sanitize_line(workflow_type, 80);
        if job.stage_name() != StageName::Queued {
            tracing::warn!(job = %job.id, %workflow_type, "workflow id taken by another program, job finished locally");
            return Ok(self.local.run(job, stop).await?);
        }
        let now = self.ports.clock.now();
        let known = match job.hold() {
            Some(Hold::OtherWorkflow { since, .. }) => Some(*since),
            _ => None,
        };
        let terminate = self.options.terminate_command(&workflow_id(&job.id));
        if known.is_none() {
            tracing::warn!(job = %job.id, %workflow_type, %terminate, "job held, an old workflow is open under its id");
        }
        let since = known.unwrap_or(now);
        let (shortest, longest) = BLOCKED_RECHECK;
        let recheck = now + (now - since).clamp(shortest, longest);
        job.set_hold(Some(Hold::OtherWorkflow { workflow_type, terminate, since }), Some(recheck), now)
            .map_err(WorkflowError::from)?;
        self.ports.store.save(Save::new(&job)).await.map_err(WorkflowError::from)?;
        Ok(RunOutcome::Deferred)
    }

    /// Waits until the workflow closes, the job is deferred, or this run is stopped.
    async fn follow(
        &self,
        handle: StartedWorkflow,
        job: &Job,
        stop: &CancellationToken,
    ) -> Result<RunOutcome, RunError> {
        let mut recheck = tokio::time::interval_at(Instant::now() + RECHECK_INTERVAL, RECHECK_INTERVAL);
        recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let result = handle.get_result(WorkflowGetResultOptions::default());
        tokio::pin!(result);
        let closed = loop {
            tokio::select! {
                closed = &mut result => break closed,
                () = stop.cancelled() => {
                    self.await_close(job, &mut result).await;
                    return Ok(RunOutcome::Stopped);
                }
                _ = recheck.tick() => match self.ports.store.get(&job.id).await {
                    Ok(Some(now)) if self.is_over(&now) => return Ok(RunOutcome::Deferred),
                    Ok(_) => {}
                    Err(error) => return Err(WorkflowError::from(error).into()),
                },
            }
        };
        match closed {
            // A worker on another store did not find the document: not picked again at once.
            Ok(report) if report.is_gone() => Ok(RunOutcome::RunningElsewhere),
            Ok(_) | Err(WorkflowGetResultError::Cancelled { .. } | WorkflowGetResultError::ContinuedAsNew) => {
                Ok(RunOutcome::Finished)
            }
            Err(WorkflowGetResultError::Failed(failure)) => self.on_workflow_failed(job, &failure.to_string()).await,
            // Terminated on the server: the document decides whether another workflow starts, but not at once.
            Err(
                WorkflowGetResultError::Terminated { .. }
                | WorkflowGetResultError::TimedOut
                | WorkflowGetResultError::NotFound(_),
            ) => Ok(RunOutcome::RunningElsewhere),
            Err(WorkflowGetResultError::Rpc(status)) => Err(server_error(&status)),
            Err(other) => Err(RunError::Server(sanitize_line(&other.to_string(), 200))),
        }
    }

    /// Lets the workflow of an ended job close: this process may be the only worker that can do it.
    async fn await_close<T>(&self, job: &Job, result: &mut (impl Future<Output = T> + Unpin)) {
        let has_ended = |job: Option<Job>| job.is_none_or(|job| !job.stage_name().is_active());
        if self.ports.store.get(&job.id).await.is_ok_and(has_ended)
            && tokio::time::timeout(CLOSE_TIMEOUT, result).await.is_err()
        {
            tracing::debug!(job = %job.id, "workflow still open, the next worker closes it");
        }
    }

    /// A failed workflow belongs to a failed job, or to one that no worker can continue.
    async fn on_workflow_failed(&self, job: &Job, reason: &str) -> Result<RunOutcome, RunError> {
        match self.ports.store.get(&job.id).await.map_err(WorkflowError::from)? {
            Some(job) if job.stage_name().is_active() => Err(RunError::Fatal(sanitize_line(reason, 200))),
            _ => Ok(RunOutcome::Finished),
        }
    }
}

/// Why a workflow was not started.
enum StartError {
    AlreadyRunning,
    Failed(RunError),
}

#[async_trait]
impl Runner for TemporalRunner {
    async fn run(&self, mut job: Job, stop: &CancellationToken) -> Result<RunOutcome, RunError> {
        let client = self.client()?;
        self.release_budget_hold(&mut job).await?;
        if is_held_by_account(&job) {
            // Another worker met the account failure. The hold may just have been released.
            let job = self.ports.store.get(&job.id).await.map_err(WorkflowError::from)?;
            if let Some(Hold::Account { reason }) = job.as_ref().and_then(Job::hold) {
                self.observer.account_blocked(Dependency::Account, reason);
                return Ok(RunOutcome::Deferred);
            }
        }
        let started = tokio::select! {
            started = self.start(&client, &job) => started,
            // A server that does not answer must not prevent a shutdown.
            () = stop.cancelled() => return Ok(RunOutcome::Stopped),
        };
        match started {
            Ok(handle) => self.follow(handle, &job, stop).await,
            Err(StartError::AlreadyRunning) => self.wake(&client, job, stop).await,
            Err(StartError::Failed(error)) => Err(error),
        }
    }

    /// A deferred job's workflow continues by itself. The end of a job is reported by the end of its workflow.
    fn is_over(&self, changed: &Job) -> bool {
        is_deferred(changed, self.ports.clock.now())
    }

    fn on_jobs_changed(&self, changed: &ChangedJobs) {
        self.handlers.on_jobs_changed(changed);
        if !self.runs_jobs {
            return;
        }
        let Some(client) = self.client.borrow().clone() else { return };
        // The workflow of a job that was cancelled while deferred must not sleep on.
        for job in changed.iter().filter(|job| job.stage_name() == StageName::Cancelled) {
            let handle = Self::handle(&client, &job.id);
            tokio::spawn(async move {
                let described = handle.describe(WorkflowDescribeOptions::default()).await;
                let is_ours = described.is_ok_and(|found| found.workflow_type() == ImageGeneration::name());
                if is_ours && let Err(error) = signal_retry(&handle).await {
                    tracing::debug!(%error, "workflow of a cancelled job not signalled");
                }
            });
        }
    }

    fn resize(&self, slots: usize) {
        self.slots.send_replace(slots.max(1));
    }

    /// No job is left: workflows that sleep or are about to close can do so while a worker runs.
    async fn settle(&self) {
        // Without jobs this may be called before the connection exists.
        let mut client = self.client.clone();
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, client.wait_for(Option::is_some)).await;
        let Some(client) = connected.ok().and_then(Result::ok).and_then(|client| client.clone()) else { return };
        let until = Instant::now() + SETTLE_TIMEOUT;
        let mut signalled = false;
        while Instant::now() < until {
            match task_queue::open_workflows(&client, &self.options.task_queue).await {
                Ok(0) => return,
                Ok(_) if !signalled => {
                    signalled = task_queue::wake_all(&client, &self.options.task_queue).await.is_ok();
                }
                Ok(_) => {}
                Err(status) => return tracing::warn!(error = %status_line(&status), "open workflows not counted"),
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        tracing::warn!("workflows still open, the next worker closes them");
    }

    async fn close(&self) {
        self.stop.cancel();
        if let Some(supervisor) = self.supervisor.lock().await.take()
            && let Err(panic) = supervisor.await
        {
            tracing::error!(error = %panic, "Temporal connection task panicked");
        }
    }
}

impl Drop for TemporalRunner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Signals the workflow to read its document again; a closed workflow needs no signal.
async fn signal_retry(handle: &WorkflowHandle<Client, ImageGeneration>) -> Result<(), RunError> {
    match handle.signal(ImageGeneration::retry, (), WorkflowSignalOptions::default()).await {
        Ok(()) | Err(WorkflowInteractionError::NotFound(_)) => Ok(()),
        Err(error) => Err(interaction_error(error)),
    }
}

/// The workflow id of a job. Job ids that are too long for the server are replaced by their checksum.
pub(super) fn workflow_id(id: &JobId) -> String {
    let id = id.as_str();
    if id.len() > MAX_WORKFLOW_ID_BYTES {
        format!("{WORKFLOW_ID_PREFIX}{}", sha256_hex(id.as_bytes()))
    } else {
        format!("{WORKFLOW_ID_PREFIX}{id}")
    }
}

fn interaction_error(error: WorkflowInteractionError) -> RunError {
    match error {
        WorkflowInteractionError::Rpc(status) | WorkflowInteractionError::NotFound(status) => server_error(&status),
        other => RunError::Server(sanitize_line(&other.to_string(), 200)),
    }
}

fn server_error(status: &Status) -> RunError {
    RunError::Server(format!("Temporal server: {}", status_line(status)))
}
