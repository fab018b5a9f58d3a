//! Documents that darkroom wrote, and the changes that other programs made to them since.

use chrono::{DateTime, Utc};

use super::Defaults;
use crate::jobs::{Job, JobId, Spec, Stage, StageName};
use crate::store::charges::{ChargeRow, charges_of};
use crate::store::schema::{self, Fields, Status};

/// The charges in the ledger, the digest of the request that the job follows, and the job. Errors: one line.
pub(super) fn parse(
    id: &JobId,
    native: &Fields,
    fields: &Fields,
    updated_at: Option<DateTime<Utc>>,
    defaults: &Defaults,
) -> Result<(Vec<ChargeRow>, String, Job), String> {
    let mut job = schema::parse_native(id, native, fields)?;
    // Earlier versions did not record who requested a job. Without a model in the document it was another program.
    let names_model = fields.get("model").is_some_and(|model| !model.is_null());
    let first_is_shared = job.attempts.first().is_some_and(|first| job.spec_of(first).from_shared_store);
    job.external |= first_is_shared && !names_model;
    let rows = charges_of(&job);
    let digest = schema::request_digest(fields);
    let followed = native.get("request").and_then(serde_json::Value::as_str).unwrap_or_default();
    let follows = follow(&mut job, fields, updated_at, digest != followed, defaults)?;
    // A request that was changed while the job was under way is still new when an image is requested again.
    let request = if follows { digest } else { followed.to_owned() };
    Ok((rows, request, job))
}

/// Whether the job is a request of another program of which nothing was begun here: what the request does not name is what the settings
/// name now. Once an attempt has begun, its spec stays.
fn follows_defaults(job: &Job) -> bool {
    job.external && job.attempts.iter().all(|attempt| attempt.steps.is_empty())
}

/// Replaces the spec of a queued job; earlier attempts keep what they ordered.
fn change_spec(job: &mut Job, spec: Spec) {
    if spec == job.spec {
        return;
    }
    let old = std::mem::replace(&mut job.spec, spec);
    let last = job.attempts.len() - 1;
    for attempt in job.attempts[..last].iter_mut().filter(|attempt| attempt.spec.is_none()) {
        attempt.spec = Some(old.clone());
    }
}

/// Applies what other programs did to the document since it was saved here. Returns whether the job follows the present request.
///
/// While a job is under way it belongs to its worker, whatever its status says: it never runs twice at once.
fn follow(
    job: &mut Job,
    fields: &Fields,
    updated_at: Option<DateTime<Utc>>,
    request_changed: bool,
    defaults: &Defaults,
) -> Result<bool, String> {
    let mut follows = !request_changed;
    if matches!(job.stage_name(), StageName::Submitting | StageName::Generating) {
        return Ok(follows);
    }
    let status = Status::of(fields)?;
    let now = updated_at.unwrap_or(job.updated_at);
    match (job.stage_name(), status) {
        (StageName::Queued, Status::Pending) if request_changed => {
            change_spec(job, schema::parse_spec(fields, defaults.request())?);
            follows = true;
        }
        // A request that a former version could read stays as it was read.
        (StageName::Queued, Status::Pending) => {
            if follows_defaults(job)
                && let Ok(spec) = schema::parse_spec(fields, defaults.request())
            {
                change_spec(job, spec);
            }
        }
        // Another backend took it first.
        (StageName::Queued, _) => {
            job.updated_at = now;
            schema::apply_status(job, fields, status)?;
        }
        (_, Status::Pending | Status::Processing) => {
            let spec = if request_changed { schema::parse_spec(fields, defaults.request())? } else { job.spec.clone() };
            job.resubmit_with(spec, now).map_err(|error| error.to_string())?;
            follows = true;
            if status == Status::Processing {
                schema::apply_status(job, fields, status)?;
            }
        }
        (StageName::Done, Status::Approved) => job.approve(now).map_err(|error| error.to_string())?,
        (StageName::Approved, Status::Review) => job.unapprove(now).map_err(|error| error.to_string())?,
        // A reviewer may approve an earlier image of a job that failed since.
        (StageName::Failed | StageName::Cancelled, Status::Approved | Status::Review) => {
            if let Some(image) = job.image().cloned() {
                job.stage = if status == Status::Approved { Stage::Approved { image } } else { Stage::Done { image } };
                job.updated_at = now;
            }
        }
        _ => {}
    }
    Ok(follows)
}
