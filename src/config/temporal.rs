//! Settings of Temporal, under the names of Temporal's own client. Keys are never shown.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

use crate::text::sanitize_line;

/// The prefix of Temporal's variables.
pub(super) const PREFIX: &str = "TEMPORAL_";

/// The task queue of the data contract.
pub const DEFAULT_QUEUE: &str = "image-generation-queue";

/// Longest name of a task queue in bytes, below the servers' default limit.
const MAX_QUEUE_BYTES: usize = 200;

/// Settings of Temporal; used only with `engine = temporal`.
#[derive(Clone, Default)]
pub struct TemporalSettings {
    /// `TEMPORAL_*` variables for Temporal's client, from all layers.
    pub variables: HashMap<String, String>,
    /// `TEMPORAL_API_KEY`, for redaction of log lines.
    pub api_key: Option<SecretString>,
    /// `DARKROOM_TEMPORAL_QUEUE`: the task queue that workflows and workers share.
    pub queue: String,
    /// `DARKROOM_TEMPORAL_RATE`: activities per second of the whole task queue.
    pub rate: Option<f64>,
    /// `DARKROOM_TEMPORAL_HEARTBEAT_SECONDS`: silence after which a worker counts as dead.
    pub heartbeat: Option<Duration>,
}

impl fmt::Debug for TemporalSettings {
    /// Names only, because some values are keys.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<&String> = self.variables.keys().collect();
        names.sort();
        let mut shown = formatter.debug_struct("TemporalSettings");
        shown
            .field("variables", &names)
            .field("queue", &self.queue)
            .field("rate", &self.rate)
            .field("heartbeat", &self.heartbeat);
        shown.finish_non_exhaustive()
    }
}

/// The name of a task queue.
pub(super) fn queue(text: &str) -> Result<String, String> {
    let name = text.trim();
    let is_valid = !name.is_empty()
        && name.len() <= MAX_QUEUE_BYTES
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
        && !name.starts_with("__temporal");
    if is_valid {
        return Ok(name.to_owned());
    }
    let shown = sanitize_line(text, 40);
    Err(format!(
        "'{shown}' is not a task queue: use up to {MAX_QUEUE_BYTES} letters, digits and the characters - _ . :"
    ))
}

/// A rate per second, above 0.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| format!("'{}' is not a number above 0", sanitize_line(text, 40)))
}
