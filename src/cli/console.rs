//! `darkroom`: starts an engine and runs the console on it.

use std::io::IsTerminal;

use tokio::sync::oneshot;

use super::error::CliError;
use super::operator::operator;
use super::{Session, console_engine, output, start_logging};
use crate::config::Config;
use crate::console::{
    self, ConsoleEnd, ConsoleFiles, ConsoleOptions, ContextChoice, ExitReason, LogSources, NextContext, NotifyOptions,
    ThemeChoice,
};
use crate::telemetry::log_files::LogHistory;
use crate::telemetry::logging::ExtraSink;

/// Whether standard input and output are a terminal.
pub fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// How a console is opened.
#[derive(Debug, Default)]
pub struct Opening {
    /// `--observe`: nothing is submitted or changed.
    pub observe: bool,
    /// The store is deleted when the console has quit.
    pub is_temporary: bool,
    /// The first notice.
    pub greeting: Option<String>,
    /// The contexts that can be opened instead.
    pub contexts: Vec<ContextChoice>,
}

/// Runs the console until the operator quits. Returns the context that the operator chose instead. Errors: no terminal, or the engine
/// stopped unexpectedly.
pub async fn run(session: &Session, opening: Opening) -> Result<Option<NextContext>, CliError> {
    let (observe, is_temporary) = (opening.observe, opening.is_temporary);
    if !has_terminal() {
        let line = "the console needs a terminal; run `darkroom worker` without one, or see `darkroom --help`";
        return Err(CliError::Usage(line.to_owned()));
    }
    let config = &session.config;
    let options = options(config, opening)?;
    let (logging, records) = start_logging(config, ExtraSink::Console);
    let Some(records) = records else {
        return Err(CliError::Failed("the log pane could not be connected".to_owned()));
    };
    // In the background: the first frame does not wait for the store.
    let (send_link, link) = oneshot::channel();
    let engine = tokio::spawn(console_engine::open(config.clone(), observe, send_link));
    let (history, older) = LogHistory::start(config.log_dir.clone());
    let logs = LogSources { records, older, history };
    let end = console::run(options, link, logs).await;
    let ConsoleEnd { reason, next_context, left } = end.map_err(|error| CliError::Failed(error.to_string()))?;
    let left = left.line().filter(|_| !is_temporary && next_context.is_none());
    if let ExitReason::QuitWithoutWaiting { submits_in_flight } = reason {
        engine.abort();
        if submits_in_flight > 0 {
            output::eprint_last_line(&format!(
                "quit with {submits_in_flight} requests in flight, which may be billed; `darkroom jobs list` shows their outcome"
            ));
        }
        if let Some(line) = left {
            output::eprint_last_line(&line);
        }
        return Ok(None);
    }
    let engine = engine.await.map_err(|error| CliError::Failed(format!("the engine could not start: {error}")))??;
    engine.await.map_err(|why| CliError::Failed(format!("the engine crashed: {why}")))??;
    if reason != ExitReason::Stopped {
        return Err(CliError::Failed("the engine stopped unexpectedly; see the log file".to_owned()));
    }
    drop(logging);
    if let Some(line) = left {
        output::eprint_last_line(&line);
    }
    Ok(next_context)
}

fn options(config: &Config, opening: Opening) -> Result<ConsoleOptions, CliError> {
    let Opening { observe, greeting, contexts, .. } = opening;
    let theme = if config.no_color {
        ThemeChoice::without_colours()
    } else {
        ThemeChoice::load(&config.theme, &config.theme_folders).map_err(|error| CliError::Usage(error.to_string()))?
    };
    let context = config.context.clone().unwrap_or_else(|| "default".to_owned());
    let files = ConsoleFiles::new(&config.data_dir, &context);
    Ok(ConsoleOptions {
        saved: files.load(),
        files: Some(files),
        keys: config.keys,
        views: config.views.clone(),
        context,
        contexts,
        adapters: format!("{} · {}", config.store, config.engine),
        simulated: config.is_simulated(),
        read_only: observe,
        operator: operator(),
        greeting,
        images: config.images,
        ascii: config.ascii,
        zone: config.timezone,
        theme,
        notify: NotifyOptions { ways: config.notify.clone(), command: config.notify_command.clone() },
    })
}
