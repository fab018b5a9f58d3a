//! Owns what runs in this process: which job gets a slot, what ends, when to look for more. Must not perform an effect.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::feed::{self, Hint};
use super::intake::{Candidates, Taking};
use super::orders::{Errand, Orders};
use super::{Command, Event, Ports, Presence, Settings};
use crate::engine::effects::{EffectError, Effects, Observer, Ran};
use crate::engine::{Audience, Desk, Ended, Intake, Mode, Notice, NoticeLevel, Progress};
use crate::jobs::{Job, JobId};

/// The watcher is a hint; this periodic look is the truth.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(2);

/// How long nothing new is sent after the provider said that it is full.
const FULL_FOR: Duration = Duration::from_secs(1);

/// How long nothing new is begun after the store did not answer.
const STORE_DOWN_FOR: Duration = Duration::from_secs(1);

/// How an engine ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EngineEnd {
    /// Why jobs were left although it should have run until none is left.
    pub trouble: Option<String>,
}

/// What effects say while they run.
enum Signal {
    Account(String),
    Full,
    Posting(bool),
    OverBudget,
    Ended(Ended),
}

struct Reporter {
    facts: mpsc::Sender<Event>,
    signals: mpsc::UnboundedSender<Signal>,
}

impl Reporter {
    fn signal(&self, signal: Signal) {
        // The dispatcher is gone only when this process ends; then nobody needs to know.
        let _ = self.signals.send(signal);
    }
}

impl Observer for Reporter {
    fn progress(&self, progress: Progress) {
        // May be lost when the reader is slow: the next one tells.
        let _ = self.facts.try_send(Event::Progress(progress));
    }
    fn account_trouble(&self, reason: &str) {
        self.signal(Signal::Account(crate::jobs::text::clean_line(reason, 200)));
    }
    fn provider_full(&self) {
        self.signal(Signal::Full);
    }
    fn posting(&self, in_flight: bool) {
        self.signal(Signal::Posting(in_flight));
    }
    fn over_budget(&self) {
        self.signal(Signal::OverBudget);
    }
    fn ended(&self, ended: Ended) {
        self.signal(Signal::Ended(ended));
    }
}

type Finished = Result<(Id, Result<Ran, EffectError>), JoinError>;

struct Dispatcher {
    settings: Settings,
    presence: Presence,
    facts: mpsc::Sender<Event>,
    effects: Arc<Effects>,
    candidates: Candidates,
    orders: Orders,
    intake: Intake,
    slots: usize,
    running: HashMap<JobId, CancellationToken>,
    ids: HashMap<Id, JobId>,
    tasks: JoinSet<Result<Ran, EffectError>>,
    stop: CancellationToken,
    stopping: bool,
    posts: usize,
    budget_told: bool,
    end: EngineEnd,
}

/// Runs the engine until it is stopped or, where it was asked to, until nothing is left.
pub(super) async fn run(
    ports: Ports,
    settings: Settings,
    presence: Presence,
    mut commands: mpsc::Receiver<Command>,
    facts: mpsc::Sender<Event>,
) -> EngineEnd {
    let (signals, mut said) = mpsc::unbounded_channel();
    let reporter = Arc::new(Reporter { facts: facts.clone(), signals });
    let stop = CancellationToken::new();
    let desk = Desk::new(ports.store.clone(), ports.clock.clone(), settings.simulated);
    let (feed, mut hints) = feed::start(ports.clone(), &settings, facts.clone(), stop.clone());
    let mut dispatcher = Dispatcher {
        effects: Arc::new(Effects::new(ports.clone(), settings.clone(), presence.worker().clone(), reporter)),
        candidates: Candidates::new(ports.clone(), settings.simulated),
        orders: Orders::new(ports, desk, feed, facts.clone(), settings.simulated),
        intake: if settings.mode == Mode::Observe { Intake::Observing } else { Intake::Open },
        slots: settings.slots.max(1),
        running: HashMap::new(),
        ids: HashMap::new(),
        tasks: JoinSet::new(),
        stop,
        stopping: false,
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
            command = commands.recv(), if !dispatcher.stopping => match command {
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
        if self.settings.mode == Mode::UntilIdle && !self.stopping && self.running.is_empty() && !self.orders.is_busy()
        {
            if let Intake::Account(reason) = &self.intake {
                self.end.trouble = Some(reason.clone());
                self.stopping = true;
            } else if self.candidates.nothing_waits() {
                self.stopping = true;
            }
        }
        self.stopping && self.tasks.is_empty() && !self.orders.is_busy()
    }

    /// Gives free slots to due jobs; returns when to look again at the latest.
    async fn fill(&mut self) -> Instant {
        let latest = Instant::now() + LOOK_AT_LEAST_EVERY;
        if self.settings.mode == Mode::Observe || self.stopping || self.orders.is_preparing() {
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
                    self.candidates.pause_for(STORE_DOWN_FOR);
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
        let effects = self.effects.clone();
        let handle = self.tasks.spawn(async move { effects.run(job, &token).await });
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
            Ok(Ok(Ran::Ended)) if !self.running.is_empty() => {}
            Ok(Ok(Ran::Ended | Ran::PutOff | Ran::Stopped)) => self.candidates.look_again(),
            Ok(Ok(Ran::Lost) | Err(EffectError::Lost)) => {
                tracing::debug!(job = %id, "moved by somebody else");
                self.candidates.forget();
            }
            Ok(Err(EffectError::Store(error))) => {
                tracing::warn!(job = %id, "not saved: {error}");
                self.candidates.pause_for(STORE_DOWN_FOR);
            }
            Ok(Err(EffectError::Illegal(illegal))) => {
                tracing::error!(job = %id, "its document contradicts itself: {illegal}");
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
                if !matches!(self.intake, Intake::Account(_)) {
                    // The key is for those who have a screen.
                    let remedy =
                        if self.settings.audience == Audience::Screen { " · p resumes when it is mended" } else { "" };
                    self.notice(NoticeLevel::Error, format!("No new jobs are started: {reason}{remedy}")).await;
                    self.set_intake(Intake::Account(reason)).await;
                }
            }
            Signal::Full => self.candidates.hold_queue_for(FULL_FOR),
            Signal::OverBudget => {
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
                if self.settings.audience > Audience::Nobody {
                    self.say(Event::PostsInFlight(self.posts)).await;
                }
            }
            Signal::Ended(ended) => {
                if self.settings.audience > Audience::Nobody {
                    self.say(Event::Ended(ended)).await;
                }
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Stop => self.stop(),
            Command::SetSlots(slots) => {
                self.slots = slots.clamp(1, 1_000);
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
        if let Errand::NotReady(reason) = errand {
            let reason = format!("pictures cannot be stored: {reason}");
            self.hear(Signal::Account(reason)).await;
        }
    }

    /// Takes hints: there may be something to do, or somebody took a running job away.
    fn changed(&mut self, hint: &Hint) {
        self.candidates.look_again();
        for job in hint {
            let ours = job.claim.as_ref().is_none_or(|claim| &claim.worker == self.presence.worker());
            if (!job.stage_name().is_active() || !ours)
                && let Some(token) = self.running.get(&job.id)
            {
                token.cancel();
            }
        }
    }

    fn stop(&mut self) {
        self.stopping = true;
        self.stop.cancel();
    }

    async fn set_intake(&mut self, intake: Intake) {
        self.intake = intake;
        self.candidates.look_again();
        self.say(Event::Intake(self.intake.clone())).await;
    }

    async fn say_slots(&self) {
        if self.settings.audience > Audience::Nobody {
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
