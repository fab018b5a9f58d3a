//! CSV as spreadsheets and programs write it: any usual separator, quoted cells over several lines, every end of line.
//!
//! The `csv` crate reads any bytes as some rows: text behind a closing quote becomes part of the cell, and an unclosed quote takes the
//! rest of the file. Here both are errors with their lines, so that no row disappears.

use std::io::{self, BufRead};

use super::{Content, FileRecord, MAX_RECORD_BYTES, ReadEnd, RecordSink, RejectedRow};
use crate::text::sanitize_line;

/// Separators that are recognised, the likeliest first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The names of a CSV file's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// Without the white space around them; columns without a name are left out.
    pub names: Vec<String>,
    /// The line of the heading.
    /// What separates the cells.
    pub separator: char,
}

/// The separator that the file uses.
pub fn separator_of(sample: &[u8]) -> Result<u8, String> {
    let mut first_line = sample.trim_ascii_start().split(|byte| matches!(byte, b'\r' | b'\n'));
    if let Some(named) = sep_line(first_line.next().unwrap_or_default()) {
        return named;
    }
    let cells = |separator: u8| {
        let mut scanner = Scanner::new(separator);
        for byte in sample {
            if scanner.push(*byte) {
                let row = scanner.take();
                if !row.is_blank() {
                    return row.cells.len();
                }
            }
        }
        scanner.take().cells.len()
    };
    let most =
        SEPARATORS.into_iter().map(|separator| (cells(separator), separator)).rev().max_by_key(|(count, _)| *count);
    Ok(most.map_or(b',', |(_, separator)| separator))
}

/// The separator of a line `sep=;`, with which some spreadsheets begin a file. `None`: it is no such line.
fn sep_line(line: &[u8]) -> Option<Result<u8, String>> {
    let line = line.strip_prefix(b"\"").map_or(line, |line| line.strip_suffix(b"\"").unwrap_or(line));
    let (name, separator) = line.split_at_checked(4)?;
    if !name.eq_ignore_ascii_case(b"sep=") {
        return None;
    }
    let is_separator = |byte: u8| byte == b'\t' || (byte.is_ascii_punctuation() && byte != b'"') || byte == b' ';
    Some(match separator {
        [separator] if is_separator(*separator) => Ok(*separator),
        other => {
            let shown = sanitize_line(&String::from_utf8_lossy(other), 20);
            Err(format!("'sep={shown}' does not name a separator such as ; or ,"))
        }
    })
}

/// Reads the heading and all rows.
pub fn read(mut input: impl BufRead, separator: Result<u8, String>, sink: &mut dyn RecordSink) -> io::Result<ReadEnd> {
    let separator = match separator {
        Ok(separator) => separator,
        Err(reason) => {
            reject(sink, 1, &reason);
            return Ok(ReadEnd::NoHeading);
        }
    };
    let mut scanner = Scanner::new(separator);
    let mut columns: Option<Columns> = None;
    let mut is_first = true;
    while let Some(row) = next_row(&mut input, &mut scanner)? {
        if row.is_blank() || (std::mem::take(&mut is_first) && row.is_sep_line()) {
            continue;
        }
        let Some(columns) = &columns else {
            let line = row.line;
            match Columns::of(row, separator).and_then(|columns| sink.heading(&columns.heading).map(|()| columns)) {
                Ok(found) => columns = Some(found),
                Err(reason) => {
                    reject(sink, line, &reason);
                    return Ok(ReadEnd::NoHeading);
                }
            }
            continue;
        };
        let (line, is_unclosed) = (row.line, row.is_unclosed);
        let content = columns.content(row);
        if !sink.record(FileRecord { line, content }) || is_unclosed {
            return Ok(ReadEnd::Partial);
        }
    }
    Ok(ReadEnd::Complete)
}

/// Without a heading no row can be read.
fn reject(sink: &mut dyn RecordSink, line: u64, reason: &str) {
    let content = Err(RejectedRow::new(line, format!("{reason}; nothing below it was read")));
    sink.record(FileRecord { line, content });
}

