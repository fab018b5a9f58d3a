//! Owns where log lines go: JSON lines on disk, and the newest ones to the console's log pane. Must not know jobs or stores.

use chrono::{DateTime, Utc};

/// One log line for the log pane. Texts are cleaned of control characters before they are in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// When.
    pub at: DateTime<Utc>,
    /// How loud.
    pub level: tracing::Level,
    /// The job it is about, if it is about one (the field `job` of the line or of a span around it).
    pub job: Option<String>,
    /// The attempt it is about (the field `attempt`).
    pub attempt: Option<u32>,
    /// The line, other fields appended as `name=value`.
    pub message: String,
}
