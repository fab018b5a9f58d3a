//! Owns the settings of Temporal under the names that Temporal gave them. Must not know a client, and must not show a key.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

use crate::text::sanitize_line;

/// What Temporal's variables begin with.
pub(super) const PREFIX: &str = "TEMPORAL_";

/// Everything about Temporal that can be configured; used only where it runs the workflows.
#[derive(Clone, Default)]
pub struct TemporalSettings {
    /// `TEMPORAL_*` as Temporal's own client reads them, from whichever layer.
    pub variables: HashMap<String, String>,
    /// `TEMPORAL_API_KEY`, so that it can be kept out of log lines.
    pub api_key: Option<SecretString>,
    /// `DARKROOM_TEMPORAL_RATE`: activities a second of the whole task queue.
    pub rate: Option<f64>,
    /// `DARKROOM_TEMPORAL_HEARTBEAT_SECONDS`: silence after which a worker is taken for dead.
    pub heartbeat: Option<Duration>,
}

impl fmt::Debug for TemporalSettings {
    /// Names only: some of the values are keys.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<&String> = self.variables.keys().collect();
        names.sort();
        let mut shown = formatter.debug_struct("TemporalSettings");
        shown.field("variables", &names).field("rate", &self.rate).field("heartbeat", &self.heartbeat);
        shown.finish_non_exhaustive()
    }
}

/// Something a second, above nothing.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| format!("'{}' is not a number above 0", sanitize_line(text, 40)))
}
