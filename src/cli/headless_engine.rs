//! An engine that runs in this process without the console, and the lines that it writes to standard error.

use tokio::task::JoinError;

use super::Session;
use super::error::CliError;
use super::output;
use crate::engine::{
    Command, ConnectionState, EngineEnd, EngineHandle, Event, EventDetail, Intake, Mode, TemporalStatus, WorkerLock,
};
use crate::telemetry::metrics::MetricsServer;
use crate::wiring::{self, Adapters};

/// A running engine.
pub struct HeadlessEngine {
    handle: EngineHandle,
    /// The simulator, where there is one, lives as long as the engine.
    adapters: Adapters,
    /// Receives every event where metrics are served.
    metrics: Option<MetricsServer>,
    /// Whether the loss of the store connection was reported.
    store_lost: bool,
    /// Whether the loss of the Temporal connection was reported.
    temporal_lost: bool,
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
        Ok(Self { handle, adapters, metrics, store_lost: false, temporal_lost: false })
    }

    /// Waits for the next event and writes warnings and connection changes to standard error. Cancel-safe.
    pub async fn next(&mut self) -> EngineUpdate {
        let event = self.handle.events.recv().await;
        if let (Some(metrics), Some(event)) = (&self.metrics, &event) {
            metrics.record(event);
        }
        match event {
            None | Some(Event::Stopped) => EngineUpdate::Stopped,
            Some(Event::Intake(Intake::AccountBlocked(reason))) => {
                output::eprint_line(&format!("no new jobs are started: {reason}"));
                EngineUpdate::Blocked(reason)
            }
            Some(Event::BudgetExceeded(exceeded)) => {
                output::eprint_line(&exceeded.summary());
                EngineUpdate::None
            }
            Some(Event::Connection(state)) => {
                self.on_store_connection(&state);
                EngineUpdate::None
            }
            Some(Event::Temporal(status)) => {
                self.on_temporal(&status);
                EngineUpdate::None
            }
            Some(_) => EngineUpdate::None,
        }
    }

    /// Reports a lost connection once, and its return.
    fn on_store_connection(&mut self, state: &ConnectionState) {
        match state {
            ConnectionState::Disconnected { reason, .. } if !self.store_lost => {
                self.store_lost = true;
                output::eprint_line(&format!("store connection lost: {reason}; retrying"));
            }
            ConnectionState::Connected if self.store_lost => {
                self.store_lost = false;
                output::eprint_line("store connection restored");
            }
            _ => {}
        }
    }

    fn on_temporal(&mut self, status: &TemporalStatus) {
        match &status.server {
            ConnectionState::Disconnected { reason, .. } if !self.temporal_lost => {
                self.temporal_lost = true;
                output::eprint_line(&format!("Temporal unreachable: {reason}; jobs are waiting"));
            }
            ConnectionState::Connected if self.temporal_lost => {
                self.temporal_lost = false;
                output::eprint_line("Temporal connection restored");
            }
            _ => {}
        }
    }

    /// Requests a shutdown: no new job starts, requests in flight finish.
    pub async fn request_stop(&self) {
        // An error means that the engine stopped already.
        let _ = self.handle.commands.send(Command::Stop).await;
    }

    /// Waits until the engine has stopped.
    pub async fn wait_stopped(mut self) -> Result<EngineEnd, CliError> {
        while self.handle.events.recv().await.is_some() {}
        let end = self.handle.finished.await;
        self.adapters.close().await;
        end.map_err(|why: JoinError| CliError::Failed(format!("the engine crashed: {why}")))
    }
}
