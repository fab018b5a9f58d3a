//! Owns the question whether the books know more of a job than its document does. Must not write.
//!
//! A web page that sets a document as a whole, or deletes it and makes it again under the same id, takes the map `darkroom` with it:
//! what is read afterwards is a new wish, whose first attempt is number one again. Its charge would be written over the entry of
//! the first order, and the name of its image over that image. The entries in the books are what is left of the history.

use super::super::StoreError;
use super::document::Base;
use super::ledger::{self, COSTS, OPEN};
use super::query::Query;
use super::{FirestoreStore, value};
use crate::jobs::{Job, StageName, StepName};

impl FirestoreStore {
    /// Whether the order that this save notes may have its number. Errors: `AttemptBooked` where a charge stands in the books under
    /// it, or under a later one: attempts without a charge left gaps.
    ///
    /// Two reads where there is nothing, and only before the first order of a wish.
    pub(super) async fn check_history(&self, job: &Job, base: &Base) -> Result<(), StoreError> {
        if !is_first_order(job, base) {
            return Ok(());
        }
        let mut last = 0;
        for collection in [COSTS, OPEN] {
            let query = Query::of(collection).equal("job_id", value::text(job.id.as_str()));
            let entries = self.shared.client.query(query.build()).await?;
            let ids = entries.iter().filter_map(|entry| entry.name.rsplit('/').next());
            last = ids.filter_map(|id| ledger::attempt_of(job.id.as_str(), id)).fold(last, u32::max);
        }
        if last < job.attempt_number() {
            return Ok(());
        }
        tracing::warn!(job = %job.id, "its document was replaced: the books hold charges of {last} attempts before it");
        Err(StoreError::AttemptBooked { id: job.id.clone(), free: last.saturating_add(1) })
    }
}

/// Whether nobody here has ordered anything for this job, as far as its document tells. A job that was made here has a history
/// from its first write on, and loses the mark of a wish only with it.
fn is_first_order(job: &Job, base: &Base) -> bool {
    let Some((last, earlier)) = job.attempts.split_last() else { return false };
    base.queued
        && job.stage_name() == StageName::Submitting
        && job.spec.from_shared_store
        && last.receipt.is_none()
        && last.step(StepName::Submit).is_none_or(|step| step.tries <= 1)
        // Whoever claimed an earlier one has asked here before.
        && earlier.iter().all(|attempt| attempt.receipt.is_none() && attempt.step(StepName::Claim).is_none())
}
