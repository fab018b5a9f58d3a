//! Converts between a job and its row.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::Value;

use super::super::StoreError;
use super::super::charges::{ChargeRow, charges_of};
use crate::costs::Usd;
use crate::jobs::filter::failure_text;
use crate::jobs::{Job, JobId, Review, sort};
use crate::text;

/// Nanoseconds of one UTC day.
pub(super) const DAY: i64 = 86_400_000_000_000;

/// How much of a prompt can be searched for, in characters; no model takes more, and a hostile megabyte is not stored twice.
const SEARCHED_PROMPT: usize = 16_000;

/// The JSON reader follows 128 levels; a document has at most six around a parameter's own.
const DEEPEST_PARAMETER: usize = 100;

/// What is written for one job.
#[derive(Debug)]
pub(super) struct Row {
    pub id: JobId,
    /// The revision as it was read.
    pub revision: i64,
    pub stage: &'static str,
    pub simulated: bool,
    pub hidden: bool,
    pub created_at: i64,
    pub not_before: Option<i64>,
    pub claim_until: Option<i64>,
    pub claim_worker: Option<String>,
    /// Money set aside; see `Job::reservation`.
    pub reserved: Option<Usd>,
    /// The number of the current attempt.
    pub attempt: i64,
    /// The model of the current attempt.
    pub model: String,
    pub search: String,
    /// What filters compare; see `filter.rs`.
    pub fields: FilterFields,
    pub document: String,
    /// Ordered by attempt and service, each pair once.
    pub charges: Vec<LedgerRow>,
    pub updated_at: DateTime<Utc>,
}

/// What filters compare and lists are sorted by, in columns of an index. Texts are folded.
#[derive(Debug)]
pub(super) struct FilterFields {
    pub model: String,
    pub tags: String,
    pub failure: String,
    pub held: bool,
    pub attempts: i64,
    /// In billionths of a dollar.
    pub cost: i64,
    pub rejected: bool,
    pub pixels: Option<i64>,
    /// In milliseconds.
    pub duration: Option<i64>,
    /// The beginning of the prompt.
    pub prompt: String,
}

impl FilterFields {
    pub(super) fn of(job: &Job) -> Self {
        Self {
            model: text::fold_for_search(&job.spec.model),
            tags: text::fold_for_search(&job.tags.join("\u{1f}")),
            failure: failure_text(job),
            held: job.hold().is_some(),
            attempts: i64::try_from(job.attempts.len()).unwrap_or(i64::MAX),
            cost: nanodollars(job.cost().unwrap_or(Usd::ZERO)),
            rejected: job.review() == Some(Review::Rejected),
            pixels: sort::pixels(job),
            duration: sort::milliseconds(job),
            prompt: sort::prompt_text(job),
        }
    }
}

/// One charge in the columns of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LedgerRow {
    pub attempt: i64,
    pub service: String,
    pub amount: Option<String>,
    pub basis: String,
    pub model: String,
    pub at: i64,
    pub simulated: bool,
    pub cause: String,
    /// A JSON list.
    pub tags: String,
}

/// Tags as they stand in a column.
pub(super) fn tags_text(tags: &[String]) -> String {
    Value::from(tags).to_string()
}

impl From<ChargeRow> for LedgerRow {
    fn from(row: ChargeRow) -> Self {
        Self {
            attempt: i64::from(row.attempt),
            service: row.service.as_str().to_owned(),
            amount: row.amount.map(|amount| amount.to_string()),
            basis: row.basis.as_str().to_owned(),
            model: row.model,
            at: nanoseconds(row.at),
            simulated: row.simulated,
            cause: row.cause,
            tags: tags_text(&row.tags),
        }
    }
}

impl Row {
    /// Turns a job into what is written. Errors: `Unreadable` for a job that could not be read back.
    pub(super) fn of(job: &Job) -> Result<Self, StoreError> {
        let unreadable = |reason: &str| StoreError::Unreadable {
            id: job.id.clone(),
            reason: text::sanitize_line(&format!("it was not written, {reason}"), 200),
        };
        let specs = job.attempts.iter().filter_map(|attempt| attempt.spec.as_ref()).chain([&job.spec]);
        if specs.flat_map(|spec| spec.parameters.values()).any(|value| !is_shallow(value, DEEPEST_PARAMETER)) {
            return Err(unreadable("a parameter is nested too deeply"));
        }
        let document = serde_json::to_string(job).map_err(|error| unreadable(&error.to_string()))?;
        Ok(Self {
            id: job.id.clone(),
            revision: i64::try_from(job.revision).unwrap_or(i64::MAX),
            stage: job.stage_name().as_str(),
            simulated: job.simulated,
            hidden: job.hidden,
            created_at: nanoseconds(job.created_at),
            not_before: job.not_before.map(nanoseconds),
            claim_until: job.claim.as_ref().map(|claim| nanoseconds(claim.until)),
            claim_worker: job.claim.as_ref().map(|claim| claim.worker.as_str().to_owned()),
            reserved: job.reservation(),
            attempt: i64::from(job.attempt_number()),
            model: job.spec.model.clone(),
            search: search_text(job),
            fields: FilterFields::of(job),
            document,
            charges: charges_of(job).into_iter().map(LedgerRow::from).collect(),
            updated_at: job.updated_at,
        })
    }
}

