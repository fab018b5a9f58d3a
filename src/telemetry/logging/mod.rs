//! Where log lines go: JSON lines on disk, one file a day, and the newest ones to the console's log pane.
//!
//! Must not know jobs or stores: the fields `job` and `attempt` of a line, or of the spans around it, are all that it knows of
//! them. Keys are never logged by design; here is only the last line of defence.

mod layer;
mod line;
mod redactor;
mod sinks;

use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tokio::sync::mpsc;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, WorkerGuard};
use tracing_appender::rolling::{InitError, RollingFileAppender, Rotation};
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::{EnvFilter, Registry};

use self::layer::LineLayer;
use self::redactor::Redactor;
use self::sinks::{ConsoleSink, FileSink, Sink, TerminalSink};

/// How many lines wait for the log pane before the newest are dropped (and counted).
const PANE_LINES: usize = 2_048;

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

/// Where lines go besides the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// Nowhere.
    Nothing,
    /// Standard error, for people.
    Terminal,
    /// The console's log pane.
    Console,
}

/// Makes one line, of so many characters at most, of text that strangers wrote.
pub type Cleaner = fn(&str, usize) -> String;

/// How logging is wanted.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Where the files are.
    pub folder: PathBuf,
    /// How many daily files are kept, at least 1.
    pub days: usize,
    /// A level, or filter directives.
    pub filter: String,
    /// What must not be in a line, whatever happens.
    pub secrets: Vec<SecretString>,
    /// How lines are cleaned before they are shown; on disk, JSON escapes them.
    pub clean: Cleaner,
}

/// Keeps the writer of the files alive; what was not written yet is written when it is dropped.
#[derive(Debug)]
pub struct LoggingGuard {
    files: Option<(WorkerGuard, ErrorCounter)>,
    /// What went wrong while logging was set up, one clear line each. The program goes on without that part.
    pub warnings: Vec<String>,
}

impl LoggingGuard {
    /// Lines that came faster than the disk took them and are not in the files.
    pub fn lost_lines(&self) -> usize {
        self.files.as_ref().map_or(0, |(_, lost)| lost.dropped_lines())
    }
}

/// Sets up logging for the process, once. The receiver is there for `Beside::Console`.
pub fn init(options: LogOptions, beside: Beside) -> (LoggingGuard, Option<mpsc::Receiver<LogRecord>>) {
    let mut guard = LoggingGuard { files: None, warnings: Vec::new() };
    let (filter, warning) = filter(&options.filter);
    guard.warnings.extend(warning);
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    match daily_files(&options.folder, options.days) {
        Ok(files) => {
            let (writer, worker) = NonBlocking::new(files);
            guard.files = Some((worker, writer.error_counter()));
            sinks.push(Box::new(FileSink::new(writer)));
        }
        Err(why) => guard.warnings.push(format!(
            "no log files: {} cannot be written ({why}); set DARKROOM_LOG_DIR",
            options.folder.display()
        )),
    }
    let mut receiver = None;
    match beside {
        Beside::Nothing => {}
        Beside::Terminal => sinks.push(Box::new(TerminalSink::new(io::stderr(), options.clean))),
        Beside::Console => {
            let (sender, records) = mpsc::channel(PANE_LINES);
            sinks.push(Box::new(ConsoleSink::new(sender, options.clean)));
            receiver = Some(records);
        }
    }
    let redactor = Redactor::new(options.secrets);
    if tracing::subscriber::set_global_default(subscriber(filter, redactor, sinks)).is_err() {
        guard.warnings.push("logging was set up already; the first set-up stays".to_owned());
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

/// A level alone is this program's level, with warnings of everybody else; anything longer is taken as filter directives.
fn filter(text: &str) -> (EnvFilter, Option<String>) {
    // The client of Firestore tells each failed request as an error without a word; our own lines say what it means.
    let quiet = |level: &str| format!("warn,gcloud_sdk::middleware=off,darkroom={level}");
    let directives = match text.trim().to_ascii_lowercase().as_str() {
        "off" => "off".to_owned(),
        level @ ("trace" | "debug" | "info" | "warn" | "error") => quiet(level),
        _ => text.trim().to_owned(),
    };
    match EnvFilter::builder().parse(&directives) {
        Ok(filter) => (filter, None),
        Err(why) => {
            (EnvFilter::new(quiet("info")), Some(format!("DARKROOM_LOG {text:?} is no filter ({why}): info is used")))
        }
    }
}

/// `darkroom.2026-11-22.jsonl` and its neighbours, the oldest removed.
fn daily_files(folder: &Path, days: usize) -> Result<RollingFileAppender, String> {
    let reason = |why: InitError| std::error::Error::source(&why).map_or_else(|| why.to_string(), ToString::to_string);
    // The appender would complain about a missing folder on standard error, in the middle of somebody's output.
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
