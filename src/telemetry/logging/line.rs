//! One log line: an event together with the fields of the spans around it.

use std::fmt::{self, Write as _};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};

use super::LogRecord;
use super::redactor::Redactor;
use crate::text::sanitize_line;

/// Longest displayed job id, in characters.
const MAX_JOB: usize = 128;
/// Longest displayed message, in characters.
const MAX_MESSAGE: usize = 1_000;

/// Named values of an event or span; the newest of each name.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    values: Vec<(&'static str, Value)>,
}

impl Fields {
    fn set(&mut self, name: &'static str, value: Value) {
        match self.values.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.values.push((name, value)),
        }
    }

    /// Adds the fields of `inner`, which win.
    pub fn extend(&mut self, inner: &Self) {
        for (name, value) in &inner.values {
            self.set(name, value.clone());
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let index = self.values.iter().position(|(known, _)| *known == name)?;
        Some(self.values.remove(index).1)
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), Value::from(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), Value::from(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), Value::from(format!("{value:?}")));
    }
}

/// One log line without secrets. Texts are sanitized only when they are displayed.
#[derive(Debug, Clone)]
pub struct Line {
    at: DateTime<Utc>,
    level: Level,
    target: String,
    message: String,
    job: Option<String>,
    attempt: Option<u32>,
    rest: Vec<(&'static str, Value)>,
}

impl Line {
    /// Builds a line from the fields of the event and its spans.
    pub fn new(at: DateTime<Utc>, metadata: &Metadata<'_>, mut fields: Fields, redactor: &Redactor) -> Self {
        for (_, value) in &mut fields.values {
            if let Value::String(text) = value {
                *text = redactor.redact(std::mem::take(text));
            }
        }
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let message = fields.take("message").map(text).unwrap_or_default();
        let job = fields.take("job").map(text);
        let attempt = fields.take("attempt").and_then(|value| match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64().and_then(|number| u32::try_from(number).ok()),
        });
        let target = metadata.target().to_owned();
        Self { at, level: *metadata.level(), target, message, job, attempt, rest: fields.values }
    }

    /// Whether the line belongs into files of that level. Lines of other crates are few, and all of them do.
    pub fn passes(&self, level: Level) -> bool {
        self.level <= level || !self.target.starts_with("darkroom")
    }

    /// The line for the log pane.
    pub fn record(&self) -> LogRecord {
        LogRecord {
            at: self.at,
            level: self.level,
            job: self.job.as_deref().map(|job| sanitize_line(job, MAX_JOB)),
            attempt: self.attempt,
            pid: Some(std::process::id()),
            message: sanitize_line(&self.text(), MAX_MESSAGE),
        }
    }

    /// The line for a terminal, with its line break.
    pub fn for_terminal(&self) -> String {
        let mut line =
            format!("{} {:5} {}", self.at.format("%H:%M:%S%.3f"), self.level, sanitize_line(&self.text(), MAX_MESSAGE));
        if let Some(job) = &self.job {
            let _ = write!(line, " job={}", sanitize_line(job, MAX_JOB));
        }
        if let Some(attempt) = self.attempt {
            let _ = write!(line, " attempt={attempt}");
        }
        line.push('\n');
        line
    }

    fn text(&self) -> String {
        let mut text = self.message.clone();
        for (name, value) in &self.rest {
            let _ = match value {
                Value::String(value) => write!(text, " {name}={value}"),
                other => write!(text, " {name}={other}"),
            };
        }
        text
    }
}

/// The JSON line for the files. A field with a reserved name becomes `field.NAME`.
impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &self.at.to_rfc3339_opts(SecondsFormat::Micros, true))?;
        map.serialize_entry("level", self.level.as_str())?;
        if let Some(job) = &self.job {
            map.serialize_entry("job", job)?;
        }
        if let Some(attempt) = &self.attempt {
            map.serialize_entry("attempt", attempt)?;
        }
        map.serialize_entry("message", &self.message)?;
        map.serialize_entry("target", &self.target)?;
        for (name, value) in &self.rest {
            if matches!(*name, "timestamp" | "level" | "target" | "pid") {
                map.serialize_entry(&format!("field.{name}"), value)?;
            } else {
                map.serialize_entry(name, value)?;
            }
        }
        map.serialize_entry("pid", &std::process::id())?;
        map.end()
    }
}
