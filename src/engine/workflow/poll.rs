//! Polling of a ticket: keeps the claim, ends on a final status or at a deadline. All of this can be repeated.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{JobWorkflow, WorkflowError};
use crate::catalog::Catalog;
use crate::costs::Credits;
use crate::engine::image_spool::UnstoredImage;
use crate::engine::{Dependency, Progress, failpoints};
use crate::jobs::{BillingStatus, Claim, Failure, FailureCode, Job, Receipt, StepName};
use crate::provider::{CheckError, ResultLink, TicketStatus, poll_delay};
use crate::store::StoreError;
use crate::text;
use crate::time::backoff;

/// After how many consecutive "not found" replies a ticket counts as lost: clusters learn of a ticket a little late (a public
/// client retries 5 times).
const NOT_FOUND_LIMIT: u32 = 6;

/// After how many consecutive failed polls the slot is given to another job.
const POLL_FAILURE_LIMIT: u32 = 6;

/// Longest `Retry-After` that is saved: a longer one is taken for a mistake.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// How long a job waits after the account was refused at a poll.
const ACCOUNT_RETRY_DELAY: Duration = Duration::from_secs(30);

/// What the polls of a ticket have shown so far. A worker that continues another one's polling continues its counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::engine) struct PollStats {
    /// Polls in total.
    pub(in crate::engine) polls: u32,
    /// Consecutive failed polls.
    pub(in crate::engine) failures: u32,
    /// Consecutive polls that did not find the ticket.
    pub(in crate::engine) not_found: u32,
    /// The provider's last status, or why the last poll failed; sanitized.
    pub(in crate::engine) status: String,
}

impl PollStats {
    /// Empty counts that no one observes.
    pub(super) fn unobserved() -> watch::Sender<Self> {
        watch::Sender::default()
    }
}

/// How polling ended.
pub(in crate::engine) enum PollOutcome {
    /// The image can be fetched; the price, if the ticket names it.
    Ready(ResultLink, Option<Credits>),
    /// The image was downloaded before and is on this machine.
    Downloaded(UnstoredImage),
    /// The job was moved to another stage and saved.
    Finished,
    /// The job waits for its `not_before`, saved.
    Deferred,
    /// This worker stops; the claim was released.
    Stopped,
}

