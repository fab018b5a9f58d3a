//! The checks. Each reports what it found and, for a problem, what to do.

use std::io::IsTerminal;
use std::path::Path;

use chrono::Utc;
use url::Url;

use super::probe::{emulator, server_time};
use super::{Check, google, probe};
use crate::catalog::Catalog;
use crate::config::{BucketKind, Config, ProviderKind, StoreKind};
use crate::console::ImagesMode;
use crate::costs::{Budget, BudgetSettings};
use crate::engine::local::WorkerLock;
use crate::engine::{LeftoverJournal, Pause};
use crate::store::{CostQuery, DueQuery, PageQuery, Store, StoreError};
use crate::wiring::{self, AccessMode, CreditsError};

/// A larger clock difference breaks budgets, claims and signed links.
const MAX_SKEW: chrono::Duration = chrono::Duration::seconds(30);

/// Runs all checks; later ones depend on earlier ones.
pub async fn all(config: &Config) -> Vec<Check> {
    let mut checks = vec![configuration(config), data_dir(config), journals(config)];
    checks.extend(google::credentials(config));
    let (documents, stored_caps) = store(config).await;
    // A store that does not respond is reported once.
    let more = if documents.ok { google::store(config).await } else { Vec::new() };
    checks.push(documents);
    checks.extend(more);
    let images = bucket(config).await;
    let clock = if images.ok { google::bucket_clock(config).await } else { None };
    checks.push(images);
    checks.extend(clock);
    checks.extend(provider(config).await);
    checks.push(money(config, stored_caps));
    checks.push(log_dir(config));
    checks.push(terminal(config));
    checks
}

fn configuration(config: &Config) -> Check {
    const NAME: &str = "configuration";
    if let Err(error) = config.require_built_in() {
        return Check::problem(NAME, error.to_string(), "`darkroom config` shows where each value came from");
    }
    let context = config.context.as_ref().map_or(String::new(), |name| format!("context {name}, "));
    let (provider, store, bucket, engine) = (config.provider, config.store, config.bucket, config.engine);
    let line = format!("{context}{provider}, {store}, {bucket}, {engine}");
    match config.warnings.first() {
        Some(warning) => Check::problem(NAME, warning.clone(), "correct the name, or remove the variable"),
        // A key alone never spends money; without a word that looks like a fault.
        None if config.is_simulated() && config.bfl_api_key.is_some() => {
            Check::ok(NAME, format!("{line}; BFL_API_KEY is not used: DARKROOM_PROVIDER=bfl requests real images"))
        }
        None => Check::ok(NAME, line),
    }
}

fn data_dir(config: &Config) -> Check {
    const NAME: &str = "data directory";
    let folder = &config.data_dir;
    match writable(folder) {
        Ok(()) => {
            let live = WorkerLock::live_workers(folder).len();
            let workers = if live == 1 { "1 worker running".to_owned() } else { format!("{live} workers running") };
            Check::ok(NAME, format!("{}, {workers}", folder.display()))
        }
        Err(why) => Check::problem(
            NAME,
            format!("{} is not writable: {why}", folder.display()),
            "set DARKROOM_DATA_DIR or --data-dir to a writable directory",
        ),
    }
}

/// Submits that workers of this machine left open when they died.
fn journals(config: &Config) -> Check {
    const NAME: &str = "submit journals";
    let left = LeftoverJournal::list(&config.data_dir, &wiring::store_id(config));
    let Some(first) = left.iter().find(|journal| journal.obstacle.is_some()).or(left.first()) else {
        return Check::ok(NAME, "no submit of a stopped worker is open");
    };
    let open = match first.open {
        Some(1) => "1 open submit".to_owned(),
        Some(open) => format!("{open} open submits"),
        None => "an unreadable journal".to_owned(),
    };
    let others = if left.len() > 1 { format!(" (and {} more journals)", left.len() - 1) } else { String::new() };
    let line = format!("a stopped worker left {open} in {}{others}", first.path.display());
    match &first.obstacle {
        None => Check::problem(NAME, line, "start a worker here: it saves receipts and queues what was not sent"),
        Some(why) => Check::problem(
            NAME,
            format!("{line}: {why}"),
            "start a worker on that store and machine; delete the file once its jobs are checked",
        ),
    }
}

fn log_dir(config: &Config) -> Check {
    const NAME: &str = "log directory";
    let folder = &config.log_dir;
    match writable(folder) {
        Ok(()) => Check::ok(NAME, format!("{}, kept for {} days", folder.display(), config.log_days)),
        Err(why) => Check::problem(
            NAME,
            format!("{} is not writable: {why}", folder.display()),
            "set DARKROOM_LOG_DIR or --log-dir to a writable directory; until then nothing is logged",
        ),
    }
}

