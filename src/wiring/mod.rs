//! Builds the adapters that a configuration names: the only room that names adapters.

mod credentials;
mod google;
mod operator;
mod temporal;

use std::sync::Arc;

use secrecy::SecretString;
use tokio::task::{JoinError, spawn_blocking};
use url::Url;

use crate::bucket::folder::FolderBucket;
use crate::bucket::{Bucket, BucketError};
use crate::config::{BucketKind, Config, ConfigError, EngineKind, ProviderKind, StoreKind};
use crate::costs::Usd;
use crate::engine::{EngineHandle, EventDetail, Mode, Ports, Settings, TemporalSurvey, WorkerLock, local};
use crate::time::SystemClock;
pub use credentials::{CredentialsError, Identity, identity};
pub use google::{StoreHealth, store_health};
pub use operator::operator;

pub use crate::provider::CreditsError;
use crate::provider::bfl::{FluxClient, FluxClientError, FluxOptions};
use crate::provider::{MAX_IMAGE_BYTES, Provider};
use crate::simulator::{self, Faults, InvalidFault, SharedSimulator, SimulatorError, SimulatorOptions};
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};

/// Why the configured parts cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// The configuration is incomplete.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bucket cannot be opened.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The credentials for Google cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The client of the FLUX API cannot be created.
    #[error(transparent)]
    Client(#[from] FluxClientError),
    /// An invalid fault of the simulator.
    #[error("simulator_faults: {0}")]
    Fault(#[from] InvalidFault),
    /// The simulator cannot be started.
    #[error(transparent)]
    Simulator(#[from] SimulatorError),
    /// The Temporal settings are invalid.
    #[cfg(feature = "temporal")]
    #[error(transparent)]
    Temporal(#[from] crate::engine::temporal::InvalidProfile),
    /// A thread that opened a file crashed.
    #[error("cannot open a file: the task was aborted: {0}")]
    Stopped(#[from] JoinError),
}

impl WiringError {
    /// Whether the same call may succeed later without a change of the configuration.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Bucket(_) | Self::Store(StoreError::Unavailable(_) | StoreError::NotOwned))
    }
}

/// What a provider is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessMode {
    /// Requests are submitted: the real API needs its key.
    Submit,
    /// Nothing is submitted: the key is optional.
    ReadOnly,
}

/// A provider, and the simulator where it is one.
pub struct ConnectedProvider {
    /// The port.
    pub provider: Arc<dyn Provider>,
    /// Its address.
    pub address: Url,
    simulator: Option<SharedSimulator>,
}

/// The adapters of an engine, and the simulator where it is used.
pub struct Adapters {
    /// The ports.
    pub ports: Ports,
    simulator: Option<SharedSimulator>,
}

impl ConnectedProvider {
    /// Closes this process's share in the simulator; other processes on the data directory keep using it.
    pub async fn close(self) {
        if let Some(simulator) = self.simulator {
            simulator.shutdown().await;
        }
    }
}

impl Adapters {
    /// Closes this process's share in the simulator; other processes on the data directory keep using it.
    pub async fn close(self) {
        if let Some(simulator) = self.simulator {
            simulator.shutdown().await;
        }
    }
}

/// Opens the store.
pub async fn open_store(config: &Config) -> Result<Arc<dyn Store>, WiringError> {
    config.require_built_in()?;
    match config.store {
        StoreKind::Sqlite => {
            let path = database_path(config);
            let store = spawn_blocking(move || SqliteStore::open(&path)).await??;
            Ok(Arc::new(store))
        }
        StoreKind::Firestore => google::store(config),
    }
}

/// Whether there is a store already: opening the embedded one creates it.
pub fn has_store(config: &Config) -> bool {
    config.store != StoreKind::Sqlite || database_path(config).exists()
}

/// Opens the store for a command that changes it. Errors: `NotOwned` where it holds documents of another backend and was not taken
/// over.
pub async fn open_store_for_changes(config: &Config) -> Result<Arc<dyn Store>, WiringError> {
    let store = open_store(config).await?;
    store.require_ownership().await?;
    Ok(store)
}

/// Checks the structure of the embedded database; nothing to check for a shared store.
pub async fn verify_store(config: &Config) -> Result<(), WiringError> {
    if config.store == StoreKind::Sqlite {
        let path = database_path(config);
        spawn_blocking(move || SqliteStore::verify(&path)).await??;
    }
    Ok(())
}

fn database_path(config: &Config) -> std::path::PathBuf {
    config.data_dir.join("darkroom.db")
}

/// Opens the bucket.
pub async fn open_bucket(config: &Config) -> Result<Arc<dyn Bucket>, WiringError> {
    config.require_built_in()?;
    match config.bucket {
        BucketKind::Folder => {
            let folder = config.data_dir.join("pictures");
            let bucket = spawn_blocking(move || FolderBucket::open(&folder)).await??;
            Ok(Arc::new(bucket))
        }
        BucketKind::Gcs => google::bucket(config).await,
    }
}

/// The most that storing one image costs, where the configured bucket costs money: a submit sets it aside. Opens nothing.
pub fn storage_bound(config: &Config) -> Option<Usd> {
    match config.bucket {
        BucketKind::Folder => None,
        BucketKind::Gcs => google::storage_price(MAX_IMAGE_BYTES as u64),
    }
}

/// Connects the provider: the real API, or the simulator of this data directory, which is started where none runs.
pub async fn open_provider(config: &Config, access: AccessMode) -> Result<ConnectedProvider, WiringError> {
    let (address, key, simulator) = match config.provider {
        ProviderKind::Bfl => {
            let key = match access {
                AccessMode::Submit => Some(config.api_key()?.clone()),
                AccessMode::ReadOnly => config.bfl_api_key.clone(),
            };
            (config.bfl_api_url.clone(), key, None)
        }
        ProviderKind::Simulator => {
            let simulator = simulator::shared(&config.data_dir, simulator_options(config)?).await?;
            // Never the real key: the simulator accepts any.
            (simulator.base_url(), Some(SecretString::from("simulated")), Some(simulator))
        }
    };
    let mut options = FluxOptions::new(address.clone(), key);
    options.submit_timeout = Settings::default().with_lease(config.lease).submit_timeout;
    Ok(ConnectedProvider { provider: Arc::new(FluxClient::new(options)?), address, simulator })
}

/// Opens all ports of an engine around an open store.
pub async fn open_ports(config: &Config, store: Arc<dyn Store>, access: AccessMode) -> Result<Adapters, WiringError> {
    let bucket = open_bucket(config).await?;
    let ConnectedProvider { provider, simulator, .. } = open_provider(config, access).await?;
    let clock = Arc::new(SystemClock);
    Ok(Adapters { ports: Ports { provider, store, bucket, clock }, simulator })
}

/// The simulator's options. Errors: `Fault`.
pub fn simulator_options(config: &Config) -> Result<SimulatorOptions, WiringError> {
    let faults: Result<Faults, InvalidFault> =
        config.simulator_faults.iter().map(|fault| Faults::parse_flag(fault)).collect();
    Ok(SimulatorOptions { speed: config.simulator_speed, faults: faults?, ..SimulatorOptions::default() })
}

/// Starts the configured engine. Needs a tokio runtime.
pub fn start_engine(
    config: &Config,
    ports: Ports,
    settings: Settings,
    lock: WorkerLock,
) -> Result<EngineHandle, WiringError> {
    match config.engine {
        EngineKind::Local => Ok(local::start(ports, settings, lock)),
        EngineKind::Temporal => temporal::start(config, ports, settings, lock),
    }
}

/// Who polls the Temporal task queue, and which workflows of other programs are open; an error is one line. `None` where no
/// Temporal server is configured: the engine is the local one, and neither `TEMPORAL_ADDRESS` nor `TEMPORAL_PROFILE` is set.
pub async fn survey_temporal(config: &Config) -> Option<Result<TemporalSurvey, String>> {
    let is_named =
        ["TEMPORAL_ADDRESS", "TEMPORAL_PROFILE"].iter().any(|name| config.temporal.variables.contains_key(*name));
    if config.engine == EngineKind::Local && !is_named {
        return None;
    }
    Some(temporal::survey(config).await)
}

/// The settings of an engine.
pub fn settings(config: &Config, mode: Mode, detail: EventDetail) -> Settings {
    Settings {
        slots: config.slots,
        account_tasks: config.account_tasks,
        budget: config.budget,
        store_id: store_id(config),
        simulated: config.is_simulated(),
        simulate_external: config.simulate_external,
        mode,
        event_detail: detail,
        ..Settings::default()
    }
    .with_lease(config.lease)
}

/// Distinguishes the configured store from others that workers of the data directory may use.
pub fn store_id(config: &Config) -> String {
    match config.store {
        StoreKind::Sqlite => config.store.to_string(),
        StoreKind::Firestore => {
            let google = &config.google;
            let server = google.firestore_emulator.as_ref().map(|emulator| format!("@{emulator}")).unwrap_or_default();
            format!("{}:{}/{}{server}", config.store, google.project.as_deref().unwrap_or_default(), google.database)
        }
    }
}
