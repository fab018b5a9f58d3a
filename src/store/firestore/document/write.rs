//! Owns which fields of a document a save writes, and nothing but those: a mask protects every field that is not named here.
//! Must not decide whether a save may happen.

use firestore::gcloud_sdk::google::firestore::v1::document_transform::FieldTransform;
use firestore::gcloud_sdk::google::firestore::v1::document_transform::field_transform::TransformType;

use super::super::super::StoreError;
use super::super::rollup;
use super::super::value::{self, Fields};
use super::{Base, Status, digest, request};
use crate::costs::Usd;
use crate::jobs::{Job, Stage, StageName};
use crate::text;

/// Stands for a prompt that is too long to be kept twice in one document.
pub(super) const PROMPT_APART: &str = "\u{0}the prompt stands in the document's own field";

/// A prompt of more bytes is kept in the document's own field alone.
const LONG_PROMPT: usize = 60_000;

/// Firestore takes documents of 1 MiB; this leaves room for names and for what others wrote beside us.
const LARGEST: usize = 900_000;

/// What is written to a job's document.
#[derive(Debug, Clone)]
pub(in super::super) struct Draft {
    pub fields: Fields,
    /// Paths that are written; one without a field is removed.
    pub mask: Vec<String>,
    pub transforms: Vec<FieldTransform>,
    /// Digest of the wish that the job follows.
    pub request: String,
}

impl Draft {
    /// The document of a new job. Errors: `Unreadable` for a job that could not be stored or read back.
    pub(in super::super) fn new(job: &Job) -> Result<Self, StoreError> {
        let mut fields = request::wish_of(&job.spec);
        let request = request::fingerprint(&fields);
        fields.insert("createdAt".to_owned(), value::time(job.created_at));
        let images = i64::try_from(job.images().count()).unwrap_or(0);
        fields.insert("generationCount".to_owned(), value::integer(images));
        let mask = fields.keys().cloned().collect();
        let mut draft = Self { fields, mask, transforms: Vec::new(), request };
        draft.fill(job, 0)?;
        Ok(draft)
    }

    /// What changes in the document that `base` was read from.
    pub(in super::super) fn update(job: &Job, base: &Base) -> Result<Self, StoreError> {
        let mut draft =
            Self { fields: Fields::new(), mask: Vec::new(), transforms: Vec::new(), request: base.request.clone() };
        if digest(&job.spec) != base.spec {
            // The wish was changed here, so that everybody shall see the new one.
            let wish = request::wish_of(&job.spec);
            draft.request = request::fingerprint(&wish);
            draft.mask.extend(request::WISH.iter().map(|name| (*name).to_owned()));
            draft.fields.extend(wish);
        }
        if base.undated {
            draft.set("createdAt", value::time(job.created_at));
        }
        let new = job.images().count().saturating_sub(base.images);
        if new > 0 {
            let by = value::integer(i64::try_from(new).unwrap_or(1));
            let transform_type = Some(TransformType::Increment(by));
            draft.transforms.push(FieldTransform { field_path: "generationCount".to_owned(), transform_type });
        }
        draft.fill(job, base.revision)?;
        Ok(draft)
    }

    fn set(&mut self, name: &str, value: value::Value) {
        self.fields.insert(name.to_owned(), value);
        self.mask.push(name.to_owned());
    }

    fn fill(&mut self, job: &Job, previous: u64) -> Result<(), StoreError> {
        self.set("status", value::text(Status::of_stage(&job.stage).as_str()));
        self.mask.push("errorMessage".to_owned());
        match &job.stage {
            Stage::Failed { failure } => {
                self.fields.insert("errorMessage".to_owned(), value::text(text::sanitize_line(&failure.message, 300)));
            }
            Stage::Cancelled => _ = self.fields.insert("errorMessage".to_owned(), value::text("cancelled")),
            Stage::Done { image } | Stage::Approved { image } => {
                self.set("generatedImageUrl", value::text(&image.url));
                if image.bytes > 0 {
                    self.set("image_size_bytes", value::integer(i64::try_from(image.bytes).unwrap_or(i64::MAX)));
                }
            }
            Stage::Queued { .. } | Stage::Submitting | Stage::Generating => {}
        }
        self.money(job);
        self.ours(job, previous)?;
        let size: usize = self.fields.values().map(prost_size).sum();
        if size > LARGEST {
            let reason = format!("it was not written, {size} bytes are more than a document of Firestore holds");
            return Err(StoreError::Unreadable { id: job.id.clone(), reason });
        }
        Ok(())
    }

