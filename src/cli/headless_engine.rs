//! An engine that runs in this process without the console, and the lines that it writes to standard error.

use std::time::Duration;

use chrono::Utc;
use tokio::task::JoinError;
use tokio::time::Instant;

use super::Session;
use super::error::CliError;
use super::{output, supervisor};
use crate::costs::Usd;
use crate::engine::{
    Command, ConnectionState, EngineEnd, EngineHandle, Event, EventDetail, Intake, Mode, Outage, Pause, StoreAlarm,
    TemporalStatus, WorkerLock,
};
use crate::telemetry::metrics::MetricsServer;
use crate::time::Backoff;
use crate::wiring::{self, Adapters};

/// Pauses between two tries to open the intake again after a problem of the account or the bucket.
const RESUME_PAUSES: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_mins(5));

/// How long the intake must stay open before a problem counts as solved: a job must have had time to fail again.
const CONFIRM_AFTER: Duration = Duration::from_secs(10);

/// A problem of the account or the bucket that pauses the intake.
struct Blocked {
    reason: String,
    pauses: Backoff,
    /// When the intake is opened again; `None` while it is open on trial.
    resume_at: Option<Instant>,
    /// When an intake that is open on trial counts as working.
    confirm_at: Option<Instant>,
}

/// A running engine.
pub struct HeadlessEngine {
    handle: EngineHandle,
    /// The simulator, where there is one, lives as long as the engine.
    adapters: Adapters,
    /// Receives every event where metrics are served.
    metrics: Option<MetricsServer>,
    /// Why the store connection was lost, once that was reported.
    store_lost: Option<String>,
    /// What was reported as unreachable.
    outages: Vec<Outage>,
    alarm: Option<StoreAlarm>,
    /// The state of Temporal that was reported last.
    temporal: Option<TemporalStatus>,
    /// Whether a paused intake is opened again after a while.
    auto_resume: bool,
    blocked: Option<Blocked>,
    /// The pause of the intake of all workers.
    pause: Option<Pause>,
    /// The line that systemd shows.
    shown_status: String,
    /// The last known balance of the account.
    credits: Option<Usd>,
    /// The caps whose soft mark was reported.
    soft_marks: Vec<String>,
}

/// What a headless command reacts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineUpdate {
    /// Nothing to react to.
    None,
    /// No new job starts until the provider's account works again; one line that says why.
    Blocked(String),
    /// The engine stopped.
    Stopped,
}

impl HeadlessEngine {
    /// Starts an engine on these adapters.
    pub fn start(
        session: &Session,
        adapters: Adapters,
        mode: Mode,
        metrics: Option<MetricsServer>,
    ) -> Result<Self, CliError> {
        let lock = WorkerLock::acquire(&session.config.data_dir)?;
        let detail = if metrics.is_some() { EventDetail::Metrics } else { EventDetail::None };
        let settings = wiring::settings(&session.config, mode, detail);
        let handle = wiring::start_engine(&session.config, adapters.ports.clone(), settings, lock)?;
        Ok(Self {
            handle,
            adapters,
            metrics,
            store_lost: None,
            outages: Vec::new(),
            alarm: None,
            temporal: None,
            auto_resume: mode == Mode::Work,
            blocked: None,
            pause: None,
            shown_status: supervisor::RUNNING.to_owned(),
            credits: None,
            soft_marks: Vec::new(),
        })
    }

    /// Waits for the next event and writes warnings and connection changes to standard error. Cancel-safe.
    pub async fn next(&mut self) -> EngineUpdate {
        loop {
            let timer = self.blocked.as_ref().and_then(|blocked| blocked.resume_at.or(blocked.confirm_at));
            tokio::select! {
                biased;
                event = self.handle.events.recv() => {
                    let update = self.on_event(event);
                    self.show_status();
                    return update;
                }
                () = sleep_until(timer) => {
                    self.on_timer().await;
                    self.show_status();
                }
            }
        }
    }

