//! The fields of a document that a save writes. A mask protects every other field.

use firestore::gcloud_sdk::google::firestore::v1::document_transform::FieldTransform;
use firestore::gcloud_sdk::google::firestore::v1::document_transform::field_transform::TransformType;
use firestore::gcloud_sdk::prost::Message;

use super::value::{self, Fields, Value};
use super::{BaseVersion, digest, json, packed};
use crate::jobs::Job;
use crate::store::StoreError;
use crate::store::schema::{self, PROMPT_PLACEHOLDER, REQUEST_FIELDS};
use crate::text;

/// A prompt of more bytes is kept in the document's own field alone.
const MAX_PROMPT_TWICE: usize = 60_000;

/// Firestore's limit is 1 MiB; this leaves room for names and for other programs' fields.
const MAX_BYTES: usize = 900_000;

/// What is written to a job's document.
#[derive(Debug, Clone)]
pub(crate) struct DocumentWrite {
    pub fields: Fields,
    /// Paths that are written; one without a field is removed.
    pub mask: Vec<String>,
    pub transforms: Vec<FieldTransform>,
    /// Digest of the request that the job follows.
    pub request: String,
}

impl DocumentWrite {
    /// The document of a new job. Errors: `Unreadable` for a job that could not be stored or read back.
    pub(crate) fn new(job: &Job) -> Result<Self, StoreError> {
        let fields = schema::encode_job(job);
        Self::of(job, &fields, schema::request_digest(&fields), Vec::new(), 0)
    }

    /// What changes in the document that `base` was read from. Errors: as for `new`.
    pub(crate) fn update(job: &Job, base: &BaseVersion) -> Result<Self, StoreError> {
        let mut fields = schema::encode_job(job);
        let mut mask = Vec::new();
        let mut request = base.request.clone();
        if digest(&job.spec) == base.spec {
            for name in REQUEST_FIELDS {
                fields.remove(name);
            }
        } else {
            // The request was changed here, so that every program shall see the new one.
            request = schema::request_digest(&fields);
            mask.extend(REQUEST_FIELDS.iter().map(|name| (*name).to_owned()));
        }
        if !base.undated {
            fields.remove("createdAt");
        }
        // Counted by the server: another program may have counted an image too.
        fields.remove("generationCount");
        let mut write = Self::of(job, &fields, request, mask, base.revision)?;
        let new = job.images().count().saturating_sub(base.images);
        if new > 0 {
            let by = value::integer(i64::try_from(new).unwrap_or(1));
            let transform_type = Some(TransformType::Increment(by));
            write.transforms.push(FieldTransform { field_path: "generationCount".to_owned(), transform_type });
        }
        Ok(write)
    }

    fn of(
        job: &Job,
        fields: &schema::Fields,
        request: String,
        mut mask: Vec<String>,
        previous: u64,
    ) -> Result<Self, StoreError> {
        mask.extend(fields.keys().filter(|name| !REQUEST_FIELDS.contains(&name.as_str()) || previous == 0).cloned());
        if !fields.contains_key("errorMessage") {
            mask.push("errorMessage".to_owned());
        }
        let mut fields = json::from_json(fields);
        let darkroom = darkroom_fields(job, &request, previous)?;
        mask.extend(darkroom.iter().map(|(name, _)| format!("darkroom.{name}")));
        let map = darkroom.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        fields.insert("darkroom".to_owned(), value::map(map));
        let size: usize = fields.values().map(Message::encoded_len).sum();
        if size > MAX_BYTES {
            return Err(not_written(job, &format!("its {size} bytes exceed the limit of a Firestore document")));
        }
        Ok(Self { fields, mask, transforms: Vec::new(), request })
    }
}

/// The fields of the map `darkroom`; one without a value is removed.
fn darkroom_fields(job: &Job, request: &str, previous: u64) -> Result<[(&'static str, Option<Value>); 9], StoreError> {
    let text = if stored_twice(&job.spec.prompt) == 0 {
        let mut short = job.clone();
        PROMPT_PLACEHOLDER.clone_into(&mut short.spec.prompt);
        serde_json::to_string(&short)
    } else {
        serde_json::to_string(job)
    };
    let text = text.map_err(|error| not_written(job, &error.to_string()))?;
    serde_json::from_str::<Job>(&text).map_err(|error| not_written(job, &error.to_string()))?;
    let job_bytes = packed::deflate(&text).map_err(|error| not_written(job, &error.to_string()))?;
    let reserved = job.reservation().map(|amount| value::to_pico(amount).0);
    Ok([
        ("job", Some(value::bytes(job_bytes))),
        ("stage", Some(value::text(job.stage_name().as_str()))),
        ("simulated", Some(value::boolean(job.simulated))),
        ("hidden", Some(value::boolean(job.hidden))),
        ("request", Some(value::text(request))),
        ("previous", Some(value::integer(i64::try_from(previous).unwrap_or(0)))),
        ("reserved", reserved.map(value::integer)),
        ("claim_until", job.claim.as_ref().map(|claim| value::time(claim.until))),
        ("not_before", job.not_before.map(value::time)),
    ])
}

fn not_written(job: &Job, reason: &str) -> StoreError {
    let reason = text::sanitize_line(&format!("not written: {reason}"), 200);
    StoreError::Unreadable { id: job.id.clone(), reason }
}

/// Bytes that a prompt takes in `darkroom.job`; none for one that only the document's own field holds.
pub(super) fn stored_twice(prompt: &str) -> usize {
    if prompt.len() > MAX_PROMPT_TWICE {
        return 0;
    }
    // In the worst case, each byte is escaped to six.
    let escaped = |byte: u8| match byte {
        0..0x20 => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    2 + prompt.bytes().map(escaped).sum::<usize>()
}
