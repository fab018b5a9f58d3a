//! Owns the stack without a screen: it says where everything is, and a worker works until somebody wants to leave. Must not
//! start or stop a server.

use std::collections::BTreeMap;

use serde::Serialize;

use super::leads::Leads;
use super::stack::Stack;
use crate::cli::error::CliError;
use crate::cli::running::{News, Running};
use crate::cli::{Session, output, start_logging, worker};
use crate::engine::Mode;
use crate::shutdown_signal::ShutdownSignal;
use crate::telemetry::logging::Beside;
use crate::wiring::{self, Access};

/// Where everything is.
#[derive(Debug, Serialize)]
struct Serving<'a> {
    pid: u32,
    simulated: bool,
    servers: Vec<ServerView>,
    missing: Vec<MissingView<'a>>,
    /// What leads other programs there.
    environment: BTreeMap<&'a str, &'a str>,
    /// The same for a shell.
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

/// Until somebody wants to leave, or a server is lost.
pub async fn run(
    session: &Session,
    stack: &mut Stack,
    leads: &Leads,
    shutdown: &mut ShutdownSignal,
    works: bool,
) -> Result<(), CliError> {
    let (_logging, _) = start_logging(&session.config, Beside::Nothing);
    let mut engine = None;
    if works {
        let meters = worker::serve_metrics(&session.config).await?;
        let store = wiring::open_store(&session.config).await?;
        let wired = wiring::open_ports(&session.config, store, Access::Orders).await?;
        engine = Some(Running::start(session, wired, Mode::Work, meters)?);
    }
    session.output.answer(&serving(session, stack, leads), || in_words(stack, leads))?;
    let kind = if session.config.is_simulated() { "simulated jobs" } else { "jobs for real money" };
    let works = if works { format!("working on {kind}; ") } else { String::new() };
    output::note(&format!("{works}Ctrl-C stops everything"));
    let result = wait(engine.as_mut(), stack, shutdown).await;
    if let Some(engine) = engine {
        engine.ask_to_stop().await;
        output::note("leaving: an order in flight is finished; again leaves at once");
        tokio::select! {
            ended = engine.ended() => ended.map(drop)?,
            () = shutdown.next() => {
                return Err(CliError::Failed("left at once; an order in flight may have been lost".to_owned()));
            }
        }
    }
    result
}

async fn wait(
    mut engine: Option<&mut Running>,
    stack: &mut Stack,
    shutdown: &mut ShutdownSignal,
) -> Result<(), CliError> {
    loop {
        tokio::select! {
            news = next(engine.as_deref_mut()) => if news == News::Ended {
                return Err(CliError::Failed("the engine ended by itself; the log file says why".to_owned()));
            },
            error = stack.lost() => return Err(error.into()),
            () = shutdown.next() => return Ok(()),
        }
    }
}

async fn next(engine: Option<&mut Running>) -> News {
    match engine {
        Some(engine) => engine.next().await,
        None => std::future::pending().await,
    }
}

fn serving<'a>(session: &Session, stack: &'a Stack, leads: &'a Leads) -> Serving<'a> {
    let servers = stack.running.iter().map(|server| ServerView {
        name: server.server().word(),
        address: server.address().to_string(),
        web_page: server.page(),
        pid: server.pid,
        log: server.log.display().to_string(),
    });
    let missing = stack.missing.iter().map(|missing| MissingView {
        name: missing.server.word(),
        why: missing.why,
        install: &missing.install,
    });
    Serving {
        pid: std::process::id(),
        simulated: session.config.is_simulated(),
        servers: servers.collect(),
        missing: missing.collect(),
        environment: leads.environment.iter().map(|(name, value)| (*name, value.as_str())).collect(),
        environment_file: leads.file().display().to_string(),
    }
}

fn in_words(stack: &Stack, leads: &Leads) -> String {
    let page = stack.page().map_or(String::new(), |page| format!("# Temporal's web page: {page}\n"));
    format!("{page}# in other terminals: . '{}'\n{}", leads.file().display(), leads.exports())
}
