//! Retries. What a retry costs follows from the job as it was when its price was shown: one that has changed since is refused.

use std::collections::HashMap;

use super::{OperatorCommands, changes};
use crate::engine::bulk::fingerprint;
use crate::engine::retry_price::likely_price;
use crate::engine::{BulkItem, CommandKind, CommandOutcome};
use crate::jobs::{Job, JobId, RetryKind};
use crate::store::StoreError;

impl OperatorCommands {
    /// Retries these, each with its fingerprint when its price was shown: an old ticket that may still produce the image is polled
    /// first, else a new attempt begins. `RetryPrice` names what that costs; a retry that is free there submits nothing, and a job that
    /// has changed since stays as it is.
    pub async fn retry(&self, items: Vec<BulkItem>) -> Result<CommandOutcome, StoreError> {
        let outcome = self.retry_unchanged(items, changed_since).await?;
        self.record("retry", &outcome).await;
        Ok(outcome)
    }

    /// The same with another line for jobs that have changed.
    pub(super) async fn retry_unchanged(
        &self,
        items: Vec<BulkItem>,
        why: impl Fn(&Job) -> String + Sync,
    ) -> Result<CommandOutcome, StoreError> {
        let known: HashMap<JobId, i64> = items.iter().cloned().collect();
        let ids = items.into_iter().map(|(id, _)| id).collect();
        let retry = |job: &mut Job, now| {
            if known.get(&job.id) != Some(&fingerprint(job)) {
                return Err(why(job));
            }
            changes::retry(job, now)
        };
        let mut outcome = self.apply_to_each(CommandKind::Retried, ids, retry).await?;
        if outcome.previous.len() < outcome.succeeded.len() {
            return Ok(outcome);
        }
        let is_free = |job: &&Job| job.retry_kind().is_ok_and(|kind| !kind.may_pay());
        let paid = outcome.previous.iter().filter(|job| !is_free(job)).map(|job| job.spec.clone());
        outcome.estimate = likely_price(paid.collect()).await;
        Ok(outcome)
    }
}

/// What a retry of the job would do now.
fn changed_since(job: &Job) -> String {
    let now = match job.retry_kind() {
        Err(illegal) => return illegal.to_string(),
        Ok(RetryKind::OldTicket) => "a retry checks its earlier task, free of charge",
        Ok(RetryKind::OldTicketThenNewAttempt) => {
            "its earlier task had no image, and a retry may submit it again, for its price"
        }
        Ok(RetryKind::SameAttempt | RetryKind::NewAttempt) => "a retry submits it again, for its price",
    };
    format!(
        "it changed since its price was shown: it is {}, {now}; retry it once more to confirm that",
        job.stage_name()
    )
}
