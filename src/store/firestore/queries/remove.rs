//! Removes imported documents with their sums: one read for each, and one commit for some of them under the condition that none was
//! changed since it was read.

use std::collections::HashMap;

use firestore::gcloud_sdk::google::firestore::v1::precondition::ConditionType;
use firestore::gcloud_sdk::google::firestore::v1::value::ValueType;
use firestore::gcloud_sdk::google::firestore::v1::write::Operation;
use firestore::gcloud_sdk::google::firestore::v1::{Document, Precondition, Write};
use firestore::gcloud_sdk::tonic::Code;

use crate::jobs::Job;
use crate::store::charges::{ChargeRow, cause_of, charges_of};
use crate::store::firestore::connection::ambiguous_commit::AmbiguousCommit;
use crate::store::firestore::connection::client::CommitOutcome;
use crate::store::firestore::connection::errors;
use crate::store::firestore::documents::json;
use crate::store::firestore::documents::value::{self, map_of};
use crate::store::firestore::ledger::entries::{COSTS, OPEN_CHARGES, collection_of, diff_entries, parse_entry};
use crate::store::firestore::ledger::rollup;
use crate::store::firestore::ledger::writes::{write_entries, write_rollups};
use crate::store::firestore::queries::import::FOUND_ENTRIES;
use crate::store::firestore::{FirestoreStore, JOBS};
use crate::store::schema::{
    self, Collection, CostEntry, ENTRY_OF_STORED_JOB, ImportedDocument, RemoveOutcome, attempt_of, charge_id,
};
use crate::store::{JobVersion, StoreError};

/// Documents of one commit: each may move some rollups, and Firestore moves at most 500 counters of one document.
const BATCH_SIZE: usize = 20;

/// Attempts while other processes write the same documents.
const MAX_ATTEMPTS: usize = 8;

/// What one commit removes.
#[derive(Clone, Copy)]
pub(super) enum RemovalBatch<'a> {
    /// What an import wrote.
    Documents(&'a [ImportedDocument]),
    /// Jobs whose entries stay.
    FinishedJobs(&'a [JobVersion]),
}

/// What is to be done with some documents.
#[derive(Default)]
pub(super) struct Removal {
    pub(super) outcomes: Vec<RemoveOutcome>,
    pub(super) writes: Vec<Write>,
}

/// What a removal changes in the sums.
#[derive(Default)]
struct MovedCharges {
    removed: Vec<ChargeRow>,
    added: Vec<ChargeRow>,
    /// Entries that existed before their job was imported, by name; `None` for one that is in no sum.
    found: HashMap<String, Option<ChargeRow>>,
}

impl FirestoreStore {
    pub(crate) async fn remove_documents(
        &self,
        documents: &[ImportedDocument],
        dry_run: bool,
    ) -> Result<Vec<RemoveOutcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(documents.len());
        for batch in documents.chunks(BATCH_SIZE) {
            outcomes.extend(self.remove_planned(dry_run, RemovalBatch::Documents(batch)).await?);
        }
        Ok(outcomes)
    }

    /// Plans and commits until no other process has changed the documents in between.
    pub(super) async fn remove_planned(
        &self,
        dry_run: bool,
        batch: RemovalBatch<'_>,
    ) -> Result<Vec<RemoveOutcome>, StoreError> {
        let mut ambiguous = AmbiguousCommit::default();
        let mut first: Option<Vec<RemoveOutcome>> = None;
        for _ in 0..MAX_ATTEMPTS {
            let Removal { mut outcomes, writes } = match batch {
                RemovalBatch::Documents(documents) => self.plan_removal(documents).await?,
                RemovalBatch::FinishedJobs(jobs) => self.plan_retention(jobs).await?,
            };
            // What an unacknowledged attempt removed is gone by now.
            for (outcome, before) in outcomes.iter_mut().zip(first.iter().flatten()) {
                if *outcome == RemoveOutcome::Missing {
                    outcome.clone_from(before);
                }
            }
            if dry_run || writes.is_empty() {
                return Ok(outcomes);
            }
            match self.shared.client.commit_once(writes).await? {
                CommitOutcome::Committed(_) => return Ok(outcomes),
                CommitOutcome::Rejected(status) => match status.code() {
                    Code::FailedPrecondition | Code::NotFound | Code::Aborted => {}
                    _ => return Err(errors::of_status(&status)),
                },
                CommitOutcome::Unknown(_) => {
                    first.get_or_insert(outcomes);
                }
            }
            ambiguous.pause().await;
        }
        Err(StoreError::Unavailable("gave up after repeated write contention".to_owned()))
    }

    async fn plan_removal(&self, documents: &[ImportedDocument]) -> Result<Removal, StoreError> {
        let name = |document: &ImportedDocument| self.shared.client.name(document.collection.as_str(), &document.id);
        let found = self.shared.client.get(documents.iter().map(name).collect()).await?;
        let found: HashMap<String, Document> =
            found.into_iter().map(|document| (document.name.clone(), document)).collect();
        let mut removal = Removal { outcomes: Vec::with_capacity(documents.len()), writes: Vec::new() };
        let mut sums = MovedCharges { found: self.found_entries(&found).await?, ..MovedCharges::default() };
        let jobs = self.jobs_of_entries(documents, &found).await?;
        for document in documents {
            let Some(stored) = found.get(&name(document)) else {
                removal.outcomes.push(RemoveOutcome::Missing);
                continue;
            };
            let outcome = match document.collection {
                Collection::Costs => cost_outcome(stored, document, &jobs, &mut sums.removed),
                Collection::Jobs => self.job_outcome(stored, document, &mut sums, &mut removal.writes),
            };
            if outcome == RemoveOutcome::Removed {
                removal.writes.push(deletion(stored));
            }
            removal.outcomes.push(outcome);
        }
        let months = rollup::changes(&sums.removed, &sums.added);
        removal.writes.extend(write_rollups(&self.shared.client, months, None, None));
        Ok(removal)
    }

    /// The entries that stood for the charges of these jobs before they were imported, as far as they exist, by name.
    async fn found_entries(
        &self,
        jobs: &HashMap<String, Document>,
    ) -> Result<HashMap<String, Option<ChargeRow>>, StoreError> {
        let ids = jobs.values().flat_map(found_entry_ids);
        let names = ids.flat_map(|id| [COSTS, OPEN_CHARGES].map(|collection| self.shared.client.name(collection, id)));
        let names: Vec<String> = names.collect();
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let entries = self.shared.client.get(names).await?;
        Ok(entries
            .into_iter()
            .map(|entry| (entry.name.clone(), parse_entry(&entry).ok().map(|(_, row)| row)))
            .collect())
    }

    /// The jobs of entries that are darkroom's own.
    async fn jobs_of_entries(
        &self,
        documents: &[ImportedDocument],
        found: &HashMap<String, Document>,
    ) -> Result<HashMap<String, Job>, StoreError> {
        let entries = found.values().filter(|stored| stored.name.contains(&format!("/{COSTS}/")));
        let mut names: Vec<String> = entries
            .filter_map(|stored| parse_entry(stored).ok())
            .filter(|(_, row)| row.attempt > 0)
            .map(|(job_id, _)| self.shared.client.name(JOBS, &job_id))
            .collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() || documents.is_empty() {
            return Ok(HashMap::new());
        }
        let jobs = self.shared.client.get(names).await?;
        let jobs = jobs.iter().filter_map(|document| self.shared.read(document)?.content.ok());
        Ok(jobs.map(|loaded| (loaded.job.id.as_str().to_owned(), loaded.job)).collect())
    }

    fn job_outcome(
        &self,
        stored: &Document,
        document: &ImportedDocument,
        sums: &mut MovedCharges,
        writes: &mut Vec<Write>,
    ) -> RemoveOutcome {
        let fields = match self.export_document(Collection::Jobs, stored) {
            Ok(fields) => fields,
            Err(reason) => return RemoveOutcome::Kept(reason),
        };
        if ImportedDocument::digest_of(&schema::canonical_job(&fields)) != document.digest {
            return changed();
        }
        if stored.fields.contains_key("darkroom") {
            let Some(Ok(loaded)) = self.shared.read(stored).map(|parsed| parsed.content) else {
                return RemoveOutcome::Kept("it cannot be read".to_owned());
            };
            let rows = charges_of(&loaded.job);
            let ids: Vec<&str> = found_entry_ids(stored).collect();
            let mut own = Vec::new();
            for row in rows {
                let id = charge_id(loaded.job.id.as_str(), row.attempt, row.service);
                let name = self.shared.client.name(collection_of(&row), &id);
                match sums.found.get(&name).filter(|_| ids.contains(&id.as_str())) {
                    // It was there before the job: it stays, and counts under its own cause again.
                    Some(entry) => sums.added.extend(entry.clone()),
                    None => own.push(row.clone()),
                }
                sums.removed.push(row);
            }
            writes.extend(write_entries(&self.shared.client, &loaded.job, &diff_entries(&loaded.job, &own, &[])));
        }
        RemoveOutcome::Removed
    }
}

