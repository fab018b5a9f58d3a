//! Removes finished jobs: their documents under the condition that none was changed since it was read. Their entries in `costs` stay and
//! receive their causes in the same commit, because only the jobs knew them; so no sum changes.

use std::collections::HashMap;

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, DocumentMask, Precondition, Write};
use serde_json::json;

use crate::store::firestore::documents::json;
use crate::store::firestore::ledger::entries::COSTS;
use crate::store::firestore::queries::remove::{Removal, RemovalBatch};
use crate::store::firestore::{FirestoreStore, JOBS};
use crate::store::schema::{self, CostEntry, RemoveOutcome, encode_costs_of_removed};
use crate::store::{JobVersion, StoreError};

/// Jobs of one commit; each has some entries.
const BATCH_SIZE: usize = 50;

/// The field of an entry that holds its cause.
const CAUSE_PATH: &str = "details.cause";

impl FirestoreStore {
    pub(crate) async fn remove_finished_jobs(&self, jobs: &[JobVersion]) -> Result<Vec<RemoveOutcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(jobs.len());
        for batch in jobs.chunks(BATCH_SIZE) {
            outcomes.extend(self.remove_planned(false, RemovalBatch::FinishedJobs(batch)).await?);
        }
        Ok(outcomes)
    }

    /// One read for each job and one for each of their entries.
    pub(super) async fn plan_retention(&self, jobs: &[JobVersion]) -> Result<Removal, StoreError> {
        let found = self.read_documents(JOBS, jobs.iter().map(|job| job.id.as_str())).await?;
        let plans: Vec<_> =
            jobs.iter().map(|version| self.entries_of(version, found.get(version.id.as_str()))).collect();
        let ids = plans.iter().flatten().flat_map(|(_, entries)| entries).map(|entry| entry.id.as_str());
        let stored = self.read_documents(COSTS, ids).await?;
        let mut removal = Removal::default();
        for plan in plans {
            let outcome = match plan {
                Err(outcome) => outcome,
                Ok((_, entries)) if entries.iter().any(|entry| !stored.contains_key(entry.id.as_str())) => {
                    RemoveOutcome::Kept("its charge has no entry in costs".to_owned())
                }
                Ok((document, entries)) => {
                    removal
                        .writes
                        .extend(entries.iter().map(|entry| write_cause(&stored[entry.id.as_str()].name, entry)));
                    removal.writes.push(deletion(document));
                    RemoveOutcome::Removed
                }
            };
            removal.outcomes.push(outcome);
        }
        Ok(removal)
    }

    /// The documents of those ids.
    async fn read_documents<'a>(
        &self,
        collection: &str,
        ids: impl Iterator<Item = &'a str>,
    ) -> Result<HashMap<String, Document>, StoreError> {
        let names: Vec<String> = ids.map(|id| self.shared.client.name(collection, id)).collect();
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.shared.client.get(names).await?;
        let id_of = |document: &Document| document.name.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(found.into_iter().map(|document| (id_of(&document), document)).collect())
    }

    /// The document of a job that may be removed, and the entries that stay; otherwise the outcome.
    fn entries_of<'a>(
        &self,
        version: &JobVersion,
        document: Option<&'a Document>,
    ) -> Result<(&'a Document, Vec<CostEntry>), RemoveOutcome> {
        let document = document.ok_or(RemoveOutcome::Missing)?;
        let parsed = self.shared.read(document).ok_or(RemoveOutcome::Missing)?;
        let job = parsed.content.map_err(RemoveOutcome::Kept)?.job;
        if job.revision != version.revision {
            return Err(RemoveOutcome::Kept("it was changed since it was read".to_owned()));
        }
        if let Some(obstacle) = job.retention_obstacle() {
            return Err(RemoveOutcome::Kept(obstacle.as_str().to_owned()));
        }
        let entries = encode_costs_of_removed(&job).map_err(RemoveOutcome::Kept)?;
        Ok((document, entries))
    }
}

/// The write of the cause alone: what other programs added to the entry stays.
fn write_cause(name: &str, entry: &CostEntry) -> Write {
    let details = json!({ "cause": entry.cause });
    let fields = json::from_json(&schema::Fields::from_iter([("details".to_owned(), details)]));
    Write {
        update_mask: Some(DocumentMask { field_paths: vec![CAUSE_PATH.to_owned()] }),
        current_document: Some(Precondition { condition_type: Some(ConditionType::Exists(true)) }),
        operation: Some(Operation::Update(Document { name: name.to_owned(), fields, ..Default::default() })),
        ..Default::default()
    }
}

fn deletion(document: &Document) -> Write {
    let condition_type = document.update_time.map(ConditionType::UpdateTime).or(Some(ConditionType::Exists(true)));
    Write {
        current_document: Some(Precondition { condition_type }),
        operation: Some(Operation::Delete(document.name.clone())),
        ..Default::default()
    }
}