fn next_row(input: &mut impl BufRead, scanner: &mut Scanner) -> io::Result<Option<Row>> {
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            return Ok(scanner.finish());
        }
        let end = available.iter().position(|byte| scanner.push(*byte));
        let read = end.map_or(available.len(), |end| end + 1);
        input.consume(read);
        if end.is_some() {
            return Ok(Some(scanner.take()));
        }
    }
}

/// What the cells of a row belong to.
struct Columns {
    heading: Heading,
    /// Which cells of a row have a name.
    places: Vec<usize>,
}

impl Columns {
    fn of(row: Row, separator: u8) -> Result<Self, String> {
        if let Some(error) = row.error {
            return Err(error);
        }
        let mut names = Vec::with_capacity(row.cells.len());
        let mut places = Vec::with_capacity(row.cells.len());
        for (index, cell) in row.cells.into_iter().enumerate() {
            let name = text(cell).map_err(|reason| format!("the heading is {reason}"))?;
            if !name.trim().is_empty() {
                names.push(name.trim().to_owned());
                places.push(index);
            }
        }
        let heading = Heading { names, separator: char::from(separator) };
        Ok(Self { heading, places })
    }

    fn content(&self, row: Row) -> Result<Content, RejectedRow> {
        let reject = |reason: String| RejectedRow::new(row.line, reason);
        if let Some(reason) = row.error {
            let last_line = Some(row.last_line).filter(|last| *last > row.line);
            let reason = if row.is_unclosed { format!("{reason}; nothing after it was read") } else { reason };
            return Err(RejectedRow { line: row.line, last_line, reason });
        }
        let expected = self.places.last().map_or(0, |last| last + 1);
        let count = row.cells.len();
        let counts = || {
            let separator = match self.heading.separator {
                '\t' => "a tab".to_owned(),
                other => format!("'{other}'"),
            };
            format!("{count} cells separated by {separator}; the heading has {expected}")
        };
        if count < expected {
            return Err(reject(counts()));
        }
        let mut places = self.places.iter().copied().peekable();
        let mut cells = Vec::with_capacity(self.places.len());
        for (index, cell) in row.cells.into_iter().enumerate() {
            if places.next_if_eq(&index).is_some() {
                cells.push(text(cell).map_err(|reason| reject(format!("cell {}: {reason}", index + 1)))?);
            } else if !is_blank(&cell) {
                let reason = if index >= expected { counts() } else { format!("cell {} has no heading", index + 1) };
                return Err(reject(reason));
            }
        }
        Ok(Content::Cells(cells))
    }
}

fn text(cell: Vec<u8>) -> Result<String, String> {
    String::from_utf8(cell).map_err(|_| super::NOT_TEXT.to_owned())
}

fn is_blank(cell: &[u8]) -> bool {
    cell.trim_ascii().is_empty()
}

/// A row as it stands there.
#[derive(Debug, Default)]
struct Row {
    line: u64,
    last_line: u64,
    cells: Vec<Vec<u8>>,
    error: Option<String>,
    /// Whether the file ends in one of its quoted cells.
    is_unclosed: bool,
}

impl Row {
    fn is_blank(&self) -> bool {
        self.error.is_none() && self.cells.iter().all(|cell| is_blank(cell))
    }

    fn is_sep_line(&self) -> bool {
        // `sep=;` is one cell or, where the row was split at that very character, two.
        matches!(self.cells.as_slice(), [name, rest @ ..] if name.len() < 6 && name.to_ascii_lowercase().starts_with(b"sep=")
            && rest.iter().all(Vec::is_empty))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    CellStart,
    Unquoted,
    Quoted,
    /// Behind a quote inside a quoted cell: the cell ends, or the quote is doubled.
    Quote,
    /// Behind the closing quote and white space.
    Closed,
    /// Behind an error: the row ends with the line.
    Damaged,
}

/// Cuts bytes into rows.
#[derive(Debug)]
struct Scanner {
    separator: u8,
    state: State,
    line: u64,
    row: Row,
    cell: Vec<u8>,
    bytes: usize,
    quote_line: u64,
    has_content: bool,
    after_cr: bool,
}

impl Scanner {
    fn new(separator: u8) -> Self {
        Self {
            separator,
            state: State::CellStart,
            line: 1,
            row: Row { line: 1, ..Row::default() },
            cell: Vec::new(),
            bytes: 0,
            quote_line: 0,
            has_content: false,
            after_cr: false,
        }
    }

