//! What a cell of a CSV file means, in both directions: an export writes cells from which an import makes the same fields again.
//!
//! Columns have the flat names of the shared documents' fields, `details_model` for `details.model`. A field whose name means
//! something else there has its name in quotes, as JSON writes it. A text that a spreadsheet would run as a formula (and one that an
//! import would read as something else) has an apostrophe in front.

use serde_json::Value;

use crate::store::schema::Collection;
use crate::text::{is_formula_start, sanitize_line};

/// Columns whose cells are text, whatever they look like. Every other cell that is JSON is what it says.
const TEXTS: [&str; 19] = [
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

/// Columns of ids. Programs that keep numbers as floats write `17.0` for the id 17.
const IDS: [&str; 3] = ["id", "job_id", "originalJobId"];

/// Columns that are true or false, also as Python writes them.
const BOOLEANS: [&str; 4] = ["details_success", "details_simulated", "details_imported_historical", "promptUpsampling"];

/// Columns of numbers.
const NUMBERS: [&str; 15] = [
    "cost_usd",
    "details_amount",
    "details_steps",
    "details_base_cost",
    "details_image_size_bytes",
    "details_attempt",
    "steps",
    "guidance",
    "seed",
    "safetyTolerance",
    "generationCount",
    "bfl_cost_usd",
    "bfl_steps",
    "storage_cost_usd",
    "image_size_bytes",
];

/// Other names of cost columns, as trackers write them.
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

/// Distinguishes the collections.
const OF_COSTS: [&str; 2] = ["service", "cost_usd"];
const OF_JOBS: [&str; 2] = ["status", "prompt"];

/// The field that a column is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// A field of the document.
    Field(String),
    /// A field of its `details`.
    Detail(String),
}

/// How numbers are written.
#[derive(Debug, Clone, Copy)]
pub struct NumberStyle {
    /// Whether a comma is the decimal point.
    pub decimal_comma: bool,
    /// What separates the cells, for messages.
    pub separator: char,
}

/// The collection of a CSV file with these columns. Errors: they are of both, or of none.
pub fn collection_of(names: &[String]) -> Result<Collection, String> {
    let has = |known: [&str; 2]| names.iter().any(|name| known.contains(&name.as_str()));
    match (has(OF_COSTS), has(OF_JOBS)) {
        (true, false) => Ok(Collection::Costs),
        (false, true) => Ok(Collection::Jobs),
        (true, true) => Err("the heading has columns of jobs and of costs".to_owned()),
        (false, false) => {
            let shown: Vec<String> = names.iter().take(5).map(|name| sanitize_line(name, 30)).collect();
            Err(format!(
                "the heading has neither service and cost_usd (costs) nor status and prompt (jobs); it has {}",
                if shown.is_empty() { "no names".to_owned() } else { shown.join(", ") }
            ))
        }
    }
}

impl Column {
    /// The column of that heading.
    pub fn of(heading: &str, collection: Collection) -> Self {
        if let Some(name) = quoted(heading) {
            return Self::Field(name);
        }
        if collection != Collection::Costs {
            return Self::Field(heading.to_owned());
        }
        let known = ALIASES.iter().find(|(alias, _)| *alias == heading);
        let name = known.map_or(heading, |(_, name)| name);
        match name.strip_prefix("details_").or_else(|| name.strip_prefix("details.")) {
            Some(inner) => Self::Detail(quoted(inner).unwrap_or_else(|| inner.to_owned())),
            None => Self::Field(name.to_owned()),
        }
    }

    /// Its heading.
    pub fn heading(&self, collection: Collection) -> String {
        match self {
            Self::Field(name) if is_plain(name) && !is_reserved(name, collection) => name.clone(),
            Self::Field(name) => Value::from(name.as_str()).to_string(),
            Self::Detail(name) if is_plain(name) => format!("details_{name}"),
            Self::Detail(name) => format!("details_{}", Value::from(name.as_str())),
        }
    }

    /// The name by which its kind of value is known.
    pub fn name(&self) -> String {
        match self {
            Self::Field(name) => name.clone(),
            Self::Detail(name) => format!("details_{name}"),
        }
    }
}

/// A name in quotes, as JSON writes it.
fn quoted(heading: &str) -> Option<String> {
    heading.starts_with('"').then(|| serde_json::from_str(heading).ok()).flatten()
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.trim() == name && !name.starts_with('"') && !name.starts_with(is_formula_start)
}

/// Whether the name of a document's field means something else as a column.
fn is_reserved(name: &str, collection: Collection) -> bool {
    match collection {
        Collection::Costs => {
            let is_alias = ALIASES.iter().any(|(alias, _)| *alias == name);
            is_alias || name.starts_with("details_") || name.starts_with("details.") || OF_JOBS.contains(&name)
        }
        Collection::Jobs => OF_COSTS.contains(&name),
    }
}

