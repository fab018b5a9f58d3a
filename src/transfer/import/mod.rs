//! Import: the records of a file become documents of the store, in batches. The schema decides what a sound document is, the store
//! decides what is new.

mod batch;
mod dry_run;
mod duplicates;
mod reader;
mod summary;

use self::batch::BatchRecorder;
pub use self::batch::{BatchState, ImportBatch, ImportOrigin, KeptDocument, UndoSummary, list_batches, undo_batch};
use self::dry_run::DryRunTracker;
use self::duplicates::KnownCharges;
pub use self::reader::{Batch, ReadOptions, read};
pub use self::summary::{Counts, Duplicates, ImportSummary, JobsWithoutCosts};
use super::records::RejectedRow;
use crate::store::schema::Record;
use crate::store::{Store, StoreError};

/// An import on its way.
#[derive(Default)]
pub struct Importer {
    /// What happened so far.
    pub summary: ImportSummary,
    dry_run: Option<DryRunTracker>,
    /// `None`: charges that the store has under other ids are imported all the same.
    known: Option<KnownCharges>,
    /// `None` in a dry run, which writes nothing.
    recorder: Option<BatchRecorder>,
}

impl Importer {
    /// An import that writes, or one that only reports what it would do. With `allow_duplicates`, charges that the store has
    /// under other ids are imported all the same.
    pub fn new(is_dry_run: bool, allow_duplicates: bool, origin: &ImportOrigin) -> Self {
        let known = (!allow_duplicates).then(KnownCharges::default);
        let dry_run = is_dry_run.then(DryRunTracker::default);
        let recorder = (!is_dry_run).then(|| BatchRecorder::new(origin));
        let mut importer = Self { dry_run, known, recorder, ..Self::default() };
        importer.summary.dry_run = is_dry_run;
        importer
    }

    /// Imports one batch. Returns all of its rejected rows by their lines.
    pub async fn apply(&mut self, store: &dyn Store, mut batch: Batch) -> Result<Vec<RejectedRow>, StoreError> {
        let mut rejected = batch.rejected;
        if let Some(known) = &mut self.known {
            known.load(store, &batch.records).await?;
            batch.records.retain(|(_, record)| match record {
                Record::Cost(entry) if known.take_duplicate(entry) => {
                    self.summary.count_duplicate(record, entry);
                    false
                }
                _ => true,
            });
        }
        if !batch.records.is_empty() {
            let records: Vec<Record> = batch.records.iter().map(|(_, record)| record.clone()).collect();
            let outcomes = match &mut self.recorder {
                None => store.import(records, true).await?,
                Some(recorder) => {
                    let part = recorder.begin_part(store, &records).await?;
                    let outcomes = store.import(records.clone(), false).await?;
                    recorder.end_part(store, part, &records, &outcomes).await?;
                    outcomes
                }
            };
            for ((line, record), outcome) in batch.records.iter().zip(outcomes) {
                let outcome = match &mut self.dry_run {
                    Some(tracker) => tracker.outcome(record, outcome),
                    None => outcome,
                };
                rejected.extend(self.summary.count(*line, record, outcome));
            }
        }
        rejected.sort_by_key(|row| row.line);
        for row in &rejected {
            self.summary.reject(row);
        }
        Ok(rejected)
    }

    /// Records the sums of the import in the store.
    pub async fn finish(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        let Some(recorder) = &mut self.recorder else { return Ok(()) };
        recorder.update(store, &self.summary, self.summary.complete).await?;
        self.summary.batch = recorder.id().map(str::to_owned);
        Ok(())
    }
}
