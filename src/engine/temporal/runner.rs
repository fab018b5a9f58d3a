//! Owns a due job as a workflow: starts it, or wakes the one that sleeps, and waits for its end. Must not perform an effect.

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

use super::fleet::{self, words};
use super::hands::Hands;
use super::keeper::Keeper;
use super::options::{TASK_QUEUE, TemporalOptions};
use super::payloads::{Order, VERSION};
use super::report::{is_held_by_account, rests};
use super::workflow::ImageGeneration;
use crate::engine::scheduler::{Bench, Hint, RunError, Runner};
use crate::engine::workflow::{Observer, Ran, WorkflowError};
use crate::engine::{Mode, Ports};
use crate::jobs::{Hold, Job, JobId, StageName, sha256_hex};
use crate::text::sanitize_line;

/// A hint that a job rests may be lost; this look is not.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// A workflow whose time has come wakes by itself within this time.
const WAKES_ITSELF: Duration = Duration::from_secs(3);

/// How long the workflow of a job that has ended may take to close when this process leaves.
const LAST_WORD: Duration = Duration::from_secs(5);

/// How long the last workflows may take to close when nothing is left to do.
const SETTLE: Duration = Duration::from_secs(15);

/// How long the line may take to come up when nothing is left to do.
const CONNECTED: Duration = Duration::from_secs(5);

/// Longest workflow id that servers take by default, in bytes, with some room.
const LONGEST_ID: usize = 900;

/// A workflow that was started here.
type Started = WorkflowHandle<Client, <ImageGeneration as WorkflowImplementation>::Run>;

