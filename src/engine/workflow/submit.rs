//! The POST, the only effect that costs money and cannot be repeated, and the save of its outcome: one durable `Submitting`
//! record, one POST.

use std::pin::pin;

use chrono::Duration;

use super::save::SubmitOutcome;
use super::{JobWorkflow, WorkflowError};
use crate::catalog::Catalog;
use crate::costs::Usd;
use crate::engine::submit_journal::{AcceptedJob, JournalError, SubmitKey};
use crate::engine::{Dependency, failpoints};
use crate::jobs::{BillingStatus, Failure, Hold, IllegalTransition, Job};
use crate::provider::{PreparedRequest, SubmitError};
use crate::text;
use crate::time::backoff;

/// How long a receipt may wait for its save before it becomes durable in the journal: a store on this machine is faster.
const RECEIPT_SYNC_DELAY: std::time::Duration = std::time::Duration::from_millis(20);

impl JobWorkflow {
    /// Submitting → Generating, Queued again, or Failed: sends the request once and saves the outcome.
    pub(super) async fn submit(&self, job: &mut Job, request: PreparedRequest) -> Result<(), WorkflowError> {
        let attempt = job.attempt_number();
        // A reply without a price is charged at the most that it can cost, which was reserved: a cap would not hold otherwise.
        let estimate = Catalog::builtin().estimate_sized(&job.spec, &request.input_sizes);
        let estimate = estimate.at_most.or(estimate.amount);
        let key = SubmitKey::of(job);
        let in_flight = InFlightGuard::new(self);
        failpoints::hit("before_post");
        if let Some(Err(error)) = self.journal.as_ref().map(|journal| journal.post(&key)) {
            return self.requeue_for_journal(job, &error).await;
        }
        // After the journal: a task of this process that recovers the job, because its claim has expired, finds that it may be sent.
        if !self.claim_covers_submit_timeout(job) {
            // This process was suspended after it wrote the record. Nothing was sent, so going back loses nothing.
            self.record_not_accepted(&key);
            let now = self.now();
            let hold = Hold::RetryAt { reason: "this worker was suspended before it sent the request".to_owned() };
            job.requeue(hold, now, now)?;
            let saved = self.save(job).await;
            return self.settle_unaccepted(&key, saved).await;
        }
        failpoints::hit("post_begun");
        let reply = self.ports.provider.submit(request).await;
        failpoints::hit("after_post");
        let now = self.now();
        let is_unaccepted = matches!(
            reply,
            Err(SubmitError::NotAccepted { .. } | SubmitError::Rejected { .. } | SubmitError::Account { .. })
        );
        if is_unaccepted {
            self.record_not_accepted(&key);
        }
        let saved = match reply {
            Ok(receipt) => {
                let quoted = receipt.cost.map(|credits| credits.to_usd().display());
                tracing::info!(
                    job = %job.id, attempt, ticket = text::sanitize_line(&receipt.ticket.id, 40),
                    quoted = quoted.as_deref().unwrap_or("none"), "submit accepted",
                );
                job.accept(receipt.clone(), estimate, now)?;
                self.record_accepted(job, estimate);
                self.save_receipt(job, SubmitOutcome::Accepted { receipt: &receipt, estimate }).await
            }
            Err(SubmitError::AcceptedUntrusted { receipt, code, message }) => {
                tracing::error!(
                    job = %job.id, attempt, code = code.as_str(), reason = %message, "submit accepted, ticket unusable",
                );
                let known = (*receipt).clone();
                job.accept(*receipt, estimate, now)?;
                job.fail(Failure::new(code, &message, BillingStatus::Yes, now), None, now)?;
                self.record_accepted(job, estimate);
                self.save_receipt(job, SubmitOutcome::Accepted { receipt: &known, estimate }).await
            }
            Err(SubmitError::NotAccepted { reason, retry_after, full }) => {
                tracing::warn!(job = %job.id, attempt, %reason, "submit not accepted, will retry");
                let rejections = job.attempt().map_or(0, |attempt| attempt.rejections);
                let delay = backoff(rejections, retry_after, self.ports.clock.jitter());
                let hold = if full { Hold::RateLimit } else { Hold::RetryAt { reason } };
                if full {
                    self.observer.provider_full();
                }
                self.apply_and_save(job, &|job| job.requeue(hold.clone(), now + delay, now)).await
            }
            Err(SubmitError::Rejected { code, message }) => {
                tracing::warn!(job = %job.id, attempt, code = code.as_str(), reason = %message, "submit rejected");
                let failure = Failure::new(code, &message, BillingStatus::No, now);
                self.apply_and_save(job, &|job| job.reject_by_provider(failure.clone(), now)).await
            }
            Err(SubmitError::Account { code, message }) => {
                tracing::error!(job = %job.id, attempt, reason = %message, "account cannot submit");
                self.observer.account_blocked(Dependency::of_account(code), &message);
                let hold = Hold::Account { reason: message };
                self.apply_and_save(job, &|job| job.requeue(hold.clone(), now, now)).await
            }
            Err(SubmitError::Unknown { reason }) => {
                tracing::error!(job = %job.id, attempt, %reason, "submit outcome unknown");
                let message = unknown_message(&reason);
                self.apply_and_save(job, &|job| job.mark_submit_unknown(&message, now)).await
            }
        };
        drop(in_flight);
        let saved = if is_unaccepted {
            self.settle_unaccepted(&key, saved).await
        } else {
            self.settle_if_saved(&key, &saved);
            saved
        };
        failpoints::hit("after_receipt");
        saved
    }

