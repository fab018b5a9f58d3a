//! `darkroom dev --headless`: prints the addresses of the stack and runs a worker until it is interrupted.

use std::collections::BTreeMap;

use serde::Serialize;

use super::environment::DevEnvironment;
use crate::cli::error::CliError;
use crate::cli::headless_engine::{EngineUpdate, HeadlessEngine};
use crate::cli::{Session, output, start_logging, worker};
use crate::devstack::Stack;
use crate::engine::Mode;
use crate::shutdown_signal::ShutdownSignal;
use crate::telemetry::logging::ExtraSink;
use crate::wiring::{self, AccessMode};

/// The addresses of the stack.
#[derive(Debug, Serialize)]
struct Serving<'a> {
    pid: u32,
    simulated: bool,
    servers: Vec<ServerView>,
    missing: Vec<MissingView<'a>>,
    /// Variables that point other programs at this stack.
    environment: BTreeMap<&'a str, &'a str>,
    /// The same variables as a shell script.
    environment_file: String,
}

#[derive(Debug, Serialize)]
struct ServerView {
    name: &'static str,
    address: String,
    web_page: Option<String>,
    pid: u32,
    log: String,
}

#[derive(Debug, Serialize)]
struct MissingView<'a> {
    name: &'static str,
    why: &'static str,
    /// The command that installs it.
    install: &'a str,
}

/// Runs until it is interrupted or a server exits.
pub async fn run(
    session: &Session,
    stack: &mut Stack,
    environment: &DevEnvironment,
    shutdown: &mut ShutdownSignal,
    with_worker: bool,
) -> Result<(), CliError> {
    let (_logging, _) = start_logging(&session.config, ExtraSink::None);
    let mut engine = None;
    if with_worker {
        let metrics = worker::serve_metrics(&session.config).await?;
        let store = wiring::open_store_for_changes(&session.config).await?;
        let adapters = wiring::open_ports(&session.config, store, AccessMode::Submit).await?;
        engine = Some(HeadlessEngine::start(session, adapters, Mode::Work, metrics)?);
    }
    session.output.answer(&serving(session, stack, environment), || summary(stack, environment))?;
    let kind = if session.config.is_simulated() { "simulated jobs" } else { "jobs for real money" };
    let running = if with_worker { format!("running {kind}; ") } else { String::new() };
    output::eprint_line(&format!("{running}press Ctrl-C to stop everything"));
    let result = wait(engine.as_mut(), stack, shutdown).await;
    if let Some(engine) = engine {
        engine.request_stop().await;
        output::eprint_line("shutting down: waiting for in-flight requests (press Ctrl-C again to force quit)");
        tokio::select! {
            stopped = engine.wait_stopped() => stopped.map(drop)?,
            () = shutdown.next() => {
                return Err(CliError::Failed("forced exit: an in-flight request may have been lost (it may still be billed)".to_owned()));
            }
        }
    }
    result
}

async fn wait(
    mut engine: Option<&mut HeadlessEngine>,
    stack: &mut Stack,
    shutdown: &mut ShutdownSignal,
) -> Result<(), CliError> {
    loop {
        tokio::select! {
            update = next(engine.as_deref_mut()) => if update == EngineUpdate::Stopped {
                return Err(CliError::Failed("the engine stopped unexpectedly; see the log file".to_owned()));
            },
            error = stack.next_exit() => return Err(error.into()),
            () = shutdown.next() => return Ok(()),
        }
    }
}

async fn next(engine: Option<&mut HeadlessEngine>) -> EngineUpdate {
    match engine {
        Some(engine) => engine.next().await,
        None => std::future::pending().await,
    }
}

fn serving<'a>(session: &Session, stack: &'a Stack, environment: &'a DevEnvironment) -> Serving<'a> {
    let servers = stack.running.iter().map(|server| ServerView {
        name: server.server().as_str(),
        address: server.address().to_string(),
        web_page: server.page(),
        pid: server.pid,
        log: server.log.display().to_string(),
    });
    let missing = stack.missing.iter().map(|missing| MissingView {
        name: missing.server.as_str(),
        why: missing.why,
        install: &missing.install,
    });
    Serving {
        pid: std::process::id(),
        simulated: session.config.is_simulated(),
        servers: servers.collect(),
        missing: missing.collect(),
        environment: environment.variables.iter().map(|(name, value)| (*name, value.as_str())).collect(),
        environment_file: environment.file().display().to_string(),
    }
}

fn summary(stack: &Stack, environment: &DevEnvironment) -> String {
    let page = stack.page().map_or(String::new(), |page| format!("# Temporal's web page: {page}\n"));
    format!(
        "{page}# to use this stack in another terminal, run: . '{}'\n{}",
        environment.file().display(),
        environment.exports()
    )
}
