//! Owns the POST, the only effect that costs money and cannot be repeated, and the save of whatever came back.
//! Must not send anything twice: one durable `Submitting` note, one POST.

use chrono::Duration;

use super::{JobWorkflow, WorkflowError, jitter};
use crate::catalog::Catalog;
use crate::engine::crash;
use crate::jobs::{BillingStatus, Failure, Hold, Job};
use crate::provider::{PreparedRequest, SubmitError};
use crate::time::backoff;

impl JobWorkflow {
    /// Submitting → Generating, Queued again, or Failed: sends the order once and saves what is known then.
    pub(super) async fn submit(&self, job: &mut Job, order: PreparedRequest) -> Result<(), WorkflowError> {
        let number = job.attempt_number();
        if !self.claim_outlives_a_post(job) {
            // This process was suspended since the note was written; nothing was sent, so nothing is lost by going back.
            let now = self.now();
            let hold = Hold::RetryAt { reason: "this worker was suspended before the order was sent".to_owned() };
            job.requeue(hold, now, now)?;
            return self.save(job).await;
        }
        let estimate = Catalog::builtin().estimate(&job.spec).amount;
        self.observer.posting(true);
        let posting = Posting(self);
        crash::point("before_post");
        let answer = self.ports.provider.submit(order).await;
        crash::point("after_post");
        let now = self.now();
        let saved = match answer {
            Ok(receipt) => {
                let price = receipt.cost.map(|credits| credits.to_usd().display());
                tracing::info!(
                    job = %job.id, attempt = number,
                    "accepted: ticket {}, {}", crate::text::sanitize_line(&receipt.ticket.id, 40),
                    price.as_deref().unwrap_or("no price named"),
                );
                job.accept(receipt.clone(), estimate, now)?;
                self.save_firmly(job, Some((&receipt, estimate))).await
            }
            Err(SubmitError::AcceptedUntrusted { receipt, code, message }) => {
                tracing::error!(job = %job.id, attempt = number, "accepted, but not collectable: {message}");
                let known = (*receipt).clone();
                job.accept(*receipt, estimate, now)?;
                job.fail(Failure::new(code, &message, BillingStatus::Yes, now), None, now)?;
                self.save_firmly(job, Some((&known, estimate))).await
            }
            Err(SubmitError::NotAccepted { reason, retry_after, full }) => {
                tracing::warn!(job = %job.id, attempt = number, "not accepted, tried again later: {reason}");
                let rejections = job.attempt().map_or(0, |attempt| attempt.rejections);
                let wait = backoff(rejections, retry_after, jitter());
                let hold = if full { Hold::RateLimit } else { Hold::RetryAt { reason } };
                job.requeue(hold, now + wait, now)?;
                if full {
                    self.observer.provider_full();
                }
                self.save_firmly(job, None).await
            }
            Err(SubmitError::Rejected { code, message }) => {
                tracing::warn!(job = %job.id, attempt = number, code = code.as_str(), "refused: {message}");
                job.reject_by_provider(Failure::new(code, &message, BillingStatus::No, now), now)?;
                self.save_firmly(job, None).await
            }
            Err(SubmitError::Account { message, .. }) => {
                tracing::error!(job = %job.id, attempt = number, "the account cannot order: {message}");
                self.observer.account_trouble(&message);
                job.requeue(Hold::Account { reason: message }, now, now)?;
                self.save_firmly(job, None).await
            }
            Err(SubmitError::Unknown { reason }) => {
                tracing::error!(job = %job.id, attempt = number, "the order's outcome is not known: {reason}");
                job.mark_submit_unknown(&unknown_message(&reason), now)?;
                self.save_firmly(job, None).await
            }
        };
        drop(posting);
        crash::point("after_receipt");
        saved
    }

    /// Submitting → Failed with `submit_unknown`: another worker's note, and nobody knows whether its POST went out.
    pub(in crate::engine) async fn give_up_submit(&self, job: &mut Job) -> Result<(), WorkflowError> {
        tracing::error!(job = %job.id, attempt = job.attempt_number(), "the worker ended during the submit; nobody knows its outcome");
        job.mark_submit_unknown(&unknown_message("the worker ended while the order was on its way"), self.now())?;
        self.save(job).await
    }

    fn claim_outlives_a_post(&self, job: &Job) -> bool {
        let longest = Duration::from_std(self.settings.submit_timeout).unwrap_or(Duration::MAX);
        let limit = self.now().checked_add_signed(longest);
        job.claim.as_ref().zip(limit).is_some_and(|(claim, limit)| claim.holds(limit))
    }
}

fn unknown_message(reason: &str) -> String {
    format!("{reason}; it may have been billed: check the provider's usage page before you retry")
}

/// A POST on its way, told to the observer also when its future is dropped.
struct Posting<'a>(&'a JobWorkflow);

impl Drop for Posting<'_> {
    fn drop(&mut self) {
        self.0.observer.posting(false);
    }
}
