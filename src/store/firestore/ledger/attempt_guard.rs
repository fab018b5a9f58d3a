//! The check that no charge of an earlier submit is overwritten.
//!
//! A web page that sets a document as a whole, or deletes it and creates it again under the same id, removes the map `darkroom`: the
//! document is then a new request, whose first attempt is number one again. Its charge would overwrite the entry of the first
//! submit, and its image that image. The entries of the ledger are what remains of the history.

use std::collections::HashMap;

use super::entries::{COSTS, OPEN_CHARGES, parse_entry};
use crate::jobs::{Job, JobId, MAX_ATTEMPT_NUMBER, StageName, StepName};
use crate::store::StoreError;
use crate::store::charges::{ChargeRow, charges_of};
use crate::store::firestore::FirestoreStore;
use crate::store::firestore::connection::query::Query;
use crate::store::firestore::documents::{BaseVersion, value};
use crate::store::schema::{attempt_of, charge_id};

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
            // A higher number is not darkroom's.
            let numbers = ids.filter_map(|id| attempt_of(job.id.as_str(), id)).filter(|one| *one < MAX_ATTEMPT_NUMBER);
            last = numbers.fold(last, u32::max);
        }
        if last < job.attempt_number() {
            return Ok(());
        }
        tracing::warn!(job = %job.id, attempts = last, "document was replaced; the ledger has charges of earlier attempts");
        Err(StoreError::AttemptBooked { id: job.id.clone(), free: last.saturating_add(1) })
    }
}

impl FirestoreStore {
    /// The charges of these new jobs that the ledger has already, by job and ordered by attempt and service: a document that was deleted
    /// and is created again has its history there. Each with the cause that the job gives it, so that only a changed amount moves a
    /// rollup. Two reads for each charge.
    pub(crate) async fn recorded_charges(&self, jobs: &[Job]) -> Result<HashMap<JobId, Vec<ChargeRow>>, StoreError> {
        let mut expected = HashMap::new();
        for job in jobs {
            for row in charges_of(job) {
                let id = charge_id(job.id.as_str(), row.attempt, row.service);
                for collection in [COSTS, OPEN_CHARGES] {
                    expected.insert(self.shared.client.name(collection, &id), (&job.id, row.clone()));
                }
            }
        }
        if expected.is_empty() {
            return Ok(HashMap::new());
        }
        let mut recorded: HashMap<JobId, Vec<ChargeRow>> = HashMap::new();
        for document in self.shared.client.get(expected.keys().cloned().collect()).await? {
            let Some((job, new)) = expected.remove(&document.name) else { continue };
            match parse_entry(&document) {
                Ok((_, row)) => recorded.entry(job.clone()).or_default().push(ChargeRow { cause: new.cause, ..row }),
                // It is in no sum; the new entry replaces it.
                Err(reason) => tracing::warn!(job = %job, reason, "unreadable charge replaced"),
            }
        }
        for rows in recorded.values_mut() {
            rows.sort_by_key(|row| (row.attempt, row.service));
        }
        Ok(recorded)
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
