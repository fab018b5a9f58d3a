//! Owns reading a file of jobs: CSV with a heading, or JSON lines. Must not judge a value: the catalog does.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Read;
use std::path::Path;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::orders::{Defaults, Given, Line, Order, order};
use crate::catalog::Catalog;
use crate::cli::error::CliError;
use crate::text::sanitize_line;
use crate::text::suggest;

/// A line that is no job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Counts from 1; of an entry over several lines, the first.
    pub line: u64,
    /// Everything that is wrong with it.
    pub reason: String,
}

/// Lines with their numbers, each read or refused.
type Lines = Vec<(u64, Result<Line, String>)>;

/// All orders of the file, and the lines that are none. Errors: the file as a whole cannot be read.
pub fn read(path: &Path, defaults: &Defaults) -> Result<(Vec<Order>, Vec<Refused>), CliError> {
    let shown = sanitize_line(&path.display().to_string(), 200);
    let bytes = bytes(path).map_err(|why| CliError::Failed(format!("{shown} cannot be read: {why}")))?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let lines = if is_csv(path, bytes) {
        csv_lines(bytes).map_err(|why| CliError::Failed(format!("{shown}: {why}")))?
    } else {
        json_lines(bytes)
    };
    let (mut orders, mut refused) = (Vec::new(), Vec::new());
    for (number, line) in lines {
        match line.and_then(|line| order(&line, defaults)) {
            Ok(order) => orders.push(order),
            Err(reason) => refused.push(Refused { line: number, reason: sanitize_line(&reason, 1_000) }),
        }
    }
    Ok((orders, refused))
}

fn bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(path)
}

/// By the name's ending, else by the first character: JSON lines begin with a brace.
fn is_csv(path: &Path, bytes: &[u8]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    match ending.as_str() {
        "csv" => true,
        "jsonl" | "ndjson" | "json" => false,
        _ => bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{'),
    }
}

fn json_lines(bytes: &[u8]) -> Lines {
    let lines = bytes.split(|byte| *byte == b'\n').zip(1..);
    lines
        .filter(|(line, _)| !line.trim_ascii().is_empty())
        .map(|(line, number)| {
            let line = serde_json::from_slice::<Fields>(line)
                .map_err(|why| format!("is not a JSON object: {}", sanitize_line(&without_line(&why), 120)))
                .and_then(json_line);
            (number, line)
        })
        .collect()
}

/// The parser has seen one line and calls it the first: only its column tells something.
fn without_line(why: &serde_json::Error) -> String {
    why.to_string().replace(&format!(" at line {} column ", why.line()), " at column ")
}

/// An object's fields as they stand there: a map would let the last of two win in silence, of two counts too.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Fields;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

fn json_line(Fields(fields): Fields) -> Result<Line, String> {
    let mut line = Line::default();
    let mut seen = BTreeSet::new();
    for (name, value) in fields {
        if !seen.insert(name.clone()) {
            return Err(format!("names {} twice", sanitize_line(&name, 60)));
        }
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("prompt", Value::String(text)) => line.prompt = Some(text),
            ("model", Value::String(text)) => line.model = Some(text),
            ("count", value) => line.count = Some(json_count(&value)?),
            ("tags", value) => line.tags = json_tags(value)?,
            ("prompt" | "model", _) => return Err(format!("{name}: must be text")),
            (_, value) => line.parameters.push((name, Given::Json(value))),
        }
    }
    Ok(line)
}

fn json_count(value: &Value) -> Result<u32, String> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| format!("count: {} is not a whole number", sanitize_line(&value.to_string(), 40)))
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

/// Errors: the heading is not one.
fn csv_lines(bytes: &[u8]) -> Result<Lines, String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let heading = reader.headers().map_err(|why| format!("the heading cannot be read: {why}"))?.clone();
    let columns: Vec<String> = heading.iter().map(|name| name.trim().to_owned()).collect();
    check_columns(&columns)?;
    let mut lines = Vec::new();
    let mut counter = LineCounter { bytes, at: 0, line: 1 };
    for record in reader.byte_records() {
        // Only reading the source can fail here, and the source is in memory.
        let record = record.map_err(|why| why.to_string())?;
        let start = record.position().and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(0);
        lines.push((counter.line_of(start), csv_line(&columns, &record)));
    }
    Ok(lines)
}

/// Counts lines as editors do; the reader's own count is one behind where lines end in CR LF.
struct LineCounter<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl LineCounter<'_> {
    /// The line of the row that begins at `start` or, behind what is left of the line before and empty lines, soon after it.
    fn line_of(&mut self, start: usize) -> u64 {
        while let Some(byte) = self.bytes.get(self.at).filter(|byte| self.at < start || matches!(byte, b'\r' | b'\n')) {
            let crlf = *byte == b'\r' && self.bytes.get(self.at + 1) == Some(&b'\n');
            self.line += u64::from(matches!(byte, b'\r' | b'\n') && !crlf);
            self.at += 1;
        }
        self.line
    }
}

