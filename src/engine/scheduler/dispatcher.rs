//! What runs in this process: which job gets a slot, when a run ends, when to query for more.

mod idle;
mod outage_reactions;
mod run_results;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::bucket_gate::BucketGate;
use super::bulk_runner::BulkRunner;
use super::command_tasks::{CommandTasks, TaskOutcome};
use super::due_queue::{DueQueue, PickContext};
use super::feed;
use super::pause_watch::PauseWatch;
use super::reporter::WorkerSignal;
use super::worker_lock::LiveWorkers;
use super::{ChangedJobs, Command, Event, Ports, RunError, Runner, Settings, WorkerLock};
use crate::costs::BudgetExceeded;
use crate::engine::outages::OutageMonitor;
use crate::engine::workflow::{JobWorkflow, RunOutcome};
use crate::engine::{Dependency, EventDetail, Intake, Mode, OperatorCommands, usage};
use crate::jobs::{Job, JobId, StageName};
use outage_reactions::not_stored;

/// Changes of the store only hint at due jobs; this periodic query finds them all.
const QUERY_INTERVAL: Duration = Duration::from_secs(2);

/// How long nothing new is submitted after the provider replied that it is full.
const PROVIDER_FULL_PAUSE: Duration = Duration::from_secs(1);

/// How long nothing new is started after the store, or the server that runs jobs, did not answer.
const UNAVAILABLE_PAUSE: Duration = Duration::from_secs(1);

/// How often journals of workers that died meanwhile are looked for.
const JOURNAL_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// How an engine ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EngineEnd {
    /// Why jobs were left although the engine should have run until none is left.
    pub trouble: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Working,
    /// Nothing new is started: the engine was stopped.
    Stopping,
    /// Nothing is left in the store: the engine stops by itself.
    Idle,
    /// The runner has finished what had to be finished.
    Closed,
}

struct Dispatcher {
    settings: Settings,
    worker_lock: Arc<WorkerLock>,
    events: mpsc::Sender<Event>,
    runner: Arc<dyn Runner>,
    /// Settles what dead workers of this machine left.
    recovery: Arc<JobWorkflow>,
    next_journal_check: Instant,
    due_queue: DueQueue,
    command_tasks: CommandTasks,
    bulk: BulkRunner,
    intake: Intake,
    /// The pause of all workers.
    pause: PauseWatch,
    outages: Arc<OutageMonitor>,
    bucket_gate: BucketGate,
    live_workers: LiveWorkers,
    slots: usize,
    running: HashMap<JobId, CancellationToken>,
    ids: HashMap<Id, JobId>,
    tasks: JoinSet<Result<RunOutcome, RunError>>,
    stop: CancellationToken,
    phase: Phase,
    submits_in_flight: usize,
    /// How many queued jobs may be started before a submit succeeds, after the account was at its task limit.
    submit_tokens: Option<usize>,
    /// The budget periods whose cap was announced as reached.
    announced_budgets: Vec<BudgetExceeded>,
    end: EngineEnd,
}

