//! `darkroom worker`: the engine without the console.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use clap::Args;
use serde::Serialize;

use super::error::CliError;
use super::headless_engine::{EngineUpdate, HeadlessEngine};
use super::{Session, output, start_logging, supervisor};
use crate::config::Config;
use crate::engine::{Dependency, Mode, Outage};
use crate::jobs::StageName;
use crate::jobs::filter::Filter;
use crate::shutdown_signal::ShutdownSignal;
use crate::store::{Counts, PageQuery, Store, StoreError};
use crate::telemetry::logging::ExtraSink;
use crate::telemetry::metrics::MetricsServer;
use crate::text::sanitize_line;
use crate::time::Backoff;
use crate::wiring::{self, AccessMode, Adapters, WiringError};

/// Pauses between two tries to open the store and the bucket.
const START_PAUSES: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_mins(1));

/// Held jobs that the summary counts: in a shared store each is a billed read.
const MAX_HELD: usize = 500;

/// Run jobs without the console
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// Exit when no job is queued or running, or a cap holds all that are left (then with exit code 1)
    #[arg(long)]
    pub until_idle: bool,
    /// Jobs that run at the same time
    #[arg(long, value_name = "N")]
    pub slots: Option<String>,
    /// Serve /metrics for Prometheus and /health at this address, such as 127.0.0.1:9464
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<String>,
    /// Write log lines to standard error as well
    #[arg(long, short = 'v')]
    pub verbose: bool,
    /// Write log lines as JSON to standard error as well
    #[arg(long, conflicts_with = "verbose")]
    pub log_json: bool,
}

/// The result of a worker.
#[derive(Debug, Serialize)]
struct Summary {
    /// Whether it was interrupted before it was done.
    interrupted: bool,
    simulated: bool,
    /// All visible jobs by status.
    jobs: std::collections::BTreeMap<StageName, u64>,
}

/// Runs jobs until it is done or interrupted.
pub async fn run(session: &Session, args: &WorkerArgs) -> Result<(), CliError> {
    let config = &session.config;
    let extra = match (args.verbose, args.log_json) {
        (true, _) => ExtraSink::Terminal,
        (_, true) => ExtraSink::Json,
        _ => ExtraSink::None,
    };
    let (_logging, _) = start_logging(config, extra);
    let mut shutdown =
        ShutdownSignal::listen().map_err(|why| CliError::Failed(format!("cannot handle signals: {why}")))?;
    let metrics = serve_metrics(config).await?;
    let Some((store, adapters)) = open(config, args, metrics.as_ref(), &mut shutdown).await? else {
        output::eprint_line("interrupted before the worker could start");
        return Ok(());
    };
    let mode = if args.until_idle { Mode::UntilIdle } else { Mode::Work };
    let mut engine = HeadlessEngine::start(session, adapters, mode, metrics)?;
    let kind = if config.is_simulated() { "simulated jobs" } else { "jobs for real money" };
    output::eprint_line(&format!("running {kind} in {} slots; press Ctrl-C to stop", config.slots));
    supervisor::ready();
    let watchdog = supervisor::ping_watchdog();
    tokio::pin!(watchdog);
    let mut interrupted = false;
    loop {
        tokio::select! {
            never = &mut watchdog => match never {},
            update = engine.next() => match update {
                EngineUpdate::Stopped => break,
                EngineUpdate::Blocked(_) | EngineUpdate::None => {}
            },
            () = shutdown.next() => {
                if interrupted {
                    return Err(CliError::Failed("forced exit: an in-flight request may have been lost (it may still be billed)".to_owned()));
                }
                interrupted = true;
                output::eprint_line("shutting down: waiting for in-flight requests (press Ctrl-C again to force quit)");
                supervisor::stopping();
                engine.request_stop().await;
            }
        }
    }
    let end = engine.wait_stopped().await?;
    let counts = store.counts().await?;
    let summary = Summary { interrupted, simulated: config.is_simulated(), jobs: counts.by_stage.clone() };
    if session.output.is_json() {
        output::write_json(&summary)?;
    } else {
        output::eprint_line(&count_line(&counts, held_jobs(store.as_ref()).await?));
    }
    let unfinished = StageName::ALL.into_iter().any(|stage| stage.is_active() && counts.of(stage) > 0);
    match end.trouble {
        // All jobs are finished all the same.
        Some(trouble) if args.until_idle && !unfinished => {
            output::eprint_line(&trouble);
            Ok(())
        }
        Some(trouble) => Err(CliError::Failed(format!("jobs remain in the queue: {trouble}"))),
        None => Ok(()),
    }
}

