//! The record of an import in the store: what it wrote, so that it can be listed and undone.
//!
//! A part is recorded before its documents are written, and again afterwards with those that were. After a crash in between, it
//! is unknown which of them this import wrote and which existed before: they are named and kept.

use std::collections::HashSet;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::ImportSummary;
use crate::costs::Usd;
use crate::store::schema::{Collection, ENTRY_OF_STORED_JOB, ImportOutcome, Record, charge_stem, stem_of_charge};
use crate::store::{ImportedDocument, RemoveOutcome, SharedRecord, Store, StoreError};

/// The kind of the records of imports.
const IMPORTS: &str = "import";

/// The kind of the records of what they wrote: `BATCH/000001`.
const PARTS: &str = "import_part";

/// Imports that are listed.
const MAX_LISTED: usize = 100;

/// Documents that are removed at once.
const REMOVED_AT_ONCE: usize = 100;

/// Who imports what, for the record.
#[derive(Debug, Clone)]
pub struct ImportOrigin {
    /// The file's name.
    pub file: String,
    /// Who: `user@host`.
    pub by: String,
    /// When it began.
    pub at: DateTime<Utc>,
}

/// Where an import stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchState {
    /// It runs, or it was interrupted.
    Started,
    /// The whole file was read.
    Complete,
    /// What it wrote was removed.
    Undone,
}

/// One recorded import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportBatch {
    /// Its name.
    #[serde(default)]
    pub id: String,
    /// When it began.
    pub at: DateTime<Utc>,
    /// Who imported it: `user@host`.
    pub by: String,
    /// The file's name.
    pub file: String,
    /// Where it stands.
    pub state: BatchState,
    /// Jobs that it wrote.
    pub jobs: u64,
    /// Cost entries that it wrote.
    pub costs: u64,
    /// The real money of these entries.
    pub usd: Usd,
    /// Jobs that note a cost which no entry counts.
    #[serde(default)]
    pub jobs_without_costs: u64,
    /// What they note.
    #[serde(default)]
    pub uncounted_usd: Usd,
    /// Records of what it wrote.
    pub parts: u32,
    /// When it was undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_at: Option<DateTime<Utc>>,
    /// Who undid it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_by: Option<String>,
    /// Documents that the undo kept; then it may be repeated.
    #[serde(default)]
    pub kept: u64,
}

/// What one part of an import wrote.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Part {
    /// Whether it is known which of the documents were written.
    written: bool,
    /// Id and digest.
    jobs: Vec<(String, String)>,
    costs: Vec<(String, String)>,
}

impl Part {
    fn of<'a>(records: impl Iterator<Item = &'a Record>, written: bool) -> Self {
        let mut part = Self { written, ..Self::default() };
        for record in records {
            let entry = (record.id().to_owned(), ImportedDocument::digest_of(&record.canonical_fields()));
            match record.collection() {
                Collection::Jobs => part.jobs.push(entry),
                Collection::Costs => part.costs.push(entry),
            }
        }
        part
    }

    /// Jobs and costs, in the order in which they are removed: an entry of a stored job is kept.
    fn documents(self) -> [Vec<ImportedDocument>; 2] {
        let document = |collection| move |(id, digest)| ImportedDocument { collection, id, digest };
        let jobs = self.jobs.into_iter().map(document(Collection::Jobs)).collect();
        [jobs, self.costs.into_iter().map(document(Collection::Costs)).collect()]
    }
}

/// The record of an import that runs.
pub(super) struct BatchRecorder {
    batch: ImportBatch,
    revision: u64,
}

impl BatchRecorder {
    pub(super) fn new(origin: &ImportOrigin) -> Self {
        let batch = ImportBatch {
            id: format!("{}-{:04x}", origin.at.format("%Y%m%d-%H%M%S"), rand::random::<u16>()),
            at: origin.at,
            by: origin.by.clone(),
            file: origin.file.clone(),
            state: BatchState::Started,
            jobs: 0,
            costs: 0,
            usd: Usd::ZERO,
            jobs_without_costs: 0,
            uncounted_usd: Usd::ZERO,
            parts: 0,
            undone_at: None,
            undone_by: None,
            kept: 0,
        };
        Self { batch, revision: 0 }
    }