/// The cell of a value.
pub fn encode(name: &str, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Number(number) if name == "cost_usd" => without_exponent(&number.to_string()),
        Value::String(text) if TEXTS.contains(&name) => guard(name, text),
        Value::String(text) if reads_as_other(name, text) => value.to_string(),
        Value::String(text) => guard(name, text),
        other => other.to_string(),
    }
}

/// The value of a cell; `None` where there is none. Errors: what is wrong with it.
pub fn decode(name: &str, cell: String, style: NumberStyle) -> Result<Option<Value>, String> {
    if cell.is_empty() {
        return Ok(None);
    }
    if let Some(text) = unguard(name, &cell) {
        return Ok(Some(Value::from(text)));
    }
    let cell =
        if NUMBERS.contains(&name) { number(&cell, style).map_err(|why| format!("{name}: {why}"))? } else { cell };
    if IDS.contains(&name)
        && let Some(whole) = whole_number(&cell)
    {
        return Ok(Some(Value::from(whole)));
    }
    if TEXTS.contains(&name) {
        return Ok(Some(Value::String(cell)));
    }
    if BOOLEANS.contains(&name)
        && let Some(value) = boolean(&cell)
    {
        return Ok(Some(Value::Bool(value)));
    }
    Ok(Some(serde_json::from_str(&cell).unwrap_or(Value::String(cell))))
}

/// The number with a decimal point. Errors: a comma or point that may mean several things.
pub fn number(cell: &str, style: NumberStyle) -> Result<String, String> {
    let text = cell.trim();
    let unsigned = text.trim_start_matches(['+', '-']);
    let is_numeric =
        !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'.'));
    if !is_numeric {
        return Ok(cell.to_owned());
    }
    let (commas, points) = (unsigned.matches(',').count(), unsigned.matches('.').count());
    if style.decimal_comma && commas == 0 && is_grouped(unsigned) {
        return Err(format!("'{text}' is ambiguous with --decimal-comma; write it without the point"));
    }
    match (commas, points) {
        (0, _) => Ok(cell.to_owned()),
        (1, 0) if style.decimal_comma => Ok(text.replace(',', ".")),
        (1, 0) => {
            let separator = if style.separator == '\t' { "a tab".to_owned() } else { format!("'{}'", style.separator) };
            let read = text.replace(',', ".");
            Err(format!(
                "'{text}' has a decimal comma (cells are separated by {separator}); pass --decimal-comma to read it as {read}"
            ))
        }
        _ => Err(format!("'{text}' has thousands separators; write the number without them")),
    }
}

/// `1.234`: groups of three digits.
fn is_grouped(digits: &str) -> bool {
    let mut groups = digits.split('.');
    let first = groups.next().unwrap_or_default();
    let mut others = groups.peekable();
    others.peek().is_some()
        && (1..=3).contains(&first.len())
        && !first.starts_with('0')
        && others.all(|group| group.len() == 3)
}

/// The whole number that is written as `17.0`.
pub fn whole_number(text: &str) -> Option<&str> {
    let (whole, zeros) = text.trim().split_once('.')?;
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (are_digits(whole) && are_digits(zeros) && zeros.bytes().all(|zero| zero == b'0')).then_some(whole)
}

fn boolean(cell: &str) -> Option<bool> {
    [("true", true), ("false", false)]
        .into_iter()
        .find(|(word, _)| cell.eq_ignore_ascii_case(word))
        .map(|(_, value)| value)
}

/// Whether an import would read the text as something else than text.
fn reads_as_other(name: &str, text: &str) -> bool {
    text.is_empty()
        || NUMBERS.contains(&name)
        || (BOOLEANS.contains(&name) && boolean(text).is_some())
        || serde_json::from_str::<Value>(text).is_ok()
}

fn guard(name: &str, text: &str) -> String {
    if needs_guard(name, text.trim_start_matches('\'')) { format!("'{text}") } else { text.to_owned() }
}

/// The text of a guarded cell. A cell that begins with apostrophes is guarded exactly where the text behind them needs it, so that
/// guarding can be undone without knowing who wrote the cell.
fn unguard<'a>(name: &str, cell: &'a str) -> Option<&'a str> {
    let text = cell.strip_prefix('\'')?;
    needs_guard(name, text.trim_start_matches('\'')).then_some(text)
}

fn needs_guard(name: &str, bare: &str) -> bool {
    bare.is_empty()
        || bare.starts_with(is_formula_start)
        || (IDS.contains(&name) && whole_number(bare).is_some())
        || (NUMBERS.contains(&name) && bare.contains(','))
}

