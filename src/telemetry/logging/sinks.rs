//! Destinations of log lines. They never block and never log, because that would recurse.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::Utc;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tracing::Level;
use tracing_appender::non_blocking::NonBlocking;

use super::LogRecord;
use super::line::Line;

/// A destination of log lines.
pub trait Sink: Send + Sync + 'static {
    /// Writes one line without waiting.
    fn write(&self, line: &Line);
}

/// JSON lines for the thread that writes the files.
pub struct FileSink {
    writer: NonBlocking,
    level: Level,
}

impl FileSink {
    /// A sink for that thread, which takes darkroom's lines up to that level.
    pub fn new(writer: NonBlocking, level: Level) -> Self {
        Self { writer, level }
    }
}

impl Sink for FileSink {
    fn write(&self, line: &Line) {
        if !line.passes(self.level) {
            return;
        }
        if let Ok(mut bytes) = serde_json::to_vec(line) {
            bytes.push(b'\n');
            // One write is one line of the file, also with several writers. The writer counts dropped lines.
            let _ = self.writer.clone().write_all(&bytes);
        }
    }
}

/// Text lines.
pub struct TerminalSink<W> {
    writer: W,
}

impl<W> TerminalSink<W> {
    /// A sink for that stream.
    pub fn new(writer: W) -> Self {
        Self { writer }
    }
}

impl<W: Send + Sync + 'static> Sink for TerminalSink<W>
where
    for<'a> &'a W: Write,
{
    fn write(&self, line: &Line) {
        // A closed standard error leaves nowhere to report to.
        let _ = (&self.writer).write_all(line.for_terminal().as_bytes());
    }
}

/// JSON lines for a stream.
pub struct JsonSink<W> {
    writer: W,
}

impl<W> JsonSink<W> {
    /// A sink for that stream.
    pub fn new(writer: W) -> Self {
        Self { writer }
    }
}

impl<W: Send + Sync + 'static> Sink for JsonSink<W>
where
    for<'a> &'a W: Write,
{
    fn write(&self, line: &Line) {
        if let Ok(mut bytes) = serde_json::to_vec(line) {
            bytes.push(b'\n');
            // A closed standard error leaves nowhere to report to.
            let _ = (&self.writer).write_all(&bytes);
        }
    }
}

/// Records for the log pane. Lines that arrive faster than the console reads are dropped and replaced by their count.
pub struct ConsoleSink {
    sender: mpsc::Sender<LogRecord>,
    dropped: AtomicU64,
}

impl ConsoleSink {
    /// A sink for that channel.
    pub fn new(sender: mpsc::Sender<LogRecord>) -> Self {
        Self { sender, dropped: AtomicU64::new(0) }
    }

    /// Whether the record was not dropped. A closed channel counts as success, because nothing reads it.
    fn send(&self, record: LogRecord) -> bool {
        !matches!(self.sender.try_send(record), Err(TrySendError::Full(_)))
    }
}

impl Sink for ConsoleSink {
    fn write(&self, line: &Line) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let message = format!("{dropped} lines arrived too fast for this pane; see the log file");
            let pid = Some(std::process::id());
            let note = LogRecord { at: Utc::now(), level: Level::WARN, job: None, attempt: None, pid, message };
            if !self.send(note) {
                self.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
                return;
            }
        }
        if !self.send(line.record()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