    /// The batch, once something was recorded.
    pub(super) fn id(&self) -> Option<&str> {
        (self.revision > 0).then_some(self.batch.id.as_str())
    }

    /// Records what may be written next. Returns the revision of the part.
    pub(super) async fn begin_part(&mut self, store: &dyn Store, records: &[Record]) -> Result<u64, StoreError> {
        self.batch.parts += 1;
        self.save(store).await?;
        self.put_part(store, 0, &Part::of(records.iter(), false)).await
    }

    /// Records what was written.
    pub(super) async fn end_part(
        &mut self,
        store: &dyn Store,
        revision: u64,
        records: &[Record],
        outcomes: &[ImportOutcome],
    ) -> Result<(), StoreError> {
        let created = records.iter().zip(outcomes).filter(|(_, outcome)| **outcome == ImportOutcome::Created);
        let part = Part::of(created.map(|(record, _)| record), true);
        self.put_part(store, revision, &part).await.map(|_| ())
    }

    async fn put_part(&self, store: &dyn Store, revision: u64, part: &Part) -> Result<u64, StoreError> {
        let id = part_id(&self.batch.id, self.batch.parts);
        let record = SharedRecord::new(PARTS, &id, self.batch.at, &self.batch.by, body_of(part)?);
        store.put_shared_record(SharedRecord { revision, ..record }).await
    }

    /// Records the sums of the import.
    pub(super) async fn update(
        &mut self,
        store: &dyn Store,
        summary: &ImportSummary,
        is_complete: bool,
    ) -> Result<(), StoreError> {
        if self.revision == 0 {
            return Ok(());
        }
        self.batch.jobs = summary.jobs.new;
        self.batch.costs = summary.costs.new;
        self.batch.usd = summary.new_usd;
        self.batch.jobs_without_costs = summary.jobs_without_costs.count;
        self.batch.uncounted_usd = summary.jobs_without_costs.usd;
        if is_complete {
            self.batch.state = BatchState::Complete;
        }
        self.save(store).await
    }

    async fn save(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        let record = record_of(&self.batch, self.revision)?;
        self.revision = store.put_shared_record(record).await?;
        Ok(())
    }
}

fn part_id(batch: &str, number: u32) -> String {
    format!("{batch}-{number:06}")
}

fn body_of<T: Serialize>(value: &T) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(value).map_err(|error| StoreError::Unusable(error.to_string()))
}

fn record_of(batch: &ImportBatch, revision: u64) -> Result<SharedRecord, StoreError> {
    let record = SharedRecord::new(IMPORTS, &batch.id, batch.at, &batch.by, body_of(batch)?);
    Ok(SharedRecord { revision, ..record })
}

fn batch_of(record: &SharedRecord) -> Result<ImportBatch, StoreError> {
    let batch: ImportBatch = serde_json::from_value(record.body.clone())
        .map_err(|error| StoreError::Unusable(format!("the record of import {} cannot be read: {error}", record.id)))?;
    Ok(ImportBatch { id: record.id.clone(), ..batch })
}

/// The imports of the store, newest first.
pub async fn list_batches(store: &dyn Store) -> Result<Vec<ImportBatch>, StoreError> {
    store.shared_records(IMPORTS, MAX_LISTED).await?.iter().map(batch_of).collect()
}

/// What an undo did, or would do.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct UndoSummary {
    /// Whether nothing was removed.
    pub dry_run: bool,
    /// Jobs that were removed.
    pub jobs: u64,
    /// Cost entries that were removed.
    pub costs: u64,
    /// Documents that no longer exist.
    pub missing: u64,
    /// Documents that were kept, with the reason.
    pub kept: Vec<KeptDocument>,
}

