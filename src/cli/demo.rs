//! `darkroom demo`: the console on thirty days of simulated jobs, in a temporary directory that is deleted on exit.

use chrono::Utc;
use clap::Args;
use url::Url;

use super::console;
use super::error::CliError;
use super::{Session, output};
use crate::config::{BucketKind, Config, EngineKind, Flags, Key, ProviderKind, Sources, StoreKind};
use crate::console::NamedFilter;
use crate::console::keymap::Action;
use crate::costs::{Budget, BudgetEdit};
use crate::jobs::{ImageFormat, JobId, ObjectName};
use crate::simulator::{DemoImages, DemoJob, DemoPlaces, demo_jobs};
use crate::store::BudgetChange;
use crate::wiring::{self, AccessMode};

/// The origin that the configuration shows for these values.
const FLAG: &str = "darkroom demo";

/// Jobs that run at the same time: some are always queued.
const SLOTS: &str = "3";

/// Its views, where `darkroom.toml` defines none.
const VIEWS: [(&str, &str); 3] =
    [("expensive", "cost>0.05"), ("failures of the week", "status:failed since:7d"), ("to review", "review:open")];

/// How the console of the demo looks
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Colours: auto (by the terminal's background), dark, light, high-contrast, colour-blind, mono, or a theme file
    #[arg(long, value_name = "NAME")]
    pub theme: Option<String>,
    /// How images are drawn: auto, kitty, sixel, iterm2, halfblocks or off
    #[arg(long, value_name = "HOW")]
    pub images: Option<String>,
    /// Use only ASCII symbols and borders
    #[arg(long)]
    pub ascii: bool,
}

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
    // Old tasks are polled at the simulator that the console uses.
    let provider = wiring::open_provider(&config, AccessMode::Submit).await?;
    fill(&config, provider.address.clone()).await?;
    let help = config.keys.key_of(Action::Help, config.ascii);
    let greeting = format!("Demo: everything is simulated and deleted on exit · press {help} for the keys");
    let demo = Session { config, output: session.output };
    let opening = console::Opening { greeting: Some(greeting), is_temporary: true, ..console::Opening::default() };
    let result = console::run(&demo, opening).await.map(|_| ());
    provider.close().await;
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
    if config.views.is_empty() {
        config.views =
            VIEWS.map(|(name, filter)| NamedFilter { name: name.to_owned(), filter: filter.to_owned() }).to_vec();
    }
    Ok(config)
}

async fn fill(config: &Config, api: Url) -> Result<(), CliError> {
    let store = wiring::open_store(config).await?;
    let bucket = wiring::open_bucket(config).await?;
    let failed = |error: &dyn std::fmt::Display| CliError::Failed(format!("the demo could not be prepared: {error}"));
    let images = tokio::task::spawn_blocking(DemoImages::draw).await.map_err(|error| failed(&error))?;
    // Where objects of this bucket are.
    let probe = ObjectName::for_attempt(&JobId::from_random([0; 20]), 1, ImageFormat::Jpeg);
    let stored = bucket.put(&probe, images.bytes(0), ImageFormat::Jpeg).await.map_err(|error| failed(&error))?;
    let prefix = stored.url.strip_suffix(probe.as_str()).unwrap_or_default().to_owned();
    let now = Utc::now();
    let object = |object: &ObjectName| format!("{prefix}{object}");
    let jobs = demo_jobs(now, &images, &DemoPlaces { object: &object, api }).map_err(|error| failed(&error))?;
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
