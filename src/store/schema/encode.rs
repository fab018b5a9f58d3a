//! Jobs and charges of darkroom's own as shared documents: the one writer for files and stores.

use serde_json::Value;

use super::cost::CAUSE;
use super::money::number;
use super::request::request_fields;
use super::time::format_time;
use super::{CostEntry, Fields, Status, charge_id};
use crate::costs::Service;
use crate::jobs::{Attempt, Job, Outcome, Stage};
use crate::store::charges::{ChargeRow, charges_of};
use crate::text;

/// The shared fields of the job's document.
pub fn encode_job(job: &Job) -> Fields {
    let mut fields = request_fields(&job.spec);
    let mut set = |name: &str, value: Value| _ = fields.insert(name.to_owned(), value);
    set("createdAt", format_time(job.created_at).into());
    set("generationCount", job.images().count().into());
    set("status", Status::of_stage(job.stage_name()).as_str().into());
    match &job.stage {
        Stage::Failed { failure } => set("errorMessage", text::sanitize_line(&failure.message, 300).into()),
        Stage::Cancelled => set("errorMessage", "cancelled".into()),
        Stage::Done { image } | Stage::Approved { image } => {
            set("generatedImageUrl", image.url.as_str().into());
            if image.bytes > 0 {
                set("image_size_bytes", image.bytes.into());
            }
        }
        Stage::Queued { .. } | Stage::Submitting | Stage::Generating => {}
    }
    // What the newest image cost, in the fields that the web page shows.
    let charged = job.attempts.iter().rev().find_map(|attempt| Some((attempt, attempt.charge.as_ref()?)));
    if let Some((attempt, charge)) = charged
        && let Some(amount) = charge.amount.filter(|_| charge.basis.is_counted())
    {
        set("bfl_cost_usd", number(amount));
        set("bfl_model", charge.model.as_str().into());
        if let Some(steps) = steps_of(job, attempt) {
            set("bfl_steps", steps.into());
        }
    }
    let stored = job.attempts.iter().rev().find_map(|attempt| attempt.storage_charge.as_ref());
    if let Some(amount) = stored.and_then(|charge| charge.amount) {
        set("storage_cost_usd", number(amount));
    }
    fields
}

/// The same fields with the whole job added, so that nothing gets lost on the way to another store.
pub fn with_native(mut fields: Fields, job: &Job) -> Fields {
    // A job that has no JSON was never stored.
    let whole = serde_json::to_value(job).unwrap_or_default();
    let native = Fields::from_iter([("job".to_owned(), whole)]);
    fields.insert("darkroom".to_owned(), Value::Object(native));
    fields
}

/// The job's entries of the ledger: every charge of known amount that is confirmed.
pub fn encode_costs(job: &Job) -> Vec<CostEntry> {
    let costs = charges_of(job).into_iter().filter(ChargeRow::is_cost);
    costs
        .filter_map(|row| {
            let id = charge_id(job.id.as_str(), row.attempt, row.service);
            CostEntry::read(Some(&id), encode_charge(job, &row)).ok()
        })
        .collect()
}

/// The ids of the entries that the job's other charges become once they are certain.
pub(crate) fn ids_of_uncertain(job: &Job) -> Vec<String> {
    let uncertain = charges_of(job).into_iter().filter(|row| !row.is_cost());
    uncertain.map(|row| charge_id(job.id.as_str(), row.attempt, row.service)).collect()
}

/// Why a job with an uncertain charge is not imported where an entry of that id is stored: both are one charge, and the entry is what
/// became of it.
pub(crate) fn certain_already(id: &str) -> String {
    format!("entry {id} of its costs is certain in the store, the job's charge is not: the job is older than its entry")
}

/// The entries that stand for the charges of a job that is removed: each contains its cause, which only the job knew. Errors: one
/// line, where a charge would be lost.
pub(crate) fn encode_costs_of_removed(job: &Job) -> Result<Vec<CostEntry>, String> {
    let entry = |row: ChargeRow| {
        if !row.is_cost() {
            return Err(format!("its charge of attempt {} is not certain", row.attempt));
        }
        let id = charge_id(job.id.as_str(), row.attempt, row.service);
        let mut fields = encode_charge(job, &row);
        if let Some(Value::Object(details)) = fields.get_mut("details") {
            details.insert(CAUSE.to_owned(), row.cause.as_str().into());
        }
        let entry = CostEntry::read(Some(&id), fields)?;
        let is_same = (Some(entry.amount), entry.cause, entry.simulated, &entry.model)
            == (row.amount, row.cause.as_str(), row.simulated, &row.model);
        if is_same { Ok(entry) } else { Err(format!("its charge of attempt {} has no entry", row.attempt)) }
    };
    charges_of(job).into_iter().map(entry).collect()
}

/// The document of one charge of the job, also of one that is no cost yet.
pub(crate) fn encode_charge(job: &Job, row: &ChargeRow) -> Fields {
    let attempt = job.attempt_numbered(row.attempt);
    let mut details = Fields::new();
    let mut set = |name: &str, value: Value| _ = details.insert(name.to_owned(), value);
    set("attempt", row.attempt.into());
    set("basis", row.basis.as_str().into());
    set("simulated", row.simulated.into());
    set("model", row.model.as_str().into());
    if !row.tags.is_empty() {
        set("tags", row.tags.clone().into());
    }
    if let Some(amount) = row.amount {
        set("amount", amount.to_string().into());
    }
    match row.service {
        Service::BflApi => {
            set("success", row.succeeded().into());
            if let Some(amount) = row.amount {
                set("base_cost", number(amount));
            }
            if let Some(steps) = attempt.and_then(|attempt| steps_of(job, attempt)) {
                set("steps", steps.into());
            }
        }
        Service::GoogleStorage => {
            set("operation_type", "upload".into());
            if let Some(Outcome::Done { image }) = attempt.and_then(|attempt| attempt.outcome.as_ref()) {
                set("image_size_bytes", image.bytes.into());
            }
        }
    }
    let mut fields = Fields::from_iter([
        ("job_id".to_owned(), job.id.as_str().into()),
        ("service".to_owned(), row.service.as_str().into()),
        ("timestamp".to_owned(), format_time(row.at).into()),
        ("details".to_owned(), Value::Object(details)),
    ]);
    if let Some(amount) = row.amount {
        fields.insert("cost_usd".to_owned(), number(amount));
    }
    fields
}

fn steps_of(job: &Job, attempt: &Attempt) -> Option<i64> {
    job.spec_of(attempt).parameters.get("steps").and_then(Value::as_i64)
}