/// Opens store, bucket and provider. A long-running worker waits for a store or bucket that is unavailable, with growing pauses.
/// `None`: interrupted while waiting.
async fn open(
    config: &Config,
    args: &WorkerArgs,
    metrics: Option<&MetricsServer>,
    shutdown: &mut ShutdownSignal,
) -> Result<Option<(Arc<dyn Store>, Adapters)>, CliError> {
    let mut pauses = START_PAUSES;
    let mut reported = None;
    loop {
        let error = match try_open(config).await {
            Ok(opened) => {
                if let Some(metrics) = metrics.filter(|_| reported.is_some()) {
                    metrics.set_waiting(None);
                }
                return Ok(Some(opened));
            }
            Err(error) if args.until_idle || !error.may_pass() => return Err(error.into()),
            Err(error) => error,
        };
        let dependency = if matches!(error, WiringError::Bucket(_)) { Dependency::Bucket } else { Dependency::Store };
        let error = sanitize_line(&error.to_string(), 300);
        if reported.as_ref() != Some(&error) {
            output::eprint_line(&format!("cannot start yet: {error}; retrying"));
            supervisor::status(&format!("waiting: {error}"));
            if let Some(metrics) = metrics {
                metrics.set_waiting(Some(Outage { dependency, since: Utc::now(), reason: error.clone() }));
            }
            reported = Some(error);
        }
        tokio::select! {
            () = tokio::time::sleep(pauses.next_delay()) => {}
            () = shutdown.next() => return Ok(None),
        }
    }
}

async fn try_open(config: &Config) -> Result<(Arc<dyn Store>, Adapters), WiringError> {
    let store = wiring::open_store(config).await?;
    // A store that does not respond now is checked again before the first write.
    if let Err(error @ StoreError::NotOwned) = store.require_ownership().await {
        return Err(error.into());
    }
    let adapters = wiring::open_ports(config, store.clone(), AccessMode::Submit).await?;
    Ok((store, adapters))
}

/// Serves metrics and health where an address is set. Called before any work, so that an address in use is reported first.
pub async fn serve_metrics(config: &Config) -> Result<Option<MetricsServer>, CliError> {
    let Some(address) = config.metrics_address else { return Ok(None) };
    let metrics = MetricsServer::serve(address, config.is_simulated()).await?;
    output::eprint_line(&format!("metrics at http://{0}/metrics, health at http://{0}/health", metrics.address()));
    if !address.ip().is_loopback() {
        output::eprint_line(
            "darkroom: warning: metrics are not on loopback; anyone who can reach this host can read your spending",
        );
    }
    Ok(Some(metrics))
}

/// Queued jobs that are held, as `jobs list` shows them; `None` where that is more than were read.
async fn held_jobs(store: &dyn Store) -> Result<Option<u64>, StoreError> {
    let filter = Filter::parse("status:held", Utc::now()).unwrap_or_default();
    let query = PageQuery { stages: vec![StageName::Queued], filter, limit: MAX_HELD, ..PageQuery::default() };
    let page = store.list(query).await?;
    Ok(page.next.is_none().then_some(page.jobs.len() as u64))
}

/// `3 done, 2 held`.
fn count_line(counts: &Counts, held: Option<u64>) -> String {
    let stages = StageName::ALL.into_iter().filter(|stage| counts.of(*stage) > 0);
    let shown = |stage: StageName| {
        let count = counts.of(stage);
        match held.filter(|held| stage == StageName::Queued && *held > 0) {
            Some(held) if held >= count => format!("{count} held"),
            Some(held) => format!("{held} held, {} {stage}", count - held),
            None => format!("{count} {stage}"),
        }
    };
    let parts: Vec<String> = stages.map(shown).collect();
    if parts.is_empty() { "no jobs".to_owned() } else { parts.join(", ") }
}
