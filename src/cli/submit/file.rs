//! `submit --file`: the rows of a file become job requests. The catalog judges the values.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::job_request::{Defaults, InputRow, JobRequest, RawValue};
use crate::catalog::{Catalog, ParameterKind};
use crate::cli::error::CliError;
use crate::text::{sanitize_line, suggest};
use crate::transfer::cells::{self, NumberStyle};
use crate::transfer::records::{Content, FileRecord, Heading, Input, ReadEnd, RecordSink, RejectedRow};

/// Columns beside the parameters of the models.
const OWN_COLUMNS: [&str; 4] = ["prompt", "model", "count", "tags"];

/// All requests of the file, and the rows that are rejected. Errors: the file as a whole cannot be read.
pub fn read(
    path: &Path,
    defaults: &Defaults,
    decimal_comma: bool,
) -> Result<(Vec<JobRequest>, Vec<RejectedRow>), CliError> {
    let shown = sanitize_line(&path.display().to_string(), 200);
    let failed = |error: std::io::Error| CliError::Failed(format!("cannot read {shown}: {error}"));
    let mut rows = Rows::new(decimal_comma);
    let end = Input::open(path).and_then(|input| input.read(&[], &mut rows)).map_err(failed)?;
    if end == ReadEnd::NoHeading
        && let Some(Err(row)) = rows.read.last()
    {
        return Err(CliError::Failed(format!("{shown}, {}: {}", row.location(), row.reason)));
    }
    let (mut requests, mut rejected) = (Vec::new(), Vec::new());
    for row in rows.read {
        match row {
            Ok((line, row)) => match JobRequest::new(&row, defaults) {
                Ok(request) => requests.push(request),
                Err(reason) => rejected.push(RejectedRow::new(line, sanitize_line(&reason, 1_000))),
            },
            Err(row) => rejected.push(row),
        }
    }
    Ok((requests, rejected))
}

/// The rows of a file, each read or rejected.
struct Rows {
    read: Vec<Result<(u64, InputRow), RejectedRow>>,
    columns: Vec<String>,
    style: NumberStyle,
    numeric: BTreeSet<&'static str>,
}

impl RecordSink for Rows {
    fn heading(&mut self, heading: &Heading) -> Result<(), String> {
        check_columns(heading)?;
        self.columns.clone_from(&heading.names);
        self.style.separator = heading.separator;
        Ok(())
    }

    fn record(&mut self, record: FileRecord) -> bool {
        let line = record.line;
        let row = record.content.and_then(|content| {
            let row = match content {
                Content::Cells(cells) => self.csv_row(cells),
                Content::Object { fields, .. } => json_row(fields),
            };
            row.map_err(|reason| RejectedRow::new(line, sanitize_line(&reason, 1_000)))
        });
        self.read.push(row.map(|row| (line, row)));
        true
    }

    fn ignored_key(&mut self, _key: &str) {}
}

impl Rows {
    fn new(decimal_comma: bool) -> Self {
        let parameters = Catalog::builtin().models.iter().flat_map(|model| &model.parameters);
        let is_number =
            |kind: &ParameterKind| matches!(kind, ParameterKind::Integer { .. } | ParameterKind::Number { .. });
        let numeric =
            parameters.filter(|parameter| is_number(&parameter.kind)).map(|parameter| parameter.name.as_str());
        Self {
            read: Vec::new(),
            columns: Vec::new(),
            style: NumberStyle { decimal_comma, separator: ',' },
            numeric: numeric.chain(["count"]).collect(),
        }
    }

    fn csv_row(&self, cells: Vec<String>) -> Result<InputRow, String> {
        let mut row = InputRow::default();
        for (column, cell) in self.columns.iter().zip(cells) {
            if cell.trim().is_empty() {
                continue;
            }
            let cell = if self.numeric.contains(column.as_str()) {
                cells::number(&cell, self.style).map_err(|reason| format!("{column}: {reason}"))?
            } else {
                cell
            };
            match column.as_str() {
                "prompt" => row.prompt = Some(cell),
                "model" => row.model = Some(cell.trim().to_owned()),
                "count" => row.count = Some(csv_count(&cell)?),
                "tags" => row.tags = split_tags(&cell),
                name => row.parameters.push((name.to_owned(), RawValue::Text(cell))),
            }
        }
        Ok(row)
    }
}

fn csv_count(cell: &str) -> Result<u32, String> {
    let text = cell.trim();
    let count = cells::whole_number(text).unwrap_or(text).parse();
    count.map_err(|_| format!("count: '{}' is not a whole number", sanitize_line(cell, 40)))
}

