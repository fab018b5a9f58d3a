//! The mapping between documents of the `jobs` collection and jobs. Pure: no network, no clock.
//!
//! The contract's fields are what other programs see. What darkroom needs beyond them stands in the one map field `darkroom`:
//!
//! | field | type | why |
//! | --- | --- | --- |
//! | `job` | text | the whole job as JSON, the truth for everything that the contract has no word for |
//! | `stage`, `simulated`, `hidden` | text, bool, bool | counted and filtered by the server |
//! | `reserved` | integer, 1e-12 dollars | while submitting or generating: what a cap must leave room for |
//! | `claim_until`, `not_before` | timestamp | for people who look at a document |
//! | `request` | text | digest of the wish that `job` follows; a different one is a changed wish |
//! | `previous` | integer | the revision that was replaced, so that every save changes the document and its update time |
//!
//! A cancelled job is `error` with the message `cancelled` for everybody else, because the contract has no word for it.

mod foreign;
mod own;
mod request;
mod write;

use firestore::gcloud_sdk::google::firestore::v1::Document;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::prost::Message;

use super::ledger::{self, ChargeRow};
use super::value::{self, Fields, content, kind};
use crate::jobs::{Job, JobId, Spec, Stage, StageName, sha256_hex};
use crate::text;

pub(super) use foreign::dollars;
pub(super) use request::fingerprint;
pub(super) use write::{Draft, float};

/// Bytes of a document to which a run can still be added.
const FULL: usize = 1_000_000;

/// What a document that does not say it means.
#[derive(Debug, Clone)]
pub(super) struct Defaults {
    /// The model of a document without one.
    pub model: String,
    /// Whether documents that carry nothing of ours are the simulator's.
    pub simulated: bool,
}

/// The contract's five words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    Processing,
    Review,
    Approved,
    Error,
}

/// A document as it was read.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub id: JobId,
    pub revision: u64,
    /// The job, or one clean line that says why there is none.
    pub content: Result<Box<Known>, String>,
}

/// A job with what a later save of it has to know about its document.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub job: Job,
    pub base: Base,
}

/// The document that a save replaces.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Base {
    pub revision: u64,
    /// The charges that are in the books.
    pub rows: Vec<ChargeRow>,
    /// Digest of the wish that the job follows.
    pub request: String,
    /// Digest of the spec that was read.
    pub spec: String,
    pub images: usize,
    /// Whether there is no `createdAt`.
    pub undated: bool,
    /// Whether the job was queued: a save that makes it submitting is the note before an order.
    pub queued: bool,
}

impl Status {
    const ALL: [Self; 5] = [Self::Pending, Self::Processing, Self::Review, Self::Approved, Self::Error];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending_art_generation",
            Self::Processing => "processing",
            Self::Review => "pending_review",
            Self::Approved => "approved",
            Self::Error => "error",
        }
    }

    fn of(fields: &Fields) -> Result<Self, String> {
        match content(fields, "status") {
            Some(ValueType::StringValue(word)) => Self::ALL
                .into_iter()
                .find(|status| status.as_str() == word)
                .ok_or_else(|| format!("'{}' is no status of the contract", text::sanitize_line(word, 40))),
            Some(other) => Err(format!("status is {}; it must be text", kind(other))),
            None => Err("it has no status".to_owned()),
        }
    }

    pub(super) fn of_stage(stage: &Stage) -> Self {
        match stage {
            Stage::Queued { .. } => Self::Pending,
            Stage::Submitting | Stage::Generating => Self::Processing,
            Stage::Done { .. } => Self::Review,
            Stage::Approved { .. } => Self::Approved,
            Stage::Failed { .. } | Stage::Cancelled => Self::Error,
        }
    }
}

/// Reads a document. `None` where its name is no job's id, which Firestore does not let happen.
pub(super) fn read(document: &Document, defaults: &Defaults) -> Option<Reading> {
    let id = JobId::new(document.name.rsplit('/').next()?).ok()?;
    let revision = document.update_time.as_ref().map_or(0, value::nanoseconds);
    let content = match content(&document.fields, "darkroom") {
        None => foreign::read(&id, document, defaults).map(|job| (Vec::new(), fingerprint(&document.fields), job)),
        Some(ValueType::MapValue(map)) => own::read(&id, document, &map.fields, defaults),
        Some(other) => Err(format!("darkroom is {}; it must be a map", kind(other))),
    };
    let content = content.and_then(|found| has_room(document, &found.2).map(|()| found));
    let content = content.map(|(rows, request, mut job)| {
        job.revision = revision;
        let base = Base {
            revision,
            rows,
            request,
            spec: digest(&job.spec),
            images: job.images().count(),
            undated: value::content(&document.fields, "createdAt").is_none(),
            queued: job.stage_name() == StageName::Queued,
        };
        Box::new(Known { job, base })
    });
    Some(Reading { id, revision, content: content.map_err(|reason| text::sanitize_line(&reason, 200)) })
}

/// Whether a queued job's document can take what its run adds. Found out before anything is ordered: a receipt that finds no room
/// would be lost. Errors: one clean line.
fn has_room(document: &Document, job: &Job) -> Result<(), String> {
    if job.stage_name() != StageName::Queued {
        return Ok(());
    }
    let new = content(&document.fields, "darkroom").is_none();
    let twice = if new { write::kept_twice(&job.spec.prompt) } else { 0 };
    let size = document.encoded_len();
    if size + twice <= FULL {
        return Ok(());
    }
    Err(format!("its {size} bytes leave no room for a run: Firestore holds 1048576 in a document"))
}

impl Base {
    /// The base of the next save, after `job` was saved by `draft`.
    pub(super) fn after(job: &Job, draft: &Draft, revision: u64) -> Self {
        Self {
            revision,
            rows: ledger::rows_of(job),
            request: draft.request.clone(),
            spec: digest(&job.spec),
            images: job.images().count(),
            undated: false,
            queued: job.stage_name() == StageName::Queued,
        }
    }
}

fn digest(spec: &Spec) -> String {
    // A spec that has no JSON is refused before it is written.
    sha256_hex(serde_json::to_string(spec).unwrap_or_default().as_bytes())
}

#[cfg(test)]
mod tests;
