//! Builds the Temporal engine from the configuration, and the errors of a build without it.

use super::WiringError;
use crate::config::Config;
#[cfg(not(feature = "temporal"))]
use crate::config::Key;
#[cfg(feature = "temporal")]
use crate::config::StoreKind;
#[cfg(feature = "temporal")]
use crate::engine::temporal::{self, TemporalOptions};
use crate::engine::{EngineHandle, Ports, Settings, TemporalSurvey, WorkerLock};
#[cfg(feature = "temporal")]
use crate::jobs::sha256_hex;

/// An engine whose jobs are Temporal workflows; it connects in the background. Needs a tokio runtime.
#[cfg(feature = "temporal")]
pub(super) fn start(
    config: &Config,
    ports: Ports,
    settings: Settings,
    lock: WorkerLock,
) -> Result<EngineHandle, WiringError> {
    Ok(temporal::start(ports, settings, lock, options(config)?))
}

/// Who polls the task queue, and which workflows of other programs are open.
#[cfg(feature = "temporal")]
pub(super) async fn survey(config: &Config) -> Result<TemporalSurvey, String> {
    let options = options(config).map_err(|error| error.to_string())?;
    temporal::survey(&options).await
}

#[cfg(feature = "temporal")]
fn options(config: &Config) -> Result<TemporalOptions, WiringError> {
    let mut options = TemporalOptions::from_variables(&config.temporal.variables)?;
    options.task_queue.clone_from(&config.temporal.queue);
    options.rate = config.temporal.rate;
    if let Some(heartbeat) = config.temporal.heartbeat {
        options.heartbeat = heartbeat;
    }
    options.store_fingerprint = store_fingerprint(config);
    Ok(options)
}

/// A fingerprint that differs between stores and does not reveal their place. Embedded stores at the same path on two machines
/// have the same fingerprint.
#[cfg(feature = "temporal")]
fn store_fingerprint(config: &Config) -> String {
    let location = match config.store {
        StoreKind::Sqlite => config.data_dir.display().to_string(),
        StoreKind::Firestore => {
            let google = &config.google;
            format!("{} {}", google.project.as_deref().unwrap_or_default(), google.database)
        }
    };
    format!("{}-{:.12}", config.store, sha256_hex(location.as_bytes()))
}

/// Fails: this build does not contain it.
#[cfg(not(feature = "temporal"))]
pub(super) fn start(config: &Config, _: Ports, _: Settings, _: WorkerLock) -> Result<EngineHandle, WiringError> {
    Err(config.feature_disabled(Key::Engine).into())
}

/// Fails: this build does not contain it.
#[cfg(not(feature = "temporal"))]
#[expect(clippy::unused_async, reason = "the same shape as with Temporal")]
pub(super) async fn survey(config: &Config) -> Result<TemporalSurvey, String> {
    Err(config.feature_disabled(Key::Engine).to_string())
}

#[cfg(all(test, feature = "temporal"))]
mod tests {
    #[test]
    fn default_queue_is_the_contracts() {
        assert_eq!(crate::config::DEFAULT_TEMPORAL_QUEUE, crate::engine::temporal::DEFAULT_TASK_QUEUE);
    }
}
