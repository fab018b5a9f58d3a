//! Owns what runs in this process: which job gets a slot, what ends, when to look for more. Must not perform an effect.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::feed;
use super::intake::{Candidates, Taking};
use super::orders::{Errand, Orders};
use super::reporter::Signal;
use super::{Command, Event, Hint, Ports, RunError, Runner, Settings, WorkerLock};
use crate::engine::workflow::{Ran, WorkflowError};
use crate::engine::{EventDetail, Intake, Mode, Notice, NoticeLevel, OperatorCommands};
use crate::jobs::{Job, JobId};

/// The watcher is a hint; this periodic look is the truth.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(2);

/// How long nothing new is sent after the provider said that it is full.
const FULL_FOR: Duration = Duration::from_secs(1);

/// How long nothing new is begun after the store, or the server that runs jobs, did not answer.
const DOWN_FOR: Duration = Duration::from_secs(1);

/// How long a job is left alone that runs elsewhere already.
const ELSEWHERE_FOR: Duration = Duration::from_secs(2);

/// How an engine ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EngineEnd {
    /// Why jobs were left although it should have run until none is left.
    pub trouble: Option<String>,
}

type Finished = Result<(Id, Result<Ran, RunError>), JoinError>;

/// Whether it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Working,
    /// Nothing new is begun: it was asked to stop.
    Stopping,
    /// Nothing was left in the store: it ends by itself.
    Idle,
    /// The runner has finished what had to be finished.
    Closed,
}

struct Dispatcher {
    settings: Settings,
    presence: Arc<WorkerLock>,
    facts: mpsc::Sender<Event>,
    runner: Arc<dyn Runner>,
    candidates: Candidates,
    orders: Orders,
    intake: Intake,
    slots: usize,
    running: HashMap<JobId, CancellationToken>,
    ids: HashMap<Id, JobId>,
    tasks: JoinSet<Result<Ran, RunError>>,
    stop: CancellationToken,
    phase: Phase,
    posts: usize,
    budget_told: bool,
    end: EngineEnd,
}

/// Runs the engine until it is stopped or, where it was asked to, until nothing is left.
pub(super) async fn run(
    ports: Ports,
    settings: Settings,
    presence: Arc<WorkerLock>,
    runner: Arc<dyn Runner>,
    (mut commands, mut said): (mpsc::Receiver<Command>, mpsc::UnboundedReceiver<Signal>),
    facts: mpsc::Sender<Event>,
) -> EngineEnd {
    let stop = CancellationToken::new();
    let desk = OperatorCommands::new(ports.store.clone(), ports.clock.clone(), settings.simulated);
    let (feed, mut hints) = feed::start(ports.clone(), &settings, facts.clone(), stop.clone());
    let mut dispatcher = Dispatcher {
        runner,
        candidates: Candidates::new(ports.clone(), settings.simulated),
        orders: Orders::new(ports, desk, feed, facts.clone(), settings.simulated),
        intake: if settings.mode == Mode::Observe { Intake::ReadOnly } else { Intake::Open },
        slots: settings.slots.max(1),
        running: HashMap::new(),
        ids: HashMap::new(),
        tasks: JoinSet::new(),
        stop,
        phase: Phase::Working,
        posts: 0,
        budget_told: false,
        end: EngineEnd::default(),
        settings,
        presence,
        facts,
    };
    dispatcher.open().await;
    loop {
        let wake = dispatcher.fill().await;
        if dispatcher.is_over() {
            break;
        }
        tokio::select! {
            biased;
            Some(signal) = said.recv() => dispatcher.hear(signal).await,
            Some(finished) = dispatcher.tasks.join_next_with_id(), if !dispatcher.tasks.is_empty() => {
                dispatcher.finished(finished).await;
            }
            command = commands.recv(), if dispatcher.phase == Phase::Working => match command {
                Some(command) => dispatcher.obey(command).await,
                None => dispatcher.stop(),
            },
            Some(errand) = dispatcher.orders.next(), if dispatcher.orders.is_busy() => dispatcher.errand_done(errand).await,
            Some(hint) = hints.recv() => dispatcher.changed(&hint),
            () = tokio::time::sleep_until(wake) => dispatcher.candidates.look_again(),
        }
    }
    dispatcher.stop.cancel();
    dispatcher.say(Event::Stopped).await;
    dispatcher.end
}