/// Jobs as workflows of a fleet.
pub(super) struct Workflows {
    ports: Ports,
    works: bool,
    options: TemporalOptions,
    observer: Arc<dyn Observer>,
    hands: Arc<Hands>,
    client: watch::Receiver<Option<Client>>,
    slots: watch::Sender<usize>,
    stop: CancellationToken,
    keeper: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Workflows {
    /// Begins to connect, and to work where this process works. Must be called within a runtime.
    pub(super) fn new(bench: Bench, options: TemporalOptions) -> Self {
        let Bench { ports, settings, presence, observer, facts } = bench;
        let works = settings.mode != Mode::Observe;
        let (who, wide) = (presence.worker().to_string(), settings.slots.max(1));
        let hands = Arc::new(Hands::new(ports.clone(), settings, presence, observer.clone(), options.store.clone()));
        let (found, client) = watch::channel(None);
        let (slots, wanted) = watch::channel(wide);
        let stop = CancellationToken::new();
        let keeper = Keeper {
            options: options.clone(),
            who,
            hands: hands.clone(),
            works,
            slots: wanted,
            client: found,
            facts,
            fleet: None,
        };
        let keeper = tokio::spawn(keeper.run(stop.clone()));
        Self {
            ports,
            works,
            options,
            observer,
            hands,
            client,
            slots,
            stop,
            keeper: tokio::sync::Mutex::new(Some(keeper)),
        }
    }

    fn client(&self) -> Result<Client, RunError> {
        let missing = || RunError::Server(format!("no line to the Temporal server at {} yet", self.options.address));
        self.client.borrow().clone().ok_or_else(missing)
    }

    fn handle(client: &Client, id: &JobId) -> WorkflowHandle<Client, ImageGeneration> {
        client.get_workflow_handle::<ImageGeneration>(workflow_id(id))
    }

    async fn begin(&self, client: &Client, job: &Job) -> Result<Started, Begun> {
        let order = Order {
            version: VERSION,
            job: job.id.clone(),
            simulated: job.simulated,
            heartbeat_seconds: self.options.heartbeat.as_secs().max(1),
            store: self.options.store.clone(),
        };
        let prompt = sanitize_line(&job.spec.prompt, 80);
        let mut memo = MemoValues::new();
        memo.insert("model", sanitize_line(&job.spec.model, 80)).insert("prompt", prompt.clone());
        memo.insert("simulated", job.simulated);
        let options = WorkflowStartOptions::new(TASK_QUEUE, workflow_id(&job.id))
            .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
            .id_conflict_policy(WorkflowIdConflictPolicy::Fail)
            .memo(memo)
            .static_summary(format!("{} · {prompt}", sanitize_line(&job.spec.model, 80)))
            .build();
        client.start_workflow(ImageGeneration::run, order, options).await.map_err(|error| match error {
            WorkflowStartError::AlreadyStarted { .. } => Begun::Before,
            WorkflowStartError::Rpc(status) => Begun::Not(server(&status)),
            other => Begun::Not(RunError::Broken(sanitize_line(&other.to_string(), 200))),
        })
    }

    /// Somebody else began it. Where it sleeps although its job is due, it is woken.
    async fn wake(&self, client: &Client, job: &Job) -> Result<Ran, RunError> {
        let now = self.ports.clock.now();
        let patience = chrono::Duration::from_std(WAKES_ITSELF).unwrap_or_default();
        if job.not_before.is_some_and(|due| now - due < patience) {
            return Ok(Ran::Elsewhere);
        }
        let handle = Self::handle(client, &job.id);
        let described = match handle.describe(WorkflowDescribeOptions::default()).await {
            Ok(described) => described,
            Err(WorkflowInteractionError::NotFound(_)) => return Ok(Ran::Elsewhere),
            Err(error) => return Err(interaction(error)),
        };
        let raw = described.raw();
        let is_busy = !raw.pending_activities.is_empty() || raw.pending_workflow_task.is_some();
        if described.status() == WorkflowExecutionStatus::Running && !is_busy {
            tracing::debug!(job = %job.id, "its workflow sleeps and is woken");
            signal_retry(&handle).await?;
        }
        Ok(Ran::Elsewhere)
    }

    /// Waits until the workflow ends, the job rests, or nobody waits any more.
    async fn follow(&self, handle: Started, job: &Job, stop: &CancellationToken) -> Result<Ran, RunError> {
        let mut look = tokio::time::interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let result = handle.get_result(WorkflowGetResultOptions::default());
        tokio::pin!(result);
        let ended = loop {
            tokio::select! {
                ended = &mut result => break ended,
                () = stop.cancelled() => {
                    self.last_word(job, &mut result).await;
                    return Ok(Ran::Stopped);
                }
                _ = look.tick() => match self.ports.store.get(&job.id).await {
                    Ok(Some(now)) if self.is_over(&now) => return Ok(Ran::PutOff),
                    Ok(_) => {}
                    Err(error) => return Err(WorkflowError::from(error).into()),
                },
            }
        };
        match ended {
            // A worker that looked for the document elsewhere: not in a circle.
            Ok(report) if report.is_gone() => Ok(Ran::Elsewhere),
            Ok(_) | Err(WorkflowGetResultError::Cancelled { .. } | WorkflowGetResultError::ContinuedAsNew) => {
                Ok(Ran::Finished)
            }
            Err(WorkflowGetResultError::Failed(why)) => self.failed(job, &why.to_string()).await,
            // An operator of the server ended it: its document decides whether another begins, but not in a circle.
            Err(
                WorkflowGetResultError::Terminated { .. }
                | WorkflowGetResultError::TimedOut
                | WorkflowGetResultError::NotFound(_),
            ) => Ok(Ran::Elsewhere),
            Err(WorkflowGetResultError::Rpc(status)) => Err(server(&status)),
            Err(other) => Err(RunError::Server(sanitize_line(&other.to_string(), 200))),
        }
    }

    /// A workflow whose job has ended says so in a moment: this process may be the only one that can let it.
    async fn last_word<T>(&self, job: &Job, result: &mut (impl Future<Output = T> + Unpin)) {
        let ended = |job: Option<Job>| job.is_none_or(|job| !job.stage_name().is_active());
        if self.ports.store.get(&job.id).await.is_ok_and(ended)
            && tokio::time::timeout(LAST_WORD, result).await.is_err()
        {
            tracing::debug!(job = %job.id, "its workflow closes when a worker is there again");
        }
    }

    /// A workflow that failed is that of a job that failed, or of one that nobody can go on with.
    async fn failed(&self, job: &Job, why: &str) -> Result<Ran, RunError> {
        match self.ports.store.get(&job.id).await.map_err(WorkflowError::from)? {
            Some(job) if job.stage_name().is_active() => Err(RunError::Broken(sanitize_line(why, 200))),
            _ => Ok(Ran::Finished),
        }
    }
}

/// Why a workflow was not begun.
enum Begun {
    /// It runs already.
    Before,
    Not(RunError),
}

#[async_trait]
impl Runner for Workflows {
    async fn run(&self, job: Job, stop: &CancellationToken) -> Result<Ran, RunError> {
        let client = self.client()?;
        if is_held_by_account(&job) {
            // Another worker met it. Whoever lets go of it may just have done so.
            let job = self.ports.store.get(&job.id).await.map_err(WorkflowError::from)?;
            if let Some(Hold::Account { reason }) = job.as_ref().and_then(Job::hold) {
                self.observer.account_trouble(reason);
                return Ok(Ran::PutOff);
            }
        }
        let begun = tokio::select! {
            begun = self.begin(&client, &job) => begun,
            // A server that does not answer keeps nobody from leaving.
            () = stop.cancelled() => return Ok(Ran::Stopped),
        };
        match begun {
            Ok(handle) => self.follow(handle, &job, stop).await,
            Err(Begun::Before) => self.wake(&client, &job).await,
            Err(Begun::Not(error)) => Err(error),
        }
    }

