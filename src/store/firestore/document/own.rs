//! Owns the reading of documents that this program wrote, and of what others did to them since. Must not write.

use firestore::gcloud_sdk::google::firestore::v1::Document;

use super::super::ledger::{self, ChargeRow};
use super::super::value::{self, Fields, text_of};
use super::write::PROMPT_APART;
use super::{Defaults, Status, foreign, request};
use crate::jobs::{Job, JobId, Stage, StageName};

/// The job, its charges in the books, and the digest of the wish that it follows. Errors: one clean line.
pub(super) fn read(
    id: &JobId,
    document: &Document,
    ours: &Fields,
    defaults: &Defaults,
) -> Result<(Vec<ChargeRow>, String, Job), String> {
    let fields = &document.fields;
    let text = text_of(ours, "job").ok_or("darkroom.job is missing or no text")?;
    let mut job: Job = serde_json::from_str(text).map_err(|error| format!("darkroom.job: {error}"))?;
    if job.id != *id {
        return Err(format!("it names another job, {}", job.id));
    }
    if job.attempts.is_empty() {
        return Err("darkroom.job has no attempt".to_owned());
    }
    if job.spec.prompt == PROMPT_APART {
        text_of(fields, "prompt").unwrap_or_default().clone_into(&mut job.spec.prompt);
    }
    let rows = ledger::rows_of(&job);
    let wish = request::fingerprint(fields);
    let followed = text_of(ours, "request").unwrap_or_default();
    let follows = follow(&mut job, document, wish != followed, defaults)?;
    // A wish that was changed while the job was under way is still news when somebody asks again.
    let request = if follows { wish } else { followed.to_owned() };
    Ok((rows, request, job))
}

/// Follows what others did to the document since it was saved here. Returns whether the job follows the wish as it stands.
///
/// While a job is under way it belongs to its worker, whatever its status says: it never runs twice at once.
fn follow(job: &mut Job, document: &Document, wish_changed: bool, defaults: &Defaults) -> Result<bool, String> {
    let mut follows = !wish_changed;
    let fields = &document.fields;
    let status = Status::of(fields)?;
    let now = document.update_time.as_ref().and_then(value::instant).unwrap_or(job.updated_at);
    let stage = job.stage_name();
    match (stage, status) {
        (StageName::Submitting | StageName::Generating, _) => {}
        (StageName::Queued, Status::Pending) => {
            if wish_changed {
                let spec = request::spec_of(fields, &defaults.model)?;
                follows = true;
                let old = std::mem::replace(&mut job.spec, spec);
                let last = job.attempts.len() - 1;
                for attempt in job.attempts[..last].iter_mut().filter(|attempt| attempt.spec.is_none()) {
                    attempt.spec = Some(old.clone());
                }
            }
        }
        // Another backend took it first.
        (StageName::Queued, _) => {
            job.updated_at = now;
            foreign::enter(job, fields, status)?;
        }
        (_, Status::Pending | Status::Processing) => {
            let spec = if wish_changed { request::spec_of(fields, &defaults.model)? } else { job.spec.clone() };
            job.resubmit_with(spec, now).map_err(|error| error.to_string())?;
            follows = true;
            if status == Status::Processing {
                foreign::enter(job, fields, status)?;
            }
        }
        (StageName::Done, Status::Approved) => job.approve(now).map_err(|error| error.to_string())?,
        (StageName::Approved, Status::Review) => job.unapprove(now).map_err(|error| error.to_string())?,
        // A reviewer may like an earlier image of a job that failed since.
        (StageName::Failed | StageName::Cancelled, Status::Approved | Status::Review) => {
            if let Some(image) = job.image().cloned() {
                job.stage = if status == Status::Approved { Stage::Approved { image } } else { Stage::Done { image } };
                job.updated_at = now;
            }
        }
        (StageName::Done | StageName::Approved | StageName::Failed | StageName::Cancelled, _) => {}
    }
    Ok(follows)
}