/// Creates the directory where it is missing, and a temporary file in it.
fn writable(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    tempfile::tempfile_in(folder).map(drop)
}

/// The check, and the caps that the store keeps.
async fn store(config: &Config) -> (Check, Option<BudgetSettings>) {
    const NAME: &str = "store";
    let counted = match wiring::open_store(config).await {
        Ok(store) => match wiring::verify_store(config).await {
            Ok(()) => run_queries(&*store).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        },
        Err(error) => Err(error.to_string()),
    };
    match counted {
        Ok((jobs, pause, caps)) => {
            let jobs = if jobs == 1 { "1 job".to_owned() } else { format!("{jobs} jobs") };
            let pause = pause.map(|pause| format!("; intake {}", pause.line(Utc::now()))).unwrap_or_default();
            (Check::ok(NAME, format!("{}{jobs}{pause}", google::store_place(config))), Some(caps))
        }
        Err(why) => {
            let emulator = config.google.firestore_emulator.as_ref().filter(|_| config.store == StoreKind::Firestore);
            let advice = google::emulator_advice(emulator, "FIRESTORE_EMULATOR_HOST").await;
            let usual = "see the error above; jobs cannot be read until it is fixed";
            let advice = advice.unwrap_or_else(|| usual.to_owned());
            (Check::problem(NAME, format!("{}{why}", google::store_place(config)), advice), None)
        }
    }
}

/// The number of jobs, the pause and the caps, after running each kind of query once, because each may need its own index or permission.
async fn run_queries(store: &dyn Store) -> Result<(u64, Option<Pause>, BudgetSettings), StoreError> {
    let counts = store.counts().await?;
    let now = Utc::now();
    store.list_jobs(PageQuery { limit: 1, ..PageQuery::default() }).await?;
    store.due(DueQuery { now, simulated: true, queued: true, dead_workers: Vec::new(), limit: 1 }).await?;
    let recent = CostQuery { from: now - chrono::Duration::hours(1), to: now, simulated: true };
    store.costs(recent).await?;
    let caps = store.budget_history(1).await?.into_iter().next().map(|record| record.settings).unwrap_or_default();
    Ok((counts.total(), Pause::read(store).await?, caps))
}

async fn bucket(config: &Config) -> Check {
    const NAME: &str = "bucket";
    let ready = match wiring::open_bucket(config).await {
        Ok(bucket) => bucket.check().await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match ready {
        Ok(()) => Check::ok(NAME, format!("{}images can be stored", bucket_place(config))),
        Err(why) => {
            let emulator = config.google.storage_emulator.as_ref().filter(|_| config.bucket == BucketKind::Gcs);
            let advice = google::emulator_advice(emulator, "STORAGE_EMULATOR_HOST").await;
            let advice = advice.unwrap_or_else(|| "no job starts until images can be stored".to_owned());
            Check::problem(NAME, format!("{}{why}", bucket_place(config)), advice)
        }
    }
}

/// The location of a shared bucket; empty for a local one.
fn bucket_place(config: &Config) -> String {
    match (config.bucket, &config.google.bucket) {
        (BucketKind::Gcs, Some(bucket)) => {
            let at = emulator(config.google.storage_emulator.as_ref());
            format!("Cloud Storage{at}, bucket {bucket}, URLs {}: ", config.google.bucket_url)
        }
        _ => String::new(),
    }
}

async fn provider(config: &Config) -> Vec<Check> {
    const NAME: &str = "provider";
    let connected = match wiring::open_provider(config, AccessMode::Submit).await {
        Ok(connected) => connected,
        // Without a key the network is not the problem.
        Err(error) if config.provider == ProviderKind::Bfl && config.bfl_api_key.is_none() => {
            return vec![Check::problem(NAME, error.to_string(), "get a key at dashboard.bfl.ai and set BFL_API_KEY")];
        }
        Err(error) => return vec![Check::problem(NAME, error.to_string(), advice(config))],
    };
    let place = connected.address.host_str().unwrap_or_default().to_owned();
    let first = match connected.provider.credits().await {
        Ok(credits) => {
            let worth = credits.to_usd().display();
            Check::ok(NAME, format!("{place} is reachable, key accepted, {credits} credits ({worth}) left"))
        }
        Err(CreditsError::KeyRejected(why)) => Check::problem(
            NAME,
            format!("{place} rejected the key: {why}"),
            "set BFL_API_KEY to a key of this account (dashboard.bfl.ai)",
        ),
        Err(CreditsError::Unavailable(why)) => Check::problem(NAME, format!("{place}: {why}"), advice(config)),
    };
    let mut checks = vec![first];
    if config.provider == ProviderKind::Bfl {
        checks.extend(submit_route(&connected.address).await);
    }
    checks.push(clock(&connected.address).await);
    connected.close().await;
    checks
}

/// Whether the address has the submit route. The request has no key and no prompt, so it cannot be accepted. `None` where the
/// server does not respond, which the check of the provider reports.
async fn submit_route(address: &Url) -> Option<Check> {
    const NAME: &str = "submit route";
    let model = Catalog::builtin().models.first()?;
    let mut url = address.clone();
    url.path_segments_mut().ok()?.pop_if_empty().push("v1").extend(model.route.split('/'));
    let (status, is_html) = probe::post_nothing(&url).await.ok()?;
    let route = format!("POST {}", url.path());
    Some(if matches!(status, 404 | 405) || is_html {
        Check::problem(NAME, format!("{route} is not a route of the FLUX API (HTTP {status})"), "check BFL_API_URL")
    } else {
        Check::ok(NAME, format!("{route} exists"))
    })
}

fn advice(config: &Config) -> &'static str {
    match config.provider {
        ProviderKind::Bfl => "check the network and BFL_API_URL, or use DARKROOM_PROVIDER=simulator",
        ProviderKind::Simulator => {
            "the simulator of this data directory is unreachable; another --data-dir has its own simulator"
        }
    }
}