impl JobWorkflow {
    /// Generating: polls until the ticket is final. `stats_sender` holds the counts of earlier polls and publishes the new ones.
    pub(in crate::engine) async fn poll(
        &self,
        job: &mut Job,
        stats_sender: &watch::Sender<PollStats>,
        stop: &CancellationToken,
    ) -> Result<PollOutcome, WorkflowError> {
        let Some(receipt) = job.attempt().and_then(|attempt| attempt.receipt.clone()) else {
            let message = "the job is generating but its document has no receipt";
            self.fail(job, FailureCode::Internal, message, BillingStatus::Unknown, None).await?;
            return Ok(PollOutcome::Finished);
        };
        if let Some(kept) = self.find_unstored(job).await {
            return Ok(PollOutcome::Downloaded(kept));
        }
        let started = self.now();
        let typical = Catalog::builtin().model(&job.spec.model).map_or((2.0, 40.0), |model| model.typical_seconds);
        let deadline = self.deadline(job, &receipt, typical.1);
        let mut stats = stats_sender.borrow().clone();
        // What the provider requested of a worker that polled before.
        let mut requested_delay = job.not_before.and_then(|at| (at - started).to_std().ok());
        let mut is_first = true;
        self.renew_claim(job).await?;
        loop {
            let elapsed = (self.now() - receipt.accepted_at).to_std().unwrap_or_default();
            // The first poll is immediate: a worker that continues or retries an old ticket has waited already.
            let age = if is_first { Duration::ZERO } else { elapsed };
            is_first = false;
            let mut delay = poll_delay(age, typical, requested_delay.take(), self.ports.clock.jitter());
            if stats.failures > 0 {
                delay = delay.max(backoff(stats.failures - 1, None, self.ports.clock.jitter()));
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    self.release_claim(job).await?;
                    return Ok(PollOutcome::Stopped);
                }
                () = self.ports.clock.sleep(delay) => {}
            }
            self.renew_claim_if_reachable(job).await?;
            failpoints::hit("during_poll");
            stats.polls += 1;
            match self.ports.provider.check(&receipt.ticket).await {
                Ok(TicketStatus::Pending { status, progress, retry_after }) => {
                    (stats.failures, stats.not_found, requested_delay) = (0, 0, retry_after);
                    self.report_progress(job, &status, progress, elapsed, typical.1);
                    stats.status = text::sanitize_line(&status, 80);
                }
                Ok(TicketStatus::Ready { sample, cost }) => {
                    failpoints::hit("after_ready");
                    return Ok(PollOutcome::Ready(sample, cost));
                }
                Ok(TicketStatus::Failed { failure, cost }) => {
                    tracing::warn!(
                        job = %job.id, attempt = job.attempt_number(), code = failure.code.as_str(),
                        reason = %failure.message, "task ended without an image",
                    );
                    self.fail(job, failure.code, &failure.message, failure.billed, cost).await?;
                    return Ok(PollOutcome::Finished);
                }
                Err(CheckError::Retryable { reason, retry_after, not_found }) => {
                    requested_delay = retry_after;
                    stats.failures += 1;
                    stats.not_found = if not_found { stats.not_found + 1 } else { 0 };
                    tracing::warn!(
                        job = %job.id, attempt = job.attempt_number(), failures = stats.failures, %reason, "poll failed",
                    );
                    self.report_progress(job, &reason, None, elapsed, typical.1);
                    stats.status = text::sanitize_line(&reason, 80);
                    if stats.not_found >= NOT_FOUND_LIMIT {
                        self.fail(job, FailureCode::TicketLost, &reason, BillingStatus::Unknown, None).await?;
                        return Ok(PollOutcome::Finished);
                    }
                    if stats.failures >= POLL_FAILURE_LIMIT {
                        note(job, StepName::Generate, &reason);
                        self.defer(job, backoff(stats.failures, retry_after, self.ports.clock.jitter())).await?;
                        return Ok(PollOutcome::Deferred);
                    }
                }
                Err(CheckError::Account { message }) => {
                    self.observer.account_blocked(Dependency::Key, &message);
                    note(job, StepName::Generate, &message);
                    self.defer(job, ACCOUNT_RETRY_DELAY).await?;
                    return Ok(PollOutcome::Deferred);
                }
                Err(CheckError::UntrustedHost { message }) => {
                    self.fail(job, FailureCode::UntrustedHost, &message, BillingStatus::Yes, None).await?;
                    return Ok(PollOutcome::Finished);
                }
            }
            stats_sender.send_replace(stats.clone());
            if self.now() >= deadline {
                // The time before another worker took over the ticket counts as well.
                let from = started.min(Self::waits_since(job, &receipt));
                let message = format!(
                    "no image after {} minutes; a retry polls the same task first{}",
                    (self.now() - from).num_minutes(),
                    if is_recheck(job) { "" } else { ", at no extra cost" }
                );
                self.fail(job, FailureCode::TimedOut, &message, BillingStatus::Yes, None).await?;
                return Ok(PollOutcome::Finished);
            }
            if let Some(delay) = requested_delay {
                self.save_requested_delay(job, delay).await?;
            }
        }
    }

    /// Generating: the result of a ticket that is ready within `window`. `None` for a ticket in any other state, which `poll` finds
    /// again and handles.
    #[cfg_attr(not(feature = "temporal"), expect(dead_code, reason = "only the Temporal engine polls in two steps"))]
    pub(in crate::engine) async fn poll_for_ready(
        &self,
        job: &mut Job,
        window: Duration,
        stop: &CancellationToken,
    ) -> Result<Option<(ResultLink, Option<Credits>)>, WorkflowError> {
        let Some(receipt) = job.attempt().and_then(|attempt| attempt.receipt.clone()) else { return Ok(None) };
        let typical = Catalog::builtin().model(&job.spec.model).map_or((2.0, 40.0), |model| model.typical_seconds);
        let mut age = Duration::ZERO;
        loop {
            let delay = poll_delay(age, typical, None, self.ports.clock.jitter());
            if age + delay > window {
                return Ok(None);
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    self.release_claim(job).await?;
                    return Ok(None);
                }
                () = self.ports.clock.sleep(delay) => {}
            }
            match self.ports.provider.check(&receipt.ticket).await {
                Ok(TicketStatus::Ready { sample, cost }) => {
                    failpoints::hit("after_ready");
                    return Ok(Some((sample, cost)));
                }
                Ok(TicketStatus::Pending { retry_after: Some(delay), .. })
                | Err(CheckError::Retryable { retry_after: Some(delay), .. }) => {
                    self.save_requested_delay(job, delay).await?;
                    return Ok(None);
                }
                Ok(TicketStatus::Pending { status, progress, retry_after: None }) => {
                    self.report_progress(job, &status, progress, age, typical.1);
                }
                Ok(TicketStatus::Failed { .. }) | Err(_) => return Ok(None),
            }
            age = (self.now() - receipt.accepted_at).to_std().unwrap_or_default();
        }
    }

    /// Saves when the provider wants the next poll, so that another worker keeps to it if this one dies meanwhile.
    async fn save_requested_delay(&self, job: &mut Job, delay: Duration) -> Result<(), WorkflowError> {
        let delay = chrono::Duration::from_std(delay.min(MAX_RETRY_AFTER)).unwrap_or(chrono::Duration::zero());
        job.not_before = Some(self.now() + delay);
        self.save(job).await
    }

    /// Generating → Failed (or Queued with a new attempt, after a retry that polled the old ticket and may pay), saved.
    pub(super) async fn fail(
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

    /// Generating, due again after `delay`: the slot is free for another job.
    pub(super) async fn defer(&self, job: &mut Job, delay: Duration) -> Result<(), WorkflowError> {
        let now = self.now();
        job.defer_until(now + delay, now)?;
        self.save(job).await
    }

    /// Extends the claim when half of it has passed, so that no other worker takes the job.
    pub(super) async fn renew_claim(&self, job: &mut Job) -> Result<(), WorkflowError> {
        let now = self.now();
        let half = chrono::Duration::from_std(self.settings.lease / 2).unwrap_or(chrono::Duration::zero());
        let is_fresh = |claim: &Claim| (self.shares_claims || claim.worker == self.worker) && claim.holds(now + half);
        if job.claim.as_ref().is_some_and(is_fresh) {
            return Ok(());
        }
        job.claim = Some(self.new_claim(now));
        // A requested delay that has not passed yet outlives this worker.
        job.not_before = job.not_before.filter(|at| *at > now);
        self.save(job).await
    }

    /// The same, except that a store that is away ends nothing: what follows is free, can be repeated, and must happen before the
    /// image's link expires.
    pub(super) async fn renew_claim_if_reachable(&self, job: &mut Job) -> Result<(), WorkflowError> {
        match self.renew_claim(job).await {
            Err(WorkflowError::Store(error @ StoreError::Unavailable(_))) => {
                tracing::debug!(job = %job.id, attempt = job.attempt_number(), %error, "claim not renewed");
                Ok(())
            }
            result => result,
        }
    }

    /// Releases the claim, so that another worker need not wait until it expires.
    pub(super) async fn release_claim(&self, job: &mut Job) -> Result<(), WorkflowError> {
        job.claim = None;
        self.save(job).await
    }

    fn deadline(&self, job: &Job, receipt: &Receipt, slowest: f64) -> DateTime<Utc> {
        let usual = Duration::try_from_secs_f64(slowest * 10.0).unwrap_or_default();
        let timeout =
            chrono::Duration::from_std(self.settings.deadline.max(usual)).unwrap_or(chrono::Duration::hours(1));
        Self::waits_since(job, receipt).checked_add_signed(timeout).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Since when the image is awaited. A retry that polls the old ticket is a request of its own; its time does not begin again with
    /// another worker.
    fn waits_since(job: &Job, receipt: &Receipt) -> DateTime<Utc> {
        let recheck = job.attempt().filter(|attempt| attempt.recheck_first);
        recheck.and_then(|attempt| attempt.recheck_since).unwrap_or(receipt.accepted_at)
    }

    /// Whether the ticket is past its deadline.
    pub(super) fn is_past_deadline(&self, job: &Job) -> bool {
        let Some(receipt) = job.attempt().and_then(|attempt| attempt.receipt.as_ref()) else { return false };
        let slowest = Catalog::builtin().model(&job.spec.model).map_or(40.0, |model| model.typical_seconds.1);
        self.now() >= self.deadline(job, receipt, slowest)
    }

    fn report_progress(&self, job: &Job, status: &str, progress: Option<f32>, elapsed: Duration, slowest: f64) {
        // If the provider names no progress, the model's usual time gives an estimate that never reaches 1.
        let estimated = (elapsed.as_secs_f64() / slowest.max(0.1)).min(0.95) as f32;
        let status = text::sanitize_line(status, 80);
        tracing::debug!(job = %job.id, attempt = job.attempt_number(), status = %status, "task pending");
        self.observer.progress(Progress {
            id: job.id.clone(),
            attempt: job.attempt_number(),
            step: StepName::Generate,
            fraction: Some(progress.unwrap_or(estimated)),
            status,
        });
    }
}

/// Leaves a line on a step of the current attempt.
pub(super) fn note(job: &mut Job, step: StepName, line: &str) {
    if let Some(attempt) = job.attempts.last_mut() {
        attempt.note(step, line);
    }
}

/// Whether an operator's retry polls the old ticket. If that finds no image, the next retry costs money.
fn is_recheck(job: &Job) -> bool {
    job.attempt().is_some_and(|attempt| attempt.recheck_first)
}