/// Runs the engine until it is stopped or, in the mode for that, until nothing is left.
pub(super) async fn run(
    ports: Ports,
    settings: Settings,
    worker_lock: Arc<WorkerLock>,
    (runner, recovery): (Arc<dyn Runner>, Arc<JobWorkflow>),
    (mut commands, mut signals, outages, stop): (
        mpsc::Receiver<Command>,
        mpsc::UnboundedReceiver<WorkerSignal>,
        Arc<OutageMonitor>,
        CancellationToken,
    ),
    events: mpsc::Sender<Event>,
) -> EngineEnd {
    let operator = OperatorCommands::new(ports.store.clone(), ports.clock.clone(), settings.simulated)
        .recorded_as(settings.operator.clone());
    let (feed, mut changes, streamed_pause) = feed::start(ports.clone(), &settings, events.clone(), stop.clone());
    let (budget_changes, bulk_changes) = (feed.budget_changes(), feed.bulk_changes());
    let worker = worker_lock.worker().clone();
    if settings.mode == Mode::Work {
        tokio::spawn(usage::publish(ports.clone(), worker.clone(), stop.clone()));
    }
    let bulk = BulkRunner::start(&ports, &settings, worker.as_str(), bulk_changes, events.clone());
    let mut outage_changes = outages.subscribe();
    let mut dispatcher = Dispatcher {
        runner,
        recovery,
        next_journal_check: Instant::now(),
        due_queue: DueQueue::new(ports.clone(), &settings),
        command_tasks: CommandTasks::new(ports, operator, feed, events.clone(), settings.simulated, worker),
        bulk,
        intake: match settings.mode {
            Mode::Observe => Intake::ReadOnly,
            _ if settings.starts_paused => Intake::Paused,
            _ => Intake::Open,
        },
        pause: PauseWatch::new(streamed_pause),
        outages,
        bucket_gate: BucketGate::default(),
        live_workers: LiveWorkers::default(),
        slots: settings.slots.max(1),
        running: HashMap::new(),
        ids: HashMap::new(),
        tasks: JoinSet::new(),
        stop,
        phase: Phase::Working,
        submits_in_flight: 0,
        submit_tokens: None,
        announced_budgets: Vec::new(),
        end: EngineEnd::default(),
        settings,
        worker_lock,
        events,
    };
    dispatcher.open().await;
    loop {
        let next_query = dispatcher.fill_slots().await;
        dispatcher.report_workers().await;
        if dispatcher.is_over() {
            break;
        }
        tokio::select! {
            biased;
            Some(signal) = signals.recv() => dispatcher.on_signal(signal).await,
            Some(ended) = dispatcher.tasks.join_next_with_id(), if !dispatcher.tasks.is_empty() => {
                dispatcher.on_run_finished(ended).await;
            }
            command = commands.recv(), if dispatcher.phase == Phase::Working => match command {
                Some(command) => dispatcher.handle_command(command).await,
                None => dispatcher.stop(),
            },
            Some(result) = dispatcher.command_tasks.next(), if dispatcher.command_tasks.is_busy() => {
                dispatcher.on_task_finished(result).await;
            }
            Some(jobs) = changes.recv() => dispatcher.on_jobs_changed(&jobs),
            () = dispatcher.pause.reported() => {
                let is_new = dispatcher.pause.take_report();
                dispatcher.report_pause(is_new).await;
            }
            () = budget_changes.notified() => dispatcher.due_queue.wake_held(),
            Ok(()) = outage_changes.changed() => {
                let outages = outage_changes.borrow_and_update().clone();
                dispatcher.on_outages(outages).await;
            }
            () = tokio::time::sleep_until(next_query) => {
                dispatcher.recover_journals();
                dispatcher.check_outages();
                dispatcher.due_queue.invalidate();
            }
        }
    }
    dispatcher.bulk.close().await;
    dispatcher.stop.cancel();
    dispatcher.emit(Event::Stopped).await;
    dispatcher.end
}

impl Dispatcher {
    async fn open(&mut self) {
        self.emit(Event::Intake(self.intake.clone())).await;
        self.emit(Event::Slots { used: 0, total: self.slots }).await;
        if let Some(alarm) = self.settings.alarm.take() {
            self.emit(Event::StoreAlarm(Some(alarm))).await;
        }
        if self.intake == Intake::Open {
            self.command_tasks.prepare();
        }
        self.recover_journals();
    }

    /// Settles what workers of this machine left that died since the last look.
    fn recover_journals(&mut self) {
        let now = Instant::now();
        if self.settings.mode == Mode::Observe || self.phase != Phase::Working || now < self.next_journal_check {
            return;
        }
        self.next_journal_check = now + JOURNAL_CHECK_INTERVAL;
        if self.recovery.has_dead_journals() {
            self.command_tasks.recover_journals(self.recovery.clone(), self.stop.clone());
        }
    }