/// The digits without an exponent.
fn without_exponent(number: &str) -> String {
    number.parse::<crate::costs::Usd>().map_or_else(|_| number.to_owned(), |amount| amount.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STYLE: NumberStyle = NumberStyle { decimal_comma: false, separator: ',' };
    const COMMA: NumberStyle = NumberStyle { decimal_comma: true, separator: ';' };

    #[test]
    fn formula_is_guarded_and_unguarded() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("+1 fox", "'+1 fox"),
            ("-2+3 foxes", "'-2+3 foxes"),
            ("@SUM(1,1)", "'@SUM(1,1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("\u{1b}=1", "'\u{1b}=1"),
            ("\0=1", "'\0=1"),
            ("\u{feff}=1", "'\u{feff}=1"),
            ("＝1", "'＝1"),
            ("'=1", "''=1"),
            ("''", "'''"),
            ("", "'"),
            ("'tis", "'tis"),
            ("a=b", "a=b"),
        ] {
            assert_eq!(encode("prompt", &Value::from(text)), cell);
            assert_eq!(decode("prompt", cell.to_owned(), STYLE), Ok(Some(Value::from(text))));
        }
    }

    #[test]
    fn decimal_comma_is_read_only_on_request() {
        let why = decode("cost_usd", "0,04".to_owned(), NumberStyle { separator: ';', ..STYLE }).unwrap_err();
        assert!(why.contains("cost_usd: '0,04' has a decimal comma") && why.contains("';'"), "{why}");
        assert!(why.contains("--decimal-comma to read it as 0.04"), "{why}");
        assert_eq!(decode("cost_usd", " 0,04 ".to_owned(), COMMA), Ok(Some("0.04".into())));
        assert_eq!(decode("guidance", "-3,5".to_owned(), COMMA), Ok(Some((-3.5).into())));
        assert_eq!(decode("cost_usd", "0.05".to_owned(), COMMA), Ok(Some("0.05".into())));
        assert_eq!(decode("cost_usd", "0.025".to_owned(), COMMA), Ok(Some("0.025".into())));
        assert_eq!(decode("note", "1,5".to_owned(), STYLE), Ok(Some("1,5".into())));
        for (cell, style) in [("1.234", COMMA), ("1.234,56", COMMA), ("1,234.56", STYLE), ("1,234,567", COMMA)] {
            assert!(decode("cost_usd", cell.to_owned(), style).is_err(), "{cell}");
        }
    }

    #[test]
    fn whole_float_is_the_id_of_its_number() {
        assert_eq!(decode("job_id", "17.0".to_owned(), STYLE), Ok(Some("17".into())));
        assert_eq!(decode("job_id", "17.5".to_owned(), STYLE), Ok(Some("17.5".into())));
        assert_eq!(encode("job_id", &"17.0".into()), "'17.0");
        assert_eq!(decode("job_id", "'17.0".to_owned(), STYLE), Ok(Some("17.0".into())));
        assert_eq!(decode("details_model", "17.0".to_owned(), STYLE), Ok(Some("17.0".into())));
    }

    fn names() -> impl Strategy<Value = String> {
        let known = TEXTS.into_iter().chain(BOOLEANS).chain(NUMBERS).chain(ALIASES.map(|(alias, _)| alias));
        prop_oneof![
            prop::sample::select(known.map(str::to_owned).collect::<Vec<_>>()),
            "(details_|details\\.)?\\PC{0,8}",
            "[=+@'\" -]{1,3}[a-z]{0,4}",
        ]
    }

    fn texts() -> impl Strategy<Value = String> {
        prop_oneof!["['=+@\"0-9.,-]{0,6}", any::<String>(), "True|false|null|17\\.0|1,5|\\[1\\]", "[\\t\\r\\n]=1"]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn text_comes_back_from_its_cell(name in names(), text in texts()) {
            let cell = encode(&name, &Value::from(text.as_str()));
            prop_assert!(!cell.starts_with(is_formula_start), "{cell:?}");
            prop_assert_eq!(decode(&name, cell, STYLE), Ok(Some(Value::from(text))));
        }

        #[test]
        fn column_comes_back_from_its_heading(name in names(), is_detail: bool, of_costs: bool) {
            let collection = if of_costs { Collection::Costs } else { Collection::Jobs };
            let column = if is_detail && of_costs { Column::Detail(name) } else { Column::Field(name) };
            let heading = column.heading(collection);
            prop_assert_eq!(heading.trim(), heading.as_str());
            prop_assert!(!heading.is_empty());
            prop_assert_eq!(Column::of(&heading, collection), column);
        }
    }
}
