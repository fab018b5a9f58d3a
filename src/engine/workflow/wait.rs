//! Owns the waiting for a ticket: looks at it, keeps the claim, ends on a dead ticket or a deadline. Everything here can be
//! repeated. Must not touch the provider's bill.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{JobWorkflow, WorkflowError, jitter};
use crate::catalog::Catalog;
use crate::costs::Credits;
use crate::engine::{Progress, crash};
use crate::jobs::{BillingStatus, Claim, Failure, FailureCode, Job, Receipt, StepName};
use crate::provider::{CheckError, ResultLink, TicketStatus, poll_delay};
use crate::text;
use crate::time::backoff;

/// How often in a row a ticket may be "not found" before it is believed: clusters learn of a ticket a little late (a public
/// client retries 5 times).
const NOT_FOUND_BELIEVED: u32 = 6;

/// How often in a row a look may fail before the slot is given to another job.
const FAILED_LOOKS: u32 = 6;

/// What was seen of a ticket so far: whoever goes on with it elsewhere goes on counting.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(in crate::engine) struct Looks {
    /// How often it was looked at.
    pub(in crate::engine) count: u32,
    /// How many looks in a row failed.
    #[serde(default)]
    pub(in crate::engine) failures: u32,
    /// How many of them in a row did not find it.
    #[serde(default)]
    pub(in crate::engine) not_found: u32,
    /// The provider's last word, or why the last look failed; cleaned.
    #[serde(default)]
    pub(in crate::engine) status: String,
}

impl Looks {
    /// Nothing was seen yet, and nobody listens.
    pub(super) fn first() -> watch::Sender<Self> {
        watch::Sender::default()
    }
}

/// What waiting came to.
pub(in crate::engine) enum Waited {
    /// The image can be fetched; the price, where the ticket names it.
    Ready(ResultLink, Option<Credits>),
    /// The job was moved to another stage and saved.
    Finished,
    /// The job waits for its `not_before`, saved.
    PutOff,
    /// This worker stops; the claim was given back.
    Stopped,
}

impl JobWorkflow {
    /// Generating: looks until the ticket is finished. `looks` tells what is seen, and what others saw before.
    pub(in crate::engine) async fn wait(
        &self,
        job: &mut Job,
        looks: &watch::Sender<Looks>,
        stop: &CancellationToken,
    ) -> Result<Waited, WorkflowError> {
        let Some(receipt) = job.attempt().and_then(|attempt| attempt.receipt.clone()) else {
            let message = "the document says that a ticket exists, but it holds none";
            self.end(job, FailureCode::Internal, message, BillingStatus::Unknown, None).await?;
            return Ok(Waited::Finished);
        };
        let started = self.now();
        let typical = Catalog::builtin().model(&job.spec.model).map_or((2.0, 40.0), |model| model.typical_seconds);
        let deadline = self.deadline(job, &receipt, started, typical.1);
        let mut seen = looks.borrow().clone();
        let mut asked: Option<Duration> = None;
        let mut looked = false;
        self.keep_claim(job).await?;
        loop {
            let elapsed = (self.now() - receipt.accepted_at).to_std().unwrap_or_default();
            // The first look comes at once: who takes a ticket over, or asks an old one again, has waited already.
            let age = if looked { elapsed } else { Duration::ZERO };
            looked = true;
            let mut pause = poll_delay(age, typical, asked.take(), jitter());
            if seen.failures > 0 {
                pause = pause.max(backoff(seen.failures - 1, None, jitter()));
            }
            tokio::select! {
                () = stop.cancelled() => {
                    self.give_back(job).await?;
                    return Ok(Waited::Stopped);
                }
                () = tokio::time::sleep(pause) => {}
            }
            self.keep_claim(job).await?;
            crash::point("during_poll");
            seen.count += 1;
            match self.ports.provider.check(&receipt.ticket).await {
                Ok(TicketStatus::Pending { status, progress, retry_after }) => {
                    (seen.failures, seen.not_found, asked) = (0, 0, retry_after);
                    self.report(job, &status, progress, elapsed, typical.1);
                    seen.status = text::sanitize_line(&status, 80);
                }
                Ok(TicketStatus::Ready { sample, cost }) => {
                    crash::point("after_ready");
                    return Ok(Waited::Ready(sample, cost));
                }
                Ok(TicketStatus::Failed { failure, cost }) => {
                    tracing::warn!(job = %job.id, attempt = job.attempt_number(), code = failure.code.as_str(), "ended without an image: {}", failure.message);
                    self.end(job, failure.code, &failure.message, failure.billed, cost).await?;
                    return Ok(Waited::Finished);
                }
                Err(CheckError::Retryable { reason, retry_after, not_found: missing }) => {
                    asked = retry_after;
                    seen.failures += 1;
                    seen.not_found = if missing { seen.not_found + 1 } else { 0 };
                    tracing::warn!(job = %job.id, attempt = job.attempt_number(), "look {} failed: {reason}", seen.failures);
                    self.report(job, &reason, None, elapsed, typical.1);
                    seen.status = text::sanitize_line(&reason, 80);
                    if seen.not_found >= NOT_FOUND_BELIEVED {
                        self.end(job, FailureCode::TicketLost, &reason, BillingStatus::Unknown, None).await?;
                        return Ok(Waited::Finished);
                    }
                    if seen.failures >= FAILED_LOOKS {
                        note(job, StepName::Generate, &reason);
                        let wait = backoff(seen.failures, retry_after, jitter());
                        self.put_off(job, wait).await?;
                        return Ok(Waited::PutOff);
                    }
                }
                Err(CheckError::Account { message }) => {
                    self.observer.account_trouble(&message);
                    note(job, StepName::Generate, &message);
                    self.put_off(job, Duration::from_secs(30)).await?;
                    return Ok(Waited::PutOff);
                }
                Err(CheckError::UntrustedHost { message }) => {
                    self.end(job, FailureCode::UntrustedHost, &message, BillingStatus::Yes, None).await?;
                    return Ok(Waited::Finished);
                }
            }
            looks.send_replace(seen.clone());
            if self.now() >= deadline {
                // Of a ticket that was taken over, the time before counts as well.
                let from = started.min(receipt.accepted_at);
                let message = format!(
                    "no image after {} minutes; a retry asks the same ticket first",
                    (self.now() - from).num_minutes()
                );
                self.end(job, FailureCode::TimedOut, &message, BillingStatus::Yes, None).await?;
                return Ok(Waited::Finished);
            }
        }
    }

