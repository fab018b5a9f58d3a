//! `submit --wait`: waits until the jobs have finished, and runs them in this process unless a worker does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Instant, MissedTickBehavior};

use crate::cli::error::CliError;
use crate::cli::headless_engine::{EngineUpdate, HeadlessEngine};
use crate::cli::{Session, hold_line, output};
use crate::engine::Mode;
use crate::engine::local::WorkerLock;
use crate::jobs::{Hold, Job, JobId, StageName};
use crate::shutdown_signal::ShutdownSignal;
use crate::store::{Change, Store};
use crate::text::sanitize_line;
use crate::wiring::{self, AccessMode};

/// How often all jobs are read again, in case the change stream missed one.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// A running worker that moves none of these jobs for so long does not run them (it is read-only, or for another provider): then
/// they are run here as well. Claims keep two workers apart.
const IDLE_WORKER_TIMEOUT: Duration = Duration::from_secs(10);

/// After so many polls without a job that can run, the wait ends. A worker tries held jobs again within a second after money was
/// released.
const MAX_STALLED_POLLS: u32 = 3;

/// How often the progress is drawn, so that its clock advances.
const REDRAW_INTERVAL: Duration = Duration::from_millis(250);

/// Waits until all of `ids` have finished, at most for `timeout`. Errors: no job can be started, the time is up, or a person
/// interrupted.
pub async fn until_finished(
    session: &Session,
    store: &Arc<dyn Store>,
    ids: &[JobId],
    timeout: Option<Duration>,
) -> Result<(), CliError> {
    let mut shutdown =
        ShutdownSignal::listen().map_err(|why| CliError::Failed(format!("cannot handle signals: {why}")))?;
    let mut wait = Wait::new(session, store.clone(), ids);
    let result = tokio::select! {
        result = wait.run() => result,
        () = shutdown.next() => Err(CliError::Failed(wait.resume_hint())),
        () = sleep(timeout) => Err(CliError::Failed(format!("timed out: {}", wait.resume_hint()))),
    };
    wait.progress.finish_and_clear();
    if let Some(engine) = wait.engine.take() {
        engine.request_stop().await;
        engine.wait_stopped().await?;
    }
    result
}

async fn sleep(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
}

/// What is known of an unfinished job.
#[derive(Debug)]
struct OpenJob {
    stage: StageName,
    hold: Option<String>,
    /// Whether a cap holds it, and no worker tries it.
    is_capped: bool,
}

struct Wait<'a> {
    session: &'a Session,
    store: Arc<dyn Store>,
    open: BTreeMap<JobId, OpenJob>,
    total: usize,
    engine: Option<HeadlessEngine>,
    last_moved: Instant,
    progress: ProgressBar,
    reported_hold: String,
    /// Why no job can start, and since when.
    blocked: Option<(String, Instant)>,
    /// Why the jobs wait for an operator or for the end of a cap's period, and for how many polls.
    stalled: Option<(String, u32)>,
}

