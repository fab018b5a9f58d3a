//! Entries of the cost ledger as documents: lenient about times, strict about money.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::diff::canonical_fields;
use super::money::{kind, number, parse_amount};
use super::time::{decode_time, format_time};
use super::{Fields, charge_id, content_id, limits};
use crate::costs::{Basis, Service, Usd};
use crate::jobs::FailureCode;
#[cfg(feature = "firestore")]
use crate::store::charges::ChargeRow;
use crate::store::charges::{CAUSE_IMAGE, CAUSE_UNKNOWN, CAUSES, counted_tags};
use crate::text::sanitize_line;

/// The mark of imported history.
const IMPORTED: &str = "imported_historical";

/// What became of the money, in the entry of a job that was removed.
pub(super) const CAUSE: &str = "cause";

/// One charge as the collection `costs` holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct CostEntry {
    /// The document's id.
    pub id: String,
    /// The job that it was charged for.
    pub job_id: String,
    /// Whose bill it is on.
    pub service: Service,
    /// Dollars.
    pub amount: Usd,
    /// How the amount is known.
    pub basis: Basis,
    /// When it was charged.
    pub at: DateTime<Utc>,
    /// The model; empty where the entry names none.
    pub model: String,
    /// Whether it is the simulator's money: only darkroom's own mark decides.
    pub simulated: bool,
    /// The attempt of darkroom's own that it belongs to; `None` for another program's entry.
    pub attempt: Option<u32>,
    /// The cause of the charge, as far as the entry contains it: an image, `failed`, or unknown. The entry of a removed job contains
    /// the job's own word.
    pub cause: &'static str,
    /// The tags that it counts for.
    pub tags: Vec<String>,
    /// All fields as they are written.
    pub fields: Fields,
}

impl CostEntry {
    /// The entry of an imported document, marked as imported. Without an id it gets one from its content. Errors: one line.
    pub fn from_file(id: Option<&str>, fields: Fields) -> Result<Self, String> {
        let mut entry = Self::read(id, fields)?;
        if let Some(Value::Object(details)) = entry.fields.get_mut("details") {
            details.insert(IMPORTED.to_owned(), Value::Bool(true));
        }
        Ok(entry)
    }

    /// The entry that a document of `costs` is, with its fields in the form in which they are written. Errors: one line.
    pub fn read(id: Option<&str>, mut fields: Fields) -> Result<Self, String> {
        let Parsed { job_id, service, amount, basis, at, model, simulated, attempt, cause, tags } = parse(id, &fields)?;
        let amount = amount.ok_or("cost_usd is missing")?;
        if basis == Basis::Unconfirmed {
            return Err("details.basis is 'unconfirmed'; an unconfirmed charge is not a cost yet".to_owned());
        }
        let mut details = match fields.remove("details") {
            Some(Value::Object(details)) => details,
            _ => Fields::new(),
        };
        if details.get("amount").is_none_or(Value::is_null) && parse_amount(&number(amount)).ok() != Some(amount) {
            details.insert("amount".to_owned(), amount.to_string().into());
        }
        fields.insert("job_id".to_owned(), job_id.as_str().into());
        fields.insert("service".to_owned(), service.as_str().into());
        fields.insert("cost_usd".to_owned(), number(amount));
        fields.insert("timestamp".to_owned(), format_time(at).into());
        fields.insert("details".to_owned(), Value::Object(details));
        limits::check(&fields)?;
        let id = id.unwrap_or_default().to_owned();
        let mut entry = Self { id, job_id, service, amount, basis, at, model, simulated, attempt, cause, tags, fields };
        if entry.id.is_empty() {
            entry.id = content_id(&entry.canonical_fields());
        }
        limits::check_id(&entry.id)?;
        Ok(entry)
    }

