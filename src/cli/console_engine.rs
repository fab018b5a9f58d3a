//! The engine of the console. On a store that another backend owns it is read-only; once `darkroom takeover` has run, another engine
//! takes its place, whose intake stays paused until the operator opens it.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::error::CliError;
use super::operator::operator;
use crate::config::Config;
use crate::console::EngineLink;
use crate::engine::{Command, EngineHandle, Event, EventDetail, Mode, Operator, StoreAlarm, WorkerLock};
use crate::store::{Store, StoreError};
use crate::wiring::{self, AccessMode, Adapters};

/// Events and commands that may wait between engine and console.
const EVENT_BUFFER: usize = 1_024;
const COMMAND_BUFFER: usize = 256;

/// Opens store and ports, starts the engine and gives the console its ends. The task that it returns ends with the engine.
pub async fn open(
    config: Config,
    observe: bool,
    console: oneshot::Sender<EngineLink>,
) -> Result<JoinHandle<Result<(), CliError>>, CliError> {
    let store = wiring::open_store(&config).await?;
    let role = match observe {
        true => Role::Observer,
        // A store that does not respond now is checked again before the first write.
        false if store.require_ownership().await == Err(StoreError::NotOwned) => Role::Refused,
        false => Role::Worker { is_paused: false },
    };
    let engine = RunningEngine::start(&config, store.clone(), role).await?;
    // Where the console has ended meanwhile, the engine stops: nothing holds its commands.
    Ok(if role == Role::Refused {
        let (commands, received) = mpsc::channel(COMMAND_BUFFER);
        let (events, emitted) = mpsc::channel(EVENT_BUFFER);
        let _ = console.send(EngineLink { commands, events: emitted });
        tokio::spawn(run_until_owned(config, store, engine, received, events))
    } else {
        let RunningEngine { handle: EngineHandle { commands, events, finished }, adapters } = engine;
        let _ = console.send(EngineLink { commands, events });
        tokio::spawn(async move {
            finished.await.map_err(|why| CliError::Failed(format!("the engine crashed: {why}")))?;
            adapters.close().await;
            Ok(())
        })
    })
}

/// What an engine may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Read-only, because the operator wants that.
    Observer,
    /// Read-only, because the store was not taken over.
    Refused,
    /// Runs jobs.
    Worker { is_paused: bool },
}

/// A running engine, and what must live as long.
struct RunningEngine {
    handle: EngineHandle,
    adapters: Adapters,
}

impl RunningEngine {
    async fn start(config: &Config, store: Arc<dyn Store>, role: Role) -> Result<Self, CliError> {
        let is_worker = matches!(role, Role::Worker { .. });
        let (mode, access) =
            if is_worker { (Mode::Work, AccessMode::Submit) } else { (Mode::Observe, AccessMode::ReadOnly) };
        let adapters = wiring::open_ports(config, store, access).await?;
        let lock =
            if is_worker { WorkerLock::acquire(&config.data_dir)? } else { WorkerLock::observe(&config.data_dir)? };
        let mut settings = wiring::settings(config, mode, EventDetail::Full);
        settings.operator = Some(Operator { by: operator(), from: "console" });
        settings.alarm = (role == Role::Refused).then(StoreAlarm::not_owned);
        settings.starts_paused = role == Role::Worker { is_paused: true };
        let handle = wiring::start_engine(config, adapters.ports.clone(), settings, lock)?;
        Ok(Self { handle, adapters })
    }

    /// Forwards commands and events until the engine stops, or reports that its alarm is over. `None`: it has stopped.
    async fn forward(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        events: &mpsc::Sender<Event>,
    ) -> Option<AlarmIsOver> {
        let mut is_stopping = false;
        loop {
            tokio::select! {
                command = commands.recv(), if !is_stopping => {
                    is_stopping = command.is_none();
                    // An error means that the engine has stopped already.
                    let _ = self.handle.commands.send(command.unwrap_or(Command::Stop)).await;
                }
                event = self.handle.events.recv() => {
                    let event = event?;
                    let is_over = matches!(event, Event::StoreAlarm(None));
                    let is_stopped = matches!(event, Event::Stopped);
                    // Where the console is gone, its commands end as well.
                    let _ = events.send(event).await;
                    if is_stopped {
                        return None;
                    }
                    if is_over {
                        return Some(AlarmIsOver);
                    }
                }
            }
        }
    }

    /// Stops it; the console learns nothing of that.
    async fn stop(mut self) -> Result<(), CliError> {
        let _ = self.handle.commands.send(Command::Stop).await;
        // Its events are read until it ends: after a panic, other tasks keep their channel open.
        let end = loop {
            tokio::select! {
                biased;
                end = &mut self.handle.finished => break end,
                Some(_) = self.handle.events.recv() => {}
            }
        };
        end.map_err(|why| CliError::Failed(format!("the engine crashed: {why}")))?;
        self.adapters.close().await;
        Ok(())
    }
}

/// Another process took the store over.
struct AlarmIsOver;

/// Runs a read-only engine until the store is taken over, then one that runs jobs once the operator opens its intake.
async fn run_until_owned(
    config: Config,
    store: Arc<dyn Store>,
    mut engine: RunningEngine,
    mut commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
) -> Result<(), CliError> {
    if let Some(AlarmIsOver) = engine.forward(&mut commands, &events).await {
        engine.stop().await?;
        store.require_ownership().await?;
        engine = RunningEngine::start(&config, store, Role::Worker { is_paused: true }).await?;
        while engine.forward(&mut commands, &events).await.is_some() {}
    }
    engine.stop().await
}
