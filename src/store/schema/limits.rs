//! The limits that Firestore sets for every document, so that a document fits into every store.

use serde_json::Value;

use super::Fields;
use crate::text::sanitize_line;

/// Firestore takes maps in maps 20 deep; the document is the first.
const MAX_DEPTH: usize = 18;

/// Firestore takes documents of 1 MiB; this leaves room for names and for what is added.
const MAX_BYTES: usize = 800_000;

/// Longest name or id, in bytes.
const MAX_NAME_BYTES: usize = 1_500;

/// Errors: why a document with these fields could not be stored everywhere.
pub(super) fn check(fields: &Fields) -> Result<(), String> {
    let mut size = 0;
    for (name, value) in fields {
        check_name(name)?;
        check_value(value, MAX_DEPTH, &mut size).map_err(|why| format!("{} {why}", sanitize_line(name, 40)))?;
    }
    if size > MAX_BYTES {
        return Err(format!("the document has {size} bytes; the limit is {MAX_BYTES}"));
    }
    Ok(())
}

/// Errors: why a document cannot have this id.
pub(super) fn check_id(id: &str) -> Result<(), String> {
    crate::jobs::JobId::new(id).map_err(|error| error.to_string().replace("a job id", "a document id"))?;
    if is_reserved(id) || id.chars().any(char::is_control) {
        return Err(format!("'{}' is not a valid document id", sanitize_line(id, 40)));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES || is_reserved(name) {
        return Err(format!("'{}' is not a valid field name", sanitize_line(name, 40)));
    }
    Ok(())
}

fn is_reserved(name: &str) -> bool {
    name.len() >= 4 && name.starts_with("__") && name.ends_with("__")
}

fn check_value(value: &Value, levels: usize, size: &mut usize) -> Result<(), String> {
    if levels == 0 {
        return Err("is nested too deeply".to_owned());
    }
    match value {
        Value::Array(items) => {
            for item in items {
                if item.is_array() {
                    return Err("has a list in a list, which Firestore rejects".to_owned());
                }
                check_value(item, levels - 1, size)?;
            }
        }
        Value::Object(map) => {
            for (name, value) in map {
                check_name(name)?;
                *size += name.len();
                check_value(value, levels - 1, size)?;
            }
        }
        Value::String(text) => *size += text.len(),
        _ => *size += 8,
    }
    Ok(())
}
