//! Owns what the columns of a CSV file mean: the flat names of the contract's fields, `details_model` for `details.model`. Must not
//! judge a value: the contract does.

use serde_json::Value;

use crate::store::schema::{Collection, Fields};
use crate::text::sanitize_line;

/// Columns whose cells are text, whatever they look like; every other cell that is JSON is what it says.
pub const TEXTS: [&str; 19] = [
    "id",
    "job_id",
    "service",
    "cost_usd",
    "timestamp",
    "details_model",
    "details_operation_type",
    "details_basis",
    "details_amount",
    "details_error",
    "status",
    "prompt",
    "model",
    "aspectRatio",
    "createdAt",
    "generatedImageUrl",
    "errorMessage",
    "bfl_model",
    "originalJobId",
];

/// Columns that are true or false, also as Python writes them.
const TRUTHS: [&str; 4] = ["details_success", "details_simulated", "details_imported_historical", "promptUpsampling"];

/// Other names of the same columns, as trackers of costs write them.
const ALIASES: [(&str, &str); 12] = [
    ("jobId", "job_id"),
    ("cost", "cost_usd"),
    ("amount_usd", "cost_usd"),
    ("date", "timestamp"),
    ("time", "timestamp"),
    ("created_at", "timestamp"),
    ("model", "details_model"),
    ("steps", "details_steps"),
    ("success", "details_success"),
    ("base_cost", "details_base_cost"),
    ("image_size_bytes", "details_image_size_bytes"),
    ("operation_type", "details_operation_type"),
];

/// What the columns of a file are.
pub struct Columns {
    names: Vec<String>,
    /// What the rows are.
    pub collection: Collection,
}

impl Columns {
    /// The columns of a heading. Errors: why no row below it could be read.
    pub fn of(bytes: &[u8]) -> Result<Self, String> {
        let mut names: Vec<String> = cells(bytes)?.iter().map(|name| name.trim().to_owned()).collect();
        let has = |name: &str| names.iter().any(|known| known == name);
        let collection = match (has("service") || has("cost_usd"), has("status") || has("prompt")) {
            (true, false) => Collection::Costs,
            (false, true) => Collection::Jobs,
            (true, true) => return Err("the heading has columns of jobs and of costs".to_owned()),
            (false, false) => {
                return Err(
                    "the heading has neither service and cost_usd (costs) nor status and prompt (jobs)".to_owned()
                );
            }
        };
        for name in names.iter_mut().filter(|_| collection == Collection::Costs) {
            if let Some((_, right)) = ALIASES.iter().find(|(alias, _)| alias == name) {
                (*right).clone_into(name);
            } else if let Some(inner) = name.strip_prefix("details.") {
                *name = format!("details_{inner}");
            }
        }
        let twice = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name));
        if let Some((_, name)) = twice {
            return Err(format!("the heading names {} twice", sanitize_line(name, 40)));
        }
        Ok(Self { names, collection })
    }

    /// The fields of a row. Errors: why it is none.
    pub fn fields(&self, bytes: &[u8]) -> Result<Fields, String> {
        let cells = cells(bytes)?;
        if cells.len() != self.names.len() {
            return Err(format!("it has {} cells, the heading has {}", cells.len(), self.names.len()));
        }
        let (mut fields, mut details) = (Fields::new(), Fields::new());
        for (name, cell) in self.names.iter().zip(cells) {
            if cell.is_empty() {
                continue;
            }
            let value = value(name, cell);
            match name.strip_prefix("details_").filter(|_| self.collection == Collection::Costs) {
                Some(inner) => _ = details.insert(inner.to_owned(), value),
                None => _ = fields.insert(name.clone(), value),
            }
        }
        if !details.is_empty() {
            match fields.entry("details").or_insert_with(|| Value::Object(Fields::new())) {
                Value::Object(map) => map.extend(details),
                _ => return Err("details is no JSON object; use columns such as details_model".to_owned()),
            }
        }
        Ok(fields)
    }
}

fn value(name: &str, cell: String) -> Value {
    if TEXTS.contains(&name) {
        return Value::String(cell);
    }
    if TRUTHS.contains(&name) {
        for (word, yes) in [("true", true), ("false", false)] {
            if cell.eq_ignore_ascii_case(word) {
                return Value::Bool(yes);
            }
        }
    }
    serde_json::from_str(&cell).unwrap_or(Value::String(cell))
}

/// The cells of one row.
fn cells(bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    reader.read_byte_record(&mut record).map_err(|why| sanitize_line(&why.to_string(), 120))?;
    let cells = record.iter().map(|cell| String::from_utf8(cell.to_vec()).map_err(|_| "is not UTF-8".to_owned()));
    cells.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracker_s_columns_are_the_contract_s_fields() {
        let columns = Columns::of(b"timestamp,job_id,service,cost,model,steps,success,details.error,note").unwrap();
        let fields = columns.fields(b"2025-11-02 12:00:00,17,bfl_api,0.025,flux_dev,28,True,\"a, b\",").unwrap();
        let expected = serde_json::json!({
            "timestamp": "2025-11-02 12:00:00", "job_id": "17", "service": "bfl_api", "cost_usd": "0.025",
            "details": {"model": "flux_dev", "steps": 28, "success": true, "error": "a, b"},
        });
        assert_eq!(Value::Object(fields), expected);
    }

    #[test]
    fn a_heading_that_means_nothing_is_refused() {
        for heading in ["", "a,b", "service,service", "cost_usd,cost", "status,service", "\u{0}"] {
            assert!(Columns::of(heading.as_bytes()).is_err(), "{heading}");
        }
        assert!(Columns::of(b"service,cost_usd").unwrap().fields(b"a").is_err());
        assert!(Columns::of(b"service,cost_usd").unwrap().fields(b"\xff,1").is_err());
    }
}
