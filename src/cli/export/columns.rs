//! Owns a CSV export: its rows wait in a file of their own until all of them were seen, because only then the columns are known. Must
//! not decide what a document says.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};

use serde_json::Value;

use super::form::line;
use crate::cli::error::CliError;
use crate::cli::import::rows::TEXTS;
use crate::store::schema::{Collection, Fields};

/// The contract's columns in the order in which people read them; all others follow.
const COSTS: [&str; 11] = [
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
const JOBS: [&str; 10] = [
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
pub struct Spool {
    rows: BufWriter<File>,
    columns: BTreeSet<String>,
    collection: Collection,
}

impl Spool {
    /// No rows yet.
    pub fn new(collection: Collection) -> Result<Self, CliError> {
        let rows = tempfile::tempfile().map_err(|why| CliError::Failed(format!("no temporary file: {why}")))?;
        Ok(Self { rows: BufWriter::new(rows), columns: BTreeSet::new(), collection })
    }

    /// One row.
    pub fn add(&mut self, fields: &Fields) -> Result<(), CliError> {
        let row = flat(fields, self.collection);
        self.columns.extend(row.keys().filter(|name| !self.columns.contains(*name)).cloned().collect::<Vec<_>>());
        let line = line(&row)?;
        self.rows.write_all(line.as_bytes()).and_then(|()| self.rows.write_all(b"\n")).map_err(CliError::Output)
    }

    /// The heading, and all rows under it.
    pub fn write(self, target: &mut impl Write) -> Result<(), CliError> {
        let known: &[&str] = if self.collection == Collection::Costs { &COSTS } else { &JOBS };
        let mut columns: Vec<String> = known.iter().map(|name| (*name).to_owned()).collect();
        columns.extend(self.columns.into_iter().filter(|name| !known.contains(&name.as_str())));
        let mut file = self.rows.into_inner().map_err(|error| CliError::Output(error.into_error()))?;
        file.rewind().map_err(CliError::Output)?;
        let mut csv = csv::Writer::from_writer(target);
        // A reader that has seen enough is told apart by the error's kind.
        let failed = |why: csv::Error| match why.into_kind() {
            csv::ErrorKind::Io(why) => CliError::Output(why),
            other => CliError::Failed(format!("the row cannot be written: {other:?}")),
        };
        csv.write_record(&columns).map_err(failed)?;
        for line in BufReader::new(file).lines() {
            let row: Fields = serde_json::from_str(&line.map_err(CliError::Output)?).unwrap_or_default();
            let cells = columns.iter().map(|name| row.get(name).and_then(Value::as_str).unwrap_or_default());
            csv.write_record(cells).map_err(failed)?;
        }
        csv.flush().map_err(CliError::Output)
    }
}

/// The cells of a document by their columns, all of them text.
fn flat(fields: &Fields, collection: Collection) -> Fields {
    let mut row = Fields::new();
    for (name, value) in fields {
        match value {
            Value::Object(details) if name == "details" && collection == Collection::Costs => {
                for (inner, value) in details {
                    let name = format!("{name}_{inner}");
                    let cell = cell(&name, value);
                    row.insert(name, cell.into());
                }
            }
            _ => _ = row.insert(name.clone(), cell(name, value).into()),
        }
    }
    // The number's own digits, not those of the nearest binary fraction.
    if collection == Collection::Costs
        && let Some(Value::String(amount)) = row.get("details_amount").cloned()
        && !amount.is_empty()
    {
        row.insert("cost_usd".to_owned(), amount.into());
    }
    row
}

/// A text that a reader would take for something else stands in quotes of its own.
fn cell(name: &str, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Number(number) if name == "cost_usd" => plain(&number.to_string()),
        Value::String(text) if TEXTS.contains(&name) => text.clone(),
        Value::String(text) if text.is_empty() || serde_json::from_str::<Value>(text).is_ok() => value.to_string(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The digits without an exponent.
fn plain(number: &str) -> String {
    number.parse::<crate::costs::Usd>().map_or_else(|_| number.to_owned(), |amount| amount.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::import::rows::Columns;

    #[test]
    fn a_row_is_read_back_as_it_was() {
        let fields: Fields = serde_json::from_str(
            r#"{"id": "17", "job_id": "8", "service": "bfl_api", "cost_usd": 5e-06, "timestamp": "2026-11-22T12:00:00.000000Z",
                "note": "28", "list": [1, "a"], "details": {"model": "7", "steps": 28, "success": true, "odd": "null", "x": "true, \"no\""}}"#,
        )
        .unwrap();
        let mut spool = Spool::new(Collection::Costs).unwrap();
        spool.add(&fields).unwrap();
        let mut file = Vec::new();
        spool.write(&mut file).unwrap();
        let text = String::from_utf8(file).unwrap();
        let (heading, row) = text.split_once('\n').unwrap();
        let mut read = Columns::of(heading.as_bytes()).unwrap().fields(row.as_bytes()).unwrap();
        assert_eq!(read.insert("cost_usd".to_owned(), 5e-06.into()), Some("0.000005".into()));
        assert_eq!(read, fields);
    }
}
