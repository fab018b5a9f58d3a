//! Reads the daily log files: the lines of other processes and of earlier sessions. Every read is bounded.

mod follow;
mod line;

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use tracing::Level;

use super::logging::LogRecord;
use crate::text::find_text;
pub use follow::{FileFollower, LogHistory};
pub use line::FileLine;

/// Bytes that one search reads at most, the newest first.
const MAX_SEARCHED_BYTES: u64 = 128 << 20;

/// Bytes of one read.
const BLOCK_BYTES: u64 = 1 << 20;

/// Which lines are wanted.
#[derive(Debug, Clone)]
pub struct LineFilter {
    /// Only lines of jobs whose id begins with this.
    pub job: Option<String>,
    /// Only lines at least this severe.
    pub level: Level,
    /// Only lines of this process.
    pub pid: Option<u32>,
    /// Only lines whose message or other fields contain this text, whatever the case of its letters.
    pub text: Option<String>,
}

impl Default for LineFilter {
    fn default() -> Self {
        Self { job: None, level: Level::TRACE, pid: None, text: None }
    }
}

impl LineFilter {
    /// Whether the line is wanted.
    pub fn takes(&self, line: &FileLine) -> bool {
        let job = || line.record.job.as_deref().unwrap_or_default();
        line.record.level <= self.level
            && self.job.as_deref().is_none_or(|prefix| job().starts_with(prefix))
            && self.pid.is_none_or(|pid| line.record.pid == Some(pid))
            && self.text.as_deref().is_none_or(|text| find_text(&line.record.message, text).is_some())
    }

    /// Whether the bytes of a line may contain what is wanted: most lines are not parsed.
    fn may_take(&self, bytes: &[u8]) -> bool {
        self.job.as_deref().is_none_or(|job| std::str::from_utf8(bytes).is_ok_and(|text| text.contains(job)))
    }
}

/// The newest lines that are wanted, oldest first, at most `limit`. Files that cannot be read are left out.
pub fn newest_lines(folder: &Path, filter: &LineFilter, limit: usize) -> Vec<FileLine> {
    let mut found = Vec::new();
    let mut left = MAX_SEARCHED_BYTES;
    for path in files(folder).into_iter().rev() {
        if found.len() >= limit || left == 0 {
            break;
        }
        // A file that is removed while it is read has no lines.
        let _ = read_backwards(&path, filter, limit, &mut left, &mut found);
    }
    found.reverse();
    found
}

/// The log files of a folder, oldest first: their names are dates.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let is_log = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("darkroom.") && path.extension().is_some_and(|extension| extension == "jsonl")
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_log).collect();
    files.sort();
    files
}

/// The daily files of days before `day`, with their sizes in bytes, oldest first.
pub fn files_before(folder: &Path, day: NaiveDate) -> Vec<(PathBuf, u64)> {
    let is_before = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let date = name.strip_prefix("darkroom.").and_then(|rest| rest.strip_suffix(".jsonl"));
        date.and_then(|date| NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()).is_some_and(|date| date < day)
    };
    let old = files(folder).into_iter().filter(is_before);
    old.map(|path| (path.clone(), fs::metadata(&path).map_or(0, |metadata| metadata.len()))).collect()
}

/// Adds the wanted lines of a file, newest first.
fn read_backwards(
    path: &Path,
    filter: &LineFilter,
    limit: usize,
    left: &mut u64,
    found: &mut Vec<FileLine>,
) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut end = file.metadata()?.len();
    // The beginning of a line whose end is in the block after it.
    let mut rest: Vec<u8> = Vec::new();
    while end > 0 && *left > 0 && found.len() < limit {
        let start = end.saturating_sub(BLOCK_BYTES.min(*left));
        *left -= end - start;
        file.seek(SeekFrom::Start(start))?;
        let mut block = vec![0; usize::try_from(end - start).unwrap_or_default()];
        file.read_exact(&mut block)?;
        block.append(&mut rest);
        end = start;
        let mut lines: Vec<&[u8]> = block.split(|byte| *byte == b'\n').collect();
        if start > 0 {
            rest = lines.remove(0).to_vec();
        }
        for bytes in lines.into_iter().rev().filter(|bytes| !bytes.is_empty() && filter.may_take(bytes)) {
            if let Some(line) = FileLine::parse(bytes).filter(|line| filter.takes(line)) {
                found.push(line);
                if found.len() >= limit {
                    return Ok(());
                }
            }
        }
        if rest.len() as u64 > BLOCK_BYTES {
            // Not a line that this program wrote.
            rest.clear();
        }
    }
    Ok(())
}

