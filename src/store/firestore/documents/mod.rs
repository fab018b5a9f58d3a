//! The mapping between documents of the `jobs` collection and jobs. Pure: no network, no clock.
//!
//! The shared schema's fields are what other programs see; `store::schema` reads and writes them. What darkroom needs beyond them is
//! in the one map field `darkroom`:
//!
//! | field | type | why |
//! | --- | --- | --- |
//! | `job` | bytes | the whole job as deflated JSON, with everything that the shared schema lacks; text in earlier versions |
//! | `stage`, `simulated`, `hidden` | text, bool, bool | counted and filtered by the server |
//! | `reserved` | integer, 1e-12 dollars | while submitting or generating: what a cap must leave room for |
//! | `claim_until`, `not_before` | timestamp | for people who read a document |
//! | `request` | text | digest of the request that `job` follows; another digest is a changed request |
//! | `found_entries` | list of text | ids of entries that stood for the job's charges before it was imported: an undo leaves them |
//! | `previous` | integer | the revision that was replaced, so that every save changes the document and its update time |

pub(crate) mod cache;
pub(crate) mod json;
mod native;
mod packed;
pub(crate) mod subscriber;
pub(crate) mod value;
mod write;

use chrono::{DateTime, Utc};
use firestore::gcloud_sdk::google::firestore::v1::Document;
use firestore::gcloud_sdk::prost::Message;

use crate::jobs::{Attempt, Hold, Job, JobId, Spec, Stage, StageName, sha256_hex};
use crate::store::charges::{ChargeRow, charges_of};
use crate::store::schema::{self, ExternalDefaults, Fields, RequestDefaults, Status};
use crate::text;

pub(crate) use write::DocumentWrite;

/// Bytes of a document to which a run can still be added.
const MAX_BYTES_BEFORE_RUN: usize = 1_000_000;

/// Defaults for what documents of other programs do not contain.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Defaults {
    /// The model of a document without one.
    pub model: String,
    /// The image format of requests, which cannot name one; `None` is the model's own default.
    pub output_format: Option<String>,
    /// Whether documents that darkroom did not write are the simulator's.
    pub simulated: bool,
    /// Whether requests of other programs are held: this process simulates, and only jobs of darkroom's own.
    pub hold_external: bool,
}

impl Defaults {
    pub(crate) fn request(&self) -> RequestDefaults<'_> {
        RequestDefaults { model: &self.model, output_format: self.output_format.as_deref() }
    }
}

/// A parsed document.
#[derive(Debug, Clone)]
pub(crate) struct ParsedDocument {
    pub id: JobId,
    pub revision: u64,
    /// The job, or one line that says why the document cannot be read.
    pub content: Result<Box<LoadedJob>, String>,
    /// Whether the document requests an image in a way that cannot be read, and is understood otherwise.
    pub is_bad_request: bool,
    /// Whether it has the map `darkroom`.
    pub has_map: bool,
    /// When another backend moved the job, where its status shows that; a job that it had taken up before counts too.
    pub moved_by_backend: Option<DateTime<Utc>>,
}

/// A job with what a later save needs to know about its document.
#[derive(Debug, Clone)]
pub(crate) struct LoadedJob {
    pub job: Job,
    pub base: BaseVersion,
}

/// The document that a save replaces.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BaseVersion {
    pub revision: u64,
    /// The charges that are in the ledger.
    pub rows: Vec<ChargeRow>,
    /// Digest of the request that the job follows.
    pub request: String,
    /// Digest of the spec that was read.
    pub spec: String,
    pub images: usize,
    /// Whether `createdAt` is absent.
    pub undated: bool,
    /// Whether the job was queued: a save that makes it submitting is the record before a submit.
    pub queued: bool,
    /// Digest of the job that was read, whenever its document was written: another program's write that leaves it as it is does not
    /// conflict with a save.
    pub job: String,
    /// Whether a worker may be waiting for what was paid for.
    pub under_way: bool,
}

/// Parses a document. `None` where its name is not a job's id, which Firestore does not let happen.
pub(crate) fn parse(document: &Document, defaults: &Defaults) -> Option<ParsedDocument> {
    let id = JobId::new(document.name.rsplit('/').next()?).ok()?;
    let revision = document.update_time.as_ref().map_or(0, value::nanoseconds);
    let mut fields = json::to_json(&document.fields);
    packed::unpack_job(&mut fields);
    let content = parse_fields(&id, document, &fields, defaults);
    let content = content.and_then(|found| check_size(document, &fields, &found.2).map(|()| found));
    let is_bad_request = content.is_err() && is_understood_request(&id, &fields);
    let has_map = fields.get("darkroom").is_some_and(|map| !map.is_null());
    let updated_at = document.update_time.as_ref().and_then(value::instant);
    let moved_by_backend = updated_at.filter(|_| is_moved_by_backend(&fields));
    let content = content.map(|(rows, request, mut job)| {
        job.revision = revision;
        hold_external(&mut job, defaults);
        let base = BaseVersion {
            revision,
            rows,
            request,
            spec: digest(&job.spec),
            images: job.images().count(),
            undated: is_undated(&fields),
            queued: job.stage_name() == StageName::Queued,
            job: job_digest(&job),
            // Another backend's job is under way without the map: it has nothing that a save could restore.
            under_way: has_map && is_under_way(&job),
        };
        Box::new(LoadedJob { job, base })
    });
    let content = content.map_err(|reason| text::sanitize_line(&reason, 200));
    Some(ParsedDocument { id, revision, content, is_bad_request, has_map, moved_by_backend })
}