    /// Generating → Failed (or a new attempt, after a second look), saved.
    pub(super) async fn end(
        &self,
        job: &mut Job,
        code: FailureCode,
        message: &str,
        billed: BillingStatus,
        cost: Option<Credits>,
    ) -> Result<(), WorkflowError> {
        let now = self.now();
        job.fail(Failure::new(code, message, billed, now), cost, now)?;
        self.save(job).await
    }

    /// Generating, untouched for a while: the slot is free for another job.
    pub(super) async fn put_off(&self, job: &mut Job, wait: Duration) -> Result<(), WorkflowError> {
        let now = self.now();
        job.defer_until(now + wait, now)?;
        self.save(job).await
    }

    /// Extends the claim when half of it has passed, so that no other worker thinks us dead.
    pub(super) async fn keep_claim(&self, job: &mut Job) -> Result<(), WorkflowError> {
        let now = self.now();
        let half = chrono::Duration::from_std(self.settings.lease / 2).unwrap_or(chrono::Duration::zero());
        let good = |claim: &Claim| (self.shares_claims || claim.worker == self.worker) && claim.holds(now + half);
        let fresh = job.claim.as_ref().is_some_and(good);
        if fresh {
            return Ok(());
        }
        job.claim = Some(self.fresh_claim(now));
        job.not_before = None;
        self.save(job).await
    }

    /// Gives the claim back, so that another worker need not wait for it to run out.
    pub(super) async fn give_back(&self, job: &mut Job) -> Result<(), WorkflowError> {
        job.claim = None;
        self.save(job).await
    }

    fn deadline(&self, job: &Job, receipt: &Receipt, started: DateTime<Utc>, slowest: f64) -> DateTime<Utc> {
        let usual = Duration::try_from_secs_f64(slowest * 10.0).unwrap_or_default();
        let longest =
            chrono::Duration::from_std(self.settings.deadline.max(usual)).unwrap_or(chrono::Duration::hours(1));
        // A second look is somebody's wish of now; its time counts from now.
        let recheck_first = job.attempt().is_some_and(|attempt| attempt.recheck_first);
        let from = if recheck_first { started } else { receipt.accepted_at };
        from + longest
    }

    /// Whether the ticket's image is later than anybody waits for. Never of a second look: its end would order anew.
    pub(super) fn is_overdue(&self, job: &Job) -> bool {
        let Some(attempt) = job.attempt().filter(|attempt| !attempt.recheck_first) else { return false };
        let slowest = Catalog::builtin().model(&job.spec.model).map_or(40.0, |model| model.typical_seconds.1);
        let now = self.now();
        attempt.receipt.as_ref().is_some_and(|receipt| now >= self.deadline(job, receipt, now, slowest))
    }

    fn report(&self, job: &Job, status: &str, progress: Option<f32>, elapsed: Duration, slowest: f64) {
        // Where the provider says nothing, the model's usual time tells roughly; it never claims to be finished.
        let reckoned = (elapsed.as_secs_f64() / slowest.max(0.1)).min(0.95) as f32;
        tracing::debug!(job = %job.id, attempt = job.attempt_number(), "still {status}");
        self.observer.progress(Progress {
            id: job.id.clone(),
            attempt: job.attempt_number(),
            step: StepName::Generate,
            fraction: Some(progress.unwrap_or(reckoned)),
            status: text::sanitize_line(status, 80),
        });
    }
}

/// Leaves a line on a step of the current attempt.
pub(super) fn note(job: &mut Job, step: StepName, line: &str) {
    if let Some(attempt) = job.attempts.last_mut() {
        attempt.note(step, line);
    }
}
