//! The JSON of a job with `--json`. Field names are a contract with scripts; stored documents have their own format.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::hold_line;
use crate::costs::{Basis, Charge, Usd};
use crate::jobs::{
    Attempt, CorrectedAnswer, Failure, FailureCode, Hold, ImageFormat, Job, JobId, ObjectName, Outcome, Resolution,
    Review, Stage, StageName, Step, StepName, StepState, StoredImage,
};

/// A job as `--json` shows it. Fields are only ever added.
#[derive(Debug, Serialize)]
pub struct JobView<'a> {
    id: &'a JobId,
    status: StageName,
    /// The current attempt, from 1.
    attempt: u32,
    attempts_total: usize,
    model: &'a str,
    prompt: &'a str,
    parameters: &'a BTreeMap<String, Value>,
    /// Requested by a shared document although the model has no such parameter; without effect.
    ignored_parameters: &'a BTreeMap<String, Value>,
    tags: &'a [String],
    simulated: bool,
    /// Whether another program requested it.
    external: bool,
    hidden: bool,
    /// `open`, `approved` or `rejected`; null where no image is finished.
    review: Option<Review>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// Sum of the charges of all attempts, without uncertain ones.
    cost_usd: Option<Usd>,
    /// The part of it that another program noted on the job: reports and caps count its entries in `costs` only.
    noted_usd: Option<Usd>,
    /// The least certain basis of all charges.
    cost_basis: Option<Basis>,
    image_url: Option<&'a str>,
    image: Option<ImageView<'a>>,
    error: Option<ErrorView<'a>>,
    hold: Option<HoldView>,
    not_before: Option<DateTime<Utc>>,
    /// Of the current attempt.
    steps: Vec<StepView<'a>>,
}

/// A job as `jobs show --json` prints it: with all attempts and charges.
#[derive(Debug, Serialize)]
pub struct JobDetails<'a> {
    #[serde(flatten)]
    job: JobView<'a>,
    /// Oldest first.
    attempts: Vec<AttemptView<'a>>,
}

#[derive(Debug, Serialize)]
struct AttemptView<'a> {
    number: u32,
    created_at: DateTime<Utc>,
    /// `done`, `failed` or `cancelled`; null while the attempt is open.
    outcome: Option<&'static str>,
    error: Option<ErrorView<'a>>,
    /// Where the attempt's request differs from the job's current one.
    model: Option<&'a str>,
    prompt: Option<&'a str>,
    /// The seed and the prompt that the provider used, where they differ from the request.
    provider_seed: Option<u64>,
    rewritten_prompt: Option<&'a str>,
    /// The provider's id of the accepted request.
    task_id: Option<&'a str>,
    accepted_at: Option<DateTime<Utc>>,
    image: Option<ImageView<'a>>,
    steps: Vec<StepView<'a>>,
    charges: Vec<ChargeView<'a>>,
    /// Before the submit, by the price table.
    estimate_usd: Option<Usd>,
    /// In the reply to the submit.
    quote_usd: Option<Usd>,
    /// On the finished task, or on the bill.
    settled_usd: Option<Usd>,
    /// What the estimate was wrong by; null where the numbers agree.
    drift_usd: Option<Usd>,
    drift_cause: Option<String>,
    /// An operator's answer to whether an uncertain charge was billed.
    resolution: Option<ResolutionView<'a>>,
}

#[derive(Debug, Serialize)]
struct CorrectedView<'a> {
    billed: bool,
    /// What was booked.
    usd: Option<Usd>,
    by: &'a str,
    at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
struct ResolutionView<'a> {
    billed: bool,
    by: &'a str,
    at: DateTime<Utc>,
    /// When the provider named a price, which counts instead.
    overruled_at: Option<DateTime<Utc>>,
    /// The answers that this one corrects, oldest first.
    corrected: Vec<CorrectedView<'a>>,
    /// The uncertain charge before the answer.
    charge: ChargeView<'a>,
}

#[derive(Debug, Serialize)]
struct ChargeView<'a> {
    service: &'static str,
    usd: Option<Usd>,
    basis: Basis,
    model: &'a str,
    at: DateTime<Utc>,
    simulated: bool,
}

/// A row of a list: a job, or a document that cannot be read.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum JobRow<'a> {
    /// A job.
    Job(Box<JobView<'a>>),
    /// A document that cannot be read as a job.
    Unreadable(UnreadableView<'a>),
}

/// A document that cannot be read, in the place of a job.
#[derive(Debug, Serialize)]
pub struct UnreadableView<'a> {
    id: &'a JobId,
    status: &'static str,
    error: UnreadableError<'a>,
}