impl<'a> Wait<'a> {
    fn new(session: &'a Session, store: Arc<dyn Store>, ids: &[JobId]) -> Self {
        // Drawn on standard error, and only where that is a terminal.
        let progress = ProgressBar::with_draw_target(Some(ids.len() as u64), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} finished {elapsed} {wide_msg}") {
            progress.set_style(style);
        }
        progress.enable_steady_tick(REDRAW_INTERVAL);
        let open = ids
            .iter()
            .map(|id| (id.clone(), OpenJob { stage: StageName::Queued, hold: None, is_capped: false }))
            .collect();
        Self {
            session,
            store,
            open,
            total: ids.len(),
            engine: None,
            last_moved: Instant::now(),
            progress,
            reported_hold: String::new(),
            blocked: None,
            stalled: None,
        }
    }

    async fn run(&mut self) -> Result<(), CliError> {
        let mut watch = self.store.watch().await?;
        let mut poll = tokio::time::interval(POLL_INTERVAL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.run_here_if_no_worker_does().await?;
            tokio::select! {
                changes = watch.next() => for change in changes? {
                    match change {
                        Change::Job(job) => self.update(&job),
                        Change::Removed(id) => self.finish(&id),
                        Change::Unreadable { .. } | Change::Budget | Change::SharedRecord(_) => {}
                    }
                },
                _ = poll.tick() => self.poll().await?,
                news = next(self.engine.as_mut()) => match news {
                    EngineUpdate::None => {}
                    EngineUpdate::Blocked(reason) => self.blocked = Some((reason, Instant::now())),
                    EngineUpdate::Stopped => return Err(CliError::Failed(format!("the engine stopped; {}", self.resume_hint()))),
                },
            }
            if self.open.is_empty() {
                return Ok(());
            }
            if let Some(reason) = self.reason_to_give_up() {
                return Err(CliError::Failed(format!("{reason}; {}", self.resume_hint())));
            }
            // Once per round: it counts every open job.
            self.progress.set_message(self.message());
        }
    }

    async fn run_here_if_no_worker_does(&mut self) -> Result<(), CliError> {
        if self.engine.is_some() {
            return Ok(());
        }
        let config = &self.session.config;
        if WorkerLock::live_workers(&config.data_dir).is_empty() || self.last_moved.elapsed() >= IDLE_WORKER_TIMEOUT {
            let wired = wiring::open_ports(config, self.store.clone(), AccessMode::Submit).await?;
            self.engine = Some(HeadlessEngine::start(self.session, wired, Mode::Work, None)?);
        }
        Ok(())
    }

    /// Why no open job can start, once none of them runs any more: what was accepted is paid, and its image can be fetched for
    /// minutes only. A request that was in flight when the intake was blocked is known after a poll.
    fn reason_to_give_up(&self) -> Option<&str> {
        if let Some((reason, polls)) = &self.stalled
            && *polls >= MAX_STALLED_POLLS
        {
            return Some(reason);
        }
        let (reason, since) = self.blocked.as_ref()?;
        let is_blocked = self.engine.as_ref().is_some_and(HeadlessEngine::is_blocked);
        let runs = |stage: &StageName| matches!(stage, StageName::Submitting | StageName::Generating);
        let waits = since.elapsed() <= POLL_INTERVAL || self.open.values().any(|job| runs(&job.stage));
        (is_blocked && !waits).then_some(reason)
    }

    async fn poll(&mut self) -> Result<(), CliError> {
        let open: Vec<JobId> = self.open.keys().cloned().collect();
        for id in open {
            match self.store.get(&id).await? {
                Some(job) => self.update(&job),
                None => self.finish(&id),
            }
        }
        let polls = self.stalled.take().map_or(0, |(_, polls)| polls);
        self.stalled = self.stall().await?.map(|reason| (reason, polls + 1));
        Ok(())
    }

    /// Why none of the jobs can run before an operator acts or a cap's period ends. A job that runs anywhere may release money.
    async fn stall(&self) -> Result<Option<String>, CliError> {
        if self.open.values().all(|job| job.is_capped) {
            let counts = self.store.counts().await?;
            let is_idle = counts.of(StageName::Submitting) + counts.of(StageName::Generating) == 0;
            return Ok(is_idle.then(|| "a cap holds the jobs; `darkroom budget set` raises it".to_owned()));
        }
        let are_queued = self.open.values().all(|job| job.stage == StageName::Queued);
        let pause = self.engine.as_ref().filter(|_| are_queued).and_then(HeadlessEngine::pause_line);
        Ok(pause.map(|pause| format!("the intake is {pause}; `darkroom resume` starts jobs again")))
    }

    fn update(&mut self, job: &Job) {
        let Some(seen) = self.open.get_mut(&job.id) else { return };
        let now = chrono::Utc::now();
        let hold = job.hold().map(|hold| hold_line::of_all(job, hold));
        let is_capped = matches!(job.hold(), Some(Hold::Budget { .. })) && !job.is_claimed(now);
        *seen = OpenJob { stage: job.stage_name(), hold: hold.clone(), is_capped };
        if job.is_claimed(now) || job.hold().is_some() {
            self.last_moved = Instant::now();
        }
        if let Some(hold) = hold {
            self.report_hold(hold);
        }
        if !job.stage_name().is_active() {
            self.finish(&job.id);
        }
    }

    /// Prints a hold where no progress bar shows it; the same reason once.
    fn report_hold(&mut self, reason: String) {
        if self.progress.is_hidden() && self.reported_hold != reason {
            output::eprint_line(&format!("held: {reason}"));
            self.reported_hold = reason;
        }
    }

    /// The message beside the bar: the hold of a job, else the stages of all.
    fn message(&self) -> String {
        if let Some(reason) = self.open.values().filter_map(|job| job.hold.as_ref()).min() {
            return sanitize_line(&format!("held: {reason}"), 200);
        }
        let counted = [StageName::Generating, StageName::Submitting, StageName::Queued].map(|stage| {
            let count = self.open.values().filter(|job| job.stage == stage).count();
            (count > 0).then(|| format!("{count} {stage}"))
        });
        counted.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    fn finish(&mut self, id: &JobId) {
        if self.open.remove(id).is_some() {
            self.last_moved = Instant::now();
            self.progress.set_position((self.total - self.open.len()) as u64);
        }
    }

    fn resume_hint(&self) -> String {
        let finished = self.total - self.open.len();
        format!("{finished} of {} finished; run `darkroom worker --until-idle` to continue with the rest", self.total)
    }
}

/// Waits for the engine, forever where none was started. Cancel-safe.
async fn next(engine: Option<&mut HeadlessEngine>) -> EngineUpdate {
    match engine {
        Some(engine) => engine.next().await,
        None => std::future::pending().await,
    }
}