impl Dispatcher {
    async fn open(&mut self) {
        self.say(Event::Intake(self.intake.clone())).await;
        self.say(Event::Slots { used: 0, total: self.slots }).await;
        if self.intake == Intake::Open {
            self.orders.prepare();
        }
    }

    fn is_over(&mut self) -> bool {
        let busy = !self.running.is_empty() || !self.tasks.is_empty() || self.orders.is_busy();
        if self.settings.mode == Mode::UntilIdle && self.phase == Phase::Working && !busy {
            if let Intake::AccountBlocked(reason) = &self.intake {
                self.end.trouble = Some(reason.clone());
                self.phase = Phase::Stopping;
            } else if self.candidates.nothing_waits() {
                self.phase = Phase::Idle;
            }
        }
        match self.phase {
            Phase::Closed => true,
            Phase::Stopping | Phase::Idle if !busy => {
                // Outside the loop: what effects say while they finish is still heard.
                self.orders.close(self.runner.clone(), self.phase == Phase::Idle);
                false
            }
            _ => false,
        }
    }

    /// Gives free slots to due jobs; returns when to look again at the latest.
    async fn fill(&mut self) -> Instant {
        let latest = Instant::now() + LOOK_AT_LEAST_EVERY;
        if self.settings.mode == Mode::Observe || self.phase != Phase::Working || self.orders.is_preparing() {
            return latest;
        }
        let used = self.running.len();
        while self.running.len() < self.slots {
            let taking = Taking {
                queued: self.intake == Intake::Open,
                running: &self.running,
                presence: &self.presence,
                free: self.slots - self.running.len(),
            };
            match self.candidates.next(taking).await {
                Ok(Some(job)) => self.spawn(job),
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!("the queue cannot be read: {error}");
                    self.candidates.pause_for(DOWN_FOR);
                    break;
                }
            }
        }
        if self.running.len() != used {
            self.say_slots().await;
        }
        self.candidates.wake().map_or(latest, |wake| wake.min(latest))
    }

    fn spawn(&mut self, job: Job) {
        let token = self.stop.child_token();
        let id = job.id.clone();
        self.running.insert(id.clone(), token.clone());
        let runner = self.runner.clone();
        let handle = self.tasks.spawn(async move { runner.run(job, &token).await });
        self.ids.insert(handle.id(), id);
    }

    async fn finished(&mut self, finished: Finished) {
        let (task, result) = match finished {
            Ok((task, result)) => (task, Ok(result)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some(id) = self.ids.remove(&task) else { return };
        self.running.remove(&id);
        match result {
            // Only a look with nothing running can tell that nothing is left.
            Ok(Ok(Ran::Finished)) if !self.running.is_empty() => {}
            Ok(Ok(Ran::Finished | Ran::PutOff | Ran::Stopped)) => self.candidates.look_again(),
            Ok(Ok(Ran::Elsewhere)) => self.candidates.set_aside(id, ELSEWHERE_FOR),
            Ok(Ok(Ran::Lost) | Err(RunError::Effect(WorkflowError::Lost))) => {
                tracing::debug!(job = %id, "moved by somebody else");
                self.candidates.forget();
            }
            Ok(Err(RunError::Effect(WorkflowError::Store(error)))) => {
                tracing::warn!(job = %id, "not saved: {error}");
                self.candidates.leave(id);
                self.candidates.pause_for(DOWN_FOR);
            }
            Ok(Err(RunError::Effect(WorkflowError::Illegal(illegal)))) => {
                tracing::error!(job = %id, "its document contradicts itself: {illegal}");
                self.candidates.avoid(id);
            }
            Ok(Err(RunError::Server(reason))) => {
                // Whoever keeps the line to the server says it once.
                tracing::debug!(job = %id, "not run: {reason}");
                self.candidates.pause_for(DOWN_FOR);
            }
            Ok(Err(RunError::Broken(reason))) => {
                tracing::error!(job = %id, "left alone from here on: {reason}");
                self.candidates.avoid(id);
            }
            Err(panic) => {
                tracing::error!(job = %id, "the job's task broke: {panic}");
                self.orders.record_panic(id);
            }
        }
        self.say_slots().await;
    }

    async fn hear(&mut self, signal: Signal) {
        match signal {
            Signal::Account(reason) => {
                if !matches!(self.intake, Intake::AccountBlocked(_)) {
                    // The key is for those who have a screen.
                    let remedy = if self.settings.audience == EventDetail::Full {
                        " · p resumes when it is mended"
                    } else {
                        ""
                    };
                    self.notice(NoticeLevel::Error, format!("No new jobs are started: {reason}{remedy}")).await;
                    self.set_intake(Intake::AccountBlocked(reason)).await;
                }
            }
            Signal::Full => self.candidates.hold_queue_for(FULL_FOR),
            Signal::BudgetExceeded => {
                if !self.budget_told {
                    self.budget_told = true;
                    self.notice(
                        NoticeLevel::Warning,
                        "The budget is used up: jobs are held until it allows them".to_owned(),
                    )
                    .await;
                }
            }
            Signal::Posting(begun) => {
                self.posts = if begun { self.posts + 1 } else { self.posts.saturating_sub(1) };
                if self.settings.audience > EventDetail::None {
                    self.say(Event::SubmitsInFlight(self.posts)).await;
                }
            }
            Signal::JobFinished(ended) => {
                if self.settings.audience > EventDetail::None {
                    self.say(Event::JobFinished(ended)).await;
                }
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Stop => self.stop(),
            Command::SetSlots(slots) => {
                self.slots = slots.clamp(1, 1_000);
                self.runner.resize(self.slots);
                self.candidates.look_again();
                self.say(Event::Slots { used: self.running.len(), total: self.slots }).await;
            }
            Command::PauseIntake if self.settings.mode != Mode::Observe => self.set_intake(Intake::Paused).await,
            Command::ResumeIntake if self.settings.mode != Mode::Observe => {
                self.budget_told = false;
                self.set_intake(Intake::Open).await;
                self.orders.prepare();
            }
            Command::PauseIntake | Command::ResumeIntake => {
                self.notice(NoticeLevel::Info, "This console only looks; it starts no jobs".to_owned()).await;
            }
            other => self.orders.take(other),
        }
    }

    async fn errand_done(&mut self, errand: Errand) {
        self.candidates.look_again();
        match errand {
            Errand::NotReady(reason) => {
                self.hear(Signal::Account(format!("images cannot be stored: {reason}"))).await;
            }
            Errand::Closed => self.phase = Phase::Closed,
            Errand::Ready | Errand::Done => {}
        }
    }

    /// Takes hints: there may be something to do, or somebody took a running job away.
    fn changed(&mut self, hint: &Hint) {
        self.candidates.heard(hint);
        self.runner.heard(hint);
        for job in hint {
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
        self.candidates.look_again();
        self.say(Event::Intake(self.intake.clone())).await;
    }

    async fn say_slots(&self) {
        if self.settings.audience > EventDetail::None {
            self.say(Event::Slots { used: self.running.len(), total: self.slots }).await;
        }
    }

    async fn notice(&self, level: NoticeLevel, text: String) {
        self.say(Event::Notice(Notice { level, text })).await;
    }

    async fn say(&self, event: Event) {
        // A reader that is gone does not keep jobs from running.
        let _ = self.facts.send(event).await;
    }
}