    /// Settles a submit that certainly was not accepted. Where another process gave the job up meanwhile, its charge is released.
    async fn settle_unaccepted(&self, key: &SubmitKey, saved: Result<(), WorkflowError>) -> Result<(), WorkflowError> {
        if matches!(saved, Err(WorkflowError::Superseded)) {
            self.release_own_unaccepted(key).await?;
        }
        self.settle_if_saved(key, &saved);
        saved
    }

    /// Submitting → Queued: the journal cannot be written, so nothing was sent.
    async fn requeue_for_journal(&self, job: &mut Job, error: &JournalError) -> Result<(), WorkflowError> {
        let key = SubmitKey::of(job);
        let hold = self.journal_hold(job, error);
        let now = self.now();
        let saved = self.apply_and_save(job, &|job| job.requeue(hold.clone(), now, now)).await;
        self.settle_if_saved(&key, &saved);
        saved
    }

    fn record_accepted(&self, job: &Job, estimate: Option<Usd>) {
        if let Some(journal) = &self.journal {
            journal.accepted(AcceptedJob { job: job.clone(), revision: job.revision, estimate });
        }
        failpoints::hit("answer_recorded");
    }

    /// The receipt is in this process and in the journal alone until it is saved: if that takes long, the journal becomes durable.
    async fn save_receipt(&self, job: &mut Job, outcome: SubmitOutcome<'_>) -> Result<(), WorkflowError> {
        let saving = self.save_until_acknowledged(job, outcome);
        let Some(journal) = &self.journal else { return saving.await };
        let mut saving = pin!(saving);
        tokio::select! {
            biased;
            saved = &mut saving => saved,
            () = self.ports.clock.sleep(RECEIPT_SYNC_DELAY) => tokio::join!(saving, journal.sync()).0,
        }
    }

    fn record_not_accepted(&self, key: &SubmitKey) {
        if let Some(journal) = &self.journal {
            journal.not_accepted(key.clone());
        }
    }

    /// A job that another process moved needs nothing more from this one.
    fn settle_if_saved(&self, key: &SubmitKey, saved: &Result<(), WorkflowError>) {
        if matches!(saved, Ok(()) | Err(WorkflowError::Superseded)) {
            self.settle_in_journal(key);
        }
    }

    pub(super) fn settle_in_journal(&self, key: &SubmitKey) {
        if let Some(journal) = &self.journal {
            journal.settled(key);
        }
    }

    /// Submitting → Failed with `submit_unknown`: the record of a worker whose POST may or may not have been sent.
    pub(super) async fn mark_submit_unknown(&self, job: &mut Job) -> Result<(), WorkflowError> {
        tracing::error!(
            job = %job.id, attempt = job.attempt_number(), reason = "worker stopped during the submit",
            "submit outcome unknown",
        );
        job.mark_submit_unknown(&unknown_message("the worker stopped while the request was in flight"), self.now())?;
        self.save(job).await
    }

    async fn apply_and_save(
        &self,
        job: &mut Job,
        apply: &(dyn Fn(&mut Job) -> Result<(), IllegalTransition> + Sync),
    ) -> Result<(), WorkflowError> {
        apply(job)?;
        self.save_until_acknowledged(job, SubmitOutcome::NotAccepted(apply)).await
    }

    fn claim_covers_submit_timeout(&self, job: &Job) -> bool {
        let timeout = Duration::from_std(self.settings.submit_timeout).unwrap_or(Duration::MAX);
        let latest_reply = self.now().checked_add_signed(timeout);
        job.claim.as_ref().zip(latest_reply).is_some_and(|(claim, latest_reply)| claim.holds(latest_reply))
    }
}

/// What the provider's adapter ends its reason with, too.
const MAY_BE_BILLED: &str = "; the request may have been accepted (and billed)";

fn unknown_message(reason: &str) -> String {
    let reason = reason.strip_suffix(MAY_BE_BILLED).unwrap_or(reason);
    format!("{reason}{MAY_BE_BILLED}: check the provider's usage page before you retry")
}

/// A POST in flight: the observer is informed when it begins, and when its future completes or is dropped.
struct InFlightGuard<'a>(&'a JobWorkflow);

impl<'a> InFlightGuard<'a> {
    fn new(workflow: &'a JobWorkflow) -> Self {
        workflow.observer.submit_in_flight(true);
        Self(workflow)
    }
}

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        self.0.observer.submit_in_flight(false);
    }
}
