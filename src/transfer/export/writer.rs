//! The formats of an export. Only the document that is being written is held in memory.

use std::io::Write;

use super::ExportError;
use super::csv_spool::CsvSpool;
use crate::store::schema::{Collection, Document, Fields};

/// The formats of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A heading and a row for each document, of one collection.
    Csv,
    /// One list of documents; of both collections the same as a database.
    Json,
    /// One document per line.
    JsonLines,
    /// `{"jobs": [...], "costs": [...]}`.
    Database,
}

/// Writes documents in one format.
pub struct Writer<W> {
    output: W,
    state: State,
    is_first: bool,
}

enum State {
    /// The rows, until all columns are known.
    Csv(Box<CsvSpool>),
    List,
    Lines,
    /// How many collections were begun.
    Database(usize),
}

impl<W: Write> Writer<W> {
    /// Begins the output.
    pub fn begin(output: W, format: Format, collections: &[Collection]) -> Result<Self, ExportError> {
        let state = match format {
            Format::Csv => {
                State::Csv(Box::new(CsvSpool::new(collections.first().copied().unwrap_or(Collection::Costs))?))
            }
            Format::JsonLines => State::Lines,
            Format::Json if collections.len() == 1 => State::List,
            Format::Json | Format::Database => State::Database(0),
        };
        let mut writer = Self { output, state, is_first: true };
        match writer.state {
            State::List => writer.put(b"[")?,
            State::Database(_) => writer.put(b"{")?,
            State::Csv(_) | State::Lines => {}
        }
        Ok(writer)
    }

    /// The documents that follow are of that collection.
    pub fn begin_collection(&mut self, collection: Collection) -> Result<(), ExportError> {
        if let State::Database(begun) = &mut self.state {
            let before = if *begun == 0 { "" } else { "\n],\n" };
            *begun += 1;
            self.is_first = true;
            self.put(format!("{before}\"{}\": [", collection.as_str()).as_bytes())?;
        }
        Ok(())
    }

    /// Writes one document.
    pub fn document(&mut self, document: Document) -> Result<(), ExportError> {
        let mut fields = document.fields;
        fields.insert("id".to_owned(), document.id.into());
        match &mut self.state {
            State::Csv(spool) => return spool.add(&fields),
            State::Lines => {}
            State::List | State::Database(_) => {
                let between: &[u8] = if self.is_first { b"\n" } else { b",\n" };
                self.put(between)?;
            }
        }
        self.is_first = false;
        self.put(line_of(&fields)?.as_bytes())?;
        if matches!(self.state, State::Lines) { self.put(b"\n") } else { Ok(()) }
    }

    /// Ends the output and returns it.
    pub fn finish(mut self) -> Result<W, ExportError> {
        match self.state {
            State::Csv(spool) => {
                spool.write(&mut self.output)?;
                return Ok(self.output);
            }
            State::List => self.put(b"\n]\n")?,
            State::Database(_) => self.put(b"\n]}\n")?,
            State::Lines => {}
        }
        Ok(self.output)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.output.write_all(bytes).map_err(ExportError::Output)
    }
}

/// The document on one line.
fn line_of(fields: &Fields) -> Result<String, ExportError> {
    serde_json::to_string(fields).map_err(|error| ExportError::Output(error.into()))
}