/// The ids of the entries that stood for the charges of this imported job before.
fn found_entry_ids(job: &Document) -> impl Iterator<Item = &str> {
    let job_id = job.name.rsplit('/').next().unwrap_or_default();
    let ids = map_of(&job.fields, "darkroom").and_then(|native| value::content(native, FOUND_ENTRIES));
    let ids = match ids {
        Some(ValueType::ArrayValue(ids)) => ids.values.as_slice(),
        _ => &[],
    };
    let texts = ids.iter().filter_map(|id| match &id.value_type {
        Some(ValueType::StringValue(id)) => Some(id.as_str()),
        _ => None,
    });
    texts.filter(move |id| attempt_of(job_id, id).is_some())
}

fn cost_outcome(
    stored: &Document,
    document: &ImportedDocument,
    jobs: &HashMap<String, Job>,
    removed: &mut Vec<ChargeRow>,
) -> RemoveOutcome {
    let canonical =
        CostEntry::read(Some(&document.id), json::to_json(&stored.fields)).map(|entry| entry.canonical_fields());
    let (Ok(canonical), Ok((job_id, mut row))) = (canonical, parse_entry(stored)) else {
        return RemoveOutcome::Kept("it cannot be read".to_owned());
    };
    if ImportedDocument::digest_of(&canonical) != document.digest {
        return changed();
    }
    // An entry of darkroom's own counts under the cause that its job has.
    if let Some(job) = jobs.get(&job_id)
        && let Some(attempt) = job.attempt_numbered(row.attempt)
    {
        if charges_of(job).iter().any(|own| (own.attempt, own.service) == (row.attempt, row.service)) {
            return RemoveOutcome::Kept(ENTRY_OF_STORED_JOB.to_owned());
        }
        cause_of(attempt).clone_into(&mut row.cause);
    }
    removed.push(row);
    RemoveOutcome::Removed
}

fn changed() -> RemoveOutcome {
    RemoveOutcome::Kept("it was changed since the import".to_owned())
}

fn deletion(document: &Document) -> Write {
    let condition_type = document.update_time.map(ConditionType::UpdateTime).or(Some(ConditionType::Exists(true)));
    Write {
        current_document: Some(Precondition { condition_type }),
        operation: Some(Operation::Delete(document.name.clone())),
        ..Default::default()
    }
}