fn json_row(fields: serde_json::Map<String, Value>) -> Result<InputRow, String> {
    let mut row = InputRow::default();
    for (name, value) in fields {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("prompt", Value::String(text)) => row.prompt = Some(text),
            ("model", Value::String(text)) => row.model = Some(text),
            ("count", value) => row.count = Some(json_count(&value)?),
            ("tags", value) => row.tags = json_tags(value)?,
            ("prompt" | "model", _) => return Err(format!("{name}: must be text")),
            (_, value) => row.parameters.push((name, RawValue::Json(value))),
        }
    }
    Ok(row)
}

fn json_count(value: &Value) -> Result<u32, String> {
    let shown = value.to_string();
    // `2.0` is 2, as programs write whole numbers that they keep as floats.
    let whole = if value.is_number() { cells::whole_number(&shown).unwrap_or(&shown).parse().ok() } else { None };
    whole.ok_or_else(|| format!("count: {} is not a whole number", sanitize_line(&shown, 40)))
}

fn json_tags(value: Value) -> Result<Vec<String>, String> {
    match value {
        Value::String(text) => Ok(split_tags(&text)),
        Value::Array(values) => {
            let texts = values.into_iter().map(|value| match value {
                Value::String(text) => Ok(text),
                other => Err(format!("tags: {} is not text", sanitize_line(&other.to_string(), 40))),
            });
            texts.collect()
        }
        _ => Err("tags: must be a list of texts".to_owned()),
    }
}

fn split_tags(text: &str) -> Vec<String> {
    text.split([',', ';']).map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
}

fn check_columns(heading: &Heading) -> Result<(), String> {
    let parameters = Catalog::builtin().models.iter().flat_map(|model| &model.parameters);
    let known: BTreeSet<&str> =
        OWN_COLUMNS.into_iter().chain(parameters.map(|parameter| parameter.name.as_str())).collect();
    let mut seen = BTreeSet::new();
    for column in &heading.names {
        let shown = sanitize_line(column, 60);
        if !known.contains(column.as_str()) {
            let similar = suggest(column, known.iter().copied());
            let similar = similar.first().map_or(String::new(), |name| format!("; did you mean '{name}'?"));
            return Err(format!(
                "the heading has an unknown column '{shown}'{similar}; known columns are prompt, model, count, tags, \
                 and the parameters of the models by their API names"
            ));
        }
        if !seen.insert(column) {
            return Err(format!("the heading has the column '{shown}' twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(name: &str, text: &[u8]) -> Rows {
        let mut rows = Rows::new(false);
        let input = Input::new(Box::new(std::io::Cursor::new(text.to_vec())), Path::new(name));
        input.read(&[], &mut rows).unwrap();
        rows
    }

    #[test]
    fn csv_cells_become_a_row() {
        let text = "prompt,seed,tags,count\n\"a, \"\"quoted\"\" fox\nin two lines\",7,\"x; y\",2.0\nplain,,,\n";
        let rows = rows("a.csv", text.as_bytes()).read;
        let (_, first) = rows[0].clone().unwrap();
        assert_eq!(first.prompt.as_deref(), Some("a, \"quoted\" fox\nin two lines"));
        assert_eq!((first.tags, first.count), (vec!["x".to_owned(), "y".to_owned()], Some(2)));
        assert_eq!(first.parameters, [("seed".to_owned(), RawValue::Text("7".to_owned()))]);
        assert_eq!(rows[1], Ok((4, InputRow { prompt: Some("plain".to_owned()), ..InputRow::default() })));
    }

    #[test]
    fn unknown_column_is_named_with_a_similar_one() {
        let why = rows("a.csv", b"promt,seed\nx,1\n").read.remove(0).unwrap_err().reason;
        assert!(why.contains("'promt'") && why.contains("did you mean 'prompt'?"), "{why}");
        let twice = rows("a.csv", b"\n prompt , prompt\nx,1\n").read.remove(0).unwrap_err();
        assert!(twice.line == 2 && twice.reason.contains("'prompt' twice"), "{twice:?}");
    }

    #[test]
    fn decimal_comma_is_named_with_its_column() {
        let rejected = rows("a.csv", b"prompt;guidance\nx;3,5\n").read.remove(0).unwrap_err();
        assert!(rejected.reason.contains("guidance: '3,5' has a decimal comma"), "{}", rejected.reason);
    }

    #[test]
    fn json_count_takes_whole_floats_only() {
        for (count, expected) in [("2.0", Ok(2)), ("2", Ok(2)), ("1.5", Err(())), ("\"2\"", Err(())), ("-1.0", Err(()))]
        {
            let line = format!("{{\"prompt\": \"a\", \"count\": {count}}}");
            let row = rows("a.jsonl", line.as_bytes()).read.remove(0);
            assert_eq!(row.map(|(_, row)| row.count.unwrap()).map_err(drop), expected, "{count}");
        }
    }
}
