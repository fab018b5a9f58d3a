//! Owns what an entry of the books is and when a document is one: lenient about times, strict about money. Must not add up.

use chrono::{DateTime, Utc};
use serde_json::{Number, Value};

use super::amount::{amount_of, kind};
use super::compare::canonical_fields;
use super::time::{time_of, time_text};
use super::{Fields, entry_id, hygiene, id_of_content};
use crate::costs::{Basis, Service, Usd};
use crate::text::sanitize_line;

/// The mark of imported history (data contract).
const IMPORTED: &str = "imported_historical";

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
    /// When.
    pub at: DateTime<Utc>,
    /// The model that was ordered; empty where the entry does not say.
    pub model: String,
    /// Whether it is the simulator's money: only darkroom's own mark says so.
    pub simulated: bool,
    /// The attempt of darkroom's own that it belongs to; `None` for another program's entry.
    pub attempt: Option<u32>,
    /// What became of the money, as far as the entry itself tells: `image`, `failed` or `recorded`.
    pub cause: &'static str,
    /// All fields as they are written.
    pub fields: Fields,
}

impl CostEntry {
    /// The entry that a document of a file is, marked as imported. Without an id it gets one made of its content. Errors: one
    /// line that says what is wrong.
    pub fn from_file(id: Option<&str>, fields: Fields) -> Result<Self, String> {
        let mut entry = Self::read(id, fields)?;
        if let Some(Value::Object(details)) = entry.fields.get_mut("details") {
            details.insert(IMPORTED.to_owned(), Value::Bool(true));
        }
        Ok(entry)
    }

    /// The entry that a document is. Errors: one line that says what is wrong.
    pub fn read(id: Option<&str>, mut fields: Fields) -> Result<Self, String> {
        let job_id = job_id(&fields)?;
        let service = service(&fields)?;
        let amount = fields.get("cost_usd").ok_or("it has no cost_usd")?;
        let amount = amount_of(amount).map_err(|why| format!("cost_usd {why}"))?;
        let at = fields.get("timestamp").filter(|value| !value.is_null()).ok_or("it has no timestamp")?;
        let at = time_of(at).map_err(|why| format!("timestamp {why}"))?;
        let mut details = match fields.remove("details") {
            None | Some(Value::Null) => Fields::new(),
            Some(Value::Object(details)) => details,
            Some(other) => return Err(format!("details is {}; it must be a map", kind(&other))),
        };
        check_details(&details)?;
        let amount = exact_amount(amount, &mut details)?;
        let basis = basis(&details)?;
        let text = |name: &str| details.get(name).and_then(Value::as_str).unwrap_or_default();
        let model = text("model").to_owned();
        let attempt = details.get("attempt").and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
        // Only with the id that darkroom itself gives: another program may have a key of that name.
        let attempt = attempt.filter(|number| id == Some(entry_id(&job_id, *number, service).as_str()));
        let cause = match (attempt, details.get("success"), service) {
            (None, Some(Value::Bool(false)), _) => "failed",
            (None, Some(Value::Bool(true)), _) | (None, _, Service::GoogleStorage) => "picture",
            _ => "recorded",
        };
        let simulated = details.get("simulated") == Some(&Value::Bool(true));
        fields.insert("job_id".to_owned(), job_id.as_str().into());
        fields.insert("service".to_owned(), service.as_str().into());
        fields.insert("cost_usd".to_owned(), number(amount));
        fields.insert("timestamp".to_owned(), time_text(at).into());
        fields.insert("details".to_owned(), Value::Object(details));
        hygiene::check(&fields)?;
        let basis = basis.unwrap_or(Basis::Estimated);
        let id = id.unwrap_or_default().to_owned();
        let mut entry = Self { id, job_id, service, amount, basis, at, model, simulated, attempt, cause, fields };
        if entry.id.is_empty() {
            entry.id = id_of_content(&entry.essence());
        }
        hygiene::check_id(&entry.id)?;
        Ok(entry)
    }