fn check_columns(columns: &[String]) -> Result<(), String> {
    const OWN: [&str; 4] = ["prompt", "model", "count", "tags"];
    let parameters = Catalog::builtin().models.iter().flat_map(|model| &model.parameters);
    let known: BTreeSet<&str> = OWN.into_iter().chain(parameters.map(|parameter| parameter.name.as_str())).collect();
    let mut seen = BTreeSet::new();
    for column in columns {
        let shown = sanitize_line(column, 60);
        if !known.contains(column.as_str()) {
            let meant = suggest(column, known.iter().copied());
            let meant = meant.first().map_or(String::new(), |name| format!("; did you mean '{name}'?"));
            return Err(format!(
                "the heading (line 1) names a column '{shown}' that no model has{meant} The first line of a CSV file names \
                 its columns: prompt, model, count, tags, and parameters by their API names"
            ));
        }
        if !seen.insert(column) {
            return Err(format!("the heading (line 1) names the column '{shown}' twice"));
        }
    }
    Ok(())
}

fn csv_line(columns: &[String], record: &csv::ByteRecord) -> Result<Line, String> {
    if record.len() != columns.len() {
        return Err(format!("has {} cells; the heading has {}", record.len(), columns.len()));
    }
    let mut line = Line::default();
    for (column, cell) in columns.iter().zip(record) {
        let cell = std::str::from_utf8(cell).map_err(|_| format!("{column}: is not UTF-8"))?;
        if cell.trim().is_empty() {
            continue;
        }
        match column.as_str() {
            "prompt" => line.prompt = Some(cell.to_owned()),
            "model" => line.model = Some(cell.trim().to_owned()),
            "count" => {
                let count = cell.trim().parse();
                line.count =
                    Some(count.map_err(|_| format!("count: '{}' is not a whole number", sanitize_line(cell, 40)))?);
            }
            "tags" => line.tags = split_tags(cell),
            name => line.parameters.push((name.to_owned(), Given::Text(cell.to_owned()))),
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_cells_are_told_apart_from_what_is_absent() {
        let text = "prompt,seed,tags,count\n\"a, \"\"quoted\"\" fox\nin two lines\",7,\"x; y\",2\nplain,,,\n";
        let lines = csv_lines(text.as_bytes()).unwrap();
        let first = lines[0].1.clone().unwrap();
        assert_eq!(first.prompt.as_deref(), Some("a, \"quoted\" fox\nin two lines"));
        assert_eq!((first.tags, first.count), (vec!["x".to_owned(), "y".to_owned()], Some(2)));
        assert_eq!(first.parameters, [("seed".to_owned(), Given::Text("7".to_owned()))]);
        assert_eq!(lines[1], (4, Ok(Line { prompt: Some("plain".to_owned()), ..Line::default() })));
    }

    #[test]
    fn rows_have_the_numbers_that_editors_show() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["prompt,seed", "", "one,1", "\"two\r\nlines\",2", "", "", "three,3", ""].join(end);
            let numbers: Vec<u64> = csv_lines(text.as_bytes()).unwrap().iter().map(|(number, _)| *number).collect();
            assert_eq!(numbers, [3, 4, 8], "{end:?}");
        }
    }

    #[test]
    fn a_wrong_heading_is_named_with_what_was_meant() {
        let why = csv_lines(b"promt,seed\nx,1\n").unwrap_err();
        assert!(why.contains("'promt'") && why.contains("did you mean 'prompt'?"), "{why}");
        assert!(csv_lines(b"prompt,prompt\nx,1\n").unwrap_err().contains("twice"));
    }

    #[test]
    fn broken_lines_are_refused_one_by_one() {
        let lines = csv_lines(b"prompt,seed\nx,1,2\n\xff,1\nok,1\n").unwrap();
        assert!(lines[0].1.as_ref().unwrap_err().contains("has 3 cells"));
        assert!(lines[1].1.as_ref().unwrap_err().contains("not UTF-8"));
        assert_eq!(lines[2].0, 4);
        let lines =
            json_lines(b"{\"prompt\": \"a\"}\n\n[1]\n{\"prompt\": 3}\n{\"prompt\": \"b\", \"count\": 1.5}\n{oops\n");
        let numbers: Vec<u64> = lines.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 3, 4, 5, 6]);
        assert!(lines[0].1.is_ok());
        assert!(lines[1..].iter().all(|(_, line)| line.is_err()));
        let why = lines[4].1.as_ref().unwrap_err();
        assert!(why.contains(" at column ") && !why.contains("line 1"), "{why}");
    }

    #[test]
    fn the_kind_of_file_is_seen_by_its_name_or_its_first_character() {
        assert!(is_csv(Path::new("a.csv"), b"{"));
        assert!(!is_csv(Path::new("a.JSONL"), b"prompt"));
        assert!(!is_csv(Path::new("-"), b" \n{\"prompt\""));
        assert!(is_csv(Path::new("-"), b"prompt\nx"));
    }
}
