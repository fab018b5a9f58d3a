//! `darkroom worker`: the engine without a screen. Must not decide anything about a job.

use clap::Args;
use serde::Serialize;

use super::error::CliError;
use super::running::{News, Running};
use super::{Session, output, start_logging};
use crate::config::Config;
use crate::engine::Mode;
use crate::jobs::StageName;
use crate::shutdown_signal::ShutdownSignal;
use crate::store::Counts;
use crate::telemetry::logging::Beside;
use crate::telemetry::metrics::Meters;
use crate::wiring::{self, Access};

/// Work on jobs without a screen
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// Leave when no job is queued or running
    #[arg(long)]
    pub until_idle: bool,
    /// Tickets open at once
    #[arg(long, value_name = "N")]
    pub slots: Option<String>,
    /// Serve /metrics for Prometheus and /health there, such as 127.0.0.1:9464
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<String>,
    /// Log lines on standard error too
    #[arg(long, short = 'v')]
    pub verbose: bool,
}

/// How a worker ended.
#[derive(Debug, Serialize)]
struct Summary {
    /// Whether it was asked to leave before it was done.
    interrupted: bool,
    simulated: bool,
    /// All visible jobs by status.
    jobs: std::collections::BTreeMap<StageName, u64>,
}

/// Works until it is done or asked to leave.
pub async fn run(session: &Session, args: &WorkerArgs) -> Result<(), CliError> {
    let config = &session.config;
    let beside = if args.verbose { Beside::Terminal } else { Beside::Nothing };
    let (_logging, _) = start_logging(config, beside);
    let mut shutdown =
        ShutdownSignal::listen().map_err(|error| CliError::Failed(format!("cannot handle signals: {error}")))?;
    let meters = serve_metrics(config).await?;
    let store = wiring::open_store(config).await?;
    let wired = wiring::open_ports(config, store.clone(), Access::Orders).await?;
    let mode = if args.until_idle { Mode::UntilIdle } else { Mode::Work };
    let mut engine = Running::start(session, wired, mode, meters)?;
    let kind = if config.is_simulated() { "simulated jobs" } else { "jobs for real money" };
    output::note(&format!("working on {kind} in {} slots; Ctrl-C stops", config.slots));
    let mut interrupted = false;
    loop {
        tokio::select! {
            news = engine.next() => match news {
                News::Ended => break,
                News::Stuck(_) | News::Nothing => {}
            },
            () = shutdown.next() => {
                if interrupted {
                    return Err(CliError::Failed("left at once; an order in flight may have been lost".to_owned()));
                }
                interrupted = true;
                output::note("leaving: nothing new is begun, an order in flight is finished; again leaves at once");
                engine.ask_to_stop().await;
            }
        }
    }
    let end = engine.ended().await?;
    let counts = store.counts().await?;
    let summary = Summary { interrupted, simulated: config.is_simulated(), jobs: counts.by_stage.clone() };
    if session.output.is_json() {
        output::write_json(&summary)?;
    } else {
        output::note(&in_words(&counts));
    }
    let left = StageName::ALL.into_iter().any(|stage| stage.is_active() && counts.of(stage) > 0);
    match end.trouble {
        // It kept nothing from being done.
        Some(trouble) if args.until_idle && !left => {
            output::note(&trouble);
            Ok(())
        }
        Some(trouble) => Err(CliError::Failed(format!("jobs were left in the queue: {trouble}"))),
        None => Ok(()),
    }
}

/// Metrics and health, where they are wanted. Before any work: an address that is taken is seen at once.
pub async fn serve_metrics(config: &Config) -> Result<Option<Meters>, CliError> {
    let Some(address) = config.metrics_address else { return Ok(None) };
    let meters = Meters::serve(address, config.is_simulated()).await?;
    output::note(&format!("metrics at http://{0}/metrics, health at http://{0}/health", meters.address()));
    if !address.ip().is_loopback() {
        output::note("darkroom: whoever reaches this machine can read there what is spent");
    }
    Ok(Some(meters))
}

fn in_words(counts: &Counts) -> String {
    let stages = StageName::ALL.into_iter().filter(|stage| counts.of(*stage) > 0);
    let parts: Vec<String> = stages.map(|stage| format!("{} {stage}", counts.of(stage))).collect();
    if parts.is_empty() { "no jobs".to_owned() } else { parts.join(", ") }
}
