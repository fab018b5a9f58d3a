//! One line of a log file.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::telemetry::logging::LogRecord;
use crate::text::sanitize_line;

/// Longest displayed message, in characters.
const MAX_MESSAGE: usize = 1_000;

/// Longest displayed job id, in characters.
const MAX_JOB: usize = 128;

/// One line of a log file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileLine {
    /// For display.
    pub record: LogRecord,
    /// All fields as they are in the file.
    pub fields: Map<String, Value>,
}

impl FileLine {
    /// Parses a line; `None` for one that this program did not write.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let fields: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let number =
            |name: &str| fields.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
        let mut message = text("message").unwrap_or_default().to_owned();
        for (name, value) in &fields {
            if ["timestamp", "level", "job", "attempt", "message", "target", "pid"].contains(&name.as_str()) {
                continue;
            }
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            // Writing into a string does not fail.
            let _ = write!(message, " {name}={value}");
        }
        let record = LogRecord {
            at: DateTime::parse_from_rfc3339(text("timestamp")?).ok()?.with_timezone(&Utc),
            level: text("level")?.parse().ok()?,
            job: text("job").map(|job| sanitize_line(job, MAX_JOB)),
            attempt: number("attempt"),
            pid: number("pid"),
            message: sanitize_line(&message, MAX_MESSAGE),
        };
        Some(Self { record, fields })
    }

    /// `12:04:31.201 INFO  message job=… attempt=1`.
    pub fn for_terminal(&self) -> String {
        let record = &self.record;
        let mut line = format!("{} {:5} {}", record.at.format("%Y-%m-%dT%H:%M:%S%.3fZ"), record.level, record.message);
        if let Some(job) = &record.job {
            let _ = write!(line, " job={job}");
        }
        if let Some(attempt) = record.attempt {
            let _ = write!(line, " attempt={attempt}");
        }
        line
    }
}
