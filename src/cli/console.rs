//! `darkroom`: the console on an engine of its own. Must not draw anything.

use std::io::IsTerminal;

use super::error::CliError;
use super::{Session, output, start_logging};
use crate::config::{Config, ImagesMode, ThemeName};
use crate::console::{self, ConsoleOptions, ExitReason};
use crate::engine::{EngineHandle, EventDetail, Mode, WorkerLock};
use crate::telemetry::logging::Beside;
use crate::wiring::{self, Access};

/// Observers have their locks apart: they work on nothing, so nobody may count on them as workers.
const OBSERVERS: &str = "observers";

/// Whether there is a terminal for a console.
pub fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Runs the console until the person leaves; it opens with `greeting`. Errors: no terminal, or an engine that ended by itself.
pub async fn run(session: &Session, observe: bool, greeting: Option<String>) -> Result<(), CliError> {
    if !has_terminal() {
        let line =
            "the console needs a terminal; `darkroom worker` works without one, `darkroom --help` tells the rest";
        return Err(CliError::Usage(line.to_owned()));
    }
    let config = &session.config;
    let (mode, access) = if observe { (Mode::Observe, Access::Looks) } else { (Mode::Work, Access::Orders) };
    let (logging, records) = start_logging(config, Beside::Console);
    let Some(records) = records else {
        return Err(CliError::Failed("the log pane has no source".to_owned()));
    };
    let store = wiring::open_store(config).await?;
    let wired = wiring::open_ports(config, store, access).await?;
    let worker_lock = WorkerLock::acquire(&if observe { config.data_dir.join(OBSERVERS) } else { config.data_dir.clone() })?;
    let settings = wiring::settings(config, mode, EventDetail::Full);
    let engine = wiring::start_engine(config, wired.ports.clone(), settings, worker_lock)?;
    let EngineHandle { commands, events, finished } = engine;
    let reason = console::run(options(config, greeting), commands, events, records).await;
    match reason.map_err(|error| CliError::Failed(error.to_string()))? {
        ExitReason::Stopped => {
            finished.await.map_err(|why| CliError::Failed(format!("the engine broke: {why}")))?;
            wired.close().await;
            drop(logging);
            Ok(())
        }
        ExitReason::LeftAnyway { posts } => {
            if posts > 0 {
                output::note(&format!(
                    "left with {posts} orders in flight; they may be billed, `darkroom jobs list` shows what became of them"
                ));
            }
            Ok(())
        }
        ExitReason::EngineGone => match finished.await {
            Ok(_) => Err(CliError::Failed("the engine ended by itself; the log file says why".to_owned())),
            Err(why) => Err(CliError::Failed(format!("the engine broke: {why}"))),
        },
    }
}

fn options(config: &Config, greeting: Option<String>) -> ConsoleOptions {
    ConsoleOptions {
        context: config.context.clone().unwrap_or_else(|| "default".to_owned()),
        adapters: format!("{} · {}", config.store, config.engine),
        simulated: config.is_simulated(),
        greeting,
        images: match config.images {
            ImagesMode::Auto => console::ImagesMode::Auto,
            ImagesMode::Halfblocks => console::ImagesMode::HalfBlocks,
            ImagesMode::Off => console::ImagesMode::Off,
        },
        ascii: config.ascii,
        theme: match config.theme {
            _ if config.no_color => console::ThemeName::Mono,
            ThemeName::Dark => console::ThemeName::Dark,
            ThemeName::Light => console::ThemeName::Light,
        },
    }
}
