//! Owns the checks themselves. Each answers with what it saw and, where that is wrong, what to do.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use url::Url;

use super::{Check, google};
use crate::config::{BucketKind, Config, ImagesMode, ProviderKind, StoreKind};
use crate::engine::local::WorkerLock;
use crate::store::{CostQuery, DueQuery, PageQuery, Store, StoreError};
use crate::wiring::{self, Access, CreditsError};

/// A clock that is further off than this spoils budgets, claims and signed links.
const MOST_SKEW: chrono::Duration = chrono::Duration::seconds(30);

/// How long a server may take to say what time it is.
const PATIENCE: Duration = Duration::from_secs(10);

/// All checks, in the order in which one needs the other.
pub async fn all(config: &Config) -> Vec<Check> {
    let mut checks = vec![configuration(config), data_dir(config)];
    checks.extend(google::credentials(config));
    let documents = store(config).await;
    // What does not answer needs to be said once.
    let more = if documents.ok { google::store(config).await } else { Vec::new() };
    checks.push(documents);
    checks.extend(more);
    let images = bucket(config).await;
    let clock = if images.ok { google::bucket_clock(config).await } else { None };
    checks.push(images);
    checks.extend(clock);
    checks.extend(provider(config).await);
    checks.push(money(config));
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
        Some(warning) => Check::problem(NAME, warning.clone(), "mend the name, or remove it"),
        None => Check::ok(NAME, line),
    }
}

fn data_dir(config: &Config) -> Check {
    const NAME: &str = "data directory";
    let folder = &config.data_dir;
    match writable(folder) {
        Ok(()) => {
            let live = WorkerLock::live_workers(folder).len();
            let workers = if live == 1 { "1 worker lives".to_owned() } else { format!("{live} workers live") };
            Check::ok(NAME, format!("{}, {workers}", folder.display()))
        }
        Err(why) => Check::problem(
            NAME,
            format!("{} cannot be written: {why}", folder.display()),
            "set DARKROOM_DATA_DIR or --data-dir to a directory of your own",
        ),
    }
}

fn log_dir(config: &Config) -> Check {
    const NAME: &str = "log directory";
    let folder = &config.log_dir;
    match writable(folder) {
        Ok(()) => Check::ok(NAME, format!("{}, {} days are kept", folder.display(), config.log_days)),
        Err(why) => Check::problem(
            NAME,
            format!("{} cannot be written: {why}", folder.display()),
            "set DARKROOM_LOG_DIR or --log-dir to a directory of your own; without it nothing is logged",
        ),
    }
}

/// Whether a file can be made there; the directory is made if it is missing, the file is gone afterwards.
fn writable(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    tempfile::tempfile_in(folder).map(drop)
}

async fn store(config: &Config) -> Check {
    const NAME: &str = "store";
    let counted = match wiring::open_store(config).await {
        Ok(store) => questions(&*store).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match counted {
        Ok(1) => Check::ok(NAME, format!("{}1 job", google::store_place(config))),
        Ok(jobs) => Check::ok(NAME, format!("{}{jobs} jobs", google::store_place(config))),
        Err(why) => {
            let emulator = config.google.firestore_emulator.as_ref().filter(|_| config.store == StoreKind::Firestore);
            let advice = google::silent(emulator, "FIRESTORE_EMULATOR_HOST").await;
            let usual = "the line says what is wrong with the database; jobs cannot be read until then";
            let advice = advice.unwrap_or_else(|| usual.to_owned());
            Check::problem(NAME, format!("{}{why}", google::store_place(config)), advice)
        }
    }
}

/// How many jobs there are, after every kind of question was put once: each may need an index, or a right, of its own.
async fn questions(store: &dyn Store) -> Result<u64, StoreError> {
    let counts = store.counts().await?;
    let now = Utc::now();
    store.list_jobs(PageQuery { limit: 1, ..PageQuery::default() }).await?;
    store.due(DueQuery { now, simulated: true, queued: true, dead_workers: Vec::new(), limit: 1 }).await?;
    let recent = CostQuery { from: now - chrono::Duration::hours(1), to: now, simulated: true };
    store.costs(recent).await?;
    Ok(counts.total())
}

pub(super) fn emulator(host: Option<&String>) -> String {
    host.map_or(String::new(), |host| format!(" (emulator at {host})"))
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
            let advice = google::silent(emulator, "STORAGE_EMULATOR_HOST").await;
            let advice = advice.unwrap_or_else(|| "no job is started while images cannot be stored".to_owned());
            Check::problem(NAME, format!("{}{why}", bucket_place(config)), advice)
        }
    }
}

