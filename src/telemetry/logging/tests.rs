//! Lines in files and in the pane: fields, redaction, and slow readers.

use secrecy::SecretString;
use serde_json::Value;
use tempfile::TempDir;
use tracing::{info, info_span, warn};

use super::*;

/// Logs with `work` into a folder and a channel of `capacity`; returns the JSON lines and the records.
fn logged(capacity: usize, secret: &str, work: impl FnOnce()) -> (Vec<Value>, Vec<LogRecord>) {
    let folder = TempDir::new().unwrap();
    let (writer, worker) = NonBlocking::new(daily_files(folder.path(), 3).unwrap());
    let (sender, mut receiver) = mpsc::channel(capacity);
    let sinks: Vec<Box<dyn Sink>> =
        vec![Box::new(FileSink::new(writer, Level::TRACE)), Box::new(ConsoleSink::new(sender))];
    let redactor = Redactor::new([SecretString::from(secret)]);
    tracing::subscriber::with_default(subscriber(filter("info").0, redactor, sinks), work);
    drop(worker);
    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let lines = std::fs::read_to_string(&file).unwrap();
    let today = Utc::now().format("darkroom.%Y-%m-").to_string();
    assert!(file.file_name().unwrap().to_str().unwrap().starts_with(&today), "{file:?}");
    let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut records = Vec::new();
    while let Ok(record) = receiver.try_recv() {
        records.push(record);
    }
    (lines, records)
}

#[test]
fn job_and_attempt_come_from_event_or_spans() {
    let (lines, records) = logged(10, "", || {
        let job = info_span!("job", job = "abc", attempt = tracing::field::Empty).entered();
        job.record("attempt", 2);
        info!(credits = 4, "submitted");
        let _step = info_span!("step", step = "store").entered();
        info!(job = %"other", attempt = 3_u32, "inner wins");
    });
    assert_eq!((&lines[0]["job"], &lines[0]["attempt"]), (&Value::from("abc"), &Value::from(2)));
    assert_eq!((&lines[0]["message"], &lines[0]["credits"]), (&Value::from("submitted"), &Value::from(4)));
    assert_eq!(lines[0]["level"], "INFO");
    assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!((&lines[1]["job"], &lines[1]["attempt"]), (&Value::from("other"), &Value::from(3)));
    assert_eq!(lines[1]["step"], "store");
    assert_eq!((records[0].job.as_deref(), records[0].attempt), (Some("abc"), Some(2)));
    assert_eq!(records[0].message, "submitted credits=4");
    assert_eq!((records[1].job.as_deref(), records[1].attempt), (Some("other"), Some(3)));
}

#[test]
fn secrets_are_redacted() {
    let (lines, records) = logged(10, "k-123\"456", || {
        let _span = info_span!("call", header = "x-key: k-123\"456").entered();
        info!(url = "https://x/?key=k-123\"456", "sent with k-123\"456");
    });
    let everything = format!("{lines:?} {records:?}");
    assert!(!everything.contains("123"), "{everything}");
    assert_eq!(lines[0]["message"], "sent with [hidden]");
}

#[test]
fn control_characters_are_escaped_or_removed() {
    let (lines, records) = logged(10, "", || info!(job = "a\u{1b}b", "two\nlines \u{1b}[2J{}", '\u{202e}'));
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["message"], "two\nlines \u{1b}[2J\u{202e}");
    assert_eq!(records[0].message, "two lines [2J");
    assert_eq!(records[0].job.as_deref(), Some("ab"));
}

#[test]
fn dropped_pane_lines_are_counted() {
    let folder = TempDir::new().unwrap();
    let (writer, worker) = NonBlocking::new(daily_files(folder.path(), 3).unwrap());
    let (sender, mut receiver) = mpsc::channel(2);
    let sinks: Vec<Box<dyn Sink>> =
        vec![Box::new(FileSink::new(writer, Level::TRACE)), Box::new(ConsoleSink::new(sender))];
    let mut seen = Vec::new();
    tracing::subscriber::with_default(subscriber(filter("info").0, Redactor::new([]), sinks), || {
        for number in 0..5 {
            info!("line {number}");
        }
        while let Ok(record) = receiver.try_recv() {
            seen.push(record);
        }
        warn!("later");
        while let Ok(record) = receiver.try_recv() {
            seen.push(record);
        }
    });
    drop(worker);
    let messages: Vec<&str> = seen.iter().map(|record| record.message.as_str()).collect();
    let note = "3 lines arrived too fast for this pane; see the log file";
    assert_eq!(messages, ["line 0", "line 1", note, "later"]);
    assert_eq!(seen[2].level, Level::WARN);
    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 6);
}

#[test]
fn single_level_applies_to_darkroom_only() {
    let (lines, _) = logged(10, "", || {
        info!(target: "reqwest::connect", "noise");
        warn!(target: "reqwest::connect", "matters");
        tracing::debug!("filtered out");
        info!("ours");
    });
    let messages: Vec<&str> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["matters", "ours"]);
    assert!(filter("darkroom=loud").1.is_some());
    assert!(filter("darkroom=debug,reqwest=info").1.is_none());
}

#[test]
fn old_files_are_removed() {
    let folder = TempDir::new().unwrap();
    for day in 1..=9 {
        std::fs::write(folder.path().join(format!("darkroom.2020-01-0{day}.jsonl")), "{}\n").unwrap();
    }
    std::fs::write(folder.path().join("unrelated.txt"), "").unwrap();
    drop(daily_files(folder.path(), 3).unwrap());
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names.iter().any(|name| name == "unrelated.txt"));
}

#[test]
fn unwritable_folder_is_an_error() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(daily_files(&file, 3).is_err());
}

#[test]
fn terminal_line_names_job_and_attempt() {
    let file = tempfile::tempfile().unwrap();
    let mut reader = file.try_clone().unwrap();
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(TerminalSink::new(file))];
    tracing::subscriber::with_default(subscriber(filter("info").0, Redactor::new([]), sinks), || {
        info!(job = "abc", attempt = 1, "done");
    });
    let mut text = String::new();
    io::Seek::rewind(&mut reader).unwrap();
    io::Read::read_to_string(&mut reader, &mut text).unwrap();
    assert!(text.ends_with("INFO  done job=abc attempt=1\n"), "{text}");
}
