//! Owns how a job of darkroom's own is told to others: the contract's fields of its document, and its entries in the books. Must
//! not read a document.

use serde_json::Value;

use super::cost::number;
use super::time::time_text;
use super::wish::wish_of;
use super::{CostEntry, Fields, entry_id, is_noted_elsewhere};
use crate::costs::{Basis, Charge, Service};
use crate::jobs::{Attempt, Job, Outcome, Stage};
use crate::text;

/// The contract's fields of the job's document.
pub fn job_fields(job: &Job) -> Fields {
    let mut fields = wish_of(&job.spec);
    let mut set = |name: &str, value: Value| _ = fields.insert(name.to_owned(), value);
    set("createdAt", time_text(job.created_at).into());
    set("generationCount", job.images().count().into());
    let status = match &job.stage {
        Stage::Queued { .. } => "pending_art_generation",
        Stage::Submitting | Stage::Generating => "processing",
        Stage::Done { .. } => "pending_review",
        Stage::Approved { .. } => "approved",
        Stage::Failed { .. } | Stage::Cancelled => "error",
    };
    set("status", status.into());
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

/// The same fields with the whole job beside them, so that nothing gets lost on the way to another store.
pub fn with_job(mut fields: Fields, job: &Job) -> Fields {
    // A job that has no JSON was never stored.
    let whole = serde_json::to_value(job).unwrap_or_default();
    let ours = Fields::from_iter([("job".to_owned(), whole)]);
    fields.insert("darkroom".to_owned(), Value::Object(ours));
    fields
}

/// The job's entries in the books: every charge of known amount that is not in doubt.
pub fn costs_of(job: &Job) -> Vec<CostEntry> {
    let of_attempt = |attempt: &Attempt| -> Vec<CostEntry> {
        let charges = attempt.charges().filter(|charge| !is_noted_elsewhere(job, attempt, charge));
        charges.filter_map(|charge| cost_of(job, attempt, charge)).collect()
    };
    job.attempts.iter().flat_map(of_attempt).collect()
}

fn cost_of(job: &Job, attempt: &Attempt, charge: &Charge) -> Option<CostEntry> {
    let amount = charge.amount.filter(|_| charge.basis != Basis::Unconfirmed)?;
    let mut details = Fields::new();
    let mut set = |name: &str, value: Value| _ = details.insert(name.to_owned(), value);
    set("attempt", attempt.number.into());
    set("basis", charge.basis.as_str().into());
    set("simulated", charge.simulated.into());
    set("model", charge.model.as_str().into());
    set("amount", amount.to_string().into());
    match charge.service {
        Service::BflApi => {
            let succeeded = matches!(attempt.outcome, None | Some(Outcome::Done { .. }));
            set("success", succeeded.into());
            set("base_cost", number(amount));
            if let Some(steps) = steps_of(job, attempt) {
                set("steps", steps.into());
            }
        }
        Service::GoogleStorage => {
            set("operation_type", "upload".into());
            if let Some(Outcome::Done { image }) = &attempt.outcome {
                set("image_size_bytes", image.bytes.into());
            }
        }
    }
    let fields = Fields::from_iter([
        ("job_id".to_owned(), job.id.as_str().into()),
        ("service".to_owned(), charge.service.as_str().into()),
        ("cost_usd".to_owned(), number(amount)),
        ("timestamp".to_owned(), time_text(charge.at).into()),
        ("details".to_owned(), Value::Object(details)),
    ]);
    CostEntry::read(Some(&entry_id(job.id.as_str(), attempt.number, charge.service)), fields).ok()
}

fn steps_of(job: &Job, attempt: &Attempt) -> Option<i64> {
    job.spec_of(attempt).parameters.get("steps").and_then(Value::as_i64)
}