/// A document that an undo kept.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct KeptDocument {
    /// `jobs` or `costs`.
    pub collection: &'static str,
    /// Its id.
    pub id: String,
    /// Why: one line.
    pub reason: String,
}

/// Removes what an import wrote and what has not changed since. May be repeated.
pub async fn undo_batch(
    store: &dyn Store,
    batch: &ImportBatch,
    by: &str,
    now: DateTime<Utc>,
    dry_run: bool,
) -> Result<UndoSummary, StoreError> {
    let mut summary = UndoSummary { dry_run, ..UndoSummary::default() };
    // What begins the ids of the charges of removed jobs.
    let mut stems = HashSet::new();
    // Backwards: jobs may have followed their entries.
    for number in (1..=batch.parts).rev() {
        let Some(record) = store.shared_record(PARTS, &part_id(&batch.id, number)).await? else { continue };
        let part: Part = serde_json::from_value(record.body).map_err(|error| {
            StoreError::Unusable(format!("the record of import {} cannot be read: {error}", batch.id))
        })?;
        let is_known = part.written;
        let [jobs, costs] = part.documents();
        if !is_known {
            let reason = "the import was interrupted here: it may have been stored before";
            let documents = jobs.into_iter().chain(costs);
            summary.kept.extend(documents.map(|document| KeptDocument::new(document, reason)));
            continue;
        }
        for documents in jobs.chunks(REMOVED_AT_ONCE).chain(costs.chunks(REMOVED_AT_ONCE)) {
            let outcomes = store.remove_imported(documents.to_vec(), dry_run).await?;
            for (document, outcome) in documents.iter().zip(outcomes) {
                match outcome {
                    RemoveOutcome::Removed if document.collection == Collection::Jobs => {
                        stems.insert(charge_stem(&document.id));
                        summary.jobs += 1;
                    }
                    RemoveOutcome::Removed => summary.costs += 1,
                    // A dry run does not remove the job of the entry first.
                    RemoveOutcome::Kept(reason)
                        if dry_run
                            && reason == ENTRY_OF_STORED_JOB
                            && stem_of_charge(&document.id).is_some_and(|stem| stems.contains(stem)) =>
                    {
                        summary.costs += 1;
                    }
                    RemoveOutcome::Missing => summary.missing += 1,
                    RemoveOutcome::Kept(reason) => summary.kept.push(KeptDocument::new(document.clone(), &reason)),
                }
            }
        }
    }
    if !dry_run {
        record_undo(store, &batch.id, &summary, by, now).await?;
    }
    Ok(summary)
}

async fn record_undo(
    store: &dyn Store,
    id: &str,
    summary: &UndoSummary,
    by: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let Some(record) = store.shared_record(IMPORTS, id).await? else { return Ok(()) };
    let mut batch = batch_of(&record)?;
    batch.state = BatchState::Undone;
    batch.undone_at = Some(now);
    batch.undone_by = Some(by.to_owned());
    batch.kept = summary.kept.len() as u64;
    store.put_shared_record(record_of(&batch, record.revision)?).await.map(|_| ())
}

impl KeptDocument {
    fn new(document: ImportedDocument, reason: &str) -> Self {
        Self { collection: document.collection.as_str(), id: document.id, reason: reason.to_owned() }
    }
}

impl ImportBatch {
    /// `complete`, `undone by ada@studio, 2026-11-22T12:00:00Z`.
    pub fn state_line(&self) -> String {
        match self.state {
            BatchState::Started => "interrupted or running".to_owned(),
            BatchState::Complete => "complete".to_owned(),
            BatchState::Undone => {
                let at = self.undone_at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)).unwrap_or_default();
                let by = crate::text::sanitize_line(self.undone_by.as_deref().unwrap_or_default(), 60);
                let kept = if self.kept > 0 { format!(", {} kept", self.kept) } else { String::new() };
                format!("undone by {by}, {at}{kept}")
            }
        }
    }
}
