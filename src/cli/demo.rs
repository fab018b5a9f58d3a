//! `darkroom demo`: the console on thirty days of simulated jobs, in a temporary directory that is deleted on exit.

use chrono::Utc;

use super::console;
use super::error::CliError;
use super::{Session, output};
use crate::config::{BucketKind, Config, EngineKind, Flags, Key, ProviderKind, Sources, StoreKind};
use crate::costs::{Budget, BudgetEdit};
use crate::jobs::{ImageFormat, JobId, ObjectName};
use crate::simulator::{DemoImages, DemoJob, demo_jobs};
use crate::store::BudgetChange;
use crate::wiring;

/// The origin that the configuration shows for these values.
const FLAG: &str = "darkroom demo";

/// Jobs that run at the same time: some are always queued.
const SLOTS: &str = "3";

/// Fills a temporary store, runs the console on it, and deletes it.
pub async fn run(session: &Session, flags: Flags) -> Result<(), CliError> {
    if session.output.is_json() {
        return Err(CliError::Usage("`darkroom demo` opens the console; it has no --json".to_owned()));
    }
    if !console::has_terminal() {
        return Err(CliError::Usage("`darkroom demo` opens the console, which needs a terminal".to_owned()));
    }
    let failed = |error: std::io::Error| CliError::Failed(format!("no temporary directory: {error}"));
    let folder = tempfile::Builder::new().prefix("darkroom-demo-").tempdir().map_err(failed)?;
    let config = configuration(flags, folder.path())?;
    output::eprint_line("preparing thirty days of simulated jobs");
    fill(&config).await?;
    let demo = Session { config, output: session.output };
    let greeting = "Demo: everything is simulated and deleted on exit · press ? for the keys".to_owned();
    let opening = console::Opening { greeting: Some(greeting), ..console::Opening::default() };
    let result = console::run(&demo, opening).await.map(|_| ());
    folder.close().map_err(failed)?;
    result
}

/// Nothing of the operator's own configuration may be used, or be changed.
fn configuration(mut flags: Flags, folder: &std::path::Path) -> Result<Config, CliError> {
    let path = folder.display().to_string();
    for (key, value) in [
        (Key::Provider, ProviderKind::Simulator.to_string()),
        (Key::Store, StoreKind::Sqlite.to_string()),
        (Key::Bucket, BucketKind::Folder.to_string()),
        (Key::Engine, EngineKind::Local.to_string()),
        (Key::DataDir, path.clone()),
        (Key::LogDir, format!("{path}/logs")),
        (Key::Slots, SLOTS.to_owned()),
    ] {
        flags.set(key, FLAG, Some(value));
    }
    for key in [
        Key::BudgetDailyUsd,
        Key::BudgetMonthlyUsd,
        Key::SimulatorFaults,
        Key::SimulatorSpeed,
        Key::MetricsAddress,
        Key::NotifyCommand,
    ] {
        flags.unset(key, FLAG);
    }
    let mut config = Config::resolve(&Sources::of_this_process(flags)?)?;
    config.context = Some("demo".to_owned());
    Ok(config)
}

async fn fill(config: &Config) -> Result<(), CliError> {
    let store = wiring::open_store(config).await?;
    let bucket = wiring::open_bucket(config).await?;
    let failed = |error: &dyn std::fmt::Display| CliError::Failed(format!("the demo could not be prepared: {error}"));
    let images = tokio::task::spawn_blocking(DemoImages::draw).await.map_err(|error| failed(&error))?;
    // Where objects of this bucket are.
    let probe = ObjectName::for_attempt(&JobId::from_random([0; 20]), 1, ImageFormat::Jpeg);
    let stored = bucket.put(&probe, images.bytes(0), ImageFormat::Jpeg).await.map_err(|error| failed(&error))?;
    let prefix = stored.url.strip_suffix(probe.as_str()).unwrap_or_default().to_owned();
    let now = Utc::now();
    let jobs = demo_jobs(now, &images, |object| format!("{prefix}{object}")).map_err(|error| failed(&error))?;
    for DemoJob { image, .. } in &jobs {
        if let Some((object, index)) = image {
            let bytes = images.bytes(*index);
            bucket.put(object, bytes, ImageFormat::Jpeg).await.map_err(|error| failed(&error))?;
        }
    }
    store.create(jobs.into_iter().map(|demo| demo.job).collect()).await?;
    let caps = Budget { daily: "5".parse().ok(), monthly: "50".parse().ok() };
    let edit = BudgetEdit::Set { model: None, caps, soft_percent: Some(80) };
    store.change_budget(BudgetChange { at: now, by: "ana@studio".to_owned(), edit }).await?;
    Ok(())
}
