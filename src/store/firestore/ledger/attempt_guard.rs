//! The check that no charge of an earlier submit is overwritten.
//!
//! A web page that sets a document as a whole, or deletes it and creates it again under the same id, removes the map `darkroom`: the
//! document is then a new request, whose first attempt is number one again. Its charge would overwrite the entry of the first
//! submit, and its image that image. The entries of the ledger are what remains of the history.

use super::entries::{COSTS, OPEN_CHARGES, attempt_of};
use crate::jobs::{Job, StageName, StepName};
use crate::store::StoreError;
use crate::store::firestore::FirestoreStore;
use crate::store::firestore::connection::query::Query;
use crate::store::firestore::documents::{BaseVersion, value};

impl FirestoreStore {
    /// Whether the submit that this save records may have its number. Errors: `AttemptBooked` where the ledger has a charge under
    /// it or under a later one: attempts without a charge leave gaps.
    ///
    /// Two reads where the ledger has none, and only before the first submit of a request.
    pub(crate) async fn check_attempt_numbers(&self, job: &Job, base: &BaseVersion) -> Result<(), StoreError> {
        if !is_first_submit(job, base) {
            return Ok(());
        }
        let mut last = 0;
        for collection in [COSTS, OPEN_CHARGES] {
            let query = Query::of(collection).equal("job_id", value::text(job.id.as_str()));
            let entries = self.shared.client.query(query.build()).await?;
            let ids = entries.iter().filter_map(|entry| entry.name.rsplit('/').next());
            last = ids.filter_map(|id| attempt_of(job.id.as_str(), id)).fold(last, u32::max);
        }
        if last < job.attempt_number() {
            return Ok(());
        }
        tracing::warn!(job = %job.id, attempts = last, "document was replaced; the ledger has charges of earlier attempts");
        Err(StoreError::AttemptBooked { id: job.id.clone(), free: last.saturating_add(1) })
    }
}

/// Whether darkroom has not submitted this job yet, judged by its document. A job that was created here has a history from its
/// first write on.
fn is_first_submit(job: &Job, base: &BaseVersion) -> bool {
    let Some((last, earlier)) = job.attempts.split_last() else { return false };
    base.queued
        && job.stage_name() == StageName::Submitting
        && job.spec.from_shared_store
        && last.receipt.is_none()
        && last.step(StepName::Submit).is_none_or(|step| step.tries <= 1)
        // An earlier claim has passed this check before.
        && earlier.iter().all(|attempt| attempt.receipt.is_none() && attempt.step(StepName::Claim).is_none())
}
