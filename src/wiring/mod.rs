//! Owns which adapters a configuration means: the only place that names them. Must not decide anything else.

mod credentials;
mod google;
mod temporal;

use std::sync::Arc;

use secrecy::SecretString;
use tokio::task::{JoinError, spawn_blocking};
use url::Url;

use crate::bucket::folder::FolderBucket;
use crate::bucket::{Bucket, BucketError};
use crate::config::{BucketKind, Config, ConfigError, EngineKind, ProviderKind, SimulatorSpeed, StoreKind};
use crate::engine::{EngineHandle, EventDetail, Mode, Ports, Settings, WorkerLock, local};
use crate::time::SystemClock;
pub use credentials::{CredentialsError, Identity, identity};
pub use google::{StoreHealth, store_health};

pub use crate::provider::CreditsError;
use crate::provider::Provider;
use crate::provider::bfl::{FluxClient, FluxClientError, FluxOptions};
use crate::simulator::{self, Faults, InvalidFault, SharedSimulator, SimulatorError, SimulatorOptions, Speed};
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};

/// Why the parts of a configuration cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// The configuration names what is not there.
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
    /// There is no client of the FLUX API.
    #[error(transparent)]
    Client(#[from] FluxClientError),
    /// A fault of the simulator that is none.
    #[error("simulator_faults: {0}")]
    Fault(#[from] InvalidFault),
    /// There is no simulator.
    #[error(transparent)]
    Simulator(#[from] SimulatorError),
    /// Temporal cannot be reached with what is configured.
    #[cfg(feature = "temporal")]
    #[error(transparent)]
    Temporal(#[from] crate::engine::temporal::InvalidProfile),
    /// A thread that opened a file broke.
    #[error("opening was stopped: {0}")]
    Stopped(#[from] JoinError),
}

/// What a provider is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Orders may be sent: the real API needs its key.
    Orders,
    /// Nothing is ordered: without a key, less is known.
    Looks,
}

/// A provider, and what must live as long as it.
pub struct WiredProvider {
    /// The port.
    pub provider: Arc<dyn Provider>,
    /// Where it is.
    pub address: Url,
    simulator: Option<SharedSimulator>,
}

/// Everything that an engine needs, and what must live as long as it.
pub struct Wired {
    /// The ports.
    pub ports: Ports,
    simulator: Option<SharedSimulator>,
}

impl WiredProvider {
    /// Ends this process's share in the simulator, where there is one; others on the data directory go on with it.
    pub async fn close(self) {
        if let Some(simulator) = self.simulator {
            simulator.shutdown().await;
        }
    }
}

impl Wired {
    /// Ends this process's share in the simulator, where there is one; others on the data directory go on with it.
    pub async fn close(self) {
        if let Some(simulator) = self.simulator {
            simulator.shutdown().await;
        }
    }
}

/// Where job documents are kept.
pub async fn open_store(config: &Config) -> Result<Arc<dyn Store>, WiringError> {
    config.require_built_in()?;
    match config.store {
        StoreKind::Sqlite => {
            let path = config.data_dir.join("darkroom.db");
            let store = spawn_blocking(move || SqliteStore::open(&path)).await??;
            Ok(Arc::new(store))
        }
        StoreKind::Firestore => google::store(config),
    }
}

/// Where images are kept.
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

/// Whoever makes the images: the real API, or the simulator of this data directory, which is started if none serves.
pub async fn open_provider(config: &Config, access: Access) -> Result<WiredProvider, WiringError> {
    let (address, key, simulator) = match config.provider {
        ProviderKind::Bfl => {
            let key = match access {
                Access::Orders => Some(config.api_key()?.clone()),
                Access::Looks => config.bfl_api_key.clone(),
            };
            (config.bfl_api_url.clone(), key, None)
        }
        ProviderKind::Simulator => {
            let simulator = simulator::shared(&config.data_dir, simulator_options(config)?).await?;
            // Never the real key: the simulator takes any.
            (simulator.base_url(), Some(SecretString::from("simulated")), Some(simulator))
        }
    };
    let mut options = FluxOptions::new(address.clone(), key);
    options.submit_timeout = Settings::default().with_lease(config.lease).submit_timeout;
    Ok(WiredProvider { provider: Arc::new(FluxClient::new(options)?), address, simulator })
}

/// All ports of an engine, around a store that is open.
pub async fn open_ports(config: &Config, store: Arc<dyn Store>, access: Access) -> Result<Wired, WiringError> {
    let bucket = open_bucket(config).await?;
    let WiredProvider { provider, simulator, .. } = open_provider(config, access).await?;
    let clock = Arc::new(SystemClock);
    Ok(Wired { ports: Ports { provider, store, bucket, clock }, simulator })
}

/// How the configuration wants the simulator. Errors: `Fault` for a fault that is none.
pub fn simulator_options(config: &Config) -> Result<SimulatorOptions, WiringError> {
    let speed = match config.simulator_speed {
        SimulatorSpeed::Instant => Speed::Instant,
        SimulatorSpeed::Times(times) => Speed::Times(times),
    };
    let faults: Result<Faults, InvalidFault> =
        config.simulator_faults.iter().map(|fault| Faults::parse_flag(fault)).collect();
    Ok(SimulatorOptions { speed, faults: faults?, ..SimulatorOptions::default() })
}

/// Starts the engine that the configuration names. Must be called within a tokio runtime.
pub fn start_engine(
    config: &Config,
    ports: Ports,
    settings: Settings,
    worker_lock: WorkerLock,
) -> Result<EngineHandle, WiringError> {
    match config.engine {
        EngineKind::Local => Ok(local::start(ports, settings, worker_lock)),
        EngineKind::Temporal => temporal::start(config, ports, settings, worker_lock),
    }
}

/// Whether the server that gives out the work answers, and who works: one clean line either way. `None` where none does.
pub async fn probe_engine(config: &Config) -> Option<Result<String, String>> {
    match config.engine {
        EngineKind::Local => None,
        EngineKind::Temporal => Some(temporal::probe(config).await),
    }
}

/// The settings of an engine.
pub fn settings(config: &Config, mode: Mode, event_detail: EventDetail) -> Settings {
    Settings {
        slots: config.slots,
        budget: config.budget,
        simulated: config.is_simulated(),
        mode,
        event_detail,
        ..Settings::default()
    }
    .with_lease(config.lease)
}
