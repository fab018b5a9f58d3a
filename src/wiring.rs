//! temp
use crate::config::{Config, ConfigError};
use crate::engine::{Mode, Ports, Settings};
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};
use std::sync::Arc;

/// e
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// c
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// s
    #[error(transparent)]
    Store(#[from] StoreError),
    /// j
    #[error("opening was stopped: {0}")]
    Stopped(#[from] tokio::task::JoinError),
}
/// w
pub struct Wired {
    /// p
    pub ports: Ports,
}
/// s
pub async fn open_store(config: &Config) -> Result<Arc<dyn Store>, WiringError> {
    config.require_built_in()?;
    let path = config.data_dir.join("darkroom.db");
    let store = tokio::task::spawn_blocking(move || SqliteStore::open(&path)).await??;
    Ok(Arc::new(store))
}
/// p
pub async fn open_ports(_config: &Config, _store: Arc<dyn Store>) -> Result<Wired, WiringError> {
    Err(WiringError::Config(ConfigError::NoDataDir))
}
/// s
pub fn settings(config: &Config, mode: Mode, report: bool) -> Settings {
    Settings {
        slots: config.slots,
        budget: config.budget,
        simulated: config.is_simulated(),
        mode,
        report,
        ..Settings::default()
    }
}
