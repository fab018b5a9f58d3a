//! Owns an engine that runs in this process without a screen, and what it says to a person. Must not look into a job.

use tokio::task::JoinError;

use super::Session;
use super::error::CliError;
use super::output;
use crate::engine::{
    Command, ConnectionState, EngineEnd, EngineHandle, Event, EventDetail, Intake, Mode, TemporalStatus,
    WorkerLock,
};
use crate::telemetry::metrics::Meters;
use crate::wiring::{self, Wired};

/// A running engine.
pub struct Running {
    handle: EngineHandle,
    /// The simulator, where there is one, lives as long as the engine.
    wired: Wired,
    /// Hears everything, where somebody scrapes.
    meters: Option<Meters>,
    /// Whether people were told that the store cannot be reached.
    down: bool,
    /// Whether people were told that nobody gives out work.
    server_down: bool,
}

/// What a command without a screen wants to know of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Nothing in particular.
    Nothing,
    /// No job can be started until a person acts; one clean line why.
    Stuck(String),
    /// It has ended.
    Ended,
}

impl Running {
    /// Starts an engine on `wired`.
    pub fn start(session: &Session, wired: Wired, mode: Mode, meters: Option<Meters>) -> Result<Self, CliError> {
        let worker_lock = WorkerLock::acquire(&session.config.data_dir)?;
        let event_detail = if meters.is_some() { EventDetail::Metrics } else { EventDetail::None };
        let settings = wiring::settings(&session.config, mode, event_detail);
        let handle = wiring::start_engine(&session.config, wired.ports.clone(), settings, worker_lock)?;
        Ok(Self { handle, wired, meters, down: false, server_down: false })
    }

    /// Waits for the next thing it says, and says what people should know on standard error. Cancel-safe.
    pub async fn next(&mut self) -> News {
        let event = self.handle.events.recv().await;
        if let (Some(meters), Some(event)) = (&self.meters, &event) {
            meters.hear(event);
        }
        match event {
            None | Some(Event::Stopped) => News::Ended,
            Some(Event::Intake(Intake::AccountBlocked(reason))) => {
                output::note(&format!("no new jobs are started: {reason}"));
                News::Stuck(reason)
            }
            Some(Event::BudgetExceeded(exceeded)) => {
                output::note(&exceeded.summary());
                News::Nothing
            }
            Some(Event::Connection(link)) => {
                self.linked(&link);
                News::Nothing
            }
            Some(Event::Temporal(fleet)) => {
                self.fleet(&fleet);
                News::Nothing
            }
            Some(_) => News::Nothing,
        }
    }

    /// Without a screen the link is told only when it is lost and when it is back.
    fn linked(&mut self, link: &ConnectionState) {
        match link {
            ConnectionState::Disconnected { reason, .. } if !self.down => {
                self.down = true;
                output::note(&format!("no jobs are heard of until the store is back: {reason}"));
            }
            ConnectionState::Connected if self.down => {
                self.down = false;
                output::note("the store is back");
            }
            _ => {}
        }
    }

    /// The same for the server that gives out the work.
    fn fleet(&mut self, fleet: &TemporalStatus) {
        match &fleet.server {
            ConnectionState::Disconnected { reason, .. } if !self.server_down => {
                self.server_down = true;
                output::note(&format!("jobs wait until Temporal is back: {reason}"));
            }
            ConnectionState::Connected if self.server_down => {
                self.server_down = false;
                output::note("Temporal is back");
            }
            _ => {}
        }
    }

    /// Asks it to leave: start nothing, finish a POST in flight.
    pub async fn ask_to_stop(&self) {
        // It may have left already.
        let _ = self.handle.commands.send(Command::Stop).await;
    }

    /// Waits until it has left.
    pub async fn ended(mut self) -> Result<EngineEnd, CliError> {
        while self.handle.events.recv().await.is_some() {}
        let end = self.handle.finished.await;
        self.wired.close().await;
        end.map_err(|why: JoinError| CliError::Failed(format!("the engine broke: {why}")))
    }
}
