//! Owns the places that lines go to. Must not block, and must not log: that would come back here.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::Utc;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tracing::Level;
use tracing_appender::non_blocking::NonBlocking;

use super::line::Line;
use super::{Cleaner, LogRecord};

/// A place that lines go to.
pub trait Sink: Send + Sync + 'static {
    /// Takes one line, without waiting.
    fn take(&self, line: &Line);
}

/// JSON lines, handed to the thread that writes the files.
pub struct FileSink {
    writer: NonBlocking,
}

impl FileSink {
    /// A sink before that thread.
    pub fn new(writer: NonBlocking) -> Self {
        Self { writer }
    }
}

impl Sink for FileSink {
    fn take(&self, line: &Line) {
        if let Ok(mut bytes) = serde_json::to_vec(line) {
            bytes.push(b'\n');
            // One write is one line in the file, whoever else writes there. What does not fit is counted by the writer.
            let _ = self.writer.clone().write_all(&bytes);
        }
    }
}

/// Lines for people.
pub struct TerminalSink<W> {
    writer: W,
    clean: Cleaner,
}

impl<W> TerminalSink<W> {
    /// A sink before that stream.
    pub fn new(writer: W, clean: Cleaner) -> Self {
        Self { writer, clean }
    }
}

impl<W: Send + Sync + 'static> Sink for TerminalSink<W>
where
    for<'a> &'a W: Write,
{
    fn take(&self, line: &Line) {
        // Standard error may be gone; there is nobody left to tell.
        let _ = (&self.writer).write_all(line.for_people(self.clean).as_bytes());
    }
}

/// Records for the log pane. What the console is too slow for is dropped and counted, and the count is said in its place.
pub struct ConsoleSink {
    sender: mpsc::Sender<LogRecord>,
    clean: Cleaner,
    dropped: AtomicU64,
}

impl ConsoleSink {
    /// A sink before that channel.
    pub fn new(sender: mpsc::Sender<LogRecord>, clean: Cleaner) -> Self {
        Self { sender, clean, dropped: AtomicU64::new(0) }
    }

    /// Whether the channel took it; a channel that is closed takes everything, since nobody misses it.
    fn send(&self, record: LogRecord) -> bool {
        !matches!(self.sender.try_send(record), Err(TrySendError::Full(_)))
    }
}

impl Sink for ConsoleSink {
    fn take(&self, line: &Line) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let message = format!("{dropped} lines came too fast for this pane; they are in the log file");
            let note = LogRecord { at: Utc::now(), level: Level::WARN, job: None, attempt: None, message };
            if !self.send(note) {
                self.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
                return;
            }
        }
        if !self.send(line.record(self.clean)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
