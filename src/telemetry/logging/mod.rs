//! Logging: JSON lines in daily files, and the newest lines in the console's log pane.
//!
//! Jobs are known only as the fields `job` and `attempt` of an event or of the spans around it. Keys are never logged by design;
//! the redactor is only the last line of defence.

mod layer;
mod line;
mod redactor;
mod sinks;

use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tokio::sync::mpsc;
use tracing::Level;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, WorkerGuard};
use tracing_appender::rolling::{InitError, RollingFileAppender, Rotation};
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::{EnvFilter, Registry};

use self::layer::LineLayer;
use self::redactor::Redactor;
use self::sinks::{ConsoleSink, FileSink, JsonSink, Sink, TerminalSink};

/// Lines that are queued for the log pane; further ones are dropped and counted.
const PANE_QUEUE: usize = 2_048;

/// One line of the log pane. Texts are sanitized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// When.
    pub at: DateTime<Utc>,
    /// Severity.
    pub level: Level,
    /// The field `job` of the event or of a span around it.
    pub job: Option<String>,
    /// The field `attempt`.
    pub attempt: Option<u32>,
    /// The process that wrote it, where that is known.
    pub pid: Option<u32>,
    /// The message; other fields are appended as `name=value`.
    pub message: String,
}

/// A destination in addition to the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtraSink {
    /// No other destination.
    None,
    /// Standard error, as text.
    Terminal,
    /// Standard error, as JSON lines.
    Json,
    /// The console's log pane.
    Console,
}

/// Settings of logging.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Directory of the files.
    pub folder: PathBuf,
    /// Daily files that are kept, at least 1.
    pub days: usize,
    /// A level, or filter directives.
    pub filter: String,
    /// Texts that must never appear in a line.
    pub secrets: Vec<SecretString>,
}

/// Keeps the file writer alive; dropping it writes the remaining lines.
#[derive(Debug)]
pub struct LoggingGuard {
    files: Option<(WorkerGuard, ErrorCounter)>,
    /// Problems of the setup, one line each. The program continues without that part.
    pub warnings: Vec<String>,
}

impl LoggingGuard {
    /// Lines that are not in the files because the disk was too slow.
    pub fn lost_lines(&self) -> usize {
        self.files.as_ref().map_or(0, |(_, lost)| lost.dropped_lines())
    }
}

/// Sets up logging for the process, once. `ExtraSink::Console` returns a receiver.
pub fn init(options: LogOptions, extra: ExtraSink) -> (LoggingGuard, Option<mpsc::Receiver<LogRecord>>) {
    let mut guard = LoggingGuard { files: None, warnings: Vec::new() };
    // The log pane can show every level of darkroom's lines; the files keep the configured one.
    let file_level = options.filter.trim().parse::<Level>().ok();
    let text = if extra == ExtraSink::Console && file_level.is_some() { "trace" } else { &options.filter };
    let (filter, warning) = filter(text);
    guard.warnings.extend(warning);
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    match daily_files(&options.folder, options.days) {
        Ok(files) => {
            let (writer, worker) = NonBlocking::new(files);
            guard.files = Some((worker, writer.error_counter()));
            sinks.push(Box::new(FileSink::new(writer, file_level.unwrap_or(Level::TRACE))));
        }
        Err(why) => guard
            .warnings
            .push(format!("no log files: {} is not writable ({why}); set DARKROOM_LOG_DIR", options.folder.display())),
    }
    let mut receiver = None;
    match extra {
        ExtraSink::None => {}
        ExtraSink::Terminal => sinks.push(Box::new(TerminalSink::new(io::stderr()))),
        ExtraSink::Json => sinks.push(Box::new(JsonSink::new(io::stderr()))),
        ExtraSink::Console => {
            let (sender, records) = mpsc::channel(PANE_QUEUE);
            sinks.push(Box::new(ConsoleSink::new(sender)));
            receiver = Some(records);
        }
    }
    let redactor = Redactor::new(options.secrets);
    if tracing::subscriber::set_global_default(subscriber(filter, redactor, sinks)).is_err() {
        guard.warnings.push("logging is already set up; keeping the first setup".to_owned());
    }
    (guard, receiver)
}

fn subscriber(
    filter: EnvFilter,
    redactor: Redactor,
    sinks: Vec<Box<dyn Sink>>,
) -> Layered<LineLayer, Layered<EnvFilter, Registry>> {
    tracing_subscriber::registry().with(filter).with(LineLayer::new(redactor, sinks))
}

/// A single level applies to darkroom, with warnings of all other crates; anything else is parsed as filter directives.
fn filter(text: &str) -> (EnvFilter, Option<String>) {
    // Firestore's client logs each failed request without a message; darkroom's own lines explain it.
    let quiet = |level: &str| format!("warn,gcloud_sdk::middleware=off,darkroom={level}");
    let directives = match text.trim().to_ascii_lowercase().as_str() {
        "off" => "off".to_owned(),
        level @ ("trace" | "debug" | "info" | "warn" | "error") => quiet(level),
        _ => text.trim().to_owned(),
    };
    match EnvFilter::builder().parse(&directives) {
        Ok(filter) => (filter, None),
        Err(why) => (
            EnvFilter::new(quiet("info")),
            Some(format!("DARKROOM_LOG {text:?} is not a valid filter ({why}); using info")),
        ),
    }
}

/// Daily files such as `darkroom.2026-11-22.jsonl`; the oldest are removed.
fn daily_files(folder: &Path, days: usize) -> Result<RollingFileAppender, String> {
    let reason = |why: InitError| std::error::Error::source(&why).map_or_else(|| why.to_string(), ToString::to_string);
    // Otherwise the appender would report a missing directory on standard error, in the middle of the output.
    std::fs::create_dir_all(folder).map_err(|why| why.to_string())?;
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("darkroom")
        .filename_suffix("jsonl")
        .max_log_files(days)
        .build(folder)
        .map_err(reason)
}

#[cfg(test)]
mod tests;
