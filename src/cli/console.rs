//! `darkroom`: starts an engine and runs the console on it.

use std::io::IsTerminal;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::error::CliError;
use super::operator::operator;
use super::{Session, output, start_logging};
use crate::config::Config;
use crate::console::{
    self, ConsoleEnd, ConsoleFiles, ConsoleOptions, ContextChoice, EngineLink, ExitReason, LogSources, ThemeName,
};
use crate::engine::{EngineEnd, EngineHandle, EventDetail, Mode, Operator, StoreAlarm, WorkerLock};
use crate::store::StoreError;
use crate::telemetry::log_files::LogHistory;
use crate::telemetry::logging::ExtraSink;
use crate::wiring::{self, AccessMode, Adapters};

/// Whether standard input and output are a terminal.
pub fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// How a console is opened.
#[derive(Debug, Default)]
pub struct Opening {
    /// `--observe`: nothing is submitted or changed.
    pub observe: bool,
    /// The first notice.
    pub greeting: Option<String>,
    /// The contexts that can be opened instead.
    pub contexts: Vec<ContextChoice>,
}

/// The context that is opened next: its name, or `None` for the configuration without one.
pub type NextContext = Option<Option<String>>;

/// Runs the console until the operator quits. Returns the context that the operator chose instead. Errors: no terminal, or the engine
/// stopped unexpectedly.
pub async fn run(session: &Session, opening: Opening) -> Result<NextContext, CliError> {
    let observe = opening.observe;
    if !has_terminal() {
        let line = "the console needs a terminal; run `darkroom worker` without one, or see `darkroom --help`";
        return Err(CliError::Usage(line.to_owned()));
    }
    let config = &session.config;
    let (mode, access) = if observe { (Mode::Observe, AccessMode::ReadOnly) } else { (Mode::Work, AccessMode::Submit) };
    let (logging, records) = start_logging(config, ExtraSink::Console);
    let Some(records) = records else {
        return Err(CliError::Failed("the log pane could not be connected".to_owned()));
    };
    // In the background: the first frame does not wait for the store.
    let (send_link, link) = oneshot::channel();
    let engine = tokio::spawn(open(config.clone(), mode, access, send_link));
    let (history, older) = LogHistory::start(config.log_dir.clone());
    let logs = LogSources { records, older, history };
    let end = console::run(options(config, opening), link, logs).await;
    let ConsoleEnd { reason, next_context } = end.map_err(|error| CliError::Failed(error.to_string()))?;
    if let ExitReason::QuitWithoutWaiting { submits_in_flight } = reason {
        engine.abort();
        if submits_in_flight > 0 {
            output::eprint_line(&format!(
                "quit with {submits_in_flight} requests in flight, which may be billed; `darkroom jobs list` shows their outcome"
            ));
        }
        return Ok(None);
    }
    let Opened { finished, adapters } =
        engine.await.map_err(|error| CliError::Failed(format!("the engine could not start: {error}")))??;
    finished.await.map_err(|why| CliError::Failed(format!("the engine crashed: {why}")))?;
    if reason != ExitReason::Stopped {
        return Err(CliError::Failed("the engine stopped unexpectedly; see the log file".to_owned()));
    }
    adapters.close().await;
    drop(logging);
    Ok(next_context)
}

/// What must live as long as the engine.
struct Opened {
    finished: JoinHandle<EngineEnd>,
    adapters: Adapters,
}

/// Opens store and ports, starts the engine and gives the console its ends.
async fn open(
    config: Config,
    mode: Mode,
    access: AccessMode,
    console: oneshot::Sender<EngineLink>,
) -> Result<Opened, CliError> {
    let store = wiring::open_store(&config).await?;
    // A store that does not respond now is checked again before the first write.
    let is_refused = mode != Mode::Observe && store.require_ownership().await == Err(StoreError::NotOwned);
    let (mode, access) = if is_refused { (Mode::Observe, AccessMode::ReadOnly) } else { (mode, access) };
    let adapters = wiring::open_ports(&config, store, access).await?;
    let lock = match access {
        AccessMode::ReadOnly => WorkerLock::observe(&config.data_dir)?,
        AccessMode::Submit => WorkerLock::acquire(&config.data_dir)?,
    };
    let mut settings = wiring::settings(&config, mode, EventDetail::Full);
    settings.operator = Some(Operator { by: operator(), from: "console" });
    settings.alarm = is_refused.then(StoreAlarm::not_owned);
    let engine = wiring::start_engine(&config, adapters.ports.clone(), settings, lock)?;
    let EngineHandle { commands, events, finished } = engine;
    // Where the console has ended meanwhile, the engine stops: nothing holds its commands.
    let _ = console.send(EngineLink { commands, events });
    Ok(Opened { finished, adapters })
}

fn options(config: &Config, opening: Opening) -> ConsoleOptions {
    let Opening { observe, greeting, contexts } = opening;
    let files = ConsoleFiles::new(&config.data_dir);
    ConsoleOptions {
        saved: files.load(),
        files: Some(files),
        context: config.context.clone().unwrap_or_else(|| "default".to_owned()),
        contexts,
        adapters: format!("{} · {}", config.store, config.engine),
        simulated: config.is_simulated(),
        read_only: observe,
        operator: operator(),
        greeting,
        images: config.images,
        ascii: config.ascii,
        zone: config.timezone,
        theme: if config.no_color { ThemeName::Mono } else { config.theme },
    }
}
