//! Follows the newest log file, and searches the files for the lines of one job, in a thread of its own.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use super::{FileLine, LineFilter, files, newest_lines, records};
use crate::telemetry::logging::LogRecord;

/// Lines that are read at the start.
const FIRST_LINES: usize = 5_000;

/// Lines of one job that a search finds at most.
const JOB_LINES: usize = 2_000;

/// How often the newest file is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Bytes that one check reads at most; the rest is read by the next one.
const MAX_STEP_BYTES: u64 = 1 << 20;

/// Batches that may wait for the reader; then the thread waits.
const QUEUE: usize = 16;

/// Reads what is appended to the newest log file.
#[derive(Debug)]
pub struct FileFollower {
    folder: PathBuf,
    /// The file, and how far it was read.
    current: Option<(PathBuf, u64)>,
}

impl FileFollower {
    /// From the end of the newest file on.
    pub fn from_end(folder: &Path) -> Self {
        let newest = files(folder).pop();
        let current = newest.map(|path| {
            let length = path.metadata().map_or(0, |metadata| metadata.len());
            (path, length)
        });
        Self { folder: folder.to_owned(), current }
    }

    /// The whole lines that were appended since the last call.
    pub fn appended(&mut self) -> Vec<FileLine> {
        let mut lines = self.read_current().unwrap_or_default();
        let newest = files(&self.folder).pop();
        if newest.is_some() && newest.as_ref() != self.current.as_ref().map(|(path, _)| path) {
            self.current = newest.map(|path| (path, 0));
            lines.extend(self.read_current().unwrap_or_default());
        }
        lines
    }

    fn read_current(&mut self) -> io::Result<Vec<FileLine>> {
        let Some((path, position)) = &mut self.current else { return Ok(Vec::new()) };
        let length = path.metadata()?.len();
        if length < *position {
            // Another file of that name.
            *position = 0;
        }
        if length == *position {
            return Ok(Vec::new());
        }
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(*position))?;
        let mut bytes = Vec::new();
        file.take((length - *position).min(MAX_STEP_BYTES)).read_to_end(&mut bytes)?;
        // A line that is being written is read when it is whole; one that is longer than a step is skipped.
        let whole = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => last + 1,
            None if bytes.len() as u64 == MAX_STEP_BYTES => bytes.len(),
            None => 0,
        };
        *position += whole as u64;
        Ok(bytes[..whole].split(|byte| *byte == b'\n').filter_map(FileLine::parse).collect())
    }
}

/// The lines of other processes and of earlier sessions, for the console. Dropping it ends its thread.
#[derive(Debug)]
pub struct LogHistory {
    searches: Sender<String>,
}

impl LogHistory {
    /// Starts the thread: it sends the newest lines of the files, then what other processes append, and what searches find.
    pub fn start(folder: PathBuf) -> (Self, mpsc::Receiver<Vec<LogRecord>>) {
        let (searches, requests) = channel();
        let (sender, received) = mpsc::channel(QUEUE);
        let started = Utc::now();
        let thread = thread::Builder::new()
            .name("log-history".to_owned())
            .spawn(move || run(&folder, started, &requests, &sender));
        if let Err(error) = thread {
            tracing::warn!(%error, "log files are not shown");
        }
        (Self { searches }, received)
    }

    /// Searches the files for the lines of that job.
    pub fn search(&self, job: &str) {
        // Without the thread there is nothing to search.
        let _ = self.searches.send(job.to_owned());
    }
}

fn run(folder: &Path, started: DateTime<Utc>, requests: &Receiver<String>, sender: &mpsc::Sender<Vec<LogRecord>>) {
    let own = std::process::id();
    // The lines of this session arrive without a detour through the file.
    let is_other = |line: &FileLine| line.record.pid != Some(own) || line.record.at < started;
    let mut follower = FileFollower::from_end(folder);
    let all = LineFilter::default();
    let first: Vec<FileLine> = newest_lines(folder, &all, FIRST_LINES).into_iter().filter(is_other).collect();
    if sender.blocking_send(records(first)).is_err() {
        return;
    }
    loop {
        let batch = match requests.recv_timeout(POLL_INTERVAL) {
            Ok(job) => newest_lines(folder, &LineFilter { job: Some(job), ..LineFilter::default() }, JOB_LINES),
            Err(RecvTimeoutError::Timeout) => follower.appended().into_iter().filter(is_other).collect(),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if !batch.is_empty() && sender.blocking_send(records(batch)).is_err() {
            return;
        }
    }
}