    fn on_event(&mut self, event: Option<Event>) -> EngineUpdate {
        let on_trial = self.blocked.is_some() && matches!(event, Some(Event::Intake(Intake::Open)));
        if let (Some(metrics), Some(event), false) = (&self.metrics, &event, on_trial) {
            metrics.record(event);
        }
        match event {
            None | Some(Event::Stopped) => EngineUpdate::Stopped,
            Some(Event::Intake(Intake::AccountBlocked(blocked))) => {
                self.on_blocked(&blocked.reason);
                EngineUpdate::Blocked(blocked.reason)
            }
            Some(Event::Intake(Intake::Open)) => {
                if let Some(blocked) = &mut self.blocked {
                    (blocked.resume_at, blocked.confirm_at) = (None, Some(Instant::now() + CONFIRM_AFTER));
                }
                EngineUpdate::None
            }
            Some(Event::Paused(pause)) => {
                self.on_pause(pause);
                EngineUpdate::None
            }
            Some(Event::Costs(costs)) => {
                self.on_credits(costs.credits);
                let marks = costs.soft_marks();
                let reported =
                    std::mem::replace(&mut self.soft_marks, marks.iter().map(|mark| mark.0.clone()).collect());
                for (_, line) in marks.into_iter().filter(|mark| !reported.contains(&mark.0)) {
                    output::eprint_line(&line);
                }
                EngineUpdate::None
            }
            Some(Event::BudgetExceeded(exceeded)) => {
                output::eprint_line(&exceeded.summary());
                if !self.auto_resume {
                    output::eprint_line(
                        "--until-idle exits when only held jobs are left: raise the cap (`darkroom budget set`) to run them",
                    );
                }
                EngineUpdate::None
            }
            Some(Event::Connection(state)) => {
                self.on_store_connection(&state);
                EngineUpdate::None
            }
            Some(Event::Outages(outages)) => {
                self.on_outages(outages);
                EngineUpdate::None
            }
            Some(Event::StoreAlarm(alarm)) => {
                if let Some(alarm) = &alarm {
                    output::eprint_line(&format!("darkroom: warning: {}", alarm.message));
                }
                self.alarm = alarm;
                EngineUpdate::None
            }
            Some(Event::Temporal(status)) => {
                self.on_temporal(status);
                EngineUpdate::None
            }
            Some(_) => EngineUpdate::None,
        }
    }

    /// How the intake of all workers is paused: `paused by ada@host 2m ago`; `None` where it is open.
    pub fn pause_line(&self) -> Option<String> {
        self.pause.as_ref().map(|pause| pause.line(Utc::now()))
    }

    /// Reports the pause of all workers, and its end.
    fn on_pause(&mut self, pause: Option<Pause>) {
        match &pause {
            Some(pause) => {
                let line = pause.line(Utc::now());
                output::eprint_line(&format!("intake {line}; `darkroom resume` starts jobs again"));
            }
            None if self.pause.is_some() => output::eprint_line("intake resumed"),
            None => {}
        }
        self.pause = pause;
    }

    /// Plans the next try. Each new reason is reported once.
    fn on_blocked(&mut self, reason: &str) {
        if !self.auto_resume {
            output::eprint_line(&format!("intake paused: {reason}"));
            return;
        }
        let known = self.blocked.as_ref().is_some_and(|blocked| blocked.reason == reason);
        let mut pauses = self.blocked.take().map_or(RESUME_PAUSES, |blocked| blocked.pauses);
        let resume_at = Some(Instant::now() + pauses.next_delay());
        self.blocked = Some(Blocked { reason: reason.to_owned(), pauses, resume_at, confirm_at: None });
        if !known {
            output::eprint_line(&format!("intake paused: {reason}; retrying with growing pauses of up to 5 minutes"));
        }
    }

    /// Whether no new job starts: the intake is neither open nor open on trial.
    pub fn is_blocked(&self) -> bool {
        self.blocked.as_ref().is_some_and(|blocked| blocked.confirm_at.is_none())
    }

    async fn on_timer(&mut self) {
        let Some(blocked) = &mut self.blocked else { return };
        if blocked.resume_at.take().is_some() {
            // An error means that the engine stopped already.
            let _ = self.handle.commands.send(Command::ResumeIntake).await;
            // Until the engine has opened the intake, which clears it.
            blocked.confirm_at = Some(Instant::now() + CONFIRM_AFTER);
        } else {
            self.blocked = None;
            if let Some(metrics) = &self.metrics {
                metrics.record(&Event::Intake(Intake::Open));
            }
            output::eprint_line("intake resumed");
        }
    }

    /// A larger balance is a reason to try at once.
    fn on_credits(&mut self, credits: Option<Usd>) {
        let grown = credits > self.credits && self.credits.is_some();
        self.credits = credits.or(self.credits);
        if let Some(blocked) = self.blocked.as_mut().filter(|blocked| grown && blocked.resume_at.is_some()) {
            blocked.pauses.reset();
            blocked.resume_at = Some(Instant::now());
        }
    }

