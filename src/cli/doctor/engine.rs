//! The check of the Temporal server.

use super::Check;
use crate::config::Config;
use crate::wiring;

/// Checks the server and its workers; `None` with the local engine.
pub async fn check(config: &Config) -> Option<Check> {
    const NAME: &str = "temporal";
    let advice = "check TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and the key or the certificates; start a local server with \
                  `temporal server start-dev`, or use DARKROOM_ENGINE=local";
    Some(match wiring::probe_engine(config).await? {
        Ok(line) => Check::ok(NAME, line),
        Err(why) => Check::problem(NAME, why, advice),
    })
}