    fn is_over(&mut self) -> bool {
        let is_busy = !self.running.is_empty() || !self.tasks.is_empty() || self.command_tasks.is_busy();
        if self.phase != Phase::Working {
            self.bulk.stop();
        }
        let is_busy = is_busy || self.bulk.is_busy();
        if self.settings.mode == Mode::UntilIdle && self.phase == Phase::Working && !is_busy {
            self.end_where_idle();
        }
        match self.phase {
            Phase::Closed => true,
            Phase::Stopping | Phase::Idle if !is_busy => {
                // As a task, so that what steps signal while they finish is received.
                self.command_tasks.close(self.runner.clone(), self.phase == Phase::Idle);
                false
            }
            _ => false,
        }
    }

    /// Gives free slots to due jobs; returns when to query again at the latest.
    async fn fill_slots(&mut self) -> Instant {
        let latest = Instant::now() + QUERY_INTERVAL;
        if self.settings.mode == Mode::Observe || self.phase != Phase::Working || self.command_tasks.is_preparing() {
            return latest;
        }
        let used = self.running.len();
        if used < self.slots && self.intake == Intake::Open {
            let is_new = self.pause.refresh(self.due_queue.store()).await;
            self.report_pause(is_new).await;
        }
        while self.running.len() < self.slots {
            let context = PickContext {
                queued: self.intake == Intake::Open && self.pause.is_open() && self.bucket_gate.reason().is_none(),
                running: &self.running,
                worker_lock: &self.worker_lock,
                free_slots: self.slots - self.running.len(),
            };
            match self.due_queue.next(context).await {
                Ok(Some(job)) if job.stage_name() == StageName::Queued && self.submit_tokens == Some(0) => {
                    self.due_queue.put_back(job);
                    break;
                }
                Ok(Some(job)) => self.spawn(job),
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "due jobs cannot be queried");
                    self.due_queue.pause_for(UNAVAILABLE_PAUSE);
                    break;
                }
            }
        }
        if self.running.len() != used {
            self.emit_slots().await;
        }
        self.due_queue.next_query().into_iter().chain(self.bucket_gate.next_check()).fold(latest, Instant::min)
    }

    /// For screens: whether a worker is alive here that runs queued jobs.
    async fn report_workers(&mut self) {
        if self.settings.event_detail == EventDetail::Full
            && let Some(count) = self.live_workers.change(&self.worker_lock)
        {
            self.emit(Event::Workers(count)).await;
        }
    }

    async fn report_pause(&mut self, is_new: bool) {
        if is_new {
            self.due_queue.invalidate();
            self.emit(Event::Paused(self.pause.paused().cloned())).await;
        }
    }

    fn spawn(&mut self, job: Job) {
        let token = self.stop.child_token();
        let id = job.id.clone();
        if job.stage_name() == StageName::Queued {
            self.submit_tokens = self.submit_tokens.map(|tokens| tokens.saturating_sub(1));
        }
        self.running.insert(id.clone(), token.clone());
        let runner = self.runner.clone();
        let handle = self.tasks.spawn(async move { runner.run(job, &token).await });
        self.ids.insert(handle.id(), id);
    }

    async fn on_signal(&mut self, signal: WorkerSignal) {
        match signal {
            WorkerSignal::AccountBlocked(by, reason) => self.block_intake(by, reason).await,
            WorkerSignal::ProviderFull => self.due_queue.pause_queued_for(PROVIDER_FULL_PAUSE),
            WorkerSignal::BudgetExceeded(exceeded) => {
                if !self.announced_budgets.iter().any(|known| known.is_of_same_cap(&exceeded)) {
                    self.announced_budgets.push(exceeded.clone());
                    self.emit(Event::BudgetExceeded(exceeded)).await;
                }
            }
            WorkerSignal::SubmitInFlight(in_flight) => {
                if in_flight {
                    self.submit_tokens =
                        self.submit_tokens.map(|tokens| tokens + 2).filter(|tokens| *tokens < self.slots);
                }
                let submits = self.submits_in_flight;
                self.submits_in_flight = if in_flight { submits + 1 } else { submits.saturating_sub(1) };
                if self.settings.event_detail > EventDetail::None {
                    self.emit(Event::SubmitsInFlight(self.submits_in_flight)).await;
                }
            }
            WorkerSignal::JobFinished(finished) => {
                if self.settings.event_detail > EventDetail::None {
                    self.emit(Event::JobFinished(finished)).await;
                }
            }
        }
    }

    async fn handle_command(&mut self, command: Command) {
        match command {
            Command::Stop => self.stop(),
            Command::SetSlots(slots) => {
                self.slots = slots.clamp(1, 1_000);
                self.runner.resize(self.slots);
                self.due_queue.invalidate();
                self.emit(Event::Slots { used: self.running.len(), total: self.slots }).await;
            }
            Command::PauseIntake if self.settings.mode != Mode::Observe => self.set_intake(Intake::Paused).await,
            Command::ResumeIntake if self.settings.mode != Mode::Observe => {
                self.announced_budgets.clear();
                self.set_intake(Intake::Open).await;
                self.command_tasks.prepare();
            }
            Command::ResumeAll { .. } | Command::PauseAll { .. } if self.settings.mode == Mode::Observe => {}
            Command::ResumeAll { by } => {
                if self.intake != Intake::Open {
                    self.announced_budgets.clear();
                    self.set_intake(Intake::Open).await;
                    self.command_tasks.prepare();
                }
                self.command_tasks.spawn(Command::ResumeAll { by });
            }
            // Read-only: the reply is that nothing has changed.
            Command::PauseIntake | Command::ResumeIntake => self.emit(Event::Intake(self.intake.clone())).await,
            other => self.command_tasks.spawn(other),
        }
    }

    async fn on_task_finished(&mut self, outcome: TaskOutcome) {
        self.due_queue.invalidate();
        match outcome {
            TaskOutcome::NotReady(reason) | TaskOutcome::BucketRefused(reason) => {
                self.block_intake(Dependency::Bucket, not_stored(&reason)).await;
            }
            TaskOutcome::PauseChanged(pause) => {
                let is_new = self.pause.set(pause);
                self.report_pause(is_new).await;
            }
            TaskOutcome::BulkChanged => self.bulk.wake(),
            TaskOutcome::Closed => self.phase = Phase::Closed,
            TaskOutcome::Ready => self.due_queue.wake_held(),
            TaskOutcome::Done => {}
        }
    }

    /// Jobs changed: there may be something to do, or another process took a running job away.
    fn on_jobs_changed(&mut self, changed: &ChangedJobs) {
        if changed.iter().any(|job| job.claim.is_none() && job.stage_name() != StageName::Queued) {
            self.due_queue.end_task_limit_pauses();
        }
        self.due_queue.on_jobs_changed(changed);
        self.runner.on_jobs_changed(changed);
        for job in changed {
            if let Some(token) = self.running.get(&job.id).filter(|_| self.runner.is_over(job)) {
                token.cancel();
            }
        }
    }

    fn stop(&mut self) {
        self.phase = Phase::Stopping;
        self.stop.cancel();
    }

    async fn set_intake(&mut self, intake: Intake) {
        self.intake = intake;
        self.due_queue.invalidate();
        self.emit(Event::Intake(self.intake.clone())).await;
    }

    async fn emit_slots(&self) {
        if self.settings.event_detail > EventDetail::None {
            self.emit(Event::Slots { used: self.running.len(), total: self.slots }).await;
        }
    }

    async fn emit(&self, event: Event) {
        // Jobs run even if the reader is gone.
        let _ = self.events.send(event).await;
    }
}
