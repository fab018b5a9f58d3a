//! The report of a job: made from its document alone, with the next step that follows from it.

use chrono::{DateTime, Utc};

use super::payloads::{JobReport, NextStep};
use crate::jobs::{Hold, Job, JobId, Stage, StageName, StepState};
use crate::text::sanitize_line;

/// The status of a job whose document does not exist.
const GONE: &str = "gone";

impl JobReport {
    /// The report of a document.
    pub(super) fn of(job: &Job, now: DateTime<Utc>) -> Self {
        let attempt = job.attempt();
        Self {
            status: job.stage_name().to_string(),
            attempt: job.attempt_number(),
            model: sanitize_line(&job.spec.model, 80),
            next: next(job, now),
            ticket: attempt
                .and_then(|attempt| attempt.receipt.as_ref())
                .map(|receipt| sanitize_line(&receipt.ticket.id, 80)),
            cost_usd: job.cost(),
            note: note(job),
            image_url: match &job.stage {
                Stage::Done { image } | Stage::Approved { image } => Some(sanitize_line(&image.url, 300)),
                _ => None,
            },
            steps: steps(job, now),
        }
    }

    /// The report of a document that does not exist.
    pub(super) fn gone(id: &JobId) -> Self {
        Self::closed(GONE, format!("job {id} not found"))
    }

    /// The report of a document that cannot be read. It is left unchanged; a new run begins after it was fixed.
    pub(super) fn unreadable(reason: &str) -> Self {
        Self::closed("unreadable", sanitize_line(reason, 200))
    }

    /// Whether the document does not exist.
    pub(super) fn is_gone(&self) -> bool {
        self.status == GONE
    }

    fn closed(status: &str, note: String) -> Self {
        Self {
            status: status.to_owned(),
            attempt: 0,
            model: String::new(),
            next: NextStep::None,
            ticket: None,
            cost_usd: None,
            note: Some(note),
            image_url: None,
            steps: Vec::new(),
        }
    }
}

/// The step that follows from the document.
fn next(job: &Job, now: DateTime<Utc>) -> NextStep {
    let deferral = job.not_before.filter(|until| *until > now).map(|until| NextStep::Defer { until });
    match job.stage_name() {
        // An operator must act first; the release of the hold starts the workflow again.
        StageName::Queued if is_held_by_account(job) => NextStep::None,
        StageName::Queued => deferral.unwrap_or(NextStep::Submit),
        StageName::Submitting => NextStep::Submit,
        StageName::Generating => deferral.unwrap_or(NextStep::Poll),
        StageName::Done | StageName::Approved | StageName::Failed | StageName::Cancelled => NextStep::None,
    }
}

/// Whether the job is held until the account is fixed.
pub(super) fn is_held_by_account(job: &Job) -> bool {
    matches!(job.hold(), Some(Hold::Account { .. }))
}

/// Whether the job is deferred to a later time and no worker holds it.
pub(super) fn is_deferred(job: &Job, now: DateTime<Utc>) -> bool {
    job.stage_name().is_active() && job.claim.is_none() && matches!(next(job, now), NextStep::Defer { .. })
}

fn note(job: &Job) -> Option<String> {
    match &job.stage {
        Stage::Queued { hold } => hold.as_ref().map(|hold| format!("held: {}", sanitize_line(&hold.summary(), 200))),
        Stage::Failed { failure } => {
            Some(format!("{}: {}", failure.code.as_str(), sanitize_line(&failure.message, 300)))
        }
        _ => None,
    }
}

/// `submit done in 0.4 s`, `download failed after 2 tries: …`.
fn steps(job: &Job, now: DateTime<Utc>) -> Vec<String> {
    let Some(attempt) = job.attempt() else { return Vec::new() };
    let line = |step: &crate::jobs::Step| {
        let seconds = step.duration(now).num_milliseconds() as f64 / 1_000.0;
        let tries = if step.tries > 1 { format!(" after {} tries", step.tries) } else { String::new() };
        let note = step.note.as_ref().map_or(String::new(), |note| format!(": {}", sanitize_line(note, 120)));
        match step.state {
            StepState::Running => format!("{} running{tries}{note}", step.name.as_str()),
            state => format!("{} {} in {seconds:.1} s{tries}{note}", step.name.as_str(), state.as_str()),
        }
    };
    attempt.steps.iter().map(line).collect()
}
