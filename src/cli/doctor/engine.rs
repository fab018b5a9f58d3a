//! Owns the check of the server that gives out the work, where one does. Must not start a worker.

use super::Check;
use crate::config::Config;
use crate::wiring;

/// Whether it answers, and who works; `None` where jobs run in the process that begins them.
pub async fn check(config: &Config) -> Option<Check> {
    const NAME: &str = "temporal";
    let advice = "check TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and the key or the certificates; on one machine: \
                  `temporal server start-dev`, or work without it: DARKROOM_ENGINE=local";
    Some(match wiring::probe_engine(config).await? {
        Ok(line) => Check::ok(NAME, line),
        Err(why) => Check::problem(NAME, why, advice),
    })
}
