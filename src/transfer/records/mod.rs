//! Reads the records of a file, whatever wrote it: CSV, JSON lines, JSON documents; UTF-8 or UTF-16. Each row or document reaches the
//! sink once, read or rejected with its line. What a record means is decided by the sink.

mod csv;
mod decode;
mod format;
mod json;
mod json_lines;
mod json_object;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use serde_json::{Map, Value};

pub use self::csv::Heading;
use self::decode::Decoder;
use self::format::Format;

/// The most bytes of one record. Longer ones are rejected without being held in memory.
pub const MAX_RECORD_BYTES: usize = 4 << 20;

/// The reason for text in another encoding, such as that of Excel's plain CSV.
const NOT_TEXT: &str = "not valid UTF-8 or UTF-16 text; save the file as UTF-8";

/// What the format is recognised by.
const SAMPLE_BYTES: u64 = 64 << 10;

const BUFFER_BYTES: usize = 64 << 10;

/// A row or document that is not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectedRow {
    /// Counts from 1; of a record over several lines, the first.
    pub line: u64,
    /// Present where a broken quote took more lines than the first: the last of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_line: Option<u64>,
    /// What is wrong with it.
    pub reason: String,
}

impl RejectedRow {
    /// One rejected row on that line.
    pub fn new(line: u64, reason: impl Into<String>) -> Self {
        Self { line, last_line: None, reason: reason.into() }
    }

    /// How many rows of the file are not read because of it.
    pub fn rows(&self) -> u64 {
        self.last_line.map_or(1, |last| last.saturating_sub(self.line) + 1)
    }

    /// `line 3` or `lines 3 to 9`.
    pub fn location(&self) -> String {
        match self.last_line {
            Some(last) if last > self.line => format!("lines {} to {last}", self.line),
            _ => format!("line {}", self.line),
        }
    }
}

/// One row or document of a file.
#[derive(Debug, PartialEq)]
pub struct FileRecord {
    /// Counts from 1; of a record over several lines, the first.
    pub line: u64,
    /// Its content, or why there is none.
    pub content: Result<Content, RejectedRow>,
}

/// The content of a record.
#[derive(Debug, PartialEq)]
pub enum Content {
    /// The cells of a CSV row, one for each name of the heading.
    Cells(Vec<String>),
    /// A JSON object.
    Object {
        /// The collection under which the file lists it.
        collection: Option<&'static str>,
        /// Its name in a map of documents.
        key: Option<String>,
        /// Its fields. `cost_usd` is text if it was a number: a binary fraction would lose digits.
        fields: Map<String, Value>,
    },
}

/// How far a file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadEnd {
    /// To its end.
    Complete,
    /// The sink stopped, or damage (broken JSON, an unclosed quote) ended the reading: the last rejected row says so.
    Partial,
    /// The heading of a CSV file was rejected, and with it every row.
    NoHeading,
}

/// Takes the records of a file.
pub trait RecordSink {
    /// The heading of a CSV file, before its rows. Errors: why none of the rows can be read.
    fn heading(&mut self, heading: &Heading) -> Result<(), String>;

    /// The next record. `false` stops the reading.
    fn record(&mut self, record: FileRecord) -> bool;

    /// A key of a JSON database that is neither of the collections.
    fn ignored_key(&mut self, key: &str);
}

/// A file to read.
pub struct Input {
    reader: Box<dyn BufRead + Send>,
    /// Its size in bytes, where it is known.
    pub size: Option<u64>,
    extension: String,
    position: Arc<AtomicU64>,
}

impl Input {
    /// Opens the file; `-` is standard input.
    pub fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::new(Box::new(BufReader::with_capacity(BUFFER_BYTES, io::stdin())), path));
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
        }
        let mut input = Self::new(Box::new(BufReader::with_capacity(BUFFER_BYTES, file)), path);
        input.size = Some(metadata.len());
        Ok(input)
    }

    /// Anything that is read as if it were a file of that name.
    pub fn new(reader: Box<dyn BufRead + Send>, path: &Path) -> Self {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        Self { reader, size: None, extension: extension.to_ascii_lowercase(), position: Arc::default() }
    }

    /// Bytes that were read so far; shared with the reading thread.
    pub fn position(&self) -> Arc<AtomicU64> {
        self.position.clone()
    }

    /// Reads all records. `collections` are the keys of a JSON database (`{"jobs": [...], "costs": {...}}`) whose documents are
    /// records.
    pub fn read(self, collections: &'static [&'static str], sink: &mut dyn RecordSink) -> io::Result<ReadEnd> {
        let mut decoder = Decoder::new(self.reader, self.position)?;
        let mut sample = Vec::new();
        decoder.by_ref().take(SAMPLE_BYTES).read_to_end(&mut sample)?;
        let format = Format::of(&self.extension, &sample, collections);
        let separator = csv::separator_of(&sample);
        let input = Cursor::new(sample).chain(decoder);
        match format {
            Format::Csv => csv::read(input, separator, sink),
            Format::JsonLines => json_lines::read(input, sink),
            Format::Json => json::read(input, collections, sink),
        }
    }
}

/// Counts bytes for the progress of a long file.
fn advance(position: &AtomicU64, bytes: usize) {
    position.fetch_add(bytes as u64, Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