async fn clock(address: &Url) -> Check {
    const NAME: &str = "clock";
    match server_time(address).await {
        Ok(server) => {
            let skew = Utc::now() - server;
            let seconds = skew.num_seconds();
            if skew.abs() <= MAX_SKEW {
                Check::ok(NAME, format!("differs from the provider by {seconds} s"))
            } else {
                Check::problem(
                    NAME,
                    format!("differs from the provider by {seconds} s"),
                    "synchronize this machine's clock (NTP)",
                )
            }
        }
        Err(why) => Check::problem(NAME, format!("the provider's time is unknown: {why}"), "see the provider check"),
    }
}

/// The caps that apply to a submit of this process: those of the store, lowered by the configuration. A store that cannot be read
/// keeps its caps, and nothing is submitted meanwhile.
fn money(config: &Config, stored: Option<BudgetSettings>) -> Check {
    const NAME: &str = "money";
    let is_known = stored.is_some();
    let stored = stored.unwrap_or_default();
    let mut caps = amounts(stored.total.lower_of(config.budget));
    for (model, budget) in &stored.models {
        caps.extend(amounts(*budget).into_iter().map(|amount| format!("{amount} with {model}")));
    }
    let money = if config.is_simulated() { "simulated" } else { "real money" };
    if !is_known {
        let line = format!("{money}; the caps of the store are unknown until it can be read");
        return Check::ok(NAME, line);
    }
    if caps.is_empty() {
        return Check::ok(NAME, format!("{money}, no cap set; `darkroom budget set --daily 20` sets one"));
    }
    Check::ok(NAME, format!("{money}, at most {}", caps.join(", ")))
}

/// `$5.00 a day`, `$90.00 a month`.
fn amounts(budget: Budget) -> Vec<String> {
    let caps = [(budget.daily, "a day"), (budget.monthly, "a month")];
    caps.into_iter().filter_map(|(cap, period)| cap.map(|cap| format!("{} {period}", cap.display()))).collect()
}

fn terminal(config: &Config) -> Check {
    const NAME: &str = "terminal";
    if !std::io::stdout().is_terminal() {
        return Check::ok(NAME, "not a terminal; `darkroom worker` and --json do not need one");
    }
    let kind = std::env::var("TERM").unwrap_or_default();
    if kind.is_empty() || kind == "dumb" {
        return Check::problem(
            NAME,
            format!("TERM is '{kind}'"),
            "the console needs a terminal with cursor addressing",
        );
    }
    let size = crossterm::terminal::size().map_or(String::new(), |(columns, rows)| format!(", {columns}x{rows}"));
    let unicode = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
        .is_some_and(|value| value.to_ascii_lowercase().replace('-', "").contains("utf8"));
    let symbols = if unicode && !config.ascii { "Unicode" } else { "ASCII recommended (--ascii)" };
    let colors = if config.no_color {
        "no colours"
    } else if std::env::var("COLORTERM").is_ok_and(|value| matches!(value.as_str(), "truecolor" | "24bit")) {
        "true colour"
    } else {
        "256 colours or fewer"
    };
    let images = match config.images {
        ImagesMode::Auto => "images in the best supported way",
        ImagesMode::Kitty => "images by the kitty protocol",
        ImagesMode::Sixel => "images as sixels",
        ImagesMode::Iterm2 => "images by the iTerm2 protocol",
        ImagesMode::HalfBlocks => "images as half blocks",
        ImagesMode::Off => "no images",
    };
    Check::ok(NAME, format!("{kind}{size}, {symbols}, {colors}, {images}"))
}
