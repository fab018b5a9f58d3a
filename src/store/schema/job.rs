//! Job documents: darkroom's own, whole under `darkroom.job`, or what another backend or a web page wrote. One reader for files and
//! stores.
//!
//! Strict where money or the request is concerned, lenient about times and about results that the status does not need.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::diff::canonical_fields;
use super::money::{kind, parse_amount};
use super::request::{RequestDefaults, field, integer_field, parse_spec};
use super::time::{decode_time, format_time};
use super::{Fields, Status, content_id, job_limits, limits};
use crate::costs::{Basis, Charge, Service};
use crate::jobs::{
    Attempt, BillingStatus, Claim, Failure, FailureCode, ImageFormat, Job, JobId, ObjectName, Outcome, Stage,
    StoredImage, WorkerId,
};
use crate::text::sanitize_line;

/// How long another backend may work on a document without a write until it is presumed dead: three times the longest that an image
/// of the API takes.
const PRESUMED_DEAD_AFTER: TimeDelta = TimeDelta::minutes(15);

/// In `darkroom.job`, stands for a prompt that only the document's own field holds.
pub(crate) const PROMPT_PLACEHOLDER: &str = "\u{0}the prompt stands in the document's own field";

/// A valid job document.
#[derive(Debug, Clone, PartialEq)]
pub struct JobEntry {
    /// The document's id.
    pub id: JobId,
    /// All fields as they are written.
    pub fields: Fields,
    /// The job that it stands for.
    pub job: Job,
    /// Whether darkroom wrote it: then the job includes its own charges.
    pub is_native: bool,
}

/// Values for fields that a document of a file lacks.
#[derive(Debug, Clone)]
pub struct Defaults {
    /// The model of a document without one.
    pub model: String,
    /// The creation time of a document without one.
    pub now: DateTime<Utc>,
}

/// Defaults for what a document of another program does not contain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExternalDefaults<'a> {
    /// What its request does not name.
    pub request: RequestDefaults<'a>,
    /// Whether such documents are the simulator's.
    pub simulated: bool,
    /// The creation time of a document without a valid one.
    pub created_at: DateTime<Utc>,
    /// When the document was last written, where that is known.
    pub updated_at: Option<DateTime<Utc>>,
}

impl JobEntry {
    /// The job of an imported document. Without an id it gets one from its content. Errors: one line.
    pub fn read(id: Option<&str>, mut fields: Fields, defaults: &Defaults) -> Result<Self, String> {
        // A file is corrected by its author, so a time that cannot be read is an error here and not replaced.
        if let Some(written) = field(&fields, "createdAt") {
            let at = decode_time(written).map_err(|why| format!("createdAt {why}"))?;
            fields.insert("createdAt".to_owned(), format_time(at).into());
        }
        limits::check(&fields)?;
        let id = match id {
            Some(id) => id.to_owned(),
            None => content_id(&canonical_fields(&fields)),
        };
        limits::check_id(&id)?;
        let id = JobId::new(id).map_err(|error| error.to_string())?;
        let native = native_fields(&fields)?;
        let is_native = native.is_some();
        let job = if let Some(native) = native {
            parse_native(&id, native, &fields)?
        } else {
            let (model, created_at) = (&defaults.model, defaults.now);
            let request = RequestDefaults { model, output_format: None };
            let external = ExternalDefaults { request, simulated: false, created_at, updated_at: None };
            parse_external(&id, &fields, &external)?
        };
        Ok(Self { id, fields, job, is_native })
    }

    /// Whether a worker would act on it, which may cost money.
    pub fn is_active(&self) -> bool {
        self.job.stage_name().is_active()
    }

    /// The fields with numbers in one form and without bookkeeping.
    pub fn canonical_fields(&self) -> Fields {
        canonical_job(&self.fields)
    }
}

/// A job document's fields with numbers in one form and without bookkeeping.
pub(crate) fn canonical_job(fields: &Fields) -> Fields {
    let mut canonical = canonical_fields(fields);
    if let Some(Value::Object(native)) = canonical.get_mut("darkroom") {
        native.remove("request");
    }
    canonical
}

/// The map `darkroom`, where darkroom wrote the document. Errors: it is not a map.
pub(crate) fn native_fields(fields: &Fields) -> Result<Option<&Fields>, String> {
    match field(fields, "darkroom") {
        None => Ok(None),
        Some(Value::Object(native)) => Ok(Some(native)),
        Some(other) => Err(format!("darkroom is {}; expected a map", kind(other))),
    }
}

/// The job that darkroom wrote: `native` is the map `darkroom` of `fields`. Errors: one line.
pub(crate) fn parse_native(id: &JobId, native: &Fields, fields: &Fields) -> Result<Job, String> {
    let read = match native.get("job") {
        Some(Value::String(text)) => serde_json::from_str::<Job>(text),
        Some(job @ Value::Object(_)) => serde_json::from_value::<Job>(job.clone()),
        None | Some(Value::Null) => return Err("darkroom.job is missing".to_owned()),
        Some(other) => return Err(format!("darkroom.job is {}; expected text", kind(other))),
    };
    let mut job = read.map_err(|error| format!("darkroom.job: {}", sanitize_line(&error.to_string(), 120)))?;
    if job.id != *id {
        return Err(format!("darkroom.job belongs to another job, {}", job.id));
    }
    if job.attempts.is_empty()
        || !job.attempts.iter().map(|attempt| attempt.number).is_sorted_by(|one, next| one < next)
    {
        return Err("darkroom.job has no attempts in ascending order".to_owned());
    }
    job_limits::check(&job)?;
    if job.spec.prompt == PROMPT_PLACEHOLDER {
        let prompt = field(fields, "prompt").and_then(Value::as_str);
        prompt.unwrap_or_default().clone_into(&mut job.spec.prompt);
    }
    Ok(job)
}

