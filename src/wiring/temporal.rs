//! Owns how a configuration means Temporal, and what is said in a build without it. Must not be named by anybody but its parent.

use super::WiringError;
use crate::config::Config;
#[cfg(not(feature = "temporal"))]
use crate::config::Key;
#[cfg(feature = "temporal")]
use crate::engine::temporal::{self, TemporalOptions};
use crate::engine::{EngineHandle, Ports, Presence, Settings};

/// An engine whose jobs are workflows; it connects in the background. Must be called within a tokio runtime.
#[cfg(feature = "temporal")]
pub(super) fn start(
    config: &Config,
    ports: Ports,
    settings: Settings,
    presence: Presence,
) -> Result<EngineHandle, WiringError> {
    Ok(temporal::start(ports, settings, presence, options(config)?))
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
    Ok(options)
}

/// That there is none in this build.
#[cfg(not(feature = "temporal"))]
pub(super) fn start(config: &Config, _: Ports, _: Settings, _: Presence) -> Result<EngineHandle, WiringError> {
    Err(config.left_out(Key::Engine).into())
}

/// That there is none in this build.
#[cfg(not(feature = "temporal"))]
#[expect(clippy::unused_async, reason = "the same shape as with Temporal")]
pub(super) async fn probe(config: &Config) -> Result<String, String> {
    Err(config.left_out(Key::Engine).to_string())
}
