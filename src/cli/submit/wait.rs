//! `submit --wait`: stays until the jobs have ended, working on them here unless a worker lives. Must not change a job itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Instant, MissedTickBehavior};

use crate::cli::error::CliError;
use crate::cli::headless_engine::{EngineUpdate, HeadlessEngine};
use crate::cli::{Session, output};
use crate::engine::Mode;
use crate::engine::local::WorkerLock;
use crate::jobs::{Hold, Job, JobId, StageName};
use crate::shutdown_signal::ShutdownSignal;
use crate::store::{Change, Store};
use crate::text::sanitize_line;
use crate::wiring::{self, AccessMode};

/// How often all jobs are read again: the watcher is a hint, this is the truth.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A worker that lives but touches none of these jobs for so long does not work on them (it only looks, or is another
/// provider's): then they are worked on here as well. Claims keep two workers apart.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often the line is drawn even where nothing happens, so that its clock goes.
const TICK: Duration = Duration::from_millis(250);

/// Waits until all of `ids` have ended, at most for `longest`. Errors: no job can be started, or it took too long, or a person
/// does not want to wait any longer.
pub async fn until_ended(
    session: &Session,
    store: &Arc<dyn Store>,
    ids: &[JobId],
    longest: Option<Duration>,
) -> Result<(), CliError> {
    let mut shutdown =
        ShutdownSignal::listen().map_err(|why| CliError::Failed(format!("cannot handle signals: {why}")))?;
    let mut wait = Wait::new(session, store.clone(), ids);
    let result = tokio::select! {
        result = wait.run() => result,
        () = shutdown.next() => Err(CliError::Failed(wait.how_to_go_on())),
        () = sleep(longest) => Err(CliError::Failed(format!("the time is up: {}", wait.how_to_go_on()))),
    };
    wait.progress.finish_and_clear();
    if let Some(engine) = wait.engine.take() {
        engine.request_stop().await;
        engine.wait_stopped().await?;
    }
    result
}

async fn sleep(longest: Option<Duration>) {
    match longest {
        Some(longest) => tokio::time::sleep(longest).await,
        None => std::future::pending().await,
    }
}

struct Wait<'a> {
    session: &'a Session,
    store: Arc<dyn Store>,
    /// Those that have not ended: the stage in which each was seen last, and what held it.
    open: BTreeMap<JobId, (StageName, Option<String>)>,
    total: usize,
    engine: Option<HeadlessEngine>,
    last_moved: Instant,
    progress: ProgressBar,
    hold_said: String,
}

impl<'a> Wait<'a> {
    fn new(session: &'a Session, store: Arc<dyn Store>, ids: &[JobId]) -> Self {
        // Drawn on standard error, and only where that is a terminal.
        let progress = ProgressBar::with_draw_target(Some(ids.len() as u64), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} ended {elapsed} {wide_msg}") {
            progress.set_style(style);
        }
        progress.enable_steady_tick(TICK);
        let open = ids.iter().map(|id| (id.clone(), (StageName::Queued, None))).collect();
        Self {
            session,
            store,
            open,
            total: ids.len(),
            engine: None,
            last_moved: Instant::now(),
            progress,
            hold_said: String::new(),
        }
    }

    async fn run(&mut self) -> Result<(), CliError> {
        let mut watch = self.store.watch().await?;
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.work_here_if_nobody_does().await?;
            tokio::select! {
                changes = watch.next() => for change in changes? {
                    match change {
                        Change::Job(job) => self.heard(&job),
                        Change::Removed(id) => self.ended(&id),
                        Change::Unreadable { .. } => {}
                    }
                },
                _ = look.tick() => self.look().await?,
                news = next(self.engine.as_mut()) => match news {
                    EngineUpdate::None => {}
                    EngineUpdate::Blocked(reason) => return Err(CliError::Failed(format!("{reason}; {}", self.how_to_go_on()))),
                    EngineUpdate::Stopped => return Err(CliError::Failed(format!("the engine ended; {}", self.how_to_go_on()))),
                },
            }
            if self.open.is_empty() {
                return Ok(());
            }
            // Once for all that was heard: it counts every open job.
            self.progress.set_message(self.message());
        }
    }

    async fn work_here_if_nobody_does(&mut self) -> Result<(), CliError> {
        if self.engine.is_some() {
            return Ok(());
        }
        let config = &self.session.config;
        if WorkerLock::live(&config.data_dir).is_empty() || self.last_moved.elapsed() >= PATIENCE {
            let wired = wiring::open_ports(config, self.store.clone(), AccessMode::Submit).await?;
            self.engine = Some(HeadlessEngine::start(self.session, wired, Mode::Work, None)?);
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<(), CliError> {
        let open: Vec<JobId> = self.open.keys().cloned().collect();
        for id in open {
            match self.store.get(&id).await? {
                Some(job) => self.heard(&job),
                None => self.ended(&id),
            }
        }
        Ok(())
    }

    fn heard(&mut self, job: &Job) {
        let Some(seen) = self.open.get_mut(&job.id) else { return };
        let hold = job.hold().map(Hold::summary);
        *seen = (job.stage_name(), hold.clone());
        let now = chrono::Utc::now();
        if job.is_claimed(now) || job.hold().is_some() {
            self.last_moved = Instant::now();
        }
        if let Some(hold) = hold {
            self.say_hold(hold);
        }
        if !job.stage_name().is_active() {
            self.ended(&job.id);
        }
    }

    /// A line of its own where there is no bar to say it; the same reason once.
    fn say_hold(&mut self, reason: String) {
        if self.progress.is_hidden() && self.hold_said != reason {
            output::eprint_line(&format!("held: {reason}"));
            self.hold_said = reason;
        }
    }

    /// What stands beside the bar, cut to the terminal there: what holds a job, else what the jobs do.
    fn message(&self) -> String {
        if let Some(reason) = self.open.values().filter_map(|(_, hold)| hold.as_ref()).min() {
            return sanitize_line(&format!("held: {reason}"), 200);
        }
        let counted = [StageName::Generating, StageName::Submitting, StageName::Queued].map(|stage| {
            let count = self.open.values().filter(|(seen, _)| *seen == stage).count();
            (count > 0).then(|| format!("{count} {stage}"))
        });
        counted.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    fn ended(&mut self, id: &JobId) {
        if self.open.remove(id).is_some() {
            self.last_moved = Instant::now();
            self.progress.set_position((self.total - self.open.len()) as u64);
        }
    }

    fn how_to_go_on(&self) -> String {
        let ended = self.total - self.open.len();
        format!(
            "{ended} of {} ended, the others are safe: `darkroom worker --until-idle` goes on with them",
            self.total
        )
    }
}

/// Waits for an engine that may not be there. Cancel-safe.
async fn next(engine: Option<&mut HeadlessEngine>) -> EngineUpdate {
    match engine {
        Some(engine) => engine.next().await,
        None => std::future::pending().await,
    }
}
