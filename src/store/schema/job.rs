//! Owns when a document of a file is a job: darkroom's own, told whole under `darkroom.job`, or what another backend left. Must not
//! store one.

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde_json::Value;

use super::amount::{LARGEST, amount_of, kind};
use super::compare::canonical_fields;
use super::time::{time_of, time_text};
use super::wish::{spec_of, whole, word};
use super::{Fields, hygiene, id_of_content};
use crate::costs::{Basis, Charge, Service, Usd};
use crate::jobs::{
    Attempt, BillingStatus, Claim, Failure, FailureCode, ImageFormat, Job, JobId, ObjectName, Outcome, Stage,
    StoredImage, WorkerId,
};
use crate::text::sanitize_line;

/// How long another backend may work on a document without a write before it counts as given up.
const PATIENCE: TimeDelta = TimeDelta::minutes(15);

/// A job's document that was found to be sound.
#[derive(Debug, Clone, PartialEq)]
pub struct JobEntry {
    /// The document's id.
    pub id: JobId,
    /// All fields as they are written.
    pub fields: Fields,
    /// The job that it stands for.
    pub job: Job,
    /// Whether darkroom wrote it: then the job brings its own charges along.
    pub own: bool,
}

/// What a document that does not say it means.
#[derive(Debug, Clone)]
pub struct Defaults {
    /// The model of a document without one.
    pub model: String,
    /// When a document was created that does not say when.
    pub now: DateTime<Utc>,
}

impl JobEntry {
    /// The job that a document of a file is. Without an id it gets one made of its content. Errors: one line that says what is
    /// wrong.
    pub fn read(id: Option<&str>, mut fields: Fields, defaults: &Defaults) -> Result<Self, String> {
        if let Some(written) = fields.get("createdAt").filter(|value| !value.is_null()) {
            let at = time_of(written).map_err(|why| format!("createdAt {why}"))?;
            fields.insert("createdAt".to_owned(), time_text(at).into());
        }
        for name in ["bfl_cost_usd", "storage_cost_usd"] {
            if let Some(amount) = fields.get(name).filter(|value| !value.is_null()) {
                amount_of(amount).map_err(|why| format!("{name} {why}"))?;
            }
        }
        hygiene::check(&fields)?;
        let id = match id {
            Some(id) => id.to_owned(),
            None => id_of_content(&canonical_fields(&fields)),
        };
        hygiene::check_id(&id)?;
        let id = JobId::new(id).map_err(|error| error.to_string())?;
        let own = match fields.get("darkroom") {
            None | Some(Value::Null) => None,
            Some(Value::Object(ours)) => Some(own_job(&id, ours)?),
            Some(other) => return Err(format!("darkroom is {}; it must be a map", kind(other))),
        };
        let foreign = foreign_job(&id, &fields, defaults);
        let (job, own) = match own {
            Some(job) => (job, true),
            None => (foreign?, false),
        };
        Ok(Self { id, fields, job, own })
    }

    /// Whether a worker would do something with it, which may cost money.
    pub fn is_active(&self) -> bool {
        self.job.stage_name().is_active()
    }

    /// What it says, with numbers in one form.
    pub fn essence(&self) -> Fields {
        essence_of(&self.fields)
    }
}

/// What a job's document says, with numbers in one form and without bookkeeping.
pub(crate) fn essence_of(fields: &Fields) -> Fields {
    let mut essence = canonical_fields(fields);
    if let Some(Value::Object(ours)) = essence.get_mut("darkroom") {
        ours.remove("request");
    }
    essence
}

/// A charge that another backend noted on the job: its own entry stands in `costs` already, and it must not be booked again.
pub fn is_noted_elsewhere(job: &Job, attempt: &Attempt, charge: &Charge) -> bool {
    job.spec_of(attempt).from_shared_store
        && attempt.receipt.is_none()
        && attempt.steps.is_empty()
        && charge.basis != Basis::Unconfirmed
}

fn own_job(id: &JobId, ours: &Fields) -> Result<Job, String> {
    let read = match ours.get("job") {
        Some(Value::String(text)) => serde_json::from_str::<Job>(text),
        Some(job @ Value::Object(_)) => serde_json::from_value::<Job>(job.clone()),
        _ => return Err("darkroom.job is missing".to_owned()),
    };
    let job = read.map_err(|error| format!("darkroom.job: {}", sanitize_line(&error.to_string(), 120)))?;
    if job.id != *id {
        return Err(format!("darkroom.job names another job, {}", job.id));
    }
    if job.attempts.is_empty()
        || !job.attempts.iter().map(|attempt| attempt.number).is_sorted_by(|one, next| one < next)
    {
        return Err("darkroom.job has attempts that are not numbered one after the other".to_owned());
    }
    let negative = |charge: &Charge| charge.amount.is_some_and(|amount| amount < Usd::ZERO);
    if job.charges().any(negative) {
        return Err("darkroom.job has a charge of less than nothing".to_owned());
    }
    let largest = Usd::new(Decimal::from(LARGEST));
    if job.charges().any(|charge| charge.amount.is_some_and(|amount| amount > largest)) {
        return Err(format!("darkroom.job has a charge of more than {LARGEST} dollars, which is not believed"));
    }
    Ok(job)
}

