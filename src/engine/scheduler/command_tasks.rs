//! Commands that take time: each runs as a task beside the dispatcher, so that a slow store delays no job.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::due_queue::{LONGEST_HOLD, MAX_HELD};
use super::feed::Feed;
use super::loads::{self, emit};
use super::pause_watch::PauseState;
use super::{Command, Event, Ports, Runner};
use crate::bucket::BucketError;
use crate::costs::BudgetEdit;
use crate::engine::{BulkRecord, BulkStart, CommandKind, CommandOutcome, OperatorCommands, Pause};
use crate::jobs::{BillingStatus, Failure, FailureCode, Hold, Job, JobId, StageName, WorkerId};
use crate::store::{BudgetChange, DueQuery, PageQuery, Save, SortOrder, StoreError};
use crate::text;

/// How many queued jobs are read at once when those of another provider are marked.
const BATCH_SIZE: usize = 500;

/// How a task ended.
pub(super) enum TaskOutcome {
    /// It is done, and has emitted its reply.
    Done,
    /// Everything is ready for jobs.
    Ready,
    /// Images cannot be stored: one sanitized line why.
    NotReady(String),
    /// A bucket that was away refuses images now: one sanitized line why.
    BucketRefused(String),
    /// The pause of all workers was changed.
    PauseChanged(PauseState),
    /// A bulk action was recorded or changed.
    BulkChanged,
    /// The runner has finished what had to be finished.
    Closed,
}

/// The commands in progress.
pub(super) struct CommandTasks {
    ports: Ports,
    operator: OperatorCommands,
    feed: Feed,
    events: mpsc::Sender<Event>,
    tasks: JoinSet<TaskOutcome>,
    preparing: usize,
    /// Whether the jobs of another provider were marked: once in each process.
    has_marked: bool,
    is_recovering: Arc<AtomicBool>,
    is_checking_bucket: Arc<AtomicBool>,
    simulated: bool,
    worker: WorkerId,
    started: DateTime<Utc>,
}