#[derive(Debug, Serialize)]
struct UnreadableError<'a> {
    code: &'static str,
    message: &'a str,
}

impl<'a> UnreadableView<'a> {
    /// The row of that document.
    pub fn new(id: &'a JobId, reason: &'a str) -> Self {
        let error = UnreadableError { code: "unreadable", message: reason };
        Self { id, status: "unreadable", error }
    }
}

impl<'a> JobRow<'a> {
    /// The jobs, then the documents that cannot be read.
    pub fn all(jobs: &'a [Job], unreadable: &'a [(JobId, String)], now: DateTime<Utc>) -> Vec<Self> {
        let jobs = jobs.iter().map(|job| Self::Job(Box::new(JobView::new(job, now))));
        jobs.chain(unreadable.iter().map(|(id, reason)| Self::Unreadable(UnreadableView::new(id, reason)))).collect()
    }
}

#[derive(Debug, Serialize)]
struct ImageView<'a> {
    object: &'a ObjectName,
    format: ImageFormat,
    width: u32,
    height: u32,
    bytes: u64,
    sha256: &'a str,
}

#[derive(Debug, Serialize)]
struct ErrorView<'a> {
    code: FailureCode,
    message: &'a str,
}

#[derive(Debug, Serialize)]
struct HoldView {
    kind: &'static str,
    message: String,
}

#[derive(Debug, Serialize)]
struct StepView<'a> {
    name: StepName,
    state: StepState,
    started_at: DateTime<Utc>,
    /// Until now while the step runs.
    duration_ms: i64,
    tries: u32,
    note: Option<&'a str>,
}

impl<'a> JobView<'a> {
    /// The job as it is at `now`.
    pub fn new(job: &'a Job, now: DateTime<Utc>) -> Self {
        let image = job.image();
        Self {
            id: &job.id,
            status: job.stage_name(),
            attempt: job.attempt_number(),
            attempts_total: job.attempts.len(),
            model: &job.spec.model,
            prompt: &job.spec.prompt,
            parameters: &job.spec.parameters,
            ignored_parameters: &job.spec.ignored,
            tags: &job.tags,
            simulated: job.simulated,
            external: job.external,
            hidden: job.hidden,
            review: job.review(),
            created_at: job.created_at,
            updated_at: job.updated_at,
            cost_usd: job.cost(),
            noted_usd: job.noted_cost(),
            cost_basis: job.cost_basis(),
            image_url: image.map(|image| image.url.as_str()),
            image: image.map(ImageView::new),
            error: failure(job).map(ErrorView::new),
            hold: job.hold().map(|hold| HoldView { kind: kind(hold), message: hold_line::at_check(job, hold) }),
            not_before: job.not_before,
            steps: job
                .attempt()
                .map(|attempt| attempt.steps.iter().map(|step| StepView::new(step, now)).collect())
                .unwrap_or_default(),
        }
    }

    /// Views of many jobs.
    pub fn all(jobs: &'a [Job], now: DateTime<Utc>) -> Vec<Self> {
        jobs.iter().map(|job| Self::new(job, now)).collect()
    }
}

impl<'a> JobDetails<'a> {
    /// The job as it is at `now`.
    pub fn new(job: &'a Job, now: DateTime<Utc>) -> Self {
        let attempts =
            job.attempts.iter().map(|attempt| AttemptView::new(attempt, job.spec_of(attempt).size(), now)).collect();
        Self { job: JobView::new(job, now), attempts }
    }
}

impl<'a> AttemptView<'a> {
    fn new(attempt: &'a Attempt, size: Option<(u32, u32)>, now: DateTime<Utc>) -> Self {
        let trail = attempt.price_trail();
        let receipt = attempt.receipt.as_ref();
        let (outcome, error, image) = match &attempt.outcome {
            None => (None, None, None),
            Some(Outcome::Done { image }) => (Some("done"), None, Some(ImageView::new(image))),
            Some(Outcome::Failed { failure }) => (Some("failed"), Some(ErrorView::new(failure)), None),
            Some(Outcome::Cancelled) => (Some("cancelled"), None, None),
        };
        Self {
            number: attempt.number,
            created_at: attempt.created_at,
            outcome,
            error,
            model: attempt.spec.as_ref().map(|spec| spec.model.as_str()),
            prompt: attempt.spec.as_ref().map(|spec| spec.prompt.as_str()),
            provider_seed: attempt.provider_seed,
            rewritten_prompt: attempt.rewritten_prompt.as_deref(),
            task_id: receipt.map(|receipt| receipt.ticket.id.as_str()),
            accepted_at: receipt.map(|receipt| receipt.accepted_at),
            image,
            steps: attempt.steps.iter().map(|step| StepView::new(step, now)).collect(),
            charges: attempt.charges().map(ChargeView::new).collect(),
            estimate_usd: attempt.estimate,
            quote_usd: trail.and_then(|trail| trail.quote),
            settled_usd: trail.and_then(|trail| trail.settled),
            drift_usd: trail.and_then(|trail| trail.drift()),
            drift_cause: attempt.drift_cause(size),
            resolution: attempt.resolution.as_ref().map(ResolutionView::new),
        }
    }
}

