//! `submit --wait`: stays until the jobs have ended, working on them here unless a worker lives. Must not change a job itself.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Instant, MissedTickBehavior};

use crate::cli::error::CliError;
use crate::cli::interrupt::Interrupt;
use crate::cli::running::{News, Running};
use crate::cli::{Session, output};
use crate::engine::Mode;
use crate::engine::local::Presence;
use crate::jobs::text::clean_line;
use crate::jobs::{Job, JobId};
use crate::store::{Change, Store};
use crate::wiring::{self, Access};

/// How often all jobs are read again: the watcher is a hint, this is the truth.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A worker that lives but touches none of these jobs for so long does not work on them (it only looks, or is another
/// provider's): then they are worked on here as well. Claims keep two workers apart.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until all of `ids` have ended, at most for `longest`. Errors: no job can be started, or it took too long, or a person
/// does not want to wait any longer.
pub async fn until_ended(
    session: &Session,
    store: &Arc<dyn Store>,
    ids: &[JobId],
    longest: Option<Duration>,
) -> Result<(), CliError> {
    let mut interrupt =
        Interrupt::listen().map_err(|why| CliError::Failed(format!("signals cannot be received: {why}")))?;
    let mut wait = Wait::new(session, store.clone(), ids);
    let result = tokio::select! {
        result = wait.run() => result,
        () = interrupt.next() => Err(CliError::Failed(wait.how_to_go_on())),
        () = sleep(longest) => Err(CliError::Failed(format!("the time is up: {}", wait.how_to_go_on()))),
    };
    wait.progress.finish_and_clear();
    if let Some(engine) = wait.engine.take() {
        engine.ask_to_stop().await;
        engine.ended().await?;
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
    open: HashSet<JobId>,
    total: usize,
    engine: Option<Running>,
    last_moved: Instant,
    progress: ProgressBar,
    hold_said: String,
}

impl<'a> Wait<'a> {
    fn new(session: &'a Session, store: Arc<dyn Store>, ids: &[JobId]) -> Self {
        // Drawn on standard error, and only where that is a terminal.
        let progress = ProgressBar::with_draw_target(Some(ids.len() as u64), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} ended {elapsed} {msg}") {
            progress.set_style(style);
        }
        let open = ids.iter().cloned().collect();
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
                    News::Nothing => {}
                    News::Stuck(reason) => return Err(CliError::Failed(format!("{reason}; {}", self.how_to_go_on()))),
                    News::Ended => return Err(CliError::Failed(format!("the engine ended; {}", self.how_to_go_on()))),
                },
            }
            if self.open.is_empty() {
                return Ok(());
            }
        }
    }

    async fn work_here_if_nobody_does(&mut self) -> Result<(), CliError> {
        if self.engine.is_some() {
            return Ok(());
        }
        let config = &self.session.config;
        if Presence::live(&config.data_dir).is_empty() || self.last_moved.elapsed() >= PATIENCE {
            let wired = wiring::open_ports(config, self.store.clone(), Access::Orders).await?;
            self.engine = Some(Running::start(self.session, wired, Mode::Work)?);
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<(), CliError> {
        let open: Vec<JobId> = self.open.iter().cloned().collect();
        for id in open {
            match self.store.get(&id).await? {
                Some(job) => self.heard(&job),
                None => self.ended(&id),
            }
        }
        Ok(())
    }

    fn heard(&mut self, job: &Job) {
        if !self.open.contains(&job.id) {
            return;
        }
        let now = chrono::Utc::now();
        if job.is_claimed(now) || job.hold().is_some() {
            self.last_moved = Instant::now();
        }
        if let Some(hold) = job.hold() {
            self.say_hold(&hold.line());
        }
        if !job.stage_name().is_active() {
            self.ended(&job.id);
        }
    }

    /// Beside the bar where there is one, else a line of its own; the same reason once.
    fn say_hold(&mut self, reason: &str) {
        if self.hold_said == reason {
            return;
        }
        reason.clone_into(&mut self.hold_said);
        self.progress.set_message(clean_line(&format!("held: {reason}"), 60));
        if self.progress.is_hidden() {
            output::note(&format!("held: {reason}"));
        }
    }

    fn ended(&mut self, id: &JobId) {
        if self.open.remove(id) {
            self.last_moved = Instant::now();
            self.progress.set_message("");
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
async fn next(engine: Option<&mut Running>) -> News {
    match engine {
        Some(engine) => engine.next().await,
        None => std::future::pending().await,
    }
}