/// Where a shared bucket is; nothing for one on this machine.
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
    let wired = match wiring::open_provider(config, Access::Orders).await {
        Ok(wired) => wired,
        // No network helps where no key is.
        Err(error) if config.provider == ProviderKind::Bfl && config.bfl_api_key.is_none() => {
            return vec![Check::problem(NAME, error.to_string(), "get a key at dashboard.bfl.ai and set BFL_API_KEY")];
        }
        Err(error) => return vec![Check::problem(NAME, error.to_string(), advice(config))],
    };
    let place = wired.address.host_str().unwrap_or_default().to_owned();
    let first = match wired.provider.credits().await {
        Ok(credits) => {
            let worth = credits.to_usd().display();
            Check::ok(NAME, format!("{place} answers, the key is accepted, {credits} credits ({worth}) are left"))
        }
        Err(CreditsError::KeyRejected(why)) => Check::problem(
            NAME,
            format!("{place} refuses the key: {why}"),
            "set BFL_API_KEY to a key of this account (dashboard.bfl.ai)",
        ),
        Err(CreditsError::Unavailable(why)) => Check::problem(NAME, format!("{place}: {why}"), advice(config)),
    };
    let clock = clock(&wired.address).await;
    wired.close().await;
    vec![first, clock]
}

fn advice(config: &Config) -> &'static str {
    match config.provider {
        ProviderKind::Bfl => "check the network and BFL_API_URL, or work without it: DARKROOM_PROVIDER=simulator",
        ProviderKind::Simulator => {
            "the simulator of this data directory cannot be reached; another --data-dir has its own"
        }
    }
}

async fn clock(address: &Url) -> Check {
    const NAME: &str = "clock";
    match server_time(address).await {
        Ok(server) => {
            let skew = Utc::now() - server;
            let seconds = skew.num_seconds();
            if skew.abs() <= MOST_SKEW {
                Check::ok(NAME, format!("{seconds} s off the provider's"))
            } else {
                Check::problem(NAME, format!("{seconds} s off the provider's"), "set this machine's clock (NTP)")
            }
        }
        Err(why) => Check::problem(NAME, format!("the provider's time is not known: {why}"), "see the provider's line"),
    }
}

/// What the server says in its `Date` header; any answer has one. The key does not travel along.
pub(super) async fn server_time(address: &Url) -> Result<DateTime<Utc>, String> {
    let client = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build();
    let client = client.map_err(|why| why.to_string())?;
    let answer = client.get(address.clone()).send().await.map_err(|why| why.without_url().to_string())?;
    let date = answer.headers().get(reqwest::header::DATE).and_then(|date| date.to_str().ok());
    let date = date.ok_or("it does not say")?;
    httpdate::parse_http_date(date).map(DateTime::from).map_err(|why| why.to_string())
}

fn money(config: &Config) -> Check {
    const NAME: &str = "money";
    let caps = [(config.budget.daily, "a day"), (config.budget.monthly, "a month")];
    let caps: Vec<String> =
        caps.into_iter().filter_map(|(cap, period)| cap.map(|cap| format!("{} {period}", cap.display()))).collect();
    let caps = if caps.is_empty() { "no cap is set".to_owned() } else { format!("at most {}", caps.join(", ")) };
    match config.provider {
        ProviderKind::Simulator => Check::ok(NAME, format!("simulated, {caps}")),
        ProviderKind::Bfl => Check::ok(NAME, format!("real money, {caps} (DARKROOM_BUDGET_DAILY_USD)")),
    }
}

fn terminal(config: &Config) -> Check {
    const NAME: &str = "terminal";
    if !std::io::stdout().is_terminal() {
        return Check::ok(NAME, "none here; `darkroom worker` and --json need none");
    }
    let kind = std::env::var("TERM").unwrap_or_default();
    if kind.is_empty() || kind == "dumb" {
        return Check::problem(NAME, format!("TERM is '{kind}'"), "the console needs a terminal that can place text");
    }
    let size = crossterm::terminal::size().map_or(String::new(), |(columns, rows)| format!(", {columns}x{rows}"));
    let unicode = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
        .is_some_and(|value| value.to_ascii_lowercase().replace('-', "").contains("utf8"));
    let symbols = if unicode && !config.ascii { "Unicode" } else { "ASCII symbols (--ascii) are safer" };
    let colors = if config.no_color {
        "no colours"
    } else if std::env::var("COLORTERM").is_ok_and(|value| matches!(value.as_str(), "truecolor" | "24bit")) {
        "true colour"
    } else {
        "256 colours or fewer"
    };
    let images = match config.images {
        ImagesMode::Auto => "images as the terminal can",
        ImagesMode::Halfblocks => "images as half blocks",
        ImagesMode::Off => "no images",
    };
    Check::ok(NAME, format!("{kind}{size}, {symbols}, {colors}, {images}"))
}