impl<'a> CorrectedView<'a> {
    fn new(answer: &'a CorrectedAnswer) -> Self {
        Self { billed: answer.billed, usd: answer.amount, by: &answer.by, at: answer.at }
    }
}

impl<'a> ResolutionView<'a> {
    fn new(resolution: &'a Resolution) -> Self {
        Self {
            billed: resolution.billed,
            by: &resolution.by,
            at: resolution.at,
            overruled_at: resolution.overruled_at,
            corrected: resolution.corrected.iter().map(CorrectedView::new).collect(),
            charge: ChargeView::new(&resolution.charge),
        }
    }
}

impl<'a> ChargeView<'a> {
    fn new(charge: &'a Charge) -> Self {
        Self {
            service: charge.service.as_str(),
            usd: charge.amount,
            basis: charge.basis,
            model: &charge.model,
            at: charge.at,
            simulated: charge.simulated,
        }
    }
}

impl<'a> ErrorView<'a> {
    fn new(failure: &'a Failure) -> Self {
        Self { code: failure.code, message: &failure.message }
    }
}

impl<'a> ImageView<'a> {
    fn new(image: &'a StoredImage) -> Self {
        Self {
            object: &image.object,
            format: image.format,
            width: image.width,
            height: image.height,
            bytes: image.bytes,
            sha256: &image.sha256,
        }
    }
}

impl<'a> StepView<'a> {
    fn new(step: &'a Step, now: DateTime<Utc>) -> Self {
        Self {
            name: step.name,
            state: step.state,
            started_at: step.started_at,
            duration_ms: step.duration(now).num_milliseconds(),
            tries: step.tries,
            note: step.note.as_deref(),
        }
    }
}

/// The failure of a failed job.
pub fn failure(job: &Job) -> Option<&Failure> {
    match &job.stage {
        Stage::Failed { failure } => Some(failure),
        _ => None,
    }
}

fn kind(hold: &Hold) -> &'static str {
    match hold {
        Hold::Budget { .. } => "budget",
        Hold::RateLimit => "rate_limit",
        Hold::RetryAt { .. } => "retry_at",
        Hold::Account { .. } => "account",
        Hold::OtherProvider => "other_provider",
        Hold::External => "external",
        Hold::OtherWorkflow { .. } => "other_workflow",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{BillingStatus, Spec};

    #[test]
    fn promised_fields_are_present() {
        let now: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().unwrap();
        let mut job = Job::new(JobId::new("abc").unwrap(), Spec::new("flux-2-pro", "a fox").with("seed", 7), true, now);
        let view = serde_json::to_value(JobView::new(&job, now)).unwrap();
        assert_eq!(view["status"], "queued");
        assert_eq!(view["created_at"], "2026-11-22T12:00:00Z");
        assert_eq!(view["parameters"]["seed"], 7);
        for name in ["cost_usd", "cost_basis", "image_url", "error", "hold", "not_before", "image"] {
            assert!(view.as_object().unwrap().contains_key(name) && view[name].is_null(), "{name}");
        }
        assert_eq!(view["steps"], serde_json::json!([]));
        job.reject(Failure::new(FailureCode::InvalidRequest, "seed: no", BillingStatus::No, now), now).unwrap();
        let view = serde_json::to_value(JobView::new(&job, now)).unwrap();
        assert_eq!(view["error"], serde_json::json!({"code": "invalid_request", "message": "seed: no"}));
        assert_eq!(view["status"], "failed");
    }

    #[test]
    fn hold_has_kind_and_message() {
        let now = DateTime::UNIX_EPOCH;
        let mut job = Job::new(JobId::new("abc").unwrap(), Spec::new("flux-2-pro", "a fox"), true, now);
        job.set_hold(Some(Hold::Budget { period: "day".into(), model: None, over: "0.02".parse().ok() }), None, now)
            .unwrap();
        let view = serde_json::to_value(JobView::new(&job, now)).unwrap();
        assert_eq!(
            view["hold"],
            serde_json::json!({"kind": "budget", "message": "needs up to $0.075, $0.055 of the daily budget left"})
        );
    }
}