/// The job that a web page requests, or that another backend left. Errors: one line.
pub(crate) fn parse_external(id: &JobId, fields: &Fields, defaults: &ExternalDefaults<'_>) -> Result<Job, String> {
    let status = Status::of(fields)?;
    let spec = match result_text(fields, "bfl_model").filter(|_| field(fields, "model").is_none()) {
        // The model that was used says more than the one that would be used today.
        Some(model) if status != Status::Pending => {
            let mut used = fields.clone();
            used.insert("model".to_owned(), model.into());
            parse_spec(&used, defaults.request)?
        }
        _ => parse_spec(fields, defaults.request)?,
    };
    if status == Status::Pending && field(fields, "prompt").is_none() {
        return Err("an image is requested without a prompt".to_owned());
    }
    let created_at = created_at(fields).unwrap_or(defaults.created_at);
    let mut job = Job::new(id.clone(), spec, defaults.simulated, created_at);
    job.external = true;
    job.updated_at = defaults.updated_at.unwrap_or(created_at);
    job.attempts[0].outcome = image(id, fields).map(|image| Outcome::Done { image });
    note_charges(&mut job, fields)?;
    if status == Status::Pending {
        if job.attempts[0].outcome.is_some() || job.attempts[0].charge.is_some() {
            job.attempts.push(Attempt::new(2, job.updated_at));
        }
        return Ok(job);
    }
    apply_status(&mut job, fields, status)?;
    Ok(job)
}

/// The time in `createdAt`, where it holds one.
fn created_at(fields: &Fields) -> Option<DateTime<Utc>> {
    decode_time(field(fields, "createdAt")?).ok()
}

/// Puts the job where another backend's status says it is. Errors: one line.
pub(crate) fn apply_status(job: &mut Job, fields: &Fields, status: Status) -> Result<(), String> {
    let at = job.updated_at;
    match status {
        Status::Pending => job.stage = Stage::QUEUED,
        Status::Processing => {
            job.stage = Stage::Submitting;
            let until = at.checked_add_signed(PRESUMED_DEAD_AFTER).unwrap_or(at);
            job.claim = Some(Claim { worker: WorkerId::another_backend(), until });
            job.not_before = None;
        }
        Status::Review | Status::Approved => {
            let image = image(&job.id, fields).ok_or_else(|| {
                let what = if fields.contains_key("generatedImageUrl") { "not a URL" } else { "missing" };
                format!("status is {}, but generatedImageUrl is {what}", status.as_str())
            })?;
            if let Some(attempt) = job.attempts.last_mut() {
                attempt.outcome = Some(Outcome::Done { image: image.clone() });
            }
            job.stage = if status == Status::Review { Stage::Done { image } } else { Stage::Approved { image } };
        }
        Status::Error => {
            let message = result_text(fields, "errorMessage").unwrap_or("another backend failed (no reason given)");
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

/// A result that another backend wrote: anything but text counts as absent.
fn result_text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    field(fields, name).and_then(Value::as_str)
}

/// The image behind `generatedImageUrl`.
fn image(id: &JobId, fields: &Fields) -> Option<StoredImage> {
    let url = result_text(fields, "generatedImageUrl").filter(|url| !url.trim().is_empty())?;
    Some(image_at(id, url, integer_field(fields, "image_size_bytes").ok().flatten()))
}

/// Another backend's image, as far as its URL shows; `bytes` is 0 where it is not known. What only the image itself would show stays
/// unknown: its digest is empty.
fn image_at(id: &JobId, url: &str, bytes: Option<i64>) -> StoredImage {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let format = match path.rsplit('.').next().map(str::to_ascii_lowercase).as_deref() {
        Some("jpg" | "jpeg") => ImageFormat::Jpeg,
        Some("webp") => ImageFormat::Webp,
        _ => ImageFormat::Png,
    };
    let object = path
        .rfind("generated-art/")
        .and_then(|begin| serde_json::from_value(path[begin..].into()).ok())
        .filter(ObjectName::is_ours)
        .unwrap_or_else(|| ObjectName::for_attempt(id, 1, format));
    let bytes = bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
    StoredImage { object, url: url.to_owned(), format, width: 0, height: 0, bytes, sha256: String::new() }
}

/// The money that another backend recorded on the job: shown, never added up
/// ([`is_external_charge`](crate::store::charges::is_external_charge)).
fn note_charges(job: &mut Job, fields: &Fields) -> Result<(), String> {
    let model = result_text(fields, "bfl_model").unwrap_or(&job.spec.model).to_owned();
    let (at, simulated) = (job.created_at, job.simulated);
    let charge = |service: Service, name: &str| -> Result<Option<Charge>, String> {
        let Some(amount) = field(fields, name) else { return Ok(None) };
        let amount = Some(parse_amount(amount).map_err(|why| format!("{name} {why}"))?);
        Ok(Some(Charge { service, amount, basis: Basis::Estimated, model: model.clone(), at, simulated }))
    };
    job.attempts[0].charge = charge(Service::BflApi, "bfl_cost_usd")?;
    job.attempts[0].storage_charge = charge(Service::GoogleStorage, "storage_cost_usd")?;
    Ok(())
}
