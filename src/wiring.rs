//! Owns which adapters a configuration means: the only file that names them. Must not decide anything else.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;

use crate::bucket::folder::FolderBucket;
use crate::bucket::{Bucket, BucketError};
use crate::config::{Config, ConfigError, ProviderKind, SimulatorSpeed};
use crate::engine::{Mode, Ports, Settings, SystemClock};
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
    /// A fault of the simulator that is none.
    #[error("simulator_faults: {0}")]
    Fault(#[from] InvalidFault),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bucket cannot be opened.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// There is no client of the FLUX API.
    #[error(transparent)]
    Client(#[from] FluxClientError),
    /// There is no simulator.
    #[error(transparent)]
    Simulator(#[from] SimulatorError),
    /// A thread that opened a file broke.
    #[error("opening was stopped: {0}")]
    Stopped(#[from] tokio::task::JoinError),
}

/// Everything that an engine needs, and what must live as long as it.
pub struct Wired {
    /// The ports.
    pub ports: Ports,
    // Serves for as long as this value lives, unless another process of the same data directory serves already.
    _simulator: Option<SharedSimulator>,
}

/// Where job documents are kept.
pub async fn open_store(config: &Config) -> Result<Arc<dyn Store>, WiringError> {
    config.require_built_in()?;
    let path = config.data_dir.join("darkroom.db");
    let store = tokio::task::spawn_blocking(move || SqliteStore::open(&path)).await??;
    Ok(Arc::new(store))
}

/// Where pictures are kept.
pub async fn open_bucket(config: &Config) -> Result<Arc<dyn Bucket>, WiringError> {
    config.require_built_in()?;
    let folder = config.data_dir.join("pictures");
    let bucket = tokio::task::spawn_blocking(move || FolderBucket::open(&folder)).await??;
    Ok(Arc::new(bucket))
}
