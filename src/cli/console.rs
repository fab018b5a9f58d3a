//! `darkroom`: starts an engine and runs the console on it.

use std::io::IsTerminal;

use tokio::sync::oneshot;

use super::error::CliError;
use super::operator::operator;
use super::{Session, console_engine, output, start_logging};
use crate::config::Config;
use crate::console::{self, ConsoleFiles, ConsoleOptions, ExitReason, LogSources, NotifyOptions, ThemeChoice};
use crate::telemetry::log_files::LogHistory;
use crate::telemetry::logging::ExtraSink;

/// Whether standard input and output are a terminal.
pub fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Runs the console until the operator quits; it opens with `greeting`. Errors: no terminal, or the engine stopped unexpectedly.
pub async fn run(session: &Session, observe: bool, greeting: Option<String>) -> Result<(), CliError> {
    if !has_terminal() {
        let line = "the console needs a terminal; run `darkroom worker` without one, or see `darkroom --help`";
        return Err(CliError::Usage(line.to_owned()));
    }
    let config = &session.config;
    let options = options(config, observe, greeting)?;
    let (logging, records) = start_logging(config, ExtraSink::Console);
    let Some(records) = records else {
        return Err(CliError::Failed("the log pane could not be connected".to_owned()));
    };
    // In the background: the first frame does not wait for the store.
    let (send_link, link) = oneshot::channel();
    let opening = tokio::spawn(console_engine::open(config.clone(), observe, send_link));
    let (history, older) = LogHistory::start(config.log_dir.clone());
    let logs = LogSources { records, older, history };
    let reason = console::run(options, link, logs).await;
    let reason = reason.map_err(|error| CliError::Failed(error.to_string()))?;
    if let ExitReason::QuitWithoutWaiting { submits_in_flight } = reason {
        opening.abort();
        if submits_in_flight > 0 {
            output::eprint_line(&format!(
                "quit with {submits_in_flight} requests in flight, which may be billed; `darkroom jobs list` shows their outcome"
            ));
        }
        return Ok(());
    }
    let engine = opening.await.map_err(|error| CliError::Failed(format!("the engine could not start: {error}")))??;
    engine.await.map_err(|why| CliError::Failed(format!("the engine crashed: {why}")))??;
    if reason != ExitReason::Stopped {
        return Err(CliError::Failed("the engine stopped unexpectedly; see the log file".to_owned()));
    }
    drop(logging);
    Ok(())
}

fn options(config: &Config, observe: bool, greeting: Option<String>) -> Result<ConsoleOptions, CliError> {
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
        context,
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