    /// The fields without what two copies of the same charge may differ in: the mark of an import, how certain a counted amount is,
    /// and the second copy of the amount.
    pub fn canonical_fields(&self) -> Fields {
        let mut fields = canonical_fields(&self.fields);
        fields.insert("cost_usd".to_owned(), self.amount.to_string().into());
        if let Some(Value::Object(details)) = fields.get_mut("details") {
            details.remove(IMPORTED);
            details.remove("amount");
            // Written when the job is removed.
            if self.attempt.is_some() {
                details.remove(CAUSE);
            }
            if self.basis.is_counted() {
                details.remove("basis");
            }
        }
        fields
    }

    /// Whether a file brought it.
    pub fn is_imported(&self) -> bool {
        self.fields.get("details").and_then(|details| details.get(IMPORTED)) == Some(&Value::Bool(true))
    }

    /// The entry as a row of the ledger.
    #[cfg(feature = "firestore")]
    pub(crate) fn row(&self) -> ChargeRow {
        ChargeRow {
            attempt: self.attempt.unwrap_or(0),
            service: self.service,
            amount: Some(self.amount),
            basis: self.basis,
            model: self.model.clone(),
            at: self.at,
            simulated: self.simulated,
            cause: self.cause.to_owned(),
            tags: self.tags.clone(),
        }
    }
}

/// A charge document of any store, also one that is no cost yet, with its job's id. Errors: one line.
#[cfg(feature = "firestore")]
pub(crate) fn parse_charge(id: &str, fields: &Fields) -> Result<(String, ChargeRow), String> {
    let parsed = parse(Some(id), fields)?;
    let row = ChargeRow {
        attempt: parsed.attempt.unwrap_or(0),
        service: parsed.service,
        amount: parsed.amount,
        basis: parsed.basis,
        model: parsed.model,
        at: parsed.at,
        simulated: parsed.simulated,
        cause: parsed.cause.to_owned(),
        tags: parsed.tags,
    };
    Ok((parsed.job_id, row))
}

struct Parsed {
    job_id: String,
    service: Service,
    amount: Option<Usd>,
    basis: Basis,
    at: DateTime<Utc>,
    model: String,
    simulated: bool,
    attempt: Option<u32>,
    cause: &'static str,
    tags: Vec<String>,
}

/// The one reader of charges.
fn parse(id: Option<&str>, fields: &Fields) -> Result<Parsed, String> {
    let job_id = parse_job_id(fields)?;
    let service = parse_service(fields)?;
    let amount =
        present(fields, "cost_usd").map(|amount| parse_amount(amount).map_err(|why| format!("cost_usd {why}")));
    let amount = amount.transpose()?;
    let at = present(fields, "timestamp").ok_or("timestamp is missing")?;
    let at = decode_time(at).map_err(|why| format!("timestamp {why}"))?;
    let empty = Fields::new();
    let details = match present(fields, "details") {
        None => &empty,
        Some(Value::Object(details)) => details,
        Some(other) => return Err(format!("details is {}; expected a map", kind(other))),
    };
    check_details(details)?;
    let amount = exact_amount(amount, details)?;
    let basis = parse_basis(details)?.unwrap_or(Basis::Estimated);
    let model = details.get("model").and_then(Value::as_str).unwrap_or_default().to_owned();
    let attempt = details.get("attempt").and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    // Only under the id that darkroom itself gives: another program may use a key of that name.
    let attempt = attempt.filter(|number| id == Some(charge_id(&job_id, *number, service).as_str()));
    let cause = match (attempt, details.get("success"), service) {
        (None, Some(Value::Bool(false)), _) => "failed",
        (None, Some(Value::Bool(true)), _) | (None, _, Service::GoogleStorage) => CAUSE_IMAGE,
        (Some(_), ..) => recorded_cause(details),
        _ => CAUSE_UNKNOWN,
    };
    let simulated = details.get("simulated") == Some(&Value::Bool(true));
    let tags: Vec<&str> = match details.get("tags") {
        Some(Value::Array(tags)) => tags.iter().filter_map(Value::as_str).collect(),
        // Another program may use a key of that name.
        _ => Vec::new(),
    };
    let tags = counted_tags(&tags);
    Ok(Parsed { job_id, service, amount, basis, at, model, simulated, attempt, cause, tags })
}

