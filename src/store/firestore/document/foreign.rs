//! Owns the reading of documents that carry nothing of ours: a web page's wish, or what another backend left. They are taken as
//! they are. Must not write.

use chrono::{DateTime, TimeDelta, Utc};
use firestore::gcloud_sdk::google::firestore::v1::Document;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use rust_decimal::Decimal;

use super::super::super::schema::image_at;
use super::super::value::{self, Fields, content, integer_of, kind, text_of};
use super::{Defaults, Status, request};
use crate::costs::{Basis, Charge, Service, Usd};
use crate::jobs::{
    Attempt, BillingStatus, Claim, Failure, FailureCode, Job, JobId, Outcome, Stage, StoredImage, WorkerId,
};
use crate::text;

/// How long another backend may work on a document without a write before it counts as given up: the longest that an image
/// of the API takes, three times over.
const PATIENCE: TimeDelta = TimeDelta::minutes(15);

/// The claim of a backend that writes no claims.
const ANOTHER_BACKEND: &str = "another backend";

/// The job that such a document stands for. Errors: one clean line.
pub(super) fn read(id: &JobId, document: &Document, defaults: &Defaults) -> Result<Job, String> {
    let fields = &document.fields;
    let status = Status::of(fields)?;
    let mut spec = request::spec_of(fields, &defaults.model)?;
    if status == Status::Pending && content(fields, "prompt").is_none() {
        return Err("it asks for an image without a prompt".to_owned());
    }
    if content(fields, "model").is_none()
        && status != Status::Pending
        && let Some(model) = text_of(fields, "bfl_model")
    {
        // What was ordered says more than what would be ordered today.
        let mut ordered = fields.clone();
        ordered.insert("model".to_owned(), value::text(model));
        spec = request::spec_of(&ordered, &defaults.model)?;
    }
    let written = document.update_time.as_ref().and_then(value::instant);
    let created_at = created_at(document)?;
    let mut job = Job::new(id.clone(), spec, defaults.simulated, created_at);
    job.updated_at = written.unwrap_or(created_at);
    if let Some(image) = image(id, fields) {
        job.attempts[0].outcome = Some(Outcome::Done { image });
    }
    book(&mut job, fields);
    if status == Status::Pending {
        if job.attempts[0].outcome.is_some() || job.attempts[0].charge.is_some() {
            job.attempts.push(Attempt::new(2, job.updated_at));
        }
        return Ok(job);
    }
    enter(&mut job, fields, status)?;
    Ok(job)
}

/// Puts the job where another backend's status says it is.
pub(super) fn enter(job: &mut Job, fields: &Fields, status: Status) -> Result<(), String> {
    let at = job.updated_at;
    match status {
        Status::Pending => job.stage = Stage::QUEUED,
        Status::Processing => {
            job.stage = Stage::Submitting;
            job.claim = Some(Claim { worker: WorkerId::new(ANOTHER_BACKEND), until: at + PATIENCE });
            job.not_before = None;
        }
        Status::Review | Status::Approved => {
            let image = image(&job.id, fields)
                .ok_or("its status says that there is an image, but generatedImageUrl does not")?;
            if let Some(attempt) = job.attempts.last_mut() {
                attempt.outcome = Some(Outcome::Done { image: image.clone() });
            }
            job.stage = if status == Status::Review { Stage::Done { image } } else { Stage::Approved { image } };
        }
        Status::Error => {
            let message = text_of(fields, "errorMessage").unwrap_or("another backend gave no reason");
            let charged = job.attempt().is_some_and(|attempt| attempt.charge.is_some());
            let billed = if charged { BillingStatus::Yes } else { BillingStatus::Unknown };
            let failure = Failure::new(FailureCode::ProviderError, message, billed, at);
            // An image that was stored before a later step failed stays an image of the attempt.
            if let Some(attempt) = job.attempts.last_mut().filter(|attempt| attempt.outcome.is_none()) {
                attempt.outcome = Some(Outcome::Failed { failure: failure.clone() });
            }
            job.stage = Stage::Failed { failure };
        }
    }
    if status != Status::Processing {
        job.claim = None;
        job.not_before = None;
    }
    Ok(())
}

/// When the image was asked for: a timestamp, a time as text, or, where the field is missing, when the document was made.
pub(super) fn created_at(document: &Document) -> Result<DateTime<Utc>, String> {
    let made = document.create_time.as_ref().and_then(value::instant).unwrap_or(DateTime::UNIX_EPOCH);
    match content(&document.fields, "createdAt") {
        None => Ok(made),
        Some(ValueType::TimestampValue(at)) => value::instant(at).ok_or_else(|| "createdAt is no time".to_owned()),
        Some(ValueType::StringValue(written)) => time_in(written)
            .ok_or_else(|| format!("createdAt is '{}', which is no time", text::sanitize_line(written, 40))),
        Some(other) => Err(format!("createdAt is {}; it must be a timestamp", kind(other))),
    }
}

fn time_in(written: &str) -> Option<DateTime<Utc>> {
    let written = written.trim();
    let naive = |form: &str| chrono::NaiveDateTime::parse_from_str(written, form).ok().map(|at| at.and_utc());
    DateTime::parse_from_rfc3339(written)
        .or_else(|_| DateTime::parse_from_str(written, "%Y-%m-%d %H:%M:%S%.f%:z"))
        .map(|at| at.with_timezone(&Utc))
        .ok()
        .or_else(|| naive("%Y-%m-%dT%H:%M:%S%.f"))
        .or_else(|| naive("%Y-%m-%d %H:%M:%S%.f"))
}

/// The image behind `generatedImageUrl`.
fn image(id: &JobId, fields: &Fields) -> Option<StoredImage> {
    let url = text_of(fields, "generatedImageUrl").filter(|url| !url.trim().is_empty())?;
    Some(image_at(id, url, integer_of(fields, "image_size_bytes")))
}

/// The money that another backend noted on the job. Its own entries stand in `costs` already: `ledger` never books these again.
fn book(job: &mut Job, fields: &Fields) {
    let model = text_of(fields, "bfl_model").unwrap_or(&job.spec.model).to_owned();
    let (at, simulated) = (job.created_at, job.simulated);
    let charge = |service: Service, field: &str| {
        let amount = Some(dollars(fields, field)?);
        Some(Charge { service, amount, basis: Basis::Estimated, model: model.clone(), at, simulated })
    };
    job.attempts[0].charge = charge(Service::BflApi, "bfl_cost_usd");
    job.attempts[0].storage_charge = charge(Service::GoogleStorage, "storage_cost_usd");
}

/// The amount as its shortest decimal, as it was written; `None` where it is no amount.
pub(in super::super) fn dollars(fields: &Fields, name: &str) -> Option<Usd> {
    match content(fields, name)? {
        ValueType::IntegerValue(number) => Some(Usd::new(Decimal::from(*number))),
        ValueType::DoubleValue(number) if number.is_finite() => number.to_string().parse().ok(),
        ValueType::StringValue(text) => text.parse().ok(),
        _ => None,
    }
}