    /// Reports a lost connection once, and its return.
    fn on_store_connection(&mut self, state: &ConnectionState) {
        match state {
            ConnectionState::Disconnected { reason, .. } if self.store_lost.is_none() => {
                self.store_lost = Some(reason.clone());
                output::eprint_line(&format!("store connection lost: {reason}; retrying"));
            }
            ConnectionState::Connected if self.store_lost.take().is_some() => {
                output::eprint_line("store connection restored");
            }
            _ => {}
        }
    }

    /// Reports each outage once, and its end.
    fn on_outages(&mut self, outages: Vec<Outage>) {
        let is_in = |list: &[Outage], outage: &Outage| list.iter().any(|other| other.dependency == outage.dependency);
        for outage in outages.iter().filter(|outage| !is_in(&self.outages, outage)) {
            tracing::warn!(dependency = outage.dependency.as_str(), reason = %outage.reason, "dependency unreachable");
            output::eprint_line(&format!("{}; jobs are waiting", outage.line()));
        }
        for outage in self.outages.iter().filter(|outage| !is_in(&outages, outage)) {
            tracing::info!(dependency = outage.dependency.as_str(), since = %outage.since, "dependency works again");
            output::eprint_line(&format!("{} works again", outage.dependency.label()));
        }
        self.outages = outages;
    }

    /// Reports each change of the connection and of the task queue once.
    fn on_temporal(&mut self, status: TemporalStatus) {
        let is_lost = |status: &TemporalStatus| matches!(status.server, ConnectionState::Disconnected { .. });
        let was_lost = self.temporal.as_ref().is_some_and(is_lost);
        let was_in_conflict = self.temporal.as_ref().is_some_and(|old| old.conflict.is_some());
        match &status.server {
            ConnectionState::Disconnected { reason, .. } if !was_lost => {
                output::eprint_line(&format!("Temporal unreachable: {reason}; jobs are waiting"));
            }
            ConnectionState::Connected if was_lost => {
                output::eprint_line("Temporal connection restored");
            }
            _ => {}
        }
        match &status.conflict {
            Some(conflict) if !was_in_conflict => {
                output::eprint_line(&format!("jobs are waiting: {}", conflict.reason));
            }
            None if was_in_conflict => {
                output::eprint_line("Temporal task queue is free again: jobs start");
            }
            _ => {}
        }
        self.temporal = Some(status);
    }

    /// The one line that systemd shows: the first of what jobs wait for.
    fn status_line(&self) -> String {
        if let Some(blocked) = &self.blocked {
            return format!("intake paused: {}", blocked.reason);
        }
        if let Some(reason) = &self.store_lost {
            return format!("store unreachable: {reason}");
        }
        if let Some(TemporalStatus { server: ConnectionState::Disconnected { reason, .. }, .. }) = &self.temporal {
            return format!("Temporal unreachable: {reason}");
        }
        if let Some(conflict) = self.temporal.as_ref().and_then(|status| status.conflict.as_ref()) {
            return format!("waiting: {}", conflict.reason);
        }
        if let Some(outage) = self.outages.first() {
            return outage.line();
        }
        if let Some(alarm) = &self.alarm {
            return alarm.summary.clone();
        }
        self.pause
            .as_ref()
            .map_or_else(|| supervisor::RUNNING.to_owned(), |pause| format!("intake {}", pause.line(Utc::now())))
    }

    fn show_status(&mut self) {
        let status = self.status_line();
        if status != self.shown_status {
            supervisor::status(&status);
            self.shown_status = status;
        }
    }

    /// Requests a shutdown: no new job starts, requests in flight finish.
    pub async fn request_stop(&self) {
        // An error means that the engine stopped already.
        let _ = self.handle.commands.send(Command::Stop).await;
    }

    /// Waits until the engine has stopped.
    pub async fn wait_stopped(mut self) -> Result<EngineEnd, CliError> {
        // Its events are read until it ends: after a panic, other tasks keep their channel open.
        let end = loop {
            tokio::select! {
                biased;
                end = &mut self.handle.finished => break end,
                Some(_) = self.handle.events.recv() => {}
            }
        };
        self.adapters.close().await;
        end.map_err(|why: JoinError| CliError::Failed(format!("the engine crashed: {why}")))
    }
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