/// The cause that was recorded when the job of the entry was removed.
fn recorded_cause(details: &Fields) -> &'static str {
    let text = details.get(CAUSE).and_then(Value::as_str).unwrap_or_default();
    CAUSES
        .into_iter()
        .chain(FailureCode::ALL.map(FailureCode::as_str))
        .find(|cause| *cause == text)
        .unwrap_or(CAUSE_UNKNOWN)
}

fn present<'a>(fields: &'a Fields, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

/// The amount to its last digit: `details.amount` has it as text where the number cannot.
fn exact_amount(rounded: Option<Usd>, details: &Fields) -> Result<Option<Usd>, String> {
    let exact = match present(details, "amount") {
        None => return Ok(rounded),
        Some(text @ Value::String(_)) => parse_amount(text).map_err(|why| format!("details.amount {why}"))?,
        Some(other) => return Err(format!("details.amount is {}; expected text", kind(other))),
    };
    match rounded {
        Some(rounded) if exact == rounded || number(exact) == number(rounded) => Ok(Some(exact)),
        Some(rounded) => Err(format!("cost_usd is {rounded}, but details.amount is {exact}")),
        None => Err("details.amount without cost_usd".to_owned()),
    }
}

fn parse_job_id(fields: &Fields) -> Result<String, String> {
    match present(fields, "job_id") {
        None => Err("job_id is missing".to_owned()),
        Some(Value::String(id)) if id.is_empty() => Err("job_id is empty".to_owned()),
        Some(Value::String(id)) if id.len() > 1_500 || id.chars().any(char::is_control) => {
            Err(format!("job_id '{}' is not a valid id", sanitize_line(id, 40)))
        }
        Some(Value::String(id)) => Ok(id.clone()),
        Some(other) => Err(format!("job_id is {}; expected text", kind(other))),
    }
}

fn parse_service(fields: &Fields) -> Result<Service, String> {
    match present(fields, "service") {
        None => Err("service is missing".to_owned()),
        Some(Value::String(name)) => [Service::BflApi, Service::GoogleStorage]
            .into_iter()
            .find(|service| service.as_str() == name.trim())
            .ok_or_else(|| format!("service is '{}'; expected bfl_api or google_storage", sanitize_line(name, 40))),
        Some(other) => Err(format!("service is {}; expected text", kind(other))),
    }
}

fn parse_basis(details: &Fields) -> Result<Option<Basis>, String> {
    let known = [Basis::Estimated, Basis::Quoted, Basis::Settled, Basis::Unknown, Basis::Unconfirmed];
    match present(details, "basis") {
        None => Ok(None),
        Some(Value::String(name)) => known
            .into_iter()
            .find(|basis| basis.as_str() == name)
            .map(Some)
            .ok_or_else(|| format!("details.basis '{}' is not known", sanitize_line(name, 40))),
        Some(other) => Err(format!("details.basis is {}; expected text", kind(other))),
    }
}

/// The types of the documented keys of `details`; further keys may be present.
fn check_details(details: &Fields) -> Result<(), String> {
    for (name, value) in details.iter().filter(|(_, value)| !value.is_null()) {
        let expected = match name.as_str() {
            "model" | "operation_type" => value.is_string().then_some(()).ok_or("text"),
            "success" | "simulated" | IMPORTED => value.is_boolean().then_some(()).ok_or("true or false"),
            "steps" | "image_size_bytes" | "attempt" => {
                let whole = value.as_f64().is_some_and(|number| number.fract() == 0.0 && number >= 0.0);
                whole.then_some(()).ok_or("a whole number")
            }
            "base_cost" => value.is_number().then_some(()).ok_or("a number"),
            _ => Ok(()),
        };
        expected.map_err(|expected| {
            let shown = sanitize_line(&value.to_string(), 40);
            format!("details.{name} is {shown}; expected {expected}")
        })?;
    }
    Ok(())
}