/// The job that another backend's document stands for, always of the real API: a file does not say that it was simulated.
fn foreign_job(id: &JobId, fields: &Fields, defaults: &Defaults) -> Result<Job, String> {
    let status = word(fields, "status")?.ok_or("it has no status")?;
    let mut wish = fields.clone();
    if word(fields, "model")?.is_none()
        && status != "pending_art_generation"
        && let Some(model) = word(fields, "bfl_model")?
    {
        // What was ordered says more than what would be ordered today.
        wish.insert("model".to_owned(), model.into());
    }
    let spec = spec_of(&wish, &defaults.model)?;
    if status == "pending_art_generation" && word(fields, "prompt")?.is_none() {
        return Err("it asks for an image without a prompt".to_owned());
    }
    let created = fields.get("createdAt").filter(|value| !value.is_null()).map(time_of).transpose();
    let created = created.map_err(|why| format!("createdAt {why}"))?.unwrap_or(defaults.now);
    let mut job = Job::new(id.clone(), spec, false, created);
    let image = image(id, fields)?;
    job.attempts[0].outcome = image.clone().map(|image| Outcome::Done { image });
    note_money(&mut job, fields)?;
    enter(&mut job, fields, status, image)?;
    Ok(job)
}

/// Puts the job where the status says it is.
fn enter(job: &mut Job, fields: &Fields, status: &str, image: Option<StoredImage>) -> Result<(), String> {
    let no_image = "its status says that there is an image, but generatedImageUrl does not";
    match status {
        "pending_art_generation" => {
            if job.attempts[0].outcome.is_some() || job.attempts[0].charge.is_some() {
                job.attempts.push(Attempt::new(2, job.updated_at));
            }
        }
        "processing" => {
            job.stage = Stage::Submitting;
            let until = job.updated_at + PATIENCE;
            job.claim = Some(Claim { worker: WorkerId::new("another backend"), until });
        }
        "pending_review" => job.stage = Stage::Done { image: image.ok_or(no_image)? },
        "approved" => job.stage = Stage::Approved { image: image.ok_or(no_image)? },
        "error" => {
            let message = word(fields, "errorMessage")?.unwrap_or("another backend gave no reason");
            let billed = if job.attempts[0].charge.is_some() { BillingStatus::Yes } else { BillingStatus::Unknown };
            let failure = Failure::new(FailureCode::ProviderError, message, billed, job.updated_at);
            if job.attempts[0].outcome.is_none() {
                job.attempts[0].outcome = Some(Outcome::Failed { failure: failure.clone() });
            }
            job.stage = Stage::Failed { failure };
        }
        other => return Err(format!("'{}' is no status of the contract", sanitize_line(other, 40))),
    }
    Ok(())
}

/// What another backend's image is, as far as its address tells; `bytes` is 0 where it is not known. What only the image itself
/// would tell stays unknown: its digest is empty.
pub fn image_at(id: &JobId, url: &str, bytes: Option<i64>) -> StoredImage {
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

/// The image behind `generatedImageUrl`.
fn image(id: &JobId, fields: &Fields) -> Result<Option<StoredImage>, String> {
    let Some(url) = word(fields, "generatedImageUrl")?.filter(|url| !url.trim().is_empty()) else { return Ok(None) };
    Ok(Some(image_at(id, url, whole(fields, "image_size_bytes")?)))
}

/// The money that another backend noted on the job: shown, never booked ([`is_noted_elsewhere`]).
fn note_money(job: &mut Job, fields: &Fields) -> Result<(), String> {
    let model = word(fields, "bfl_model")?.unwrap_or(&job.spec.model).to_owned();
    let at = job.created_at;
    let charge = |service: Service, field: &str| {
        let amount = fields.get(field).and_then(|amount| amount_of(amount).ok())?;
        let (basis, model) = (Basis::Estimated, model.clone());
        Some(Charge { service, amount: Some(amount), basis, model, at, simulated: false })
    };
    job.attempts[0].charge = charge(Service::BflApi, "bfl_cost_usd");
    job.attempts[0].storage_charge = charge(Service::GoogleStorage, "storage_cost_usd");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Spec;

    #[test]
    fn a_charge_of_a_whole_job_is_believed_up_to_the_same_amount_as_an_entry() {
        let at = DateTime::UNIX_EPOCH;
        let id = JobId::new("a").unwrap();
        let with = |amount: &str| {
            let mut job = Job::new(id.clone(), Spec::new("flux-dev", "a fox"), true, at);
            let (service, basis, model) = (Service::GoogleStorage, Basis::Settled, "flux-dev".to_owned());
            let amount = Some(amount.parse().unwrap());
            job.attempts[0].storage_charge = Some(Charge { service, amount, basis, model, at, simulated: true });
            let told = Value::String(serde_json::to_string(&job).unwrap());
            own_job(&id, &Fields::from_iter([("job".to_owned(), told)]))
        };
        assert!(with("1000000").is_ok());
        assert!(with("1000000.01").unwrap_err().contains("not believed"));
        assert!(with("-0.01").unwrap_err().contains("less than nothing"));
    }
}