    /// It rests: its workflow wakes by itself. The end of a job is told by the end of its workflow.
    fn is_over(&self, changed: &Job) -> bool {
        rests(changed, self.ports.clock.now())
    }

    fn heard(&self, hint: &Hint) {
        self.hands.heard(hint);
        if !self.works {
            return;
        }
        let Some(client) = self.client.borrow().clone() else { return };
        // One that was cancelled while it rested must not sleep on.
        for job in hint.iter().filter(|job| job.stage_name() == StageName::Cancelled) {
            let handle = Self::handle(&client, &job.id);
            tokio::spawn(async move {
                if let Err(error) = signal_retry(&handle).await {
                    tracing::debug!("a cancelled job's workflow was not woken: {error}");
                }
            });
        }
    }

    fn resize(&self, slots: usize) {
        self.slots.send_replace(slots.max(1));
    }

    /// No job is left: workflows that sleep, and those whose last word is on its way, may close while somebody works.
    async fn settle(&self) {
        // With nothing to do it may come to this before the line is there.
        let mut found = self.client.clone();
        let line = tokio::time::timeout(CONNECTED, found.wait_for(Option::is_some)).await;
        let Some(client) = line.ok().and_then(Result::ok).and_then(|client| client.clone()) else { return };
        let until = Instant::now() + SETTLE;
        let mut woken = false;
        while Instant::now() < until {
            match fleet::open_workflows(&client).await {
                Ok(0) => return,
                Ok(_) if !woken => woken = fleet::wake_all(&client).await.is_ok(),
                Ok(_) => {}
                Err(status) => return tracing::warn!("open workflows cannot be counted: {}", words(&status)),
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        tracing::warn!("some workflows are still open; they close when a worker is there again");
    }

    async fn close(&self) {
        self.stop.cancel();
        if let Some(keeper) = self.keeper.lock().await.take()
            && let Err(panic) = keeper.await
        {
            tracing::error!("the line to the Temporal server broke: {panic}");
        }
    }
}

impl Drop for Workflows {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Asks the workflow to look at its document again; one that has ended needs no word.
async fn signal_retry(handle: &WorkflowHandle<Client, ImageGeneration>) -> Result<(), RunError> {
    match handle.signal(ImageGeneration::retry, (), WorkflowSignalOptions::default()).await {
        Ok(()) | Err(WorkflowInteractionError::NotFound(_)) => Ok(()),
        Err(error) => Err(interaction(error)),
    }
}

/// The workflow of a job. Ids that the server would not take are told by their checksum.
pub(super) fn workflow_id(id: &JobId) -> String {
    let id = id.as_str();
    if id.len() > LONGEST_ID { format!("image-gen-{}", sha256_hex(id.as_bytes())) } else { format!("image-gen-{id}") }
}

fn interaction(error: WorkflowInteractionError) -> RunError {
    match error {
        WorkflowInteractionError::Rpc(status) | WorkflowInteractionError::NotFound(status) => server(&status),
        other => RunError::Server(sanitize_line(&other.to_string(), 200)),
    }
}

fn server(status: &Status) -> RunError {
    RunError::Server(format!("the Temporal server: {}", words(status)))
}