/// The charges in the ledger, the digest of the request that the job follows, and the job.
fn parse_fields(
    id: &JobId,
    document: &Document,
    fields: &Fields,
    defaults: &Defaults,
) -> Result<(Vec<ChargeRow>, String, Job), String> {
    let updated_at = document.update_time.as_ref().and_then(value::instant);
    if let Some(native) = schema::native_fields(fields)? {
        return native::parse(id, native, fields, updated_at, defaults);
    }
    let created_at = document.create_time.as_ref().and_then(value::instant).unwrap_or(DateTime::UNIX_EPOCH);
    let request = defaults.request();
    let external = ExternalDefaults { request, simulated: defaults.simulated, created_at, updated_at };
    let job = schema::parse_external(id, fields, &external)?;
    Ok((Vec::new(), schema::request_digest(fields), job))
}

/// Whether an image is requested, by a document whose own map is intact where darkroom wrote it, and nothing was paid for that
/// request yet.
fn is_understood_request(id: &JobId, fields: &Fields) -> bool {
    Status::of(fields) == Ok(Status::Pending)
        && match schema::native_fields(fields) {
            Ok(Some(native)) => schema::parse_native(id, native, fields).is_ok_and(|job| !may_be_paid(&job)),
            Ok(None) => true,
            Err(_) => false,
        }
}

/// Whether the status is one that only another backend writes: darkroom writes the status and its own map together.
fn is_moved_by_backend(fields: &Fields) -> bool {
    let Ok(status) = Status::of(fields) else { return false };
    let native = match schema::native_fields(fields) {
        Ok(Some(native)) => native,
        Ok(None) => return status == Status::Processing,
        Err(_) => return false,
    };
    let stage = native.get("stage").and_then(serde_json::Value::as_str);
    let Some(Ok(stage)) = stage.map(str::parse::<StageName>) else { return false };
    match stage {
        StageName::Queued => matches!(status, Status::Processing | Status::Review),
        StageName::Submitting | StageName::Generating => matches!(status, Status::Review | Status::Error),
        StageName::Done | StageName::Approved | StageName::Failed | StageName::Cancelled => {
            status == Status::Processing
        }
    }
}

/// Whether a result may still come that was paid for.
fn may_be_paid(job: &Job) -> bool {
    let is_paid = |attempt: &Attempt| attempt.receipt.is_some() || attempt.charge.is_some();
    let is_open = |attempt: &Attempt| attempt.outcome.is_none();
    is_under_way(job) || (job.stage_name().is_active() && job.attempts.iter().any(|one| is_open(one) && is_paid(one)))
}

/// Holds a queued request of another program where this process does not run it. The hold is never read from the document: it depends
/// on the process.
fn hold_external(job: &mut Job, defaults: &Defaults) {
    let Stage::Queued { hold } = &mut job.stage else { return };
    if defaults.hold_external && job.external {
        *hold = Some(Hold::External);
    } else if *hold == Some(Hold::External) {
        *hold = None;
    }
}

fn is_undated(fields: &Fields) -> bool {
    fields.get("createdAt").is_none_or(serde_json::Value::is_null)
}

/// Whether a queued job's document has room for what its run adds. Checked before a submit: a receipt without room would be lost.
/// Errors: one line.
fn check_size(document: &Document, fields: &Fields, job: &Job) -> Result<(), String> {
    if job.stage_name() != StageName::Queued {
        return Ok(());
    }
    let is_new = !fields.contains_key("darkroom");
    let twice = if is_new { write::stored_twice(&job.spec.prompt) } else { 0 };
    let size = document.encoded_len();
    if size + twice <= MAX_BYTES_BEFORE_RUN {
        return Ok(());
    }
    Err(format!("the document has {size} bytes, which leaves no room for a result: Firestore's limit is 1048576"))
}

impl BaseVersion {
    /// The base of the next save, after `job` was saved by `write`.
    pub(crate) fn after(job: &Job, write: &DocumentWrite, revision: u64) -> Self {
        Self {
            revision,
            rows: charges_of(job),
            request: write.request.clone(),
            spec: digest(&job.spec),
            images: job.images().count(),
            undated: false,
            queued: job.stage_name() == StageName::Queued,
            job: job_digest(job),
            under_way: is_under_way(job),
        }
    }

    /// The same base in another version of its document, from which another program removed the map `darkroom`: a save of the job
    /// restores it. `None` where nothing was paid for the job, so that the document is what it seems to be, a new request.
    pub(crate) fn restored(&self, revision: u64) -> Option<Self> {
        self.under_way.then(|| Self { revision, ..self.clone() })
    }
}

fn is_under_way(job: &Job) -> bool {
    matches!(job.stage_name(), StageName::Submitting | StageName::Generating)
}

/// The job without its revision and the time of its last write.
fn job_digest(job: &Job) -> String {
    let undated = Job { updated_at: DateTime::UNIX_EPOCH, ..job.clone() };
    sha256_hex(serde_json::to_string(&undated).unwrap_or_default().as_bytes())
}

fn digest(spec: &Spec) -> String {
    // A spec that has no JSON is rejected before it is written.
    sha256_hex(serde_json::to_string(spec).unwrap_or_default().as_bytes())
}

#[cfg(test)]
mod decisions;
#[cfg(test)]
mod tests;
