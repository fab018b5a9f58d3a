//! A CSV export: its rows wait in a temporary file until all of them are known, because only then the columns are known.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};

use serde_json::Value;

use super::super::cells::{self, Column};
use super::ExportError;
use crate::store::schema::{Collection, Fields};

/// The columns that people look for, first and in this order; all others follow.
const COST_COLUMNS: [&str; 11] = [
    "id",
    "timestamp",
    "job_id",
    "service",
    "cost_usd",
    "details_model",
    "details_steps",
    "details_success",
    "details_base_cost",
    "details_image_size_bytes",
    "details_operation_type",
];
const JOB_COLUMNS: [&str; 10] = [
    "id",
    "createdAt",
    "status",
    "prompt",
    "model",
    "aspectRatio",
    "generatedImageUrl",
    "errorMessage",
    "generationCount",
    "bfl_cost_usd",
];

/// Rows on their way.
pub struct CsvSpool {
    rows: BufWriter<File>,
    /// The headings of all rows so far, with their place in a row.
    columns: BTreeMap<String, usize>,
    collection: Collection,
}

impl CsvSpool {
    /// No rows yet.
    pub fn new(collection: Collection) -> Result<Self, ExportError> {
        let rows = tempfile::tempfile()
            .map_err(|error| ExportError::File(format!("cannot create a temporary file: {error}")))?;
        let known: &[&str] = if collection == Collection::Costs { &COST_COLUMNS } else { &JOB_COLUMNS };
        let columns = known.iter().enumerate().map(|(place, name)| ((*name).to_owned(), place)).collect();
        Ok(Self { rows: BufWriter::new(rows), columns, collection })
    }

    /// Adds one row.
    pub fn add(&mut self, fields: &Fields) -> Result<(), ExportError> {
        let row: Vec<(usize, String)> = row_of(fields, self.collection)
            .into_iter()
            .map(|(heading, cell)| {
                let next = self.columns.len();
                (*self.columns.entry(heading).or_insert(next), cell)
            })
            .collect();
        let line = serde_json::to_string(&row).map_err(|error| ExportError::Output(error.into()))?;
        self.rows.write_all(line.as_bytes()).and_then(|()| self.rows.write_all(b"\n")).map_err(ExportError::Output)
    }

    /// Writes the heading, and all rows under it.
    pub fn write(self, output: &mut impl Write) -> Result<(), ExportError> {
        let known = if self.collection == Collection::Costs { COST_COLUMNS.len() } else { JOB_COLUMNS.len() };
        // The known columns in their order, the others by name.
        let mut columns: Vec<(String, usize)> = self.columns.into_iter().collect();
        columns.sort_by_key(|(_, place)| (*place).min(known));
        let mut file = self.rows.into_inner().map_err(|error| ExportError::Output(error.into_error()))?;
        file.rewind().map_err(ExportError::Output)?;
        let mut csv = csv::Writer::from_writer(output);
        csv.write_record(columns.iter().map(|(heading, _)| heading)).map_err(output_error)?;
        let mut cells = vec![String::new(); columns.len()];
        for line in BufReader::new(file).lines() {
            let line = line.map_err(ExportError::Output)?;
            let row: Vec<(usize, String)> =
                serde_json::from_str(&line).map_err(|error| ExportError::Output(error.into()))?;
            cells.iter_mut().for_each(String::clear);
            for (place, cell) in row {
                cells[place] = cell;
            }
            csv.write_record(columns.iter().map(|(_, place)| cells[*place].as_str())).map_err(output_error)?;
        }
        csv.flush().map_err(ExportError::Output)
    }
}

/// Keeps the kind of the error: a reader that closed the pipe is no failure.
fn output_error(error: csv::Error) -> ExportError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => ExportError::Output(error),
        other => ExportError::Output(io::Error::other(format!("{other:?}"))),
    }
}

/// The cells of a document with their headings.
fn row_of(fields: &Fields, collection: Collection) -> Vec<(String, String)> {
    let mut row = Vec::new();
    let mut put = |column: &Column, value: &Value| {
        let cell = cells::encode(&column.name(), value);
        row.push((column.heading(collection), cell));
    };
    // The number's own digits, not those of the nearest binary fraction.
    let exact =
        fields.get("details").and_then(|details| details.get("amount")).filter(|_| collection == Collection::Costs);
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("details", Value::Object(details)) if collection == Collection::Costs => {
                details.iter().for_each(|(name, value)| put(&Column::Detail(name.clone()), value));
            }
            ("cost_usd", _) if let Some(exact @ Value::String(_)) = exact => put(&Column::Field(name.clone()), exact),
            _ => put(&Column::Field(name.clone()), value),
        }
    }
    row
}
