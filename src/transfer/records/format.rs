//! Which format a file has: its name decides about CSV, its beginning about the forms of JSON.

use serde_json::error::Category;
use serde_json::{Map, Value};

/// The formats of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A heading, and a row for each record.
    Csv,
    /// One object per line: a damaged line costs no other.
    JsonLines,
    /// Lists, databases, and objects over several lines.
    Json,
}

impl Format {
    /// The format of a file with that extension (in lower case) and that beginning.
    pub fn of(extension: &str, sample: &[u8], collections: &[&str]) -> Self {
        if matches!(extension, "csv" | "tsv" | "tab") {
            return Self::Csv;
        }
        let is_lines = matches!(extension, "jsonl" | "ndjson");
        let text = sample.trim_ascii_start();
        match text.first() {
            Some(b'[') => Self::Json,
            Some(b'{') => Self::of_objects(text, is_lines, collections),
            _ if is_lines => Self::JsonLines,
            _ if extension == "json" => Self::Json,
            _ => Self::Csv,
        }
    }

    fn of_objects(text: &[u8], is_lines: bool, collections: &[&str]) -> Self {
        let mut lines = text.splitn(3, |byte| *byte == b'\n');
        let (first, second, more) = (lines.next().unwrap_or_default(), lines.next(), lines.next());
        match serde_json::from_slice::<Map<String, Value>>(first) {
            Ok(fields) if is_database(&fields, collections) => Self::Json,
            Ok(_) => Self::JsonLines,
            // A single long line, cut off by the sample.
            Err(_) if second.is_none() && is_lines => Self::JsonLines,
            Err(_) if second.is_none() => Self::Json,
            // The first line is damaged where the second is an object of its own: no object over several lines goes on like that.
            Err(_) if second.is_some_and(is_object) => Self::JsonLines,
            Err(error) if is_lines && error.classify() != Category::Eof && more.is_none() => Self::JsonLines,
            Err(_) => Self::Json,
        }
    }
}

fn is_object(line: &[u8]) -> bool {
    serde_json::from_slice::<Map<String, Value>>(line).is_ok()
}

/// Whether documents are listed under a key of it.
fn is_database(fields: &Map<String, Value>, collections: &[&str]) -> bool {
    collections.iter().any(|name| fields.get(*name).is_some_and(|of| of.is_array() || of.is_object()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_follows_name_and_beginning() {
        for (extension, sample, expected) in [
            ("csv", "{\"a\": 1}", Format::Csv),
            ("tsv", "", Format::Csv),
            ("", "prompt\nx", Format::Csv),
            ("txt", "", Format::Csv),
            ("jsonl", "null\n{}", Format::JsonLines),
            ("jsonl", "{\"a\": 1\n{\"a\": 2}\n", Format::JsonLines),
            ("jsonl", "{oops\n{\"a\": 2}\n", Format::JsonLines),
            ("json", "{\"a\": 1}\n{\"a\": 2}\n", Format::JsonLines),
            ("", " \n{\"a\": 1}", Format::JsonLines),
            ("", "{\"jobs\": 1}", Format::JsonLines),
            ("jsonl", "[\n{\"a\": 1}\n]", Format::Json),
            ("jsonl", "{\n  \"a\": 1\n}\n", Format::Json),
            ("", "{\"jobs\": []}", Format::Json),
            ("json", "nonsense", Format::Json),
            ("jsonl", "{\"a\": \"long", Format::JsonLines),
            ("json", "{\"a\": \"long", Format::Json),
        ] {
            assert_eq!(Format::of(extension, sample.as_bytes(), &["jobs", "costs"]), expected, "{extension}: {sample}");
        }
    }
}