    /// What it says, without what two tellings of the same charge may differ in: the mark of an import, how certain an amount that
    /// counts is, and the second telling of the amount.
    pub fn essence(&self) -> Fields {
        let mut essence = canonical_fields(&self.fields);
        essence.insert("cost_usd".to_owned(), self.amount.to_string().into());
        if let Some(Value::Object(details)) = essence.get_mut("details") {
            details.remove(IMPORTED);
            details.remove("amount");
            if self.basis.is_counted() {
                details.remove("basis");
            }
        }
        essence
    }

    /// Whether a file brought it.
    pub fn is_imported(&self) -> bool {
        self.fields.get("details").and_then(|details| details.get(IMPORTED)) == Some(&Value::Bool(true))
    }
}

/// The amount as a number of a document, which is the nearest binary fraction.
pub(super) fn number(amount: Usd) -> Value {
    let nearest: f64 = amount.to_string().parse().unwrap_or(0.0);
    Number::from_f64(nearest).map_or(Value::Null, Value::Number)
}

/// The amount to its last digit: `details.amount` has it as text where the number cannot.
fn exact_amount(told: Usd, details: &mut Fields) -> Result<Usd, String> {
    let exact = match details.get("amount") {
        None | Some(Value::Null) => None,
        Some(text @ Value::String(_)) => Some(amount_of(text).map_err(|why| format!("details.amount {why}"))?),
        Some(other) => return Err(format!("details.amount is {}; it must be text", kind(other))),
    };
    match exact {
        Some(exact) if exact == told || number(exact) == number(told) => Ok(exact),
        Some(exact) => Err(format!("cost_usd is {told}, but details.amount is {exact}")),
        None => {
            let shortest = amount_of(&number(told)).ok();
            if shortest != Some(told) {
                details.insert("amount".to_owned(), told.to_string().into());
            }
            Ok(told)
        }
    }
}

fn job_id(fields: &Fields) -> Result<String, String> {
    match fields.get("job_id") {
        None | Some(Value::Null) => Err("it has no job_id".to_owned()),
        Some(Value::String(id)) if id.is_empty() => Err("it has no job_id".to_owned()),
        Some(Value::String(id)) if id.len() > 1_500 || id.chars().any(char::is_control) => {
            Err(format!("job_id is '{}', which is no id", sanitize_line(id, 40)))
        }
        Some(Value::String(id)) => Ok(id.clone()),
        Some(other) => Err(format!("job_id is {}; it must be text", kind(other))),
    }
}

fn service(fields: &Fields) -> Result<Service, String> {
    match fields.get("service") {
        None | Some(Value::Null) => Err("it has no service".to_owned()),
        Some(Value::String(name)) => [Service::BflApi, Service::GoogleStorage]
            .into_iter()
            .find(|service| service.as_str() == name.trim())
            .ok_or_else(|| format!("service is '{}'; it must be bfl_api or google_storage", sanitize_line(name, 40))),
        Some(other) => Err(format!("service is {}; it must be text", kind(other))),
    }
}

fn basis(details: &Fields) -> Result<Option<Basis>, String> {
    let known = [Basis::Estimated, Basis::Quoted, Basis::Settled, Basis::Unknown];
    match details.get("basis") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) => known
            .into_iter()
            .find(|basis| basis.as_str() == name)
            .map(Some)
            .ok_or_else(|| format!("details.basis is '{}', which is no basis of a cost", sanitize_line(name, 40))),
        Some(other) => Err(format!("details.basis is {}; it must be text", kind(other))),
    }
}

/// What the contract says about the keys of `details`; more keys may stand beside them.
fn check_details(details: &Fields) -> Result<(), String> {
    for (name, value) in details.iter().filter(|(_, value)| !value.is_null()) {
        let right = match name.as_str() {
            "model" | "operation_type" => value.is_string().then_some(()).ok_or("text"),
            "success" | "simulated" | IMPORTED => value.is_boolean().then_some(()).ok_or("true or false"),
            "steps" | "image_size_bytes" | "attempt" => {
                let whole = value.as_f64().is_some_and(|number| number.fract() == 0.0 && number >= 0.0);
                whole.then_some(()).ok_or("a whole number")
            }
            "base_cost" => value.is_number().then_some(()).ok_or("a number"),
            _ => Ok(()),
        };
        right.map_err(|right| {
            let shown = sanitize_line(&value.to_string(), 40);
            format!("details.{name} is {shown}; it must be {right}")
        })?;
    }
    Ok(())
}