/// What `found` reads, in its order.
macro_rules! row_columns {
    () => {
        "id, revision, stage, simulated, document"
    };
}
pub(super) use row_columns;

/// A row as it was found.
#[derive(Debug)]
pub(super) struct StoredRow {
    /// The row's own id.
    pub id: String,
    /// Bytes of the document.
    pub bytes: usize,
    /// The job, or one clean line why the document cannot be read.
    pub job: Result<Job, String>,
}

/// Reads the columns of `row_columns`, of which the first is number `first`. No contents of a document make it fail.
pub(super) fn read_row(row: &rusqlite::Row<'_>, first: usize) -> Result<StoredRow, rusqlite::Error> {
    let bytes = |column: usize| row.get_ref(first + column).map(|value| value.as_bytes().unwrap_or_default());
    let id = String::from_utf8_lossy(bytes(0)?).into_owned();
    let (document, stage) = (bytes(4)?, bytes(2)?);
    let job = read_job(&id, document).and_then(|mut job| {
        job.revision = u64::try_from(row.get::<_, i64>(first + 1).unwrap_or(0)).unwrap_or(0);
        // The columns decide who looks at a job and whose money it is: where they disagree, neither can be trusted.
        if job.stage_name().as_str().as_bytes() != stage {
            return Err(format!("it says {}, its row says {}", job.stage_name(), shown(stage)));
        }
        match row.get::<_, bool>(first + 3) {
            Ok(simulated) if simulated == job.simulated => Ok(job),
            _ => Err("it and its row disagree whether it is simulated".to_owned()),
        }
    });
    Ok(StoredRow { bytes: document.len(), id, job })
}

fn shown(stage: &[u8]) -> String {
    text::sanitize_line(&String::from_utf8_lossy(stage), 40)
}

/// Turns a document back into a job. Errors: one clean line.
fn read_job(id: &str, document: &[u8]) -> Result<Job, String> {
    let job: Job = serde_json::from_slice(document).map_err(|error| text::sanitize_line(&error.to_string(), 200))?;
    if job.id.as_str() != id {
        return Err(format!("it names another job, {}", job.id));
    }
    // Money is booked on the last attempt and kept apart by number: without one, or with two alike, it would get lost.
    let numbers = job.attempts.iter().map(|attempt| attempt.number);
    if job.attempts.is_empty() || !numbers.is_sorted_by(|one, next| one < next) {
        return Err("its attempts are not numbered one after the other".to_owned());
    }
    Ok(job)
}

/// The instant as it stands in a column. Instants outside the years 1677 to 2262 count as the nearest of those.
pub(super) fn nanoseconds(time: DateTime<Utc>) -> i64 {
    time.timestamp_nanos_opt().unwrap_or(if time.timestamp() < 0 { i64::MIN } else { i64::MAX })
}

/// An amount as it stands in the column that filters compare. Not for sums: those use the exact decimals.
pub(super) fn nanodollars(amount: Usd) -> i64 {
    amount.decimal().saturating_mul(Decimal::from(1_000_000_000)).round().to_i64().unwrap_or(i64::MAX)
}

/// The text that a search is matched against.
fn search_text(job: &Job) -> String {
    let prompt = match job.spec.prompt.char_indices().nth(SEARCHED_PROMPT) {
        Some((end, _)) => &job.spec.prompt[..end],
        None => &job.spec.prompt,
    };
    // The separator keeps a search from matching the end of one field and the beginning of the next.
    let fields = [job.id.as_str(), &job.spec.model, prompt].into_iter().chain(job.tags.iter().map(String::as_str));
    text::fold_for_search(&fields.collect::<Vec<_>>().join("\u{1f}"))
}

fn is_shallow(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(|item| is_shallow(item, levels - 1)),
        Value::Object(fields) => levels > 0 && fields.values().all(|field| is_shallow(field, levels - 1)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Spec;

    #[test]
    fn unreadable_job_is_not_written() {
        let nested = (0..200).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        let spec = Spec::new("flux-dev", "a fox").with("odd", nested);
        let job = Job::new(JobId::new("a").unwrap(), spec, true, DateTime::UNIX_EPOCH);
        assert!(matches!(Row::of(&job), Err(StoreError::Unreadable { .. })));
        let nested = (0..DEEPEST_PARAMETER).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        let mut job = Job::new(job.id, Spec::new("flux-dev", "a fox").with("odd", nested), true, DateTime::UNIX_EPOCH);
        job.attempts[0].spec = Some(job.spec.clone());
        let row = Row::of(&job).unwrap();
        assert_eq!(read_job("a", row.document.as_bytes()), Ok(job));
    }

    #[test]
    fn extreme_times_stay_ordered() {
        let far: Vec<i64> =
            ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2262-01-01T00:00:00Z", "9999-01-01T00:00:00Z"]
                .map(|time| nanoseconds(time.parse().unwrap()))
                .to_vec();
        assert!(far.is_sorted(), "{far:?}");
    }
}