impl CommandTasks {
    pub(super) fn new(
        ports: Ports,
        operator: OperatorCommands,
        feed: Feed,
        events: mpsc::Sender<Event>,
        simulated: bool,
        worker: WorkerId,
    ) -> Self {
        Self {
            started: ports.clock.now(),
            worker,
            ports,
            operator,
            feed,
            events,
            tasks: JoinSet::new(),
            preparing: 0,
            has_marked: false,
            is_recovering: Arc::default(),
            is_checking_bucket: Arc::default(),
            simulated,
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// Whether it is not yet known that jobs can be run.
    pub(super) fn is_preparing(&self) -> bool {
        self.preparing > 0
    }

    /// The next task that ended.
    pub(super) async fn next(&mut self) -> Option<TaskOutcome> {
        let ended = self.tasks.join_next().await?;
        let outcome = ended.unwrap_or_else(|panic| {
            tracing::error!(error = %panic, "command task panicked");
            TaskOutcome::Done
        });
        if matches!(outcome, TaskOutcome::Ready | TaskOutcome::NotReady(_)) {
            self.preparing = self.preparing.saturating_sub(1);
        }
        Some(outcome)
    }

    /// Checks that images can be stored before the first job spends money, and releases the jobs that the account, or a foreign workflow, held. At the start it
    /// marks jobs of another provider as held.
    pub(super) fn prepare(&mut self) {
        let (ports, operator, simulated) = (self.ports.clone(), self.operator.clone(), self.simulated);
        let is_first = !std::mem::replace(&mut self.has_marked, true);
        self.preparing += 1;
        self.tasks.spawn(async move {
            if let Err(error) = ports.bucket.check().await {
                return TaskOutcome::NotReady(text::sanitize_line(&error.to_string(), 200));
            }
            if is_first && let Err(error) = mark_other_provider(&ports, &operator, simulated).await {
                tracing::warn!(%error, "jobs of another provider not marked");
            }
            if let Err(error) = release_holds(&ports, &operator, simulated).await {
                tracing::warn!(%error, "held jobs not released");
            }
            TaskOutcome::Ready
        });
    }

    /// Checks whether a bucket that was away is back, unless such a check runs; its outcome is an outage that ends.
    pub(super) fn check_bucket(&mut self, stop: CancellationToken) {
        if self.is_checking_bucket.swap(true, Ordering::SeqCst) {
            return;
        }
        let (bucket, is_checking) = (self.ports.bucket.clone(), self.is_checking_bucket.clone());
        self.tasks.spawn(async move {
            let checked = tokio::select! {
                () = stop.cancelled() => Ok(()),
                checked = bucket.check() => checked,
            };
            is_checking.store(false, Ordering::SeqCst);
            match checked {
                Err(BucketError::Refused(reason)) => TaskOutcome::BucketRefused(text::sanitize_line(&reason, 200)),
                Ok(()) | Err(BucketError::Unavailable(_) | BucketError::NotFound(_)) => TaskOutcome::Done,
            }
        });
    }

    /// Settles the open submits of dead workers of this machine. What `stop` interrupts is done by the next process.
    pub(super) fn recover_journals(
        &mut self,
        recovery: Arc<crate::engine::workflow::JobWorkflow>,
        stop: CancellationToken,
    ) {
        if self.is_recovering.swap(true, Ordering::SeqCst) {
            return;
        }
        let is_recovering = self.is_recovering.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                result = recovery.recover_journals() => if let Err(error) = result {
                    tracing::warn!(%error, "journals of stopped workers not settled, will retry");
                }
            }
            is_recovering.store(false, Ordering::SeqCst);
            TaskOutcome::Done
        });
    }

    /// Lets the runner finish; `idle` if nothing is left in the store.
    pub(super) fn close(&mut self, runner: Arc<dyn Runner>, idle: bool) {
        self.tasks.spawn(async move {
            if idle {
                runner.settle().await;
            }
            runner.close().await;
            TaskOutcome::Closed
        });
    }

    /// Carries out a command on jobs, or loads something for a screen.
    pub(super) fn spawn(&mut self, command: Command) {
        let (ports, operator) = (self.ports.clone(), self.operator.clone());
        let (feed, events, simulated) = (self.feed.clone(), self.events.clone(), self.simulated);
        let (worker, started) = (self.worker.clone(), self.started);
        self.tasks.spawn(async move {
            let Some(command) = loads::load(&ports, &events, simulated, (&worker, started), command).await else {
                return TaskOutcome::Done;
            };
            let (kind, result) = match command {
                Command::Submit(jobs) => (CommandKind::Submitted, operator.submit(jobs).await),
                Command::Retry(items) => (CommandKind::Retried, operator.retry(items).await),
                Command::Cancel(ids) => (CommandKind::Cancelled, operator.cancel(ids).await),
                Command::Approve(ids) => (CommandKind::Approved, operator.approve(ids).await),
                Command::Reject(ids) => (CommandKind::ImagesRejected, operator.reject_images(ids).await),
                Command::Hide(ids) => (CommandKind::Hidden, operator.hide(ids).await),
                Command::Unhide(ids) => (CommandKind::Undone, operator.unhide(ids).await),
                Command::Tag(ids, edit) => (CommandKind::Tagged, operator.tag(ids, &edit).await),
                Command::Undo(command) => (CommandKind::Undone, operator.undo(*command).await),
                Command::ResolveCharge { id, attempt, answer, by } => {
                    (CommandKind::Resolved, operator.resolve_charge(id, Some(attempt), answer, &by).await)
                }
                Command::ChangeBudget { edit, by } => {
                    let result = change_budget(&ports, edit, by).await;
                    if result.is_ok() {
                        feed.refresh_costs();
                    }
                    emit(&events, Event::BudgetChanged(result)).await;
                    return TaskOutcome::Done;
                }
                Command::StartBulk { plan, chosen } => {
                    let started = operator.start_bulk(*plan, &chosen, BulkStart::Countdown).await;
                    return bulk_changed(&events, started.map(Ok)).await;
                }
                Command::ControlBulk(id, control) => {
                    return bulk_changed(&events, operator.control_bulk(&id, control).await).await;
                }
                Command::PauseAll { by, reason } => {
                    let now = ports.clock.now();
                    let pause = Pause::set(ports.store.as_ref(), &by, reason.as_deref(), now).await;
                    if pause.is_ok() {
                        operator.record_pause("pause", reason.as_deref()).await;
                    }
                    return pause_changed(&events, pause.map(Some)).await;
                }
                Command::ResumeAll { by } => {
                    let cleared = Pause::clear(ports.store.as_ref(), &by, ports.clock.now()).await;
                    if cleared.is_ok() {
                        operator.record_pause("resume", None).await;
                    }
                    return pause_changed(&events, cleared.map(|()| None)).await;
                }
                Command::RefreshCosts => {
                    feed.refresh_costs();
                    return TaskOutcome::Done;
                }
                // Loaded above, or the dispatcher's own.
                Command::LoadCostJobs { .. }
                | Command::LoadUsage
                | Command::LoadAudit(_)
                | Command::LoadUncertain
                | Command::LoadImage(_)
                | Command::LoadPage { .. }
                | Command::LoadSorted { .. }
                | Command::CountMatching(_)
                | Command::PlanBulk(..)
                | Command::PauseIntake
                | Command::ResumeIntake
                | Command::SetSlots(_)
                | Command::Stop => return TaskOutcome::Done,
            };
            publish_outcome(&events, kind, result).await;
            TaskOutcome::Done
        });
    }

    /// A job's task panicked: the job must not stay as if a worker ran it.
    pub(super) fn mark_internal_failure(&mut self, id: JobId) {
        let ports = self.ports.clone();
        self.tasks.spawn(async move {
            if let Err(error) = mark_internal_failure(&ports, &id).await {
                tracing::error!(job = %id, %error, "job not marked as failed");
            }
            TaskOutcome::Done
        });
    }
}