    /// Takes one byte. Returns whether it ends a row.
    fn push(&mut self, byte: u8) -> bool {
        let is_crlf = std::mem::replace(&mut self.after_cr, byte == b'\r') && byte == b'\n';
        let is_line_end = matches!(byte, b'\r' | b'\n');
        if is_line_end {
            // The line feed of a CRLF outside quotes belongs to the row before.
            if is_crlf && self.state == State::CellStart && !self.has_content {
                self.row.line = self.line;
                return false;
            }
            self.line += u64::from(!is_crlf);
        } else {
            self.row.last_line = self.line;
        }
        let ends_row = is_line_end && (self.state != State::Quoted || self.is_too_long());
        if ends_row {
            return true;
        }
        self.has_content = true;
        self.bytes += 1;
        self.step(byte);
        false
    }

    fn step(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::CellStart, b'"') => {
                self.quote_line = self.line;
                State::Quoted
            }
            (State::Quoted, b'"') => State::Quote,
            (State::Quote, b'"') => {
                self.keep(b'"');
                State::Quoted
            }
            (State::CellStart | State::Unquoted | State::Quote | State::Closed, byte) if byte == self.separator => {
                self.end_cell();
                State::CellStart
            }
            (State::CellStart | State::Unquoted, byte) => {
                self.keep(byte);
                State::Unquoted
            }
            (State::Quoted, byte) => {
                self.keep(byte);
                State::Quoted
            }
            (State::Quote | State::Closed, b' ' | b'\t') => State::Closed,
            (State::Quote | State::Closed, _) => {
                let cell = self.row.cells.len() + 1;
                self.row.error = Some(format!(
                    "text after the closing quote of cell {cell}; write a quote inside a quoted cell twice (\"\")"
                ));
                State::Damaged
            }
            (State::Damaged, _) => State::Damaged,
        };
    }

    fn is_too_long(&self) -> bool {
        self.bytes > MAX_RECORD_BYTES
    }

    fn keep(&mut self, byte: u8) {
        if self.is_too_long() {
            self.cell = Vec::new();
            self.row.cells = Vec::new();
        } else {
            self.cell.push(byte);
        }
    }

    fn end_cell(&mut self) {
        let cell = std::mem::take(&mut self.cell);
        if !self.is_too_long() {
            self.row.cells.push(cell);
        }
    }

    /// The row that ended. The next one begins.
    fn take(&mut self) -> Row {
        let is_quoted = self.state == State::Quoted;
        if self.row.error.is_none() && self.is_too_long() {
            let limit = MAX_RECORD_BYTES >> 20;
            self.row.error = Some(if is_quoted {
                format!("the quote opened on line {} is not closed within {limit} MB", self.quote_line)
            } else {
                super::json::too_long()
            });
        }
        self.end_cell();
        self.state = State::CellStart;
        (self.bytes, self.has_content) = (0, false);
        let line = self.line;
        std::mem::replace(&mut self.row, Row { line, last_line: line, ..Row::default() })
    }

    /// The last row, where the file does not end with the end of a line.
    fn finish(&mut self) -> Option<Row> {
        if !self.has_content {
            return None;
        }
        let is_unclosed = self.state == State::Quoted;
        if is_unclosed && !self.is_too_long() {
            self.row.error = Some(format!("the quote opened on line {} is never closed", self.quote_line));
        }
        Some(Row { is_unclosed, ..self.take() })
    }
}