/// The records of lines.
fn records(lines: Vec<FileLine>) -> Vec<LogRecord> {
    lines.into_iter().map(|line| line.record).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::{Duration, Instant};

    use super::*;

    fn line(number: usize, level: &str, job: &str, pid: u32) -> String {
        format!(
            "{{\"timestamp\":\"2026-11-22T12:00:00.{number:06}Z\",\"level\":\"{level}\",\"job\":\"{job}\",\
             \"message\":\"line {number}\",\"target\":\"darkroom\",\"pid\":{pid},\"tries\":2}}\n"
        )
    }

    fn all() -> LineFilter {
        LineFilter::default()
    }

    #[test]
    fn newest_lines_come_from_all_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        // Longer than one block, so that lines are divided.
        let many: String = (0..20_000).map(|number| line(number, "INFO", "job-a", 1)).collect();
        write("darkroom.2026-11-21.jsonl", &many);
        write(
            "darkroom.2026-11-22.jsonl",
            &format!("not json\n{}{}", line(1, "DEBUG", "job-b", 1), line(2, "WARN", "job-c", 1)),
        );
        write("other.txt", &line(3, "INFO", "job-d", 1));
        let newest = newest_lines(folder.path(), &all(), 4);
        let messages: Vec<&str> = newest.iter().map(|line| line.record.message.as_str()).collect();
        assert_eq!(messages, ["line 19998 tries=2", "line 19999 tries=2", "line 1 tries=2", "line 2 tries=2"]);
        assert_eq!(newest_lines(folder.path(), &all(), usize::MAX).len(), 20_002);
        let loud = LineFilter { level: Level::WARN, ..all() };
        assert_eq!(newest_lines(folder.path(), &loud, 10).len(), 1);
        let job = LineFilter { job: Some("job-b".to_owned()), ..all() };
        assert_eq!(newest_lines(folder.path(), &job, 10).len(), 1);
        let text = LineFilter { text: Some("LINE 1 tries".to_owned()), ..all() };
        assert_eq!(newest_lines(folder.path(), &text, 10).len(), 2, "one in each file");
        let process = LineFilter { pid: Some(2), ..all() };
        assert!(newest_lines(folder.path(), &process, 10).is_empty());
        assert!(newest_lines(&folder.path().join("missing"), &all(), 10).is_empty());
    }

    #[test]
    fn history_reports_lines_of_other_processes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("darkroom.2026-11-22.jsonl");
        let own = std::process::id();
        fs::write(&path, line(1, "INFO", "job-a", own.wrapping_add(1))).unwrap();
        let (history, mut received) = LogHistory::start(folder.path().to_owned());
        assert_eq!(received.blocking_recv().unwrap().len(), 1, "what was there before");
        let mut file = File::options().append(true).open(&path).unwrap();
        let now = chrono::Utc::now().to_rfc3339();
        file.write_all(line(2, "INFO", "job-a", own).replace("2026-11-22T12:00:00.000002Z", &now).as_bytes()).unwrap();
        file.write_all(line(3, "INFO", "job-b", own.wrapping_add(1)).as_bytes()).unwrap();
        let records = received.blocking_recv().unwrap();
        assert_eq!(records.iter().map(|record| record.message.as_str()).collect::<Vec<_>>(), ["line 3 tries=2"]);
        history.search("job-a");
        let found = received.blocking_recv().unwrap();
        assert_eq!(found.len(), 2, "a search finds own lines too: {found:?}");
        let started = Instant::now();
        drop(history);
        while received.blocking_recv().is_some() {
            assert!(started.elapsed() < Duration::from_mins(1), "the thread goes on");
        }
    }
}