/// Marks a job whose task panicked as failed, so that it does not stay as if a worker ran it.
pub(in crate::engine) async fn mark_internal_failure(ports: &Ports, id: &JobId) -> Result<(), StoreError> {
    let Some(mut job) = ports.store.get(id).await? else { return Ok(()) };
    let now = ports.clock.now();
    let message = "internal error (see the log)";
    let failure = Failure::new(FailureCode::Internal, message, BillingStatus::Unknown, now);
    let moved = match job.stage_name() {
        StageName::Queued => job.reject(failure, now),
        StageName::Submitting => job.mark_submit_unknown(message, now),
        StageName::Generating => job.fail(failure, None, now),
        _ => return Ok(()),
    };
    match moved {
        Ok(()) => ports.store.save(Save::new(&job)).await.map(|_| ()),
        Err(_) => Ok(()),
    }
}

/// The account may work again, a foreign workflow may have ended. Only jobs that were in flight then have such a hold. Jobs that a
/// budget holds stay held: the due queue tries them.
async fn release_holds(ports: &Ports, operator: &OperatorCommands, simulated: bool) -> Result<(), StoreError> {
    let now = ports.clock.now() + LONGEST_HOLD;
    let query = DueQuery { now, simulated, queued: true, dead_workers: Vec::new(), limit: MAX_HELD };
    let jobs = ports.store.due(query).await?;
    let is_held = |job: &Job| matches!(job.hold(), Some(Hold::Account { .. } | Hold::OtherWorkflow { .. }));
    let held = jobs.into_iter().filter(is_held);
    operator.set_hold(held.map(|job| job.id).collect(), None).await
}

/// No worker here will run these jobs; without a hold they would seem to be forgotten.
async fn mark_other_provider(ports: &Ports, operator: &OperatorCommands, simulated: bool) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let query = PageQuery {
            stages: vec![StageName::Queued],
            after: after.take(),
            order: SortOrder::OldestFirst,
            limit: BATCH_SIZE,
            ..PageQuery::default()
        };
        let page = ports.store.list(query).await?;
        // A request of another program shows its own hold, and its document stays as that program wrote it.
        let shows_hold = |job: &Job| matches!(job.hold(), Some(Hold::OtherProvider | Hold::External));
        let others = page.jobs.iter().filter(|job| job.simulated != simulated && !shows_hold(job));
        operator.set_hold(others.map(|job| job.id.clone()).collect(), Some(Hold::OtherProvider)).await?;
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn change_budget(ports: &Ports, edit: BudgetEdit, by: String) -> Result<String, String> {
    let change = edit.summary();
    let at = ports.clock.now();
    let changed = ports.store.change_budget(BudgetChange { at, by: by.clone(), edit }).await;
    changed.map_err(|error| text::sanitize_line(&error.to_string(), 200))?;
    tracing::info!(%by, %change, "budget changed");
    Ok(change)
}

async fn bulk_changed(
    events: &mpsc::Sender<Event>,
    changed: Result<Result<BulkRecord, String>, StoreError>,
) -> TaskOutcome {
    let why = match changed {
        Ok(Ok(_)) => return TaskOutcome::BulkChanged,
        Ok(Err(why)) => why,
        Err(error) => {
            tracing::error!(%error, "bulk action not changed");
            error.to_string()
        }
    };
    emit(events, Event::BulkFailed(text::sanitize_line(&why, 200))).await;
    TaskOutcome::BulkChanged
}

async fn pause_changed(events: &mpsc::Sender<Event>, pause: Result<Option<Pause>, StoreError>) -> TaskOutcome {
    match pause {
        Ok(pause) => TaskOutcome::PauseChanged(pause.into()),
        Err(error) => {
            tracing::error!(%error, "pause not changed");
            emit(events, Event::PauseFailed(text::sanitize_line(&error.to_string(), 200))).await;
            TaskOutcome::Done
        }
    }
}

async fn publish_outcome(events: &mpsc::Sender<Event>, kind: CommandKind, result: Result<CommandOutcome, StoreError>) {
    let event = match result {
        Ok(outcome) => Event::CommandCompleted(outcome),
        Err(error) => {
            tracing::error!(command = ?kind, %error, "command failed");
            Event::CommandFailed { kind, reason: text::sanitize_line(&error.to_string(), 200) }
        }
    };
    emit(events, event).await;
}
