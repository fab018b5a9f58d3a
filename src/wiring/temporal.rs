//! Owns how a configuration means Temporal, and what is said in a build without it. Must not be named by anybody but its parent.

use super::WiringError;
use crate::config::Config;
#[cfg(not(feature = "temporal"))]
use crate::config::Key;
#[cfg(feature = "temporal")]
use crate::config::StoreKind;
#[cfg(feature = "temporal")]
use crate::engine::temporal::{self, TemporalOptions};
use crate::engine::{EngineHandle, Ports, Settings, WorkerLock};
#[cfg(feature = "temporal")]
use crate::jobs::sha256_hex;

/// An engine whose jobs are workflows; it connects in the background. Must be called within a tokio runtime.
#[cfg(feature = "temporal")]
pub(super) fn start(
    config: &Config,
    ports: Ports,
    settings: Settings,
    worker_lock: WorkerLock,
) -> Result<EngineHandle, WiringError> {
    Ok(temporal::start(ports, settings, worker_lock, options(config)?))
}

/// Whether the server answers and somebody works: one clean line either way.
#[cfg(feature = "temporal")]
pub(super) async fn probe(config: &Config) -> Result<String, String> {
    let options = options(config).map_err(|error| error.to_string())?;
    temporal::probe(&options).await
}

#[cfg(feature = "temporal")]
fn options(config: &Config) -> Result<TemporalOptions, WiringError> {
    let mut options = TemporalOptions::from_variables(&config.temporal.variables)?;
    options.rate = config.temporal.rate;
    if let Some(heartbeat) = config.temporal.heartbeat {
        options.heartbeat = heartbeat;
    }
    options.store_fingerprint = store_fingerprint(config);
    Ok(options)
}

/// Distinguishes two stores without revealing their location. Two machines whose embedded stores have the same path have the same
/// fingerprint.
#[cfg(feature = "temporal")]
fn store_fingerprint(config: &Config) -> String {
    let place = match config.store {
        StoreKind::Sqlite => config.data_dir.display().to_string(),
        StoreKind::Firestore => {
            let google = &config.google;
            format!("{} {}", google.project.as_deref().unwrap_or_default(), google.database)
        }
    };
    format!("{}-{:.12}", config.store, sha256_hex(place.as_bytes()))
}

/// That there is none in this build.
#[cfg(not(feature = "temporal"))]
pub(super) fn start(config: &Config, _: Ports, _: Settings, _: WorkerLock) -> Result<EngineHandle, WiringError> {
    Err(config.left_out(Key::Engine).into())
}

/// That there is none in this build.
#[cfg(not(feature = "temporal"))]
#[expect(clippy::unused_async, reason = "the same shape as with Temporal")]
pub(super) async fn probe(config: &Config) -> Result<String, String> {
    Err(config.left_out(Key::Engine).to_string())
}