    /// What the newest image cost, in the fields that the web page shows.
    fn money(&mut self, job: &Job) {
        let charged = job.attempts.iter().rev().find(|attempt| attempt.charge.is_some());
        if let Some(charge) = charged.and_then(|attempt| attempt.charge.as_ref())
            && let Some(amount) = charge.amount.filter(|_| charge.basis.is_counted())
        {
            self.set("bfl_cost_usd", value::double(float(amount)));
            self.set("bfl_model", value::text(&charge.model));
            let steps = charged.and_then(|attempt| job.spec_of(attempt).parameters.get("steps")?.as_i64());
            if let Some(steps) = steps {
                self.set("bfl_steps", value::integer(steps));
            }
        }
        let stored = job.attempts.iter().rev().find_map(|attempt| attempt.storage_charge.as_ref());
        if let Some(amount) = stored.and_then(|charge| charge.amount) {
            self.set("storage_cost_usd", value::double(float(amount)));
        }
    }

    fn ours(&mut self, job: &Job, previous: u64) -> Result<(), StoreError> {
        let unreadable = |reason: &str| StoreError::Unreadable {
            id: job.id.clone(),
            reason: text::sanitize_line(&format!("it was not written, {reason}"), 200),
        };
        let apart = kept_twice(&job.spec.prompt) == 0;
        let written = if apart {
            let mut short = job.clone();
            PROMPT_APART.clone_into(&mut short.spec.prompt);
            serde_json::to_string(&short)
        } else {
            serde_json::to_string(job)
        };
        let written = written.map_err(|error| unreadable(&error.to_string()))?;
        serde_json::from_str::<Job>(&written).map_err(|error| unreadable(&error.to_string()))?;
        let reserved = job.attempt().filter(|_| job.stage_name() == StageName::Submitting);
        let reserved = reserved.and_then(|attempt| attempt.reserved).map(|amount| rollup::parts(amount).0);
        let ours: [(&str, Option<value::Value>); 9] = [
            ("job", Some(value::text(written))),
            ("stage", Some(value::text(job.stage_name().as_str()))),
            ("simulated", Some(value::boolean(job.simulated))),
            ("hidden", Some(value::boolean(job.hidden))),
            ("request", Some(value::text(&self.request))),
            ("previous", Some(value::integer(i64::try_from(previous).unwrap_or(0)))),
            ("reserved", reserved.map(value::integer)),
            ("claim_until", job.claim.as_ref().map(|claim| value::time(claim.until))),
            ("not_before", job.not_before.map(value::time)),
        ];
        self.mask.extend(ours.iter().map(|(name, _)| format!("darkroom.{name}")));
        let map = ours.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        self.fields.insert("darkroom".to_owned(), value::map(map));
        Ok(())
    }
}

/// Bytes that a prompt takes in `darkroom.job`; none for one that stands in the document's own field alone.
pub(super) fn kept_twice(prompt: &str) -> usize {
    if prompt.len() > LONG_PROMPT {
        return 0;
    }
    // At the worst, each byte is escaped to six.
    2 + prompt
        .bytes()
        .map(|byte| {
            if byte < 0x20 {
                6
            } else if matches!(byte, b'"' | b'\\') {
                2
            } else {
                1
            }
        })
        .sum::<usize>()
}

/// The nearest binary fraction, for fields that the contract says are numbers. Exact amounts stand beside it as text.
pub(in super::super) fn float(amount: Usd) -> f64 {
    amount.to_string().parse().unwrap_or(0.0)
}

fn prost_size(value: &value::Value) -> usize {
    use firestore::gcloud_sdk::prost::Message;
    value.encoded_len()
}
